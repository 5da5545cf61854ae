"""Latent learning: labels go bottom-up, coded like a nominal column."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score

from dbsynth.columns.codec import Codes
from dbsynth.columns.ranks import rank_intervals
from dbsynth.config import Settings
from dbsynth.encoded import Edge, EncodedDatabase
from dbsynth.latents.latent import learn_augmentation, learn_latents


def codes_of(*columns: np.ndarray, n: int | None = None) -> Codes:
    if not columns:
        return Codes(np.empty((n, 0), np.float32), np.empty((n, 0), np.float32), ())
    bounds = [rank_intervals(np.asarray(c, float)) for c in columns]
    low, high = (np.stack([b[i] for b in bounds], axis=1).astype(np.float32) for i in (0, 1))
    return Codes(low, high, (None,) * len(columns))


def grandchildren(seed: int = 0) -> tuple[EncodedDatabase, np.ndarray]:
    """Only grandchildren differ by the kind of the top row: top -> middle -> bottom."""
    rng = np.random.default_rng(seed)
    kind = np.arange(120) % 2
    middle_rows = np.repeat(np.arange(120), 3)
    bottom_rows = np.repeat(np.arange(360), 3)
    bottom = np.where(kind[middle_rows[bottom_rows]] == 0, -4.0, 4.0) + rng.normal(size=1080)
    database = EncodedDatabase(
        {"top": codes_of(n=120), "middle": codes_of(n=360), "bottom": codes_of(bottom)},
        [Edge("m", "middle", "top", middle_rows), Edge("b", "bottom", "middle", bottom_rows)],
    )
    return database, kind


def test_what_happens_two_tables_below_reaches_the_top() -> None:
    """Through the labels of the middle rows."""
    database, kind = grandchildren()
    latents = learn_latents(database, Settings(n_clusters=2))
    assert adjusted_rand_score(kind, latents["m"].labels) == 1


def test_labels_are_coded_as_shares() -> None:
    """Cuts are the cumulated shares of the labels of parents that have children."""
    database, _ = grandchildren()
    for latent in learn_latents(database, Settings(n_clusters=4)).values():
        np.testing.assert_allclose(np.diff(np.r_[0, latent.cuts]), np.bincount(latent.labels) / len(latent.labels))
        assert latent.cuts[-1] == pytest.approx(1)
        assert latent.sizes.tolist() == [3] * len(latent.labels)
        assert len(latent.size_probs) == latent.n_labels


def two_kinds_of_children() -> EncodedDatabase:
    """Of 100 parents some have children of the first kind, some of the second, some of both, some none."""
    rng = np.random.default_rng(0)
    first = np.repeat(np.arange(100), np.where(np.arange(100) % 2, 0, rng.integers(1, 5, 100)))
    second = np.repeat(np.arange(100), np.where(np.arange(100) % 3, 0, rng.integers(1, 5, 100)))
    return EncodedDatabase(
        {"p": codes_of(rng.normal(size=100)), "a": codes_of(rng.normal(size=len(first))), "b": codes_of(n=len(second))},
        [Edge("a", "a", "p", first), Edge("b", "b", "p", second)],
    )


@pytest.mark.parametrize("group_sizes", ["joint", "label"])
def test_what_is_added_to_a_parent_table_reads_back(group_sizes: str) -> None:
    """Who has which children, their labels, and the sizes of groups as often as they occur."""
    database = two_kinds_of_children()
    settings = Settings(n_clusters=3, group_sizes=group_sizes)
    latents = learn_latents(database, settings)
    augmentation = learn_augmentation(database, latents, "p", settings)
    low, high = augmentation.bounds(latents)
    assert low.shape == high.shape == (100, augmentation.n_variables)
    assert ((low >= 0) & (low < high) & (high <= 1 + 1e-12)).all()
    labels, sizes = augmentation.read((low + high) / 2, latents, np.random.default_rng(0))
    for name in ("a", "b"):
        np.testing.assert_array_equal(labels[name], latents[name].labels)
        np.testing.assert_array_equal(sizes[name] > 0, latents[name].sizes > 0)
        assert np.abs(np.bincount(sizes[name], minlength=6) - np.bincount(latents[name].sizes, minlength=6)).max() <= 4


def test_nothing_is_added_to_a_table_without_children_or_rows() -> None:
    """There is nothing to read."""
    database = two_kinds_of_children()
    latents = learn_latents(database, Settings())
    assert learn_augmentation(database, latents, "a", Settings()) is None
    empty = EncodedDatabase({"p": codes_of(n=0), "c": codes_of(n=3)}, [Edge("e", "c", "p", np.full(3, -1))])
    assert learn_augmentation(empty, learn_latents(empty, Settings()), "p", Settings()) is None


def test_progress_counts_keys() -> None:
    """One step for each."""
    steps: list[int] = []
    database, _ = grandchildren()
    learn_latents(database, Settings(), steps.append)
    assert sum(steps) == 2


@pytest.mark.parametrize("n_parents", [0, 1, 5])
@pytest.mark.parametrize("clustering", ["group", "vote"])
def test_nothing_to_learn(n_parents: int, clustering: str) -> None:
    """No parents, no features, all keys null."""
    database = EncodedDatabase(
        {"p": codes_of(n=n_parents), "c": codes_of(n=7)}, [Edge("e", "c", "p", np.full(7, -1))]
    )
    latent = learn_latents(database, Settings(clustering=clustering))["e"]
    assert latent.sizes.tolist() == [0] * n_parents
    assert len(latent.labels) == n_parents
    assert np.isfinite(latent.cuts).all()
