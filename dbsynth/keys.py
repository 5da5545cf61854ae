"""Keys of every form as row numbers, and row numbers as keys again.

Composite keys, text, UUIDs and decimals all become the number of the row they stand for: the engines see nothing else.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from .errors import SchemaError
from .schema import ForeignKey, Schema

__all__ = [
    "DANGLING", "NO_PARENT", "KeyUse", "column_codes", "joint_codes", "key_values", "parent_rows", "plain",
    "tuple_codes", "use_keys",
]  # fmt: skip

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
        edges: those the engine draws; they form no cycle. Keys of one child may share columns, such as a tenant's.
        opened: self references and the keys at which cycles are opened; they are filled when all rows stand.
        implied: those whose columns are all part of a larger key, or of a primary key that closes a cycle of
            one-to-one keys.
        filled: of each opened key the columns that it fills; the others stand before, and the parent agrees in them.
    """

    edges: tuple[ForeignKey, ...]
    opened: tuple[ForeignKey, ...]
    implied: tuple[ForeignKey, ...]
    filled: Mapping[ForeignKey, tuple[str, ...]] = field(default_factory=dict, compare=False)

    @property
    def in_time(self) -> tuple[ForeignKey, ...]:
        """The edges whose parents' columns stand when the child's rows are made: no opened key fills them later."""
        late = {(key.child, name) for key, names in self.filled.items() for name in names}
        while True:
            edges = [key for key in self.edges if not any((key.parent, name) in late for name in key.parent_columns)]
            filled = {(key.child, name) for key in edges for name in key.columns}
            more = {(key.child, name) for key in self.edges if key not in edges for name in key.columns} - filled - late
            if not more:
                return tuple(edges)
            late |= more

    def follows(self, table: str) -> dict[str, str]:
        """The table's columns whose values come from a parent, and that parent's name."""
        found = {
            name: key.parent for key in (*self.edges, *self.implied) if key.child == table for name in key.columns
            if key.columns != key.parent_columns or not key.is_self_reference
        }  # fmt: skip
        for key in self.opened:
            if key.child == table:
                found |= {name: key.parent for name in self.filled[key] if name not in found}
        return found


def use_keys(schema: Schema, kept: Collection[str] = ()) -> KeyUse:
    """Sort the foreign keys by what becomes of them; those of kept tables are copied, and none of them is in the way.

    Raises:
        SchemaError: all columns of an opened key are part of other keys, or some are and it may not be null; names
            them.
    """
    opened = [key for key in schema.opened() if key.child not in kept]
    closing = [key for key in opened if not key.is_self_reference and key.columns == schema.table(key.child).primary_key
               and any(set(k.parent_columns) & set(key.columns) for k in schema.foreign_keys_to(key.child))]
    edges, implied = [], list(closing)
    for key in schema.foreign_keys:
        if key.child in kept:
            edges += [key] if key not in schema.opened() else []
        elif key not in opened:
            larger = any(
                set(key.columns) < set(k.columns) for k in schema.foreign_keys_of(key.child) if k not in opened
            )
            (implied if larger else edges).append(key)
    opened = [key for key in opened if key not in closing]
    filled = {key: _filled(schema, key, edges) for key in opened}
    return KeyUse(tuple(edges), tuple(opened), tuple(implied), filled)


def _filled(schema: Schema, key: ForeignKey, edges: list[ForeignKey]) -> tuple[str, ...]:
    """The columns of an opened key that no other key fills, and that are not at once its parent's own."""
    others = [k for k in edges if k.child == key.child and set(k.columns) & set(key.columns)]
    before = {name for k in others for name in k.columns}
    if key.is_self_reference:
        before |= {name for name, to in zip(key.columns, key.parent_columns, strict=True) if name == to}
    filled = tuple(name for name in key.columns if name not in before)
    must = not any(schema.table(key.child).column(name).nullable for name in filled)
    if not filled or (must and len(filled) < len(key.columns) and not key.is_self_reference):
        raise SchemaError(
            f"foreign key {key.name!r} of table {key.child!r} closes a cycle, and its columns are part of "
            f"{others[0].name if others else 'itself'!r}, too; drop one of them in the source, or keep the table"
        )
    return filled


def joint_codes(first: pa.ChunkedArray, second: pa.ChunkedArray) -> tuple[np.ndarray, pa.Array]:
    """Codes int64 of the rows of both, one after the other, -1 for null, and the values they stand for."""
    both = pa.chunked_array([*first.chunks, *second.chunks], type=first.type)
    if not len(both):
        return np.zeros(0, np.int64), pa.array([], type=first.type)
    encoded = pc.dictionary_encode(both).unify_dictionaries()
    indices = [pc.fill_null(chunk.indices, -1).to_numpy(zero_copy_only=False) for chunk in encoded.chunks]
    return np.concatenate(indices).astype(np.int64), encoded.chunk(0).dictionary


def column_codes(arrays: Sequence[pa.Array]) -> list[np.ndarray]:
    """Codes int64 for the values of several columns, equal for equal values, -1 for null."""
    columns = [plain(pa.chunked_array([array])) for array in arrays]
    if len({column.type for column in columns}) > 1:
        pairs = [_comparable(columns[0], column) for column in columns]
        columns = [column for _, column in pairs]
        if len({column.type for column in columns}) > 1:
            columns = [column.cast(pa.large_string()) for column in columns]
    type_ = columns[0].type
    whole = pa.chunked_array([chunk for column in columns for chunk in column.chunks], type_)
    codes = joint_codes(whole, pa.chunked_array([], type_))[0]
    return np.split(codes, np.cumsum([len(array) for array in arrays])[:-1])


def tuple_codes(*sets: Sequence[np.ndarray]) -> list[np.ndarray]:
    """One int64 for each row of codes, equal for equal rows of all the sets."""
    stacked = np.concatenate([np.stack(columns, axis=1) for columns in sets])
    numbers = np.unique(stacked, axis=0, return_inverse=True)[1].reshape(-1)
    return np.split(numbers, np.cumsum([len(columns[0]) for columns in sets])[:-1])


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
