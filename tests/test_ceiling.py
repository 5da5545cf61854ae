"""Second draws of the real rows: who comes along with whom, and that an item's reference is a built draw's score."""

from __future__ import annotations

import math

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dbsynth.quality import ceiling
from dbsynth.quality.ceiling import draw, drawn_lots
from dbsynth.quality.comparison import Comparison
from dbsynth.quality.items import Item
from dbsynth.quality.lots import compared_lots
from dbsynth.quality.measures import Measures, measure
from dbsynth.schema import Column, ForeignKey, Kind, Schema, Table

K = Kind


def table(name: str, **kinds: Kind) -> Table:
    return Table(name, tuple(Column(column, kind, kind.value) for column, kind in kinds.items()), ("id",))


def key(child: str, column: str, parent: str) -> ForeignKey:
    return ForeignKey(f"{child}_{column}", child, (column,), parent, ("id",))


SHOP = Schema(
    "sqlite",
    (
        table("customer", id=K.INTEGER, country=K.TEXT, income=K.FLOAT),
        table("order", id=K.INTEGER, customer=K.INTEGER, total=K.FLOAT, channel=K.TEXT),
        table("line", id=K.INTEGER, order=K.INTEGER, price=K.FLOAT, gift=K.BOOLEAN),
        table("visit", id=K.INTEGER, customer=K.INTEGER, minutes=K.INTEGER),
    ),
    (key("order", "customer", "customer"), key("line", "order", "order"), key("visit", "customer", "customer")),
)


def shop(seed: int, n: int = 60) -> dict[str, pa.Table]:
    """A tree of tables, some of whose rows have no parent and some of whose values are null."""
    rng = np.random.default_rng(seed)

    def holes(values: np.ndarray, share: float = 0.1) -> pa.Array:
        return pa.array(values, mask=rng.random(len(values)) < share)

    return {
        "customer": pa.table({
            "id": np.arange(n), "country": holes(rng.choice(list("abc"), n)), "income": holes(rng.normal(size=n)),
        }),
        "order": pa.table({
            "id": np.arange(2 * n), "customer": holes(rng.integers(n, size=2 * n)),
            "total": rng.normal(size=2 * n), "channel": holes(rng.choice(list("xy"), 2 * n)),
        }),
        "line": pa.table({
            "id": np.arange(4 * n), "order": holes(rng.integers(2 * n, size=4 * n)),
            "price": holes(rng.normal(size=4 * n)), "gift": rng.random(4 * n) < 0.3,
        }),
        "visit": pa.table({
            "id": np.arange(n), "customer": holes(rng.integers(n, size=n)), "minutes": rng.integers(9, size=n)
        }),
    }  # fmt: skip


def built(real: dict[str, pa.Table], times: dict[str, np.ndarray]) -> dict[str, pa.Table]:
    """The shop as the draw has it, written out: every copy a row with its own id, below the copy of its parent."""
    ids: dict[str, dict[tuple[int, int], int]] = {}
    tables = {}
    for name, counts in times.items():
        copies = [(row, nth) for row, count in enumerate(counts) for nth in range(count)]
        ids[name] = {copy: i for i, copy in enumerate(copies)}
        rows = real[name].take(pa.array([row for row, _ in copies], pa.int64()))
        rows = rows.set_column(0, "id", pa.array(range(len(copies)), pa.int64()))
        for foreign_key in SHOP.foreign_keys_of(name):
            (column,), above = foreign_key.columns, ids[foreign_key.parent]
            parents = real[name][column].to_pylist()
            values = [None if parents[row] is None else above[parents[row], nth] for row, nth in copies]
            rows = rows.set_column(rows.column_names.index(column), column, pa.array(values, pa.int64()))
        tables[name] = rows
    return tables


def about(item: Item) -> tuple:
    return item.measure, item.tables, item.columns, item.foreign_keys


def references(measures: Measures) -> dict[tuple, float]:
    return {about(item): item.reference for item in measures.items}


class TestDraw:
    def test_children_come_along_as_often_as_their_parents(self):
        real = shop(0)
        comparison = Comparison.of(SHOP, real, real)
        times = draw(SHOP, comparison.real, "customer", rng=np.random.default_rng(0))
        assert times["customer"].sum() == 60
        for foreign_key in SHOP.foreign_keys:
            parents = comparison.real.parents[foreign_key]
            found = parents >= 0
            assert (times[foreign_key.child][found] == times[foreign_key.parent][parents[found]]).all()
            # Rows without a parent are drawn among themselves.
            assert times[foreign_key.child][~found].sum() == np.count_nonzero(~found)

    def test_every_table_keeps_its_size_on_average(self):
        real = shop(0)
        comparison = Comparison.of(SHOP, real, real)
        rng = np.random.default_rng(0)
        draws = [draw(SHOP, comparison.real, "customer", rng=rng) for _ in range(200)]
        for name, rows in real.items():
            assert np.mean([times[name].sum() for times in draws]) == pytest.approx(rows.num_rows, rel=0.03)

    def test_the_same_seed_draws_the_same_rows(self):
        comparison = Comparison.of(SHOP, shop(0), shop(0))
        one, two, other = (draw(SHOP, comparison.real, "customer", rng=np.random.default_rng(s)) for s in (1, 1, 2))
        assert all((one[name] == two[name]).all() for name in one)
        assert any((one[name] != other[name]).any() for name in one)

    def test_what_does_not_descend_and_what_is_fixed_stay(self):
        comparison = Comparison.of(SHOP, shop(0), shop(0))
        assert draw(SHOP, comparison.real, "line", rng=np.random.default_rng(0)).keys() == {"line"}
        times = draw(SHOP, comparison.real, "customer", fixed={"order"}, rng=np.random.default_rng(0))
        assert times.keys() == {"customer", "visit"}

    def test_a_row_with_two_parents_comes_with_the_first_it_has(self):
        game = Schema(
            "sqlite",
            (table("team", id=K.INTEGER), table("game", id=K.INTEGER, home=K.INTEGER, away=K.INTEGER)),
            (key("game", "home", "team"), key("game", "away", "team")),
        )
        rows = {
            "team": pa.table({"id": range(5)}),
            "game": pa.table({"id": range(3), "home": [0, None, None], "away": [1, 2, None]}),
        }
        comparison = Comparison.of(game, rows, rows)
        times = draw(game, comparison.real, "team", rng=np.random.default_rng(3))
        assert times["game"].tolist() == [times["team"][0], times["team"][2], 1]

    def test_a_self_reference_brings_nobody_along(self):
        one = Schema("sqlite", (table("person", id=K.INTEGER, boss=K.INTEGER),), (key("person", "boss", "person"),))
        rows = {"person": pa.table({"id": range(50), "boss": [None, *[0] * 49]})}
        comparison = Comparison.of(one, rows, rows)
        assert draw(one, comparison.real, "person", rng=np.random.default_rng(0))["person"].sum() == 50

    def test_no_rows(self):
        empty = {name: rows.slice(0, 0) for name, rows in shop(0).items()}
        times = draw(SHOP, Comparison.of(SHOP, empty, empty).real, "customer", rng=np.random.default_rng(0))
        assert all(counts.size == 0 for counts in times.values())


class TestReferences:
    @settings(max_examples=12, deadline=None)
    @given(seed=st.integers(0, 10_000))
    def test_an_items_reference_is_its_score_in_the_draw_written_out(self, seed):
        real = shop(seed)
        comparison = Comparison.of(SHOP, real, real)
        times = draw(SHOP, comparison.real, "customer", rng=np.random.default_rng(seed))
        drawn = measure(Comparison.of(SHOP, real, built(real, times)), n_draws=0)
        ours = references(measure(comparison, n_draws=1, rng=np.random.default_rng(seed)))
        assert drawn.scores["dangling"] == 0
        for item in drawn.items:
            assert ours[about(item)] == pytest.approx(item.score, abs=1e-4, nan_ok=True), item.label

    def test_they_do_not_depend_on_the_synthetic_rows(self):
        real, other = shop(0), shop(1)
        ours, theirs = (references(measure(Comparison.of(SHOP, real, rows))) for rows in (real, other))
        assert ours == pytest.approx(theirs, nan_ok=True)

    def test_other_rows_of_the_same_kind_are_hardly_farther(self):
        measures = measure(Comparison.of(SHOP, shop(0, n=400), shop(1, n=400)), n_draws=4)
        for name in ("1-way", "0-hop", "1-hop", "2-hop", "cardinality", "column-degree"):
            room, distance = 100 - measures.ceilings[name], 100 - measures.scores[name]
            assert 0.8 * room < distance < 2 * room, name

    def test_the_same_seed_gives_the_same_figures(self):
        comparison = Comparison.of(SHOP, shop(0), shop(1))
        one, two, other = (measure(comparison, sample_rows=50, rng=np.random.default_rng(s)).items for s in (5, 5, 6))
        assert one == two
        assert one != other

    def test_kept_tables_would_be_the_same_again(self):
        kept = measure(Comparison.of(SHOP, shop(0), shop(0), kept={"customer"}))
        same = {item.tables for item in kept.items if item.measure in ("1-way", "0-hop") and item.reference == 100}
        assert same == {("customer",)}
        # Where the parents stay, their children fall to them anew: families lose their sizes.
        free = measure(Comparison.of(SHOP, shop(0), shop(0)))
        assert kept.ceilings["cardinality"] < free.ceilings["cardinality"]

    def test_a_database_kept_as_a_whole_has_nothing_to_lose(self):
        kept = measure(Comparison.of(SHOP, shop(0), shop(0), kept=set(SHOP.table_names)))
        assert {item.reference for item in kept.items} == {0, 100}

    def test_a_list_is_drawn_for_its_own_columns_only(self):
        schema = Schema(
            "sqlite",
            (table("country", id=K.INTEGER, size=K.FLOAT), table("town", id=K.INTEGER, country=K.INTEGER, x=K.FLOAT)),
            (key("town", "country", "country"),),
        )
        rng = np.random.default_rng(0)
        rows = {
            "country": pa.table({"id": range(20), "size": rng.normal(size=20)}),
            "town": pa.table({"id": range(2000), "country": rng.integers(20, size=2000), "x": rng.normal(size=2000)}),
        }
        comparison = Comparison.of(schema, rows, rows)
        real, _ = compared_lots(comparison, None, rng)
        lots = drawn_lots(comparison, real, n_draws=1, sample_rows=None, rng=rng)
        assert [set(lot.rows) for lot in lots] == [{"town"}, {"country"}]
        measures = references(measure(comparison))
        assert measures["1-way", ("country",), ("size",), ()] < 95  # twenty countries drawn anew
        assert measures["1-hop", ("country", "town"), ("size", "x"), ("town.country",)] > 97  # two thousand towns

    def test_a_table_below_many_roots_is_not_drawn_for_all_of_them(self):
        names = [f"p{i}" for i in range(6)]
        schema = Schema(
            "sqlite",
            (*(table(n, id=K.INTEGER, x=K.FLOAT) for n in names),
             table("fact", id=K.INTEGER, y=K.FLOAT, **dict.fromkeys(names, K.INTEGER))),
            tuple(key("fact", name, name) for name in names),
        )  # fmt: skip
        rng = np.random.default_rng(0)
        rows = {name: pa.table({"id": range(40), "x": rng.normal(size=40)}) for name in names}
        keys = {name: rng.integers(40, size=100) for name in names}
        rows["fact"] = pa.table({"id": range(100), "y": rng.normal(size=100), **keys})
        comparison = Comparison.of(schema, rows, rows)
        real, _ = compared_lots(comparison, None, rng)
        lots = drawn_lots(comparison, real, n_draws=2, sample_rows=None, rng=rng)
        assert len(lots) == 12
        assert sum("fact" in lot.rows for lot in lots) == ceiling.MOST_DRAWS
        # Families of every key are judged all the same.
        found = references(measure(comparison))
        assert all(found["cardinality", (name, "fact"), (), (f"fact.{name}",)] < 100 for name in names)

    def test_two_keys_into_one_parent_keep_both_families_whole(self):
        schema = Schema(
            "sqlite",
            (table("team", id=K.INTEGER, x=K.FLOAT),
             table("game", id=K.INTEGER, home=K.INTEGER, away=K.INTEGER, y=K.FLOAT)),
            (key("game", "home", "team"), key("game", "away", "team")),
        )  # fmt: skip
        n = 300
        rng = np.random.default_rng(0)
        team = rng.normal(size=n)
        home, away = rng.integers(n, size=900), np.repeat(np.arange(n), 3)  # everybody is away three times
        rows = {
            "team": pa.table({"id": range(n), "x": team}),
            "game": pa.table({"id": range(900), "home": home, "away": away, "y": team[home]}),
        }
        found = references(measure(Comparison.of(schema, rows, rows)))
        assert found["cardinality", ("team", "game"), (), ("game.away",)] == 100
        assert 90 < found["cardinality", ("team", "game"), (), ("game.home",)] < 100
        assert found["intra-group", ("team", "game"), ("y",), ("game.home",)] == pytest.approx(100)

    def test_little_or_nothing(self):
        real = shop(0)
        for rows in ({n: t.slice(0, 0) for n, t in real.items()}, {n: t.slice(0, 1) for n, t in real.items()}):
            measures = measure(Comparison.of(SHOP, rows, rows))
            assert measures.ceilings["dangling"] == 0
            for item in measures.items:
                assert math.isnan(item.reference) == math.isnan(item.score), item.label
                assert item.note or item.measure == "dangling"

    def test_without_draws_there_are_no_ceilings(self):
        measures = measure(Comparison.of(SHOP, shop(0), shop(0)), n_draws=0)
        assert all(math.isnan(item.reference) for item in measures.items if item.measure != "dangling")


class TestSummary:
    def test_one_item_of_no_table_for_each_measure(self):
        measures = measure(Comparison.of(SHOP, shop(0), shop(1)))
        summary = {item.measure: item for item in measures.summary()}
        assert {name: item.score for name, item in summary.items()} == pytest.approx(measures.scores)
        assert {name: item.reference for name, item in summary.items()} == pytest.approx(measures.ceilings)
        assert all(item.tables == () and item.note == "" for item in summary.values())

    def test_it_says_why_a_figure_is_missing(self):
        one = Schema("sqlite", (table("t", id=K.INTEGER, x=K.FLOAT, y=K.FLOAT),))
        rows = {"t": pa.table({"id": [1, 2], "x": [5.0, 5.0], "y": [1.0, 2.0]})}
        summary = {item.measure: item for item in measure(Comparison.of(one, rows, rows)).summary()}
        assert "do not vary" in summary["0-hop"].note
        assert "nothing" in summary["cardinality"].note
        assert summary["1-way"].note == ""
