"""Bins that a reader can name: on round numbers or calendar units, so that no edge is somebody's value."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from ..schema import Kind

__all__ = ["FEWEST_ROWS", "Bins", "make_bins"]

FEWEST_ROWS = 5  # of the real database at an end of the axis, and behind a category's name
_MOST_BINS, _FEWEST_BINS = 30, 6
_LARGEST = 1e300  # beyond it sums overflow
_SAMPLE = 100_000  # values that tell where the bulk of them lies
_TAIL = 0.005  # share of the values at either end that the axis may leave to its last bin
_HEAVY = 50  # a 99 % quantile of that many medians: a ladder 1, 2, 5, 10 instead of equal widths

_DATES = frozenset({Kind.DATE, Kind.TIMESTAMP, Kind.TIMESTAMPTZ})
_WHOLE = frozenset({Kind.INTEGER})
_CLOCK_STEPS = (1, 5, 15, 30, 60, 300, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 604800)  # seconds
_CALENDAR = (
    *(("s", k, k) for k in (1, 5, 15, 30)),
    *(("m", k, 60 * k) for k in (1, 5, 15, 30)),
    *(("h", k, 3600 * k) for k in (1, 3, 6, 12)),
    *(("D", k, 86400 * k) for k in (1, 2, 7)),
    *(("M", k, 2_629_746 * k) for k in (1, 3, 6)),
    *(("Y", k, 31_556_952 * k) for k in (1, 2, 5, 10, 20, 50, 100, 1000, 10_000, 100_000)),
)  # unit of numpy, how many of them, seconds


@dataclass(frozen=True)
class Bins:
    """Intervals next to each other, each with its lower edge; the first and last hold what lies beyond them too.

    Attributes:
        edges: float64 ``(n_bins + 1,)``, ascending.
        ticks: the edges in words.
        names: the bins in words.
    """

    edges: np.ndarray
    ticks: tuple[str, ...]
    names: tuple[str, ...]

    def count(self, values: np.ndarray) -> np.ndarray:
        """Values in each bin, int64 ``(n_bins,)``."""
        n_bins = len(self.names)
        return np.bincount(np.searchsorted(self.edges[1:-1], values, side="right"), minlength=n_bins)

    def part(self, first: int, last: int, *, below: bool, above: bool) -> Bins:
        """The bins from `first` up to and with `last`; `below` and `above`: the end ones hold values beyond them."""
        edges, ticks = self.edges[first : last + 2], list(self.ticks[first : last + 2])
        names = list(self.names[first : last + 1])
        if below:
            names[0], ticks[0] = f"below {ticks[1]}", f"< {ticks[1]}"
        if above:
            names[-1], ticks[-1] = f"{self.ticks[last]} and more", f"≥ {self.ticks[last]}"
        if below and above and len(names) == 1:
            names, ticks = ["all values"], ["", ""]
        return Bins(edges, tuple(ticks), tuple(names))


def make_bins(kind: Kind, real: np.ndarray, synthetic: np.ndarray) -> Bins:
    """About as many bins as the root of the number of real rows, at most 30, over both sides' values.

    Numbers are cut at round ones; dates and times at units of the calendar and the clock. A few values far out at
    either end fall into the last bin, so that the others can be told apart.

    Args:
        kind: of the column; for dates and times the values are in microseconds.
        real, synthetic: float64 ``(n_rows,)``, finite, at least one value in either.
    """
    real, synthetic = (np.clip(side, -_LARGEST, _LARGEST) for side in (real, synthetic))
    most = int(np.clip(real.size**0.5, _FEWEST_BINS, _MOST_BINS))
    low, high = _span(real, synthetic)
    real, synthetic = (side[:: max(side.size // _SAMPLE, 1)] for side in (real, synthetic))
    if kind in _DATES:
        return _calendar_bins(low, high, most, finest=86_400 if kind is Kind.DATE else 1)
    if kind is Kind.TIME:
        return _clock_bins(low, high, most)
    whole = kind in _WHOLE
    if _is_heavy(real if real.size else synthetic) and low >= 0:
        return _ladder(high, whole, smallest=_smallest(real, synthetic, high))
    return _even_bins(low, high, whole, most)


def _span(real: np.ndarray, synthetic: np.ndarray) -> tuple[float, float]:
    """From where to where the axis goes: over all values, unless few lie far from the rest."""
    sides = [side for side in (real, synthetic) if side.size]
    low, high = float(min(side.min() for side in sides)), float(max(side.max() for side in sides))
    samples = [side[:: max(side.size // _SAMPLE, 1)] for side in sides]
    inner = np.array([np.quantile(sample, (_TAIL, 1 - _TAIL)) for sample in samples])
    bulk_low, bulk_high = inner[:, 0].min(), inner[:, 1].max()
    room = (bulk_high - bulk_low) / 4
    if not room:
        return low, high
    return (low if low >= bulk_low - room else bulk_low), (high if high <= bulk_high + room else bulk_high)


def _is_heavy(values: np.ndarray) -> bool:
    """Whether equal widths would leave most values in one bin."""
    median, upper = np.quantile(values, (0.5, 0.99))
    return bool(values.min() >= 0 and upper > _HEAVY * max(median, 1e-12) and upper > 20)


def _smallest(real: np.ndarray, synthetic: np.ndarray, high: float) -> float:
    """Where a ladder starts: where one value in a hundred is smaller, but at most six decades below its end."""
    positive = np.concatenate([real, synthetic])
    positive = positive[positive > 0]
    return max(float(np.quantile(positive, 0.01)), high / 1e6)


def _ladder(high: float, whole: bool, smallest: float) -> Bins:
    """0, then 1, 2, 5, 10, 20 … of some unit."""
    first = 0 if whole else int(np.floor(np.log10(smallest)))
    rungs = [m * 10.0**e for e in range(first, int(np.ceil(np.log10(high))) + 2) for m in (1, 2, 5)]
    beyond = next(i for i, rung in enumerate(rungs) if rung > high)
    edges = np.array([0.0, *rungs[: beyond + 1]])
    return _numbered(edges, whole, 10.0 ** min(first, 0))


def _even_bins(low: float, high: float, whole: bool, most: int) -> Bins:
    step = _round_step((high - low) / most if high > low else abs(high) / 10 or 1.0, whole)
    step = max(step, 4 * float(np.spacing(max(abs(low), abs(high)))))  # finer steps are all the same number
    first = np.floor(low / step)
    n_bins = int(np.floor(high / step) - first) + 1
    if not whole and n_bins > 1 and high == (first + n_bins - 1) * step:
        n_bins -= 1  # the last bin has its upper edge
    edges = (first + np.arange(n_bins + 1)) * step
    return _numbered(np.round(edges, _decimals(step)) if step > 1e-9 else edges, whole, step)


def _round_step(least: float, whole: bool) -> float:
    """The smallest of 1, 2, 2.5, 5 times a power of ten that is not below `least`."""
    power = 10.0 ** np.floor(np.log10(least))
    steps = [m * power for m in (1, 2, 2.5, 5, 10, 20)]
    if whole:
        steps = [step for step in (*steps, 1.0, 2.0, 5.0) if step >= 1 and step == round(step)]
    return float(min(step for step in steps if step >= least * (1 - 1e-9)))


def _decimals(step: float) -> int:
    """Digits after the point that tell multiples of the step apart."""
    digits = -int(np.floor(np.log10(step)))
    return min(max(digits + (round(step * 10.0**digits, 6) == 2.5), 0), 12)


def _numbered(edges: np.ndarray, whole: bool, step: float) -> Bins:
    edges = np.unique(edges)
    ticks = tuple(_number(edge, step) for edge in edges)
    if not whole:
        return Bins(edges, ticks, tuple(f"{a} – {b}" for a, b in pairwise(ticks)))
    pairs = zip(edges[:-1], edges[1:] - 1, strict=True)
    names = (_number(a, 1) if a == b else f"{_number(a, 1)} – {_number(b, 1)}" for a, b in pairs)
    return Bins(edges, ticks, tuple(names))


def _number(value: float, step: float) -> str:
    """A number for an axis: ``12,500``, ``0.05``, ``2.5M``.

    >>> _number(12500.0, 50), _number(0.05, 0.01), _number(2.5e6, 1e5), _number(-0.0, 1)
    ('12,500', '0.05', '2.5M', '0')
    """
    size = abs(value)
    if size >= 1e15 or 0 < size < 1e-6:
        return f"{value:.3g}"
    for unit, name in ((1e12, "T"), (1e9, "G"), (1e6, "M")):
        if size >= unit and step >= unit / 1000:
            return f"{value / unit:.6g}{name}"
    comma = "," if size >= 10_000 else ""  # years have none
    return f"{value + 0.0:{comma}.{_decimals(step)}f}"


def _calendar_bins(low: float, high: float, most: int, finest: int) -> Bins:
    least = max((high - low) / 1e6 / most, finest)
    unit, many = next(((u, k) for u, k, seconds in _CALENDAR if least <= seconds), ("Y", 1_000_000))
    monday = 3 if many == 7 else 0  # day 0 was a Thursday
    first, last = ((_units(value, unit) + monday) // many for value in (low, high))
    starts = np.arange(first, last + 2) * many - monday
    dates = starts.astype(f"datetime64[{unit}]")
    edges = dates.astype("datetime64[us]").astype(np.float64)
    words = tuple(str(date).replace("T", " ") for date in dates)
    single = many == 1 and unit not in ("h", "m", "s")
    names = words[:-1] if single else tuple(f"{a} – {b}" for a, b in pairwise(words))
    return Bins(edges, words, names)


def _units(microseconds: float, unit: str) -> int:
    moment = np.int64(np.clip(microseconds, -9e18, 9e18)).astype("datetime64[us]")
    return int(moment.astype(f"datetime64[{unit}]").astype(np.int64))


def _clock_bins(low: float, high: float, most: int) -> Bins:
    seconds = (high - low) / 1e6
    step = next((step for step in _CLOCK_STEPS if seconds <= step * most), _CLOCK_STEPS[-1])
    first = int(low / 1e6 // step)
    starts = (first + np.arange(int(high / 1e6 // step) - first + 2)) * step
    words = tuple(_clock(int(start), seconds=step < 60) for start in starts)
    return Bins(starts * 1e6, words, tuple(f"{a} – {b}" for a, b in pairwise(words)))


def _clock(second: int, seconds: bool) -> str:
    sign, second = ("-", -second) if second < 0 else ("", second)
    words = f"{sign}{second // 3600:02}:{second // 60 % 60:02}"
    return f"{words}:{second % 60:02}" if seconds else words
