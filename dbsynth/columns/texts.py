"""A text column without a known meaning: is it a code, a date in letters, an identifier, a document, or words?"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ..schema import Column, Kind
from .patterns import common_shapes, learn_shapes, signature
from .ranges import draw_range, learn_range
from .wording import learn_words

__all__ = ["draw_written", "is_code", "learn_plain", "learn_written"]

_FORMATS = (
    "%Y-%m-%d", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%d %H:%M:%S.%f",
    "%Y-%m-%d %H:%M", "%d/%m/%Y", "%m/%d/%Y", "%d.%m.%Y", "%Y/%m/%d", "%H:%M:%S", "%H:%M",
)  # fmt: skip
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.I)
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


# ------------------------------------------------------------------------------------- numbers and dates, as text


def learn_written(values: list[str], *, numbers: bool = False) -> dict[str, Any] | None:
    """The format and range of dates (or, if asked for, numbers) written as text; None where they are neither.

    Words among them that are no date (``infinity``) may be a fifth.
    """
    sample = values[:2000]
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
    texts = pc.strftime(seconds, format=clear)
    if clear == form:
        return texts
    micros = pc.cast(moments, pa.int64()).to_numpy() % 1_000_000
    width = 3 if settings["step"] >= 1000 else 6
    part = pa.array(micros // 10 ** (6 - width)).cast(pa.string())
    return pc.binary_join_element_wise(texts, pc.utf8_lpad(part, width, "0"), ".")
