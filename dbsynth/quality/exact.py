"""A table's values to the last digit, as codes that both databases share: what copies are looked for in.

The codes of the measures merge what is alike; here two values share a code only if they are equal: numbers as float64,
dates and times in microseconds, texts without the blanks at their end.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa

from ..schema import Column
from .compared import NUMERIC, joint_categories, read_numbers
from .comparison import Comparison

__all__ = ["ExactColumn", "exact_columns", "row_codes"]


@dataclass(frozen=True)
class ExactColumn:
    """One column of both databases.

    Attributes:
        real, synthetic: unsigned ``(n_rows,)``, 0 where null, else the place of the value in `values` and one more.
        values: float64 or object (text), the distinct values of both sides in no order.
    """

    column: Column
    real: np.ndarray
    synthetic: np.ndarray
    values: np.ndarray

    @property
    def name(self) -> str:
        return self.column.name

    @property
    def n_codes(self) -> int:
        return len(self.values) + 1

    @property
    def is_numeric(self) -> bool:
        return self.column.kind in NUMERIC


def exact_columns(comparison: Comparison, table: str) -> list[ExactColumn]:
    """The measured columns of a table, and its references to kept tables, whose keys mean the same on both sides."""
    names = list(comparison.measured[table])
    for key in comparison.schema.foreign_keys_of(table):
        if key.parent in comparison.kept:
            names += [name for name in key.columns if name not in names]
    definition = comparison.schema.table(table)
    sides = comparison.real.tables[table], comparison.synthetic.tables[table]
    return [_exact(definition.column(name), *(side[name] for side in sides)) for name in names]


def _exact(column: Column, real: pa.ChunkedArray, synthetic: pa.ChunkedArray) -> ExactColumn:
    if column.kind in NUMERIC:
        codes, values = pd.factorize(np.concatenate([read_numbers(a, column.kind) for a in (real, synthetic)]))
    else:
        codes, values = joint_categories(column, real, synthetic)
    codes = (codes + 1).astype(np.min_scalar_type(len(values) + 1))
    return ExactColumn(column, codes[: len(real)], codes[len(real) :], np.asarray(values))


def row_codes(columns: Sequence[ExactColumn], *parts: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Whole rows as codes, int64 ``(n_rows,)`` for each part: equal where all of the columns are equal.

    Args:
        parts: each the codes of the columns in turn, such as those of the real rows.
    """
    codes, n_codes = np.zeros(sum(len(part[0]) for part in parts), np.int64), 1
    for column, sides in zip(columns, zip(*parts, strict=True), strict=True):
        if n_codes * column.n_codes >= 2**62:
            codes, n_codes = _dense(codes)
        codes *= column.n_codes
        codes += np.concatenate(sides)
        n_codes *= column.n_codes
    return np.split(_dense(codes)[0], np.cumsum([len(part[0]) for part in parts])[:-1])


def _dense(codes: np.ndarray) -> tuple[np.ndarray, int]:
    codes, known = pd.factorize(codes)
    return codes.astype(np.int64), len(known)
