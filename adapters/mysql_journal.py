"""What a load into MySQL leaves behind when it is killed, and how the next one puts that right."""

from __future__ import annotations

import hashlib
import re
from typing import Any

from .ddl import MYSQL
from .mysql_objects import Query
from .mysql_references import name_in

__all__ = ["JOURNAL", "remove_leftovers", "restore", "staging_prefix"]

JOURNAL = "dbsynth journal"


def remove_leftovers(query: Query, database: str) -> None:
    """Restore what the journal of a load says, and drop its staging databases, whether it ended or was killed.

    Either all new tables stand in the target and the staging databases hold the old ones, or the other way round; in
    both cases what is in them is no longer needed.
    """
    folds_names = query("SELECT @@lower_case_table_names")[0][0]
    own = re.compile(re.escape(staging_prefix(database)) + "[0-9a-f]{8}(_old)?", re.IGNORECASE if folds_names else 0)
    found = [name for (name,) in query("SELECT SCHEMA_NAME FROM information_schema.SCHEMATA") if own.fullmatch(name)]
    query("SET SESSION foreign_key_checks = 0")
    for name in found:
        if query("SELECT 1 FROM information_schema.TABLES WHERE TABLE_SCHEMA = %s AND TABLE_NAME = %s", name, JOURNAL):
            query(f"USE {MYSQL.quote(database)}")
            for n, statement in query(f"SELECT n, statement FROM {name_in(name, JOURNAL)} ORDER BY n"):
                restore(query, statement)
                query(f"DELETE FROM {name_in(name, JOURNAL)} WHERE n = {n}")
        query(f"DROP DATABASE IF EXISTS {MYSQL.quote(name)}")
    query("SET SESSION foreign_key_checks = 1")


def restore(query: Query, statement: str) -> None:
    """Create a trigger or a foreign key; where it stands already it was never dropped."""
    driver = _driver()
    try:
        query(statement)
    except driver.MySQLError as error:
        if error.args[0] not in (1359, 1826, 1005, 1022, 121):
            raise


def staging_prefix(database: str) -> str:
    """What the names of staging databases begin with; a name has 64 characters."""
    if len(database) > 40:
        database = f"{database[:31]}_{hashlib.sha256(database.encode()).hexdigest()[:8]}"
    return f"{database}__dbsynth_"


def _driver() -> Any:
    import pymysql

    return pymysql
