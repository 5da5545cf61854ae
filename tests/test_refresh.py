"""A job run night after night: what is learned again, what is not, and that the target is never worse than before."""

from __future__ import annotations

import json
import os
import re
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from conftest import run_sql

from dbsynth import cli, jobs
from dbsynth.bundle import load_bundle
from dbsynth.diffusion import training
from dbsynth.errors import BundleError, ConfigError, DeadlineError, DecisionError, QualityError
from dbsynth.history import history_of, read_runs
from dbsynth.job import Job, load_job
from dbsynth.progress import JsonLines

QUICK = "iterations = 4\nn_clusters = 3\nlayers = [16]\nn_steps = 4\n"
MakeJob = Callable[..., Job]


def build(path: Path, n: int = 120) -> None:
    """Cities, their customers, and the customers' visits."""
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.executescript(
            "CREATE TABLE city (id INTEGER PRIMARY KEY, label TEXT NOT NULL);"
            "CREATE TABLE customer (id INTEGER PRIMARY KEY, city_id INTEGER NOT NULL REFERENCES city(id),"
            " age INTEGER, grade TEXT NOT NULL);"
            "CREATE TABLE visit (id INTEGER PRIMARY KEY, customer_id INTEGER NOT NULL REFERENCES customer(id),"
            " minutes INTEGER NOT NULL);"
        )
        connection.executemany("INSERT INTO city VALUES (?, ?)", [(i, f"Town {i}") for i in range(1, 6)])
        connection.executemany(
            "INSERT INTO customer VALUES (?, ?, ?, ?)", [(i, 1 + i % 5, 20 + i % 40, "abc"[i % 3]) for i in range(n)]
        )
        connection.executemany("INSERT INTO visit VALUES (?, ?, ?)", [(i, i % n, i % 55) for i in range(2 * n)])


@pytest.fixture
def make_job(tmp_path: Path) -> MakeJob:
    """Writes a job file over a small database, once; then the same with other settings."""
    build(tmp_path / "source.db")

    def make(more: str = "", **options: Any) -> Job:
        urls = "".join(f'{name} = "sqlite:///{tmp_path / name}.db"\n' for name in ("source", "target"))
        (tmp_path / "job.toml").write_text(urls + QUICK + more)
        return load_job(tmp_path / "job.toml", **options)

    return make


def change(tmp_path: Path, sql: str) -> None:
    """Alter the source."""
    run_sql(f"sqlite:///{tmp_path / 'source.db'}", sql)


def rows(tmp_path: Path) -> list[tuple[Any, ...]]:
    """What the target holds."""
    query = "SELECT c.id, l.label, age, grade, v.id, minutes FROM customer c JOIN city l ON l.id = city_id "
    return run_sql(f"sqlite:///{tmp_path / 'target.db'}", query + "JOIN visit v ON customer_id = c.id ORDER BY v.id")


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The number of steps of each network that is trained from here on."""
    steps: list[int] = []
    real = training._optimisers

    def remember(network: Any, schedule: Any) -> Any:
        steps.append(schedule.iterations)
        return real(network, schedule)

    monkeypatch.setattr(training, "_optimisers", remember)
    return steps


def test_nothing_has_changed(make_job: MakeJob, tmp_path: Path, counted: list[int]) -> None:
    """The first run learns, the second only draws: the same rows from the same seed, others from another."""
    job = make_job("seed = 3\n")
    assert jobs.refresh(job).action == "fit"
    trained, first = len(counted), rows(tmp_path)
    done = jobs.refresh(job)
    assert done.action == "generate"
    assert "threshold of 0.05" in done.why[0]
    assert (len(counted), rows(tmp_path)) == (trained, first)
    fresh = [jobs.refresh(make_job('seed = "fresh"\n')).report.seed for _ in range(2)]
    assert fresh[0] != fresh[1]
    assert rows(tmp_path) != first
    assert [run["seed"] for run in read_runs(job.bundle)] == [3, 3, *fresh]


def test_rows_have_moved(make_job: MakeJob, tmp_path: Path, counted: list[int]) -> None:
    """Each thing that moved is named with its distance; training goes on in a fraction of the steps."""
    job = make_job()
    jobs.refresh(job)
    first = load_bundle(job.bundle)
    change(tmp_path, "UPDATE customer SET age = age + 30 WHERE id % 2 = 0")
    outlook = jobs.plan(job)
    assert outlook.action == "warm start"
    assert any(re.search(r"column customer.age moved by 0\.[2-9]", reason) for reason in outlook.why)
    assert len(outlook.why) == 1
    counted.clear()
    done = jobs.refresh(job)
    assert (done.action, set(counted)) == ("warm start", {1})  # of four
    assert max(row[2] for row in rows(tmp_path)) > 60
    again = load_bundle(job.bundle)
    assert again.fitted_at == first.fitted_at
    assert jobs.refresh(job).action == "generate"


@pytest.mark.parametrize("engine", ["clava", "graph"])
def test_another_column_takes_the_place_of_one(
    engine: str, make_job: MakeJob, tmp_path: Path, counted: list[int]
) -> None:
    """Weights that learned one column's numbers are no start for another's, though they have the same shape.

    Nor are those of tables that hear it or its labels; those of tables that have nothing to do with it are.
    """
    change(tmp_path, "ALTER TABLE customer ADD COLUMN points INTEGER; UPDATE customer SET points = id % 31;")
    change(tmp_path, "CREATE TABLE weather (day INTEGER PRIMARY KEY, rain INTEGER)")
    change(tmp_path, "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 90) "
                     "INSERT INTO weather SELECT i, i % 23 FROM n")  # fmt: skip
    one, other = (
        f'engine = "{engine}"\n[tables.customer.columns]\n{name} = "fabricated"\n' for name in ("age", "points")
    )
    jobs.refresh(make_job(one))
    counted.clear()
    assert jobs.refresh(make_job(other)).action == "warm start"
    assert sorted(counted) == ([1, 4, 4] if engine == "clava" else [4])  # weather; customer and its visits


def test_what_is_copied_has_changed(make_job: MakeJob, tmp_path: Path) -> None:
    """Copies are never old."""
    job = make_job("drift = 0.9\n")
    jobs.refresh(job)
    change(tmp_path, "UPDATE city SET label = 'Elsewhere' WHERE id = 2")
    done = jobs.refresh(job)
    assert done.action == "warm start"
    assert "copied rows of city" in done.why[0]
    assert "Elsewhere" in {row[1] for row in rows(tmp_path)}


def test_who_refers_to_copied_rows_has_moved(make_job: MakeJob, tmp_path: Path) -> None:
    """As many children for each number of parents as before, but of other parents."""
    job = make_job()
    change(tmp_path, "UPDATE customer SET city_id = CASE WHEN id % 10 < 6 THEN 1 ELSE city_id END")
    jobs.refresh(job)
    change(tmp_path, "UPDATE customer SET city_id = CASE city_id WHEN 1 THEN 2 WHEN 2 THEN 1 ELSE city_id END")
    outlook = jobs.plan(job)
    assert outlook.action == "warm start"
    assert any("column customer.city_id moved" in reason for reason in outlook.why)


def test_what_the_rows_obey_has_changed(make_job: MakeJob, tmp_path: Path) -> None:
    """A rule that was learned would make rows that are none of today's."""
    change(tmp_path, "ALTER TABLE visit ADD COLUMN seconds INTEGER; UPDATE visit SET seconds = 60 * minutes;")
    job = make_job("drift = 0.9\n")
    jobs.refresh(job)
    assert run_sql(f"sqlite:///{tmp_path / 'target.db'}", "SELECT min(seconds = 60 * minutes) FROM visit") == [(1,)]
    change(tmp_path, "UPDATE visit SET seconds = seconds + id % 7")
    outlook = jobs.plan(job)
    assert outlook.action == "warm start"
    assert any("the rows obey a rule no more, visit: " in reason for reason in outlook.why)


def test_a_copied_table_that_is_copied_no_more(make_job: MakeJob, tmp_path: Path) -> None:
    """Its old rows must not come again."""
    job = make_job()
    jobs.refresh(job)
    change(tmp_path, "UPDATE city SET label = 'person' || id || '@mail.example.org'")
    outlook = jobs.plan(job)
    assert outlook.action == "warm start"
    assert any("column city.label was kept and is fabricated" in reason for reason in outlook.why)
    jobs.refresh(job)
    labels = {row[1] for row in rows(tmp_path)}
    real = {label for (label,) in run_sql(f"sqlite:///{tmp_path / 'source.db'}", "SELECT label FROM city")}
    assert labels.isdisjoint(real)


def test_a_new_column_that_the_server_computes(make_job: MakeJob, tmp_path: Path) -> None:
    """And one that came and went: a target without them takes the rows all the same."""
    job = make_job()
    jobs.refresh(job)
    change(tmp_path, "ALTER TABLE visit ADD COLUMN hours REAL GENERATED ALWAYS AS (minutes / 60.0) VIRTUAL")
    change(tmp_path, "ALTER TABLE visit ADD COLUMN passing INTEGER")
    jobs.refresh(job)
    change(tmp_path, "ALTER TABLE visit DROP COLUMN passing")
    jobs.refresh(job, refit=True)
    assert jobs.refresh(job).action == "generate"


def test_what_is_new_is_never_copied(make_job: MakeJob, tmp_path: Path) -> None:
    """A column of a kept table is invented, a table that looks like a lookup is drawn; until the job says otherwise."""
    job = make_job()
    jobs.refresh(job)
    change(tmp_path, "ALTER TABLE city ADD COLUMN mayor TEXT")
    change(tmp_path, "UPDATE city SET mayor = 'Zanzibarowitz'")
    change(tmp_path, "CREATE TABLE colour (id INTEGER PRIMARY KEY, name TEXT NOT NULL)")
    change(tmp_path, "INSERT INTO colour VALUES (1, 'Vermilliony'), (2, 'Ceruleany'), (3, 'Viridiany')")
    change(tmp_path, "ALTER TABLE customer ADD COLUMN colour_id INTEGER REFERENCES colour(id)")
    change(tmp_path, "UPDATE customer SET colour_id = 1 + id % 3")
    outlook = jobs.plan(job)
    assert outlook.action == "warm start"
    assert "column city.mayor is new; it is never copied unless you say so" in outlook.notes
    assert {(c.table, c.column): str(c.fate) for c in outlook.new_columns}["city", "mayor"] == "fabricated"
    target = f"sqlite:///{tmp_path / 'target.db'}"
    jobs.refresh(job)  # into the columns that the target has, and the table that it does not have yet
    assert "mayor" not in str(run_sql(target, "SELECT sql FROM sqlite_master"))
    assert run_sql(target, "SELECT count(*) FROM colour") == [(3,)]
    for table, column in (("city", "mayor TEXT"), ("customer", "colour_id INTEGER REFERENCES colour(id)")):
        run_sql(target, f"ALTER TABLE {table} ADD COLUMN {column}")
    for _ in range(2):  # nor the night after
        jobs.refresh(job)
        assert not {"Zanzibarowitz"} & {row[0] for row in run_sql(target, "SELECT mayor FROM city")}
        assert not {"Vermilliony", "Ceruleany"} & {row[0] for row in run_sql(target, "SELECT name FROM colour")}
    jobs.refresh(make_job('[tables.city.columns]\nmayor = "kept"\n'))
    assert run_sql(target, "SELECT DISTINCT mayor FROM city") == [("Zanzibarowitz",)]


BREAKING = {
    "ALTER TABLE customer DROP COLUMN age": "column customer.age is gone",
    "ALTER TABLE customer RENAME COLUMN grade TO mark": "column customer.grade is gone",
    "DROP TABLE visit": "table visit is gone",
}


@pytest.mark.parametrize(("sql", "said"), BREAKING.items(), ids=BREAKING.values())
def test_a_breaking_change_stops_the_run(sql: str, said: str, make_job: MakeJob, tmp_path: Path) -> None:
    """Before anything is touched, with the column's name; --refit lets it pass."""
    job = make_job()
    jobs.refresh(job)
    before, bundle = rows(tmp_path), (job.bundle / "manifest.json").read_bytes()
    change(tmp_path, sql)
    assert jobs.plan(job).obstacles
    with pytest.raises(DecisionError, match=said) as caught:
        jobs.refresh(job)
    assert "--refit" in str(caught.value)
    assert (rows(tmp_path), (job.bundle / "manifest.json").read_bytes()) == (before, bundle)
    (tmp_path / "target.db").unlink()
    assert jobs.refresh(job, refit=True).action == "fit"


def test_figures_below_the_thresholds(make_job: MakeJob, tmp_path: Path) -> None:
    """The old database stays, and so does the bundle; the record says why."""
    jobs.refresh(make_job("seed = 1\n"))
    before = rows(tmp_path)
    job = make_job("seed = 2\n[thresholds]\nfail_over = { cardinality = 1 }\n")
    with pytest.raises(QualityError, match=r"cardinality.* over 1"):
        jobs.refresh(job)
    assert rows(tmp_path) == before
    run = read_runs(job.bundle)[-1]
    assert (run["status"], run["scores"]["cardinality"] > 1) == (4, True)


def test_a_clone_below_the_thresholds_writes_nothing(make_job: MakeJob, tmp_path: Path) -> None:
    """The same gate: status 4, and a target without tables."""
    job = make_job()
    quick = ["--iterations", "2", "--n-clusters", "2", "--layers", "8", "--n-steps", "2", "--quiet"]
    assert cli._run(["clone", job.source, job.target, "--fail-under", "cardinality=101", *quick]) == 4
    assert run_sql(job.target, "SELECT name FROM sqlite_master") == []
    assert cli._run(["clone", job.source, job.target, "--fail-under", "cardinality=1", *quick]) == 0
    assert cli._run(["clone", job.source, job.target, "--fail-under", "1way=1", "--no-evaluate", *quick]) == 2


def test_a_first_run_below_the_thresholds_leaves_nothing(make_job: MakeJob, tmp_path: Path) -> None:
    """No table in the target, no bundle; a record all the same."""
    job = make_job("[thresholds]\nfail_under = { cardinality = 101 }\n")
    with pytest.raises(QualityError):
        jobs.refresh(job)
    assert not job.bundle.exists()
    assert run_sql(f"sqlite:///{tmp_path / 'target.db'}", "SELECT name FROM sqlite_master") == []
    assert [run["status"] for run in read_runs(job.bundle)] == [4]


def test_a_deadline(make_job: MakeJob, tmp_path: Path) -> None:
    """The run stops where it is, and the old database stays."""
    jobs.refresh(make_job("seed = 1\n"))
    before = rows(tmp_path)
    job = make_job("seed = 2\n").model_copy(update={"deadline": timedelta(microseconds=1)})
    with pytest.raises(DeadlineError, match=r"as it was.*--deadline.*iterations"):
        jobs.refresh(job)
    assert rows(tmp_path) == before


def test_an_old_bundle_is_learned_from_nothing(make_job: MakeJob, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the time of its first fit."""
    job = make_job('max_age = "30d"\n')
    jobs.refresh(job)
    assert jobs.plan(job).action == "generate"

    class Later(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:
            return datetime.now(UTC) + timedelta(days=31)

    monkeypatch.setattr("dbsynth.jobs.outlook.datetime", Later)
    outlook = jobs.plan(job)
    assert outlook.action == "fit"
    assert "max_age is 720 h" in outlook.why[0]


def test_other_settings(make_job: MakeJob) -> None:
    """Those of the engine mean to learn from nothing, decisions to go on, seed and scale nothing at all."""
    jobs.refresh(make_job())
    assert jobs.plan(make_job("seed = 9\nscale = 2.0\n")).action == "generate"
    outlook = jobs.plan(make_job("parent_scale = 1.5\n"))
    assert (outlook.action, outlook.why) == ("fit", ("parent_scale was 1.0 and is 1.5",))
    assert jobs.plan(make_job('[tables.customer.columns]\nage = "fabricated"\n')).action == "warm start"


@pytest.mark.parametrize(("engine", "others", "own"), [
    ("clava", "width = 32\nepochs = 3\n", "matching = false\n"), ("graph", "matching = false\n", "width = 32\n"),
])  # fmt: skip
def test_settings_of_the_other_engine(engine: str, others: str, own: str, make_job: MakeJob) -> None:
    """They change nothing, and neither does a preset of another name and the same values."""
    chosen = f'engine = "{engine}"\n'
    jobs.refresh(make_job(chosen))
    assert jobs.plan(make_job(chosen + others)).action == "generate"
    outlook = jobs.plan(make_job(chosen + others + own))
    assert (outlook.action, len(outlook.why)) == ("fit", 1)
    names = ("paper:instacart", "paper:movielens")
    small = f"epochs = 30\nbatch_size = 64\nwidth = 16\nclassifier_layers = [8]\nclassifier_iterations = 2\n{chosen}"
    jobs.refresh(make_job(f'{small}preset = "{names[0]}"\n'), refit=True)
    assert jobs.plan(make_job(f'{small}preset = "{names[1]}"\n')).action == "generate"


def test_a_damaged_bundle_needs_a_word_and_another_folder_is_left_alone(make_job: MakeJob, tmp_path: Path) -> None:
    """Without it nobody knows what the schema was, and what was never to be copied."""
    job = make_job()
    jobs.refresh(job)
    (job.bundle / "arrays.safetensors").write_bytes(b"")
    before = rows(tmp_path)
    with pytest.raises(DecisionError, match=r"damaged.*--refit"):
        jobs.refresh(job)
    assert rows(tmp_path) == before
    assert jobs.refresh(job, refit=True).action == "fit"
    (tmp_path / "photos").mkdir()
    with pytest.raises(BundleError, match="is no bundle"):
        jobs.refresh(make_job('bundle = "photos"\n'))
    assert list((tmp_path / "photos").iterdir()) == []


@pytest.mark.parametrize("engine", ["clava", "graph"])
def test_a_fit_that_died_is_taken_up(
    engine: str, make_job: MakeJob, tmp_path: Path, counted: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """From its last finished network, to the same rows as one that did not die; its folder goes in the end."""
    job = make_job(f'engine = "{engine}"\n')

    def die(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("dbsynth.jobs.refreshing.draw_rows", die)
        with pytest.raises(KeyboardInterrupt):
            jobs.refresh(job)
    folder = jobs.refreshing.unfinished(job.bundle)
    finished = list(folder.iterdir())
    assert len(finished) == len(counted) > 0
    assert folder.stat().st_mode & 0o777 == 0o700
    if len(finished) > 1:
        finished[0].unlink()  # as if it had died before the last one
        finished[1].write_bytes(finished[1].read_bytes()[:50])  # and while it wrote another
    counted.clear()
    jobs.refresh(job)
    assert len(counted) == (2 if len(finished) > 1 else 0)
    assert not folder.exists()
    again = rows(tmp_path)
    jobs.refresh(job, refit=True)
    assert rows(tmp_path) == again


def test_the_graph_engine_goes_on_too(make_job: MakeJob, tmp_path: Path, counted: list[int]) -> None:
    """From the weights of all tables together."""
    job = make_job('engine = "graph"\n')
    jobs.refresh(job)
    change(tmp_path, "UPDATE customer SET age = age + 30 WHERE id % 2 = 0")
    counted.clear()
    assert jobs.refresh(job).action == "warm start"
    assert counted == [1]


def test_two_jobs_of_one_bundle_take_turns(
    make_job: MakeJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever their targets are: the second one would read, or write, what the first one is about to replace."""
    job = make_job()
    other = job.model_copy(update={"target": f"sqlite:///{tmp_path}/other.db"})
    real, refused = jobs.refreshing.draw_rows, []

    def draw(*arguments: Any) -> Any:
        with monkeypatch.context() as patched:
            patched.setattr("dbsynth.jobs.refreshing.draw_rows", real)
            with pytest.raises(BundleError, match="another run is at work") as caught:
                jobs.refresh(other)
        refused.append(caught.value)
        return real(*arguments)

    with monkeypatch.context() as patched:
        patched.setattr("dbsynth.jobs.refreshing.draw_rows", draw)
        assert jobs.refresh(job).action == "fit"
    assert str(job.bundle) in str(refused[0])
    assert not (tmp_path / "other.db").exists()
    assert jobs.refresh(other).action == "generate"
    assert [run["status"] for run in read_runs(job.bundle)] == [1, 0, 0]


def test_a_run_that_was_killed_between_two_bundles(make_job: MakeJob, monkeypatch: pytest.MonkeyPatch) -> None:
    """The old one stood aside, the new one not yet in its place: what was never to be copied is remembered."""
    job, real = make_job(), os.replace
    jobs.refresh(job)
    before = (job.bundle / "manifest.json").read_bytes()

    def die(source: Path, target: Path) -> None:
        if Path(target) == job.bundle:
            raise KeyboardInterrupt
        real(source, target)

    with monkeypatch.context() as patched:
        patched.setattr(os, "replace", die)
        with pytest.raises(KeyboardInterrupt):  # the old one cannot be moved back either, as after a kill
            jobs.refresh(job, refit=True)
    assert not job.bundle.exists()
    assert jobs.refresh(job).action == "generate"
    assert (job.bundle / "manifest.json").read_bytes() == before
    assert [path.name for path in job.bundle.parent.iterdir() if path.name.startswith(".")] == []


def test_no_run_begins_where_nothing_can_be_kept(make_job: MakeJob, tmp_path: Path) -> None:
    """It is said before hours of work."""
    (tmp_path / "file").write_text("")
    with pytest.raises(BundleError, match="no file can be made beside the bundle"):
        jobs.refresh(make_job('bundle = "file/job.bundle"\n'))


def test_the_record_and_the_metrics(make_job: MakeJob, tmp_path: Path) -> None:
    """Settings, versions, seed, fingerprint, scores, times; a failure keeps the last success."""
    job = make_job('metrics = "job.prom"\n')
    jobs.refresh(job, run="abc")
    run = read_runs(job.bundle)[0]
    assert (run["run"], run["status"], run["action"], run["error"]) == ("abc", 0, "fit", None)
    assert run["settings"]["n_clusters"] == 3
    assert {"python", "torch"} <= run["versions"].keys()
    assert {"read", "fit", "generate", "load"} <= run["seconds"].keys()
    assert len(run["fingerprint"]) == 64
    assert run["rows"] == {"city": 5, "customer": 120, "visit": 240}
    text = (tmp_path / "job.prom").read_text()
    assert 'dbsynth_rows{table="visit"} 240\n' in text
    success = re.search(r"^dbsynth_last_success_timestamp_seconds (\d+)$", text, re.MULTILINE)[1]
    change(tmp_path, "DROP TABLE visit")
    with pytest.raises(DecisionError):
        jobs.refresh(job)
    text = (tmp_path / "job.prom").read_text()
    assert f"dbsynth_last_success_timestamp_seconds {success}\n" in text
    assert "dbsynth_exit_status 3\n" in text
    with history_of(job.bundle).open("ab") as file:
        file.write(b'{"run": "cut sh')
    assert [run["status"] for run in read_runs(job.bundle)] == [0, 3]


def test_source_and_target_are_one_database(make_job: MakeJob, tmp_path: Path) -> None:
    """However they are spelled."""
    (tmp_path / "target.db").symlink_to(tmp_path / "source.db")
    with pytest.raises(Exception, match="same database"):
        jobs.refresh(make_job())


def test_json_lines_have_the_run_and_the_time(make_job: MakeJob, tmp_path: Path) -> None:
    """Every line of them."""
    with (tmp_path / "log").open("w+") as file:
        jobs.refresh(make_job("evaluate = false\n"), progress=JsonLines(file, "abc"))
        file.seek(0)
        lines = [json.loads(line) for line in file]
    assert lines
    assert {line["run"] for line in lines} == {"abc"}
    assert all(datetime.fromisoformat(line["time"]).tzinfo is UTC or line["time"].endswith("Z") for line in lines)


class TestCommandLine:
    """The four commands, as a shell sees them."""

    def test_from_init_to_runs(
        self, make_job: MakeJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """What `init` writes passes `plan`, with every line of it taken at its word, and runs."""
        make_job()
        monkeypatch.chdir(tmp_path)
        options = ["--iterations", "4", "--n-clusters", "3", "--layers", "16", "--n-steps", "4", "--quiet"]
        assert cli._run(["init", "sqlite:///source.db", "sqlite:///target.db", *options]) == 0
        text = capsys.readouterr().out
        said = re.sub(r"^# (\[tables|[\w\"]+ = \")", r"\1", text.partition("# What would")[2], flags=re.MULTILINE)
        (tmp_path / "all.toml").write_text(text.partition("# What would")[0] + "# " + said)
        assert load_job(tmp_path / "all.toml").tables.keys() == {"city", "customer", "visit"}
        (tmp_path / "new.toml").write_text(text.replace("avg_2way = 80", "avg_2way = 1"))
        for job in ("all.toml", "new.toml"):
            assert cli._run(["plan", job, "--strict"]) == 0, capsys.readouterr().err
        assert "learn from nothing" in capsys.readouterr().out
        assert cli._run(["refresh", "new.toml"]) == 0, capsys.readouterr().err
        assert re.search(r"^Run \w{8}: fit$", capsys.readouterr().out, re.MULTILINE)
        assert cli._run(["refresh", "new.toml", "--json"]) == 0
        captured = capsys.readouterr()
        assert json.loads(captured.out)["action"] == "generate"
        assert all("run" in json.loads(line) for line in captured.err.splitlines())
        assert cli._run(["runs", "new.toml"]) == 0
        assert len(capsys.readouterr().out.splitlines()) == 3
        assert cli._run(["runs", "dbsynth.bundle", "--json"]) == 0
        assert [run["action"] for run in json.loads(capsys.readouterr().out)] == ["fit", "generate"]

    def test_statuses(
        self, make_job: MakeJob, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """3: somebody has to decide; with --strict also what somebody should look at; 1: a mistake in the file."""
        job = str(tmp_path / "job.toml")
        make_job()
        assert cli._run(["refresh", job, "--quiet"]) == 0
        change(tmp_path, "ALTER TABLE customer ADD COLUMN email TEXT")
        assert cli._run(["plan", job]) == 0
        out = capsys.readouterr().out
        assert out.count("never copied") == 1
        assert 'ALTER TABLE "customer" ADD COLUMN "email" TEXT;' in out
        assert cli._run(["plan", job, "--strict"]) == 3
        change(tmp_path, "ALTER TABLE customer DROP COLUMN age")
        assert cli._run(["plan", job, "--json"]) == 3
        capsys.readouterr()
        assert cli._run(["plan", job]) == 3
        out = capsys.readouterr().out
        assert (out.count("column customer.age is gone"), out.count("--refit")) == (1, 1)
        assert cli._run(["refresh", job]) == 3
        assert "column customer.age is gone" in capsys.readouterr().err
        assert cli._run(["refresh", job, "--deadline", "x"]) == 1
        with pytest.raises(ConfigError):
            make_job("seed = -1\n")
        assert cli._run(["plan", job]) == 1
        assert "job.toml:7: seed" in capsys.readouterr().err

    def test_what_the_database_does_not_have_is_named_with_its_line(
        self, make_job: MakeJob, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """As every other mistake in the file: one line each, in their order."""
        job = tmp_path / "job.toml"
        decided = "[tables.visits]\n[tables.customer.columns]\nag = 'null'\nid = 'null'\n"
        make_job("keep = [\n  'city',\n  'cty',\n]\n" + decided)
        assert cli._run(["plan", str(job)]) == 1
        said = [line.partition("job.toml:")[2].partition(";")[0] for line in capsys.readouterr().err.splitlines()]
        assert said == [
            "9: keep names table 'cty'", "11: there is no table 'visits' to decide about",
            "13: table 'customer' has no column 'ag' to decide about",
            "14: column 'id' of table 'customer' cannot be null: it is part of the primary key, which is invented anew",
        ]  # fmt: skip
        make_job("virtual_fk = ['visit.minutes=customer.ages']\n")
        assert cli._run(["plan", str(job)]) == 1
        assert "job.toml:7: virtual_fk" in capsys.readouterr().err

    def test_a_target_that_does_not_fit_is_an_obstacle(
        self, make_job: MakeJob, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """As it is to `inspect`: status 3, with what stands in the way."""
        job = make_job()
        run_sql(job.target, "CREATE TABLE city (id INTEGER PRIMARY KEY)")
        assert cli._run(["plan", str(tmp_path / "job.toml")]) == 3
        assert "has no column 'label'" in capsys.readouterr().out.partition("What stands in the way")[2]
        assert cli._run(["inspect", job.source, "--target", job.target]) == 3
        assert "has no column 'label'" in capsys.readouterr().out.partition("What stands in the way")[2]
