"""SQLite: a database is built in a file beside the target, and takes the target's place.

Where nobody else has the target open, the new file is renamed over it. Where somebody may have (or the file must not be
exchanged: it has another name, another owner, was written to meanwhile), a rename would leave them with the old file,
and what they write there would be lost. There the rows are moved in one transaction, straight from file to file.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from types import TracebackType

from dbsynth.errors import TargetError

from .base import Mode
from .ddl import SQLITE
from .sqlite_load import SQLiteLoad

__all__ = ["Aside", "connect", "needs_file"]

_CACHE_KIB = 256 << 10  # changes that fit are kept from the file, and readers undisturbed, until the very end
_BUSY_SECONDS = 5  # as long as Python's own readers wait
_PATIENCE = 600.0  # seconds in which the target must have been free for a moment
_LONGEST_PAUSE = 5.0  # seconds between two attempts
_FIRST_NAMESPACE = 0xEFFFFFFC  # what Linux numbers the namespace of all processes


def connect(path: Path) -> sqlite3.Connection:
    """A connection that writes, without transactions of its own making."""
    connection = sqlite3.connect(path, timeout=30, isolation_level=None)
    connection.execute("PRAGMA foreign_keys = OFF")
    connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
    return connection


def needs_file(path: Path, mode: Mode) -> bool:
    """Whether the load is built in another file: a new database, or one whose rows are replaced."""
    if not path.exists():
        return True
    if mode is not Mode.REPLACE:
        return False
    with closing(connect(path)) as connection:
        return connection.execute("PRAGMA journal_mode").fetchone()[0] != "wal"


class Aside:
    """The file beside the target: a copy of it, or empty; gone when its context ends."""

    def __init__(self, target: Path) -> None:
        self._target = target
        self.path = target.with_name(f".{target.name}.dbsynth-new")
        self._old: sqlite3.Connection | None = None

    def __enter__(self) -> Aside:
        self._remove()  # what a load that was killed has left
        if self._target.exists():
            self._old = connect(self._target)
            self._version = self._data_version()
            os.close(os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))  # nobody else reads the copy
            with closing(connect(self.path)) as copy:
                self._old.backup(copy)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._old:
            self._old.close()
        self._remove()

    def publish(self, load: SQLiteLoad) -> None:
        """Let the finished file, or its rows, take the place of the old ones."""
        if self._old is None:
            if self._target.exists():
                raise TargetError(f"{str(self._target)!r} appeared while it was being loaded; it is left as it is")
            self._rename()
        elif not self._exchange():
            _patiently(lambda: self._move_rows(load))

    def _exchange(self) -> bool:
        """Rename the new file over the old one; False where that is not right."""
        _patiently(lambda: self._old.execute("BEGIN IMMEDIATE"))  # nobody writes now
        try:
            if self._data_version() != self._version or _held_by_others(self._target):
                return False
            there = self._target.stat()
            if there.st_nlink > 1:
                return False
            try:
                shutil.copystat(self._target, self.path)
                os.chown(self.path, there.st_uid, there.st_gid)
            except PermissionError:
                return False
            os.utime(self.path)
            self._rename()
            return True
        finally:
            self._old.execute("ROLLBACK")

    def _rename(self) -> None:
        os.replace(self.path, self._target)
        with suppress(OSError):  # a folder that cannot be opened: the system writes it when it likes
            folder = os.open(self._target.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)

    def _move_rows(self, load: SQLiteLoad) -> None:
        """Every loaded table's rows, from the new file into the old one."""
        self._old.execute(f"PRAGMA busy_timeout = {_BUSY_SECONDS * 1000}")
        self._old.execute("ATTACH ? AS dbsynth_new", [str(self.path)])
        try:
            self._old.execute("BEGIN IMMEDIATE")
            moved = load.again(self._old)
            moved.prepare()
            for name in moved.table_names:
                columns = SQLITE.quote_all(_stored_columns(self._old, name))
                table = SQLITE.quote(name)
                self._old.execute(
                    f"INSERT INTO main.{table} ({columns}) SELECT {columns} FROM dbsynth_new.{table}"
                )
            moved.complete()
            self._old.execute("COMMIT")
        finally:
            if self._old.in_transaction:
                self._old.execute("ROLLBACK")
            self._old.execute("DETACH dbsynth_new")

    def _data_version(self) -> int:
        """A number that changes when another connection has changed the target."""
        return self._old.execute("PRAGMA data_version").fetchone()[0]

    def _remove(self) -> None:
        for end in ("", "-journal"):
            self.path.with_name(self.path.name + end).unlink(missing_ok=True)


def _patiently(action: Callable[[], object]) -> None:
    """Do it; where others use the target, again and again until ten minutes have gone by."""
    deadline, pause = time.monotonic() + _PATIENCE, 0.05
    while True:
        try:
            action()
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
        time.sleep(pause)
        pause = min(pause * 2, _LONGEST_PAUSE)


def _stored_columns(connection: sqlite3.Connection, table: str) -> list[str]:
    rows = connection.execute(f"PRAGMA main.table_xinfo({SQLITE.quote(table)})")
    return [row[1] for row in rows if row[6] == 0]


def _sees_every_process() -> bool:
    """Whether /proc shows what all processes hold: to root, outside every container."""
    try:
        return os.geteuid() == 0 and os.stat("/proc/self/ns/pid").st_ino == _FIRST_NAMESPACE
    except (OSError, AttributeError):  # no /proc; no such users
        return False


def _held_by_others(path: Path) -> bool:
    """Whether the file is open anywhere but once here; True where the system does not tell."""
    if not _sees_every_process():
        return True
    wanted, found = path.stat(), 0
    for folder in Path("/proc").glob("[0-9]*/fd"):
        with suppress(OSError):
            for descriptor in folder.iterdir():
                with suppress(OSError):
                    found += os.path.samestat(descriptor.stat(), wanted)
    return found > 1
