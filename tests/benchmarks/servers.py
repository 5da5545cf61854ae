"""Databases for a benchmark: made on servers or as files, spoken to past the adapters, dropped at the end."""

from __future__ import annotations

import argparse
import os
import platform
import secrets
import sqlite3
import tempfile
from contextlib import ExitStack, closing
from importlib.metadata import version
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit, urlunsplit


def add_server_options(parser: argparse.ArgumentParser) -> None:
    """`--postgres` and `--mysql`, with the tests' servers as defaults."""
    for name, local in (("postgres", "postgresql://postgres@127.0.0.1:5432/postgres"), ("mysql", "mysql://root@127.0.0.1")):
        variable = f"DBSYNTH_TEST_{name.upper()}_URL"
        about = f"a role that may create databases; else {variable}, else a local server"
        parser.add_argument(f"--{name}", metavar="URL", default=os.environ.get(variable, local), help=about)


class Servers:
    """`with Servers(...) as servers: servers.new("postgres")` makes empty databases; all are gone when it ends."""

    def __init__(self, postgres: str, mysql: str) -> None:
        self._servers = {"postgres": postgres, "mysql": mysql}
        self._cleanup = ExitStack()

    def __enter__(self) -> Servers:
        self._folder = Path(self._cleanup.enter_context(tempfile.TemporaryDirectory(prefix="dbsynth-bench-")))
        return self

    def __exit__(self, *error: Any) -> None:
        self._cleanup.close()

    @property
    def folder(self) -> Path:
        """A folder for files, removed at the end."""
        return self._folder

    def new(self, dialect: str) -> str:
        """The URL of a new, empty database."""
        name = f"dbsynth_bench_{secrets.token_hex(5)}"
        if dialect == "sqlite":
            return f"sqlite:///{self._folder / name}.db"
        server, force = self._servers[dialect], " WITH (FORCE)" if dialect == "postgres" else ""
        run_sql(server, f"CREATE DATABASE {name}" + (" CHARACTER SET utf8mb4" if dialect == "mysql" else ""))
        self._cleanup.callback(run_sql, server, f"DROP DATABASE {name}{force}")
        return urlunsplit(urlsplit(server)._replace(path=f"/{name}"))

    def words(self, dialect: str) -> str:
        """What the server says it is."""
        if dialect == "sqlite":
            return f"SQLite {sqlite3.sqlite_version}"
        text = run_sql(self._servers[dialect], "SELECT version()")[0][0]
        name = "PostgreSQL" if dialect == "postgres" else "MariaDB" if "MariaDB" in text else "MySQL"
        return f"{name} {text.removeprefix('PostgreSQL ').split()[0].split('-')[0]}"


def dialect_of(url: str) -> str:
    scheme = urlsplit(url).scheme.split("+")[0]
    return {"sqlite": "sqlite", "postgresql": "postgres", "postgres": "postgres"}.get(scheme, "mysql")


def quote(url: str, name: str) -> str:
    """The name as the dialect of that URL quotes it."""
    mark = "`" if dialect_of(url) == "mysql" else '"'
    return mark + name.replace(mark, 2 * mark) + mark


def run_sql(url: str, *statements: str) -> list[tuple[Any, ...]]:
    """Run statements at a URL, each for itself; the rows of the last one."""
    parts, rows = urlsplit(url), []
    if dialect_of(url) == "sqlite":
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)) as connection:
            for statement in statements:
                rows = connection.execute(statement).fetchall()
        return rows
    if dialect_of(url) == "postgres":
        import psycopg

        with psycopg.connect(urlunsplit(parts._replace(scheme="postgresql")), autocommit=True) as connection:
            for statement in statements:
                cursor = connection.execute(statement)
                rows = cursor.fetchall() if cursor.description else []
        return rows
    import pymysql

    with closing(pymysql.connect(
        host=parts.hostname or "127.0.0.1", port=parts.port or 3306, user=unquote(parts.username or "root"),
        password=unquote(parts.password or ""), database=parts.path[1:] or None, autocommit=True,
    )) as connection, connection.cursor() as cursor:  # fmt: skip
        for statement in statements:
            cursor.execute(statement)
        return list(cursor.fetchall())


def machine() -> str:
    """Where figures were taken, in one line."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"{cores} cores ({_processor()}), Python {platform.python_version()}, torch {version('torch')}"


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
