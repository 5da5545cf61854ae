"""The page, from an evaluation and what is drawn of it."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from jinja2 import Environment, PackageLoader

from ..distributions import Associations, Distribution, Distributions, Groups
from ..evaluation import Evaluation, TableNote
from ..glossary import TERMS
from ..items import Item
from ..verdict import verdict, weakest
from .figures import GRADES, Figure, figure_of, mean_figure, show_number, show_percent
from .plots import Bar, HeatMap, Histogram, bars, heat_maps, histogram, null_bar
from .schema_picture import draw_schema

__all__ = ["render"]

_WORST = 20
_WORST_PAIRS = 5
_OPEN_TABLES = 4  # a page of more tables shows them closed
_OF_KEY = ("cardinality", "column-degree", "intra-group", "1-hop")
_APART = ("c2st", "c2st with children", "efficacy", "alpha-precision", "beta-recall")
_PRIVACY = (
    "copies", "quasi-identifier copies", "dcr", "dcr share", "nndr", "mia auc", "rare values", "extremes",
    "fabricated overlap",
)  # fmt: skip
_NOT_FOR_FILES = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")


def render(evaluation: Evaluation, distributions: Distributions) -> str:
    """One HTML file that needs nothing else: no script, no font, no picture from anywhere.

    Whatever a schema's names hold, they are text: the template escapes all of them. Control characters and halves of
    surrogate pairs, which a file in UTF-8 cannot carry, are replaced.
    """
    environment = Environment(
        loader=PackageLoader("dbsynth.quality.report"), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"percent": show_percent, "number": show_number}
    page = environment.get_template("page.html.j2").render(_contents(evaluation, distributions))
    return _NOT_FOR_FILES.sub("\ufffd", page)


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


@dataclass(frozen=True)
class _Key:
    """A foreign key's card."""

    group: Groups
    figure: Figure | None
    figures: list[Figure]
    histogram: Histogram | None


def _contents(evaluation: Evaluation, drawn: Distributions) -> dict[str, Any]:
    anchors = {table.name: f"table-{i}" for i, table in enumerate(evaluation.tables, 1)}
    by_table = _by_tables(evaluation.items)
    tables = [_table(table, anchors[table.name], by_table, drawn) for table in evaluation.tables]
    keys = [_key(group, by_table) for group in drawn.groups]
    summary = evaluation.summary
    likeness = [figure_of(item) for item in summary.values() if _is_score(item) and item.measure not in _APART]
    return {
        "verdict": verdict(evaluation),
        "about": evaluation.about,
        "settings": _settings(evaluation.about),
        "notes": evaluation.notes,
        "grades": GRADES,
        "likeness": likeness,
        "axis_start": _axis_start(likeness),
        "dangling": figure_of(summary["dangling"]) if "dangling" in summary else None,
        "schema": draw_schema(
            evaluation.tables, drawn.groups, {t.note.name: t.figure for t in tables}, {k.group: k.figure for k in keys},
            anchors,
        ),
        "tables": tables,
        "open_tables": len(tables) <= _OPEN_TABLES,
        "keys": keys,
        "paths": _paths(evaluation),
        "apart": [_measured(evaluation, name) for name in _APART if name in summary or evaluation.of(name)],
        "privacy": [_measured(evaluation, name) for name in _PRIVACY if name in summary or evaluation.of(name)],
        "worst": [figure_of(item) for item in weakest(evaluation, _WORST)],
        "fates": _fates(evaluation.tables),
        "terms": [figure_of(item) for item in summary.values() if item.measure in TERMS or "-hop" in item.measure],
    }  # fmt: skip


def _is_score(item: Item) -> bool:
    return item.measure.endswith("-hop") or (item.measure in TERMS and TERMS[item.measure].unit == "score")


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
        heat_maps(associations) if associations and len(associations.columns) > 2 else (),
        associations.note if associations else "",
        _pairs(pairs, associations),
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
    for item in sorted((i for i in items if not math.isnan(i.score)), key=lambda i: i.score)[:_WORST_PAIRS]:
        at = tuple(place.get(column) for column in item.columns)
        sides = ("", "") if associations is None or None in at else (
            _strength(associations.real[at]), _strength(associations.synthetic[at])
        )  # fmt: skip
        found.append(_Pair(figure_of(item), *sides))
    return found


def _strength(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.2f}".replace("-", "−")


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
            pairs = [i for i in evaluation.of(measure) if not math.isnan(i.score)]
            found.append((figure_of(item), [figure_of(i) for i in sorted(pairs, key=lambda i: i.score)[:_WORST_PAIRS]]))
    return found


def _measured(evaluation: Evaluation, measure: str) -> dict[str, Any]:
    """A measure's figure of the whole, and those below it."""
    whole = evaluation.summary.get(measure, Item(measure, (), note="not measured"))
    return {"whole": figure_of(whole), "parts": [figure_of(item) for item in evaluation.of(measure)]}


def _axis_start(figures: Iterable[Figure]) -> float:
    """Where the axis of the scores starts, so that their differences can be seen: 50 at most."""
    least = min((f.value for f in figures if not math.isnan(f.value)), default=100.0)
    return min(90.0, max(0.0, math.floor(least / 10) * 10 - 10))


def _fates(tables: Iterable[TableNote]) -> dict[str, int]:
    """How many columns each fate has."""
    found: dict[str, int] = {}
    for table in tables:
        for column in table.columns:
            found[column.fate] = found.get(column.fate, 0) + 1
    return found


def _settings(about: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """All that is said of the run, one line each."""
    lines: list[tuple[str, str]] = []
    for name, value in about.items():
        if isinstance(value, Mapping):
            lines += _settings(value, f"{prefix}{name} · ")
        else:
            words = f"{value:.3g}" if isinstance(value, float) else "" if value is None else str(value)
            lines.append((f"{prefix}{name}".replace("_", " "), words))
    return lines
