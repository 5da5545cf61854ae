"""A classifier tells rows apart where there is something to tell, and only then."""

from __future__ import annotations

import datetime as dt
import math

import numpy as np
import pyarrow as pa
import pytest

from dbsynth.quality.comparison import Comparison
from dbsynth.quality.detection import detect
from dbsynth.quality.items import Item
from dbsynth.schema import Column, ForeignKey, Kind, Schema, Table

K = Kind
Tables = dict[str, pa.Table]


def table(name: str, **kinds: Kind) -> Table:
    key = ("id",) if "id" in kinds else ()
    return Table(name, tuple(Column(column, kind, kind.value) for column, kind in kinds.items()), key)


SHOP = Schema(
    "sqlite",
    (
        table("customer", id=K.INTEGER, country=K.TEXT, income=K.FLOAT),
        table("orders", id=K.INTEGER, customer_id=K.INTEGER, channel=K.TEXT, total=K.FLOAT),
    ),
    (ForeignKey("orders_customer", "orders", ("customer_id",), "customer", ("id",)),),
)


def shop(seed: int = 1, n: int = 300) -> Tables:
    """Country and income go together; the customer shows in the number and the total of the orders."""
    rng = np.random.default_rng(seed)
    income = rng.normal(size=n)
    customer = np.repeat(np.arange(n), np.maximum(0, np.round(2 + 2 * income)).astype(int))
    total = income[customer] + 0.3 * rng.normal(size=customer.size)
    return {
        "customer": pa.table({
            "id": np.arange(n), "country": np.where(income + rng.normal(size=n) > 0, "CH", "AT"), "income": income
        }),
        "orders": pa.table({
            "id": np.arange(customer.size), "customer_id": customer, "total": total,
            "channel": np.where(total > 0, "web", "shop"),
        }),
    }  # fmt: skip


def shuffled(rows: pa.Table, *columns: str) -> pa.Table:
    rng = np.random.default_rng(0)
    for column in columns:
        values = rows[column].take(pa.array(rng.permutation(rows.num_rows)))
        rows = rows.set_column(rows.column_names.index(column), column, values)
    return rows


def found(real: Tables, synthetic: Tables, *, schema: Schema = SHOP, **more) -> dict[tuple[str, ...], Item]:
    """The figures by measure and table; of the whole database, by measure."""
    items = detect(Comparison.of(schema, real, synthetic, **more), rng=np.random.default_rng(0), sample_rows=500)
    return {(item.measure, *item.tables): item for item in items}


def alone(kind: Kind, real, synthetic) -> Item:
    one = Schema("sqlite", (table("t", x=kind),))
    return found(*({"t": pa.table({"x": x})} for x in (real, synthetic)), schema=one)["c2st", "t"]


@pytest.fixture(scope="module")
def real() -> Tables:
    return shop()


class TestShop:
    def test_the_real_rows_against_themselves_cannot_be_told_apart(self, real):
        items = found(real, {name: rows.take(pa.array(np.arange(rows.num_rows)[::-1])) for name, rows in real.items()})
        assert set(items) == {
            ("c2st",), ("c2st with children",), ("c2st", "customer"), ("c2st with children", "customer"),
            ("c2st", "orders"),
        }  # fmt: skip
        for item in items.values():
            assert item.score == pytest.approx(0.5, abs=0.02), item

    def test_nor_can_a_second_draw_and_the_same_seed_gives_the_same_figures(self, real):
        first, second = (found(real, shop(seed=2)) for _ in range(2))
        assert first == second
        for item in first.values():
            assert item.score == pytest.approx(0.5, abs=0.06), item
            assert item.reference == pytest.approx(0.5, abs=0.1), item

    def test_shuffled_columns_are_told_apart(self, real):
        items = found(real, {**real, "orders": shuffled(real["orders"], "total", "channel")}, kept={"customer"})
        item = items["c2st", "orders"]
        assert item.score > 0.6
        assert 0.5 < item.low < item.score < item.high < 1
        assert item.rows == 2 * 500
        assert "total" in item.note
        assert items["c2st",].score == item.score
        assert set(items) == {("c2st",), ("c2st", "orders")}  # kept tables are not asked about

    def test_a_shuffled_foreign_key_shows_in_the_children_only(self, real):
        items = found(real, {**real, "orders": shuffled(real["orders"], "customer_id")})
        assert items["c2st", "customer"].score == pytest.approx(0.5, abs=0.02)
        assert items["c2st", "orders"].score == pytest.approx(0.5, abs=0.02)
        item = items["c2st with children", "customer"]
        assert item.score > 0.6
        assert "by orders.customer_id" in item.note


class TestWhatRowsAreToldBy:
    def test_a_few_categories_are_learned_though_their_rows_are_equal(self):
        # Of 100 rows 10 are true on one side and 90 on the other; nothing else could be known.
        item = alone(K.BOOLEAN, [True] * 50 + [False] * 450, [True] * 450 + [False] * 50)
        assert item.score == pytest.approx(0.9, abs=0.02)
        assert item.note == "given away by x"

    def test_noise(self):
        rng = np.random.default_rng(0)
        assert alone(K.FLOAT, rng.normal(size=300), rng.uniform(9, 10, 300)).score > 0.99

    def test_dates_that_are_all_sundays(self):
        rng = np.random.default_rng(0)
        days = rng.integers(0, 3000, 500).astype("datetime64[D]")
        sundays = days - (days.astype(int) - 3) % 7  # 1970-01-04 was one
        item = alone(K.DATE, days, sundays)
        assert item.score > 0.8
        assert "x (weekday)" in item.note

    def test_values_that_are_unique_say_nothing(self):
        words = [[f"{side}{i}" for i in range(400)] for side in "rs"]
        assert alone(K.TEXT, *words).score == pytest.approx(0.5, abs=0.05)

    def test_numbers_too_evenly_spread_are_below_a_half_and_count_as_a_half(self):
        x = np.random.default_rng(0).normal(size=400)
        one = Schema("sqlite", (table("t", x=K.FLOAT),))
        items = found({"t": pa.table({"x": x})}, {"t": pa.table({"x": np.sort(x) + 1e-6})}, schema=one)
        assert items["c2st", "t"].score < 0.45
        assert "below a half" in items["c2st", "t"].note
        assert items["c2st",].score == 0.5


class TestLittleOrNothing:
    @pytest.mark.parametrize("n", [0, 1, 20])
    def test_few_rows_are_no_evidence(self, real, n):
        items = found({name: rows.slice(0, n) for name, rows in real.items()}, real)
        assert all(math.isnan(item.score) for item in items.values())
        assert items["c2st",].note == "no table could be judged"
        assert "fewer than 50 rows" in items["c2st with children", "customer"].note

    @pytest.mark.parametrize("kind", [K.INTEGER, K.TEXT, K.DATE])
    def test_a_column_of_nulls_or_of_one_value(self, kind):
        assert alone(kind, pa.nulls(100), pa.nulls(100)).score == pytest.approx(0.5, abs=0.02)
        value = pa.array([{K.INTEGER: 7, K.TEXT: "a", K.DATE: dt.date(2024, 1, 1)}[kind]] * 100)
        assert alone(kind, value, value).score == pytest.approx(0.5, abs=0.02)
        assert alone(kind, value, pa.nulls(100)).score > 0.99

    def test_a_table_of_keys(self):
        keys = {"t": pa.table({"id": np.arange(100)})}
        items = found(keys, keys, schema=Schema("sqlite", (table("t", id=K.INTEGER),)))
        assert math.isnan(items["c2st", "t"].score)
        assert items["c2st", "t"].note == "no column to tell rows by"

    def test_keys_that_are_all_null(self, real):
        nulls = real["orders"].set_column(1, "customer_id", pa.nulls(real["orders"].num_rows, pa.int64()))
        items = found(real, {**real, "orders": nulls}, kept={"orders"})
        assert items["c2st with children", "customer"].score > 0.8
        assert items["c2st", "customer"].score == pytest.approx(0.5, abs=0.02)
