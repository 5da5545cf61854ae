"""Figures that a pipeline insists on: `avg_2way=90` at least, `mia_auc=0.55` at most."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from ..config import instead
from ..errors import ConfigError
from .evaluation import Evaluation
from .glossary import TERMS, option_name, term

__all__ = ["Threshold", "broken", "parse_threshold"]


@dataclass(frozen=True)
class Threshold:
    """The least, or the most, that the figure of a measure may be."""

    measure: str
    bound: float
    at_most: bool


def parse_threshold(text: str, *, at_most: bool) -> Threshold:
    """Read ``measure=number``; spaces and hyphens of the measure's name are as one likes.

    >>> parse_threshold("avg_2way=90", at_most=False)
    Threshold(measure='avg 2-way', bound=90.0, at_most=False)

    Raises:
        ConfigError: there is no such measure, or that is no number.
    """
    name, equals, number = text.partition("=")
    measure = _measure(name)
    try:
        bound = float(number)
    except ValueError:
        bound = math.nan
    if not equals or math.isnan(bound):
        raise ConfigError(f"{text!r} is no threshold; expected a measure and a number, such as avg_2way=90")
    if measure is None:
        known = [option_name(measure) for measure in ("1-hop", *TERMS)]
        raise ConfigError(f"there is no measure {name!r}{instead(name, known, 'the measures are')}")
    return Threshold(measure, bound, at_most)


def _measure(name: str) -> str | None:
    """The measure of that name, however it is spelled."""
    letters = "".join(c for c in name.lower() if c.isalnum())
    if letters.endswith("hop") and letters[:-3].isdigit():
        return f"{int(letters[:-3])}-hop"
    return next((m for m in TERMS if "".join(c for c in m if c.isalnum()) == letters), None)


def broken(evaluation: Evaluation, thresholds: Sequence[Threshold]) -> list[str]:
    """One sentence for each threshold that is not kept; a figure that was not measured keeps none."""
    sentences = []
    for threshold in thresholds:
        item = evaluation.summary.get(threshold.measure)
        score = math.nan if item is None else item.score
        name = option_name(threshold.measure)
        if math.isnan(score):
            why = item.note if item is not None and item.note else "it was not measured"
            sentences.append(f"{name} has no figure to hold against {threshold.bound:g}: {why}")
        elif score > threshold.bound if threshold.at_most else score < threshold.bound:
            side = "over" if threshold.at_most else "under"
            sentences.append(f"{name}, {term(threshold.measure).meaning}, is {score:.4g}, {side} {threshold.bound:g}")
    return sentences
