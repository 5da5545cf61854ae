"""What a RENAME TABLE would lose, kept in a journal: it is seen to after it, even if the load is killed in between."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

from .ddl import MYSQL
from .mysql_objects import Query
from .mysql_references import name_in

__all__ = ["Empty", "Step", "remove_leftovers", "restore", "staging_prefix", "write_journal", "written_under"]

_JOURNAL = "dbsynth journal"
# The server's numbers where a statement was not refused but cut short: shutdown, KILL QUERY, KILL; the driver's for a
# lost connection are from 2000 to 2999.
_CUT_SHORT = frozenset({1053, 1317, 1927, *range(2000, 3000)})


@dataclass(frozen=True)
class Step:
    """A trigger of a table that is replaced, or a foreign key of another table to it.

    Attributes:
        kind: "trigger" or "foreign key".
        drop, create: statements.
        mode, collation: the session's when a trigger was written; no collation for a foreign key.
        orphans: a query that counts the rows which break a foreign key; empty for a trigger.
    """

    kind: str
    database: str
    table: str
    name: str
    drop: str
    create: str
    mode: str = ""
    collation: str = ""
    orphans: str = ""


@dataclass(frozen=True)
class Empty:
    """A table that is replaced, and had no rows at the last look.

    No lock can be held from that look on: MariaDB renames no table that a session has locked.

    Attributes:
        kept: the table that takes the rows which came all the same, if any did.
    """

    table: str
    kept: str


def write_journal(query: Query, staging: str, steps: Iterable[Step | Empty]) -> None:
    """Note in the staging database, to which the old tables go, what is about to be dropped and what may come."""
    journal = name_in(staging, _JOURNAL)
    query(f"CREATE TABLE {journal} (n INT PRIMARY KEY AUTO_INCREMENT, step LONGTEXT)")
    for step in steps:
        query(f"INSERT INTO {journal} (step) VALUES (%s)", json.dumps(asdict(step)))


def remove_leftovers(query: Query, database: str) -> list[str]:
    """Do what the journal of a load says, and drop its staging databases, whether it ended or was killed.

    Either all new tables stand in the target and the staging databases hold the old ones, or the other way round; in
    both cases what is in them is no longer needed, but for rows that came at the last moment.

    Returns:
        A sentence for each thing that could not be restored as it was, or is elsewhere: the next load finds no trace of
        it.
    """
    folds_names = query("SELECT @@lower_case_table_names")[0][0]
    own = re.compile(re.escape(staging_prefix(database)) + "[0-9a-f]{8}(_old)?", re.IGNORECASE if folds_names else 0)
    found = [name for (name,) in query("SELECT SCHEMA_NAME FROM information_schema.SCHEMATA") if own.fullmatch(name)]
    losses: list[str] = []
    query("SET SESSION foreign_key_checks = 0")
    for name in found:
        if _has_table(query, name, _JOURNAL):
            query(f"USE {MYSQL.quote(database)}")
            for n, step in query(f"SELECT n, step FROM {name_in(name, _JOURNAL)} ORDER BY n"):
                said = json.loads(step)
                if "kept" in said:
                    losses += _keep_rows(query, database, name, Empty(**said))
                else:
                    losses += restore(query, Step(**said))
                query(f"DELETE FROM {name_in(name, _JOURNAL)} WHERE n = {n}")
        query(f"DROP DATABASE IF EXISTS {MYSQL.quote(name)}")
    query("SET SESSION foreign_key_checks = 1")
    return losses


def _keep_rows(query: Query, database: str, old: str, empty: Empty) -> list[str]:
    """Move rows that came into a table at the last moment into one of their own, and say so.

    Each statement may be the last one: the copy is made aside, and stands in the target whole or not at all.
    """
    rows, aside = name_in(old, empty.table), name_in(old, empty.kept)
    if not _has_table(query, old, empty.table) or not query(f"SELECT EXISTS (SELECT 1 FROM {rows})")[0][0]:
        return []
    if not _has_table(query, database, empty.kept):
        query(f"DROP TABLE IF EXISTS {aside}")
        query(f"CREATE TABLE {aside} AS SELECT * FROM {rows}")
        query(f"RENAME TABLE {aside} TO {name_in(database, empty.kept)}")
    return [f"rows that came into table {empty.table!r} at the last moment are in table {empty.kept!r}"]


def _has_table(query: Query, database: str, table: str) -> bool:
    condition = "TABLE_SCHEMA = %s AND TABLE_NAME = %s"
    return bool(query(f"SELECT 1 FROM information_schema.TABLES WHERE {condition}", database, table))


def restore(query: Query, step: Step) -> list[str]:
    """Create what a step took away, unless it stands; a sentence if that cannot be, or if rows break it."""
    import pymysql

    what = f"{step.kind} {step.name!r} of table {step.table!r}"
    try:
        if not _stands(query, step):
            with written_under(query, step.mode, step.collation):
                query(step.create)
        orphans = query(step.orphans)[0][0] if step.orphans else 0
    except pymysql.MySQLError as error:
        if error.args[0] in _CUT_SHORT:
            raise
        return [f"{what} could not be created again: {error.args[-1]}; when that is settled: {step.create}"]
    return [f"{what}: {orphans} rows that came while the load ran refer to no row"] if orphans else []


def _stands(query: Query, step: Step) -> bool:
    if step.kind == "trigger":
        found = query(
            "SELECT 1 FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = %s AND TRIGGER_NAME = %s",
            step.database, step.name,
        )  # fmt: skip
    else:
        found = query(
            "SELECT 1 FROM information_schema.TABLE_CONSTRAINTS WHERE CONSTRAINT_TYPE = 'FOREIGN KEY' "
            "AND TABLE_SCHEMA = %s AND TABLE_NAME = %s AND CONSTRAINT_NAME = %s",
            step.database, step.table, step.name,
        )  # fmt: skip
    return bool(found)


@contextmanager
def written_under(query: Query, mode: str, collation: str) -> Iterator[None]:
    """The session as it was when a trigger was written; without a collation, as it is.

    But for the client's character set: the statement travels in ours.
    """
    if not collation:
        yield
        return
    settings = "SET SESSION sql_mode = %s, collation_connection = %s"
    before: tuple[Any, ...] = query("SELECT @@SESSION.sql_mode, @@SESSION.collation_connection")[0]
    query(settings, mode, collation)
    try:
        yield
    finally:
        query(settings, *before)


def staging_prefix(database: str) -> str:
    """What the names of staging databases begin with; a name has 64 characters."""
    if len(database) > 40:
        database = f"{database[:31]}_{hashlib.sha256(database.encode()).hexdigest()[:8]}"
    return f"{database}__dbsynth_"
