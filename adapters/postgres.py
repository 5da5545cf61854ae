"""Postgres: connection, snapshot, validation; one transaction for a whole load."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from typing import Any

import pyarrow as pa

from dbsynth.errors import ConnectError, DbsynthError, SourceError, TargetError
from dbsynth.schema import Schema, Table

from .advice import Trouble, with_advice
from .alter import alterations
from .base import Mode, ServerIdentity, Violation, arrow_schema
from .checks import count_violations, refuse_changes
from .ddl import POSTGRES
from .objects import left_behind
from .postgres_catalog import TABLES, read_schema, scalar
from .postgres_copy import BATCH_ROWS, copy_out, parse
from .postgres_load import PostgresLoad, Target
from .postgres_lock import take_lock
from .standing import refuse_misfits
from .translation import translate
from .urls import Address, is_local

__all__ = ["PostgresAdapter"]

# One spelling for every value that leaves as text, whatever the server's or the role's own settings are.
_SESSION = {
    "DateStyle": "ISO, YMD",
    "IntervalStyle": "postgres",
    "TimeZone": "UTC",
    "extra_float_digits": "3",
    "bytea_output": "hex",
    "client_encoding": "UTF8",
    "standard_conforming_strings": "on",
    "synchronize_seqscans": "off",  # the same rows in the same order, whoever else reads the table
}


# A load may be long, may wait for its caller to judge the rows, and must not go on when its client is dead.
_CLIENT_CHECK = "client_connection_check_interval"
_LOADING = {"statement_timeout": "0", "idle_in_transaction_session_timeout": "0", _CLIENT_CHECK: "1s"}


# What the server itself says of a state that ends; else its refusals are final.
_PASSING = ("starting up", "shutting down", "in recovery", "too many clients", "not yet accepting connections")


def _may_pass(message: str) -> bool:
    """Whether a connection may be had in a moment: nobody answered, or who did has no room or is not ready yet."""
    if "FATAL" in message:
        return any(words in message for words in _PASSING)
    return "SSL" not in message and "certificate" not in message


# A refused connection has no code, only words (the server's, which may be of another language than English).
_CONNECTING = {
    "too many": Trouble.CROWDED,  # connections for the database, clients, connections for the role
    "remaining connection slots": Trouble.CROWDED,
    "pg_hba.conf": Trouble.STRANGER,
    "CONNECT privilege": Trouble.NOT_LET_IN,
    'database "': Trouble.NO_DATABASE,
    'role "': Trouble.STRANGER,
    "password": Trouble.STRANGER,
    "authentication": Trouble.STRANGER,
}

_TROUBLES = {
    "25006": Trouble.READ_ONLY,
    "42501": Trouble.NO_RIGHT,
    "53100": Trouble.FULL,
    "53300": Trouble.CROWDED,
    "55P03": Trouble.HELD,
    "57P01": Trouble.LOST,
    "57P02": Trouble.LOST,
}


def _trouble_connecting(error: Any) -> Trouble | None:
    message = str(error)
    found = next((trouble for words, trouble in _CONNECTING.items() if words in message), None)
    return found or (Trouble.NOBODY if _may_pass(message) and "FATAL" not in message else None)


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
        self._lock: Any = None  # the session that holds the target, while there is one
        with closing(self._connect()) as connection, self._errors(ConnectError):
            self.identity = _identity(connection)
            self.unverified = _unverified(connection, self.url)

    @property
    def url(self) -> str:
        return self._address.masked

    def close(self) -> None:
        """Nothing stays open between calls."""

    def read_schema(self) -> Schema:
        """The tables of all namespaces but the system's.

        A column holding a date, time or decimal that Arrow cannot hold (infinity, years before 1 or after 9999,
        24:00:00, NaN) is read as `Kind.OTHER`, its values as text; finding these costs one pass over the
        tables with such types.
        """
        with self._reading() as connection:
            return read_schema(connection, scan=True)

    @contextmanager
    def snapshot(self) -> Iterator[PostgresSnapshot]:
        """All tables as they are now, in one REPEATABLE READ transaction of a session that cannot write.

        Raises:
            SourceError: at the end, if a table was altered meanwhile; names it.
        """
        with self._reading() as connection:
            before = read_schema(connection, scan=False)
            yield PostgresSnapshot(self, connection)
        with self._reading() as connection:
            refuse_changes(before, read_schema(connection, scan=False))

    def losses(self, schema: Schema) -> list[str]:
        return [*translate(schema, POSTGRES)[1], *left_behind(schema, self.dialect)]

    def check_target(self, schema: Schema, mode: Mode) -> list[str]:
        wanted, _ = translate(schema.declared, POSTGRES)
        with self._reading(TargetError) as connection:
            target = Target(connection)
            refuse_misfits(schema, wanted, target.schema, POSTGRES)
            standing = target.refuse(wanted, mode)
            found = target.in_the_way(standing) if mode is Mode.REPLACE else []
        if not standing:
            self._rehearse(wanted)
        if not found:
            return []
        why = "; ".join(found[:5]) + ("; …" if len(found) > 5 else "")
        return [f"the tables of {self.url} are replaced in place, and readers wait for the end of the load: {why}"]

    def alterations(self, schema: Schema, gone: Mapping[str, Collection[str]]) -> list[str]:
        with self._reading(TargetError) as connection:
            found = Target(connection).schema
        return alterations(translate(schema.declared, POSTGRES)[0], found, gone, POSTGRES)

    def _rehearse(self, schema: Schema) -> None:
        """Create everything without a row, and take it back: what the server refuses it refuses now."""
        with closing(self._connect()) as connection, self._errors(TargetError):  # closed before it commits
            load = PostgresLoad(connection, schema.tables_only, Mode.CREATE, self._errors)
            load.prepare()
            load.publish()

    @contextmanager
    def load(self, schema: Schema, mode: Mode = Mode.CREATE) -> Iterator[PostgresLoad]:
        """One transaction, the CREATE statements included: it is committed when the context ends without an error."""
        with self.lock(), closing(self._connect()) as connection:
            with self._errors(TargetError):
                for name, value in _LOADING.items():
                    if name != _CLIENT_CHECK or connection.info.server_version >= 140000:
                        connection.execute("SELECT set_config(%s, %s, false)", [name, value])
                load = PostgresLoad(connection, translate(schema, POSTGRES)[0], mode, self._errors)
                load.prepare()
            yield load
            with self._errors(TargetError):
                load.publish()
                connection.commit()

    @contextmanager
    def lock(self) -> Iterator[None]:
        """An advisory lock of a session of its own: gone with it, however it ends."""
        if self._lock is not None:
            with self._errors(TargetError):
                self._lock.execute("SELECT 1")  # who lost the connection lost the lock
            yield
            return
        with closing(self._connect()) as connection:
            connection.autocommit = True  # an open transaction would keep the server from cleaning up
            with self._errors(TargetError):
                take_lock(connection, self.url)
            self._lock = connection
            try:
                yield
            finally:
                self._lock = None

    def validate(self, schema: Schema) -> list[Violation]:
        """Constraints the server has not validated, and those that counting finds broken."""
        schema, _ = translate(schema, POSTGRES)
        with self._reading() as connection:
            found = count_violations(schema, POSTGRES, lambda sql: scalar(connection, sql))
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
            connection.prepare_threshold = None  # poolers hand statements to sessions that have not prepared them
            for name, value in _SESSION.items():
                connection.execute("SELECT set_config(%s, %s, false)", [name, value])
            connection.commit()
        except (self._driver.Error, UnicodeError, ValueError) as error:
            refused = isinstance(error, self._driver.OperationalError)
            said = f"cannot connect to {self.url}: {address.scrub(error)}"
            said = with_advice(said, _trouble_connecting(error) if refused else None, ConnectError)
            raise ConnectError(said, may_pass=refused and _may_pass(str(error))) from None
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
            lost = isinstance(error, self._driver.OperationalError) and error.sqlstate is None
            trouble = Trouble.LOST if lost else _TROUBLES.get(error.sqlstate)
            raise error_class(with_advice(self._describe(error), trouble, error_class)) from error

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
        self._default = scalar(connection, "SELECT current_schema()")

    def _source(self, table: Table) -> str:
        """The table without the rows of tables that inherit from it, which are read for themselves."""
        kind = self._kinds.get((table.namespace or self._default, table.local_name))
        return ("" if kind == "p" else "ONLY ") + POSTGRES.table_name(table)

    def count_rows(self, table: Table) -> int:
        with self._adapter._errors(SourceError):
            return scalar(self._connection, f"SELECT count(*) FROM {self._source(table)}")

    def _refuse_rewritten(self, table: Table) -> None:
        name = POSTGRES.table_name(table)
        with self._adapter._errors(SourceError):
            self._connection.execute(f"LOCK TABLE {name} IN ACCESS SHARE MODE")  # as reading takes anyway
            if scalar(self._connection, _REWRITTEN, {"table": name}):
                raise SourceError(
                    f"table {table.name!r} was emptied or written anew (TRUNCATE, ALTER) while the source was read; "
                    "run again"
                )

    def read_rows(self, table: Table, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """COPY TO in CSV, parsed by Arrow; at most 50 000 rows or about 32 MiB a batch.

        Raises:
            SourceError: the server's word, or a value that came after the schema was read and that its type cannot
                hold.
        """
        self._refuse_rewritten(table)
        schema = arrow_schema(table, columns)
        if not columns:
            yield from _rows_without_columns(self.count_rows(table))
            return
        query = f"COPY (SELECT {POSTGRES.quote_all(columns)} FROM {self._source(table)}) TO STDOUT (FORMAT csv)"
        empty = True
        with self._adapter._errors(SourceError):
            for text in copy_out(self._connection, query):
                try:
                    batch = parse(text, schema)
                except (pa.ArrowInvalid, ValueError) as error:
                    raise SourceError(
                        f"table {table.name!r} holds a value its column's type cannot take: {error}; "
                        "read the schema again"
                    ) from error
                empty = False
                yield batch
        if empty:
            yield pa.RecordBatch.from_pylist([], schema=schema)


# A snapshot sees the rows of a table in the files that it had then: emptied (TRUNCATE), written anew (ALTER) or made
# anew under its name, the table is empty to an older snapshot. The catalog as the snapshot sees it, beside the files.
_REWRITTEN = """
    SELECT EXISTS (
        SELECT FROM (
            SELECT %(table)s::regclass AS relid UNION SELECT relid FROM pg_partition_tree(%(table)s::regclass)
        ) t LEFT JOIN pg_class c ON c.oid = t.relid
        WHERE c.oid IS NULL OR c.relkind <> 'p' AND c.relfilenode IS DISTINCT FROM pg_relation_filenode(t.relid)
    ) AS rewritten
"""

_NOT_VALIDATED = """
    SELECT CASE WHEN n.nspname = current_schema() THEN r.relname ELSE n.nspname || '.' || r.relname END AS table,
           c.conname AS name
    FROM pg_constraint c JOIN pg_class r ON r.oid = c.conrelid JOIN pg_namespace n ON n.oid = r.relnamespace
    WHERE NOT c.convalidated ORDER BY 1, 2
"""


def _identity(connection: Any) -> ServerIdentity:
    """When the server started, which every role may read, and the cluster's own number where the role may."""
    database = scalar(connection, "SELECT oid || ' ' || datname FROM pg_database WHERE datname = current_database()")
    started = "SELECT extract(epoch FROM pg_postmaster_start_time()) || ' ' || current_setting('port')"
    servers = {str(scalar(connection, started))}
    if scalar(connection, "SELECT has_function_privilege('pg_control_system()', 'EXECUTE')"):
        servers.add(str(scalar(connection, "SELECT system_identifier FROM pg_control_system()")))
    connection.commit()
    return ServerIdentity("postgres", frozenset(servers), str(database))


def _unverified(connection: Any, url: str) -> str | None:
    """libpq's own default, `prefer`, takes whatever answers, and plain text where nothing else is offered."""
    if is_local(connection.info.hostaddr or connection.info.host):
        return None
    mode = next((option.val for option in connection.pgconn.info if option.keyword == b"sslmode"), None)
    if connection.pgconn.ssl_in_use and mode in (b"verify-ca", b"verify-full"):
        return None
    how = "with nothing to prove who answers" if connection.pgconn.ssl_in_use else "without encryption"
    return f"{url} is reached over a network {how}; add sslmode=verify-full, and sslrootcert, to its URL"


def _rows_without_columns(count: int) -> Iterator[pa.RecordBatch]:
    for start in range(0, max(count, 1), BATCH_ROWS):
        rows = pa.nulls(min(BATCH_ROWS, count - start), pa.bool_())
        yield pa.RecordBatch.from_arrays([rows], names=["row"]).select([])
