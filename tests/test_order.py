"""Numbers and moments between bounds: whatever an engine draws, they stay within."""

import datetime as dt

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dbsynth.columns.codec import TableCodec, TableData, learn_codecs
from dbsynth.columns.order import Bound, learn_bounded
from dbsynth.columns.ranks import learn_quantiles
from dbsynth.schema import Column, Kind

DAY = dt.timedelta(days=1)
START = dt.datetime(2024, 1, 1)


def _moments(n: int = 300) -> dict[str, pa.Array]:
    """Ordered at a time of day, shipped and delivered days after, or not yet."""
    rng = np.random.default_rng(0)
    ordered = [START + dt.timedelta(seconds=int(s)) for s in rng.integers(0, 10**7, n)]
    way, last = rng.integers(0, 9, n).tolist(), rng.integers(0, 5, n).tolist()
    shipped = [ordered[i].date() + DAY * way[i] if i % 3 else None for i in range(n)]
    delivered = [shipped[i] + DAY * last[i] if shipped[i] and i % 2 else None for i in range(n)]
    return {
        "delivered": pa.array(delivered, pa.date32()),
        "shipped": pa.array(shipped, pa.date32()),
        "ordered": pa.array(ordered, pa.timestamp("us")),
    }


KINDS = {"ordered": Kind.TIMESTAMP, "shipped": Kind.DATE, "delivered": Kind.DATE}


def _learned(
    arrays: dict[str, pa.Array], kinds: dict[str, Kind], bounds: dict[str, tuple[Bound, ...]],
    given_columns: dict[str, pa.Array] | None = None,
) -> tuple[TableCodec, int]:  # fmt: skip
    columns = [Column(name, kinds[name], "t", scale=2) for name in arrays]
    given_columns = given_columns or {}
    types = [Column(name, kinds[name], "t") for name in given_columns]
    data = TableData(pa.table(arrays), columns, bounds=bounds, given=given_columns, given_columns=types)
    codec, codes = learn_codecs({"t": data}, [])["t"]
    assert (codes.low <= codes.high).all()
    assert codes.low.min() >= 0
    assert codes.high.max() <= 1
    return codec, codes.low.shape[1]


def _decoded(codec: TableCodec, arrays: dict[str, pa.Array], n_variables: int, **given_columns: pa.Array) -> list[dict]:
    n = len(next(iter(arrays.values())))
    ranks = np.random.default_rng(1).random((n, n_variables))
    decoded, _ = codec.decode(ranks, {name: array.type for name, array in arrays.items()}, given_columns)
    assert set(decoded) == set(arrays)
    return pa.table(decoded).to_pylist()


def test_any_ranks_decode_in_order() -> None:
    """Whatever an engine draws, nothing is delivered before it is shipped, nor shipped before it is ordered."""
    arrays = _moments()
    bounds = {"delivered": (Bound("shipped", True),), "shipped": (Bound("ordered", True),)}
    codec, n_variables = _learned(arrays, KINDS, bounds)
    rows = _decoded(codec, arrays, n_variables)
    assert all(row["shipped"] is None or row["shipped"] >= row["ordered"].date() for row in rows)
    both = [row for row in rows if row["delivered"] and row["shipped"]]
    assert both
    assert all(row["delivered"] >= row["shipped"] for row in both)


@pytest.mark.parametrize("spread", [3600, 10**6], ids=["an hour", "days"])
def test_times_of_one_day_are_in_order_too(spread: int) -> None:
    """Two timestamps: to the second, and strictly."""
    rng = np.random.default_rng(0)
    first = [START + dt.timedelta(seconds=int(s)) for s in rng.integers(0, 10**6, 400)]
    later = rng.integers(1, spread, 400).tolist()
    last = [moment + dt.timedelta(seconds=s) for moment, s in zip(first, later, strict=True)]
    arrays = {"last": pa.array(last, pa.timestamp("us")), "first": pa.array(first, pa.timestamp("us"))}
    codec, n_variables = _learned(
        arrays, dict.fromkeys(arrays, Kind.TIMESTAMP), {"last": (Bound("first", True, strict=True),)}
    )
    rows = _decoded(codec, arrays, n_variables)
    assert all(row["last"] > row["first"] for row in rows)


def test_a_parents_bounds() -> None:
    """A child's date comes after the parent's and before the last day there is, as many late ones as there were."""
    rng = np.random.default_rng(0)
    since = rng.integers(0, 900, 2000)
    days = since + np.floor(rng.random(2000) * (1000 - since)).astype(int)
    arrays = {"day": pa.array(days, pa.int32()).cast(pa.date32())}
    opened = pa.array(since, pa.int32()).cast(pa.date32())
    kinds = {"day": Kind.DATE, "opened": Kind.DATE}
    codec, n_variables = _learned(arrays, kinds, {"day": (Bound("opened", True),)}, {"opened": opened})
    rows = _decoded(codec, arrays, n_variables, opened=opened)
    drawn = np.array([(row["day"] - dt.date(1970, 1, 1)).days for row in rows])
    assert (drawn >= since).all()
    assert drawn.max() <= days.max()
    assert np.abs(np.quantile(drawn, [0.1, 0.5, 0.9]) - np.quantile(days, [0.1, 0.5, 0.9])).max() < 5


@settings(max_examples=40)
@given(st.data())
def test_place_never_leaves_the_bounds(data: st.DataObject) -> None:
    """Any distribution, any step, any bounds that have a number of the step between them."""
    step = data.draw(st.sampled_from([0.0, 0.01, 0.5, 1.0, 7.0]))
    unit = step or 1.0
    x = np.array(data.draw(st.lists(st.integers(-50, 50), min_size=5, max_size=40))) * unit
    low = x - np.array(data.draw(st.lists(st.integers(0, 9), min_size=len(x), max_size=len(x)))) * unit
    high = np.where(np.arange(len(x)) % 2, np.inf, x + unit)
    bounded = learn_bounded(x, low, high, (Bound("low", True), Bound("high", False)), step)
    if bounded is None:
        return
    assert bounded.among is not None
    told = np.random.default_rng(0).random(len(x))
    placed = bounded.calibrated(bounded.place(told, low, high, step), low, high)
    assert (placed >= low - 1e-9).all()
    assert (placed <= high + 1e-9).all()


def test_bounds_that_hardly_bind_leave_the_code_alone() -> None:
    """A weight is never above the price, and would hardly ever be."""
    rng = np.random.default_rng(0)
    weight, price = rng.random(500), 5 + 50 * rng.random(500)
    assert learn_bounded(price, weight, np.full(500, np.inf), (Bound("weight", True),), 0.0) is None


@settings(max_examples=40)
@given(st.lists(st.integers(-20, 20), min_size=1, max_size=60), st.lists(st.integers(-25, 25), min_size=1, max_size=20))
def test_shares_below_and_up_to(values: list[int], at: list[int]) -> None:
    """Of a discrete distribution they are counts; of a continuous one they never fall and are in order."""
    numbers, points = np.array(values, float), np.sort(np.array(at, float))
    quantiles = learn_quantiles(numbers)
    below, upto = quantiles.below(points), quantiles.upto(points)
    assert (below <= upto + 1e-12).all()
    assert (np.diff(below) >= -1e-12).all()
    if quantiles.discrete:
        assert below == pytest.approx([(numbers < p).mean() for p in points])
        assert upto == pytest.approx([(numbers <= p).mean() for p in points])
