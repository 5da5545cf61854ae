"""How long `dbsynth evaluate` takes, and how much memory, on two SQLite databases with a million rows in a table.

    python tests/benchmarks/evaluate.py
    python tests/benchmarks/evaluate.py --rows 100000 --extras

A bank is made twice, from two seeds: branches, customers, accounts, payments (a million) and logins (a third of it),
with numbers, dates, categories, free text and nulls; so the scores should come near their ceilings. Prints Markdown.
Exit status 1 where evaluating takes more than 60 s (with the classifiers 240 s) or 2 GiB.
"""

from __future__ import annotations

import argparse
import json
import sqlite3
import sys
import tempfile
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import numpy as np
from measured import run_measured
from servers import machine

MOST_SECONDS, MOST_SECONDS_WITH_EXTRAS, MOST_MIB = 60, 240, 2048

TABLES = {
    "branch": "name TEXT NOT NULL, town TEXT, staff INTEGER, rent REAL",
    "customer": "branch_id INTEGER REFERENCES branch, born DATE, gender TEXT, income REAL, score INTEGER, email TEXT",
    "account": "customer_id INTEGER NOT NULL REFERENCES customer, opened DATE, kind TEXT, rate REAL, overdraft INTEGER",
    "payment": "account_id INTEGER NOT NULL REFERENCES account, paid_on DATE, amount REAL, balance REAL, kind TEXT, "
               "channel TEXT, bank TEXT, subject TEXT",
    "login": "customer_id INTEGER REFERENCES customer, at TIMESTAMP, seconds INTEGER, device TEXT, failed BOOLEAN",
}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000, help="of the table payment")
    parser.add_argument("--extras", action="store_true", help="train the classifiers, too")
    parser.add_argument("--sample-rows", type=int, metavar="N", help="as for dbsynth evaluate; all by default")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        urls = [f"sqlite:///{make_bank(Path(folder) / f'bank{seed}.db', args.rows, seed)}" for seed in (0, 1)]
        document = Path(folder) / "figures.json"
        command = [sys.executable, "-m", "dbsynth", "evaluate", *urls, "--json", str(document), "--quiet"]
        command += [] if args.extras else ["--no-extras"]
        command += ["--sample-rows", str(args.sample_rows)] if args.sample_rows else []
        run = run_measured(command)
        if run.status:
            sys.exit(run.stderr)
        figures = json.loads(document.read_text())
    most = MOST_SECONDS_WITH_EXTRAS if args.extras else MOST_SECONDS
    print(f"{args.rows:,} payments, {len(figures['items']):,} figures\n")
    print("| | took | at most |\n|---|---:|---:|")
    for stage, seconds in figures["about"]["seconds"].items():
        print(f"| {stage}, s | {seconds:.1f} | |")
    print(f"| **all, s** | **{run.seconds:.1f}** | {most} |")
    print(f"| **peak, MiB** | **{run.peak_mib:.0f}** | {MOST_MIB} |\n")
    print("| measure | score | ceiling |\n|---|---:|---:|")
    for name, item in figures["summary"].items():
        if item["score"] is not None and item["reference"] is not None:
            print(f"| {name} | {item['score']:.2f} | {item['reference']:.2f} |")
    print(f"\nOn {machine()}.")
    sys.exit(1 if run.seconds > most or run.peak_mib > MOST_MIB else 0)


def make_bank(path: Path, n_payments: int, seed: int) -> Path:
    """A bank in a new SQLite file; what a customer is like shows in the accounts, payments and logins."""
    rng = np.random.default_rng(seed)
    sizes = {"branch": 80, "customer": n_payments // 25, "account": n_payments // 20, "payment": n_payments}
    sizes["login"] = n_payments // 3
    home = np.sort(rng.integers(sizes["branch"], size=sizes["customer"]))
    wealth = rng.normal(size=sizes["customer"]) + 0.02 * home
    owner = _parents(rng, wealth, sizes["account"])
    payer = _parents(rng, wealth[owner], n_payments)
    visitor = _parents(rng, -wealth, sizes["login"])
    columns = {
        "branch": _branches(np.random.default_rng(0), sizes["branch"]),
        "customer": _customers(rng, home, wealth),
        "account": _accounts(rng, owner, wealth[owner]),
        "payment": _payments(rng, payer, wealth[owner][payer]),
        "login": _logins(rng, visitor, wealth[visitor]),
    }
    with closing(sqlite3.connect(path)) as connection:
        for table, definition in TABLES.items():
            connection.execute(f"CREATE TABLE {table} (id INTEGER PRIMARY KEY, {definition})")
            marks = ", ".join("?" * (1 + len(columns[table])))
            rows = zip(range(sizes[table]), *(np.asarray(c).tolist() for c in columns[table]), strict=True)
            connection.executemany(f"INSERT INTO {table} VALUES ({marks})", rows)
        connection.commit()
    return path


def _parents(rng: np.random.Generator, weight: np.ndarray, n_children: int) -> np.ndarray:
    """A parent for each child; a larger weight brings more of them."""
    share = np.exp(0.5 * weight + rng.normal(size=weight.size))
    return np.sort(rng.choice(weight.size, n_children, p=share / share.sum()))


def _days(rng: np.random.Generator, first: str, about: np.ndarray) -> np.ndarray:
    days = about + rng.normal(scale=200, size=about.size)
    return (np.datetime64(first) + days.astype("timedelta64[D]")).astype(str)


def _holes(rng: np.random.Generator, values: np.ndarray, share: float) -> np.ndarray:
    """The values with nulls among them."""
    return np.where(rng.random(len(values)) < share, None, values.astype(object))


def _branches(rng: np.random.Generator, n: int) -> Sequence[np.ndarray]:
    names = np.array([f"branch {i}" for i in range(n)])
    return names, rng.choice([f"town {i}" for i in range(30)], n), rng.integers(3, 90, n), rng.lognormal(8, 1, n)


def _customers(rng: np.random.Generator, home: np.ndarray, wealth: np.ndarray) -> Sequence[np.ndarray]:
    n = home.size
    emails = np.array([f"person{i}@example.org" for i in rng.permutation(n)])
    return (
        _holes(rng, home, 0.02), _days(rng, "1970-01-01", 3000 * wealth), rng.choice(["f", "m"], n),
        np.exp(8 + wealth / 2), _holes(rng, (500 + 80 * wealth).astype(int), 0.1), emails,
    )  # fmt: skip


def _accounts(rng: np.random.Generator, owner: np.ndarray, wealth: np.ndarray) -> Sequence[np.ndarray]:
    n = owner.size
    kinds = np.where(wealth + rng.normal(size=n) > 0.5, "savings", np.where(rng.random(n) < 0.7, "current", "joint"))
    overdraft = np.maximum(0, 500 * (wealth + rng.normal(size=n)).round())
    rate = np.where(kinds == "savings", 0.02, 0.001)
    return owner, _days(rng, "2015-01-01", 100 * wealth), kinds, rate, overdraft.astype(int)


def _payments(rng: np.random.Generator, payer: np.ndarray, wealth: np.ndarray) -> Sequence[np.ndarray]:
    n = payer.size
    amount = np.round(rng.lognormal(3 + wealth / 2), 2)
    kinds = np.where(amount > 60, "credit", "debit")
    banks = np.array([f"bank {i}" for i in range(40)])[np.minimum(rng.geometric(0.1, n) - 1, 39)]
    subjects = np.array([f"invoice {i}" for i in range(20_000)])[rng.integers(20_000, size=n)]
    return (
        payer, _days(rng, "2023-01-01", 50 * wealth), amount, np.round(1000 * wealth + 5 * amount, 2), kinds,
        rng.choice(["card", "transfer", "cash", "cheque"], n), _holes(rng, banks, 0.3), _holes(rng, subjects, 0.5),
    )  # fmt: skip


def _logins(rng: np.random.Generator, visitor: np.ndarray, wealth: np.ndarray) -> Sequence[np.ndarray]:
    n = visitor.size
    moments = np.datetime64("2024-01-01T00:00:00") + rng.integers(0, 31_536_000, n).astype("timedelta64[s]")
    devices = np.where(wealth + rng.normal(size=n) > 0, "phone", "browser")
    seconds = rng.gamma(2, 60 + 20 * (devices == "phone"), n).astype(int)
    return (
        _holes(rng, visitor, 0.05), np.char.replace(moments.astype(str), "T", " "), seconds, devices,
        (rng.random(n) < 0.04).astype(int),
    )  # fmt: skip


if __name__ == "__main__":
    main()
