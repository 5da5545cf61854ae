"""Uniqueness of keys that hold drawn values: rows that repeat another exchange values until none does."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from types import MappingProxyType

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ..errors import SchemaError
from ..groups import repeated_rows
from ..keys import joint_codes

__all__ = ["part_repeats"]

_ROUNDS = 300
_PATIENCE = 20  # rounds without fewer repeats after which exchanging stops


def part_repeats(
    columns: dict[str, pa.Array], key: Sequence[str], changeable: Sequence[str], rng: np.random.Generator, *,
    table: str, along: Mapping[str, Collection[str]] = MappingProxyType({}), n_given: int = 0,
) -> dict[str, pa.Array]:  # fmt: skip
    """The columns, changed so that no two rows have the same values in all of ``key``.

    A row that repeats another exchanges one changeable value with a random row, so that every column keeps its values.
    Where that does not suffice, as when every parent has nearly every value, it takes a value of the column that its
    group lacks, and at last a whole number past the largest. Rows with a null repeat nobody.

    Args:
        along: by changeable column, others that go where its values go.
        n_given: how many of the first rows stay as they are; they differ from one another.

    Raises:
        SchemaError: no exchange can part the rows; names table and key.
    """
    codes = {name: _codes(columns[name]) for name in key}
    if len(repeated_rows([codes[name] for name in key])) == 0:
        return columns
    order = {name: np.arange(len(columns[name])) for name in changeable}
    fewest, since = len(columns[key[0]]), 0
    for attempt in range(_ROUNDS):
        repeated = repeated_rows([codes[name] for name in key])
        since = since + 1 if len(repeated) >= fewest else 0
        fewest = min(fewest, len(repeated))
        if len(repeated) == 0 or since > _PATIENCE:
            break
        name = changeable[attempt % len(changeable)] if changeable else None
        if name is None:
            break
        others = rng.integers(n_given, len(codes[name]), size=len(repeated))
        for row, other in zip(repeated.tolist(), others.tolist(), strict=True):
            for values in (codes[name], order[name]):
                values[row], values[other] = values[other], values[row]
    for name in changeable:
        _take_missing(codes, order[name], key, name, rng)
    repeated = repeated_rows([codes[name] for name in key])
    goes = {other: order[name] for name in reversed(changeable) for other in (*along.get(name, ()), name)}
    result = {**columns, **{name: columns[name].take(pa.array(rows)) for name, rows in goes.items()}}
    return result if len(repeated) == 0 else _number_on(result, key, changeable, repeated, table)


def _take_missing(
    codes: dict[str, np.ndarray], order: np.ndarray, key: Sequence[str], name: str, rng: np.random.Generator
) -> None:
    """Give rows that repeat another a value of the column that no row of their group (the rest of the key) has."""
    repeated = repeated_rows([codes[n] for n in key])
    if len(repeated) == 0:
        return
    rest = [codes[n] for n in key if n != name]
    rest = np.stack(rest, axis=1) if rest else np.zeros((len(order), 1), dtype=np.int64)
    group = np.unique(rest, axis=0, return_inverse=True)[1].reshape(-1)
    values, first = np.unique(codes[name], return_index=True)
    source = order[first]
    members = np.argsort(group, kind="stable")
    start = np.searchsorted(group[members], np.arange(group.max() + 2))
    for row in repeated.tolist():
        held = codes[name][members[start[group[row]] : start[group[row] + 1]]]
        free = np.flatnonzero((values >= 0) & ~np.isin(values, held))
        if len(free):
            chosen = rng.choice(free)
            codes[name][row], order[row] = values[chosen], source[chosen]


def _number_on(
    columns: dict[str, pa.Array], key: Sequence[str], changeable: Sequence[str], repeated: np.ndarray, table: str
) -> dict[str, pa.Array]:
    """New whole numbers for the rows that still repeat another."""
    for name in changeable:
        if pa.types.is_integer(columns[name].type):
            values = pc.fill_null(columns[name], 0).to_numpy(zero_copy_only=False).copy()
            values[repeated] = pc.max(columns[name]).as_py() + 1 + np.arange(len(repeated))
            null = columns[name].is_null().to_numpy(zero_copy_only=False)
            return {**columns, name: pa.array(values, columns[name].type, mask=null)}
    raise SchemaError(
        f"table {table!r}: {len(repeated)} rows cannot be told apart in ({', '.join(key)}), which must be unique; "
        "generate fewer rows (a smaller scale), or keep the table"
    )


def _codes(column: pa.Array) -> np.ndarray:
    """Int64 codes ``(n,)``, -1 for null."""
    return joint_codes(pa.chunked_array([column]), pa.chunked_array([], type=column.type))[0]
