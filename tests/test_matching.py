"""Who meets whom: permutations, nearest neighbours, asked-for labels and no pair twice."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbsynth.latents.matching import draw_tuples, match_places, match_rows, part_duplicates


@given(st.integers(0, 80), st.integers(0, 3), st.integers(0, 1000))
def test_matching_is_a_permutation(n: int, d: int, seed: int) -> None:
    """No row is lost and none comes twice, without any variables, too."""
    rng = np.random.default_rng(seed)
    anchor, version = rng.normal(size=(2, n, d)).round(1).astype(np.float32)
    assert sorted(match_rows(anchor, version, seed=seed).tolist()) == list(range(n))


@pytest.mark.parametrize("d", [0, 1, 3])
def test_matching_of_many_rows_is_a_permutation(d: int) -> None:
    """More than are matched exactly, ties included."""
    rng = np.random.default_rng(d)
    anchor, version = rng.integers(0, 3, size=(2, 5000, d)).astype(np.float32)
    assert sorted(match_rows(anchor, version, seed=1).tolist()) == list(range(5000))


@pytest.mark.parametrize("n", [300, 4000])
def test_matching_finds_each_rows_nearest(n: int) -> None:
    """Where one version is the other in another order and a little off, nearly every row finds itself."""
    rng = np.random.default_rng(n)
    anchor = rng.normal(size=(n, 4)).astype(np.float32)
    order = rng.permutation(n)
    version = anchor[order] + rng.normal(scale=1e-3, size=anchor.shape).astype(np.float32)
    assert (order[match_rows(anchor, version, seed=0)] == np.arange(n)).mean() > 0.98


def test_matching_is_the_same_for_the_same_seed() -> None:
    """The approximate index included."""
    rng = np.random.default_rng(5)
    anchor, version = rng.normal(size=(2, 3000, 3)).astype(np.float32)
    first, second = (match_rows(anchor, version, seed=9) for _ in range(2))
    np.testing.assert_array_equal(first, second)


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 9)), max_size=100), st.integers(0, 1000))
def test_places_are_handed_out_once_each(pairs: list[tuple[int, int]], seed: int) -> None:
    """As many rows as places: every place finds a row, and no label goes unserved while it is offered."""
    rng = np.random.default_rng(seed)
    wanted, places = np.array(pairs, dtype=np.int64).reshape(-1, 2).T
    label_of = rng.integers(0, 6, 10)
    parents = match_places(wanted, places, label_of[places], rng)
    assert sorted(parents.tolist()) == sorted(places.tolist())
    served = label_of[parents] == wanted
    for label in range(6):
        possible = min((wanted == label).sum(), (label_of[places] == label).sum())
        assert (served & (wanted == label)).sum() == possible


@given(st.lists(st.integers(0, 50), min_size=1, max_size=30), st.integers(0, 300), st.integers(0, 1000))
def test_tuples_come_in_proportion(counts: list[int], n: int, seed: int) -> None:
    """Each within one of its share, and those nobody has never."""
    counts = np.array(counts) + (np.arange(len(counts)) == 0)
    tuples = np.stack([np.arange(len(counts)), -np.arange(len(counts))], axis=1)
    drawn = draw_tuples(tuples, counts, n, np.random.default_rng(seed))
    assert drawn.shape == (n, 2)
    assert (drawn[:, 0] == -drawn[:, 1]).all()
    expected = n * counts / counts.sum()
    assert (np.abs(np.bincount(drawn[:, 0], minlength=len(counts)) - expected) < 1 + 1e-9).all()


def pairs_of(parents: list[np.ndarray]) -> list[tuple[int, ...]]:
    return [pair for pair in zip(*(p.tolist() for p in parents), strict=True) if min(pair) >= 0]


@given(st.integers(2, 8), st.integers(2, 8), st.floats(0.05, 0.4), st.integers(0, 1000))
def test_no_pair_twice(n_first: int, n_second: int, fullness: float, seed: int) -> None:
    """Where there are enough pairs, nobody is hopeless, nulls stay where they are."""
    rng = np.random.default_rng(seed)
    n = int(fullness * n_first * n_second)
    parents = [rng.integers(-1, n_first, n), rng.integers(-1, n_second, n)]
    nulls = [p < 0 for p in parents]
    labels = [rng.integers(0, 2, n_first), rng.integers(0, 2, n_second)]
    hopeless = part_duplicates(parents, labels, [np.zeros_like(of) for of in labels], rng)
    assert not hopeless.any()
    pairs = pairs_of(parents)
    assert len(set(pairs)) == len(pairs)
    assert all((p < 0).tolist() == null.tolist() for p, null in zip(parents, nulls, strict=True))


def test_parting_keeps_group_sizes() -> None:
    """Where swaps suffice, as many children stay with each parent."""
    rng = np.random.default_rng(4)
    parents = [np.repeat(np.arange(40), 10), rng.permutation(np.repeat(np.arange(80), 5))]
    before = [np.bincount(p) for p in parents]
    labels = [np.arange(40) % 3, np.arange(80) % 3]
    assert not part_duplicates(parents, labels, [np.zeros_like(of) for of in labels], rng).any()
    assert len(set(pairs_of(parents))) == 400
    for p, sizes in zip(parents, before, strict=True):
        np.testing.assert_array_equal(np.bincount(p), sizes)


def test_rows_beyond_all_pairs_are_hopeless() -> None:
    """Ten rows cannot have four different pairs; the six that repeat others are named."""
    parents = [np.zeros(10, np.int64), np.arange(10) % 4]
    alike = [np.zeros(1, int), np.zeros(4, int)]
    hopeless = part_duplicates(parents, alike, alike, np.random.default_rng(0))
    rest = pairs_of([p[~hopeless] for p in parents])
    assert len(set(rest)) == len(rest)
    assert hopeless.sum() >= 6


@given(st.integers(0, 1000))
def test_parting_never_leaves_a_bound(seed: int) -> None:
    """A row's parent is exchanged for one of the same group, or not at all."""
    rng = np.random.default_rng(seed)
    bound = [rng.integers(0, 3, 12), rng.integers(0, 3, 10)]
    parents = [rng.integers(-1, 12, 40), rng.integers(-1, 10, 40)]
    before = [np.append(groups, -1)[p] for groups, p in zip(bound, parents, strict=True)]
    part_duplicates(parents, bound, bound, rng)
    for groups, p, was in zip(bound, parents, before, strict=True):
        np.testing.assert_array_equal(np.append(groups, -1)[p], was)
