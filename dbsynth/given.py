"""Rows that stand before anything is generated: as the engine sees them, and as they come out again."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from .columns.codec import NULL_MARK
from .columns.known import encode_known
from .encoded import Given
from .errors import SchemaError
from .integrity.rules.kinds import Shared
from .keys import DANGLING, parent_rows, use_keys
from .model import EMPTY_MARK, DatabaseModel, Numbering, edge_name
from .plan import Fate
from .schema import Kind

__all__ = ["GivenRows", "encode_given", "fillable", "number_on", "overlay", "told_by_siblings"]


@dataclass(frozen=True)
class GivenRows:
    """Rows that come out as they are, by table; those of a table that is kept take the place of the kept ones.

    Attributes:
        tables: rows with all columns that a target is to be given.
        fill: by table the columns whose nulls are to be filled; all other nulls stay.
        n_rows: by table, how many rows there are to be, the given ones among them.
    """

    tables: Mapping[str, pa.Table]
    fill: Mapping[str, frozenset[str]] = field(default_factory=dict)
    n_rows: Mapping[str, int] = field(default_factory=dict)

    def count(self, table: str) -> int:
        """The table's given rows."""
        return self.tables[table].num_rows if table in self.tables else 0


def fillable(model: DatabaseModel, table: str) -> list[str]:
    """The columns whose nulls can be filled: those that are drawn or invented."""
    return [name for name, fate in model.fates[table].items() if fate in (Fate.MODELLED, Fate.FABRICATED)]


def told_by_siblings(model: DatabaseModel, given: GivenRows) -> GivenRows:
    """The given rows with what is missing in them that a sibling's row tells, by a rule that siblings share it."""
    tables = {**model.kept, **given.tables}
    for rule in model.rules:
        if isinstance(rule, Shared) and rule.column in given.fill.get(rule.table, ()):
            rows = tables[rule.table]
            values = rows.column(rule.column).combine_chunks()
            parents = parent_rows(rows, tables[rule.key.parent], rule.key)
            told = np.flatnonzero(values.is_valid().to_numpy(zero_copy_only=False) & (parents >= 0))
            who = pd.Series(told, parents[told]).groupby(level=0).first().reindex(parents)
            whole = pc.coalesce(values, values.take(pa.array(who, pa.int64(), from_pandas=True)))
            tables[rule.table] = rows.set_column(rows.column_names.index(rule.column), rule.column, whole)
    return replace(given, tables={name: tables[name] for name in given.tables})


def encode_given(model: DatabaseModel, given: GivenRows) -> Given:
    """Given rows as the engine sees them.

    Raises:
        SchemaError: a given row refers to a row that is neither given nor kept.
    """
    known, parents = {}, {}
    tables = dict(model.kept) | dict(given.tables)
    for name, rows in given.tables.items():
        if name in model.kept:
            continue
        types = {column.name: column for column in model.schema.table(name).columns}
        missing = given.fill.get(name, frozenset())
        known[name] = encode_known(model.tables[name].codec, _with_marks(model, name, rows, missing), missing, types)
        for key in use_keys(model.schema, model.kept).edges:
            if key.child != name:
                continue
            if key.parent not in tables:
                raise SchemaError(f"rows of {name!r} are given, but not those of {key.parent!r}, to which they refer")
            found = parent_rows(rows, tables[key.parent], key)
            if (found == DANGLING).any():
                raise SchemaError(
                    f"{int((found == DANGLING).sum())} given rows of {name!r} refer ({', '.join(key.columns)}) to rows "
                    f"of {key.parent!r} that are not there; give these, too"
                )
            parents[edge_name(key)] = found
    n_rows = {name: max(given.n_rows.get(name, 0), len(rows)) for name, rows in known.items()}
    return Given(known, parents, {n: c for n, c in given.n_rows.items() if n not in model.kept} | n_rows)


def _with_marks(model: DatabaseModel, name: str, rows: pa.Table, missing: Collection[str]) -> pa.Table:
    """The rows and where their fabricated columns are null or empty; an empty text that is missing is no text."""
    marks = {}
    for column in model.schema.table(name).columns:
        if column.name in rows.column_names and model.fates[name][column.name] is Fate.FABRICATED:
            values = rows.column(column.name)
            marks[column.name + NULL_MARK] = values.is_null()
            if column.kind is Kind.TEXT:
                marks[column.name + EMPTY_MARK] = pc.equal(values, "")
    return pa.table({c: rows.column(c) for c in rows.column_names} | marks)


def overlay(
    columns: Mapping[str, pa.Array], rows: pa.Table | None, fill: Collection[str]
) -> dict[str, pa.Array]:
    """The columns, with what is given in their first rows; nulls of the columns to fill stay as they were drawn."""
    if rows is None:
        return dict(columns)
    n, result = rows.num_rows, dict(columns)
    for name, values in columns.items():
        if name in rows.column_names:
            first = rows.column(name).combine_chunks().cast(values.type)
            if name in fill:
                first = pc.coalesce(first, values[:n])
            result[name] = pa.concat_arrays([first, values[n:]])
    return result


def number_on(
    numbering: Numbering, given: pa.Array, groups: pd.DataFrame | None, n: int
) -> np.ndarray:
    """The whole numbers of a key column: after those of the given rows, in each group of the rest of the key.

    Args:
        given: int64 ``(n_given,)``, the first rows' numbers, null where there is none.
        groups: ``n`` rows, the columns in whose groups numbering starts anew; None: one number for the whole table.

    Returns:
        int64 ``(n,)``.
    """
    which = np.zeros(n, np.int64) if groups is None else groups.groupby(list(groups), sort=False).ngroup().to_numpy()
    n_given, n_groups = len(given), int(which.max(initial=0)) + 1
    held = given.is_valid().to_numpy(zero_copy_only=False)
    given = given.fill_null(0).to_numpy()
    last = np.full(n_groups, numbering.start - numbering.step, np.int64)
    np.maximum.at(last, which[:n_given][held], given[held])
    position = pd.Series(which[n_given:]).groupby(which[n_given:]).cumcount().to_numpy() + 1
    numbers = np.zeros(n, np.int64)
    numbers[:n_given] = given
    numbers[n_given:] = last[which[n_given:]] + numbering.step * position
    return numbers
