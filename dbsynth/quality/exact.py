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
from .comparison import Comparison, Rows

__all__ = ["ExactColumn", "exact_columns", "owners", "row_codes"]

_FEW_OWNERS = 50


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


def row_codes(columns: Sequence[ExactColumn]) -> tuple[np.ndarray, np.ndarray]:
    """Whole rows as codes, int64 ``(n_real,)`` and ``(n_synthetic,)``: equal where all of the columns are equal."""
    n_real = len(columns[0].real)
    codes, n_codes = np.zeros(n_real + len(columns[0].synthetic), np.int64), 1
    for column in columns:
        if n_codes * column.n_codes >= 2**62:
            codes, n_codes = _dense(codes)
        codes *= column.n_codes
        codes[:n_real] += column.real
        codes[n_real:] += column.synthetic
        n_codes *= column.n_codes
    codes, _ = _dense(codes)
    return codes[:n_real], codes[n_real:]


def _dense(codes: np.ndarray) -> tuple[np.ndarray, int]:
    codes, known = pd.factorize(codes)
    return codes.astype(np.int64), len(known)


def owners(comparison: Comparison, rows: Rows, table: str) -> np.ndarray:
    """Whose each row is: rows of one owner resemble one another without being copies, and are no independent evidence.

    A row belongs to whom its parent row belongs to, along the foreign key with the most parents; a row without a parent
    belongs to itself. Kept tables, those of fewer than 50 rows and keys that close a cycle lead to nobody.

    Returns:
        int64 ``(n_rows,)``, not negative.
    """
    keys = [
        key
        for key in comparison.schema.foreign_keys_of(table)
        if key.parent not in comparison.kept
        and key not in comparison.schema.opened()
        and comparison.real.count(key.parent) >= _FEW_OWNERS
    ]
    n = rows.count(table)
    if not keys:
        return np.arange(n)
    key = max(keys, key=lambda key: comparison.real.count(key.parent))
    parents, above = rows.parents[key], owners(comparison, rows, key.parent)
    own = np.arange(n) + above.max(initial=-1) + 1
    return np.where(parents >= 0, above[parents], own) if len(above) else own
