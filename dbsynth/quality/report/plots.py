"""Shares and associations as the paths of an SVG: few characters, no text, colours left to the style sheet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..distributions import Associations, Distribution
from ..glossary import show_percent
from .figures import clipped

__all__ = ["Bar", "HeatMap", "Histogram", "bars", "heat_maps", "histogram", "null_bar"]

_LEVELS = 10  # of colour
_LARGEST_DIFFERENCE = 0.5  # between two associations; from there on the colour is full
_LABEL = 110.0  # pixels for a name


@dataclass(frozen=True)
class Histogram:
    """Two step functions over `n` bins in a box of `n` by 100, and what stands below them: (left in percent, text)."""

    n: int
    real: str
    synthetic: str
    ticks: tuple[tuple[float, str], ...]
    words: str


@dataclass(frozen=True)
class Bar:
    """One category: both shares as parts of the longest bar, in percent, and in words."""

    label: str
    real: float
    synthetic: float
    real_words: str
    synthetic_words: str
    pooled: bool = False


@dataclass(frozen=True)
class HeatMap:
    """A square of colours; `paths` by class of the style sheet, in units of one cell."""

    title: str
    n: int
    paths: tuple[tuple[str, str], ...]
    labels: tuple[tuple[str, str], ...]  # as far as there is room, and in full


def histogram(distribution: Distribution) -> Histogram:
    """The distribution of numbers or dates."""
    top = max(*distribution.real, *distribution.synthetic) or 1.0
    return Histogram(
        len(distribution.labels),
        _steps(distribution.real, top) + "V100H0Z",
        _steps(distribution.synthetic, top) + "V100",
        _ticks(distribution),
        _largest_difference(distribution),
    )


def _steps(shares: Sequence[float], top: float) -> str:
    return "M0 100" + "".join(f"V{100 - 97 * share / top:.4g}H{i + 1}" for i, share in enumerate(shares))


def _ticks(distribution: Distribution) -> tuple[tuple[float, str], ...]:
    """The ends and the middle of the axis; bins of one value each are named in their middle."""
    n, single = len(distribution.labels), distribution.labels == distribution.ticks[:-1]
    words = distribution.labels if single else distribution.ticks
    shift = 0.5 if single else 0.0
    places = dict.fromkeys([0, len(words) // 2, len(words) - 1] if len(words) > 4 else [0, len(words) - 1])
    return tuple((100 * (i + shift) / n, words[i]) for i in places)


def _largest_difference(distribution: Distribution) -> str:
    """The distribution in one sentence, for those who do not see the picture."""
    gaps = [abs(a - b) for a, b in zip(distribution.real, distribution.synthetic, strict=True)]
    at = int(np.argmax(gaps))
    return (
        f"largest difference at {distribution.labels[at]}: real {show_percent(distribution.real[at])}, "
        f"synthetic {show_percent(distribution.synthetic[at])}"
    )


def bars(distribution: Distribution) -> list[Bar]:
    """The distribution of categories."""
    top = max(*distribution.real, *distribution.synthetic) or 1.0
    named = len(distribution.labels) - distribution.pooled
    rows = zip(distribution.labels, distribution.real, distribution.synthetic, strict=True)
    return [_bar(*row, top, pooled=i >= named) for i, row in enumerate(rows)]


def null_bar(distribution: Distribution) -> Bar | None:
    """The share of rows without a value, of all rows; None where there are none on either side."""
    real, synthetic = distribution.real_null, distribution.synthetic_null
    return _bar("no value", real, synthetic, 1.0, pooled=True) if real or synthetic else None


def _bar(label: str, real: float, synthetic: float, top: float, *, pooled: bool) -> Bar:
    lengths = (round(100 * share / top, 1) for share in (real, synthetic))
    return Bar(label, *lengths, show_percent(real), show_percent(synthetic), pooled)


def heat_maps(pairs: Associations) -> tuple[HeatMap, ...]:
    """Real, synthetic, and the difference between the two."""
    names = [(clipped(name, _LABEL, 11.5), name) for name in pairs.columns]
    sides = (("real", pairs.real), ("synthetic", pairs.synthetic))
    maps = [HeatMap(title, len(names), _signed(values), tuple(names)) for title, values in sides]
    gap = np.abs(np.nan_to_num(pairs.synthetic) - pairs.real) / _LARGEST_DIFFERENCE
    return (*maps, HeatMap("difference", len(names), _cells(gap, "gap"), tuple(names)))


def _signed(values: np.ndarray) -> tuple[tuple[str, str], ...]:
    negative = np.where(values < 0, -values, 0.0)
    positive = np.where(np.isnan(values), np.nan, np.maximum(values, 0.0))
    return (*_cells(positive, "pos"), *_cells(negative, "neg"))


def _cells(values: np.ndarray, name: str) -> tuple[tuple[str, str], ...]:
    """One path for each depth of colour; pairs that are not defined are hatched, the diagonal is left out."""
    depth = np.where(np.isnan(values), -1, np.ceil(np.clip(np.nan_to_num(values), 0, 1) * _LEVELS - 0.5)).astype(int)
    np.fill_diagonal(depth, 0)
    paths = []
    for level in np.unique(depth[depth != 0]):
        cells = "".join(f"M{x} {y}h1v1h-1z" for y, x in np.argwhere(depth == level))
        paths.append((f"{name} o{level}" if level > 0 else "none", cells))
    return tuple(paths)
