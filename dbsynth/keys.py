"""Keys of every form as row numbers, and row numbers as keys again.

Composite keys, text, UUIDs and decimals all become the number of the row they stand for: the engines see nothing else.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from .errors import SchemaError
from .schema import ForeignKey, Schema

__all__ = ["DANGLING", "NO_PARENT", "KeyUse", "joint_codes", "key_values", "parent_rows", "plain", "use_keys"]

NO_PARENT = -1  # the key holds a null
DANGLING = -2  # the key is whole and finds no parent


def parent_rows(child: pa.Table, parent: pa.Table, key: ForeignKey) -> np.ndarray:
    """The parent's row number for every row of the child.

    Keys may be composite, of any type, and refer to any unique columns.

    Returns:
        int64 ``(n_children,)``; `NO_PARENT` where a column of the key is null, `DANGLING` where no parent has the key.
    """
    n_parents, total = parent.num_rows, parent.num_rows + child.num_rows
    codes, known, n_codes = np.zeros(total, np.int64), np.ones(total, bool), 1
    for ours, theirs in zip(key.columns, key.parent_columns, strict=True):
        part, words = joint_codes(*_comparable(parent.column(theirs), child.column(ours)))
        known &= part >= 0
        codes = codes * (len(words) + 1) + part + 1
        if len(key.columns) > 1:
            codes = pd.factorize(codes)[0].astype(np.int64)
        n_codes = int(codes.max(initial=0)) + 1
    row_of = np.full(n_codes, DANGLING, np.int64)
    usable = np.flatnonzero(known[:n_parents])
    row_of[codes[usable]] = usable
    return np.where(known[n_parents:], row_of[codes[n_parents:]], NO_PARENT)


def key_values(parent: Mapping[str, pa.Array], rows: np.ndarray, key: ForeignKey) -> dict[str, pa.Array]:
    """The foreign key's columns for children of these parent rows, null where the row number is negative."""
    indices = pa.array(rows, mask=rows < 0)
    return {ours: parent[theirs].take(indices) for ours, theirs in zip(key.columns, key.parent_columns, strict=True)}


@dataclass(frozen=True)
class KeyUse:
    """Which foreign keys of a schema do what.

    Attributes:
        edges: those the engine draws; they form no cycle.
        opened: self references and the keys at which cycles are opened; they are filled when all rows stand.
        implied: those whose columns are all part of a larger key to a parent that holds the same reference itself.
    """

    edges: tuple[ForeignKey, ...]
    opened: tuple[ForeignKey, ...]
    implied: tuple[ForeignKey, ...]


def use_keys(schema: Schema, kept: Collection[str] = ()) -> KeyUse:
    """Sort the foreign keys by what becomes of them; those of kept tables are copied, and none of them is in the way.

    Raises:
        SchemaError: two foreign keys share a column and neither holds the other, or the columns of an opened key are
            part of another key; names both.
    """
    opened = schema.opened()
    edges, implied = [], []
    for key in schema.foreign_keys:
        if key.child in kept:
            edges += [key] if key not in opened else []
            continue
        others = [k for k in schema.foreign_keys_of(key.child) if k != key and set(k.columns) & set(key.columns)]
        if key in opened:
            if others:
                raise _shared(key, others[0])
            continue
        larger = [k for k in others if set(key.columns) < set(k.columns) and k not in opened]
        if larger:
            implied.append(key)
            continue
        for other in others:
            if other not in opened and not set(other.columns) < set(key.columns):
                raise _shared(key, other)
        edges.append(key)
    return KeyUse(tuple(edges), tuple(key for key in opened if key.child not in kept), tuple(implied))


def _shared(key: ForeignKey, other: ForeignKey) -> SchemaError:
    columns = sorted(set(key.columns) & set(other.columns))
    return SchemaError(
        f"foreign keys {key.name!r} and {other.name!r} of table {key.child!r} share the column {columns[0]!r}, and not "
        "so that one could be filled with the other; drop one of them in the source, or keep the table"
    )


def joint_codes(first: pa.ChunkedArray, second: pa.ChunkedArray) -> tuple[np.ndarray, pa.Array]:
    """Codes int64 of the rows of both, one after the other, -1 for null, and the values they stand for."""
    both = pa.chunked_array([*first.chunks, *second.chunks], type=first.type)
    if not len(both):
        return np.zeros(0, np.int64), pa.array([], type=first.type)
    encoded = pc.dictionary_encode(both).unify_dictionaries()
    indices = [pc.fill_null(chunk.indices, -1).to_numpy(zero_copy_only=False) for chunk in encoded.chunks]
    return np.concatenate(indices).astype(np.int64), encoded.chunk(0).dictionary


def _comparable(parent: pa.ChunkedArray, child: pa.ChunkedArray) -> tuple[pa.ChunkedArray, pa.ChunkedArray]:
    """Both ends of a key in one Arrow type; their text form where no closer one is common."""
    parent, child = plain(parent), plain(child)
    types = (parent.type, child.type)
    if types[0] == types[1] and not pa.types.is_null(types[0]):
        return parent, child
    if any(pa.types.is_boolean(t) for t in types):  # a tinyint(1) is a truth where it holds 0 and 1 only
        parent, child = (end.cast(pa.int8()) if pa.types.is_boolean(end.type) else end for end in (parent, child))
        types = (parent.type, child.type)
    if all(pa.types.is_integer(t) for t in types):
        common = pa.int64()
    elif all(pa.types.is_integer(t) or pa.types.is_decimal(t) for t in types):
        common = pa.decimal256(76, max(getattr(t, "scale", 0) for t in types))
    elif all(pa.types.is_integer(t) or pa.types.is_decimal(t) or pa.types.is_floating(t) for t in types):
        common = pa.float64()
    elif all(pa.types.is_date(t) or pa.types.is_timestamp(t) for t in types):
        common = pa.timestamp("us")
    elif all(pa.types.is_binary(t) or pa.types.is_large_binary(t) or pa.types.is_fixed_size_binary(t) for t in types):
        common = pa.large_binary()
    else:
        common = pa.large_string()
    return parent.cast(common), child.cast(common)


def plain(array: pa.ChunkedArray) -> pa.ChunkedArray:
    """The same values, no longer dictionary-encoded."""
    return array.cast(array.type.value_type) if pa.types.is_dictionary(array.type) else array
