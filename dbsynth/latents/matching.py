"""The multi-parent dilemma (ClavaDDPM, Section 4.3.3): which parents the rows of a child with several parents have.

Each parent brings its own version of the child: as many row places as its groups have members. All versions have the
same number of rows (null keys are places, too), so a match is a pairing in which no row is lost.

- `values`, the paper's: versions are drawn row by row from their own parent's label, and rows of two versions are
  paired with their nearest neighbours.
- `labels`, the default. NOTE[DIFF]: rows ask for the combination of parents' labels that real rows have, and take
  places that parents of these labels offer. Values are drawn after, once, given all parents.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import hnswlib
import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist

from ..encoded import Edge
from ..groups import repeated_rows

__all__ = [
    "asked_by_row", "deal_places", "draw_tuples", "match_places", "match_rows", "part_duplicates",
]  # fmt: skip

_NEIGHBOURS = 32
_EXACT_ROWS = 1_000  # leftovers of this many rows are paired exactly
_SWAP_ROUNDS = 200
_DEALT = 5_000_000  # rows times parents of a label whose rows are dealt


def asked_by_row(edges: Sequence[Edge], kept: Collection[str]) -> list[bool]:
    """Whether a parent is asked for by its row, as kept ones are, or by its label; per edge of one child.

    Where all parents are kept, all but one go by their labels: otherwise the pairs would be the real table's own.
    """
    known = [edge.parent in kept for edge in edges]
    return known if not all(known) else [j == 0 for j in range(len(edges))]


def draw_tuples(tuples: np.ndarray, counts: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
    """``n`` rows of ``tuples`` in proportion to ``counts``, int64 ``(n, n_edges)``, in random order.

    A systematic sample: no tuple comes more than once too often or too rarely.
    """
    quantiles = (np.arange(n) + rng.random()) / max(n, 1)
    chosen = np.searchsorted(np.cumsum(counts) / counts.sum(), quantiles, side="right").clip(max=len(counts) - 1)
    return tuples[rng.permutation(chosen)]


def match_places(wanted: np.ndarray, places: np.ndarray, offered: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Give every row a parent of the label it asks for, or of one close by in meaning.

    Args:
        wanted: int64 ``(n,)``, the label each row asks for.
        places: int64 ``(n,)``, the parent row of each place.
        offered: int64 ``(n,)``, the label of each place's parent; labels stand in the order of their meaning.

    Returns:
        The parent of each row, int64 ``(n,)``: `places` in another order.
    """
    shuffled = rng.permutation(len(places))
    places, offered = places[shuffled], offered[shuffled]
    rows, by_label = np.argsort(wanted, kind="stable"), np.argsort(offered, kind="stable")
    n_labels = int(max(wanted.max(initial=0), offered.max(initial=0))) + 1
    asked, given = np.bincount(wanted, minlength=n_labels), np.bincount(offered, minlength=n_labels)
    both = np.minimum(asked, given)
    served = _rank_within(asked) < both[wanted[rows]]
    taken = _rank_within(given) < both[offered[by_label]]
    parents = np.empty(len(wanted), dtype=np.int64)
    parents[rows[served]] = places[by_label[taken]]
    parents[rows[~served]] = places[by_label[~taken]]
    return parents


def _rank_within(counts: np.ndarray) -> np.ndarray:
    """0, 1, … within each run of the given lengths."""
    return np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)


def deal_places(
    wanted: np.ndarray, parents: np.ndarray, partners: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Exchange parents between rows that ask for the same label, so that rows of one partner have different ones.

    The rows of a label are dealt like cards: those of the partner with the most rows first, to the parents that have
    most places left (Gale and Ryser's construction, which finds a way if there is one). Labels whose rows differ
    already stay as they are, as do those with too many parents to be short of them.

    Args:
        wanted: int64 ``(n,)``, the label each row asks for.
        parents, partners: int64 ``(n,)``, the row's parents under this key and the other, -1 for null.

    Returns:
        The parent of each row, int64 ``(n,)``.
    """
    result = parents.copy()
    held = np.flatnonzero((parents >= 0) & (partners >= 0))
    repeated = repeated_rows([parents, partners])
    held = held[np.isin(wanted[held], wanted[repeated])]
    held = held[np.argsort(wanted[held], kind="stable")]
    for rows in np.split(held, np.flatnonzero(np.diff(wanted[held])) + 1):
        who, left = np.unique(parents[rows], return_counts=True)
        if not len(rows) or len(who) * len(rows) > _DEALT:
            continue
        order = rows[np.argsort(partners[rows], kind="stable")]
        hands = np.split(order, np.flatnonzero(np.diff(partners[order])) + 1)
        for hand in sorted(hands, key=len, reverse=True):
            chosen = np.lexsort((rng.random(len(who)), -left))[: len(hand)]
            if len(chosen) < len(hand) or left[chosen].min() < 1:  # no way: whoever has places takes them
                chosen = np.sort(rng.permutation(np.repeat(np.arange(len(who)), left))[: len(hand)])
            np.subtract.at(left, chosen, 1)
            result[hand] = who[rng.permutation(chosen)]
    return result


def match_rows(anchor: np.ndarray, version: np.ndarray, *, seed: int) -> np.ndarray:
    """Pair each row of ``anchor`` with a row of ``version`` near to it, one to one: a permutation, int64 ``(n,)``.

    Rounds of approximate nearest neighbours (hnswlib) among the rows still free; close pairs choose first. O(n log n).

    Args:
        anchor, version: float32 ``(n, d)``, scaled alike.
    """
    n = len(anchor)
    match = np.full(n, -1, dtype=np.int64)
    free_rows, free_partners = np.arange(n), np.arange(n)
    while len(free_rows) > _EXACT_ROWS:
        index = hnswlib.Index(space="l2", dim=anchor.shape[1])
        index.init_index(len(free_partners), ef_construction=100, M=12, random_seed=seed % 2**31)
        index.set_num_threads(1)  # with more, the graph depends on the threads' timing
        index.add_items(version[free_partners], np.arange(len(free_partners)))
        index.set_ef(2 * _NEIGHBOURS)
        near, distance = index.knn_query(anchor[free_rows], k=min(_NEIGHBOURS, len(free_partners)))
        row, partner = _greedy(near.astype(np.int64), distance)
        match[free_rows[row]] = free_partners[partner]
        few = len(row) < 0.02 * len(free_rows)
        free_rows, free_partners = np.delete(free_rows, row), np.delete(free_partners, partner)
        if few:
            break
    return _match_leftovers(anchor, version, match, free_rows, free_partners)


def _greedy(near: np.ndarray, distance: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pairs in order of their distance, each row and each partner once."""
    rows = np.repeat(np.arange(len(near)), near.shape[1])
    order = np.argsort(distance.reshape(-1), kind="stable")
    row_free, partner_free = np.ones(len(near), bool), np.ones(near.max() + 1, bool)
    chosen_rows, chosen_partners = [], []
    for row, partner in zip(rows[order].tolist(), near.reshape(-1)[order].tolist(), strict=True):
        if row_free[row] and partner_free[partner]:
            row_free[row] = partner_free[partner] = False
            chosen_rows.append(row)
            chosen_partners.append(partner)
    return np.array(chosen_rows, np.int64), np.array(chosen_partners, np.int64)


def _match_leftovers(
    anchor: np.ndarray, version: np.ndarray, match: np.ndarray, rows: np.ndarray, partners: np.ndarray
) -> np.ndarray:
    """Pair the rest at the least sum of squared distances; too many along their first principal axis."""
    if 0 < len(rows) <= _EXACT_ROWS and anchor.shape[1]:
        row, partner = linear_sum_assignment(cdist(anchor[rows], version[partners], "sqeuclidean"))
        match[rows[row]] = partners[partner]
    elif len(rows):
        both = np.concatenate([anchor[rows], version[partners]])
        axis = np.linalg.svd(both - both.mean(0), full_matrices=False)[2][0] if both.shape[1] else np.empty(0)
        match[rows[np.argsort(anchor[rows] @ axis)]] = partners[np.argsort(version[partners] @ axis)]
    return match


def part_duplicates(
    parents: list[np.ndarray], alike: Sequence[np.ndarray], bound: Sequence[np.ndarray], rng: np.random.Generator,
    may_move: np.ndarray | None = None,
) -> np.ndarray:  # fmt: skip
    """Change as few parents as needed so that no two rows have all of them in common.

    A row that repeats another swaps its last parent with a random row, first one whose parent is like it; group sizes
    stay as they are. What no swap can part takes a random parent instead.

    Args:
        parents: per edge the parent of each row, int64 ``(n,)``; changed in place. Rows with a null (-1) repeat nobody.
        alike: per edge the group of each parent row, int64 ``(n_parents,)``: those that are best exchanged.
        bound: likewise, groups that no exchange may leave; all of one where any parent will do.
        may_move: bool ``(n,)``, rows that may be changed, after all that may not; None: all.

    Returns:
        bool ``(n,)``: rows that cannot be told apart from another whatever they are given.
    """
    held = np.all([p >= 0 for p in parents], axis=0)
    if may_move is not None:
        held &= may_move
    for attempt in range(_SWAP_ROUNDS):
        repeated = repeated_rows(parents)
        if may_move is not None:
            repeated = repeated[may_move[repeated]]
        if len(repeated) == 0:
            return np.zeros(len(held), dtype=bool)
        edge = len(parents) - 1 - attempt % len(parents)
        if attempt < _SWAP_ROUNDS // 2:
            groups = alike[edge] if attempt < _SWAP_ROUNDS // 4 else bound[edge]
            others = rng.permutation(np.flatnonzero(held))
            partners = others[_some_of(groups[parents[edge][repeated]], groups[parents[edge][others]], rng)]
            _swap(parents[edge], repeated, partners)
        else:
            parents[edge][repeated] = _some_of(bound[edge][parents[edge][repeated]], bound[edge], rng)
    hopeless = np.zeros(len(held), dtype=bool)
    hopeless[repeated_rows(parents)] = True
    return hopeless


def _some_of(wanted: np.ndarray, groups: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """For each wanted group a random member of it, int64 ``(n,)``; every one has some."""
    order = np.argsort(groups, kind="stable")
    start, stop = (np.searchsorted(groups[order], wanted, side) for side in ("left", "right"))
    return order[start + rng.integers(0, np.maximum(stop - start, 1))]


def _swap(parents: np.ndarray, rows: np.ndarray, partners: np.ndarray) -> None:
    """Exchange the parents of these rows, one after the other."""
    for row, partner in zip(rows.tolist(), partners.tolist(), strict=True):
        parents[row], parents[partner] = parents[partner], parents[row]
