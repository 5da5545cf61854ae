"""A job on every dialect: night after night into the same target, and never two runs at once."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from adapters import open_database
from dbsynth import jobs
from dbsynth.errors import ConnectError, DecisionError, QualityError, TargetError
from dbsynth.history import read_runs
from dbsynth.job import Job, load_job
from dbsynth.jobs import refreshing

if TYPE_CHECKING:
    from .conftest import Database

SOURCE = """
CREATE TABLE city (id int PRIMARY KEY, label varchar(20) NOT NULL);
CREATE TABLE customer (id int PRIMARY KEY, city_id int NOT NULL REFERENCES city(id), age int, grade varchar(5));
"""


def night(path: Path, source: str, target: str, more: str = "") -> Job:
    """A job file, checked."""
    path.write_text(f'source = "{source}"\ntarget = "{target}"\niterations = 2\nn_clusters = 2\nlayers = [8]\n'
                    f"n_steps = 2\n{more}")  # fmt: skip
    return load_job(path)


@pytest.fixture
def source(database: Database) -> str:
    """Cities and customers."""
    url = database.make(SOURCE)
    cities = ", ".join(f"({i}, 'Town {i}')" for i in range(1, 5))
    customers = ", ".join(f"({i}, {1 + i % 4}, {20 + i % 30}, '{'abc'[i % 3]}')" for i in range(80))
    database.sql(url, f"INSERT INTO city VALUES {cities}")
    database.sql(url, f"INSERT INTO customer VALUES {customers}")
    return url


def ages(database: Database, url: str) -> list[tuple]:
    """What readers of the target see."""
    query = "SELECT c.id, age, label FROM customer c JOIN city ON city.id = city_id ORDER BY c.id"
    return database.sql(url, query)


def test_night_after_night(database: Database, source: str, tmp_path: Path) -> None:
    """Swapped in and in place; what fails leaves the target as it was."""
    target, file = database.new(), tmp_path / "job.toml"
    assert jobs.refresh(night(file, source, target)).action == "fit"
    first = ages(database, target)
    assert len(first) == 80
    for way in ("swap", "in-place"):
        assert jobs.refresh(night(file, source, target, f'seed = 1\nreplace = "{way}"\n')).action == "generate"
        assert ages(database, target) != first
    before = ages(database, target)
    with pytest.raises(QualityError):
        jobs.refresh(night(file, source, target, "seed = 2\n[thresholds]\nfail_under = { cardinality = 101 }\n"))
    database.sql(source, "UPDATE customer SET age = age + 40 WHERE id < 40")
    job = night(file, source, target)
    assert jobs.plan(job).action == "warm start"
    with closing(open_database(target)) as other, other.lock(), pytest.raises(TargetError) as caught:
        jobs.refresh(job)
    assert "another" in str(caught.value)
    assert ages(database, target) == before
    assert jobs.refresh(job).action == "warm start"
    database.sql(source, "ALTER TABLE customer ADD COLUMN email varchar(40)")
    outlook = jobs.plan(job)
    assert "the target does not have it" in outlook.notes[-1]
    assert jobs.refresh(job).action == "warm start"
    database.sql(source, "ALTER TABLE customer DROP COLUMN age")
    before = ages(database, target)
    with pytest.raises(DecisionError, match=r"column (\w+\.)?customer\.age is gone"):
        jobs.refresh(job)
    assert ages(database, target) == before
    assert [run["status"] for run in read_runs(job.bundle)] == [0, 0, 0, 4, 1, 0, 0, 3]


def test_only_what_may_pass_is_tried_again(
    database: Database, source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that does not answer yet; not a database that is not there, nor a wrong name."""
    waits: list[float] = []
    monkeypatch.setattr(refreshing.time, "sleep", waits.append)
    if database.dialect == "sqlite":
        with pytest.raises(ConnectError):
            jobs.refresh(night(tmp_path / "job.toml", f"sqlite:///{tmp_path}/gone.db", source))
        assert waits == []
        return
    gone = source.rpartition("/")[0] + "/dbsynth_gone"
    with pytest.raises(ConnectError):
        jobs.refresh(night(tmp_path / "job.toml", gone, f"sqlite:///{tmp_path}/t.db"))
    assert waits == []
    scheme, _, rest = source.partition("://")
    silent = f"{scheme}://root@127.0.0.1:1/{rest.rpartition('/')[2]}"
    with pytest.raises(ConnectError, match="cannot connect"):
        jobs.refresh(night(tmp_path / "job.toml", silent, f"sqlite:///{tmp_path}/t.db"))
    assert waits == [1, 3, 9, 27]
