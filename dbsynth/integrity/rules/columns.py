"""A table's columns as the search for rules sees them: numbers that compare, and codes of values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa

from ...columns.numbers import DAY, NUMERIC_KINDS, learn_step, to_numbers
from ...keys import joint_codes
from ...schema import Column, Kind

__all__ = ["MOMENTS", "ColumnValues", "comparable", "days_of", "values_of"]

MOMENTS = frozenset({Kind.DATE, Kind.TIMESTAMP, Kind.TIMESTAMPTZ})
_NUMBERS = frozenset({Kind.INTEGER, Kind.DECIMAL, Kind.FLOAT})


@dataclass(frozen=True)
class ColumnValues:
    """One column of one table, read whole."""

    column: Column
    array: pa.Array

    @property
    def name(self) -> str:
        return self.column.name

    @property
    def is_numeric(self) -> bool:
        return self.column.kind in NUMERIC_KINDS

    @cached_property
    def numbers(self) -> np.ndarray:
        """Float64 ``(n,)``, NaN for null: the value, days of a date, microseconds of a time."""
        return to_numbers(self.array, self.column.kind)

    @cached_property
    def codes(self) -> np.ndarray:
        """Int64 ``(n,)``, -1 for null."""
        return joint_codes(pa.chunked_array([self.array]), pa.chunked_array([], type=self.array.type))[0]

    @cached_property
    def null(self) -> np.ndarray:
        return self.array.is_null().to_numpy(zero_copy_only=False)

    @cached_property
    def n_values(self) -> int:
        return int(self.codes.max(initial=-1)) + 1

    @cached_property
    def step(self) -> float:
        """The power of ten that all values are multiples of, 0 where there is none; 1 for moments."""
        if self.column.kind in MOMENTS or self.column.kind is Kind.TIME:
            return 1.0
        step = learn_step(self.numbers)
        return 0.0 if step == 0 else next(10.0**-d for d in range(7) if abs(step * 10**d - round(step * 10**d)) < 1e-6)

    @cached_property
    def slack(self) -> float:
        """By how much two equal numbers of this column may differ in float64."""
        largest = np.nanmax(np.abs(self.numbers), initial=0.0)
        return max(self.step * 1e-6, 1e-9 * largest if self.step == 0 else 4 * np.spacing(largest))


def values_of(columns: Sequence[Column], rows: pa.Table) -> dict[str, ColumnValues]:
    """The columns by name."""
    return {c.name: ColumnValues(c, rows.column(c.name).combine_chunks()) for c in columns}


def comparable(a: Kind, b: Kind) -> bool:
    """Whether it makes sense to ask which of two values comes first."""
    return any(a in group and b in group for group in (MOMENTS, _NUMBERS, {Kind.TIME}))


def days_of(array: pa.Array, kind: Kind) -> np.ndarray:
    """The days of moments, float64 ``(n,)``, NaN for null."""
    return to_numbers(array, kind) if kind is Kind.DATE else np.floor(to_numbers(array, kind) / DAY)
