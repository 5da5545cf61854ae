"""Loading into MySQL, all or nothing, although every CREATE, ALTER and RENAME there commits at once.

New tables are built in a database of their own, the staging database, under the names, keys and checks they will have.
When all rows are in and all references hold, one RENAME TABLE, which is atomic, moves the old tables out and the new
ones in. A second staging database receives the old ones, since the names of foreign keys are unique in a database.

What RENAME cannot take along is a trigger (a table that has one cannot leave its database) and a foreign key of a table
outside the load (it would follow the old table). Both are dropped just before the RENAME and created again just after,
from a journal in the staging database. Only a kill in that moment leaves them missing, and the next load restores them.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa

from dbsynth.errors import TargetError
from dbsynth.schema import Column, Schema, Table

from .base import Mode
from .checks import refuse_rows, refuse_shape
from .ddl import MYSQL, add_foreign_key, create_indexes, create_table
from .mysql_fit import with_unique_checks
from .mysql_objects import create_objects
from .mysql_schema import BASE_TABLES, Query, read_schema
from .mysql_wire import insert_rows, load_data_rows
from .objects import losses_of

__all__ = ["MySQLLoad", "is_geometry", "lock", "refuse", "remove_leftovers"]

_INSERT_BYTES = 1 << 20
_BATCH_ROWS = 100_000
_LOCK_SECONDS = 10  # a connection that was killed holds its lock until the server notices
_JOURNAL = "dbsynth journal"
_GEOMETRY = re.compile(r"(geometry|point|linestring|polygon|multi\w+|geom\w*collection)\b", re.IGNORECASE)


def is_geometry(column: Column) -> bool:
    """Whether values cross as the hexadecimal form of the server's own bytes."""
    return bool(_GEOMETRY.match(column.native_type))


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
            name = _name(database, table.name)
            has_rows = query(f"SELECT EXISTS (SELECT 1 FROM {name})")[0][0]
            counts[table.name] = query(f"SELECT COUNT(*) FROM {name}")[0][0] if has_rows else 0
    refuse_rows(counts, mode)
    return standing


class MySQLLoad:
    """An unfinished load: tables in a staging database, of which the target knows nothing yet."""

    reads_files: bool | None = None  # LOAD DATA LOCAL or INSERT; None: as the server allows

    def __init__(self, connection: Any, query: Query, database: str, schema: Schema, mode: Mode) -> None:
        self._connection = connection
        self._query = query
        self._database = database
        self._schema = schema
        self._mode = mode
        self._staging = _staging_prefix(database) + secrets.token_hex(4)
        self._old = self._staging + "_old"
        self._standing: Schema | None = None
        self._staged: Schema | None = None
        self.losses: list[str] = []

    def prepare(self) -> None:
        """Create the staging database and in it every table, with its keys and no rows.

        Raises:
            TargetError: another load is running, the user may not create databases, something is in the way.
        """
        lock(self._query, self._database)
        remove_leftovers(self._query, self._database)
        if self.reads_files is None:
            self.reads_files = bool(self._query("SELECT @@local_infile")[0][0])
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
        self._staged = read_schema(self._query, self._staging, probe=False)

    def write_rows(self, table: Table, batches: Iterable[pa.RecordBatch]) -> int:
        """LOAD DATA LOCAL where the server allows it, else INSERT; columns that the server computes are left out."""
        staged = self._staged.table(table.name)
        written = 0
        for batch in batches:
            batch = batch.select([name for name in batch.schema.names if not staged.column(name).generated])
            for start in range(0, batch.num_rows, _BATCH_ROWS):
                part = batch.slice(start, _BATCH_ROWS)
                statement = self._load_data if self.reads_files and part.num_columns else self._insert
                statement(staged, part)
            written += batch.num_rows
        return written

    def finish(self) -> None:
        """Check every foreign key, then let the new tables take the place of the old ones.

        Raises:
            TargetError: a row refers to none (constraint and number of rows), another session holds a table.
        """
        names = [table.name for table in self._schema.tables]
        replaced = [name for name in names if name in self._standing.table_names]
        inside = _references(self._query, "k.TABLE_SCHEMA = %s", self._staging)
        outside = [
            reference
            for reference in _references(self._query, "k.REFERENCED_TABLE_SCHEMA = %s", self._database)
            if reference.parent in replaced
            and (reference.child_database != self._database or reference.child not in replaced)
        ]
        for reference in inside:
            self._refuse_orphans(reference)
        for reference in outside:
            self._refuse_orphans(replace(reference, parent_database=self._staging))
        for name in names:
            self._query(f"ANALYZE TABLE {_name(self._staging, name)}")
        self._swap(names, replaced, outside)
        # A RENAME takes none of these along. The new rows stand by now: what cannot be created is a loss, no error.
        self.losses = losses_of(create_objects(self._query, self._database, self._schema.objects))

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
            pattern = _staging_prefix(self._database).replace("_", r"\_")
            raise TargetError(
                "the target's user may not create the database in which a load is built; "
                f"GRANT ALL ON `{pattern}%`.* TO it"
            ) from error

    def _copy_definition(self, table: str) -> list[str]:
        """Create the table as the target has it; return the statements that give it its foreign keys."""
        statement = self._query(f"SHOW CREATE TABLE {_name(self._database, table)}")[0][1]
        lines = statement.split("\n")
        is_key = [bool(re.match(r"  CONSTRAINT `(?:[^`]|``)+` FOREIGN KEY ", line)) for line in lines]
        body = "\n".join(line for line, key in zip(lines, is_key, strict=True) if not key)
        head, _, options = body.rpartition("\n)")
        self._query(f"{head.rstrip(',')}\n){re.sub(r' AUTO_INCREMENT=[0-9]+', '', options)}")
        keys = [line.strip().rstrip(",") for line, key in zip(lines, is_key, strict=True) if key]
        return [f"ALTER TABLE {MYSQL.quote(table)} ADD {self._with_parent_in_place(key)}" for key in keys]

    def _with_parent_in_place(self, key: str) -> str:
        """The clause of a foreign key, with the target's name on a parent that is not part of this load."""
        parent = re.search(r" REFERENCES (`(?:[^`]|``)+`) \(", key)
        if not parent or parent[1][1:-1].replace("``", "`") in self._schema.table_names:
            return key
        return f"{key[:parent.start(1)]}{MYSQL.quote(self._database)}.{key[parent.start(1):]}"

    def _load_data(self, table: Table, batch: pa.RecordBatch) -> None:
        fields, settings = [], []
        for i, field in enumerate(batch.schema):
            form, name = _written_form(table.column(field.name), field.type), MYSQL.quote(field.name)
            fields.append(name if form == "{}" else f"@v{i}")
            if form != "{}":
                settings.append(f"{name} = {form.format(f'@v{i}')}")
        with tempfile.NamedTemporaryFile(prefix="dbsynth-") as file:  # readable by its owner only
            file.write(load_data_rows(batch))
            file.flush()
            written = self._run(
                f"LOAD DATA LOCAL INFILE {MYSQL.literal(file.name)} INTO TABLE {_name(self._staging, table.name)} "
                f"CHARACTER SET utf8mb4 ({', '.join(fields)})" + (f" SET {', '.join(settings)}" if settings else "")
            )
        # A local file is loaded as by INSERT IGNORE: what strict mode would refuse is bent or left out, with a warning.
        warning = self._query("SHOW WARNINGS LIMIT 1")
        if warning or written != batch.num_rows:
            reason = warning[0][2] if warning else f"only {written} of {batch.num_rows} rows were taken"
            raise TargetError(f"the target refused rows of table {table.name!r}: {self._scrub(reason)}")

    def _insert(self, table: Table, batch: pa.RecordBatch) -> None:
        forms = [_written_form(table.column(field.name), field.type) for field in batch.schema]
        name = _name(self._staging, table.name)
        start = f"INSERT INTO {name} ({MYSQL.quote_all(batch.schema.names)}) VALUES ".encode()
        if batch.num_columns:
            rows = insert_rows(batch, forms, _INSERT_BYTES)
        else:
            rows = (b",".join([b"()"] * min(10_000, batch.num_rows - i)) for i in range(0, batch.num_rows, 10_000))
        for values in rows:
            self._run(start + values)

    def _run(self, statement: str | bytes) -> int:
        with self._connection.cursor() as cursor:
            return cursor.execute(statement)

    def _refuse_orphans(self, reference: _Reference) -> None:
        orphans = self._query(reference.count_orphans)[0][0]
        if orphans:
            raise TargetError(
                f"foreign key {reference.name!r} of table {reference.child!r}: {orphans} rows refer to no row of "
                f"{reference.parent!r}"
            )

    def _swap(self, names: list[str], replaced: list[str], outside: list[_Reference]) -> None:
        """The moment from which on the new state stands."""
        journal = _name(self._old, _JOURNAL)
        self._query(f"CREATE TABLE {journal} (n INT PRIMARY KEY AUTO_INCREMENT, statement LONGTEXT)")
        steps = [step for name in replaced for step in self._triggers(name)] + [(r.drop, r.add) for r in outside]
        for _, redo in steps:
            self._query(f"INSERT INTO {journal} (statement) VALUES ({MYSQL.literal(redo)})")
        moves = [f"{_name(self._database, name)} TO {_name(self._old, name)}" for name in replaced]
        moves += [f"{_name(self._staging, name)} TO {_name(self._database, name)}" for name in names]
        self._query(f"USE {MYSQL.quote(self._database)}")
        for undo, _ in steps:
            self._query(undo)
        self._query(f"RENAME TABLE {', '.join(moves)}")
        remove_leftovers(self._query, self._database)

    def _triggers(self, table: str) -> Iterator[tuple[str, str]]:
        """How to drop and to create each of a table's triggers, tried out on the new table."""
        rows = self._query(
            "SELECT TRIGGER_NAME FROM information_schema.TRIGGERS "
            "WHERE EVENT_OBJECT_SCHEMA = %s AND EVENT_OBJECT_TABLE = %s "
            "ORDER BY EVENT_MANIPULATION, ACTION_TIMING, ACTION_ORDER",
            self._database,
            table,
        )
        for (name,) in rows:
            statement = self._query(f"SHOW CREATE TRIGGER {_name(self._database, name)}")[0][2]
            self._query(statement)
            self._query(f"DROP TRIGGER {_name(self._staging, name)}")
            yield f"DROP TRIGGER IF EXISTS {_name(self._database, name)}", statement

    def _scrub(self, message: str) -> str:
        return message.replace(self._staging, self._database)


@dataclass(frozen=True)
class _Reference:
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
        parent = _name(self.parent_database, self.parent)
        return (
            f"SELECT COUNT(*) FROM {_name(self.child_database, self.child)} c WHERE {complete} "
            f"AND NOT EXISTS (SELECT 1 FROM {parent} p WHERE {same})"
        )

    @property
    def drop(self) -> str:
        return f"ALTER TABLE {_name(self.child_database, self.child)} DROP FOREIGN KEY {MYSQL.quote(self.name)}"

    @property
    def add(self) -> str:
        return (
            f"ALTER TABLE {_name(self.child_database, self.child)} ADD CONSTRAINT {MYSQL.quote(self.name)} "
            f"FOREIGN KEY ({MYSQL.quote_all(self.columns)}) REFERENCES {_name(self.parent_database, self.parent)} "
            f"({MYSQL.quote_all(self.parent_columns)}) {self.rules}"
        )


def remove_leftovers(query: Query, database: str) -> None:
    """Restore what the journal of a load says, and drop its staging databases, whether it ended or was killed.

    Either all new tables stand in the target and the staging databases hold the old ones, or the other way round; in
    both cases what is in them is no longer needed.
    """
    folds_names = query("SELECT @@lower_case_table_names")[0][0]
    own = re.compile(re.escape(_staging_prefix(database)) + "[0-9a-f]{8}(_old)?", re.IGNORECASE if folds_names else 0)
    found = [name for (name,) in query("SELECT SCHEMA_NAME FROM information_schema.SCHEMATA") if own.fullmatch(name)]
    query("SET SESSION foreign_key_checks = 0")
    for name in found:
        if query("SELECT 1 FROM information_schema.TABLES WHERE TABLE_SCHEMA = %s AND TABLE_NAME = %s", name, _JOURNAL):
            query(f"USE {MYSQL.quote(database)}")
            for n, statement in query(f"SELECT n, statement FROM {_name(name, _JOURNAL)} ORDER BY n"):
                _restore(query, statement)
                query(f"DELETE FROM {_name(name, _JOURNAL)} WHERE n = {n}")
        query(f"DROP DATABASE IF EXISTS {MYSQL.quote(name)}")
    query("SET SESSION foreign_key_checks = 1")


def _restore(query: Query, statement: str) -> None:
    """Create a trigger or a foreign key; where it stands already it was never dropped."""
    driver = _driver()
    try:
        query(statement)
    except driver.MySQLError as error:
        if error.args[0] not in (1359, 1826, 1005, 1022, 121):
            raise


def lock(query: Query, database: str) -> None:
    """Be the only load into the database, until the connection ends."""
    name = "dbsynth " + hashlib.sha256(database.encode()).hexdigest()[:40]
    if not query("SELECT GET_LOCK(%s, %s)", name, _LOCK_SECONDS)[0][0]:
        raise TargetError("another load into this database is running; wait for its end, or kill its connection")


def _references(query: Query, condition: str, value: str) -> list[_Reference]:
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
    return [_Reference(*key, *zip(*pairs, strict=True)) for key, pairs in columns.items()]


def _written_form(column: Column, type_: pa.DataType) -> str:
    """The expression that makes the column's value of the text a row holds for it; {} for the text itself."""
    if pa.types.is_binary(type_) or pa.types.is_large_binary(type_) or is_geometry(column):
        return "UNHEX({})"
    if column.native_type.startswith("bit"):
        return "CAST({} AS UNSIGNED)" if pa.types.is_boolean(type_) else "CAST(CONV({}, 2, 10) AS UNSIGNED)"
    if column.native_type.startswith("year"):  # the text '0' means 2000
        return "CAST({} AS UNSIGNED)"
    return "{}"


def _comments(table: Table) -> list[str]:
    return [f"ALTER TABLE {MYSQL.quote(table.name)} COMMENT = {MYSQL.literal(table.comment)}"] if table.comment else []


def _name(database: str, table: str) -> str:
    return f"{MYSQL.quote(database)}.{MYSQL.quote(table)}"


def _staging_prefix(database: str) -> str:
    """What the names of staging databases begin with; a name has 64 characters."""
    if len(database) > 40:
        database = f"{database[:31]}_{hashlib.sha256(database.encode()).hexdigest()[:8]}"
    return f"{database}__dbsynth_"


def _driver() -> Any:
    import pymysql

    return pymysql
