"""The rank code: what goes in comes out, value by value for discrete columns, in distribution for continuous ones."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import ks_2samp

from dbsynth.columns.ranks import learn_quantiles, rank_intervals

values = st.one_of(st.just(float("nan")), st.floats(-1e300, 1e300), st.integers(-5, 5).map(float))


def inside(low: np.ndarray, high: np.ndarray, share: float) -> np.ndarray:
    return low + (high - low) * share


@given(st.lists(st.sampled_from([-3.0, 0.0, 0.5, 1e12, float("nan")]), min_size=1, max_size=200), st.floats(0.01, 0.99))
@settings(max_examples=200)
def test_any_rank_within_a_rows_interval_gives_the_value_back(column: list[float], share: float) -> None:
    """For a discrete column, whatever the ties and nulls."""
    numbers = np.array(column * 5)
    quantiles = learn_quantiles(numbers)
    assert quantiles.discrete
    np.testing.assert_array_equal(quantiles.decode(inside(*rank_intervals(numbers), share)), numbers)


@given(st.lists(values, max_size=60))
def test_intervals_are_the_bounds_of_the_empirical_distribution(column: list[float]) -> None:
    """Share of rows below the value, and share of rows up to it; nulls are below all values."""
    numbers = np.array(column, dtype=float)
    keys = np.where(np.isnan(numbers), -np.inf, numbers)
    low, high = rank_intervals(numbers)
    for i in range(len(keys)):
        assert low[i] == pytest.approx((keys < keys[i]).mean())
        assert high[i] == pytest.approx((keys <= keys[i]).mean())


@given(st.lists(values, min_size=1, max_size=80), st.integers(0, 2**31))
def test_decoding_stays_in_the_range_of_the_values_and_keeps_the_null_share(column: list[float], seed: int) -> None:
    """For any column."""
    numbers = np.array(column, dtype=float)
    quantiles = learn_quantiles(numbers)
    u = (np.arange(1000) + np.random.default_rng(seed).random(1000)) / 1000
    drawn = quantiles.decode(u)
    known = numbers[~np.isnan(numbers)]
    assert np.isnan(drawn).mean() == pytest.approx(np.isnan(numbers).mean(), abs=2e-3)
    if len(known) and not np.isnan(drawn).all():
        assert np.nanmin(drawn) >= known.min()
        assert np.nanmax(drawn) <= known.max()


@given(st.lists(values, min_size=1, max_size=80))
def test_decoding_is_monotone(column: list[float]) -> None:
    """A larger rank never gives a smaller value."""
    drawn = learn_quantiles(np.array(column, dtype=float)).decode(np.linspace(0, 1, 500))
    known = drawn[~np.isnan(drawn)]
    assert np.all(np.diff(known) >= 0)
    assert not np.isnan(drawn[np.isnan(drawn).sum():]).any()


@pytest.mark.parametrize("draw", ["normal", "exponential", "lognormal", "uniform"])
def test_a_continuous_distribution_survives(draw: str) -> None:
    """Decoded even ranks are distributed as the column is."""
    numbers = getattr(np.random.default_rng(0), draw)(size=5000)
    quantiles = learn_quantiles(numbers)
    assert not quantiles.discrete
    assert ks_2samp(numbers, quantiles.decode((np.arange(5000) + 0.5) / 5000)).statistic < 0.005


def test_a_spike_in_a_continuous_column_stays_a_spike() -> None:
    """A fifth of the rows are exactly zero, the others are continuous."""
    rng = np.random.default_rng(1)
    numbers = np.where(rng.random(10_000) < 0.2, 0.0, rng.normal(size=10_000))
    drawn = learn_quantiles(numbers).decode((np.arange(10_000) + 0.5) / 10_000)
    assert (drawn == 0).mean() == pytest.approx((numbers == 0).mean(), abs=5e-3)
    assert ks_2samp(numbers, drawn).statistic < 0.01


def test_a_gap_stays_empty() -> None:
    """Two groups of values far from one another: next to nothing is drawn between them."""
    rng = np.random.default_rng(2)
    numbers = np.r_[rng.normal(0, 1, 5000), rng.normal(1000, 1, 5000)]
    drawn = learn_quantiles(numbers).decode((np.arange(10_000) + 0.5) / 10_000)
    assert ((drawn > 10) & (drawn < 990)).mean() < 0.003


def test_no_rows_and_only_nulls_give_nulls() -> None:
    """An empty column has no values to draw."""
    for numbers in (np.array([]), np.full(7, np.nan)):
        assert np.isnan(learn_quantiles(numbers).decode(np.linspace(0, 1, 5))).all()


@pytest.mark.parametrize("value", [0.0, -7.5, 1e300])
def test_a_constant_stays_constant(value: float) -> None:
    """One row or many."""
    for n in (1, 1000):
        assert (learn_quantiles(np.full(n, value)).decode(np.linspace(0, 1, 11)) == value).all()
