"""A load into Postgres beside others: readers, writers, their tables and sequences, and a stranger's SQL."""

from __future__ import annotations

import threading
from contextlib import closing
from dataclasses import replace

import psycopg
import pyarrow as pa
import pytest

from adapters import Mode
from dbsynth import jobs
from dbsynth.bundle import load_bundle, save_bundle
from dbsynth.config import Settings
from dbsynth.errors import BundleError, TargetError
from dbsynth.schema import Check, DatabaseObject

TINY = Settings(iterations=2, n_clusters=2, n_steps=2, batch_size=32, layers=(8,), no_keep=True)


def fill(target, schema, mode=Mode.REPLACE, ids=(1, 2)):
    """One load of a table t (id, …), the other columns left to their defaults."""
    with target.load(schema, mode) as load:
        load.write_rows(schema.table("t"), [pa.RecordBatch.from_pydict({"id": list(ids)})])
        assert load.validate() == []


def test_readers_of_views_and_a_load_never_wait_for_each_other_in_a_ring(postgres_url, open_url, sql):
    sql(postgres_url, "CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t SELECT generate_series(1, 1000)")
    sql(postgres_url, "; ".join(f"CREATE VIEW v{i} AS SELECT * FROM t" for i in range(20)))
    target = open_url(postgres_url)
    schema, stop, failed = target.read_schema().tables_only, threading.Event(), []

    def read(view):
        with closing(psycopg.connect(postgres_url, autocommit=True)) as connection:
            while not stop.is_set():
                try:
                    assert connection.execute(f"SELECT count(*) FROM {view}").fetchone() == (1000,)
                except psycopg.Error as error:
                    failed.append(error)

    readers = [threading.Thread(target=read, args=(f"v{i}",)) for i in range(16, 20)]
    for reader in readers:
        reader.start()
    try:
        for _ in range(3):
            fill(target, schema, ids=range(1, 1001))
    finally:
        stop.set()
        for reader in readers:
            reader.join()
    assert failed == []


@pytest.mark.parametrize("held", ["SELECT * FROM tenant", "SELECT nextval('t_n_seq')", "SELECT * FROM seen"])
def test_who_holds_what_a_load_needs_beside_its_tables_blocks_none_of_their_readers(
    postgres_url, open_url, sql, monkeypatch, held
):
    """The parent of a key that only the target has, a sequence, a view."""
    monkeypatch.setattr("adapters.postgres_lock._PATIENCE", 2.0)
    sql(postgres_url, """
        CREATE TABLE tenant (id int PRIMARY KEY); INSERT INTO tenant VALUES (1);
        CREATE TABLE t (id int PRIMARY KEY, n serial, tenant int DEFAULT 1 REFERENCES tenant);
        CREATE VIEW seen AS SELECT max(id) FROM t; INSERT INTO t VALUES (9);
    """)
    target = open_url(postgres_url)
    schema = target.read_schema().tables_only.restrict(["t"])
    waits, stop = [], threading.Event()

    def read():
        with closing(psycopg.connect(postgres_url, autocommit=True)) as connection:
            connection.execute("SET statement_timeout = '5s'")
            while not stop.is_set():
                waits.append(connection.execute("SELECT count(*) FROM t").fetchone())

    reader = threading.Thread(target=read)
    with closing(psycopg.connect(postgres_url)) as slow:
        slow.execute(held)
        reader.start()
        try:
            with pytest.raises(TargetError, match=r"have not let go.*process \d+"):
                fill(target, schema)
        finally:
            stop.set()
            reader.join()
    assert len(waits) > 10
    assert set(waits) == {(1,)}
    fill(target, schema)
    assert sql(postgres_url, "SELECT id, tenant FROM t ORDER BY 1") == [(1, 1), (2, 1)]


def test_in_place_no_rule_keeps_old_rows_and_no_trigger_of_a_partition_fires(postgres_url, open_url, sql):
    sql(postgres_url, """
        CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (100);
        CREATE RULE keep AS ON DELETE TO t DO INSTEAD NOTHING;
        CREATE TABLE log (what text);
        CREATE TABLE p (id int PRIMARY KEY) PARTITION BY RANGE (id);
        CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (1000); INSERT INTO p VALUES (100);
        CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS
            'BEGIN INSERT INTO log VALUES (TG_OP); RETURN coalesce(NEW, OLD); END';
        CREATE TRIGGER note AFTER INSERT OR DELETE ON p1 FOR EACH ROW EXECUTE FUNCTION note();
    """)
    target = open_url(postgres_url)
    schema = target.read_schema().restrict(["t", "p"])
    with target.load(schema, Mode.IN_PLACE) as load:
        for name in ("t", "p"):
            load.write_rows(schema.table(name), [pa.RecordBatch.from_pydict({"id": [1, 2]})])
    assert sql(postgres_url, "SELECT id FROM t ORDER BY 1") == [(1,), (2,)]
    assert sql(postgres_url, "SELECT * FROM log") == []
    sql(postgres_url, "DELETE FROM t; DELETE FROM p WHERE id = 1")
    assert sql(postgres_url, "SELECT count(*) FROM t") == [(2,)]
    assert sql(postgres_url, "SELECT * FROM log") == [("DELETE",)]


def test_rows_that_come_while_a_load_waits_for_their_table_are_not_mixed_with_its_own(postgres_url, open_url, sql):
    sql(postgres_url, "CREATE TABLE t (id int PRIMARY KEY)")
    target = open_url(postgres_url)
    schema = target.read_schema()
    with closing(psycopg.connect(postgres_url)) as writer:
        writer.execute("INSERT INTO t VALUES (500)")
        timer = threading.Timer(1.0, writer.commit)
        timer.start()
        with pytest.raises(TargetError, match=r"'t' \(1 rows\) would be written over"):
            fill(target, schema, Mode.CREATE)
        timer.join()
    assert sql(postgres_url, "SELECT id FROM t") == [(500,)]


@pytest.mark.parametrize("mode", [Mode.REPLACE, Mode.IN_PLACE])
def test_a_sequence_that_feeds_tables_outside_the_load_never_goes_back(postgres_url, open_url, sql, mode):
    sql(postgres_url, """
        CREATE SEQUENCE gid; CREATE SEQUENCE down INCREMENT -1; CREATE SEQUENCE own;
        CREATE TABLE t (id bigint DEFAULT nextval('gid') PRIMARY KEY, n int DEFAULT nextval('down'),
                        m int DEFAULT nextval('own'), k serial);
        ALTER SEQUENCE own OWNED BY t.m;
        CREATE TABLE audit (id bigint DEFAULT nextval('gid') PRIMARY KEY);
        INSERT INTO t SELECT FROM generate_series(1, 3); INSERT INTO audit SELECT FROM generate_series(1, 100);
    """)
    target = open_url(postgres_url)
    schema = target.read_schema().restrict(["t"])
    with target.load(schema, mode) as load:
        load.write_rows(schema.table("t"), [
            pa.RecordBatch.from_pydict({"id": [1, 2], "n": [-1, -2], "m": [1, 2], "k": [1, 2]})
        ])  # fmt: skip
    assert sql(postgres_url, "INSERT INTO audit DEFAULT VALUES RETURNING id") == [(104,)]
    assert sql(postgres_url, "INSERT INTO t DEFAULT VALUES RETURNING id, n, m, k") == [(105, -4, 3, 3)]
    with target.load(schema, mode) as load:
        load.write_rows(schema.table("t"), [
            pa.RecordBatch.from_pydict({"id": [900], "n": [-900], "m": [1], "k": [1]})
        ])  # fmt: skip
    assert sql(postgres_url, "INSERT INTO t DEFAULT VALUES RETURNING id, n, m, k") == [(901, -901, 2, 2)]


@pytest.mark.parametrize(("kind", "statement"), [
    ("search column", "DROP TABLE users; COMMIT"), ("partition", "CREATE TABLE p PARTITION OF users DEFAULT"),
    ("inheritance", "ALTER TABLE a INHERIT users"), ("materialized view", "REFRESH MATERIALIZED VIEW m"),
    ("constraint", "ALTER TABLE a ADD CONSTRAINT c UNIQUE (n), OWNER TO mallory"),
])  # fmt: skip
def test_a_stranger_calls_nothing_a_part_of_tables_that_is_none(new_postgres, sql, tmp_path, kind, statement):
    """It runs only with the rest of the bundle's SQL, and even then as the one statement that it says it is."""
    source, target = new_postgres(), new_postgres()
    sql(source, "CREATE TABLE a (id serial PRIMARY KEY, n int); INSERT INTO a (n) SELECT generate_series(1, 40)")
    sql(target, "CREATE TABLE users (id int); INSERT INTO users VALUES (1)")
    jobs.fit(source, tmp_path / "bundle", TINY)
    model = load_bundle(tmp_path / "bundle")
    schema = replace(model.schema, objects=(DatabaseObject(kind, "p", (statement,), part_of_tables=True),))
    save_bundle(replace(model, schema=schema), tmp_path / "evil")
    with pytest.raises(BundleError, match=f"{kind} p.*--ddl native"):
        jobs.generate(tmp_path / "evil", target)
    assert sql(target, "SELECT * FROM users") == [(1,)]


def test_the_condition_of_a_domain_hides_no_statement(new_postgres, open_url, sql):
    url = new_postgres()
    sql(url, "CREATE TABLE t (id int PRIMARY KEY); CREATE TABLE users (id int); INSERT INTO users VALUES (1)")
    target = open_url(url)
    schema = target.read_schema().restrict(["t"])
    hidden = "true); DELETE FROM users; COMMIT; SELECT count(*) FROM t WHERE NOT (true"
    table = replace(schema.tables[0], checks=(Check("c", hidden, "d"),))
    with pytest.raises(TargetError, match="multiple commands"):
        fill(target, replace(schema, tables=(table,)))
    search = (DatabaseObject("search column", "z", ("DELETE FROM users; COMMIT",), part_of_tables=True),)
    fill(target, replace(schema, objects=search))
    assert sql(url, "SELECT * FROM users") == [(1,)]


def test_an_identity_keeps_the_name_of_its_sequence(postgres_url, open_url, sql):
    """Though what the server would call it is another's."""
    sql(postgres_url, """
        CREATE TABLE orders_new (id int GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY);
        CREATE TABLE orders (id int GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY);
        ALTER TABLE orders RENAME TO orders_old; ALTER TABLE orders_new RENAME TO orders;
    """)
    target = open_url(postgres_url)
    schema = target.read_schema().restrict(["orders"])
    with target.load(schema, Mode.REPLACE) as load:
        load.write_rows(schema.table("orders"), [pa.RecordBatch.from_pydict({"id": [1, 2]})])
    owned = "SELECT pg_get_serial_sequence('orders', 'id'), pg_get_serial_sequence('orders_old', 'id')"
    assert sql(postgres_url, owned) == [("public.orders_new_id_seq", "public.orders_id_seq")]
    assert sql(postgres_url, "INSERT INTO orders DEFAULT VALUES RETURNING id") == [(3,)]


def test_columns_for_search_are_filled_in_any_schema(postgres_url, open_url, sql):
    make = "CREATE TABLE {0} (id int PRIMARY KEY, title text, ts tsvector);" \
           "CREATE TRIGGER fill BEFORE INSERT OR UPDATE ON {0} FOR EACH ROW EXECUTE FUNCTION " \
           "tsvector_update_trigger(ts, 'pg_catalog.english', title); INSERT INTO {0} VALUES (1, 'old');"  # fmt: skip
    names = ["app.docs", '"My App"."the docs"', "docs"]
    sql(postgres_url, 'CREATE SCHEMA app; CREATE SCHEMA "My App";' + "".join(map(make.format, names)))
    target = open_url(postgres_url)
    schema = target.read_schema()
    with target.load(schema, Mode.REPLACE) as load:
        for table in schema.tables:
            load.write_rows(table, [pa.RecordBatch.from_pydict({"id": [1, 2], "title": ["new words", "more"]})])
    for name in names:
        assert sql(postgres_url, f"SELECT ts::text FROM {name} ORDER BY id") == [("'new':1 'word':2",), ("",)], name
