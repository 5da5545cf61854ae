"""What synthetic rows teach about real ones: as much as real rows where they are alike, less where they are not."""

from __future__ import annotations

import math

import numpy as np
import pyarrow as pa
import pytest

from dbsynth.quality.comparison import Comparison
from dbsynth.quality.efficacy import efficacy
from dbsynth.quality.items import Item
from dbsynth.schema import Column, ForeignKey, Kind, Schema, Table

K = Kind
Tables = dict[str, pa.Table]


def table(name: str, **kinds: Kind) -> Table:
    key = ("id",) if "id" in kinds else ()
    return Table(name, tuple(Column(column, kind, kind.value) for column, kind in kinds.items()), key)


SCHOOL = Schema(
    "sqlite",
    (
        table("course", id=K.INTEGER, level=K.FLOAT),
        table("pupil", id=K.INTEGER, course_id=K.INTEGER, mark=K.FLOAT, passed=K.TEXT, luck=K.FLOAT),
    ),
    (ForeignKey("pupil_course", "pupil", ("course_id",), "course", ("id",)),),
)


def school(seed: int = 0, n: int = 900) -> Tables:
    """A pupil's mark follows the course's level, and whether they pass the mark; luck follows nothing."""
    rng = np.random.default_rng(seed)
    level = rng.normal(size=n // 3)
    course = rng.integers(0, n // 3, n)
    mark = level[course] + 0.5 * rng.normal(size=n)
    passed = np.where(mark > 0.8, "well", np.where(mark + 0.3 * rng.normal(size=n) > -0.5, "just", "no"))
    return {
        "course": pa.table({"id": np.arange(n // 3), "level": level}),
        "pupil": pa.table({
            "id": np.arange(n), "course_id": course, "mark": mark, "passed": passed, "luck": rng.normal(size=n)
        }),
    }  # fmt: skip


def shuffled(rows: pa.Table, *columns: str) -> pa.Table:
    rng = np.random.default_rng(0)
    for column in columns:
        values = rows[column].take(pa.array(rng.permutation(rows.num_rows)))
        rows = rows.set_column(rows.column_names.index(column), column, values)
    return rows


def found(real: Tables, synthetic: Tables, *, schema: Schema = SCHOOL, **more) -> dict[tuple[str, ...], Item]:
    """The figures by table and column; of the whole database, by nothing."""
    items = efficacy(Comparison.of(schema, real, synthetic, **more), rng=np.random.default_rng(0), sample_rows=1000)
    assert {item.measure for item in items} == {"efficacy"}
    return {item.tables + item.columns: item for item in items}


def alone(synthetic: Tables, real: Tables, **kinds: Kind) -> dict[tuple[str, ...], Item]:
    """The same of a table `t`."""
    return found(real, synthetic, schema=Schema("sqlite", (table("t", **kinds),)))


class TestSchool:
    def test_rows_of_the_same_source_teach_the_same(self):
        items = found(school(), school(1))
        for column in ("mark", "passed"):
            item = items["pupil", column]
            assert item.reference > 40
            assert item.score == pytest.approx(item.reference, abs=12)
            assert item.low < item.score < item.high
            assert item.rows == pytest.approx(300, abs=10)
        assert items[()].score > 90
        assert "may have seen" in items[()].note

    def test_what_nothing_tells_is_no_question(self):
        item = found(school(), school(1))["pupil", "luck"]
        assert item.reference < 5
        assert item.note == "real rows do not predict it either"

    def test_copies_know_too_much(self):
        item = found(school(), school())["pupil", "luck"]
        assert item.score > 20
        assert "it knows the tested rows" in item.note

    def test_a_column_is_predicted_from_the_parent_too(self):
        items = found(school(), school(1), leave_out={("pupil", "passed"), ("pupil", "luck")})
        assert items["pupil", "mark"].reference > 40

    def test_shuffled_columns_teach_nothing(self):
        synthetic = school(1)
        synthetic["pupil"] = shuffled(synthetic["pupil"], "mark", "passed")
        items = found(school(), synthetic)
        assert items["pupil", "passed"].score < 15
        assert items["pupil", "passed"].reference > 40
        assert items[()].score < 40

    def test_a_hold_out_is_the_test(self):
        held_out = school(2, 300)
        items = found(school(), school(1), held_out=held_out)
        assert items["pupil", "mark"].rows == 300
        assert not items[()].note
        # Where the rule is another one, nobody can know it.
        other = {**held_out, "pupil": shuffled(held_out["pupil"], "passed")}
        assert found(school(), school(1), held_out=other)["pupil", "passed"].reference < 20

    def test_the_same_seed_gives_the_same_figures(self):
        small = school(0, 400)
        assert repr(found(small, small)) == repr(found(small, small))

    def test_kept_tables_are_not_asked_about(self):
        assert {key[0] for key in found(school(), school(1), kept={"pupil"}) if key} == {"course"}


class TestLittleOrNothing:
    @pytest.mark.parametrize("n", [0, 1, 50])
    def test_few_rows_are_no_evidence(self, n):
        few = {name: rows.slice(0, n) for name, rows in school().items()}
        for sides in ((few, school()), (school(), few)):
            items = found(*sides)
            assert all(math.isnan(item.score) for item in items.values())
            assert "fewer than 100 rows" in items["pupil", "mark"].note
            assert items[()].note

    def test_columns_that_cannot_be_asked_say_why(self):
        n = 400
        rng = np.random.default_rng(0)
        data = {"t": pa.table({
            "nulls": pa.nulls(n, pa.float64()), "same": ["a"] * n, "words": [f"w{i}" for i in range(n)],
            "x": rng.normal(size=n),
        })}  # fmt: skip
        items = alone(data, data, nulls=K.FLOAT, same=K.TEXT, words=K.TEXT, x=K.FLOAT)
        assert items["t", "nulls"].note == items["t", "same"].note == "one value only"
        assert items["t", "words"].note == "more than 50 values"
        one = {"t": data["t"].select(["x"])}
        assert alone(one, one, x=K.FLOAT)["t", "x"].note == "no column to predict it from"

    def test_synthetic_rows_of_one_class_teach_nothing(self):
        n = 400
        x = np.random.default_rng(0).normal(size=n)
        real = {"t": pa.table({"x": x, "y": np.where(x > 0, "a", None)})}
        synthetic = {"t": pa.table({"x": x, "y": ["a"] * n})}
        item = alone(synthetic, real, x=K.FLOAT, y=K.TEXT)["t", "y"]
        assert item.score == 0
        assert item.reference > 95

    def test_synthetic_nulls_where_there_should_be_numbers(self):
        x = np.random.default_rng(0).normal(size=400)
        real = {"t": pa.table({"x": x, "y": x})}
        item = alone({"t": pa.table({"x": x, "y": pa.nulls(400, pa.float64())})}, real, x=K.FLOAT, y=K.FLOAT)["t", "y"]
        assert item.score == 0
        assert item.reference > 95

    def test_at_most_twelve_columns_of_a_table(self):
        names = [f"c{i:02}" for i in range(14)]
        rng = np.random.default_rng(0)
        data = {"t": pa.table({name: rng.integers(0, 2, 160) for name in names})}
        items = alone(data, data, **dict.fromkeys(names, K.INTEGER))
        assert [key[1] for key in items if key] == names[:12]
