"""Read and load a million rows beside the server's own bulk copy, in the same run; and how long it takes to make them.

    python tests/benchmarks/throughput.py
    python tests/benchmarks/throughput.py --rows 50000 --only postgres

The rows are synthetic: the demo's shop is learned briefly, and `dbsynth generate --scale` writes it large. Read is its
table order_item. Loaded are order_item, with its primary key and its foreign key to product, and product, which that
key needs. Beside it stands what the server's own client takes for the same rows, keys and constraints through files:
`psql \\copy` out and in, the keys added after (Postgres); `SELECT` into a file and `LOAD DATA LOCAL` into the table
with its keys (MariaDB). Needs psql, and mariadb or mysql. Prints Markdown; exit status 1 where a ratio is above 2.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pyarrow as pa
from measured import cli_options, run_measured
from servers import Servers, add_server_options, machine, quote, run_sql

from adapters import open_database
from dbsynth.schema import Schema, Table
from dbsynth.shop import build_shop
from dbsynth.workspace import Workspace

READ = "order_item"
LOADED = ("product", READ)  # parents first
RATIO = 2.0


def main() -> None:
    args = _arguments()
    ratios: list[float] = []
    with Servers(args.postgres, args.mysql) as servers:
        source = servers.new("postgres")
        _generate(servers.folder, source, args.rows, args.set)
        schema, tables = _tables(source)
        print(f"\nmedian of {args.repeats}; {', '.join(f'{name} {tables[name].num_rows:,} rows' for name in LOADED)}\n")
        print("| | server's own, s | dbsynth, s | ratio | must be |")
        print("|---|---:|---:|---:|---|")
        for dialect in args.only:
            ratios += _compare(servers, dialect, schema, tables, args.repeats)
        print(f"\nOn {machine()}; {', '.join(map(servers.words, args.only))}.")
    sys.exit(1 if max(ratios) > RATIO else 0)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_server_options(parser)
    parser.add_argument("--rows", type=int, default=1_000_000, help=f"rows of {READ}, about")
    parser.add_argument("--set", nargs="+", default=["iterations=200"], metavar="NAME=VALUE", help="of the fit")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--only", nargs="+", choices=["postgres", "mysql"], default=["postgres", "mysql"])
    return parser.parse_args()


def _generate(folder: Path, target: str, rows: int, settings: list[str]) -> None:
    """A large shop in the target, by way of a bundle; prints what that took."""
    shop, bundle = folder / "shop.db", folder / "bundle"
    build_shop(shop)
    source = f"sqlite:///{shop}"
    scale = rows / run_sql(source, f"SELECT COUNT(*) FROM {READ}")[0][0]
    program = [sys.executable, "-m", "dbsynth"]
    _say("fitting a small shop")
    fitted = run_measured([*program, "fit", source, str(bundle), *cli_options(settings), "--quiet"])
    if fitted.status:
        sys.exit(fitted.stderr)
    _say(f"generating it {scale:.1f} times as large")
    made = run_measured([*program, "generate", str(bundle), target, "--scale", str(scale), "--json"])
    if made.status:
        sys.exit(made.stderr)
    report = json.loads(made.stdout)
    total = sum(table["rows"] for table in report["tables"])
    stages = ", ".join(f"{name} {seconds:.1f}" for name, seconds in report["seconds"].items())
    took = f"{made.seconds:.1f} s ({stages}), peak {made.peak_mib:.0f} MiB"
    print(f"`generate --scale {scale:.1f}` ({' '.join(settings)}): {total:,} rows in {took}", flush=True)


def _tables(url: str) -> tuple[Schema, dict[str, pa.Table]]:
    """Schema and rows of what is loaded."""
    with closing(open_database(url)) as database:
        schema = database.read_schema().restrict(LOADED)
        with database.snapshot() as snapshot:
            rows = {t.name: pa.Table.from_batches(snapshot.read_rows(t, t.column_names)) for t in schema.tables}
    return schema, rows


def _compare(servers: Servers, dialect: str, schema: Schema, tables: dict[str, pa.Table], repeats: int) -> list[float]:
    """One server's lines of the table; their ratios."""
    client = {"postgres": Psql, "mysql": MySQLClient}[dialect](servers.new(dialect), servers.folder)
    _load(client.url, schema, tables)
    files = {name: servers.folder / f"{name}.{dialect}.txt" for name in LOADED}
    for name, file in files.items():
        client.copy_out(name, file)
    stored, tables = _tables(client.url)  # in the order in which this server's own copy has them
    table = stored.table(READ)
    _say(f"{dialect}: reading")
    out = _median(repeats, lambda: client.copy_out(READ, files[READ]))
    lines = [
        ("read into Arrow", out, _median(repeats, lambda: _read(client.url, table))),
        ("read into the workspace", out, _median(repeats, lambda: _keep(client.url, table))),
    ]
    _say(f"{dialect}: loading")
    copied_in, loaded = [], []
    for _ in range(repeats):
        loaded.append(_seconds(partial(_load, servers.new(dialect), schema, tables)))
        client.empty()
        copied_in.append(_seconds(lambda: client.copy_in(files)))
    lines.append(("load, keys and constraints", statistics.median(copied_in), statistics.median(loaded)))
    counts = [run_sql(client.url, f"SELECT COUNT(*) FROM {quote(client.url, name)}")[0][0] for name in LOADED]
    if counts != [tables[name].num_rows for name in LOADED]:
        sys.exit(f"{dialect}: the server's own copy loaded {counts} rows")
    for what, theirs, ours in lines:
        mark = " ✗" if ours / theirs > RATIO else ""
        ratio = f"{ours / theirs:.2f}{mark} | at most {RATIO:g}"
        print(f"| {servers.words(dialect)}: {what} | {theirs:.2f} | {ours:.2f} | {ratio} |", flush=True)
    return [ours / theirs for _, theirs, ours in lines]


def _load(url: str, schema: Schema, tables: dict[str, pa.Table]) -> None:
    with closing(open_database(url)) as database, database.load(schema) as load:
        for name in LOADED:
            load.write_rows(schema.table(name), iter(tables[name].to_batches(50_000)))


def _read(url: str, table: Table) -> None:
    with closing(open_database(url)) as database, database.snapshot() as snapshot:
        for _ in snapshot.read_rows(table, table.column_names):
            pass


def _keep(url: str, table: Table) -> None:
    with closing(open_database(url)) as database, database.snapshot() as snapshot, Workspace() as workspace:
        workspace.write(table.name, snapshot.read_rows(table, table.column_names))


class Psql:
    """Postgres's own client; the tables have their keys when it begins."""

    def __init__(self, url: str, folder: Path) -> None:
        self.url = url
        self._script = folder / "copy.sql"
        self._create: list[str] = []

    def copy_out(self, table: str, file: Path) -> None:
        self._run("-c", rf"\copy {quote(self.url, table)} TO '{file}' (FORMAT csv)")

    def empty(self) -> None:
        """Take rows, keys and indexes away; `copy_in` makes them again."""
        names = ", ".join(f"'{name}'::regclass" for name in LOADED)
        constraints = run_sql(
            self.url,
            "SELECT conrelid::regclass, quote_ident(conname), pg_get_constraintdef(oid) FROM pg_constraint "
            f"WHERE conrelid IN ({names}) AND contype IN ('p', 'u', 'f') ORDER BY contype = 'f', conrelid",
        )
        indexes = run_sql(
            self.url,
            "SELECT i.indexrelid::regclass, pg_get_indexdef(i.indexrelid) FROM pg_index i "
            f"WHERE i.indrelid IN ({names}) AND NOT EXISTS (SELECT 1 FROM pg_constraint WHERE conindid = i.indexrelid)",
        )
        self._create = [f"ALTER TABLE {table} ADD CONSTRAINT {name} {text}" for table, name, text in constraints]
        self._create[len(self._create) - sum(text.startswith("FOREIGN") for *_, text in constraints):0] = [
            definition for _, definition in indexes
        ]  # fmt: skip
        run_sql(
            self.url,
            *(f"ALTER TABLE {table} DROP CONSTRAINT {name}" for table, name, _ in reversed(constraints)),
            *(f"DROP INDEX {name}" for name, _ in indexes),
            f"TRUNCATE {', '.join(quote(self.url, name) for name in LOADED)}",
        )

    def copy_in(self, files: dict[str, Path]) -> None:
        lines = [rf"\copy {quote(self.url, name)} FROM '{file}' (FORMAT csv)" for name, file in files.items()]
        self._script.write_text("\n".join([*lines, *(f"{statement};" for statement in self._create)]))
        self._run("--single-transaction", "-f", str(self._script))

    def _run(self, *arguments: str) -> None:
        subprocess.run(["psql", self.url, "-q", "-X", "-v", "ON_ERROR_STOP=1", *arguments], check=True)


class MySQLClient:
    """The client of MariaDB or MySQL."""

    def __init__(self, url: str, folder: Path) -> None:
        self.url = url
        parts = urlsplit(url)
        self._command = [
            shutil.which("mariadb") or "mysql", "--local-infile=1", "--quick", "--batch", "--skip-column-names",
            "--default-character-set=utf8mb4", "-h", parts.hostname or "127.0.0.1", "-P", str(parts.port or 3306),
            "-u", unquote(parts.username or "root"), parts.path[1:],
        ]  # fmt: skip
        self._environment = {**os.environ, "MYSQL_PWD": unquote(parts.password or "")}

    def copy_out(self, table: str, file: Path) -> None:
        """The client writes a null as the word NULL; `copy_in` takes it for one."""
        with file.open("wb") as output:
            self._run(f"SELECT * FROM {quote(self.url, table)}", output)

    def empty(self) -> None:
        tables = [f"TRUNCATE {quote(self.url, name)}" for name in LOADED]
        run_sql(self.url, "SET foreign_key_checks = 0", *tables)

    def copy_in(self, files: dict[str, Path]) -> None:
        for name, file in files.items():
            columns = [row[0] for row in run_sql(self.url, f"SHOW COLUMNS FROM {quote(self.url, name)}")]
            fields = ", ".join(f"@{number}" for number in range(len(columns)))
            values = ", ".join(f"{quote(self.url, c)} = NULLIF(@{number}, 'NULL')" for number, c in enumerate(columns))
            plain = name == READ  # which has no nulls
            statement = f"LOAD DATA LOCAL INFILE '{file}' INTO TABLE {quote(self.url, name)} CHARACTER SET utf8mb4"
            self._run(statement if plain else f"{statement} ({fields}) SET {values}")

    def _run(self, sql: str, output: object = subprocess.DEVNULL) -> None:
        subprocess.run([*self._command, "-e", sql], check=True, stdout=output, env=self._environment)


def _seconds(work: Callable[[], None]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def _median(repeats: int, work: Callable[[], None]) -> float:
    return statistics.median(_seconds(work) for _ in range(repeats))


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
