"""One load at a time into a SQLite file: a locked file beside it, which the system unlocks when its process ends."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dbsynth.errors import TargetError

try:
    import fcntl
except ImportError:  # Windows has none: loads there are not kept apart
    fcntl = None

__all__ = ["hold"]


@contextmanager
def hold(database: Path, url: str) -> Iterator[None]:
    """Be the only load into the file until the context ends.

    Raises:
        TargetError: another process holds it; says which.
    """
    if fcntl is None:
        yield
        return
    target = Path(os.path.realpath(database))
    path = target.with_name(f".{target.name}.dbsynth-lock")
    descriptor = _locked(path, url)
    try:
        os.ftruncate(descriptor, 0)
        os.write(descriptor, f"process {os.getpid()} on {socket.gethostname()}".encode())
        yield
    finally:
        path.unlink(missing_ok=True)  # while it is locked: who waits for it then looks again
        os.close(descriptor)


def _locked(path: Path, url: str) -> int:
    """The descriptor of the file, locked and still the one of that name."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if path.exists() and os.path.samestat(os.fstat(descriptor), path.stat()):
                return descriptor
            os.close(descriptor)
        except BlockingIOError as error:
            holder = os.pread(descriptor, 200, 0).decode(errors="replace")
            os.close(descriptor)
            raise TargetError(
                f"another load into {url} is running ({holder or 'it has just begun'}); nothing was changed: wait for "
                "its end, or end that process"
            ) from error
