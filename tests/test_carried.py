"""Views and triggers on the way from the command to the target: asked for, said, kept in a bundle."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing

import pytest

from dbsynth import jobs
from dbsynth.cli import main
from dbsynth.config import Settings

QUICK = Settings(iterations=2, n_clusters=2, n_steps=2, batch_size=64, layers=(8,))
NATIVE = QUICK.model_copy(update={"ddl": "native"})


@pytest.fixture
def shop(tmp_path):
    with closing(sqlite3.connect(tmp_path / "shop.db")) as connection:
        connection.executescript("""
            CREATE TABLE item (id INTEGER PRIMARY KEY, price INTEGER NOT NULL);
            CREATE TABLE seen (n INTEGER);
            CREATE VIEW dear AS SELECT * FROM item WHERE price > 0;
            CREATE TRIGGER noted AFTER INSERT ON item BEGIN INSERT INTO seen VALUES (1); END;
        """)
        connection.executemany("INSERT INTO item (price) VALUES (?)", [(1 + i % 9,) for i in range(60)])
        connection.execute("DELETE FROM seen")
        connection.commit()
    return f"sqlite:///{tmp_path / 'shop.db'}"


def _objects(url):
    with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection:
        found = connection.execute("SELECT name FROM sqlite_master WHERE type IN ('view', 'trigger') ORDER BY 1")
        return [name for (name,) in found], connection.execute("SELECT count(*) FROM seen").fetchone()[0]


def test_they_come_along_where_that_is_asked_for(shop, tmp_path):
    report = jobs.clone(shop, f"sqlite:///{tmp_path / 'a.db'}", NATIVE, evaluate=False)
    assert report.losses == ()
    assert _objects(f"sqlite:///{tmp_path / 'a.db'}") == (["dear", "noted"], 0)


def test_else_the_plan_and_the_report_name_them(shop, tmp_path, capsys):
    report = jobs.clone(shop, f"sqlite:///{tmp_path / 'a.db'}", QUICK, evaluate=False)
    assert _objects(f"sqlite:///{tmp_path / 'a.db'}") == ([], 0)
    assert "view dear is not carried over; --ddl native takes it along" in report.losses
    assert jobs.inspect(shop, QUICK).losses == report.losses
    assert jobs.inspect(shop, NATIVE).losses == ()
    with pytest.raises(SystemExit):
        main(["inspect", shop])
    printed = capsys.readouterr().out
    assert "What a target does not get" in printed
    assert "trigger noted is not carried over" in printed


def test_a_bundle_brings_them_if_both_runs_are_told_to(shop, tmp_path):
    """A bundle may come from a stranger: its SQL runs only where the user of the target says so."""
    for settings, ddl, expected in (
        (QUICK, "native", []), (NATIVE, "tables", []), (NATIVE, "native", ["dear", "noted"]),
    ):  # fmt: skip
        jobs.fit(shop, tmp_path / "bundle", settings, replace=True)
        jobs.generate(tmp_path / "bundle", f"sqlite:///{tmp_path / 'b.db'}", ddl=ddl, replace=True)
        assert _objects(f"sqlite:///{tmp_path / 'b.db'}")[0] == expected


def test_inspect_says_whether_a_target_takes_the_rows(shop, tmp_path, capsys):
    target = tmp_path / "other.db"
    with closing(sqlite3.connect(target)) as connection:
        connection.execute("CREATE TABLE item (id INTEGER PRIMARY KEY)")
    with pytest.raises(SystemExit) as ended:
        main(["inspect", shop, "--target", f"sqlite:///{target}", "--json"])
    assert ended.value.code == 3
    plan = json.loads(capsys.readouterr().out)
    assert any("has no column 'price'" in obstacle for obstacle in plan["obstacles"])
    assert not (tmp_path / "nowhere.db").exists()
    assert jobs.inspect(shop, QUICK, target_url=f"sqlite:///{tmp_path / 'nowhere.db'}").obstacles == ()
    assert not (tmp_path / "nowhere.db").exists()
