"""Leaks of every kind are found, and rows drawn anew are not taken for leaks."""

from __future__ import annotations

import math

import numpy as np
import pyarrow as pa
import pytest

from dbsynth.quality.comparison import Comparison
from dbsynth.quality.copies import Copies
from dbsynth.quality.exact import exact_columns, row_codes
from dbsynth.quality.items import Item
from dbsynth.quality.owners import owners, rows_by_owner
from dbsynth.quality.privacy import privacy
from dbsynth.schema import Column, ForeignKey, Kind, Schema, Table

K = Kind
MEASURES = {
    "copies", "quasi-identifier copies", "dcr", "dcr share", "nndr", "mia auc", "rare values", "extremes",
    "fabricated overlap",
}  # fmt: skip


def table(table_name: str, *, primary_key: tuple[str, ...] = ("id",), **kinds: Kind) -> Table:
    return Table(table_name, tuple(Column(column, kind, kind.value) for column, kind in kinds.items()), primary_key)


PEOPLE = Schema(
    "sqlite",
    (
        table("person", id=K.INTEGER, born=K.DATE, sex=K.TEXT, town=K.TEXT, income=K.FLOAT, email=K.TEXT),
        table("visit", id=K.INTEGER, person_id=K.INTEGER, at=K.TIMESTAMP, cost=K.DECIMAL, kind=K.TEXT),
    ),
    (ForeignKey("visitor", "visit", ("person_id",), "person", ("id",)),),
)


def draw(seed: int, n: int = 2000) -> dict[str, pa.Table]:
    """n people with two visits each on average, all from one distribution."""
    rng = np.random.default_rng(seed)
    town = np.minimum(rng.zipf(1.6, n), 60)
    person = {
        "id": np.arange(n),
        "born": pa.array(rng.integers(-10_000, 10_000, n).astype(np.int32), pa.date32()),
        "sex": rng.choice(["f", "m"], n),
        "town": [f"town {i}" for i in town],
        "income": (rng.lognormal(10, 0.5, n) + 100 * town).round(2),
        "email": [f"{i:012}@example.org" for i in rng.integers(0, 10**12, n)],
    }
    who = np.repeat(np.arange(n), rng.poisson(2, n))
    visit = {
        "id": np.arange(len(who)),
        "person_id": who,
        "at": pa.array(rng.integers(0, 10**8, len(who)) * 10**6, pa.timestamp("us")),
        "cost": (town[who] + rng.gamma(2, 50, len(who))).round(2),
        "kind": rng.choice(["a", "b", "c"], len(who), p=[0.7, 0.2, 0.1]),
    }
    return {"person": pa.table(person), "visit": pa.table(visit)}


def leak(fresh: pa.Table, real: pa.Table, share: float, keys: tuple[str, ...]) -> pa.Table:
    """The fresh rows, the first of them with the values of real rows; keys stay."""
    n = round(share * fresh.num_rows)
    columns = {
        name: fresh[name] if name in keys else pa.chunked_array([*real[name][:n].chunks, *fresh[name][n:].chunks])
        for name in fresh.column_names
    }
    return pa.table(columns)


def compare(real, synthetic, schema: Schema = PEOPLE, **more) -> Comparison:
    return Comparison.of(schema, real, synthetic, leave_out={("person", "email")}, **more)


def alone(kinds: dict[str, Kind], real: dict, synthetic: dict, **more) -> Comparison:
    """Of one table `t` without a key."""
    sides = ({"t": pa.table(side)} for side in (real, synthetic))
    return Comparison.of(Schema("sqlite", (table("t", primary_key=(), **kinds),)), *sides, **more)


def figures(comparison: Comparison, seed: int = 0) -> list[Item]:
    return privacy(comparison, rng=np.random.default_rng(seed))


def summary(items: list[Item]) -> dict[str, Item]:
    return {item.measure: item for item in items if not item.tables}


def one(items: list[Item], measure: str, *names: str) -> Item:
    """The item of a table, or of a table and columns."""
    (found,) = [i for i in items if i.measure == measure and i.tables and (*i.tables, *i.columns) == names]
    return found


class TestVerdicts:
    @pytest.mark.parametrize("held_out", [None, draw(3, 400)])
    def test_rows_drawn_anew_give_nobody_away(self, held_out):
        found = summary(figures(compare(draw(1), draw(2), held_out=held_out)))
        assert found.keys() == MEASURES
        assert found["copies"].score == found["quasi-identifier copies"].score == 0
        assert found["dcr"].score == found["nndr"].score == 1
        assert found["fabricated overlap"].score == 0
        if held_out is None:
            assert math.isnan(found["mia auc"].score)
            assert math.isnan(found["dcr share"].score)
            assert "--holdout" in found["mia auc"].note
            assert "--holdout" in found["dcr share"].note
        else:
            assert found["mia auc"].score < 0.55
            assert found["dcr share"].low < 50 < found["dcr share"].high

    def test_the_real_database_itself_shouts(self):
        real = draw(1)
        found = summary(figures(compare(real, real, held_out=draw(3, 400))))
        assert found["copies"].score > 95
        assert found["quasi-identifier copies"].score > 50
        assert found["dcr"].score == found["nndr"].score == 0
        assert found["dcr share"].score > 90
        assert found["mia auc"].score > 0.9
        assert found["fabricated overlap"].score == 100
        assert found["extremes"].score == found["extremes"].reference > 0

    @pytest.mark.parametrize("held_out", [None, draw(3, 400)])
    def test_one_percent_of_the_rows_leaked_verbatim_is_caught(self, held_out):
        real, fresh = draw(1), draw(2)
        leaky = {
            "person": leak(fresh["person"], real["person"], 0.01, ("id", "email")),
            "visit": leak(fresh["visit"], real["visit"], 0.01, ("id", "person_id")),
        }
        items = figures(compare(real, leaky, held_out=held_out))
        assert summary(items)["copies"].score == pytest.approx(1, abs=0.2)
        assert summary(items)["copies"].low > 0
        for name in ("person", "visit"):
            copies = one(items, "copies", name)
            assert copies.low > copies.reference
            assert f"{round(0.01 * copies.rows)} rows more" in copies.note

    def test_copies_with_a_little_noise_are_closer_than_unseen_rows(self):
        real, fresh = draw(1), draw(2)
        person = leak(fresh["person"], real["person"], 0.2, ("id", "email"))
        noisy = pa.array(np.asarray(person["income"]) + 0.01)
        person = person.set_column(person.column_names.index("income"), "income", noisy)
        items = figures(compare(real, fresh | {"person": person}))
        assert summary(items)["copies"].score == 0
        assert summary(items)["dcr"].score < 0.5
        assert "person" in summary(items)["dcr"].note

    def test_the_same_seed_gives_the_same_figures(self):
        comparison = compare(draw(1), draw(2), held_out=draw(3, 400))
        assert [i.to_json() for i in figures(comparison)] == [i.to_json() for i in figures(comparison)]

    def test_kept_tables_are_not_asked_about(self):
        real = draw(1, 100)
        items = figures(compare(real, real, kept={"person"}))
        assert {name for item in items for name in item.tables} == {"visit"}


class TestCopies:
    def test_rows_that_several_real_rows_share_tell_nothing(self):
        values = {"x": ["a", "b", "c"] * 400}
        comparison = alone({"x": K.TEXT}, values, values)
        item = one(figures(comparison), "copies", "t")
        assert item.score == 0
        assert "nobody to copy" in item.note

    def test_narrow_tables_repeat_by_nature(self):
        rng = np.random.default_rng(0)
        real, synthetic = ({"x": rng.zipf(1.3, 3000), "y": rng.integers(0, 5, 3000)} for _ in range(2))
        item = one(figures(alone({"x": K.INTEGER, "y": K.INTEGER}, real, synthetic)), "copies", "t")
        assert item.reference > 1
        assert item.low < item.reference < item.high
        assert "no more than" in item.note

    def test_rows_that_a_rule_keeps_apart_are_no_evidence(self):
        """Each year has each round once: whoever draws a year and a round meets a real row, and only one."""
        real = {"year": np.repeat(np.arange(50), 16), "round": np.tile(np.arange(16), 50)}
        rng = np.random.default_rng(0)
        synthetic = {"year": rng.integers(0, 50, 800), "round": rng.integers(0, 16, 800)}
        items = figures(alone({"year": K.INTEGER, "round": K.INTEGER}, real, synthetic))
        assert one(items, "copies", "t").score == 100
        assert "a rule" in one(items, "copies", "t").note
        assert summary(items)["copies"].score == 0

    def test_siblings_that_resemble_one_another_excuse_no_copies(self):
        """Each person's visits are alike, so that leaving out one visit would find the others."""
        rng = np.random.default_rng(0)
        real, fresh = draw(1, 500), draw(2, 500)

        def alike(tables):
            cost = rng.integers(10**6, size=500)[np.asarray(tables["visit"]["person_id"])] / 100
            visit = tables["visit"].drop_columns(["at", "cost"]).append_column("cost", pa.array(cost))
            return tables | {"visit": visit}

        real, fresh = alike(real), alike(fresh)
        visit = table("visit", id=K.INTEGER, person_id=K.INTEGER, cost=K.FLOAT, kind=K.TEXT)
        schema = Schema("sqlite", (PEOPLE.table("person"), visit), PEOPLE.foreign_keys)
        fresh["visit"] = leak(fresh["visit"], real["visit"], 0.1, ("id", "person_id"))
        item = one(figures(compare(real, fresh, schema)), "copies", "visit")
        assert item.reference < 1
        assert item.low > item.reference

    def test_values_of_other_types_and_blanks_are_the_same(self):
        real = {"x": pa.array([1, 2, None]), "y": pa.array(["a", "b  ", None])}
        synthetic = {"x": pa.array([1.0, 2.0, None]), "y": pa.array(["a ", "b", None])}
        columns = exact_columns(alone({"x": K.INTEGER, "y": K.TEXT}, real, synthetic), "t")
        first, second = row_codes(columns, [c.real for c in columns], [c.synthetic for c in columns])
        assert first.tolist() == second.tolist()
        assert len(set(first.tolist())) == 3

    def test_rows_of_very_many_columns_keep_apart(self):
        rng = np.random.default_rng(0)
        values = {f"x{i}": rng.permutation(1000) for i in range(12)}
        columns = exact_columns(alone(dict.fromkeys(values, K.INTEGER), values, values), "t")
        real, synthetic = row_codes(columns, [c.real for c in columns], [c.synthetic for c in columns])
        assert len(np.unique(real)) == 1000
        assert (real == synthetic).all()

    def test_references_to_kept_tables_are_part_of_a_quasi_identifier(self):
        rng = np.random.default_rng(0)
        schema = Schema(
            "sqlite",
            (table("town", id=K.INTEGER, name=K.TEXT),
             table("person", id=K.INTEGER, town_id=K.INTEGER, born=K.DATE, sex=K.TEXT)),
            (ForeignKey("home", "person", ("town_id",), "town", ("id",)),),
        )  # fmt: skip
        towns = pa.table({"id": range(70), "name": [f"t{i}" for i in range(70)]})

        def people():
            born = pa.array(rng.integers(0, 9000, 1000).astype(np.int32), pa.date32())
            person = {"id": range(1000), "town_id": rng.integers(0, 70, 1000), "born": born}
            return {"town": towns, "person": pa.table(person | {"sex": rng.choice(["f", "m"], 1000)})}

        real, fresh = people(), people()
        fresh["person"] = leak(fresh["person"], real["person"], 0.05, ("id",))
        items = figures(Comparison.of(schema, real, fresh, kept={"town"}))
        found = summary(items)["quasi-identifier copies"]
        assert found.score == pytest.approx(5, abs=0.5)
        assert "person.town_id" in found.note

    def test_the_summary_is_about_the_worst_table(self):
        item = Copies("copies", "t", score=0.03, reference=0.01, error=0.001, n_rows=1000).summary
        assert (item.score, item.reference, item.tables) == (pytest.approx(2), 0, ())
        assert item.low == pytest.approx(2 - 0.196)
        assert item.note == "t: 20 rows more than real rows would have"


class TestOwners:
    def test_rows_belong_to_whom_their_parent_belongs(self):
        comparison = compare(draw(1, 60), draw(2, 60))
        assert owners(comparison, comparison.real, "person").tolist() == list(range(60))
        parents = np.asarray(comparison.real.tables["visit"]["person_id"])
        assert (owners(comparison, comparison.real, "visit") == parents).all()

    def test_orphans_belong_to_themselves(self):
        real = draw(1, 60)
        n = real["visit"].num_rows
        nobody = pa.array([None] * n, pa.int64())
        real["visit"] = real["visit"].set_column(1, "person_id", nobody)
        comparison = compare(real, draw(2, 60))
        assert len(np.unique(owners(comparison, comparison.real, "visit"))) == n

    def test_rows_whose_parent_is_missing_belong_to_themselves(self):
        """The database has one person, and visits of others."""
        lost = draw(2, 60) | {"person": draw(2, 1)["person"]}
        comparison = compare(draw(1, 60), lost)
        whose = owners(comparison, comparison.synthetic, "visit")
        lost_rows = comparison.synthetic.parents[PEOPLE.foreign_keys[0]] < 0
        assert len(np.unique(whose[lost_rows])) == np.count_nonzero(lost_rows) > 0
        figures(comparison)

    def test_rows_come_owner_by_owner(self):
        whose = np.array([3, 1, 3, 1, 0, 3])
        order = rows_by_owner(whose, np.random.default_rng(0))
        assert sorted(order.tolist()) == list(range(6))
        assert np.count_nonzero(np.diff(whose[order])) == 2


class TestSingleValues:
    def test_rare_categories_that_came_through_are_counted(self):
        real = {"x": ["a"] * 50 + ["rare"] * 4 + ["rarer"] + [None]}
        synthetic = {"x": ["a"] * 50 + ["rare", "new"]}
        items = figures(alone({"x": K.TEXT}, real, synthetic))
        item = one(items, "rare values", "t", "x")
        assert (item.score, item.reference) == (1, 2)
        assert "rare" not in item.note
        assert summary(items)["rare values"].score == 1

    def test_values_that_the_schema_names_are_no_secret(self):
        column = Column("x", K.ENUM, "enum", enum_values=("a", "b"))
        schema = Schema("sqlite", (Table("t", (column,)),))
        sides = ({"t": pa.table({"x": ["a", "a", "b"]})} for _ in range(2))
        assert one(figures(Comparison.of(schema, *sides)), "rare values", "t", "x").reference == 0

    def test_ends_that_few_rows_have_are_counted(self):
        real = {"x": [1.5] + [2.0] * 20 + [9.0] * 5}
        items = figures(alone({"x": K.FLOAT}, real, {"x": [1.5, 2.0, 9.0]}))
        item = one(items, "extremes", "t", "x")
        assert (item.score, item.reference) == (1, 1)  # five rows have the other end

    def test_invented_values_that_are_real_ones_are_counted(self):
        real = {"x": ["anna@a.org", "bert@b.org"] * 2, "y": [b"1", b"2"] * 2}
        synthetic = {"x": ["anna@a.org ", "carl@c.org"] * 2, "y": [b"3", b"4"] * 2}
        items = figures(alone({"x": K.TEXT, "y": K.BINARY}, real, synthetic, leave_out={("t", "x"), ("t", "y")}))
        item = one(items, "fabricated overlap", "t", "x")
        assert (item.score, item.rows) == (50, 1)
        assert one(items, "fabricated overlap", "t", "y").score == 0
        assert "t.x" in summary(items)["fabricated overlap"].note

    def test_accidents_among_short_values_are_called_so(self):
        rng = np.random.default_rng(0)
        real, synthetic = ({"x": [f"no {i:03}" for i in rng.integers(0, 1000, 200)]} for _ in range(2))
        items = figures(alone({"x": K.TEXT}, real, synthetic, leave_out={("t", "x")}))
        item = one(items, "fabricated overlap", "t", "x")
        assert item.score > 0
        assert "chance" in item.note


class TestBadInput:
    @pytest.mark.parametrize("n_real", [0, 1, 2, 3])
    @pytest.mark.parametrize("n_synthetic", [0, 1, 2])
    @pytest.mark.parametrize("n_held", [None, 0, 1, 3])
    def test_tables_of_hardly_any_rows(self, n_real, n_synthetic, n_held):
        held_out = None if n_held is None else draw(3, n_held)
        items = figures(compare(draw(1, n_real), draw(2, n_synthetic), held_out=held_out))
        assert summary(items).keys() == MEASURES
        for name in ("mia auc", "dcr share"):
            assert math.isnan(summary(items)[name].score)
            assert summary(items)[name].note

    @pytest.mark.parametrize(
        "values", [pa.nulls(100, pa.float64()), pa.array([7.0] * 100), pa.array([math.nan, math.inf] * 50)]
    )
    def test_columns_without_anything_in_them(self, values):
        sides = ({"x": values, "y": pa.array([None] * 100, pa.string())} for _ in range(2))
        held_out = {"t": pa.table({"x": values, "y": pa.array(["a"] * 100)})}
        items = figures(alone({"x": K.FLOAT, "y": K.TEXT}, *sides, held_out=held_out))
        assert summary(items)["copies"].score == 0

    def test_tables_without_a_measured_column(self):
        sides = ({"x": ["a", "b"]} for _ in range(2))
        items = figures(alone({"x": K.JSON}, *sides))
        assert math.isnan(one(items, "copies", "t").score)
        assert all(item.note for item in items)
