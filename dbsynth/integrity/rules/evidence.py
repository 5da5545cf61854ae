"""When a rule that every real row obeys is believed: when it would be no accident.

A rule counts if, were the columns that it binds independent of one another, the chance of all rows obeying it were
below one in a thousand million: none is to be expected by accident among the thousands that are tried. The chance is
that of the permutation test: one column's values are dealt to the rows anew.
"""

from __future__ import annotations

import numpy as np

from ...columns.order import MIN_ROWS, NEEDED, order_evidence

__all__ = ["MIN_ROWS", "believed", "believed_order"]


def believed(n_agreements: int, codes: np.ndarray) -> bool:
    """Whether that many agreements with values like these are no accident.

    Args:
        codes: float or int ``(n,)``, equal for equal values; those of a constant column prove nothing.
    """
    if n_agreements < MIN_ROWS or len(codes) == 0:
        return False
    shares = np.unique(codes, return_counts=True)[1] / len(codes)
    return bool(n_agreements * -np.log((shares**2).sum()) >= NEEDED)


def believed_order(low: np.ndarray, high: np.ndarray) -> bool:
    """Whether it is no accident that ``low`` is nowhere above ``high``, float64 ``(n,)`` both, all known."""
    return len(low) >= MIN_ROWS and bool((low <= high).all()) and order_evidence(low, high) >= NEEDED
