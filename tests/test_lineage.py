"""Which tables are roots, which are lists that others choose from, and which rows go with a root's rows."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbsynth.quality.comparison import Rows
from dbsynth.quality.lineage import dimension_tables, held_out_rows, root_tables
from dbsynth.schema import Column, ForeignKey, Kind, Schema, Table


def database(columns: dict[str, tuple[str, ...]], n_rows: dict[str, int], keys: dict[str, list]) -> tuple[Schema, Rows]:
    """Tables with the column `id`, and for each parent a key column of its name; `keys` has their values."""
    tables = tuple(
        Table(name, tuple(Column(c, Kind.INTEGER, "integer") for c in ("id", *parents)), ("id",))
        for name, parents in columns.items()
    )
    foreign_keys = tuple(
        ForeignKey(f"{child}_{parent}", child, (parent,), parent.rstrip("12"), ("id",))
        for child, parents in columns.items()
        for parent in parents
    )
    data = {
        name: pa.table({
            "id": range(n_rows[name]),
            **{parent: pa.array(keys[f"{name}.{parent}"], pa.int64()) for parent in parents},
        })
        for name, parents in columns.items()
    }
    schema = Schema("sqlite", tables, foreign_keys)
    return schema, Rows.of(schema, data)


def bank(n_districts: int = 4, n_accounts: int = 40) -> tuple[Schema, Rows]:
    """District ← account ← payment."""
    rng = np.random.default_rng(0)
    return database(
        {"district": (), "account": ("district",), "payment": ("account",)},
        {"district": n_districts, "account": n_accounts, "payment": 3 * n_accounts},
        {
            "account.district": rng.integers(n_districts, size=n_accounts),
            "payment.account": rng.integers(n_accounts, size=3 * n_accounts),
        },
    )


class TestRoots:
    def test_roots_refer_to_nothing(self):
        schema, _ = bank()
        assert root_tables(schema) == ["district"]

    def test_a_fixed_table_is_no_root_and_makes_its_children_roots(self):
        schema, _ = bank()
        assert root_tables(schema, {"district"}) == ["account"]

    def test_a_table_that_refers_to_itself_or_closes_a_cycle_is_a_root(self):
        schema, _ = database(
            {"person": ("person",), "a": ("b",), "b": ("a",)},
            {"person": 1, "a": 1, "b": 1},
            {"person.person": [None], "a.b": [0], "b.a": [0]},
        )
        assert root_tables(schema) == ["person", "b"]


class TestDimensions:
    def test_few_rows_with_many_children_that_refer_to_nothing(self):
        assert dimension_tables(*bank()) == ["district"]

    def test_as_many_parents_as_children_are_no_list(self):
        assert dimension_tables(*bank(n_districts=20)) == []

    def test_children_under_two_keys_do_not_add_up(self):
        schema, rows = database(
            {"team": (), "game": ("team1", "team2")},
            {"team": 10, "game": 60},
            {"game.team1": [*range(10)] * 6, "game.team2": [*range(10)] * 6},
        )
        assert dimension_tables(schema, rows) == []

    def test_many_rows_are_no_list(self):
        assert dimension_tables(*bank(n_districts=501, n_accounts=6000)) == []

    def test_an_empty_table_is_no_list(self):
        schema, rows = database({"a": (), "b": ("a",)}, {"a": 0, "b": 0}, {"b.a": []})
        assert dimension_tables(schema, rows) == []

    def test_a_tree_of_categories_is_one(self):
        schema, rows = database(
            {"category": ("category",), "product": ("category",)},
            {"category": 2, "product": 20},
            {"category.category": [None, 0], "product.category": [1] * 20},
        )
        assert dimension_tables(schema, rows) == ["category"]


class TestHeldOutRows:
    @given(share=st.floats(0, 1), seed=st.integers(0, 99))
    def test_no_row_that_stays_refers_to_one_that_goes(self, share, seed):
        schema, rows = bank()
        held = held_out_rows(schema, rows, share, rng=np.random.default_rng(seed))
        assert held["district"].sum() == round(share * 4)
        for key in schema.foreign_keys:
            assert (held[key.child] == held[key.parent][rows.parents[key]]).all()

    def test_fixed_tables_stay_whole(self):
        schema, rows = bank()
        held = held_out_rows(schema, rows, 0.5, fixed={"district"}, rng=np.random.default_rng(0))
        assert held["district"].sum() == 0
        assert held["account"].sum() == 20
        assert 0 < held["payment"].sum() < 120

    @pytest.mark.parametrize("n_parents", [0, 1, 2])
    def test_rows_without_a_parent_stay(self, n_parents):
        schema, rows = database(
            {"a": (), "b": ("a",)}, {"a": n_parents, "b": 3}, {"b.a": [None, 7, 0 if n_parents else None]}
        )
        held = held_out_rows(schema, rows, 1.0, rng=np.random.default_rng(0))
        assert held["b"].tolist() == [False, False, n_parents > 0]
