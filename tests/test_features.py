"""A table's rows as numbers: the same columns for every sample, whatever is null, rare or without children."""

from __future__ import annotations

import datetime as dt
import math

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbsynth.quality.comparison import Comparison
from dbsynth.quality.features import (
    N_CATEGORIES,
    Feature,
    Sample,
    child_features,
    matrix,
    own_features,
    parent_features,
)
from dbsynth.schema import Column, ForeignKey, Kind, Schema, Table

K = Kind


def table(name: str, **kinds: Kind) -> Table:
    key = ("id",) if "id" in kinds else ()
    return Table(name, tuple(Column(column, kind, kind.value) for column, kind in kinds.items()), key)


def alone(kind: Kind, *sides) -> dict[str, Feature]:
    """The features of a table with one column `x`, of one sample for each side that takes all of its rows."""
    tables = [{"t": pa.table({"x": pa.array(values)})} for values in sides]
    comparison = Comparison.of(Schema("sqlite", (table("t", x=kind),)), tables[0], tables[-1])
    rows = [comparison.real, comparison.synthetic]
    samples = [Sample(side, np.arange(side.count("t"))) for side in rows]
    return {feature.name: feature for feature in own_features(comparison, "t", samples)}


def family(parents: dict, children: dict, **kinds: Kind) -> tuple[Comparison, Sample]:
    """Parents with the ids 0, 1, …, children with a `parent_id`; and all rows of the parents."""
    one = Schema(
        "sqlite",
        (table("parent", id=K.INTEGER, **{n: kinds[n] for n in parents}), table("child", parent_id=K.INTEGER, **kinds)),
        (ForeignKey("key", "child", ("parent_id",), "parent", ("id",)),),
    )
    n = len(next(iter(parents.values())))
    nothing = {name: pa.nulls(len(children["parent_id"])) for name in kinds if name not in children}
    data = {
        "parent": pa.table({"id": range(n), **parents}),
        "child": pa.table({**nothing, **children, "parent_id": pa.array(children["parent_id"], pa.int64())}),
    }
    comparison = Comparison.of(one, data, data)
    return comparison, Sample(comparison.real, np.arange(n))


class TestOwnColumns:
    def test_numbers_are_standardised_by_the_first_sample(self):
        x = alone(K.INTEGER, [1, 3, None], [5, 1])["x"]
        assert x.samples[0].dtype == np.float32
        np.testing.assert_allclose(x.samples[0], [-1, 1, math.nan])
        np.testing.assert_allclose(x.samples[1], [3, -1])

    def test_common_categories_have_low_codes_in_every_sample(self):
        x = alone(K.TEXT, ["b", "a", None, "b"], ["c", "c", "c", "a "])["x"]
        assert x.categorical
        np.testing.assert_array_equal(x.samples[0], [1, 2, math.nan, 1])
        np.testing.assert_array_equal(x.samples[1], [0, 0, 0, 2])

    def test_rare_categories_share_the_last_code(self):
        words = [f"w{i}" for i in range(400)]
        x = alone(K.TEXT, ["often"] * 3 + words, words)["x"]
        assert x.samples[0][:3].tolist() == [0, 0, 0]
        assert np.concatenate(x.samples).max() == N_CATEGORIES - 1

    def test_dates_show_what_a_tree_cannot_cut_out_of_them(self):
        days = [dt.date(2024, 2, 26) + dt.timedelta(days=i) for i in range(7)]  # Monday to Sunday
        found = alone(K.DATE, [*days, None], days)
        assert list(found) == ["x", "x (weekday)", "x (day)", "x (month)"]  # no hour: it is always the same
        assert found["x (weekday)"].samples[1].tolist() == list(range(7))
        assert found["x (month)"].samples[1].tolist() == [2, 2, 2, 2, 3, 3, 3]
        assert math.isnan(found["x (day)"].samples[0][-1])
        assert {feature.column for feature in found.values()} == {"x"}

    def test_dates_of_other_ages_are_read(self):
        found = alone(K.TIMESTAMP, [dt.datetime(1, 1, 1), dt.datetime(9999, 12, 31, 23)], [dt.datetime(1969, 1, 1, 5)])
        assert found["x (hour)"].samples[0].tolist() == [0, 23]
        assert found["x (month)"].samples[1].tolist() == [1]

    @given(st.lists(st.one_of(st.none(), st.integers(-(2**53), 2**53)), max_size=8))
    def test_null_stays_null_and_nothing_else_is(self, values):
        x = alone(K.INTEGER, pa.array(values, pa.int64()), pa.array(values[::-1], pa.int64()))["x"]
        assert np.isnan(x.samples[0]).tolist() == [value is None for value in values]
        np.testing.assert_array_equal(x.samples[0], x.samples[1][::-1])

    @pytest.mark.parametrize("kind", [K.INTEGER, K.TEXT, K.BOOLEAN, K.TIMESTAMP, K.TIME])
    def test_columns_of_nulls_and_no_rows(self, kind):
        for sides in ((pa.nulls(2), pa.nulls(3)), (pa.nulls(0), pa.nulls(2)), (pa.nulls(0), pa.nulls(0))):
            x = alone(kind, *sides)["x"]
            assert [len(sample) for sample in x.samples] == [len(side) for side in sides]
            assert all(np.isnan(sample).all() for sample in x.samples)

    def test_samples_take_rows_in_their_order(self):
        comparison, _ = family({"x": [1, 3]}, {"parent_id": []}, x=K.INTEGER)
        features = own_features(comparison, "parent", [Sample(comparison.real, np.array([1, -1, 0]))])
        np.testing.assert_allclose(matrix(features, 0)[:, 0], [1, math.nan, -1])


class TestChildren:
    def test_their_number_distinct_categories_and_means(self):
        comparison, parents = family(
            {"x": [1, 2, 3]}, {"parent_id": [0, 0, 0, 2, None, 9], "y": list("aabcdd"), "x": [1, 2, None, 5, 0, 9]},
            x=K.INTEGER, y=K.TEXT,
        )  # fmt: skip
        found = {feature.name: feature.samples[0] for feature in child_features(comparison, "parent", [parents])}
        assert found["rows by child.parent_id"].tolist() == [3, 0, 1]
        assert found["distinct y by child.parent_id"].tolist() == [2, 0, 1]
        means = found["mean x by child.parent_id"]
        assert math.isnan(means[1])
        assert means[2] > means[0]

    def test_only_children_of_the_sample_count(self):
        comparison, _ = family({"x": [1, 2]}, {"parent_id": [1, 1, 0]}, x=K.INTEGER)
        count, *_ = child_features(comparison, "parent", [Sample(comparison.real, np.array([1]))])
        assert count.samples[0].tolist() == [2]

    def test_no_children_at_all(self):
        comparison, parents = family({"x": [1, 2]}, {"parent_id": [None], "y": ["a"]}, x=K.INTEGER, y=K.TEXT)
        found = {feature.name: feature.samples[0] for feature in child_features(comparison, "parent", [parents])}
        assert found["rows by child.parent_id"].tolist() == [0, 0]
        assert np.isnan(found["mean x by child.parent_id"]).all()


class TestParents:
    def test_each_row_has_its_parents_columns(self):
        comparison, _ = family({"x": [10, 30]}, {"parent_id": [1, None, 0, 7]}, x=K.INTEGER)
        (x,) = parent_features(comparison, "child", [Sample(comparison.real, np.arange(4))])
        assert (x.name, x.column) == ("x by child.parent_id", "")
        np.testing.assert_allclose(x.samples[0], [1, math.nan, -1, math.nan])

    def test_a_parent_table_without_rows(self):
        comparison, _ = family({"x": []}, {"parent_id": [1, None]}, x=K.INTEGER)
        (x,) = parent_features(comparison, "child", [Sample(comparison.real, np.arange(2))])
        assert np.isnan(x.samples[0]).all()
