"""JSON columns: the structure of the documents, learned without what they say, and new documents of that structure.

A node describes the values at one place: the share of each JSON type there and, for each type, its numbers' range, its
strings' fabricator, its arrays' lengths and items, its objects' keys. Keys stay that stand in 5 % of the objects and in
at least 5 of them.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from .distinct import choose, join

__all__ = ["draw_documents", "learn_documents"]

LearnStrings = Callable[[str, list[str]], dict]  # key, values -> plain data
DrawStrings = Callable[[dict, int, np.random.Generator], pa.Array]

_MIN_SHARE, _MIN_ROWS, _MAX_KEYS, _MAX_DEPTH = 0.05, 5, 200, 12


def learn_documents(texts: list[str], learn_strings: LearnStrings) -> dict[str, Any] | None:
    """The node for these documents, as plain data; None where most of them are not JSON."""
    documents = []
    for text in texts:
        try:
            documents.append(json.loads(text))
        except ValueError:
            continue
    if len(documents) <= 0.5 * len(texts):
        return None
    compact = sum('": ' in text for text in texts) < 0.5 * sum('":' in text for text in texts)
    return {"compact": bool(compact), "root": _learn_node("", documents, learn_strings, 0)}


def _kind(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return "null" if value is None else "boolean"
    if isinstance(value, (int, float)):
        return "integer" if isinstance(value, int) else "number"
    return {str: "string", list: "array"}.get(type(value), "object")


def _learn_node(key: str, values: list, learn_strings: LearnStrings, depth: int) -> dict[str, Any]:
    by_kind: dict[str, list] = {}
    for value in values:
        by_kind.setdefault(_kind(value), []).append(value)
    kept = {k: v for k, v in by_kind.items() if len(v) >= min(_MIN_ROWS, len(values)) and len(v) >= 0.01 * len(values)}
    node: dict[str, Any] = {"kinds": {k: round(len(v) / len(values), 4) for k, v in sorted(kept.items())}}
    if "boolean" in kept:
        node["true"] = round(sum(kept["boolean"]) / len(kept["boolean"]), 3)
    for kind in ("integer", "number"):
        if kind in kept:
            node[kind] = _learn_numbers(kept[kind])
    if "string" in kept:
        node["string"] = learn_strings(key, kept["string"])
    if "array" in kept:
        items = [item for array in kept["array"] for item in array]
        lengths = np.quantile([len(array) for array in kept["array"]], np.linspace(0.05, 0.95, 11))
        node["lengths"] = [round(q) for q in lengths]
        node["item"] = {"kinds": {"null": 1.0}}
        if items and depth < _MAX_DEPTH:
            node["item"] = _learn_node(key, items[:20_000], learn_strings, depth + 1)
    if "object" in kept:
        node["keys"] = _learn_keys(kept["object"], learn_strings, depth)
    return node


def _learn_numbers(numbers: list[float]) -> dict[str, Any]:
    """Eleven rounded quantiles and the digits after the point."""
    values = np.array([min(max(number, -(2**53)), 2**53) for number in numbers], dtype=float)  # an integer may be huge
    values = values[np.isfinite(values)] if np.isfinite(values).any() else np.zeros(1)
    points = np.quantile(values, np.linspace(0.05, 0.95, 11))
    digits = next((d for d in range(5) if np.allclose(values * 10**d, np.rint(values * 10**d), atol=1e-6)), 4)
    grain = 10.0 ** (int(np.floor(np.log10(max(points[-1] - points[0], 10.0**-digits)))) - 2)
    return {"points": [float(np.rint(p / grain) * grain) for p in points], "digits": digits}


def _learn_keys(objects: list[dict], learn_strings: LearnStrings, depth: int) -> dict[str, Any]:
    counts = Counter(key for entry in objects for key in entry)
    enough = max(_MIN_ROWS, _MIN_SHARE * len(objects))
    keys = [key for key, times in counts.most_common(_MAX_KEYS) if times >= enough and "@" not in key]
    if depth >= _MAX_DEPTH:
        return {}
    found = {}
    for key in keys:
        values = [entry[key] for entry in objects if key in entry]
        share = round(len(values) / len(objects), 4)
        found[key] = {"share": share, **_learn_node(key, values, learn_strings, depth + 1)}
    return found


# ---------------------------------------------------------------------------------------------------------- drawing


def draw_documents(settings: dict[str, Any], n: int, rng: np.random.Generator, draw_strings: DrawStrings) -> pa.Array:
    """`n` JSON texts of the learned structure, built a place at a time for all rows at once."""
    comma, colon = (",", ":") if settings["compact"] else (", ", ": ")
    return _Writer(comma, colon, rng, draw_strings).node(settings["root"], n)


class _Writer:
    def __init__(self, comma: str, colon: str, rng: np.random.Generator, draw_strings: DrawStrings) -> None:
        self.comma, self.colon, self.rng, self.draw_strings = comma, colon, rng, draw_strings

    def node(self, node: dict[str, Any], n: int) -> pa.Array:
        """JSON texts of `n` values at one place."""
        if not node["kinds"] or n == 0:
            return pa.array(["null"] * n, pa.string())
        kinds = choose(node["kinds"], n, self.rng)
        if len(node["kinds"]) == 1:
            return self.writer(next(iter(node["kinds"])))(node, n)
        texts = pa.nulls(n, pa.string())
        for kind in node["kinds"]:
            mask = pc.equal(kinds, kind)
            times = pc.sum(mask).as_py()
            if times:
                texts = pc.replace_with_mask(texts, mask, self.writer(kind)(node, times))
        return texts

    def writer(self, kind: str) -> Callable[[dict[str, Any], int], pa.Array]:
        """What writes values of a kind; KeyError for a word that is none, whoever wrote it into a bundle."""
        return {
            "null": self.null, "boolean": self.boolean, "integer": self.integer, "number": self.number,
            "string": self.string, "array": self.array, "object": self.object,
        }[kind]  # fmt: skip

    def null(self, node: dict, n: int) -> pa.Array:
        return pa.array(["null"] * n, pa.string())

    def boolean(self, node: dict, n: int) -> pa.Array:
        return pa.array(["false", "true"]).take(pa.array((self.rng.random(n) < node["true"]).astype(np.int8)))

    def integer(self, node: dict, n: int) -> pa.Array:
        return pa.array(np.rint(self._numbers(node["integer"], n)).astype(np.int64)).cast(pa.string())

    def number(self, node: dict, n: int) -> pa.Array:
        return pa.array(np.round(self._numbers(node["number"], n), node["number"]["digits"])).cast(pa.string())

    def _numbers(self, settings: dict, n: int) -> np.ndarray:
        points = settings["points"]
        return np.interp(self.rng.random(n), np.linspace(0, 1, len(points)), points)

    def string(self, node: dict, n: int) -> pa.Array:
        texts = self.draw_strings(node["string"], n, self.rng)
        for plain, escaped in (("\\", "\\\\"), ('"', '\\"'), ("\n", "\\n"), ("\r", "\\r"), ("\t", "\\t")):
            texts = pc.replace_substring(texts, plain, escaped)
        return join('"', texts, '"')

    def array(self, node: dict, n: int) -> pa.Array:
        lengths = node["lengths"]
        counts = np.rint(np.interp(self.rng.random(n), np.linspace(0, 1, len(lengths)), lengths)).astype(np.int64)
        offsets = pa.array(np.concatenate([[0], np.cumsum(counts)]).astype(np.int32))
        items = self.node(node["item"], int(counts.sum()))
        return join("[", pc.binary_join(pa.ListArray.from_arrays(offsets, items), self.comma), "]")

    def object(self, node: dict, n: int) -> pa.Array:
        members = []
        for key, child in node["keys"].items():
            member = join(self.comma + json.dumps(key, ensure_ascii=False) + self.colon, self.node(child, n))
            if child["share"] < 1:
                member = pc.if_else(pa.array(self.rng.random(n) < child["share"]), member, "")
            members.append(member)
        if not members:
            return pa.array(["{}"] * n, pa.string())
        return join("{", pc.utf8_slice_codeunits(join("", *members), len(self.comma)), "}")
