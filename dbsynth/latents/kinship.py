"""Rows whose parents have an ancestor in common: an order's customer and its shop belong to the same tenant.

Labels say what kinds of parents meet, and not which of them are relatives. Where two parents of a row have the same
ancestor more often than chance has it, they are drawn so, too; where they always have, they always will, as long as
there is somebody to be a relative. NOTE[DIFF]: neither paper looks at foreign keys that lead to the same table on two
ways.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import combinations

import numpy as np

from ..encoded import Edge, EncodedDatabase
from .matching import match_places

__all__ = ["Bond", "Kinship", "bonds", "draw_kin", "exchangeable", "in_turn", "learn_kinships"]

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


@dataclass(frozen=True)
class Bond:
    """What binds rows to the parents of one edge: ancestors that they have already.

    Attributes:
        asked: int64 ``(n,)``, the ancestor of each row by its other parent, -1 for none.
        ancestors: int64 ``(n_parents,)``, that of each parent, -1 for none.
        share: of the rows with an ancestor, those that are to find a relative.
    """

    asked: np.ndarray
    ancestors: np.ndarray
    share: float


def learn_kinships(database: EncodedDatabase) -> tuple[Kinship, ...]:
    """Of each pair of keys of one child the kinships without exception, or else the one that says most, beyond chance.

    What follows from another is left out: who share a town share its country.
    """
    parents = {edge.name: edge.rows for edge in database.edges}
    found: list[Kinship] = []
    for table in database.tables:
        for first, second in combinations(database.edges_of(table), 2):
            known = sorted(_of_pair(database, first, second, parents), key=lambda k: (-k.excess, k.chance))
            always = [kinship for kinship in known if kinship.always]
            always = [k for k in always if not any(_follows(k, nearer) for nearer in always if nearer is not k)]
            found += always or known[:1]
    return tuple(found)


def _of_pair(
    database: EncodedDatabase, first: Edge, second: Edge, parents: Mapping[str, np.ndarray]
) -> Iterator[Kinship]:
    """The kinships of two edges that are beyond chance."""
    for top, path in _ways_up(database, first.parent):
        for other_top, other in _ways_up(database, second.parent):
            if top == other_top and (path or other):
                kinship = Kinship((first.name, second.name), (path, other), 0.0, 0.0)
                of_first, of_second = (kinship.ancestors(e.name, e.rows, parents) for e in (first, second))
                yield from _beyond_chance(kinship, of_first, of_second)


def _follows(kinship: Kinship, nearer: Kinship) -> bool:
    """Whether who shares the nearer ancestor shares this one: the ways go on from there alike."""
    rest = {path[len(near) :] if path[: len(near)] == near else None
            for path, near in zip(kinship.paths, nearer.paths, strict=True)}  # fmt: skip
    return len(rest) == 1 and None not in rest


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
    """In which turn an edge's parents are met, the least first: the edge with the most kinships, as the others go by
    it; and before its like one whose parents have no more than one child, as it cannot give way.
    """
    return -sum(edge.name in kinship.edges for kinship in kinships), not edge.one_to_one


def bonds(
    kinships: Sequence[Kinship], edge: str, rows: np.ndarray, met: Mapping[str, np.ndarray],
    parents: Mapping[str, np.ndarray],
) -> list[Bond]:  # fmt: skip
    """What binds rows to the parents of an edge by the parents that they have, the strongest first.

    Args:
        rows: int64 ``(n_parents,)``, the parents' row numbers, -1 for one that has no room for more children.
        met: by edge whose parents are known, the parent of each row, int64 ``(n,)``, -1 for null.
        parents: by edge, of the tables above.
    """
    known = sorted(
        (kinship for kinship in kinships if edge in kinship.edges and kinship.other(edge) in met),
        key=lambda kinship: (-kinship.excess, kinship.chance),
    )
    single = [
        Bond(k.ancestors(k.other(edge), met[k.other(edge)], parents), k.ancestors(edge, rows, parents), k.excess)
        for k in known
    ]
    always = [bond for bond in single if bond.share == 1]
    if not always:
        return single[:1]
    return [_all_of(always), *always] if len(always) > 1 else always


def _all_of(bonds: Sequence[Bond]) -> Bond:
    """Several bonds as one; who lacks one of the ancestors is bound by none."""
    n = len(bonds[0].asked)
    together = [np.r_[bond.asked, bond.ancestors] for bond in bonds]
    lacking = np.any([ancestors < 0 for ancestors in together], axis=0)
    ancestors = np.where(lacking, -1, _combined(together))
    return Bond(ancestors[:n], ancestors[n:], 1.0)


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


def _combined(ancestors: Iterable[np.ndarray]) -> np.ndarray:
    """Rows grouped by several ancestors, -1 for none, int64 from 0 on; all in one group by none."""
    return reduce(_both, (of + 1 for of in ancestors), np.int64(0))


def draw_kin(
    bonds: Sequence[Bond], wanted: np.ndarray, places: np.ndarray, labels: np.ndarray, rng: np.random.Generator, *,
    one_to_one: bool = False,
) -> np.ndarray:  # fmt: skip
    """Give every row a parent of the label it asks for, and as many as the bonds say a relative of those they have.

    Args:
        bonds: the strongest first; a weaker one binds the rows that this left alone, where it is without exception.
        wanted: int64 ``(n,)``, the label each row asks for.
        places: int64 ``(n,)``, the parent row of each place.
        labels: int64 ``(n_parents,)``.

    Returns:
        The parent of each row, int64 ``(n,)``: `places` in another order; but where there are no exceptions, parents
        gain and lose places until they are where they are asked for.
    """
    parents, left = np.full(len(wanted), -1), np.arange(len(wanted))
    for bond in bonds:
        asked = bond.asked[left]
        if bond.share == 1:
            taken = parents[parents >= 0] if one_to_one else parents[:0]
            places = _moved(places, asked, np.where(np.isin(np.arange(len(labels)), taken), -1, bond.ancestors), rng,
                            one_to_one)  # fmt: skip
        rows, chosen = _paired(asked, bond.ancestors[places], rng)
        relatives = np.sort(rng.permutation(len(rows))[: round(bond.share * np.count_nonzero(asked >= 0))])
        rows, chosen = rows[relatives], chosen[relatives]
        # Ancestors first, then labels: what finds no place of its label finds one close by under the same ancestor.
        ancestor = np.r_[asked[rows], bond.ancestors[places[chosen]]]
        key = _both(ancestor, np.r_[wanted[left[rows]], labels[places[chosen]]])
        parents[left[rows]] = match_places(key[: len(rows)], places[chosen], key[len(rows) :], rng)
        left, places = np.delete(left, rows), np.delete(places, chosen)
    parents[left] = match_places(wanted[left], places, labels[places], rng)
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
