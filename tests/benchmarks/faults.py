"""What a target is after a run that was killed, and what readers see of one that was not: proved by doing it.

    python tests/benchmarks/faults.py
    python tests/benchmarks/faults.py --only sqlite --kills 20 --runs 0

Loads are killed with SIGKILL: before statements and changes of files, spread over all there are, and at random moments.
After each, the target must be the complete old or the complete new state (rows, keys, checks, indexes, views,
triggers), the next run must succeed, and nothing of the dead one may be left: schemas, databases, files, folders,
locks. The same where the server cuts the connections, or the disk is full. Then whole `dbsynth` runs are killed, a
reader joins three tables during swaps, and two runs start at once.
Exit status 1 where anything of that fails.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import signal
import sqlite3
import subprocess
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import psycopg
import pyarrow as pa
import pymysql
from servers import Servers, add_server_options, dialect_of, machine, run_sql

from adapters import Mode, open_database
from dbsynth.errors import DbsynthError, TargetError
from dbsynth.shop import build_shop

FAMILY = [
    "CREATE TABLE author (id integer PRIMARY KEY, name varchar(40) NOT NULL UNIQUE, made integer NOT NULL)",
    "CREATE TABLE book (id integer PRIMARY KEY, author integer NOT NULL, made integer NOT NULL CHECK (made >= 0), "
    "CONSTRAINT book_author FOREIGN KEY (author) REFERENCES author (id))",
    "CREATE TABLE sale (id integer PRIMARY KEY, book integer NOT NULL, made integer NOT NULL, "
    "CONSTRAINT sale_book FOREIGN KEY (book) REFERENCES book (id))",
    "CREATE INDEX sale_made ON sale (made)",
    "CREATE TABLE review (id integer PRIMARY KEY, book integer, "
    "CONSTRAINT review_book FOREIGN KEY (book) REFERENCES book (id))",
    "CREATE VIEW sold AS SELECT b.id, count(*) AS n FROM book b JOIN sale s ON s.book = b.id GROUP BY b.id",
]
TRIGGERS = {
    "postgres": [
        "CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
        "CREATE TRIGGER kept BEFORE UPDATE ON sale FOR EACH ROW EXECUTE FUNCTION keep()",
        "GRANT SELECT ON sale TO PUBLIC",
    ],
    "mysql": ["CREATE TRIGGER kept BEFORE UPDATE ON sale FOR EACH ROW SET NEW.made = NEW.made"],
    "sqlite": ["CREATE TRIGGER kept BEFORE UPDATE ON sale BEGIN SELECT 1; END"],
}
LOADED = ("author", "book", "sale")  # `review` is a table of somebody else's
JOIN = (
    "SELECT a.made, b.made, s.made, count(*) FROM sale s JOIN book b ON b.id = s.book JOIN author a ON a.id = b.author "
    "GROUP BY a.made, b.made, s.made"
)
ROWS = 1000
STAGES = {b"o": "opening", b"r": "rows", b"k": "keys, checks", b"s": "swap", b"e": "after"}


def make(servers: Servers, dialect: str) -> str:
    """The URL of a new target with generation 0."""
    url = servers.new(dialect)
    run_sql(url, *FAMILY, *TRIGGERS[dialect])
    load(url, 0)
    run_sql(url, "INSERT INTO review (id, book) VALUES (1, 1)")
    return url


def load(url: str, generation: int, tell: Callable[[bytes], Any] = bytes, mode: Mode = Mode.REPLACE) -> None:
    """Replace the three tables with rows of a generation."""
    tell(b"o")
    load_into(open_database(url), generation, tell, mode)


def load_into(target: Any, generation: int, tell: Callable[[bytes], Any] = bytes, mode: Mode = Mode.REPLACE) -> None:
    schema = target.read_schema().tables_only.restrict(LOADED)
    numbers = list(range(1, ROWS + 1))
    common = {"id": numbers, "made": [generation] * ROWS}
    names = [f"{generation} {number}" for number in numbers]
    own = {"author": {"name": names}, "book": {"author": numbers}, "sale": {"book": numbers}}
    with target.load(schema, mode) as writing:
        tell(b"r")
        for name, columns in own.items():
            writing.write_rows(schema.table(name), [pa.RecordBatch.from_pydict(common | columns)])
        tell(b"k")
        if writing.validate():
            raise AssertionError("the rows are broken")
        tell(b"s")
    tell(b"e")


@dataclass(frozen=True)
class State:
    """A whole target: what is declared, and of which generation its rows are; None: of none, or of several."""

    declared: str
    generation: int | None

    @classmethod
    def of(cls, url: str) -> State:
        database = open_database(url)
        schema = database.read_schema()
        generations = set()
        with database.snapshot() as snapshot:
            for name in LOADED:
                table = schema.table(name)
                rows = pa.Table.from_batches(snapshot.read_rows(table, table.column_names)).to_pydict()
                made = set(rows["made"])
                whole = sorted(rows["id"]) == list(range(1, ROWS + 1)) and len(made) == 1
                generations.add(made.pop() if whole else None)
        complete = len(generations) == 1 and not database.validate(schema)
        return cls(json.dumps(schema.to_json(), sort_keys=True), generations.pop() if complete else None)


def leftovers(url: str) -> list[str]:
    """What a run may have left of itself."""
    name = urlsplit(url).path[1:]
    if dialect_of(url) == "sqlite":
        path = Path(url.removeprefix("sqlite:///"))
        beside = (f".{path.name}", f"{path.name}-")
        return [found.name for found in path.parent.iterdir() if found.name.startswith(beside)]
    if dialect_of(url) == "postgres":
        found = run_sql(url, "SELECT nspname FROM pg_namespace WHERE nspname LIKE 'dbsynth%'")
        found += run_sql(url, "SELECT 'lock', pid FROM pg_locks WHERE locktype = 'advisory' AND database = "
                              "(SELECT oid FROM pg_database WHERE datname = current_database())")  # fmt: skip
        return [str(row) for row in found]
    found = run_sql(url, f"SHOW DATABASES LIKE '{name}\\_\\_dbsynth%'")
    return [row[0] for row in found]


# Killing


@contextmanager
def counted(die_at: int | None) -> Iterator[Callable[[], int]]:
    """Count statements and changes of files in this process, and kill it before the one of that number."""
    seen, undo = 0, []

    def step() -> None:
        nonlocal seen
        seen += 1
        if seen == die_at:
            os.kill(os.getpid(), signal.SIGKILL)

    def watch(owner: Any, name: str) -> None:
        inner = getattr(owner, name)

        def watched(*arguments: Any, **named: Any) -> Any:
            step()
            return inner(*arguments, **named)

        undo.append((owner, name, inner))
        setattr(owner, name, watched)

    class Traced(sqlite3.Connection):
        def __init__(self, *arguments: Any, **named: Any) -> None:
            super().__init__(*arguments, **named)
            self.set_trace_callback(lambda _: step())

    connect = sqlite3.connect
    sqlite3.connect = lambda *arguments, **named: connect(*arguments, factory=Traced, **named)
    for owner, names in ((psycopg.Connection, ("execute", "commit")), (psycopg.Cursor, ("copy",)),
                         (pymysql.connections.Connection, ("query", "commit")), (os, ("replace", "chown")),
                         (Path, ("unlink",))):  # fmt: skip
        for name in names:
            watch(owner, name)
    try:
        yield lambda: seen
    finally:
        sqlite3.connect = connect
        for owner, name, inner in undo:
            setattr(owner, name, inner)


def stopped_load(
    url: str, generation: int, *, at: int | None = None, after: float | None = None,
    cut: float | None = None, bytes_a_file: int | None = None,
) -> str:
    """Load in a process of its own, and how far it came.

    Args:
        at: killed before the statement of this number.
        after: killed after so many seconds.
        cut: its connections are cut by the server after so many seconds.
        bytes_a_file: no file may become larger, as if the disk were full.
    """
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.close(reading)
        try:
            if bytes_a_file is not None:
                signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
                resource.setrlimit(resource.RLIMIT_FSIZE, (bytes_a_file, bytes_a_file))
            with suppress(DbsynthError), counted(at):
                load(url, generation, lambda stage: os.write(writing, stage))
        except BaseException:  # whatever a user should have been told in a line
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    os.close(writing)
    if after is not None:
        time.sleep(after)
        os.kill(child, signal.SIGKILL)
    if cut is not None:
        time.sleep(cut)
        cut_connections(url)
    _, status = os.waitpid(child, 0)
    with os.fdopen(reading, "rb") as pipe:
        told = pipe.read()
    if os.WIFEXITED(status) and os.WEXITSTATUS(status):
        return "an error that is none of ours"
    return STAGES[told[-1:]] if told else STAGES[b"o"]


def cut_connections(url: str) -> None:
    """End all sessions of dbsynth's on the server."""
    if dialect_of(url) == "postgres":
        run_sql(url, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                     "WHERE application_name = 'dbsynth' AND datname = current_database()")  # fmt: skip
        return
    name = urlsplit(url).path[1:]
    sessions = f"SELECT ID FROM information_schema.PROCESSLIST WHERE DB LIKE '{name}%' AND ID <> CONNECTION_ID()"
    for (number,) in run_sql(url, sessions):
        with suppress(pymysql.MySQLError):  # it has ended by itself
            run_sql(url, f"KILL {number}")


@dataclass
class Tally:
    """What came of the kills in one dialect."""

    dialect: str
    stages: Counter[str] = field(default_factory=Counter)
    states: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)


def stop_loads(url: str, kills: int, faults: int, chance: random.Random) -> Tally:
    """Half of the kills at statements, evenly spread over all of them; half at random moments. Then other faults."""
    tally, generation, whole = Tally(dialect_of(url)), 0, State.of(url).declared
    start = time.monotonic()
    with counted(None) as steps:
        load(url, generation := generation + 1)
        number = steps()
    took = time.monotonic() - start
    points = [{"at": 1 + round(i * (number - 1) / max(kills // 2 - 1, 1))} for i in range(kills // 2)]
    points += [{"after": chance.uniform(0, took * 1.1)} for _ in range(kills - kills // 2)]
    if tally.dialect == "sqlite":
        size = Path(url.removeprefix("sqlite:///")).stat().st_size
        points += [{"bytes_a_file": int(chance.uniform(0, size * 1.1))} for _ in range(faults)]
    else:
        points += [{"cut": chance.uniform(0, took * 1.1)} for _ in range(faults)]
    for point in points:
        stage = stopped_load(url, generation + 1, **point)
        what = {"cut": "connections cut", "bytes_a_file": "disk full"}.get(*point, "killed")
        tally.stages[f"{what}: {stage}"] += 1
        if stage not in STAGES.values():
            tally.problems.append(f"{stage} {point}")
        state = State.of(url)
        if state.generation not in (generation, generation + 1):
            tally.problems.append(f"{stage} {point}: the target is neither old nor new")
        elif state.declared != whole:
            tally.states["rows whole, a trigger or key to come"] += 1
        else:
            tally.states["old" if state.generation == generation else "new"] += 1
        generation += 2
        try:
            load(url, generation)
        except TargetError as error:
            tally.problems.append(f"{stage} {point}: the next run failed: {error}")
        if State.of(url) != State(whole, generation):
            tally.problems.append(f"{stage} {point}: after the next run the target is not what it wrote")
        tally.problems += [f"{stage} {point}: left behind: {found}" for found in leftovers(url)]
    return tally


# Whole runs


def kill_runs(servers: Servers, dialect: str, runs: int, chance: random.Random) -> Tally:
    """Kill `dbsynth clone --replace` at random moments."""
    tally, folder = Tally(dialect), servers.folder / f"runs-{dialect}"
    (folder / "tmp").mkdir(parents=True)
    source, target = folder / "shop.db", servers.new(dialect)
    build_shop(source, 0)
    quick = ["--iterations=3", "--n-clusters=2", "--layers=8,8", "--n-steps=2", "--no-evaluate", "--quiet", "--replace"]
    environment = {**os.environ, "TMPDIR": str(folder / "tmp"), "OMP_NUM_THREADS": "1"}

    def start(seed: int) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "dbsynth", "clone", f"sqlite:///{source}", target, *quick, "--seed", str(seed)]
        return subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)

    begin = time.monotonic()
    if start(0).wait():
        tally.problems.append("the first run failed")
        return tally
    took = time.monotonic() - begin
    for seed in range(1, runs + 1):
        before = contents(target)
        run = start(seed)
        time.sleep(chance.uniform(took * 0.3, took * 1.05))
        run.kill()
        run.communicate()
        tally.stages["killed: a whole run"] += 1
        after = contents(target)
        tally.states["old" if after == before else "new"] += 1
        if after != before and not (after.keys() == before.keys() and all(after.values()) and whole(target)):
            tally.problems.append(f"run {seed}: the target is neither old nor new")
        following = start(seed)
        _, said = following.communicate()
        if following.returncode:
            tally.problems.append(f"run {seed}: the next run failed: {said.decode()}")
        found = [*leftovers(target), *(path.name for path in (folder / "tmp").glob("dbsynth*"))]  # torch has its own
        tally.problems += [f"run {seed}: left behind: {name}" for name in found]
    return tally


def contents(url: str) -> dict[str, list[tuple[Any, ...]]]:
    database = open_database(url)
    schema = database.read_schema()
    with database.snapshot() as snapshot:
        return {
            t.name: sorted(map(repr, pa.Table.from_batches(snapshot.read_rows(t, t.column_names)).to_pylist()))
            for t in schema.tables
        }


def whole(url: str) -> bool:
    database = open_database(url)
    return not database.validate(database.read_schema())


# Readers, and two at once


def connect(url: str) -> Any:
    """A connection past the adapters, as a reader has one."""
    parts = urlsplit(url)
    if dialect_of(url) == "sqlite":
        return sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)
    if dialect_of(url) == "postgres":
        return psycopg.connect(url, autocommit=True)
    return pymysql.connect(
        host=parts.hostname, port=parts.port or 3306, user=unquote(parts.username or "root"),
        password=unquote(parts.password or ""), database=parts.path[1:], autocommit=True,
    )  # fmt: skip


def read_through(url: str, swaps: int, mode: Mode) -> dict[str, Any]:
    """Join the three tables in a loop, over one open connection, while their rows are replaced."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.close(reading)
        seen, longest = Counter(), 0.0
        with closing(connect(url)) as connection, os.fdopen(writing, "w") as out:
            cursor = connection.cursor()
            stop: list[int] = []
            signal.signal(signal.SIGTERM, lambda *_: stop.append(1))
            while not stop:
                begin = time.monotonic()
                cursor.execute(JOIN)
                rows = list(cursor.fetchall())
                longest = max(longest, time.monotonic() - begin)
                is_whole = len(rows) == 1 and len(set(rows[0][:3])) == 1 and rows[0][3] == ROWS
                seen[f"{rows[0][0]}" if is_whole else f"broken {rows[:3]}"] += 1
            json.dump({"seen": seen, "longest": longest}, out)
        os._exit(0)
    os.close(writing)
    first = State.of(url).generation
    for generation in range(first + 1, first + 1 + swaps):
        load(url, generation, mode=mode)
    os.kill(child, signal.SIGTERM)
    with os.fdopen(reading) as pipe:
        told = json.loads(pipe.read() or '{"seen": {"broken: the reader died": 1}, "longest": 0}')
    os.waitpid(child, 0)
    broken = [state for state in told["seen"] if state.startswith("broken")]
    return {
        "reads": sum(told["seen"].values()), "states": len(told["seen"]), "broken": broken, "longest": told["longest"]
    }  # fmt: skip


def two_at_once(url: str) -> list[str]:
    """How two loads that start together end."""
    first = State.of(url).generation
    children = []
    for number in (1, 2):
        reading, writing = os.pipe()
        child = os.fork()
        if not child:
            said = "ran"
            try:
                target = open_database(url)
                with target.lock():
                    load_into(target, first + number)
                    time.sleep(6)  # longer than the other one has patience
            except TargetError as error:
                said = str(error)
            os.write(writing, said.encode())
            os._exit(0)
        os.close(writing)
        children.append((child, reading))
    answers = []
    for child, reading in children:
        with os.fdopen(reading) as pipe:
            answers.append(pipe.read())
        os.waitpid(child, 0)
    return answers


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_server_options(parser)
    parser.add_argument("--only", choices=["sqlite", "postgres", "mysql"], action="append")
    parser.add_argument("--kills", type=int, default=200, help="of loads, in each dialect [200]")
    parser.add_argument("--faults", type=int, default=20, help="of other kinds, in each dialect [20]")
    parser.add_argument("--runs", type=int, default=10, help="of whole runs killed, in each dialect [10]")
    parser.add_argument("--swaps", type=int, default=20, help="under a reader's eyes, in each way [20]")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    chance, problems = random.Random(options.seed), []
    print(f"{machine()}; seed {options.seed}\n")
    with Servers(options.postgres, options.mysql) as servers:
        for dialect in options.only or ["sqlite", "postgres", "mysql"]:
            print(f"{servers.words(dialect)}\n", flush=True)
            url = make(servers, dialect)
            tallies = [stop_loads(url, options.kills, options.faults, chance)]
            tallies.append(kill_runs(servers, dialect, options.runs, chance))
            print("| what stopped it, and where it was | times | the target after it |\n|---|--:|---|")
            for tally in tallies:
                for stage, times in tally.stages.items():
                    print(f"| {stage} | {times} | |")
                print("| together | {} | {} |".format(
                    sum(tally.stages.values()), ", ".join(f"{n} {state}" for state, n in tally.states.items())
                ))  # fmt: skip
                problems += [f"{dialect}: {problem}" for problem in tally.problems]
            print("\n| replaced | swaps | reads | states seen | broken | longest read, s |\n|---|--:|--:|--:|--:|--:|")
            for mode in (Mode.REPLACE, Mode.IN_PLACE):
                if dialect == "mysql" and mode is Mode.IN_PLACE:
                    run_sql(url, "DROP TRIGGER kept")
                seen = read_through(url, options.swaps, mode)
                print(f"| {mode} | {options.swaps} | {seen['reads']} | {seen['states']} | {len(seen['broken'])} | "
                      f"{seen['longest']:.2f} |")  # fmt: skip
                problems += [f"{dialect}: a reader saw {state}" for state in seen["broken"]]
            answers = two_at_once(url)
            print(f"\nTwo at once: {' / '.join(sorted(answer.replace(url, '…') for answer in answers))}\n", flush=True)
            if sorted(answer == "ran" for answer in answers) != [False, True]:
                problems.append(f"{dialect}: two at once ended with {answers}")
    print("\n".join(problems) or "No problem.")
    return bool(problems)


if __name__ == "__main__":
    sys.exit(main())
