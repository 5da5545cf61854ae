"""What only MySQL and MariaDB have, or do in a way of their own."""

from __future__ import annotations

import datetime
import decimal
import os
import signal
import subprocess
import sys
from contextlib import suppress
from urllib.parse import urlsplit

import pyarrow as pa
import pytest

from adapters import Mode, open_database
from adapters.mysql_wire import insert_rows, load_data_rows
from dbsynth.errors import ConnectError, SourceError, TargetError
from dbsynth.schema import Kind


def database_name(url: str) -> str:
    return urlsplit(url).path[1:]


def staging_databases(url: str, sql) -> list[str]:
    return [name for (name,) in sql(url, "SHOW DATABASES") if name.startswith(f"{database_name(url)}__dbsynth_")]


def definitions(url: str, sql) -> list[tuple]:
    """Everything the server says of the tables, their rows, triggers and foreign keys."""
    tables = [name for name, *_ in sql(url, "SHOW TABLES")]
    return [
        *(sql(url, f"SHOW CREATE TABLE `{name}`") for name in tables),
        *(sorted(sql(url, f"SELECT * FROM `{name}`"), key=repr) for name in tables),
        [trigger[:4] for trigger in sql(url, "SHOW TRIGGERS")],
    ]


def batch(**columns) -> pa.RecordBatch:
    return pa.RecordBatch.from_pydict(columns)


def read(url: str, table: str) -> dict[str, list]:
    adapter = open_database(url)
    found = adapter.read_schema().table(table)
    with adapter.snapshot() as snapshot:
        return pa.Table.from_batches(snapshot.read_rows(found, found.column_names)).to_pydict()


# Connecting


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda url: url.replace(":3306", ":1"), "refused"),
        (lambda url: url.rpartition("/")[0] + "/no_such_database", "no_such_database"),
        (lambda url: url.rpartition("/")[0], "names no database"),
        (lambda url: url.replace("root", "nobody:s3cr%2Ft"), "Access denied"),
        (lambda url: url + "?colour=red", "colour"),
        (lambda url: url + "?charset=klingon", "klingon"),
        (lambda url: url + "?ssl_mode=maybe", "MAYBE"),
    ],
)
def test_what_is_wrong_with_a_url_is_one_line(mysql_url, change, says):
    with pytest.raises(ConnectError) as error:
        open_database(change(mysql_url))
    message = str(error.value)
    assert says in message
    assert "\n" not in message
    assert "s3cr" not in message


def test_two_spellings_of_a_url_are_one_database(mysql_url, new_mysql):
    first = open_database(mysql_url)
    other = mysql_url.replace("mysql://", "mariadb+pymysql://") + "?charset=utf8mb4"
    assert open_database(other).identity == first.identity
    assert open_database(new_mysql()).identity != first.identity


# Reading


def test_rows_are_read_as_the_driver_reads_them(mysql_url, sql):
    sql(mysql_url, "CREATE TABLE t (id int, a varchar(700), b double, c decimal(9,2), d datetime(6), e blob)")
    sql(mysql_url, "INSERT INTO t SELECT seq, IF(seq % 7 = 0, NULL, REPEAT(CONCAT('ü', seq, CHAR(10)), seq % 90)), "
                   "rand(seq), IF(seq % 3 = 0, NULL, seq / 7), '2020-01-01' + INTERVAL seq * 1e6 MICROSECOND, "
                   "UNHEX(MD5(seq)) FROM seq_1_to_40000")  # fmt: skip
    rows = read(mysql_url, "t")
    assert sorted(zip(*rows.values(), strict=True)) == sorted(sql(mysql_url, "SELECT * FROM t"))


def test_a_row_longer_than_a_packet_is_read_whole(mysql_url, sql):
    sql(mysql_url, "CREATE TABLE t (id int PRIMARY KEY, a longtext, b longblob, c int)")
    sql(mysql_url, "INSERT INTO t VALUES (1, REPEAT('a', 9000000), REPEAT('b', 9000001), 7), (2, 'x', 'y', 8), "
                   "(3, REPEAT('a', 16777215 - 12), '', 9), (4, REPEAT('c', 70000), REPEAT('d', 300), 10)")  # fmt: skip
    rows = read(mysql_url, "t")
    assert [len(text) for text in rows["a"]] == [9_000_000, 1, 16777203, 70_000]
    assert [len(text) for text in rows["b"]] == [9_000_001, 1, 0, 300]
    assert rows["c"] == [7, 8, 9, 10]


def test_reading_may_stop_halfway(mysql_url, sql):
    sql(mysql_url, "CREATE TABLE t (id int PRIMARY KEY, a text DEFAULT (repeat('a', 200)))")
    sql(mysql_url, "INSERT INTO t (id) SELECT seq FROM seq_1_to_100000")
    adapter = open_database(mysql_url)
    table = adapter.read_schema().table("t")
    with adapter.snapshot() as snapshot:
        batches = snapshot.read_rows(table, ["id", "a"])
        assert 0 < next(batches).num_rows < 100_000
        sql(mysql_url, "DELETE FROM t")
        batches.close()
        assert snapshot.count_rows(table) == 100_000
        assert sum(b.num_rows for b in snapshot.read_rows(table, ["id"])) == 100_000


def test_a_snapshot_cannot_write(two_tables):
    with open_database(two_tables).snapshot() as snapshot, pytest.raises(Exception, match="READ ONLY"):
        snapshot._connection.query("DELETE FROM child")


def test_kinds_that_only_the_rows_settle(mysql_url, sql):
    sql(mysql_url, """
        CREATE TABLE t (truth tinyint(1), stars tinyint(1), opens time, runs time, zero date, sure datetime NOT NULL,
                        big bigint unsigned, year year, day date NOT NULL);
        SET sql_mode = '';
        INSERT INTO t VALUES
            (1, 2, '23:59:59', '24:00:00', '0000-00-00', '2020-00-01', 18446744073709551615, 1901, '2020-01-01'),
            (0, -1, '00:00:00', '-00:00:01', '2020-01-00', '0000-00-00', 0, 0, '9999-12-31'),
            (NULL, NULL, NULL, NULL, NULL, '2020-01-01', NULL, NULL, '1000-01-01')
    """)
    columns = {column.name: column.kind for column in open_database(mysql_url).read_schema().table("t").columns}
    assert columns == {
        "truth": Kind.BOOLEAN, "stars": Kind.INTEGER, "opens": Kind.TIME, "runs": Kind.OTHER, "zero": Kind.DATE,
        "sure": Kind.OTHER, "big": Kind.DECIMAL, "year": Kind.INTEGER, "day": Kind.DATE,
    }  # fmt: skip
    rows = read(mysql_url, "t")
    assert rows["truth"] == [True, False, None]
    assert rows["runs"] == ["24:00:00", "-00:00:01", None]
    assert rows["zero"] == [None, None, None]
    assert rows["sure"] == ["2020-00-01 00:00:00", "0000-00-00 00:00:00", "2020-01-01 00:00:00"]
    assert rows["big"] == [decimal.Decimal(18446744073709551615), 0, None]
    assert rows["day"][1] == datetime.date(9999, 12, 31)


def test_zero_dates_and_long_times_are_kept_where_they_stood(mysql_url, new_mysql, sql, open_url, copy_database):
    sql(mysql_url, """
        CREATE TABLE t (id int PRIMARY KEY, sure date NOT NULL DEFAULT '0000-00-00', runs time, year year);
        SET sql_mode = '';
        INSERT INTO t VALUES (1, '0000-00-00', '-838:59:59', 0), (2, '2020-02-00', '100:00:00', 2155)
    """)
    target = new_mysql()
    copy_database(open_url(mysql_url), open_url(target))
    text = "SELECT id, CONCAT(sure), CONCAT(runs), year FROM t"
    assert sql(target, text) == sql(mysql_url, text)


def test_a_value_that_came_after_the_schema_was_read_is_named(mysql_url, sql):
    sql(mysql_url, "CREATE TABLE t (truth tinyint(1))")
    adapter = open_database(mysql_url)
    table = adapter.read_schema().table("t")
    sql(mysql_url, "INSERT INTO t VALUES (7)")
    with adapter.snapshot() as snapshot, pytest.raises(SourceError, match="'t'"):
        list(snapshot.read_rows(table, ["truth"]))


def test_enum_values_with_quotes_and_commas(mysql_url, sql):
    sql(mysql_url, r"""CREATE TABLE t (e enum('a,b', 'it''s', 'back\\slash', '"', '', 'ü', '\n'), s set('x', 'y'))""")
    table = open_database(mysql_url).read_schema().table("t")
    assert table.column("e").enum_values == ("a,b", "it's", "back\\slash", '"', "", "ü", "\n")
    assert table.column("s").enum_values == ("", "x", "y", "x,y")


# Loading


def test_the_next_insert_gets_the_next_number(two_tables, new_mysql, sql, open_url, copy_database):
    target = new_mysql()
    sql(two_tables, "CREATE TABLE empty_one (id int PRIMARY KEY AUTO_INCREMENT)")
    sql(two_tables, "INSERT INTO child (id) VALUES (41)")
    copy_database(open_url(two_tables), open_url(target))
    for table, following in (("child", 42), ("empty_one", 1)):
        sql(target, f"INSERT INTO {table} () VALUES ()")
        assert sql(target, f"SELECT MAX(id) FROM {table}") == [(following,)]


def test_zero_is_a_value_of_an_auto_increment_column(two_tables, new_mysql, sql, open_url, copy_database):
    sql(two_tables, "UPDATE child SET id = 0 WHERE id = 2")
    target = new_mysql()
    copy_database(open_url(two_tables), open_url(target))
    assert sql(target, "SELECT id FROM child ORDER BY id") == [(0,), (1,)]


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ({"id": [1, 1], "name": ["a", "b"]}, "PRIMARY"),
        ({"id": [1, 2], "name": ["a", "A"]}, "name"),
        ({"id": [1, 2], "name": ["a", "x" * 21]}, "name"),
        ({"id": [1, 2**31], "name": ["a", "b"]}, "id"),
        ({"id": [1, 2], "name": ["a", "bad"]}, "CONSTRAINT_1"),
        ({"id": [1, 2], "name": ["a", "b"], "kind": ["x", None]}, "kind"),
    ],
)
@pytest.mark.parametrize("by_file", [True, False])
def test_rows_that_break_a_constraint_change_nothing(two_tables, sql, monkeypatch, rows, says, by_file):
    monkeypatch.setattr("adapters.mysql_rows.RowWriter.reads_files", by_file)
    before = definitions(two_tables, sql)
    target = open_database(two_tables)
    schema = target.read_schema()
    with pytest.raises(TargetError, match=says) as error, target.load(schema, Mode.REPLACE) as load:
        load.write_rows(schema.table("parent"), [batch(**rows)])
    assert "__dbsynth_" not in str(error.value)
    assert definitions(two_tables, sql) == before
    assert staging_databases(two_tables, sql) == []


def test_a_reference_to_no_row_is_refused(two_tables, sql):
    before = definitions(two_tables, sql)
    target = open_database(two_tables)
    schema = target.read_schema()
    with pytest.raises(TargetError, match=r"child_parent.* 1 row"), target.load(schema, Mode.REPLACE) as load:
        load.write_rows(schema.table("child"), [batch(id=[1], parent=[9])])
    assert definitions(two_tables, sql) == before


def test_files_and_statements_write_the_same(new_mysql, database_of, open_url, copy_database, rows_of, monkeypatch):
    source = open_url(database_of("mysql").rich())
    by_file, by_statement = open_url(new_mysql()), open_url(new_mysql())
    copy_database(source, by_file)
    monkeypatch.setattr("adapters.mysql_rows.RowWriter.reads_files", False)
    copy_database(source, by_statement)
    assert rows_of(by_statement) == rows_of(by_file) == rows_of(source)


def test_rows_are_cut_into_statements_of_a_size():
    rows = batch(a=[1, None, 3], b=["x" * 10, "it's \\", None], c=[b"\x00\xff", None, b""])
    forms = ["{}", "{}", "UNHEX({})"]
    assert list(insert_rows(rows, forms, 1)) == [
        b"(1,'xxxxxxxxxx',UNHEX('00ff'))", b"(NULL,'it''s \\\\',NULL)", b"(3,NULL,UNHEX(''))",
    ]  # fmt: skip
    assert b",".join(insert_rows(rows, forms, 1)) == b",".join(insert_rows(rows, forms, 10**6))
    assert bytes(load_data_rows(rows.slice(1))) == b"\\N\tit's \\\\\t\\N\n3\t\\N\t\n"


def test_tables_outside_the_load_keep_their_keys_and_tables_in_it_their_triggers(two_tables, sql):
    sql(two_tables, """
        CREATE TABLE outside (id int PRIMARY KEY, parent int,
            CONSTRAINT outside_parent FOREIGN KEY (parent) REFERENCES parent (id) ON DELETE SET NULL);
        INSERT INTO outside VALUES (1, 1);
        CREATE TABLE log (name varchar(20));
        CREATE TRIGGER parent_log AFTER INSERT ON parent FOR EACH ROW INSERT INTO log VALUES (NEW.name);
        CREATE VIEW names AS SELECT name FROM parent
    """)
    before = definitions(two_tables, sql)
    target = open_database(two_tables)
    schema = target.read_schema().restrict(["parent", "child"])
    with pytest.raises(TargetError, match="outside_parent"), target.load(schema, Mode.REPLACE) as load:
        load.write_rows(schema.table("parent"), [batch(id=[2], name=["new"])])
    assert definitions(two_tables, sql) == before
    with target.load(schema, Mode.REPLACE) as load:
        load.write_rows(schema.table("parent"), [batch(id=[1, 2], name=["new", "b"])])
    assert sql(two_tables, "SELECT * FROM names") == [("b",), ("new",)]
    assert sql(two_tables, "SELECT * FROM log") == []
    sql(two_tables, "INSERT INTO parent (name) VALUES ('logged')")
    assert sql(two_tables, "SELECT * FROM log") == [("logged",)]
    sql(two_tables, "DELETE FROM parent WHERE id = 1")
    assert sql(two_tables, "SELECT * FROM outside") == [(1, None)]
    assert open_database(two_tables).read_schema().foreign_keys_of("outside")[0].parent == "parent"


def test_a_user_who_may_not_create_a_database_is_told_which_right_it_takes(two_tables, sql):
    name = database_name(two_tables)
    user = f"u{name[-12:]}"
    with suppress(Exception):
        sql(two_tables, f"CREATE USER {user}@'%' IDENTIFIED BY 'pw'")
    try:
        sql(two_tables, f"GRANT ALL ON {name}.* TO {user}@'%'")
        target = open_database(two_tables.replace("root", f"{user}:pw"))
        schema = target.read_schema()
        with pytest.raises(TargetError, match="GRANT ALL ON") as error, target.load(schema, Mode.REPLACE):
            pass
        grant = str(error.value).partition("; ")[2].partition(", or")[0].replace(" it", f" {user}@'%'")
        sql(two_tables, grant)
        with target.load(schema, Mode.REPLACE) as load:
            load.write_rows(schema.table("parent"), [batch(id=[7], name=["x"])])
        assert sql(two_tables, "SELECT id FROM parent") == [(7,)]
    finally:
        sql(two_tables, f"DROP USER {user}@'%'")


_LOAD_AND_DIE = """
import os, signal, sys
import pyarrow as pa
from adapters import Mode, open_database

target, stage = open_database(sys.argv[1]), sys.argv[2]
schema = target.read_schema().restrict(["parent", "child"])
die = lambda: os.kill(os.getpid(), signal.SIGKILL)
with target.load(schema, Mode.REPLACE) as load:
    inner = load._load
    query = inner._query
    def watched(statement, *parameters):
        if statement.startswith(stage):
            die()
        return query(statement, *parameters)
    inner._query = watched
    load.write_rows(schema.table("parent"), [pa.RecordBatch.from_pydict({"id": [1, 5], "name": ["x", "y"]})])
    if stage == "rows":
        die()
"""


@pytest.mark.parametrize("stage", ["rows", "ANALYZE", "DROP TRIGGER", "RENAME"])
def test_a_load_that_is_killed_leaves_the_target_as_it_was(two_tables, sql, stage):
    sql(two_tables, "CREATE TRIGGER twice BEFORE INSERT ON child FOR EACH ROW SET NEW.parent = NEW.parent")
    before = definitions(two_tables, sql)
    killed = subprocess.run([sys.executable, "-c", _LOAD_AND_DIE, two_tables, stage], check=False, cwd=os.getcwd())
    assert killed.returncode == -signal.SIGKILL
    assert staging_databases(two_tables, sql)
    if stage != "RENAME":
        assert definitions(two_tables, sql) == before
    else:  # between the triggers and the RENAME; the next load makes up for it
        assert definitions(two_tables, sql)[:-1] == before[:-1]
    target = open_database(two_tables)
    with pytest.raises(TargetError, match="2 rows"), target.load(target.read_schema()):
        pass
    assert definitions(two_tables, sql) == before
    assert staging_databases(two_tables, sql) == []


def test_a_second_load_at_the_same_time_is_refused(two_tables, monkeypatch):
    monkeypatch.setattr("adapters.mysql_lock._RUN_SECONDS", 0)
    first, second = open_database(two_tables), open_database(two_tables)
    schema = first.read_schema()
    refused = pytest.raises(TargetError, match="another load")
    with first.load(schema, Mode.REPLACE), refused, second.load(schema, Mode.REPLACE):
        pass


def test_an_interrupt_leaves_the_target_as_it_was(two_tables, sql):
    before = definitions(two_tables, sql)
    target = open_database(two_tables)
    schema = target.read_schema()

    def batches():
        yield batch(id=[5], name=["x"])
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), target.load(schema, Mode.REPLACE) as load:
        load.write_rows(schema.table("parent"), batches())
    assert definitions(two_tables, sql) == before
    assert staging_databases(two_tables, sql) == []


def test_text_keys_from_elsewhere_keep_their_case(new_sqlite, mysql_url, sql, open_url, copy_database, rows_of):
    source = new_sqlite()
    sql(source, """
        CREATE TABLE word (word TEXT PRIMARY KEY, a VARCHAR(900), b VARCHAR(900), c TEXT DEFAULT 'x', UNIQUE (a, b));
        CREATE TABLE spelling (word TEXT REFERENCES word, n INTEGER, PRIMARY KEY (word, n));
        INSERT INTO word VALUES ('a', 'x', 'y', 'b'), ('A', 'X', 'Y', NULL), ('á', 'x ', 'y', '');
        INSERT INTO word VALUES ('a ', 'z', 'z', 'z');
        INSERT INTO spelling VALUES ('A', 1), ('a', 1), ('a ', 1);
    """)
    target = open_url(mysql_url)
    losses = target.losses(open_url(source).read_schema())
    assert any("'a' of table 'word'" in loss and "characters" in loss for loss in losses)
    copy_database(open_url(source), target)
    assert rows_of(target)["word"] == rows_of(open_url(source))["word"]
    assert rows_of(target)["spelling"] == rows_of(open_url(source))["spelling"]


def test_wide_rows_from_elsewhere_fit(new_sqlite, mysql_url, sql, open_url, copy_database, rows_of):
    source = new_sqlite()
    columns = ", ".join(f"c{i} VARCHAR(900)" for i in range(60))
    sql(source, f"CREATE TABLE wide (id INTEGER PRIMARY KEY, {columns})")
    sql(source, f"INSERT INTO wide VALUES (1{(', ' + repr('y' * 800)) * 60})")
    copy_database(open_url(source), open_url(mysql_url))
    assert rows_of(open_url(mysql_url)) == rows_of(open_url(source))


def test_views_are_not_written_over(two_tables, new_mysql, sql):
    target = new_mysql()
    sql(target, "CREATE VIEW parent AS SELECT 1")
    with pytest.raises(TargetError, match="view"):
        open_database(target).check_target(open_database(two_tables).read_schema(), Mode.REPLACE)
