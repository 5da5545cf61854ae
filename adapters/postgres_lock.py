"""Locks in Postgres: one load at a time into a database, and tables that others read."""

from __future__ import annotations

import time
from typing import Any

from dbsynth.errors import TargetError

from .postgres_catalog import scalar

__all__ = ["lock_tables", "take_lock"]

_KEY = 0x64627379_6E7468  # "dbsynth"; advisory locks are of one database
_RUN_SECONDS = 4.0  # a server needs a moment to notice that a client was killed

_LOCK_TIMEOUT = "500ms"  # below the server's deadlock_timeout: we give way first, and nobody queues behind us for long
_PATIENCE = 600.0  # seconds in which the tables must have been free for a moment
_LONGEST_PAUSE = 5.0  # seconds between two attempts


def take_lock(connection: Any, url: str) -> None:
    """Hold the database until the session ends.

    Raises:
        TargetError: another session holds it; says which.
    """
    deadline = time.monotonic() + _RUN_SECONDS
    while not scalar(connection, "SELECT pg_try_advisory_lock(%s)", [_KEY]):
        if time.monotonic() > deadline:
            holder = connection.execute(_HOLDER, [_KEY >> 32, _KEY & 0xFFFFFFFF]).fetchone()
            who = f" ({holder['words']})" if holder else ""
            raise TargetError(
                f"another load into {url} is running{who}; nothing was changed: wait for its end, or end that process"
            )
        time.sleep(0.1)


def lock_tables(connection: Any, oids: list[int]) -> None:
    """Have the tables, and those with foreign keys to them, to ourselves until the transaction ends.

    All the locks at once, or none: no reader waits for us longer than a moment, however long another one reads. What
    was locked since the savepoint is free again when it is rolled back to.

    Raises:
        TargetError: somebody has not let go of a table for ten minutes; says who.
    """
    from psycopg import errors

    names = [row["spelled"] for row in connection.execute(_TO_LOCK, {"oids": oids})]
    deadline, pause = time.monotonic() + _PATIENCE, 0.1
    while names:
        connection.execute("SAVEPOINT before_locks")
        try:
            connection.execute(f"SET LOCAL lock_timeout = '{_LOCK_TIMEOUT}'")
            connection.execute(f"LOCK TABLE {', '.join(names)} IN ACCESS EXCLUSIVE MODE")
            connection.execute("SET LOCAL lock_timeout = 0")
            return
        except (errors.LockNotAvailable, errors.DeadlockDetected) as error:
            connection.execute("ROLLBACK TO SAVEPOINT before_locks")
            if time.monotonic() > deadline:
                holders = [row["words"] for row in connection.execute(_HOLDERS, [oids])]
                raise TargetError(
                    f"others have not let go of the tables to replace for {_PATIENCE:.0f} s: "
                    f"{'; '.join(holders) or 'who, the server does not say'}; end that transaction and run again"
                ) from error
        time.sleep(pause)
        pause = min(pause * 2, _LONGEST_PAUSE)


_HOLDER = """
    SELECT concat_ws(', ', 'process ' || a.pid || ' of the server', 'user ' || a.usename,
                     'from ' || coalesce(host(a.client_addr), 'the same machine'),
                     'since ' || date_trunc('second', a.backend_start)) AS words
    FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
    WHERE l.locktype = 'advisory' AND l.granted AND l.classid = %s AND l.objid = %s
      AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""

_TO_LOCK = """
    SELECT format('%%I.%%I', n.nspname, c.relname) AS spelled
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.oid = ANY(%(oids)s)
       OR c.oid IN (SELECT conrelid FROM pg_constraint WHERE contype = 'f' AND confrelid = ANY(%(oids)s))
    ORDER BY c.oid
"""

_HOLDERS = """
    SELECT DISTINCT concat_ws(', ', 'process ' || a.pid, 'user ' || a.usename, nullif(a.application_name, ''),
                              'in a transaction since ' || date_trunc('second', a.xact_start)) AS words
    FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
    WHERE l.relation = ANY(%s) AND l.granted AND l.pid <> pg_backend_pid() ORDER BY 1
"""
