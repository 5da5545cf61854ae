"""Run a command in a process of its own and write what it took: exit status, seconds, peak memory.

    python tests/benchmarks/measured.py TOOK.json COMMAND [ARGUMENT ...]

This small process stands between the benchmark and the command because a child's peak counts from the fork on: one of a
benchmark that holds two databases in memory would begin at theirs.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Run:
    """A command that has ended."""

    status: int
    seconds: float  # wall clock, from before the process starts until it is gone
    peak_mib: float  # resident memory, its own children's largest included
    cpu_seconds: float  # of all its threads
    stdout: str
    stderr: str


def run_measured(command: Sequence[str]) -> Run:
    """Run a command and wait for it; a status that is not 0 is for the caller to judge."""
    with tempfile.TemporaryDirectory() as folder:
        took = Path(folder) / "took.json"
        launcher = [sys.executable, "-S", __file__, took]
        done = subprocess.run([*launcher, *command], capture_output=True, text=True, check=False)
        return Run(**json.loads(took.read_text()), stdout=done.stdout, stderr=done.stderr)


def load_average() -> str:
    """How many processes wanted a core in the last minutes: what seconds of wall clock are to be read with."""
    return "/".join(f"{load:.1f}" for load in os.getloadavg()) if hasattr(os, "getloadavg") else "unknown"


def cli_options(pairs: Sequence[str]) -> list[str]:
    """Settings like `iterations=800` as the command line spells them; true and false are flags."""
    options: list[str] = []
    for name, _, value in (pair.partition("=") for pair in pairs):
        name = name.replace("_", "-")
        options += {"true": [f"--{name}"], "false": [f"--no-{name}"]}.get(value, [f"--{name}", value])
    return options


def main() -> None:
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    started = time.perf_counter()
    status = subprocess.call(sys.argv[2:])
    seconds = time.perf_counter() - started
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    peak = used.ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)
    took = {"status": status, "seconds": seconds, "peak_mib": peak, "cpu_seconds": used.ru_utime + used.ru_stime}
    Path(sys.argv[1]).write_text(json.dumps(took))


if __name__ == "__main__":
    main()
