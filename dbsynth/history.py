"""The runs of a job, one JSON object a line, in a file beside its bundle.

It is written after every run, also one that failed before there was a bundle. No password and no row of a database is
in it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

__all__ = ["add_run", "history_of", "read_runs"]

_LARGEST = 16_000_000  # bytes that are looked at, from the end


def history_of(bundle: Path) -> Path:
    """Where the runs of a bundle are told."""
    return bundle.with_name(f"{bundle.name}.history.jsonl")


def add_run(bundle: Path, run: Mapping[str, Any]) -> None:
    """Tell of one run more, in one write, so that two runs' lines never mix.

    Raises:
        OSError: as the file system says.
    """
    path = history_of(bundle)
    path.parent.mkdir(parents=True, exist_ok=True)
    line = (json.dumps(run, allow_nan=False) + "\n").encode()
    handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(handle, line)
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
