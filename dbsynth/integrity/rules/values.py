"""A table's columns as the search for rules sees them: numbers that compare, and codes of values."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa

from ...columns.numbers import NUMERIC_KINDS, learn_step, to_numbers
from ...columns.order import MOMENTS, days_of
from ...columns.ranges import largest_integer
from ...keys import column_codes
from ...schema import Column, Kind

__all__ = ["AMOUNTS", "Values", "comparable", "in_common", "resolutions", "values_of"]

AMOUNTS = frozenset({Kind.INTEGER, Kind.DECIMAL, Kind.FLOAT})
_EXACT = 2.0**53  # beyond, float64 skips whole numbers


@dataclass(frozen=True)
class Values:
    """One column, read whole."""

    column: Column
    array: pa.Array

    @property
    def name(self) -> str:
        return self.column.name

    @cached_property
    def numbers(self) -> np.ndarray:
        """Float64 ``(n,)``, NaN for null: the value, days of a date, microseconds of a moment with a time."""
        return to_numbers(self.array, self.column.kind)

    @cached_property
    def codes(self) -> np.ndarray:
        """Int64 ``(n,)``, -1 for null."""
        return column_codes([self.array])[0]

    @cached_property
    def null(self) -> np.ndarray:
        return self.array.is_null().to_numpy(zero_copy_only=False)

    @cached_property
    def n_values(self) -> int:
        return int(self.codes.max(initial=-1)) + 1

    @cached_property
    def is_number(self) -> bool:
        """A number or moment whose every known value is finite and exact in float64, and not always the same."""
        if self.column.kind not in NUMERIC_KINDS or self.n_values < 2:
            return False
        return bool((np.isnan(self.numbers) == self.null).all() and np.nanmax(np.abs(self.numbers)) < _EXACT)

    @property
    def is_identifier(self) -> bool:
        """Whole numbers that no two rows share: what is above or below them says nothing."""
        return self.column.kind is Kind.INTEGER and self.n_values == len(self.codes)

    @cached_property
    def step(self) -> float:
        """The power of ten that all values are multiples of, 0 where there is none; 1 for moments."""
        if self.column.kind not in AMOUNTS:
            return 1.0
        step = learn_step(self.numbers)
        return next((10.0**-d for d in range(7) if step and abs(step * 10**d - round(step * 10**d)) < 1e-6), 0.0)

    @property
    def capacity(self) -> float:
        """The largest number that the column's type has room for."""
        if self.column.kind is Kind.DECIMAL and self.column.precision is not None:
            return 10.0 ** (self.column.precision - (self.column.scale or 0)) - 1
        return float(largest_integer(self.column)) if self.column.kind is Kind.INTEGER else np.inf

    @property
    def has_room(self) -> bool:
        """Whether numbers a hundred times as large would fit the type, too."""
        return bool(100 * np.nanmax(np.abs(self.numbers)) <= self.capacity)

    @cached_property
    def slack(self) -> float:
        """By how much two equal numbers of this column may differ in float64."""
        largest = np.nanmax(np.abs(self.numbers), initial=0.0)
        return max(self.step * 1e-6, 1e-9 * largest if self.step == 0 else 4 * np.spacing(largest))


def values_of(columns: Iterable[Column], rows: pa.Table) -> dict[str, Values]:
    """The columns by name."""
    return {c.name: Values(c, rows.column(c.name).combine_chunks()) for c in columns}


def comparable(bounded: Column, other: Column) -> bool:
    """Whether one may bound the other: a moment a moment, a number one of its own type."""
    if bounded.kind in MOMENTS:
        return other.kind in MOMENTS
    return bounded.kind is other.kind and bounded.kind in AMOUNTS and (bounded.scale or 0) >= (other.scale or 0)


def in_common(a: pa.Array, b: pa.Array, kinds: tuple[Kind, Kind], *, by_day: bool) -> tuple[np.ndarray, np.ndarray]:
    """Two comparable columns in one unit, float64, NaN for null: numbers, microseconds, or of moments the days."""
    read = days_of if by_day else to_numbers
    return read(a, kinds[0]), read(b, kinds[1])


def resolutions(a: Column, b: Column) -> tuple[bool, ...]:
    """Whether to compare by the day, what says more first."""
    if a.kind not in MOMENTS:
        return (False,)
    return (True,) if Kind.DATE in (a.kind, b.kind) else (False, True)
