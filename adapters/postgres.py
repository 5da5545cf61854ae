"""Postgres: COPY in both directions, one transaction for a whole load."""

from __future__ import annotations

import io
import re
import select
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv

from dbsynth.errors import ConnectError, DbsynthError, SourceError, TargetError
from dbsynth.schema import Kind, Schema, Table

from .base import Mode, ServerIdentity, Violation, arrow_schema
from .checks import count_violations, refuse_rows, refuse_shape
from .ddl import POSTGRES, add_foreign_key, create_indexes, create_table
from .postgres_catalog import TABLES, read_schema
from .translation import translate
from .urls import Address

__all__ = ["PostgresAdapter"]

BATCH_ROWS = 50_000
BATCH_BYTES = 32 << 20

# One spelling for every value that leaves as text, whatever the server's or the role's own settings are.
_SESSION = {
    "DateStyle": "ISO, YMD",
    "IntervalStyle": "postgres",
    "TimeZone": "UTC",
    "extra_float_digits": "3",
    "bytea_output": "hex",
    "client_encoding": "UTF8",
    "standard_conforming_strings": "on",
}


class PostgresAdapter:
    """A Postgres database, 12 or later. Every method opens a connection of its own."""

    dialect = "postgres"

    def __init__(self, address: Address) -> None:
        self._address = address
        try:
            import psycopg
        except ImportError as error:
            raise ConnectError("reaching Postgres needs its driver; pip install 'psycopg[binary]'") from error
        self._driver = psycopg
        with closing(self._connect()) as connection:
            self.identity = _identity(connection)

    @property
    def url(self) -> str:
        return self._address.masked

    def close(self) -> None:
        """Nothing stays open between calls."""

    def read_schema(self) -> Schema:
        """The tables of all namespaces but the system's.

        A column holding a date, time or decimal that Arrow cannot hold (infinity, years before 1 or after 9999, 24:00:00,
        NaN) is read as `Kind.OTHER`, its values as text; finding these costs one pass over the tables with such types.
        """
        with self._reading() as connection:
            return read_schema(connection, scan=True)

    @contextmanager
    def snapshot(self) -> Iterator[PostgresSnapshot]:
        """All tables as they are now, in one REPEATABLE READ transaction of a session that cannot write."""
        with self._reading() as connection:
            yield PostgresSnapshot(self, connection)

    def losses(self, schema: Schema) -> list[str]:
        return translate(schema, POSTGRES)[1]

    def check_target(self, schema: Schema, mode: Mode) -> None:
        schema, _ = translate(schema, POSTGRES)
        with self._reading(TargetError) as connection:
            _Target(connection).refuse(schema, mode)

    @contextmanager
    def load(self, schema: Schema, mode: Mode = Mode.CREATE) -> Iterator[PostgresLoad]:
        """One transaction, the CREATE statements included: it is committed when the context ends without an error."""
        with closing(self._connect()) as connection:
            with self._errors(TargetError):
                load = PostgresLoad(self, connection, translate(schema, POSTGRES)[0], mode)
                load.prepare()
            yield load
            with self._errors(TargetError):
                load.finish()
                connection.commit()

    def validate(self, schema: Schema) -> list[Violation]:
        """Constraints the server has not validated, and those that counting finds broken."""
        schema, _ = translate(schema, POSTGRES)
        with self._reading() as connection:
            found = count_violations(schema, POSTGRES, lambda sql: _scalar(connection, sql))
            seen = {(violation.table, violation.constraint) for violation in found}
            for row in connection.execute(_NOT_VALIDATED):
                if row["name"] not in seen and row["table"] in schema.table_names:
                    found.append(Violation(row["table"], f"{row['name']} (not validated)", 0))
            return found

    def _connect(self) -> Any:
        address = self._address
        hosts = [h.rpartition(":") if ":" in h else (h, "", "") for h in (address.host or "").split(",")]
        several = len(hosts) > 1
        wanted = {
            "host": ",".join(h for h, _, _ in hosts) if several else address.host,
            "port": ",".join(p for _, _, p in hosts) if several else address.port,
            "user": address.user,
            "password": address.password,
            "dbname": address.database,
            "connect_timeout": 10,
            "application_name": "dbsynth",
            **address.options,
        }
        from psycopg.rows import dict_row

        try:
            connection = self._driver.connect(
                **{name: value for name, value in wanted.items() if value not in (None, "")}, row_factory=dict_row
            )
        except (self._driver.Error, UnicodeError, ValueError) as error:
            raise ConnectError(f"cannot connect to {self.url}: {address.scrub(error)}") from None
        connection.prepare_threshold = None  # poolers hand statements to sessions that have not prepared them
        for name, value in _SESSION.items():
            connection.execute("SELECT set_config(%s, %s, false)", [name, value])
        connection.commit()
        return connection

    @contextmanager
    def _reading(self, error: type[DbsynthError] = SourceError) -> Iterator[Any]:
        with closing(self._connect()) as connection, self._errors(error):
            connection.execute("SET default_transaction_read_only = on")
            connection.commit()
            connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
            connection.execute("SELECT 1")  # the snapshot is taken by the first query
            yield connection

    @contextmanager
    def _errors(self, error_class: type[DbsynthError]) -> Iterator[None]:
        try:
            yield
        except self._driver.Error as error:
            raise error_class(self._describe(error)) from error

    def _describe(self, error: Any) -> str:
        """What the server says, in one line: message, detail, the constraint's and the table's name."""
        diagnostics = error.diag
        said = [diagnostics.message_primary or str(error) or type(error).__name__, diagnostics.message_detail]
        if diagnostics.constraint_name and diagnostics.constraint_name not in said[0]:
            said.append(f"constraint {diagnostics.constraint_name!r}")
        if diagnostics.table_name and diagnostics.table_name not in said[0]:
            said.append(f"table {diagnostics.table_name!r}")
        if diagnostics.context and diagnostics.context.startswith("COPY"):
            said.append(diagnostics.context.partition(":")[0])
        return self._address.scrub(f"{self.url}: " + "; ".join(part.strip() for part in said if part))


class PostgresSnapshot:
    """Reads inside one read-only transaction."""

    def __init__(self, adapter: PostgresAdapter, connection: Any) -> None:
        self._adapter = adapter
        self._connection = connection
        self._kinds = {(r["namespace"], r["name"]): r["kind"] for r in connection.execute(TABLES)}
        self._default = _scalar(connection, "SELECT current_schema()")

    def _source(self, table: Table) -> str:
        """The table without the rows of tables that inherit from it, which are read for themselves."""
        kind = self._kinds.get((table.namespace or self._default, table.local_name))
        return ("" if kind == "p" else "ONLY ") + POSTGRES.table_name(table)

    def count_rows(self, table: Table) -> int:
        with self._adapter._errors(SourceError):
            return _scalar(self._connection, f"SELECT count(*) FROM {self._source(table)}")

    def read_rows(self, table: Table, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """COPY TO in CSV, parsed by Arrow; at most 50 000 rows or about 32 MiB a batch.

        Raises:
            SourceError: the server's word, or a value that came after the schema was read and that its type cannot hold.
        """
        schema = arrow_schema(table, columns)
        if not columns:
            yield from _rows_without_columns(self.count_rows(table))
            return
        query = f"COPY (SELECT {POSTGRES.quote_all(columns)} FROM {self._source(table)}) TO STDOUT (FORMAT csv)"
        empty = True
        with self._adapter._errors(SourceError):
            for text in _copy_out(self._connection, query):
                try:
                    batch = _parse(text, schema)
                except (pa.ArrowInvalid, ValueError) as error:
                    message = f"table {table.name!r} holds a value its column's type cannot take: {error}; read the schema again"
                    raise SourceError(message) from error
                empty = False
                yield batch
        if empty:
            yield pa.RecordBatch.from_pylist([], schema=schema)


class PostgresLoad:
    """An unfinished load: one open transaction."""

    def __init__(self, adapter: PostgresAdapter, connection: Any, schema: Schema, mode: Mode) -> None:
        self._adapter = adapter
        self._connection = connection
        self._schema = schema
        self._mode = mode
        self._target = _Target(connection)
        self._restore: list[str] = []  # statements that give standing tables back what was taken from them
        self._new: list[Table] = []

    def prepare(self) -> None:
        """Create what is missing; empty what is to be replaced; take foreign keys and triggers off standing tables."""
        standing = self._target.refuse(self._schema, self._mode)
        self._new = [table for table in self._schema.tables if table.name not in self._target.schema.table_names]
        for row in self._connection.execute(_FOREIGN_KEYS_AROUND, [standing, standing]).fetchall():
            table = f"{POSTGRES.quote(row['namespace'])}.{POSTGRES.quote(row['table'])}"
            self._run(f"ALTER TABLE {table} DROP CONSTRAINT {POSTGRES.quote(row['name'])}")
            self._restore.append(f"ALTER TABLE {table} ADD CONSTRAINT {POSTGRES.quote(row['name'])} {row['definition']}")
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
        for kind in self._schema.types if self._new else ():
            if kind.definition.startswith("CREATE EXTENSION") or not self._exists("to_regtype", kind.name):
                self._run(kind.definition)
        for table in self._new:
            owned = {}
            for column in table.columns:
                for name in re.findall(r"nextval\('((?:[^']|'')+)'::regclass\)", column.default or ""):
                    sequence = name.replace("''", "'")
                    if not self._exists("to_regclass", sequence):
                        size = column.native_type if column.native_type in ("smallint", "integer") else "bigint"
                        self._run(f"CREATE SEQUENCE {sequence} AS {size}")
                        owned[sequence] = column.name
            self._run(create_table(self._schema, table, POSTGRES))
            for sequence, column in owned.items():
                self._run(f"ALTER SEQUENCE {sequence} OWNED BY {POSTGRES.table_name(table)}.{POSTGRES.quote(column)}")
            comments = [("TABLE", POSTGRES.table_name(table), table.comment)]
            comments += [("COLUMN", f"{POSTGRES.table_name(table)}.{POSTGRES.quote(c.name)}", c.comment) for c in table.columns]
            for what, name, comment in comments:
                if comment:
                    self._run(f"COMMENT ON {what} {name} IS {POSTGRES.literal(comment)}")

    def write_rows(self, table: Table, batches: Iterable[pa.RecordBatch]) -> int:
        """COPY FROM in CSV; generated columns among the batches' are left out."""
        table = self._schema.table(table.name)
        written, copy, open_columns = 0, None, None
        with self._adapter._errors(TargetError), self._connection.cursor() as cursor:
            for batch in batches:
                batch = batch.select([n for n in batch.schema.names if not table.column(n).generated])
                if not batch.num_rows:
                    continue
                columns, written = batch.schema.names, written + batch.num_rows
                if not columns:
                    cursor.executemany(f"INSERT INTO {POSTGRES.table_name(table)} DEFAULT VALUES", [()] * batch.num_rows)
                    continue
                if copy and columns != open_columns:
                    copy.__exit__(None, None, None)
                    copy = None
                if copy is None:
                    copy, open_columns = cursor.copy(_copy_in(table, columns)), columns
                    stream = copy.__enter__()
                for start in range(0, batch.num_rows, BATCH_ROWS):
                    stream.write(_as_csv(batch.slice(start, BATCH_ROWS)))
            if copy:
                copy.__exit__(None, None, None)
        return written

    def finish(self) -> None:
        """Keys and indexes of the new tables, foreign keys of all; sequences go on after the highest number; statistics."""
        self._run("SET CONSTRAINTS ALL IMMEDIATE")
        for table in self._new:
            for statement in create_indexes(table, POSTGRES):
                self._run(statement)
        new = {table.name for table in self._new}
        for statement in self._restore:
            self._run(statement)
        for key in self._schema.foreign_keys:
            if key.child in new:
                self._run(add_foreign_key(self._schema, key, POSTGRES))
        self._set_sequences()
        for table in self._schema.tables:
            self._run(f"ANALYZE {POSTGRES.table_name(table)}")

    def _set_sequences(self) -> None:
        """Let every sequence go on after the values loaded. RESTART, unlike setval, is undone by a rollback."""
        tables = [POSTGRES.table_name(table) for table in self._schema.tables]
        ends: dict[str, list[int]] = {}
        for row in self._connection.execute(_SEQUENCES, [tables]).fetchall():
            up = row["increment"] > 0
            column, table = POSTGRES.quote(row["column"]), f"{POSTGRES.quote(row['namespace'])}.{POSTGRES.quote(row['table'])}"
            end = _scalar(self._connection, f"SELECT {'max' if up else 'min'}({column}) FROM {table}")
            following = row["start"] if end is None else int(end) + row["increment"]
            ends.setdefault(row["sequence"], []).append(min(max(following, row["lowest"]), row["highest"]) * (1 if up else -1))
        for sequence, following in ends.items():
            self._run(f"ALTER SEQUENCE {sequence} RESTART WITH {abs(max(following)) if max(following) >= 0 else max(following)}")

    def _run(self, statement: str) -> None:
        self._connection.execute(statement)

    def _exists(self, function: str, name: str) -> bool:
        return _scalar(self._connection, f"SELECT {function}(%s) IS NOT NULL", [name])


class _Target:
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
            if _scalar(self._connection, f"SELECT EXISTS (SELECT FROM {relation})"):
                counts[table.name] = _scalar(self._connection, f"SELECT count(*) FROM {relation}")
        refuse_rows(counts, mode)
        new = len(standing) < len(schema.tables)
        if new and not _scalar(self._connection, "SELECT has_schema_privilege(current_schema(), 'CREATE')"):
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
                     OR d.classid = 'pg_attrdef'::regclass AND d.refobjid = s.oid AND d.refclassid = 'pg_class'::regclass
    LEFT JOIN pg_attrdef f ON d.classid = 'pg_attrdef'::regclass AND f.oid = d.objid
    JOIN pg_attribute a ON a.attrelid = coalesce(f.adrelid, d.refobjid) AND a.attnum = coalesce(f.adnum, d.refobjsubid::int2)
    JOIN pg_class r ON r.oid = a.attrelid JOIN pg_namespace n ON n.oid = r.relnamespace
    JOIN pg_type t ON t.oid = a.atttypid
    WHERE s.relkind = 'S' AND a.attrelid = ANY(%s::regclass[]) AND t.typcategory = 'N'
    ORDER BY 1, 2, 3, 4
"""

_NOT_VALIDATED = """
    SELECT CASE WHEN n.nspname = current_schema() THEN r.relname ELSE n.nspname || '.' || r.relname END AS table,
           c.conname AS name
    FROM pg_constraint c JOIN pg_class r ON r.oid = c.conrelid JOIN pg_namespace n ON n.oid = r.relnamespace
    WHERE NOT c.convalidated ORDER BY 1, 2
"""


def _scalar(connection: Any, query: str, parameters: list[Any] | None = None) -> Any:
    return next(iter(connection.execute(query, parameters).fetchone().values()))


def _identity(connection: Any) -> ServerIdentity:
    """The cluster's own number where the role may read it, else what tells two servers apart for certain enough."""
    database = _scalar(connection, "SELECT oid || ' ' || datname FROM pg_database WHERE datname = current_database()")
    if _scalar(connection, "SELECT has_function_privilege('pg_control_system()', 'EXECUTE')"):
        server = _scalar(connection, "SELECT system_identifier FROM pg_control_system()")
    else:
        server = _scalar(connection, "SELECT pg_postmaster_start_time() || ' ' || current_setting('port')")
    connection.commit()
    return ServerIdentity("postgres", str(server), str(database))


def _rows_without_columns(count: int) -> Iterator[pa.RecordBatch]:
    for start in range(0, max(count, 1), BATCH_ROWS):
        rows = pa.nulls(min(BATCH_ROWS, count - start), pa.bool_())
        yield pa.RecordBatch.from_arrays([rows], names=["row"]).select([])


def _copy_out(connection: Any, query: str) -> Iterator[bytearray]:
    """The rows of a COPY TO STDOUT in blocks of whole rows.

    The driver's own COPY costs a round through its event loop for every row; here libpq's buffer is emptied first.
    """
    from psycopg import errors, pq

    raw = connection.pgconn
    raw.send_query(query.encode())
    while raw.is_busy():
        select.select([raw.socket], [], [])
        raw.consume_input()
    result = raw.get_result()
    if result.status == pq.ExecStatus.COPY_OUT:
        yield from _blocks(raw)
        while raw.is_busy():
            select.select([raw.socket], [], [])
            raw.consume_input()
        result = raw.get_result()
    while raw.get_result():  # the end of the command
        pass
    if result is None or result.status != pq.ExecStatus.COMMAND_OK:
        raise errors.error_from_result(result, encoding="utf-8")


def _blocks(raw: Any) -> Iterator[bytearray]:
    get_copy_data, text, rows = raw.get_copy_data, bytearray(), 0
    while True:
        length, row = get_copy_data(1)
        if length > 0:
            text += row  # at once: keeping the driver's views and joining them later takes three times as long
            rows += 1
            if rows == BATCH_ROWS or len(text) >= BATCH_BYTES:
                yield text
                text, rows = bytearray(), 0
        elif length == 0:
            select.select([raw.socket], [], [])
            raw.consume_input()
        else:
            break
    if rows:
        yield text


def _parse(text: bytearray, schema: pa.Schema) -> pa.RecordBatch:
    """CSV rows as one batch. Binary comes as hexadecimal text."""
    as_text = pa.schema([pa.field(f.name, pa.string() if pa.types.is_binary(f.type) else f.type) for f in schema])
    names = [str(i) for i in range(len(schema))]  # a CSV reader's names must differ; a table's may only differ in case
    table = pa_csv.read_csv(
        pa.BufferReader(pa.py_buffer(text)),
        read_options=pa_csv.ReadOptions(column_names=names, block_size=len(text) + 1),
        parse_options=pa_csv.ParseOptions(newlines_in_values=True, ignore_empty_lines=False),
        convert_options=pa_csv.ConvertOptions(
            column_types=dict(zip(names, as_text.types, strict=True)),
            null_values=[""],
            true_values=["t"],
            false_values=["f"],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
        ),
    )
    arrays = [chunks.combine_chunks() for chunks in table.columns]
    for i, wanted in enumerate(schema.types):
        if pa.types.is_binary(wanted):
            arrays[i] = pa.array([None if v is None else bytes.fromhex(v[2:]) for v in arrays[i].to_pylist()], wanted)
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def _copy_in(table: Table, columns: Sequence[str]) -> str:
    return f"COPY {POSTGRES.table_name(table)} ({POSTGRES.quote_all(columns)}) FROM STDIN (FORMAT csv)"


def _as_csv(batch: pa.RecordBatch) -> memoryview:
    arrays = []
    for array in batch.columns:
        if pa.types.is_binary(array.type) or pa.types.is_large_binary(array.type):
            array = pa.array([None if v is None else "\\x" + v.hex() for v in array.to_pylist()], pa.string())
        arrays.append(array)
    sink = io.BytesIO()
    named = pa.RecordBatch.from_arrays(arrays, names=[str(i) for i in range(len(arrays))])
    pa_csv.write_csv(named, sink, pa_csv.WriteOptions(include_header=False, batch_size=BATCH_ROWS))
    return sink.getbuffer()
