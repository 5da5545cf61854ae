"""Given rows in codes: what they say of the variables, and what they leave open."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from hypothesis import example, given, settings
from hypothesis import strategies as st
from test_codec import COLUMNS, learn, rows_of_all_kinds, table_of

from dbsynth.columns.known import encode_known, ranks_of
from dbsynth.columns.ranks import learn_quantiles
from dbsynth.schema import Column, Kind

KINDS = {column.name: column for column in COLUMNS}
JOB = [Column("state", Kind.TEXT, "text"), Column("day", Kind.TEXT, "text")]


@settings(max_examples=60)
@given(rows_of_all_kinds)
def test_the_rows_learned_from_have_the_ranks_they_were_learned_at(rows: list[dict]) -> None:
    """Of all kinds, nulls too."""
    table = table_of(rows * 5)
    codec, codes = learn(table, COLUMNS)
    known = encode_known(codec, table, (), KINDS)
    free = (codes.low <= 0) & (codes.high >= 1)  # the number of a null, whose rank is any
    np.testing.assert_allclose(known.low[~free], codes.low[~free], atol=1e-6)
    np.testing.assert_allclose(known.high[~free], codes.high[~free], atol=1e-6)
    assert not known.choices


@settings(max_examples=30)
@given(st.integers(0, 2**32 - 1), st.floats(0.02, 0.98), st.booleans())
@example(3468000, 0.5, True)  # two knots at the lowest rank
def test_ranks_are_those_at_which_a_number_is_decoded(seed: int, share: float, spikes: bool) -> None:
    """Of a continuous column, with spikes or without; beyond its ends, the ends."""
    rng = np.random.default_rng(seed)
    numbers = np.r_[rng.normal(size=400), np.repeat(rng.normal(size=2), 100 * spikes)]
    quantiles = learn_quantiles(numbers)
    x = rng.choice(numbers, 50).clip(quantiles.v[0], quantiles.v[-1])
    low, high = ranks_of(quantiles, x, 0.0)
    assert (low <= high + 1e-12).all()
    np.testing.assert_allclose(quantiles.decode(low + share * (high - low)), x, atol=1e-9)
    ends = np.stack(ranks_of(quantiles, np.array([-1e9, 1e9]), 0.0))
    np.testing.assert_allclose(quantiles.decode(ends.mean(axis=0)), quantiles.v[[0, -1]], atol=1e-9)


def orders() -> pa.Table:
    """A day of delivery stands where the state says that it must."""
    state = ["open"] * 30 + ["sent"] * 30 + ["back"] * 30
    day = [None] * 30 + ["mon"] * 15 + ["tue"] * 15 + ["mon"] * 30
    return pa.table({"state": state, "day": day})


def test_a_missing_value_is_no_null() -> None:
    """The rest of the row says which values may be; where it rules out all of them, the null stays."""
    codec = learn(orders(), JOB)[0]
    assert len(codec.variables) == 1  # coded together
    asked = pa.table({"state": ["sent", "back", "open", None], "day": pa.array([None, None, None, "tue"], pa.string())})
    known = encode_known(codec, asked, {"day"}, {c.name: c for c in JOB})
    which, sets = known.choices[0]
    values = codec.variables[0].values

    def may_be(row: int) -> set[tuple]:
        if which[row] >= 0:
            return {values[k] for k in np.flatnonzero(sets[which[row]])}
        rank = (known.low[row, 0] + known.high[row, 0]) / 2
        return {values[np.searchsorted(codec.variables[0].cuts, rank)]}

    places = [variable_place(codec.variables[0].columns, tuple_of) for tuple_of in
              [("sent", "mon"), ("sent", "tue"), ("back", "mon"), ("open", None)]]
    assert may_be(0) == {places[0], places[1]}
    assert may_be(1) == {places[2]}
    assert may_be(2) == {places[3]}
    assert may_be(3) == {places[1]}


def variable_place(columns: tuple[str, ...], state_and_day: tuple) -> tuple:
    return tuple(dict(zip(("state", "day"), state_and_day, strict=True))[name] for name in columns)


def test_nothing_is_known_of_a_column_that_is_not_there() -> None:
    """Nor of a number that is missing."""
    rows = pa.table({"price": pa.array([1.5, 2.5, 3.5, None] * 10)})
    column = Column("price", Kind.FLOAT, "double precision")
    codec, _ = learn(rows, [column])
    known = encode_known(codec, rows.select([]).append_column("x", pa.array([0] * 40)), (), {"price": column})
    assert (known.low == 0).all()
    assert (known.high == 1).all()
    known = encode_known(codec, rows, {"price"}, {"price": column})
    number = next(j for j, variable in enumerate(codec.variables) if variable.cuts is None)
    mark = 1 - number
    assert (known.high - known.low)[3, number] == 1
    assert (known.high - known.low)[3, mark] < 1  # it is not null
    assert known.low[3, mark] == known.low[0, mark]
