"""Databases generated around rows that are there: completed, or around whole tables."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from dbsynth import jobs
from dbsynth.config import Settings
from dbsynth.errors import BundleError, ConfigError
from dbsynth.given import number_on
from dbsynth.model import Numbering

QUICK = Settings(engine="graph", iterations=10, n_clusters=4, n_steps=3, batch_size=64, layers=(16,), width=8)
PEOPLE = 40
WORLD = """
CREATE TABLE city (id INTEGER PRIMARY KEY, size INTEGER NOT NULL);
CREATE TABLE person (id INTEGER PRIMARY KEY, email VARCHAR(40) NOT NULL UNIQUE, city_id INTEGER REFERENCES city (id),
    age INTEGER CHECK (age >= 0), job VARCHAR(10), nick VARCHAR(20), boss_id INTEGER REFERENCES person (id));
CREATE TABLE visit (person_id INTEGER NOT NULL REFERENCES person (id), number INTEGER NOT NULL, day DATE NOT NULL,
    mood VARCHAR(6), PRIMARY KEY (person_id, number));
"""


def run(url: str, sql: str, *rows: Any) -> list[tuple]:
    with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection:
        found = (connection.executemany(sql, rows) if rows else connection.execute(sql)).fetchall()
        connection.commit()
        return found


def world(path: Path, seed: int = 0) -> str:
    """Cities, people and their visits; some people without a city, a job or a nick."""
    rng, url = np.random.default_rng(seed), f"sqlite:///{path}"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(WORLD)
    run(url, "INSERT INTO city VALUES (?, ?)", *[(10 * i, int(rng.integers(1, 99))) for i in range(600)])
    for i in range(PEOPLE):
        city = None if i % 9 == 0 else 10 * int(rng.integers(600))
        job, nick = [None, "smith", "cook"][i % 3], None if i % 4 == 0 else f"nick {i} of {seed}"
        boss = None if i < 3 else int(rng.integers(i)) + 1
        run(url, "INSERT INTO person VALUES (?, ?, ?, ?, ?, ?, ?)",
            (i + 1, f"p{i}.{seed}@firm.com", city, int(rng.integers(18, 80)), job, nick, boss))  # fmt: skip
        for k in range(int(rng.integers(0, 5))):
            day, mood = f"2024-0{1 + i % 9}-1{k}", [None, "calm", "merry"][int(rng.integers(3))]
            run(url, "INSERT INTO visit VALUES (?, ?, ?, ?)", (i + 1, k + 1, day, mood))
    return url


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What was learned from such a world."""
    folder = tmp_path_factory.mktemp("given")
    jobs.fit(world(folder / "learned.db"), folder / "bundle", QUICK)
    return folder / "bundle"


@pytest.mark.parametrize("on_the_fly", [True, False])
def test_complete_keeps_what_is_there_and_adds_what_is_missing(bundle: Path, tmp_path: Path, on_the_fly: bool) -> None:
    """Every row of the source comes out as it is but for the nulls to fill; new rows go on after them."""
    source, target = world(tmp_path / "source.db", seed=1), f"sqlite:///{tmp_path / 'target.db'}"
    visits = run(source, "SELECT * FROM visit")
    jobs.complete(
        source, target, QUICK, fill=["person.job", "person.nick", "visit"], rows=["visit=150", "person=60"],
        bundle=None if on_the_fly else bundle,
    )  # fmt: skip
    before = run(source, "SELECT id, email, city_id, age, boss_id FROM person")
    assert run(target, f"SELECT id, email, city_id, age, boss_id FROM person WHERE id <= {PEOPLE}") == before
    assert run(target, "SELECT count(*), count(DISTINCT email) FROM person") == [(60, 60)]
    filled = run(target, f"SELECT count(job), count(nick) FROM person WHERE id <= {PEOPLE}")
    assert filled == [(PEOPLE, PEOPLE)]
    for column in ("job", "nick"):
        known = run(source, f"SELECT id, {column} FROM person WHERE {column} IS NOT NULL")
        assert set(known) <= set(run(target, f"SELECT id, {column} FROM person"))
    assert {job for (job,) in run(target, "SELECT job FROM person")} - {None} == {"smith", "cook"}
    stay = {visit[:3] for visit in visits}
    assert stay <= {visit[:3] for visit in run(target, "SELECT * FROM visit")}
    assert run(target, "SELECT count(*) FROM visit") == [(150,)]
    assert run(target, "SELECT count(*) FROM city") == [(600,)]
    assert run(target, "SELECT count(*) FROM person WHERE city_id IS NULL")[0][0] >= sum(p[2] is None for p in before)


def test_tables_around_given_ones(bundle: Path, tmp_path: Path) -> None:
    """The rows of a table and of those it refers to come out as they are; the others are new."""
    source, target = world(tmp_path / "source.db", seed=2), f"sqlite:///{tmp_path / 'target.db'}"
    report = jobs.generate(bundle, target, given=["person"], given_from=source)
    assert {table.name for table in report.tables if table.fate == "given"} >= {"person"}
    for table in ("city", "person"):
        assert run(target, f"SELECT * FROM {table}") == run(source, f"SELECT * FROM {table}")
    made = run(target, "SELECT person_id, count(*), max(number) FROM visit GROUP BY 1")
    learned = run(f"sqlite:///{bundle.parent / 'learned.db'}", "SELECT count(*) FROM visit")[0][0]
    assert sum(n for _, n, _ in made) == pytest.approx(learned, rel=0.3)
    assert all(n == last for _, n, last in made)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "name columns whose nulls are to be filled"),
        ({"fill": ["persona.job"]}, "no table 'persona'; did you mean 'person'"),
        ({"fill": ["persona"]}, "no table 'persona'; did you mean 'person'"),
        ({"fill": ["person.jop"]}, "no column 'jop'; did you mean 'job'"),
        ({"rows": ["vist"]}, "no table 'vist'; did you mean 'visit'"),
        ({"fill": ["person.boss_id"]}, "person.boss_id cannot be filled: it is key"),
        ({"rows": ["visit=many"]}, "expected a number of rows"),
        ({"rows": ["city=3"]}, "none is taken away"),
    ],
)
def test_what_cannot_be_completed_is_refused(
    bundle: Path, tmp_path: Path, options: dict[str, list[str]], message: str
) -> None:
    """With what was found and what to write; nothing is written."""
    source, target = world(tmp_path / "source.db", seed=1), tmp_path / "target.db"
    with pytest.raises(ConfigError, match=message):
        jobs.complete(source, f"sqlite:///{target}", QUICK, bundle=bundle, **options)
    assert not target.exists() or not run(f"sqlite:///{target}", "SELECT name FROM sqlite_master")


def test_other_engines_and_schemas_are_refused(tmp_path: Path) -> None:
    """ClavaDDPM draws whole databases only; a bundle fills databases of its own schema."""
    source, target = world(tmp_path / "source.db"), f"sqlite:///{tmp_path / 'target.db'}"
    with pytest.raises(ConfigError, match="leave out the engine"):
        jobs.complete(source, target, Settings(engine="clava"), rows=["visit=200"])
    jobs.fit(source, tmp_path / "clava", QUICK.model_copy(update={"engine": "clava"}))
    with pytest.raises(ConfigError, match="--engine graph"):
        jobs.complete(source, target, QUICK, rows=["visit=200"], bundle=tmp_path / "clava")
    jobs.fit(source, tmp_path / "graph", QUICK)
    run(source, "ALTER TABLE person DROP COLUMN nick")
    with pytest.raises(BundleError, match="lacks the column 'nick'"):
        jobs.complete(source, target, QUICK, rows=["visit=200"], bundle=tmp_path / "graph")


def test_rows_of_a_table_that_was_empty_when_it_was_learned(tmp_path: Path) -> None:
    """They are nothing new to draw, and come out as they are."""
    empty, source = world(tmp_path / "empty.db"), world(tmp_path / "source.db", seed=1)
    run(empty, "DELETE FROM visit")
    jobs.fit(empty, tmp_path / "bundle", QUICK)
    target = f"sqlite:///{tmp_path / 'target.db'}"
    jobs.complete(source, target, QUICK, fill=["person.job"], bundle=tmp_path / "bundle")
    assert run(target, "SELECT * FROM visit") == run(source, "SELECT * FROM visit")


def test_nothing_is_drawn_of_what_was_never_seen(tmp_path: Path) -> None:
    """More rows of a table that was empty are refused, in the words of the user."""
    empty, source = world(tmp_path / "empty.db"), world(tmp_path / "source.db", seed=1)
    run(empty, "DELETE FROM visit")
    jobs.fit(empty, tmp_path / "bundle", QUICK)
    with pytest.raises(ConfigError, match=r"--rows visit=500: .*bundle had no rows of visit"):
        jobs.complete(source, f"sqlite:///{tmp_path / 't.db'}", QUICK, rows=["visit=500"], bundle=tmp_path / "bundle")


@pytest.mark.parametrize("engine", ["clava", "graph"])
def test_an_empty_database_is_cloned_empty(tmp_path: Path, engine: str) -> None:
    """There is nothing to learn, and nothing to complain about."""
    source, target = world(tmp_path / "source.db"), f"sqlite:///{tmp_path / 'target.db'}"
    for table in ("visit", "person", "city"):
        run(source, f"DELETE FROM {table}")
    jobs.clone(source, target, QUICK.model_copy(update={"engine": engine}))
    assert run(target, "SELECT count(*) FROM person") == [(0,)]


def test_numbers_go_on_after_those_that_are_there() -> None:
    """In each group after its largest, gaps or not; groups without one start anew."""
    groups = pd.DataFrame({"g": ["a", "a", "b", "a", "b", "c", "c"]})
    numbers = number_on(Numbering(1, 1, ("g",)), pa.array([1, 3, 7]), groups, 7)
    assert numbers.tolist() == [1, 3, 7, 4, 8, 1, 2]
    assert number_on(Numbering(5, 1), pa.array([], pa.int64()), None, 3).tolist() == [5, 6, 7]
    assert number_on(Numbering(5, 2), pa.array([20]), None, 3).tolist() == [20, 22, 24]
    assert number_on(Numbering(5, 1), pa.array([2**60 + 1, None]), None, 3).tolist()[::2] == [2**60 + 1, 2**60 + 2]
