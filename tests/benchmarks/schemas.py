"""Clone databases as people have them, with no word of configuration, and let the servers say what holds.

    python tests/benchmarks/schemas.py DATA_FOLDER
    python tests/benchmarks/schemas.py DATA_FOLDER --only pagila --set iterations=20

Every database of the folder (see `sources.py`), in every dialect it is there, goes to every dialect. Each clone is a
`python -m dbsynth clone` of its own; within a dialect `--ddl native` brings views, functions and triggers along. What
it says of itself is not believed: constraints are read from the target's catalog and counted against its rows, and
where the database brings views or there are reports one would ask of it, they are run. Prints Markdown; the exit
status is 1 where a clone fails, a constraint is broken, rows or constraints are missing, a query finds nothing, or the
total of a report is more than 10 % off.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from application import Answer, ask
from measured import cli_options, run_measured
from servers import Servers, add_server_options, machine
from sources import dialects_of, names, new_source

from adapters import Adapter, open_database
from dbsynth.schema import Schema

_NAMES = {"postgres": "Postgres", "mysql": "MariaDB", "sqlite": "SQLite"}
DIALECTS = tuple(_NAMES)


@dataclass
class Outcome:
    """One clone as the table shows it; what is wrong in words."""

    title: str
    tables: int = 0
    rows: int = 0
    constraints: int = 0
    violations: int = 0
    losses: tuple[str, ...] = ()
    seconds: float = 0.0
    answers: list[Answer] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    @property
    def line(self) -> str:
        answered = sum(a.rows > 0 for a in self.answers)
        queries = f"{answered} of {len(self.answers)}" if self.answers else ""
        figures = (f"{n:,}" for n in (self.tables, self.rows, self.constraints, self.violations, len(self.losses)))
        return f"| {self.title} | {' | '.join(figures)} | {queries} | {self.seconds:.0f} |"


def main() -> None:
    args = _arguments()
    outcomes: list[Outcome] = []
    print("| clone | tables | rows | constraints | violations | losses | queries that find rows | seconds |")
    print("|---|--:|--:|--:|--:|--:|--:|--:|", flush=True)
    for name in args.only or names(args.data):
        for source in (dialect for dialect in dialects_of(args.data, name) if dialect in args.of):
            with Servers(args.postgres, args.mysql) as servers:
                url = new_source(args.data, name, source, servers)
                for target in _targets(args.data, name, source, args.to):
                    _say(f"{name}, {source} → {target}")
                    title = f"{name}, {_NAMES[source]} → {_NAMES[target]}"
                    outcomes.append(_try(title, name, url, servers.new(target), source == target, args.set))
                    print(outcomes[-1].line, flush=True)
    for outcome in outcomes:
        _print_details(outcome)
    print(f"\nOn {machine()}; settings: {' '.join(args.set) or 'defaults'}.")
    sys.exit(1 if any(outcome.problems for outcome in outcomes) else 0)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, metavar="DATA_FOLDER", help="holds sql/<name>/, parquet/<name>/ and load.py")
    add_server_options(parser)
    parser.add_argument("--only", nargs="+", metavar="NAME", help="of the folder's databases")
    parser.add_argument("--of", nargs="+", choices=DIALECTS, default=DIALECTS, help="source dialects")
    parser.add_argument("--to", nargs="+", choices=DIALECTS, default=DIALECTS, help="target dialects")
    parser.add_argument("--set", nargs="*", default=["iterations=20"], metavar="NAME=VALUE",
                        help="settings; constraints do not depend on how long is learned. [iterations=20]")  # fmt: skip
    return parser.parse_args()


def _targets(data: Path, name: str, source: str, wanted: Sequence[str]) -> list[str]:
    """Every dialect; parquet sets, which any dialect can hold, go from Postgres to all and back from the others."""
    if (data / "parquet" / name).is_dir() and source != "postgres":
        return [target for target in wanted if target in ("postgres", source)]
    return list(wanted)


def _try(title: str, name: str, source: str, target: str, same: bool, options: Sequence[str]) -> Outcome:
    outcome = Outcome(title)
    command = [sys.executable, "-m", "dbsynth", "clone", source, target, "--no-evaluate", "--json"]
    run = run_measured([*command, *(["--ddl", "native"] if same else []), *cli_options(options)])
    outcome.seconds = run.seconds
    try:
        report = json.loads(run.stdout)
    except ValueError:
        outcome.problems.append(f"status {run.status}: {run.stderr.strip()[-2000:]}")
        return outcome
    outcome.losses = tuple(report["losses"])
    try:
        with closing(open_database(source)) as real, closing(open_database(target)) as synthetic:
            _judge(outcome, real, synthetic)
        outcome.answers = list(ask(name, source, target, same))
    except Exception as error:  # a target that cannot be asked is a result; the other clones go on
        outcome.problems.append(f"{type(error).__name__}: {error}")
    outcome.problems += [f"{a.query}: no rows, {a.real_rows} real ones" for a in outcome.answers if not a.rows]
    outcome.problems += [f"{a}: more than 10 % off" for a in outcome.answers if a.is_off]
    return outcome


def _judge(outcome: Outcome, real: Adapter, synthetic: Adapter) -> None:
    """Count what the target's own catalog declares, and what its rows break of that."""
    wanted, found = real.read_schema(), synthetic.read_schema()
    outcome.tables = len(found.tables)
    outcome.constraints = sum(1 for _ in _constraints(found))
    broken = synthetic.validate(found)
    outcome.violations = len(broken)
    outcome.problems += [f"{v.table}: {v.constraint} broken by {v.rows} rows" for v in broken]
    with real.snapshot() as before, synthetic.snapshot() as after:
        for table in wanted.tables:
            if table.name not in found.table_names:
                outcome.problems.append(f"table {table.name} is missing")
                continue
            n, rows = before.count_rows(table), after.count_rows(found.table(table.name))
            outcome.rows += rows
            if n != rows:
                outcome.problems.append(f"{table.name}: {rows} rows, {n} real ones")
    if wanted.dialect == found.dialect:
        missing = set(_constraints(wanted)) - set(_constraints(found))
        outcome.problems += [f"{table}: {constraint} is missing" for table, constraint in sorted(missing)]


def _constraints(schema: Schema) -> Iterator[tuple[str, str]]:
    """Table and constraint for all that a server holds its rows to."""
    for table in schema.tables:
        if table.primary_key:
            yield table.name, f"PRIMARY KEY {table.primary_key}"
        yield from ((table.name, f"NOT NULL {column.name}") for column in table.columns if not column.nullable)
        yield from ((table.name, f"UNIQUE {key.columns}") for key in table.unique_keys)
        yield from ((table.name, f"CHECK {check.name}") for check in table.checks)
        yield from ((table.name, f"INDEX {i.name}") for i in table.indexes if i.unique or i.excludes)
    yield from ((key.child, f"FOREIGN KEY {key.columns} → {key.parent}") for key in schema.foreign_keys)


def _print_details(outcome: Outcome) -> None:
    if outcome.problems or outcome.losses or outcome.answers:
        print(f"\n**{outcome.title}**\n")
    for problem in outcome.problems:
        print(f"- PROBLEM: {problem}")
    for loss in outcome.losses:
        print(f"- lost: {loss}")
    for answer in outcome.answers:
        print(f"- {answer}")


def _say(text: str) -> None:
    print(f"  {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
