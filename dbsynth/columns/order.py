"""Moments that come one after another in every row: ordered, shipped, delivered.

Such a column is modelled by the time since the one before, so that no synthetic parcel is delivered before it is
shipped.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyarrow as pa

from ..schema import Kind
from .numbers import DAY, to_numbers

__all__ = ["MOMENTS", "columns_before", "times_in_unit"]

MOMENTS = frozenset({Kind.DATE, Kind.TIMESTAMP, Kind.TIMESTAMPTZ})
_MIN_ROWS = 20  # rows with both moments, from which an order is believed


def columns_before(columns: Mapping[str, tuple[pa.Array, Kind]]) -> dict[str, str]:
    """For each column that always follows another, the latest such; an entry comes after that of whom it follows.

    A column follows another if it is nowhere known where the other is null, and never earlier by the day; of two
    columns that are always on the same day neither follows.
    """
    days = {name: _days(array, kind) for name, (array, kind) in columns.items()}
    earlier = {name: [other for other in days if other != name and _follows(days[name], days[other])] for name in days}
    # Who follows more comes after whom it follows, so this order is one in which columns can be told one by one.
    found = {}
    for name in sorted(days, key=lambda name: (len(earlier[name]), name)):
        if earlier[name]:
            found[name] = max(earlier[name], key=lambda other: (len(earlier[other]), other))
    return found


def _follows(later: np.ndarray, earlier: np.ndarray) -> bool:
    known = np.isfinite(later)
    if known.sum() < _MIN_ROWS:
        return False
    gap = later[known] - earlier[known]  # NaN where the earlier one is null: then there is nothing to follow
    return bool((gap >= 0).all() and (gap > 0).any())


def _days(array: pa.Array, kind: Kind) -> np.ndarray:
    return to_numbers(array, kind) if kind is Kind.DATE else to_numbers(array, kind, "day")


def times_in_unit(array: pa.Array, kind: Kind, unit_of: Kind, part: str) -> np.ndarray:
    """A column's moments in the unit of another column's part: days, or microseconds; float64, NaN for null."""
    if unit_of is Kind.DATE or part == "day":
        return _days(array, kind)
    return to_numbers(array, kind) if kind is not Kind.DATE else to_numbers(array, kind) * DAY
