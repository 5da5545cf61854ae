"""Rows whose parents have an ancestor in common: an order's customer and its shop belong to the same tenant.

Labels say what kinds of parents meet, and not which of them are relatives. Where two parents of a row have the same
ancestor more often than chance has it, they are drawn so, too; where they always have, they always will, as long as
there is somebody to be a relative. NOTE[DIFF]: neither paper looks at foreign keys that lead to the same table on two
ways.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from ..encoded import Edge, EncodedDatabase
from .matching import match_places

__all__ = ["Kinship", "closest_kinship", "draw_kin", "exchangeable", "in_turn", "learn_kinships"]

_FARTHEST = 4  # keys on the way from a parent to the common ancestor
_SURE = 5.0  # standard errors above chance
_LEAST = 0.05  # of the rows that are not relatives by chance


@dataclass(frozen=True)
class Kinship:
    """How often two parents of a row have the same ancestor.

    Attributes:
        edges: two of one child.
        paths: the edges that lead from each one's parent up to the common table; none where it is that table.
        share: of the rows with both ancestors, those where they are the same.
        chance: what the share would be among parents that meet at random.
    """

    edges: tuple[str, str]
    paths: tuple[tuple[str, ...], tuple[str, ...]]
    share: float
    chance: float

    @property
    def excess(self) -> float:
        """The share of rows that are to have relatives for parents where the others meet at random."""
        return (self.share - self.chance) / (1 - self.chance)

    @property
    def always(self) -> bool:
        return self.share == 1

    @property
    def all_edges(self) -> frozenset[str]:
        """Those that it speaks of, and those on the ways up."""
        return frozenset(self.edges).union(*self.paths)

    def other(self, edge: str) -> str:
        return self.edges[1 - self.edges.index(edge)]

    def ancestors(self, edge: str, rows: np.ndarray, parents: Mapping[str, np.ndarray]) -> np.ndarray:
        """The common table's rows above these rows of the edge's parent table, int64 ``(n,)``, -1 for none."""
        for name in self.paths[self.edges.index(edge)]:
            rows = np.append(parents[name], -1)[rows]
        return rows


def learn_kinships(database: EncodedDatabase) -> tuple[Kinship, ...]:
    """Of each pair of keys of one child the kinship that says most, if it is beyond chance."""
    parents = {edge.name: edge.rows for edge in database.edges}
    found = []
    for table in database.tables:
        for first, second in combinations(database.edges_of(table), 2):
            both = (first.rows >= 0) & (second.rows >= 0)
            known = []
            for top, path in _ways_up(database, first.parent):
                for other_top, other in _ways_up(database, second.parent):
                    if top == other_top and (path or other):
                        kinship = Kinship((first.name, second.name), (path, other), 0.0, 0.0)
                        of_first, of_second = (
                            kinship.ancestors(edge.name, edge.rows[both], parents) for edge in (first, second)
                        )
                        known += _beyond_chance(kinship, of_first, of_second)
            found += sorted(known, key=lambda kinship: (-kinship.excess, kinship.chance))[:1]
    return tuple(found)


def _ways_up(database: EncodedDatabase, table: str) -> list[tuple[str, tuple[str, ...]]]:
    """All tables that can be reached from a table, itself first, each with the edges on the way."""
    found: list[tuple[str, tuple[str, ...]]] = [(table, ())]
    for top, path in found:  # which grows on the way
        if len(path) < _FARTHEST:
            found += [(edge.parent, (*path, edge.name)) for edge in database.edges_of(top)]
    return found


def _beyond_chance(kinship: Kinship, first: np.ndarray, second: np.ndarray) -> list[Kinship]:
    both = (first >= 0) & (second >= 0)
    first, second, n = first[both], second[both], int(both.sum())
    if not n:
        return []
    most = int(max(first.max(), second.max())) + 1
    share = float((first == second).mean())
    chance = float(np.bincount(first, minlength=most) / n @ (np.bincount(second, minlength=most) / n))
    if share - chance < _SURE * np.sqrt(chance * (1 - chance) / n) or share - chance <= _LEAST * (1 - chance):
        return []
    return [Kinship(kinship.edges, kinship.paths, share, chance)]


def in_turn(kinships: Sequence[Kinship], edge: Edge) -> tuple[int, bool]:
    """In which turn an edge's parents are met: least first.

    One that ties others together meets them before those, and one whose parents have a single child before others give
    way to it.
    """
    return -sum(edge.name in kinship.edges for kinship in kinships), not edge.one_to_one


def closest_kinship(kinships: Sequence[Kinship], edge: str, met: Collection[str]) -> Kinship | None:
    """The kinship that binds an edge most to one whose parents are known."""
    known = [kinship for kinship in kinships if edge in kinship.edges and kinship.other(edge) in met]
    return max(known, key=lambda kinship: kinship.excess, default=None)


def exchangeable(
    kinships: Sequence[Kinship], edge: str, labels: np.ndarray, parents: Mapping[str, np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """Two groupings of the parent rows of an edge, int64 ``(n_parents,)`` each.

    Args:
        labels: int64 ``(n_parents,)``.
        parents: by edge, of the tables above.

    Returns:
        Those that have the same label and ancestors; and those that may take each other's place at all, as they have
        the ancestors in common that a row's parents always have.
    """
    rows, alike, bound = np.arange(len(labels)), labels, np.zeros_like(labels)
    for kinship in (kinship for kinship in kinships if edge in kinship.edges):
        ancestors = kinship.ancestors(edge, rows, parents) + 1
        alike = _both(alike, ancestors)
        bound = _both(bound, ancestors) if kinship.always else bound
    return alike, bound


def _both(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Two groupings as one, in the order of the first and then of the second; of whole numbers from 0 on."""
    return np.unique(first * (second.max(initial=0) + 1) + second, return_inverse=True)[1]


def draw_kin(
    kinship: Kinship, wanted: np.ndarray, asked: np.ndarray, places: np.ndarray, labels: np.ndarray,
    ancestors: np.ndarray, rng: np.random.Generator, *, one_to_one: bool = False,
) -> np.ndarray:  # fmt: skip
    """Give every row a parent of the label it asks for, and as many as the kinship says one with their own ancestor.

    Args:
        wanted: int64 ``(n,)``, the label each row asks for.
        asked: int64 ``(n,)``, the ancestor that it has by its other parent, -1 for none.
        places: int64 ``(n,)``, the parent row of each place.
        labels, ancestors: int64 ``(n_parents,)``.

    Returns:
        The parent of each row, int64 ``(n,)``: `places` in another order; but where there are no exceptions, parents
        gain and lose places until they are where they are asked for.
    """
    if kinship.always:
        places = _moved(places, asked, ancestors, rng, one_to_one)
    rows, chosen = _paired(asked, ancestors[places], rng)
    relatives = np.sort(rng.permutation(len(rows))[: round(kinship.excess * np.count_nonzero(asked >= 0))])
    rows, chosen = rows[relatives], chosen[relatives]
    parents = np.empty(len(wanted), np.int64)
    # Ancestors first, then labels: what finds no place of its label finds one close by under the same ancestor.
    ancestor, label = np.r_[asked[rows], ancestors[places[chosen]]], np.r_[wanted[rows], labels[places[chosen]]]
    key = _both(ancestor, label)
    parents[rows] = match_places(key[: len(rows)], places[chosen], key[len(rows) :], rng)
    others, left = np.delete(np.arange(len(wanted)), rows), np.delete(places, chosen)
    parents[others] = match_places(wanted[others], left, labels[left], rng)
    return parents


def _paired(asked: np.ndarray, offered: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """As many rows as places of each ancestor, both in the order of the ancestors."""
    n = max(asked.max(initial=-1), offered.max(initial=-1)) + 1
    most = np.minimum(*(np.bincount(side[side >= 0], minlength=n) for side in (asked, offered)))
    return _first(asked, most, rng), _first(offered, most, rng)


def _first(groups: np.ndarray, most: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """So many members of each group at random, int64, in the order of the groups."""
    order = rng.permutation(len(groups))
    order = order[groups[order] >= 0]
    order = order[np.argsort(groups[order], kind="stable")]
    sizes = np.bincount(groups[order], minlength=len(most))
    within = np.arange(len(order)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    return order[within < np.repeat(most, sizes)]


def _moved(
    places: np.ndarray, asked: np.ndarray, ancestors: np.ndarray, rng: np.random.Generator, one_to_one: bool
) -> np.ndarray:
    """Places moved to the ancestors that are asked for, as far as these have parents to take them, int64 ``(n,)``."""
    n = max(asked.max(initial=-1), ancestors.max(initial=-1)) + 1
    wanted = np.bincount(asked[asked >= 0], minlength=n)
    stay = _first(ancestors[places], wanted, rng)
    missing = wanted - np.bincount(ancestors[places[stay]], minlength=n)
    holds = np.isin(np.arange(len(ancestors)), places)
    some = np.isin(ancestors, ancestors[holds])
    takes = ~holds if one_to_one else holds | ~some  # whoever has children has more, or where nobody has, anybody
    takers = rng.permutation(np.flatnonzero(takes & (ancestors >= 0)))
    takers = takers[np.argsort(ancestors[takers], kind="stable")]
    sizes = np.bincount(ancestors[takers], minlength=n)
    if one_to_one:
        missing = np.minimum(missing, sizes)
    missing[sizes == 0] = 0
    turn = np.arange(missing.sum()) - np.repeat(np.cumsum(missing) - missing, missing)
    start, size = (np.repeat(part, missing) for part in (np.cumsum(sizes) - sizes, sizes))
    more = takers[start + turn % size]
    left = rng.permutation(np.delete(places, stay))
    return np.concatenate([places[stay], more, left])[: len(places)]
