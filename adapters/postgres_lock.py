"""Locks in Postgres: one load at a time into a database, and tables that others read."""

from __future__ import annotations

import time
from collections.abc import Callable
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


def lock_tables(connection: Any, oids: list[int], work: Callable[[], None] = lambda: None) -> None:
    """Have the tables, and what hangs together with them, to ourselves until the transaction ends, and do the work.

    All the locks at once, or none: no reader waits for us longer than a moment, however long another one reads. Views
    come before their tables, as readers take them. Where the work has to wait for a further lock, it is rolled back
    with the locks, and done again: it must leave nothing behind but what the server forgets by that.

    Raises:
        TargetError: somebody has not let go of a table for ten minutes; says who.
    """
    from psycopg import errors

    locks = connection.execute(_TO_LOCK, {"oids": oids}).fetchall()
    deadline, pause = time.monotonic() + _PATIENCE, 0.1
    while True:
        connection.execute("SAVEPOINT before_locks")
        try:
            connection.execute(f"SET LOCAL lock_timeout = '{_LOCK_TIMEOUT}'")
            # In one message: between two, a reader comes in, and holds the last while it waits for the first.
            connection.execute("; ".join(lock["statement"] for lock in locks))
            work()
            connection.execute("SET LOCAL lock_timeout = 0")
            return
        except (errors.LockNotAvailable, errors.DeadlockDetected) as error:
            connection.execute("ROLLBACK TO SAVEPOINT before_locks")
            if time.monotonic() > deadline:
                holders = [row["words"] for row in connection.execute(_HOLDERS, [[lock["oid"] for lock in locks]])]
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

# Views on the tables, younger ones first; the tables, those with keys to them and those that their keys refer to; their
# sequences. LOCK TABLE would take a view's tables along, with the rights of its owner, and no sequence at all: to give
# either to the role that owns it changes nothing, but locks it alone.
_TO_LOCK = """
    WITH wanted(step, oid) AS (
        SELECT 1, w.ev_class FROM pg_depend d JOIN pg_rewrite w ON w.oid = d.objid
        WHERE d.classid = 'pg_rewrite'::regclass AND d.refclassid = 'pg_class'::regclass
          AND d.refobjid = ANY(%(oids)s)
        UNION SELECT 2, unnest(%(oids)s::oid[])
        UNION SELECT 2, conrelid FROM pg_constraint WHERE contype = 'f' AND confrelid = ANY(%(oids)s)
        UNION SELECT 2, confrelid FROM pg_constraint WHERE contype = 'f' AND conrelid = ANY(%(oids)s)
              AND has_table_privilege(confrelid, 'UPDATE, DELETE, TRUNCATE')
        UNION SELECT 3, d.objid FROM pg_depend d
        WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass AND d.deptype IN ('a', 'i')
          AND d.refobjid = ANY(%(oids)s)
    )
    SELECT c.oid,
           CASE step WHEN 2 THEN format('LOCK TABLE %%I.%%I IN ACCESS EXCLUSIVE MODE', n.nspname, c.relname)
                     ELSE format('ALTER %%s %%I.%%I OWNER TO %%I', CASE step WHEN 1 THEN 'VIEW' ELSE 'SEQUENCE' END,
                                 n.nspname, c.relname, pg_get_userbyid(c.relowner)) END AS statement
    FROM wanted JOIN pg_class c USING (oid) JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE step = 2 OR c.relkind = CASE step WHEN 1 THEN 'v' ELSE 'S' END AND pg_has_role(c.relowner, 'USAGE')
    ORDER BY step, CASE step WHEN 1 THEN -c.oid::bigint ELSE c.oid::bigint END
"""

_HOLDERS = """
    SELECT DISTINCT concat_ws(', ', 'process ' || a.pid, 'user ' || a.usename, nullif(a.application_name, ''),
                              'in a transaction since ' || date_trunc('second', a.xact_start)) AS words
    FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
    WHERE l.relation = ANY(%s) AND l.granted AND l.pid <> pg_backend_pid() ORDER BY 1
"""
