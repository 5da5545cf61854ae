"""What the user decides about columns: carried out where it can be, refused in one line where it cannot."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbsynth import jobs
from dbsynth.columns.faked import draw_faked, known_providers, own_word
from dbsynth.columns.patterns import positions_of, read_pattern
from dbsynth.config import Settings, load_settings
from dbsynth.decisions import constant
from dbsynth.errors import ConfigError, SchemaError
from dbsynth.plan import Fate, Plan, make_plan
from dbsynth.relations import with_virtual_keys
from dbsynth.schema import Column, ForeignKey, Kind, Schema, Table, UniqueKey, arrow_type

N = 60
QUICK = {"iterations": 2, "n_clusters": 2, "layers": (8, 8), "batch_size": 64}
SCRIPT = """
CREATE TABLE country (code CHAR(2) PRIMARY KEY, name TEXT NOT NULL, story TEXT);
CREATE TABLE customer (
    id INTEGER PRIMARY KEY, number VARCHAR(10) NOT NULL UNIQUE, email TEXT, segment TEXT, salary INTEGER NOT NULL,
    vip BOOLEAN NOT NULL, since DATE, remark TEXT, country CHAR(2) NOT NULL REFERENCES country (code)
);
CREATE TABLE visit (id INTEGER PRIMARY KEY, customer_number TEXT NOT NULL, minutes INTEGER);
"""


@pytest.fixture
def source(tmp_path: Path) -> str:
    """A small SQLite database with something of everything."""
    path = tmp_path / "source.db"
    with closing(sqlite3.connect(path)) as database, database:
        database.executescript(SCRIPT)
        story = "A long story about a country that goes on and on, and names people who live there."
        database.executemany("INSERT INTO country VALUES (?, ?, ?)", [("IT", "Italy", story), ("DE", "Germany", None)])
        for i in range(N):
            database.execute(
                "INSERT INTO customer VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (i, f"C-{i:04}", f"a{i}@b.com", "rare" if i < 3 else "ABC"[i % 3], 999_999 if i == 7 else 1000 + i % 4,
                 i % 2, f"2020-01-{1 + i % 28:02}", None if i % 3 else f"remark {i}", "IT" if i % 2 else "DE"),
            )  # fmt: skip
        rows = [(i, f"C-{i % N:04}", i % 50) for i in range(5 * N)]
        database.executemany("INSERT INTO visit VALUES (?, ?, ?)", rows)
    return f"sqlite:///{path}"


@pytest.fixture
def clone(source: str, tmp_path: Path):
    """`clone(toml, **settings)` clones the source under a settings file; a function that runs SQL on the clone."""

    def run(toml: str = "", **settings):
        (tmp_path / "settings.toml").write_text(toml)
        chosen = load_settings(tmp_path / "settings.toml", **{**QUICK, **settings})
        jobs.clone(source, f"sqlite:///{tmp_path / 'clone.db'}", chosen, replace=True, evaluate=False)

        def query(statement: str) -> list[tuple]:
            with closing(sqlite3.connect(tmp_path / "clone.db")) as database:
                return database.execute(statement).fetchall()

        return query

    return run


def test_every_decision_is_carried_out(clone) -> None:
    """A pattern, a provider of each kind, a constant, null, kept values."""
    query = clone("""
        [tables.customer.columns]
        number = { pattern = "ZZ-###-??" }
        email = { provider = "job" }
        segment = "kept"
        vip = { value = true }
        since = "null"
        remark = { provider = "safe_email" }
    """)
    rows = query("SELECT number, email, vip, since, remark FROM customer")
    assert all(row[0][:3] == "ZZ-" and row[0][3:6].isdigit() and row[0][7:].isalpha() for row in rows)
    assert len({row[0] for row in rows}) == N
    assert not any("@" in (row[1] or "") for row in rows)
    assert {row[2:4] for row in rows} == {(1, None)}
    assert {row[4].partition("@")[2] for row in rows if row[4]} <= {"example.org", "example.com", "example.net"}
    assert dict(query("SELECT segment, count(*) FROM customer GROUP BY 1")) == {"A": 19, "B": 19, "C": 19, "rare": 3}


def test_rare_values_do_not_come_through_unless_told_to(clone) -> None:
    """Neither a category that three rows hold nor the one great salary."""
    query = clone()
    assert {row[0] for row in query("SELECT segment FROM customer")} <= {"A", "B", "C"}
    assert {row[0] for row in query("SELECT salary FROM customer")} <= {1000, 1001, 1002, 1003}
    query = clone("tables.customer.columns.segment = { rare = 1 }", iterations=60)
    assert {row[0] for row in query("SELECT salary FROM customer")} <= {1000, 1001, 1002, 1003}


def test_a_kept_lookup_table_keeps_no_column_of_unknown_content(clone) -> None:
    """Long texts are invented, null where they were; what the user says goes first."""
    query = clone()
    assert query("SELECT code, name FROM country ORDER BY 1") == [("DE", "Germany"), ("IT", "Italy")]
    stories = dict(query("SELECT code, story FROM country"))
    assert stories["DE"] is None
    assert "A long story" not in stories["IT"]
    query = clone('[tables.country.columns]\nstory = "kept"\nname = { pattern = "???" }')
    assert "A long story" in dict(query("SELECT code, story FROM country"))["IT"]
    assert all(len(name) == 3 for (name,) in query("SELECT name FROM country"))
    assert clone("[tables.country]\nfate = 'modelled'")("SELECT count(*) FROM country") == [(2,)]


def test_relations_that_are_not_declared(clone) -> None:
    """Children find their parents; the target is told of no constraint."""
    query = clone(virtual_fk=("visit.customer_number=customer.number",))
    found = query("SELECT count(*) FROM visit v JOIN customer c ON c.number = v.customer_number")
    assert found == query("SELECT count(*) FROM visit")
    assert "REFERENCES" not in query("SELECT sql FROM sqlite_master WHERE name = 'visit'")[0][0].upper()


def test_decisions_survive_the_bundle(source: str, tmp_path: Path) -> None:
    """And a kept column that must be unique has no more values than there are."""
    columns = {"number": {"fate": "kept"}, "vip": {"value": True}, "segment": {"fate": "kept"}}
    settings = Settings(tables={"customer": {"columns": columns}}, **QUICK)
    jobs.fit(source, tmp_path / "b", settings)
    jobs.generate(tmp_path / "b", f"sqlite:///{tmp_path / 'half.db'}", scale=0.5)
    with closing(sqlite3.connect(tmp_path / "half.db")) as database:
        rows = database.execute("SELECT number, vip FROM customer").fetchall()
    assert {number for number, _ in rows} < {f"C-{i:04}" for i in range(N)}
    assert {vip for _, vip in rows} == {1}
    with pytest.raises(SchemaError, match="'number' of table 'customer' is kept and unique"):
        jobs.generate(tmp_path / "b", f"sqlite:///{tmp_path / 'twice.db'}", scale=2)


# ------------------------------------------------------------------------------------------------- what is refused

COLUMNS = {
    "id": Column("id", Kind.INTEGER, "int", nullable=False),
    "number": Column("number", Kind.TEXT, "varchar(8)", nullable=False, length=8),
    "name": Column("name", Kind.TEXT, "text"),
    "amount": Column("amount", Kind.INTEGER, "int", nullable=False),
    "shop_id": Column("shop_id", Kind.INTEGER, "int"),
    "state": Column("state", Kind.ENUM, "state", enum_values=("new", "old")),
    "day": Column("day", Kind.DATE, "date"),
    "extra": Column("extra", Kind.JSON, "json"),
    "twice": Column("twice", Kind.INTEGER, "int", generated="2 * amount"),
}
VALUES = {
    "id": range(N), "number": [f"N{i}" for i in range(N)], "name": [f"Ann {i}" for i in range(N)],
    "amount": range(N), "shop_id": [0] * N, "state": ["new"] * N, "day": [None] * N, "extra": ["{}"] * N,
}  # fmt: skip


def world() -> tuple[Schema, dict[str, pa.Table]]:
    sale = Table("sale", tuple(COLUMNS.values()), ("id",), (UniqueKey("u", ("number",)),))
    shop = Table("shop", (COLUMNS["id"], COLUMNS["name"]), ("id",))
    rows = {name: pa.array(values, arrow_type(COLUMNS[name])) for name, values in VALUES.items()}
    tables = {"sale": pa.table(rows), "shop": pa.table({"id": [0], "name": ["north"]})}
    return Schema("sqlite", (sale, shop), (ForeignKey("f", "sale", ("shop_id",), "shop", ("id",)),)), tables


def plan(columns: dict, **settings) -> Plan:
    schema, tables = world()
    given = Settings(tables={"sale": {"columns": columns}}, no_keep=True, **settings)
    return make_plan(schema, tables.__getitem__, {name: rows.num_rows for name, rows in tables.items()}, given)


@pytest.mark.parametrize(
    ("column", "decision", "message"),
    [
        ("amount", "null", "'amount' of table 'sale' cannot be null: it is NOT NULL; choose fabricated, or a constant"),
        ("number", {"value": "x"}, "must be unique; choose fabricated"),
        ("number", "modelled", "must be unique, and modelled values repeat"),
        ("name", "modelled", "no value is held by 5 rows or more; set rare = 1"),
        ("extra", "modelled", "values of type json are not modelled"),
        ("id", "null", "part of the primary key"),
        ("id", "kept", "part of the primary key, which is invented anew; keep the whole table"),
        ("shop_id", "null", "it refers to shop.id and follows what becomes of that"),
        ("twice", "null", "the server computes it"),
        ("amount", {"value": "many"}, "'many' is no value of its type int"),
        ("state", {"value": "odd"}, "did you mean 'old'\\? Expected one of new, old"),
        ("number", {"value": "123456789"}, "must be unique"),
        ("name", {"provider": "jbo"}, "no provider 'jbo' .*did you mean 'job'"),
        ("day", {"provider": "email"}, "writes text, and its type is date"),
        ("number", {"pattern": "########-##"}, "longer than the 8 characters"),
        ("amount", {"pattern": "A##"}, "whole numbers, and the pattern 'A##' has more than digits"),
        ("state", {"pattern": "##"}, "a pattern writes text or whole numbers"),
    ],
)
def test_what_cannot_be_is_refused(column: str, decision: object, message: str) -> None:
    """With what is in the way, and mostly the way out."""
    with pytest.raises(ConfigError, match=message):
        plan({column: decision})


def test_all_mistakes_are_said_at_once() -> None:
    """Names that are not there with the nearest that is, and the rest beside them."""
    with pytest.raises(ConfigError) as caught:
        plan({"amont": "null", "amount": "null", "id": "kept"}, keep=("shp",))
    for part in ("did you mean 'shop'", "no column 'amont'.*did you mean 'amount'", "cannot be null", "cannot be kept"):
        assert caught.match(part)


def test_a_unique_column_is_kept_at_no_larger_scale() -> None:
    """There are no more real values than there are."""
    plan({"number": "kept"})
    with pytest.raises(ConfigError, match="a scale of 2 asks for more values than there are"):
        plan({"number": "kept"}, scale=2)


def test_the_plan_says_loudly_where_real_values_come_through() -> None:
    """Kept columns, personal ones that are modelled, rare values."""
    found = plan({"number": "kept", "name": {"fate": "modelled", "rare": 1}})
    assert next(c for c in found.columns if c.column == "number").fate is Fate.KEPT
    assert any("sale.number is kept" in line for line in found.real_values)
    assert any("sale.name: values of fewer than 5 rows come through" in line for line in found.real_values)
    assert plan({}).real_values == ()
    assert any(line.startswith("rare = 1") for line in plan({}, rare=1).real_values)


# ---------------------------------------------------------------------------------------------------------- pieces


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ("sale.number", "expected child.column=parent.column"),
        ("sale.numbr=shop.name", "no column 'numbr'.*did you mean 'number'"),
        ("sal.number=shop.name", "no table 'sal'.*did you mean 'sale'"),
        ("sale.number,name=shop.name", "2 columns on the left, 1 on the right"),
        ("sale.shop_id=shop.id", "declares it already"),
        ("shop.id=sale.amount,twice", "1 columns on the left|computes"),
        ("shop.name=sale.twice", "the server computes sale.twice"),
        ("shop.name=sale.state", "share values of \\(state\\)"),
    ],
)
def test_relations_that_cannot_be(wanted: str, message: str) -> None:
    """Each with the nearest name or the way out."""
    schema, tables = world()
    with pytest.raises(ConfigError, match=message):
        with_virtual_keys(schema, tables.__getitem__, Settings(virtual_fk=(wanted,)))


def test_names_of_any_characters_are_found_in_a_relation() -> None:
    """Dots, commas and equals signs are part of names where the schema has such."""
    a = Table("a.b", (Column("x=y", Kind.INTEGER, "int"), Column("p,q", Kind.INTEGER, "int")), ())
    b = Table("b", (Column("id", Kind.INTEGER, "int"),), ("id",))
    rows = {"a.b": pa.table({"x=y": [1], "p,q": [1]}), "b": pa.table({"id": [1]})}
    for name in ("x=y", "p,q"):
        found = with_virtual_keys(
            Schema("sqlite", (a, b)), rows.__getitem__, Settings(virtual_fk=(f"a.b.{name}=b.id",))
        )
        assert found.foreign_keys[0].columns == (name,)
        assert found.declared == Schema("sqlite", (a, b))


@given(st.text(max_size=20))
def test_any_text_is_a_pattern(text: str) -> None:
    """Every position has an alphabet; without wild characters it spells itself."""
    positions = positions_of(read_pattern(text))
    assert all(positions)
    if not set(text) & set("#?*\\"):
        assert "".join(positions) == text


def test_providers() -> None:
    """Ours go before Faker's; nothing of Faker's reaches a real domain."""
    assert own_word("ascii_email") == "email"
    assert own_word("job") is None
    assert {"job", "email", "license_plate"} <= set(known_providers())
    rng = np.random.default_rng(0)
    for provider in ("domain_name", "hostname", "image_url"):
        texts = draw_faked({"provider": provider, "language": "en_US"}, 20, rng, None, 0).to_pylist()
        assert all("example.org" in text for text in texts)


@pytest.mark.parametrize(
    ("kind", "value", "found"),
    [(Kind.INTEGER, 3, 3), (Kind.BOOLEAN, True, True), (Kind.TEXT, 5, "5"), (Kind.BINARY, "x", b"x")],
)
def test_constants(kind: Kind, value: object, found: object) -> None:
    """In the column's type."""
    assert constant(Column("c", kind, "t"), value).as_py() == found
