"""Thresholds of a pipeline: read as one spells them, missed when a figure is worse, or is not there."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbsynth.errors import ConfigError
from dbsynth.quality.evaluation import Evaluation
from dbsynth.quality.glossary import TERMS, option_name, term
from dbsynth.quality.items import Item
from dbsynth.quality.thresholds import Threshold, broken, parse_threshold

EVALUATION = Evaluation(
    (),
    (
        Item("1-way", (), score=97.0),
        Item("mia auc", (), score=0.6),
        Item("c2st", (), score=math.nan, note="too few rows"),
        Item("1-way", ("t",), ("x",), score=10.0),
    ),
)


@pytest.mark.parametrize("text", ["avg_2way=90", "avg 2-way=90", "AVG-2WAY=90.0", "avg2way= 90"])
def test_names_are_read_however_they_are_spelled(text: str) -> None:
    assert parse_threshold(text, at_most=False) == Threshold("avg 2-way", 90.0, False)


@given(st.sampled_from([*TERMS, "1-hop", "12-hop"]), st.floats(0, 100))
def test_every_measure_has_an_option(measure: str, bound: float) -> None:
    assert parse_threshold(f"{option_name(measure)}={bound}", at_most=True) == Threshold(measure, bound, True)
    assert term(measure).meaning


@pytest.mark.parametrize(("text", "said"), [
    ("1way", "no threshold"), ("1way=", "no threshold"), ("1way=many", "no threshold"), ("1way=nan", "no threshold"),
    ("beauty=3", "no measure 'beauty'; the measures are"), ("cardinalty=3", "did you mean 'cardinality'"),
    ("hop=3", "no measure 'hop'"),
])  # fmt: skip
def test_what_is_no_threshold_is_said_with_the_way_out(text: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        parse_threshold(text, at_most=False)


@pytest.mark.parametrize(("text", "at_most", "missed"), [
    ("1way=97", False, False), ("1way=97.1", False, True), ("1way=97", True, False), ("1way=96.9", True, True),
    ("mia_auc=0.55", True, True), ("mia_auc=0.6", True, False),
])  # fmt: skip
def test_a_threshold_is_missed_by_a_worse_figure_only(text: str, at_most: bool, missed: bool) -> None:
    assert bool(broken(EVALUATION, [parse_threshold(text, at_most=at_most)])) is missed


def test_a_figure_that_is_not_there_keeps_no_threshold() -> None:
    """A pipeline that insists on it must not go on by accident."""
    thresholds = parse_threshold("c2st=0.6", at_most=True), parse_threshold("3hop=9", at_most=False)
    one, other = broken(EVALUATION, thresholds)
    assert one == "c2st has no figure to hold against 0.6: too few rows"
    assert other == "3hop has no figure to hold against 9: it was not measured"
