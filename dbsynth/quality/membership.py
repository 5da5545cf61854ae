"""Membership inference: can somebody who has the synthetic database and a real record tell whether it was learned from?

The attack asks how much closer the closest synthetic row is than the closest of other real rows: where synthetic rows
are denser than real ones, somebody was copied (DOMIAS; van Breugel et al., 2023, with distances for densities). It is
made on rows as they are and, where a table has children, on rows with what their children look like. As many rows of
known owners are attacked as there are unseen ones; the real rows that calibrate belong to neither.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from scipy.stats import rankdata

from .closest import SEARCHED, SEARCHERS
from .comparison import Comparison, key_label
from .distances import embed, nearest
from .features import Feature, Sample, child_features, own_features
from .items import Item
from .owners import owners, rows_by_owner

__all__ = ["auc", "membership", "membership_summary"]

_FEW_OWNERS = 20
_WIDEST = 0.12  # a wider interval says little
_SURE = 3.3  # standard errors; of so many the interval may be as wide as it likes
_NONE = "needs real rows that training has not seen; clone --holdout sets some aside"
_SMALLEST = 1e-6  # distance: ranks of numbers are no closer


def membership(comparison: Comparison, table: str, *, rng: np.random.Generator, sample_rows: int) -> list[Item]:
    """The table's "mia auc", and that of its rows with their children; none without unseen rows of the table.

    0.5: the attacker may as well toss a coin; 1: every guess is right.
    """
    real, held = comparison.real, comparison.held_out
    if held is None or not held.count(table) or not comparison.synthetic.count(table):
        return []
    whose, their = owners(comparison, real, table), owners(comparison, held, table)
    order = rows_by_owner(whose, rng)
    n = min(len(order) // 2, held.count(table), round(SEARCHERS * sample_rows))
    members, others = order[:n], order[n:]
    others = others[~np.isin(whose[others], whose[members])]
    unseen = rows_by_owner(their, rng)[:n]
    if n < 2 or len(others) < 2 or comparison.synthetic.count(table) < 2:
        return [Item("mia auc", (table,), note="too few rows")]
    n_base = round(SEARCHED * sample_rows)
    samples = [
        Sample(real, rng.permutation(others)[:n_base]),
        Sample(comparison.synthetic, rng.permutation(comparison.synthetic.count(table))[:n_base]),
        Sample(real, members),
        Sample(held, unseen),
    ]
    features = own_features(comparison, table, samples, date_parts=False)
    groups = whose[members], their[unseen]
    items = [_attack(features, groups, Item("mia auc", (table,)))]
    if keys := comparison.schema.foreign_keys_to(table):
        names = tuple(key_label(key) for key in keys)
        more = [*features, *child_features(comparison, table, samples)]
        items.append(_attack(more, groups, Item("mia auc", (table,), (), names)))
    return items


def _attack(features: Sequence[Feature], groups: tuple[np.ndarray, np.ndarray], item: Item) -> Item:
    """The item with its figures."""
    if not features:
        return replace(item, note="no column is measured")
    others, synthetic, members, unseen = embed(features)
    scores = [
        np.log(nearest(points, others)[0][:, 0] + _SMALLEST) - np.log(nearest(points, synthetic)[0][:, 0] + _SMALLEST)
        for points in (members, unseen)
    ]
    score, error = auc(*scores, *groups)
    low, high = (min(max(score + side * 1.96 * error, 0.0), 1.0) for side in (-1, 1))
    n_owners = min(len(np.unique(group)) for group in groups)
    note = ""
    if n_owners < _FEW_OWNERS:
        note = f"no evidence: only {n_owners} independent rows that training has not seen"
    elif high - low > _WIDEST and score - 0.5 < _SURE * error:
        note = "no evidence: the interval is wide"
    return replace(item, score=score, reference=0.5, low=low, high=high, rows=sum(map(len, scores)), note=note)


def auc(
    members: np.ndarray, others: np.ndarray, member_owners: np.ndarray, other_owners: np.ndarray
) -> tuple[float, float]:
    """The probability that a member scores higher than another, ties halved, and its standard error.

    DeLong et al. (1988), with the sums of owners in place of single rows (Obuchowski, 1997).

    Args:
        members, others: float64 ``(n,)`` and ``(m,)``, scores.
        member_owners, other_owners: int64, whose each is.
    """
    n, m = len(members), len(others)
    ranks = rankdata(np.concatenate([members, others]))
    above = (ranks[:n] - rankdata(members)) / m  # the share of others below each member
    below = 1.0 - (ranks[n:] - rankdata(others)) / n
    area = float(above.mean())
    variance = sum(_variance(part - area, group) for part, group in ((above, member_owners), (below, other_owners)))
    return area, math.sqrt(variance)


def _variance(deviations: np.ndarray, groups: np.ndarray) -> float:
    """Of a mean whose terms depend on one another within groups."""
    _, place = np.unique(groups, return_inverse=True)
    sums = np.bincount(place, weights=deviations)
    return float((sums**2).sum()) / len(deviations) ** 2 * len(sums) / max(len(sums) - 1, 1)


def membership_summary(items: Sequence[Item]) -> Item:
    """The database's figure: the largest AUC with evidence."""
    tried = [item for item in items if item.measure == "mia auc"]
    measured = [item for item in tried if not item.note]
    if not measured:
        return Item("mia auc", (), note="no evidence: no table has enough unseen rows" if tried else _NONE)
    worst = max(measured, key=lambda item: item.score)
    where = f"table {worst.tables[0]}{', rows with their children' if worst.foreign_keys else ''}"
    return replace(worst, tables=(), foreign_keys=(), note=where)
