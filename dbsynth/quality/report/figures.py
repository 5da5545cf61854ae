"""Figures as a reader meets them: numbers in words, their grade, and what they mean."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

from markupsafe import Markup

from ..glossary import Term, show_number, term
from ..items import Item, mean_of

__all__ = [
    "GRADES", "Figure", "breakable", "clipped", "figure_of", "gap_of", "mean_figure",
]  # fmt: skip

# Letter, how many points below the ceiling at most, and in words.
GRADES = (
    ("a", 1.0, "as good as a second draw of the real data"),
    ("b", 3.0, "close: small differences"),
    ("c", 8.0, "visible differences"),
    ("d", math.inf, "does not follow the real data here"),
)
_APART = (("a", 0.05), ("b", 0.15), ("c", 0.3), ("d", math.inf))  # above two halves of the real rows


@dataclass(frozen=True)
class Figure:
    """An item in words; `grade` is a letter of GRADES, empty where there is none to give."""

    measure: str
    title: str
    meaning: str
    label: str
    score: str
    reference: str
    interval: str
    grade: str
    note: str
    value: float
    ceiling: float


def figure_of(item: Item) -> Figure:
    """The item in words."""
    about = _term(item.measure)
    interval = "" if math.isnan(item.low) or math.isnan(item.high) else (
        f"{show_number(item.low, about.unit)} – {show_number(item.high, about.unit)}"
    )  # fmt: skip
    return Figure(
        item.measure, about.title, about.meaning, item.label if item.tables else "",
        show_number(item.score, about.unit), show_number(item.reference, about.unit), interval,
        _grade(item, about), item.note, item.score, item.reference,
    )  # fmt: skip


def mean_figure(items: Iterable[Item]) -> Figure | None:
    """The mean of the items' measures, each the mean of its items; None where nothing was measured."""
    by_measure: dict[str, list[Item]] = {}
    for item in items:
        if not math.isnan(item.score):
            by_measure.setdefault(item.measure, []).append(item)
    if not by_measure:
        return None
    score = mean_of(mean_of(i.score for i in group) for group in by_measure.values())
    ceilings = [mean_of(i.reference for i in group) for group in by_measure.values()]
    ceiling = math.nan if any(map(math.isnan, ceilings)) else mean_of(ceilings)
    return figure_of(Item("mean", (), score=score, reference=ceiling))


def gap_of(item: Item) -> float:
    """How far a likeness is below its ceiling, or below 100 where it has none; NaN where it was not measured."""
    return (100.0 if math.isnan(item.reference) else item.reference) - item.score


def _term(measure: str) -> Term:
    try:
        return term(measure)
    except KeyError:
        return Term(measure, "", 100)


def _grade(item: Item, about: Term) -> str:
    """How far a figure is from what real rows would have; without such a reference from the best there is."""
    if math.isnan(item.score):
        return ""
    if about.unit == "score":
        return next(letter for letter, most, _ in GRADES if gap_of(item) <= most)
    if about.unit == "share" and about.best == 0.5 and not item.high < 0.5:  # below is no better, but another story
        above = item.score - (about.best if math.isnan(item.reference) else max(item.reference, about.best))
        return next(letter for letter, most in _APART if above <= most)
    return ""


def breakable(text: str) -> Markup:
    """The text, escaped, with leave to break a line after an underscore, a slash, or a point before a letter.

    >>> breakable("order_item.x<b> 9.5")
    Markup('order_<wbr>item.<wbr>x&lt;b&gt; 9.5')
    """
    return Markup("<wbr>").join(re.split(r"(?<=[_/])|(?<=\.)(?=[^\W\d])", text))


def clipped(text: str, width: float, size: float) -> str:
    """The text, cut so that it is about `width` pixels wide at most in letters of `size` pixels.

    >>> clipped("order_item", 100, 12), clipped("a_table_with_a_long_name", 100, 12)
    ('order_item', 'a_table_with…')
    """
    used, out = 0.0, []
    for letter in text:
        wide = unicodedata.east_asian_width(letter) in "WF" or ord(letter) > 0x1F000
        used += 0 if unicodedata.combining(letter) else size * (1.05 if wide else 0.64)
        if used > width:
            return "".join(out[:-1]) + "…"
        out.append(letter)
    return text
