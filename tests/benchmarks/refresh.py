"""How much of a first run's time the nights after it take, and whether their rows are as good.

    python tests/benchmarks/refresh.py DATA_FOLDER

Clones berka (`load.py`, `parquet/berka` of the folder) by a job, SQLite to SQLite: a first run on what is left when a
tenth of the accounts is held back with all that hangs on them; a second run on the same rows; a third one with the held
back rows in their place again; and a fit from nothing on all rows beside it. Every run is a `python -m dbsynth refresh`
of its own, on one thread. What is printed, in Markdown, are CPU seconds of the whole command and of its fit, and scores
read back from the targets. The exit status is 1 where an aim is missed.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import sqlite3
import subprocess
import sys
import tempfile
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from servers import machine

from dbsynth.jobs import evaluate

UNCHANGED, WARM, POINTS = 0.40, 1 / 3, 1.0  # the aims: shares of the first run's time, and points of a score
MEASURES = ("cardinality", "1-way", "0-hop", "1-hop", "2-hop", "3-hop", "degree-correlation", "column-degree",
            "intra-group")  # fmt: skip


@dataclass
class Run:
    """One run of a job."""

    what: str
    action: str
    cpu: float  # seconds
    scores: dict[str, float]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, metavar="DATA_FOLDER")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="dbsynth-bench-") as name:
        folder = Path(name)
        whole, part = folder / "whole.db", folder / "part.db"
        subprocess.run([sys.executable, args.data / "load.py", "berka", f"sqlite:///{whole}"], check=True,
                       stdout=subprocess.DEVNULL)  # fmt: skip
        part.write_bytes(whole.read_bytes())
        _hold_back(part)
        runs = [
            _run("first run, 90 % of the accounts", folder, part, "nightly", args.seed),
            _run("the same rows", folder, part, "nightly", args.seed),
            _run("the other accounts added", folder, whole, "nightly", args.seed),
            _run("all rows from nothing", folder, whole, "fresh", args.seed),
        ]
    _print(runs)
    sys.exit(1 if _missed(runs) else 0)


def _hold_back(path: Path) -> None:
    """Take a tenth of the accounts away, with all that hangs on them."""
    with closing(sqlite3.connect(path)) as db, db:
        accounts = [row[0] for row in db.execute("SELECT account_id FROM account ORDER BY account_id")]
        chosen = random.Random(0).sample(accounts, len(accounts) // 10)
        db.execute("CREATE TEMP TABLE gone (id)")
        db.executemany("INSERT INTO gone VALUES (?)", [(account,) for account in chosen])
        of_gone = "account_id IN (SELECT id FROM gone)"
        db.execute(f"DELETE FROM card WHERE disp_id IN (SELECT disp_id FROM disp WHERE {of_gone})")
        for table in ("disp", "loan", '"order"', "trans", "account"):
            db.execute(f"DELETE FROM {table} WHERE {of_gone}")
        db.execute("DELETE FROM client WHERE client_id NOT IN (SELECT client_id FROM disp)")


def _run(what: str, folder: Path, source: Path, name: str, seed: int) -> Run:
    print(what, file=sys.stderr, flush=True)
    target, job = folder / f"{name}-out.db", folder / f"{name}.toml"
    job.write_text(f'source = "sqlite:///{source}"\ntarget = "sqlite:///{target}"\nseed = {seed}\nevaluate = false\n')
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [sys.executable, "-m", "dbsynth", "refresh", job, "--json"], check=True, capture_output=True, text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    found = evaluate(f"sqlite:///{source}", f"sqlite:///{target}", extras=False)
    scores = {name: found.summary[name].score for name in MEASURES}
    return Run(what, json.loads(done.stdout)["action"], cpu, scores)


def _print(runs: list[Run]) -> None:
    print("| run | did | CPU seconds | of the first |", *(f" {name} |" for name in MEASURES), sep="")
    print("|---|---|--:|--:|", "--:|" * len(MEASURES), sep="")
    for run in runs:
        scores = "".join(f" {run.scores[name]:.2f} |" for name in MEASURES)
        print(f"| {run.what} | {run.action} | {run.cpu:.0f} | {100 * run.cpu / runs[0].cpu:.0f} % |{scores}")
    for missed in _missed(runs):
        print(f"MISSED: {missed}")
    print(f"On {machine()}.")


def _missed(runs: list[Run]) -> list[str]:
    first, same, warm, fresh = runs
    missed = [
        f"{run.what}: {run.cpu / first.cpu:.0%} of the first run's time, more than {most:.0%}"
        for run, most in ((same, UNCHANGED), (warm, WARM)) if run.cpu > most * first.cpu
    ]  # fmt: skip
    return missed + [
        f"{name}: {warm.scores[name]:.2f} after going on, {fresh.scores[name]:.2f} from nothing" for name in MEASURES
        if warm.scores[name] < fresh.scores[name] - POINTS
    ]  # fmt: skip


if __name__ == "__main__":
    main()
