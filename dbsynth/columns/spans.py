"""Ranges, as Postgres writes them: where they begin, how wide they are, which ends are open.

Begins and widths are kept as means of at least five rows each, and come out between these. Of fewer rows only the
magnitude is kept: a mean would say too much of each.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

__all__ = ["draw_spans", "learn_spans"]

_SPAN = re.compile(r'([\[(])("[^"]*"|[^",]*),("[^"]*"|[^",]*)([\])])')
_SECONDS = 86_400
_ROWS_PER_MEAN, _MOST_MEANS = 5, 100
_EPOCH = date(1970, 1, 1)


def learn_spans(values: Sequence[str], *, apart: bool = False) -> dict[str, Any]:
    """What `draw_spans` needs to write ranges like these, or sets of ranges; without values all come out empty.

    Args:
        apart: no two of those drawn together may overlap.
    """
    found = [_SPAN.findall(value) for value in values]
    chosen = (parts[i % len(parts)] for i, parts in enumerate(found) if parts)  # one of each row, as they are drawn
    spans = [(marks, *map(_position, (low, high)), closing) for marks, low, high, closing in chosen]
    kinds = Counter(side[0] for _, low, high, _ in spans for side in (low, high) if side)
    settings: dict[str, Any] = {"apart": apart, "empty": sum(not parts for parts in found) / max(len(found), 1)}
    if not kinds:
        return {**settings, "empty": 1.0}
    kind = kinds.most_common(1)[0][0]
    sides = [[side[1] if side and side[0] == kind else None for side in (low, high)] for _, low, high, _ in spans]
    begins = [low for low, _ in sides if low is not None] or [high for _, high in sides if high is not None]
    widths = [high - low for low, high in sides if None not in (low, high) and high >= low]
    step = _step(kind, [x for side in sides for x in side if x is not None])
    widths = _means(widths) if len(widths) >= _ROWS_PER_MEAN else _magnitudes(widths or [step], step)
    begins = _means(begins) if len(begins) >= _ROWS_PER_MEAN else _around(begins, 4 * widths[-1])
    return {
        **settings, "of": kind, "step": step, "begins": begins, "widths": widths,
        "marks": "".join(Counter(begin + end for begin, _, _, end in spans).most_common(1)[0][0]),
        "open_below": sum(low is None for low, _ in sides) / len(sides),
        "open_above": sum(high is None for _, high in sides) / len(sides),
    }  # fmt: skip


def _position(bound: str) -> tuple[str, float] | None:
    """Kind and place of a bound; None where the range is open."""
    text = bound.strip('"')
    if re.fullmatch(r"-?\d+(\.\d+)?", text):
        return "number", float(text)
    try:
        if re.fullmatch(r"\d{4}-\d\d-\d\d", text):
            return "date", float((date.fromisoformat(text) - _EPOCH).days)
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None  # open, infinite, or of a type of the user's own
    return "zoned" if moment.tzinfo else "moment", (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _step(kind: str, places: Iterable[float]) -> float:
    """The largest of the usual steps that all places are whole numbers of."""
    places = np.array(list(places))
    steps = {"number": (1.0, 0.1, 0.01, 0.001), "date": (1.0,)}.get(kind, (float(_SECONDS), 3600.0, 60.0, 1.0, 1e-3))
    return next((s for s in steps if np.allclose(places / s, np.rint(places / s), rtol=0, atol=1e-4)), 1e-6)


def _means(numbers: Sequence[float]) -> list[float]:
    """Means of the sorted numbers, in groups of at least five."""
    groups = max(min(len(numbers) // _ROWS_PER_MEAN, _MOST_MEANS), 1)
    return [float(part.mean()) for part in np.array_split(np.sort(np.array(numbers)), groups)]


def _magnitudes(widths: Sequence[float], step: float) -> list[float]:
    """The powers of ten, in steps, that enclose the widths."""
    least, most = (max(np.rint(width / step), 1.0) for width in (min(widths), max(widths)))
    return [float(step * 10 ** np.floor(np.log10(least))), float(step * 10 ** (np.floor(np.log10(most)) + 1))]


def _around(places: Sequence[float], grain: float) -> list[float]:
    """The multiples of the grain that enclose the places."""
    return [float(np.floor(min(places) / grain) * grain), float((np.floor(max(places) / grain) + 1) * grain)]


def draw_spans(settings: dict[str, Any], n: int, rng: np.random.Generator, *, several: bool = False) -> pa.Array:
    """`n` ranges as text; with `several`, sets of one range each."""
    empty = pa.array(["{}" if several else "empty"] * n, pa.string())
    if n == 0 or settings["empty"] == 1.0:
        return empty
    step = settings["step"]
    low = step * np.rint(_between(settings["begins"], n, rng) / step)
    width = step * np.maximum(np.rint(_between(settings["widths"], n, rng) / step), 1)
    if settings["apart"]:
        low, high = _kept_apart(low, width, step, rng)
    else:
        high = low + width
    texts = pc.binary_join_element_wise(
        settings["marks"][0], _bounds(settings, low, "open_below", rng), ",",
        _bounds(settings, high, "open_above", rng), settings["marks"][1], "",
    )  # fmt: skip
    texts = pc.binary_join_element_wise("{", texts, "}", "") if several else texts
    return pc.if_else(pa.array(rng.random(n) < settings["empty"]), empty, texts)


def _between(means: Sequence[float], n: int, rng: np.random.Generator) -> np.ndarray:
    return np.interp(rng.random(n), np.linspace(0, 1, len(means)), means) if len(means) > 1 else np.full(n, means[0])


def _kept_apart(
    low: np.ndarray, width: np.ndarray, step: float, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """The same ranges in a random order, each begun after the one before and ended a step before the next."""
    order = 2 * step * np.arange(len(low))  # room for a range of one step and a gap of one
    low = order + np.maximum.accumulate(np.sort(low) - order)
    high = np.minimum(low + width, np.append(low[1:] - step, np.inf))
    rows = rng.permutation(len(low))
    return low[rows], high[rows]


def _bounds(settings: dict[str, Any], places: np.ndarray, side: str, rng: np.random.Generator) -> pa.Array:
    share = 0.0 if settings["apart"] else settings[side]
    return pc.if_else(pa.array(rng.random(len(places)) < share), "", _written(settings["of"], places, settings["step"]))


def _written(kind: str, places: np.ndarray, step: float) -> pa.Array:
    if kind == "number":
        digits = max(round(-np.log10(step)), 0)
        return pa.array([f"{place:.{digits}f}" for place in places], pa.string())
    unit, scale, zone = ("D", 1, "") if kind == "date" else ("us", 1_000_000, "+00" if kind == "zoned" else "")
    texts = np.datetime_as_string(np.rint(places * scale).astype(np.int64).astype(f"datetime64[{unit}]"))
    texts = pc.replace_substring(pa.array(texts.tolist(), pa.string()), "T", " ")
    return pc.binary_join_element_wise('"', pc.replace_substring(texts, ".000000", ""), f'{zone}"', "")
