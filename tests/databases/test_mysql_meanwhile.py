"""What the user does in a MySQL target while a load runs is neither lost nor undone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest

from adapters import Mode, open_database
from dbsynth.errors import TargetError


def staging_databases(url: str, sql) -> list[tuple]:
    return sql(url, rf"SHOW DATABASES LIKE '{url.rpartition('/')[2]}\_\_dbsynth\_%'")


@pytest.fixture
def meanwhile(sql):
    """A load of parent and child that runs statements before its first statement that begins so; what it has lost."""

    def load(url: str, statements: str, begin: str = "ANALYZE", mode: Mode = Mode.REPLACE) -> list[str]:
        target = open_database(url)
        schema = target.read_schema().restrict(["parent", "child"]).tables_only
        with target.load(schema, mode) as load:
            query, waiting = load._load._query, [statements]

            def watched(statement, *parameters):
                if statement.startswith(begin) and waiting:
                    sql(url, waiting.pop())
                return query(statement, *parameters)

            load._load._query = watched
            rows = pa.RecordBatch.from_pydict({"id": [1, 2], "name": ["new", "newer"]})
            load.write_rows(schema.table("parent"), [rows])
        assert not waiting
        return load.losses

    return load


EMPTY = "DELETE FROM child;\nDELETE FROM parent"


def test_a_row_that_came_meanwhile_is_not_written_over(two_tables, sql, meanwhile):
    sql(two_tables, EMPTY)
    with pytest.raises(TargetError, match="'parent' has got rows"):
        meanwhile(two_tables, "INSERT INTO parent (id, name) VALUES (500, 'user')", mode=Mode.CREATE)
    assert sql(two_tables, "SELECT id FROM parent") == [(500,)]
    sql(two_tables, EMPTY)
    late = "INSERT INTO parent (id, name) VALUES (500, 'user')"
    (loss,) = meanwhile(two_tables, late, "RENAME", Mode.CREATE)  # after the last look
    assert sql(two_tables, "SELECT id FROM parent ORDER BY id") == [(1,), (2,)]
    (kept,) = [name for (name,) in sql(two_tables, "SHOW TABLES") if name.startswith("parent ")]
    assert repr(kept) in loss
    assert sql(two_tables, f"SELECT id, name FROM `{kept}`") == [(500, "user")]


KILLED = """
import os, signal, sys
from adapters import Mode, open_database
from conftest import run_sql

url, statements = sys.argv[1], int(sys.argv[2])
target = open_database(url)
with target.load(target.read_schema().restrict(["parent", "child"]).tables_only, Mode.CREATE) as load:
    query, after = load._load._query, None

    def counted(statement, *parameters):
        global after
        if statement.startswith("RENAME TABLE") and after is None:
            run_sql(url, "INSERT INTO parent (id, name) VALUES (500, 'user')")
            after = 0
        elif after is not None:
            after += 1
        if after == statements:
            rows = query(statement, *parameters)
            os.kill(os.getpid(), signal.SIGKILL)
        return query(statement, *parameters)

    load._load._query = counted
"""


@pytest.mark.parametrize("statements", [0, 7, 12, 14, 16, 18])
def test_a_row_that_came_at_the_last_moment_outlives_a_kill(two_tables, sql, meanwhile, statements):
    """After the RENAME itself, and after so many statements that follow it."""
    sql(two_tables, EMPTY)
    path = os.pathsep.join(str(Path(__file__).parents[n]) for n in (1, 2))
    run = [sys.executable, "-c", KILLED, two_tables, str(statements)]
    killed = subprocess.run(run, env={**os.environ, "PYTHONPATH": path}, timeout=60)
    assert killed.returncode == -signal.SIGKILL
    losses = meanwhile(two_tables, "DO 1")
    (kept,) = [name for (name,) in sql(two_tables, "SHOW TABLES") if name.startswith("parent ")]
    assert sql(two_tables, f"SELECT id, name FROM `{kept}`") == [(500, "user")]
    said = [f"rows that came into table 'parent' at the last moment are in table {kept!r}"]
    assert losses == said or (statements > 12 and not losses)  # by then all may have been seen to
    assert staging_databases(two_tables, sql) == []


def test_a_migration_that_came_meanwhile_is_not_undone(two_tables, sql, meanwhile):
    with pytest.raises(TargetError, match="'parent' was altered"):
        meanwhile(two_tables, "ALTER TABLE parent ADD COLUMN note text, ADD INDEX by_kind (kind)")
    assert sql(two_tables, "SELECT id, note FROM parent") == [(1, None), (2, None)]
    assert meanwhile(two_tables, "INSERT INTO child (id) VALUES (77)") == []  # a new number alters nothing
    assert staging_databases(two_tables, sql) == []


OUTSIDE = """
    CREATE TABLE outside (id int PRIMARY KEY, parent int,
        CONSTRAINT outside_parent FOREIGN KEY (parent) REFERENCES parent (id));
    INSERT INTO outside VALUES (1, 1)
"""


def test_a_key_that_cannot_come_back_is_said_and_stops_no_later_load(two_tables, sql, meanwhile):
    sql(two_tables, OUTSIDE)
    (loss,) = meanwhile(two_tables, "DROP TABLE outside", "RENAME")
    assert "'outside_parent' of table 'outside' could not be created again" in loss
    assert "ALTER TABLE" in loss
    assert "__dbsynth_" not in loss
    assert meanwhile(two_tables, "DO 1") == []
    sql(two_tables, OUTSIDE)
    with pytest.raises(TargetError, match=r"'child' was altered.*'outside_parent' .* could not be created again"):
        meanwhile(two_tables, "ALTER TABLE outside MODIFY parent bigint;\nALTER TABLE child DROP FOREIGN KEY "
                              "child_parent;\nALTER TABLE parent MODIFY id smallint", "SHOW CREATE TABLE")  # fmt: skip
    assert staging_databases(two_tables, sql) == []


def test_a_reference_that_came_at_the_last_moment_is_said(two_tables, sql, meanwhile):
    sql(two_tables, OUTSIDE)
    sql(two_tables, "INSERT INTO parent (id) VALUES (3)")
    (loss,) = meanwhile(two_tables, "INSERT INTO outside VALUES (2, 3)", "RENAME")
    assert loss.startswith("foreign key 'outside_parent' of table 'outside': 1 rows that came while")
    assert open_database(two_tables).read_schema().foreign_keys_of("outside")


def test_triggers_keep_the_mode_they_were_written_in(two_tables, sql, meanwhile):
    name = two_tables.rpartition("/")[2]
    sql(two_tables, f"""
        SET sql_mode = 'PIPES_AS_CONCAT,ANSI_QUOTES', collation_connection = 'latin1_german2_ci';
        CREATE TRIGGER marked BEFORE INSERT ON {name}.parent FOR EACH ROW SET NEW."name" = NEW.name || '!'
    """)
    before = sql(two_tables, "SHOW CREATE TRIGGER marked")[0]
    assert meanwhile(two_tables, "DO 1") == []
    after = sql(two_tables, "SHOW CREATE TRIGGER marked")[0]
    assert (after[:3], after[4:6]) == (before[:3], before[4:6])
    sql(two_tables, "INSERT INTO parent (name) VALUES ('x')")
    assert sql(two_tables, "SELECT name FROM parent ORDER BY id") == [("new",), ("newer",), ("x!",)]
