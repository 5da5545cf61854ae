"""Categories: their codes, which of them are coded together, and their order."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from dbsynth.columns.categories import category_codes, joint_groups, order_by_meaning


@given(st.lists(st.one_of(st.none(), st.text(max_size=3))))
def test_codes_index_the_values(values: list) -> None:
    """Null is a category of its own."""
    codes, categories = category_codes(pa.array(values, pa.string()))
    assert [categories[c] for c in codes] == values
    assert len(set(categories)) == len(categories) == len(set(values))


@given(st.lists(st.one_of(st.none(), st.sampled_from("abc")), min_size=1), st.randoms())
def test_categories_do_not_depend_on_the_order_of_rows(values: list, random) -> None:
    """Nor, then, does anything learned from them."""
    shuffled = values.copy()
    random.shuffle(shuffled)
    assert category_codes(pa.array(values, pa.string()))[1] == category_codes(pa.array(shuffled, pa.string()))[1]


def test_truths_and_chunks() -> None:
    """Booleans are categories; chunks make no difference."""
    chunked = pa.chunked_array([pa.array([True, None]), pa.array([False, True])])
    codes, categories = category_codes(chunked)
    assert [categories[c] for c in codes] == [True, None, False, True]


columns = st.integers(1, 40).flatmap(
    lambda n: st.lists(st.lists(st.integers(0, 4), min_size=n, max_size=n).map(np.array), max_size=5)
)


@given(columns)
def test_groups_are_a_partition(codes: list[np.ndarray]) -> None:
    """Every column is in exactly one of them."""
    groups = joint_groups(codes)
    assert sorted(i for group in groups for i in group) == list(range(len(codes)))


def test_a_column_that_fixes_another_is_coded_with_it() -> None:
    """An operation and its type are; a coin beside them is not."""
    rng = np.random.default_rng(0)
    operation, coin = rng.integers(0, 30, 3000), rng.integers(0, 2, 3000)
    groups = joint_groups([operation, coin, operation % 3])
    assert sorted(map(tuple, groups)) == [(0, 2), (1,)]


def test_a_constant_column_stays_alone() -> None:
    """It depends on nothing."""
    assert joint_groups([np.zeros(9, np.int64), np.arange(9) % 3]) == [[0], [1]]


@given(st.integers(0, 30), st.integers(1, 6), st.integers(0, 3), st.integers(0, 100))
def test_positions_are_a_permutation(n: int, n_values: int, n_features: int, seed: int) -> None:
    """With and without rows, features, and rows of every value."""
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, n_values, n)
    positions = order_by_meaning(codes, n_values, rng.normal(size=(n, n_features)))
    assert sorted(positions.tolist()) == list(range(n_values))


def test_values_that_go_with_like_contexts_stand_side_by_side() -> None:
    """Months by their temperature: the order of the means, from either end."""
    rng = np.random.default_rng(3)
    codes = rng.integers(0, 6, 6000)
    mean = np.array([5.0, -3.0, 0.0, 4.0, -2.0, 1.0])
    positions = order_by_meaning(codes, 6, mean[codes][:, None] + rng.normal(size=(6000, 1)))
    found = np.argsort(positions).tolist()
    assert found in (np.argsort(mean).tolist(), np.argsort(-mean).tolist())
