"""The runs of a job, one JSON object a line, in a file beside its bundle.

It is written after every run, also one that failed before there was a bundle. No password and no row of a database is
in it. While a run is at work it holds the file locked, so that no two go on from one bundle at once.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from .errors import BundleError

try:
    import fcntl
except ImportError:  # Windows has none: runs there are not kept apart
    fcntl = None

__all__ = ["add_run", "history_of", "hold", "read_runs"]

_LARGEST = 16_000_000  # bytes that are looked at, from the end


def history_of(bundle: Path) -> Path:
    """Where the runs of a bundle are told."""
    return bundle.with_name(f"{bundle.name}.history.jsonl")


@contextmanager
def hold(bundle: Path) -> Iterator[None]:
    """Be the only run of the bundle until the context, or the process, ends.

    Raises:
        BundleError: another one is at work; or no run could be told of.
    """
    with _opened(bundle) as handle:
        try:
            if fcntl is not None:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise BundleError(
                f"another run is at work with the bundle {bundle}; nothing was changed: wait for its end, or name "
                "another bundle in this job"
            ) from error
        yield


def add_run(bundle: Path, run: Mapping[str, Any]) -> None:
    """Tell of one run more, in one write, so that two runs' lines never mix.

    Raises:
        BundleError: there can be no such file.
        OSError: it cannot be written to, as the file system says.
    """
    with _opened(bundle) as handle:
        os.write(handle, (json.dumps(run, allow_nan=False) + "\n").encode())


@contextmanager
def _opened(bundle: Path) -> Iterator[int]:
    """A descriptor of the file, for lines to come after those that stand."""
    path = history_of(bundle)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise BundleError(f"no file can be made beside the bundle {bundle}: {error.strerror}") from error
    try:
        yield handle
    finally:
        os.close(handle)


def read_runs(bundle: Path) -> list[dict[str, Any]]:
    """The runs of a bundle, the oldest first; lines that are none (a disk was full) are left out."""
    try:
        with history_of(bundle).open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - _LARGEST))
            lines = file.read(_LARGEST).splitlines()
    except OSError:
        return []
    return [run for line in lines if (run := _read(line)) is not None]


def _read(line: bytes) -> dict[str, Any] | None:
    try:
        run = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return run if isinstance(run, dict) and isinstance(run.get("run"), str) else None
