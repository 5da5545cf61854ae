"""Whether models learned on synthetic rows predict real ones: train on synthetic, test on real.

For a column, gradient-boosted trees learn it from the other columns of its table and from those of the parent rows:
once on synthetic rows, once on as many real ones. Both predict real rows that neither was trained on. The skill is

- of a category 2 AUC - 1, where AUC is that of each class against all others, weighted by its frequency: 0 for
  guessing, 1 for certainty;
- of a number R² of its rank among the real training rows, in [0, 1], so that no outlier decides.

Where no hold-out was kept aside, a third of the real rows is the test; the maker of the synthetic database may then
have seen them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .boosting import LEAF, each, grow
from .comparison import Comparison
from .features import Feature, Sample, matrix, own_features, parent_features
from .items import Item, mean_of
from .splits import split_rows

__all__ = ["efficacy"]

_TEST_SHARE = 1 / 3
_FEWEST = 100  # rows to train on, and half as many to test on; below, no column is asked for
_MOST_COLUMNS = 12  # of a table: the first
_MOST_CLASSES = 50  # of a column that is predicted
_CLASSES = 10  # null, the eight commonest, and all others together
_LEAST_SKILL = 5  # percent, at the lower end of the interval: what real rows cannot teach either is no question
_TOO_GOOD = 10  # percent above the skill that real rows teach

_PARTS = 10
_STUDENT = 2.26  # standard errors to either side of a mean of ten

_TRAIN_SYNTHETIC, _TRAIN_REAL, _TEST = range(3)


def efficacy(comparison: Comparison, *, rng: np.random.Generator, sample_rows: int) -> list[Item]:
    """Per column 100 times the skill learned from synthetic rows, `reference` that learned from real ones.

    The summary is the mean of score / reference, at most 1, times 100, over the columns that real rows teach: the
    lower end of the reference's 95 % interval is at least 5. Of each table the first twelve columns are
    asked for; kept tables, and categories of more than 50 values, are not.

    Args:
        sample_rows: most rows to train on, and to test on.
    """
    tables = [table for table in comparison.schema.table_names if table not in comparison.kept]
    found = [pair for table in tables for pair in _table_items(comparison, table, rng, sample_rows)]
    score = 100 * mean_of(share for _, share in found)
    if math.isnan(score):
        summary = Item("efficacy", (), note="no column can be predicted from the others")
    else:
        seen = "tested on real rows that the maker of the synthetic ones may have seen"
        summary = Item("efficacy", (), score=score, reference=100.0, note="" if comparison.held_out else seen)
    return [summary, *(item for item, _ in found)]


def _table_items(
    comparison: Comparison, table: str, rng: np.random.Generator, sample_rows: int
) -> list[tuple[Item, float]]:
    """Each column's figure, and its share in the summary, 0 … 1; NaN: none."""
    samples = _samples(comparison, table, rng, sample_rows)
    n_train, n_test = len(samples[_TRAIN_REAL].at), len(samples[_TEST].at)
    columns = comparison.measured[table][:_MOST_COLUMNS]
    if n_train < _FEWEST or n_test < _FEWEST / 2:
        note = f"fewer than {_FEWEST} rows to learn from, or {_FEWEST // 2} to test on"
        return [(Item("efficacy", (table,), (column,), rows=n_test, note=note), math.nan) for column in columns]
    features = own_features(comparison, table, samples) + parent_features(comparison, table, samples)
    tasks = [_task(features, column) for column in columns]
    asked = [task for task in tasks if not task.obstacle]
    sources = _TRAIN_SYNTHETIC, _TRAIN_REAL
    jobs = [(task, source, int(rng.integers(2**31))) for task in asked for source in sources]
    answers = iter(each(lambda job: _answers(*job), jobs))
    return [
        (Item("efficacy", (table,), (task.column,), rows=n_test, note=task.obstacle), math.nan)
        if task.obstacle
        else _judge(table, task, next(answers), next(answers))
        for task in tasks
    ]


def _judge(table: str, task: _Task, answers: np.ndarray, real_answers: np.ndarray) -> tuple[Item, float]:
    score, reference = (100 * _skill(task, a, task.truth) for a in (answers, real_answers))
    low, high = _interval(task, answers, score)
    is_question = np.fmin(_interval(task, real_answers, reference)[0], reference) >= _LEAST_SKILL
    if math.isnan(reference):
        notes = ["one value only among the tested rows"]
    else:
        notes = [] if is_question else ["real rows do not predict it either"]
    if low > reference + _TOO_GOOD:
        notes.append("better than real rows teach it: it knows the tested rows or their siblings")
    where, note = ((table,), (task.column,), ()), "; ".join(notes)
    item = Item("efficacy", *where, score, reference, low, high, len(task.truth), note)
    return item, min(1.0, score / reference) if is_question else math.nan


def _samples(comparison: Comparison, table: str, rng: np.random.Generator, most: int) -> list[Sample]:
    """Synthetic and real rows to train on, equally many, and real rows to test on."""
    real, synthetic, held_out = comparison.real, comparison.synthetic, comparison.held_out
    if held_out is None:
        test, train = split_rows(comparison.schema, real, table, _TEST_SHARE, rng)
    else:
        test, train = rng.permutation(held_out.count(table)), rng.permutation(real.count(table))
    theirs = rng.permutation(synthetic.count(table))
    n = min(most, len(train), len(theirs))
    return [Sample(synthetic, theirs[:n]), Sample(real, train[:n]), Sample(held_out or real, test[:most])]


@dataclass(frozen=True)
class _Task:
    """A column to predict, and what to predict it from."""

    column: str
    targets: tuple[np.ndarray, ...]  # classes 0 … n_classes - 1, or ranks in [0, 1]; NaN: the row stays out
    features: list[Feature]
    n_classes: int  # 0: a number
    obstacle: str = ""  # why it is not asked

    @property
    def truth(self) -> np.ndarray:
        """What is to be predicted of the test rows."""
        target = self.targets[_TEST]
        return target[~np.isnan(target)]


def _task(features: Sequence[Feature], column: str) -> _Task:
    others = [feature for feature in features if feature.column != column]
    target = next(feature for feature in features if feature.column == column)
    # Null is a class, the first; codes count from the commonest value on.
    targets = tuple(np.nan_to_num(v + 1) if target.categorical else v for v in target.samples)
    ladder = np.sort(targets[_TRAIN_REAL][~np.isnan(targets[_TRAIN_REAL])])
    n_values = len(np.unique(ladder))
    obstacle = "no column to predict it from" if not others else "one value only" if n_values < 2 else ""
    if not target.categorical:
        return _Task(column, tuple(_ranks(values, ladder) for values in targets), others, 0, obstacle)
    if n_values > _MOST_CLASSES:
        obstacle = f"more than {_MOST_CLASSES} values"
    return _Task(column, tuple(np.minimum(values, _CLASSES - 1) for values in targets), others, _CLASSES, obstacle)


def _ranks(values: np.ndarray, ladder: np.ndarray) -> np.ndarray:
    """The share of the ladder that lies below each value, its equals counted half; NaN stays."""
    ends = [np.searchsorted(ladder, values, side) for side in ("left", "right")]
    return np.where(np.isnan(values), np.nan, np.mean(ends, axis=0) / max(len(ladder), 1))


def _answers(task: _Task, train: int, seed: int) -> np.ndarray:
    """What a model trained on a sample says of the test rows: ranks ``(n,)``, or shares ``(n, n_classes)``."""
    target = task.targets[train]
    learn, asked = ~np.isnan(target), ~np.isnan(task.targets[_TEST])
    rows, test = matrix(task.features, train)[learn], matrix(task.features, _TEST)[asked]
    if len(np.unique(target[learn])) < 2 or not len(test):  # nothing to learn, or to say
        return np.zeros((len(test), task.n_classes) if task.n_classes else len(test))
    model = grow(rows, target[learn], task.features, seed, is_class=task.n_classes > 0)
    if not task.n_classes:
        return model.predict(test)
    shares = np.zeros((len(test), task.n_classes))
    shares[:, model.classes_.astype(int)] = model.predict_proba(test)
    return shares


def _skill(task: _Task, answers: np.ndarray, truth: np.ndarray) -> float:
    """How well the answers fit the truth, 0 … 1; NaN where that is one value only."""
    if not truth.size or truth.min() == truth.max():
        return math.nan
    if task.n_classes:
        return max(0.0, 2 * _auc(answers, truth) - 1)
    return max(0.0, 1 - np.mean((answers - truth) ** 2) / truth.var())


def _auc(shares: np.ndarray, truth: np.ndarray) -> float:
    """The area under the curve of each class against the rest, weighted by its frequency in the truth."""
    from scipy.stats import rankdata

    found, counts = np.unique(truth.astype(int), return_counts=True)
    ranks = rankdata(shares[:, found], axis=0)
    sums = np.array([column[truth == label].sum() for column, label in zip(ranks.T, found, strict=True)])
    return float(np.average((sums - counts * (counts + 1) / 2) / (counts * (truth.size - counts)), weights=counts))


def _interval(task: _Task, answers: np.ndarray, score: float) -> tuple[float, float]:
    """The 95 % interval, from how much the skill differs between ten parts of the test rows; these are in no order.

    NaN where the rows are few, or a part holds one value only.
    """
    truth = task.truth
    if len(truth) < _PARTS * LEAF:
        return math.nan, math.nan
    parts = zip(np.array_split(answers, _PARTS), np.array_split(truth, _PARTS), strict=True)
    margin = _STUDENT * 100 * np.std([_skill(task, *part) for part in parts], ddof=1) / math.sqrt(_PARTS)
    low, high = np.clip([score - margin, score + margin], 0.0, 100.0)
    return float(low), float(high)
