"""One load at a time into a MySQL database."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from typing import Any

from dbsynth.errors import TargetError

from .mysql_schema import Query

__all__ = ["take_lock"]

_RUN_SECONDS = 3  # a server needs a moment to notice that a client was killed
_STATEMENT_SECONDS = 60  # a killed client's last statement goes on to its end


def take_lock(query: Query, database: str, url: str, *, statements: bool = False) -> None:
    """Be the only run that loads the database until the connection ends.

    With `statements`, until none of a run that died is at work any more: each load has this lock, too, in the session
    in which it works.

    Raises:
        TargetError: another session holds it; says which, as far as the user may see other sessions.
    """
    name = "dbsynth " + hashlib.sha256(database.encode()).hexdigest()[:40] + (" load" if statements else "")
    if query("SELECT GET_LOCK(%s, %s)", name, _STATEMENT_SECONDS if statements else _RUN_SECONDS)[0][0]:
        return
    who = _holder(query, name)
    raise TargetError(
        f"another load into {url} is running{f' ({who})' if who else ''}; nothing was changed: wait for its end, or "
        "end that process"
    )


def _holder(query: Query, name: str) -> str:
    number: Any = query("SELECT IS_USED_LOCK(%s)", name)[0][0]
    if number is None:
        return ""
    said = [f"connection {number}"]
    with suppress(IndexError):
        user, host, seconds = query(
            "SELECT USER, HOST, TIME FROM information_schema.PROCESSLIST WHERE ID = %s", number
        )[0]
        said += [f"user {user}", f"from {host}", f"for {seconds} s"]
    return ", ".join(said)
