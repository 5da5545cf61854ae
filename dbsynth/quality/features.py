"""A table's rows as numbers that a classifier can read: the same columns for every database that is compared.

Numbers, dates and times are values on the scale of the first sample, categories are codes (the commonest is 0), and
null is NaN. A date also shows its weekday, day, month and hour, which a tree could not cut out of the value.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa

from ..keys import plain
from ..schema import Column, ForeignKey, Kind
from .compared import NUMERIC, joint_categories, read_numbers
from .comparison import Comparison, Rows, key_label

__all__ = ["N_CATEGORIES", "Feature", "Sample", "child_features", "matrix", "own_features", "parent_features"]

N_CATEGORIES = 255  # as many as scikit-learn's histograms tell apart; the last code stands for all rarer categories

_DATES = frozenset({Kind.DATE, Kind.TIMESTAMP, Kind.TIMESTAMPTZ})
_PARTS = {"weekday": "day_of_week", "day": "day", "month": "month", "hour": "hour"}  # pandas' names
_MICROSECONDS = 2**62  # beyond no date is read


@dataclass(frozen=True)
class Sample:
    """Some rows of a table of one database.

    Attributes:
        at: int64 ``(n,)``, row numbers; negative: no row, whose features are all NaN.
    """

    rows: Rows
    at: np.ndarray


@dataclass(frozen=True)
class Feature:
    """One column of numbers in every sample.

    Attributes:
        name: what a reader is told, such as "amount", "date (weekday)" or "mean amount by trans.account_id".
        column: the table's own column that it is, or is a part of; empty: it is from another table.
        samples: float32 ``(n,)`` each, NaN where null.
    """

    name: str
    column: str
    samples: tuple[np.ndarray, ...]
    categorical: bool = False


def matrix(features: Sequence[Feature], sample: int) -> np.ndarray:
    """One sample's features side by side, float32 ``(n, n_features)``; there must be one."""
    return np.stack([feature.samples[sample] for feature in features], axis=1)


def own_features(
    comparison: Comparison, table: str, samples: Sequence[Sample], *, date_parts: bool = True
) -> list[Feature]:
    """The measured columns of a table, at the rows of each sample."""
    definition = comparison.schema.table(table)
    return [
        feature
        for name in comparison.measured[table]
        for feature in _features(
            definition.column(name), [_take(s.rows.tables[table][name], s.at) for s in samples], date_parts
        )
    ]


def parent_features(comparison: Comparison, table: str, samples: Sequence[Sample]) -> list[Feature]:
    """The measured columns of the rows that a table's rows refer to, for each of its foreign keys."""
    found = []
    for key in comparison.schema.foreign_keys_of(table):
        above = [Sample(s.rows, _follow(s.rows.parents[key], s.at)) for s in samples]
        found += [
            Feature(f"{f.name} by {key_label(key)}", "", f.samples, f.categorical)
            for f in own_features(comparison, key.parent, above)
        ]
    return found


def child_features(comparison: Comparison, table: str, samples: Sequence[Sample]) -> list[Feature]:
    """What the children of each row look like, for each foreign key into the table.

    Their number, the number of distinct values of each categorical column, and the mean of each number, NaN without
    one (the aggregates of SyntheRela's C2ST-Agg; Hudovernik et al., 2024).
    """
    return [
        feature
        for key in comparison.schema.foreign_keys_to(table)
        for feature in _aggregates(comparison, key, samples)
    ]


def _aggregates(comparison: Comparison, key: ForeignKey, samples: Sequence[Sample]) -> Iterable[Feature]:
    groups, children = zip(*(_children(s, key) for s in samples), strict=True)
    sizes = [len(s.at) for s in samples]
    counts = [np.bincount(group, minlength=n) for group, n in zip(groups, sizes, strict=True)]
    yield Feature(f"rows by {key_label(key)}", "", _as_float32(counts))
    for feature in own_features(comparison, key.child, children, date_parts=False):
        kind, aggregate = ("distinct", _distinct) if feature.categorical else ("mean", _means)
        values = [aggregate(v, g, n) for v, g, n in zip(feature.samples, groups, sizes, strict=True)]
        yield Feature(f"{kind} {feature.name} by {key_label(key)}", "", _as_float32(values))


def _children(sample: Sample, key: ForeignKey) -> tuple[np.ndarray, Sample]:
    """The rows that refer to those of the sample, and the place in the sample of the row each refers to."""
    place = np.full(sample.rows.count(key.parent) + 1, -1)  # the last entry is for children of nobody
    place[sample.at] = np.arange(len(sample.at))
    group = place[np.maximum(sample.rows.parents[key], -1)]
    at = np.flatnonzero(group >= 0)
    return group[at], Sample(sample.rows, at)


def _means(values: np.ndarray, group: np.ndarray, n: int) -> np.ndarray:
    known = ~np.isnan(values)
    sums = np.bincount(group[known], weights=values[known], minlength=n)
    with np.errstate(invalid="ignore"):
        return sums / np.bincount(group[known], minlength=n)


def _distinct(codes: np.ndarray, group: np.ndarray, n: int) -> np.ndarray:
    """How many different categories each group has; null is none."""
    known = ~np.isnan(codes)
    pairs = np.unique(group[known] * N_CATEGORIES + codes[known].astype(np.int64))
    return np.bincount(pairs // N_CATEGORIES, minlength=n)


def _follow(parents: np.ndarray, at: np.ndarray) -> np.ndarray:
    return np.where(at >= 0, parents[at], -1) if len(parents) else np.full(len(at), -1)


def _take(array: pa.ChunkedArray, at: np.ndarray) -> pa.ChunkedArray:
    return plain(array).take(pa.array(at, pa.int64(), mask=at < 0))


def _features(column: Column, arrays: Sequence[pa.ChunkedArray], date_parts: bool) -> Iterable[Feature]:
    if column.kind not in NUMERIC:
        yield Feature(column.name, column.name, _split(_codes(column, arrays), arrays), categorical=True)
        return
    numbers = [read_numbers(array, column.kind) for array in arrays]
    yield Feature(column.name, column.name, _scaled(numbers))
    if date_parts and column.kind in _DATES:
        for part, values in _parts(np.concatenate(numbers)).items():
            yield Feature(f"{column.name} ({part})", column.name, _split(values, arrays))


def _codes(column: Column, arrays: Sequence[pa.ChunkedArray]) -> np.ndarray:
    """Categories by how common they are in all samples together, null as NaN."""
    first, *others = (array.cast(pa.large_string()) for array in arrays)
    rest = pa.chunked_array([chunk for array in others for chunk in array.chunks], pa.large_string())
    codes, words = joint_categories(column, first, rest)
    counts = np.bincount(codes[codes >= 0], minlength=len(words))
    rank = np.empty(len(words) + 1)
    rank[np.argsort(-counts, kind="stable")] = np.minimum(np.arange(len(words)), N_CATEGORIES - 1)
    rank[-1] = np.nan  # is read by null, -1
    return rank[codes]


def _scaled(numbers: Sequence[np.ndarray]) -> tuple[np.ndarray, ...]:
    """Standardised by the first sample: float32 would not tell apart the microseconds since 1970 of two dates."""
    numbers = [np.clip(values, -1e100, 1e100) for values in numbers]  # so that squares are finite
    known = numbers[0][~np.isnan(numbers[0])]
    centre, spread = (known.mean(), known.std()) if known.size else (0.0, 1.0)
    return _as_float32(np.clip((values - centre) / (spread or 1.0), -1e30, 1e30) for values in numbers)


def _parts(microseconds: np.ndarray) -> dict[str, np.ndarray]:
    """Weekday, day of the month, month and hour; only those that differ between rows."""
    readable = np.abs(microseconds) < _MICROSECONDS  # NaN is not
    dates = pd.DatetimeIndex(microseconds[readable].astype(np.int64).view("datetime64[us]"))
    parts = {}
    for name, attribute in _PARTS.items():
        values = np.full(len(microseconds), np.nan)
        values[readable] = getattr(dates, attribute)
        if len(np.unique(values[readable])) > 1:
            parts[name] = values
    return parts


def _split(values: np.ndarray, arrays: Sequence[pa.ChunkedArray]) -> tuple[np.ndarray, ...]:
    return _as_float32(np.split(values, np.cumsum([len(array) for array in arrays])[:-1]))


def _as_float32(samples: Iterable[np.ndarray]) -> tuple[np.ndarray, ...]:
    return tuple(values.astype(np.float32) for values in samples)
