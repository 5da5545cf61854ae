"""What a SQLite file declares beside its tables: views, triggers, and virtual tables, which stay behind."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator

from dbsynth.schema import DatabaseObject

from .ddl import SQLITE
from .objects import Failures, attempt

__all__ = ["create_objects", "read_objects"]

_KINDS = {"view": "view", "trigger": "trigger", "table": "virtual table"}
_QUERY = """
    SELECT type, name, sql FROM sqlite_master
    WHERE type IN ('view', 'trigger') OR type = 'table' AND sql LIKE 'CREATE VIRTUAL TABLE%'
    ORDER BY type = 'trigger', name
"""
# What compiles a trigger's body, of which CREATE TRIGGER only reads the words.
_TRIALS = ("EXPLAIN INSERT INTO {0} DEFAULT VALUES", "EXPLAIN UPDATE {0} SET {1} = {1}", "EXPLAIN DELETE FROM {0}")


def read_objects(connection: sqlite3.Connection) -> Iterator[DatabaseObject]:
    """Views before triggers; triggers of whatever table or view."""
    for kind, name, sql in connection.execute(_QUERY):
        yield DatabaseObject(_KINDS[kind], name, () if kind == "table" else (sql,))


def create_objects(connection: sqlite3.Connection, objects: Iterable[DatabaseObject]) -> Failures:
    """Create those whose names are free, all of whose words mean something here; what fails, and why.

    SQLite takes a view or a trigger of tables that are not there, and then fails whoever uses it.
    """
    taken = {name.lower() for (name,) in connection.execute("SELECT name FROM sqlite_master")}
    wanted = [found for found in objects if found.name.lower() not in taken]

    def create(found: DatabaseObject) -> str | None:
        connection.execute("SAVEPOINT object")
        try:
            for statement in found.statements:
                connection.execute(statement)
            for statement in _trials(connection, found):
                connection.execute(statement)
        except sqlite3.Error as error:
            connection.execute("ROLLBACK TO object")
            return str(error)
        finally:
            connection.execute("RELEASE object")
        return None

    return attempt(wanted, create)


def _trials(connection: sqlite3.Connection, found: DatabaseObject) -> Iterator[str]:
    if found.kind == "view":
        yield f"EXPLAIN SELECT * FROM {SQLITE.quote(found.name)}"
        return
    query = "SELECT tbl_name FROM sqlite_master WHERE type = 'trigger' AND name = ?"
    table = SQLITE.quote(connection.execute(query, [found.name]).fetchone()[0])
    columns = connection.execute(f"PRAGMA table_xinfo({table})").fetchall()
    column = next((SQLITE.quote(row[1]) for row in columns if not row[6]), None)
    yield from (trial.format(table, column) for trial in _TRIALS if column)
