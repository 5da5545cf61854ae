"""What of a schema crosses to another dialect: conditions, defaults, names."""

from __future__ import annotations

import subprocess
import sys

import pytest

from adapters.ddl import MYSQL, POSTGRES, SQLITE
from adapters.expressions import translate_default, translate_expression
from adapters.translation import translate
from adapters.urls import parse_address
from dbsynth.schema import Check, Column, ForeignKey, Index, Kind, Schema, Table, UniqueKey

KINDS = {
    "price": Kind.DECIMAL, "status": Kind.TEXT, "a": Kind.INTEGER, "b": Kind.INTEGER, "d": Kind.DATE,
    "ok": Kind.BOOLEAN, "at": Kind.TIMESTAMP, "odd name": Kind.INTEGER,
}  # fmt: skip
COLUMNS = {name: Column(name, kind, "x") for name, kind in KINDS.items()}


@pytest.mark.parametrize(("expression", "source", "expected"), [
    ("price >= 0::numeric AND a < b", "postgres", "`price` >= 0 AND `a` < `b`"),
    ("status::text = ANY (ARRAY['a'::character varying, 'b''c\\'::text]::text[])", "postgres",
     "`status` IN ('a', 'b''c\\\\')"),
    ("status <> ALL (ARRAY['x'::text])", "postgres", "`status` NOT IN ('x')"),
    ("d > '1900-01-01'::date", "postgres", "`d` > '1900-01-01'"),
    ("ok = true OR price IS NOT NULL", "postgres", "`ok` = TRUE OR `price` IS NOT NULL"),
    ("NOT (a > 3 AND b IS NULL)", "postgres", "NOT (`a` > 3 AND `b` IS NULL)"),
    ("[odd name] BETWEEN 1 AND 3 and A>0", "sqlite", "`odd name` BETWEEN 1 AND 3 AND `a` > 0"),
    ("A > 0", "postgres", None),
    ("price::integer > 1", "postgres", None),
    ("length(status) > 3", "sqlite", None),
    ("status > 'a'", "sqlite", None),
    ("status LIKE 'a%'", "sqlite", None),
    ("a / b = 1", "sqlite", None),
    ("ok IN (0, 1)", "sqlite", None),
    ("status = 1", "sqlite", None),
    ("at > '2020-01-01'", "sqlite", None),
    ("a > (SELECT 1)", "sqlite", None),
    ("1 = 1; DROP TABLE t", "sqlite", None),
])  # fmt: skip
def test_conditions_cross_only_where_they_mean_the_same(expression, source, expected):
    assert translate_expression(expression, source, MYSQL, COLUMNS) == expected


def test_conditions_of_mysql_cross():
    assert (
        translate_expression("`status` in (_utf8mb4'x',_utf8mb4'it''s')", "mysql", POSTGRES, COLUMNS)
        == "\"status\" IN ('x', 'it''s')"
    )
    assert translate_expression("`ok` = true", "mysql", SQLITE, COLUMNS) == '"ok" = 1'


@pytest.mark.parametrize(("default", "kind", "expected"), [
    ("'it''s'::character varying", Kind.TEXT, "('it''s')"),
    ("'a'::mood", Kind.ENUM, "'a'"),
    ("'-1'::integer", Kind.INTEGER, "-1"),
    ("1.5", Kind.DECIMAL, "1.5"),
    ("true", Kind.BOOLEAN, "TRUE"),
    ("now()", Kind.TIMESTAMP, "CURRENT_TIMESTAMP(6)"),
    ("CURRENT_DATE", Kind.DATE, "(CURRENT_DATE)"),
    ("gen_random_uuid()", Kind.UUID, None),
    ("(a + 1)", Kind.INTEGER, None),
    ("'a' || 'b'", Kind.TEXT, None),
])  # fmt: skip
def test_defaults_cross_where_they_are_literals_or_now(default, kind, expected):
    assert translate_default(default, "postgres", MYSQL, Column("c", kind, "x")) == expected


def test_names_that_collide_or_are_too_long_change():
    long = "n" * 70
    tables = tuple(
        Table(
            name, (Column("a", Kind.INTEGER, "int"),), unique_keys=(UniqueKey("same", ("a",)),),
            indexes=(Index(long, ("a",)), Index("t1", ("a",))), checks=(Check("bad", "f(a)"),),
        )
        for name in ("t1", "t2")
    )  # fmt: skip
    schema, losses = translate(Schema("sqlite", tables), POSTGRES)
    names = [key.name for t in schema.tables for key in (*t.unique_keys, *t.indexes)]
    assert len(set(names)) == len(names) == 6
    assert not {"t1", "t2"} & set(names)
    assert max(map(len, names)) <= 63
    assert losses == [f"CHECK 'bad' of table '{name}' is left out: f(a)" for name in ("t1", "t2")]


@pytest.mark.parametrize("url", [
    "postgresql://user:canary@host:5432/db",
    "postgresql://user:can%61ry@host/db",
    "postgresql://user:ca/n@r?y#@host/db",
    "postgresql://host/db?user=u&password=canary",
    "mysql+pymysql://user:canary@[::1]:3306/db?charset=utf8mb4&passwd=canary",
])  # fmt: skip
def test_an_address_shows_no_password(url):
    address = parse_address(url)
    assert address.password or "passwd" in url
    for text in (address.masked, repr(address), address.scrub(f"cannot use {url} with {address.password}")):
        assert not any(secret in text for secret in ("canary", "can%61ry", "ca/n@r?y#", "r?y#"))


def test_importing_the_adapters_loads_no_driver():
    code = "import sys, adapters; print([m for m in ('torch', 'psycopg', 'pymysql', 'sqlalchemy') if m in sys.modules])"
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
    )


def test_mysql_sets_no_null_where_none_may_stand():
    columns = (Column("id", Kind.INTEGER, "integer", nullable=False), Column("up", Kind.INTEGER, "integer"))
    table = Table("t", columns, primary_key=("id",))
    keys = tuple(
        ForeignKey(f"fk_{name}", "t", (name,), "t", ("id",), on_delete="SET NULL") for name in ("id", "up")
    )
    translated, losses = translate(Schema("postgres", (table,), keys), MYSQL)
    assert [key.on_delete for key in translated.foreign_keys] == [None, "SET NULL"]
    assert losses == ["foreign key 'fk_id' of table 't' loses its SET NULL"]


def test_a_collation_that_many_columns_have_is_lost_in_one_sentence():
    columns = tuple(Column(f"c{i}", Kind.TEXT, "text", collation="binary") for i in range(14))
    _, losses = translate(Schema("sqlite", (Table("t", columns),)), POSTGRES)
    (loss,) = losses
    assert loss.startswith("text is compared by the target's rules, not by binary: t.c0, t.c1, ")
    assert loss.endswith(" and 2 more")
