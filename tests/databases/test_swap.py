"""New tables take the place of old ones: nobody sees it halfway, and what hangs on the tables stays."""

from __future__ import annotations

import os
import re
import sqlite3
import threading
import time
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import pyarrow as pa
import pytest

from adapters import Mode, open_database, sqlite_aside
from dbsynth.errors import TargetError

FAMILY = """
    CREATE TABLE author (id integer PRIMARY KEY, made integer NOT NULL);
    CREATE TABLE book (id integer PRIMARY KEY, author integer NOT NULL, made integer NOT NULL,
        CONSTRAINT book_author FOREIGN KEY (author) REFERENCES author (id));
    CREATE TABLE sale (id integer PRIMARY KEY, book integer NOT NULL, made integer NOT NULL,
        CONSTRAINT sale_book FOREIGN KEY (book) REFERENCES book (id));
    INSERT INTO author VALUES (1, 0), (2, 0);
    INSERT INTO book VALUES (1, 1, 0), (2, 2, 0);
    INSERT INTO sale VALUES (1, 1, 0), (2, 2, 0);
"""
# One row where all three tables hold all the rows of one and the same load.
WHOLE = """
    SELECT a.made, b.made, s.made, count(*) FROM sale s JOIN book b ON b.id = s.book JOIN author a ON a.id = b.author
    GROUP BY a.made, b.made, s.made
"""


def batch(**columns):
    return pa.RecordBatch.from_pydict(columns)


def write(load, schema, made, rows=2):
    numbers = list(range(1, rows + 1))
    load.write_rows(schema.table("author"), [batch(id=numbers, made=[made] * rows)])
    load.write_rows(schema.table("book"), [batch(id=numbers, author=numbers, made=[made] * rows)])
    load.write_rows(schema.table("sale"), [batch(id=numbers, book=numbers, made=[made] * rows)])


def connection_to(url):
    """A connection past the adapters, as a reader has one."""
    parts = urlsplit(url)
    if parts.scheme == "sqlite":
        return sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None, check_same_thread=False)
    if parts.scheme.startswith("postgres"):
        import psycopg

        return psycopg.connect(url, autocommit=True)
    import pymysql

    return pymysql.connect(
        host=parts.hostname, port=parts.port or 3306, user=parts.username, password=parts.password or "",
        database=parts.path[1:], autocommit=True,
    )  # fmt: skip


def ask(connection, statement):
    with closing(connection.cursor()) as cursor:
        cursor.execute(statement)
        return list(cursor.fetchall()) if cursor.description else []


@pytest.mark.parametrize("mode", [Mode.REPLACE, Mode.IN_PLACE])
def test_a_reader_sees_the_whole_old_or_the_whole_new_state(database, open_url, mode):
    """With its connection open, all the while."""
    url, seen, stop = database.make(FAMILY), [], threading.Event()

    def read():
        with closing(connection_to(url)) as connection:
            while not stop.is_set():
                seen.append(ask(connection, WHOLE))

    reader = threading.Thread(target=read)
    reader.start()
    try:
        target = open_url(url)
        schema = target.read_schema()
        for made in range(1, 6):
            with target.load(schema, mode) as load:
                write(load, schema, made)
                assert load.validate() == []
    finally:
        stop.set()
        reader.join()
    assert all(len(rows) == 1 and len(set(rows[0][:3])) == 1 and rows[0][3] == 2 for rows in seen), seen[-5:]
    states = [rows[0][0] for rows in seen]
    assert states == sorted(states)
    assert database.sql(url, WHOLE) == [(5, 5, 5, 2)]


@pytest.mark.parametrize("mode", [Mode.REPLACE, Mode.IN_PLACE])
def test_violations_are_found_before_anybody_sees_the_rows(database, open_url, rows_of, mode):
    url = database.make(FAMILY)
    target = open_url(url)
    schema, before = target.read_schema(), rows_of(target)
    with pytest.raises(TargetError, match="sale_book"), target.load(schema, mode) as load:  # noqa: PT012
        write(load, schema, 1)
        load.write_rows(schema.table("sale"), [batch(id=[7], book=[99], made=[1])])
        load.validate()
    with pytest.raises(ValueError, match="worse"), target.load(schema, mode) as load:  # noqa: PT012
        write(load, schema, 1)
        assert load.validate() == []
        if mode is Mode.REPLACE:  # in place, readers may have to wait
            assert rows_of(target) == before
        raise ValueError("worse than the thresholds")
    assert rows_of(target) == before
    assert target.read_schema() == schema


def test_one_load_at_a_time(database, open_url):
    url = database.make(FAMILY)
    first, second = open_url(url), open_url(url)
    schema = first.read_schema()
    with first.lock():
        with pytest.raises(TargetError, match=r"another load into .* is running \((process|connection) \d+"):
            second.load(schema, Mode.REPLACE).__enter__()
        with first.load(schema, Mode.REPLACE) as load:
            write(load, schema, 1)
    with second.load(schema, Mode.REPLACE) as load:
        write(load, schema, 2)
    assert database.sql(url, WHOLE) == [(2, 2, 2, 2)]


def test_new_tables_join_those_that_are_replaced(database, open_url, rows_of):
    """A table that the target lacks, with keys to and from tables that stand."""
    inline = database.dialect == "sqlite"
    more = FAMILY.replace("INSERT INTO author", """CREATE TABLE shop (id integer PRIMARY KEY, best integer,
        CONSTRAINT shop_best FOREIGN KEY (best) REFERENCES book (id));
        INSERT INTO author""", 1)  # fmt: skip
    source, target = open_url(database.make(more)), open_url(database.make(FAMILY))
    schema = source.read_schema()
    assert target.check_target(schema, Mode.REPLACE) == []
    with target.load(schema, Mode.REPLACE) as load:
        write(load, schema, 3)
        load.write_rows(schema.table("shop"), [batch(id=[1], best=[2])])
        assert load.validate() == []
    assert inline or target.read_schema() == schema
    assert rows_of(target)["shop"] == [{"id": 1, "best": 2}]


def test_a_reader_who_does_not_let_go_stops_the_swap_and_nobody_else(database, open_url, monkeypatch):
    """Others read on while the load waits; at last it gives up, and the old state stands."""
    if database.dialect == "sqlite":
        pytest.skip("who reads a file reads that file, whatever takes its name")
    module = {"postgres": "adapters.postgres_lock", "mysql": "adapters.mysql_load"}[database.dialect]
    monkeypatch.setattr(f"{module}._PATIENCE", 2.0)
    url = database.make(FAMILY)
    target = open_url(url)
    schema = target.read_schema()
    with closing(connection_to(url)) as slow, closing(connection_to(url)) as other:
        ask(slow, "BEGIN")
        ask(slow, WHOLE)
        waits, stop = [], threading.Event()

        def read():
            while not stop.is_set():
                begin = time.monotonic()
                ask(other, WHOLE)
                waits.append(time.monotonic() - begin)

        reader = threading.Thread(target=read)
        reader.start()
        with pytest.raises(TargetError, match="have not let go"), target.load(schema, Mode.REPLACE) as load:
            write(load, schema, 1)
        stop.set()
        reader.join()
        assert len(waits) > 10
        assert ask(slow, WHOLE) == [(0, 0, 0, 2)]
        ask(slow, "ROLLBACK")
    with target.load(schema, Mode.REPLACE) as load:
        write(load, schema, 2)
    assert database.sql(url, WHOLE) == [(2, 2, 2, 2)]


# What hangs on tables in Postgres

HUNG_ON = """
    CREATE TABLE item (id serial PRIMARY KEY, code int GENERATED BY DEFAULT AS IDENTITY, name text NOT NULL,
        size numeric(8, 2) CHECK (size > 0), half numeric GENERATED ALWAYS AS (size / 2) STORED,
        during int4range, CONSTRAINT item_name UNIQUE (name) INCLUDE (size), EXCLUDE USING gist (during WITH &&))
        WITH (fillfactor = 70, toast.autovacuum_enabled = off);
    ALTER SEQUENCE item_code_seq RENAME TO "codes of items";
    CREATE TABLE part (id int PRIMARY KEY, item int CONSTRAINT part_of REFERENCES item ON DELETE CASCADE DEFERRABLE);
    CREATE TABLE outside (item int CONSTRAINT outside_item REFERENCES item ON DELETE SET NULL);
    CREATE TABLE log (name text);
    CREATE INDEX item_lower ON item (lower(name)) WHERE size > 1;
    CREATE STATISTICS item_both (ndistinct) ON name, size FROM item;
    ALTER TABLE item ALTER COLUMN name SET STATISTICS 500;
    ALTER TABLE item REPLICA IDENTITY FULL;
    CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS
        'BEGIN INSERT INTO log VALUES (NEW.name); RETURN NEW; END';
    CREATE TRIGGER note AFTER INSERT ON item FOR EACH ROW WHEN (NEW.size > 0) EXECUTE FUNCTION note();
    CREATE TRIGGER sleeping AFTER DELETE ON item FOR EACH ROW EXECUTE FUNCTION note();
    ALTER TABLE item DISABLE TRIGGER sleeping;
    ALTER TABLE item ENABLE ROW LEVEL SECURITY;
    CREATE POLICY large ON item FOR SELECT TO PUBLIC USING (size > 5);
    CREATE VIEW names WITH (security_barrier) AS SELECT i.name, count(p.id) AS parts FROM item i
        LEFT JOIN part p ON p.item = i.id GROUP BY i.name;
    CREATE VIEW upper_names AS SELECT upper(name) AS name FROM names;
    CREATE RULE forget AS ON DELETE TO part DO ALSO INSERT INTO log VALUES ('gone');
    CREATE PUBLICATION dbsynth_test_pub FOR TABLE item, part;
    GRANT SELECT ON item TO PUBLIC;
    GRANT SELECT (id), UPDATE (item) ON part TO {role} WITH GRANT OPTION;
    GRANT SELECT ON names TO {role};
    REVOKE DELETE ON part FROM CURRENT_USER;
    ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO {role};
    COMMENT ON TABLE item IS 'things, and "quotes"';
    COMMENT ON COLUMN item.name IS 'how it is called';
    COMMENT ON INDEX item_lower IS 'found by';
    COMMENT ON CONSTRAINT item_name ON item IS 'unlike';
    COMMENT ON TRIGGER note ON item IS 'writes down';
    COMMENT ON POLICY large ON item IS 'only large ones';
    INSERT INTO item (name, size, during) VALUES ('a', 10, '[1,3)'), ('b', 20, '[3,5)');
    INSERT INTO part VALUES (1, 1), (2, 2);
    INSERT INTO outside VALUES (1);
    TRUNCATE log;
"""

# Everything the catalogs say of the tables that is not a number of their own.
CATALOG = {
    "tables": "SELECT relname, relowner, relacl::text, reloptions, relreplident, relrowsecurity, obj_description(oid), "
              "(SELECT reloptions FROM pg_class t WHERE t.oid = c.reltoastrelid) "
              "FROM pg_class c WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'v', 'S') ORDER BY 1",
    "columns": "SELECT attrelid::regclass::text, attname, attacl::text, attstattarget, atttypid, attidentity, "
               "col_description(attrelid, attnum), (SELECT pg_get_expr(adbin, adrelid) FROM pg_attrdef "
               "WHERE adrelid = attrelid AND adnum = attnum) FROM pg_attribute JOIN pg_class c ON c.oid = attrelid "
               "WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'v') AND attnum > 0 ORDER BY 1, 2",
    "constraints": "SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid), obj_description(oid) "
                   "FROM pg_constraint WHERE connamespace = 'public'::regnamespace ORDER BY 1, 2",
    "indexes": "SELECT indexrelid::regclass::text, pg_get_indexdef(indexrelid), obj_description(indexrelid) "
               "FROM pg_index JOIN pg_class c ON c.oid = indrelid "
               "WHERE relnamespace = 'public'::regnamespace ORDER BY 1",
    "triggers": "SELECT pg_get_triggerdef(oid), tgenabled, obj_description(oid) FROM pg_trigger WHERE NOT tgisinternal "
                "ORDER BY 1",
    "rules": "SELECT pg_get_ruledef(oid) FROM pg_rewrite WHERE ev_class IN (SELECT oid FROM pg_class "
             "WHERE relnamespace = 'public'::regnamespace) ORDER BY 1",
    "policies": "SELECT * FROM pg_policies ORDER BY policyname",
    "statistics": "SELECT pg_get_statisticsobjdef(oid) FROM pg_statistic_ext",
    "publications": "SELECT pubname, tablename FROM pg_publication_tables ORDER BY 1, 2",
    "sequences": "SELECT d.objid::regclass::text, d.refobjid::regclass::text, d.refobjsubid FROM pg_depend d "
                 "JOIN pg_class c ON c.oid = d.objid WHERE c.relkind = 'S' AND d.deptype IN ('a', 'i') ORDER BY 1",
    "schemas": "SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_' ORDER BY 1",
    "defaults": "SELECT defaclacl::text FROM pg_default_acl",
}  # fmt: skip


@pytest.fixture
def role(postgres_server, sql):
    """A role that may log in, and no more."""
    name = f"dbsynth_test_role_{os.getpid()}"
    sql(postgres_server, f"CREATE ROLE {name} LOGIN")
    yield name
    sql(postgres_server, f"DROP ROLE {name}")


@pytest.fixture
def owned(new_postgres, role, sql):
    """A database in which the role may own objects, until the end."""
    url = new_postgres()
    yield url
    sql(url, f"DROP OWNED BY {role} CASCADE")


@pytest.fixture
def hung_on(owned, role, sql):
    sql(owned, HUNG_ON.format(role=role))
    return owned


def test_what_hangs_on_a_table_stays(hung_on, open_url, sql):
    target = open_url(hung_on)
    schema = target.read_schema().restrict(["item", "part"])
    before = {name: sql(hung_on, query) for name, query in CATALOG.items()}
    tables = "SELECT oid FROM pg_class WHERE relname IN ('item', 'part') ORDER BY 1"
    old = sql(hung_on, tables)
    assert target.check_target(schema, Mode.REPLACE) == []
    with target.load(schema, Mode.REPLACE) as load:
        load.write_rows(schema.table("item"), [batch(id=[1, 40], code=[5, 6], name=["x", "y"], size=["7", "8"])])
        load.write_rows(schema.table("part"), [batch(id=[3], item=[40])])
        assert load.validate() == []
    assert not set(sql(hung_on, tables)) & set(old)  # tables of their own, not the old ones
    for name, query in CATALOG.items():
        assert sql(hung_on, query) == before[name], name
    assert sql(hung_on, "SELECT * FROM upper_names ORDER BY 1") == [("X",), ("Y",)]
    assert sql(hung_on, "SELECT * FROM log") == []
    assert sql(hung_on, "SELECT * FROM outside") == [(1,)]
    assert sql(hung_on, "INSERT INTO item (name, size) VALUES ('z', 9) RETURNING id, code") == [(41, 7)]
    assert sql(hung_on, "SELECT * FROM log") == [("z",)]
    assert sql(hung_on, "SELECT reltuples FROM pg_class WHERE relname = 'part'") == [(1.0,)]


@pytest.mark.parametrize(("statement", "says"), [
    ("CREATE MATERIALIZED VIEW m AS SELECT name FROM item", "materialized view m depends"),
    ("CREATE FUNCTION f() RETURNS SETOF item LANGUAGE sql AS 'SELECT * FROM item'", r"function f\(\) depends"),
    ("CREATE TABLE child (n int) INHERITS (part)", "table part is partitioned or inherits"),
    ("CREATE TABLE h (i item)", "table h depends"),
    ("CREATE VIEW v AS SELECT item FROM item", "view v depends"),
])  # fmt: skip
def test_what_would_not_follow_has_the_rows_replaced_in_place(hung_on, open_url, sql, statement, says):
    sql(hung_on, statement)
    target = open_url(hung_on)
    schema = target.read_schema().restrict(["item", "part"])
    (note,) = target.check_target(schema, Mode.REPLACE)
    assert "in place" in note
    assert re.search(says, note)
    old = sql(hung_on, "SELECT 'item'::regclass::oid")
    with target.load(schema, Mode.REPLACE) as load:
        load.write_rows(schema.table("item"), [batch(id=[1], code=[5], name=["x"], size=["7"])])
    assert sql(hung_on, "SELECT 'item'::regclass::oid") == old
    assert sql(hung_on, "SELECT name FROM item") == [("x",)]


def test_an_older_snapshot_finds_the_new_rows_and_not_an_empty_table(postgres_url, open_url, sql):
    """It has not asked for the tables before; had it, the load would wait for it."""
    sql(postgres_url, FAMILY)
    target = open_url(postgres_url)
    schema = target.read_schema()
    with closing(connection_to(postgres_url)) as reader:
        ask(reader, "BEGIN ISOLATION LEVEL REPEATABLE READ")
        ask(reader, "SELECT 1 FROM pg_class")
        with target.load(schema, Mode.REPLACE) as load:
            write(load, schema, 1)
        assert ask(reader, WHOLE) == [(1, 1, 1, 2)]


def test_an_ordinary_owner_may_replace(owned, role, sql, open_url):
    """No superuser: a role that owns the database's tables, with CREATE on the database, or in place without it."""
    url, name = owned, urlsplit(owned).path[1:]
    sql(url, f"GRANT CREATE, USAGE ON SCHEMA public TO {role}; SET ROLE {role}; {FAMILY}")
    mine = url.replace(f"//{urlsplit(url).username}@", f"//{role}@")
    target = open_url(mine)
    schema = target.read_schema()
    with pytest.raises(TargetError, match=r"GRANT CREATE ON DATABASE .* --replace in-place"):
        target.check_target(schema, Mode.REPLACE)
    with target.load(schema, Mode.IN_PLACE) as load:
        write(load, schema, 1)
    assert sql(url, WHOLE) == [(1, 1, 1, 2)]
    sql(url, f"GRANT CREATE ON DATABASE {name} TO {role}")
    with target.load(schema, Mode.REPLACE) as load:
        write(load, schema, 2)
    assert sql(url, WHOLE) == [(2, 2, 2, 2)]
    assert sql(url, "SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname = 'public'") == [(role,)]
    assert open_url(mine).identity == open_url(url).identity


def test_tables_of_a_group_are_replaced_by_its_members(owned, role, sql, open_url):
    """The login owns nothing; the role that it is a member of does."""
    url, login = owned, f"{role}_login"
    sql(url, f"CREATE ROLE {login} LOGIN IN ROLE {role}; GRANT CREATE ON DATABASE {urlsplit(url).path[1:]} TO {login}")
    try:
        sql(url, f"GRANT CREATE, USAGE ON SCHEMA public TO {role}; SET ROLE {role}; {FAMILY}")
        target = open_url(url.replace(f"//{urlsplit(url).username}@", f"//{login}@"))
        schema = target.read_schema()
        with target.load(schema, Mode.REPLACE) as load:
            write(load, schema, 1)
        assert sql(url, WHOLE) == [(1, 1, 1, 2)]
        assert sql(url, "SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname = 'public'") == [(role,)]
    finally:
        sql(url, f"DROP OWNED BY {login} CASCADE; DROP ROLE {login}")


# A file of SQLite's

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


# In place, in MySQL

def test_in_place_needs_no_other_database(mysql_url, sql):
    sql(mysql_url, FAMILY)
    name = urlsplit(mysql_url).path[1:]
    user = f"u{name[-12:]}"
    sql(mysql_url, f"CREATE USER {user}@'%' IDENTIFIED BY 'pw'")
    try:
        sql(mysql_url, f"GRANT SELECT, INSERT, DELETE ON {name}.* TO {user}@'%'")
        target = open_database(mysql_url.replace("root", f"{user}:pw"))
        schema = target.read_schema()
        with pytest.raises(TargetError, match="--replace in-place"), target.load(schema, Mode.REPLACE):
            pass
        with target.load(schema, Mode.IN_PLACE) as load:
            write(load, schema, 1)
        assert sql(mysql_url, WHOLE) == [(1, 1, 1, 2)]
        sql(mysql_url, "CREATE TRIGGER t BEFORE INSERT ON sale FOR EACH ROW SET NEW.made = 9")
        with pytest.raises(TargetError, match="trigger 't'"):
            open_database(mysql_url).check_target(schema, Mode.IN_PLACE)
    finally:
        sql(mysql_url, f"DROP USER {user}@'%'")


def test_the_grants_that_the_documents_list_are_enough(mysql_url, sql):
    """For a load that is swapped in, with triggers, and keys of other tables."""
    name = urlsplit(mysql_url).path[1:]
    user = f"v{name[-12:]}"
    trigger = "CREATE TRIGGER t BEFORE INSERT ON sale FOR EACH ROW SET @made = NEW.made"
    sql(mysql_url, FAMILY + f"""
        CREATE TABLE review (sale integer, CONSTRAINT review_sale FOREIGN KEY (sale) REFERENCES sale (id));
        CREATE VIEW seen AS SELECT made FROM sale;
        {trigger}
    """)
    sql(mysql_url, f"CREATE USER {user}@'%' IDENTIFIED BY 'pw'")
    try:
        rights = "SELECT, INSERT, DELETE, CREATE, ALTER, DROP, INDEX, REFERENCES, TRIGGER"
        for place in (name, name.replace("_", r"\_") + r"\_\_dbsynth\_%"):
            sql(mysql_url, f"GRANT {rights} ON `{place}`.* TO {user}@'%'")
        sql(mysql_url, f"UPDATE {name}.sale SET made = 0")
        mine = mysql_url.replace("root", f"{user}:pw")
        target = open_database(mine)
        schema = target.read_schema().tables_only.restrict(["author", "book", "sale"])
        with pytest.raises(TargetError, match="'t' of table 'sale' is another user's"):
            target.load(schema, Mode.REPLACE).__enter__()
        sql(mysql_url, "DROP TRIGGER t")
        sql(mine, trigger)
        before = sql(mysql_url, f"SELECT * FROM mysql.db WHERE User = '{user}'")
        with target.load(schema, Mode.REPLACE) as load:
            write(load, schema, 1)
            assert load.validate() == []
        assert sql(mysql_url, WHOLE) == [(1, 1, 1, 2)]
        assert sql(mysql_url, "SELECT DISTINCT made FROM seen") == [(1,)]
        assert [row[0] for row in sql(mysql_url, "SHOW TRIGGERS")] == ["t"]
        assert sql(mysql_url, f"SELECT * FROM mysql.db WHERE User = '{user}'") == before
    finally:
        sql(mysql_url, f"DROP USER {user}@'%'")
