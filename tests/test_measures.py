"""Every measure on rows few enough to score by hand, and on a small shop whose columns and keys get shuffled."""

from __future__ import annotations

import datetime as dt
import json
import math
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dbsynth.quality.comparison import Comparison
from dbsynth.quality.items import Item
from dbsynth.quality.measures import Measures, downward_paths
from dbsynth.quality.measures import measure as measure_comparison
from dbsynth.schema import Column, ForeignKey, Kind, Schema, Table

K = Kind


def table(name: str, *, primary_key: tuple[str, ...] = ("id",), **kinds: Kind) -> Table:
    return Table(name, tuple(Column(column, kind, kind.value) for column, kind in kinds.items()), primary_key)


def foreign_key(child: str, columns: str, parent: str, parent_columns: str = "id") -> ForeignKey:
    return ForeignKey(f"{child}_{columns}", child, tuple(columns.split()), parent, tuple(parent_columns.split()))


def schema(*tables: Table, keys: tuple[ForeignKey, ...] = ()) -> Schema:
    return Schema("sqlite", tables, keys)


def measure(
    schema: Schema,
    real: dict,
    synthetic: dict,
    *,
    max_hops: int | None = None,
    sample_rows: int | None = None,
    **more,
) -> Measures:
    comparison = Comparison.of(schema, real, synthetic, **more)
    return measure_comparison(comparison, max_hops=max_hops, sample_rows=sample_rows)


def alone(kind: Kind, real, synthetic, **more) -> Measures:
    """The measures of a table with one column `x`."""
    sides = ({"t": pa.table({"x": pa.array(values)})} for values in (real, synthetic))
    return measure(schema(table("t", primary_key=(), x=kind)), *sides, **more)


def pair(kinds: tuple[Kind, Kind], real: dict, synthetic: dict) -> float:
    """The 0-hop score of the columns `x` and `y` of one table."""
    one = schema(table("t", primary_key=(), x=kinds[0], y=kinds[1]))
    return measure(one, {"t": pa.table(real)}, {"t": pa.table(synthetic)}).scores["0-hop"]


def family(real: dict, synthetic: dict, kinds: tuple[Kind, Kind] = (K.INTEGER, K.INTEGER)) -> Measures:
    """The measures of parents (id, x) and children (parent_id, y); each side: lists `x`, `parent_id` and `y`."""
    parent = table("parent", id=K.INTEGER, x=kinds[0])
    child = table("child", primary_key=(), parent_id=K.INTEGER, y=kinds[1])
    sides = (
        {
            "parent": pa.table({"id": range(len(side["x"])), "x": side["x"]}),
            "child": pa.table({"parent_id": pa.array(side["parent_id"], pa.int64()), "y": side["y"]}),
        }
        for side in (real, synthetic)
    )
    return measure(schema(parent, child, keys=(foreign_key("child", "parent_id", "parent"),)), *sides)


def of(measures: Measures, name: str) -> list[Item]:
    return [item for item in measures.items if item.measure == name]


class TestOneColumn:
    def test_numbers_are_compared_by_their_distribution_functions(self):
        # At 2 the functions stand at 2/4 and 1/4.
        assert alone(K.INTEGER, [1, 2, 3, 4], [2, 3, 4, 5]).scores["1-way"] == pytest.approx(75)
        assert alone(K.FLOAT, [1.0, 2.0], [3.0, 4.0]).scores["1-way"] == 0
        assert alone(K.FLOAT, [3.0, 4.0], [1.0, 2.0]).scores["1-way"] == 0

    def test_nulls_of_numbers_do_not_count(self):
        assert alone(K.INTEGER, [1, None, 2], [1, 2, None, None]).scores["1-way"] == 100

    def test_categories_are_compared_by_shares_with_null_as_one(self):
        # Shares a 1/2, b 1/4, null 1/4 against a 1/4, c 1/4, null 1/2.
        measures = alone(K.TEXT, ["a", "a", "b", None], ["a", "c", None, None])
        assert measures.scores["1-way"] == pytest.approx(50)

    def test_many_categories_share_no_code_by_accident(self):
        real, synthetic = [f"r{i}" for i in range(300)], [f"s{i}" for i in range(300)]
        assert alone(K.TEXT, [*real, "both"], [*synthetic, "both"]).scores["1-way"] == pytest.approx(100 / 301)

    @pytest.mark.parametrize("kind", [K.BINARY, K.JSON, K.UUID, K.OTHER])
    def test_kinds_without_an_order_or_categories_are_not_measured(self, kind):
        values = pa.array(["a"]).cast(pa.binary() if kind is K.BINARY else pa.string())
        assert alone(kind, values, values).items[:-1] == ()

    def test_fabricated_columns_are_left_out(self):
        assert not of(alone(K.TEXT, ["a"], ["b"], leave_out={("t", "x")}), "1-way")


class TestDialects:
    @pytest.mark.parametrize(
        ("kind", "real", "synthetic"),
        [
            (K.BOOLEAN, pa.array([True, False, None]), pa.array([1, 0, None])),
            (K.BOOLEAN, pa.array([True, False]), pa.array(["t", "f"])),
            (K.ENUM, pa.array(["a", "b", None]).dictionary_encode(), pa.array(["a", "b", None])),
            (K.TEXT, pa.array(["ab  ", "b"]), pa.array(["ab", "b"])),
            (K.DECIMAL, pa.array([Decimal("1.50"), Decimal("2.25")]), pa.array([1.5, 2.25])),
            (K.DECIMAL, pa.array(["1.50", "2.25"]), pa.array([Decimal("1.50"), Decimal("2.25")])),
            (K.INTEGER, pa.array([1, 2], pa.int32()), pa.array([1.0, 2.0])),
            (K.DATE, pa.array([dt.date(2020, 1, 2), None]), pa.array([dt.datetime(2020, 1, 2), None])),
            (K.DATE, pa.array([dt.date(2020, 1, 2)]), pa.array(["2020-01-02"])),
            (K.TIMESTAMP, pa.array([dt.datetime(2020, 1, 2, 3)]), pa.array(["2020-01-02 03:00:00"])),
            (K.TIMESTAMP, pa.array([10**9], pa.timestamp("ns")), pa.array([1], pa.timestamp("s"))),
            (K.TIMESTAMPTZ, pa.array([5], pa.timestamp("s", "UTC")), pa.array([5], pa.timestamp("s"))),
            (K.TIME, pa.array([dt.time(1, 2, 3)]), pa.array([3723], pa.time32("s"))),
            (K.TIME, pa.array(["01:02:03", "30:00:00"]), pa.array(["01:02:03", "30:00:00"])),
            (K.FLOAT, pa.array([1.0, math.nan, math.inf]), pa.array([1.0, None, None])),
        ],
    )
    def test_the_same_values_in_other_types_score_100(self, kind, real, synthetic):
        for measures in (alone(kind, real, synthetic), alone(kind, synthetic, real)):
            assert measures.scores["1-way"] == 100

    def test_unreadable_words_count_as_null(self):
        assert alone(K.DECIMAL, pa.array(["1", "many", "2"]), pa.array([1, 2])).scores["1-way"] == 100


class TestPairsOfColumns:
    def test_two_numbers_are_compared_by_their_correlations(self):
        up, down = {"x": [1, 2, 3], "y": [2, 4, 6]}, {"x": [1, 2, 3], "y": [6, 4, 2]}
        bent = {"x": [1, 2, 3], "y": [1, 2, 1]}  # r = 0
        assert pair((K.INTEGER, K.FLOAT), up, down) == pytest.approx(0)
        assert pair((K.INTEGER, K.FLOAT), up, bent) == pytest.approx(50)

    def test_only_rows_with_both_numbers_count(self):
        real = {"x": [1, 2, 3, None, 9], "y": [2, 4, 6, -9, None]}
        assert pair((K.INTEGER, K.INTEGER), real, {"x": [0, 1], "y": [0, 1]}) == pytest.approx(100)

    def test_large_numbers_close_together_keep_their_correlation(self):
        moments = [dt.datetime(2024, 1, 1) + dt.timedelta(microseconds=i) for i in range(5)]
        up, down = {"x": moments, "y": [0, 1, 2, 3, 4]}, {"x": moments, "y": [4, 3, 2, 1, 0]}
        assert pair((K.TIMESTAMP, K.INTEGER), up, down) == pytest.approx(0, abs=1e-3)

    def test_a_real_column_that_does_not_vary_leaves_the_pair_out(self):
        assert math.isnan(pair((K.INTEGER, K.INTEGER), {"x": [5, 5], "y": [1, 2]}, {"x": [1, 2], "y": [1, 2]}))

    def test_a_synthetic_column_that_does_not_vary_counts_as_uncorrelated(self):
        assert pair((K.INTEGER, K.INTEGER), {"x": [1, 2], "y": [1, 2]}, {"x": [5, 5], "y": [1, 2]}) == pytest.approx(50)

    def test_categories_are_compared_by_their_joint_table(self):
        real = {"x": ["a", "a", "b", "b"], "y": ["c", "c", "d", None]}
        synthetic = {"x": ["a", "a", "b", "b"], "y": ["c", "d", "d", None]}
        assert pair((K.TEXT, K.TEXT), real, synthetic) == pytest.approx(75)

    def test_numbers_beside_categories_fall_into_ten_bins_between_the_real_ends(self):
        real = {"x": [0.0, 10.0, 1.0, None], "y": ["a"] * 4}  # bins 0, 9, 1, null
        synthetic = {"x": [-5.0, 99.0, 0.99, None], "y": ["a"] * 4}  # bins 0, 9, 0, null
        assert pair((K.FLOAT, K.TEXT), real, synthetic) == pytest.approx(75)

    def test_large_joint_tables_score_as_small_ones(self):
        words = [f"w{i}" for i in range(400)]
        real = {"x": words, "y": words}
        synthetic = {"x": words, "y": words[:100] + words[:99:-1]}
        assert pair((K.TEXT, K.TEXT), real, synthetic) == pytest.approx(25)


class TestForeignKeys:
    def test_cardinality_compares_children_per_parent_zeros_included(self):
        real = {"x": [0, 0, 0, 0], "parent_id": [0, 0, 1, 1], "y": [0] * 4}  # 2 2 0 0
        synthetic = {"x": [0, 0, 0, 0], "parent_id": [0, 0, 1, 2], "y": [0] * 4}  # 2 1 1 0
        assert family(real, synthetic).scores["cardinality"] == pytest.approx(75)

    def test_one_hop_joins_the_parent_to_each_child(self):
        real = {"x": [0, 1], "parent_id": [0, 0, 1, 1], "y": [0, 0, 1, 1]}
        crossed = real | {"parent_id": [0, 1, 0, 1]}
        assert family(real, crossed).scores["1-hop"] == pytest.approx(50)
        assert family(real, crossed, (K.TEXT, K.TEXT)).scores["1-hop"] == pytest.approx(50)

    def test_children_without_a_parent_stay_out_of_the_join(self):
        real = {"x": ["a", "b"], "parent_id": [0, 1], "y": ["c", "d"]}
        synthetic = {"x": ["a", "b"], "parent_id": [0, None, 1], "y": ["c", "z", "d"]}
        measures = family(real, synthetic, (K.TEXT, K.TEXT))
        assert measures.scores["1-hop"] == 100
        assert measures.scores["dangling"] == 0

    def test_dangling_counts_the_keys_that_find_no_parent(self):
        real = {"x": [0], "parent_id": [0, None], "y": [1, 1]}
        measures = family(real, {"x": [0, 1], "parent_id": [0, 7, 8, None], "y": [1] * 4})
        assert measures.scores["dangling"] == 2
        (worst,) = measures.worst("dangling", 5)
        assert (worst.foreign_keys, worst.score) == (("child.parent_id",), 2)

    def test_column_degree_correlates_a_number_with_the_children(self):
        real = {"x": [1, 2, 3], "parent_id": [1, 2, 2], "y": [0] * 3}  # degrees 0 1 2
        synthetic = {"x": [3, 2, 1], "parent_id": [1, 2, 2], "y": [0] * 3}
        assert family(real, synthetic).scores["column-degree"] == pytest.approx(0)

    def test_column_degree_of_a_category_takes_its_joint_table_with_binned_degrees(self):
        real = {"x": ["a", "a", "b", "b"], "parent_id": [2, 2, 3, 3], "y": [0] * 4}  # a a have 0, b b have 2
        synthetic = {"x": ["a", "b", "b", "b"], "parent_id": [2, 2, 3, 3, 1, 1, 1], "y": [0] * 7}  # 3 falls with 2
        assert family(real, synthetic, (K.TEXT, K.INTEGER)).scores["column-degree"] == pytest.approx(75)

    def test_intra_group_of_numbers(self):
        real = {"x": [0, 0], "parent_id": [0, 0, 1, 1], "y": [1, 1, 3, 3]}  # all of the variance between the groups
        mixed = real | {"y": [1, 3, 1, 3]}  # none of it
        part = real | {"y": [0, 2, 2, 4]}  # within 4/2, total 8/3: a quarter
        assert family(real, real).scores["intra-group"] == pytest.approx(100)
        assert family(real, mixed).scores["intra-group"] == pytest.approx(0)
        assert family(real, part).scores["intra-group"] == pytest.approx(25)

    def test_intra_group_of_categories_weighs_indicators_by_their_variance(self):
        real = {"x": [0, 0], "parent_id": [0, 0, 0, 1, 1, 1], "y": list("aabccc")}
        # a: 1.333/5 in all, 0.667/4 within; b: 0.833/5, 0.667/4; c: 1.5/5, 0.
        total, within = np.array([4 / 15, 1 / 6, 3 / 10]), np.array([1 / 6, 1 / 6, 0])
        share = (total - within).sum() / total.sum()
        apart = real | {"y": list("aaaccc")}
        kinds = K.INTEGER, K.TEXT
        assert family(real, apart, kinds).scores["intra-group"] == pytest.approx(100 * share)

    def test_intra_group_is_left_out_where_every_group_has_one_row(self):
        lonely = {"x": [0, 0], "parent_id": [0, 1], "y": [1, 3]}
        assert math.isnan(family(lonely, lonely).scores["intra-group"])

    def test_degree_correlation_of_two_keys_into_one_parent(self):
        parent, one, two = table("p", id=K.INTEGER), table("a", p=K.INTEGER), table("b", p=K.INTEGER)
        keys = foreign_key("a", "p", "p"), foreign_key("b", "p", "p")

        def side(first, second):
            return {"p": pa.table({"id": [0, 1, 2]}), "a": pa.table({"p": first}), "b": pa.table({"p": second})}

        sides = side([1, 2, 2], [1, 2, 2]), side([1, 2, 2], [1, 0, 0])  # 0 1 2 with 0 1 2; with 2 1 0
        measures = measure(schema(parent, one, two, keys=keys), *sides)
        (item,) = of(measures, "degree-correlation")
        assert item.score == pytest.approx(0)
        assert item.foreign_keys == ("a.p", "b.p")


class TestKeys:
    def test_composite_and_nullable_keys_of_any_type(self):
        parent = table("p", primary_key=("a", "b"), a=K.TEXT, b=K.INTEGER, x=K.INTEGER)
        child = table("c", primary_key=(), pa=K.TEXT, pb=K.INTEGER, y=K.INTEGER)
        one = schema(parent, child, keys=(foreign_key("c", "pa pb", "p", "a b"),))
        parents = pa.table({"a": ["u", "u", "v"], "b": [1, 2, 1], "x": [10, 20, 30]})
        children = pa.table({
            "pa": pa.array(["u", "v", "u", None, "v"]).dictionary_encode(),
            "pb": pa.array([2, 1, 1, 1, 2], pa.int32()),
            "y": [20, 30, 10, 5, 7],
        })
        measures = measure(one, {"p": parents, "c": children}, {"p": parents, "c": children})
        assert measures.scores["dangling"] == 1  # ("v", 2); the key with a null is not one
        assert {item.columns for item in of(measures, "1-way")} == {("a",), ("b",), ("x",), ("y",)}
        flipped = children.set_column(2, "y", pa.array([20, 10, 30, 5, 7]))
        worse = measure(one, {"p": parents, "c": children}, {"p": parents, "c": flipped})
        assert [i.score for i in of(worse, "1-hop") if i.columns == ("x", "y")] == [pytest.approx(0)]

    def test_a_key_to_a_unique_column_that_is_not_the_primary_key(self):
        parent = table("p", id=K.INTEGER, code=K.TEXT, x=K.INTEGER)
        child = table("c", primary_key=(), p=K.TEXT, y=K.INTEGER)
        one = schema(parent, child, keys=(foreign_key("c", "p", "p", "code"),))
        data = {
            "p": pa.table({"id": [1, 2], "code": ["k", None], "x": [1, 2]}),
            "c": pa.table({"p": ["k", None], "y": [3, 4]}),
        }
        measures = measure(one, data, data)
        assert measures.scores["dangling"] == 0
        assert {item.columns for item in of(measures, "1-way")} == {("x",), ("y",)}

    @pytest.mark.parametrize(
        ("parent_ids", "child_ids"),
        [
            (pa.array([Decimal(1), Decimal(2)]), pa.array([1, 2, 2])),
            (pa.array(["a", "b"]), pa.array(["a", "b", "b"]).dictionary_encode()),
            (pa.array([b"a", b"b"]), pa.array([b"a", b"b", b"b"], pa.large_binary())),
            (pa.array([1, 2], pa.timestamp("s")), pa.array([1000, 2000, 2000], pa.timestamp("ms"))),
            (pa.array([1, 2]), pa.array(["1", "2", "2"])),
            (pa.array([1.0, 2.0]), pa.array([1, 2, 2])),
        ],
    )
    def test_both_ends_of_a_key_may_differ_in_type(self, parent_ids, child_ids):
        one = schema(table("p", id=K.OTHER), table("c", p=K.OTHER), keys=(foreign_key("c", "p", "p"),))
        data = {"p": pa.table({"id": parent_ids}), "c": pa.table({"p": child_ids})}
        assert measure(one, data, data).scores["dangling"] == 0


def paths(measures: Measures) -> set[tuple[str, ...]]:
    return {item.foreign_keys for item in measures.items if item.measure.endswith("-hop") and item.foreign_keys}


class TestPaths:
    def test_two_keys_into_one_parent_stay_apart(self):
        team = table("team", id=K.INTEGER, x=K.INTEGER)
        game = table("game", home=K.INTEGER, away=K.INTEGER, y=K.INTEGER)
        one = schema(team, game, keys=(foreign_key("game", "home", "team"), foreign_key("game", "away", "team")))
        teams = pa.table({"id": [0, 1, 2], "x": [1, 2, 3]})
        real = {"team": teams, "game": pa.table({"home": [0, 1, 2], "away": [0, 1, 2], "y": [1, 2, 3]})}
        synthetic = {"team": teams, "game": pa.table({"home": [0, 1, 2], "away": [2, 1, 0], "y": [1, 2, 3]})}
        scores = {item.foreign_keys: item.score for item in of(measure(one, real, synthetic), "1-hop")}
        assert scores == {("game.home",): pytest.approx(100), ("game.away",): pytest.approx(0)}

    def test_every_path_through_a_diamond_counts(self):
        names = ("top", "left", "right", "bottom")
        columns = {"top": (), "left": ("top",), "right": ("top",), "bottom": ("left", "right")}
        tables = [table(n, id=K.INTEGER, v=K.INTEGER, **dict.fromkeys(columns[n], K.INTEGER)) for n in names]
        keys = tuple(foreign_key(child, parent, parent) for child in names for parent in columns[child])
        rows = [0, 1, 2]
        data = {n: pa.table({"id": rows, "v": rows, **dict.fromkeys(columns[n], rows)}) for n in names}
        swapped = {**data, "right": pa.table({"id": rows, "v": rows, "top": rows[::-1]})}
        measures = measure(schema(*tables, keys=keys), data, swapped)
        scores = {item.foreign_keys: item.score for item in of(measures, "2-hop")}
        through_left, through_right = ("left.top", "bottom.left"), ("right.top", "bottom.right")
        assert scores == {through_left: pytest.approx(100), through_right: pytest.approx(0)}
        assert {item.tables[1] for item in of(measures, "2-hop")} == {"left", "right"}
        assert measures.scores["1-hop"] == pytest.approx(75)
        assert measures.scores["avg 2-way"] == pytest.approx((3 * 100 + 100 + 0) / 6)

    def test_self_references_are_no_step_and_cycles_end(self):
        a = table("a", id=K.INTEGER, b=K.INTEGER, boss=K.INTEGER, x=K.INTEGER)
        b = table("b", id=K.INTEGER, a=K.INTEGER, y=K.INTEGER)
        keys = foreign_key("a", "b", "b"), foreign_key("b", "a", "a"), foreign_key("a", "boss", "a")
        data = {
            "a": pa.table({"id": [1, 2], "b": [1, None], "boss": [None, 1], "x": [1, 2]}),
            "b": pa.table({"id": [1, 2], "a": [2, 2], "y": [1, 2]}),
        }
        measures = measure(schema(a, b, keys=keys), data, data)
        assert paths(measures) == {("a.b",), ("b.a",)}
        assert len(of(measures, "cardinality")) == len(of(measures, "dangling")) == 3

    def test_the_longest_path_can_be_limited(self):
        real, _ = shop()
        assert "2-hop" in measure(SHOP, real, real).scores
        assert "2-hop" not in measure(SHOP, real, real, max_hops=1).scores

    def test_a_tangle_of_tables_is_cut_off_and_says_so(self):
        n = 10  # every table refers to all before it: 2**8 paths from the last to the first
        names = [f"t{i}" for i in range(n)]
        above = {name: names[:i] for i, name in enumerate(names)}
        keys = tuple(foreign_key(child, parent, parent) for child in names for parent in above[child])
        tables = [table(t, id=K.INTEGER, x=K.INTEGER, **dict.fromkeys(above[t], K.INTEGER)) for t in names]
        tangle = schema(*tables, keys=keys)
        paths, is_all = downward_paths(tangle, dict.fromkeys(names, 1), max_pairs=200)
        assert (len(paths), is_all) == (200, False)
        assert [len(path) for path in paths] == sorted(len(path) for path in paths)
        paths, is_all = downward_paths(tangle, dict.fromkeys(names, 1))
        assert (len(set(paths)), is_all) == (sum(2 ** (j - i - 1) for j in range(n) for i in range(j)), True)

        rows = {t: pa.table({name: [1, 2] for name in ("id", "x", *above[t])}) for t in names}
        measures = measure_comparison(Comparison.of(tangle, rows, rows), max_pairs=100)
        assert len([item for item in measures.items if item.foreign_keys and item.measure.endswith("-hop")]) == 100
        assert "2 and more foreign keys" in measures.notes[0]


SHOP = schema(
    table("customer", id=K.INTEGER, country=K.TEXT, income=K.FLOAT),
    table("orders", id=K.INTEGER, customer_id=K.INTEGER, channel=K.TEXT, total=K.FLOAT),
    table("line", id=K.INTEGER, order_id=K.INTEGER, price=K.FLOAT, gift=K.BOOLEAN),
    keys=(foreign_key("orders", "customer_id", "customer"), foreign_key("line", "order_id", "orders")),
)


def shop(n: int = 300) -> tuple[dict[str, pa.Table], np.random.Generator]:
    """A shop where country and income of the customer show in the orders, their number and their lines."""
    random = np.random.default_rng(1)
    income = random.normal(size=n)
    country = np.where(income + random.normal(size=n) > 0, "CH", "AT")
    customer = np.repeat(np.arange(n), np.maximum(0, np.round(2 + 2 * income)).astype(int))
    total = income[customer] + 0.3 * random.normal(size=customer.size)
    channel = np.where(total > 0, "web", "shop")
    order = np.repeat(np.arange(customer.size), random.integers(0, 4, customer.size))
    price = total[order] + 0.3 * random.normal(size=order.size)
    tables = {
        "customer": pa.table({"id": np.arange(n), "country": country, "income": income}),
        "orders": pa.table({
            "id": np.arange(customer.size), "customer_id": customer, "channel": channel, "total": total
        }),
        "line": pa.table({"id": np.arange(order.size), "order_id": order, "price": price, "gift": price > 1}),
    }
    return tables, random


def shuffled(rows: pa.Table, column: str, random: np.random.Generator) -> pa.Table:
    values = rows[column].take(pa.array(random.permutation(rows.num_rows)))
    return rows.set_column(rows.column_names.index(column), column, values)


class TestShop:
    def test_the_real_rows_against_themselves_score_100(self):
        real, random = shop()
        order = {name: pa.array(random.permutation(rows.num_rows)) for name, rows in real.items()}
        for synthetic in (real, {name: rows.take(order[name]) for name, rows in real.items()}):
            scores = measure(SHOP, real, synthetic).scores
            assert scores.pop("dangling") == 0
            assert math.isnan(scores.pop("degree-correlation"))  # no two keys into one parent
            assert list(scores) == [
                "1-way", "cardinality", "0-hop", "1-hop", "2-hop", "avg 2-way", "column-degree", "intra-group"
            ]
            assert all(score == pytest.approx(100, abs=1e-4) for score in scores.values())

    def test_a_shuffled_foreign_key_shows_across_tables_only(self):
        real, random = shop()
        parents = np.arange(300)
        relabelled = dict(zip(parents.tolist(), random.permutation(parents).tolist(), strict=True))
        keys = [relabelled[i] for i in random.permutation(real["orders"]["customer_id"].to_numpy()).tolist()]
        orders = real["orders"].set_column(1, "customer_id", pa.array(keys))
        scores = measure(SHOP, real, {**real, "orders": orders}).scores
        assert scores["1-way"] == scores["0-hop"] == scores["cardinality"] == 100
        for name in ("1-hop", "2-hop", "intra-group", "column-degree"):
            assert scores[name] < 90, name

    def test_shuffled_columns_show_in_pairs_only(self):
        real, random = shop()
        synthetic = dict(real)
        for name, columns in {"customer": ["country", "income"], "orders": ["channel", "total"]}.items():
            for column in columns:
                synthetic[name] = shuffled(synthetic[name], column, random)
        measures = measure(SHOP, real, synthetic)
        assert measures.scores["1-way"] == measures.scores["cardinality"] == 100
        assert {item.tables for item in of(measures, "0-hop") if item.score < 90} == {("customer",), ("orders",)}

    def test_noise_fails_everywhere(self):
        real, random = shop()
        noise = {
            "customer": pa.table({
                "id": range(300),
                "country": random.choice(list("XYZ"), 300),
                "income": random.uniform(-9, 9, 300),
            }),
            "orders": pa.table({
                "id": range(600),
                "customer_id": random.integers(300, size=600),
                "channel": random.choice(["fax", None], 600),
                "total": random.uniform(0, 50, 600),
            }),
            "line": pa.table({
                "id": range(800),
                "order_id": random.integers(600, size=800),
                "price": random.exponential(size=800),
                "gift": random.random(800) < 0.9,
            }),
        }
        measures = measure(SHOP, real, noise)
        scores = {name: score for name, score in measures.scores.items() if name != "degree-correlation"}
        assert scores.pop("dangling") == 0
        for name, score in scores.items():
            assert score < min(90, measures.ceilings[name] - 5), name

    def test_a_sample_comes_near_the_whole_and_the_same_seed_near_itself(self):
        real, random = shop(3000)
        synthetic = {**real, "line": shuffled(real["line"], "price", random)}
        comparison = Comparison.of(SHOP, real, synthetic)
        whole = measure_comparison(comparison)
        one, two, other = (
            measure_comparison(comparison, sample_rows=1500, rng=np.random.default_rng(seed)) for seed in (7, 7, 8)
        )
        assert one.items == two.items
        assert one.scores != other.scores
        for name, score in whole.scores.items():
            assert one.scores[name] == pytest.approx(score, abs=4, nan_ok=True), name
            if name in ("1-way", "cardinality", "column-degree", "intra-group", "dangling"):  # always of all rows
                assert one.scores[name] == pytest.approx(score), name
        assert {item.rows for item in of(one, "0-hop")} == {1500}
        # A sample of a draw is as far from a sample of the real rows as a sample of as good a copy would be.
        assert one.ceilings["0-hop"] < whole.ceilings["0-hop"] < 100

    def test_worst_items_come_first_and_carry_a_label(self):
        real, random = shop()
        measures = measure(SHOP, real, {**real, "line": shuffled(real["line"], "price", random)})
        worst = measures.worst("avg 2-way", 4)
        assert [item.score for item in worst] == sorted(item.score for item in worst)
        assert worst[0].score == min(item.score for item in measures.items if item.measure.endswith("-hop"))
        label = "customer.income ~ line.price via orders.customer_id / line.order_id"
        assert label in {item.label for item in of(measures, "2-hop")}
        assert "line.price via line.order_id" in {item.label for item in of(measures, "intra-group")}
        assert "customer.income via orders.customer_id" in {item.label for item in of(measures, "column-degree")}
        assert not measures.worst("dangling", 5)
        assert all(item.measure != "dangling" for item in measures.worst(None, 99))

    def test_scores_and_items_become_json(self):
        real, _ = shop()
        data = json.loads(json.dumps(measure(SHOP, real, real).to_json(), allow_nan=False))
        assert data["scores"]["degree-correlation"] is None
        first = {"measure": "1-way", "tables": ["customer"], "columns": ["country"], "foreign_keys": [], "score": 100.0}
        assert first.items() <= data["items"][0].items()

    def test_missing_tables_and_columns_are_named(self):
        real, _ = shop()
        with pytest.raises(ValueError, match="synthetic database has no table 'line'"):
            measure(SHOP, real, {name: rows for name, rows in real.items() if name != "line"})
        with pytest.raises(ValueError, match="'total' of the synthetic table 'orders'"):
            measure(SHOP, real, {**real, "orders": real["orders"].drop_columns("total")})
        with pytest.raises(ValueError, match="real table 'line' lacks column 'order_id'"):
            measure(SHOP, {**real, "line": real["line"].drop_columns("order_id")}, real)


class TestEveryKindOfKey:
    """A composite key, one that may be null, a self reference, two keys into one parent and a cycle, all at once."""

    CLUB = schema(
        table("league", primary_key=("country", "level"), country=K.TEXT, level=K.INTEGER, sponsor=K.TEXT),
        table("team", id=K.INTEGER, country=K.TEXT, level=K.INTEGER, captain=K.INTEGER, founded=K.DATE),
        table("player", id=K.INTEGER, team=K.INTEGER, mentor=K.INTEGER, height=K.FLOAT, foot=K.ENUM),
        table("game", primary_key=(), home=K.INTEGER, away=K.INTEGER, goals=K.INTEGER, note=K.TEXT),
        keys=(
            foreign_key("team", "country level", "league", "country level"),
            foreign_key("team", "captain", "player"),
            foreign_key("player", "team", "team"),
            foreign_key("player", "mentor", "player"),
            foreign_key("game", "home", "team"),
            foreign_key("game", "away", "team"),
        ),
    )

    @staticmethod
    def club(sizes: tuple[int, int, int], seed: int) -> dict[str, pa.Table]:
        """Random rows, nulls among them; where there is nothing to refer to, all keys are null."""
        teams, players, games = sizes
        rng = np.random.default_rng(seed)

        def some(values, n: int, share: float = 0.2) -> pa.Array:
            """n of these values, some of them null; all where there are none."""
            values = np.asarray(values)
            chosen = rng.choice(values, n) if len(values) else np.zeros(n, np.int64)
            return pa.array(chosen, mask=(rng.random(n) < share) | (not len(values)))

        moments = np.arange("2000-01-01", "2000-03-01", dtype="datetime64[D]")
        return {
            "league": pa.table({"country": ["CH", "CH", "AT"], "level": [1, 2, 1], "sponsor": ["a", "b", None]}),
            "team": pa.table({
                "id": range(teams),
                "country": some(["CH"], teams),
                "level": some([1, 2], teams),
                "captain": some(range(players), teams),
                "founded": some(moments, teams),
            }),
            "player": pa.table({
                "id": range(players),
                "team": some(range(teams), players),
                "mentor": some(range(players), players),
                "height": some(rng.normal(size=9), players),
                "foot": some(["left", "right"], players),
            }),
            "game": pa.table({
                "home": some(range(teams), games),
                "away": some(range(teams), games),
                "goals": some(range(7), games),
                "note": pa.nulls(games, pa.string()),
            }),
        }

    @settings(max_examples=25, deadline=None)
    @given(sizes=st.tuples(*[st.sampled_from([0, 1, 2, 40])] * 3), seed=st.integers(0, 999))
    def test_a_database_against_itself_scores_100(self, sizes, seed):
        rows = self.club(sizes, seed)
        measures = measure(self.CLUB, rows, rows)
        for item in measures.items:
            expected = 0 if item.measure == "dangling" else 100
            assert item.score == pytest.approx(expected, abs=1e-6) or (math.isnan(item.score) and item.note), item
            assert -1e-9 <= item.reference <= 100 + 1e-9 or math.isnan(item.score), item
        assert {item.foreign_keys for item in of(measures, "1-hop")} >= {("game.home",), ("game.away",)}

    @settings(max_examples=25, deadline=None)
    @given(
        sizes=st.tuples(*[st.sampled_from([0, 1, 2, 40])] * 3),
        others=st.tuples(*[st.sampled_from([0, 1, 3, 50])] * 3),
        seed=st.integers(0, 999),
    )
    def test_any_two_databases_have_scores_from_0_to_100(self, sizes, others, seed):
        measures = measure(self.CLUB, self.club(sizes, seed), self.club(others, seed + 1), sample_rows=30)
        json.dumps(measures.to_json(), allow_nan=False)
        for item in measures.items:
            if item.measure != "dangling":
                assert -1e-9 <= item.score <= 100 + 1e-9 or (math.isnan(item.score) and item.note), item


class TestLittleOrNothing:
    def test_empty_databases_have_no_score(self):
        real, _ = shop()
        empty = {name: rows.slice(0, 0) for name, rows in real.items()}
        for synthetic in (empty, real):
            scores = measure(SHOP, empty, synthetic).scores
            assert scores.pop("dangling") == 0
            assert all(math.isnan(score) for score in scores.values())

    def test_a_table_without_chunks_is_empty(self):
        real, _ = shop()
        empty = {name: rows.schema.empty_table() for name, rows in real.items()}
        assert measure(SHOP, empty, empty).scores["dangling"] == 0

    def test_an_empty_synthetic_database_scores_0(self):
        real, _ = shop()
        scores = measure(SHOP, real, {name: rows.slice(0, 0) for name, rows in real.items()}).scores
        assert scores.pop("dangling") == 0
        assert math.isnan(scores.pop("degree-correlation"))
        assert set(scores.values()) == {0}

    @pytest.mark.parametrize("kind", [K.INTEGER, K.FLOAT, K.TEXT, K.BOOLEAN, K.DATE])
    def test_a_column_of_nulls(self, kind):
        nulls = family(
            {"x": pa.nulls(2), "parent_id": [0, 1], "y": pa.nulls(2)},
            {"x": pa.nulls(2), "parent_id": [0, 1], "y": pa.nulls(2)},
            (kind, kind),
        )
        expected = 100 if kind in (K.TEXT, K.BOOLEAN) else math.nan
        assert nulls.scores["1-way"] == pytest.approx(expected, nan_ok=True)
        assert nulls.scores["1-hop"] == pytest.approx(expected, nan_ok=True)
        assert math.isnan(nulls.scores["intra-group"])

    def test_nulls_where_there_should_be_numbers_score_0(self):
        real = {"x": [1, 2], "parent_id": [0, 1], "y": [1, 2]}
        scores = family(real, real | {"y": pa.nulls(2)}).scores
        assert scores["1-way"] == 50
        assert scores["1-hop"] == 0

    def test_a_constant_column_has_no_correlation(self):
        real = {"x": [7, 7, 7], "parent_id": [0, 1, 1], "y": [1, 2, 3]}
        scores = family(real, real).scores
        assert scores["1-way"] == 100
        assert math.isnan(scores["1-hop"])
        assert scores["intra-group"] == 100

    def test_one_row(self):
        row = {"x": ["a"], "parent_id": [0], "y": [1]}
        scores = family(row, row, (K.TEXT, K.INTEGER)).scores
        assert scores["1-way"] == scores["1-hop"] == scores["cardinality"] == scores["column-degree"] == 100

    def test_keys_that_are_all_null(self):
        real = {"x": [1, 2], "parent_id": [None, None], "y": [1, 2]}
        scores = family(real, real).scores
        assert scores["cardinality"] == 100
        assert math.isnan(scores["1-hop"])
        assert math.isnan(scores["intra-group"])
