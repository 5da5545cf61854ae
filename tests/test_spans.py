"""Ranges: as many open and empty ones, begins and widths as in the source, and none of its own."""

from __future__ import annotations

import json
import re
from datetime import datetime
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbsynth.columns.native import draw_native, learn_native
from dbsynth.columns.spans import draw_spans, learn_spans

PERIODS = [
    f'["2005-05-{d:02} {h:02}:53:30+00","2005-05-{d + 3:02} {h:02}:04:12+00")' for d in range(1, 28) for h in range(24)
]


def _ends(text: str) -> tuple[datetime, datetime]:
    low, high = (datetime.fromisoformat(side.strip('"')) for side in text[1:-1].split(","))
    return low, high


def test_periods_begin_and_last_like_the_real_ones():
    settings = learn_spans(PERIODS)
    drawn = draw_spans(json.loads(json.dumps(settings)), 400, np.random.default_rng(0)).to_pylist()
    assert all(text.startswith('["') and text.endswith('+00")') for text in drawn)
    ends = [_ends(text) for text in drawn]
    assert all("2005-05-01" <= str(low.date()) <= "2005-05-28" for low, _ in ends)
    assert all(2.9 < (high - low).total_seconds() / 86_400 < 3.1 for low, high in ends)
    assert len(set(drawn) & set(PERIODS)) < 4


def test_open_and_empty_ones_are_as_many():
    values = ["[1,5)", "[2,)", "empty", "[3,9)"] * 50
    drawn = draw_spans(learn_spans(values), 1000, np.random.default_rng(0)).to_pylist()
    assert 200 < drawn.count("empty") < 300
    assert 200 < sum(text.endswith(",)") for text in drawn) < 300


@pytest.mark.parametrize(("values", "pattern"), [
    (["[1,5)", "[7,9)"] * 9, r"\[-?\d+,-?\d+\)"),
    (["[1.25,5.50]", "[7.00,9.75]"] * 9, r"\[\d+\.\d\d,\d+\.\d\d\]"),
    (["[2020-01-01,2020-02-01)"] * 9, r'\["2020-01-01","2020-02-01"\)'),
    (['["2020-01-01 10:00:00","2020-01-01 11:30:00")'] * 9, r'\["2020-01-01 10:00:00","2020-01-01 11:30:00"\)'),
    (["(a,b)"], "empty"),
    ([], "empty"),
])  # fmt: skip
def test_each_kind_is_written_as_the_server_writes_it(values, pattern):
    drawn = draw_spans(learn_spans(values), 50, np.random.default_rng(0)).to_pylist()
    assert [text for text in drawn if not re.fullmatch(pattern, text)] == []


def test_a_set_of_ranges_holds_one():
    settings = learn_native("int4multirange", ["{[1,5),[7,9)}", "{[2,4)}"] * 5, ())
    drawn = draw_native(settings, 9, np.random.default_rng(0)).to_pylist()
    assert all(text[:2] == "{[" and text[-2:] == ")}" for text in drawn)


@given(st.lists(st.integers(-50, 50), min_size=1, max_size=40), st.integers(1, 300), st.integers(0, 5))
def test_ranges_that_are_kept_apart_never_overlap(begins, n, seed):
    settings = learn_spans([f"[{low},{low + 30}]" for low in begins], apart=True)
    drawn = draw_spans(settings, n, np.random.default_rng(seed)).to_pylist()
    ends = sorted(tuple(map(int, text[1:-1].split(","))) for text in drawn)
    assert all(low < high for low, high in ends)
    assert all(high < low for (_, high), (low, _) in pairwise(ends))


@pytest.mark.parametrize("values", [
    ["[100,147)"],
    ["[100,147)", "[100,147)", "[300,347)", "[500,547)"],
    ["[100,147)", *["[,200)", "[300,)"] * 30],
    ['["2020-01-01 10:17:00","2020-01-01 11:04:00")'],
    ["[2020-01-01,2020-02-17)"],
    ["{[100,147),[200,247),[300,347),[400,447),[500,547),[600,647)}"],
])  # fmt: skip
def test_what_fewer_than_five_ranges_are_is_told_by_its_magnitude(values):
    settings = learn_spans(values)
    in_steps = [width / settings["step"] for width in settings["widths"]]
    assert in_steps == [10, 100]


def test_where_a_lone_range_begins_is_not_in_the_middle_of_those_drawn():
    begins = [learn_spans([f"[{low},{low + 47})"])["begins"] for low in (500, 503, 511)]
    assert begins[0] == begins[1] == begins[2]
