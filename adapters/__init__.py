"""Live databases: `open_database(url)` gives an `Adapter` for SQLite, Postgres or MySQL/MariaDB.

Importing this package imports no driver; a driver is imported when a URL asks for it.
"""

from __future__ import annotations

from importlib import import_module

from dbsynth.errors import ConnectError

from .base import Adapter, Load, Mode, ServerIdentity, Snapshot, Violation
from .urls import parse_address

__all__ = ["Adapter", "Load", "Mode", "ServerIdentity", "Snapshot", "Violation", "open_database"]

# URL scheme -> module and class of the dialect.
_SCHEMES = {
    "sqlite": ("sqlite", "SQLiteAdapter"),
    "postgresql": ("postgres", "PostgresAdapter"),
    "postgres": ("postgres", "PostgresAdapter"),
    "postgresql+psycopg": ("postgres", "PostgresAdapter"),
    "mysql": ("mysql", "MySQLAdapter"),
    "mariadb": ("mysql", "MySQLAdapter"),
    "mysql+pymysql": ("mysql", "MySQLAdapter"),
    "mariadb+pymysql": ("mysql", "MySQLAdapter"),
}


def open_database(url: str) -> Adapter:
    """The database at a URL, reached once to see that address and credentials are right.

    `postgresql://`, `postgres://`, `postgresql+psycopg://`, `mysql://`, `mariadb://`, `mysql+pymysql://`,
    `sqlite:///relative/path` and `sqlite:////absolute/path`. A SQLite file that does not exist is a database to load
    into; reading from it is a ConnectError.

    Raises:
        ConnectError: unknown scheme, no server there, wrong password, no such database, driver not installed.
    """
    address = parse_address(url)
    if address.scheme not in _SCHEMES:
        known = "postgresql://, mysql://, mariadb:// or sqlite:///"
        raise ConnectError(f"unknown kind of database {address.scheme!r} in {address.masked!r}; expected {known}")
    module, adapter = _SCHEMES[address.scheme]
    return getattr(import_module(f".{module}", __name__), adapter)(address)
