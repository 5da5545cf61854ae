"""What a MySQL or MariaDB database declares beside its tables; users and their rights are left out.

Views, routines and triggers come without their DEFINER: who creates them in the target is it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from dbsynth.schema import DatabaseObject

from .ddl import MYSQL
from .mysql_names import Names
from .objects import Failures, attempt

__all__ = ["Query", "create_objects", "read_objects"]

Query = Callable[..., list[tuple[Any, ...]]]  # statement, then parameters -> all rows

_DEFINER = re.compile(r" DEFINER=`(?:[^`]|``)*`@`(?:[^`]|``)*`")
# By kind: a query for names in an order to create them in, the SHOW statement, and where it shows the text.
_LISTED = (
    ("sequence", "SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = %s AND TABLE_TYPE = 'SEQUENCE' "
     "ORDER BY BINARY TABLE_NAME", 1),
    ("function", "SELECT ROUTINE_NAME FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA = %s "
     "AND ROUTINE_TYPE = 'FUNCTION' ORDER BY BINARY ROUTINE_NAME", 2),
    ("procedure", "SELECT ROUTINE_NAME FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA = %s "
     "AND ROUTINE_TYPE = 'PROCEDURE' ORDER BY BINARY ROUTINE_NAME", 2),
    ("view", "SELECT TABLE_NAME FROM information_schema.VIEWS WHERE TABLE_SCHEMA = %s ORDER BY BINARY TABLE_NAME", 1),
    ("trigger", "SELECT TRIGGER_NAME FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = %s "
     "ORDER BY BINARY EVENT_OBJECT_TABLE, EVENT_MANIPULATION, ACTION_TIMING, ACTION_ORDER", 2),
)  # fmt: skip
_PARTITIONS = (
    "SELECT DISTINCT TABLE_NAME, PARTITION_NAME FROM information_schema.PARTITIONS "
    "WHERE TABLE_SCHEMA = %s AND PARTITION_NAME IS NOT NULL ORDER BY BINARY TABLE_NAME, BINARY PARTITION_NAME"
)
_DENIED = 1142  # the server's number: a view's text needs SHOW VIEW, which who reads its rows may lack
_EVENTS = "SELECT EVENT_NAME FROM information_schema.EVENTS WHERE EVENT_SCHEMA = %s ORDER BY BINARY EVENT_NAME"


def read_objects(query: Query, database: str) -> Iterator[DatabaseObject]:
    """Everything beside the tables; by name only what stays behind, or what the user may not see the text of.

    A routine or trigger that runs a string with the database's name in it would reach this database from any other:
    it is of a kind of its own, which stays behind.
    """
    folds = bool(query("SELECT @@lower_case_table_names")[0][0])
    for table, partition in query(_PARTITIONS, database):
        yield DatabaseObject("partition", f"{table}.{partition}", part_of_tables=True)
    for kind, listed, place in _LISTED:
        for (name,) in query(listed, database):
            shown = _shown(query, database, kind, name)
            if shown is None or shown[place] is None:
                yield DatabaseObject(kind, name)
                continue
            # Routines and triggers keep the mode in which they were written.
            mode = shown[1] if place == 2 else ""
            names = Names(database, mode, folds)
            text = names.removed_from(_DEFINER.sub("", shown[place], count=1))
            if place == 2 and names.are_meant_by(text):
                yield DatabaseObject(f"dynamic {kind}", name)
                continue
            first = (f"SET SESSION sql_mode = {MYSQL.literal(mode)}",) if place == 2 else ()
            yield DatabaseObject(kind, name, (*first, text))
    for (name,) in query(_EVENTS, database):
        yield DatabaseObject("event", name)


def _shown(query: Query, database: str, kind: str, name: str) -> tuple[Any, ...] | None:
    import pymysql

    try:
        return query(f"SHOW CREATE {kind.upper()} {MYSQL.quote(database)}.{MYSQL.quote(name)}")[0]
    except pymysql.err.OperationalError as error:
        if error.args[0] != _DENIED:
            raise
        return None


def create_objects(query: Query, database: str, objects: Iterable[DatabaseObject]) -> Failures:
    """Create in the current database those that are not there yet; what the server refuses, and why."""
    import pymysql

    wanted = [found for found in objects if found.statements]
    if not wanted:
        return {}
    taken = {(found.kind, found.name.lower()) for found in read_objects(query, database)}
    mode = query("SELECT @@SESSION.sql_mode")[0][0]

    def create(found: DatabaseObject) -> str | None:
        try:
            for statement in found.statements:
                query(statement)
        except pymysql.MySQLError as error:
            return str(error.args[-1] if error.args else error)
        finally:
            query(f"SET SESSION sql_mode = {MYSQL.literal(mode)}")
        return None

    return attempt((found for found in wanted if (found.kind, found.name.lower()) not in taken), create)
