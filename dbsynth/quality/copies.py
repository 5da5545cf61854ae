"""Rows and combinations of values of the real database that came through as they are.

Narrow tables of few values repeat by nature, so what counts is only what singles somebody out: a synthetic row counts
if it equals rows of exactly one real owner (see `owners.owners`). A fresh real row does so too now and then, with a
probability that the real rows tell themselves: the share of rows that exactly one other owner has (leave one owner out;
Good, 1953). Only more than that is a leak. A hold-out of a few percent of the rows would say the same, twenty times
less precisely.

Real rows that a rule keeps apart (one race for each year and round) tell nothing of this kind: they repeat less than
rows whose columns are shuffled. There a hit is no evidence.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
import pandas as pd

from ..schema import Kind
from .exact import ExactColumn, row_codes
from .items import Item

__all__ = ["Copies", "copies", "largest_excess", "quasi_identifier_copies"]

_SURE = 3.3  # standard errors: one false alarm in two thousand

_FEW = 5  # rows; in a smaller group somebody is found
_MOST_COLUMNS = 8  # that may be part of a quasi-identifier
_MOST_VALUES = 1000  # of a number in a quasi-identifier
_MOST_COMBINATIONS = 6  # that are counted over all rows
_MOST_ROWS = 100_000  # synthetic, for each of them
_SHOWN = 3
_N_SHUFFLED = 10_000


@dataclass(frozen=True)
class Copies:
    """How many synthetic rows single out a real owner, and how many fresh real rows would; shares of rows."""

    measure: str
    table: str
    columns: tuple[str, ...] = ()  # none: all of them
    score: float = math.nan
    reference: float = math.nan
    error: float = math.nan  # standard error of their difference
    n_rows: int = 0  # synthetic
    exposed: float = math.nan  # share of the real rows that are in groups below 5
    note: str = ""

    @property
    def excess(self) -> float:
        return self.score - self.reference

    @property
    def is_sure(self) -> bool:
        return not self.note and self.excess > _SURE * self.error

    @property
    def item(self) -> Item:
        """Percent; the interval is wide enough for the reference's error too."""
        note = self.note or (self._surplus if self.is_sure else "no more than real rows share with one another")
        return Item(
            self.measure, (self.table,), self.columns, (), 100 * self.score, 100 * self.reference,
            *self._interval(self.score, 0.0), self.n_rows, note,
        )  # fmt: skip

    @property
    def summary(self) -> Item:
        """The same for the whole database, of which this is the worst: the excess."""
        where = ", ".join(f"{self.table}.{column}" for column in self.columns) or self.table
        excess = self._interval(self.excess, -self.reference)
        return Item(
            self.measure, (), (), (), 100 * self.excess, 0.0, *excess, self.n_rows, f"{where}: {self._surplus}"
        )

    @property
    def _surplus(self) -> str:
        return f"{round(self.excess * self.n_rows):,} rows more than real rows would have"

    def _interval(self, centre: float, least: float) -> tuple[float, float]:
        ends = (centre + side * 1.96 * self.error for side in (-1, 1))
        low, high = (100 * min(max(end, least), least + 1.0) for end in ends)
        return low, high


def copies(
    table: str,
    columns: Sequence[ExactColumn],
    real_owners: np.ndarray,
    synthetic_owners: np.ndarray,
    rng: np.random.Generator,
) -> Copies:
    """Synthetic rows that equal, in all columns, rows of one real owner only.

    Args:
        real_owners, synthetic_owners: int64 ``(n_rows,)``.
    """
    if not columns:
        return Copies("copies", table, note="no column is measured")
    if not len(real_owners) or not len(synthetic_owners):
        return Copies("copies", table, note="one side has no rows")
    return replace(_count("copies", table, columns, real_owners, synthetic_owners, rng), columns=())


def _count(
    measure: str,
    table: str,
    columns: Sequence[ExactColumn],
    real_owners: np.ndarray,
    synthetic_owners: np.ndarray,
    rng: np.random.Generator,
) -> Copies:
    sides = [[c.real for c in columns], [c.synthetic for c in columns]]
    drawn = rng.integers(0, len(real_owners), (len(columns), _N_SHUFFLED))
    shuffled = [codes[rows] for codes, rows in zip(sides[0], drawn, strict=True)]
    real, synthetic, mixed = row_codes(columns, *sides, shuffled)
    n_owners = _owners_of(real, real_owners, max(codes.max() for codes in (real, synthetic, mixed)) + 1)
    held = n_owners[real]
    score, error = _share(n_owners[synthetic] == 1, synthetic_owners)
    reference, pairs = _share(held == 2, real_owners)
    # Rows come to the reference in twos, and what is held by one owner shifts with those of two and three: for Poisson
    # counts N2 and N3 of such groups in n rows its variance is (4 N2 + 6 N3) / n².
    triples = _share(held == 3, real_owners)[1]
    error = math.sqrt(error**2 + 2 * (pairs**2 + triples**2) + 1 / len(real) ** 2)
    met = n_owners[mixed] - _of_their_own(real[drawn] == mixed, real_owners[drawn])
    return Copies(
        measure, table, tuple(c.name for c in columns), score, reference, error, len(synthetic),
        float((np.bincount(real)[real] < _FEW).mean()), _doubt(held, real_owners, met),
    )  # fmt: skip


def _of_their_own(equal: np.ndarray, sources: np.ndarray) -> np.ndarray:
    """How many owners a shuffled row meets only because it has a value of theirs.

    Args:
        equal: bool ``(n_columns, n)``, whether the row that a value is from equals the shuffled row as a whole.
        sources: int64, the owners of those rows.
    """
    known = np.sort(np.where(equal, sources, -1), axis=0)
    new = np.diff(known, axis=0, prepend=-1) > 0
    return new.sum(axis=0)


def _doubt(held: np.ndarray, real_owners: np.ndarray, met: np.ndarray) -> str:
    """Why a hit would tell nothing; empty if it would.

    Args:
        held: how many owners each real row has.
        met: how many real owners, but those its values are from, each shuffled row has.
    """
    if not (held == 1).any():
        return "no real row stands alone in its values: there is nobody to copy"
    (repeated, error), (meeting, other) = _share(held > 1, real_owners), _share(met > 0, np.arange(len(met)))
    if meeting - repeated > _SURE * math.hypot(error, other, 1 / len(held)):
        return "no evidence: a rule keeps real rows apart here, while shuffled values meet real rows"
    return ""


def _owners_of(codes: np.ndarray, owners: np.ndarray, n_codes: int) -> np.ndarray:
    """How many different owners each code has, int64 ``(n_codes,)``."""
    n = int(owners.max()) + 1
    return np.bincount(pd.unique(codes * n + owners) // n, minlength=n_codes)


def _share(hit: np.ndarray, owners: np.ndarray) -> tuple[float, float]:
    """The share of rows that are hit, and its standard error where rows of one owner depend on one another."""
    share = float(hit.mean())
    sums = np.bincount(owners, weights=hit - share)
    return share, math.sqrt(float((sums**2).sum())) / len(hit)


def quasi_identifier_copies(
    table: str,
    columns: Sequence[ExactColumn],
    real_owners: np.ndarray,
    synthetic_owners: np.ndarray,
    rng: np.random.Generator,
) -> list[Copies]:
    """The same for two or three columns that an outsider may know, under which most real rows are in groups below 5.

    The columns are categories, dates and numbers of few values. At most six combinations are counted, those that
    tell most rows of a sample apart, and the three with the surest excess are returned.
    """
    if not len(real_owners) or not len(synthetic_owners):
        return []
    at = rng.permutation(len(synthetic_owners))[:_MOST_ROWS]
    found = [
        _count(
            "quasi-identifier copies", table, [replace(c, synthetic=c.synthetic[at]) for c in combination],
            real_owners, synthetic_owners[at], rng,
        )
        for combination in _combinations(columns, rng)
    ]  # fmt: skip
    found = [copies for copies in found if copies.exposed > 0.5]
    return sorted(found, key=lambda copies: copies.excess / copies.error, reverse=True)[:_SHOWN]


def _combinations(columns: Sequence[ExactColumn], rng: np.random.Generator) -> list[tuple[ExactColumn, ...]]:
    """Those that single out most rows of a sample."""
    known = [column for column in columns if _may_be_known(column)][:_MOST_COLUMNS]
    if len(known) < 2:
        return []
    n = len(known[0].real)
    sample = np.sort(rng.permutation(n)[:10_000])
    thin = {c.name: c.real[sample] for c in known}

    def alone(combination: tuple[ExactColumn, ...]) -> int:
        (codes,) = row_codes(combination, [thin[c.name] for c in combination])
        return np.count_nonzero(np.bincount(codes) == 1)

    candidates = [*combinations(known, 2), *combinations(known, 3)]
    return sorted(candidates, key=alone, reverse=True)[:_MOST_COMBINATIONS]


def _may_be_known(column: ExactColumn) -> bool:
    n_values = np.count_nonzero(np.bincount(column.real)[1:])
    if column.column.kind in (Kind.FLOAT, Kind.DECIMAL, Kind.INTEGER):
        return 2 <= n_values <= min(_MOST_VALUES, len(column.real) / 2)
    return n_values >= 2


def largest_excess(measure: str, found: Sequence[Copies]) -> Item:
    """The database's figure: by how many percent of its rows the worst table has more copies than real rows would.

    0 if no table has more than chance explains.
    """
    measured = [copies for copies in found if not math.isnan(copies.score)]
    if not measured:
        return Item(measure, (), note="no table has rows and columns to look for copies in")
    sure = [copies for copies in measured if copies.is_sure]
    if sure:
        return max(sure, key=lambda copies: copies.excess).summary
    rows = sum(copies.n_rows for copies in measured)
    return Item(measure, (), (), (), 0.0, 0.0, rows=rows, note="no table has more than real rows would have")
