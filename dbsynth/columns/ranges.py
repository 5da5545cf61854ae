"""Numbers and dates to invent: a coarse distribution of the column's values, on its own grid, without the values.

Everything is done in whole steps of a grid: 1 for integers, the last digit of a decimal, a day or a second of a time.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ..schema import Column, Kind, arrow_type
from .patterns import distinct_integers

__all__ = ["draw_range", "integer_digits", "largest_integer", "learn_range"]

_POINTS = 21
_DAY = 86_400_000_000  # µs
_STEPS = (_DAY, 3_600_000_000, 60_000_000, 1_000_000, 1000)
_MAX_BITS = {"tinyint": 8, "smallint": 16, "mediumint": 24, "int": 32, "int2": 16, "int4": 32, "integer": 32}
_TIMES = {
    Kind.DATE: pa.date32(),
    Kind.TIME: pa.time64("us"),
    Kind.TIMESTAMP: pa.timestamp("us"),
    Kind.TIMESTAMPTZ: pa.timestamp("us", tz="UTC"),
}
_WRITTEN = {"%f": 1, "%S": 1_000_000, "%M": 60_000_000, "%H": 3_600_000_000}  # microseconds


def learn_range(column: Column, values: pa.Array) -> dict[str, Any]:
    """The grid and 21 rounded quantiles of the values (the ends moved in), as plain data."""
    steps, step = _on_grid(column, values)
    if len(steps) == 0:
        return {"step": step, "points": [0, 1000], "ascending": False}
    edge = min(5 / len(steps), 0.25)
    points = np.quantile(steps.astype(float), np.linspace(edge, 1 - edge, _POINTS))
    grain = 10 ** max(int(np.log10(max(points[-1] - points[0], 1))) - 2, 0)  # three digits of the range
    rounded = np.rint(points / grain) * grain
    ascending = len(steps) > 20 and bool(np.all(np.diff(steps) > 0))
    return {"step": step, "points": [int(p) for p in rounded], "ascending": ascending}


def _on_grid(column: Column, values: pa.Array) -> tuple[np.ndarray, float]:
    """The values as whole steps of their grid, and the step."""
    if column.kind in _TIMES:
        moments = values.cast(pa.int32() if column.kind is Kind.DATE else pa.int64())
        raw = moments.to_numpy(zero_copy_only=False).astype(np.int64)
        step = 1 if column.kind is Kind.DATE else next((s for s in _STEPS if np.all(raw % s == 0)), 1)
        return raw // step, step
    if column.kind is Kind.INTEGER:
        return values.to_numpy(zero_copy_only=False).astype(np.int64), 1
    raw = np.array([float(v) for v in pc.cast(values, pa.string()).to_pylist()], dtype=float)
    raw = raw[np.isfinite(raw)]
    scale = column.scale if column.kind is Kind.DECIMAL and column.scale is not None else _decimals(raw)
    return np.rint(np.clip(raw * 10.0**scale, -(2**62), 2**62)).astype(np.int64), 10.0**-scale


def _decimals(raw: np.ndarray) -> int:
    """Digits after the point that the values use, at most 6."""
    return next((d for d in range(7) if np.allclose(raw * 10**d, np.rint(raw * 10**d), rtol=0, atol=1e-6)), 6)


def draw_range(settings: dict[str, Any], column: Column, n: int, rng: np.random.Generator, unique: bool) -> pa.Array:
    """`n` values, no two alike where `unique`; fewer only where the column's type holds no more."""
    settings = _finer(settings, column, n) if unique else settings
    points = settings["points"]
    steps = _rounded(np.interp(rng.random(n), np.linspace(0, 1, len(points)), points))
    if unique:
        steps = _distinct_steps(steps, column, settings, rng)
    steps = np.clip(steps, *_limits(column, settings))
    steps = np.sort(steps) if settings["ascending"] else steps
    return _off_grid(steps, column, settings["step"])


def _rounded(numbers: np.ndarray) -> np.ndarray:
    return np.rint(np.clip(numbers, -(2.0**62), 2.0**62)).astype(np.int64)


def _distinct_steps(steps: np.ndarray, column: Column, settings: dict, rng: np.random.Generator) -> np.ndarray:
    """The steps with those that repeat moved to free ones, inside the range while it has room, else around it."""
    low, high = _limits(column, settings)
    bottom, top = max(min(settings["points"]), low), min(max(settings["points"]), high)
    n = len(steps)
    if top - bottom + 1 < 2 * n:
        top = min(bottom + 2 * n, high)
        bottom = max(min(bottom, top - 2 * n), low)
    n = min(n, top - bottom + 1)
    kept = np.unique(steps[(steps >= bottom) & (steps <= top)])[:n] if n > 0 else steps[:0]
    if len(kept) < n:
        extra = distinct_integers(top - bottom + 1, min(2 * n, top - bottom + 1), rng) + bottom
        extra = extra[~np.isin(extra, kept)][: n - len(kept)]
        kept = np.concatenate([kept, extra])
    return rng.permutation(kept)


def _finer(settings: dict[str, Any], column: Column, n: int) -> dict[str, Any]:
    """The settings on a grid of shorter steps (hours for days) where `n` different times need one."""
    step, points = int(settings["step"]), settings["points"]
    if column.kind not in _TIMES or column.kind is Kind.DATE:
        return settings
    written = settings.get("format", "%S%f")  # a moment that is text tells no shorter steps than it is written with
    least = next((step for mark, step in _WRITTEN.items() if mark in written), _DAY)
    while step > least and points[-1] - points[0] < 2 * n:
        shorter = next((s for s in _STEPS if s < step), 1)
        points = [point * (step // shorter) for point in points]
        step = shorter
    return {**settings, "step": step, "points": points}


def _limits(column: Column, settings: dict) -> tuple[int, int]:
    """The least and the greatest step that the column's type holds; numbers keep the sign of the source's."""
    signed = min(settings["points"]) < 0
    if column.kind is Kind.INTEGER:
        word = column.native_type.lower().split("(")[0].split()[0] if column.native_type else ""
        bits = _MAX_BITS.get(word, 63) - (0 if column.unsigned else 1 if word in _MAX_BITS else 0)
        return (-(2 ** min(bits, 62)) if signed else 0), 2 ** min(bits, 62) - 1
    if column.kind is Kind.DECIMAL and column.precision is not None:
        return (-(10 ** min(column.precision, 18)) + 1 if signed else 0), 10 ** min(column.precision, 18) - 1
    if column.kind is Kind.TIME:
        return 0, int(_DAY // settings["step"]) - 1
    if column.kind in _TIMES:
        narrow = column.kind is Kind.TIMESTAMPTZ and column.native_type.lower().split("(")[0] == "timestamp"
        first, last = (1, 24_854) if narrow else (-100_000, 106_000)  # days from 1970: MySQL's timestamp; 1696 to 2260
        per_day = 1 if column.kind is Kind.DATE else _DAY // int(settings["step"])
        return min(first * per_day, min(settings["points"])), max(last * per_day, max(settings["points"]))
    return (-(2**53) if signed else 0), 2**53


def integer_digits(column: Column) -> int:
    """How many digits any whole number of the column's type may have."""
    if column.kind is Kind.DECIMAL:
        return min(column.precision or 18, 18)
    return len(str(largest_integer(column))) - 1


def largest_integer(column: Column) -> int:
    """The largest whole number that the column's type holds, at most 2**62 - 1."""
    if column.kind is Kind.DECIMAL:
        return 10 ** min(column.precision or 18, 18) - 1
    return _limits(column, {"points": [0], "step": 1})[1]


def _off_grid(steps: np.ndarray, column: Column, step: float) -> pa.Array:
    if column.kind in _TIMES:
        raw = steps * int(step)
        return pa.array(raw.astype(np.int32) if column.kind is Kind.DATE else raw).cast(_TIMES[column.kind])
    if column.kind is Kind.INTEGER:
        return pa.array(steps)
    if column.kind is Kind.FLOAT:
        return pa.array(steps * step)
    scale = max(round(-np.log10(step)), 0)
    digits = pa.array(steps).cast(pa.string())
    return _with_point(digits, scale).cast(arrow_type(column))


def _with_point(digits: pa.Array, scale: int) -> pa.Array:
    """Whole steps as text, ``1234`` at scale 2 becoming ``12.34``."""
    if scale == 0:
        return digits
    sign = pc.if_else(pc.starts_with(digits, "-"), "-", "")
    padded = pc.utf8_lpad(pc.utf8_ltrim(digits, "-"), 19 + scale, "0")
    whole = pc.utf8_slice_codeunits(padded, 0, 19)
    whole = pc.utf8_ltrim(whole, "0")
    whole = pc.if_else(pc.equal(whole, ""), "0", whole)
    return pc.binary_join_element_wise(sign, whole, ".", pc.utf8_slice_codeunits(padded, 19), "")
