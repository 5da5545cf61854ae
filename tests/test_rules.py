"""Rules between columns: found where they are planted and nowhere else, told by inspect, kept in synthetic rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dbsynth.bundle import load_bundle, save_bundle
from dbsynth.config import Settings
from dbsynth.decoding import synthesise
from dbsynth.given import GivenRows
from dbsynth.integrity.checks import broken_rows
from dbsynth.integrity.rules.evidence import believed, believed_order
from dbsynth.integrity.rules.hold import settle
from dbsynth.integrity.rules.kinds import Copy, Fixed, Formula, Order, Rule, Shared, Total
from dbsynth.keys import parent_rows
from dbsynth.learning import learn
from dbsynth.plan import Fate, Plan, make_plan
from dbsynth.schema import Check, Column, ForeignKey, Kind, Schema, Table, UniqueKey, arrow_type

TINY = Settings(iterations=4, n_clusters=3, n_steps=3, batch_size=64, layers=(16,))
KEY = ForeignKey("of_head", "line", ("head_id",), "head", ("id",))


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Small tensors are faster on one core."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


class Drawn:
    """Two tables in the making, heads and their lines, and the rules that are planted in them."""

    def __init__(self, seed: int, n_heads: int = 80, n_lines: int = 400, *, childless: bool = True) -> None:
        self.rng = np.random.default_rng(seed)
        self.n = {"head": n_heads, "line": n_lines}
        self.head_of = self.rng.integers(0, n_heads - 8 * childless, n_lines)
        self.columns: dict[str, list[Column]] = {t: [Column("id", Kind.INTEGER, "int", False)] for t in self.n}
        self.values: dict[str, dict[str, object]] = {t: {"id": range(1, n + 1)} for t, n in self.n.items()}
        self.add("line", "head_id", (self.head_of + 1).tolist(), nullable=False)
        self.rules: set[str] = set()
        self.checks: list[Check] = []
        self.unique: list[UniqueKey] = []

    def add(self, table: str, name: str, values: object, kind: Kind = Kind.INTEGER, *, nullable: bool = True) -> None:
        scale = 2 if kind is Kind.DECIMAL else None
        self.columns[table].append(Column(name, kind, str(kind), nullable, precision=scale and 12, scale=scale))
        self.values[table][name] = values

    def unknown(self, table: str, share: float = 0.2) -> np.ndarray:
        return self.rng.random(self.n[table]) < share

    @property
    def schema(self) -> Schema:
        head = Table("head", tuple(self.columns["head"]), ("id",))
        line = Table("line", tuple(self.columns["line"]), ("id",), tuple(self.unique), tuple(self.checks))
        return Schema("sqlite", (head, line), (KEY,))

    @property
    def tables(self) -> dict[str, pa.Table]:
        return {t.name: pa.table({c.name: pa.array(self.values[t.name][c.name], arrow_type(c)) for c in t.columns})
                for t in self.schema.tables}  # fmt: skip

    def plan(self, **more: object) -> Plan:
        tables = self.tables
        return make_plan(self.schema, tables.__getitem__, self.n, TINY.model_copy(update={"no_keep": True, **more}))


def money(cents: np.ndarray, unknown: np.ndarray | None = None) -> list[Decimal | None]:
    unknown = np.zeros(len(cents), bool) if unknown is None else unknown
    return [None if null else Decimal(int(c)).scaleb(-2) for c, null in zip(cents, unknown, strict=True)]


def days(numbers: np.ndarray, unknown: np.ndarray | None = None) -> pa.Array:
    return pa.array(numbers, pa.int32(), mask=unknown).cast(pa.date32())


def plant_sum(d: Drawn) -> None:
    """In one row with unknown parts."""
    net, tax, unknown = d.rng.integers(100, 90_000, 400), d.rng.integers(0, 9_000, 400), d.unknown("line")
    for name, cents in (("net", net), ("gross", net + tax), ("tax", tax)):
        d.add("line", name, money(cents, unknown if name != "tax" else None), Kind.DECIMAL)
    d.rules.add("gross = net + tax")


def plant_product(d: Drawn) -> None:
    """Quantities and prices."""
    price, quantity = d.rng.integers(50, 5_000, 400), d.rng.integers(1, 9, 400)
    d.add("line", "amount", money(price * quantity), Kind.DECIMAL, nullable=False)
    d.add("line", "price", money(price), Kind.DECIMAL, nullable=False)
    d.add("line", "quantity", quantity.tolist(), nullable=False)
    d.rules.add("amount = price * quantity")


def plant_rate(d: Drawn) -> None:
    """A share of 19 %, rounded."""
    base = d.rng.integers(1_000, 90_000, 400)
    d.add("line", "base", money(base), Kind.DECIMAL)
    d.add("line", "vat", money(np.floor(base * 0.19 + 0.5)), Kind.DECIMAL)
    d.rules.add("vat = base * 0.19")


def plant_due(d: Drawn) -> None:
    """A month later."""
    billed = 19_000 + d.rng.integers(0, 900, 400)
    d.add("line", "billed_on", days(billed), Kind.DATE)
    d.add("line", "due_on", days(billed + 30), Kind.DATE)
    d.rules.add("due_on = billed_on + 30")


def plant_order(d: Drawn) -> None:
    """Dates in order, of which the last may not be there yet."""
    start = 17_000 + d.rng.integers(0, 700, 400)
    end = start + d.rng.integers(0, 90, 400)
    d.add("line", "ended", days(end, d.unknown("line")), Kind.DATE)
    d.add("line", "started", days(start), Kind.DATE)
    d.rules.add("started <= ended")


def plant_bounded(d: Drawn) -> None:
    """A line after its head was opened, and before it was closed."""
    opened = 15_000 + d.rng.integers(0, 900, 80)
    closed = opened + 10 + d.rng.integers(0, 900, 80)
    d.add("head", "opened", days(opened), Kind.DATE)
    d.add("head", "closed", days(closed), Kind.DATE)
    at = opened[d.head_of] + (d.rng.random(400) * (closed - opened)[d.head_of]).astype(int)
    moments = at * 86_400_000_000 + d.rng.integers(0, 86_400, 400) * 1_000_000
    d.add("line", "at", pa.array(moments, pa.int64(), mask=d.unknown("line")).cast(pa.timestamp("us")), Kind.TIMESTAMP)
    d.rules |= {"opened <= closed", "at >= head.opened, by head_id", "at <= head.closed, by head_id"}


def plant_limit(d: Drawn) -> None:
    """A number that another one bounds."""
    limit = d.rng.integers(0, 5_000, 400)
    d.add("line", "limit", limit.tolist())
    d.add("line", "used", (d.rng.random(400) * (limit + 1)).astype(int).tolist())
    d.rules.add("used <= limit")


def plant_place(d: Drawn) -> None:
    """A postal area fixes the town, and the town the land; a number among them."""
    area = d.rng.integers(0, 40, 400)
    d.add("line", "area", [f"A{a % 20:02}{a // 20}" for a in area], Kind.TEXT)
    d.add("line", "code", (area * 37 % 101).tolist())
    d.add("line", "land", ["north" if a % 8 < 4 else "south" for a in area], Kind.TEXT)
    d.rules |= {"land is fixed by area", "code is fixed by area"}


def plant_copy(d: Drawn) -> None:
    """A line holds its head's kind and price."""
    kinds, prices = d.rng.choice(["a", "b", "c"], 80).tolist(), d.rng.integers(100, 9_000, 80)
    d.add("head", "kind", kinds, Kind.TEXT)
    d.add("line", "kind_then", [kinds[h] for h in d.head_of], Kind.TEXT)
    d.add("head", "price_now", money(prices), Kind.DECIMAL)
    d.add("line", "price_then", money(prices[d.head_of]), Kind.DECIMAL)
    d.rules |= {"kind_then = head.kind, by head_id", "price_then = head.price_now, by head_id"}


def plant_total(d: Drawn) -> None:
    """A head holds how many lines it has and what they come to; a head without any holds 0."""
    weight, unit = d.rng.integers(1, 500, 400), d.rng.integers(1, 20, 400)
    d.add("line", "weight", weight.tolist(), nullable=False)
    d.add("line", "unit", unit.tolist(), nullable=False)
    d.add("head", "load", np.bincount(d.head_of, weight * unit, 80).astype(int).tolist(), nullable=False)
    d.add("head", "lines", np.bincount(d.head_of, minlength=80).tolist(), nullable=False)
    d.rules |= {"load = sum of line.weight * line.unit, by head_id", "lines = number of line rows, by head_id"}


def plant_shared(d: Drawn) -> None:
    """All lines of a head have one channel, or none, and one number of days to go by; the head does not hold them."""
    channels, terms = d.rng.choice(["shop", "web", None], 80), d.rng.integers(1, 60, 80)
    d.add("line", "channel", [channels[h] for h in d.head_of], Kind.TEXT)
    d.add("line", "term", terms[d.head_of].tolist())
    d.rules |= {"channel is one for all rows of a head, by head_id", "term is one for all rows of a head, by head_id"}


PLANTS = [plant_sum, plant_product, plant_rate, plant_due, plant_order, plant_bounded, plant_limit, plant_place,
          plant_copy, plant_total, plant_shared]  # fmt: skip


def numbers(array: pa.ChunkedArray, *, by_day: bool = False) -> np.ndarray:
    """Anything that compares as float64: days, microseconds, amounts; NaN for null."""
    if pa.types.is_temporal(array.type):
        array = array.cast(pa.date32()) if by_day else array
        array = array.cast(pa.int32() if pa.types.is_date(array.type) else pa.int64())
    return np.array([np.nan if v is None else float(v) for v in array.to_pylist()])


def broken(rule: Rule, schema: Schema, tables: Mapping[str, pa.Table]) -> int:
    """How many rows do not obey a rule."""
    own = tables[rule.table]
    if isinstance(rule, Total):
        rows = parent_rows(tables["line"], tables["head"], rule.key)
        of = np.prod([numbers(tables["line"].column(f)) for f in rule.factors] or [np.ones(len(rows))], axis=0)
        return int((np.abs(numbers(own.column(rule.column)) - np.bincount(rows, of, own.num_rows)) > 1e-6).sum())
    if isinstance(rule, Formula):
        parts = [numbers(own.column(name)) for name in rule.operands]
        made = rule.constant
        for part, sign in zip(parts, rule.signs, strict=True):
            made = made * part**sign if rule.is_product else made + sign * part
        target = numbers(own.column(rule.column))
        room = rule.step / 2 * (1 + 1e-6) + 1e-9
        return int((~(np.isnan(made) & np.isnan(target)) & ~(np.abs(made - target) <= room)).sum())
    if isinstance(rule, Shared):
        rows = parent_rows(own, tables[rule.key.parent], rule.key)
        pairs = set(zip(rows.tolist(), own.column(rule.column).to_pylist(), strict=True))
        return len(pairs) - len(np.unique(rows))
    other = own.column(rule.other) if getattr(rule, "key", None) is None else tables[rule.key.parent].column(rule.other)
    if getattr(rule, "key", None) is not None:
        rows = parent_rows(own, tables[rule.key.parent], rule.key)
        other = other.take(pa.array(rows, mask=rows < 0))
    if isinstance(rule, Order):
        by_day = rule.by_day
        low, high = numbers(other, by_day=by_day), numbers(own.column(rule.column), by_day=by_day)
        low, high = (low, high) if rule.is_above else (high, low)
        return int((low > high).sum())
    pairs = list(zip(other.to_pylist(), own.column(rule.column).to_pylist(), strict=True))
    if isinstance(rule, Copy):
        return sum(a != b for a, b in pairs)
    first = dict(reversed(pairs))
    return sum(first[a] != b for a, b in pairs)


@pytest.mark.parametrize("plant", PLANTS, ids=lambda plant: plant.__name__.removeprefix("plant_"))
def test_planted_rules_are_found_and_hold(plant: Callable[[Drawn], None]) -> None:
    """Each in its own tables, and no other there."""
    drawn = Drawn(1)
    plant(drawn)
    plan = drawn.plan()
    assert {rule.text.replace(" (by the day)", "") for rule in plan.rules} == drawn.rules
    assert [rule for rule in plan.rules if broken(rule, drawn.schema, drawn.tables)] == []
    made = synthesise(learn(plan, drawn.tables.__getitem__, TINY))
    assert {rule.text: broken(rule, drawn.schema, made) for rule in plan.rules} == dict.fromkeys(
        (rule.text for rule in plan.rules), 0
    )
    for column in (c for t in drawn.schema.tables for c in t.columns if not c.nullable):
        assert all(t.column(column.name).null_count == 0 for t in made.values() if column.name in t.column_names)


@settings(max_examples=5, deadline=None, derandomize=True)
@given(st.sets(st.sampled_from(range(len(PLANTS))), min_size=3), st.integers(0, 2**32 - 1), st.booleans())
def test_every_rule_found_holds(chosen: set[int], seed: int, graph: bool) -> None:
    """Whatever stands together in a database, with either engine."""
    drawn = Drawn(seed)
    for i in sorted(chosen):
        PLANTS[i](drawn)
    settings = TINY.model_copy(update={"engine": "graph" if graph else "clava", "seed": seed % 1000})
    plan = drawn.plan()
    made = synthesise(learn(plan, drawn.tables.__getitem__, settings), seed=seed % 1000)
    assert [rule.text for rule in plan.rules if broken(rule, drawn.schema, made)] == []


@settings(max_examples=8, deadline=None, derandomize=True)
@given(st.integers(0, 2**32 - 1))
def test_shuffled_columns_have_no_rules(seed: int) -> None:
    """The same values, dealt anew: what was a rule is none any more."""
    drawn = Drawn(seed)
    for plant in PLANTS:
        plant(drawn)
    for name, values in drawn.values.items():
        for column in drawn.columns[name][1:]:
            array = pa.array(values[column.name], arrow_type(column))
            values[column.name] = array.take(pa.array(drawn.rng.permutation(len(array))))
    assert drawn.plan().rules == ()


def test_a_coincidence_is_no_rule() -> None:
    """In a handful of rows, among constants, and where no other order of the rows could break it."""
    assert believed_order(np.arange(40.0), np.arange(40.0) + 1)
    assert not believed_order(np.arange(19.0), np.arange(19.0) + 1)  # few rows
    assert not believed_order(np.arange(40.0), np.arange(40.0) + 40)  # the one ends where the other begins
    assert believed(40, np.arange(40) % 5)
    assert not believed(40, np.zeros(40))
    assert not believed(25, (np.arange(25) == 0).astype(int))


def test_settings_switch_rules_off() -> None:
    """All of them, or what is said about one column."""
    drawn = Drawn(1)
    plant_sum(drawn)
    assert drawn.plan(rules=False).rules == ()
    assert [c.why for c in drawn.plan().columns if c.fate is Fate.COMPUTED] == ["gross = net + tax"]
    tables = {"line": {"columns": {"gross": "modelled"}}}
    settings = Settings(no_keep=True, tables=tables)
    plan = make_plan(drawn.schema, drawn.tables.__getitem__, drawn.n, settings)
    assert not any(isinstance(rule, Formula) for rule in plan.rules)


def test_what_few_rows_hold_does_not_come_through_a_rule() -> None:
    """An area of three rows, with a town of its own, stands in no synthetic row; nor does what it fixes."""
    drawn = Drawn(2)
    plant_place(drawn)
    for row in range(3):
        drawn.values["line"]["area"][row], drawn.values["line"]["land"][row] = "Z99", "south"
        drawn.values["line"]["code"][row] = 9_999
    plan = drawn.plan()
    assert {rule.text for rule in plan.rules} == drawn.rules
    made = synthesise(learn(plan, drawn.tables.__getitem__, TINY))["line"]
    assert "Z99" not in made.column("area").to_pylist()
    assert 9_999 not in made.column("code").to_pylist()


def test_rules_checks_and_uniqueness_hold_together() -> None:
    """Started and ended in order by a CHECK, no two of a head on one day, none before the head was opened."""
    drawn = Drawn(3, n_lines=400)
    opened = 15_000 + drawn.rng.integers(0, 300, 80)
    drawn.add("head", "opened", days(opened), Kind.DATE)
    started = opened[drawn.head_of] + np.arange(400) // 4
    drawn.add("line", "started", days(started), Kind.DATE, nullable=False)
    drawn.add("line", "ended", days(started + drawn.rng.integers(0, 30, 400)), Kind.DATE, nullable=False)
    drawn.add("line", "size", drawn.rng.integers(1, 6, 400).tolist(), nullable=False)
    drawn.unique = [UniqueKey("u", ("head_id", "size", "started"))]
    drawn.checks = [Check("c", '"ended" >= "started"'), Check("d", '"size" > 0')]
    plan = drawn.plan()
    assert any("opened" in rule.text for rule in plan.rules) or plan.rules
    made = synthesise(learn(plan, drawn.tables.__getitem__, TINY))
    line = made["line"]
    assert len(line.group_by(["head_id", "size", "started"]).aggregate([])) == line.num_rows
    columns = {name: line.column(name).combine_chunks() for name in line.column_names}
    assert all(len(broken_rows(columns, check.expression, "sqlite")) == 0 for check in drawn.checks)
    assert [rule.text for rule in plan.rules if broken(rule, drawn.schema, made)] == []


def test_exchange_keeps_the_values_of_a_column() -> None:
    """Rows out of bounds exchange: every value is still there, as often as before."""
    rng = np.random.default_rng(0)
    low = rng.integers(0, 50, 1000)
    table = Table("t", (Column("low", Kind.INTEGER, "int"), Column("x", Kind.INTEGER, "int")))
    drawn = np.maximum(low, rng.integers(0, 100, 1000))
    columns = {"low": pa.array(low), "x": pa.array(np.where(rng.random(1000) < 0.1, rng.permutation(drawn), drawn))}
    rules = [Order("t", "x", "low", True)]
    held = settle(rules, columns, table, {}, np.zeros((1000, 0)), rng)["x"].to_numpy()
    assert (held >= low).all()
    assert sorted(held) == sorted(columns["x"].to_pylist())
    assert (held == columns["x"].to_numpy()).mean() > 0.85


def test_what_siblings_share_is_filled_from_theirs() -> None:
    """Where a sibling's row tells it, and in new rows, too; where none does, all of them get one value."""
    drawn = Drawn(0)
    plant_shared(drawn)
    model = learn(drawn.plan(engine="graph"), drawn.tables.__getitem__, TINY.model_copy(update={"engine": "graph"}))
    line, missing = drawn.tables["line"], np.random.default_rng(1).random(400) < 0.7
    term = pa.array(line.column("term").to_pylist(), line.schema.field("term").type, mask=missing)
    blanked = line.set_column(line.column_names.index("term"), "term", term)
    rows = {"head": drawn.tables["head"], "line": blanked}
    made = synthesise(model, given=GivenRows(rows, {"line": frozenset({"term"})}, {"line": 500}))["line"].to_pandas()
    known = dict(zip(drawn.head_of[~missing] + 1, line.column("term").to_numpy()[~missing], strict=True))
    assert len(made) == 500
    assert (made.groupby("head_id")["term"].nunique(dropna=False) == 1).all()
    told = made[made["head_id"].isin(list(known))]
    assert 0 < len(told) < 500
    assert (told["term"] == told["head_id"].map(known)).all()


def test_a_bundle_keeps_the_rules(tmp_path: Path) -> None:
    """All kinds of them."""
    drawn = Drawn(1)
    for plant in PLANTS:
        plant(drawn)
    model = learn(drawn.plan(), drawn.tables.__getitem__, TINY)
    assert {type(rule) for rule in model.rules} == {Copy, Fixed, Formula, Order, Shared, Total}
    save_bundle(model, tmp_path / "b")
    assert load_bundle(tmp_path / "b").rules == model.rules
