"""MySQL and MariaDB: connection, snapshot, validation. `mysql_load` writes, `mysql_schema` reads the schema."""

from __future__ import annotations

import ssl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import Any

import pyarrow as pa

from dbsynth.errors import ConnectError, SourceError
from dbsynth.schema import Column, Kind, Schema, Table

from .base import Mode, ServerIdentity, Violation, arrow_schema
from .ddl import MYSQL
from .mysql_load import MySQLLoad, check_target
from .mysql_schema import read_schema
from .mysql_wire import read_batches
from .urls import Address

__all__ = ["MySQLAdapter"]

# Bad values are refused and not bent; 0 is a value for an auto-increment column; zero dates may be kept where they stood.
_SQL_MODE = "STRICT_ALL_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION,NO_AUTO_VALUE_ON_ZERO"


class MySQLAdapter:
    """A MySQL or MariaDB database."""

    dialect = "mysql"

    def __init__(self, address: Address) -> None:
        self._address = address
        if not address.database:
            raise ConnectError(f"{address.masked!r} names no database; expected mysql://user@host/database")
        self._arguments = _connect_arguments(address)
        self._connection = self.connect()

    @property
    def url(self) -> str:
        return self._address.masked

    @property
    def database(self) -> str:
        return self._address.database

    def connect(self) -> Any:
        """A new connection, in UTC, strict and with autocommit."""
        try:
            import pymysql
        except ImportError as error:
            raise ConnectError("MySQL and MariaDB need the driver PyMySQL: pip install PyMySQL") from error
        try:
            return pymysql.connect(
                database=self.database,
                autocommit=True,
                local_infile=True,
                init_command=f"SET SESSION time_zone = '+00:00', sql_mode = '{_SQL_MODE}'",
                **self._arguments,
            )
        except (pymysql.MySQLError, RuntimeError, OSError, ValueError, LookupError) as error:
            # PyMySQL raises RuntimeError where a server's way to log in needs a further package.
            reason = self._address.scrub(error.args[-1] if error.args else error)
            raise ConnectError(f"cannot connect to {self.url}: {reason}") from error

    def query(self, statement: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """All rows of a statement."""
        return _query(self._connection, statement, *parameters)

    @cached_property
    def identity(self) -> ServerIdentity:
        names = "('server_uuid', 'server_uid', 'hostname', 'port', 'datadir', 'lower_case_table_names')"
        facts = dict(self.query(f"SHOW GLOBAL VARIABLES WHERE Variable_name IN {names}"))
        fallback = [facts.get(name, "") for name in ("server_uid", "hostname", "port", "datadir")]
        folded = facts.get("lower_case_table_names", "0") != "0"
        server = facts.get("server_uuid") or ":".join(fallback)
        return ServerIdentity(self.dialect, server, self.database.lower() if folded else self.database)

    def read_schema(self) -> Schema:
        return read_schema(self.query, self.database)

    @contextmanager
    def snapshot(self) -> Iterator[MySQLSnapshot]:
        connection = self.connect()
        try:
            with connection.cursor() as cursor:
                cursor.execute("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
                cursor.execute("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY")
            yield MySQLSnapshot(self, connection)
        finally:
            connection.close()

    def losses(self, schema: Schema) -> list[str]:
        raise NotImplementedError

    def check_target(self, schema: Schema, mode: Mode) -> None:
        check_target(self, schema, mode)

    @contextmanager
    def load(self, schema: Schema, mode: Mode = Mode.CREATE) -> Iterator[MySQLLoad]:
        with MySQLLoad(self, schema, mode) as load:
            yield load

    def validate(self, schema: Schema) -> list[Violation]:
        raise NotImplementedError

    def close(self) -> None:
        if self._connection.open:
            self._connection.close()


class MySQLSnapshot:
    """One transaction that sees all tables as they were when it began; it cannot write."""

    def __init__(self, adapter: MySQLAdapter, connection: Any) -> None:
        self._adapter = adapter
        self._connection = connection

    def count_rows(self, table: Table) -> int:
        return _query(self._connection, f"SELECT COUNT(*) FROM {MYSQL.table_name(table)}")[0][0]

    def read_rows(self, table: Table, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        fields = ", ".join(_read_expression(table.column(name)) for name in columns)
        statement = f"SELECT {fields} FROM {MYSQL.table_name(table)}"
        try:
            yield from read_batches(self._connection, statement, arrow_schema(table, columns))
        except _driver_errors() as error:
            raise SourceError(f"reading table {table.name!r}: {error.args[-1]}") from error
        except pa.ArrowInvalid as error:
            raise SourceError(f"table {table.name!r} holds a value that its columns' types do not allow: {error}") from error


def _query(connection: Any, statement: str, *parameters: Any) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters or None)
        return list(cursor.fetchall())


def _driver_errors() -> type[Exception]:
    from pymysql import MySQLError

    return MySQLError


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
    return {}
