"""Rules between columns: found where they are planted and nowhere else, told by inspect, kept in synthetic rows."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from dbsynth.columns.arithmetic import Product, Sum, compute
from dbsynth.config import Settings
from dbsynth.decoding import synthesise
from dbsynth.integrity.rules.evidence import NEEDED, agreement, order_evidence
from dbsynth.keys import parent_rows
from dbsynth.learning import learn
from dbsynth.plan import Fate, Plan, make_plan
from dbsynth.schema import Check, Column, ForeignKey, Kind, Schema, Table, UniqueKey, arrow_type

TINY = Settings(iterations=4, n_clusters=3, n_steps=3, batch_size=64, layers=(16,))
QUICK = (Phase.explicit, Phase.reuse, Phase.generate)  # a table of all rules shrinks to no clearer one


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Small tensors are faster on one core."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def column(name: str, kind: Kind = Kind.INTEGER, *, nullable: bool = True) -> Column:
    scale = 2 if kind is Kind.DECIMAL else None
    return Column(name, kind, str(kind), nullable, precision=12 if scale else None, scale=scale)


def money(cents: np.ndarray) -> list[Decimal]:
    return [Decimal(int(c)).scaleb(-2) for c in cents]


def days(numbers: np.ndarray, unknown: np.ndarray | None = None) -> pa.Array:
    return pa.array(numbers, pa.int32(), mask=unknown).cast(pa.date32())


class Rows:
    """One table in the making: columns with their values, and the rules that hold in them."""

    def __init__(self, n: int, seed: int) -> None:
        self.n, self.rng = n, np.random.default_rng(seed)
        self.columns: list[Column] = [column("id", nullable=False)]
        self.values: dict[str, object] = {"id": range(1, n + 1)}
        self.rules: set[str] = set()

    def add(self, name: str, values: object, kind: Kind = Kind.INTEGER) -> None:
        self.columns.append(column(name, kind))
        self.values[name] = values

    @property
    def schema(self) -> Schema:
        return Schema("sqlite", (Table("t", tuple(self.columns), ("id",)),))

    @property
    def tables(self) -> dict[str, pa.Table]:
        return {"t": pa.table({c.name: pa.array(self.values[c.name], arrow_type(c)) for c in self.columns})}


def plant_sum(rows: Rows) -> None:
    net, tax = rows.rng.integers(100, 90_000, rows.n), rows.rng.integers(0, 9_000, rows.n)
    for name, cents in (("net", net), ("gross", net + tax), ("tax", tax)):
        rows.add(name, money(cents), Kind.DECIMAL)
    rows.rules.add("gross = net + tax")


def plant_three(rows: Rows) -> None:
    parts = [rows.rng.integers(-k, 900 + k, rows.n) for k in (50, 60, 70)]
    for name, x in zip(("p1", "p2", "p3", "all"), (*parts, sum(parts)), strict=True):
        rows.add(name, x.tolist())
    rows.rules.add("all = p1 + p2 + p3")


def plant_product(rows: Rows) -> None:
    price, quantity = rows.rng.integers(50, 5_000, rows.n), rows.rng.integers(1, 9, rows.n)
    rows.add("amount", money(price * quantity), Kind.DECIMAL)
    rows.add("price", money(price), Kind.DECIMAL)
    rows.add("quantity", quantity.tolist())
    rows.rules.add("amount = price * quantity")


def plant_rate(rows: Rows) -> None:
    base = rows.rng.integers(1_000, 90_000, rows.n)
    rows.add("base", money(base), Kind.DECIMAL)
    rows.add("vat", money(np.floor(base * 0.19 + 0.5)), Kind.DECIMAL)
    rows.rules.add("vat = 0.19 * base")


def plant_due(rows: Rows) -> None:
    billed = 19_000 + rows.rng.integers(0, 900, rows.n)
    rows.add("billed_on", days(billed), Kind.DATE)
    rows.add("due_on", days(billed + 30), Kind.DATE)
    rows.rules.add("due_on = billed_on + 30")


def plant_order(rows: Rows) -> None:
    """A start, an end that may not be there yet, and what came after it."""
    start = 17_000 + rows.rng.integers(0, 700, rows.n)
    end = start + rows.rng.integers(0, 90, rows.n) * (np.arange(rows.n) > 0)
    rows.add("closed", days(end + 1 + rows.rng.integers(0, 20, rows.n), rows.rng.random(rows.n) < 0.2), Kind.DATE)
    rows.add("ended", days(end), Kind.DATE)
    rows.add("started", days(start), Kind.DATE)
    rows.rules |= {"started <= ended", "ended < closed"}


def plant_numbers_in_order(rows: Rows) -> None:
    cost = rows.rng.integers(100, 1_000, rows.n)
    rows.add("cost", cost.tolist())
    rows.add("sold_at", (cost + rows.rng.integers(0, 300, rows.n) * (np.arange(rows.n) > 0)).tolist())
    rows.rules.add("cost <= sold_at")


def plant_fixed(rows: Rows) -> None:
    zips = rows.rng.integers(10_000, 10_040, rows.n)
    city = rows.rng.permutation(np.arange(40) % 9)
    rows.add("zip", zips.tolist())
    rows.add("city", [f"city {city[z - 10_000]}" for z in zips], Kind.TEXT)
    rows.rules.add("zip fixes city")


def plant_nulls(rows: Rows) -> None:
    state = rows.rng.choice(["open", "sent", "paid"], rows.n)
    rows.add("state", state.tolist(), Kind.TEXT)
    rows.add("sent_on", days(rows.rng.integers(15_000, 15_500, rows.n), state == "open"), Kind.DATE)
    rows.rules.add("sent_on is null exactly where state is 'open'")


def plant_equal(rows: Rows) -> None:
    codes = [f"code {k}" for k in rows.rng.integers(0, 12, rows.n)]
    rows.add("ship_to", codes, Kind.TEXT)
    rows.add("bill_to", codes, Kind.TEXT)
    rows.rules.add("bill_to = ship_to")


def noise(rows: Rows) -> None:
    """Independent columns of every kind; ranges overlap, so that order, too, could be seen in them."""
    rng, n = rows.rng, rows.n
    rows.add("n1", rng.integers(0, 1_000, n).tolist())
    rows.add("n2", rng.integers(0, 12, n).tolist())
    rows.add("n3", [None if rng.random() < 0.3 else int(x) for x in rng.poisson(3, n)])
    rows.add("n4", money(rng.integers(0, 99_999, n)), Kind.DECIMAL)
    rows.add("n5", rng.normal(size=n).tolist(), Kind.FLOAT)
    rows.add("n6", rng.choice(["a", "b", "c"], n, p=[0.9, 0.07, 0.03]).tolist(), Kind.TEXT)
    rows.add("n7", (rng.random(n) < 0.02).tolist(), Kind.BOOLEAN)
    rows.add("n8", days(rng.integers(14_000, 20_000, n), rng.random(n) < 0.1), Kind.DATE)


PLANTS = [
    plant_sum, plant_three, plant_product, plant_rate, plant_due, plant_order, plant_numbers_in_order, plant_fixed,
    plant_nulls, plant_equal,
]  # fmt: skip


def planned(schema: Schema, tables: Mapping[str, pa.Table], **given_settings: object) -> Plan:
    chosen = TINY.model_copy(update={"no_keep": True, **given_settings})
    return make_plan(schema, tables.__getitem__, {n: t.num_rows for n, t in tables.items()}, chosen)


def rules_of(schema: Schema, tables: Mapping[str, pa.Table], **given_settings: object) -> set[str]:
    return {rule.text for rule in planned(schema, tables, **given_settings).rules}


def cloned(schema: Schema, tables: Mapping[str, pa.Table], **given_settings: object) -> dict[str, pa.Table]:
    plan = planned(schema, tables, **given_settings)
    return synthesise(learn(plan, tables.__getitem__, TINY))


@settings(max_examples=15, phases=QUICK)
@given(st.sets(st.sampled_from(PLANTS)), st.integers(80, 400), st.integers(0, 2**20))
def test_rules_are_found_exactly_where_they_are_planted(plants: set, n: int, seed: int) -> None:
    """Among noise, in whatever mixture."""
    rows = Rows(n, seed)
    noise(rows)
    for plant in sorted(plants, key=lambda p: p.__name__):
        plant(rows)
    assert rules_of(rows.schema, rows.tables) == rows.rules


@settings(max_examples=8, phases=QUICK)
@given(st.sets(st.sampled_from(PLANTS), min_size=1), st.integers(80, 300), st.integers(0, 2**20), st.data())
def test_synthetic_rows_obey_all_rules(plants: set, n: int, seed: int, data: st.DataObject) -> None:
    """However badly the engine is trained: they are found again in its rows, with none of them broken."""
    rows = Rows(n, seed)
    for plant in data.draw(st.permutations(sorted(plants, key=lambda p: p.__name__))):
        plant(rows)
    made = cloned(rows.schema, rows.tables)["t"].to_pylist()
    assert len(made) == n
    held = {
        "gross = net + tax": lambda r: r["gross"] == r["net"] + r["tax"],
        "all = p1 + p2 + p3": lambda r: r["all"] == r["p1"] + r["p2"] + r["p3"],
        "amount = price * quantity": lambda r: r["amount"] == r["price"] * r["quantity"],
        "vat = 0.19 * base": lambda r: abs(r["vat"] - Decimal("0.19") * r["base"]) <= Decimal("0.005"),
        "due_on = billed_on + 30": lambda r: (r["due_on"] - r["billed_on"]).days == 30,
        "started <= ended": lambda r: r["started"] <= r["ended"],
        "ended < closed": lambda r: r["closed"] is None or r["ended"] < r["closed"],
        "cost <= sold_at": lambda r: r["cost"] <= r["sold_at"],
        "sent_on is null exactly where state is 'open'": lambda r: (r["sent_on"] is None) == (r["state"] == "open"),
        "bill_to = ship_to": lambda r: r["bill_to"] == r["ship_to"],
        "zip fixes city": lambda r: r["city"] == city_of.setdefault(r["zip"], r["city"]),
    }
    city_of: dict[int, str] = {}
    for rule in rows.rules:
        assert [row for row in made if not held[rule](row)] == [], rule


def test_what_is_learned_of_a_fixed_column_is_what_was_there() -> None:
    """A zip goes with its own city, as far as five rows have it; rarer ones are not carried over."""
    rows = Rows(600, 3)
    plant_fixed(rows)
    rows.values["zip"] = [*rows.values["zip"], 77_777]
    rows.values["city"] = [*rows.values["city"], "city 0"]
    rows.values["id"] = range(601)
    plan = planned(rows.schema, rows.tables)
    (rule,) = plan.rules
    assert "77777" not in rule.values
    assert len(rule.values) > 30
    real = dict(zip(rows.values["zip"], rows.values["city"], strict=True))
    made = synthesise(learn(plan, rows.tables.__getitem__, TINY))["t"].to_pylist()
    assert [row for row in made if str(row["zip"]) in rule.values and row["city"] != real[row["zip"]]] == []


def test_one_row_that_disobeys_is_enough() -> None:
    """Rules are what every row obeys."""
    rows = Rows(300, 0)
    for plant in (plant_sum, plant_order, plant_fixed):
        plant(rows)
    rows.values["gross"] = [*rows.values["gross"][:-1], Decimal(1)]
    rows.values["started"] = days(np.r_[rows.values["started"].cast(pa.int32()).to_numpy()[:-1], 30_000])
    rows.values["city"] = ["elsewhere", *rows.values["city"][1:]]
    assert rules_of(rows.schema, rows.tables) == {"ended < closed"}


def test_few_rows_are_no_evidence() -> None:
    """Nineteen rows obey much by accident."""
    rows = Rows(19, 0)
    plant_sum(rows)
    plant_order(rows)
    assert rules_of(rows.schema, rows.tables) == set()


@settings(max_examples=25)
@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 6)), min_size=1, max_size=6))
def test_order_evidence_is_that_of_all_permutations(pairs: list[tuple[int, int]]) -> None:
    """Counted one by one."""
    from itertools import permutations

    low = np.array([min(pair) for pair in pairs])
    high = np.array([max(pair) for pair in pairs])
    obey = np.mean([(np.array(dealt) <= high).all() for dealt in permutations(low)])
    assert order_evidence(low.astype(float), high.astype(float)) == pytest.approx(-np.log(obey))


def test_evidence_of_constants_and_of_many_values() -> None:
    """A constant agrees with itself in any order; a hundred different values hardly ever."""
    assert agreement(np.zeros(50)) == 0
    assert 100 * agreement(np.arange(100)) > NEEDED
    assert order_evidence(np.arange(50.0), 100 + np.arange(50.0)) == 0


@pytest.mark.parametrize(
    ("value", "rate", "expected"), [(201, 0.5, "1.01"), (-201, 0.5, "-1.01"), (100, 0.335, "0.34")]
)
def test_halves_are_rounded_away_from_zero(value: int, rate: float, expected: str) -> None:
    """As servers do, also where the float is a hair below the half."""
    a, b = column("a", Kind.DECIMAL), column("b", Kind.DECIMAL)
    array = pa.array(money(np.array([value])), arrow_type(a))
    made = compute(Product("b", ("a",), (1,), rate, 0.01), {"a": array}, {"a": a, "b": b}, arrow_type(b))
    assert made.to_pylist() == [Decimal(expected)]


def test_a_null_operand_makes_a_null() -> None:
    """And words say what is computed."""
    formula = Sum("c", ("a", "b"), (1, -1), 2.5, 0.5)
    assert formula.text == "c = a - b + 2.5"
    columns = {name: Column(name, Kind.FLOAT, "float") for name in "abc"}
    made = compute(formula, {"a": pa.array([1.0, None]), "b": pa.array([2.0, 3.0])}, columns, pa.float64())
    assert made.to_pylist() == [1.5, None]


CUSTOMERS, ORDERS = 60, 500


def shop() -> tuple[Schema, dict[str, pa.Table]]:
    """Customers, orders that copy their city and come after their registration, and add up in the customer."""
    rng = np.random.default_rng(0)
    since = 18_000 + rng.integers(0, 400, CUSTOMERS)
    city = [f"city {k}" for k in rng.integers(0, 5, CUSTOMERS)]
    of = np.r_[np.arange(CUSTOMERS - 10), rng.integers(0, CUSTOMERS - 10, ORDERS - CUSTOMERS + 10)]
    cents = rng.integers(100, 9_999, ORDERS)
    on = since[of] + np.floor(rng.random(ORDERS) * (18_500 - since[of])).astype(int)
    customer = Table("customer", (
        column("id", nullable=False), column("since", Kind.DATE, nullable=False), column("city", Kind.TEXT),
        column("n_orders"), column("spent", Kind.DECIMAL), column("last_on", Kind.DATE),
    ), ("id",))  # fmt: skip
    order = Table("order", (
        column("id", nullable=False), column("customer_id", nullable=False), column("on", Kind.DATE),
        column("city", Kind.TEXT), column("amount", Kind.DECIMAL),
    ), ("id",))  # fmt: skip
    last = [max((int(d) for d, c in zip(on, of, strict=True) if c == k), default=None) for k in range(CUSTOMERS)]
    last_on = pa.array(last, pa.int32()).cast(pa.date32())
    values = {
        "customer": {
            "id": range(CUSTOMERS), "since": days(since), "city": city,
            "n_orders": np.bincount(of, minlength=CUSTOMERS),
            "spent": money(np.bincount(of, cents, minlength=CUSTOMERS)), "last_on": last_on,
        },
        "order": {
            "id": range(ORDERS), "customer_id": of, "on": days(on), "city": [city[c] for c in of],
            "amount": money(cents),
        },
    }  # fmt: skip
    schema = Schema("sqlite", (customer, order), (ForeignKey("f", "order", ("customer_id",), "customer", ("id",)),))
    tables = {
        t.name: pa.table({c.name: pa.array(values[t.name][c.name], arrow_type(c)) for c in t.columns})
        for t in schema.tables
    }
    return schema, tables


def test_rules_along_a_foreign_key() -> None:
    """Copies, order, and what children come to; found in the real rows and kept in the synthetic ones."""
    schema, tables = shop()
    assert rules_of(schema, tables) == {
        "city = customer.city, by customer_id", "on >= customer.since, by customer_id",
        "n_orders = count(order), by customer_id", "spent = sum(order.amount), by customer_id",
        "last_on = max(order.on), by customer_id", "on <= customer.last_on, by customer_id",
    }  # fmt: skip
    made = cloned(schema, tables)
    parents = parent_rows(made["order"], made["customer"], schema.foreign_keys[0])
    customers, orders = made["customer"].to_pylist(), made["order"].to_pylist()
    for parent, row in zip(parents, orders, strict=True):
        assert row["city"] == customers[parent]["city"]
        assert row["on"] >= customers[parent]["since"]
    for k, row in enumerate(customers):
        own = [orders[i] for i in np.flatnonzero(parents == k)]
        assert row["n_orders"] == len(own)
        assert row["spent"] == sum((o["amount"] for o in own), Decimal(0))
        assert row["last_on"] == max((o["on"] for o in own), default=None)


def test_rules_checks_and_uniqueness_all_hold() -> None:
    """Uniqueness is repaired last, and breaks neither."""
    rows = Rows(400, 1)
    line = rows.rng.permutation(np.tile(np.arange(1, 41), 10))
    rows.add("room", np.repeat(np.arange(10), 40)[np.argsort(rows.rng.random(400))].tolist())
    rows.add("line", line.tolist())
    rows.add("until", (line + rows.rng.integers(0, 9, 400)).tolist())
    pairs = sorted(set(zip(rows.values["room"], rows.values["line"], strict=True)))
    rows.n = len(pairs)
    rows.values = {
        "id": range(rows.n), "room": [p[0] for p in pairs], "line": [p[1] for p in pairs],
        "until": [p[1] + int(k) for p, k in zip(pairs, rows.rng.integers(0, 9, rows.n), strict=True)],
    }  # fmt: skip
    table = Table("t", tuple(rows.columns), ("id",), (UniqueKey("u", ("room", "line")),), (Check("c", "until < 50"),))
    schema = Schema("sqlite", (table,))
    assert rules_of(schema, rows.tables) == {"line <= until"}
    made = cloned(schema, rows.tables)["t"].to_pylist()
    assert len(made) == rows.n
    assert len({(row["room"], row["line"]) for row in made}) == rows.n
    assert [row for row in made if not row["line"] <= row["until"] < 50] == []


def test_the_plan_says_which_columns_are_computed() -> None:
    """In its columns, and in its rules as plain data."""
    rows = Rows(200, 0)
    plant_product(rows)
    plan = planned(rows.schema, rows.tables)
    (amount,) = [c for c in plan.columns if c.column == "amount"]
    assert (amount.fate, amount.why) == (Fate.COMPUTED, "amount = price * quantity")
    assert json.loads(json.dumps(plan.to_json()["rules"])) == [{
        "table": "t", "kind": "arithmetic", "columns": ["amount", "price", "quantity"],
        "rule": "amount = price * quantity",
    }]  # fmt: skip


def ship_to() -> tuple[Schema, dict[str, pa.Table]]:
    """Orders that hold their customer's country and phone, and a city of that country."""
    rng = np.random.default_rng(0)
    customer = Table("customer", (
        column("id", nullable=False), column("country", Kind.TEXT), column("phone", Kind.TEXT),
    ), ("id",))  # fmt: skip
    order = Table("order", (
        column("id", nullable=False), column("customer_id", nullable=False), column("land", Kind.TEXT),
        column("city", Kind.TEXT), column("phone", Kind.TEXT),
    ), ("id",))  # fmt: skip
    country, of = rng.integers(0, 4, CUSTOMERS), rng.integers(0, CUSTOMERS, ORDERS)
    phone = [f"+49 30 {k}" for k in rng.integers(10**6, 10**7, CUSTOMERS)]
    values = {
        "customer": {"id": range(CUSTOMERS), "country": [f"country {k}" for k in country], "phone": phone},
        "order": {
            "id": range(ORDERS), "customer_id": of, "land": [f"country {country[c]}" for c in of],
            "city": [f"city {3 * country[c] + k}" for c, k in zip(of, rng.integers(0, 3, ORDERS), strict=True)],
            "phone": [phone[c] for c in of],
        },
    }  # fmt: skip
    schema = Schema("sqlite", (customer, order), (ForeignKey("f", "order", ("customer_id",), "customer", ("id",)),))
    return schema, {
        t.name: pa.table({c.name: pa.array(values[t.name][c.name], arrow_type(c)) for c in t.columns})
        for t in schema.tables
    }


def test_what_fixes_a_copied_column_follows_it_and_copies_of_inventions_are_inventions() -> None:
    """A city of the customer's country; the customer's phone, which is nobody's."""
    schema, tables = ship_to()
    assert rules_of(schema, tables) == {
        "land = customer.country, by customer_id", "phone = customer.phone, by customer_id", "city fixes land",
    }  # fmt: skip
    fates = {c.column: c.fate for c in planned(schema, tables).columns if c.table == "order"}
    assert (fates["land"], fates["phone"]) == (Fate.COMPUTED, Fate.FABRICATED)
    made = cloned(schema, tables)
    country = dict(zip(tables["order"]["city"].to_pylist(), tables["order"]["land"].to_pylist(), strict=True))
    parents = parent_rows(made["order"], made["customer"], schema.foreign_keys[0])
    customers = made["customer"].to_pylist()
    for parent, row in zip(parents, made["order"].to_pylist(), strict=True):
        assert (row["land"], row["phone"]) == (customers[parent]["country"], customers[parent]["phone"])
        assert country[row["city"]] == row["land"]
    assert not set(made["order"]["phone"].to_pylist()) & set(tables["order"]["phone"].to_pylist())


def test_a_bundle_keeps_the_rules(tmp_path: Path) -> None:
    """Rows drawn from it are those drawn at once."""
    from dbsynth.bundle import load_bundle, save_bundle

    schema, tables = shop()
    model = learn(planned(schema, tables), tables.__getitem__, TINY)
    save_bundle(model, tmp_path / "b")
    again = load_bundle(tmp_path / "b")
    assert {name: table.rules for name, table in again.tables.items()} == {
        name: table.rules for name, table in model.tables.items()
    }
    first, second = synthesise(model), synthesise(again)
    assert all(first[name].equals(second[name]) for name in first)


def test_what_the_target_demands_comes_before_what_was_learned() -> None:
    """A column that its key fixes, bound by a CHECK to one that it does not fix: no run ends for a rule's sake."""
    rng = np.random.default_rng(0)
    of = rng.integers(0, 8, 200)
    low = (of * 7) % 20
    owner = Table("owner", (column("id", nullable=False), column("n")), ("id",))
    device = Table("device", (
        column("id", nullable=False), column("owner_id", nullable=False), column("low"), column("high"),
    ), ("id",), (), (Check("c", "low <= high"), Check("d", "high < 30")))  # fmt: skip
    schema = Schema("sqlite", (owner, device), (ForeignKey("f", "device", ("owner_id",), "owner", ("id",)),))
    tables = {
        "owner": pa.table({"id": range(8), "n": range(8)}),
        "device": pa.table({"id": range(200), "owner_id": of, "low": low, "high": low + rng.integers(0, 9, 200)}),
    }
    assert "owner_id fixes low" in rules_of(schema, tables)
    made = cloned(schema, tables)["device"].to_pylist()
    assert [row for row in made if not row["low"] <= row["high"] < 30] == []
