"""The plan: what becomes of typical columns and tables, each with its reason."""

from __future__ import annotations

import json
from datetime import date, datetime

import pyarrow as pa
import pytest

from dbsynth.config import Settings
from dbsynth.errors import ConfigError
from dbsynth.plan import Fate, Plan, make_plan
from dbsynth.schema import Column, ForeignKey, Kind, Schema, Table, UniqueKey, arrow_type

N = 200
WORDS = ["red", "green", "blue", "grey"]
COLUMNS: list[tuple[Column, list, Fate, str]] = [
    (Column("id", Kind.INTEGER, "int", nullable=False), list(range(N)), Fate.KEY, "primary key"),
    (Column("shop_id", Kind.INTEGER, "int"), [i % 4 for i in range(N)], Fate.KEY, "refers to shop"),
    (Column("email", Kind.TEXT, "text"), [f"a{i}@b.com" for i in range(N)], Fate.FABRICATED, "personal"),
    (Column("last_name", Kind.TEXT, "text"), ["Smith", "Jones"] * (N // 2), Fate.FABRICATED, "personal"),
    (Column("amount", Kind.DECIMAL, "numeric(9,2)", precision=9, scale=2), [1] * N, Fate.MODELLED, "a number"),
    (Column("weight", Kind.FLOAT, "float"), [i / 7 for i in range(N)], Fate.MODELLED, "a number"),
    (Column("day", Kind.DATE, "date"), [date(2020, 1, 1 + i % 28) for i in range(N)], Fate.MODELLED, "a time"),
    (Column("at", Kind.TIMESTAMP, "timestamp"), [datetime(2020, 1, 1)] * N, Fate.MODELLED, "a time"),
    (Column("done", Kind.BOOLEAN, "boolean"), [True, False] * (N // 2), Fate.MODELLED, "boolean"),
    (Column("colour", Kind.TEXT, "text"), [WORDS[i % 4] for i in range(N)], Fate.MODELLED, "text with 4 values"),
    (Column("remark", Kind.TEXT, "text"), [f"some words {i}" for i in range(N)], Fate.FABRICATED, "200 values"),
    (Column("nothing", Kind.TEXT, "text"), [None] * N, Fate.NULL, "null in every row"),
    (Column("code", Kind.TEXT, "text"), [f"X-{i:04}" for i in range(N)], Fate.FABRICATED, "unique"),
    (Column("blob", Kind.BINARY, "bytea"), [b"x"] * N, Fate.FABRICATED, "binary"),
    (Column("extra", Kind.JSON, "json"), ["{}"] * N, Fate.FABRICATED, "json"),
    (Column("token", Kind.UUID, "uuid"), [None, *(f"{i:032}" for i in range(1, N))], Fate.FABRICATED, "uuid"),
    (Column("sum", Kind.INTEGER, "int", generated="id + 1"), list(range(N)), Fate.GENERATED, "the server computes it"),
    (Column("state", Kind.ENUM, "state", enum_values=("a",)), ["a"] * N, Fate.MODELLED, "enum"),
]
SHOPS = {"id": [0, 1, 2, 3], "label": ["north", "east", "south", "west"]}
KEY = ForeignKey("f", "sale", ("shop_id",), "shop", ("id",))


def world() -> tuple[Schema, dict[str, pa.Table]]:
    sale = Table("sale", tuple(c for c, *_ in COLUMNS), ("id",), (UniqueKey("u", ("code",)),))
    shop = Table("shop", (Column("id", Kind.INTEGER, "int"), Column("label", Kind.TEXT, "text")), ("id",))
    rows = pa.table({c.name: pa.array(v, arrow_type(c)) for c, v, *_ in COLUMNS})
    return Schema("sqlite", (sale, shop), (KEY,)), {"sale": rows, "shop": pa.table(SHOPS)}


def plan(schema: Schema, tables: dict[str, pa.Table], **settings) -> Plan:
    return make_plan(schema, tables.__getitem__, {n: t.num_rows for n, t in tables.items()}, Settings(**settings))


@pytest.mark.parametrize(("column", "values", "fate", "why"), COLUMNS, ids=[c.name for c, *_ in COLUMNS])
def test_fates(column: Column, values: list, fate: Fate, why: str) -> None:
    """And their reasons."""
    found = next(c for c in plan(*world()).columns if (c.table, c.column) == ("sale", column.name))
    assert found.fate is fate
    assert why in found.why


def test_a_small_lookup_table_is_kept() -> None:
    """Unless it is not to be, is about people, or is as large as its children."""
    schema, tables = world()
    assert list(plan(schema, tables).kept) == ["shop"]
    assert plan(schema, tables, no_keep=True).kept == {}
    assert plan(schema, {**tables, "sale": tables["sale"].slice(0, 10)}).kept == {}
    people = pa.table({"id": SHOPS["id"], "label": ["Ann Smith", "Bob Jones", "Cy Young", "Di Ross"]})
    shop = Table("customer", (Column("id", Kind.INTEGER, "int"), Column("full_name", Kind.TEXT, "text")), ("id",))
    other = Schema("sqlite", (schema.tables[0], shop), (ForeignKey("f", "sale", ("shop_id",), "customer", ("id",)),))
    rows = {"sale": tables["sale"], "customer": people.rename_columns(["id", "full_name"])}
    assert plan(other, rows).kept == {}


@pytest.mark.parametrize(
    ("column", "kept"),
    [
        (Column("phone", Kind.INTEGER, "bigint"), False),
        (Column("loud", Kind.TEXT, "text", generated="upper(label)"), True),
    ],
    ids=["a phone that is a number", "a column that the server computes"],
)
def test_every_column_of_a_lookup_table_counts(column: Column, kept: bool) -> None:
    """Personal data that is no text, and columns of which no value was read."""
    schema, tables = world()
    shop = Table("shop", (*schema.tables[1].columns, column), ("id",))
    if column.generated is None:
        tables["shop"] = tables["shop"].append_column(column.name, [[4_915_112_345_600 + i for i in range(4)]])
    found = plan(Schema("sqlite", (schema.tables[0], shop), schema.foreign_keys), tables)
    assert ("shop" in found.kept) is kept


def test_what_the_user_keeps_is_kept() -> None:
    """With everything it refers to; a table that is not there is an error."""
    schema, tables = world()
    kept = plan(schema, tables, keep=("sale",))
    assert kept.kept["sale"] == "you said so"
    assert {c.fate for c in kept.columns if c.column != "sum"} == {Fate.KEPT}
    with pytest.raises(ConfigError, match="refer to 'shop', which is not; add --keep shop"):
        plan(schema, tables, keep=("sale",), no_keep=True)
    with pytest.raises(ConfigError, match="keep names table 'gone'; the tables are sale, shop"):
        plan(schema, tables, keep=("gone",))


def test_obstacles_and_notes() -> None:
    """A database without tables; empty tables, cycles and missing keys."""
    assert "no tables" in plan(Schema("sqlite", ()), {}).obstacles[0]
    node = Table("node", (Column("id", Kind.INTEGER, "int"), Column("up", Kind.INTEGER, "int")))
    own = Schema("sqlite", (node,), (ForeignKey("f", "node", ("up",), "node", ("id",)),))
    found = plan(own, {"node": pa.table({"id": pa.array([], pa.int64()), "up": pa.array([], pa.int64())})})
    assert found.obstacles == ()
    for words in ("node is empty", "refers to its own table", "node has no primary key"):
        assert any(words in note for note in found.notes)


def test_plain_data() -> None:
    """For a script to read, every column in it."""
    data = json.loads(json.dumps(plan(*world()).to_json()))
    assert len(data["columns"]) == len(COLUMNS) + 2
    assert data["tables"][1] == {"name": "shop", "rows": 4, "kept": plan(*world()).kept["shop"]}


def test_columns_by_fate() -> None:
    """In the table's order."""
    names = [c.name for c in plan(*world()).of("sale", Fate.KEY)]
    assert names == ["id", "shop_id"]
