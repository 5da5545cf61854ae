"""Group sizes: counted, drawn, and made to add up."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dbsynth.groups import count_sizes, draw_group_sizes, fit_total, size_probabilities

sizes_lists = st.lists(st.integers(0, 50), max_size=40).map(lambda s: np.array(s, dtype=np.int64))


@given(sizes_lists, st.integers(0, 3000), st.integers(0, 1000))
def test_fit_total_hits_its_total(sizes: np.ndarray, total: int, seed: int) -> None:
    """Whatever the sizes were, as long as there is a parent."""
    fitted = fit_total(sizes, total, np.random.default_rng(seed))
    assert len(fitted) == len(sizes)
    assert (fitted >= 0).all()
    assert fitted.sum() == (total if len(sizes) else 0)


@given(sizes_lists, st.floats(0, 1), st.integers(1, 20), st.integers(0, 1000))
@example(np.array([2, 0]), 1.0, 1, 0)
def test_fit_total_keeps_its_bound(sizes: np.ndarray, share: float, largest: int, seed: int) -> None:
    """Whatever the sizes were, as long as there is room."""
    total = int(share * largest * len(sizes))
    fitted = fit_total(sizes, total, np.random.default_rng(seed), largest=largest)
    assert fitted.sum() == total
    assert fitted.max(initial=0) <= largest


def test_fit_total_says_when_there_is_no_room() -> None:
    """Three children of two parents that may have one each."""
    with pytest.raises(ValueError, match="3 children cannot be spread over 2 parents"):
        fit_total(np.array([1, 1]), 3, np.random.default_rng(0), largest=1)


@given(sizes_lists.filter(lambda s: s.sum() > 0), st.integers(0, 1000))
def test_fit_total_changes_nothing_that_fits(sizes: np.ndarray, seed: int) -> None:
    """A total that is right already stays."""
    np.testing.assert_array_equal(fit_total(sizes, int(sizes.sum()), np.random.default_rng(seed)), sizes)


def test_fit_total_leaves_the_childless_alone() -> None:
    """A small correction goes to parents that have children."""
    sizes = np.r_[np.zeros(50, np.int64), np.full(50, 10)]
    assert (fit_total(sizes, 530, np.random.default_rng(0))[:50] == 0).all()


@given(st.lists(st.integers(-1, 9)))
def test_count_sizes(rows: list[int]) -> None:
    """Every child that has a parent is counted once."""
    sizes = count_sizes(np.array(rows, dtype=np.int64), 10)
    assert sizes.tolist() == [rows.count(i) for i in range(10)]


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 6)), min_size=1, max_size=200), st.integers(0, 1000))
def test_drawn_sizes_have_the_distribution_of_their_label(pairs: list[tuple[int, int]], seed: int) -> None:
    """p(s | c), to one parent in each cell, for as many parents as were counted."""
    labels, sizes = np.array(pairs).T
    drawn = draw_group_sizes(labels, size_probabilities(labels, sizes, 4), np.random.default_rng(seed))
    for label in range(4):
        for size in range(7):
            real = ((labels == label) & (sizes == size)).sum()
            assert abs(((labels == label) & (drawn == size)).sum() - real) <= 2


def test_a_label_without_parents_has_no_children() -> None:
    """Nothing was counted for it."""
    probabilities = size_probabilities(np.array([0, 0]), np.array([3, 3]), 2)
    assert draw_group_sizes(np.array([1, 0, 1]), probabilities, np.random.default_rng(0)).tolist() == [0, 3, 0]
