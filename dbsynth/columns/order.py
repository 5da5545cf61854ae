"""Numbers and moments that stay within bounds which their own row, or their parent's, sets in every row.

Ordered, shipped, delivered; a cost below its price; a parcel after its customer's registration. A column that is bound
so is modelled by where it stands within its bounds, so that no synthetic parcel is delivered before it is shipped:

- by the distance from its lower bound, where distances tell more (delivered two days after it was shipped);
- else by its rank among the values within the bounds: u = (F(x) - F(low)) / (F(high) - F(low)), F the column's own
  distribution. Any u in [0, 1] decodes to a value within the bounds, and none beyond the column's last day.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from ..schema import Kind
from .numbers import DAY, to_numbers
from .ranks import Quantiles, learn_quantiles

__all__ = ["Bound", "Bounded", "code_within", "learn_bounded", "limits"]

_LOOSE = 0.02  # share of random pairs that break a bound, below which a column is drawn as if there were none
_NEAR = 0.5  # distances spread less than this share of the column's own spread: they tell more
_SPIKE = 0.2  # share of the commonest distance from which distances tell more, too


@dataclass(frozen=True)
class Bound:
    """A column that another one is never below (``is_low``), or never above."""

    column: str
    is_low: bool
    strict: bool = False
    by_day: bool = False  # of two moments their days are compared


@dataclass(frozen=True)
class Bounded:
    """How a variable is told from its bounds.

    Attributes:
        among: the distribution of the column whose ranks are told; None: the distance from the lower bound is.
    """

    bounds: tuple[Bound, ...]
    among: Quantiles | None

    def place(self, told: np.ndarray, low: np.ndarray, high: np.ndarray, step: float) -> np.ndarray:
        """The variable's values, float64 ``(n,)``, from what the code tells: distances, or ranks within the bounds."""
        if self.among is None:
            values = np.where(np.isfinite(low), low, np.nan) + told
        else:
            first, last = self.among.below(low), self.among.upto(high)
            ranks = first + np.clip(told, 0.0, 1.0) * np.maximum(last - first, 0.0)
            values = np.where(np.isnan(told), np.nan, self.among.decode(np.nan_to_num(ranks)))
        if step:  # rounding must not lead out of the bounds
            values = np.round(values / step) * step
            low, high = np.ceil(low / step - 1e-6) * step, np.floor(high / step + 1e-6) * step
        return np.maximum(np.minimum(values, high), low)


def limits(
    bounds: Sequence[Bound], arrays: Mapping[str, pa.Array], kinds: Mapping[str, Kind], kind: Kind, part: str,
    step: float, days: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """The least and greatest value that the part of a column may have in each row, float64 ``(n,)``; infinite: any.

    Args:
        arrays, kinds: of the columns that set the bounds; a null sets none.
        kind, part, step: of the column that is bound; see `Numbers`.
        days: of a time of day, the days it is of: only on the very day of a bound is the time bound, too.
    """
    n = len(arrays[bounds[0].column])
    low, high = np.full(n, -np.inf), np.full(n, np.inf)
    for bound in bounds:
        if days is not None and (bound.by_day or kinds[bound.column] is Kind.DATE):
            continue
        values = _in_unit(arrays[bound.column], kinds[bound.column], kind, part, bound.by_day)
        if days is not None:
            values = np.where(_days(arrays[bound.column], kinds[bound.column]) == days, values, np.nan)
        if bound.strict and part != "day":
            values = _next(values, step, 1 if bound.is_low else -1)
        if bound.is_low:
            low = np.fmax(low, values)
        else:
            high = np.fmin(high, values)
    return low, high


def _in_unit(array: pa.Array, kind: Kind, of: Kind, part: str, by_day: bool) -> np.ndarray:
    """A bound in the unit of the column it binds: its own, days, or microseconds; NaN for null."""
    if kind not in (Kind.DATE, Kind.TIMESTAMP, Kind.TIMESTAMPTZ):
        return to_numbers(array, kind)
    if part == "time":
        return to_numbers(array, kind, "time")
    if of is Kind.DATE or part == "day":
        return _days(array, kind)
    return _days(array, kind) * DAY if by_day or kind is Kind.DATE else to_numbers(array, kind)


def _days(array: pa.Array, kind: Kind) -> np.ndarray:
    return to_numbers(array, kind) if kind is Kind.DATE else to_numbers(array, kind, "day")


def _next(values: np.ndarray, step: float, sign: int) -> np.ndarray:
    """The nearest number of the step above the values (below, for sign -1)."""
    if step == 0:
        return np.nextafter(values, sign * np.inf)
    return (np.floor(sign * values / step + 1e-6) + 1) * sign * step


def learn_bounded(x: np.ndarray, low: np.ndarray, high: np.ndarray, bounds: tuple[Bound, ...]) -> Bounded | None:
    """How to tell a variable from its bounds; None: as if it had none, which is repaired where it must be.

    Args:
        x: float64 ``(n,)``, the known values.
        low, high: their bounds, infinite where there is none.
    """
    ordered = np.sort(x)
    bound = np.isfinite(low) | np.isfinite(high)
    breaks = (np.searchsorted(ordered, low, "left") + len(x) - np.searchsorted(ordered, high, "right")) / max(len(x), 1)
    if not bound.any() or breaks[bound].mean() < _LOOSE:
        return None
    if np.isfinite(low).all() and not np.isfinite(high).any():
        gap = x - low
        commonest = np.unique(np.round(gap, 9), return_counts=True)[1].max() / len(x)
        if _spread(gap) < _NEAR * _spread(x) or commonest > _SPIKE:
            return Bounded(bounds, None)
    return Bounded(bounds, learn_quantiles(x))


def _spread(x: np.ndarray) -> float:
    return float(np.subtract(*np.quantile(x, (0.95, 0.05))))


def code_within(
    bounded: Bounded, x: np.ndarray, low: np.ndarray, high: np.ndarray, rng: np.random.Generator
) -> tuple[Quantiles, np.ndarray, np.ndarray]:
    """The distribution of the ranks within the bounds, and each row's interval of their ranks, float64 ``(n,)``."""
    first, last = bounded.among.below(low), bounded.among.upto(high)
    width = np.maximum(last - first, 1e-12)
    least = np.clip((bounded.among.below(x) - first) / width, 0.0, 1.0)
    most = np.clip((bounded.among.upto(x) - first) / width, 0.0, 1.0)
    told = learn_quantiles(least + (most - least) * rng.random(len(x)))
    return told, told.below(least), np.maximum(told.below(least), told.upto(most))
