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

from .base import Mode, Violation
from .checks import count_violations, elsewhere, refuse_rows, refuse_shape
from .ddl import POSTGRES, add_foreign_key, create_indexes, create_table
from .objects import losses_of
from .postgres_catalog import TABLES, read_schema, scalar
from .postgres_copy import BATCH_ROWS, as_csv, copy_in
from .postgres_lock import lock_tables
from .postgres_objects import create_early, create_late, fill, to_create
from .postgres_swap import Swap, obstacles

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
        self._swap: Swap | None = None
        self._places: dict[str, str] = {}  # by table name, the schema in which its new rows stand for now
        self._complete = False

    def prepare(self) -> None:
        """Create what is missing, and a place for the rows that replace others."""
        standing = self._target.refuse(self._schema, self._mode)
        self._new = [table for table in self._schema.tables if table.name not in self._target.schema.table_names]
        self._waiting = to_create(self._schema.objects, self._target.schema.objects)
        if standing and self._mode is Mode.REPLACE and not self._target.in_the_way(standing):
            self._swap = Swap(self._connection, standing)
            self._swap.build()
            default = scalar(self._connection, "SELECT current_schema()")
            self._places = {t.name: self._swap.place(t, default) for t in self._schema.tables if t not in self._new}
        else:
            self._clear(standing)
        self._create()

    def _clear(self, standing: list[int]) -> None:
        """Take foreign keys, triggers, rules and rows off standing tables; who still reads the old rows may do so.

        (To a snapshot older than a TRUNCATE the table would be empty.)
        """
        lock_tables(self._connection, standing)
        for row in self._connection.execute(_FOREIGN_KEYS_AROUND, [standing, standing]).fetchall():
            table = f"{POSTGRES.quote(row['namespace'])}.{POSTGRES.quote(row['table'])}"
            self._run(f"ALTER TABLE {table} DROP CONSTRAINT {POSTGRES.quote(row['name'])}")
            self._restore.append(
                f"ALTER TABLE {table} ADD CONSTRAINT {POSTGRES.quote(row['name'])} {row['definition']}"
            )
        for row in self._connection.execute(_FIRING, [standing]).fetchall():
            table = f"ALTER TABLE {POSTGRES.quote(row['namespace'])}.{POSTGRES.quote(row['table'])}"
            what = f"{row['kind']} {POSTGRES.quote(row['name'])}"
            self._run(f"{table} DISABLE {what}")
            self._restore.append(f"{table} ENABLE {row['mode']} {what}")
        kept = [table for table in self._schema.tables if table not in self._new]
        if self._mode is not Mode.CREATE:
            for table in kept:
                self._run(f"DELETE FROM {self._target.relation(table)}")
        filled = self._target.count_rows(kept)  # some may have come while we waited for the tables
        refuse_rows(filled, self._mode)
        if filled:
            raise TargetError(f"rows of {', '.join(map(repr, filled))} outlast their DELETE: row security keeps them")

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
        is_partitioned = bool(table.options)
        is_ours = not is_partitioned and (table in self._new or table.name in self._places)
        place = elsewhere(table, self._places.get(table.name))
        written, copy, open_columns = 0, None, None
        with self._errors(TargetError), self._connection.cursor() as cursor:
            for batch in batches:
                batch = batch.select([n for n in batch.schema.names if not table.column(n).generated])
                if not batch.num_rows:
                    continue
                columns, written = batch.schema.names, written + batch.num_rows
                if not columns:
                    cursor.executemany(
                        f"INSERT INTO {POSTGRES.table_name(place)} DEFAULT VALUES", [()] * batch.num_rows
                    )
                    continue
                if copy and columns != open_columns:
                    copy.__exit__(None, None, None)
                    copy = None
                if copy is None:
                    copy, open_columns = cursor.copy(copy_in(place, columns, freeze=is_ours)), columns
                    stream = copy.__enter__()
                for start in range(0, batch.num_rows, BATCH_ROWS):
                    stream.write(as_csv(batch.slice(start, BATCH_ROWS)))
            if copy:
                copy.__exit__(None, None, None)
        return written

    def validate(self) -> list[Violation]:
        """What the constraints of the schema say of the rows, seen from within the transaction."""
        with self._errors(TargetError):
            self.complete()
            return count_violations(self._schema, POSTGRES, lambda sql: scalar(self._connection, sql), self._places)

    def complete(self) -> None:
        """Keys, indexes and statistics: all that takes time. The rows are in, and no more come."""
        if self._complete:
            return
        self._complete = True
        self._run("SET CONSTRAINTS ALL IMMEDIATE")
        self._waiting = fill(self._connection, self._waiting, self._swap.aimed if self._swap else str)
        for table in self._new:
            if table.primary_key:  # an index over all rows at once takes less time than one that grows with them
                name, columns = POSTGRES.table_name(table), POSTGRES.quote_all(table.primary_key)
                self._run(f"ALTER TABLE {name} ADD PRIMARY KEY ({columns})")
            for statement in create_indexes(table, POSTGRES):
                self._run(statement)
        if self._swap:
            self._swap.complete()
        for statement in self._restore:
            self._run(statement)
        self._add_foreign_keys(to_old=False)
        for table in self._schema.tables:
            if table.name not in self._places:
                self._run(f"ANALYZE {POSTGRES.table_name(table)}")

    def publish(self) -> None:
        """The new tables in the place of the old ones, sequences after the highest number; the caller commits."""
        self.complete()
        following = self._following()

        def finish() -> None:
            self._add_foreign_keys(to_old=True)
            for (sequence, increment, is_shared), number in following.items():
                name = scalar(self._connection, "SELECT %s::oid::regclass::text", [sequence])
                self._run(f"ALTER SEQUENCE {name} INCREMENT {increment}")  # as it is, but now nobody else draws from it
                next_one = f"SELECT last_value + CASE WHEN is_called THEN {increment} ELSE 0 END FROM {name}"
                if not is_shared or (number - scalar(self._connection, next_one)) * increment > 0:
                    self._run(f"ALTER SEQUENCE {name} RESTART WITH {number}")  # undone by a rollback, unlike setval
            self.losses = losses_of(create_late(self._connection, self._waiting))

        self._swap.exchange(finish) if self._swap else finish()

    def _add_foreign_keys(self, *, to_old: bool) -> None:
        """The keys of new tables: those to tables whose new form is not in its place yet come later."""
        new = {table.name for table in self._new}
        for key in self._schema.foreign_keys:
            if key.child in new and (key.parent in self._places) == to_old:
                self._run(add_foreign_key(self._schema, key, POSTGRES))

    def _following(self) -> dict[tuple[int, int, bool], int]:
        """For every sequence that feeds a column, the number that comes after those loaded.

        By its oid, its increment, and whether others may draw from it too, so that it must not go back.
        """
        places = [elsewhere(table, self._places.get(table.name)) for table in self._schema.tables]
        filled = [POSTGRES.table_name(table) for table in places]
        ours = [*filled, *map(POSTGRES.table_name, self._schema.tables)]
        following: dict[tuple[int, int, bool], int] = {}
        for row in self._connection.execute(_SEQUENCES, {"filled": filled, "ours": ours}).fetchall():
            furthest = max if row["increment"] > 0 else min
            table = f"{POSTGRES.quote(row['namespace'])}.{POSTGRES.quote(row['table'])}"
            query = f"SELECT {furthest.__name__}({POSTGRES.quote(row['column'])}) FROM {table}"
            last = scalar(self._connection, query)
            number = row["start"] if last is None else int(last) + row["increment"]
            number = min(max(number, row["lowest"]), row["highest"])
            key = (row["sequence"], row["increment"], row["is_shared"])
            following[key] = furthest(number, following.get(key, number))
        return following

    def _run(self, statement: str) -> None:
        # Asked for binary results, the server takes one statement and no second one that a CHECK's text might hide.
        self._connection.execute(statement, binary=True)

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
        if mode is Mode.CREATE:
            refuse_rows(self.count_rows(standing), mode)
        new = len(standing) < len(schema.tables)
        if new and not scalar(self._connection, "SELECT has_schema_privilege(current_schema(), 'CREATE')"):
            raise TargetError("the target's user may not create tables; GRANT CREATE ON SCHEMA … TO it")
        may_stage = "SELECT has_database_privilege(current_database(), 'CREATE')"
        if standing and mode is Mode.REPLACE and not scalar(self._connection, may_stage):
            raise TargetError(
                "the target's user may not create the schema in which new tables are built; "
                "GRANT CREATE ON DATABASE … TO it, or --replace in-place, where readers wait for the load's end"
            )
        return [self._oids[table.name]["oid"] for table in standing]

    def count_rows(self, tables: Iterable[Table]) -> dict[str, int]:
        """By name, how many rows those of the tables hold that are not empty."""
        relations = {table.name: self.relation(table) for table in tables}
        return {
            name: scalar(self._connection, f"SELECT count(*) FROM {relation}")
            for name, relation in relations.items()
            if scalar(self._connection, f"SELECT EXISTS (SELECT FROM {relation})")
        }

    def in_the_way(self, standing: list[int]) -> list[str]:
        """Why new tables cannot take the place of these."""
        return obstacles(self._connection, standing)


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

# Triggers of these tables and their partitions, and rules: what would act on the rows that go and come.
_FIRING = """
    WITH RECURSIVE member(oid) AS (
        SELECT unnest(%s::oid[]) UNION SELECT c.oid FROM pg_inherits i JOIN member m ON i.inhparent = m.oid
                                       JOIN pg_class c ON c.oid = i.inhrelid AND c.relispartition
    ), firing(kind, oid, relation, name, state) AS (
        SELECT 'TRIGGER', oid, tgrelid, tgname, tgenabled FROM pg_trigger WHERE NOT tgisinternal
        UNION ALL SELECT 'RULE', oid, ev_class, rulename, ev_enabled FROM pg_rewrite
    )
    SELECT kind, n.nspname AS namespace, r.relname AS table, f.name,
           CASE f.state WHEN 'A' THEN 'ALWAYS' WHEN 'R' THEN 'REPLICA' ELSE '' END AS mode
    FROM firing f JOIN pg_class r ON r.oid = f.relation JOIN pg_namespace n ON n.oid = r.relnamespace
    WHERE f.relation IN (SELECT oid FROM member) AND f.state <> 'D' ORDER BY f.oid
"""

# Sequences that feed a column: owned by it, or named in its default. A partition belongs to its table.
_SEQUENCES = """
    WITH feeding(sequence, relation, number, owns) AS (
        SELECT objid, refobjid, refobjsubid, true FROM pg_depend
        WHERE classid = 'pg_class'::regclass AND refclassid = 'pg_class'::regclass AND deptype IN ('a', 'i')
        UNION ALL SELECT d.refobjid, f.adrelid, f.adnum, false FROM pg_depend d JOIN pg_attrdef f ON f.oid = d.objid
        WHERE d.classid = 'pg_attrdef'::regclass AND d.refclassid = 'pg_class'::regclass
    ), shared(sequence, is_shared) AS (
        SELECT sequence, NOT bool_or(owns) OR NOT bool_and(coalesce(pg_partition_root(relation), relation)
                                                           = ANY(%(ours)s::regclass[]))
        FROM feeding GROUP BY 1
    )
    SELECT DISTINCT s.oid AS sequence, n.nspname AS namespace, r.relname AS table, a.attname AS column, is_shared,
           q.seqincrement AS increment, q.seqstart AS start, q.seqmin AS lowest, q.seqmax AS highest
    FROM pg_class s JOIN pg_sequence q ON q.seqrelid = s.oid
    JOIN feeding f ON f.sequence = s.oid JOIN shared USING (sequence)
    JOIN pg_attribute a ON a.attrelid = f.relation AND a.attnum = f.number
    JOIN pg_class r ON r.oid = a.attrelid JOIN pg_namespace n ON n.oid = r.relnamespace
    JOIN pg_type t ON t.oid = a.atttypid
    WHERE s.relkind = 'S' AND a.attrelid = ANY(%(filled)s::regclass[]) AND t.typcategory = 'N'
    ORDER BY 1, 2, 3, 4
"""
