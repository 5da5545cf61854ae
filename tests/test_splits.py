"""Rows in two parts: all of them, siblings together, about as many as asked for."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from dbsynth.quality.comparison import Rows
from dbsynth.quality.splits import split_rows
from dbsynth.schema import Column, ForeignKey, Kind, Schema, Table

SCHEMA = Schema(
    "sqlite",
    tuple(
        Table(name, tuple(Column(column, Kind.INTEGER, "integer") for column in columns), ("id",))
        for name, columns in {"few": ["id"], "many": ["id"], "child": ["id", "few", "many"]}.items()
    ),
    tuple(ForeignKey(parent, "child", (parent,), parent, ("id",)) for parent in ("few", "many")),
)


def rows(many: list[int | None], n_few: int = 3) -> Rows:
    n = len(many)
    few = {"id": range(n_few)}
    child = {"id": range(n), "few": np.arange(n) % n_few, "many": pa.array(many, pa.int64())}
    return Rows.of(SCHEMA, {"few": pa.table(few), "many": pa.table({"id": range(100)}), "child": pa.table(child)})


@pytest.mark.parametrize("share", [0.0, 1 / 3, 0.5, 1.0])
def test_every_row_is_in_one_part_and_siblings_are_together(share):
    many = np.random.default_rng(0).integers(0, 100, 400)
    first, second = split_rows(SCHEMA, rows(many.tolist()), "child", share, np.random.default_rng(0))
    assert sorted([*first, *second]) == list(range(400))
    assert not set(many[first]) & set(many[second])
    assert len(first) == pytest.approx(share * 400, abs=12)


def test_too_few_parents_do_not_hold_their_children_together():
    first, second = split_rows(SCHEMA, rows([None] * 60), "child", 0.5, np.random.default_rng(0))
    assert len(first) == len(second) == 30


def test_rows_come_in_random_order():
    first, _ = split_rows(SCHEMA, rows([0]), "many", 0.5, np.random.default_rng(0))
    assert len(first) == 50
    assert list(first) != sorted(first)


def test_no_rows():
    first, second = split_rows(SCHEMA, rows([]), "child", 0.5, np.random.default_rng(0))
    assert len(first) == len(second) == 0
