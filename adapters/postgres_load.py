"""Loading Postgres: what a load does to the target inside its one transaction."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any

import pyarrow as pa

from dbsynth.errors import DbsynthError, TargetError
from dbsynth.schema import DatabaseObject, Schema, Table

from .base import Mode
from .checks import refuse_rows, refuse_shape
from .ddl import POSTGRES, add_foreign_key, create_indexes, create_table
from .objects import losses_of
from .postgres_catalog import TABLES, read_schema, scalar
from .postgres_copy import BATCH_ROWS, as_csv, copy_in
from .postgres_objects import create_early, create_late, fill, to_create

__all__ = ["PostgresLoad", "Target"]

Errors = Callable[[type[DbsynthError]], AbstractContextManager[None]]


class PostgresLoad:
    """An unfinished load: one open transaction."""

    def __init__(self, connection: Any, schema: Schema, mode: Mode, errors: Errors) -> None:
        """`errors` turns what the driver raises into the error class it is called with."""
        self._errors = errors
        self._connection = connection
        self._schema = schema
        self._mode = mode
        self._target = Target(connection)
        self._restore: list[str] = []  # statements that give standing tables back what was taken from them
        self._new: list[Table] = []
        self._waiting: list[DatabaseObject] = []  # what is still to be created beside the tables
        self.losses: list[str] = []

    def prepare(self) -> None:
        """Create what is missing; empty what is to be replaced; take foreign keys and triggers off standing tables."""
        standing = self._target.refuse(self._schema, self._mode)
        self._new = [table for table in self._schema.tables if table.name not in self._target.schema.table_names]
        self._waiting = to_create(self._schema.objects, self._target.schema.objects)
        for row in self._connection.execute(_FOREIGN_KEYS_AROUND, [standing, standing]).fetchall():
            table = f"{POSTGRES.quote(row['namespace'])}.{POSTGRES.quote(row['table'])}"
            self._run(f"ALTER TABLE {table} DROP CONSTRAINT {POSTGRES.quote(row['name'])}")
            self._restore.append(
                f"ALTER TABLE {table} ADD CONSTRAINT {POSTGRES.quote(row['name'])} {row['definition']}"
            )
        for row in self._connection.execute(_TRIGGERS, [standing]).fetchall():
            table = f"{POSTGRES.quote(row['namespace'])}.{POSTGRES.quote(row['table'])}"
            self._run(f"ALTER TABLE {table} DISABLE TRIGGER {POSTGRES.quote(row['name'])}")
            self._restore.append(f"ALTER TABLE {table} ENABLE {row['mode']} TRIGGER {POSTGRES.quote(row['name'])}")
        if self._mode is Mode.REPLACE:
            names = [self._target.relation(table) for table in self._schema.tables if table not in self._new]
            if names:
                self._run(f"TRUNCATE {', '.join(names)}")
        self._create()

    def _create(self) -> None:
        for namespace in dict.fromkeys(table.namespace for table in self._new if table.namespace):
            self._run(f"CREATE SCHEMA IF NOT EXISTS {POSTGRES.quote(namespace)}")
        self._waiting = create_early(self._connection, self._waiting)
        for kind in self._schema.types if self._new else ():
            always = kind.definition.startswith(("CREATE EXTENSION", "CREATE SCHEMA"))
            if always or not self._exists("to_regtype", kind.name):
                self._run(kind.definition)
        self._waiting = create_early(self._connection, self._waiting)
        for table in self._new:
            owned = {}
            for column in table.columns:
                for name in re.findall(r"nextval\('((?:[^']|'')+)'::regclass\)", column.default or ""):
                    sequence = name.replace("''", "'")
                    if not self._exists("to_regclass", sequence):
                        size = column.native_type if column.native_type in ("smallint", "integer") else "bigint"
                        self._run(f"CREATE SEQUENCE {sequence} AS {size}")
                        owned[sequence] = column.name
            self._run(create_table(self._schema, replace(table, primary_key=()), POSTGRES))
            for sequence, column in owned.items():
                self._run(f"ALTER SEQUENCE {sequence} OWNED BY {POSTGRES.table_name(table)}.{POSTGRES.quote(column)}")
            comments = [("TABLE", POSTGRES.table_name(table), table.comment)]
            comments += [
                ("COLUMN", f"{POSTGRES.table_name(table)}.{POSTGRES.quote(c.name)}", c.comment) for c in table.columns
            ]
            for what, name, comment in comments:
                if comment:
                    self._run(f"COMMENT ON {what} {name} IS {POSTGRES.literal(comment)}")
        self._waiting = create_early(self._connection, self._waiting)

    def write_rows(self, table: Table, batches: Iterable[pa.RecordBatch]) -> int:
        """COPY FROM in CSV; generated columns among the batches' are left out."""
        table = self._schema.table(table.name)
        written, copy, open_columns = 0, None, None
        with self._errors(TargetError), self._connection.cursor() as cursor:
            for batch in batches:
                batch = batch.select([n for n in batch.schema.names if not table.column(n).generated])
                if not batch.num_rows:
                    continue
                columns, written = batch.schema.names, written + batch.num_rows
                if not columns:
                    cursor.executemany(
                        f"INSERT INTO {POSTGRES.table_name(table)} DEFAULT VALUES", [()] * batch.num_rows
                    )
                    continue
                if copy and columns != open_columns:
                    copy.__exit__(None, None, None)
                    copy = None
                if copy is None:
                    copy, open_columns = cursor.copy(copy_in(table, columns)), columns
                    stream = copy.__enter__()
                for start in range(0, batch.num_rows, BATCH_ROWS):
                    stream.write(as_csv(batch.slice(start, BATCH_ROWS)))
            if copy:
                copy.__exit__(None, None, None)
        return written

    def finish(self) -> None:
        """Keys and indexes of new tables, foreign keys of all; sequences after the highest number; statistics."""
        self._run("SET CONSTRAINTS ALL IMMEDIATE")
        self._waiting = fill(self._connection, self._waiting)
        for table in self._new:
            if table.primary_key:  # an index over all rows at once takes less time than one that grows with them
                name, columns = POSTGRES.table_name(table), POSTGRES.quote_all(table.primary_key)
                self._run(f"ALTER TABLE {name} ADD PRIMARY KEY ({columns})")
            for statement in create_indexes(table, POSTGRES):
                self._run(statement)
        new = {table.name for table in self._new}
        for statement in self._restore:
            self._run(statement)
        for key in self._schema.foreign_keys:
            if key.child in new:
                self._run(add_foreign_key(self._schema, key, POSTGRES))
        self._set_sequences()
        self.losses = losses_of(create_late(self._connection, self._waiting))
        for table in self._schema.tables:
            self._run(f"ANALYZE {POSTGRES.table_name(table)}")

    def _set_sequences(self) -> None:
        """Let every sequence go on after the values loaded. RESTART, unlike setval, is undone by a rollback."""
        tables = [POSTGRES.table_name(table) for table in self._schema.tables]
        following: dict[str, int] = {}
        for row in self._connection.execute(_SEQUENCES, [tables]).fetchall():
            furthest = max if row["increment"] > 0 else min
            table = f"{POSTGRES.quote(row['namespace'])}.{POSTGRES.quote(row['table'])}"
            query = f"SELECT {furthest.__name__}({POSTGRES.quote(row['column'])}) FROM {table}"
            last = scalar(self._connection, query)
            number = row["start"] if last is None else int(last) + row["increment"]
            number = min(max(number, row["lowest"]), row["highest"])
            following[row["sequence"]] = furthest(number, following.get(row["sequence"], number))
        for sequence, number in following.items():
            self._run(f"ALTER SEQUENCE {sequence} RESTART WITH {number}")

    def _run(self, statement: str) -> None:
        self._connection.execute(statement)

    def _exists(self, function: str, name: str) -> bool:
        return scalar(self._connection, f"SELECT {function}(%s) IS NOT NULL", [name])


class Target:
    """The tables that stand in a target."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self.schema = read_schema(connection, scan=False)
        self._oids = {
            (row["name"] if row["is_default"] else f"{row['namespace']}.{row['name']}"): row
            for row in connection.execute(TABLES)
        }

    def relation(self, table: Table) -> str:
        """The table, without those that inherit from it."""
        return ("" if self._oids[table.name]["kind"] == "p" else "ONLY ") + POSTGRES.table_name(table)

    def refuse(self, schema: Schema, mode: Mode) -> list[int]:
        """Raise TargetError where rows or a table's shape are in the way; the oids of the tables that stand already."""
        standing = [table for table in schema.tables if table.name in self._oids]
        for table in standing:
            refuse_shape(table, self.schema.table(table.name))
        counts = {}
        for table in standing if mode is Mode.CREATE else ():
            relation = self.relation(table)
            if scalar(self._connection, f"SELECT EXISTS (SELECT FROM {relation})"):
                counts[table.name] = scalar(self._connection, f"SELECT count(*) FROM {relation}")
        refuse_rows(counts, mode)
        new = len(standing) < len(schema.tables)
        if new and not scalar(self._connection, "SELECT has_schema_privilege(current_schema(), 'CREATE')"):
            raise TargetError("the target's user may not create tables; GRANT CREATE ON SCHEMA … TO it")
        return [self._oids[table.name]["oid"] for table in standing]


# Foreign keys of and to these tables and their partitions; what a partition inherits goes with its parent's.
_FOREIGN_KEYS_AROUND = """
    WITH RECURSIVE member(oid) AS (
        SELECT unnest(%s::oid[]) UNION SELECT i.inhrelid FROM pg_inherits i JOIN member m ON i.inhparent = m.oid
    )
    SELECT n.nspname AS namespace, r.relname AS table, c.conname AS name, pg_get_constraintdef(c.oid) AS definition
    FROM pg_constraint c JOIN pg_class r ON r.oid = c.conrelid JOIN pg_namespace n ON n.oid = r.relnamespace
    WHERE c.contype = 'f' AND c.conparentid = 0
      AND (c.conrelid IN (SELECT oid FROM member) OR c.confrelid IN (SELECT oid FROM member) OR c.confrelid = ANY(%s))
    ORDER BY c.oid
"""

_TRIGGERS = """
    SELECT n.nspname AS namespace, r.relname AS table, t.tgname AS name,
           CASE t.tgenabled WHEN 'A' THEN 'ALWAYS' WHEN 'R' THEN 'REPLICA' ELSE '' END AS mode
    FROM pg_trigger t JOIN pg_class r ON r.oid = t.tgrelid JOIN pg_namespace n ON n.oid = r.relnamespace
    WHERE t.tgrelid = ANY(%s) AND NOT t.tgisinternal AND t.tgenabled <> 'D' ORDER BY t.oid
"""

# Sequences that feed a column: owned by it, or named in its default.
_SEQUENCES = """
    SELECT DISTINCT s.oid::regclass::text AS sequence, n.nspname AS namespace, r.relname AS table, a.attname AS column,
           q.seqincrement AS increment, q.seqstart AS start, q.seqmin AS lowest, q.seqmax AS highest
    FROM pg_class s
    JOIN pg_sequence q ON q.seqrelid = s.oid
    JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = s.oid AND d.deptype IN ('a', 'i')
                     OR d.classid = 'pg_attrdef'::regclass AND d.refobjid = s.oid
                        AND d.refclassid = 'pg_class'::regclass
    LEFT JOIN pg_attrdef f ON d.classid = 'pg_attrdef'::regclass AND f.oid = d.objid
    JOIN pg_attribute a ON a.attrelid = coalesce(f.adrelid, d.refobjid)
                       AND a.attnum = coalesce(f.adnum, d.refobjsubid::int2)
    JOIN pg_class r ON r.oid = a.attrelid JOIN pg_namespace n ON n.oid = r.relnamespace
    JOIN pg_type t ON t.oid = a.atttypid
    WHERE s.relkind = 'S' AND a.attrelid = ANY(%s::regclass[]) AND t.typcategory = 'N'
    ORDER BY 1, 2, 3, 4
"""
