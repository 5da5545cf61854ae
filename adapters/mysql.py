"""MySQL and MariaDB: connection, snapshot, validation. `mysql_schema` reads the schema, `mysql_load` writes."""

from __future__ import annotations

import ssl
import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from functools import partial
from typing import Any

import pyarrow as pa

from dbsynth.errors import ConnectError, DbsynthError, SourceError, TargetError
from dbsynth.schema import Column, Kind, Schema, Table

from .advice import Trouble, with_advice
from .alter import alterations
from .base import Mode, ServerIdentity, Violation, arrow_schema
from .checks import count_violations, refuse_changes
from .ddl import MYSQL
from .mysql_fit import fit, without_sequences
from .mysql_journal import remove_leftovers
from .mysql_load import InPlaceLoad, StagedLoad, refuse
from .mysql_lock import take_lock
from .mysql_rows import STAGING_MARK, is_geometry
from .mysql_schema import Query, read_schema
from .mysql_wire import read_batches
from .objects import left_behind
from .standing import refuse_misfits
from .translation import translate
from .urls import Address, is_local

__all__ = ["MySQLAdapter"]

# Bad values are refused and not bent; 0 is a value for an auto-increment column; a zero date may stand where it stood.
_SQL_MODE = "STRICT_ALL_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION,NO_AUTO_VALUE_ON_ZERO"
_SESSION = {
    "time_zone": "'+00:00'",
    "sql_mode": f"'{_SQL_MODE}'",
    "sql_notes": "0",  # a decimal rounded to its column's digits is no warning
    "lock_wait_timeout": "60",  # seconds; the server's own limit for a table that another session holds is a day
    "wait_timeout": "28800",  # seconds between two statements
    "group_concat_max_len": "1000000",
}
# Text by its bytes, spaces at the end included: MariaDB's, MySQL 8's, and what older servers have.
_KEY_COLLATIONS = ("utf8mb4_nopad_bin", "utf8mb4_0900_bin", "utf8mb4_bin")
_TLS_FILES = {"ssl_ca", "ssl_cert", "ssl_key"}
_FLAGS = {"ssl", "ssl_disabled", "ssl_verify_cert", "ssl_verify_identity"}


# Nobody answers (2002, 2003, 2006, 2013), no room (1040, 1203), on its way out (1053).
_PASSING = frozenset({1040, 1053, 1203, 2002, 2003, 2006, 2013})

_TROUBLES = {
    1021: Trouble.FULL,
    1040: Trouble.CROWDED,
    1044: Trouble.NOT_LET_IN,
    1045: Trouble.STRANGER,
    1049: Trouble.NO_DATABASE,
    1114: Trouble.FULL,
    1130: Trouble.STRANGER,  # no user of that name from this host
    1142: Trouble.NO_RIGHT,
    1143: Trouble.NO_RIGHT,
    1203: Trouble.CROWDED,
    1205: Trouble.HELD,
    1226: Trouble.CROWDED,
    1227: Trouble.NO_RIGHT,
    1290: Trouble.READ_ONLY,
    1698: Trouble.STRANGER,
    2003: Trouble.NOBODY,
    2006: Trouble.LOST,
    2013: Trouble.LOST,
}


class MySQLAdapter:
    """A MySQL or MariaDB database."""

    dialect = "mysql"

    def __init__(self, address: Address) -> None:
        self._address = address
        if not address.database:
            raise ConnectError(f"{address.masked!r} names no database; expected mysql://user@host/database")
        try:
            import pymysql
        except ImportError as error:
            raise ConnectError("reaching MySQL or MariaDB needs its driver; pip install PyMySQL") from error
        self._driver = pymysql
        self._lock: Any = None  # the session that holds the target, while there is one
        self.database = address.database
        with closing(self._connect()) as connection, self._errors(ConnectError):
            query = partial(_query, connection)
            self.identity = _identity(query, self.database)
            self.unverified = _unverified(connection, address)
            self._key_collation = next(name for name in _KEY_COLLATIONS if query("SHOW COLLATION LIKE %s", name))

    @property
    def url(self) -> str:
        return self._address.masked

    def close(self) -> None:
        """Nothing stays open between calls."""

    def read_schema(self) -> Schema:
        """All tables of the database.

        One pass over tables with a tinyint(1), a time, or a date that cannot be null settles which kind these are: a
        NOT NULL column with zero dates, or times beyond a day, is `Kind.OTHER`, its values as text.
        """
        with closing(self._connect()) as connection, self._errors(SourceError):
            return read_schema(partial(_query, connection), self.database)

    @contextmanager
    def snapshot(self) -> Iterator[MySQLSnapshot]:
        """All InnoDB tables as they are now, in one REPEATABLE READ transaction of a session that cannot write.

        Raises:
            SourceError: at the end, if a table was altered meanwhile; names it.
        """
        with closing(self._connect()) as connection:
            with self._errors(SourceError):
                _query(connection, "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
                _query(connection, "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY")
                before = read_schema(partial(_query, connection), self.database, probe=False)
            yield MySQLSnapshot(self, connection)
            with self._errors(SourceError):
                refuse_changes(before, read_schema(partial(_query, connection), self.database, probe=False))

    def losses(self, schema: Schema) -> list[str]:
        return [*self._in_own_words(schema)[1], *left_behind(schema, self.dialect)]

    def check_target(self, schema: Schema, mode: Mode) -> list[str]:
        wanted, _ = self._in_own_words(schema.declared)
        with closing(self._connect()) as connection, self._errors(TargetError):
            query = partial(_query, connection)
            refuse_misfits(schema, wanted, read_schema(query, self.database, probe=False), MYSQL)
            standing = refuse(query, self.database, wanted, mode)
        if not set(wanted.table_names) & set(standing.table_names):
            return self._rehearse(wanted)
        return []

    def alterations(self, schema: Schema, gone: Mapping[str, Collection[str]]) -> list[str]:
        wanted, _ = self._in_own_words(schema.declared)
        with closing(self._connect()) as connection, self._errors(TargetError):
            found = read_schema(partial(_query, connection), self.database, probe=False)
        return alterations(wanted, found, gone, MYSQL)

    def _rehearse(self, schema: Schema) -> list[str]:
        """Create everything without a row in a staging database, and drop that: what the server refuses it says now."""
        with self.lock(), closing(self._connect()) as connection, self._errors(TargetError):
            query = partial(_query, connection)
            try:
                load = StagedLoad(connection, query, self.database, schema, Mode.CREATE)
                load.prepare()
                return load.losses  # of a load that was killed
            finally:
                remove_leftovers(query, self.database)

    @contextmanager
    def lock(self) -> Iterator[None]:
        """A named lock of a session of its own: gone with it, however it ends."""
        if self._lock is not None:
            with self._errors(TargetError):
                _query(self._lock, "SELECT 1")  # who lost the connection lost the lock
            yield
            return
        with closing(self._connect()) as connection:
            with self._errors(TargetError):
                take_lock(partial(_query, connection), self.database, self.url)
            self._lock = connection
            try:
                yield
            finally:
                self._lock = None

    @contextmanager
    def load(self, schema: Schema, mode: Mode = Mode.CREATE) -> Iterator[_Writing]:
        """Tables and rows gather in a staging database; one RENAME TABLE at the end puts them in place."""
        schema, _ = self._in_own_words(schema)
        with self.lock(), closing(self._connect()) as connection:
            query = partial(_query, connection)
            try:
                with self._errors(TargetError):
                    take_lock(query, self.database, self.url, statements=True)
                    if mode is Mode.IN_PLACE:
                        load = InPlaceLoad(connection, query, self.database, schema)
                    else:
                        load = StagedLoad(connection, query, self.database, schema, mode)
                    load.prepare()
                yield _Writing(self, load)
                with self._errors(TargetError):
                    load.publish()
            except BaseException as error:
                lost = self._abandon(connection)
                if lost and isinstance(error, TargetError):
                    raise TargetError("; ".join([str(error), *lost])) from error
                raise

    def _abandon(self, connection: Any) -> list[str]:
        """Clean up over a new connection: an interrupted one may still be at work on its last statement.

        Returns:
            What could not be put back as it was.
        """
        number = connection.thread_id()
        with suppress(DbsynthError, self._driver.MySQLError), closing(self._connect()) as other:
            query = partial(_query, other)
            with suppress(self._driver.MySQLError):
                query(f"KILL {number}")
            deadline, alive = time.monotonic() + 30, "SELECT 1 FROM information_schema.PROCESSLIST WHERE ID = %s"
            while query(alive, number) and time.monotonic() < deadline:
                time.sleep(0.05)
            take_lock(query, self.database, self.url, statements=True)
            return remove_leftovers(query, self.database)
        return []

    def validate(self, schema: Schema) -> list[Violation]:
        schema, _ = self._in_own_words(schema)
        with closing(self._connect()) as connection, self._errors(SourceError):
            query = partial(_query, connection)
            return count_violations(schema, MYSQL, lambda statement: int(query(statement)[0][0]))

    def _in_own_words(self, schema: Schema) -> tuple[Schema, list[str]]:
        """The schema as this server would have it, and what is lost on the way."""
        if schema.dialect == self.dialect:
            return without_sequences(schema)
        schema, losses = translate(schema, MYSQL)
        schema, more = fit(schema, self._key_collation)
        return schema, losses + more

    def _connect(self) -> Any:
        """A new connection: UTC, strict, every statement a transaction of its own."""
        settings = ", ".join(f"{name} = {value}" for name, value in _SESSION.items())
        try:
            arguments = _connect_arguments(self._address)
            return self._driver.connect(
                autocommit=True, local_infile=True, init_command=f"SET SESSION {settings}", **arguments
            )
        except (self._driver.MySQLError, RuntimeError, OSError, ValueError, LookupError) as error:
            # PyMySQL raises RuntimeError where the way the server logs a user in needs one more package.
            reason = self._address.scrub(error.args[-1] if error.args else error)
            number = error.args[0] if error.args else None
            said = with_advice(f"cannot connect to {self.url}: {reason}", _TROUBLES.get(number), ConnectError)
            raise ConnectError(said, may_pass=number in _PASSING) from None

    @contextmanager
    def _errors(self, error_class: type[DbsynthError], table: str | None = None) -> Iterator[None]:
        try:
            yield
        except self._driver.MySQLError as error:
            said = STAGING_MARK.sub("", str(error.args[-1] if error.args else error))
            about = f" table {table!r}:" if table is not None else ""
            trouble = _TROUBLES.get(error.args[0]) if error.args else None
            said = with_advice(f"{self.url}:{about} {self._address.scrub(said)}", trouble, error_class)
            raise error_class(said) from error


class _Writing:
    """What a caller sees of a load that has begun."""

    def __init__(self, adapter: MySQLAdapter, load: StagedLoad | InPlaceLoad) -> None:
        self._adapter = adapter
        self._load = load

    def write_rows(self, table: Table, batches: Iterable[pa.RecordBatch]) -> int:
        with self._adapter._errors(TargetError):
            return self._load.write_rows(table, batches)

    @property
    def losses(self) -> list[str]:
        return self._load.losses

    def validate(self) -> list[Violation]:
        with self._adapter._errors(TargetError):
            return self._load.validate()


class MySQLSnapshot:
    """One transaction that sees all tables as they were when it began, and cannot write."""

    def __init__(self, adapter: MySQLAdapter, connection: Any) -> None:
        self._adapter = adapter
        self._connection = connection

    def count_rows(self, table: Table) -> int:
        with self._adapter._errors(SourceError, table.name):
            return _query(self._connection, f"SELECT COUNT(*) FROM {MYSQL.table_name(table)}")[0][0]

    def read_rows(self, table: Table, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """The fields' text off the wire, parsed by Arrow; about 4 MiB a batch. A nullable zero date is read as null.

        Raises:
            SourceError: the server's word, or a value that came after the schema was read and that no longer fits.
        """
        if not columns:
            yield from _rows_without_columns(self.count_rows(table))
            return
        fields = ", ".join(_read_expression(table.column(name)) for name in columns)
        statement = f"SELECT {fields} FROM {MYSQL.table_name(table)}"
        with self._adapter._errors(SourceError, table.name):
            try:
                yield from read_batches(self._connection, statement, arrow_schema(table, columns), self._cancel)
            except pa.ArrowInvalid as error:
                raise SourceError(
                    f"table {table.name!r} holds a value its column's type cannot take: {error}; read the schema again"
                ) from error

    def _cancel(self) -> None:
        with suppress(DbsynthError, self._adapter._driver.MySQLError), closing(self._adapter._connect()) as other:
            _query(other, f"KILL QUERY {self._connection.thread_id()}")


def _query(connection: Any, statement: str, *parameters: Any) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters or None)
        return list(cursor.fetchall())


def _identity(query: Query, database: str) -> ServerIdentity:
    """MySQL has a number of its own for every server; MariaDB has one for every machine and port."""
    names = "('server_uuid', 'server_uid', 'hostname', 'port', 'datadir', 'lower_case_table_names')"
    facts = dict(query(f"SHOW GLOBAL VARIABLES WHERE Variable_name IN {names}"))
    place = " ".join(facts.get(name, "") for name in ("server_uid", "hostname", "port", "datadir"))
    server = facts.get("server_uuid") or place
    folded = facts.get("lower_case_table_names", "0") != "0"
    return ServerIdentity("mysql", frozenset({server}), database.lower() if folded else database)


def _unverified(connection: Any, address: Address) -> str | None:
    """The driver's own default encrypts where the server can, and asks for no proof."""
    if is_local(address.host) or "unix_socket" in address.options:
        return None
    encrypted = isinstance(connection._sock, ssl.SSLSocket)
    if encrypted and connection._sock.context.verify_mode is ssl.CERT_REQUIRED:
        return None
    how = "with nothing to prove who answers" if encrypted else "without encryption"
    return f"{address.masked} is reached over a network {how}; add ssl_mode=VERIFY_IDENTITY, and ssl_ca, to its URL"


def _rows_without_columns(count: int) -> Iterator[pa.RecordBatch]:
    step = 50_000
    for start in range(0, max(count, 1), step):
        rows = pa.nulls(min(step, count - start), pa.bool_())
        yield pa.RecordBatch.from_arrays([rows], names=["row"]).select([])


def _read_expression(column: Column) -> str:
    """What to select so that the field's text is one that Arrow's type, or the column itself, reads back unchanged."""
    name = MYSQL.quote(column.name)
    if column.native_type == "bit(1)":
        return f"{name} + 0"
    if column.native_type.startswith("bit("):
        digits = column.native_type[4:-1]
        return f"LPAD(BIN({name} + 0), {digits}, '0')"
    if column.kind is Kind.FLOAT and column.native_type.startswith("float"):
        return f"{name} + 0e0"  # a float's own text has six digits only
    if column.kind in (Kind.DATE, Kind.TIMESTAMP, Kind.TIMESTAMPTZ):
        return f"IF(MONTH({name}) = 0 OR DAYOFMONTH({name}) = 0, NULL, {name})"  # a zero date is no date
    if is_geometry(column):
        return f"HEX({name})"
    return name


def _connect_arguments(address: Address) -> dict[str, Any]:
    """PyMySQL's arguments for an address; its options are those of PyMySQL's `connect` that a URL can hold."""
    from pymysql.charset import charset_by_name

    options = dict(address.options)
    if charset_by_name(options.pop("charset", "utf8mb4")) is None:
        raise ValueError(f"unknown charset {address.options['charset']!r}; leave it out or write utf8mb4")
    arguments: dict[str, Any] = {
        "host": address.host or "localhost",
        "port": address.port or 3306,
        "user": address.user,
        "password": (address.password or "").encode(),
        "database": address.database,
        "charset": "utf8mb4",  # what rows cross in, whatever the tables are stored in
        "connect_timeout": int(options.pop("connect_timeout", 10)),
    }
    if "unix_socket" in options:
        arguments["unix_socket"] = options.pop("unix_socket")
    mode = options.pop("ssl_mode", options.pop("ssl-mode", "")).upper()
    for name in [name for name in options if name in _TLS_FILES | _FLAGS]:
        value = options.pop(name)
        arguments[name] = value if name in _TLS_FILES else value.lower() in ("1", "true", "yes", "on")
    if options:
        known = "charset, connect_timeout, unix_socket, ssl_mode, ssl_ca, …"
        raise ValueError(f"unknown option {sorted(options)[0]!r}; expected {known}")
    if arguments.pop("ssl", False) and not mode:
        mode = "REQUIRED"
    return arguments | _tls(mode)


def _tls(mode: str) -> dict[str, Any]:
    """What an `ssl_mode`, as MySQL's own client has it, means for PyMySQL."""
    if mode == "REQUIRED":  # encrypted, to whomever
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        return {"ssl": context}
    modes = {
        "": {},
        "PREFERRED": {},
        "DISABLED": {"ssl_disabled": True},
        "VERIFY_CA": {"ssl_verify_cert": True},
        "VERIFY_IDENTITY": {"ssl_verify_cert": True, "ssl_verify_identity": True},
    }
    if mode not in modes:
        raise ValueError(f"unknown ssl_mode {mode!r}; expected REQUIRED or one of {', '.join(filter(None, modes))}")
    return modes[mode]
