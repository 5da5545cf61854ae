"""Distances between rows of mixed columns, and the closest rows."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbsynth.quality.distances import embed, nearest
from dbsynth.quality.features import Feature


def feature(*samples, categorical: bool = False) -> Feature:
    return Feature("x", "x", tuple(np.array(sample, np.float32) for sample in samples), categorical)


def distance(features: list[Feature]) -> float:
    """Between the first row of the first and of the second sample."""
    first, second = embed(features)
    return float(np.linalg.norm(first[0] - second[0]))


class TestDistance:
    def test_numbers_are_as_far_apart_as_their_ranks_among_the_real_ones(self):
        real = [1, 10, 100, 1000]
        assert distance([feature(real, [100])]) == pytest.approx(0.5)  # two ranks of four
        assert distance([feature(real, [55])]) == pytest.approx(0.375)  # half-way between two
        assert distance([feature(real, [10**9])]) == pytest.approx(0.75)  # beyond the end is the end

    def test_categories_are_equal_or_not(self):
        assert distance([feature([0, 1, 2], [0], categorical=True)]) == 0
        assert distance([feature([0, 1, 2], [2], categorical=True)]) == pytest.approx(1)

    def test_columns_add_up_as_squares(self):
        number, category = feature([1, 2], [2]), feature([0, 1], [1], categorical=True)
        assert distance([number, category]) == pytest.approx(np.sqrt(0.25 + 1))

    def test_null_is_a_value_far_from_all_others(self):
        assert distance([feature([np.nan, 1, 2], [np.nan])]) == 0
        assert 0.86 < distance([feature([np.nan, 1, 2], [2])]) <= 1
        assert distance([feature([np.nan, 1], [1], categorical=True)]) == pytest.approx(1)

    def test_a_column_without_values_sets_nobody_apart(self):
        assert distance([feature([np.nan, np.nan], [np.nan]), feature([1, 1], [1])]) == 0

    def test_the_scale_may_be_of_several_samples(self):
        first, second = embed([feature([1, 2], [3, 4])], scale=(0, 1))
        np.testing.assert_allclose(np.diff(np.concatenate([first, second])[:, 0]), 0.25)


@pytest.mark.parametrize("n_dimensions", [1, 3, 40])
@given(data=st.data())
def test_the_closest_rows_are_those_of_all_distances(n_dimensions, data):
    seed, n = data.draw(st.integers(0, 2**32 - 1)), data.draw(st.integers(1, 30))
    rng = np.random.default_rng(seed)
    points, others = (rng.integers(0, 3, (size, n_dimensions)).astype(np.float32) for size in (7, n))
    distances, rows = nearest(points, others)
    everything = np.linalg.norm(points[:, None].astype(np.float64) - others[None], axis=2)
    expected = np.sort(np.column_stack([everything, np.full(len(points), np.inf)]), axis=1)[:, :2]
    np.testing.assert_allclose(distances, expected)
    np.testing.assert_allclose(everything[np.arange(len(points)), rows], distances[:, 0])


def test_a_copy_among_many_dimensions_is_at_a_distance_of_exactly_zero():
    rng = np.random.default_rng(0)
    others = rng.random((5000, 60), dtype=np.float32)
    distances, rows = nearest(others[[17, 4711]], others)
    assert distances[:, 0].tolist() == [0, 0]
    assert (distances[:, 1] > 0).all()
    assert rows.tolist() == [17, 4711]
