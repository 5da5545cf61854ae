"""What is Postgres's own: its types, partitions, domains, identity columns."""

from __future__ import annotations

from dataclasses import replace

import pyarrow as pa
import pytest

from adapters import Mode
from dbsynth import jobs
from dbsynth.config import Settings
from dbsynth.errors import BundleError, SchemaError, SourceError, TargetError
from dbsynth.schema import Kind

TINY = Settings(iterations=2, n_clusters=2, n_steps=2, batch_size=32, layers=(8,), no_keep=True)

# Type -> values, in Postgres's own text; each column also gets a null.
VALUES = {
    "smallint": ["-32768", "0", "32767"],
    "bigint": ["-9223372036854775808", "9223372036854775807"],
    "numeric": ["NaN", "Infinity", "1e40", "0.000000000000000000001", "-1.10"],
    "numeric(38,10)": ["9999999999999999999999999999.9999999999", "-0.0000000001", "0"],
    "numeric(6,2)": ["NaN", "9999.99"],
    "numeric(5,-2)": ["1234500"],
    "numeric(3,5)": ["0.00123"],
    "real": ["0.1", "3.4028235e+38", "NaN", "-Infinity"],
    "double precision": ["0.1", "1.7976931348623157e+308", "5e-324", "Infinity"],
    "boolean": ["t", "f"],
    "date": ["0001-01-01", "9999-12-31", "1970-01-01"],
    "date ": ["infinity", "0044-03-15 BC", "2024-02-29"],
    "time": ["00:00:00", "23:59:59.999999", "12:30:00.5"],
    "time ": ["24:00:00"],
    "timetz": ["04:05:06.789-08"],
    "timestamp": ["0001-01-01 00:00:00", "9999-12-31 23:59:59.999999", "2024-02-29 12:00:00.1"],
    "timestamp ": ["-infinity", "12024-01-01 00:00:00"],
    "timestamptz": ["2024-02-29 12:00:00+05:30", "1883-11-18 12:03:58-05"],
    "interval": ["1 year 2 mons 3 days 04:05:06.789", "-1 days"],
    "text": ["", "NULL", "\\N", "a\nb", "quote \" and ' and , comma", "🦆", "a\n\\.\nb"],
    "varchar(10)": ["x" * 10, ""],
    "char(5)": ["a", ""],
    "uuid": ["00000000-0000-0000-0000-000000000000"],
    "json": ['{"b": 1,  "a": [null, "\\u00e9"]}'],
    "jsonb": ['{"a": 1.50}', "null"],
    "bytea": ["\\x", "\\x00ff0a22"],
    "inet": ["192.168.0.1/24", "::1"],
    "money": ["$12.34"],
    "bit(3)": ["101"],
    "integer[]": ["{{1,2},{3,NULL}}", "{}"],
    "text[]": ['{"a,b","c\\"d",NULL,""}'],
    "int4range": ["[1,5)", "empty"],
    "tsvector": ["'a':1 'b':2"],
    "point": ["(1.5,-2)"],
    "name": ["x"],
    "oid": ["4294967295"],
}


def test_every_type_comes_back_as_the_same_text(new_postgres, open_url, copy_database, sql):
    types = {f"c{i}": kind for i, kind in enumerate(VALUES)}
    source_url, target_url = new_postgres(), new_postgres()
    sql(source_url, f"CREATE TABLE t ({', '.join(f'{name} {kind}' for name, kind in types.items())})")
    for name, kind in types.items():
        for value in VALUES[kind]:
            sql_value = value.replace("'", "''")
            sql(source_url, f"INSERT INTO t ({name}) VALUES ('{sql_value}')")
    source, target = open_url(source_url), open_url(target_url)
    schema = copy_database(source, target)
    assert target.read_schema() == schema
    query = "SELECT t::text FROM t ORDER BY 1"
    assert sql(target_url, query) == sql(source_url, query)
    kinds = {types[column.name]: column.kind for column in schema.tables[0].columns}
    assert kinds["date"] is Kind.DATE
    assert kinds["date "] is Kind.OTHER
    assert kinds["time "] is Kind.OTHER
    assert kinds["timestamp "] is Kind.OTHER
    assert kinds["numeric(6,2)"] is Kind.OTHER


def test_a_value_that_came_after_the_schema_was_read_is_named(postgres_url, open_url, sql):
    sql(postgres_url, "CREATE TABLE t (d date)")
    adapter = open_url(postgres_url)
    schema = adapter.read_schema()
    sql(postgres_url, "INSERT INTO t VALUES ('infinity')")
    with pytest.raises(SourceError, match=r"'t'.*read the schema again"), adapter.snapshot() as snapshot:
        list(snapshot.read_rows(schema.tables[0], ["d"]))


def test_partitions_are_read_through_their_parent(new_postgres, open_url, copy_database, rows_of, sql):
    url = new_postgres()
    sql(url, """
        CREATE TABLE parent (id int PRIMARY KEY); INSERT INTO parent VALUES (1);
        CREATE TABLE part (id int, day date NOT NULL, parent int NOT NULL) PARTITION BY RANGE (day);
        CREATE TABLE part_1 PARTITION OF part FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
        CREATE TABLE part_2 PARTITION OF part FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
        ALTER TABLE part_1 ADD FOREIGN KEY (parent) REFERENCES parent;
        ALTER TABLE part_2 ADD FOREIGN KEY (parent) REFERENCES parent;
        INSERT INTO part VALUES (1, '2024-05-05', 1), (2, '2025-05-05', 1);
        CREATE TABLE base (a int); CREATE TABLE heir (b int) INHERITS (base);
        INSERT INTO base VALUES (1); INSERT INTO heir VALUES (2, 3);
    """)  # fmt: skip
    source = open_url(url)
    schema = source.read_schema()
    assert schema.table_names == ("base", "heir", "parent", "part")
    assert [(key.child, key.columns, key.parent) for key in schema.foreign_keys] == [("part", ("parent",), "parent")]
    target = open_url(new_postgres())
    copy_database(source, target)
    assert rows_of(target) == rows_of(source)
    before = rows_of(source)
    copy_database(target, source, Mode.REPLACE, schema)  # into the partitions, past keys, and not twice into the heirs
    assert rows_of(source) == before
    assert source.read_schema() == schema


def test_domains_bring_their_conditions(new_postgres, open_url, sql):
    url = new_postgres()
    sql(url, """
        CREATE DOMAIN share AS numeric(4,3) NOT NULL CHECK (VALUE >= 0) CHECK (VALUE <= 1);
        CREATE DOMAIN quota AS share CHECK (VALUE < 0.5);
        CREATE TABLE t (s share, q quota);
    """)  # fmt: skip
    table = open_url(url).read_schema().tables[0]
    assert [(c.kind, c.precision, c.scale, c.nullable, c.native_type) for c in table.columns] == [
        (Kind.DECIMAL, 4, 3, False, "share"), (Kind.DECIMAL, 4, 3, False, "quota"),
    ]  # fmt: skip
    assert {(check.expression, check.domain) for check in table.checks} >= {
        ('"q"::numeric < 0.5', "quota"), ('"q" <= 1::numeric', "share"),
    }  # fmt: skip


def test_tables_outside_the_load_keep_their_keys_and_tables_in_it_their_triggers(
    new_postgres, open_url, copy_database, sql
):
    make = """
        CREATE TABLE t (id int PRIMARY KEY, n int);
        CREATE TABLE outside (t int CONSTRAINT outside_t REFERENCES t ON DELETE CASCADE);
        CREATE TABLE log (n int);
        CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS
            'BEGIN INSERT INTO log VALUES (NEW.n); RETURN NEW; END';
        CREATE TRIGGER note AFTER INSERT ON t FOR EACH ROW EXECUTE FUNCTION note();
        INSERT INTO t VALUES (1, 1); INSERT INTO outside VALUES (1);
    """
    source_url, target_url = new_postgres(), new_postgres()
    sql(source_url, "CREATE TABLE t (id int PRIMARY KEY, n int); INSERT INTO t VALUES (1, 5), (2, 6)")
    sql(target_url, make)
    source, target = open_url(source_url), open_url(target_url)
    before = target.read_schema()
    copy_database(source, target, Mode.REPLACE)
    assert target.read_schema() == before
    assert sql(target_url, "SELECT * FROM outside") == [(1,)]  # nothing cascaded
    assert sql(target_url, "SELECT * FROM log") == [(1,)]
    sql(target_url, "INSERT INTO t VALUES (3, 7)")
    assert sql(target_url, "SELECT * FROM log ORDER BY 1") == [(1,), (7,)]
    sql(source_url, "DELETE FROM t WHERE id = 1")
    with pytest.raises(TargetError, match="outside_t"):
        copy_database(source, target, Mode.REPLACE)
    assert sql(target_url, "SELECT count(*) FROM t") == [(3,)]


def test_a_failed_load_leaves_the_sequences_alone(postgres_url, open_url, sql):
    sql(postgres_url, "CREATE TABLE t (id serial PRIMARY KEY, n int CHECK (n > 0)); INSERT INTO t (n) VALUES (1)")
    adapter = open_url(postgres_url)
    schema = adapter.read_schema()
    with pytest.raises(RuntimeError), adapter.load(schema, Mode.REPLACE) as load:  # noqa: PT012
        load.write_rows(schema.tables[0], [pa.RecordBatch.from_pydict({"id": [50], "n": [1]})])
        load.publish()
        raise RuntimeError
    assert sql(postgres_url, "INSERT INTO t (n) VALUES (2) RETURNING id") == [(2,)]


def test_a_table_without_columns(new_postgres, open_url, copy_database, sql):
    url, target_url = new_postgres(), new_postgres()
    sql(url, "CREATE TABLE nothing (); INSERT INTO nothing DEFAULT VALUES; INSERT INTO nothing DEFAULT VALUES")
    copy_database(open_url(url), open_url(target_url))
    assert sql(target_url, "SELECT count(*) FROM nothing") == [(2,)]


def test_a_lost_connection_is_one_line(postgres_url, open_url, sql):
    sql(postgres_url, "CREATE TABLE t (id int)")
    adapter = open_url(postgres_url)
    schema = adapter.read_schema()
    kill = (
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    with pytest.raises(TargetError), adapter.load(schema) as load:  # noqa: PT012
        sql(postgres_url, kill)
        load.write_rows(schema.tables[0], [])
    with pytest.raises(SourceError, match=r"terminat|closed"), adapter.snapshot() as snapshot:  # noqa: PT012
        sql(postgres_url, kill)
        list(snapshot.read_rows(schema.tables[0], ["id"]))


def test_two_spellings_of_a_url_are_one_database(new_postgres, open_url):
    url = new_postgres()
    option = ("&" if "?" in url else "?") + "application_name=x"
    same = url.replace("postgresql://", "postgres://").replace("127.0.0.1", "localhost") + option
    assert open_url(same).identity == open_url(url).identity
    assert open_url(new_postgres()).identity != open_url(url).identity


def test_a_role_that_sees_less_of_the_server_sees_the_same_database(new_postgres, open_url):
    """Source and target are told apart by what both roles may read."""
    url = new_postgres()
    mine = open_url(url).identity
    seen = type(mine)(mine.dialect, frozenset(list(mine.servers)[:1]), mine.database)
    other = type(mine)(mine.dialect, frozenset({"another server"}), mine.database)
    assert len(mine.servers) == 2
    assert mine == seen != other


def test_exclusion_constraints_are_kept_or_refused_at_once(new_postgres, sql):
    """Ranges that must not overlap do not; what no synthetic row can be held to is said before anything is learned."""
    url, target = new_postgres(), new_postgres()
    sql(url, """
        CREATE EXTENSION btree_gist;
        CREATE TABLE booking (id serial PRIMARY KEY, room int NOT NULL, during daterange NOT NULL,
                              CONSTRAINT no_overlap EXCLUDE USING gist (room WITH =, during WITH &&));
        INSERT INTO booking (room, during)
            SELECT i % 4, daterange('2024-01-01'::date + i, '2024-01-02'::date + i) FROM generate_series(1, 40) i;
    """)  # fmt: skip
    jobs.clone(url, target, TINY, evaluate=False)
    assert sql(target, "SELECT count(*) FROM booking") == [(40,)]
    assert sql(target, "INSERT INTO booking (room, during) VALUES (1, 'empty') RETURNING id") == [(41,)]
    sql(url, """
        CREATE TABLE shift (person int, starts date NOT NULL, ends date NOT NULL,
                            CONSTRAINT one_shift EXCLUDE USING gist (person WITH =, daterange(starts, ends) WITH &&));
        INSERT INTO shift VALUES (1, '2024-01-01', '2024-02-01');
    """)
    (obstacle,) = jobs.inspect(url, TINY).obstacles
    assert "'one_shift' of table 'shift'" in obstacle
    with pytest.raises(SchemaError, match="one_shift"):
        jobs.clone(url, new_postgres(), TINY)
    jobs.clone(url, new_postgres(), TINY.model_copy(update={"keep": ("shift",)}), evaluate=False)


def test_keys_across_namespaces_and_types_of_others(new_postgres, sql):
    """Tables, keys and types of several namespaces, equal local names among them."""
    url, target = new_postgres(), new_postgres()
    sql(url, """
        CREATE SCHEMA sales; CREATE SCHEMA "Odd schema"; CREATE SCHEMA types;
        CREATE TYPE types.state AS ENUM ('new', 'paid');
        CREATE DOMAIN "Odd schema"."Small" AS int CHECK (VALUE < 100);
        CREATE TABLE item (id int PRIMARY KEY, n "Odd schema"."Small");
        CREATE TABLE sales.item (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, state types.state,
                                 of int REFERENCES item, states types.state[]);
        CREATE TABLE "Odd schema".item (id int REFERENCES sales.item, note int, PRIMARY KEY (id, note));
        INSERT INTO item SELECT i, i FROM generate_series(1, 20) i;
        INSERT INTO sales.item (state, of) SELECT 'new', i FROM generate_series(1, 20) i;
        INSERT INTO "Odd schema".item SELECT i, i FROM generate_series(1, 20) i;
    """)
    report = jobs.clone(url, target, TINY, evaluate=False)
    assert [t.rows for t in report.tables] == [20, 20, 20]
    assert sql(target, "INSERT INTO sales.item (state) VALUES ('paid') RETURNING id") == [(21,)]


def test_a_schema_cannot_hide_a_statement_in_another(new_postgres, open_url, sql):
    """A bundle's schema may come from a stranger: what its CHECK says is one expression."""
    source, target = new_postgres(), new_postgres()
    sql(source, "CREATE TABLE a (n int CHECK (n > 0))")
    sql(target, "CREATE TABLE victim (n int)")
    schema = open_url(source).read_schema()
    (table,) = schema.tables
    check = replace(table.checks[0], expression="true)); DROP TABLE victim; CREATE TABLE b (n int CHECK (true")
    schema = replace(schema, tables=(replace(table, checks=(check,)),))
    with pytest.raises(TargetError), open_url(target).load(schema):
        pass
    assert sql(target, "SELECT to_regclass('victim') IS NOT NULL, to_regclass('b') IS NULL") == [(True, True)]


def test_functions_of_a_bundle_run_only_if_they_are_told_to(new_postgres, sql, tmp_path):
    """They are SQL of whoever made the bundle."""
    source, target = new_postgres(), new_postgres()
    sql(source, "CREATE FUNCTION twice(n int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 2 * n'")
    sql(source, "CREATE TABLE a (id serial PRIMARY KEY, n int CHECK (twice(n) > 0))")
    sql(source, "INSERT INTO a (n) SELECT i % 7 + 1 FROM generate_series(1, 40) i")
    jobs.fit(source, tmp_path / "bundle", Settings(iterations=2))
    with pytest.raises(BundleError, match=r"twice.*--ddl native"):
        jobs.generate(tmp_path / "bundle", target)
    jobs.generate(tmp_path / "bundle", target, ddl="native")
    assert sql(target, "SELECT count(*), bool_and(twice(n) > 0) FROM a") == [(40, True)]
