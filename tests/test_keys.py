"""Keys as row numbers, and row numbers as keys again."""

from __future__ import annotations

import uuid
from datetime import date
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbsynth.errors import SchemaError
from dbsynth.keys import DANGLING, NO_PARENT, key_values, parent_rows, use_keys
from dbsynth.schema import Column, ForeignKey, Kind, Schema, Table

ONE = ForeignKey("f", "c", ("x",), "p", ("id",))
TWO = ForeignKey("f", "c", ("x", "y"), "p", ("a", "b"))


@given(
    st.lists(st.tuples(st.integers(0, 3), st.sampled_from("abc")), unique=True, max_size=8),
    st.lists(st.tuples(st.none() | st.integers(0, 3), st.none() | st.sampled_from("abc")), max_size=20),
)
def test_composite_keys_find_their_parents(parents: list[tuple], children: list[tuple]) -> None:
    """Null in any column is no parent, a key that nobody has is dangling; the values come back from the row numbers."""
    types = (pa.int64(), pa.string())
    parent = pa.table({name: pa.array([p[i] for p in parents], types[i]) for i, name in enumerate("ab")})
    child = pa.table({name: pa.array([c[i] for c in children], types[i]) for i, name in enumerate("xy")})
    rows = parent_rows(child, parent, TWO)
    expected = [NO_PARENT if None in c else parents.index(c) if c in parents else DANGLING for c in children]
    assert rows.tolist() == expected
    back = key_values({"a": parent["a"].combine_chunks(), "b": parent["b"].combine_chunks()}, rows, TWO)
    for i, row in enumerate(rows):
        assert (back["x"][i].as_py(), back["y"][i].as_py()) == (children[i] if row >= 0 else (None, None))


@pytest.mark.parametrize(
    ("of_parent", "of_child"),
    [
        ([1, 2, 3], [3, 1, 2]),
        (["a", "B", "ß"], ["ß", "a", "B"]),
        ([uuid.UUID(int=i).hex for i in (1, 2, 3)], [uuid.UUID(int=i).hex for i in (3, 1, 2)]),
        ([Decimal("1.00"), Decimal("2.50"), Decimal("3.00")], [Decimal("3.0"), Decimal("1.0"), Decimal("2.5")]),
        ([Decimal("1"), Decimal("2"), Decimal("3")], [3, 1, 2]),
        ([1, 2, 3], [3.0, 1.0, 2.0]),
        (["1", "2", "3"], [3, 1, 2]),
        ([date(2020, 1, i) for i in (1, 2, 3)], [date(2020, 1, i) for i in (3, 1, 2)]),
        ([b"\0", b"\1", b""], [b"", b"\0", b"\1"]),
        ([True, False, None], [None, True, False]),
        ([1, 0, None], [None, True, False]),
    ],
)
def test_keys_of_any_type(of_parent: list, of_child: list) -> None:
    """Both ends may be of different types, as servers allow."""
    rows = parent_rows(pa.table({"x": of_child}), pa.table({"id": of_parent}), ONE)
    assert rows.tolist() == ([NO_PARENT, 0, 1] if None in of_parent else [2, 0, 1])


def test_dictionaries_chunks_and_views() -> None:
    """However Arrow keeps them."""
    parent = pa.table({"id": pa.chunked_array([["a"], [], ["b", "c"]], pa.string())})
    chunks = [pa.array(["c", None]).dictionary_encode(), pa.array(["q"]).dictionary_encode()]
    child = pa.table({"x": pa.chunked_array(chunks)})
    assert parent_rows(child, parent, ONE).tolist() == [2, NO_PARENT, DANGLING]


def test_no_parents_and_no_children() -> None:
    """Every whole key dangles; no key, no row."""
    some, none = pa.table({"x": [1, None]}), pa.table({"id": pa.array([], pa.int64())})
    assert parent_rows(some, none, ONE).tolist() == [DANGLING, NO_PARENT]
    assert parent_rows(none.rename_columns(["x"]), some.rename_columns(["id"]), ONE).tolist() == []
    nulls = pa.table({"x": pa.nulls(2)})
    assert parent_rows(nulls, pa.table({"id": [1]}), ONE).tolist() == [NO_PARENT, NO_PARENT]


def schema_of(*keys: ForeignKey, nullable: bool = True) -> Schema:
    def table(name: str) -> Table:
        names = {c for k in keys for c in (k.columns if k.child == name else ())}
        names |= {c for k in keys for c in (k.parent_columns if k.parent == name else ())}
        return Table(name, tuple(Column(n, Kind.INTEGER, "int", nullable=nullable) for n in sorted(names | {"id"})))

    return Schema("sqlite", tuple(table(n) for n in sorted({n for k in keys for n in (k.child, k.parent)})), keys)


def test_a_key_inside_a_larger_one_is_implied() -> None:
    """order(tenant) -> tenant, where order(tenant, customer) -> customer(tenant, id) has the tenant."""
    small = ForeignKey("t", "order", ("tenant",), "tenant", ("id",))
    large = ForeignKey("c", "order", ("tenant", "customer"), "customer", ("tenant", "id"))
    third = ForeignKey("ct", "customer", ("tenant",), "tenant", ("id",))
    use = use_keys(schema_of(small, large, third))
    assert (use.edges, use.opened, use.implied) == ((large, third), (), (small,))


def test_keys_that_share_a_column_are_both_drawn() -> None:
    """Their parents agree in it."""
    one = ForeignKey("one", "c", ("x", "y"), "p", ("a", "b"))
    two = ForeignKey("two", "c", ("y", "z"), "q", ("a", "b"))
    assert use_keys(schema_of(one, two)).edges == (one, two)


def test_an_opened_key_fills_what_no_other_key_fills() -> None:
    """A boss is of the same tenant."""
    boss = ForeignKey("boss", "person", ("tenant", "boss"), "person", ("tenant", "id"))
    tenant = ForeignKey("tenant", "person", ("tenant",), "tenant", ("id",))
    use = use_keys(schema_of(boss, tenant))
    assert (use.edges, use.opened, dict(use.filled)) == ((tenant,), (boss,), {boss: ("boss",)})
    assert use.follows("person") == {"tenant": "tenant", "boss": "person"}
    assert "tenant" not in use_keys(schema_of(boss)).follows("person")


def test_an_opened_key_without_a_column_of_its_own_is_an_obstacle() -> None:
    """Both are named; not where the table is kept."""
    boss = ForeignKey("boss", "person", ("boss",), "person", ("id",))
    desk = ForeignKey("desk", "person", ("boss", "desk"), "place", ("a", "b"))
    with pytest.raises(SchemaError, match=r"'boss' of table 'person' .*'desk'"):
        use_keys(schema_of(boss, desk))
    assert use_keys(schema_of(boss, desk), kept={"person", "place"}).opened == ()


def test_self_references_are_opened() -> None:
    """And edges are the rest."""
    own, other = ForeignKey("own", "c", ("x",), "c", ("id",)), ForeignKey("other", "c", ("y",), "p", ("id",))
    use = use_keys(schema_of(own, other))
    assert (use.edges, use.opened) == ((other,), (own,))


def test_rows_of_parents_are_int64() -> None:
    """What the engines index with."""
    assert parent_rows(pa.table({"x": [1]}), pa.table({"id": [1]}), ONE).dtype == np.int64
