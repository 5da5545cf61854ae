"""The schema as a picture: a box for each table, a row in it for each foreign key, a line from there to the parent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..distributions import Groups
from ..evaluation import TableNote
from .figures import Figure, clipped
from .layers import lay_out

__all__ = ["Box", "KeyRow", "SchemaPicture", "Wire", "draw_schema"]

_WIDTH, _GAP = 232.0, 80.0  # of a box, and between layers
_HEAD, _ROW, _FOOT = 46.0, 21.0, 5.0
_SPACE = 18.0  # between boxes
_FEWEST_COLUMNS = 4  # of the tables without keys


@dataclass(frozen=True)
class KeyRow:
    """A foreign key inside its table's box; `y` from the picture's top."""

    y: float
    text: str
    words: str
    figure: Figure | None


@dataclass(frozen=True)
class Box:
    """A table."""

    x: float
    y: float
    height: float
    text: str
    name: str
    rows: str
    kept: bool
    anchor: str
    figure: Figure | None
    keys: tuple[KeyRow, ...]


@dataclass(frozen=True)
class Wire:
    """A foreign key's line from the parent's box to the row in the child's."""

    path: str
    grade: str
    words: str


@dataclass(frozen=True)
class SchemaPicture:
    """Boxes of one width, and wires behind them, in pixels."""

    width: float
    height: float
    box_width: float
    boxes: tuple[Box, ...]
    wires: tuple[Wire, ...]


def draw_schema(
    tables: Sequence[TableNote],
    keys: Sequence[Groups],
    table_figures: Mapping[str, Figure | None],
    key_figures: Mapping[Groups, Figure | None],
    anchors: Mapping[str, str],
) -> SchemaPicture:
    """Place every table and every foreign key; those that close a cycle have a row and no line."""
    of = {table.name: [key for key in keys if key.child == table.name] for table in tables}
    heights = {name: _HEAD + _ROW * len(held) + (_FOOT if held else 0) for name, held in of.items()}
    drawn = [key for key in keys if not key.closes_cycle and key.parent in of]
    linked = {name: heights[name] + _SPACE for name in of if any(name in (key.parent, key.child) for key in drawn)}
    layers, middles, routes = lay_out(linked, [(key.parent, key.child) for key in drawn])
    corner = {
        name: (depth * (_WIDTH + _GAP), middles[name] - heights[name] / 2)
        for depth, layer in enumerate(layers)
        for name in layer
    }
    bottom = max((corner[name][1] + heights[name] for name in corner), default=-_SPACE)
    corner |= _grid([name for name in of if name not in linked], heights, bottom + _SPACE, len(layers))
    boxes = tuple(
        _box(table, *corner[table.name], heights[table.name], of[table.name], table_figures, key_figures, anchors)
        for table in tables
    )
    wires = tuple(_wire(key, corner, of[key.child], routes[key.parent, key.child], key_figures[key]) for key in drawn)
    width = max((x for x, _ in corner.values()), default=0.0) + _WIDTH
    height = max((corner[name][1] + heights[name] for name in corner), default=0.0)
    return SchemaPicture(width, height, _WIDTH, boxes, wires)


def _grid(
    names: Sequence[str], heights: Mapping[str, float], top: float, n_layers: int
) -> dict[str, tuple[float, float]]:
    """Tables without keys, in rows below the others."""
    step, corner = _WIDTH + _SPACE, {}
    per_row = max(int((n_layers * (_WIDTH + _GAP) - _GAP + _SPACE) // step), _FEWEST_COLUMNS)
    for start in range(0, len(names), per_row):
        row = names[start : start + per_row]
        corner |= {name: (i * step, top) for i, name in enumerate(row)}
        top += max(heights[name] for name in row) + _SPACE
    return corner


def _box(
    table: TableNote, x: float, y: float, height: float, keys: Sequence[Groups],
    table_figures: Mapping[str, Figure | None], key_figures: Mapping[Groups, Figure | None], anchors: Mapping[str, str],
) -> Box:  # fmt: skip
    rows = tuple(
        KeyRow(y + _HEAD + _ROW * i + _ROW / 2, *_key_words(key), key_figures[key]) for i, key in enumerate(keys)
    )
    counts = f"{table.real_rows:,} → {table.synthetic_rows:,} rows"
    return Box(
        x, y, height, clipped(table.name, _WIDTH - 24, 15), table.name, counts, table.kept, anchors[table.name],
        None if table.kept else table_figures.get(table.name), rows,
    )  # fmt: skip


def _key_words(key: Groups) -> tuple[str, str]:
    columns = key.key.removeprefix(f"{key.child}.")
    if key.closes_cycle:
        target = "" if key.parent == key.child else key.parent
        return clipped(f"{columns} ↻ {target}", _WIDTH - 70, 12), f"{key.key} refers to {key.parent}, closing a cycle"
    return clipped(columns, _WIDTH - 70, 12), f"{key.key} refers to {key.parent}"


def _wire(
    key: Groups, corner: Mapping[str, tuple[float, float]], keys: Sequence[Groups], lanes: Sequence[float],
    figure: Figure | None,
) -> Wire:  # fmt: skip
    """Level where it leaves, where it passes a layer, and where it arrives; curves between."""
    (x, y), (end_x, end_y) = corner[key.parent], corner[key.child]
    x, y = x + _WIDTH, y + _HEAD / 2
    path = f"M{x:.0f} {y:.1f}"
    for lane in lanes:
        path += _curve(x, y, x + _GAP, lane) + f"h{_WIDTH:.0f}"
        x, y = x + _GAP + _WIDTH, lane
    path += _curve(x, y, end_x, end_y + _HEAD + _ROW * keys.index(key) + _ROW / 2)
    return Wire(path, figure.grade if figure else "", _key_words(key)[1])


def _curve(x: float, y: float, to_x: float, to_y: float) -> str:
    half = (to_x - x) / 2
    return f"C{x + half:.0f} {y:.1f} {to_x - half:.0f} {to_y:.1f} {to_x:.0f} {to_y:.1f}"
