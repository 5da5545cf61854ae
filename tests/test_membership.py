"""The attack finds nothing in an independent database, and the rows that a copying one holds."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbsynth.quality.comparison import Comparison
from dbsynth.quality.membership import auc, membership, membership_summary
from dbsynth.schema import Column, ForeignKey, Kind, Schema, Table

KINDS = {
    "person": {"id": Kind.INTEGER, "age": Kind.INTEGER, "town": Kind.TEXT, "income": Kind.FLOAT},
    "visit": {"id": Kind.INTEGER, "person_id": Kind.INTEGER, "cost": Kind.FLOAT, "kind": Kind.TEXT},
}
VISITOR = ForeignKey("visitor", "visit", ("person_id",), "person", ("id",))


def draw(seed: int, n: int = 2000) -> dict[str, pa.Table]:
    """n people with two visits each on average, all from one distribution."""
    rng = np.random.default_rng(seed)
    town = rng.integers(0, 9, n)
    income = rng.lognormal(10, 0.5, n) + 1000 * town
    person = {"id": np.arange(n), "age": rng.integers(0, 90, n), "town": [f"town {i}" for i in town], "income": income}
    who = np.repeat(np.arange(n), rng.poisson(2, n))
    visit = {"id": np.arange(len(who)), "person_id": who, "cost": rng.gamma(2, 50, len(who)) + town[who]}
    return {"person": pa.table(person), "visit": pa.table(visit | {"kind": rng.choice(["a", "b", "c"], len(who))})}


def compare(*sides: dict[str, pa.Table], held_out: dict[str, pa.Table] | None = None) -> Comparison:
    """Of the columns that are there."""
    tables = (
        Table(name, tuple(Column(c, k, k.value) for c, k in kinds.items() if c in sides[0][name].column_names), ("id",))
        for name, kinds in KINDS.items()
    )
    return Comparison.of(Schema("sqlite", tuple(tables), (VISITOR,)), *sides, held_out=held_out)


def attack(comparison, table):
    return membership(comparison, table, rng=np.random.default_rng(0), sample_rows=10_000)


class TestAuc:
    @given(st.lists(st.integers(0, 4), min_size=1, max_size=20), st.lists(st.integers(0, 4), min_size=1, max_size=20))
    def test_it_is_the_share_of_pairs_in_order_with_ties_halved(self, members, others):
        members, others = np.array(members, float), np.array(others, float)
        pairs = np.sign(members[:, None] - others[None]) / 2 + 0.5
        score, error = auc(members, others, np.arange(len(members)), np.arange(len(others)))
        assert score == pytest.approx(pairs.mean())
        assert error >= 0

    def test_the_error_is_that_of_repeated_draws(self):
        rng = np.random.default_rng(0)
        found = [auc(rng.normal(0.5, 1, 80), rng.normal(0, 1, 60), np.arange(80), np.arange(60)) for _ in range(300)]
        scores, errors = np.array(found).T
        assert errors.mean() == pytest.approx(scores.std(), rel=0.15)

    def test_rows_of_one_owner_count_once(self):
        rng = np.random.default_rng(0)
        members, others = rng.normal(size=(2, 200))
        once = auc(members, others, np.arange(200), np.arange(200))
        owners = np.repeat(np.arange(200), 5)
        five_times = auc(members.repeat(5), others.repeat(5), owners, owners)
        assert five_times == pytest.approx(once)


class TestAttack:
    def test_a_coin_does_as_well_on_an_independent_database(self):
        items = attack(compare(draw(1), draw(2), held_out=draw(3, 400)), "person")
        assert [bool(item.foreign_keys) for item in items] == [False, True]
        for item in items:
            assert item.score == pytest.approx(0.5, abs=0.07)
            assert not item.note
            assert item.rows == 800

    def test_training_rows_in_the_synthetic_database_are_known(self):
        real = draw(1)
        rows, with_children = attack(compare(real, real, held_out=draw(3, 400)), "person")
        assert rows.score > 0.9
        assert with_children.score > 0.9
        summary = membership_summary([rows, with_children])
        assert summary.tables == ()
        assert summary.score > 0.9
        assert "person" in summary.note

    def test_rows_that_all_look_alike_are_known_by_their_children(self):
        real, held_out = (
            side | {"person": side["person"].select(["id", "town"])} for side in (draw(1), draw(3, 400))
        )
        rows, with_children = attack(compare(real, real, held_out=held_out), "person")
        assert rows.score == pytest.approx(0.5, abs=0.07)
        assert with_children.score > 0.8

    def test_few_rows_are_no_evidence(self):
        items = attack(compare(draw(1), draw(2), held_out=draw(3, 12)), "person")
        assert all("no evidence" in item.note for item in items)
        assert np.isnan(membership_summary(items).score)

    def test_without_unseen_rows_there_is_nothing_to_tell(self):
        assert attack(compare(draw(1), draw(2)), "person") == []
        assert "--holdout" in membership_summary([]).note

    @pytest.mark.parametrize("empty", ["real", "synthetic", "held_out"])
    def test_empty_tables_are_no_evidence(self, empty):
        sides = {"real": draw(1), "synthetic": draw(2), "held_out": draw(3)}
        sides[empty]["visit"] = sides[empty]["visit"][:0]
        comparison = compare(sides["real"], sides["synthetic"], held_out=sides["held_out"])
        assert all(item.note for item in attack(comparison, "visit"))
        attack(comparison, "person")
