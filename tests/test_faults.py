"""The short form of `tests/benchmarks/faults.py`: a few kills in each dialect, a reader, two loads at once."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parent / "benchmarks" / "faults.py"


@pytest.mark.parametrize("dialect", ["sqlite", "postgres", "mysql"])
def test_a_target_survives_what_stops_a_load(dialect: str, request: pytest.FixtureRequest) -> None:
    """It is the complete old or new state, the next run succeeds, nothing is left behind."""
    server = [] if dialect == "sqlite" else [f"--{dialect}", request.getfixturevalue(f"{dialect}_server")]
    options = ["--only", dialect, "--kills", "4", "--faults", "1", "--runs", "0", "--swaps", "2", *server]
    done = subprocess.run([sys.executable, SCRIPT, *options], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.endswith("No problem.\n")
