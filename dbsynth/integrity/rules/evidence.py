"""When a rule that every real row obeys is believed: when it would be no accident.

A rule counts if, were the columns it binds independent of one another, the chance that all rows obey it were below
one in a thousand million, so that none is to be expected by accident among the thousands that are tried. The chance is
that of the permutation test: one column's values are dealt to the rows anew.
"""

from __future__ import annotations

import math

import numpy as np

__all__ = ["MIN_ROWS", "NEEDED", "agreement", "order_evidence"]

MIN_ROWS = 20  # rows in which a rule shows
NEEDED = math.log(1e9)  # evidence, -ln(chance), from which a rule is believed


def order_evidence(low: np.ndarray, high: np.ndarray) -> float:
    """-ln of the share of all permutations of ``low`` under which it is nowhere above ``high``.

    The k-th smallest high may take any of the lows up to it that the k - 1 before left over. Two ranges that do not
    overlap give 0: their order says nothing.
    """
    n = len(low)
    if n == 0:
        return 0.0
    taken = np.arange(n)
    free = np.searchsorted(np.sort(low), np.sort(high), "right") - taken
    return float(np.log(n - taken).sum() - np.log(np.maximum(free, 1e-300)).sum())


def agreement(codes: np.ndarray) -> float:
    """-ln of the chance that two random rows have the same value, of whole-number codes; 0 for a constant column."""
    counts = np.unique(codes, return_counts=True)[1]
    return float(-np.log(((counts / max(len(codes), 1)) ** 2).sum())) if len(codes) else 0.0
