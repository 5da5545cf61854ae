"""The dialects that the contract suite runs over, and what the suite does to each of them.

A dialect is one entry of `DIALECTS`, a fixture `new_<dialect>`, and a file `rich_<dialect>.sql`: a schema with
everything the dialect's adapter promises to carry, and a few rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from adapters import Adapter, Mode, open_database
from dbsynth.schema import Schema, Table

DIALECTS = ["sqlite", "postgres", "mysql"]


@dataclass
class Database:
    """One dialect's server: databases, SQL past the adapter, and whole copies through it."""

    dialect: str
    new: Callable[[], str]  # the URL of an empty database
    sql: Callable[[str, str], list[tuple[Any, ...]]]

    def quote(self, name: str) -> str:
        mark = "`" if self.dialect == "mysql" else '"'
        return mark + name.replace(mark, mark * 2) + mark

    def make(self, statements: str) -> str:
        """The URL of a new database in which these statements have run."""
        url = self.new()
        self.sql(url, statements)
        return url

    def rich(self) -> str:
        """The URL of a new database made by `rich_<dialect>.sql`."""
        return self.make((Path(__file__).parent / f"rich_{self.dialect}.sql").read_text())


def copy(source: Adapter, target: Adapter, mode: Mode = Mode.CREATE, schema: Schema | None = None) -> Schema:
    """Carry schema and rows from one database to another; the schema."""
    schema = schema or source.read_schema()
    with source.snapshot() as snapshot, target.load(schema, mode) as load:
        for table in schema.tables:
            load.write_rows(table, snapshot.read_rows(table, written_columns(table)))
    return schema


def written_columns(table: Table) -> list[str]:
    return [column.name for column in table.columns if not column.generated]


def rows(adapter: Adapter, schema: Schema | None = None) -> dict[str, list[dict[str, Any]]]:
    """All rows of all tables, in an order that does not depend on how they are stored."""
    schema = schema or adapter.read_schema()
    with adapter.snapshot() as snapshot:
        tables = {t.name: pa.Table.from_batches(snapshot.read_rows(t, written_columns(t))) for t in schema.tables}
    return {name: sorted(table.to_pylist(), key=repr) for name, table in tables.items()}


@pytest.fixture
def open_url() -> Iterable[Callable[[str], Adapter]]:
    """`open_database`, with everything closed after the test."""
    opened: list[Adapter] = []

    def open_one(url: str) -> Adapter:
        opened.append(open_database(url))
        return opened[-1]

    yield open_one
    for adapter in opened:
        with closing(adapter):
            pass


@pytest.fixture
def copy_database() -> Callable[..., Schema]:
    return copy


@pytest.fixture
def rows_of() -> Callable[..., dict[str, list[dict[str, Any]]]]:
    return rows


@pytest.fixture
def database_of(request: pytest.FixtureRequest, sql: Any) -> Callable[[str], Database]:
    """The `Database` of a dialect by name."""

    def get(dialect: str) -> Database:
        if not (Path(__file__).parents[2] / "adapters" / f"{dialect}.py").exists():
            pytest.skip(f"no adapter for {dialect}")
        return Database(dialect, request.getfixturevalue(f"new_{dialect}"), sql)

    return get


@pytest.fixture(params=DIALECTS)
def database(request: pytest.FixtureRequest, database_of: Callable[[str], Database]) -> Database:
    """Every dialect in turn."""
    return database_of(request.param)


_TWO_TABLES = """
    CREATE TABLE parent (id int PRIMARY KEY AUTO_INCREMENT, name varchar(20) UNIQUE,
        kind varchar(9) NOT NULL DEFAULT 'k', CHECK (name <> 'bad'));
    CREATE TABLE child (id int PRIMARY KEY AUTO_INCREMENT, parent int,
        CONSTRAINT child_parent FOREIGN KEY (parent) REFERENCES parent (id));
    INSERT INTO parent (name) VALUES ('a'), ('b');
    INSERT INTO child (parent) VALUES (1), (NULL);
"""


@pytest.fixture
def two_tables(mysql_url, sql):
    """The URL of a database with a parent and a child table, two rows each."""
    sql(mysql_url, _TWO_TABLES)
    return mysql_url
