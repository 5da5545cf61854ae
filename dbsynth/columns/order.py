"""Numbers and moments that stay within bounds which their own row, or their parent's, sets in every row.

Ordered, shipped, delivered; a cost below its price; a parcel after its customer's registration. A column that is bound
so is modelled by where it stands within its bounds, so that no synthetic parcel is delivered before it is shipped:

- by the distance from its lower bound (delivered two days after it was shipped);
- or by its rank among the values within the bounds: u = (F(x) - F(low)) / (F(high) - F(low)), F the column's own
  distribution, or an even one over its range. Any u in [0, 1] decodes to a value within the bounds, and to none beyond
  the column's last day.

Whichever depends least on the bounds themselves is taken: that is how the data came about, and easiest to learn.
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
_SPIKE = 0.2  # share of the commonest distance from which it is distances that tell
_CELLS = 8  # quantiles on each side of the grid on which codes are compared
_COMPARED = 20_000  # rows
_ROUNDS = 40  # of exchanges between rows


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
        own: the variable's distribution.
        told: "distance" from the lower bound; "rank" among its own values within the bounds; "even": the part of the
            way from one bound to the other.
    """

    bounds: tuple[Bound, ...]
    own: Quantiles
    told: str

    @property
    def among(self) -> Quantiles | None:
        """The distribution whose ranks are told; None for distances."""
        if self.told == "even":
            return Quantiles(0.0, np.array([0.0, 1.0]), self.own.v[[0, -1]], discrete=False)
        return self.own if self.told == "rank" else None

    def place(self, told: np.ndarray, low: np.ndarray, high: np.ndarray, step: float) -> np.ndarray:
        """The variable's values, float64 ``(n,)``, from what the code tells: distances, or ranks within the bounds."""
        if (among := self.among) is None:
            values = np.where(np.isfinite(low), low, np.nan) + told
        else:
            first, last = among.below(low), among.upto(high)
            ranks = first + np.clip(told, 0.0, 1.0) * np.maximum(last - first, 0.0)
            values = np.where(np.isnan(told), np.nan, among.decode(np.nan_to_num(ranks)))
        if step:  # rounding must not lead out of the bounds
            values = np.round(values / step) * step
            low, high = np.ceil(low / step - 1e-6) * step, np.floor(high / step + 1e-6) * step
        return np.maximum(np.minimum(values, high), low)

    def calibrated(self, values: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
        """The values with the very distribution of real ones, in the same order as far as the bounds allow.

        What told ranks decode to depends on the bounds that were drawn, which are never quite those of real rows.
        Distances are left alone: what they tell is told in days, and would not survive a shift.
        """
        if self.among is None or not np.isfinite(values).any():
            return values
        known = np.flatnonzero(np.isfinite(values))
        low, high, drawn = low[known], high[known], values[known]
        order = np.argsort(drawn, kind="stable")
        exact = np.empty(len(known))
        exact[order] = self.own.decode((np.arange(len(known)) + 0.5) / len(known))
        exact = _exchanged(exact, low, high, np.random.default_rng(len(known)))
        result = values.copy()
        result[known] = np.where((exact >= low) & (exact <= high), exact, drawn)
        return result


def _exchanged(values: np.ndarray, low: np.ndarray, high: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The values, where rows out of their bounds have exchanged theirs with rows near the bound, both within then."""
    values = values.copy()
    for attempt in range(_ROUNDS):
        outside = (values < low) | (values > high)
        bad = rng.permutation(np.flatnonzero(outside))
        if len(bad) == 0:
            break
        order = np.argsort(values, kind="stable")
        below = values[bad] < low[bad]
        edge = np.searchsorted(values[order], np.where(below, low[bad], high[bad]), "left")
        reach = rng.random(len(bad)) * (2.0 + attempt) / _ROUNDS * len(values)
        other = order[np.clip(edge + np.where(below, reach, -reach - 1), 0, len(values) - 1).astype(np.int64)]
        within = (
            ~outside[other] & (values[other] >= low[bad]) & (values[other] <= high[bad])
            & (values[bad] >= low[other]) & (values[bad] <= high[other])
        )  # fmt: skip
        bad, other = bad[within], other[within]
        alone = np.unique(other, return_index=True)[1]  # nobody exchanges with two
        bad, other = bad[alone], other[alone]
        values[bad], values[other] = values[other], values[bad]
    return values


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


def learn_bounded(
    x: np.ndarray, low: np.ndarray, high: np.ndarray, bounds: tuple[Bound, ...], step: float
) -> Bounded | None:
    """How to tell a variable from its bounds; None: as if it had none, which is repaired where it must be.

    Args:
        x: float64 ``(n,)``, the known values.
        low, high: their bounds, infinite where there is none.
        step: of which the values are multiples; 0: continuous.
    """
    ordered = np.sort(x)
    bound = np.isfinite(low) | np.isfinite(high)
    breaks = (np.searchsorted(ordered, low, "left") + len(x) - np.searchsorted(ordered, high, "right")) / max(len(x), 1)
    if not bound.any() or breaks[bound].mean() < _LOOSE:
        return None
    own = learn_quantiles(x)
    candidates = [Bounded(bounds, own, "rank"), Bounded(bounds, own, "even")]
    if np.isfinite(low).all() and not np.isfinite(high).any():
        distance = np.unique(np.round(x - low, 9), return_counts=True)[1].max() / len(x)
        if distance > _SPIKE:
            return Bounded(bounds, own, "distance")
        candidates.append(Bounded(bounds, own, "distance"))
    rows = np.random.default_rng(len(x)).permutation(len(x))[:_COMPARED]
    return min(candidates, key=lambda bounded: _misfit(bounded, x[rows], low[rows], high[rows], step))


def _misfit(bounded: Bounded, x: np.ndarray, low: np.ndarray, high: np.ndarray, step: float) -> float:
    """How far rows would be from the real ones if what the code tells were dealt anew: total variation, in [0, 1].

    Compared are shares of rows on a grid of the bound and the value.
    """
    rng = np.random.default_rng(0)
    if bounded.among is None:
        told = x - low
    else:
        quantiles, least, most = code_within(bounded, x, low, high, rng)
        told = quantiles.decode(least + (most - least) * rng.random(len(x)))
    dealt = bounded.place(rng.permutation(told), low, high, step)
    by = np.where(np.isfinite(low), low, high)
    cells = [np.unique(np.quantile(v[np.isfinite(v)], np.linspace(0, 1, _CELLS + 1)[1:-1])) for v in (by, x)]
    rows = np.searchsorted(cells[0], by) * (_CELLS + 1)
    ours, theirs = (
        np.bincount(rows + np.searchsorted(cells[1], v), minlength=(_CELLS + 1) ** 2) for v in (x, dealt)
    )
    return 0.5 * float(np.abs(ours - theirs).sum()) / len(x)


def code_within(
    bounded: Bounded, x: np.ndarray, low: np.ndarray, high: np.ndarray, rng: np.random.Generator
) -> tuple[Quantiles, np.ndarray, np.ndarray]:
    """The distribution of the ranks within the bounds, and each row's interval of their ranks, float64 ``(n,)``."""
    among = bounded.among
    first, last = among.below(low), among.upto(high)
    width = np.maximum(last - first, 1e-12)
    least = np.clip((among.below(x) - first) / width, 0.0, 1.0)
    most = np.clip((among.upto(x) - first) / width, 0.0, 1.0)
    told = learn_quantiles(least + (most - least) * rng.random(len(x)))
    return told, told.below(least), np.maximum(told.below(least), told.upto(most))
