"""What the report draws: every row in some bin, readable edges, and nothing that singles anybody out."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dbsynth.quality.associations import associations
from dbsynth.quality.bins import FEWEST_ROWS, make_bins
from dbsynth.quality.compared import Side
from dbsynth.quality.comparison import Comparison
from dbsynth.quality.distributions import Distribution, Distributions, distributions
from dbsynth.schema import Column, ForeignKey, Kind, Schema, Table

K = Kind
DATES = (K.DATE, K.TIMESTAMP, K.TIMESTAMPTZ)

floats = st.floats(allow_nan=False, allow_infinity=False)
microseconds = st.integers(-(2**55), 2**55).map(float)  # a thousand years either way
of_day = st.integers(0, 86_399_999_999).map(float)


def drawn(kind: Kind, real, synthetic, **more) -> Distribution:
    """The picture of the one column `x` of a table."""
    schema = Schema("sqlite", (Table("t", (Column("x", kind, ""),)),))
    sides = ({"t": pa.table({"x": pa.array(values)})} for values in (real, synthetic))
    return distributions(Comparison.of(schema, *sides, **more)).columns["t", "x"]


def family(real_parents: list[int | None], synthetic_parents: list[int | None], n_parents: int) -> Distributions:
    """Children (parent_id) of `n_parents` parents on both sides."""
    tables = Table("p", (Column("id", K.INTEGER, ""),), ("id",)), Table("c", (Column("p_id", K.INTEGER, ""),))
    schema = Schema("sqlite", tables, (ForeignKey("k", "c", ("p_id",), "p", ("id",)),))
    sides = (
        {"p": pa.table({"id": range(n_parents)}), "c": pa.table({"p_id": pa.array(rows, pa.int64())})}
        for rows in (real_parents, synthetic_parents)
    )
    return distributions(Comparison.of(schema, *sides))


class TestBins:
    @pytest.mark.parametrize(
        ("kind", "values"),
        [*((kind, microseconds) for kind in DATES), (K.TIME, of_day), (K.FLOAT, floats), (K.DECIMAL, floats),
         (K.INTEGER, st.integers(-(2**62), 2**62).map(float)), (K.INTEGER, st.integers(0, 3000).map(float))],
    )  # fmt: skip
    def test_every_value_falls_into_one_of_few_named_bins(self, kind, values):
        @given(st.lists(values, min_size=1, max_size=99), st.lists(values, max_size=20))
        @settings(max_examples=30)
        def check(real, synthetic):
            real, synthetic = np.array(real), np.array(synthetic, dtype=np.float64)
            bins = make_bins(kind, real, synthetic)
            assert (np.diff(bins.edges) > 0).all()
            assert 1 <= len(bins.names) == len(bins.edges) - 1 == len(bins.ticks) - 1 <= 60
            assert bins.count(real).sum() == real.size
            assert bins.count(synthetic).sum() == synthetic.size

        check()

    def test_edges_are_round_numbers(self):
        bins = make_bins(K.DECIMAL, np.random.default_rng(0).uniform(3.17, 96.41, 500), np.array([50.0]))
        assert bins.ticks[0] == "0"
        assert bins.ticks[-1] == "100"
        assert np.all(bins.edges % 5 == 0)

    def test_a_few_whole_numbers_have_a_bin_each(self):
        bins = make_bins(K.INTEGER, np.repeat([1.0, 2, 3, 4, 5], 20), np.array([2.0]))
        assert bins.names == ("1", "2", "3", "4", "5")

    def test_a_far_value_does_not_squeeze_the_others_into_one_bin(self):
        values = np.append(np.random.default_rng(0).normal(50, 10, 5000), 1e9)
        assert np.count_nonzero(make_bins(K.FLOAT, values, values).count(values)) > 10

    def test_long_tails_stand_on_a_ladder(self):
        values = np.random.default_rng(0).lognormal(3, 2.5, 3000).round()
        bins = make_bins(K.INTEGER, values, values)
        assert bins.ticks[:6] == ("0", "1", "2", "5", "10", "20")
        assert bins.names[:4] == ("0", "1", "2 – 4", "5 – 9")

    @pytest.mark.parametrize(
        ("first", "last", "names"),
        [
            ("2001-03-05", "2019-07-01", ("2001", "2002")),
            ("2001-03-05", "2001-12-24", ("2001-03", "2001-04")),
            ("2001-03-05T08:01", "2001-03-24", ("2001-03-05", "2001-03-06")),
            ("2001-03-05T08:01", "2001-03-05T17:40", ("2001-03-05 08:00 – 2001-03-05 08:30",)),
        ],
    )
    def test_dates_are_cut_at_units_of_the_calendar(self, first, last, names):
        ends = np.array([first, last], "datetime64[us]").astype(np.float64)
        assert make_bins(K.TIMESTAMP, np.linspace(*ends, 400), ends).names[: len(names)] == names

    def test_days_are_not_cut(self):
        ends = np.array(["2001-03-05", "2001-03-07"], "datetime64[us]").astype(np.float64)
        assert make_bins(K.DATE, np.repeat(ends, 500), ends).names == ("2001-03-05", "2001-03-06", "2001-03-07")

    def test_times_are_cut_at_units_of_the_clock(self):
        times = np.linspace(6.5, 17.9, 600) * 3.6e9
        assert make_bins(K.TIME, times, times).ticks[:3] == ("06:30", "07:00", "07:30")


class TestColumns:
    @given(st.lists(st.none() | st.integers(-50, 5000), max_size=90), st.lists(st.none() | st.integers(), max_size=20))
    @settings(max_examples=50)
    def test_shares_of_numbers_sum_to_one_and_ends_stand_for_five_rows(self, real, synthetic):
        synthetic = [s if s is None else s % 10**9 for s in synthetic]
        picture = drawn(K.INTEGER, pa.array(real, pa.int64()), pa.array(synthetic, pa.int64()))
        known = sum(value is not None for value in real)
        if picture.labels:
            assert sum(picture.real) == pytest.approx(1)
            assert sum(picture.synthetic) == pytest.approx(any(s is not None for s in synthetic) * 1.0)
            filled = [share for share in picture.real if share]
            assert min(filled[0], filled[-1]) * known > FEWEST_ROWS - 1e-9
            assert len(picture.ticks) == len(picture.labels) + 1
        else:
            assert picture.note

    @given(st.lists(st.none() | st.sampled_from("abcdef"), max_size=50), st.lists(st.sampled_from("abxy"), max_size=9))
    @settings(max_examples=50)
    def test_a_category_is_named_only_if_five_real_rows_hold_it(self, real, synthetic):
        picture = drawn(K.TEXT, pa.array(real, pa.string()), pa.array(synthetic, pa.string()))
        for label in picture.labels[: len(picture.labels) - picture.pooled]:
            assert real.count(label) >= FEWEST_ROWS
        if picture.labels:
            assert sum(picture.real) == pytest.approx(1)
            assert sum(picture.synthetic) == pytest.approx(bool(synthetic) * 1.0)

    def test_rare_and_further_categories_are_pooled(self):
        common = [f"c{i:02}" for i in range(20) for _ in range(10 + i)]
        picture = drawn(K.TEXT, [*common, "Ann", "Bob"], [*common, "Ann"])
        assert picture.labels[0] == "c19"
        assert picture.labels[-2:] == ("other values", "rare values")
        assert len(picture.labels) == 14
        assert not {"Ann", "Bob"} & set(picture.labels)
        assert picture.real[-1] == pytest.approx(2 / (len(common) + 2))

    def test_the_commonest_of_either_side_are_shown(self):
        real = [f"c{i:02}" for i in range(20) for _ in range(50 - i)]
        picture = drawn(K.TEXT, real, ["c19"] * 100)
        assert "c19" in picture.labels

    def test_truths_have_words(self):
        assert drawn(K.BOOLEAN, [True] * 9 + [False] * 5, [1, 0]).labels == ("true", "false")

    def test_nulls_are_counted_apart(self):
        picture = drawn(K.INTEGER, [None] * 5 + [1] * 15, [None, 1])
        assert (picture.real_null, picture.synthetic_null) == (0.25, 0.5)
        assert picture.real == (1.0,)

    def test_the_real_ends_are_not_told(self):
        rng = np.random.default_rng(0)
        values = np.append(rng.integers(2_000, 9_000, 400), [13, 98_765])
        picture = drawn(K.INTEGER, values, values)
        text = " ".join((*picture.labels, *picture.ticks))
        assert "98,765" not in text
        assert "13" not in text.replace(",", " ").split()

    def test_synthetic_values_far_outside_are_seen(self):
        rng = np.random.default_rng(0)
        picture = drawn(K.FLOAT, rng.normal(0, 1, 500), rng.normal(40, 1, 500))
        assert sum(s for r, s in zip(picture.real, picture.synthetic, strict=True) if not r) > 0.9

    @pytest.mark.parametrize("n", [0, 1, 4])
    def test_fewer_than_five_rows_are_not_drawn(self, n):
        for kind, values in ((K.INTEGER, list(range(n))), (K.TEXT, ["a"] * n)):
            type_ = pa.int64() if kind is K.INTEGER else pa.string()
            picture = drawn(kind, pa.array(values, type_), pa.array(values, type_))
            assert picture.labels == ()
            assert picture.note

    def test_a_column_of_nulls_says_so(self):
        picture = drawn(K.DATE, pa.array([None] * 9, pa.date32()), [dt.date(2020, 1, 1)])
        assert picture.note == "no value in the real column"

    def test_fabricated_columns_are_not_looked_at(self):
        schema = Schema("sqlite", (Table("t", (Column("name", K.TEXT, ""),)),))
        side = {"t": pa.table({"name": ["Ann"] * 9})}
        assert distributions(Comparison.of(schema, side, side, leave_out={("t", "name")})).columns == {}


class TestGroups:
    def test_parents_without_children_count(self):
        (groups,) = family([*range(10), *range(10)], [0], 20).groups
        assert (groups.parent, groups.child, groups.key, groups.closes_cycle) == ("p", "c", "c.p_id", False)
        assert groups.sizes.labels == ("0", "1", "2")
        assert groups.sizes.real == (0.5, 0, 0.5)
        assert groups.sizes.synthetic == (0.95, 0.05, 0)

    def test_only_null_keys_and_no_parents_are_no_error(self):
        assert family([None] * 9, [], 9).groups[0].sizes.real == (1.0,)
        assert family([], [], 0).groups[0].sizes.note


class TestPairs:
    def side(self, values) -> Side:
        values = np.asarray(values)
        if values.dtype.kind in "US":
            return Side(np.unique(values, return_inverse=True)[1].astype(np.uint8), None, len(np.unique(values)))
        return Side(np.zeros(len(values), np.uint8), values.astype(np.float32), 1)

    def test_what_tells_all_is_one_and_what_tells_nothing_zero(self):
        n = 2000
        words = np.array(["a", "b", "c", "d"])[np.arange(n) % 4]
        other = np.array(["x", "y"])[np.random.default_rng(0).integers(0, 2, n)]
        number = np.arange(n) % 4 * 10.0
        table = associations([self.side(column) for column in (number, -number, words, other, np.ones(n))])
        assert table[0, 1] == pytest.approx(-1)
        assert table[0, 2] == pytest.approx(1)
        assert table[2, 2] == 1
        assert abs(table[2, 3]) < 0.06
        assert np.isnan(table[0, 4])
        assert np.isnan(table[2, 4])
        assert np.array_equal(table, table.T, equal_nan=True)

    def test_the_same_rows_give_the_same_picture(self):
        rng = np.random.default_rng(1)
        schema = Schema("sqlite", (Table("t", (Column("x", K.FLOAT, ""), Column("y", K.FLOAT, ""))),))
        sides = [{"t": pa.table({"x": rng.normal(size=300), "y": rng.normal(size=300)})} for _ in range(2)]
        one, two = (
            distributions(Comparison.of(schema, *sides), rng=np.random.default_rng(5), sample_rows=99) for _ in range(2)
        )
        assert np.array_equal(one.pairs["t"].real, two.pairs["t"].real)
        assert one.columns == two.columns
