"""The verdict: two sentences for somebody who has never heard of the method, and no more than the figures say."""

from __future__ import annotations

import math

from .evaluation import Evaluation
from .glossary import term
from .items import Item

__all__ = ["verdict", "weakest"]

_FEW_ROWS = 100  # in the largest table; with fewer, likeness is no evidence
_JUDGED = (  # points below the ceiling at most
    (1.0, "about as like the real data as a second sample of it would be"),
    (3.0, "close to it"),
    (8.0, "like it in outline, with differences that can be seen"),
    (math.inf, "far from it"),
)


def verdict(evaluation: Evaluation) -> tuple[str, str]:
    """One sentence on likeness, one on privacy."""
    return _likeness(evaluation), _privacy(evaluation)


def _likeness(evaluation: Evaluation) -> str:
    summary = evaluation.summary
    parts = [(words, summary[name]) for name, words in (("1-way", "single columns"), ("avg 2-way", "pairs of columns"))
             if name in summary and not math.isnan(summary[name].score)]  # fmt: skip
    if not parts:
        return "How like the real data the synthetic data is could not be measured: no column could be compared."
    has_ceiling = all(not math.isnan(item.reference) for _, item in parts)
    figures = " and ".join(_of_hundred(words, item, has_ceiling) for words, item in parts)
    if has_ceiling:
        gap = max(item.reference - item.score for _, item in parts)
        judged = next(words for most, words in _JUDGED if gap <= most)
        sentence = f"The synthetic data is {judged}: {figures}, where a second sample of the real data would score the "
        sentence += "number in brackets"
    else:
        sentence = f"Of 100 points for likeness, {figures}; what a second sample of the real data would score is not "
        sentence += "known"
    worst = weakest(evaluation, 1)
    if worst:
        sentence += f"; the weakest place is {worst[0].label} ({term(worst[0].measure).meaning}), {worst[0].score:.0f}"
    if max((min(t.real_rows, t.synthetic_rows) for t in evaluation.tables), default=0) < _FEW_ROWS:
        sentence += "; with so few rows this is little evidence"
    return sentence + "."


def _of_hundred(words: str, item: Item, has_ceiling: bool) -> str:
    return f"{words} score {item.score:.1f}" + (f" ({item.reference:.1f})" if has_ceiling else "")


def weakest(evaluation: Evaluation, n: int) -> list[Item]:
    """The figures furthest below their ceilings, a likeness each; those without evidence left out."""
    summary = evaluation.summary

    def gap(item: Item) -> float:
        known = (item.reference, summary[item.measure].reference if item.measure in summary else math.nan, 100.0)
        return next(ceiling for ceiling in known if not math.isnan(ceiling)) - item.score

    found = [i for i in evaluation.items if i.tables and _is_likeness(i) and not math.isnan(i.score) and gap(i) > 1]
    return sorted(found, key=gap, reverse=True)[:n]


def _is_likeness(item: Item) -> bool:
    try:
        return term(item.measure).unit == "score"
    except KeyError:
        return False


def _privacy(evaluation: Evaluation) -> str:
    return "Privacy was not judged."
