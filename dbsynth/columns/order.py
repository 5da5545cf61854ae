"""Moments that come one after another in every row: ordered, shipped, delivered.

Such a column is modelled by the time since the one before, so that no synthetic parcel is delivered before it is
shipped. An order counts if it would be no accident: where no permutation of the rows could break it, it says nothing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import pyarrow as pa

from ..schema import Kind
from .numbers import DAY, to_numbers

__all__ = ["MIN_ROWS", "MOMENTS", "NEEDED", "columns_before", "days_of", "order_evidence", "times_in_unit"]

MOMENTS = frozenset({Kind.DATE, Kind.TIMESTAMP, Kind.TIMESTAMPTZ})
MIN_ROWS = 20  # rows in which a rule shows
NEEDED = math.log(1e9)  # evidence, -ln of the chance that all rows obey by accident, from which a rule is believed


def columns_before(columns: Mapping[str, tuple[pa.Array, Kind]]) -> dict[str, str]:
    """For each column that always follows another, the latest such; an entry comes after that of whom it follows.

    A column follows another if it is nowhere known where the other is null, and never earlier by the day, which is no
    accident; of two columns that are always on the same day neither follows.
    """
    days = {name: days_of(array, kind) for name, (array, kind) in columns.items()}
    earlier = {name: [other for other in days if other != name and _follows(days[name], days[other])] for name in days}
    # Who follows more comes after whom it follows, so this order is one in which columns can be told one by one.
    found = {}
    for name in sorted(days, key=lambda name: (len(earlier[name]), name)):
        if earlier[name]:
            found[name] = max(earlier[name], key=lambda other: (len(earlier[other]), other))
    return found


def _follows(later: np.ndarray, earlier: np.ndarray) -> bool:
    known = np.isfinite(later)
    if known.sum() < MIN_ROWS:
        return False
    gap = later[known] - earlier[known]  # NaN where the earlier one is null: then there is nothing to follow
    return bool((gap >= 0).all() and (gap > 0).any()) and order_evidence(earlier[known], later[known]) >= NEEDED


def order_evidence(low: np.ndarray, high: np.ndarray) -> float:
    """-ln of the share of all permutations of ``low`` under which it is nowhere above ``high``.

    The k-th smallest high may take any of the lows up to it that the k - 1 before left over. Two ranges that do not
    overlap give 0: their order says nothing.

    Args:
        low, high: float64 ``(n,)``, all known, ``low <= high`` in every row.
    """
    taken = np.arange(len(low))
    free = np.searchsorted(np.sort(low), np.sort(high), "right") - taken
    return float(np.log(len(low) - taken).sum() - np.log(np.maximum(free, 1)).sum())


def days_of(array: pa.Array, kind: Kind) -> np.ndarray:
    """The days of moments, float64 ``(n,)``, NaN for null."""
    return to_numbers(array, kind) if kind is Kind.DATE else to_numbers(array, kind, "day")


def times_in_unit(array: pa.Array, kind: Kind, unit_of: Kind, part: str) -> np.ndarray:
    """A column's moments in the unit of another column's part: days, or microseconds; float64, NaN for null."""
    if unit_of is Kind.DATE or part == "day":
        return days_of(array, kind)
    return to_numbers(array, kind) if kind is not Kind.DATE else to_numbers(array, kind) * DAY
