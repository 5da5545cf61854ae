"""From tables to synthetic tables: keys find their rows, unique keys are unique, whatever shape the schema has."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest
import torch

from dbsynth.config import Settings
from dbsynth.decoding import synthesise
from dbsynth.errors import SchemaError
from dbsynth.integrity.checks import broken_rows
from dbsynth.integrity.opened import depths
from dbsynth.keys import DANGLING, NO_PARENT, parent_rows
from dbsynth.learning import learn
from dbsynth.plan import make_plan
from dbsynth.schema import Check, Column, ForeignKey, Kind, Schema, Table, UniqueKey, arrow_type

TINY = {"iterations": 20, "n_clusters": 4, "n_steps": 4, "batch_size": 64, "layers": (16,)}
RNG = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Small tensors are faster on one core."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def integer(name: str, *, nullable: bool = False) -> Column:
    return Column(name, Kind.INTEGER, "int", nullable=nullable)


def text(name: str, *, nullable: bool = True) -> Column:
    return Column(name, Kind.TEXT, "text", nullable=nullable)


def key(child: str, columns: str, parent: str, parent_columns: str = "id") -> ForeignKey:
    return ForeignKey(f"{child}_{columns}", child, tuple(columns.split()), parent, tuple(parent_columns.split()))


def rows_of(schema: Schema, values: Mapping[str, Mapping[str, list]]) -> dict[str, pa.Table]:
    return {
        t.name: pa.table({c.name: pa.array(values[t.name][c.name], arrow_type(c)) for c in t.columns})
        for t in schema.tables
    }


def cloned(
    schema: Schema, tables: Mapping[str, pa.Table], *, scale: float = 1.0, seed: int = 0, **settings: object
) -> dict[str, pa.Table]:
    """The synthetic tables, whose constraints hold."""
    settings = Settings(**{**TINY, **settings})
    plan = make_plan(schema, tables.__getitem__, {n: t.num_rows for n, t in tables.items()}, settings)
    made = synthesise(learn(plan, tables.__getitem__, settings), scale=scale, seed=seed)
    check_valid(schema, made)
    if scale == 1:
        assert {n: t.num_rows for n, t in made.items()} == {n: t.num_rows for n, t in tables.items()}
    return made


def check_valid(schema: Schema, made: Mapping[str, pa.Table]) -> None:
    """Types, NOT NULL, unique keys and foreign keys."""
    for table in schema.tables:
        rows = made[table.name]
        assert rows.column_names == [c.name for c in table.columns if c.generated is None]
        for column in table.columns:
            if column.generated is None:
                assert rows.schema.field(column.name).type == arrow_type(column)
                assert column.nullable or rows.column(column.name).null_count == 0, (table.name, column.name)
        for columns in (table.primary_key, *(k.columns for k in table.unique_keys)):
            held = [r for r in zip(*(rows.column(c).to_pylist() for c in columns), strict=True) if None not in r]
            assert len(set(held)) == len(held), (table.name, columns)
    for foreign in schema.foreign_keys:
        assert not (parent_rows(made[foreign.child], made[foreign.parent], foreign) == DANGLING).any(), foreign


CUSTOMER = Table("customer", (integer("id"), text("city"), integer("age")), ("id",))
CUSTOMERS = {"id": list(range(1, 31)), "city": ["Ulm", "Bonn", "Kiel"] * 10, "age": RNG.integers(18, 80, 30).tolist()}


def shop(*more: Column, n: int = 90, nullable: bool = False, unique: bool = False, **rest: list):
    """Customers and their orders."""
    order = Table(
        "order", (integer("id"), integer("customer_id", nullable=nullable), *more), ("id",),
        (UniqueKey("u", ("customer_id",)),) if unique else (),
    )  # fmt: skip
    of = RNG.permutation(30)[:n].tolist() if unique else RNG.integers(1, 31, n).tolist()
    of = [None if nullable and i % 3 == 0 else c + unique for i, c in enumerate(of)]
    schema = Schema("sqlite", (CUSTOMER, order), (key("order", "customer_id", "customer"),))
    return schema, rows_of(schema, {"customer": CUSTOMERS, "order": {"id": range(n), "customer_id": of, **rest}})


def test_parents_and_children() -> None:
    """Keys are numbered, groups are whole, categories are the real ones."""
    schema, tables = shop(text("state"), state=["new", "paid", "sent"] * 30)
    made = cloned(schema, tables)
    assert made["customer"]["id"].to_pylist() == list(range(1, 31))
    assert set(made["customer"]["city"].to_pylist()) == {"Ulm", "Bonn", "Kiel"}
    assert set(made["order"]["state"].to_pylist()) == {"new", "paid", "sent"}
    assert min(made["customer"]["age"].to_pylist()) >= min(CUSTOMERS["age"])


def test_same_seed_same_tables() -> None:
    """And another seed gives others."""
    schema, tables = shop()
    first, again, other = (cloned(schema, tables, seed=seed) for seed in (1, 1, 2))
    assert all(first[n].equals(again[n]) for n in first)
    assert not all(first[n].equals(other[n]) for n in first)


@pytest.mark.parametrize("scale", [0.01, 0.5, 2.5])
def test_scale(scale: float) -> None:
    """Of all tables; one that has rows keeps at least one."""
    schema, tables = shop()
    made = cloned(schema, tables, scale=scale)
    assert made["customer"].num_rows == max(1, round(30 * scale))
    assert made["order"].num_rows == max(1, round(90 * scale))


def test_nullable_keys_keep_their_null_share() -> None:
    """A third of the orders is nobody's."""
    schema, tables = shop(nullable=True)
    assert cloned(schema, tables)["order"]["customer_id"].null_count == pytest.approx(30, abs=3)


@pytest.mark.parametrize("scale", [1.0, 2.0, 0.3])
@pytest.mark.parametrize("nullable", [False, True])
def test_one_to_one_keys(scale: float, nullable: bool) -> None:
    """No customer has two."""
    schema, tables = shop(n=25, unique=True, nullable=nullable)
    cloned(schema, tables, scale=scale)


def test_a_primary_key_that_is_a_foreign_key() -> None:
    """A table that extends another row by row."""
    profile = Table("profile", (integer("customer_id"), integer("points")), ("customer_id",))
    schema = Schema("sqlite", (CUSTOMER, profile), (key("profile", "customer_id", "customer"),))
    tables = rows_of(schema, {"customer": CUSTOMERS, "profile": {"customer_id": range(1, 26), "points": range(25)}})
    cloned(schema, tables)


@pytest.mark.parametrize("guidance", ["direct", "classifier"])
@pytest.mark.parametrize("meeting", ["labels", "values"])
def test_link_tables_of_keys_only(guidance: str, meeting: str) -> None:
    """No pair twice."""
    tag = Table("tag", (integer("id"), text("word")), ("id",))
    link = Table("link", (integer("customer_id"), integer("tag_id")), ("customer_id", "tag_id"))
    keys = (key("link", "customer_id", "customer"), key("link", "tag_id", "tag"))
    schema = Schema("sqlite", (CUSTOMER, tag, link), keys)
    pairs = [(1 + i // 8, i % 8) for i in range(0, 240, 2)]
    values = {"customer_id": [p[0] for p in pairs], "tag_id": [p[1] for p in pairs]}
    tables = rows_of(schema, {"customer": CUSTOMERS, "tag": {"id": range(8), "word": list("abcdefgh")}, "link": values})
    cloned(schema, tables, guidance=guidance, meeting=meeting, no_keep=True, classifier_iterations=5)
    made = cloned(schema, tables, guidance=guidance, meeting=meeting, classifier_iterations=5)
    assert made["tag"].equals(tables["tag"])  # a lookup table


@pytest.mark.parametrize("own", [False, True], ids=["null", "own parent"])
def test_self_references(own: bool) -> None:
    """The hierarchy has no cycle, as many tops and as many levels."""
    person = Table("person", (integer("id"), integer("boss_id", nullable=not own), integer("pay")), ("id",))
    schema = Schema("sqlite", (person,), (key("person", "boss_id", "person"),))
    boss = [1 if own else None, *(1 + (i - 1) // 4 for i in range(1, 60))]
    tables = rows_of(schema, {"person": {"id": range(1, 61), "boss_id": boss, "pay": range(60)}})
    made = cloned(schema, tables)["person"]
    found = [parent_rows(t, t, schema.foreign_keys[0]) for t in (tables["person"], made)]
    assert sorted(depths(found[0])) == sorted(depths(found[1]))


def test_a_chain_of_versions() -> None:
    """A unique self reference: every row has one successor at most."""
    columns = (integer("id"), integer("before", nullable=True))
    version = Table("version", columns, ("id",), (UniqueKey("u", ("before",)),))
    schema = Schema("sqlite", (version,), (key("version", "before", "version"),))
    cloned(schema, rows_of(schema, {"version": {"id": range(1, 41), "before": [None, *range(1, 40)]}}))


def test_names_unique_under_their_parent() -> None:
    """UNIQUE (parent, name) over a key that is filled when all rows stand."""
    folder = Table(
        "folder", (integer("id"), integer("parent_id", nullable=True), text("kind", nullable=False)), ("id",),
        (UniqueKey("u", ("parent_id", "kind")),),
    )  # fmt: skip
    schema = Schema("sqlite", (folder,), (key("folder", "parent_id", "folder"),))
    parent = [None, *(1 + (i - 1) // 4 for i in range(1, 81))]
    kinds = ["root", *(["music", "photos", "texts", "films"][(i - 1) % 4] for i in range(1, 81))]
    tables = rows_of(schema, {"folder": {"id": range(1, 82), "parent_id": parent, "kind": kinds}})
    for seed in range(3):
        cloned(schema, tables, seed=seed)


def test_cycles_of_tables() -> None:
    """Departments have heads, heads work in departments."""
    department = Table("department", (integer("id"), integer("head_id", nullable=True)), ("id",))
    person = Table("person", (integer("id"), integer("department_id")), ("id",))
    schema = Schema(
        "sqlite", (department, person),
        (key("department", "head_id", "person"), key("person", "department_id", "department")),
    )  # fmt: skip
    tables = rows_of(schema, {
        "department": {"id": range(10), "head_id": [None if i == 3 else 5 * i for i in range(10)]},
        "person": {"id": range(50), "department_id": [i // 5 for i in range(50)]},
    })
    made = cloned(schema, tables)
    assert made["department"]["head_id"].null_count == 1


def test_composite_keys_and_numbers_within_them() -> None:
    """Lines are numbered from one in each order; their notes refer to order and line."""
    line = Table("line", (integer("order_id"), integer("no"), integer("amount")), ("order_id", "no"))
    note = Table("note", (integer("id"), integer("order_id", nullable=True), integer("no", nullable=True)), ("id",))
    order = Table("order", (integer("id"), text("state")), ("id",))
    keys = (key("line", "order_id", "order"), key("note", "order_id no", "line", "order_id no"))
    schema = Schema("sqlite", (note, line, order), keys)
    pairs = [(i, no) for i in range(30) for no in range(1, 2 + i % 4)]
    some = [pairs[i] if i % 2 else (None, None) for i in range(40)]
    tables = rows_of(schema, {
        "order": {"id": range(30), "state": ["a", "b", "c"] * 10},
        "line": {"order_id": [p[0] for p in pairs], "no": [p[1] for p in pairs], "amount": range(len(pairs))},
        "note": {"id": range(40), "order_id": [p[0] for p in some], "no": [p[1] for p in some]},
    })
    made = cloned(schema, tables)["line"].to_pydict()
    for i in set(made["order_id"]):
        numbers = sorted(no for o, no in zip(made["order_id"], made["no"], strict=True) if o == i)
        assert numbers == list(range(1, len(numbers) + 1))


def test_a_composite_key_of_which_a_part_may_not_be_null() -> None:
    """Without a parent the tenant stays, and is a real one."""
    tenant = Table("tenant", (integer("id"), integer("size")), ("id",))
    customer = Table("customer", (integer("tenant_id"), integer("id")), ("tenant_id", "id"))
    order = Table("order", (integer("id"), integer("tenant_id"), integer("customer_id", nullable=True)), ("id",))
    schema = Schema("sqlite", (tenant, customer, order), (
        key("customer", "tenant_id", "tenant"), key("order", "tenant_id", "tenant"),
        key("order", "tenant_id customer_id", "customer", "tenant_id id"),
    ))  # fmt: skip
    pairs = [(i % 5, i // 5) for i in range(50)]
    some = [pairs[i % 50] if i % 3 else (i % 5, None) for i in range(90)]
    tables = rows_of(schema, {
        "tenant": {"id": range(5), "size": range(5)},
        "customer": {"tenant_id": [p[0] for p in pairs], "id": [p[1] for p in pairs]},
        "order": {"id": range(90), "tenant_id": [p[0] for p in some], "customer_id": [p[1] for p in some]},
    })
    assert cloned(schema, tables)["order"]["customer_id"].null_count == pytest.approx(30, abs=4)


@pytest.mark.parametrize("kind", ["text", "decimal", "date", "uuid"])
def test_primary_keys_of_other_types(kind: str) -> None:
    """Codes, NUMERIC(10), dates and UUIDs."""
    column, values = {
        "text": (text("id", nullable=False), [f"AB-{i:03}" for i in range(30)]),
        "decimal": (Column("id", Kind.DECIMAL, "", False, precision=10, scale=0), [Decimal(i) for i in range(30)]),
        "date": (Column("id", Kind.DATE, "date", False), [date(2020, 1, 1) + timedelta(i) for i in range(30)]),
        "uuid": (Column("id", Kind.UUID, "uuid", False), [f"00000000-0000-4000-8000-{i:012}" for i in range(30)]),
    }[kind]
    day = Column("of", column.kind, column.native_type, False, precision=column.precision, scale=column.scale)
    schema = Schema(
        "sqlite", (Table("a", (column, integer("x")), ("id",)), Table("b", (integer("id"), day), ("id",))),
        (key("b", "of", "a"),),
    )  # fmt: skip
    tables = rows_of(schema, {"a": {"id": values, "x": range(30)}, "b": {"id": range(60), "of": values * 2}})
    made = cloned(schema, tables)
    if kind == "uuid":
        assert not set(made["a"]["id"].to_pylist()) & set(values)


def test_a_key_to_unique_columns_that_are_no_primary_key() -> None:
    """Rows refer to a code."""
    a = Table("a", (integer("id"), text("code", nullable=False)), ("id",), (UniqueKey("u", ("code",)),))
    b = Table("b", (integer("id"), text("a_code")), ("id",))
    schema = Schema("sqlite", (a, b), (key("b", "a_code", "a", "code"),))
    codes = [f"K{i:04}" for i in range(40)]
    values = {"a": {"id": range(40), "code": codes}, "b": {"id": range(80), "a_code": codes * 2}}
    cloned(schema, rows_of(schema, values))


def test_two_keys_to_one_parent() -> None:
    """Flights go from and to airports."""
    schema = Schema(
        "sqlite",
        (Table("airport", (integer("id"), integer("x")), ("id",)),
         Table("flight", (integer("id"), integer("start"), integer("goal")), ("id",))),
        (key("flight", "start", "airport"), key("flight", "goal", "airport")),
    )  # fmt: skip
    cloned(schema, rows_of(schema, {
        "airport": {"id": range(12), "x": range(12)},
        "flight": {"id": range(60), "start": [i % 12 for i in range(60)], "goal": [i % 7 for i in range(60)]},
    }))


@pytest.mark.parametrize("n", [0, 1])
def test_empty_tables_and_tables_of_one_row(n: int) -> None:
    """Both ends of a key."""
    order = Table("order", (integer("id"), integer("customer_id", nullable=True), text("remark")), ("id",))
    schema = Schema("sqlite", (CUSTOMER, order), (key("order", "customer_id", "customer"),))
    few = {name: values[:n] for name, values in CUSTOMERS.items()}
    orders = {"id": range(n), "customer_id": [1] * n, "remark": ["x"] * n}
    cloned(schema, rows_of(schema, {"customer": few, "order": orders}))


@pytest.mark.parametrize("guidance", ["direct", "classifier"])
def test_a_parent_without_rows(guidance: str) -> None:
    """Its children refer to nobody; where they must, the source cannot be."""
    order = Table("order", (integer("id"), integer("customer_id", nullable=True), integer("x")), ("id",))
    schema = Schema("sqlite", (CUSTOMER, order), (key("order", "customer_id", "customer"),))
    nobody = {name: [] for name in CUSTOMERS}
    orders = {"id": range(20), "customer_id": [None] * 20, "x": range(20)}
    tables = rows_of(schema, {"customer": nobody, "order": orders})
    made = cloned(schema, tables, guidance=guidance, classifier_iterations=5)
    assert made["order"]["customer_id"].null_count == 20
    broken, orders = shop()
    with pytest.raises(SchemaError, match="'order' refer to 'customer'"):
        cloned(broken, {**orders, "customer": orders["customer"].slice(0, 0)})


def test_no_primary_key_and_columns_of_nulls() -> None:
    """A log that nothing refers to."""
    log = Table("log", (text("level"), text("unused"), integer("size", nullable=True), text("words")))
    schema = Schema("sqlite", (log,))
    words = [f"something number {i} happened" for i in range(40)]
    tables = rows_of(schema, {"log": {
        "level": ["info", "warn"] * 20, "unused": [None] * 40, "size": [None, 3] * 20, "words": [None, *words[1:]],
    }})  # fmt: skip
    made = cloned(schema, tables)["log"]
    assert made["unused"].null_count == 40
    assert made["size"].null_count == 20
    assert made["words"].null_count == 1


def test_orphans_of_the_source_take_a_parent_or_none() -> None:
    """SQLite lets keys dangle; a clone does not."""
    for nullable in (True, False):
        schema, tables = shop(nullable=nullable)
        orders = tables["order"].to_pydict() | {"customer_id": [999] * 20 + [1] * 70}
        made = cloned(schema, {**tables, "order": pa.table(orders)})
        rows = parent_rows(made["order"], made["customer"], schema.foreign_keys[0])
        assert (rows == NO_PARENT).sum() == pytest.approx(20 if nullable else 0, abs=2)


def test_unique_pairs_of_a_parent_and_drawn_or_invented_values() -> None:
    """One visit per customer and day; one e-mail per customer and address."""
    visit = Table(
        "visit",
        (
            integer("id"), integer("customer_id"), Column("day", Kind.DATE, "date", False),
            text("phrase", nullable=False),
        ),
        ("id",), (UniqueKey("u", ("customer_id", "day")), UniqueKey("v", ("customer_id", "phrase"))),
    )  # fmt: skip
    schema = Schema("sqlite", (CUSTOMER, visit), (key("visit", "customer_id", "customer"),))
    tables = rows_of(schema, {"customer": CUSTOMERS, "visit": {
        "id": range(120), "customer_id": [1 + i % 30 for i in range(120)],
        "day": [date(2024, 1, 1 + i // 30) for i in range(120)], "phrase": [f"q{i // 2:03}" for i in range(120)],
    }})  # fmt: skip
    for seed in range(3):
        cloned(schema, tables, seed=seed)


def test_checks_hold() -> None:
    """Between drawn columns, and about invented ones."""
    low, high = integer("low"), integer("high")
    checks = (Check("c", "low <= high"), Check("d", "length(code) >= 2"))
    table = Table("t", (integer("id"), low, high, text("code")), ("id",), checks=checks)
    schema = Schema("sqlite", (table,))
    numbers = RNG.integers(0, 100, 100)
    values = {"id": range(100), "low": numbers.tolist(), "high": (numbers + RNG.integers(0, 5, 100)).tolist(),
              "code": [f"{chr(97 + i % 26)}{i}" for i in range(100)]}  # fmt: skip
    made = cloned(schema, rows_of(schema, {"t": values}))["t"]
    columns = {name: made[name].combine_chunks() for name in made.column_names}
    for check in checks:
        assert broken_rows(columns, check.expression, "sqlite").tolist() == []


def test_generated_columns_are_left_to_the_server() -> None:
    """They are neither read nor written."""
    total = Column("total", Kind.INTEGER, "int", generated="a + 1")
    schema = Schema("sqlite", (Table("t", (integer("id"), integer("a"), total), ("id",)),))
    made = cloned(schema, rows_of(schema, {"t": {"id": range(20), "a": range(20), "total": range(1, 21)}}))
    assert made["t"].column_names == ["id", "a"]


def test_rows_stand_in_the_order_in_which_they_came() -> None:
    """Ids that grow with the date in the source do so in the clone."""
    dates = [date(2020, 1, 1) + timedelta(i // 2) for i in range(90)]
    schema, tables = shop(Column("day", Kind.DATE, "date"), day=dates)
    days = cloned(schema, tables)["order"]["day"].to_pylist()
    assert days == sorted(days)


def test_kept_tables_come_back_as_they_are() -> None:
    """With their rows in order, whatever the scale."""
    schema, tables = shop()
    made = cloned(schema, tables, keep=("customer",), scale=2.0)
    assert made["customer"].equals(tables["customer"])
    assert made["order"].num_rows == 180


def test_empty_text_stays_empty_and_null_stays_null() -> None:
    """A second address line that nobody fills in does not become an invented one."""
    schema = Schema("sqlite", (Table("note", (integer("id"), text("line"), text("never")), ("id",)),))
    lines = [("" if i % 3 == 1 else None) if i % 3 else f"{['Elm', 'Oak'][i % 2]} street {i}" for i in range(120)]
    never = ["" if i % 2 else None for i in range(120)]
    made = cloned(schema, rows_of(schema, {"note": {"id": range(120), "line": lines, "never": never}}))["note"]
    drawn = made["line"].to_pylist()
    assert (drawn.count(""), drawn.count(None)) == (40, 40)
    assert set(made["never"].to_pylist()) == {"", None}


TENANTS = Table("tenant", (integer("id"),), ("id",))


def tenants(n_tenants: int, **sizes: int) -> tuple[Schema, dict[str, pa.Table]]:
    """Customers, products, orders and their lines, each of one tenant, all of whose keys hold the tenant."""
    of = {name: RNG.integers(1, n_tenants + 1, n).tolist() for name, n in sizes.items()}
    customer = Table("customer", (integer("tenant"), integer("id"), integer("boss", nullable=True), text("city")),
                     ("tenant", "id"))  # fmt: skip
    product = Table("product", (integer("tenant"), integer("id"), integer("price")), ("tenant", "id"))
    order = Table("order", (integer("tenant"), integer("id"), integer("customer", nullable=True)), ("tenant", "id"))
    line = Table("line", (integer("tenant"), integer("order"), integer("product"), integer("n")),
                 ("tenant", "order", "product"))  # fmt: skip
    keys = [key(name, "tenant", "tenant") for name in ("customer", "product", "order", "line")]
    keys += [
        key("customer", "tenant boss", "customer", "tenant id"),
        key("order", "tenant customer", "customer", "tenant id"),
        key("line", "tenant order", "order", "tenant id"), key("line", "tenant product", "product", "tenant id"),
    ]  # fmt: skip
    ids = {name: [(t, i) for i, t in enumerate(of[name])] for name in ("customer", "product", "order")}
    mine = {name: {t: [i for u, i in rows if u == t] for t in range(1, n_tenants + 1)} for name, rows in ids.items()}
    boss = [None if i % 4 == 0 else min(mine["customer"][t]) for t, i in ids["customer"]]
    boss = [None if b == i else b for b, (_, i) in zip(boss, ids["customer"], strict=True)]
    bought = [int(RNG.choice(mine["customer"][t])) if i % 5 else None for t, i in ids["order"]]
    lines = sorted({(t, o, int(p)) for t, o in ids["order"] for p in RNG.choice(mine["product"][t], 3)})
    values = {
        "tenant": {"id": list(range(1, n_tenants + 1))},
        "customer": {"tenant": of["customer"], "id": [i for _, i in ids["customer"]], "boss": boss,
                     "city": ["Ulm", "Bonn"] * (sizes["customer"] // 2)},
        "product": {"tenant": of["product"], "id": [i for _, i in ids["product"]], "price": [5] * sizes["product"]},
        "order": {"tenant": of["order"], "id": [i for _, i in ids["order"]], "customer": bought},
        "line": {"tenant": [r[0] for r in lines], "order": [r[1] for r in lines], "product": [r[2] for r in lines],
                 "n": [1] * len(lines)},
    }  # fmt: skip
    schema = Schema("sqlite", (TENANTS, customer, product, order, line), tuple(keys))
    return schema, rows_of(schema, values)


def test_rows_of_many_tenants_stay_within_their_tenant() -> None:
    """Keys share the tenant's column, and so does the boss; no row is lost, and the null shares stay."""
    schema, tables = tenants(4, customer=40, product=32, order=120)
    made = cloned(schema, tables, no_keep=True)
    assert made["order"]["customer"].null_count == tables["order"]["customer"].null_count
    assert made["customer"]["boss"].null_count < 40
    lines = [t["line"].group_by(["tenant", "order"]).aggregate([([], "count_all")]) for t in (tables, made)]
    assert max(lines[0]["count_all"].to_pylist()) + 1 >= max(lines[1]["count_all"].to_pylist())


def test_a_key_of_the_same_columns_as_two_of_other_keys() -> None:
    """All three keys agree, whatever the order in which they are declared."""
    schema, tables = tenants(3, customer=20, product=12, order=40)
    for turned in (schema.foreign_keys, schema.foreign_keys[::-1]):
        cloned(Schema("sqlite", schema.tables, tuple(turned)), tables, no_keep=True, seed=3)


def test_two_keys_to_one_parent_differ_where_they_always_do() -> None:
    """No team plays against itself, under whichever key it is drawn; keys that meet now and then may."""
    team = Table("team", (integer("id"),), ("id",))
    game = Table("game", (integer("id"), integer("home"), integer("away"), integer("umpire")), ("id",))
    keys = tuple(key("game", name, "team") for name in ("home", "away", "umpire"))
    schema = Schema("sqlite", (team, game), keys)
    home = RNG.integers(1, 6, 200)
    away = (home + RNG.integers(0, 4, 200)) % 5 + 1
    umpire = RNG.integers(1, 6, 200)
    values = {"id": range(200), "home": home.tolist(), "away": away.tolist(), "umpire": umpire.tolist()}
    made = cloned(schema, rows_of(schema, {"team": {"id": range(1, 6)}, "game": values}), no_keep=True)["game"]
    home, away, umpire = (made[name].to_numpy() for name in ("home", "away", "umpire"))
    assert not (home == away).any()
    assert (home == umpire).any()


CODED = Table(
    "coded", (integer("id"), text("code", nullable=False), integer("low"), integer("high")), ("id",),
    (UniqueKey("u", ("code",)), UniqueKey("v", ("low", "high"))),
    (Check("even", "id % 2 = 0"), Check("c", "code LIKE 'K%' AND length(code) >= 4"), Check("d", "low < high")),
)  # fmt: skip


@pytest.mark.parametrize("seed", [0, 1])
def test_checks_on_unique_columns_and_keys_hold(seed: int) -> None:
    """An invented code, a number that counts the rows, and two drawn columns that are unique together."""
    rng = np.random.default_rng(seed)
    low = rng.integers(0, 30, 120)
    pairs = sorted({(int(a), int(a + b)) for a, b in zip(low, rng.integers(1, 12, 120), strict=True)})
    n = len(pairs)
    values = {"id": [2 * i for i in range(n)], "code": [f"K{i:03}" for i in range(n)],
              "low": [a for a, _ in pairs], "high": [b for _, b in pairs]}  # fmt: skip
    schema = Schema("sqlite", (CODED,))
    made = cloned(schema, rows_of(schema, {"coded": values}), seed=seed)["coded"]
    columns = {name: made[name].combine_chunks() for name in made.column_names}
    for check in CODED.checks:
        assert broken_rows(columns, check.expression, "sqlite").tolist() == []
    assert made.group_by(["low", "high"]).aggregate([]).num_rows == n


def test_a_check_on_a_generated_column_is_the_servers_own() -> None:
    """Nothing is known of its values here."""
    total = Column("total", Kind.INTEGER, "int", generated="a + 1")
    table = Table("t", (integer("id"), integer("a"), total), ("id",), checks=(Check("c", "total > 0"),))
    schema = Schema("sqlite", (table,))
    made = cloned(schema, rows_of(schema, {"t": {"id": range(40), "a": range(40), "total": range(1, 41)}}))
    assert made["t"].column_names == ["id", "a"]


def test_a_check_that_no_invention_satisfies_is_an_obstacle() -> None:
    """Named before anything is learned."""
    names = ["north wind", "south gate", "east of here", "west end", "far away", "close by"]
    checks = (Check("known", f"code IN ({', '.join(map(repr, names))})"),)
    table = Table("coded", (integer("id"), text("code")), ("id",), (UniqueKey("u", ("code",)),), checks)
    schema = Schema("sqlite", (table,))
    rows = rows_of(schema, {"coded": {"id": range(6), "code": names}})
    plan = make_plan(schema, rows.__getitem__, {"coded": 6}, Settings())
    assert len(plan.obstacles) == 1
    assert "'code' satisfy CHECK 'known'" in plan.obstacles[0]
