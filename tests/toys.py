"""Small encoded databases that every engine is tried on, and what must be true of what it draws."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from dbsynth.columns.codec import Codes
from dbsynth.columns.ranks import rank_intervals
from dbsynth.encoded import Edge, EncodedDatabase, Generated

__all__ = ["check_whole", "codes_of", "diamond", "planted", "same"]


def codes_of(*columns: np.ndarray, n: int = 0) -> Codes:
    if not columns:
        return Codes(np.empty((n, 0), np.float32), np.empty((n, 0), np.float32), ())
    bounds = [rank_intervals(np.asarray(c, float)) for c in columns]
    low, high = (np.stack([b[i] for b in bounds], axis=1).astype(np.float32) for i in (0, 1))
    return Codes(low, high, (None,) * len(columns))


def diamond(*, nulls: bool = True, kept: frozenset[str] = frozenset(), seed: int = 0) -> EncodedDatabase:
    """p1, p2 -> m -> c; no two rows of m share both parents."""
    rng = np.random.default_rng(seed)
    pairs = rng.permutation(list(itertools.product(range(20), range(15))))[:90]
    first = np.where(rng.random(90) < 0.1, -1, pairs[:, 0]) if nulls else pairs[:, 0]
    of_m = rng.integers(-1 if nulls else 0, 90, 150)
    return EncodedDatabase(
        {
            "p1": codes_of(rng.normal(size=20)),
            "p2": codes_of(rng.normal(size=15), rng.integers(0, 3, 15)),
            "m": codes_of(rng.normal(size=90)),
            "c": codes_of(rng.normal(size=150)),
        },
        [Edge("m1", "m", "p1", first), Edge("m2", "m", "p2", pairs[:, 1]), Edge("cm", "c", "m", of_m)],
        kept,
        [frozenset({"m1", "m2"})],
    )


def check_whole(database: EncodedDatabase, made: Generated, scale: float = 1.0) -> None:
    """Every key finds its row, every table has its rows, no pair of parents comes twice."""
    n = {t: len(c) if t in database.kept else len(made.ranks[t]) for t, c in database.tables.items()}
    for table, codes in database.tables.items():
        if table not in database.kept:
            assert n[table] == pytest.approx(scale * len(codes), rel=0.03, abs=1)
            assert made.ranks[table].shape[1] == codes.low.shape[1]
            assert ((made.ranks[table] >= 0) & (made.ranks[table] <= 1)).all()
    for edge in database.edges:
        rows = made.parents[edge.name]
        assert len(rows) == n[edge.child]
        assert rows.min(initial=0) >= -1
        assert rows.max(initial=-1) < n[edge.parent]
        if edge.one_to_one:
            assert np.bincount(rows[rows >= 0]).max(initial=0) <= 1
    for names in database.distinct:
        pairs = [p for p in zip(*(made.parents[e].tolist() for e in sorted(names)), strict=True) if min(p) >= 0]
        assert len(set(pairs)) == len(pairs)


def same(first: Generated, second: Generated) -> bool:
    return all(np.array_equal(first.ranks[t], second.ranks[t]) for t in first.ranks) and all(
        np.array_equal(first.parents[e], second.parents[e]) for e in first.parents
    )


def planted(seed: int = 0) -> tuple[EncodedDatabase, np.ndarray]:
    """A child column that is its parent's plus noise; parents with larger values have more children."""
    rng = np.random.default_rng(seed)
    y = rng.normal(size=400)
    rows = np.repeat(np.arange(400), rng.poisson(np.exp(1 + 0.5 * y)))
    x = y[rows] + 0.5 * rng.normal(size=len(rows))
    database = EncodedDatabase({"p": codes_of(y), "c": codes_of(x)}, [Edge("e", "c", "p", rows)])
    return database, np.corrcoef(np.argsort(np.argsort(x)), np.argsort(np.argsort(y))[rows])[0, 1]
