"""How close synthetic rows come to the real rows behind them, beside real rows that nobody learned from.

Distances are those of `distances`; the lowest twentieth of the rows tells, for that is where copies with a little noise
would be. A hold-out stands beside the synthetic rows; without one, a fifth of the real owners are set aside for it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .comparison import Comparison, Rows
from .distances import embed, nearest
from .features import Sample, own_features
from .items import Item
from .owners import owners, rows_by_owner

__all__ = ["SEARCHED", "SEARCHERS", "closest", "share_summary", "smallest_ratio"]

SEARCHERS = 0.25  # rows that look for their closest ones, as a share of the rows of a sample
SEARCHED = 4.0  # rows they look among, likewise: more of these, for a leak shows only if it is among them

_ASIDE = 0.2  # of the owners
_LOWEST = 0.05
_DRAWS = 200
_FEW_OWNERS = 50
_WIDEST = 12  # percent: a wider interval says little
_SURE = 3.3  # standard errors; of so many the interval may be as wide as it likes
_CLOSER = "closer than unseen real rows"
_NO_HOLDOUT = "needs real rows that training has not seen; clone --holdout sets some aside"


@dataclass(frozen=True)
class _Group:
    """Rows that look for their closest ones."""

    distances: np.ndarray  # float64 (n, 2)
    owners: np.ndarray


def closest(
    comparison: Comparison, table: str, *, rng: np.random.Generator, sample_rows: int, doubt: str = ""
) -> list[Item]:
    """The table's "dcr", "nndr" and, with a hold-out, "dcr share".

    "dcr" is the distance from the closest real row below which 5 % of the synthetic rows lie, "nndr" the same of its
    ratio to the distance from the second closest (1 where both are zero); the references are those of unseen real rows,
    the intervals from 200 draws of owners. "dcr share" is the percentage of synthetic rows that are closer to real rows
    behind them than to as many unseen ones, ties halved.

    Args:
        sample_rows: a quarter as many rows search, at most, among four times as many.
        doubt: why closeness would be no evidence; the note of "dcr" and "nndr".
    """
    real, held = comparison.real, comparison.held_out
    if not comparison.measured[table]:
        return [Item(measure, (table,), note="no column is measured") for measure in ("dcr", "nndr")]
    whose = owners(comparison, real, table)
    n_points, n_base = (max(round(share * sample_rows), 2) for share in (SEARCHERS, SEARCHED))
    order = rows_by_owner(whose, rng)
    n_aside = min(round(_ASIDE * len(order)), n_points)
    if held is not None and held.count(table):
        aside = Sample(held, rng.permutation(held.count(table))[:n_points])
        behind = order
    else:
        aside, behind = Sample(real, order[:n_aside]), _others(order, whose, n_aside)
    behind = rng.permutation(behind)[:n_base]
    synthetic = Sample(comparison.synthetic, rng.permutation(comparison.synthetic.count(table))[:n_points])
    if len(behind) < 2 or not len(synthetic.at) or not len(aside.at):
        return [Item(measure, (table,), note="too few rows to compare distances") for measure in ("dcr", "nndr")]
    base, *points = embed(own_features(comparison, table, [Sample(real, behind), synthetic, aside], date_parts=False))
    groups = [
        _Group(nearest(p, base)[0], owners(comparison, s.rows, table)[s.at])
        for p, s in zip(points, (synthetic, aside), strict=True)
    ]
    whose_points = [g.owners for g in groups]
    items = [
        _lowest(measure, table, [values(g.distances) for g in groups], whose_points, rng, doubt)
        for measure, values in (("dcr", _closest), ("nndr", _ratio))
    ]
    if held is not None and held.count(table):
        items.append(_share(comparison, table, order[:n_base], held, synthetic, rng))
    return items


def _others(order: np.ndarray, whose: np.ndarray, n_aside: int) -> np.ndarray:
    """The rows after the first n, without those of an owner who was cut in two."""
    rest = order[n_aside:]
    return rest[whose[rest] != whose[order[n_aside - 1]]] if n_aside else rest


def _closest(distances: np.ndarray) -> np.ndarray:
    return distances[:, 0]


def _ratio(distances: np.ndarray) -> np.ndarray:
    return np.divide(distances[:, 0], distances[:, 1], out=np.ones(len(distances)), where=distances[:, 1] > 0)


def _lowest(
    measure: str,
    table: str,
    values: Sequence[np.ndarray],
    whose: Sequence[np.ndarray],
    rng: np.random.Generator,
    note: str,
) -> Item:
    """The lowest twentieth of synthetic and of unseen rows, with the interval of the former."""
    drawn = [_drawn_quantiles(v, w, rng) for v, w in zip(values, whose, strict=True)]
    score, reference = (float(np.quantile(v, _LOWEST, method="inverted_cdf")) for v in values)
    low, high = (float(end) for end in np.quantile(drawn[0], [0.025, 0.975]))
    if note:
        pass
    elif not reference:
        note = "no evidence: one unseen real row in twenty has a twin, too"
    elif len(np.unique(whose[1])) < _FEW_OWNERS:
        note = f"no evidence: only {len(np.unique(whose[1]))} independent real rows to compare with"
    elif (drawn[0] < drawn[1]).all():
        note = _CLOSER
    return Item(measure, (table,), (), (), score, reference, low, high, len(values[0]), note)


def _drawn_quantiles(values: np.ndarray, whose: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The lowest twentieth in draws of as many owners with replacement, float64 ``(_DRAWS,)``."""
    order = np.argsort(values, kind="stable")
    _, place = np.unique(whose[order], return_inverse=True)
    found = np.empty(_DRAWS)
    for i in range(_DRAWS):
        weights = np.cumsum(rng.poisson(1.0, place.max() + 1)[place])
        found[i] = values[order[np.searchsorted(weights, _LOWEST * weights[-1])]]
    return found


def _share(
    comparison: Comparison, table: str, order: np.ndarray, held: Rows, synthetic: Sample, rng: np.random.Generator
) -> Item:
    """Closer to rows behind them than to as many unseen ones; the interval counts each real owner once."""
    unseen = rows_by_owner(owners(comparison, held, table), rng)[: len(order)]
    known = order[: len(unseen)]
    if len(known) < 2:
        return Item("dcr share", (table,), note="too few rows to compare distances")
    samples = [Sample(comparison.real, known), Sample(held, unseen), synthetic]
    *sides, points = embed(own_features(comparison, table, samples, date_parts=False), scale=(0, 1))
    (known_distance, known_row), (unseen_distance, unseen_row) = ((d[:, 0], row) for d, row in (nearest(points, s) for s in sides))
    closer = np.where(known_distance == unseen_distance, 0.5, known_distance < unseen_distance)
    share = float(closer.mean())
    known_owner = owners(comparison, comparison.real, table)[known[known_row]]
    unseen_owner = owners(comparison, held, table)[unseen[unseen_row]]
    neighbour = np.where(known_distance <= unseen_distance, known_owner, unseen_owner + known_owner.max() + 1)
    _, place = np.unique(neighbour, return_inverse=True)
    sums = np.bincount(place, weights=closer - share)
    error = math.sqrt(float((sums**2).sum())) / len(closer)
    low, high = (100 * min(max(share + side * 1.96 * error, 0.0), 1.0) for side in (-1, 1))
    note = ""
    if len(sums) < _FEW_OWNERS or (high - low > _WIDEST and share - 0.5 < _SURE * error):
        note = f"no evidence: only {len(sums)} independent real rows are anybody's closest"
    return Item("dcr share", (table,), (), (), 100 * share, 50.0, low, high, len(closer), note)


def smallest_ratio(measure: str, items: Sequence[Item]) -> Item:
    """The database's figure: the worst table's distance over that of unseen real rows; 1 if no table is closer."""
    measured = [item for item in items if item.measure == measure and not math.isnan(item.score)]
    told = [item for item in measured if item.reference > 0]
    if not told:
        return Item(measure, (), note=measured[0].note if measured else "no table has rows and columns to compare")
    closer = [item for item in told if item.note == _CLOSER]
    if not closer:
        rows = sum(item.rows for item in told)
        return Item(measure, (), (), (), 1.0, 1.0, rows=rows, note="no table is closer than unseen real rows are")
    worst = min(closer, key=lambda item: item.score / item.reference)
    score, low, high = (value / worst.reference for value in (worst.score, worst.low, worst.high))
    note = f"{worst.label}: {worst.score:.3g}, {worst.reference:.3g} for unseen real rows"
    return Item(measure, (), (), (), score, 1.0, low, high, worst.rows, note)


def share_summary(items: Sequence[Item]) -> Item:
    """The database's "dcr share": the largest of a table with evidence."""
    measured = [item for item in items if item.measure == "dcr share" and not math.isnan(item.score) and not item.note]
    if not measured:
        few = any(item.measure == "dcr share" for item in items)
        return Item("dcr share", (), note="no evidence: no table has enough unseen rows" if few else _NO_HOLDOUT)
    worst = max(measured, key=lambda item: item.score)
    return Item("dcr share", (), (), (), worst.score, 50.0, worst.low, worst.high, worst.rows, f"table {worst.label}")
