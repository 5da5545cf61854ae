"""Invented values that CHECKs allow: what a CHECK on the column alone refuses gives way to other inventions.

Unique values and keys cannot be taken from another row, as `checks` does with the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ..columns.distinct import fold
from ..errors import SchemaError
from ..schema import Check, Table
from .checks import broken_rows, named_together

__all__ = ["allowed", "own_checks"]

_DRAWN = (2, 8, 32, 128)  # values drawn for each that is refused, round by round


def own_checks(table: Table, name: str, dialect: str) -> list[Check]:
    """The CHECKs that name this column and no other."""
    named = named_together(table, dialect)
    return [check for check, names in zip(table.checks, named, strict=True) if names == {name}]


def allowed(
    array: pa.Array, draw: Callable[[int], pa.Array], table: Table, name: str, dialect: str
) -> pa.Array:
    """The unique column with every value that its own CHECKs refuse replaced by one that they take, none twice.

    Args:
        draw: gives as many values as it is asked for.

    Raises:
        SchemaError: hardly any value that is invented for the column satisfies them.
    """
    checks = own_checks(table, name, dialect)
    refused = _refused(array, name, checks, dialect)
    for factor in _DRAWN:
        if len(refused) == 0:
            return array
        spare = draw(factor * len(refused))
        spare = spare.take(pa.array(np.setdiff1d(np.arange(len(spare)), _refused(spare, name, checks, dialect))))
        known, codes = _folded(pa.concat_arrays([array, spare]))
        first = np.unique(codes, return_index=True)[1]
        new = np.sort(first[(first >= len(array)) & known[first]])[: len(refused)]
        source = np.arange(len(array))
        source[refused[: len(new)]] = new
        array = pa.concat_arrays([array, spare]).take(pa.array(source))
        refused = refused[len(new) :]
    if len(refused):
        raise SchemaError(
            f"table {table.name!r}: too few of the values invented for the unique column {name!r} satisfy CHECK "
            f"{checks[0].name!r} ({checks[0].expression}); give it a pattern or a provider in the settings, keep the "
            "table, or drop the constraint in the source"
        )
    return array


def _refused(array: pa.Array, name: str, checks: Sequence[Check], dialect: str) -> np.ndarray:
    """Rows that break any of the CHECKs, int64; what cannot be evaluated refuses none."""
    found = [broken_rows({name: array}, check.expression, dialect) for check in checks] if len(array) else []
    return np.unique(np.concatenate([np.zeros(0, np.int64), *(rows for rows in found if rows is not None)]))


def _folded(array: pa.Array) -> tuple[np.ndarray, np.ndarray]:
    """Which values are known, and codes that are equal for values that a server would call equal."""
    alike = fold(array) if pa.types.is_string(array.type) else array
    codes = pc.dictionary_encode(alike, null_encoding="encode").indices.to_numpy(zero_copy_only=False)
    return array.is_valid().to_numpy(zero_copy_only=False), codes
