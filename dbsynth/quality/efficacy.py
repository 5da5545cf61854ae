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

from .boosting import each, grow
from .comparison import Comparison
from .features import Feature, Sample, matrix, own_features, parent_features
from .items import Item, mean_of
from .splits import split_rows

__all__ = ["efficacy"]

_TEST_SHARE = 1 / 3
_FEWEST = 100  # rows to train on, and half as many to test on; below, no column is asked for
_MOST_COLUMNS = 12  # of a table: the first
_MOST_CLASSES = 50  # of a column that is predicted
_OWN_CLASSES = 9  # the commonest; the others are one class together
_LEAST_SKILL = 5  # percent: what real rows cannot teach either is no question

_TRAIN_SYNTHETIC, _TRAIN_REAL, _TEST = range(3)


def efficacy(comparison: Comparison, *, rng: np.random.Generator, sample_rows: int) -> list[Item]:
    """Per column 100 times the skill learned from synthetic rows, `reference` that learned from real ones.

    The summary is the mean of score / reference, at most 1, times 100, over the columns whose reference is at least 5.
    Of each table the first twelve columns are asked for; kept tables, and categories of more than 50 values, are not.

    Args:
        sample_rows: most rows to train on, and to test on.
    """
    tables = [table for table in comparison.schema.table_names if table not in comparison.kept]
    items = [item for table in tables for item in _table_items(comparison, table, rng, sample_rows)]
    shares = [min(1.0, item.score / item.reference) for item in items if item.reference >= _LEAST_SKILL]
    note = "" if shares else "no column can be predicted from the others"
    reference = 100.0 if shares else math.nan
    return [Item("efficacy", (), score=100 * mean_of(shares), reference=reference, note=note), *items]


def _table_items(comparison: Comparison, table: str, rng: np.random.Generator, sample_rows: int) -> list[Item]:
    samples = _samples(comparison, table, rng, sample_rows)
    n_train, n_test = len(samples[_TRAIN_REAL].at), len(samples[_TEST].at)
    columns = comparison.measured[table][:_MOST_COLUMNS]
    if n_train < _FEWEST or n_test < _FEWEST / 2:
        note = f"fewer than {_FEWEST} rows to learn from, or {_FEWEST // 2} to test on"
        return [Item("efficacy", (table,), (column,), rows=n_test, note=note) for column in columns]
    features = own_features(comparison, table, samples) + parent_features(comparison, table, samples)
    tasks = [task for column in columns if (task := _task(features, column)) is not None]
    jobs = [(task, train, int(rng.integers(2**31))) for task in tasks for train in (_TRAIN_SYNTHETIC, _TRAIN_REAL)]
    skills = iter(each(lambda job: _skill(*job), jobs))
    return [_item(table, task.column, 100 * next(skills), 100 * next(skills), n_test) for task in tasks]


def _item(table: str, column: str, score: float, reference: float, rows: int) -> Item:
    note = "" if reference >= _LEAST_SKILL else "real rows do not predict it either"
    return Item("efficacy", (table,), (column,), (), score, reference, rows=rows, note=note)


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
    targets: tuple[np.ndarray, ...]  # classes as whole numbers, or ranks in [0, 1]; NaN: the row stays out
    features: list[Feature]
    is_class: bool


def _task(features: Sequence[Feature], column: str) -> _Task | None:
    """None: the real rows hold one value only, or too many classes, or there is nothing to predict it from."""
    others = [feature for feature in features if feature.column != column]
    target = next(feature for feature in features if feature.column == column)
    if target.categorical:
        targets = tuple(np.nan_to_num(values, nan=-1) for values in target.samples)  # null is a class
    else:
        targets = target.samples
    ladder = np.sort(targets[_TRAIN_REAL][~np.isnan(targets[_TRAIN_REAL])])
    n_values = len(np.unique(ladder))
    if not others or n_values < 2 or (target.categorical and n_values > _MOST_CLASSES):
        return None
    if target.categorical:
        targets = tuple(np.minimum(values, _OWN_CLASSES) for values in targets)
    else:
        targets = tuple(_ranks(values, ladder) for values in targets)
    return _Task(column, targets, others, target.categorical)


def _ranks(values: np.ndarray, ladder: np.ndarray) -> np.ndarray:
    """The middle of the share of the ladder's values below and up to each value; NaN stays."""
    middle = (np.searchsorted(ladder, values, "left") + np.searchsorted(ladder, values, "right")) / (2 * len(ladder))
    return np.where(np.isnan(values), np.nan, middle)


def _skill(task: _Task, train: int, seed: int) -> float:
    """The skill on the test rows of a model trained on a sample, 0 … 1."""
    target, truth = task.targets[train], task.targets[_TEST]
    learn, asked = ~np.isnan(target), ~np.isnan(truth)
    if len(np.unique(target[learn])) < 2:
        return 0.0
    rows, test = matrix(task.features, train)[learn], matrix(task.features, _TEST)[asked]
    model = grow(rows, target[learn], task.features, seed, is_class=task.is_class)
    if task.is_class:
        return max(0.0, 2 * _auc(model.predict_proba(test), model.classes_, truth[asked]) - 1)
    spread = truth[asked].var() if asked.any() else 0.0
    return max(0.0, 1 - np.mean((model.predict(test) - truth[asked]) ** 2) / spread) if spread else math.nan


def _auc(shares: np.ndarray, classes: np.ndarray, truth: np.ndarray) -> float:
    """One class against the rest, weighted by its frequency in the truth; NaN if the truth is one class.

    A class that the model does not know is guessed.
    """
    from scipy.stats import rankdata

    found, counts = np.unique(truth, return_counts=True)
    if len(found) < 2:
        return math.nan
    column = {label: i for i, label in enumerate(classes)}
    areas = []
    for label, n in zip(found, counts, strict=True):
        guess = shares[:, column[label]] if label in column else np.zeros(truth.size)
        ranks = rankdata(guess)[truth == label]
        areas.append((ranks.sum() - n * (n + 1) / 2) / (n * (truth.size - n)))
    return float(np.average(areas, weights=counts))
