"""Clone real data sets end to end, read both databases back, and print what was reached beside what must be.

    python tests/benchmarks/clone.py DATA_FOLDER
    python tests/benchmarks/clone.py DATA_FOLDER --only berka --seeds 0 --set iterations=100

Every clone is a `python -m dbsynth clone` of its own. What it says of itself is not believed: the synthetic rows are
read from the target server and measured against the source's, and the constraints are looked for there. Prints
Markdown; the exit status is 1 where a score, a constraint or a row count is missed (a missed time is only marked).
"""

from __future__ import annotations

import argparse
import json
import math
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
from measured import cli_options, run_measured
from scores import read
from servers import Servers, add_server_options, machine, quote, run_sql

from adapters import open_database
from dbsynth.quality.comparison import Comparison
from dbsynth.quality.measures import Measures, measure
from dbsynth.schema import Schema

MEMORY = 2048  # MiB
FEWEST = "at least"
MOST = "at most"
_NAMES = {"postgres": "Postgres", "mysql": "MariaDB", "sqlite": "SQLite"}
_MEASURED = ("cardinality", "1-way", "0-hop", "1-hop", "2-hop", "3-hop",
             "avg 2-way", "degree-correlation", "column-degree", "intra-group")  # fmt: skip


@dataclass(frozen=True)
class Task:
    """One row of the table: a data set on its way from one server to another, and what must be reached."""

    data: str
    source: str
    target: str
    minutes: float
    floors: Mapping[str, float]
    keep: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        kept = f", --keep {' '.join(self.keep)}" if self.keep else ""
        return f"{self.data}, {_NAMES[self.source]} → {_NAMES[self.target]}{kept}"


_F1 = {"cardinality": 96, "1-way": 99, "0-hop": 96, "1-hop": 91, "2-hop": 95}
_BERKA = {"cardinality": 96, "1-way": 98.5, "0-hop": 96, "1-hop": 92, "2-hop": 93, "3-hop": 91}
_MOVIELENS = {"cardinality": 98, "1-way": 99, "0-hop": 98, "1-hop": 96.2}
TASKS = (
    Task("relbench_f1", "postgres", "postgres", 5, _F1, ("driver", "circuit", "constructor")),
    Task("berka", "postgres", "mysql", 5, _BERKA),
    Task("berka", "mysql", "sqlite", 5, _BERKA),
    Task("movielens_1m", "sqlite", "postgres", 8, _MOVIELENS),
)


@dataclass
class Outcome:
    """One clone: figures by name as they are printed, and what is wrong in words."""

    seed: int
    figures: dict[str, float] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)  # by stage, as the clone itself reports them
    failed: bool = False


def main() -> None:
    args = _arguments()
    options = cli_options(args.set)
    tasks = [task for task in TASKS if not args.only or task.data in args.only]
    results: list[tuple[Task, list[Outcome]]] = []
    try:
        for task in tasks:
            outcomes: list[Outcome] = []
            results.append((task, outcomes))
            with Servers(args.postgres, args.mysql) as servers:
                _say(f"{task.title}: loading")
                source = _load(args.data, task, servers)
                for seed in args.seeds:
                    _say(f"{task.title}: seed {seed}")
                    outcomes.append(_try(task, source, servers.new(task.target), seed, options))
                _print_task(task, outcomes, args.set)
    finally:
        where = f"{machine()}; {', '.join(_server_words(args, tasks))}"
        print(f"On {where}.")
        if args.json:
            rows = [{**asdict(task), "outcomes": [asdict(o) for o in outcomes]} for task, outcomes in results]
            document = {"machine": where, "set": args.set, "tasks": _plain(rows)}
            args.json.write_text(json.dumps(document, indent=2, allow_nan=False))
    missed = [m for task, outcomes in results for o in outcomes for m in _missed(task, o) if m != "seconds"]
    wrong = any(o.failed or o.problems for _, outcomes in results for o in outcomes)
    sys.exit(1 if missed or wrong else 0)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, metavar="DATA_FOLDER", help="holds load.py and parquet/<name>/")
    add_server_options(parser)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--only", nargs="+", choices=sorted({task.data for task in TASKS}), metavar="NAME")
    parser.add_argument("--set", nargs="+", default=[], metavar="NAME=VALUE", help="settings beside the default preset")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything there, too")
    return parser.parse_args()


def _load(data: Path, task: Task, servers: Servers) -> str:
    """A new database with the data set, its primary and foreign keys, made by the data's own script."""
    url = servers.new(task.source)
    drivers = {"postgresql": "postgresql+psycopg", "mysql": "mysql+pymysql", "mariadb": "mysql+pymysql"}
    scheme, rest = url.split("://", 1)
    command = [sys.executable, data / "load.py", task.data, f"{drivers.get(scheme, scheme)}://{rest}"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return url


def _try(task: Task, source: str, target: str, seed: int, options: Sequence[str]) -> Outcome:
    """Clone, then check and measure."""
    outcome = Outcome(seed)
    options = [*options, *(word for table in task.keep for word in ("--keep", table)), "--seed", str(seed), "--json"]
    run = run_measured([sys.executable, "-m", "dbsynth", "clone", source, target, *options])
    outcome.figures |= {"seconds": run.seconds, "peak MiB": run.peak_mib}
    try:
        report = json.loads(run.stdout)
    except ValueError:
        outcome.failed = True
        outcome.problems.append(f"status {run.status}: {run.stderr.strip()[-2000:]}")
        return outcome
    if run.status:
        outcome.problems.append(f"the clone's exit status is {run.status}")
    outcome.seconds = report["seconds"]
    try:
        _judge(outcome, source, target, report, _plan(source, options))
    except Exception as error:  # a target that cannot be read is a result; the other seeds go on
        outcome.failed = True
        outcome.problems.append(f"{type(error).__name__}: {error}")
    return outcome


def _plan(source: str, options: Sequence[str]) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "dbsynth", "inspect", source, *options], check=True, capture_output=True, text=True
    )
    return json.loads(done.stdout)


def _judge(outcome: Outcome, source: str, target: str, report: Mapping[str, Any], plan: Mapping[str, Any]) -> None:
    """Fill in the figures and problems from the two databases as they stand on their servers."""
    schema, real = read(source)
    found, synthetic = read(target, schema)
    kept = {table["name"] for table in plan["tables"] if table["kept"]}
    fates = {(c["table"], c["column"]): c["fate"] for c in plan["columns"]}
    unmeasured = [name for name, fate in fates.items() if fate in ("fabricated", "null", "generated")]
    figures, problems = outcome.figures, outcome.problems

    measures = measure(Comparison.of(schema, real, synthetic, leave_out=unmeasured), n_draws=0)
    figures |= {name: measures.scores[name] for name in _MEASURED if name in measures.scores}
    if kept:
        figures |= {f"{name}, tables not kept": _mean_without(measures, name, kept) for name in ("1-way", "0-hop")}
    for name, ours in measures.scores.items():
        score = report["evaluation"]["summary"][name]["score"]
        if score is not None and abs(score - ours) > 0.05:
            problems.append(f"the clone itself reports {name} {score:.2f}, the servers' rows give {ours:.2f}")

    figures["dangling"] = sum(_count_dangling(target, schema).values())
    with closing(open_database(target)) as database:
        violations = database.validate(schema)
    figures["violations"] = len(violations)
    problems += [f"{v.table}: {v.constraint} broken by {v.rows} rows" for v in violations]
    absent = list(_absent_keys(schema, found))
    figures["keys absent"] = len(absent)
    problems += absent

    off = list(_rows_off(real, synthetic, kept))
    figures["tables with rows off"] = len(off)
    problems += off
    leaked = 0
    for (table, column), fate in fates.items():
        if fate == "fabricated":
            n, expected = _count_shared(real[table][column], synthetic[table][column])
            if n > expected + 3 * math.sqrt(expected) + 2:
                leaked += 1
                problems.append(f"{table}.{column}: {n} rows hold values of the source, by chance {expected:.1f}")
    figures["fabricated columns with values of the source"] = leaked
    copied, chance = 0, 0.0
    for table in schema.tables:
        if table.name not in kept:
            columns = _row_columns(schema, table.name, fates)
            n, expected = _count_copied(real[table.name], synthetic[table.name], columns)
            copied, chance = copied + n, chance + expected
            if n > 1.5 * expected + 10:
                problems.append(f"{table.name}: {n} rows are as one of the source, by chance {expected:.0f} would be")
    figures |= {"rows as one of the source": copied, "… by chance": chance}


def _mean_without(measures: Measures, name: str, kept: set[str]) -> float:
    """A measure without the tables that were copied, which score 100."""
    scores = [i.score for i in measures.items if i.measure == name and not kept & set(i.tables) and i.score == i.score]
    return math.fsum(scores) / len(scores) if scores else math.nan


def _count_dangling(url: str, schema: Schema) -> dict[str, int]:
    """Rows by foreign key whose key, without a null, finds no parent; counted by the server."""
    counts = {}
    for key in schema.foreign_keys:
        pairs = list(zip(key.columns, key.parent_columns, strict=True))
        present = " AND ".join(f"c.{quote(url, column)} IS NOT NULL" for column in key.columns)
        same = " AND ".join(f"p.{quote(url, above)} = c.{quote(url, column)}" for column, above in pairs)
        found = f"SELECT 1 FROM {quote(url, key.parent)} p WHERE {same}"
        sql = f"SELECT COUNT(*) FROM {quote(url, key.child)} c WHERE {present} AND NOT EXISTS ({found})"
        counts[f"{key.child}.{'+'.join(key.columns)}"] = run_sql(url, sql)[0][0]
    return counts


def _absent_keys(schema: Schema, found: Schema) -> Iterator[str]:
    """Primary and foreign keys of the source that the target lacks."""
    for table in schema.tables:
        if found.table(table.name).primary_key != table.primary_key:
            yield f"{table.name}: the primary key is {found.table(table.name).primary_key}, not {table.primary_key}"
    there = {(key.child, key.columns, key.parent, key.parent_columns) for key in found.foreign_keys}
    for key in schema.foreign_keys:
        if (key.child, key.columns, key.parent, key.parent_columns) not in there:
            yield f"{key.child}: no foreign key from {', '.join(key.columns)} to {key.parent}"


def _rows_off(real: Mapping[str, pa.Table], synthetic: Mapping[str, pa.Table], kept: set[str]) -> Iterator[str]:
    """Tables whose number of rows is neither within 3 % nor within two rows; kept ones must have them all."""
    for name, rows in real.items():
        n, m = rows.num_rows, synthetic[name].num_rows
        if abs(n - m) > (0 if name in kept else max(0.03 * n, 2)):
            yield f"{name}: {m} rows, the source has {n}"


def _count_shared(real: pa.ChunkedArray, synthetic: pa.ChunkedArray) -> tuple[int, float]:
    """Synthetic rows whose value the source has too (null is no value), and how many would be by chance.

    By chance, if digits and letters are drawn evenly at their places: of one digit many will meet, of eight none.
    """
    there = {str(value) for value in real.to_pylist() if value is not None}
    drawn = [str(value) for value in synthetic.to_pylist() if value is not None]
    shapes = Counter(map(_shape, there))
    chance = sum(min(shapes[s] / (10 ** s.count("0") * 26 ** s.count("a")), 1) for s in map(_shape, drawn))
    return sum(value in there for value in drawn), chance


def _shape(value: str) -> str:
    return "".join("0" if c.isdigit() else "a" if c.isalpha() else c for c in value)


def _row_columns(schema: Schema, table: str, fates: Mapping[tuple[str, str], str]) -> list[str]:
    """The columns that make a row what it is: all that are modelled, without keys."""
    keys = {column for key in schema.foreign_keys_of(table) for column in key.columns}
    names = schema.table(table).column_names
    return [name for name in names if fates[table, name] == "modelled" and name not in keys]


def _count_copied(real: pa.Table, synthetic: pa.Table, columns: Sequence[str]) -> tuple[int, float]:
    """Synthetic rows that are as a row which the source has once, and how many would be by chance.

    Few columns of few values meet often. How often is the larger of two estimates: from the rows the source has twice,
    for a second draw of it (Good and Turing's); and the synthetic columns shuffled, for values that fill their range.
    """
    if len(columns) < 2 or not real.num_rows:
        return 0, 0.0
    seen = Counter(zip(*(real[c].to_pylist() for c in columns), strict=True))
    drawn = [synthetic[c].cast(real[c].type).to_pylist() for c in columns]
    copied = sum(seen.get(row) == 1 for row in zip(*drawn, strict=True))
    shuffled = [random.Random(number).sample(values, len(values)) for number, values in enumerate(drawn)]
    second = 2 * sum(n == 2 for n in seen.values()) * synthetic.num_rows / real.num_rows
    return copied, max(second, sum(seen.get(row) == 1 for row in zip(*shuffled, strict=True)))


def _bounds(task: Task) -> dict[str, tuple[str, float]]:
    nothing = ("dangling", "violations", "keys absent", "tables with rows off",
               "fabricated columns with values of the source")  # fmt: skip
    return {
        "seconds": (MOST, 60 * task.minutes),
        "peak MiB": (MOST, MEMORY),
        **{name: (FEWEST, floor) for name, floor in task.floors.items()},
        **dict.fromkeys(nothing, (MOST, 0)),
    }


def _missed(task: Task, outcome: Outcome) -> list[str]:
    """The figures that are not as they must be; what was not measured has missed, too."""

    def holds(name: str, way: str, bound: float) -> bool:
        value = outcome.figures.get(name, math.nan)
        return value >= bound if way == FEWEST else value <= bound

    return [name for name, (way, bound) in _bounds(task).items() if not holds(name, way, bound)]


def _print_task(task: Task, outcomes: Sequence[Outcome], pairs: Sequence[str]) -> None:
    """A Markdown table: one line for each figure, one column for each seed, ✗ where it is not what it must be."""
    mean = Outcome(-1)
    whole = [outcome for outcome in outcomes if not outcome.failed]
    names = list(dict.fromkeys([*(n for o in whole for n in o.figures), *(n for o in outcomes for n in o.figures)]))
    mean.figures = {n: math.fsum(o.figures[n] for o in whole) / len(whole) for n in names if whole}
    print(f"\n### {task.title}{f' ({chr(32).join(pairs)})' if pairs else ''}\n")
    print("| | must be | " + " | ".join(f"seed {o.seed}" for o in outcomes) + " | mean |")
    print("|---|---|" + "---:|" * (len(outcomes) + 1))
    bounds = _bounds(task)
    for name in names:
        bound = f"{bounds[name][0]} {bounds[name][1]:g}" if name in bounds else ""
        cells = [_cell(task, outcome, name) for outcome in (*outcomes, mean)]
        print(f"| {name} | {bound} | " + " | ".join(cells) + " |")
    print()
    for outcome in outcomes:
        stages = ", ".join(f"{name} {seconds:.1f}" for name, seconds in outcome.seconds.items())
        print(f"- seed {outcome.seed}, seconds: {stages}" if stages else f"- seed {outcome.seed} has failed")
        for problem in outcome.problems:
            print(f"- seed {outcome.seed}: {problem}")
    print(flush=True)


def _cell(task: Task, outcome: Outcome, name: str) -> str:
    value = outcome.figures.get(name)
    if value is None or math.isnan(value):
        return "–"
    places = 0 if isinstance(value, int) else {"seconds": 1, "peak MiB": 0, "… by chance": 0}.get(name, 2)
    return f"{value:.{places}f}" + (" ✗" if name in _missed(task, outcome) else "")


def _server_words(args: argparse.Namespace, tasks: Sequence[Task]) -> list[str]:
    dialects = dict.fromkeys(dialect for task in tasks for dialect in (task.source, task.target))
    return [Servers(args.postgres, args.mysql).words(dialect) for dialect in dialects]


def _plain(data: Any) -> Any:
    """The same with None for what is not a number."""
    if isinstance(data, dict):
        return {name: _plain(value) for name, value in data.items()}
    if isinstance(data, list | tuple):
        return [_plain(value) for value in data]
    return None if isinstance(data, float) and math.isnan(data) else data


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
