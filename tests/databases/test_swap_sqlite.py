"""A file takes the place of another, or is filled where somebody holds it."""

from __future__ import annotations

import os
from contextlib import closing
from pathlib import Path

import pytest
from family import FAMILY, WHOLE, ask, connection_to, write

from adapters import Mode, sqlite_aside


def test_a_file_that_nobody_holds_is_exchanged_and_one_that_is_held_is_filled(
    sqlite_url, open_url, sql, monkeypatch
):
    monkeypatch.setattr(sqlite_aside, "_sees_every_process", lambda: True)  # whoever runs the tests
    sql(sqlite_url, FAMILY)
    path = sqlite_url.removeprefix("sqlite:///")
    os.chmod(path, 0o640)
    target = open_url(sqlite_url)
    schema = target.read_schema()
    first = os.stat(path)
    with target.load(schema, Mode.REPLACE) as load:
        write(load, schema, 1)
        assert {os.stat(found).st_mode & 0o077 for found in Path(path).parent.glob(".*dbsynth-new")} == {0}
    second = os.stat(path)
    assert second.st_ino != first.st_ino
    assert second.st_mode == first.st_mode
    with closing(connection_to(sqlite_url)) as reader:
        assert ask(reader, WHOLE) == [(1, 1, 1, 2)]
        with target.load(schema, Mode.REPLACE) as load:
            write(load, schema, 2)
        assert ask(reader, WHOLE) == [(2, 2, 2, 2)]
    assert os.stat(path).st_ino == second.st_ino
    assert os.listdir(os.path.dirname(path)) == [os.path.basename(path)]


def test_a_file_whose_holders_do_not_show_is_filled(sqlite_url, open_url, sql, monkeypatch):
    """Another user's process, or one outside the container, may have it open."""
    monkeypatch.setattr(sqlite_aside, "_sees_every_process", lambda: False)
    sql(sqlite_url, FAMILY)
    target = open_url(sqlite_url)
    schema, first = target.read_schema(), os.stat(sqlite_url.removeprefix("sqlite:///"))
    with target.load(schema, Mode.REPLACE) as load:
        write(load, schema, 1)
    assert os.stat(sqlite_url.removeprefix("sqlite:///")).st_ino == first.st_ino
    assert sql(sqlite_url, WHOLE) == [(1, 1, 1, 2)]


@pytest.mark.parametrize("mode", [Mode.REPLACE, Mode.IN_PLACE])
def test_a_trigger_that_spells_its_table_otherwise_does_not_fire(mode, sqlite_url, open_url, sql):
    sql(sqlite_url, FAMILY + "CREATE TABLE log (a integer);")
    sql(sqlite_url, "CREATE TRIGGER noted AFTER INSERT ON BOOK BEGIN INSERT INTO log VALUES (1); END")
    target = open_url(sqlite_url)
    schema = target.read_schema().restrict(["author", "book", "sale"])
    with target.load(schema, mode) as load:
        write(load, schema, 1)
    assert sql(sqlite_url, "SELECT count(*) FROM log") == [(0,)]
    assert sql(sqlite_url, "SELECT name FROM sqlite_master WHERE type = 'trigger'") == [("noted",)]


def test_what_others_write_meanwhile_is_not_lost(sqlite_url, open_url, sql):
    sql(sqlite_url, FAMILY + "CREATE TABLE mine (a integer);")
    target = open_url(sqlite_url)
    schema = target.read_schema().restrict(["author", "book", "sale"])
    with target.load(schema, Mode.REPLACE) as load:
        write(load, schema, 1)
        sql(sqlite_url, "INSERT INTO mine VALUES (7)")
    assert sql(sqlite_url, "SELECT a FROM mine") == [(7,)]
    assert sql(sqlite_url, WHOLE) == [(1, 1, 1, 2)]


def test_readers_of_a_file_that_writes_ahead_are_never_locked_out(sqlite_url, open_url, sql):
    sql(sqlite_url, "PRAGMA journal_mode = WAL")
    sql(sqlite_url, FAMILY)
    target = open_url(sqlite_url)
    schema = target.read_schema()
    with closing(connection_to(sqlite_url)) as reader:
        ask(reader, "PRAGMA busy_timeout = 0")
        ask(reader, "BEGIN")
        assert ask(reader, WHOLE) == [(0, 0, 0, 2)]
        with target.load(schema, Mode.REPLACE) as load:
            write(load, schema, 1)
            assert ask(reader, WHOLE) == [(0, 0, 0, 2)]
        assert ask(reader, WHOLE) == [(0, 0, 0, 2)]
        ask(reader, "COMMIT")
        assert ask(reader, WHOLE) == [(1, 1, 1, 2)]
    assert sql(sqlite_url, "PRAGMA journal_mode") == [("wal",)]
