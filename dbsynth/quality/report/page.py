"""The page, from an evaluation and what is drawn of it."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from jinja2 import Environment, PackageLoader

from ..evaluation import Evaluation, TableNote
from ..glossary import PRIVACY
from ..items import Item
from ..verdict import is_likeness, verdict, weakest
from .distributions import Associations, Distribution, Distributions, Groups
from .figures import GRADES, Figure, breakable, figure_of, gap_of, mean_figure
from .measured import measured
from .plots import Bar, HeatMap, Histogram, bars, heat_maps, histogram, null_bar
from .reading import how_to_read
from .schema_picture import draw_schema

__all__ = ["render"]

_WORST = 20
_WORST_PAIRS = 5
_OPEN_TABLES = 12  # a page of more tables shows them closed
_OF_KEY = ("cardinality", "column-degree", "intra-group", "1-hop")
_TESTS = ("c2st", "c2st with children", "efficacy", "alpha-precision", "beta-recall")
_UNSEEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def render(evaluation: Evaluation, distributions: Distributions) -> str:
    """One HTML file that needs nothing else: no script, no font, no picture from anywhere.

    Whatever a schema's names hold, they are text: the template escapes all of them. Control characters, those that turn
    the order of the letters after them, and halves of surrogate pairs, which no file can carry, are replaced by �.
    """
    environment = Environment(
        loader=PackageLoader("dbsynth.quality.report"), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"breakable": breakable, "capital": _capital, "together": _together}
    page = environment.get_template("page.html.j2").render(_contents(evaluation, distributions))
    return _UNSEEN.sub("\ufffd", page)


@dataclass(frozen=True)
class _Column:
    """A column's card."""

    name: str
    kind: str
    figure: Figure | None
    histogram: Histogram | None
    bars: list[Bar]
    null: Bar | None
    note: str


@dataclass(frozen=True)
class _Pair:
    """Two columns of a table, and how strongly they go together on either side."""

    columns: tuple[str, ...]
    figure: Figure
    real: str
    synthetic: str


@dataclass(frozen=True)
class _Table:
    """A table's section."""

    note: TableNote
    anchor: str
    figure: Figure | None
    columns: list[_Column]
    maps: tuple[HeatMap, ...]
    maps_note: str
    pairs: list[_Pair]
    fates: dict[str, int]


@dataclass(frozen=True)
class _Key:
    """A foreign key's card."""

    group: Groups
    figure: Figure | None
    figures: list[Figure]
    histogram: Histogram | None


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _together(numbers: Mapping[str, int]) -> str:
    return ", ".join(f"{number:,} {name}" for name, number in numbers.items())


def _contents(evaluation: Evaluation, drawn: Distributions) -> dict[str, Any]:
    """What the template shows, by name."""
    anchors = {table.name: f"table-{i}" for i, table in enumerate(evaluation.tables, 1)}
    by_tables = _by_tables(evaluation.items)
    tables = [_table(table, anchors[table.name], by_tables, drawn) for table in evaluation.tables]
    keys = [_key(group, by_tables) for group in drawn.groups]
    summary = evaluation.summary
    likeness = [figure_of(item) for item in summary.values() if is_likeness(item.measure)]
    dangling = summary.get("dangling")
    return {
        "verdict": verdict(evaluation),
        "about": evaluation.about,
        "when": _moment(evaluation.about.get("at")),
        "sides": [
            ("real", sum(table.real_rows for table in evaluation.tables)),
            ("synthetic", sum(table.synthetic_rows for table in evaluation.tables)),
        ],
        "settings": _settings(evaluation.about),
        "notes": evaluation.notes,
        "grades": GRADES,
        "likeness": likeness,
        "how_to_read": how_to_read,
        "axis_start": _axis_start(likeness),
        "dangling": None if dangling is None else figure_of(dangling),
        "schema": draw_schema(
            evaluation.tables, drawn.groups, {t.note.name: t.figure for t in tables}, {k.group: k.figure for k in keys},
            anchors,
        ),
        "tables": tables,
        "open_tables": len(tables) <= _OPEN_TABLES,
        "keys": keys,
        "paths": _paths(evaluation),
        "tests": [found for name in _TESTS if (found := measured(evaluation, name)) is not None],
        "privacy": [found for name in PRIVACY if (found := measured(evaluation, name, is_privacy=True)) is not None],
        "worst": [figure_of(item) for item in weakest(evaluation, _WORST)],
        "fates": _fates(evaluation.tables),
    }  # fmt: skip


def _by_tables(items: Iterable[Item]) -> dict[tuple[str, tuple[str, ...]], list[Item]]:
    """The figures of each measure and chain of tables."""
    found: dict[tuple[str, tuple[str, ...]], list[Item]] = {}
    for item in items:
        if item.tables:
            found.setdefault((item.measure, item.tables), []).append(item)
    return found


def _table(table: TableNote, anchor: str, items: Mapping[Any, list[Item]], drawn: Distributions) -> _Table:
    alone = {item.columns[0]: item for item in items.get(("1-way", (table.name,)), [])}
    pairs = items.get(("0-hop", (table.name,)), [])
    associations = drawn.pairs.get(table.name)
    kinds = {note.name: note.kind for note in table.columns}
    return _Table(
        table, anchor, mean_figure([*alone.values(), *pairs]),
        [_column(name, drawn.columns[table.name, name], kinds.get(name, ""), alone.get(name))
         for owner, name in drawn.columns if owner == table.name],
        heat_maps(associations) if associations and len(associations.columns) > 2 and not table.kept else (),
        associations.note if associations else "",
        [] if table.kept else _pairs(pairs, associations), _fates([table]),
    )  # fmt: skip


def _column(name: str, distribution: Distribution, kind: str, item: Item | None) -> _Column:
    is_number = bool(distribution.ticks)
    return _Column(
        name, kind, figure_of(item) if item else None,
        histogram(distribution) if is_number else None,
        bars(distribution) if distribution.labels and not is_number else [],
        null_bar(distribution), distribution.note,
    )  # fmt: skip


def _pairs(items: list[Item], associations: Associations | None) -> list[_Pair]:
    """The pairs of a table that lie furthest off."""
    place = {name: i for i, name in enumerate(associations.columns)} if associations else {}
    found = []
    for item in _furthest_off(items):
        at = tuple(place.get(column) for column in item.columns)
        sides = ("", "") if associations is None or None in at else (
            _strength(associations.real[at]), _strength(associations.synthetic[at])
        )  # fmt: skip
        found.append(_Pair(item.columns, figure_of(item), *sides))
    return found


def _furthest_off(items: Iterable[Item]) -> list[Item]:
    """The few that are furthest below their ceilings, by a point at least."""
    return sorted((item for item in items if gap_of(item) >= 1), key=gap_of, reverse=True)[:_WORST_PAIRS]


def _strength(value: float) -> str:
    return "" if math.isnan(value) else f"{round(value, 2) + 0.0:.2f}".replace("-", "−")


def _key(group: Groups, items: Mapping[Any, list[Item]]) -> _Key:
    about = partial(_about_key, group, items)
    of_measures = [about(measure) for measure in _OF_KEY]
    figures = [figure for measured in of_measures if (figure := mean_figure(measured)) is not None]
    return _Key(
        group, mean_figure([item for measured in of_measures for item in measured]),
        [figure_of(_mean(measured)) for measured in of_measures if measured] if figures else [],
        histogram(group.sizes) if group.sizes.labels else None,
    )  # fmt: skip


def _about_key(group: Groups, items: Mapping[Any, list[Item]], measure: str) -> list[Item]:
    found = items.get((measure, (group.parent, group.child)), [])
    return [item for item in found if item.foreign_keys == (group.key,)]


def _mean(items: list[Item]) -> Item:
    """One item for all: their mean."""
    figure = mean_figure(items)
    score, ceiling = (figure.value, figure.ceiling) if figure else (math.nan, math.nan)
    return Item(items[0].measure, items[0].tables, (), items[0].foreign_keys, score, ceiling)


def _paths(evaluation: Evaluation) -> list[tuple[Figure, list[Figure]]]:
    """For each length of path its figure, and the pairs that lie furthest off."""
    found = []
    for measure, item in evaluation.summary.items():
        if measure.endswith("-hop") and measure != "0-hop":
            found.append((figure_of(item), [figure_of(pair) for pair in _furthest_off(evaluation.of(measure))]))
    return found


def _axis_start(figures: Iterable[Figure]) -> float:
    """Where the axis of the scores starts, so that their differences can be seen: ten below the least."""
    least = min((f.value for f in figures if not math.isnan(f.value)), default=100.0)
    return min(90.0, max(0.0, math.floor(least / 10) * 10 - 10))


def _fates(tables: Iterable[TableNote]) -> dict[str, int]:
    """How many columns each fate has."""
    found: dict[str, int] = {}
    for table in tables:
        for column in table.columns:
            found[column.fate] = found.get(column.fate, 0) + 1
    return found


def _settings(about: Mapping[str, Any]) -> list[tuple[str, list[tuple[str, str]]]]:
    """All that is said of the run, in groups."""
    groups = {name: value for name, value in about.items() if isinstance(value, Mapping)}
    alone = {name: value for name, value in about.items() if name not in groups}
    return [
        (_in_words(name), [(_in_words(key), _setting(value, name)) for key, value in group.items()])
        for name, group in {"run": alone, **groups}.items()
        if group
    ]


def _moment(at: str | None) -> str:
    """A time of UTC to the minute."""
    return datetime.fromisoformat(at).strftime("%Y-%m-%d %H:%M UTC") if at else ""


def _in_words(name: str) -> str:
    return str(name).replace("_", " ")


def _setting(value: Any, group: str) -> str:
    if value is None or value == "" or value == [] or value == ():
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    if group == "seconds" and isinstance(value, int | float):
        return f"{value:,.1f} s"
    return f"{value:,}" if isinstance(value, int) and value >= 10_000 else str(value)
