"""A schema of one dialect in the words of another, and a sentence for everything that does not cross."""

from __future__ import annotations

import hashlib
from dataclasses import replace

from dbsynth.errors import SchemaError
from dbsynth.schema import Check, Column, ForeignKey, Index, Kind, NamedType, Schema, Table, UniqueKey

from .ddl import Dialect, key_columns
from .expressions import translate_default, translate_expression
from .postgres_partitions import PARTITIONS

__all__ = ["translate"]

_SHOWN = 12  # names in a sentence
_NOT_INDEXED = {Kind.JSON, Kind.OTHER, Kind.BINARY}


def translate(schema: Schema, dialect: Dialect) -> tuple[Schema, list[str]]:
    """The schema in the target dialect's own words, and what is lost on the way; a schema of that dialect as it is.

    Names of tables and columns stay; namespaces become part of the table's name. Names of constraints and indexes stay
    where the target takes them, and change where two would collide.

    Raises:
        SchemaError: the name of a table or column is longer than the target takes.
    """
    if schema.dialect == dialect.name:
        return schema, []
    translated, losses = _Translation(schema, dialect).run()
    return translated, [" ".join(loss.split()) for loss in losses]


class _Translation:
    def __init__(self, schema: Schema, dialect: Dialect) -> None:
        self.schema = schema
        self.dialect = dialect
        self.losses: list[str] = []
        self.collations: dict[str, list[str]] = {}  # by collation the columns that lose it
        self.types: list[NamedType] = []
        self.taken = {name.lower() for name in schema.table_names}  # in some dialects these share a space with indexes

    def run(self) -> tuple[Schema, list[str]]:
        self._refuse_long_names()
        tables = {table.name: self._table(table) for table in self.schema.tables}
        keys = tuple(new for key in self.schema.foreign_keys if (new := self._foreign_key(key)))
        for key in keys:
            tables[key.child] = self._same_types(key, tables)
        for collation, names in self.collations.items():
            more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
            listed = ", ".join(names[:_SHOWN]) + more
            self.losses.append(f"text is compared by the target's rules, not by {collation}: {listed}")
        return Schema(self.dialect.name, tuple(tables.values()), keys, tuple(self.types)), self.losses

    def _table(self, table: Table) -> Table:
        keys = key_columns(self.schema, table)
        checks: list[Check] = []
        columns = tuple(self._column(table, column, column.name in keys, checks) for column in table.columns)
        by_name = {c.name: c for c in table.columns if self.dialect.checks_identity or not c.identity}
        for check in table.checks:
            if check.domain == PARTITIONS:
                continue  # they stay behind
            expression = translate_expression(check.expression, self.schema.dialect, self.dialect, by_name)
            if expression:
                checks.append(Check(self._name(table, check.name), expression))
            else:
                self.losses.append(f"CHECK {check.name!r} of table {table.name!r} is left out: {check.expression}")
        return Table(
            name=table.name,
            columns=columns,
            primary_key=table.primary_key,
            unique_keys=tuple(UniqueKey(self._name(table, key.name), key.columns) for key in table.unique_keys),
            checks=tuple(checks),
            indexes=tuple(new for index in table.indexes if (new := self._index(table, index))),
            comment=table.comment if self.dialect.has_comments else None,
        )

    def _column(self, table: Table, column: Column, in_key: bool, checks: list[Check]) -> Column:
        native_type = self.dialect.type_text(column, in_key=in_key)
        if column.kind is Kind.ENUM and self.dialect.enums == "type":
            native_type = self._enum_type(table, column)
        elif column.kind is Kind.ENUM and self.dialect.enums == "check":
            values = ", ".join(map(self.dialect.literal, column.enum_values))
            name = self._name(table, f"{table.name}_{column.name}_values")
            checks.append(Check(name, f"{self.dialect.quote(column.name)} IN ({values})"))
        identity = column.identity and (not self.dialect.identity_is_key or table.primary_key == (column.name,))
        identity = identity and column.kind is Kind.INTEGER
        default = generated = None
        where = f"column {column.name!r} of table {table.name!r}"
        if column.generated:
            by_name = {c.name: c for c in table.columns}
            generated = translate_expression(column.generated, self.schema.dialect, self.dialect, by_name)
            if not generated:
                self.losses.append(f"{where} is no longer computed, and stays null: {column.generated}")
        elif column.default and not column.identity and column.default.upper() != "NULL":
            default = translate_default(column.default, self.schema.dialect, self.dialect, column)
            if default is None:
                self.losses.append(f"{where} has no default any more: {column.default}")
        if column.identity and not identity:
            self.losses.append(f"{where} is no longer numbered by the server")
        self._note_type(where, column, native_type)
        if column.collation:
            self.collations.setdefault(column.collation, []).append(f"{table.name}.{column.name}")
        return replace(
            column, native_type=native_type, default=default, generated=generated, identity=identity,
            nullable=column.nullable or bool(column.generated and not generated),
            identity_always=False, collation=None, comment=column.comment if self.dialect.has_comments else None,
        )  # fmt: skip

    def _note_type(self, where: str, column: Column, native_type: str) -> None:
        """A sentence where the target's type holds less."""
        digits = self.dialect.exact_digits
        if column.kind is Kind.OTHER:
            self.losses.append(f"{where} holds the text of what was {column.native_type}")
        elif column.kind is Kind.DECIMAL and digits and (column.precision is None or column.precision > digits):
            self.losses.append(f"{where}: {column.native_type} becomes {native_type}, exact to about {digits} digits")
        elif column.kind is Kind.TIMESTAMPTZ and not self.dialect.has_time_zones:
            self.losses.append(f"{where} holds moments in UTC, without saying so")

    def _enum_type(self, table: Table, column: Column) -> str:
        if not column.enum_values:
            return self.dialect.types[Kind.TEXT][0]
        name = self.dialect.quote(self._name(table, f"{table.name}_{column.name}"))
        values = ", ".join(map(self.dialect.literal, column.enum_values))
        self.types.append(NamedType(name, f"CREATE TYPE {name} AS ENUM ({values})"))
        return name

    def _index(self, table: Table, index: Index) -> Index | None:
        """The index over the same columns; one over expressions, or over some rows, stays behind."""
        kinds = {table.column(name).kind for name in index.columns}
        if index.unique or not index.columns or kinds & _NOT_INDEXED:
            self.losses.append(f"index {index.name!r} of table {table.name!r} is left out")
            return None
        return Index(self._name(table, index.name), index.columns)

    def _foreign_key(self, key: ForeignKey) -> ForeignKey | None:
        parent = self.schema.table(key.parent)
        unique = [set(parent.primary_key), *(set(unique.columns) for unique in parent.unique_keys)]
        where = f"foreign key {key.name!r} of table {key.child!r}"
        if set(key.parent_columns) not in unique:
            self.losses.append(f"{where} is left out: {', '.join(key.parent_columns)} is no key of {key.parent!r}")
            return None
        actions = [key.on_delete, key.on_update]
        missing = set(self.dialect.missing_actions)
        child = self.schema.table(key.child)
        if not self.dialect.sets_null_anyway and not all(child.column(name).nullable for name in key.columns):
            missing.add("SET NULL")
        for i, action in enumerate(actions):
            if action in missing:
                self.losses.append(f"{where} loses its {action}")
                actions[i] = None
        deferrable = key.deferrable if self.dialect.defers_foreign_keys else None
        if key.deferrable and not deferrable:
            self.losses.append(f"{where} is checked at once, not at the end of a transaction")
        name = self._name(child, key.name)
        return replace(key, name=name, on_delete=actions[0], on_update=actions[1], deferrable=deferrable)

    def _same_types(self, key: ForeignKey, tables: dict[str, Table]) -> Table:
        """The child, with the parent's type in key columns that are of another kind (SQLite does not mind)."""
        child, parent = tables[key.child], tables[key.parent]
        types = {
            name: parent.column(to).native_type
            for name, to in zip(key.columns, key.parent_columns, strict=True)
            if child.column(name).kind is not parent.column(to).kind
        }
        if not types:
            return child
        columns = tuple(replace(c, native_type=types.get(c.name, c.native_type)) for c in child.columns)
        return replace(child, columns=columns)

    def _name(self, table: Table, name: str) -> str:
        """A name for a constraint or index that is free in the whole target and not too long for it."""
        candidates = [name, f"{table.name}_{name}", *(f"{table.name}_{name}_{i}" for i in range(2, 10_000))]
        for candidate in candidates:
            short = self._cut(candidate)
            if short.lower() not in self.taken:
                self.taken.add(short.lower())
                return short
        raise AssertionError("ten thousand constraints of one name")

    def _cut(self, name: str) -> str:
        limit = self.dialect.max_name_length
        if limit is None or len(name.encode()) <= limit:
            return name
        kept = name.encode()[: limit - 9].decode(errors="ignore")
        return f"{kept}_{hashlib.sha256(name.encode()).hexdigest()[:8]}"

    def _refuse_long_names(self) -> None:
        limit = self.dialect.max_name_length
        for table in self.schema.tables:
            for name in (table.name, *table.column_names):
                if limit is not None and len(name.encode()) > limit:
                    raise SchemaError(
                        f"{name!r} is longer than the {limit} bytes that {self.dialect.name} takes; rename it"
                    )
