"""Foreign keys as they stand on a MySQL server, across databases."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from dbsynth.errors import TargetError

from .ddl import MYSQL
from .mysql_objects import Query

__all__ = ["Reference", "name_in", "references", "refuse_orphans"]


@dataclass(frozen=True)
class Reference:
    """A foreign key as it stands, across databases."""

    child_database: str
    child: str
    name: str
    parent_database: str
    parent: str
    rules: str
    columns: tuple[str, ...]
    parent_columns: tuple[str, ...]

    @property
    def count_orphans(self) -> str:
        complete = " AND ".join(f"c.{MYSQL.quote(column)} IS NOT NULL" for column in self.columns)
        pairs = zip(self.columns, self.parent_columns, strict=True)
        same = " AND ".join(f"p.{MYSQL.quote(to)} = c.{MYSQL.quote(name)}" for name, to in pairs)
        parent = name_in(self.parent_database, self.parent)
        return (
            f"SELECT COUNT(*) FROM {name_in(self.child_database, self.child)} c WHERE {complete} "
            f"AND NOT EXISTS (SELECT 1 FROM {parent} p WHERE {same})"
        )

    @property
    def drop(self) -> str:
        return f"ALTER TABLE {name_in(self.child_database, self.child)} DROP FOREIGN KEY {MYSQL.quote(self.name)}"

    @property
    def add(self) -> str:
        return (
            f"ALTER TABLE {name_in(self.child_database, self.child)} ADD CONSTRAINT {MYSQL.quote(self.name)} "
            f"FOREIGN KEY ({MYSQL.quote_all(self.columns)}) REFERENCES {name_in(self.parent_database, self.parent)} "
            f"({MYSQL.quote_all(self.parent_columns)}) {self.rules}"
        )


def refuse_orphans(query: Query, reference: Reference) -> None:
    orphans = query(reference.count_orphans)[0][0]
    if orphans:
        raise TargetError(
            f"foreign key {reference.name!r} of table {reference.child!r}: {orphans} rows refer to no row of "
            f"{reference.parent!r}"
        )


def references(query: Query, condition: str, value: str) -> list[Reference]:
    columns = defaultdict(list)
    for *key, on_delete, on_update, column, parent_column in query(
        "SELECT k.TABLE_SCHEMA, k.TABLE_NAME, k.CONSTRAINT_NAME, k.REFERENCED_TABLE_SCHEMA, k.REFERENCED_TABLE_NAME, "
        "r.DELETE_RULE, r.UPDATE_RULE, k.COLUMN_NAME, k.REFERENCED_COLUMN_NAME "
        "FROM information_schema.KEY_COLUMN_USAGE k JOIN information_schema.REFERENTIAL_CONSTRAINTS r "
        "ON r.CONSTRAINT_SCHEMA = k.CONSTRAINT_SCHEMA AND r.CONSTRAINT_NAME = k.CONSTRAINT_NAME "
        "AND r.TABLE_NAME = k.TABLE_NAME "
        f"WHERE {condition} AND k.REFERENCED_TABLE_NAME IS NOT NULL "
        "ORDER BY k.TABLE_SCHEMA, k.TABLE_NAME, k.CONSTRAINT_NAME, k.ORDINAL_POSITION",
        value,
    ):
        columns[*key, f"ON DELETE {on_delete} ON UPDATE {on_update}"].append((column, parent_column))
    return [Reference(*key, *zip(*pairs, strict=True)) for key, pairs in columns.items()]


def name_in(database: str, table: str) -> str:
    return f"{MYSQL.quote(database)}.{MYSQL.quote(table)}"
