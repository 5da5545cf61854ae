"""Columns of numbers and of times: from Arrow to float64 and back, exact to the column's own step.

A date is its day, a time its microsecond of the day. A timestamp that has a time of day is two numbers, day and
microsecond of the day, so that a shop's opening hours survive whatever becomes of its days.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ..schema import Column, Kind

__all__ = ["DAY", "NUMERIC_KINDS", "Numbers", "from_numbers", "learn_numbers", "learn_step", "to_numbers"]

DAY = 86_400_000_000  # microseconds
NUMERIC_KINDS = frozenset({
    Kind.INTEGER, Kind.DECIMAL, Kind.FLOAT, Kind.DATE, Kind.TIME, Kind.TIMESTAMP, Kind.TIMESTAMPTZ,
})
_MAX_DECIMALS = 6  # a float with more decimals than this in its values is taken as continuous
_INT_TYPES = {Kind.DATE: pa.int32(), Kind.TIME: pa.int64(), Kind.TIMESTAMP: pa.int64(), Kind.TIMESTAMPTZ: pa.int64()}


@dataclass(frozen=True)
class Numbers:
    """One variable of a numeric column: which part of the value it is, and the step its values are multiples of."""

    part: str  # "value", or "day" and "time" of a timestamp
    step: float  # 0.0: continuous


def to_numbers(values: pa.Array, kind: Kind, part: str = "value") -> np.ndarray:
    """The column as float64 ``(n,)``, null and NaN as NaN."""
    if kind in _INT_TYPES:
        values = values.cast(_INT_TYPES[kind])
    if part in ("day", "time"):
        whole = pc.fill_null(values, 0).to_numpy(zero_copy_only=False)
        numbers = whole // DAY if part == "day" else whole % DAY
        return np.where(pc.is_null(values).to_numpy(zero_copy_only=False), np.nan, numbers)
    if kind is Kind.DECIMAL:
        values = values.cast(pa.string()) if pa.types.is_decimal(values.type) else values
    numbers = pc.cast(values, pa.float64(), safe=False).to_numpy(zero_copy_only=False).astype(np.float64)
    return np.where(np.isfinite(numbers), numbers, np.nan)


def learn_numbers(values: pa.Array, kind: Kind, *, after: Kind | None = None) -> list[Numbers]:
    """The variables a numeric column is modelled by, with their steps.

    Args:
        after: the kind of the column that this one is told from, if any; between two timestamps there is one number.
    """
    if kind in (Kind.TIMESTAMP, Kind.TIMESTAMPTZ):
        times = to_numbers(values, kind, "time")
        if np.nanmax(times, initial=0.0) > 0:
            if after in (Kind.TIMESTAMP, Kind.TIMESTAMPTZ):
                return [Numbers("value", learn_step(times))]
            return [Numbers("day", 1.0), Numbers("time", learn_step(times))]
        return [Numbers("value", float(DAY))]
    return [Numbers("value", learn_step(to_numbers(values, kind)))]


def learn_step(numbers: np.ndarray) -> float:
    """The largest step of which all values are multiples, e.g. 0.01 for prices; 0.0 where there is none."""
    numbers = np.unique(numbers[np.isfinite(numbers)])
    if len(numbers) == 0 or np.abs(numbers).max() > 2**53:
        return 0.0
    for decimals in range(_MAX_DECIMALS + 1):
        scaled = numbers * 10.0**decimals
        whole = np.round(scaled)
        # What a number that was a float32 is off by, less for tiny ones; or the last digits of a float64.
        slack = np.minimum(2e-7, 1e-7 * np.abs(scaled)) + np.minimum(2 * np.spacing(np.abs(scaled)), 0.05)
        if np.abs(scaled).max() < 2**53 and np.all(np.abs(scaled - whole) <= slack):
            return max(1, int(np.gcd.reduce(whole.astype(np.int64)))) / 10.0**decimals
    return 0.0


def from_numbers(parts: dict[str, np.ndarray], column: Column, steps: dict[str, float], type_: pa.DataType) -> pa.Array:
    """The inverse of `to_numbers`: NaN becomes null, values are rounded to their step and come out in `type_`."""
    if "day" in parts:
        time = np.clip(_round(parts["time"], steps["time"]), 0, DAY - 1)
        null = ~np.isfinite(parts["day"] + time)
        moments = _whole(parts["day"], null).clip(-(2**24), 2**24) * DAY + _whole(time, null)
        return pa.array(moments.clip(*_moments(column)), mask=null).cast(type_)
    numbers = _round(parts["value"], steps["value"])
    null = ~np.isfinite(numbers)
    if column.kind is Kind.FLOAT:
        return pa.array(numbers, pa.float64(), mask=null)
    if column.kind is Kind.DECIMAL:
        return _decimals(numbers, null, steps["value"], type_, _largest_unsigned(column))
    whole = _whole(numbers, null)
    if column.kind in _INT_TYPES:
        whole = whole.clip(*_moments(column))
        return pa.array(whole.astype(_INT_TYPES[column.kind].to_pandas_dtype()), mask=null).cast(type_)
    return pa.array(whole, mask=null).cast(type_)


def _whole(numbers: np.ndarray, null: np.ndarray) -> np.ndarray:
    """The nearest int64, 0 for null; the largest float64 below 2⁶³ for what lies beyond."""
    return np.where(null, 0.0, np.round(numbers)).clip(-(2.0**63), 2.0**63 - 1024).astype(np.int64)


def _moments(column: Column) -> tuple[int, int]:
    """The first and the last moment, in the unit of its numbers, that all servers take for the column's type."""
    if column.kind is Kind.TIME:
        return 0, DAY - 1
    first, last = -719_162 * DAY, 2_932_897 * DAY - 1  # the years 1 to 9999
    if column.kind is Kind.TIMESTAMPTZ and column.native_type.lower().split("(")[0] == "timestamp":  # MySQL's
        first, last = 1_000_000, (2**31 - 1) * 1_000_000
    return (first // DAY, last // DAY) if column.kind is Kind.DATE else (first, last)


def _largest_unsigned(column: Column) -> int | None:
    """The largest value of an unsigned 64-bit integer, which crosses as a decimal of 20 digits."""
    return 2**64 - 1 if column.unsigned and "bigint" in column.native_type.lower() else None


def _decimals(
    numbers: np.ndarray, null: np.ndarray, step: float, type_: pa.DataType, largest: int | None = None
) -> pa.Array:
    """Decimals by way of their text, which is exact; at most `largest`, and what the type holds."""
    scale = type_.scale if pa.types.is_decimal(type_) else _MAX_DECIMALS if step == 0 else _decimals_of(step)
    numbers = np.where(null, 0.0, numbers)
    text = np.char.mod(f"%.{max(scale, 0)}f", numbers).astype(object) if len(numbers) else np.array([], dtype=object)
    if pa.types.is_decimal(type_):
        limit = 10**type_.precision - 1 if largest is None else largest
        beyond = np.abs(np.round(numbers, scale)) >= float(limit) / 10.0**scale
        digits = str(limit).rjust(scale + 1, "0")
        most = f"{digits[: len(digits) - scale]}.{digits[len(digits) - scale :]}" if scale > 0 else digits
        text[beyond] = np.where(numbers[beyond] > 0, most, "-" + most)
    return pa.array(text, pa.string(), mask=null).cast(type_)


def _round(numbers: np.ndarray, step: float) -> np.ndarray:
    """To the nearest multiple of the step; a power of ten is divided by, which is exact where its inverse is not."""
    if step == 0:
        return numbers
    power = 10 ** _decimals_of(step)
    return np.round(numbers / step) * round(step * power) / power


def _decimals_of(step: float) -> int:
    """Digits after the point of multiples of the step; 0.05 has two."""
    return next(d for d in range(_MAX_DECIMALS + 1) if _is_whole(step * 10**d))


def _is_whole(number: float) -> bool:
    return abs(number - round(number)) <= max(1e-9, 4 * math.ulp(number))
