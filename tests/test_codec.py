"""The codec: a table's columns as ranks, and ranks as columns again."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import ks_2samp, kstest

from dbsynth.columns.codec import TableData, learn_codecs, normal
from dbsynth.schema import Column, Kind, arrow_type

KINDS = {
    "whole": (Column("whole", Kind.INTEGER, "int"), st.integers(-3, 3)),
    "price": (
        Column("price", Kind.DECIMAL, "numeric(9,2)", precision=9, scale=2),
        st.sampled_from([Decimal("0.99"), Decimal("-5.00"), Decimal("1234567.89")]),
    ),
    "day": (Column("day", Kind.DATE, "date"), st.sampled_from([date(1, 1, 1), date(2024, 2, 29), date(9999, 12, 31)])),
    "clock": (Column("clock", Kind.TIME, "time"), st.sampled_from([time(0), time(23, 59, 59), time(12, 30)])),
    "flag": (Column("flag", Kind.BOOLEAN, "boolean"), st.booleans()),
    "word": (Column("word", Kind.TEXT, "text"), st.sampled_from(["a", "", "O'Neil", "日本"])),
    "state": (Column("state", Kind.ENUM, "enum", enum_values=("x", "y")), st.sampled_from(["x", "y"])),
}
COLUMNS = [column for column, _ in KINDS.values()]
TYPES = {column.name: arrow_type(column) for column in COLUMNS}

rows_of_all_kinds = st.lists(
    st.fixed_dictionaries({name: st.one_of(st.none(), values) for name, (_, values) in KINDS.items()}), max_size=12
)


def table_of(rows: list[dict]) -> pa.Table:
    return pa.table({c.name: pa.array([r[c.name] for r in rows], arrow_type(c)) for c in COLUMNS})


def learn(table: pa.Table, columns: list[Column], **extras: np.ndarray):
    return learn_codecs({"t": TableData(table, columns, extras)}, [])["t"]


@settings(max_examples=60)
@given(rows_of_all_kinds, st.floats(0.02, 0.98))
def test_any_ranks_within_a_rows_intervals_give_the_row_back(rows: list[dict], share: float) -> None:
    """Numbers, times, truths, words and nulls; also for no rows, one row, constants and columns of nulls."""
    table = table_of(rows * 5)  # few values in many rows: discrete
    codec, codes = learn(table, COLUMNS)
    assert (codes.low <= codes.high).all()
    decoded, _ = codec.decode(codes.low.astype(float) + share * (codes.high.astype(float) - codes.low), TYPES)
    assert pa.table({c.name: decoded[c.name] for c in COLUMNS}).to_pylist() == table.to_pylist()


def even_ranks(n: int, d: int) -> np.ndarray:
    rng = np.random.default_rng(0)
    return np.stack([(rng.permutation(n) + 0.5) / n for _ in range(d)], axis=1)


def test_distributions_survive() -> None:
    """Of a price, a day, and a time of day, whatever order the ranks are drawn in."""
    rng = np.random.default_rng(1)
    n = 4000
    prices = [Decimal(int(c)).scaleb(-2) for c in rng.lognormal(8, 1, n)]
    stamps = [datetime(2020, 1, 1) + timedelta(days=int(d), seconds=int(s)) for d, s in
              zip(rng.integers(0, 900, n), rng.integers(8 * 3600, 18 * 3600, n), strict=True)]  # fmt: skip
    columns = [Column("price", Kind.DECIMAL, "", precision=12, scale=2), Column("at", Kind.TIMESTAMP, "")]
    types = {c.name: arrow_type(c) for c in columns}
    table = pa.table({"price": pa.array(prices, types["price"]), "at": pa.array(stamps, types["at"])})
    codec, codes = learn(table, columns)
    assert codes.low.shape == (n, 3)  # price, day, time of day
    decoded, _ = codec.decode(even_ranks(n, 3), types)
    assert ks_2samp([float(p) for p in prices], [float(p) for p in decoded["price"].to_pylist()]).statistic < 0.01
    drawn = decoded["at"].to_pylist()
    assert all(8 <= at.hour < 18 and at.microsecond == 0 for at in drawn)
    assert ks_2samp([s.toordinal() for s in stamps], [s.toordinal() for s in drawn]).statistic < 0.01


def test_a_rule_between_categories_holds_in_every_drawn_row() -> None:
    """A type is fixed by its operation; independent ranks cannot break that."""
    rng = np.random.default_rng(2)
    operation = rng.integers(0, 20, 2000)
    table = pa.table({"operation": [f"op{i}" for i in operation], "type": [f"type{i % 3}" for i in operation]})
    columns = [Column("operation", Kind.TEXT, "text"), Column("type", Kind.TEXT, "text")]
    codec, codes = learn(table, columns)
    decoded, _ = codec.decode(even_ranks(3000, codes.low.shape[1]), {"operation": pa.string(), "type": pa.string()})
    real = set(zip(table["operation"].to_pylist(), table["type"].to_pylist(), strict=True))
    assert set(zip(decoded["operation"].to_pylist(), decoded["type"].to_pylist(), strict=True)) == real


def test_category_shares_and_null_shares_survive() -> None:
    """To a row."""
    words = ["a"] * 70 + ["b"] * 20 + [None] * 10
    codec, codes = learn(pa.table({"word": pa.array(words)}), [Column("word", Kind.TEXT, "text")])
    drawn = codec.decode(even_ranks(100, codes.low.shape[1]), {"word": pa.string()})[0]["word"].to_pylist()
    assert sorted(map(str, drawn)) == sorted(map(str, words))


def test_codes_are_standard_normal() -> None:
    """Ties spread over their intervals, a spike and few levels included."""
    rng = np.random.default_rng(3)
    table = pa.table({"a": rng.integers(0, 4, 3000), "b": np.where(rng.random(3000) < 0.6, 0, rng.normal(size=3000))})
    _, codes = learn(table, [Column("a", Kind.INTEGER, "int"), Column("b", Kind.FLOAT, "float")])
    for j in range(2):
        z = normal(codes.low[:, j] + (codes.high - codes.low)[:, j] * rng.random(3000))
        assert kstest(z, "norm").pvalue > 0.01
    assert codes.middles.dtype == np.float32


def test_nominal_variables_have_cuts_and_ordered_ones_none() -> None:
    """The engines tell them apart by that."""
    table = pa.table({"a": range(20), "w": ["x"] * 5 + ["y"] * 15})
    _, codes = learn(table, [Column("a", Kind.INTEGER, "int"), Column("w", Kind.TEXT, "text")])
    assert codes.cuts[0] is None
    assert sorted(np.diff(np.r_[0, codes.cuts[1]]).tolist()) == [0.25, 0.75]


def test_extras_come_back_beside_the_columns() -> None:
    """Numbers about the rows that are no column."""
    depth = np.array([0.0, 1.0, 1.0, 2.0] * 10)
    codec, codes = learn(pa.table({"a": [1, 2] * 20}), [Column("a", Kind.INTEGER, "int")], depth=depth)
    decoded, extras = codec.decode((codes.low + codes.high) / 2, {"a": pa.int64()})
    assert extras["depth"].tolist() == depth.tolist()
    assert list(decoded) == ["a"]


@pytest.mark.parametrize("rows", [[-1, -1, -1], [0, 1, -1]])
def test_null_keys_and_parents(rows: list[int]) -> None:
    """A child learns its categories' meaning from its parents, if it has any; their table may be empty."""
    n_parents = max(rows) + 1
    parent = TableData(pa.table({"a": pa.array(range(n_parents), pa.int64())}), [Column("a", Kind.INTEGER, "int")])
    child = TableData(pa.table({"w": ["x", "y", "z"]}), [Column("w", Kind.TEXT, "text")])
    codecs = learn_codecs({"p": parent, "c": child}, [("c", "p", np.array(rows))])
    decoded, _ = codecs["c"][0].decode((codecs["c"][1].low + codecs["c"][1].high) / 2, {"w": pa.string()})
    assert decoded["w"].to_pylist() == ["x", "y", "z"]


def test_categories_of_children_of_nobody_do_not_look_like_the_last_parent() -> None:
    """A null key brings no features: words of orphans stand apart from those of the last parent's children."""
    rng = np.random.default_rng(0)
    low, high = np.sort(rng.normal(size=(2, 200)))
    parent = TableData(pa.table({"a": np.r_[low, high]}), [Column("a", Kind.FLOAT, "float")])
    rows = np.r_[np.arange(400), np.full(200, -1)]
    words = ["low" if a < np.median(np.r_[low, high]) else "high" for a in np.r_[low, high]] + ["none"] * 200
    child = TableData(pa.table({"w": words}), [Column("w", Kind.TEXT, "text")])
    codec, _ = learn_codecs({"p": parent, "c": child}, [("c", "p", rows)])["c"]
    assert codec.variables[0].values[1] == ("none",)


def test_a_table_without_modelled_columns() -> None:
    """No variables, as many rows as it has."""
    codec, codes = learn(pa.table({"id": [1, 2, 3]}).select([]), [])
    assert codes.low.shape == (3, 0)
    assert codec.decode(np.empty((5, 0)), {}) == ({}, {})


def test_a_number_of_few_values_shares_a_code_with_the_category_it_goes_with() -> None:
    """Whatever is drawn, only pairs that occur come out, the number as a number."""
    rng = np.random.default_rng(5)
    age = rng.choice([18, 25, 35], 600)
    job = np.where(age == 18, "pupil", rng.choice(["clerk", "driver"], 600))
    columns = [Column("age", Kind.INTEGER, "int"), Column("job", Kind.TEXT, "text")]
    codec, codes = learn(pa.table({"age": age, "job": job}), columns)
    assert len(codec.variables) == 1
    decoded, _ = codec.decode(rng.random((500, 1)), {"age": pa.int64(), "job": pa.string()})
    drawn = set(zip(decoded["age"].to_pylist(), decoded["job"].to_pylist(), strict=True))
    assert drawn == set(zip(age.tolist(), job.tolist(), strict=True))
    assert codes.members[0].shape[0] == 5
    assert codes.features.shape == (600, 1 + codes.members[0].shape[1])
