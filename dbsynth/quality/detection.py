"""Whether a classifier tells synthetic rows from real ones: the classifier two-sample test.

C2ST (Lopez-Paz and Oquab, "Revisiting Classifier Two-Sample Tests", ICLR 2017): equally many real and synthetic rows,
half of them guessed right by somebody who cannot tell. Gradient-boosted trees are trained on four fifths of the rows
and asked about the last, five times over; the score is the share they get right. "c2st with children" also shows each
row's children in aggregates (C2ST-Agg of SyntheRela, Hudovernik et al., 2024), so that a foreign key which leads to the
wrong rows is seen.

Rows that equal one another in every feature are kept in one fold while they are few, or a copy of a real row, learned
as synthetic, would make the classifier wrong about the real one. What is common, such as the two truths of a lone
boolean, is spread over the folds: it must be learned to be told.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd

from .boosting import LEAF, each, grow
from .comparison import Comparison
from .features import Feature, Sample, child_features, matrix, own_features
from .items import Item, mean_of
from .splits import split_rows

__all__ = ["detect"]

_FOLDS = 5
_FEWEST = 50  # rows of each side; below, a score would say nothing
_FEW = 500  # rows of each side; below, a score says little
_SEEN = 0.55  # above this accuracy the reader is told what gives the rows away
_N_SIGNS = 3


def detect(comparison: Comparison, *, rng: np.random.Generator, sample_rows: int) -> list[Item]:
    """Per table the accuracy of a classifier, 0 … 1, and the mean over the tables; 0.5: nobody can tell.

    "c2st" sees the table's own columns, "c2st with children", of tables with children, aggregates of these too. Kept
    tables are left out. The interval is Wilson's for independent rows. The reference is the accuracy between two halves
    of the real rows, siblings together.

    Args:
        sample_rows: most rows of each side.
    """
    items = []
    for table in comparison.schema.table_names:
        if table not in comparison.kept:
            items += _table_items(comparison, table, rng, sample_rows)
    names = sorted({item.measure for item in items} | {"c2st"})
    return [_summary(name, [item for item in items if item.measure == name]) for name in names] + items


def _summary(measure: str, items: Sequence[Item]) -> Item:
    """The mean over the tables; a score below a half makes up for nothing in another table."""
    score = mean_of(max(item.score, 0.5) for item in items)
    reference = mean_of(max(item.reference, 0.5) for item in items)
    note = "no table could be judged" if math.isnan(score) else ""
    return Item(measure, (), score=score, reference=reference, note=note)


def _table_items(comparison: Comparison, table: str, rng: np.random.Generator, sample_rows: int) -> Iterator[Item]:
    sides = comparison.real, comparison.synthetic
    pairs = [
        _even([Sample(side, rng.permutation(side.count(table))) for side in sides], sample_rows),
        _even([Sample(sides[0], at) for at in split_rows(comparison.schema, sides[0], table, 0.5, rng)], sample_rows),
    ]
    own = [own_features(comparison, table, pair) for pair in pairs]
    n = len(pairs[0][0].at)
    yield _item("c2st", table, own, n, rng)
    if comparison.schema.foreign_keys_to(table):
        below = [child_features(comparison, table, pair) for pair in pairs]
        both = [mine + theirs for mine, theirs in zip(own, below, strict=True)]
        yield _item("c2st with children", table, both, n, rng)


def _even(samples: Sequence[Sample], most: int) -> list[Sample]:
    n = min(most, *(len(sample.at) for sample in samples))
    return [Sample(sample.rows, sample.at[:n]) for sample in samples]


def _item(measure: str, table: str, features: Sequence[Sequence[Feature]], n: int, rng: np.random.Generator) -> Item:
    """The figure for the features of real and synthetic rows, and of two halves of the real ones."""
    if n < _FEWEST or not features[0]:
        note = f"fewer than {_FEWEST} rows to compare" if n < _FEWEST else "no column to tell rows by"
        return Item(measure, (table,), rows=2 * n, note=note)
    is_right, signs = _cross_validate(features[0], rng)
    again = features[1] if len(features[1][0].samples[0]) >= _FEWEST else None
    reference = _cross_validate(again, rng)[0].mean() if again else math.nan
    interval = _wilson(is_right.sum(), is_right.size)
    return Item(
        measure, (table,), (), (), float(is_right.mean()), float(reference), *interval, 2 * n, _note(interval, signs, n)
    )


def _note(interval: tuple[float, float], signs: Sequence[str], n: int) -> str:
    words = [f"given away by {', '.join(signs)}"] if signs else []
    if interval[1] < 0.5:
        words += ["below a half: nearer to these very rows than fresh real rows would be"]
    if n < _FEW:
        words += ["few rows, a weak test"]
    return "; ".join(words)


def _cross_validate(features: Sequence[Feature], rng: np.random.Generator) -> tuple[np.ndarray, list[str]]:
    """Which rows are guessed right, bool ``(2 n,)``, and the features that helped most if many are."""
    rows = np.concatenate([matrix(features, side) for side in (0, 1)])
    is_second = np.arange(len(rows)) >= len(rows) // 2
    fold = _folds(rows, rng)

    def ask(job: tuple[int, np.random.Generator]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        number, rng = job
        test = np.flatnonzero(fold == number)
        learn = np.flatnonzero(fold != number)
        if not len(test) or len(np.unique(is_second[learn])) < 2:
            return test, rng.random(len(test)) < 0.5, np.zeros(len(features))
        model = grow(rows[learn], is_second[learn], features, int(rng.integers(2**31)))
        is_right = model.predict(rows[test]) == is_second[test]
        told = number == 0 and is_right.mean() > _SEEN
        return test, is_right, _drops(model, rows[test], is_second[test], rng) if told else np.zeros(len(features))

    tests, answers, drops = zip(*each(ask, enumerate(rng.spawn(_FOLDS))), strict=True)
    is_right = np.empty(len(rows), bool)
    is_right[np.concatenate(tests)] = np.concatenate(answers)
    order = np.argsort(-drops[0], kind="stable")[:_N_SIGNS]
    return is_right, [features[i].name for i in order if drops[0][i] > 0.01]


def _folds(rows: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A fold for each row, int64 ``(2 n,)``; rows that are equal, and no more than fit a leaf, have the same.

    The folds hold as many rows of one side as of the other, as far as that goes: else the classifier could learn which
    side has more of the other folds.
    """
    group, _ = pd.factorize(pd.util.hash_pandas_object(pd.DataFrame(rows), index=False))
    alone = np.bincount(group)[group] > LEAF
    unit, _ = pd.factorize(np.where(alone, len(rows) + np.arange(len(rows)), group))
    first, second = (np.bincount(half, minlength=unit.max() + 1) for half in np.split(unit, 2))
    make, makes = pd.factorize(first * (LEAF + 1) + second)
    order = rng.permutation(len(make))
    place = np.empty(len(make), np.int64)
    place[order] = pd.Series(make[order]).groupby(make[order]).cumcount()
    return ((place + rng.integers(_FOLDS, size=len(makes))[make]) % _FOLDS)[unit]


def _drops(model: Any, rows: np.ndarray, is_second: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """How much accuracy is lost, by feature, when its values are dealt out anew (Breiman, 2001)."""
    right = (model.predict(rows) == is_second).mean()
    order = rng.permutation(len(rows))
    drops = np.zeros(rows.shape[1])
    for i in range(rows.shape[1]):
        mixed = rows.copy()
        mixed[:, i] = rows[order, i]
        drops[i] = right - (model.predict(mixed) == is_second).mean()
    return drops


def _wilson(right: int, n: int) -> tuple[float, float]:
    """The 95 % interval of a share (Wilson, 1927)."""
    from scipy.stats import binomtest

    interval = binomtest(int(right), int(n)).proportion_ci(method="wilson")
    return float(interval.low), float(interval.high)
