"""Numbers and times: from Arrow to float64 and back, exact to the column's own step."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dbsynth.columns.numbers import from_numbers, learn_numbers, learn_step, to_numbers
from dbsynth.schema import Column, Kind, arrow_type


def column(kind: Kind, **more) -> Column:
    return Column("c", kind, str(kind), **more)


def there_and_back(values: list, of: Column) -> list:
    array = pa.array(values, arrow_type(of))
    variables = learn_numbers(array, of.kind)
    parts = {v.part: to_numbers(array, of.kind, v.part) for v in variables}
    result = from_numbers(parts, of, {v.part: v.step for v in variables}, arrow_type(of))
    assert result.type == arrow_type(of)
    return result.to_pylist()


@given(st.lists(st.one_of(st.none(), st.integers(-(2**53), 2**53))))
def test_whole_numbers_come_back(values: list) -> None:
    """Exactly, as far as a float64 holds them."""
    assert there_and_back(values, column(Kind.INTEGER)) == values


@given(st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1))
def test_huge_whole_numbers_come_back_nearly(values: list) -> None:
    """To the precision of a float64, and never with the wrong sign."""
    for value, back in zip(values, there_and_back(values, column(Kind.INTEGER)), strict=True):
        assert abs(back - value) <= 1024


@settings(max_examples=300)
@given(st.integers(0, 6), st.data())
def test_decimals_come_back_exactly(scale: int, data: st.DataObject) -> None:
    """To the last digit, up to the fifteen digits that a float64 is sure of."""
    digits = data.draw(st.lists(st.one_of(st.none(), st.integers(-(10**14), 10**14))))
    values = [None if d is None else Decimal(d).scaleb(-scale) for d in digits]
    assert there_and_back(values, column(Kind.DECIMAL, precision=18, scale=scale)) == values


def test_the_largest_decimal_of_its_precision_still_fits() -> None:
    """Rounding to a float64 must not carry it over the edge."""
    values = [Decimal("9999999999999999.99"), Decimal("-9999999999999999.99"), Decimal("0.01")]
    back = there_and_back(values, column(Kind.DECIMAL, precision=18, scale=2))
    assert [float(b) for b in back] == pytest.approx([float(v) for v in values])


def test_a_decimal_of_open_precision_is_text_with_its_own_digits() -> None:
    """Prices in cents keep two digits after the point."""
    assert there_and_back(["1.50", "2.25", None, "10.00"], column(Kind.DECIMAL)) == ["1.50", "2.25", None, "10.00"]


@given(st.lists(st.one_of(st.none(), st.floats(allow_nan=False, allow_infinity=False, width=32))))
def test_floats_come_back_nearly(values: list) -> None:
    """Within a millionth of themselves."""
    back = there_and_back(values, column(Kind.FLOAT))
    assert [v is None for v in back] == [v is None for v in values]
    np.testing.assert_allclose(
        [v for v in back if v is not None], [v for v in values if v is not None], rtol=1e-6, atol=0
    )


def test_nan_and_infinity_become_null() -> None:
    """They have no rank, and few servers take them."""
    back = there_and_back([float("nan"), float("inf"), float("-inf"), 1.5, None], column(Kind.FLOAT))
    assert back == [None, None, None, 1.5, None]


@given(st.lists(st.one_of(st.none(), st.dates())))
def test_dates_come_back(values: list) -> None:
    """All that Python knows."""
    assert there_and_back(values, column(Kind.DATE)) == values


@given(st.lists(st.one_of(st.none(), st.times())))
def test_times_come_back(values: list) -> None:
    """To the microsecond."""
    assert there_and_back(values, column(Kind.TIME)) == values


@given(st.lists(st.one_of(st.none(), st.datetimes(datetime(1700, 1, 1), datetime(2250, 1, 1)))))
def test_timestamps_come_back(values: list) -> None:
    """To the microsecond, within the centuries that a float64 counts in microseconds."""
    assert there_and_back(values, column(Kind.TIMESTAMP)) == values


@given(st.lists(st.datetimes(datetime(1, 1, 1), datetime(9999, 12, 31, 23, 59, 59)), min_size=1))
def test_timestamps_of_any_year_come_back_to_the_second(values: list) -> None:
    """The end of time in year 9999 included."""
    values = [v.replace(microsecond=0) for v in values]
    aware = [v.replace(tzinfo=UTC) for v in values]
    assert there_and_back(values, column(Kind.TIMESTAMP)) == values
    assert there_and_back(aware, column(Kind.TIMESTAMPTZ)) == aware


def test_timestamps_at_midnight_are_one_variable_and_stay_at_midnight() -> None:
    """Dates in a timestamp column get no time of day."""
    values = [datetime(2020, 1, 1) + timedelta(days=i) for i in range(5)]
    array = pa.array(values, pa.timestamp("us"))
    (variable,) = learn_numbers(array, Kind.TIMESTAMP)
    numbers = to_numbers(array, Kind.TIMESTAMP) + 0.3 * variable.step
    back = from_numbers({"value": numbers}, column(Kind.TIMESTAMP), {"value": variable.step}, pa.timestamp("us"))
    assert back.to_pylist() == values


def test_a_drawn_time_of_day_stays_within_its_day() -> None:
    """Rounding does not carry it into the next."""
    parts = {"day": np.array([0.0, 1.0]), "time": np.array([86_400e6, -1.0])}
    back = from_numbers(parts, column(Kind.TIMESTAMP), {"day": 1.0, "time": 60e6}, pa.timestamp("us"))
    assert [b.date() for b in back.to_pylist()] == [date(1970, 1, 1), date(1970, 1, 2)]


@pytest.mark.parametrize(
    ("numbers", "step"),
    [
        ([1, 2, 5], 1.0), ([100, 250, 50], 50.0), ([0.5, 1.25], 0.25), ([0.99, 10.99], 0.01), ([0], 1.0),
        ([1 / 3, 2 / 7], 0.0), ([750_000.5, 1_234_567.25], 0.25), ([1_234_567.891, 900_000.5], 0.001),
        ([3e-8, 7e-9], 0.0), ([0, 1e-7], 0.0), ([0.1 + 0.2, 0.1], 0.1), ([2.0**60, 1], 0.0), ([], 0.0),
        ([np.nan, np.inf, 4], 4.0),
    ],
)  # fmt: skip
def test_step(numbers: list, step: float) -> None:
    """The largest step of which all values are multiples; 0 where there is none."""
    assert learn_step(np.array(numbers, dtype=float)) == pytest.approx(step)


@given(st.integers(0, 6), st.integers(1, 10**5), st.lists(st.integers(-(10**6), 10**6), min_size=1))
def test_all_values_are_multiples_of_the_step(decimals: int, unit: int, multiples: list[int]) -> None:
    """Rounding to it changes none of them."""
    numbers = np.array([m * unit for m in multiples]) / 10.0**decimals
    step = learn_step(numbers)
    of = column(Kind.FLOAT)
    back = from_numbers({"value": numbers}, of, {"value": step}, pa.float64()).to_numpy()
    np.testing.assert_array_equal(back, numbers)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (Kind.INTEGER, 3),
        (Kind.DATE, date(2020, 2, 29)),
        (Kind.TIME, time(12)),
        (Kind.TIMESTAMP, datetime(2020, 1, 1, 5)),
    ],
)
def test_one_row_no_row_and_only_nulls(kind: Kind, value: object) -> None:
    """Nothing trips over them."""
    for values in ([value], [], [None, None]):
        assert there_and_back(values, column(kind)) == values
