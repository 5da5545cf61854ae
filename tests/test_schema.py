"""Schemas: plain data and back, cycles opened, parents before children."""

from __future__ import annotations

import json

import networkx as nx
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbsynth.errors import SchemaError
from dbsynth.schema import Check, Column, ForeignKey, Index, Kind, NamedType, Schema, Table, UniqueKey, arrow_type


def table(name: str, *keys: str, nullable: bool = True) -> Table:
    columns = [Column("id", Kind.INTEGER, "int", nullable=False)]
    return Table(name, (*columns, *(Column(k, Kind.INTEGER, "int", nullable=nullable) for k in keys)), ("id",))


@st.composite
def schemas(draw: st.DrawFn) -> Schema:
    """Any graph of foreign keys, parallel ones, self references and cycles included."""
    names = [f"t{i}" for i in range(draw(st.integers(1, 6)))]
    pairs = draw(st.lists(st.tuples(st.sampled_from(names), st.sampled_from(names), st.booleans()), max_size=12))
    keys, columns = [], {name: [Column("id", Kind.INTEGER, "int", nullable=False)] for name in names}
    for i, (child, parent, nullable) in enumerate(pairs):
        columns[child].append(Column(f"k{i}", Kind.INTEGER, "int", nullable=nullable))
        keys.append(ForeignKey(f"f{i}", child, (f"k{i}",), parent, ("id",)))
    return Schema("sqlite", tuple(Table(n, tuple(columns[n]), ("id",)) for n in names), tuple(keys))


@given(schemas())
def test_without_the_opened_keys_there_is_no_cycle(schema: Schema) -> None:
    """And parents come before their children; every table comes once."""
    opened = set(schema.opened())
    graph = nx.DiGraph((k.parent, k.child) for k in schema.foreign_keys if k not in opened)
    assert nx.is_directed_acyclic_graph(graph)
    order = schema.parents_first()
    assert sorted(order) == sorted(schema.table_names)
    assert all(order.index(k.parent) < order.index(k.child) for k in schema.foreign_keys if k not in opened)


@given(schemas())
def test_nothing_is_opened_without_need(schema: Schema) -> None:
    """Only self references and keys that lie on a cycle are; a graph without cycles stays whole."""
    graph = nx.DiGraph((k.parent, k.child) for k in schema.foreign_keys)
    together = {n: i for i, part in enumerate(nx.strongly_connected_components(graph)) for n in part}
    opened = schema.opened()
    assert all(together[k.parent] == together[k.child] for k in opened)
    assert {k for k in schema.foreign_keys if k.is_self_reference} <= set(opened)
    assert schema.opened() == opened


def test_a_nullable_key_is_opened_before_one_that_is_not() -> None:
    """It can be filled after all rows stand."""
    a, b = table("a", "b_id", nullable=False), table("b", "a_id")
    keys = (ForeignKey("ab", "a", ("b_id",), "b", ("id",)), ForeignKey("ba", "b", ("a_id",), "a", ("id",)))
    assert [k.name for k in Schema("sqlite", (a, b), keys).opened()] == ["ba"]


def rich() -> Schema:
    order = Table(
        "s.order",
        (
            Column("id", Kind.INTEGER, "bigint", nullable=False, identity=True, identity_always=True),
            Column("state", Kind.ENUM, "state", enum_values=("new", "done"), default="'new'"),
            Column("total", Kind.DECIMAL, "numeric(9,2)", precision=9, scale=2, comment="in €", collation="C"),
        ),
        ("id",), (UniqueKey("u", ("state", "total")),), (Check("c", "total > 0", domain="positive"),),
        (Index("i", ("total",), definition='CREATE INDEX i ON s."order" USING btree (lower(a), b)'),),
        namespace="s", comment="orders", options=("STRICT",),
    )  # fmt: skip
    return Schema("postgres", (order,), (ForeignKey("f", "s.order", ("id",), "s.order", ("id",), on_delete="CASCADE"),),
                  (NamedType("state", "CREATE TYPE state AS ENUM ('new', 'done')"),))  # fmt: skip


@given(schemas())
def test_to_json_and_back(schema: Schema) -> None:
    """Equal, with the same fingerprint."""
    for one in (schema, rich()):
        again = Schema.from_json(json.loads(json.dumps(one.to_json())))
        assert again == one
        assert again.fingerprint == one.fingerprint


@pytest.mark.parametrize("statement", [
    "DROP TABLE b", "COPY a FROM PROGRAM 'x'", " CREATE FUNCTION f()", "CREATE SCHEMA s GRANT ALL ON b TO PUBLIC",
    "ALTER TABLE b ADD CONSTRAINT c EXCLUDE USING gist (a WITH &&)", "CREATE INDEX i ON b (a)",
    "ALTER TABLE s.\"order\" ALTER a SET DEFAULT 1, ADD CONSTRAINT c EXCLUDE USING gist (a WITH &&)",
    "ALTER TABLE s.\"order\" ADD CONSTRAINT c EXCLUDE USING gist (a WITH &&), DROP COLUMN b",
    "CREATE INDEX i ON s.\"order\" (a); DROP TABLE b", "CREATE TYPE t AS ENUM ('a'); DROP TABLE b",
])  # fmt: skip
def test_what_defines_an_index_or_a_type_does_nothing_else(statement: str) -> None:
    """Whoever wrote the JSON."""
    data = rich().to_json()
    for schema in (
        data | {"types": [{"name": "t", "definition": statement}]},
        data | {"tables": [data["tables"][0] | {"indexes": [
            {"name": "i", "columns": [], "unique": False, "definition": statement, "excludes": False}]}],
            "foreign_keys": []},
    ):  # fmt: skip
        with pytest.raises(SchemaError, match=r"defines no (type|index)"):
            Schema.from_json(schema)


def test_the_fingerprint_tells_schemas_apart() -> None:
    """A column more, another dialect."""
    one = Schema("sqlite", (table("a"),))
    assert len({one.fingerprint, Schema("mysql", (table("a"),)).fingerprint,
                Schema("sqlite", (table("a", "b"),)).fingerprint}) == 3  # fmt: skip


def test_restrict_drops_keys_to_what_is_not_there() -> None:
    """And keeps those among the tables that stay."""
    tables = (table("a"), table("b", "a_id"), table("c", "b_id"))
    keys = (ForeignKey("ba", "b", ("a_id",), "a", ("id",)), ForeignKey("cb", "c", ("b_id",), "b", ("id",)))
    schema = Schema("sqlite", tables, keys).restrict(["c", "b"])
    assert schema.table_names == ("b", "c")
    assert [k.name for k in schema.foreign_keys] == ["cb"]
    assert schema.foreign_keys_of("c") == schema.foreign_keys_to("b") == (keys[1],)


@pytest.mark.parametrize(
    ("tables", "key", "message"),
    [
        ((table("a"), table("a")), None, "two tables share the name 'a'"),
        ((table("a", "x"),), ForeignKey("f", "a", ("x",), "gone", ("id",)), "'f'.*'gone', which is not there"),
        ((table("a"),), ForeignKey("f", "a", ("x",), "a", ("id",)), "'f' names column 'x'"),
    ],
)
def test_a_schema_that_cannot_be(tables: tuple, key: ForeignKey | None, message: str) -> None:
    """It says which name is wrong."""
    with pytest.raises(SchemaError, match=message):
        Schema("sqlite", tables, (key,) if key else ())


def test_names() -> None:
    """Inside a namespace, and of columns."""
    order = rich().table("s.order")
    assert order.local_name == "order"
    assert order.column("total").scale == 2
    with pytest.raises(KeyError, match="no column 'x'"):
        order.column("x")


@pytest.mark.parametrize("kind", Kind)
def test_every_kind_has_an_arrow_type(kind: Kind) -> None:
    """Decimals of open or great precision cross as text."""
    assert isinstance(arrow_type(Column("c", kind, "")), pa.DataType)
    assert arrow_type(Column("c", Kind.DECIMAL, "", precision=38, scale=9)) == pa.decimal128(38, 9)
    assert arrow_type(Column("c", Kind.DECIMAL, "", precision=39)) == pa.string()
