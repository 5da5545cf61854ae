"""Clusters of groups: planted ones are found, nothing odd trips them."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import adjusted_rand_score

from dbsynth.latents.clusters import Clusters, cluster_groups

METHODS = ("group", "vote")


def clustered(x, y, rows, *, k: int = 3, method: str = "group", parent_scale: float = 1.0, seed: int = 0) -> Clusters:
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # rows that are alike are nothing to tell the user of
        return cluster_groups(
            np.asarray(x, dtype=float), np.asarray(y, dtype=float), np.asarray(rows), n_clusters=k,
            parent_scale=parent_scale, method=method, seed=seed,
        )  # fmt: skip


def planted(seed: int = 0, n_parents: int = 120) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Three kinds of parents, whose children are of three kinds, four each, in random order."""
    rng = np.random.default_rng(seed)
    kind = np.arange(n_parents) % 3
    rows = rng.permutation(np.repeat(np.arange(n_parents), 4))
    centres = np.array([[0, 3], [3, 0], [-3, -3]])
    x = centres[kind[rows]] + rng.normal(scale=0.3, size=(len(rows), 2))
    return x, rng.normal(scale=0.3, size=(n_parents, 1)), rows, kind


@pytest.mark.parametrize("method", METHODS)
def test_separate_groups_are_recovered(method: str) -> None:
    """Every parent with those of its kind; all rows of a group agree."""
    x, y, rows, kind = planted()
    found = clustered(x, y, rows, method=method)
    assert adjusted_rand_score(kind, found.labels) == 1
    assert found.n_clusters == 3
    assert found.agree_rate == 1


@pytest.mark.parametrize("method", METHODS)
def test_childless_parents_have_a_label_of_their_own(method: str) -> None:
    """The one after the last cluster's."""
    x, y, rows, kind = planted()
    y = np.concatenate([y, np.zeros((10, 1))])
    found = clustered(x, y, rows, method=method)
    assert (found.labels[120:] == found.n_clusters).all()
    assert adjusted_rand_score(kind, found.labels[:120]) == 1
    assert found.labels[:120].max() < found.n_clusters


def test_rows_with_a_null_key_belong_to_nobody() -> None:
    """They change no label."""
    x, y, rows, kind = planted()
    x, rows = np.r_[x, np.full((50, 2), 9.0)], np.r_[rows, np.full(50, -1)]
    assert adjusted_rand_score(kind, clustered(x, y, rows).labels) == 1


@pytest.mark.parametrize("method", METHODS)
def test_the_agree_rate_is_the_share_of_rows_like_their_group(method: str) -> None:
    """One row in four of every group is of another kind."""
    x, y, rows, kind = planted(1)
    order = np.argsort(rows, kind="stable")
    x, rows = x[order], rows[order]
    x[::4] = x[np.flatnonzero(kind[rows] == 0)[0]] * 0 + np.array([[0, 3], [3, 0], [-3, -3]])[(kind[rows][::4] + 1) % 3]
    found = clustered(x, y, rows, method=method)
    if method == "vote":
        assert adjusted_rand_score(kind, found.labels) == 1
        assert found.agree_rate == pytest.approx(0.75, abs=0.02)
    assert 0.5 < found.agree_rate < 1


@pytest.mark.parametrize("method", METHODS)
def test_parents_alone_tell_groups_apart(method: str) -> None:
    """Where children do not, if the parent scale lets them."""
    rng = np.random.default_rng(2)
    kind = np.arange(90) % 2
    y = np.stack([6.0 * kind - 3, np.zeros(90)], axis=1) + rng.normal(scale=0.2, size=(90, 2))
    rows = np.repeat(np.arange(90), 2)
    found = clustered(rng.normal(scale=0.2, size=(180, 1)), y, rows, k=2, method=method, parent_scale=2.0)
    assert adjusted_rand_score(kind, found.labels) == 1


def test_group_sizes_tell_groups_apart() -> None:
    """The rich from the poor, where nothing else differs."""
    sizes = np.array([1, 12] * 40)
    rows = np.repeat(np.arange(80), sizes)
    found = clustered(np.zeros((len(rows), 1)), np.zeros((80, 1)), rows, k=2)
    assert adjusted_rand_score(sizes, found.labels) == 1


@settings(max_examples=40)
@given(
    st.integers(0, 40), st.integers(0, 120), st.integers(0, 2), st.integers(0, 2), st.integers(1, 60),
    st.sampled_from(METHODS), st.booleans(), st.integers(0, 99),
)  # fmt: skip
def test_whatever_comes_is_labelled(
    n_parents: int, n_children: int, d_x: int, d_y: int, k: int, method: str, constant: bool, seed: int
) -> None:
    """No parents, no children, no features, constants, more clusters than parents."""
    rng = np.random.default_rng(seed)
    rows = rng.integers(-1, n_parents, n_children) if n_parents else np.full(n_children, -1)
    x, y = rng.normal(size=(n_children, d_x)), rng.normal(size=(n_parents, d_y))
    found = clustered(0 * x if constant else x, 0 * y if constant else y, rows, k=k, method=method)
    has_children = np.bincount(rows[rows >= 0], minlength=n_parents) > 0
    assert found.labels.shape == (n_parents,)
    assert found.labels.dtype == np.int64
    assert ((found.labels == found.n_clusters) == ~has_children).all()
    assert ((found.labels >= 0) & (found.labels <= found.n_clusters)).all()
    assert 1 <= found.n_clusters <= k
    assert 0 <= found.agree_rate <= 1


@pytest.mark.parametrize("method", METHODS)
def test_same_seed_same_labels(method: str) -> None:
    """With overlapping groups, too."""
    rng = np.random.default_rng(4)
    x, y, rows = rng.normal(size=(600, 2)), rng.normal(size=(100, 2)), rng.integers(0, 100, 600)
    first, second = (clustered(x, y, rows, k=10, method=method, seed=5).labels for _ in range(2))
    np.testing.assert_array_equal(first, second)
