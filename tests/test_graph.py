"""The graph engine from end to end on toys: whole databases, the same for the same seed, and what is planted."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from toys import check_whole, codes_of, diamond, planted, same

from dbsynth.bundle import _pack, _unpack
from dbsynth.columns.codec import Known
from dbsynth.config import Settings
from dbsynth.diffusion import ContinuousNoise, DiscreteNoise, Noise
from dbsynth.encoded import Edge, EncodedDatabase, Given
from dbsynth.graph import GraphModel, fit, generate, parts
from dbsynth.graph.sampling import Cells, sample_rows
from dbsynth.graph.structure import real_structure
from dbsynth.graph.subgraphs import Neighbours, row_graph
from dbsynth.graph.training import new_network
from dbsynth.latents.latent import learn_latents

TINY = {"engine": "graph", "iterations": 3, "n_clusters": 3, "n_steps": 3, "batch_size": 32, "layers": (16,),
        "width": 8, "fan_out": (4, 2)}  # fmt: skip


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Small tensors are faster on one core."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("fan_out", [(), (0,), (5,), (4, 0, 0), (3, 2, 1)])
@pytest.mark.parametrize("noise", ["continuous", "discrete"])
@pytest.mark.parametrize("kept", [frozenset(), frozenset({"p2"})])
def test_every_switch_gives_a_whole_database(fan_out: tuple[int, ...], noise: str, kept: frozenset[str]) -> None:
    """However far rows hear, with either noise, whatever is kept."""
    database = diamond(kept=kept)
    settings = Settings(**TINY | {"fan_out": fan_out, "noise": noise})
    check_whole(database, generate(fit(database, settings)))


def test_the_papers_structure_is_whole() -> None:
    """Degrees of each key alone."""
    check_whole(diamond(), generate(fit(diamond(), Settings(**TINY, structure="degrees"))))


@pytest.fixture(scope="module")
def model() -> GraphModel:
    """A diamond, learned."""
    return fit(diamond(nulls=False), Settings(**TINY))


def test_same_seed_same_rows(model: GraphModel) -> None:
    """And another seed gives others; so in training."""
    assert same(generate(model, seed=3), generate(model, seed=3))
    assert not same(generate(model, seed=3), generate(model, seed=4))
    assert same(generate(fit(diamond(nulls=False), Settings(**TINY))), generate(model))


@pytest.mark.parametrize("scale", [0.02, 0.5, 3.7])
def test_scale_multiplies_rows(model: GraphModel, scale: float) -> None:
    """Of every table, to 3 % or a row; a table that has rows keeps at least one."""
    made = generate(model, scale=scale)
    check_whole(diamond(nulls=False), made, scale)
    assert all(len(ranks) for ranks in made.ranks.values())


@pytest.mark.parametrize("kept", [frozenset(), frozenset({"p2"}), frozenset({"p1", "p2"})])
def test_a_large_database_is_drawn_in_parts(monkeypatch: pytest.MonkeyPatch, kept: frozenset[str]) -> None:
    """Whole all the same; where pairs of kept parents must differ, in one."""
    monkeypatch.setattr(parts, "_PART_ROWS", 300)
    monkeypatch.setattr(parts, "_FEWEST_PARENTS", 8)
    database = diamond(nulls=False, kept=kept)
    model = fit(database, Settings(**TINY))
    drawn = {"p1": 20, "p2": 15, "m": 90, "c": 150}
    n_rows = {table: n if table in kept else 5 * n for table, n in drawn.items()}
    rows = parts.part_rows(model.database, model.distinct, n_rows)
    assert len(rows) == {0: 5, 1: 4, 2: 1}[len(kept)] or len(kept) == 1
    for table in drawn:
        assert sum(part[table] for part in rows) == n_rows[table] * (len(rows) if table in kept else 1)
    if len(kept) < 2:
        check_whole(database, generate(model, scale=5.0), 5.0)


def test_a_model_holds_no_real_rows(model: GraphModel) -> None:
    """But how many there were, and which shapes."""
    assert all(len(codes) == 0 for codes in model.database.tables.values())
    assert all(len(edge.rows) == 0 for edge in model.database.edges)
    assert all(len(latent.labels) == len(latent.sizes) == 0 for latent in model.latents.values())


def test_tables_without_columns_rows_or_parents() -> None:
    """A link table has nothing to draw; nor has a parent without columns or an empty table; all keys may be null."""
    database = EncodedDatabase(
        {"a": codes_of(n=12), "b": codes_of(np.arange(10)), "none": codes_of(np.empty(0)), "link": codes_of(n=40),
         "c": codes_of(np.arange(30))},
        [Edge("la", "link", "a", np.arange(40) % 12), Edge("lb", "link", "b", np.arange(40) // 4),
         Edge("cn", "c", "none", np.full(30, -1)), Edge("cb", "c", "b", np.arange(30) % 8)],
        frozenset(),
        [frozenset({"la", "lb"})],
    )  # fmt: skip
    made = generate(fit(database, Settings(**TINY)))
    check_whole(database, made)
    assert (made.parents["cn"] == -1).all()


@pytest.mark.parametrize("kept", [frozenset(), frozenset({"p"})])
@pytest.mark.parametrize("scale", [0.5, 3.0])
def test_one_to_one_keys(kept: frozenset[str], scale: float) -> None:
    """No two rows share a parent."""
    database = EncodedDatabase(
        {"p": codes_of(np.arange(20)), "c": codes_of(np.arange(15))},
        [Edge("e", "c", "p", np.arange(15), one_to_one=True)],
        kept,
    )
    rows = generate(fit(database, Settings(**TINY)), scale=scale).parents["e"]
    assert len(set(rows.tolist())) == len(rows) == min(round(15 * scale), 20 if kept else round(20 * scale))


def test_a_correlation_between_parent_and_child_survives() -> None:
    """Both drawn at once; so does that between the parent and its number of children."""
    database, real = planted()
    settings = Settings(engine="graph", iterations=250, batch_size=256, layers=(64, 64), n_clusters=8, n_steps=12)
    made = generate(fit(database, settings))
    y, rows, x = made.ranks["p"][:, 0], made.parents["e"], made.ranks["c"][:, 0]
    assert 0.7 < np.corrcoef(x, y[rows])[0, 1] < real + 0.1
    assert np.corrcoef(y, np.bincount(rows, minlength=len(y)))[0, 1] > 0.3


def test_children_are_drawn_around_given_parents() -> None:
    """They go with their parents, and where these are the large ones, so are the children: nothing draws them back."""
    database, _ = planted()
    settings = Settings(engine="graph", iterations=250, batch_size=256, layers=(64, 64), n_clusters=8, n_steps=12)
    codes, model = database.tables["p"], fit(database, settings)
    large = np.flatnonzero(codes.low[:, 0] > 0.6)
    known = {"p": Known(codes.low[large], codes.high[large])}
    made = generate(model, given=Given(known, {}, {"p": len(large), "c": 800}))
    y, rows, x = codes.low[large, 0], made.parents["e"], made.ranks["c"][:, 0]
    assert len(made.ranks["p"]) == len(large)
    assert len(x) == 800
    assert np.abs(made.ranks["p"][:, 0] - y).max() < 0.01
    assert x.mean() > 0.6
    assert np.corrcoef(x, y[rows])[0, 1] > 0.2  # of a part of the range
    assert np.corrcoef(y, np.bincount(rows, minlength=len(y)))[0, 1] > 0.1


def test_missing_cells_go_with_what_is_known() -> None:
    """Of parents whose values are missing, those of their children tell; given rows stay under their parents."""
    database, _ = planted()
    settings = Settings(engine="graph", iterations=250, batch_size=256, layers=(64, 64), n_clusters=8, n_steps=12)
    model, (p, c) = fit(database, settings), database.tables.values()
    missing = np.random.default_rng(0).random(len(p)) < 0.5
    known = {"p": Known(np.where(missing[:, None], 0, p.low), np.where(missing[:, None], 1, p.high)),
             "c": Known(c.low, c.high)}  # fmt: skip
    edge = database.edges[0]
    made = generate(model, given=Given(known, {"e": edge.rows}, {"p": len(p), "c": len(c)}))
    assert np.array_equal(made.parents["e"], edge.rows)
    assert np.abs(made.ranks["c"] - c.low).max() < 0.01
    held = missing & (np.bincount(edge.rows, minlength=len(p)) > 0)
    assert np.corrcoef(made.ranks["p"][held, 0], p.low[held, 0])[0, 1] > 0.6


@pytest.mark.parametrize("kept", [frozenset(), frozenset({"p2"})])
def test_new_rows_beside_given_ones(kept: frozenset[str]) -> None:
    """Given rows come first and stay; the new ones take what places are left, and no pair of parents comes twice."""
    database = diamond(kept=kept)
    model = fit(database, Settings(**TINY))
    given = {"p1": 20, "p2": 15, "m": 60}
    codes = {t: database.tables[t] for t in given if t not in kept}
    known = {t: Known(c.low[: given[t]], c.high[: given[t]]) for t, c in codes.items()}
    rows = {edge.name: edge.rows[:60] for edge in database.edges_of("m")}
    made = generate(model, given=Given(known, rows, {t: len(c) for t, c in database.tables.items() if t not in kept}))
    check_whole(database, made)
    for name, parents in rows.items():
        assert np.array_equal(made.parents[name][:60], parents)


def test_more_children_than_were_learned_go_to_those_who_have_none() -> None:
    """Groups stay as large as they are: an account has one loan at most, and with more loans more accounts have one."""
    rng = np.random.default_rng(0)
    edge = Edge("e", "c", "p", rng.permutation(300)[:100])
    database = EncodedDatabase({"p": codes_of(rng.normal(size=300)), "c": codes_of(rng.normal(size=100))}, [edge])
    known = {t: Known(c.low, c.high) for t, c in database.tables.items()}
    made = generate(fit(database, Settings(**TINY)), given=Given(known, {"e": edge.rows}, {"p": 300, "c": 180}))
    assert np.array_equal(made.parents["e"][:100], edge.rows)
    assert np.bincount(made.parents["e"]).max() == 1
    assert len(made.parents["e"]) == 180


@pytest.mark.parametrize("std", [2.0, 0.5, 0.001])
def test_what_a_choice_leaves_of_a_normal_value(std: float) -> None:
    """The expectation within the allowed intervals; with no noise left, the nearest of them."""
    bounds = torch.tensor([-torch.inf, -1.0, 0.5, 1.0, torch.inf])
    allowed = torch.tensor([[True, False, True, False], [True, True, True, True], [False, False, False, True]])
    mean = torch.tensor([0.3, 0.2, -0.7])
    clean = mean[:, None].clone()
    rows = torch.arange(3)
    Cells(torch.zeros(3, 1, dtype=torch.bool), clean, {0: (rows, rows, allowed, bounds)}).hold(clean, std)
    draws = mean[:, None] + std * torch.randn(3, 200_000, generator=torch.Generator().manual_seed(0))
    for k in range(3):
        within = allowed[k][torch.bucketize(draws[k], bounds[1:-1])]
        if std > 0.01:
            assert float(clean[k, 0]) == pytest.approx(float(draws[k][within].mean()), abs=0.02)
    if std < 0.01:
        assert clean[:, 0].tolist() == pytest.approx([0.5, 0.2, 1.0], abs=0.01)


def test_rows_hear_their_siblings() -> None:
    """Without labels, what a group shares goes through the parent, two hops away."""
    rng = np.random.default_rng(0)
    rows = np.repeat(np.arange(300), 4)
    x = rng.normal(size=300)[rows] + 0.2 * rng.normal(size=1200)
    database = EncodedDatabase({"p": codes_of(rng.normal(size=300)), "c": codes_of(x)}, [Edge("e", "c", "p", rows)])

    def shared(fan_out: tuple[int, ...]) -> float:
        settings = Settings(engine="graph", iterations=250, batch_size=256, layers=(64, 64), n_clusters=1, n_steps=12,
                            fan_out=fan_out)  # fmt: skip
        made = generate(fit(database, settings))
        drawn = made.ranks["c"][:, 0][np.argsort(made.parents["e"], kind="stable")].reshape(300, 4)
        return 1 - drawn.var(axis=1, ddof=1).mean() / drawn.var()

    assert shared((0,)) < 0.2
    assert shared((4, 4)) > 0.6


@pytest.mark.parametrize("noise", [ContinuousNoise(8), DiscreteNoise(20)])
def test_known_cells_stay(noise: Noise) -> None:
    """Cells whose values are given come out as given, up to what a chain of few steps leaves."""
    database = diamond()
    settings = Settings(**TINY, noise="continuous" if isinstance(noise, ContinuousNoise) else "discrete")
    latents = learn_latents(database, settings)
    graph = row_graph(database, latents, real_structure(database, latents), "cpu")
    network = new_network(database, latents, settings)
    which = torch.rand(90, 1, generator=torch.Generator().manual_seed(0)) < 0.5
    given = torch.linspace(-2, 2, 90)[:, None]
    made = sample_rows(network, graph, noise, {}, torch.Generator().manual_seed(1), known={"m": Cells(which, given)})
    torch.testing.assert_close(made["m"][which], given[which], atol=1e-4, rtol=0)
    assert not torch.isclose(made["m"][~which], given[~which]).any()


def test_some_children() -> None:
    """All of a few, different ones of many, none of the childless, and never the one that is left out."""
    parents = np.array([2, 0, 2, 2, -1, 2, 2, 0])
    neighbours = Neighbours.of(parents, 4, "cpu")
    generator = torch.Generator().manual_seed(0)
    rows = torch.tensor([0, 1, 2, 3, 2])
    children, owner = neighbours.some_children(rows, 3, generator)
    assert (torch.from_numpy(parents)[children] == rows[owner]).all()
    assert torch.bincount(owner, minlength=5).tolist() == [2, 0, 3, 0, 3]
    for k in range(5):
        assert len(set(children[owner == k].tolist())) == (owner == k).sum()
    children, owner = neighbours.some_children(torch.tensor([2, 0]), 5, generator, but=torch.tensor([3, 1]))
    assert sorted(children[owner == 0].tolist()) == [0, 2, 5, 6]
    assert children[owner == 1].tolist() == [7]


def test_a_bundle_brings_it_back(model: GraphModel, tmp_path: Path) -> None:
    """Plain data and arrays are all there is of it; what comes back draws the same rows."""
    arrays: dict[str, np.ndarray] = {}
    packed = json.loads(json.dumps(_pack(model, arrays, [])))
    assert same(generate(_unpack(packed, arrays, tmp_path), seed=3), generate(model, seed=3))
