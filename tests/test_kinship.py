"""Rows whose parents have an ancestor in common: learned from the keys alone, and kept by every engine."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from toys import check_whole, codes_of

from dbsynth.clava import pipeline as clava
from dbsynth.config import Settings
from dbsynth.decoding import synthesise
from dbsynth.encoded import Edge, EncodedDatabase
from dbsynth.graph import pipeline as graph
from dbsynth.latents.kinship import Bond, draw_kin, learn_kinships
from dbsynth.learning import learn
from dbsynth.plan import make_plan
from dbsynth.schema import Column, ForeignKey, Kind, Schema, Table, arrow_type

QUICK = {"iterations": 20, "n_steps": 4, "n_clusters": 4, "layers": (32, 32), "batch_size": 256}
ENGINES = {"clava": clava, "graph": graph}


def tenants(
    share: float, *, seed: int = 0, kept: frozenset[str] = frozenset(), one_to_one: bool = False
) -> EncodedDatabase:
    """tenant <- customer, tenant <- shop, and orders of a customer in a shop of its tenant, or of any."""
    rng = np.random.default_rng(seed)
    n_tenants, n_customers, n_shops = 12, 300, 60
    n = 250 if one_to_one else 900
    of_customer = np.r_[np.arange(n_tenants), rng.integers(0, n_tenants, n_customers - n_tenants)]
    of_shop = np.r_[np.arange(n_tenants), rng.integers(0, n_tenants, n_shops - n_tenants)]
    customer = rng.permutation(n_customers)[:n] if one_to_one else rng.integers(0, n_customers, n)
    shop = rng.integers(0, n_shops, n)
    own = np.array([rng.choice(np.flatnonzero(of_shop == t)) for t in of_customer[customer]])
    return EncodedDatabase(
        {
            "tenant": codes_of(rng.normal(size=n_tenants)),
            "customer": codes_of(rng.normal(size=n_customers)),
            "shop": codes_of(rng.normal(size=n_shops)),
            "order": codes_of(rng.normal(size=n)),
        },
        [
            Edge("customer.tenant", "customer", "tenant", of_customer),
            Edge("shop.tenant", "shop", "tenant", of_shop),
            Edge("order.shop", "order", "shop", np.where(rng.random(n) < share, own, shop)),
            Edge("order.customer", "order", "customer", customer, one_to_one),
        ],
        kept,
    )


def share_of(parents: Mapping[str, np.ndarray]) -> float:
    """The orders whose customer and shop belong to the same tenant."""
    of_customer = parents["customer.tenant"][parents["order.customer"]]
    return float((of_customer == parents["shop.tenant"][parents["order.shop"]]).mean())


def real(database: EncodedDatabase) -> dict[str, np.ndarray]:
    return {edge.name: edge.rows for edge in database.edges}


@pytest.mark.parametrize("engine", ["clava", "graph"])
@pytest.mark.parametrize("kept", [frozenset(), frozenset({"tenant"}), frozenset({"tenant", "shop"})])
@pytest.mark.parametrize("share", [1.0, 0.7])
def test_parents_of_a_row_are_relatives_as_often_as_real_ones(engine: str, kept: frozenset[str], share: float) -> None:
    """Without exception where there is none; tables keep their rows."""
    database = tenants(share, kept=kept)
    model = ENGINES[engine].fit(database, Settings(engine=engine, **QUICK))
    for scale in (1.0, 3.0):
        made = ENGINES[engine].generate(model, seed=1, scale=scale)
        check_whole(database, made, scale)
        found, wanted = share_of(made.parents), share_of(real(database))
        assert found == 1 if share == 1 else found == pytest.approx(wanted, abs=0.04)


@pytest.mark.parametrize("engine", ["clava", "graph"])
def test_a_short_cut_leads_to_the_same_row(engine: str) -> None:
    """An invoice names its order's customer once more."""
    rng = np.random.default_rng(0)
    of_order = rng.integers(0, 50, 200)
    of_invoice = rng.integers(0, 200, 400)
    database = EncodedDatabase(
        {t: codes_of(rng.normal(size=n)) for t, n in (("customer", 50), ("order", 200), ("invoice", 400))},
        [
            Edge("order.customer", "order", "customer", of_order),
            Edge("invoice.customer", "invoice", "customer", of_order[of_invoice]),
            Edge("invoice.order", "invoice", "order", np.where(rng.random(400) < 0.1, -1, of_invoice)),
        ],
    )
    made = ENGINES[engine].generate(ENGINES[engine].fit(database, Settings(engine=engine, **QUICK)), seed=2)
    check_whole(database, made)
    order = made.parents["invoice.order"]
    held = order >= 0
    assert (made.parents["order.customer"][order[held]] == made.parents["invoice.customer"][held]).all()


@pytest.mark.parametrize("engine", ["clava", "graph"])
def test_one_order_for_each_customer(engine: str) -> None:
    """A key that no two rows share stays one."""
    database = tenants(1.0, one_to_one=True)
    made = ENGINES[engine].generate(ENGINES[engine].fit(database, Settings(engine=engine, **QUICK)), seed=0)
    assert share_of(made.parents) == 1
    assert np.bincount(made.parents["order.customer"]).max() == 1
    assert len(made.parents["order.customer"]) > 200


@pytest.mark.parametrize("engine", ["clava", "graph"])
def test_two_relatives_of_one_parent(engine: str) -> None:
    """A sale's branch is in its customer's country, its product of the customer's segment; no sale is lost."""
    rng = np.random.default_rng(0)
    country, segment = np.arange(240) % 6, np.arange(240) // 6 % 5
    of_branch, of_product, customer = np.arange(30) % 6, np.arange(40) % 5, rng.integers(0, 240, 800)
    branch = rng.integers(0, 5, 800) * 6 + country[customer]
    product = rng.integers(0, 8, 800) * 5 + segment[customer]
    n = {"country": 6, "segment": 5, "customer": 240, "branch": 30, "product": 40, "sale": 800}
    database = EncodedDatabase({t: codes_of(rng.normal(size=k)) for t, k in n.items()}, [
        Edge("customer.country", "customer", "country", country),
        Edge("customer.segment", "customer", "segment", segment),
        Edge("branch.country", "branch", "country", of_branch),
        Edge("product.segment", "product", "segment", of_product),
        Edge("sale.branch", "sale", "branch", branch),
        Edge("sale.product", "sale", "product", product),
        Edge("sale.customer", "sale", "customer", customer),
    ])  # fmt: skip
    made = ENGINES[engine].generate(ENGINES[engine].fit(database, Settings(engine=engine, **QUICK)), seed=0)
    check_whole(database, made)
    parents = made.parents
    for other, level in (("branch", "country"), ("product", "segment")):
        of_customer = parents[f"customer.{level}"][parents["sale.customer"]]
        assert (of_customer == parents[f"{other}.{level}"][parents[f"sale.{other}"]]).all()


@pytest.mark.parametrize("engine", ["clava", "graph"])
def test_two_ancestors_of_one_pair(engine: str) -> None:
    """An order's customer and shop share the tenant, and the region, which does not follow from it."""
    rng = np.random.default_rng(0)
    tenant, region = np.arange(400) % 8, np.arange(400) // 8 % 5
    of_shop, at_shop = np.arange(80) % 8, np.arange(80) // 8 % 5
    customer = rng.integers(0, 400, 1500)
    shop = tenant[customer] + 8 * region[customer] + 40 * rng.integers(0, 2, 1500)
    n = {"country": 3, "tenant": 8, "region": 5, "customer": 400, "shop": 80, "order": 1500}
    database = EncodedDatabase({t: codes_of(rng.normal(size=k)) for t, k in n.items()}, [
        Edge("region.country", "region", "country", np.arange(5) % 3),
        Edge("customer.tenant", "customer", "tenant", tenant),
        Edge("customer.region", "customer", "region", region),
        Edge("shop.tenant", "shop", "tenant", of_shop),
        Edge("shop.region", "shop", "region", at_shop),
        Edge("order.customer", "order", "customer", customer),
        Edge("order.shop", "order", "shop", shop),
    ])  # fmt: skip
    assert {kinship.paths for kinship in learn_kinships(database)} == {  # the country follows from the region
        ((f"customer.{level}",), (f"shop.{level}",)) for level in ("tenant", "region")
    }
    made = ENGINES[engine].generate(ENGINES[engine].fit(database, Settings(engine=engine, **QUICK)), seed=0)
    check_whole(database, made)
    same = {
        level: made.parents[f"customer.{level}"][made.parents["order.customer"]]
        == made.parents[f"shop.{level}"][made.parents["order.shop"]]
        for level in ("tenant", "region")
    }  # fmt: skip
    # Of the 40 kinds of customers a few find no shop of their own kind, and keep to the one ancestor.
    assert (same["tenant"] & same["region"]).mean() > 0.8
    assert (same["tenant"] | same["region"]).mean() > 0.99


def test_no_row_is_lost_where_parents_meet_at_random() -> None:
    """Kinship is of no account there, as in the paper."""
    database = tenants(1.0)
    made = clava.generate(clava.fit(database, Settings(matching=False, **QUICK)), seed=0)
    check_whole(database, made)


def test_what_chance_brings_is_no_kinship() -> None:
    """Two parents that meet at random are relatives now and then."""
    assert learn_kinships(tenants(0.0)) == ()


def test_the_share_and_the_ways() -> None:
    (found,) = learn_kinships(tenants(0.7))
    assert set(found.edges) == {"order.customer", "order.shop"}
    assert set(found.paths) == {("customer.tenant",), ("shop.tenant",)}
    assert found.share == pytest.approx(0.7, abs=0.05)
    assert found.chance == pytest.approx(1 / 12, abs=0.05)
    assert not found.always


@given(st.integers(0, 10_000), st.booleans(), st.booleans())
def test_everybody_finds_a_parent(seed: int, always: bool, one_to_one: bool) -> None:
    """Places are dealt out, each once; without exceptions they move to where they are asked for, if there is room."""
    rng = np.random.default_rng(seed)
    n_parents, n = 30, int(rng.integers(0, 30 if one_to_one else 80))
    ancestors, labels = rng.integers(-1, 5, n_parents), rng.integers(0, 3, n_parents)
    places = rng.permutation(n_parents)[:n] if one_to_one else rng.integers(0, n_parents, n)
    asked, wanted = rng.integers(-1, 6, n), rng.integers(0, 3, n)
    bond = Bond(asked, ancestors, 1.0 if always else 0.5)
    parents = draw_kin([bond], wanted, places, labels, rng, one_to_one=one_to_one)
    relatives = np.count_nonzero((asked >= 0) & (ancestors[parents] == asked))
    if not always:
        np.testing.assert_array_equal(np.sort(parents), np.sort(places))
        there = [min((asked == a).sum(), (ancestors[places] == a).sum()) for a in range(6)]
        assert relatives >= min(round(0.5 * (asked >= 0).sum()), sum(there))
        return
    room = [(ancestors == a).sum() if one_to_one else n * (ancestors == a).any() for a in range(6)]
    assert relatives == sum(min((asked == a).sum(), of) for a, of in enumerate(room))
    if one_to_one:
        assert np.bincount(parents, minlength=1).max() <= 1


@pytest.mark.parametrize("engine", ["clava", "graph"])
def test_rules_along_keys_leave_relatives_together(engine: str) -> None:
    """No order before its customer came; where most customers came after all orders, nobody moves to another tenant."""
    keys, rng = real(tenants(1.0)), np.random.default_rng(1)
    of_order = keys["order.customer"]
    since = np.where(np.isin(np.arange(300), of_order), rng.integers(0, 1000, 300), 9000)
    values = {
        "tenant": {"id": np.arange(12)},
        "customer": {"id": np.arange(300), "tenant_id": keys["customer.tenant"], "since": since},
        "shop": {"id": np.arange(60), "tenant_id": keys["shop.tenant"]},
        "order": {"id": np.arange(900), "customer_id": of_order, "shop_id": keys["order.shop"],
                  "at": since[of_order] + rng.integers(1, 30, 900)},
    }  # fmt: skip
    columns = {t: tuple(Column(c, Kind.INTEGER, "int", False) for c in held) for t, held in values.items()}
    tables = [Table(t, held, ("id",)) for t, held in columns.items()]
    to = {"tenant_id": "tenant", "customer_id": "customer", "shop_id": "shop"}
    schema = Schema("sqlite", tuple(tables), tuple(
        ForeignKey(f"{t}_{c}", t, (c,), to[c], ("id",)) for t, held in values.items() for c in held if c in to
    ))  # fmt: skip
    rows = {
        t.name: pa.table({c.name: pa.array(values[t.name][c.name], arrow_type(c)) for c in t.columns}) for t in tables
    }
    settings = Settings(engine=engine, no_keep=True, **QUICK)
    plan = make_plan(schema, rows.__getitem__, {name: table.num_rows for name, table in rows.items()}, settings)
    assert any("at >= customer.since" in rule.text for rule in plan.rules)
    made = {t: table.to_pandas() for t, table in synthesise(learn(plan, rows.__getitem__, settings)).items()}
    orders = made["order"].merge(made["customer"], left_on="customer_id", right_on="id")
    orders = orders.merge(made["shop"], left_on="shop_id", right_on="id", suffixes=("_c", "_s"))
    assert len(orders) == 900
    assert (orders["tenant_id_c"] == orders["tenant_id_s"]).all()
    assert (orders["at"] >= orders["since"]).all()
