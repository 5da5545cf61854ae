"""Latent learning: labels go bottom-up, coded like a nominal column."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score

from dbsynth.clava.latent import augmented, learn_latents
from dbsynth.columns.codec import Codes
from dbsynth.columns.ranks import rank_intervals
from dbsynth.config import Settings
from dbsynth.encoded import Edge, EncodedDatabase


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
    """Cuts are the cumulated shares of the labels, in which every parent has an interval."""
    database, _ = grandchildren()
    for latent in learn_latents(database, Settings(n_clusters=4)).values():
        np.testing.assert_allclose(np.diff(np.r_[0, latent.cuts]), np.bincount(latent.labels) / len(latent.labels))
        low, high = latent.bounds
        assert (high > low).all()
        assert latent.cuts[-1] == pytest.approx(1)
        assert latent.sizes.tolist() == [3] * len(latent.labels)
        assert len(latent.size_probs) == latent.n_labels


def test_augmented_rows_have_their_labels_beside_them() -> None:
    """One column for each key that points at the table."""
    database, _ = grandchildren()
    latents = learn_latents(database, Settings(n_clusters=3))
    assert augmented(database, latents, "middle").shape == (360, 1)
    assert augmented(database, latents, "bottom").shape == (1080, 1)
    column = augmented(database, latents, "top")[:, 0]
    assert len(np.unique(column)) == latents["m"].n_labels
    assert len(set(zip(column.tolist(), latents["m"].labels.tolist(), strict=True))) == latents["m"].n_labels


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
