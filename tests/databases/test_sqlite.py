"""What is SQLite's own: values of any type in any column, four ways of quoting, files."""

from __future__ import annotations

import os

import pyarrow as pa
import pytest

from adapters import Mode, open_database
from adapters.sqlite_sql import parse_create_table
from dbsynth.errors import ConnectError, SchemaError, TargetError
from dbsynth.schema import Kind

# Declared type, values as SQL literals, the kind they cross as.
COLUMNS = [
    ("INTEGER", ["1", "-9223372036854775808", "9223372036854775807"], Kind.INTEGER),
    ("INT", ["1", "'seven'"], Kind.OTHER),
    ("INTEGER", ["'seven'", "'eight'"], Kind.TEXT),
    ("INT", ["1", "2.5"], Kind.FLOAT),
    ("REAL", ["1", "0.1", "1e308", "9e999"], Kind.FLOAT),
    ("DECIMAL(10,2)", ["1", "0.99", "-12345678.9"], Kind.DECIMAL),
    ("DECIMAL(10,2)", ["0.999"], Kind.FLOAT),
    ("DECIMAL(4,2)", ["100"], Kind.INTEGER),
    ("NUMERIC", ["1", "2.5"], Kind.FLOAT),
    ("BOOLEAN", ["0", "1"], Kind.BOOLEAN),
    ("BOOLEAN", ["0", "2"], Kind.INTEGER),
    ("BOOLEAN", ["'yes'", "'no'"], Kind.TEXT),
    ("DATE", ["'2024-02-29'", "'0001-01-01'", "'9999-12-31'"], Kind.DATE),
    ("DATE", ["'2023-02-29'"], Kind.TEXT),
    ("DATE", ["'29/02/2024'"], Kind.TEXT),
    ("DATE", ["20240229"], Kind.INTEGER),
    (
        "DATETIME",
        ["'2024-02-29 23:59:59'", "'2024-02-29 23:59:59.999999'", "'2024-02-29 00:00:00.123'"],
        Kind.TIMESTAMP,
    ),
    ("DATETIME", ["'2024-02-29'", "'2024-03-01'"], Kind.DATE),
    ("TIMESTAMP", ["'2024-02-29 10:00'"], Kind.TEXT),
    ("TIMESTAMP", ["'2024-02-29T10:00:00Z'"], Kind.TEXT),
    ("TIMESTAMP", ["1709164800"], Kind.INTEGER),
    ("TIMESTAMPTZ", ["'2024-02-29 10:00:00+00:00'"], Kind.TIMESTAMPTZ),
    ("TIME", ["'23:59:59'", "'00:00:00.123'"], Kind.TIME),
    ("TIME", ["'24:00:00'"], Kind.TEXT),
    ("VARCHAR(3)", ["'abc'", "''"], Kind.TEXT),
    ("VARCHAR(3)", ["'longer than three'"], Kind.TEXT),
    ("TEXT", ["'a'", "x'00ff'"], Kind.OTHER),
    ("TEXT", ["x'00ff'"], Kind.BINARY),
    ("BLOB", ["x''", "x'00'"], Kind.BINARY),
    ("BLOB", ["'text'", "'other'"], Kind.TEXT),
    ("JSON", ["'{\"a\": [1, null]}'"], Kind.JSON),
    ("JSON", ["'{oops'"], Kind.TEXT),
    ("UUID", ["'00000000-0000-0000-0000-00000000000f'"], Kind.UUID),
    ("", ["1", "2"], Kind.INTEGER),
    ("", ["'a'", "x'41'"], Kind.OTHER),
    ("GEOMETRY", [], Kind.TEXT),
]


def test_values_decide_the_kind_and_come_back_as_they_were(new_sqlite, open_url, copy_database, sql):
    source_url, target_url = new_sqlite(), new_sqlite()
    sql(source_url, f"CREATE TABLE t ({', '.join(f'c{i} {declared}' for i, (declared, _, _) in enumerate(COLUMNS))})")
    for i, (_, values, _) in enumerate(COLUMNS):
        for value in values:
            sql(source_url, f"INSERT INTO t (c{i}) VALUES ({value})")
    source, target = open_url(source_url), open_url(target_url)
    schema = copy_database(source, target)
    assert [(i, c.kind) for i, c in enumerate(schema.tables[0].columns)] == [
        (i, k) for i, (_, _, k) in enumerate(COLUMNS)
    ]
    assert target.read_schema() == schema
    lengths = [c.length for c in schema.tables[0].columns if c.native_type == "VARCHAR(3)"]
    assert lengths == [3, None]
    query = f"SELECT {', '.join(f'quote(c{i})' for i in range(len(COLUMNS)))} FROM t ORDER BY rowid"
    assert sql(target_url, query) == sql(source_url, query)


def test_the_text_of_a_table_is_understood():
    text = parse_create_table("""
        CREATE TABLE IF NOT EXISTS "odd (name" ( -- CHECK (no)
            [a] INTEGER DEFAULT (1 + (2)) CONSTRAINT [p q] CHECK ([a] > 0 AND ')' <> '('), /* , */
            `b` VARCHAR(10) COLLATE nocase CHECK(length(b) < 5) UNIQUE,
            "check" DECIMAL(10, 2) REFERENCES x DEFERRABLE INITIALLY DEFERRED,
            'd' TEXT AS (a || 'x') VIRTUAL,
            CONSTRAINT "u""1" UNIQUE ("a", [b])
            FOREIGN KEY (a) REFERENCES y(z) NOT DEFERRABLE,
            CONSTRAINT last CHECK (1)
        ) STRICT, WITHOUT ROWID
    """)
    assert text.checks == [("p q", "[a] > 0 AND ')' <> '('"), (None, "length(b) < 5"), ("last", "1")]
    assert text.unique_keys == [(None, ("b",)), ('u"1', ("a", "b"))]
    assert text.foreign_keys == [(None, "DEFERRABLE INITIALLY DEFERRED"), (None, None)]
    assert text.collations == {"b": "nocase"}
    assert text.generated == {"d": "a || 'x'"}
    assert set(text.options) == {"STRICT", "WITHOUT ROWID"}


def test_a_missing_file_can_be_loaded_into_but_not_read(tmp_path, sqlite_url, open_url, copy_database, rows_of, sql):
    sql(sqlite_url, "CREATE TABLE t (a INTEGER PRIMARY KEY)")
    sql(sqlite_url, "INSERT INTO t VALUES (1)")
    new = tmp_path / "new.db"
    target = open_url(f"sqlite:///{new}")
    with pytest.raises(ConnectError, match=r"no SQLite file .*new\.db"):
        target.read_schema()
    schema = open_url(sqlite_url).read_schema()
    target.check_target(schema, Mode.CREATE)
    with pytest.raises(RuntimeError), target.load(schema):
        raise RuntimeError
    assert [path.name for path in tmp_path.iterdir()] == [os.path.basename(sqlite_url)]
    copy_database(open_url(sqlite_url), target)
    assert rows_of(target) == rows_of(open_url(sqlite_url))
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(["new.db", os.path.basename(sqlite_url)])


@pytest.mark.parametrize(("url", "says"), [
    ("sqlite://", "names no file"),
    ("sqlite:///:memory:", "names no file"),
    ("sqlite:////no/such/folder/x.db", "no folder '/no/such/folder'"),
    ("sqlite:///{folder}", "is a folder"),
    ("sqlite:///{folder}/text.db", "not a database"),
    ("oracle://user:secret@host/x", "unknown kind of database 'oracle' in 'oracle://user:.*@host/x'"),
    ("just text", "not a database URL"),
])  # fmt: skip
def test_what_is_wrong_with_a_url_is_one_line(tmp_path, url, says):
    (tmp_path / "text.db").write_text("no database at all " * 100)
    with pytest.raises(ConnectError, match=says) as caught:
        open_database(url.format(folder=tmp_path))
    assert "secret" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_links_and_relative_paths_are_the_same_database(tmp_path, sqlite_url, monkeypatch, new_sqlite):
    path = sqlite_url.removeprefix("sqlite:///")
    (tmp_path / "sub").mkdir()
    os.link(path, tmp_path / "hard.db")
    os.symlink(path, tmp_path / "soft.db")
    monkeypatch.chdir(tmp_path / "sub")
    spellings = [
        sqlite_url,
        f"sqlite:///{tmp_path}/hard.db",
        f"sqlite:///{tmp_path}/soft.db",
        f"sqlite:///../{os.path.basename(path)}",
    ]
    assert len({open_database(url).identity for url in spellings}) == 1
    assert open_database(new_sqlite()).identity != open_database(sqlite_url).identity


def test_orphans_are_reported_and_refused(new_sqlite, open_url, copy_database, sql):
    url = new_sqlite()
    sql(
        url,
        "CREATE TABLE p (id INTEGER PRIMARY KEY); CREATE TABLE c (p INTEGER REFERENCES p); INSERT INTO c VALUES (9);",
    )
    source, target = open_url(url), open_url(new_sqlite())
    schema = source.read_schema()
    assert [(v.table, v.constraint, v.rows) for v in source.validate(schema)] == [("c", "fk_c_p", 1)]
    with pytest.raises(TargetError, match=r"'fk_c_p' of table 'c'.*no parent in 'p'"):
        copy_database(source, target)
    assert target.read_schema().tables == ()


def test_a_key_to_a_missing_table_is_an_error_with_a_way_out(sqlite_url, open_url, sql):
    sql(sqlite_url, "CREATE TABLE c (p INTEGER REFERENCES gone)")
    with pytest.raises(SchemaError, match=r"'gone'.*drop the constraint"):
        open_url(sqlite_url).read_schema()


def test_triggers_of_standing_tables_sleep_through_a_load(sqlite_url, open_url, sql):
    sql(sqlite_url, "CREATE TABLE t (id INTEGER PRIMARY KEY); CREATE TABLE log (id INTEGER); INSERT INTO t VALUES (1);")
    sql(sqlite_url, "CREATE TRIGGER note AFTER INSERT ON t BEGIN INSERT INTO log VALUES (NEW.id); END")
    target = open_url(sqlite_url)
    schema = target.read_schema().restrict(["t"])
    with target.load(schema, Mode.REPLACE) as load:
        load.write_rows(schema.tables[0], [pa.RecordBatch.from_pydict({"id": [5, 6]})])
    assert sql(sqlite_url, "SELECT * FROM log") == []
    sql(sqlite_url, "INSERT INTO t VALUES (7)")
    assert sql(sqlite_url, "SELECT * FROM log") == [(7,)]
