"""A test of the synthetic data, ready to be shown: its figure, what stands behind it, what it could not judge."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from ..evaluation import Evaluation
from ..glossary import term
from ..items import Item
from ..verdict import is_alarm
from .figures import Figure, figure_of, gap_of
from .reading import how_to_read

__all__ = ["Measured", "Part", "Strip", "measured"]

_MOST_PARTS = 15
_NO_EVIDENCE = ("no evidence", "no real row stands alone", "real rows do not predict it")
_TAUGHT = 5.0  # percent of skill; what real rows cannot teach either is neither good nor bad


@dataclass(frozen=True)
class Strip:
    """A figure on its axis, in percent of it: what real rows have, the synthetic ones, and the interval's ends."""

    real: float | None
    synthetic: float
    interval: tuple[float, float] | None


@dataclass(frozen=True)
class Part:
    """One table, column or combination."""

    figure: Figure
    strip: Strip | None


@dataclass(frozen=True)
class Measured:
    """A measure.

    Attributes:
        reading: how to read it.
        axis: its ends in words; empty where nothing is drawn.
        parts: the most remarkable first; `more`: how many others there are.
        missing: (why, where) of parts without a figure.
        is_count: whether the figure counts, and its reference what there is to count.
    """

    whole: Figure
    reading: str
    axis: tuple[str, str] | tuple[()]
    parts: tuple[Part, ...]
    more: int
    missing: tuple[tuple[str, str], ...]
    is_count: bool


def measured(evaluation: Evaluation, measure: str, *, is_privacy: bool = False) -> Measured | None:
    """The measure; None if nobody asked for it. Figures of privacy are graded by whether they raise an alarm."""
    whole, items = evaluation.summary.get(measure), evaluation.of(measure)
    if whole is None and not items:
        return None
    whole = whole or Item(measure, (), note="no figure for the whole database")
    told = [item for item in items if not math.isnan(item.score) and not _is_idle(item)]
    told.sort(key=_remarkable, reverse=True)
    common = whole.note and len({item.note for item in told}) == 1  # then the whole's note says it for all
    unit = term(measure).unit
    start = 0.5 if unit == "share" and term(measure).best == 0.5 else 0.0
    ends = [100.0] if unit == "score" else [1.0] if start else [_farthest(item) for item in told]
    end = max(ends, default=0.0)
    parts = tuple(
        Part(
            replace(_graded(item, is_privacy), **({"note": ""} if common else {})),
            _strip(item, start, end) if end > start else None,
        )
        for item in told[:_MOST_PARTS]
    )
    axis = tuple(figure_of(replace(whole, score=value)).score for value in (start, end)) if end > start else ()
    return Measured(
        _graded(whole, is_privacy), how_to_read(measure), axis if parts else (), parts,
        len(told) - len(parts), _missing(items), unit == "count",
    )  # fmt: skip


def _is_idle(item: Item) -> bool:
    """A count or a share of zero where zero is expected: the whole says it for all of them."""
    return term(item.measure).best == 0 and item.score == 0


def _remarkable(item: Item) -> tuple[bool, bool, float]:
    """Alarms first, then what is furthest from the real rows on the bad side; what is no evidence last."""
    about = term(item.measure)
    if about.unit == "score" or item.measure in ("dcr", "nndr"):
        off = gap_of(item)
    else:
        off = item.score - (item.reference if about.unit == "percent" and not math.isnan(item.reference) else 0.0)
    return is_alarm(item), not item.note.startswith(_NO_EVIDENCE), off


def _farthest(item: Item) -> float:
    return max(value for value in (item.score, item.reference, item.high, 0.0) if not math.isnan(value))


def _strip(item: Item, start: float, end: float) -> Strip:
    def at(value: float) -> float:
        return round(100 * min(max((value - start) / (end - start), 0.0), 1.0), 1)

    has_interval = not math.isnan(item.low) and not math.isnan(item.high)
    return Strip(
        None if math.isnan(item.reference) else at(item.reference),
        at(item.score),
        (at(item.low), at(item.high)) if has_interval else None,
    )


def _graded(item: Item, is_privacy: bool) -> Figure:
    figure = figure_of(item)
    if not is_privacy or math.isnan(item.score):
        return replace(figure, grade="n") if item.measure == "efficacy" and item.reference < _TAUGHT else figure
    if is_alarm(item):
        return replace(figure, grade="d")
    to_judge = item.measure in ("rare values", "extremes") or (item.measure == "fabricated overlap" and item.score > 0)
    return replace(figure, grade="n" if item.tables or to_judge else "a")


def _missing(items: Sequence[Item]) -> tuple[tuple[str, str], ...]:
    """The parts without a figure, by the reason."""
    reasons: dict[str, list[str]] = {}
    for item in items:
        if math.isnan(item.score):
            reasons.setdefault(item.note or "not measured", []).append(item.label)
    return tuple((why, ", ".join(dict.fromkeys(where))) for why, where in reasons.items())
