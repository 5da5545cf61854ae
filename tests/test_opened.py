"""Keys that are filled when all rows stand: hierarchies keep their shape, nobody is their own ancestor."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dbsynth.integrity.opened import depths, fill_opened, learn_opened


@st.composite
def trees(draw: st.DrawFn) -> np.ndarray:
    """Each row under an earlier one or at the top, in random order."""
    n = draw(st.integers(1, 60))
    parents = [draw(st.integers(-1, i - 1)) for i in range(n)]
    order = np.array(draw(st.permutations(range(n))))
    position = np.argsort(order)
    return np.array([position[parents[i]] if parents[i] >= 0 else -1 for i in order])


def filled(parents: np.ndarray, *, unique: bool = False, depth: np.ndarray | None = None, seed: int = 0) -> np.ndarray:
    opened = learn_opened(parents, len(parents), is_self_reference=True, is_unique=unique)
    depth = depths(parents) if depth is None else depth
    return fill_opened(opened, len(depth), len(depth), depth, np.random.default_rng(seed))


@given(trees(), st.integers(0, 1000))
def test_a_tree_stays_a_tree_with_the_same_depths(parents: np.ndarray, seed: int) -> None:
    """As many rows at each depth, each where it was drawn to stand."""
    np.testing.assert_array_equal(depths(filled(parents, seed=seed)), depths(parents))


@given(trees(), st.lists(st.floats(0, 10), min_size=1, max_size=50), st.integers(0, 1000))
def test_whatever_depths_are_drawn_there_is_no_cycle(parents: np.ndarray, depth: list[float], seed: int) -> None:
    """Gaps between depths are closed up."""
    found = filled(parents, depth=np.array(depth), seed=seed)
    assert not np.isnan(depths(found)).any()


@given(trees(), st.integers(0, 1000))
def test_tops_that_are_their_own_parents_stay_so(parents: np.ndarray, seed: int) -> None:
    """The key of such tables is often NOT NULL."""
    own = np.where(parents < 0, np.arange(len(parents)), parents)
    found = filled(own, seed=seed)
    assert (found >= 0).all()
    np.testing.assert_array_equal(depths(found), depths(own))


@settings(max_examples=40)
@given(st.integers(1, 30), st.lists(st.floats(0, 30), min_size=1, max_size=40), st.integers(0, 1000))
def test_a_chain_stays_a_chain(length: int, depth: list[float], seed: int) -> None:
    """A unique self reference (the version before): nobody has two successors, at whatever depths rows were drawn."""
    found = filled(np.arange(length) - 1, unique=True, depth=np.array(depth), seed=seed)
    held = found[found >= 0]
    assert len(set(held.tolist())) == len(held)
    assert not np.isnan(depths(found)).any()


def test_group_sizes_follow_the_depth() -> None:
    """A boss with ten heads of two people each."""
    parents = np.r_[-1, np.zeros(10, np.int64), np.repeat(np.arange(1, 11), 2)]
    found = filled(parents)
    sizes = np.bincount(found[found >= 0], minlength=31)
    assert sizes[0] == 10
    assert (sizes[1:11] == 2).all()


@given(trees(), st.integers(0, 5), st.integers(0, 1000))
def test_depths_are_numbers_of_ancestors(parents: np.ndarray, n_turned: int, seed: int) -> None:
    """Counted one by one; some rows turned to any other, so that there may be cycles."""
    rng = np.random.default_rng(seed)
    parents[rng.integers(len(parents), size=n_turned)] = rng.integers(len(parents), size=n_turned)
    expected = []
    for row in range(len(parents)):
        steps = 0
        while parents[row] not in (-1, row) and steps <= len(parents):
            row, steps = parents[row], steps + 1
        expected.append(steps if steps <= len(parents) else np.nan)
    np.testing.assert_array_equal(depths(parents), expected)


def test_depths() -> None:
    """Of a tree, of a row that is its own parent, and of a cycle."""
    assert depths(np.array([-1, 0, 1, 1])).tolist() == [0, 1, 2, 2]
    assert depths(np.array([0, 0])).tolist() == [0, 1]
    assert np.isnan(depths(np.array([1, 0, 0]))).all()
    assert depths(np.array([], dtype=np.int64)).tolist() == []


@given(st.integers(0, 50), st.integers(0, 20), st.booleans(), st.integers(0, 1000))
def test_a_key_that_closes_a_cycle_keeps_nulls_and_bounds(n: int, n_parents: int, unique: bool, seed: int) -> None:
    """No parent that is not there, the null share to a row, and one child each where the key is unique."""
    rng = np.random.default_rng(seed)
    if unique:
        parents = np.r_[rng.permutation(n_parents)[:n], np.full(max(n - n_parents, 0), -1)].astype(np.int64)
    else:
        parents = rng.integers(-1, max(n_parents, 0), n) if n_parents else np.full(n, -1)
    opened = learn_opened(parents, n_parents, is_self_reference=False, is_unique=unique)
    found = fill_opened(opened, n, n_parents, None, rng)
    assert found.min(initial=-1) >= -1
    assert found.max(initial=-1) < max(n_parents, 1)
    assert (found < 0).sum() == (parents < 0).sum()
    if unique:
        assert np.bincount(found[found >= 0]).max(initial=0) <= 1


def test_a_hierarchy_with_a_cycle_keeps_its_group_sizes() -> None:
    """Friends of one another form no tree."""
    parents = np.array([1, 0, 0, 0, -1])
    opened = learn_opened(parents, 5, is_self_reference=True, is_unique=False)
    assert not opened.is_tree
    found = fill_opened(opened, 5, 5, None, np.random.default_rng(0))
    assert sorted(np.bincount(found[found >= 0], minlength=5)) == [0, 0, 0, 1, 3]


@pytest.mark.parametrize("n", [0, 1])
def test_no_row_and_one_row(n: int) -> None:
    """Nothing to refer to but oneself."""
    found = filled(np.full(n, -1))
    assert found.tolist() == [-1] * n
