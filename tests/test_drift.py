"""Distances between a database and what is remembered of it: nothing moved is 0, and nobody's value is remembered."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from dbsynth.config import Settings
from dbsynth.drift import Profile, measure_drift, take_profile
from dbsynth.plan import Plan, make_plan
from dbsynth.schema import Column, ForeignKey, Kind, Schema, Table

SETTINGS = Settings()
SCHEMA = Schema(
    "sqlite",
    (
        Table("parent", (Column("id", Kind.INTEGER, "int", nullable=False), Column("x", Kind.FLOAT, "real")), ("id",)),
        Table("child", (Column("id", Kind.INTEGER, "int", nullable=False), Column("parent_id", Kind.INTEGER, "int"),
                        Column("word", Kind.TEXT, "text"), Column("truth", Kind.BOOLEAN, "bool"),
                        Column("diary", Kind.TEXT, "text")), ("id",)),
    ),
    (ForeignKey("fk", "child", ("parent_id",), "parent", ("id",)),),
)  # fmt: skip


def tables(x: Any, parents: Any, words: Any) -> dict[str, pa.Table]:
    """Rows of the schema."""
    n = len(parents)
    return {
        "parent": pa.table({"id": pa.array(range(len(x)), pa.int64()), "x": pa.array(x, pa.float64())}),
        "child": pa.table({
            "id": pa.array(range(n), pa.int64()), "parent_id": pa.array(parents, pa.int64()),
            "word": pa.array(words, pa.string()), "truth": pa.array([i % 3 == 0 for i in range(n)], pa.bool_()),
            "diary": pa.array([f"Day {i}, my secret is {i * 7919}" for i in range(n)], pa.string()),
        }),
    }  # fmt: skip


def planned(data: dict[str, pa.Table]) -> Plan:
    """What would become of them."""
    return make_plan(SCHEMA, data.__getitem__, {name: t.num_rows for name, t in data.items()}, SETTINGS)


def profile_of(data: dict[str, pa.Table]) -> Profile:
    """What is remembered of them."""
    return take_profile(planned(data), data.__getitem__, SETTINGS.rare_in)


def moved(before: dict[str, pa.Table], after: dict[str, pa.Table]) -> dict[str, float]:
    """Distances by name."""
    return {d.what: d.distance for d in measure_drift(profile_of(before), planned(after), after.__getitem__)}


def usual(n: int = 200) -> tuple[list, list, list]:
    """Numbers, parents and words of a quiet day."""
    return [i % 50 + 0.5 for i in range(n)], [i % n for i in range(2 * n)], ["ab"[i % 2] for i in range(2 * n)]


ROWS = st.integers(0, 40).flatmap(
    lambda n: st.tuples(
        st.lists(st.none() | st.floats(-1e9, 1e9), min_size=n, max_size=n),
        st.lists(st.none() | st.integers(0, n - 1) if n else st.none(), max_size=60),
    )
)


@hypothesis_settings(max_examples=50)
@given(ROWS, st.data())
def test_the_same_rows_have_not_moved_and_no_distance_is_beyond_one(rows: tuple, data: st.DataObject) -> None:
    """Whatever they are, in whatever order."""
    x, parents = rows
    words = data.draw(st.lists(st.none() | st.sampled_from("abc"), min_size=len(parents), max_size=len(parents)))
    before = tables(x, parents, words)
    assert moved(before, before) == {}
    after = tables(*usual(30))
    assert all(0 < distance <= 1 for distance in moved(before, after).values())


def test_what_moved_is_named() -> None:
    """Numbers by the gap between distributions, words by shares, keys by numbers of children, nulls by their share."""
    x, parents, words = usual()
    before = tables(x, parents, words)
    assert moved(before, tables([v + 25 for v in x], parents, words)) == {"column parent.x": pytest.approx(0.5)}
    assert moved(before, tables(x, parents, ["c" if i < 100 else w for i, w in enumerate(words)])) == {
        "column child.word": pytest.approx(0.25)
    }
    assert moved(before, tables(x, parents, [None if i < 100 else w for i, w in enumerate(words)])) == {
        "column child.word": pytest.approx(0.25)
    }
    found = moved(before, tables(x, [p // 2 for p in parents], words))
    assert found == {"numbers of children under child.parent_id → parent": pytest.approx(0.5)}
    found = moved(before, tables(x, [*parents, *parents[:40]], [*words, *words[:40]]))
    assert found["number of rows of child"] == pytest.approx(0.1)


def test_no_value_of_few_rows_is_remembered() -> None:
    """A rich customer, a rare word, a diary."""
    x, parents, words = usual()
    x[7], words[3:6] = 123456.789, ["Zanzibarowitz"] * 3
    words[6:11] = ["known to five"] * 5
    profile = profile_of(tables(x, parents, words))
    remembered = repr(profile)
    assert "123456.789" not in remembered
    assert "Zanzibarowitz" not in remembered
    assert "secret" not in remembered
    assert "known to five" in remembered
    assert profile.columns["child"]["diary"].values is None
    assert max(profile.columns["parent"]["x"].values) < 30_000
    assert isinstance(profile.columns["parent"]["x"].shares, np.ndarray)


def test_nobody_is_remembered_of_a_column_that_is_mostly_null() -> None:
    """A value is rare among the rows that have one."""
    words: list[str | None] = [None] * 900 + ["often"] * 99 + ["secret"]
    x, parents, _ = usual(500)
    profile = profile_of(tables(x, parents, words))
    assert profile.columns["child"]["word"].values == ("often",)
