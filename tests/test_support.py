"""Precision and recall by hand where that can be done, and on rows that miss one of the two."""

from __future__ import annotations

import math

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dbsynth.quality.comparison import Comparison
from dbsynth.quality.items import Item
from dbsynth.quality.support import support
from dbsynth.schema import Column, Kind, Schema, Table

K = Kind


def found(real: dict, synthetic: dict, *, sample_rows: int = 2000, **kinds: Kind) -> dict[tuple[str, ...], Item]:
    """The figures of a table `t` by measure and table; of the whole database, by measure."""
    columns = tuple(Column(name, kind, kind.value) for name, kind in kinds.items())
    one = Schema("sqlite", (Table("t", columns),))
    comparison = Comparison.of(one, {"t": pa.table(real)}, {"t": pa.table(synthetic)})
    items = support(comparison, rng=np.random.default_rng(0), sample_rows=sample_rows)
    return {(item.measure, *item.tables): item for item in items}


def scores(real: dict, synthetic: dict, **kinds: Kind) -> tuple[float, float]:
    items = found(real, synthetic, **kinds)
    return items["alpha-precision", "t"].score, items["beta-recall", "t"].score


def cloud(seed: int, n: int = 600) -> dict:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=n)
    return {"x": x, "y": x + rng.normal(size=n), "c": np.where(x + rng.normal(size=n) > 0, "a", "b")}


KINDS = {"x": K.FLOAT, "y": K.FLOAT, "c": K.TEXT}


class TestClouds:
    def test_copies_have_both(self):
        assert scores(cloud(0), cloud(0), **KINDS) == pytest.approx((100, 100), abs=0.5)

    def test_fresh_rows_have_about_what_the_halves_of_the_real_rows_have(self):
        items = found(cloud(0), cloud(1), **KINDS)
        for measure in ("alpha-precision", "beta-recall"):
            item = items[measure, "t"]
            assert item.score > 88
            assert item.reference > 88
            assert item.rows == 600
            assert items[measure,].score == item.score
            assert items[measure,].reference == item.reference

    def test_noise_has_neither(self):
        far = {"x": np.full(600, 50.0), "y": np.full(600, -50.0), "c": ["z"] * 600}
        precision, recall = scores(cloud(0), far, **KINDS)
        assert precision < 10
        assert recall < 10

    def test_rows_from_the_middle_only_lack_recall(self):
        real, fresh = cloud(0, 2000), cloud(1, 8000)
        middle = np.flatnonzero((np.abs(fresh["x"]) < 0.3) & (np.abs(fresh["y"]) < 0.5))
        precision, recall = scores(real, {name: values[middle] for name, values in fresh.items()}, **KINDS)
        assert recall < 50
        assert precision < 60  # they are all within the smallest balls: too typical is not faithful either

    def test_shuffled_columns_lie_where_no_real_rows_do(self):
        x = np.random.default_rng(0).normal(size=1000)
        mixed = np.random.default_rng(1).permutation(x)
        _, recall = scores({"x": x, "y": x}, {"x": x, "y": mixed}, x=K.FLOAT, y=K.FLOAT)
        assert recall < 60

    def test_a_category_that_is_missing_lowers_both(self):
        real = {"c": ["a"] * 300 + ["b"] * 100}
        precision, recall = scores(real, {"c": ["a"] * 400}, c=K.TEXT)
        # All synthetic rows are in the ball's first 3/4: P(α) = min(4/3 α, 1), ∫ |P - α| = 1/8.
        assert precision == pytest.approx(75, abs=0.5)
        # Three quarters are covered, R(β) = 3/4 β.
        assert recall == pytest.approx(75, abs=0.5)

    def test_categories_alone_can_reach_100(self):
        sides = ({"c": rng.permutation(["a", "b"] * 100)} for rng in map(np.random.default_rng, (0, 1)))
        assert scores(*sides, c=K.TEXT) == pytest.approx((100, 100), abs=0.5)

    def test_the_same_seed_gives_the_same_figures(self):
        first, second = (found(cloud(0), cloud(1), sample_rows=200, **KINDS) for _ in range(2))
        assert first == second


class TestLittleOrNothing:
    @pytest.mark.parametrize("n", [0, 1, 49])
    def test_few_rows_are_no_evidence(self, n):
        few = {name: values[:n] for name, values in cloud(0).items()}
        for sides in ((few, cloud(1)), (cloud(1), few), (few, few)):
            items = found(*sides, **KINDS)
            assert all(math.isnan(item.score) for item in items.values())
            assert items["beta-recall", "t"].note == "fewer than 50 rows to compare"
            assert items["beta-recall",].note == "no table could be judged"

    def test_no_column_to_place_rows_by(self):
        items = found({"b": [b"x"] * 100}, {"b": [b"x"] * 100}, b=K.BINARY)
        assert math.isnan(items["alpha-precision", "t"].score)
        assert items["alpha-precision", "t"].note == "no column to place rows by"

    @pytest.mark.parametrize("kind", [K.INTEGER, K.TEXT, K.DATE])
    def test_nulls_are_a_place_of_their_own(self, kind):
        nulls = {"x": pa.nulls(100)}
        values = {"x": pa.array(np.arange(100).astype("datetime64[D]") if kind is K.DATE else np.arange(100) % 3)}
        values = {"x": values["x"].cast(pa.string()) if kind is K.TEXT else values["x"]}
        assert scores(nulls, nulls, x=kind) == pytest.approx((100, 100), abs=0.5)
        assert scores(values, nulls, x=kind)[1] < 10
        assert scores(nulls, values, x=kind)[1] < 10

    @settings(max_examples=20)
    @given(st.lists(st.sampled_from([None, 0.0, 1.0, 2.5, -1e300]), min_size=50, max_size=60))
    def test_copies_have_both_whatever_the_values(self, values):
        column = {"x": pa.array(values, pa.float64())}
        assert scores(column, column, x=K.FLOAT) == pytest.approx((100, 100), abs=1.5)
