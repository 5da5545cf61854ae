"""Rows that are given, in codes: what their values say of a table's variables, and what is left to be drawn."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np
import pyarrow as pa

from ..schema import Column
from .categories import category_codes
from .codec import NULL_MARK, Categorical, Known, Numeric, TableCodec
from .numbers import to_numbers
from .order import times_in_unit
from .ranks import Quantiles

__all__ = ["encode_known", "ranks_of"]

_KNOWN = 1000  # more than the columns of a tuple


def encode_known(codec: TableCodec, rows: pa.Table, missing: Collection[str], kinds: Mapping[str, Column]) -> Known:
    """What rows say of the variables.

    A null in a column that is ``missing`` stands for a value that is to be found, and which is not null; in another
    column it is a null. Of a column that the rows lack nothing is known.

    Args:
        rows: columns by name; marks (`NULL_MARK` and the like) as booleans.
        kinds: the columns that have a kind, by name.
    """
    n = rows.num_rows
    arrays = {name: rows.column(name).combine_chunks() for name in rows.column_names}
    for name in [name for name in arrays if name in kinds]:
        arrays.setdefault(name + NULL_MARK, arrays[name].is_null())
    low, high = np.zeros((n, len(codec.variables)), np.float32), np.ones((n, len(codec.variables)), np.float32)
    choices: dict[int, tuple[np.ndarray, np.ndarray]] = {}
    for j, variable in enumerate(codec.variables):
        if isinstance(variable, Categorical):
            if not variable.values:  # learned from no rows
                continue
            allowed, which = _allowed(variable, arrays, missing, kinds, n)
            bounds = np.r_[0.0, variable.cuts]
            single = allowed.sum(axis=1) == 1
            only = allowed.argmax(axis=1)
            low[:, j] = np.where(single, bounds[only], 0)[which]
            high[:, j] = np.where(single, bounds[only + 1], 1)[which]
            several = ~single & ~allowed.all(axis=1)
            if several[which].any():
                place = np.cumsum(several) - 1
                choices[j] = np.where(several[which], place[which], -1), allowed[several]
        elif variable.part != "extra" and variable.column in arrays:
            x = _number(variable, arrays, kinds)
            known = np.isfinite(x)
            low[known, j], high[known, j] = ranks_of(variable.quantiles, x[known], variable.step)
    return Known(low, high, choices)


def _number(variable: Numeric, arrays: Mapping[str, pa.Array], kinds: Mapping[str, Column]) -> np.ndarray:
    """The variable's numbers, float64 ``(n,)``, NaN where they cannot be told."""
    kind = kinds[variable.column].kind
    x = to_numbers(arrays[variable.column], kind, variable.part)
    if variable.after is None:
        return x
    if variable.after not in arrays:
        return np.full(len(x), np.nan)
    return x - times_in_unit(arrays[variable.after], kinds[variable.after].kind, kind, variable.part)


def ranks_of(quantiles: Quantiles, x: np.ndarray, step: float) -> tuple[np.ndarray, np.ndarray]:
    """Bounds of the ranks at which `Quantiles.decode` gives numbers that round to these, float64 ``(n,)`` each.

    A number that does not come through (it is rare, or was never learned) has the ranks of the one next to it.
    """
    u, v = quantiles.u, quantiles.v
    if len(v) == 0:
        return np.zeros(len(x)), np.ones(len(x))
    if quantiles.discrete:
        right = np.searchsorted(v, x).clip(1, max(len(v) - 1, 1))
        left, right = right - 1, np.minimum(right, len(v) - 1)
        at = np.where(x - v[left] <= v[right] - x, left, right)
        low, high = np.r_[0.0, u][at], u[at]
    else:
        low, high = _first_rank(u, v, x - step / 2), 1 - _first_rank(1 - u[::-1], -v[::-1], -(x + step / 2))
        low, high = np.minimum(low, high), np.maximum(low, high)
    return quantiles.null + (1 - quantiles.null) * low, quantiles.null + (1 - quantiles.null) * high


def _first_rank(u: np.ndarray, v: np.ndarray, x: np.ndarray) -> np.ndarray:
    """The least rank from which the value is ``x``, on the line through the knots."""
    right = np.searchsorted(v, x, "left").clip(1, max(len(v) - 1, 1))
    left, right = right - 1, np.minimum(right, len(v) - 1)
    gap = v[right] - v[left]
    share = np.where(gap > 0, (x - v[left]) / np.where(gap > 0, gap, 1), 0.0).clip(0, 1)
    return np.where(x <= v[0], 0.0, u[left] + share * (u[right] - u[left]))


def _allowed(
    variable: Categorical, arrays: Mapping[str, pa.Array], missing: Collection[str], kinds: Mapping[str, Column], n: int
) -> tuple[np.ndarray, np.ndarray]:
    """Which tuples may be, by kind of row: bool ``(n_kinds, n_tuples)``; the kind of each row, int64 ``(n,)``.

    Where no tuple has all that a row says, those that have most of it. What is known counts for more than that a
    missing value is none: where the rest of the row rules values out, a null stays.
    """
    fits, codes = [], []
    for k, name in enumerate(variable.columns):
        if name not in arrays:
            continue
        members = [value[k] for value in variable.values]
        is_number = any(isinstance(member, float) for member in members)
        values = arrays[name]
        if is_number:  # a number among categories is told by its float
            values = pa.array(to_numbers(values, kinds[name].kind), from_pandas=True)
        code, levels = category_codes(values)
        may_miss = name.removesuffix(NULL_MARK) in missing
        is_mark, rows = name.endswith(NULL_MARK), []
        for level in levels:
            if may_miss and (level is True if is_mark else level is None):
                rows.append([member is not None and not (is_mark and member) for member in members])
            elif is_number and level is not None:
                away = np.abs(np.array([np.nan if member is None else member for member in members]) - level)
                rows.append(_KNOWN * (away <= np.nanmin(away) + 1e-9))
            else:
                rows.append([_KNOWN * (member == level) for member in members])
        fits.append(np.array(rows, np.int64).reshape(len(levels), len(members)))
        codes.append(code)
    if not codes or n == 0:
        return np.ones((1, len(variable.values)), bool), np.zeros(n, np.int64)
    kinds, which = np.unique(np.stack(codes, axis=1), axis=0, return_inverse=True)
    score = sum(fit[kinds[:, i]] for i, fit in enumerate(fits))
    return score == score.max(axis=1, keepdims=True), which.reshape(-1)
