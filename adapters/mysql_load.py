"""Loading into MySQL, all or nothing, although every CREATE, ALTER and RENAME there commits at once.

New tables are built in a database of their own, the staging database, under the names, keys and checks they will have.
When all rows are in and all references hold, one RENAME TABLE, which is atomic, moves the old tables out and the new
ones in. A second staging database receives the old ones, since the names of foreign keys are unique in a database.

What RENAME cannot take along is a trigger (a table that has one cannot leave its database) and a foreign key of a table
outside the load (it would follow the old table). Both are dropped just before the RENAME and created again just after,
from a journal in the staging database. Only a kill in that moment leaves them missing, and the next load restores them.
The journal also names the tables that were to be empty: rows that came into one just before the RENAME are kept.
"""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

import pyarrow as pa

from dbsynth.errors import TargetError
from dbsynth.schema import Schema, Table

from .base import Mode, Violation
from .checks import count_violations, refuse_rows, refuse_shape
from .ddl import MYSQL, add_foreign_key, create_indexes, create_table
from .mysql_fit import with_unique_checks
from .mysql_journal import Empty, Step, remove_leftovers, restore, staging_prefix, write_journal, written_under
from .mysql_names import Names
from .mysql_objects import create_objects
from .mysql_references import Reference, name_in, references, refuse_orphans
from .mysql_rows import RowWriter
from .mysql_schema import BASE_TABLES, Query, read_schema
from .objects import losses_of

__all__ = ["InPlaceLoad", "StagedLoad", "refuse"]

_LOCK_TIMEOUT = 1  # seconds, the least there is: nobody queues behind us for longer
_PATIENCE = 600.0  # seconds in which the old tables must have been free for a moment
_LONGEST_PAUSE = 5.0  # seconds between two attempts
_NOT_THE_DEFINER = 1227  # the server's number for rights of the whole server
_LOCKED = 1205  # the server's number for a lock that was not given in time


def refuse(query: Query, database: str, schema: Schema, mode: Mode) -> Schema:
    """Raise TargetError where rows, views or a table's shape are in the way; else the target's schema as it is."""
    standing = read_schema(query, database, probe=False)
    others = query(
        "SELECT TABLE_NAME, TABLE_TYPE FROM information_schema.TABLES "
        f"WHERE TABLE_SCHEMA = %s AND TABLE_TYPE NOT IN {BASE_TABLES}",
        database,
    )
    kinds = dict(others)
    counts = {}
    for table in schema.tables:
        if table.name in kinds:
            kind = kinds[table.name].lower()
            raise TargetError(f"the target has a {kind} named {table.name!r}; drop it or rename it")
        if table.name not in standing.table_names:
            continue
        refuse_shape(table, standing.table(table.name))
        if mode is Mode.CREATE:
            name = name_in(database, table.name)
            has_rows = query(f"SELECT EXISTS (SELECT 1 FROM {name})")[0][0]
            counts[table.name] = query(f"SELECT COUNT(*) FROM {name}")[0][0] if has_rows else 0
    refuse_rows(counts, mode)
    if mode is Mode.IN_PLACE:
        _refuse_in_place(query, database, schema, standing)
    return standing


def _refuse_in_place(query: Query, database: str, schema: Schema, standing: Schema) -> None:
    """Raise TargetError where one transaction cannot replace the rows: all else but rows is committed at once."""
    way = "leave out in-place: with a staging database it can be done"
    for table in schema.tables:
        if table.name not in standing.table_names:
            raise TargetError(f"the target has no table {table.name!r}, and in place none is made; create it, or {way}")
    marks = ", ".join(["%s"] * len(schema.tables))
    for name, engine in query(
        "SELECT t.TABLE_NAME, t.ENGINE FROM information_schema.TABLES t JOIN information_schema.ENGINES e "
        f"ON e.ENGINE = t.ENGINE WHERE t.TABLE_SCHEMA = %s AND t.TABLE_NAME IN ({marks}) AND e.TRANSACTIONS <> 'YES'",
        database, *schema.table_names,
    ):  # fmt: skip
        raise TargetError(f"table {name!r} is of engine {engine}, which knows no transactions; {way}")
    for table, name in query(
        "SELECT EVENT_OBJECT_TABLE, TRIGGER_NAME FROM information_schema.TRIGGERS "
        f"WHERE EVENT_OBJECT_SCHEMA = %s AND EVENT_OBJECT_TABLE IN ({marks})",
        database, *schema.table_names,
    ):  # fmt: skip
        raise TargetError(f"trigger {name!r} of table {table!r} would fire for every row that is written; {way}")


class InPlaceLoad:
    """An unfinished load: one open transaction on the tables themselves. Readers see the old rows until its end."""

    def __init__(self, connection: Any, query: Query, database: str, schema: Schema) -> None:
        self._connection = connection
        self._query = query
        self._database = database
        self._schema = schema
        self.losses: list[str] = []

    def prepare(self) -> None:
        """Take the old rows out of the transaction's view."""
        self.losses += remove_leftovers(self._query, self._database)
        standing = refuse(self._query, self._database, self._schema, Mode.IN_PLACE)
        self._rows = RowWriter(self._connection, self._query, self._database, standing)
        self._query("SET SESSION foreign_key_checks = 0")  # rows in any order; `complete` checks every key
        self._connection.autocommit(False)
        for table in self._schema.tables:
            self._query(f"DELETE FROM {name_in(self._database, table.name)}")

    def write_rows(self, table: Table, batches: Iterable[pa.RecordBatch]) -> int:
        return self._rows.write_rows(table, batches)

    def validate(self) -> list[Violation]:
        self.complete()
        return count_violations(self._schema, MYSQL, lambda statement: int(self._query(statement)[0][0]))

    def complete(self) -> None:
        """Check every foreign key of the tables and to them."""
        names = self._schema.table_names
        for column in ("k.TABLE_SCHEMA", "k.REFERENCED_TABLE_SCHEMA"):
            for reference in references(self._query, f"{column} = %s", self._database):
                if reference.child in names or reference.parent in names:
                    refuse_orphans(self._query, reference)

    def publish(self) -> None:
        self.complete()
        self._connection.commit()
        self._connection.autocommit(True)
        self.losses += losses_of(create_objects(self._query, self._database, self._schema.objects))


class StagedLoad:
    """An unfinished load: tables in a staging database, of which the target knows nothing yet."""

    def __init__(self, connection: Any, query: Query, database: str, schema: Schema, mode: Mode) -> None:
        self._connection = connection
        self._query = query
        self._database = database
        self._schema = schema
        self._mode = mode
        self._staging = staging_prefix(database) + secrets.token_hex(4)
        self._old = self._staging + "_old"
        self._standing: Schema | None = None
        self.losses: list[str] = []
        self._complete = False
        self._definitions: dict[str, str] = {}  # of the tables that stood, when the new ones were made after them

    def prepare(self) -> None:
        """Create the staging database and in it every table, with its keys and no rows.

        Raises:
            TargetError: another load is running, the user may not create databases, something is in the way.
        """
        self.losses += remove_leftovers(self._query, self._database)
        self._standing = refuse(self._query, self._database, self._schema, self._mode)
        self._create_staging()
        self._query(f"USE {MYSQL.quote(self._staging)}")
        self._query("SET SESSION foreign_key_checks = 0")  # parents may come after children; `finish` checks every key
        new = [table for table in self._schema.tables if table.name not in self._standing.table_names]
        keys = []
        for table in self._schema.tables:
            if table not in new:
                keys += self._copy_definition(table.name)
        schema = self._schema
        if "mariadb" not in self._query("SELECT LOWER(VERSION())")[0][0]:
            schema = with_unique_checks(schema)
        for table in new:
            table = schema.table(table.name)
            self._query(create_table(schema, table, MYSQL))
            for statement in create_indexes(table, MYSQL) + _comments(table):
                self._query(statement)
            keys += [add_foreign_key(schema, key, MYSQL) for key in schema.foreign_keys_of(table.name)]
        for statement in keys:
            self._query(statement)
        staged = read_schema(self._query, self._staging, probe=False)
        self._rows = RowWriter(self._connection, self._query, self._staging, staged)
        for name in self._replaced:
            list(self._triggers(name))  # what cannot be made again is said before the rows

    def write_rows(self, table: Table, batches: Iterable[pa.RecordBatch]) -> int:
        return self._rows.write_rows(table, batches)

    def validate(self) -> list[Violation]:
        """What the constraints of the schema say of the rows in the staging database."""
        self.complete()
        places = dict.fromkeys(self._schema.table_names, self._staging)
        return count_violations(self._schema, MYSQL, lambda statement: int(self._query(statement)[0][0]), places)

    def complete(self) -> None:
        """Check every foreign key, and gather statistics. The rows are in, and no more come.

        Raises:
            TargetError: a row refers to none (constraint and number of rows).
        """
        if self._complete:
            return
        self._complete = True
        for reference in references(self._query, "k.TABLE_SCHEMA = %s", self._staging):
            refuse_orphans(self._query, reference)
        self._from_outside()
        for table in self._schema.tables:
            self._query(f"ANALYZE TABLE {name_in(self._staging, table.name)}")

    def publish(self) -> None:
        """Let the new tables take the place of the old ones.

        Raises:
            TargetError: another session has held a table for ten minutes.
        """
        self.complete()
        steps = [step for name in self._replaced for step in self._triggers(name)]
        steps += [
            Step("foreign key", key.child_database, key.child, key.name, key.drop, key.add, orphans=key.count_orphans)
            for key in self._from_outside()
        ]
        empty = [Empty(name, f"{name[:50]} {secrets.token_hex(4)}") for name in self._replaced]
        write_journal(self._query, self._old, [*(empty if self._mode is Mode.CREATE else ()), *steps])
        moves = [f"{name_in(self._database, name)} TO {name_in(self._old, name)}" for name in self._replaced]
        moves += [
            f"{name_in(self._staging, name)} TO {name_in(self._database, name)}" for name in self._schema.table_names
        ]
        self._query(f"USE {MYSQL.quote(self._database)}")
        self._patiently(steps, f"RENAME TABLE {', '.join(moves)}")
        self.losses += remove_leftovers(self._query, self._database)
        # A RENAME takes none of these along. The new rows stand by now: what cannot be created is a loss, no error.
        self.losses += losses_of(create_objects(self._query, self._database, self._schema.objects))

    @property
    def _replaced(self) -> list[str]:
        return [name for name in self._schema.table_names if name in self._standing.table_names]

    def _from_outside(self) -> list[Reference]:
        """Foreign keys of tables outside the load to tables in it; TargetError where a row would refer to none."""
        replaced = self._replaced
        found = [
            reference
            for reference in references(self._query, "k.REFERENCED_TABLE_SCHEMA = %s", self._database)
            if reference.parent in replaced
            and (reference.child_database != self._database or reference.child not in replaced)
            and reference.child_database != self._staging
        ]
        for reference in found:
            refuse_orphans(self._query, replace(reference, parent_database=self._staging))
        return found

    def _refuse_changes(self) -> None:
        """Raise TargetError where a table that is about to go is no longer the one that was looked at."""
        for name in self._replaced:
            if self._definition(name) != self._definitions[name]:
                raise TargetError(f"table {name!r} was altered while its new rows were written; run again")
            if self._mode is Mode.CREATE and self._has_rows(self._database, name):
                raise TargetError(f"table {name!r} has got rows while the load ran; --replace if they may go")

    def _has_rows(self, database: str, table: str) -> bool:
        return bool(self._query(f"SELECT EXISTS (SELECT 1 FROM {name_in(database, table)})")[0][0])

    def _patiently(self, steps: list[Step], rename: str) -> None:
        """Clear the way and rename the tables; again if somebody still reads the old ones.

        A session that waits for a lock makes those that come after it wait, too: hence many short attempts.
        """
        deadline, pause = time.monotonic() + _PATIENCE, 0.1
        (waiting,) = self._query("SELECT @@lock_wait_timeout")[0]
        while True:
            try:
                self._query(f"SET SESSION lock_wait_timeout = {_LOCK_TIMEOUT}")
                for step in steps:
                    self._query(step.drop)
                self._refuse_changes()
                self._query(rename)
                return
            except _driver().err.OperationalError as error:
                if error.args[0] != _LOCKED:
                    raise
                self._query(f"SET SESSION lock_wait_timeout = {waiting}")
                for step in steps:
                    restore(self._query, replace(step, orphans=""))  # counted once, at the end
                if time.monotonic() > deadline:
                    raise TargetError(
                        f"the new tables are ready, but others have not let go of the old ones for {_PATIENCE:.0f} s; "
                        "end the transaction that reads them (SHOW PROCESSLIST) and run again"
                    ) from error
            finally:
                self._query(f"SET SESSION lock_wait_timeout = {waiting}")
            time.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)

    def _create_staging(self) -> None:
        collation = self._query(
            "SELECT DEFAULT_COLLATION_NAME FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = %s", self._database
        )[0][0]
        words = "CHARACTER SET utf8mb4" + (f" COLLATE {collation}" if collation.startswith("utf8mb4") else "")
        try:
            for name in (self._staging, self._old):
                self._query(f"CREATE DATABASE {MYSQL.quote(name)} {words}")
        except _driver().err.OperationalError as error:
            if error.args[0] not in (1044, 1227):
                raise
            pattern = staging_prefix(self._database).replace("_", r"\_")
            raise TargetError(
                "the target's user may not create the database in which a load is built; "
                f"GRANT ALL ON `{pattern}%`.* TO it, or --replace in-place where the tables stand already"
            ) from error

    def _copy_definition(self, table: str) -> list[str]:
        """Create the table as the target has it; return the statements that give it its foreign keys."""
        statement = self._definitions[table] = self._definition(table)
        lines = statement.split("\n")
        is_key = [bool(re.match(r"  CONSTRAINT `(?:[^`]|``)+` FOREIGN KEY ", line)) for line in lines]
        body = "\n".join(line for line, key in zip(lines, is_key, strict=True) if not key)
        head, _, options = body.rpartition("\n)")
        self._query(f"{head.rstrip(',')}\n){options}")
        keys = [line.strip().rstrip(",") for line, key in zip(lines, is_key, strict=True) if key]
        return [f"ALTER TABLE {MYSQL.quote(table)} ADD {self._with_parent_in_place(key)}" for key in keys]

    def _definition(self, table: str) -> str:
        """How the target's table is created, but for its next number, which any row alters."""
        head, end, options = self._query(f"SHOW CREATE TABLE {name_in(self._database, table)}")[0][1].rpartition("\n)")
        return head + end + re.sub(r" AUTO_INCREMENT=[0-9]+", "", options)

    def _with_parent_in_place(self, key: str) -> str:
        """The clause of a foreign key, with the target's name on a parent that is not part of this load."""
        parent = re.search(r" REFERENCES (`(?:[^`]|``)+`) \(", key)
        if not parent or parent[1][1:-1].replace("``", "`") in self._schema.table_names:
            return key
        return f"{key[:parent.start(1)]}{MYSQL.quote(self._database)}.{key[parent.start(1):]}"

    def _triggers(self, table: str) -> Iterator[Step]:
        """A table's triggers, each tried out on the new table."""
        rows = self._query(
            "SELECT TRIGGER_NAME FROM information_schema.TRIGGERS "
            "WHERE EVENT_OBJECT_SCHEMA = %s AND EVENT_OBJECT_TABLE = %s "
            "ORDER BY EVENT_MANIPULATION, ACTION_TIMING, ACTION_ORDER",
            self._database,
            table,
        )
        folds = bool(self._query("SELECT @@lower_case_table_names")[0][0])
        for (name,) in rows:
            place = name_in(self._database, name)
            _, mode, statement, _, collation, *_ = self._query(f"SHOW CREATE TRIGGER {place}")[0]
            try:
                with written_under(self._query, mode, collation):
                    self._query(Names(self._database, mode, folds).removed_from(statement))
            except _driver().err.OperationalError as error:
                if error.args[0] != _NOT_THE_DEFINER:
                    raise
                raise TargetError(
                    f"trigger {name!r} of table {table!r} is another user's, and the new one would have to be, too; "
                    "let the target's user make it, or GRANT SET USER (MySQL: SET_ANY_DEFINER) ON *.* TO it"
                ) from error
            self._query(f"DROP TRIGGER {name_in(self._staging, name)}")
            drop = f"DROP TRIGGER IF EXISTS {place}"
            yield Step("trigger", self._database, table, name, drop, statement, mode, collation)


def _comments(table: Table) -> list[str]:
    return [f"ALTER TABLE {MYSQL.quote(table.name)} COMMENT = {MYSQL.literal(table.comment)}"] if table.comment else []


def _driver() -> Any:
    import pymysql

    return pymysql
