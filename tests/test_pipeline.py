"""ClavaDDPM from end to end on toys: every switch gives a whole database, and what is planted is found again."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from toys import check_whole, codes_of, diamond, planted, same

from dbsynth.clava import ClavaModel, fit, generate
from dbsynth.config import Settings
from dbsynth.encoded import Edge, EncodedDatabase

TINY = {"iterations": 3, "classifier_iterations": 3, "n_clusters": 3, "n_steps": 3, "batch_size": 64,
        "layers": (16,), "classifier_layers": (16,)}  # fmt: skip


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Small tensors are faster on one core."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("matching", [True, False], ids=["matched", "random"])
@pytest.mark.parametrize("meeting", ["labels", "values"])
@pytest.mark.parametrize("noise", ["continuous", "discrete"])
@pytest.mark.parametrize("guidance", ["direct", "classifier"])
def test_every_switch_gives_a_whole_database(guidance: str, noise: str, meeting: str, matching: bool) -> None:
    """Both guidances, both noises, both meetings, matching on and off."""
    database = diamond()
    settings = Settings(**TINY, guidance=guidance, noise=noise, meeting=meeting, matching=matching)
    check_whole(database, generate(fit(database, settings)))


@pytest.mark.parametrize("other", [{"ancestors": False}, {"clustering": "vote"}, {"parent_scale": 0.0}])
def test_other_switches(other: dict) -> None:
    """The label as the only condition, the paper's clusters, clusters of children alone."""
    check_whole(diamond(), generate(fit(diamond(), Settings(**TINY, **other))))


@pytest.fixture(scope="module")
def model() -> ClavaModel:
    """A diamond, learned."""
    return fit(diamond(nulls=False), Settings(**TINY))


def test_same_seed_same_rows(model: ClavaModel) -> None:
    """And another seed gives others."""
    assert same(generate(model, seed=3), generate(model, seed=3))
    assert not same(generate(model, seed=3), generate(model, seed=4))


def test_training_is_reproducible(model: ClavaModel) -> None:
    """The same settings learn the same model; another seed another."""
    assert same(generate(fit(diamond(nulls=False), Settings(**TINY))), generate(model))
    assert not same(generate(fit(diamond(nulls=False), Settings(**TINY, seed=1))), generate(model))


@pytest.mark.parametrize("scale", [0.02, 0.5, 2.0, 3.7])
def test_scale_multiplies_rows(model: ClavaModel, scale: float) -> None:
    """Of every table, to 3 % or a row; a table that has rows keeps at least one."""
    made = generate(model, scale=scale)
    check_whole(diamond(nulls=False), made, scale)
    assert all(len(ranks) for ranks in made.ranks.values())


def test_group_sizes_are_the_real_ones(model: ClavaModel) -> None:
    """Children per parent are distributed as they were."""
    made, database = generate(model, seed=5), diamond(nulls=False)
    real = np.bincount(next(e for e in database.edges if e.name == "cm").rows, minlength=90)
    drawn = np.bincount(made.parents["cm"], minlength=90)
    assert abs((real == 0).mean() - (drawn == 0).mean()) < 0.1
    assert drawn.max() <= real.max() + 2
    assert drawn.std() == pytest.approx(real.std(), rel=0.25)


def test_null_keys_keep_their_share() -> None:
    """To a row or two."""
    made = generate(fit(diamond(), Settings(**TINY)))
    for edge in diamond().edges:
        assert (made.parents[edge.name] < 0).mean() == pytest.approx((edge.rows < 0).mean(), abs=0.03)


def test_a_model_holds_no_real_rows(model: ClavaModel) -> None:
    """But how many there were."""
    assert all(len(codes) == 0 for codes in model.database.tables.values())
    assert all(len(edge.rows) == 0 for edge in model.database.edges)
    assert all(len(latent.labels) == len(latent.sizes) == 0 for latent in model.latents.values())


@pytest.mark.parametrize("kept", [{"p1"}, {"p1", "p2"}, {"p1", "p2", "m"}])
@pytest.mark.parametrize("guidance", ["direct", "classifier"])
def test_kept_tables_keep_their_rows_and_their_keys(kept: set[str], guidance: str) -> None:
    """They are not drawn; keys between them are the real ones, and parents keep their number of children."""
    database = diamond(nulls=False, kept=frozenset(kept))
    made = generate(fit(database, Settings(**TINY, guidance=guidance)))
    check_whole(database, made)
    assert not kept & made.ranks.keys()
    for edge in database.edges:
        if edge.child in kept:
            np.testing.assert_array_equal(made.parents[edge.name], edge.rows)
        elif edge.parent in kept:
            n = len(database.tables[edge.parent])
            degrees = [np.bincount(rows, minlength=n) for rows in (edge.rows, made.parents[edge.name])]
            assert np.corrcoef(*degrees)[0, 1] > 0.95


@pytest.mark.parametrize("guidance", ["direct", "classifier"])
@pytest.mark.parametrize("meeting", ["labels", "values"])
@pytest.mark.parametrize("n_parents", [0, 1, 6])
def test_parents_without_children_and_keys_without_parents(guidance: str, meeting: str, n_parents: int) -> None:
    """An empty parent, a parent nobody refers to, a child of two of them."""
    database = EncodedDatabase(
        {"p": codes_of(np.arange(n_parents)), "q": codes_of(np.arange(8)), "c": codes_of(np.arange(30))},
        [Edge("cp", "c", "p", np.full(30, -1)), Edge("cq", "c", "q", np.arange(30) % 8)],
    )
    made = generate(fit(database, Settings(**TINY, guidance=guidance, meeting=meeting)))
    check_whole(database, made)
    assert (made.parents["cp"] == -1).all()
    assert (made.parents["cq"] >= 0).all()


@pytest.mark.parametrize("guidance", ["direct", "classifier"])
@pytest.mark.parametrize("meeting", ["labels", "values"])
def test_tables_of_keys_only(guidance: str, meeting: str) -> None:
    """A link table has nothing to draw; nor has a parent without columns or an empty table."""
    database = EncodedDatabase(
        {"a": codes_of(n=12), "b": codes_of(np.arange(10)), "link": codes_of(n=40), "none": codes_of(np.empty(0))},
        [
            Edge("la", "link", "a", np.arange(40) % 12),
            Edge("lb", "link", "b", np.arange(40) // 4),
            Edge("na", "none", "a", np.empty(0, np.int64)),
        ],
        frozenset(),
        [frozenset({"la", "lb"})],
    )
    check_whole(database, generate(fit(database, Settings(**TINY, guidance=guidance, meeting=meeting))))


@pytest.mark.parametrize("kept", [frozenset(), frozenset({"p"})])
@pytest.mark.parametrize("scale", [0.5, 1.0, 3.0])
def test_one_to_one_keys(kept: frozenset[str], scale: float) -> None:
    """No two rows share a parent; where parents are fewer than rows asked for, there are as many rows as parents."""
    database = EncodedDatabase(
        {"p": codes_of(np.arange(20)), "c": codes_of(np.arange(15))},
        [Edge("e", "c", "p", np.arange(15), one_to_one=True)],
        kept,
    )
    made = generate(fit(database, Settings(**TINY)), scale=scale)
    rows = made.parents["e"]
    assert len(set(rows.tolist())) == len(rows) == min(round(15 * scale), 20 if kept else round(20 * scale))


@pytest.mark.parametrize(("guidance", "least"), [("direct", 0.7), ("classifier", 0.5)])
def test_a_correlation_between_parent_and_child_survives(guidance: str, least: float) -> None:
    """Over the synthetic join; so does that between the parent and its number of children.

    A classifier brings the label only, and learns more slowly.
    """
    database, real = planted()
    settings = Settings(
        iterations=400, classifier_iterations=200, batch_size=512, layers=(64, 64), n_clusters=8, n_steps=15,
        guidance=guidance, learning_rate=4e-3,
    )  # fmt: skip
    made = generate(fit(database, settings))
    y, rows, x = made.ranks["p"][:, 0], made.parents["e"], made.ranks["c"][:, 0]
    assert least < np.corrcoef(x, y[rows])[0, 1] < real + 0.1
    sizes = np.bincount(rows, minlength=len(y))
    assert np.corrcoef(y, sizes)[0, 1] > 0.3


def test_grandchildren_hang_on_the_rows_that_were_matched() -> None:
    """m takes its value from p1 and hands it on to c: the chain holds over two joins, although m has two parents."""
    rng = np.random.default_rng(1)
    y, other = rng.normal(size=150), rng.normal(size=60)
    m1, m2 = np.repeat(np.arange(150), 4), rng.integers(0, 60, 600)
    m = y[m1] + 0.2 * rng.normal(size=600)
    cm = np.repeat(np.arange(600), 2)
    c = m[cm] + 0.2 * rng.normal(size=1200)
    database = EncodedDatabase(
        {"p1": codes_of(y), "p2": codes_of(other), "m": codes_of(m), "c": codes_of(c)},
        [Edge("m1", "m", "p1", m1), Edge("m2", "m", "p2", m2), Edge("cm", "c", "m", cm)],
    )
    made = generate(fit(database, Settings(iterations=300, batch_size=512, layers=(64, 64), n_clusters=20, n_steps=20)))
    of_c = made.parents["cm"]
    assert np.corrcoef(made.ranks["c"][:, 0], made.ranks["m"][of_c, 0])[0, 1] > 0.7
    assert np.corrcoef(made.ranks["c"][:, 0], made.ranks["p1"][made.parents["m1"][of_c], 0])[0, 1] > 0.7
