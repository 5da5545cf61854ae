"""A text column without a known meaning: is it a code, a date in letters, an identifier, a document, or words?"""

from __future__ import annotations

import re
from collections import Counter
from datetime import datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ..schema import Column, Kind
from .distinct import join
from .patterns import common_shapes, learn_shapes, signature
from .ranges import draw_range, learn_range
from .wording import learn_words

__all__ = ["draw_written", "is_code", "keywords", "learn_plain", "learn_written"]

_FORMATS = (
    "%Y-%m-%d", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%d %H:%M:%S.%f",
    "%Y-%m-%d %H:%M", "%d/%m/%Y", "%m/%d/%Y", "%d.%m.%Y", "%Y/%m/%d", "%H:%M:%S", "%H:%M",
)  # fmt: skip
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.I)
_OFFSET = re.compile(r"(\d:\d\d(?:\.\d+)?) ?[+-]\d\d(:?\d\d)?$")
_NUMBER = re.compile(r"-?\d{1,15}(\.\d{1,6})?")


def learn_plain(values: list[str]) -> tuple[str, dict[str, Any]]:
    """The way to invent such texts, "uuid", "written", "pattern" or "words", and what it needs."""
    if values and all(_UUID.fullmatch(value) for value in values):
        return "uuid", {"upper": sum(value.isupper() for value in values) > 0.5 * len(values)}
    written = learn_written(values)
    if written:
        return "written", written
    if is_code(values):
        return "pattern", {"shapes": learn_shapes(values), "check": None}
    return "words", learn_words(values)


def is_code(values: list[str]) -> bool:
    """Whether the texts are codes (numbers, article numbers, hashes) and not words."""
    values = [value for value in values if value.strip()]
    if not values:
        return False
    text = "".join(values)
    letters = sum(c.isalpha() for c in text)
    digits = sum(c.isdigit() for c in text)
    spaced = sum(" " in value.strip() for value in values) / len(values)
    if letters == 0 or (digits > 0.2 * len(text) and spaced < 0.3):
        return True
    if spaced > 0.3:
        return digits > 0.4 * len(text) or (digits > 0.15 * len(text) and bool(common_shapes(values, 0.8)))
    if len(text) / len(values) > 14 and digits:
        return digits > 0.04 * len(text) or _mixed_case(values) > 0.3  # hashes, base64
    one_shape = len({signature(value) for value in values}) <= max(3, 0.05 * len(values)) and len(values) >= 5
    lower = sum(c.islower() for c in text)
    short = max(map(len, values)) <= 3
    return (one_shape and lower < 0.1 * letters) or (short and lower < 0.5 * letters)


def _mixed_case(values: list[str]) -> float:
    """The share of texts in which a capital follows a small letter."""
    return sum(bool(re.search("[a-z][A-Z]", value)) for value in values) / len(values)


def keywords(values: list[str]) -> dict[str, float] | None:
    """The shares of the few words a program knows (``open``, ``closed``); None where the texts are something else.

    Each counts at least 20 rows and 1 % of them (a single character: 5), and together they are nearly all.
    """
    counts = Counter(values)
    enough = max(20, 0.01 * len(values))
    common = {w: k / len(values) for w, k in counts.items() if k >= (5 if len(w) == 1 else enough)}
    plain = all(word and len(word) <= 32 and re.fullmatch(r"[\w-]+", word) for word in common)
    if not common or len(common) > 30 or sum(common.values()) < 0.95 or not plain:
        return None
    return {word: round(share, 4) for word, share in common.items()}


# ------------------------------------------------------------------------------------- numbers and dates, as text


def learn_written(values: list[str], *, numbers: bool = False) -> dict[str, Any] | None:
    """The format and range of dates (or, if asked for, numbers) written as text; None where they are neither.

    Words among them that are no date (``infinity``) may be a fifth.
    """
    sample = values[:2000]
    offsets = [value for value in sample if _OFFSET.search(value)]
    if len(offsets) >= 0.8 * len(sample) > 0:  # an instant with its time zone
        found = learn_written([_OFFSET.sub(r"\1", value) for value in offsets])
        return found and {**found, "suffix": "+00"}
    for form in _FORMATS:
        moments = [moment for value in sample[:50] if (moment := _parsed(value, form)) is not None]
        if sample and len(moments) >= max(0.8 * len(sample[:50]), 1):
            found = pa.array([m for v in sample if (m := _parsed(v, form)) is not None], pa.timestamp("us"))
            return {"format": form, **learn_range(_timestamps(form), found)}
    fitting = [value for value in sample if _NUMBER.fullmatch(value)]
    if numbers and sample and len(fitting) >= 0.8 * len(sample):
        return {"format": "number", **learn_range(_numbers(), pa.array(fitting, pa.string()))}
    return None


def _parsed(text: str, form: str) -> datetime | None:
    if not text[:1].isdigit() or (form == "%Y-%m-%d" and len(text) != 10):
        return None
    try:
        moment = datetime.strptime(text, form)
    except ValueError:
        return None
    return moment


def _timestamps(form: str) -> Column:
    return Column("", Kind.TIMESTAMP, form)


def _numbers() -> Column:
    return Column("", Kind.DECIMAL, "numeric")


def draw_written(settings: dict[str, Any], n: int, rng: np.random.Generator, unique: bool) -> pa.Array:
    """`n` dates or numbers in the learned format; fewer where `unique` and the format has no more."""
    form = settings["format"]
    if form == "number":
        return draw_range(settings, _numbers(), n, rng, unique)
    moments = draw_range(settings, _timestamps(form), n, rng, unique)
    clear = form.replace(".%f", "")
    seconds = pc.cast(moments, pa.timestamp("s"), safe=False)
    suffix = settings.get("suffix", "")
    texts = pc.strftime(seconds, format=clear)
    if clear == form:
        return join(texts, suffix)
    micros = pc.cast(moments, pa.int64()).to_numpy() % 1_000_000
    width = 3 if settings["step"] >= 1000 else 6
    part = pa.array(micros // 10 ** (6 - width)).cast(pa.string())
    return join(texts, ".", pc.utf8_lpad(part, width, "0"), suffix)
