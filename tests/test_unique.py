"""Unique keys of drawn values: no two rows alike, every column keeps its values."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dbsynth.errors import SchemaError
from dbsynth.integrity.unique import part_repeats

RNG = np.random.default_rng(0)


def keys(columns: dict[str, pa.Array], names: tuple[str, ...]) -> list[tuple]:
    rows = zip(*(columns[name].to_pylist() for name in names), strict=True)
    return [row for row in rows if None not in row]


@settings(max_examples=50)
@given(st.lists(st.tuples(st.integers(0, 4), st.one_of(st.none(), st.integers(0, 30))), max_size=60))
def test_no_key_twice_and_parents_as_they_were(rows: list[tuple]) -> None:
    """Only the changeable column changes; new numbers come where the old ones do not suffice."""
    columns = {"parent": pa.array([r[0] for r in rows], pa.int64()), "line": pa.array([r[1] for r in rows], pa.int64())}
    parted = part_repeats(columns, ("parent", "line"), ["line"], RNG, table="t")
    found = keys(parted, ("parent", "line"))
    assert len(set(found)) == len(found)
    assert parted["parent"] == columns["parent"]
    assert parted["line"].null_count == columns["line"].null_count


def test_values_are_exchanged_not_invented() -> None:
    """Dates stay the drawn dates."""
    columns = {"who": pa.array([0, 0, 1, 1]), "when": pa.array(["mon", "mon", "tue", "wed"])}
    parted = part_repeats(columns, ("who", "when"), ["when"], RNG, table="t")
    assert sorted(parted["when"].to_pylist()) == ["mon", "mon", "tue", "wed"]
    assert len(set(keys(parted, ("who", "when")))) == 4


def test_numbers_past_the_largest_beside_nulls() -> None:
    """A column may hold nulls beside the values that repeat."""
    columns = {"a": pa.array([1, 1, 1, 2]), "b": pa.array([5, 5, 5, None], pa.int64())}
    parted = part_repeats(columns, ("a", "b"), ["b"], RNG, table="t")
    found = keys(parted, ("a", "b"))
    assert len(found) == len(set(found)) == 3
    assert parted["b"].type == pa.int64()


def test_what_cannot_be_parted_is_an_error() -> None:
    """It names the table and the key."""
    columns = {"a": pa.array([1, 1, 1]), "b": pa.array(["x", "y", "x"])}
    with pytest.raises(SchemaError, match=r"'visit'.*\(a, b\)"):
        part_repeats(columns, ("a", "b"), ["b"], RNG, table="visit")


def test_rows_without_repeats_stay_as_they_are() -> None:
    """Nothing is touched without need."""
    columns = {"a": pa.array([1, 2, 3]), "b": pa.array(["x", "x", "x"])}
    assert part_repeats(columns, ("a", "b"), ["b"], RNG, table="t") == columns


@settings(max_examples=20)
@given(st.integers(0, 10_000))
def test_what_is_refused_is_undone(seed: int) -> None:
    """Two columns that are unique together, the one below the other: both stay so."""
    rng = np.random.default_rng(seed)
    low = rng.integers(0, 12, 40)
    columns = {"low": pa.array(low), "high": pa.array(low + rng.integers(1, 9, 40))}

    def refused(held: dict[str, pa.Array]) -> np.ndarray:
        return np.flatnonzero(held["low"].to_numpy() >= held["high"].to_numpy())

    parted = part_repeats(columns, ("low", "high"), ["low", "high"], rng, table="t", refused=refused)
    found = keys(parted, ("low", "high"))
    assert len(set(found)) == 40
    assert all(a < b for a, b in found)
