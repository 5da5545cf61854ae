"""Where the tables of a schema stand in a picture: parents on the left, children to their right, few lines crossing.

The layered drawing of Sugiyama, Tagawa and Toda (1981): layers by the longest way from a root, an order within each
layer by the mean position of the neighbours, then heights that move as little as possible from those means.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np
from sklearn.isotonic import isotonic_regression

__all__ = ["lay_out"]

_SWEEPS = 12
_LANE = 16.0  # height of a line that passes a layer

Node = tuple[str, ...]  # a table; or a line on its way through a layer: parent, child, layer


def lay_out(
    heights: Mapping[str, float], edges: Sequence[tuple[str, str]]
) -> tuple[list[list[str]], dict[str, float], dict[tuple[str, str], list[float]]]:
    """Layers, and heights in them.

    Args:
        heights: of every table that has an edge, the room above the next one included.
        edges: (parent, child), without cycles.

    Returns:
        The tables of each layer from the top down; the middle of each table; and for each edge the heights at which it
        passes the layers between its ends.
    """
    level = _levels(heights, edges)
    layers: list[list[Node]] = [[] for _ in range(max(level.values(), default=-1) + 1)]
    for name in heights:
        layers[level[name]].append((name,))
    links: list[tuple[Node, Node]] = []
    for parent, child in dict.fromkeys(edges):
        lanes: list[Node] = [(parent, child, str(i)) for i in range(level[parent] + 1, level[child])]
        for i, lane in enumerate(lanes):
            layers[level[parent] + 1 + i].append(lane)
        links += pairwise([(parent,), *lanes, (child,)])
    _reduce_crossings(layers, links)
    room = {node: heights[node[0]] if len(node) == 1 else _LANE for layer in layers for node in layer}
    middle = _middles(layers, links, room)
    routes = {
        (parent, child): [middle[parent, child, str(i)] for i in range(level[parent] + 1, level[child])]
        for parent, child in edges
    }
    tables = [[node[0] for node in layer if len(node) == 1] for layer in layers]
    return tables, {name: middle[(name,)] for name in heights}, routes


def _levels(names: Mapping[str, float], edges: Sequence[tuple[str, str]]) -> dict[str, int]:
    """The longest way from a root; a root itself stands just left of its nearest child."""
    parents: dict[str, set[str]] = {name: set() for name in names}
    for parent, child in edges:
        parents[child].add(parent)
    level: dict[str, int] = {}
    while len(level) < len(parents):
        ready = [name for name in parents if name not in level and parents[name] <= level.keys()]
        level |= {name: max((level[p] + 1 for p in parents[name]), default=0) for name in ready}
    for name in names:
        if not parents[name]:
            level[name] = min((level[child] for parent, child in edges if parent == name), default=1) - 1
    return level


def _neighbours(links: Sequence[tuple[Node, Node]]) -> tuple[dict[Node, list[Node]], dict[Node, list[Node]]]:
    left: dict[Node, list[Node]] = {}
    right: dict[Node, list[Node]] = {}
    for a, b in links:
        left.setdefault(b, []).append(a)
        right.setdefault(a, []).append(b)
    return left, right


def _reduce_crossings(layers: list[list[Node]], links: Sequence[tuple[Node, Node]]) -> None:
    """Sort every layer by the mean place of its neighbours, first from the left, then from the right, and so on; the
    order with the fewest crossings stays.
    """
    left, right = _neighbours(links)
    best, fewest = [list(layer) for layer in layers], _crossings(layers, links)
    for sweep in range(_SWEEPS):
        forward = sweep % 2 == 0
        near = left if forward else right
        for layer in layers if forward else layers[::-1]:
            place = {node: i for other in layers for i, node in enumerate(other)}
            keys = {
                node: float(np.mean([place[n] for n in near[node]])) if node in near else float(place[node])
                for node in layer
            }
            layer.sort(key=keys.__getitem__)
        if (crossings := _crossings(layers, links)) < fewest:
            best, fewest = [list(layer) for layer in layers], crossings
    layers[:] = best


def _crossings(layers: Sequence[Sequence[Node]], links: Sequence[tuple[Node, Node]]) -> int:
    place = {node: (depth, i) for depth, layer in enumerate(layers) for i, node in enumerate(layer)}
    ends = np.array([(*place[a], place[b][1]) for a, b in links]).reshape(-1, 3)
    depth, a, b = ends.T
    same = depth[:, None] == depth[None, :]
    return int((same & (a[:, None] < a[None, :]) & (b[:, None] > b[None, :])).sum())


def _middles(
    layers: Sequence[Sequence[Node]], links: Sequence[tuple[Node, Node]], room: Mapping[Node, float]
) -> dict[Node, float]:
    """Heights near those of the neighbours, in each layer's order and with enough room: an isotonic regression."""
    left, right = _neighbours(links)
    middle: dict[Node, float] = {}
    for layer in layers:
        middle |= dict(zip(layer, _stacked(layer, room), strict=True))
    for sweep in range(_SWEEPS):
        for layer in layers if sweep % 2 == 0 else layers[::-1]:
            offsets = _stacked(layer, room)
            near = [left.get(node, []) + right.get(node, []) for node in layer]
            wanted = [np.mean([middle[n] for n in ns]) if ns else middle[node]
                      for node, ns in zip(layer, near, strict=True)]  # fmt: skip
            middle |= dict(zip(layer, isotonic_regression(np.array(wanted) - offsets) + offsets, strict=True))
    top = min((middle[node] - room[node] / 2 for node in middle), default=0.0)
    return {node: float(height - top) for node, height in middle.items()}


def _stacked(layer: Sequence[Node], room: Mapping[Node, float]) -> np.ndarray:
    """The middles of boxes that stand right on top of each other."""
    sizes = np.array([room[node] for node in layer], dtype=np.float64)
    return np.cumsum(sizes) - sizes / 2
