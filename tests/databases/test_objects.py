"""Views, functions and triggers: carried over within a dialect where that is asked for, else said to be left behind."""

from __future__ import annotations

from dataclasses import replace

import pyarrow as pa
import pytest

from adapters import Mode
from adapters.mysql_names import Names
from dbsynth import jobs
from dbsynth.config import Settings
from dbsynth.schema import DatabaseObject, Schema

# A view of a view that stands before it in name order, and a trigger that counts: rows loaded must not count.
_TABLES = """
    CREATE TABLE item (id integer PRIMARY KEY, price integer NOT NULL);
    CREATE TABLE audit (note varchar(40));
    CREATE VIEW dear AS SELECT id, price FROM item WHERE price > 10;
    CREATE VIEW a_dearest AS SELECT max(price) AS price FROM dear;
    INSERT INTO item VALUES (1, 5), (2, 50);
"""
_TRIGGERS = {
    "sqlite": "CREATE TRIGGER counted AFTER INSERT ON item BEGIN INSERT INTO audit VALUES ('it''s new'); END;",
    "mysql": """
        CREATE FUNCTION twice(x int) RETURNS int DETERMINISTIC RETURN 2 * x;
        CREATE TRIGGER counted AFTER INSERT ON item FOR EACH ROW INSERT INTO audit VALUES ('it''s new');
    """,
    "postgres": """
        CREATE FUNCTION twice(x int) RETURNS int LANGUAGE sql AS 'SELECT 2 * x';
        CREATE FUNCTION note_new() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN INSERT INTO audit VALUES ('it''s new'); RETURN new; END $$;
        CREATE TRIGGER counted AFTER INSERT ON item FOR EACH ROW EXECUTE FUNCTION note_new();
    """,
}


@pytest.fixture
def source_url(database):
    return database.make(_TABLES + _TRIGGERS[database.dialect])


def kinds(schema: Schema) -> dict[str, int]:
    found = [o.kind for o in schema.objects]
    return {kind: found.count(kind) for kind in found}


def test_they_come_along_and_work(database, source_url, open_url, copy_database):
    """In whatever order they need one another; triggers see no row that is loaded, and every one after."""
    source, url = open_url(source_url), database.new()
    target = open_url(url)
    schema = copy_database(source, target)
    assert kinds(schema)["view"] == 2
    assert kinds(schema)["trigger"] == 1
    assert target.read_schema() == schema
    assert target.losses(schema) == []
    assert database.sql(url, "SELECT price FROM a_dearest") == [(50,)]
    assert database.sql(url, "SELECT count(*) FROM audit") == [(0,)]
    database.sql(url, "INSERT INTO item VALUES (3, 70)")
    assert database.sql(url, "SELECT note FROM audit") == [("it's new",)]
    if database.dialect != "sqlite":
        assert database.sql(url, "SELECT twice(4)") == [(8,)]


def test_known_by_name_only_they_stay_behind_and_that_is_said(database, source_url, open_url, copy_database):
    source, target = open_url(source_url), open_url(database.new())
    schema = copy_database(source, target, schema=source.read_schema().tables_only)
    assert target.read_schema().objects == ()
    said = "\n".join(target.losses(schema))
    assert "views a_dearest, dear are not carried over; --ddl native takes them along" in said
    assert "counted" in said


def test_into_another_dialect_they_stay_behind(database, database_of, source_url, open_url, copy_database):
    other = {"sqlite": "mysql", "mysql": "postgres", "postgres": "sqlite"}[database.dialect]
    source, target = open_url(source_url), open_url(database_of(other).new())
    schema = copy_database(source, target)
    assert target.read_schema().objects == ()
    assert any("views a_dearest, dear are not carried over: they are written for" in x for x in target.losses(schema))


def test_one_that_the_server_refuses_is_a_loss_with_its_reason(database, source_url, open_url, rows_of):
    """The rows, and what can be created, come all the same."""
    source, target = open_url(source_url), open_url(database.new())
    schema = source.read_schema()
    bad = DatabaseObject("view", "bad", ("CREATE VIEW bad AS SELECT * FROM not_there",))
    schema = replace(schema, objects=(bad, *schema.objects))
    with target.load(schema) as load:
        load.write_rows(schema.table("item"), [])
    (loss,) = load.losses
    assert loss.startswith("view 'bad' is not carried over: ")
    assert "not_there" in loss
    assert len(target.read_schema().objects) == len(schema.objects) - 1


def test_what_stands_in_the_target_stays(database, source_url, open_url, copy_database):
    url = database.make(
        "CREATE TABLE item (id integer PRIMARY KEY, price integer NOT NULL);\n"
        "CREATE VIEW dear AS SELECT id FROM item WHERE id > 1;"
    )
    target = open_url(url)
    copy_database(open_url(source_url), target, Mode.REPLACE)
    definition = next(o.statements for o in target.read_schema().objects if o.name == "dear")
    assert "id" in definition[0]
    assert "price" not in definition[0]


def test_a_schema_with_objects_goes_through_json(database, source_url, open_url):
    schema = open_url(source_url).read_schema()
    assert Schema.from_json(schema.to_json()) == schema


def test_sqlite_takes_no_trigger_whose_tables_are_missing(database_of, open_url, copy_database):
    """SQLite itself would, and every INSERT would fail from then on."""
    database = database_of("sqlite")
    source = open_url(database.make("""
        CREATE TABLE note (id integer PRIMARY KEY, body text);
        CREATE VIRTUAL TABLE words USING fts5(body);
        CREATE TRIGGER indexed AFTER INSERT ON note BEGIN INSERT INTO words VALUES (new.body); END;
    """))
    url = database.new()
    schema = source.read_schema()
    tables = replace(schema, tables=(schema.table("note"),))
    with open_url(url).load(tables) as load:
        load.write_rows(tables.table("note"), [])
    assert load.losses == ["trigger 'indexed' is not carried over: no such table: main.words"]
    assert any("virtual table words is not carried over" in loss for loss in open_url(url).losses(schema))
    database.sql(url, "INSERT INTO note VALUES (1, 'x')")


def test_mysql_events_stay_behind(database_of, open_url):
    database = database_of("mysql")
    url = database.make("""
        CREATE TABLE t (id integer PRIMARY KEY);
        CREATE EVENT nightly ON SCHEDULE EVERY 1 DAY DO DELETE FROM t;
    """)
    schema = open_url(url).read_schema()
    assert open_url(database.new()).losses(schema) == ["event nightly is not carried over: it would run by itself"]


POSTGRES = """
    CREATE SCHEMA app;
    CREATE TYPE unused AS ENUM ('a', 'b');
    CREATE FUNCTION even(x int) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RETURN x % 2 = 0; END $$;
    CREATE DOMAIN pair AS int CHECK (even(VALUE));
    CREATE TABLE t (id int PRIMARY KEY, n int CHECK (even(n)), p pair, half int GENERATED ALWAYS AS (n / 2) STORED);
    CREATE FUNCTION rows_of_t() RETURNS SETOF t LANGUAGE sql AS 'SELECT * FROM t';
    CREATE FUNCTION _join(text, text) RETURNS text LANGUAGE sql AS 'SELECT coalesce($1 || $2, $2)';
    CREATE AGGREGATE joined(text) (SFUNC = _join, STYPE = text);
    CREATE PROCEDURE app.nothing() LANGUAGE plpgsql AS 'BEGIN END';
    CREATE MATERIALIZED VIEW app.sums AS SELECT sum(n) AS n FROM t;
    CREATE UNIQUE INDEX sums_n ON app.sums (n);
    CREATE VIEW safe WITH (security_barrier=true) AS SELECT joined(id::text) FROM rows_of_t();
    CREATE RULE none AS ON DELETE TO t DO INSTEAD NOTHING;
    CREATE TRIGGER off BEFORE UPDATE ON t FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger();
    ALTER TABLE t DISABLE TRIGGER off;
    CREATE SEQUENCE tickets START 100 INCREMENT 5;
    CREATE POLICY own ON t USING (true);
    INSERT INTO t (id, n) VALUES (1, 2), (2, 4);
"""


def test_all_kinds_of_postgres(database_of, open_url, copy_database):
    database = database_of("postgres")
    source, url = open_url(database.make(POSTGRES)), database.new()
    target = open_url(url)
    schema = copy_database(source, target)
    assert kinds(schema).keys() == {
        "aggregate", "function", "materialized view", "policy", "procedure", "rule", "schema", "sequence", "trigger",
        "type", "view",
    }  # fmt: skip
    assert target.read_schema().objects == tuple(o for o in schema.objects if o.kind != "policy")
    assert database.sql(url, "SELECT n FROM app.sums") == [(6,)]
    assert database.sql(url, "SELECT * FROM safe") == [("12",)]
    assert database.sql(url, "SELECT nextval('tickets')") == [(100,)]
    assert any(loss.startswith("policy own on t is not carried over") for loss in target.losses(schema))


def test_a_function_that_a_table_needs_comes_with_the_table(database_of, open_url, copy_database):
    database = database_of("postgres")
    source, target = open_url(database.make(POSTGRES)), open_url(database.new())
    schema = copy_database(source, target, schema=source.read_schema().tables_only)
    assert [o.name for o in target.read_schema().objects] == ["even(integer)"]
    assert target.validate(schema) == []


def test_a_materialized_view_that_stands_is_filled_anew(database_of, open_url, copy_database):
    database = database_of("postgres")
    source, url = open_url(database.make(POSTGRES)), database.make(POSTGRES)
    database.sql(url, "DROP RULE none ON t; UPDATE t SET n = 100; REFRESH MATERIALIZED VIEW app.sums")
    copy_database(source, open_url(url), Mode.REPLACE)
    assert database.sql(url, "SELECT n FROM app.sums") == [(6,)]


PARTITIONED = """
    CREATE TABLE sale (id int NOT NULL, at date NOT NULL, region text NOT NULL, PRIMARY KEY (id, at, region))
        PARTITION BY RANGE (at);
    CREATE TABLE sale_1 PARTITION OF sale FOR VALUES FROM ('2020-01-01') TO ('2021-01-01');
    CREATE TABLE sale_2 PARTITION OF sale FOR VALUES FROM ('2021-01-01') TO ('2022-01-01') PARTITION BY LIST (region);
    CREATE TABLE sale_2_a PARTITION OF sale_2 FOR VALUES IN ('a', 'b');
    CREATE TABLE sale_2_rest PARTITION OF sale_2 DEFAULT;
    CREATE INDEX sale_region ON sale (region);
    CREATE INDEX of_one ON sale_1 (region, id);
    CREATE TABLE base (id int, x int);
    CREATE TABLE special (y int) INHERITS (base);
    INSERT INTO sale VALUES (1, '2020-05-05', 'a'), (2, '2021-05-05', 'b'), (3, '2021-05-06', 'z');
    INSERT INTO base VALUES (1, 1);
    INSERT INTO special VALUES (2, 2, 2);
"""


def test_partitions_and_inheritance_are_part_of_the_tables(database_of, open_url, copy_database, rows_of):
    """They come along without being asked for, each row in its place."""
    database = database_of("postgres")
    source, url = open_url(database.make(PARTITIONED)), database.new()
    target = open_url(url)
    schema = copy_database(source, target, schema=source.read_schema().tables_only)
    assert target.read_schema() == schema
    assert target.losses(schema) == []
    assert rows_of(target) == rows_of(source)
    assert database.sql(url, "SELECT count(*) FROM sale_2_a") == [(1,)]
    assert database.sql(url, "SELECT id FROM base ORDER BY 1") == [(1,), (2,)]
    (check,) = schema.table("sale").checks
    assert "2020-01-01" in check.expression
    copy_database(source, target, Mode.REPLACE, schema=schema)
    assert rows_of(target) == rows_of(source)


def test_into_another_dialect_partitions_become_one_table(database_of, open_url, copy_database):
    source = open_url(database_of("postgres").make(PARTITIONED))
    target = open_url(database_of("sqlite").new())
    schema = copy_database(source, target)
    said = "\n".join(target.losses(schema))
    assert "partitions become part of their tables, which are not divided any more: sale_1, sale_2" in said
    assert "tables hold no longer the rows of those that inherit from them: special of base" in said
    assert "CHECK" not in said


def test_keys_that_every_partition_declares_hold_for_the_table(database_of, open_url):
    """A unique key that lacks the column by which a table is divided can stand in its partitions only."""
    database = database_of("postgres")
    url = database.make("""
        CREATE TABLE pay (id int NOT NULL, at date NOT NULL) PARTITION BY RANGE (at);
        CREATE TABLE pay_1 PARTITION OF pay FOR VALUES FROM ('2020-01-01') TO ('2021-01-01');
        CREATE TABLE pay_2 PARTITION OF pay DEFAULT;
        ALTER TABLE pay_1 ADD PRIMARY KEY (id);
        INSERT INTO pay VALUES (1, '2020-05-05'), (2, '2022-05-05');
    """)
    (key,) = open_url(url).read_schema().table("pay").unique_keys
    assert key.columns == ("id",)
    assert key.virtual
    database.sql(url, "INSERT INTO pay VALUES (1, '2022-05-05')")
    assert open_url(url).read_schema().table("pay").unique_keys == ()


def test_what_a_trigger_computes_for_search_is_computed_from_the_rows(database_of, open_url, copy_database):
    """Other triggers see nothing of it."""
    database = database_of("postgres")
    statements = """
        CREATE TABLE film (title text, about text, words tsvector, changed date DEFAULT '2020-01-01');
        CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN new.changed = '2024-01-01'; RETURN new; END $$;
        CREATE TRIGGER touched BEFORE UPDATE ON film FOR EACH ROW EXECUTE FUNCTION touch();
        CREATE TRIGGER searched BEFORE INSERT OR UPDATE ON film FOR EACH ROW
            EXECUTE FUNCTION tsvector_update_trigger('words', 'pg_catalog.english', 'title', 'about');
    """
    schema = open_url(database.make(statements)).read_schema()
    invented = pa.RecordBatch.from_pydict({"title": ["Running Cats"], "about": [None], "words": ["'other'"]})
    for url, mode in ((database.new(), Mode.CREATE), (database.make(statements), Mode.REPLACE)):
        with open_url(url).load(schema, mode) as load:
            load.write_rows(schema.table("film"), [invented])
        assert load.losses == []
        assert database.sql(url, "SELECT words, changed::text FROM film") == [("'cat':2 'run':1", "2020-01-01")]


def test_every_synthetic_row_fits_into_a_partition(database_of, open_url):
    """Of two years with one between them that no partition has; ids are unique in each partition only."""
    database = database_of("postgres")
    source = database.make("""
        CREATE TABLE sale (id int NOT NULL, at date NOT NULL, region text NOT NULL) PARTITION BY RANGE (at);
        CREATE TABLE sale_1 PARTITION OF sale (PRIMARY KEY (id)) FOR VALUES FROM ('2020-01-01') TO ('2021-01-01');
        CREATE TABLE sale_2 PARTITION OF sale (PRIMARY KEY (id, region))
            FOR VALUES FROM ('2022-01-01') TO ('2023-01-01') PARTITION BY LIST (region);
        CREATE TABLE sale_2_a PARTITION OF sale_2 FOR VALUES IN ('a', 'b');
        INSERT INTO sale SELECT i, date '2020-01-01' + (i % 2) * 731 + i % 300, (ARRAY['a', 'b'])[1 + i % 2]
            FROM generate_series(1, 300) i;
    """)
    target = database.new()
    quick = Settings(iterations=10, n_steps=4, batch_size=128, layers=(16,))
    report = jobs.clone(source, target, quick, evaluate=False)
    assert report.losses == ()
    assert database.sql(target, "SELECT count(*) FROM sale") == [(300,)]
    assert database.sql(target, "SELECT count(*) FROM sale_2_a WHERE at < '2022-01-01'") == [(0,)]


def test_nothing_in_a_mysql_target_reaches_the_source(mysql_url, new_mysql, sql, open_url):
    name = mysql_url.rpartition("/")[2]
    sql(mysql_url, f"""
        CREATE SEQUENCE s;
        CREATE TABLE t (id int DEFAULT nextval(s) PRIMARY KEY, x int);
        CREATE TABLE audit (id int, why varchar(90));
        CREATE TABLE `order` (id int);
        CREATE TRIGGER bare AFTER INSERT ON {name}.t FOR EACH ROW
            INSERT INTO {name} . audit /* into {name}.audit */ VALUES (NEW.id, 'of `{name}`, t');
        CREATE TRIGGER quoted AFTER DELETE ON t FOR EACH ROW INSERT INTO {name}.order SELECT `{name}`.`t`.id FROM t;
        CREATE PROCEDURE dynamic() EXECUTE IMMEDIATE 'DELETE FROM {name}.audit';
        CREATE VIEW hint AS SELECT 'see `{name}`.t' AS hint;
        SET sql_mode = 'ANSI_QUOTES';
        CREATE PROCEDURE p() INSERT INTO "{name}".audit VALUES (7, '')
    """)
    schema, url = open_url(mysql_url).read_schema(), new_mysql()
    target = open_url(url)
    (default, left) = target.losses(schema)
    assert "'id'" in default
    assert "nextval(`s`)" in default
    assert left == "dynamic procedure dynamic is not carried over: a string in it names the database it is of"
    with target.load(schema) as load:
        load.write_rows(schema.table("t"), [pa.RecordBatch.from_pydict({"id": [1, 2], "x": [1, 2]})])
    assert load.losses == []
    sql(url, "INSERT INTO t VALUES (5, 5);\nCALL p();\nDELETE FROM t WHERE id = 5")
    assert sql(url, "SELECT * FROM audit") == [(5, f"of `{name}`, t"), (7, "")]
    assert sql(url, "SELECT * FROM hint") == [(f"see `{name}`.t",)]
    assert sql(mysql_url, "SELECT * FROM audit UNION SELECT id, '' FROM `order`") == []
    assert sql(mysql_url, "SELECT nextval(s)") == [(1,)]
    assert not any(name in str(column) for column in sql(url, "SHOW COLUMNS FROM t"))


@pytest.mark.parametrize(("text", "mode", "wanted"), [
    ("SELECT Shop.t.id FROM shop.`a``b`, other.shop.x, shop", "", "SELECT Shop.t.id FROM `a``b`, other.shop.x, shop"),
    ("SET @shop.t = 'it''s \\' shop.t' -- shop.t\n, x = shop.f(1)", "",
     "SET @shop.t = 'it''s \\' shop.t' -- shop.t\n, x = `f`(1)"),
    ("/*!50000 shop.t */ 'a\\' shop.t 'b'", "NO_BACKSLASH_ESCAPES", "/*!50000 `t` */ 'a\\' `t` 'b'"),
    ("# shop.t\n \"shop\" . \"a\"\"b\"", "ANSI_QUOTES", "# shop.t\n `a\"b`"),
])  # fmt: skip
def test_a_mysql_name_is_known_in_every_spelling(text, mode, wanted):
    assert Names("shop", mode).removed_from(text) == wanted
