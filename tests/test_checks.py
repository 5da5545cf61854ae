"""CHECK constraints: broken rows are found and repaired, what is beyond us is left alone."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dbsynth.errors import SchemaError
from dbsynth.integrity.allowed import allowed
from dbsynth.integrity.checks import broken_rows, satisfy_checks
from dbsynth.schema import Check, Column, Kind, Table


def table(*expressions: str) -> Table:
    names = ("low", "high", "grade")
    checks = tuple(Check(f"check_{i}", e) for i, e in enumerate(expressions))
    return Table("t", tuple(Column(n, Kind.INTEGER, "int") for n in names), checks=checks)


def columns_of(low: list, high: list, grade: list) -> dict[str, pa.Array]:
    return {"low": pa.array(low, pa.int64()), "high": pa.array(high, pa.int64()), "grade": pa.array(grade, pa.string())}


def features_of(columns: dict[str, pa.Array]) -> np.ndarray:
    numbers = [columns[name].to_numpy(zero_copy_only=False).astype(float) for name in ("low", "high")]
    return np.nan_to_num(np.stack(numbers, axis=1))


@pytest.mark.parametrize(
    ("expression", "dialect", "broken"),
    [
        ("low <= high", "sqlite", [1]),
        ('"low" <= "high"', "postgres", [1]),
        ("(`low` <= `high`)", "mysql", [1]),
        ("low BETWEEN 0 AND 4", "postgres", [1]),
        ("grade IN ('a', 'b')", "sqlite", [2]),
        ("((grade)::text = ANY ((ARRAY['a'::character varying, 'b'::character varying])::text[]))", "postgres", [2]),
        ("high IS NOT NULL OR grade = 'c'", "sqlite", []),
        ("length(grade) = 1", "mysql", []),
        ("Low <= HIGH", "sqlite", [1]),
    ],
)
def test_broken_rows(expression: str, dialect: str, broken: list[int]) -> None:
    """Rows for which the condition is false; where it is unknown, as for a null, it passes."""
    columns = columns_of([1, 5, 2, 3], [4, 2, None, 9], ["a", "b", "c", None])
    if "high IS NOT" in expression:
        columns["grade"] = pa.array(["a", "b", "c", "c"])
    assert broken_rows(columns, expression, dialect).tolist() == broken


@pytest.mark.parametrize("expression", ["is_nice(low)", "low ??? high", "((", "low @@ 'x'", "nobody > 3"])
def test_what_is_beyond_us_is_none(expression: str) -> None:
    """Functions of the server's own, unknown operators, unknown columns."""
    assert broken_rows(columns_of([1], [2], ["a"]), expression, "postgres") is None


@settings(max_examples=15)
@given(st.lists(st.tuples(st.integers(-9, 9), st.one_of(st.none(), st.integers(-9, 9))), min_size=1, max_size=50))
def test_repaired_rows_keep_every_check(rows: list[tuple]) -> None:
    """Whatever was drawn, as long as one row is right."""
    rows = [(0, 1), *rows]
    columns = columns_of([r[0] for r in rows], [r[1] for r in rows], ["a"] * len(rows))
    checked = table("low <= high", "low >= 0")
    repaired = satisfy_checks(columns, checked, "sqlite", ["low", "high"], features_of(columns))
    for check in checked.checks:
        assert broken_rows(repaired, check.expression, "sqlite").tolist() == []
    good = [i for i, (low, high) in enumerate(rows) if low >= 0 and (high is None or low <= high)]
    for i in good:
        assert (repaired["low"][i].as_py(), repaired["high"][i].as_py()) == rows[i]


def test_a_broken_row_takes_the_values_of_the_row_most_like_it() -> None:
    """And only those that the condition names."""
    columns = columns_of([0, 100, 101], [1, 200, 50], ["a", "b", "c"])
    features = np.array([[0.0], [100], [101]])
    repaired = satisfy_checks(columns, table("low <= high"), "sqlite", ["low", "high", "grade"], features)
    assert repaired["low"].to_pylist() == [0, 100, 100]
    assert repaired["high"].to_pylist() == [1, 200, 200]
    assert repaired["grade"].to_pylist() == ["a", "b", "c"]


def test_names_in_another_case_are_repaired() -> None:
    """SQL's names know no case unless quoted."""
    columns = columns_of([1, 5], [2, 3], ["a", "b"])
    repaired = satisfy_checks(columns, table("LOW <= High"), "sqlite", ["low", "high"], features_of(columns))
    assert repaired["low"].to_pylist() == [1, 1]


def test_a_check_that_cannot_be_read_is_left_to_the_server() -> None:
    """Beside it the others are kept."""
    columns = columns_of([1, 5], [2, 3], ["a", "b"])
    checked = table("is_nice(low)", "low <= high")
    repaired = satisfy_checks(columns, checked, "sqlite", ["low", "high"], features_of(columns))
    assert repaired["low"].to_pylist() == [1, 1]


@pytest.mark.parametrize("changeable", [["low", "high"], []])
def test_a_check_that_no_row_keeps_is_an_error(changeable: list[str]) -> None:
    """It names the table and the constraint."""
    columns = columns_of([5], [1], ["a"])
    with pytest.raises(SchemaError, match=r"table 't'.*'check_0'"):
        satisfy_checks(columns, table("low <= high"), "sqlite", changeable, features_of(columns))


def test_the_last_repair_counts() -> None:
    """Each of three repairs breaks the next check, but the third."""
    columns = {name: pa.array([1, row], pa.int64()) for name, row in (("low", 3), ("high", 2), ("grade", 1))}
    checked = table("low = 1", "low <> 1 OR high = 1", "high <> 1 OR grade = 1 OR grade = 2")
    columns["grade"] = pa.array([1, 9], pa.int64())
    repaired = satisfy_checks(columns, checked, "sqlite", list(columns), np.zeros((2, 1)))
    assert {name: array.to_pylist() for name, array in repaired.items()} == {name: [1, 1] for name in columns}


def test_no_rows_and_no_features() -> None:
    """Nothing to repair; and rows that nothing tells apart take any donor."""
    empty = columns_of([], [], [])
    assert satisfy_checks(empty, table("low <= high"), "sqlite", ["low"], np.empty((0, 2))) == empty
    columns = columns_of([1, 5], [2, 3], ["a", "b"])
    repaired = satisfy_checks(columns, table("low <= high"), "sqlite", ["low", "high"], np.empty((2, 0)))
    assert repaired["high"].to_pylist() == [2, 2]


def test_invented_values_that_a_check_refuses_give_way() -> None:
    """To others that it takes; none comes twice, and what it takes stays."""
    drawn = iter([pa.array([2, 3, 6, 8, 9, 11, 12]), pa.array(range(100, 130))])
    thing = Table("t", (Column("n", Kind.INTEGER, "int"),), checks=(Check("even", "n % 2 = 0"),))
    made = allowed(pa.array([1, 2, 3, 4]), lambda k: next(drawn), thing, "n", "sqlite").to_pylist()
    assert made == [6, 2, 8, 4]


def test_invented_values_that_no_draw_makes_right_are_named() -> None:
    """With the CHECK and the way out."""
    thing = Table("t", (Column("n", Kind.INTEGER, "int"),), checks=(Check("even", "n % 2 = 0"),))
    with pytest.raises(SchemaError, match=r"'n' satisfy CHECK 'even'.*pattern"):
        allowed(pa.array([1, 2]), lambda k: pa.array(2 * np.arange(k) + 1), thing, "n", "sqlite")
