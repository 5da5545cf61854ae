"""What is compared: a real and a synthetic database of one schema, and what of them is meant to be alike."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa

from ..keys import parent_rows
from ..schema import ForeignKey, Schema
from .compared import CATEGORICAL, NUMERIC, ComparedColumn, encode_column

__all__ = ["Comparison", "Rows", "key_label"]


@dataclass(frozen=True)
class Rows:
    """The rows of one database, and where its foreign keys lead.

    Attributes:
        tables: by name, columns in any order.
        parents: for each foreign key int64 ``(n_children,)``, the parent's row number; negative where there is none
            (`keys.NO_PARENT`, `keys.DANGLING`).
    """

    tables: Mapping[str, pa.Table]
    parents: Mapping[ForeignKey, np.ndarray]

    @classmethod
    def of(cls, schema: Schema, tables: Mapping[str, pa.Table]) -> Rows:
        """The rows of these tables, their keys followed."""
        return cls(
            tables,
            {key: parent_rows(tables[key.child], tables[key.parent], key) for key in schema.foreign_keys},
        )

    def count(self, table: str) -> int:
        """The table's number of rows."""
        return self.tables[table].num_rows

    def group_sizes(self, key: ForeignKey) -> np.ndarray:
        """Children of each parent row, int64 ``(n_parents,)``, zeros included."""
        rows = self.parents[key]
        return np.bincount(rows[rows >= 0], minlength=self.count(key.parent))


@dataclass(frozen=True)
class Comparison:
    """Two databases of one schema side by side.

    Attributes:
        schema: the tables to compare and the foreign keys between them; its kinds of columns decide how both sides are
            read, whose Arrow types may differ as dialects differ.
        leave_out: (table, column) of fabricated columns, which no likeness is asked of.
        kept: tables whose rows are copies on purpose: their privacy is not asked about.
        held_out: real rows that the maker of the synthetic database has not seen, of the same schema; None: there are
            none. `real` is then without them.
    """

    schema: Schema
    real: Rows
    synthetic: Rows
    leave_out: Collection[tuple[str, str]] = ()
    kept: Collection[str] = ()
    held_out: Rows | None = None
    _columns: dict[str, list[ComparedColumn]] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def of(
        cls,
        schema: Schema,
        real: Mapping[str, pa.Table],
        synthetic: Mapping[str, pa.Table],
        *,
        held_out: Mapping[str, pa.Table] | None = None,
        **more: Any,
    ) -> Comparison:
        """The comparison of these tables, their keys followed; what is more are attributes of the class.

        Raises:
            ValueError: a table or a column of a key is missing.
        """
        _check_tables(schema, real, synthetic)
        rows = None if held_out is None else Rows.of(schema, held_out)
        return cls(schema, Rows.of(schema, real), Rows.of(schema, synthetic), held_out=rows, **more)

    @cached_property
    def measured(self) -> dict[str, list[str]]:
        """The columns that are measured, by table: no key, not left out, not generated, of a kind with an order or
        categories, and read on both sides.

        Raises:
            ValueError: a column is there on one side only.
        """
        return {table: self._measured(table) for table in self.schema.table_names}

    def _measured(self, name: str) -> list[str]:
        table = self.schema.table(name)
        keys = {column for key in self.schema.foreign_keys_of(name) for column in key.columns}
        alone = [table.primary_key, *(key.parent_columns for key in self.schema.foreign_keys_to(name))]
        keys |= {key[0] for key in alone if len(key) == 1}
        return [
            column.name
            for column in table.columns
            if column.kind in NUMERIC | CATEGORICAL
            and column.generated is None
            and column.name not in keys
            and (name, column.name) not in self.leave_out
            and self._is_present(name, column.name)
        ]

    def _is_present(self, table: str, column: str) -> bool:
        """Whether the column is there; a column that neither side could read is left out."""
        found = [column in side.tables[table].column_names for side in (self.real, self.synthetic)]
        if any(found) and not all(found):
            words = "synthetic" if found[0] else "real"
            raise ValueError(
                f"column {column!r} of the {words} table {table!r} is missing; read it or put it in leave_out"
            )
        return all(found)

    def columns(self, table: str) -> list[ComparedColumn]:
        """The table's measured columns, real and synthetic in the same codes and units; encoded once."""
        if table not in self._columns:
            definition, sides = self.schema.table(table), (self.real.tables[table], self.synthetic.tables[table])
            self._columns[table] = [
                encode_column(definition.column(name), *(side[name] for side in sides))
                for name in self.measured[table]
            ]
        return self._columns[table]


def _check_tables(schema: Schema, real: Mapping[str, pa.Table], synthetic: Mapping[str, pa.Table]) -> None:
    for words, side in (("real", real), ("synthetic", synthetic)):
        for name in schema.table_names:
            if name not in side:
                raise ValueError(f"the {words} database has no table {name!r}; restrict the schema or read the table")
        for key in schema.foreign_keys:
            for table, columns in ((key.child, key.columns), (key.parent, key.parent_columns)):
                if missing := set(columns) - set(side[table].column_names):
                    raise ValueError(f"the {words} table {table!r} lacks column {min(missing)!r}, part of a key")


def key_label(key: ForeignKey) -> str:
    """A foreign key in words, as items name it: ``result.race_id``, ``line.order_id+line_no``."""
    return f"{key.child}.{'+'.join(key.columns)}"
