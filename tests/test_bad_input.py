"""Bad input: one line that says what to do, a status that is not 0, and nothing lost; and odd input that is none."""

from __future__ import annotations

import errno
import gc
import json
import os
import resource
import secrets
import signal
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pyarrow as pa
import pytest

from dbsynth import cli, jobs, workspace
from dbsynth.config import Settings

ROOT = Path(__file__).parent.parent
QUICK = Settings(iterations=10, n_clusters=3, n_steps=2, batch_size=64, layers=(16,))
OPTIONS = ["--iterations", "10", "--n-clusters", "3", "--n-steps", "2", "--batch-size", "64", "--layers", "16"]
DIALECTS = ["sqlite", "postgres", "mysql"]

PAIR = """
CREATE TABLE parent (id integer PRIMARY KEY, name varchar(40), size integer NOT NULL);
CREATE TABLE child (id integer PRIMARY KEY, parent_id integer NOT NULL, weight integer,
    CONSTRAINT child_parent FOREIGN KEY (parent_id) REFERENCES parent (id));
"""
ROWS = "".join(f"INSERT INTO parent VALUES ({i}, 'n{i}', {i % 7});\n" for i in range(1, 31)) + "".join(
    f"INSERT INTO child VALUES ({i}, {1 + i % 30}, {i % 11});\n" for i in range(1, 61)
)
STANDING = "INSERT INTO parent VALUES (1, 'standing', 5);\nINSERT INTO child VALUES (1, 1, 8);\n"

Sql = Callable[[str, str], list[tuple[Any, ...]]]
Make = Callable[..., str]
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def make(request: pytest.FixtureRequest, sql: Sql) -> Make:
    """`make("mysql", statements)` is the URL of a new database in which these statements have run."""

    def make(dialect: str, *statements: str) -> str:
        url = request.getfixturevalue(f"new_{dialect}")()
        for part in filter(None, statements):
            sql(url, part)
        return url

    return make


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """`run("inspect", url)` is the exit status, stdout and stderr, in this process."""

    def run(*arguments: object) -> tuple[int, str, str]:
        status = cli._run([str(argument) for argument in arguments])
        return status, *capsys.readouterr()

    return run


def contents(sql: Sql, url: str, *tables: str) -> list[list[tuple[Any, ...]]]:
    """All rows of the tables, as the application sees them."""
    return [sorted(sql(url, f"SELECT * FROM {name}")) for name in tables or ("parent", "child")]


def refused(run: Run, *arguments: object, says: str) -> str:
    """The one line with which the command ends, after its progress was silenced."""
    status, out, err = run(*arguments, "--quiet")
    assert (status, out) == (1, "")
    assert err.startswith("dbsynth: error: "), err
    assert err.count("\n") == 1, err
    assert says in err, err
    return err


# --- addresses


@pytest.mark.parametrize("command", ["inspect", "fit", "clone from", "clone to", "generate"])
@pytest.mark.parametrize("scheme", ["postgresql", "mysql"])
def test_no_server_is_one_line(scheme: str, command: str, make: Make, tmp_path: Path, run: Run) -> None:
    """Where it was looked for, whoever was asked to go there; and no half of a bundle is left."""
    url, bundle = f"{scheme}://app:canary@127.0.0.1:1/shop", tmp_path / "bundle"
    source = make("sqlite", PAIR + ROWS)
    if command == "generate":
        jobs.fit(source, bundle, QUICK)
    arguments = {
        "inspect": ["inspect", url], "fit": ["fit", url, bundle], "clone from": ["clone", url, "sqlite:///x.db"],
        "clone to": ["clone", source, url], "generate": ["generate", bundle, url],
    }  # fmt: skip
    err = refused(run, *arguments[command], says="127.0.0.1")
    assert "canary" not in err
    assert "; check the host and the port in the URL" in err
    assert bundle.exists() == (command == "generate")


def test_a_wrong_password_is_one_line_without_it(mysql_url: str, run: Run) -> None:
    """It says who was refused."""
    parts = urlsplit(mysql_url)
    wrong = f"mysql://{parts.username or 'root'}:wr0ng-canary@{parts.hostname}:{parts.port or 3306}{parts.path}"
    err = refused(run, "inspect", wrong, says="denied")
    assert "canary" not in err
    assert "; check the user and the password in the URL" in err


@pytest.mark.parametrize("dialect", ["postgres", "mysql"])
def test_an_unknown_database_or_role_is_named(dialect: str, make: Make, run: Run) -> None:
    """In one line of the server's words, and what to try."""
    parts = urlsplit(make(dialect))
    url = parts._replace(path="/no_such_database").geturl()
    assert "; create the database, or correct its name" in refused(run, "inspect", url, says="no_such_database")
    stranger = parts._replace(netloc=f"nobody_there:canary@{parts.hostname}:{parts.port or ''}".rstrip(":")).geturl()
    err = refused(run, "inspect", stranger, says="nobody_there")
    assert "canary" not in err
    assert "; check the user and the password in the URL" in err


@pytest.fixture
def stranger(postgres_server: str, mysql_server: str, sql: Sql) -> Iterator[Callable[[str], str]]:
    """`stranger(url)` is the same database for a user who may connect to it and hardly more."""
    name = f"dbsynth_test_{secrets.token_hex(4)}"
    sql(postgres_server, f"CREATE ROLE {name} LOGIN PASSWORD 'canary'")
    sql(mysql_server, f"CREATE USER {name}@'%' IDENTIFIED BY 'canary'")

    def stranger(url: str) -> str:
        parts = urlsplit(url)
        if parts.scheme == "mysql":
            sql(url, f"GRANT SELECT ON {parts.path[1:]}.* TO {name}@'%'")  # or it may not even connect
        return parts._replace(netloc=f"{name}:canary@{parts.hostname}:{parts.port or ''}".rstrip(":")).geturl()

    yield stranger
    sql(postgres_server, f"DROP ROLE {name}")
    sql(mysql_server, f"DROP USER {name}@'%'")


@pytest.mark.parametrize("dialect", ["postgres", "mysql"])
def test_a_right_that_lacks_is_named_with_what_to_try(
    dialect: str, make: Make, stranger: Callable[[str], str], sql: Sql, run: Run
) -> None:
    """To read, to write, and to write in the tables that stand."""
    source, url = make(dialect, PAIR + ROWS), make(dialect, PAIR)
    if dialect == "postgres":  # MySQL shows no tables to who may not read them
        assert "; reading needs SELECT" in refused(run, "inspect", stranger(source), says="permission denied for table")
    target = stranger(url)
    for option in ("swap", "in-place"):
        err = refused(run, "clone", source, target, f"--replace={option}", *OPTIONS, says="")
        assert "GRANT" in err
        assert "canary" not in err


def test_no_such_sqlite_file_is_named_and_not_made(tmp_path: Path, run: Run) -> None:
    """A typing mistake does not leave an empty database."""
    refused(run, "inspect", f"sqlite:///{tmp_path}/typo.db", says="typo.db")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("scheme", "driver", "module"), [("postgresql", "psycopg", "postgres"), ("mysql", "pymysql", "mysql")]
)
def test_a_missing_driver_says_what_to_install(
    scheme: str, driver: str, module: str, monkeypatch: pytest.MonkeyPatch, run: Run
) -> None:
    """Rather than a ModuleNotFoundError of Python's."""
    for name in [name for name in sys.modules if name.split(".")[0] == driver or name.startswith(f"adapters.{module}")]:
        if name.startswith("adapters."):  # the package shall know the same module again afterwards
            monkeypatch.setattr(name, sys.modules[name])
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, driver, None)
    assert "install" in refused(run, "inspect", f"{scheme}://127.0.0.1/shop", says="driver")


# --- sources without much in them


@pytest.mark.parametrize("dialect", DIALECTS)
def test_an_empty_database_is_refused(dialect: str, make: Make, run: Run, tmp_path: Path) -> None:
    """It is more often a wrong address; the target is not touched."""
    url = make(dialect)
    for arguments in (["inspect", url], ["fit", url, tmp_path / "b"], ["clone", url, f"sqlite:///{tmp_path}/t.db"]):
        refused(run, *arguments, says="no tables")
    assert not (tmp_path / "b").exists()
    assert not (tmp_path / "t.db").exists()


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("rows", ["", "INSERT INTO parent VALUES (7, 'x', 2);", "INSERT INTO parent VALUES (7, 'x', 2);"
                                  "\nINSERT INTO child VALUES (1, 7, NULL);\nINSERT INTO child VALUES (2, 7, 3);"],
                         ids=["no rows", "one parent", "one family"])  # fmt: skip
def test_tables_with_hardly_a_row_are_cloned(dialect: str, rows: str, make: Make, sql: Sql) -> None:
    """Empty tables stay empty, and the next row can be inserted."""
    source, target = make(dialect, PAIR, rows), make(dialect)
    report = jobs.clone(source, target, QUICK)
    assert [t.rows for t in report.tables] == [t.real_rows for t in report.tables]
    sql(target, "INSERT INTO parent VALUES (700, 'y', 3)")
    sql(target, "INSERT INTO child VALUES (700, 700, 3)")


def test_rows_whose_parents_are_all_gone_are_refused(make: Make, run: Run, tmp_path: Path) -> None:
    """Orphans (SQLite has them) under a key that may not be null, and a parent table without a row."""
    source = make("sqlite", PAIR, "PRAGMA foreign_keys = OFF;\nINSERT INTO child VALUES (1, 5, 2);")
    refused(run, "clone", source, f"sqlite:///{tmp_path}/t.db", *OPTIONS, says="'parent'")
    assert not (tmp_path / "t.db").exists()


@pytest.mark.parametrize("must", ["", "NOT NULL"])
@pytest.mark.parametrize("target", DIALECTS)
def test_orphans_do_not_reach_the_target(must: str, target: str, make: Make, sql: Sql) -> None:
    """They count as rows without a parent, or find one where they must have one."""
    source = make("sqlite", PAIR.replace("parent_id integer NOT NULL", f"parent_id integer {must}"), ROWS,
                  "PRAGMA foreign_keys = OFF;\nUPDATE child SET parent_id = 999 WHERE id % 4 = 0;")  # fmt: skip
    url = make(target)
    jobs.clone(source, url, QUICK)
    assert sql(url, "SELECT count(*) FROM child") == [(60,)]
    assert sql(url, "SELECT count(*) FROM child WHERE parent_id NOT IN (SELECT id FROM parent)") == [(0,)]


def test_a_key_to_a_missing_table_is_refused(make: Make, run: Run, tmp_path: Path) -> None:
    """SQLite lets it stand; both tables are named."""
    source = make("sqlite", "CREATE TABLE child (id integer PRIMARY KEY, gone_id integer REFERENCES gone (id));")
    err = refused(run, "clone", source, f"sqlite:///{tmp_path}/t.db", says="'gone'")
    assert "'child'" in err
    assert not (tmp_path / "t.db").exists()


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_table_without_a_primary_key_is_cloned(dialect: str, make: Make, sql: Sql) -> None:
    """Whether others refer to it or not; rows may repeat."""
    source = make(dialect, PAIR.replace("child (id integer PRIMARY KEY", "child (id integer"), ROWS)
    url = make(dialect)
    jobs.clone(source, url, QUICK)
    assert sql(url, "SELECT count(*) FROM child") == [(60,)]


@pytest.mark.parametrize("dialect", DIALECTS)
def test_columns_without_information_are_cloned(dialect: str, make: Make, sql: Sql) -> None:
    """All null, always the same, always the same but for nulls."""
    lines = "".join(f"INSERT INTO dull VALUES ({i}, NULL, NULL, NULL, 4, 2.50, 'same', TRUE, '2024-01-01',"
                    f" {'NULL' if i % 2 else 3});\n" for i in range(1, 41))  # fmt: skip
    source = make(dialect, """
        CREATE TABLE dull (id integer PRIMARY KEY, missing integer, no_text varchar(10), no_date date,
            four integer NOT NULL, price decimal(6, 2), word varchar(10), truth boolean, day date, half integer);
    """, lines)  # fmt: skip
    url = make(dialect)
    jobs.clone(source, url, QUICK)
    query = "SELECT DISTINCT missing, no_text, no_date, four, price, word, truth, day FROM dull"
    assert sql(url, query) == sql(source, query)
    assert {value for (value,) in sql(url, "SELECT half FROM dull")} == {3, None}


def test_five_hundred_columns_are_cloned(make: Make, sql: Sql) -> None:
    """Of every common kind."""
    kinds = ["integer", "decimal(8, 2)", "varchar(20)", "date", "boolean"]
    values = ["{n}", "{n}.25", "'word {n}'", "'2024-01-1{n}'", "TRUE"]
    columns = ", ".join(f"c{i} {kinds[i % 5]}" for i in range(499))
    rows = "".join(f"INSERT INTO wide VALUES ({i}, "
                   + ", ".join(values[c % 5].format(n=(i * 7 + c) % 9) for c in range(499)) + ");\n"
                   for i in range(1, 31))  # fmt: skip
    source, url = make("sqlite", f"CREATE TABLE wide (id integer PRIMARY KEY, {columns});", rows), make("postgres")
    jobs.clone(source, url, QUICK)
    assert sql(url, "SELECT count(*), count(c0), count(c498) FROM wide") == [(30, 30, 30)]


NAMES = ["Mixed Case", "select", "it's", 'double"quote', "back`tick", "100% sure", "%s", "{x}", "emoji 🦆", "a.b", "$1"]


@pytest.mark.parametrize("dialect", DIALECTS)
def test_any_name_is_cloned(dialect: str, make: Make, sql: Sql) -> None:
    """Of tables, columns and constraints: spaces, quotes, capitals, reserved words, percent signs, emoji."""

    def quote(name: str) -> str:
        mark = "`" if dialect == "mysql" else '"'
        return mark + name.replace(mark, mark * 2) + mark

    for start in (0, 6):
        names = [name.replace("🦆", "☃") if dialect == "mysql" else name for name in NAMES]  # all it knows
        one, two, three, four, five = names[start : start + 5]
        parent, child, key, value, text = map(quote, (one, two, three, four, five))
        source = make(dialect, f"""
            CREATE TABLE {parent} ({key} integer PRIMARY KEY, {value} integer NOT NULL,
                CONSTRAINT {text} CHECK ({value} >= 0));
            CREATE TABLE {child} ({key} integer PRIMARY KEY, {parent} integer NOT NULL, {text} varchar(20),
                CONSTRAINT {value} FOREIGN KEY ({parent}) REFERENCES {parent} ({key}));
        """, "".join(f"INSERT INTO {parent} VALUES ({i}, {i % 3});\n" for i in range(20))
             + "".join(f"INSERT INTO {child} VALUES ({i}, {i % 20}, 'x{i % 4}');\n" for i in range(50)))  # fmt: skip
        url = make(dialect)
        jobs.clone(source, url, QUICK)
        assert sql(url, f"SELECT count(*) FROM {child} c JOIN {parent} p ON c.{parent} = p.{key}") == [(50,)]


# --- targets


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_target_with_rows_is_refused_unless_told_to_replace(dialect: str, make: Make, sql: Sql, run: Run) -> None:
    """Unchanged first, and before anything is learned; then the synthetic rows alone stand there."""
    source, target = make("sqlite", PAIR, ROWS), make(dialect, PAIR, STANDING)
    before = contents(sql, target)
    refused(run, "clone", source, target, "--iterations", "1000000", says="--replace")
    assert contents(sql, target) == before
    assert run("clone", source, target, "--replace", "--quiet", *OPTIONS)[0] == 0
    assert [len(rows) for rows in contents(sql, target)] == [30, 60]
    assert sql(target, "SELECT count(*) FROM parent WHERE name = 'standing'") == [(0,)]


_SOCKETS = {"postgres": "SHOW unix_socket_directories", "mysql": "SELECT @@socket"}


def _spellings(dialect: str, url: str, sql: Sql) -> list[str]:
    parts = urlsplit(url)
    if dialect == "sqlite":
        path = Path(url.removeprefix("sqlite:///"))
        (path.parent / "symlink.db").symlink_to(path)
        os.link(path, path.parent / "hardlink.db")
        folder = path.parent
        return [f"sqlite:///{folder}/{name}" for name in ("symlink.db", "hardlink.db", f"../{folder.name}/{path.name}")]
    user, port = parts.username or "root", parts.port or {"postgres": 5432, "mysql": 3306}[dialect]
    login = f"{user}:{parts.password}" if parts.password else user
    others = {"postgres": ["postgres", "postgresql+psycopg"], "mysql": ["mariadb", "mysql+pymysql"]}[dialect]
    places = [f"{login}@localhost:{port}", *([f"{login}@127.0.0.1"] if port in (5432, 3306) else [])]
    option = {"postgres": f"port={port}&host", "mysql": "unix_socket"}[dialect]
    sockets = [f"{login}@{parts.path}?{option}={path}" for ((path,),) in [sql(url, _SOCKETS[dialect])] if
               Path(path).exists()]  # fmt: skip
    return [
        *(f"{scheme}://{place}{parts.path}" for scheme in others for place in places),
        *(f"{others[0]}://{socket}" for socket in sockets),
    ]


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_source_is_not_its_own_target_however_spelled(dialect: str, make: Make, sql: Sql, run: Run) -> None:
    """Not even with --replace."""
    source = make(dialect, PAIR, ROWS)
    before = contents(sql, source)
    for spelling in [source, *_spellings(dialect, source, sql)]:
        refused(run, "clone", source, spelling, "--replace", says="the same database")
    assert contents(sql, source) == before


def test_rows_are_not_drawn_around_those_of_the_target(make: Make, sql: Sql, run: Run, tmp_path: Path) -> None:
    """The given rows' database is a source, too: what else it holds would be lost."""
    source = make("sqlite", PAIR, ROWS)
    before = contents(sql, source)
    jobs.fit(source, tmp_path / "b", QUICK.model_copy(update={"engine": "graph"}))
    (tmp_path / "other.db").symlink_to(source.removeprefix("sqlite:///"))
    given = ["--given", "parent", "--given-from", f"sqlite:///{tmp_path}/other.db", "--replace"]
    refused(run, "generate", tmp_path / "b", source, *given, says="the same database")
    assert contents(sql, source) == before


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_constraint_that_refuses_a_row_leaves_the_target_as_it_was(
    dialect: str, make: Make, sql: Sql, run: Run
) -> None:
    """The standing tables ask for more than the source's: the error names it, the old rows stand."""
    strict = PAIR.replace("weight integer", "weight integer, CONSTRAINT weight_is_eight CHECK (weight = 8)")
    source, target = make("sqlite", PAIR, ROWS), make(dialect, strict, STANDING)
    before = contents(sql, target)
    refused(run, "clone", source, target, "--replace", *OPTIONS, says="weight_is_eight")
    assert contents(sql, target) == before


# --- bundles


@pytest.fixture
def bundle(make: Make, tmp_path: Path) -> Path:
    """A bundle of the two tables."""
    jobs.fit(make("sqlite", PAIR, ROWS), tmp_path / "pair.bundle", QUICK)
    return tmp_path / "pair.bundle"


@pytest.mark.parametrize("what", ["missing", "a file", "no manifest", "cut", "another version"])
def test_a_bundle_that_is_none_is_one_line(what: str, bundle: Path, make: Make, sql: Sql, run: Run) -> None:
    """With the target's rows where they were."""
    target = make("sqlite", PAIR, STANDING)
    before = contents(sql, target)
    manifest, weights = bundle / "manifest.json", bundle / "arrays.safetensors"
    if what == "missing":
        bundle = bundle.with_name("gone.bundle")
    elif what == "a file":
        bundle = weights
    elif what == "no manifest":
        manifest.unlink()
    elif what == "cut":
        weights.write_bytes(weights.read_bytes()[:100])
    else:
        manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"version": 999}))
    err = refused(run, "generate", bundle, target, "--replace", says=bundle.name)
    assert "fit" in err
    assert contents(sql, target) == before


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_bundle_of_another_schema_is_refused(dialect: str, bundle: Path, make: Make, sql: Sql, run: Run) -> None:
    """The standing table and the column that does not fit are named; its rows stay."""
    other = PAIR.replace("size integer NOT NULL", "girth integer NOT NULL")
    target = make(dialect, other, STANDING)
    before = contents(sql, target)
    err = refused(run, "generate", bundle, target, "--replace", says="'parent'")
    assert "girth" in err or "size" in err
    assert contents(sql, target) == before


@pytest.mark.parametrize("device", ["nowhere", "cuda:99"])
def test_a_device_that_is_not_there(device: str, bundle: Path, tmp_path: Path, run: Run) -> None:
    """Said before anything is read."""
    refused(run, "generate", bundle, f"sqlite:///{tmp_path}/t.db", "--device", device, says=f"device is '{device}'")


def test_a_scale_is_above_nothing(bundle: Path, tmp_path: Path, run: Run) -> None:
    """Name, value, range."""
    for scale in ("0", "-1", "nan", "inf"):
        refused(run, "generate", bundle, f"sqlite:///{tmp_path}/t.db", "--scale", scale, says="scale is")
    assert not (tmp_path / "t.db").exists()


# --- interrupted, and no room

_SLOW = textwrap.dedent("""
    import sys, time
    from dbsynth import cli
    from dbsynth.jobs import steps

    counted = steps.counted

    def slowly(batches, advance):
        for batch in counted(batches, advance):
            yield batch
            print("loading", file=sys.stderr, flush=True)
            time.sleep(60)

    steps.counted = slowly  # of what is loaded; what is read is counted elsewhere
    cli.main()
""")


@pytest.mark.parametrize(("stage", "number", "dialect"), [
    ("training", signal.SIGTERM, "mysql"), ("loading", signal.SIGINT, "sqlite"),
    ("loading", signal.SIGTERM, "postgres"), ("loading", signal.SIGINT, "mysql"),
])  # fmt: skip
def test_interrupted_leaves_everything_as_it_was(
    stage: str, number: int, dialect: str, make: Make, sql: Sql, tmp_path: Path
) -> None:
    """Ctrl-C, or a container that stops, in the middle of learning or loading: the old rows, no real rows on disk."""
    source, target = make("sqlite", PAIR, ROWS), make(dialect, PAIR, STANDING)
    before, scratch = contents(sql, target), tmp_path / "scratch"
    scratch.mkdir()
    options = [*OPTIONS, "--held-back", "0", *(["--iterations", "1000000"] if stage == "training" else [])]
    process = subprocess.Popen(
        [sys.executable, "-c", _SLOW, "clone", source, target, "--replace", "--json", *options],
        env={**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(scratch), "OMP_NUM_THREADS": "1"},
        text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # ignored where tests run in the background
    )  # fmt: skip
    said = []
    for line in process.stderr:
        said.append(line)
        if line == "loading\n" or (stage == "training" and '"training' in line):
            break
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (130 if number == signal.SIGINT else 143, ""), "".join(said) + err
    assert "Traceback" not in err
    assert contents(sql, target) == before
    assert list(scratch.glob("dbsynth-*")) == []


@pytest.fixture
def no_file_above() -> Iterator[Callable[[int], None]]:
    """`no_file_above(n)`: from here on no file of this process may grow past n bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield lambda largest: resource.setrlimit(resource.RLIMIT_FSIZE, (largest, before[1]))
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.filterwarnings("error::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize(("what", "largest"), [("workspace", 10_000), ("weights", 20_000), ("target", 20_000)])
def test_no_room_is_one_line_and_leaves_nothing(
    what: str, largest: int, make: Make, tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch,
    no_file_above: Callable[[int], None],
) -> None:  # fmt: skip
    """Where files may not grow: in the folder for real rows, the bundle, the target."""
    rows = "".join(f"INSERT INTO child VALUES ({i}, {1 + i % 30}, {i % 11});\n" for i in range(61, 800))
    source, scratch, place = make("sqlite", PAIR, ROWS, rows), tmp_path / "scratch", tmp_path / "place"
    scratch.mkdir()
    place.mkdir()
    if what == "target":
        jobs.fit(source, tmp_path / "bundle", QUICK)
        arguments = ["generate", tmp_path / "bundle", f"sqlite:///{place}/t.db", "--scale", "3"]
    else:
        arguments = ["fit", source, place / "bundle", *OPTIONS, *(["--layers", "256,256"] if what == "weights" else [])]
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    no_file_above(largest)
    refused(run, *arguments, says=str(scratch if what == "workspace" else place))
    gc.collect()
    assert list(scratch.glob("dbsynth-*")) + list(place.iterdir()) == []


def test_a_full_disk_is_said_where_it_is_full(make: Make, monkeypatch: pytest.MonkeyPatch, run: Run) -> None:
    """The folder for real rows, and how to choose another."""

    class Full:
        def write_batch(self, batch: pa.RecordBatch) -> None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        def close(self) -> None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(workspace.pa.ipc, "new_file", lambda path, schema: Full())
    err = refused(run, "inspect", make("sqlite", PAIR, ROWS), says="No space left on device")
    assert "in the setting workspace" in err
