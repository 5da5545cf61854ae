"""Moments that come one after another."""

import datetime as dt

import numpy as np
import pyarrow as pa

from dbsynth.columns.codec import TableData, learn_codecs
from dbsynth.columns.order import columns_before
from dbsynth.schema import Column, Kind

DAY = dt.timedelta(days=1)


def _moments(n: int = 300) -> dict[str, pa.Array]:
    """Ordered at a time of day, shipped and delivered days after, or not yet."""
    rng = np.random.default_rng(0)
    ordered = [dt.datetime(2024, 1, 1) + dt.timedelta(seconds=int(s)) for s in rng.integers(0, 10**7, n)]
    way, last = rng.integers(0, 9, n).tolist(), rng.integers(0, 5, n).tolist()
    shipped = [ordered[i].date() + DAY * way[i] if i % 3 else None for i in range(n)]
    delivered = [shipped[i] + DAY * last[i] if shipped[i] and i % 2 else None for i in range(n)]
    return {
        "delivered": pa.array(delivered, pa.date32()),
        "shipped": pa.array(shipped, pa.date32()),
        "ordered": pa.array(ordered, pa.timestamp("us")),
    }


KINDS = {"ordered": Kind.TIMESTAMP, "shipped": Kind.DATE, "delivered": Kind.DATE}


def test_each_follows_the_latest_before_it() -> None:
    """Also where those that are not shipped yet would make the mean date of shipping the earlier one."""
    found = columns_before({name: (array, KINDS[name]) for name, array in _moments().items()})
    assert found == {"shipped": "ordered", "delivered": "shipped"}
    assert list(found) == ["shipped", "delivered"]


def test_unrelated_and_equal_days_follow_nobody() -> None:
    """One row the other way round is enough, and so is no difference at all."""
    days = pa.array([dt.date(2024, 1, 1) + DAY * i for i in range(50)])
    other = pa.array([dt.date(2024, 1, 1) + DAY * (i + 1 if i else -1) for i in range(50)])
    assert columns_before({"a": (days, Kind.DATE), "b": (other, Kind.DATE)}) == {}
    assert columns_before({"a": (days, Kind.DATE), "b": (days, Kind.DATE)}) == {}


def test_any_ranks_decode_in_order() -> None:
    """Whatever an engine draws, nothing is delivered before it is shipped, nor shipped before it is ordered."""
    arrays = _moments()
    columns = [Column(name, KINDS[name], "moment") for name in arrays]
    codec, codes = learn_codecs({"order": TableData(pa.table(arrays), columns)}, [])["order"]
    ranks = np.random.default_rng(1).random(codes.low.shape)
    decoded, _ = codec.decode(ranks, {name: array.type for name, array in arrays.items()})
    assert set(decoded) == set(arrays)
    rows = pa.table(decoded).to_pylist()
    assert all(row["shipped"] is None or row["shipped"] >= row["ordered"].date() for row in rows)
    both = [row for row in rows if row["delivered"] and row["shipped"]]
    assert both
    assert all(row["delivered"] >= row["shipped"] for row in both)
