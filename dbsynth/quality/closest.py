"""How close synthetic rows come to the real rows behind them, beside real rows that nobody learned from.

Distances are those of `distances`; the lowest twentieth of the rows tells, for that is where copies with a little noise
would be. A hold-out stands beside the synthetic rows; without one, a fifth of the real owners are set aside for it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from scipy.special import expit, logit

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


def closest(
    comparison: Comparison, table: str, *, rng: np.random.Generator, sample_rows: int, doubt: str = ""
) -> list[Item]:
    """The table's "dcr", "nndr" and, with a hold-out, "dcr share".

    "dcr" is the distance from the closest real row below which 5 % of the synthetic rows lie, "nndr" the same of its
    ratio to the distance from the second closest (1 where both are zero); the references are those of unseen real rows,
    the intervals from 200 draws of owners. "dcr share" is the percentage of synthetic rows that are closer to real rows
    behind them than to unseen ones, were there as many of both.

    Args:
        sample_rows: a quarter as many rows search, at most, among four times as many.
        doubt: why closeness would be no evidence; the note of "dcr" and "nndr".
    """
    if not comparison.measured[table]:
        return [Item(measure, (table,), note="no column is measured") for measure in ("dcr", "nndr")]
    n_points, n_base = (max(round(share * sample_rows), 2) for share in (SEARCHERS, SEARCHED))
    order = rows_by_owner(owners(comparison, comparison.real, table), rng)
    base, unseen = _base_and_unseen(comparison, table, order, n_points, rng)
    base = Sample(base.rows, rng.permutation(base.at)[:n_base])
    synthetic = Sample(comparison.synthetic, rng.permutation(comparison.synthetic.count(table))[:n_points])
    if len(base.at) < 2 or not len(synthetic.at) or not len(unseen.at):
        return [Item(measure, (table,), note="too few rows to compare distances") for measure in ("dcr", "nndr")]
    searched, *points = embed(own_features(comparison, table, [base, synthetic, unseen], date_parts=False))
    found = [nearest(side, searched)[0] for side in points]
    whose = [owners(comparison, sample.rows, table)[sample.at] for sample in (synthetic, unseen)]
    items = [
        _lowest("dcr", table, [distances[:, 0] for distances in found], whose, rng, doubt),
        _lowest("nndr", table, [_ratio(distances) for distances in found], whose, rng, doubt),
    ]
    if (held := comparison.held_out) is not None and held.count(table):
        items.append(_share(comparison, table, order[:n_base], held, synthetic, rng))
    return items


def _base_and_unseen(
    comparison: Comparison, table: str, order: np.ndarray, n_points: int, rng: np.random.Generator
) -> tuple[Sample, Sample]:
    """Real rows to search, and real rows that stand beside the synthetic ones: held out, or set aside now.

    Args:
        order: the table's real rows owner by owner.
    """
    real, held = comparison.real, comparison.held_out
    if held is not None and held.count(table):
        return Sample(real, order), Sample(held, rng.permutation(held.count(table))[:n_points])
    n = min(round(_ASIDE * len(order)), n_points)
    aside, rest = order[:n], order[n:]
    if n:
        whose = owners(comparison, real, table)
        rest = rest[whose[rest] != whose[aside[-1]]]  # nobody is on both sides
    return Sample(real, rest), Sample(real, aside)


def _ratio(distances: np.ndarray) -> np.ndarray:
    return np.divide(distances[:, 0], distances[:, 1], out=np.ones(len(distances)), where=distances[:, 1] > 0)


def _lowest(
    measure: str,
    table: str,
    values: Sequence[np.ndarray],
    whose: Sequence[np.ndarray],
    rng: np.random.Generator,
    doubt: str,
) -> Item:
    """The lowest twentieth of synthetic and of unseen rows, with the interval of the former."""
    drawn = [_drawn_quantiles(v, w, rng) for v, w in zip(values, whose, strict=True)]
    score, reference = (float(np.quantile(v, _LOWEST, method="inverted_cdf")) for v in values)
    low, high = (float(end) for end in np.quantile(drawn[0], [0.025, 0.975]))
    n_owners = min(len(np.unique(side)) for side in whose)
    if not reference:
        doubt = doubt or "no evidence: one unseen real row in twenty has a twin, too"
    elif n_owners < _FEW_OWNERS:
        doubt = doubt or f"no evidence: only {n_owners} independent rows on one side"
    gap = drawn[1] - drawn[0]
    note = doubt or (_CLOSER if gap.mean() > _SURE * gap.std() else "")
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
    """Closer to rows behind them than to unseen ones, if there were as many of the ones as of the others.

    Of exchangeable rows the closest is a known one as often as its share of all says: by that the odds are divided. (A
    sample of the known rows as small as a hold-out would miss most of the rows that were copied.) All are searched in
    one random order, so that chance decides between twins. The interval counts each real owner once.
    """
    unseen = rows_by_owner(owners(comparison, held, table), rng)[: len(order)]
    samples = [Sample(comparison.real, order), Sample(held, unseen), synthetic]
    *sides, points = embed(own_features(comparison, table, samples, date_parts=False), scale=(0, 1))
    whose = owners(comparison, comparison.real, table)[order]
    whose = np.append(whose, owners(comparison, held, table)[unseen] + whose.max() + 1)
    mixed = rng.permutation(len(whose))
    row = mixed[nearest(points, np.concatenate(sides)[mixed])[1]]
    closer, expected = row < len(order), len(order) / len(whose)
    share = float(closer.mean())
    _, place = np.unique(whose[row], return_inverse=True)
    sums = np.bincount(place, weights=closer - share)
    error = math.sqrt(float((sums**2).sum()) + 1) / len(closer)
    ends = (min(max(share + side * 1.96 * error, 0.0), 1.0) for side in (0, -1, 1))
    score, low, high = (float(100 * expit(logit(end) - logit(expected))) for end in ends)
    note = ""
    n_owners = len(closer) ** 2 / (np.bincount(place) ** 2).sum()  # as many of equal weight (Kish, 1965)
    if n_owners < _FEW_OWNERS:
        note = f"no evidence: only {n_owners:.0f} independent real rows are anybody's closest"
    elif high - low > _WIDEST and share - expected < _SURE * error:
        note = "no evidence: the interval is wide"
    return Item("dcr share", (table,), (), (), score, 50.0, low, high, len(closer), note)


def smallest_ratio(measure: str, items: Sequence[Item]) -> Item:
    """The database's figure: the worst table's distance over that of unseen real rows; 1 if no table is closer."""
    measured = [item for item in items if item.measure == measure]
    told = [item for item in measured if item.note in ("", _CLOSER)]
    if not told:
        why = f"no evidence in any table, such as {measured[0].label}: {measured[0].note}" if measured else "no tables"
        return Item(measure, (), note=why)
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
