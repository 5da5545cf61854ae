"""The demo's shop: quick to build, sound, the same for the same seed, never over another file."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from dbsynth.errors import TargetError
from dbsynth.shop import build_shop


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[sqlite3.Connection]:
    """A connection to one shop."""
    path = tmp_path_factory.mktemp("shop") / "folder that is new" / "shop.db"
    began = time.monotonic()
    build_shop(path)
    assert time.monotonic() - began < 5  # well under one second where nothing else runs
    with closing(sqlite3.connect(path)) as connection:
        yield connection


def _dump(path: Path) -> str:
    with closing(sqlite3.connect(path)) as connection:
        return "\n".join(connection.iterdump())


def _one(connection: sqlite3.Connection, query: str) -> float:
    return connection.execute(query).fetchone()[0]


def test_no_key_dangles_and_the_file_is_whole(shop: sqlite3.Connection) -> None:
    """SQLite itself finds nothing wrong."""
    assert shop.execute("PRAGMA foreign_key_check").fetchall() == []
    assert shop.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def test_the_shop_has_some_ten_thousand_rows(shop: sqlite3.Connection) -> None:
    """Enough to learn from, few enough for a demo."""
    tables = [name for (name,) in shop.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    assert len(tables) == 8
    assert 6_000 < sum(_one(shop, f'SELECT count(*) FROM "{table}"') for table in tables) < 14_000


def test_some_parents_are_childless_and_some_have_many_children(shop: sqlite3.Connection) -> None:
    """Group sizes are worth a model."""
    assert _one(shop, 'SELECT count(*) FROM customer WHERE id NOT IN (SELECT customer_id FROM "order")') > 50
    assert _one(shop, 'SELECT max(n) FROM (SELECT count(*) AS n FROM "order" GROUP BY customer_id)') > 8


def test_status_decides_which_dates_are_null(shop: sqlite3.Connection) -> None:
    """A structure inside a table."""
    nulls = "SELECT count(*) FROM \"order\" WHERE (shipped_on IS NULL) <> (status IN ('open', 'paid', 'cancelled'))"
    assert _one(shop, nulls) == 0
    assert _one(shop, 'SELECT count(*) FROM "order" WHERE delivered_on < date(ordered_at)') == 0


def test_the_wealthy_order_more(shop: sqlite3.Connection) -> None:
    """A structure across tables."""
    mean = """SELECT avg(n) FROM (SELECT count(o.id) AS n FROM customer c LEFT JOIN "order" o ON o.customer_id = c.id
              WHERE c.credit_limit {} GROUP BY c.id)"""
    assert _one(shop, mean.format("> 1000")) > 2 * _one(shop, mean.format("< 400"))


def test_one_seed_one_shop(tmp_path: Path) -> None:
    """The same seed writes the same rows, over its own earlier file too; another seed writes others."""
    build_shop(tmp_path / "a.db", seed=3)
    first = _dump(tmp_path / "a.db")
    build_shop(tmp_path / "a.db", seed=4)
    assert _dump(tmp_path / "a.db") != first
    build_shop(tmp_path / "a.db", seed=3)
    assert _dump(tmp_path / "a.db") == first
    assert [path.name for path in tmp_path.iterdir()] == ["a.db"]


@pytest.mark.parametrize("content", [b"", b"my notes", b"SQLite format 3\0" + bytes(200)])
def test_a_file_that_is_not_a_shop_stays(tmp_path: Path, content: bytes) -> None:
    """Neither a note nor another database is overwritten."""
    path = tmp_path / "shop.db"
    path.write_bytes(content)
    with pytest.raises(TargetError, match="is not the demo's shop"):
        build_shop(path)
    assert path.read_bytes() == content


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    """One line says where."""
    (tmp_path / "file").write_text("")
    with pytest.raises(TargetError, match="cannot write the demo's shop"):
        build_shop(tmp_path / "file" / "shop.db")
