"""Real and synthetic rows as numbers on common scales: the form in which all measures read them.

A column is encoded once, for both databases together: a small integer code per row (its bin or its category) and, where
the column is a number, its standardised value. A foreign key becomes the row number of the parent. Joins are then
nothing but indexing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa

from ..keys import joint_codes, plain
from ..schema import Column, Kind
from .scores import ks_complement, overlap

__all__ = ["ComparedColumn", "Scale", "Side", "encode_column", "encode_numbers", "joint_categories", "read_numbers"]

N_BINS = 10
N_COMMON = 20  # the categories whose share between groups is looked at

CATEGORICAL = frozenset({Kind.TEXT, Kind.ENUM, Kind.BOOLEAN})
NUMERIC = frozenset({Kind.INTEGER, Kind.DECIMAL, Kind.FLOAT, Kind.DATE, Kind.TIME, Kind.TIMESTAMP, Kind.TIMESTAMPTZ})
_READ_AS = {
    Kind.DATE: pa.timestamp("us"),
    Kind.TIMESTAMP: pa.timestamp("us"),
    Kind.TIMESTAMPTZ: pa.timestamp("us", "UTC"),
}
_TRUTH = {"true": "1", "t": "1", "1.0": "1", "false": "0", "f": "0", "0.0": "0"}


@dataclass(frozen=True)
class Side:
    """One column of one database."""

    codes: np.ndarray  # unsigned (n_rows,), in [0, n_codes)
    values: np.ndarray | None  # float32 (n_rows,), NaN where null; None for a categorical column
    n_codes: int

    def take(self, rows: np.ndarray | None) -> Side:
        """The column at these rows, in their order; None takes all as they are."""
        if rows is None:
            return self
        return Side(self.codes[rows], None if self.values is None else self.values[rows], self.n_codes)


@dataclass(frozen=True)
class ComparedColumn:
    """One column of both databases, in the same codes and units."""

    name: str
    real: Side
    synthetic: Side
    likeness: float  # the 1-way score, 0 … 1
    common: np.ndarray  # codes of the real column's commonest categories; empty for numbers


def encode_column(column: Column, real: pa.ChunkedArray, synthetic: pa.ChunkedArray) -> ComparedColumn:
    """The column as codes and, for numbers and dates, values.

    The kind in the schema decides how both sides are read, so their Arrow types may differ (date and timestamp, bool
    and int, decimal and float, enum and text). Infinite and NaN values count as null; blanks at the end of a text do
    not count.

    Raises:
        ValueError: values of this kind are not measured.
    """
    if column.kind in NUMERIC:
        return encode_numbers(column.name, *(read_numbers(side, column.kind) for side in (real, synthetic)))
    if column.kind in CATEGORICAL:
        return _encode_categories(column, real, synthetic)
    raise ValueError(f"a column of kind {column.kind.value!r} cannot be measured: {column.name!r}")


def encode_numbers(name: str, real: np.ndarray, synthetic: np.ndarray) -> ComparedColumn:
    """Numbers in ten equal-width bins on the real values' edges, null in a bin of its own.

    Args:
        real, synthetic: float64 ``(n_rows,)``, NaN where null. Synthetic values outside the real range go to the end
            bins. A column without real values has one bin from 0 to 1.
    """
    scale = Scale.of(real)
    likeness = ks_complement(*(side[~np.isnan(side)] for side in (real, synthetic)))
    return ComparedColumn(name, scale.side(real), scale.side(synthetic), likeness, np.zeros(0, np.int64))


@dataclass(frozen=True)
class Scale:
    """Bins and unit of real numbers."""

    edges: np.ndarray  # float64 (N_BINS + 1,)
    centre: float
    spread: float

    @classmethod
    def of(cls, real: np.ndarray) -> Scale:
        """Ten equal-width bins from the least to the largest number; units of standard deviations about the mean."""
        known = real[~np.isnan(real)]
        if not known.size:
            return cls(np.linspace(0.0, 1.0, N_BINS + 1), 0.0, 1.0)
        low, high = known.min(), known.max()
        edges = np.linspace(low, high, N_BINS + 1) if low < high else np.linspace(low - 0.5, high + 0.5, N_BINS + 1)
        return cls(edges, known.mean(), known.std() or 1.0)

    def side(self, values: np.ndarray) -> Side:
        """Float64 numbers as a column: null in a bin of its own, what lies outside in the end bins."""
        codes = np.searchsorted(self.edges[1:-1], values, side="right").astype(np.uint8)
        codes[np.isnan(values)] = N_BINS
        scaled = (values - self.centre) / self.spread
        return Side(codes, np.clip(scaled, -1e30, 1e30).astype(np.float32), N_BINS + 1)


def _encode_categories(column: Column, real: pa.ChunkedArray, synthetic: pa.ChunkedArray) -> ComparedColumn:
    """Categories as codes, null one of them; those of the synthetic side alone share a code, for they match nothing."""
    codes, words = joint_categories(column, real, synthetic)
    codes += 1  # null becomes 0
    counts = np.bincount(codes[: len(real)], minlength=len(words) + 1)
    n_codes = int(np.count_nonzero(counts)) + 1
    lookup = np.where(counts > 0, np.cumsum(counts > 0) - 1, n_codes - 1)
    common = np.argsort(-counts, kind="stable")[: min(N_COMMON, n_codes - 1)]  # among equals the first to appear
    codes = lookup[codes].astype(np.min_scalar_type(n_codes))
    real_side, synthetic_side = (Side(part, None, n_codes) for part in (codes[: len(real)], codes[len(real) :]))
    likeness = overlap(real_side.codes, synthetic_side.codes, n_codes)
    return ComparedColumn(column.name, real_side, synthetic_side, likeness, lookup[common])


def joint_categories(
    column: Column, real: pa.ChunkedArray, synthetic: pa.ChunkedArray
) -> tuple[np.ndarray, np.ndarray]:
    """Codes int64 of the rows of both, one after the other, -1 for null, and the words they stand for.

    Blanks at the end of a text do not count; truths are "1" and "0", however a dialect spells them.
    """
    codes, words = joint_codes(_text(real), _text(synthetic))
    spelled = [word.rstrip(" ") for word in words.to_pylist()]
    if column.kind is Kind.BOOLEAN:
        spelled = [_TRUTH.get(word.lower(), word) for word in spelled]
    merged, kept = pd.factorize(np.array(spelled, dtype=object))
    return np.append(merged, -1)[codes], kept  # null, -1, reads the last entry


def _text(array: pa.ChunkedArray) -> pa.ChunkedArray:
    return plain(array).cast(pa.large_string())


def _is_text(kind: pa.DataType) -> bool:
    return pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)


def read_numbers(array: pa.ChunkedArray, kind: Kind) -> np.ndarray:
    """float64 ``(n_rows,)``, NaN where null or not finite; dates and times in microseconds."""
    array = plain(array)
    if _is_text(array.type):
        array = _parsed(array, kind)
    for is_a, common in (
        (pa.types.is_date, pa.timestamp("us")),
        (pa.types.is_timestamp, pa.timestamp("us", getattr(array.type, "tz", None))),
        (pa.types.is_time, pa.time64("us")),
        (pa.types.is_duration, pa.duration("us")),
        (pa.types.is_boolean, pa.int8()),
    ):
        if is_a(array.type):
            array = array.cast(common, safe=False).cast(pa.int64())
            break
    values = array.cast(pa.float64(), safe=False).to_numpy()
    return np.where(np.isfinite(values), values, np.nan)


def _parsed(array: pa.ChunkedArray, kind: Kind) -> pa.ChunkedArray:
    """Numbers, dates or times written as text; what cannot be read becomes null."""
    if kind is not Kind.TIME:
        try:
            return array.cast(_READ_AS.get(kind, pa.float64()))
        except pa.ArrowInvalid:
            pass
    words = pd.Series(array.to_pylist(), dtype=object)
    if kind is Kind.TIME:  # of MySQL it may pass 24 hours
        read = pd.to_timedelta(words, errors="coerce").astype("timedelta64[us]")
    elif kind in _READ_AS:
        read = pd.to_datetime(words, errors="coerce", utc=True, format="ISO8601").astype("datetime64[us, UTC]")
    else:
        read = pd.to_numeric(words, errors="coerce").astype("float64")
    return pa.chunked_array([pa.Array.from_pandas(read)])
