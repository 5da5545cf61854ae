"""Tables that the user's own migrations made in a target: what fits is loaded, what does not is said at once."""

from __future__ import annotations

import pytest

from adapters import Mode
from adapters.ddl import MYSQL, POSTGRES
from adapters.standing import refuse_misfits
from dbsynth import jobs
from dbsynth.config import Settings
from dbsynth.errors import TargetError
from dbsynth.schema import Column, ForeignKey, Kind, Schema, Table

SOURCE = """
    CREATE TABLE client (id integer PRIMARY KEY, name varchar(40) NOT NULL, age smallint, paid numeric(8,2));
    CREATE TABLE visit (id integer PRIMARY KEY, client integer NOT NULL, at timestamp, room integer,
        CONSTRAINT visit_client FOREIGN KEY (client) REFERENCES client (id));
    INSERT INTO client VALUES (1, 'one', 30, 1.50), (2, 'two', 40, NULL);
    INSERT INTO visit VALUES (1, 1, '2024-01-01 10:00:00', 1), (2, 1, '2024-01-02 10:00:00', 1);
"""
# The same, as other people's migrations would have it: wider types, more columns, more tables.
WIDER = """
    CREATE TABLE setting (name varchar(20) PRIMARY KEY, client integer);
    CREATE TABLE client (id bigint PRIMARY KEY, name varchar(60) NOT NULL, age integer, paid numeric(12,4),
        tag varchar(10) DEFAULT 'new' NOT NULL, note varchar(10));
    CREATE TABLE visit (id integer PRIMARY KEY, client bigint NOT NULL, at timestamp NULL, room integer,
        CONSTRAINT to_client FOREIGN KEY (client) REFERENCES client (id));
    INSERT INTO setting VALUES ('a', 7);
"""


def test_wider_tables_with_more_columns_take_the_rows(database, open_url, copy_database):
    url = database.make(WIDER)
    source, target = open_url(database.make(SOURCE)), open_url(url)
    target.check_target(source.read_schema(), Mode.CREATE)
    before = target.read_schema()
    copy_database(source, target)
    assert target.read_schema() == before
    assert database.sql(url, "SELECT name, tag, note FROM client ORDER BY id") == [
        ("one", "new", None), ("two", "new", None),
    ]  # fmt: skip
    assert database.sql(url, "SELECT name, client FROM setting") == [("a", 7)]


@pytest.mark.parametrize(("change", "says"), [
    ("name varchar(40) -> name varchar(20)", "column 'name' of table 'client' is .*20.*it holds 20 characters"),
    ("room integer -> room smallint", "'room' of table 'visit' is smallint.*holds -32,768 to"),
    ("paid numeric(8,2) -> paid numeric(8,1)", "'paid' of table 'client'.*digits after the point"),
    ("paid numeric(8,2) -> paid numeric(6,2)", "'paid' of table 'client'.*-9,999 to 9,999"),
    ("at timestamp -> at date", "'at' of table 'visit' is date.*does not hold timestamp"),
    ("room integer -> room date", "'room' of table 'visit' is date.*does not hold integer values"),
])  # fmt: skip
def test_a_narrower_type_is_named(database, open_url, change, says):
    if database.dialect == "sqlite":
        return  # whose types bind nothing
    old, new = change.split(" -> ")
    assert old in SOURCE
    source, target = open_url(database.make(SOURCE)), open_url(database.make(_empty(SOURCE).replace(old, new)))
    with pytest.raises(TargetError, match=says):
        target.check_target(source.read_schema(), Mode.CREATE)


def test_all_that_is_wrong_is_said_at_once(database, open_url):
    tables = _empty(SOURCE).replace("age smallint", "weight smallint NOT NULL").replace(", room integer", "")
    source, target = open_url(database.make(SOURCE)), open_url(database.make(tables))
    with pytest.raises(TargetError) as caught:
        target.check_target(source.read_schema(), Mode.REPLACE)
    for part in ("no column 'age'", "'weight' of table 'client' takes no null", "no column 'room'"):
        assert part in str(caught.value)


def test_a_name_that_differs_in_capitals_is_named(database, open_url):
    source, target = open_url(database.make(SOURCE)), database.new()
    database.sql(target, f"CREATE TABLE {database.quote('Client')} (id integer PRIMARY KEY);")
    with pytest.raises(TargetError, match="has a table 'Client', which the source calls 'client'"):
        open_url(target).check_target(source.read_schema(), Mode.CREATE)


@pytest.mark.parametrize(("more", "says"), [
    ("UNIQUE (room, at)", r"unique key .* of table 'visit' \(room, at\) is none of the source's"),
    ("FOREIGN KEY (room) REFERENCES client (id)", "--virtual-fk 'visit.room=client.id' lets them obey it"),
    ("FOREIGN KEY (room) REFERENCES hall (id)", r"\(room to hall\) is not in the source.*drop it"),
])  # fmt: skip
def test_keys_that_only_the_target_has_are_named(database, open_url, more, says):
    tables = _empty(SOURCE).replace("REFERENCES client (id))", f"REFERENCES client (id), {more})")
    hall = "CREATE TABLE hall (id integer PRIMARY KEY);"
    source, target = open_url(database.make(SOURCE)), open_url(database.make(hall + tables))
    with pytest.raises(TargetError, match=says):
        target.check_target(source.read_schema(), Mode.CREATE)


def test_a_foreign_key_of_the_targets_is_obeyed_where_the_user_says_so(database):
    tables = _empty(SOURCE).replace("REFERENCES client (id))", "REFERENCES client (id), FOREIGN KEY (room) "
                                    "REFERENCES client (id))")  # fmt: skip
    source, target = database.make(SOURCE), database.make(tables)
    told = ("visit.room=client.id",)
    quick = Settings(iterations=1, n_clusters=2, n_steps=2, batch_size=8, layers=(4,), virtual_fk=told)
    assert jobs.inspect(source, target_url=target).obstacles
    assert not jobs.inspect(source, quick, target_url=target).obstacles
    jobs.clone(source, target, quick, evaluate=False)
    assert database.sql(target, "SELECT count(*) FROM visit") == [(2,)]


def test_nulls_that_the_target_does_not_take_are_named(database):
    """Only where the real rows have some: visit.at may be null and never is."""
    tables = _empty(SOURCE).replace("at timestamp", "at timestamp NOT NULL").replace("(8,2)", "(8,2) NOT NULL")
    source, target = database.make(SOURCE), database.make(tables)
    says = "takes no null where the source has some: column 'paid' of table 'client' in 1 rows; let it"
    assert [says in obstacle for obstacle in jobs.inspect(source, target_url=target).obstacles] == [True]
    with pytest.raises(TargetError, match=says):
        jobs.clone(source, target)
    told = Settings(tables={"client": {"columns": {"paid": {"value": 1}}}})
    assert jobs.inspect(source, told, target_url=target).obstacles == ()


def test_what_a_fresh_target_refuses_it_refuses_before_a_row_is_learned(database_of, open_url):
    """A type of an extension that is not installed there, say."""
    schema = Schema("postgres", (Table("t", (Column("a", Kind.OTHER, "not_a_type"),)),))
    target = open_url(database_of("postgres").new())
    with pytest.raises(TargetError, match="not_a_type"):
        target.check_target(schema, Mode.CREATE)
    assert target.read_schema().tables == ()


def test_a_check_of_a_fresh_target_leaves_nothing(database, open_url):
    source, url = open_url(database.rich()), database.new()
    target = open_url(url)
    target.check_target(source.read_schema(), Mode.CREATE)
    assert target.read_schema().tables == ()
    if database.dialect == "mysql":
        assert database.sql(url, f"SHOW DATABASES LIKE '{target.database}\\_\\_dbsynth%'") == []


@pytest.mark.parametrize(("ours", "theirs", "source", "fits"), [
    (Column("a", Kind.TEXT, "text"), Column("a", Kind.TEXT, "varchar(9)", length=9), "sqlite", True),
    (Column("a", Kind.TEXT, "text"), Column("a", Kind.TEXT, "varchar(9)", length=9), "postgres", False),
    (Column("a", Kind.INTEGER, "INTEGER"), Column("a", Kind.INTEGER, "smallint"), "sqlite", True),
    (Column("a", Kind.ENUM, "e", enum_values=("x", "y")), Column("a", Kind.ENUM, "f", enum_values=("y",)),
     "mysql", False),
    (Column("a", Kind.ENUM, "e", enum_values=("x",)), Column("a", Kind.TEXT, "varchar(1)", length=1), "mysql", True),
    (Column("a", Kind.UUID, "uuid"), Column("a", Kind.TEXT, "varchar(32)", length=32), "postgres", False),
    (Column("a", Kind.INTEGER, "int unsigned", unsigned=True), Column("a", Kind.INTEGER, "integer"), "mysql", False),
    (Column("a", Kind.INTEGER, "int unsigned", unsigned=True), Column("a", Kind.INTEGER, "bigint"), "mysql", True),
    (Column("a", Kind.DECIMAL, "numeric"), Column("a", Kind.DECIMAL, "numeric(5,2)", precision=5, scale=2),
     "postgres", False),
    (Column("a", Kind.OTHER, "int4range"), Column("a", Kind.OTHER, "daterange"), "postgres", False),
])  # fmt: skip
def test_what_holds_what(ours, theirs, source, fits):
    schemas = [Schema(dialect, (Table("t", (column,)),)) for dialect, column in ((source, ours), ("postgres", theirs))]
    try:
        refuse_misfits(schemas[0], schemas[0], schemas[1], POSTGRES)
        held = True
    except TargetError:
        held = False
    assert held is fits


def test_a_truth_goes_into_a_small_integer_of_mysql():
    ours, theirs = Column("a", Kind.BOOLEAN, "boolean"), Column("a", Kind.INTEGER, "tinyint(4)")
    schemas = [Schema(dialect, (Table("t", (column,)),)) for dialect, column in (("postgres", ours), ("mysql", theirs))]
    refuse_misfits(schemas[0], schemas[0], schemas[1], MYSQL)


def test_a_key_of_two_columns_is_the_same_in_any_order():
    columns = tuple(Column(name, Kind.INTEGER, "integer") for name in "abxy")
    table = Table("t", columns, primary_key=("a", "b"))
    orders = (("x", "y"), ("a", "b")), (("y", "x"), ("b", "a"))
    keys = [ForeignKey("f", "t", names, "t", parents) for names, parents in orders]
    schemas = [Schema("postgres", (table,), (key,)) for key in keys]
    refuse_misfits(schemas[0], schemas[0], schemas[1], POSTGRES)


def _empty(statements: str) -> str:
    return statements.partition("INSERT")[0]
