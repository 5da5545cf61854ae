"""Two databases are compared in what both have; the rest is named."""

from __future__ import annotations

import pytest

from dbsynth.errors import ConfigError, SchemaError
from dbsynth.quality.common import common_schema, readable
from dbsynth.schema import Column, ForeignKey, Kind, Schema, Table


def table(name: str, **kinds: Kind) -> Table:
    columns = (Column("id", Kind.INTEGER, "integer"), *(Column(c, kind, kind.value) for c, kind in kinds.items()))
    return Table(name, columns, ("id",))


def key(child: str, column: str, parent: str) -> ForeignKey:
    return ForeignKey(f"{child}_{column}", child, (column,), parent, ("id",))


PARENT = table("parent", x=Kind.FLOAT, y=Kind.TEXT)
CHILD = table("child", parent_id=Kind.INTEGER, z=Kind.DATE)
REAL = Schema("postgres", (PARENT, CHILD), (key("child", "parent_id", "parent"),))


def test_a_schema_has_all_in_common_with_itself() -> None:
    assert common_schema(REAL, REAL) == (REAL, ())


def test_tables_and_columns_of_one_side_are_left_out_and_named() -> None:
    other = Schema("sqlite", (table("parent", x=Kind.FLOAT, new=Kind.TEXT), table("more")))
    schema, notes = common_schema(REAL, other)
    assert schema.table_names == ("parent",)
    assert schema.table("parent").column_names == ("id", "x")
    assert schema.foreign_keys == ()
    assert set(notes) == {
        "table child is only in the real database",
        "table more is only in the synthetic database",
        "column parent.y is only in the real database",
        "column parent.new is only in the synthetic database",
    }


def test_kinds_that_differ_are_read_as_the_real_one() -> None:
    other = Schema("sqlite", (table("parent", x=Kind.TEXT, y=Kind.TEXT), CHILD), REAL.foreign_keys)
    schema, notes = common_schema(REAL, other)
    assert schema.table("parent").column("x").kind is Kind.FLOAT
    assert notes == ("column parent.x is float and text: both are read as float",)


def test_a_foreign_key_without_its_column_is_not_compared() -> None:
    other = Schema("sqlite", (PARENT, table("child", z=Kind.DATE)))
    schema, notes = common_schema(REAL, other)
    assert schema.foreign_keys == ()
    assert "foreign key child(parent_id) is not compared: a column of it is missing" in notes


def test_the_keys_of_the_real_database_count_where_the_other_declares_none() -> None:
    assert common_schema(REAL, Schema("sqlite", (PARENT, CHILD)))[0].foreign_keys == REAL.foreign_keys


def test_columns_that_a_server_computes_are_not_compared() -> None:
    computed = Table("parent", (*PARENT.columns[:2], Column("y", Kind.TEXT, "text", generated="x")), ("id",))
    schema, notes = common_schema(REAL, Schema("sqlite", (computed, CHILD)))
    assert schema.table("parent").column_names == ("id", "x")
    assert notes == ()


def test_chosen_tables_only() -> None:
    schema, notes = common_schema(REAL, REAL, ["child"])
    assert (schema.table_names, schema.foreign_keys, notes) == (("child",), (), ())
    with pytest.raises(ConfigError, match=r"'sibling'.*parent, child"):
        common_schema(REAL, REAL, ["sibling"])


def test_nothing_in_common_is_an_error_that_names_both_sides() -> None:
    with pytest.raises(SchemaError, match=r"parent, child.*other"):
        common_schema(REAL, Schema("sqlite", (table("other"),)))


def test_what_is_read_of_the_other_side_has_its_own_types() -> None:
    other = Schema("sqlite", (table("parent", y=Kind.TEXT, new=Kind.TEXT, x=Kind.TEXT),))
    own = readable(other, common_schema(REAL, other)[0])
    assert [(c.name, c.kind) for c in own.table("parent").columns] == [
        ("id", Kind.INTEGER), ("x", Kind.TEXT), ("y", Kind.TEXT)
    ]  # fmt: skip
