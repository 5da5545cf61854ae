"""What every adapter promises: the same tests for every dialect."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
from contextlib import closing, suppress
from dataclasses import replace

import pyarrow as pa
import pytest

from adapters import Mode
from dbsynth.errors import SchemaError, SourceError, TargetError
from dbsynth.schema import Column, ForeignKey, Kind, Schema, Table

PAIR = """
    CREATE TABLE parent (id integer PRIMARY KEY, name varchar(40) UNIQUE);
    CREATE TABLE child (id integer PRIMARY KEY, parent integer NOT NULL,
        CONSTRAINT child_parent FOREIGN KEY (parent) REFERENCES parent (id));
    INSERT INTO parent VALUES (1, 'one'), (2, 'two');
    INSERT INTO child VALUES (10, 1), (11, 2), (12, 2);
"""

# Names that need quoting, one per reason.
HOSTILE = [
    "Mixed Case",
    "select",
    "it's",
    'double"quote',
    "back`tick",
    "100% sure",
    "new\nline",
    "emoji 🦆",
    "a.b",
    "semi;colon",
    "[x]",
    "$1",
    "%s",
]


def batch(**columns):
    return pa.RecordBatch.from_pydict(columns)


def test_rich_schema_and_rows_come_back_equal(database, open_url, copy_database, rows_of):
    """Keys, defaults, checks, generated and identity columns, types, comments, indexes: all of it."""
    source, target = open_url(database.rich()), open_url(database.new())
    assert target.losses(source.read_schema()) == []
    schema = copy_database(source, target)
    assert target.read_schema() == schema
    assert rows_of(target) == rows_of(source)
    assert target.validate(schema) == []


def test_replace_takes_the_place_of_the_old_rows(database, open_url, copy_database, rows_of):
    source, target = open_url(database.rich()), open_url(database.rich())
    schema = copy_database(source, target, Mode.REPLACE)
    assert rows_of(target) == rows_of(source)
    assert target.read_schema() == schema


def test_the_schema_is_read_the_same_twice(database, open_url):
    url = database.rich()
    assert open_url(url).read_schema().fingerprint == open_url(url).read_schema().fingerprint


def test_rows_in_the_way_are_refused_by_name_and_number(database, open_url, copy_database, rows_of):
    source, target = open_url(database.make(PAIR)), open_url(database.make(PAIR))
    schema, before = source.read_schema(), rows_of(target)
    with pytest.raises(TargetError, match=r"'(parent|child)' \((2|3) rows\).*--replace"):
        target.check_target(schema, Mode.CREATE)
    with pytest.raises(TargetError, match="--replace"):
        copy_database(source, target)
    assert rows_of(target) == before
    target.check_target(schema, Mode.REPLACE)


def test_a_target_table_of_another_shape_is_refused(database, open_url):
    source = open_url(database.make(PAIR))
    short = open_url(database.make("CREATE TABLE parent (id integer PRIMARY KEY);"))
    demanding = open_url(
        database.make("CREATE TABLE parent (id integer PRIMARY KEY, name varchar(40), more integer NOT NULL);")
    )
    for target, name in ((short, "name"), (demanding, "more")):
        with pytest.raises(TargetError, match=f"'{name}'"):
            target.check_target(source.read_schema(), Mode.CREATE)


@pytest.mark.parametrize("mode", list(Mode))
def test_an_error_in_the_middle_leaves_the_old_state(database, open_url, rows_of, mode):
    source = open_url(database.make(PAIR))
    target = open_url(database.make(PAIR if mode is not Mode.CREATE else PAIR.partition("INSERT")[0]))
    schema, before = target.read_schema(), rows_of(target)
    with pytest.raises(KeyboardInterrupt), target.load(source.read_schema(), mode) as load:  # noqa: PT012
        load.write_rows(schema.table("parent"), [batch(id=[7], name=["seven"])])
        raise KeyboardInterrupt
    assert rows_of(target) == before
    assert target.read_schema() == schema


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ({"parent": batch(id=[1, 1], name=["a", "b"])}, "parent"),
        ({"parent": batch(id=[1, 2], name=["a", "a"])}, "name"),
        ({"parent": batch(id=[1], name=["a"]), "child": batch(id=[1], parent=[99])}, "child_parent"),
        ({"parent": batch(id=[1], name=["a"]), "child": batch(id=[1], parent=pa.array([None], pa.int64()))}, "parent"),
    ],
    ids=["primary key", "unique", "foreign key", "not null"],
)
def test_a_broken_constraint_is_named_and_nothing_is_written(database, open_url, rows_of, rows, says):
    schema = open_url(database.make(PAIR)).read_schema()
    target = open_url(database.new())
    with pytest.raises(TargetError, match=says), target.load(schema) as load:  # noqa: PT012
        for name, table_rows in rows.items():
            load.write_rows(schema.table(name), [table_rows])
    assert target.read_schema().tables == ()


def test_a_killed_load_leaves_the_old_state(database, open_url, rows_of):
    url = database.make(PAIR)
    before = rows_of(open_url(url))
    script = textwrap.dedent("""
        import sys, os, signal, pyarrow as pa
        from adapters import Mode, open_database
        target = open_database(sys.argv[1])
        schema = target.read_schema()
        with target.load(schema, Mode.REPLACE) as load:
            load.write_rows(schema.table("parent"), [pa.RecordBatch.from_pydict({"id": [7], "name": ["x"]})] )
            os.kill(os.getpid(), signal.SIGKILL)
    """)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    killed = subprocess.run([sys.executable, "-c", script, url], env=environment, timeout=60)
    assert killed.returncode == -signal.SIGKILL
    assert rows_of(open_url(url)) == before
    with open_url(url).load(open_url(url).read_schema(), Mode.REPLACE):
        pass  # nothing of the killed load is in the way of the next


def test_the_next_insert_gets_the_next_number(database, open_url, copy_database, sql):
    source = open_url(database.rich())
    target_url, empty_url = database.new(), database.new()
    schema = copy_database(source, open_url(target_url))
    with open_url(empty_url).load(schema):
        pass
    q = database.quote
    insert = f"INSERT INTO person ({q('first')}, {q('last')}) VALUES ('Zoe', 'Person')"
    ((people,),) = database.sql(target_url, "SELECT max(id) FROM person")
    for url, following in ((target_url, people + 1), (empty_url, 1)):
        database.sql(url, insert)
        assert database.sql(url, "SELECT max(id) FROM person") == [(following,)]


def test_standing_tables_go_on_counting_after_a_replace(database, open_url):
    url = database.rich()
    target = open_url(url)
    schema = target.read_schema()
    person = schema.table("person")
    with target.load(schema, Mode.REPLACE) as load:
        load.write_rows(person, [batch(id=[41], first=["a"], last=["b"])])
    q = database.quote
    database.sql(url, f"INSERT INTO person ({q('first')}, {q('last')}) VALUES ('Zoe', 'Person')")
    assert database.sql(url, "SELECT max(id) FROM person") == [(42,)]


def test_columns_left_out_take_their_default(database, open_url):
    url = database.rich()
    target = open_url(url)
    schema = target.read_schema()
    with target.load(schema, Mode.REPLACE) as load:
        assert load.write_rows(schema.table("person"), [batch(first=["a"], last=["b"])]) == 1
    assert database.sql(url, "SELECT count(*) FROM person WHERE made IS NOT NULL AND mood IS NOT NULL") == [(1,)]


def test_cycles_that_allow_no_null_load_in_any_order(database, open_url, copy_database, rows_of):
    """Rings of one, two and three tables; two keys to one parent."""
    tables = {"a": ["b"], "b": ["a"], "c": ["d"], "d": ["e"], "e": ["c"], "f": ["f"], "g": ["a", "a"]}
    inline = database.dialect == "sqlite"  # which has no ALTER TABLE … ADD CONSTRAINT
    create = []
    for name, parents in tables.items():
        lines = ["id integer NOT NULL PRIMARY KEY", *(f"p{i} integer NOT NULL" for i in range(len(parents)))]
        lines += [f"FOREIGN KEY (p{i}) REFERENCES {p} (id)" for i, p in enumerate(parents) if inline]
        create.append(f"CREATE TABLE {name} ({', '.join(lines)});")
    inserts = [
        f"INSERT INTO {name} VALUES (1{', 1' * len(parents)}), (2{', 1' * len(parents)});"
        for name, parents in tables.items()
    ]
    alter = [
        f"ALTER TABLE {name} ADD CONSTRAINT {name}_{i} FOREIGN KEY (p{i}) REFERENCES {parent} (id);"
        for name, parents in tables.items()
        for i, parent in enumerate(parents)
    ]
    url = database.make("\n".join(create + inserts + ([] if inline else alter)))
    source, target = open_url(url), open_url(database.new())
    schema = copy_database(source, target)
    assert len(schema.foreign_keys) == 8
    assert target.read_schema() == schema
    copy_database(source, target, Mode.REPLACE)
    assert rows_of(target) == rows_of(source)
    assert target.validate(schema) == []


def test_names_that_need_quoting(database, open_url, copy_database, rows_of):
    url = database.new()
    for name in HOSTILE:
        if database.dialect == "mysql" and max(name) > "\uffff":
            continue  # MySQL's names end there
        q, child = database.quote(name), database.quote(f"{name} child")
        second, key = database.quote(f"{name} 2"), database.quote(f"{name} fk")
        end = ";" if database.dialect == "mysql" else ""
        database.sql(url, f"CREATE TABLE {q} ({q} integer PRIMARY KEY, {second} varchar(20)){end}")
        reference = f"CONSTRAINT {key} FOREIGN KEY ({q}) REFERENCES {q} ({q})"
        database.sql(url, f"CREATE TABLE {child} ({q} integer PRIMARY KEY, {reference}){end}")
        database.sql(url, f"CREATE VIEW {database.quote(f'{name} view')} AS SELECT {second} FROM {q}{end}")
        database.sql(url, f"INSERT INTO {q} VALUES (1, 'x'){end}")
        database.sql(url, f"INSERT INTO {child} VALUES (1){end}")
    source, target = open_url(url), open_url(database.new())
    schema = copy_database(source, target)
    assert target.read_schema() == schema
    copy_database(source, target, Mode.REPLACE)
    assert rows_of(target) == rows_of(source)
    assert target.validate(schema) == []


def test_empty_and_wide_tables(database, open_url, copy_database, rows_of):
    columns = ", ".join(f"c{i} integer" for i in range(500))
    url = database.make(
        "CREATE TABLE bare (a integer, b varchar(10));\n"
        f"CREATE TABLE wide ({columns});\nINSERT INTO wide (c0, c499) VALUES (1, 2);"
    )
    source, target = open_url(url), open_url(database.new())
    schema = copy_database(source, target)
    assert target.read_schema() == schema
    assert rows_of(target) == rows_of(source)
    assert rows_of(target)["bare"] == []
    with source.snapshot() as snapshot:
        (first,) = snapshot.read_rows(schema.table("bare"), ["b", "a"])
        assert first.schema.names == ["b", "a"]
        assert snapshot.count_rows(schema.table("wide")) == 1
        assert sum(b.num_rows for b in snapshot.read_rows(schema.table("wide"), [])) == 1


def test_text_comes_back_byte_for_byte(database, open_url, copy_database, rows_of):
    texts = [
        "",
        " ",
        "NULL",
        "null",
        "\\N",
        "\\.",
        "a\n\\.\nb",
        "'",
        '"',
        '""',
        ",",
        "a,b",
        "\t",
        "\r\n",
        "\n",
        "é",
        "🦆",
        "%s",
        "\\",
        "\\\\",
        "\x01",
        "x" * 100_000,
        None,
    ]
    url = database.make(
        "CREATE TABLE t (id integer PRIMARY KEY, body TEXT);".replace(
            "TEXT", "longtext" if database.dialect == "mysql" else "text"
        )
    )
    target = open_url(url)
    schema = target.read_schema()
    rows = batch(id=list(range(len(texts))), body=texts)
    with target.load(schema) as load:
        load.write_rows(schema.table("t"), [rows])
    assert rows_of(target)["t"] == sorted(rows.to_pylist(), key=repr)
    again = open_url(database.new())
    copy_database(target, again)
    assert rows_of(again) == rows_of(target)


def test_a_snapshot_cannot_write_and_does_not_move(database, open_url):
    url = database.make(PAIR)
    source = open_url(url)
    schema = source.read_schema()
    with source.snapshot() as snapshot, pytest.raises(Exception, match=r"(?i)read.?only"):  # noqa: PT012
        cursor = snapshot._connection.cursor()
        cursor.execute("INSERT INTO parent VALUES (3, 'three')")
    if database.dialect == "sqlite":
        return  # a writer waits until the reader is done
    with source.snapshot() as snapshot:
        database.sql(url, "INSERT INTO parent VALUES (4, 'four');")
        assert snapshot.count_rows(schema.table("parent")) == 2


def alter_file(url, change):
    with closing(sqlite3.connect(url.removeprefix("sqlite:///"), timeout=0)) as connection:
        connection.execute(change.replace("TRUNCATE TABLE", "DELETE FROM"))
        connection.commit()


@pytest.mark.parametrize(
    ("change", "matters"),
    [
        ("ALTER TABLE child ADD note integer", True),
        ("ALTER TABLE child ADD note integer DEFAULT 3", True),
        ("DROP TABLE child", True),
        ("TRUNCATE TABLE child", True),
        ("CREATE INDEX child_parents ON child (parent)", False),
        ("CREATE TABLE later (id integer)", False),
    ],
)
def test_a_source_that_is_altered_while_it_is_read_is_named(database, open_url, change, matters):
    """What was not read yet would be read half as it was and half as it is, or as empty."""
    url = database.make("""
        CREATE TABLE parent (id integer PRIMARY KEY);
        CREATE TABLE child (id integer PRIMARY KEY, parent integer);
        INSERT INTO parent VALUES (1);
        INSERT INTO child VALUES (10, 1), (11, 2), (12, 2);
    """)
    source = open_url(url)
    schema = source.read_schema()

    def read():
        with source.snapshot() as snapshot:
            list(snapshot.read_rows(schema.table("parent"), ["id"]))
            if database.dialect == "sqlite":  # there, nobody alters anything while somebody reads
                with pytest.raises(Exception, match="locked"):
                    alter_file(url, change)
            else:
                database.sql(url, change)
            return sum(b.num_rows for b in snapshot.read_rows(schema.table("child"), ["id"]))

    if matters and database.dialect != "sqlite":
        with pytest.raises(SourceError, match="child"):
            read()
    elif database.dialect == "mysql":
        with suppress(SourceError):  # an index makes the table another one to this server
            assert read() == 3
    else:
        assert read() == 3


def test_broken_rows_are_counted(database, open_url):
    """What a schema claims and the rows do not keep."""
    adapter = open_url(
        database.make("""
        CREATE TABLE parent (id integer, name varchar(10));
        CREATE TABLE child (id integer, parent integer);
        INSERT INTO parent VALUES (1, 'a'), (1, 'b'), (NULL, 'c');
        INSERT INTO child VALUES (1, 1), (2, 5), (3, NULL);
    """)
    )
    schema = adapter.read_schema()
    parent = replace(
        schema.table("parent"),
        primary_key=("id",),
        columns=(replace(schema.table("parent").columns[0], nullable=False), schema.table("parent").columns[1]),
    )
    claimed = replace(
        schema,
        tables=tuple(parent if t.name == "parent" else t for t in schema.tables),
        foreign_keys=(ForeignKey("child_parent", "child", ("parent",), "parent", ("id",)),),
    )
    found = {(v.table, v.constraint): v.rows for v in adapter.validate(claimed)}
    assert found == {("parent", "NOT NULL id"): 1, ("parent", "PRIMARY KEY"): 1, ("child", "child_parent"): 1}


def test_types_keep_their_kind(database, open_url):
    """One column of each kind that all dialects know."""
    url = database.make(
        "CREATE TABLE t (i integer, n decimal(10,2), f double precision, d date, x varchar(7));\n"
        "INSERT INTO t VALUES (1, 2.50, 0.5, '2024-02-29', 'x');"
    )
    (table,) = open_url(url).read_schema().tables
    assert [c.kind for c in table.columns] == [Kind.INTEGER, Kind.DECIMAL, Kind.FLOAT, Kind.DATE, Kind.TEXT]
    assert (table.column("n").precision, table.column("n").scale, table.column("x").length) == (10, 2, 7)


@pytest.mark.parametrize("other", ["sqlite", "postgres", "mysql"])
def test_rows_cross_to_another_dialect_and_back(database, database_of, open_url, copy_database, rows_of, other):
    """There and back again, the rows are the same; the keys hold on every side."""
    if other == database.dialect:
        pytest.skip("the same dialect")
    source, there, back = open_url(database.make(PAIR)), open_url(database_of(other).new()), open_url(database.new())
    schema = copy_database(source, there)
    assert there.validate(schema) == []
    copy_database(there, back)
    assert rows_of(back) == rows_of(source) == rows_of(there)
    for adapter in (there, back):
        read = adapter.read_schema()
        assert [key.columns for key in read.foreign_keys] == [("parent",)]
        assert read.table("parent").primary_key == ("id",)
        assert [key.columns for key in read.table("parent").unique_keys] == [("name",)]


@pytest.mark.parametrize("other", ["sqlite", "postgres", "mysql"])
def test_a_rich_schema_crosses_with_its_losses_said(database, database_of, open_url, copy_database, rows_of, other):
    if other == database.dialect:
        pytest.skip("the same dialect")
    source, target = open_url(database.rich()), open_url(database_of(other).new())
    schema = copy_database(source, target)
    assert target.validate(schema) == []
    assert {name: len(rows) for name, rows in rows_of(target).items()} == {
        name: len(rows) for name, rows in rows_of(source).items()
    }
    assert target.losses(schema)
    target.check_target(schema, Mode.REPLACE)  # what a copy made takes the next one


def test_a_schema_needs_its_parents():
    with pytest.raises(SchemaError):
        Schema("x", (Table("t", (Column("a", Kind.INTEGER, "int"),)),), (ForeignKey("f", "t", ("a",), "gone", ("b",)),))
