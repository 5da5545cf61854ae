"""The structure: numbers of children jointly over the keys, who meets whom, unique pairs, whole at every scale."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from toys import codes_of

from dbsynth.config import Settings
from dbsynth.encoded import Edge, EncodedDatabase
from dbsynth.graph.shapes import Part, learn_shapes, mutual_information
from dbsynth.graph.structure import Drawn, draw_structure, unique_sets_of_edges
from dbsynth.latents.latent import forget_rows, learn_latents


def draw(database: EncodedDatabase, *, scale: float = 1.0, seed: int = 0, n_clusters: int = 4) -> Drawn:
    """A structure learned and drawn, with what a model holds and no more."""
    latents = learn_latents(database, Settings(n_clusters=n_clusters))
    real = {t: len(c) for t, c in database.tables.items()}
    n_rows = {t: n if t in database.kept else max(round(scale * n), min(n, 1)) for t, n in real.items()}
    return draw_structure(
        database.shape, learn_shapes(database, latents), forget_rows(database, latents), unique_sets_of_edges(database),
        n_rows, np.random.default_rng(seed),
    )  # fmt: skip


def shop(n: int = 300, seed: int = 0, kept: frozenset[str] = frozenset()) -> EncodedDatabase:
    """Customers with many orders write many reviews; a review may be of nobody; products are reviewed once by each."""
    rng = np.random.default_rng(seed)
    rate = rng.gamma(1.0, 3.0, n)
    orders = np.repeat(np.arange(n), rng.poisson(rate))
    pairs = np.unique([(c, p) for c in range(n) for p in rng.choice(40, min(rng.poisson(rate[c]), 40), replace=False)],
                      axis=0)  # fmt: skip
    tables = {
        "customer": codes_of(rng.normal(size=n)), "product": codes_of(rng.normal(size=40)),
        "order": codes_of(rng.normal(size=len(orders))), "review": codes_of(rng.normal(size=len(pairs))),
    }  # fmt: skip
    of_nobody = np.where(rng.random(len(pairs)) < 0.1, -1, pairs[:, 0])
    edges = [Edge("oc", "order", "customer", orders), Edge("rc", "review", "customer", of_nobody),
             Edge("rp", "review", "product", pairs[:, 1])]  # fmt: skip
    return EncodedDatabase(tables, edges, kept)


def degrees(database: EncodedDatabase, drawn: Drawn | None = None) -> dict[str, np.ndarray]:
    """Children of each parent by edge, of the real rows or the drawn ones."""
    rows = {e.name: e.rows for e in database.edges} if drawn is None else drawn.parents
    n = {t: len(c) for t, c in database.tables.items()} if drawn is None else drawn.n_rows
    return {e.name: np.bincount(rows[e.name][rows[e.name] >= 0], minlength=n[e.parent]) for e in database.edges}


@pytest.mark.parametrize("kept", [frozenset(), frozenset({"product"})])
def test_numbers_of_children_are_the_real_ones(kept: frozenset[str]) -> None:
    """Zeros included, for every key; and so are the sizes that the structure tells of."""
    database = shop(kept=kept)
    drawn = draw(database)
    for name, sizes in degrees(database).items():
        np.testing.assert_array_equal(np.sort(degrees(database, drawn)[name]), np.sort(sizes))
        np.testing.assert_array_equal(drawn.sizes[name], degrees(database, drawn)[name])


def test_numbers_of_children_go_together() -> None:
    """Who has many orders has many reviews."""
    database = shop()
    real, made = degrees(database), degrees(database, draw(database))
    expected = np.corrcoef(real["oc"], real["rc"])[0, 1]
    assert expected > 0.5
    assert np.corrcoef(made["oc"], made["rc"])[0, 1] == pytest.approx(expected, abs=0.1)


@pytest.mark.parametrize("scale", [0.1, 0.5, 2.0, 10.0])
@pytest.mark.parametrize("kept", [frozenset(), frozenset({"product"})])
def test_every_table_grows_with_the_scale(scale: float, kept: frozenset[str]) -> None:
    """A kept parent does not stop its children from growing; they keep their mean number per modelled parent."""
    database = shop(kept=kept)
    drawn = draw(database, scale=scale)
    for table, codes in database.tables.items():
        factor = 1 if table in kept else scale
        assert drawn.n_rows[table] == pytest.approx(factor * len(codes), rel=0.02, abs=1)
    for edge in database.edges:
        rows = drawn.parents[edge.name]
        assert len(rows) == drawn.n_rows[edge.child]
        assert rows.min() >= -1
        assert rows.max() < drawn.n_rows[edge.parent]
        assert (rows < 0).mean() == pytest.approx((edge.rows < 0).mean(), abs=0.02)


def test_pairs_are_unique_where_the_real_ones_are() -> None:
    """Reviews are; rows that may repeat a pair are left to."""
    database = shop()
    drawn = draw(database)
    pairs = np.stack([drawn.parents["rc"], drawn.parents["rp"]], axis=1)
    held = pairs[(pairs >= 0).all(axis=1)]
    assert len(np.unique(held, axis=0)) == len(held)
    rng = np.random.default_rng(0)
    repeating = EncodedDatabase(
        {"a": codes_of(np.arange(10)), "b": codes_of(np.arange(10)), "c": codes_of(rng.normal(size=400))},
        [Edge("ca", "c", "a", rng.integers(0, 10, 400)), Edge("cb", "c", "b", rng.integers(0, 10, 400))],
    )
    assert not unique_sets_of_edges(repeating)


def test_unique_pairs_fit_where_there_is_no_room() -> None:
    """Every team at nearly every match of its season: dealt, not tried until it works."""
    rng = np.random.default_rng(0)
    season = np.repeat(np.arange(20), 12)  # of each match
    teams = {s: rng.choice(30, 11, replace=False) for s in range(20)}
    rows = np.array([(m, t) for m in range(240) for t in teams[season[m]][rng.random(11) < 0.95]])
    database = EncodedDatabase(
        {"match": codes_of(season), "team": codes_of(np.arange(30)), "entry": codes_of(rng.normal(size=len(rows)))},
        [Edge("em", "entry", "match", rows[:, 0]), Edge("et", "entry", "team", rows[:, 1])],
        frozenset({"team"}),
    )
    drawn = draw(database, n_clusters=20)
    assert drawn.n_rows["entry"] == len(rows)
    assert len(np.unique(np.stack([drawn.parents["em"], drawn.parents["et"]]), axis=1).T) == len(rows)
    for name, sizes in degrees(database).items():
        np.testing.assert_array_equal(np.sort(degrees(database, drawn)[name]), np.sort(sizes))


def test_who_meets_whom() -> None:
    """Members of two clubs go to their own club's events, although both parents are drawn."""
    rng = np.random.default_rng(0)
    club_a, club_b = rng.integers(0, 2, 200), rng.integers(0, 2, 60)
    a = np.repeat(np.arange(200), 5)
    b = np.array([rng.choice(np.flatnonzero(club_b == c)) for c in club_a[a]])
    database = EncodedDatabase(
        {"member": codes_of(club_a * 3 + rng.normal(size=200)), "event": codes_of(club_b * 3 + rng.normal(size=60)),
         "visit": codes_of(club_a[a] * 3 + rng.normal(size=1000))},
        [Edge("vm", "visit", "member", a), Edge("ve", "visit", "event", b)],
    )  # fmt: skip
    latents = learn_latents(database, Settings(n_clusters=2))
    drawn = draw(database, n_clusters=2)

    def together(labels: dict, parents: dict) -> float:
        return abs(np.corrcoef(labels["vm"][parents["vm"]], labels["ve"][parents["ve"]])[0, 1])

    real = together({n: latents[n].labels for n in latents}, {"vm": a, "ve": b})
    assert real > 0.8
    assert together(drawn.labels, drawn.parents) == pytest.approx(real, abs=0.02)


@settings(max_examples=40)
@given(st.integers(0, 2**32 - 1), st.floats(0.1, 4.0))
def test_a_structure_is_whole(seed: int, scale: float) -> None:
    """Whatever the tables: every key finds its row, sizes are what they say, unique sets are unique."""
    rng = np.random.default_rng(seed)
    n = rng.integers(0, 12, 3)
    m = int(rng.integers(0, 30)) if n.min() else 0
    if m:
        pairs = rng.permutation([(i, j) for i in range(n[0]) for j in range(n[1])])[:m]
        m = len(pairs)
    else:
        pairs = np.empty((0, 2), np.int64)
    kept = frozenset(t for t in ("p", "q", "r") if rng.random() < 0.3)
    database = EncodedDatabase(
        {"p": codes_of(rng.normal(size=n[0])), "q": codes_of(n=n[1]), "r": codes_of(rng.normal(size=n[2])),
         "c": codes_of(rng.normal(size=m))},
        [Edge("cp", "c", "p", pairs[:, 0]), Edge("cq", "c", "q", pairs[:, 1]),
         Edge("cr", "c", "r", rng.integers(-1, max(n[2], 1), m) if n[2] else np.full(m, -1))],
        kept,
        [frozenset({"cp", "cq"})],
    )  # fmt: skip
    drawn = draw(database, scale=scale, seed=seed)
    for edge in database.edges:
        rows = drawn.parents[edge.name]
        assert len(rows) == drawn.n_rows["c"]
        assert rows.min(initial=0) >= -1
        assert rows.max(initial=-1) < drawn.n_rows[edge.parent]
        np.testing.assert_array_equal(
            drawn.sizes[edge.name], np.bincount(rows[rows >= 0], minlength=drawn.n_rows[edge.parent])
        )
        assert len(drawn.labels[edge.name]) == drawn.n_rows[edge.parent]
    made = np.stack([drawn.parents["cp"], drawn.parents["cq"]])
    assert np.unique(made, axis=1).shape == made.shape


def test_shapes_are_nobodys() -> None:
    """Labels and numbers of children that together tell real rows apart do not come back together."""
    rng = np.random.default_rng(0)
    n, edges = 400, ("a", "b", "c", "d")
    rows = {e: np.repeat(np.arange(n), rng.poisson(6, n)) for e in edges}
    database = EncodedDatabase(
        {"p": codes_of(rng.normal(size=n))} | {e: codes_of(rng.normal(size=len(rows[e]))) for e in edges},
        [Edge(e, e, "p", rows[e]) for e in edges],
    )
    drawn = draw(database, n_clusters=20)
    real = np.stack([np.bincount(rows[e], minlength=n) for e in edges], axis=1)
    made = np.stack([drawn.sizes[e] for e in edges], axis=1)
    known = {tuple(row) for row in real.tolist()}
    assert len(known) > 0.9 * n
    assert np.mean([tuple(row) in known for row in made.tolist()]) < 0.2


def test_a_part_goes_with_the_one_that_it_depends_on_most() -> None:
    """A chain of labels keeps its pairs exactly at scale 1."""
    rng = np.random.default_rng(0)
    a = rng.integers(0, 5, 1000)
    b = np.where(rng.random(1000) < 0.9, a, rng.integers(0, 5, 1000))
    assert mutual_information(a, b) > 0.5
    assert abs(mutual_information(a, rng.integers(0, 5, 1000))) < 0.02
    pairs, counts = np.unique(np.stack([a, b], axis=1), axis=0, return_counts=True)
    drawn = Part(0, pairs[:, 0], pairs[:, 1], counts).draw(rng.permutation(a), rng)
    np.testing.assert_array_equal(np.bincount(drawn), np.bincount(b))


def test_millions_of_rows_take_seconds() -> None:
    """No step is quadratic: this would not end otherwise."""
    database = shop(2000)
    assert draw(database, scale=50).n_rows["order"] > 250_000
