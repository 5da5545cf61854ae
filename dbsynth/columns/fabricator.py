"""How the values of a column are invented: learned once, kept as plain data in the bundle.

A `Fabricator` holds shapes, lengths and shares, and no value of the source but for words and parts of codes that many
rows share.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ..schema import Column, Kind
from .distinct import repeat_ranks
from .documents import learn_documents
from .faked import own_word
from .native import learn_native, magic_of
from .patterns import capacity, learn_shapes, positions_of, read_pattern, shape_of
from .people import PERSON_FIELDS, PLACES, learn_style
from .personal import recognise, words_of
from .ranges import integer_digits, learn_range
from .reserved import learn_coordinates, learn_reserved, learn_url
from .texts import is_code, keywords, learn_plain, learn_written
from .unlike import learn_unlike
from .wording import language_of, script_language

__all__ = ["NUMERIC", "SHAPED", "Fabricator", "learn_fabricator"]

SHAPED = ("phone", "card_number", "iban", "national_id", "postcode", "password", "pattern")
NUMERIC = frozenset({Kind.INTEGER, Kind.DECIMAL, Kind.FLOAT})

_SAMPLE = 20_000
_TEMPORAL = frozenset({Kind.DATE, Kind.TIME, Kind.TIMESTAMP, Kind.TIMESTAMPTZ})
_JOBS = ("job", "jobtitle", "contacttitle", "employeetitle", "occupation", "profession", "jobrole")
# Where they are no personal data: lists of places are of places all the same.
_AREAS = ("city", "town", "village", "municipality", "district", "province", "county", "region")
_PLAIN = {"country": "country", **dict.fromkeys(_AREAS, "city"), **dict.fromkeys(_JOBS, "job")}
# Of types whose values cross as text because some are unusual: those that take any text, and a value that is safe.
_ANY_TEXT = frozenset({"", "text", "varchar", "char", "nvarchar", "clob", "blob", "any", "string"})
_SAFE = {
    "date": "2000-01-01", "timestamp": "2000-01-01 00:00:00", "timestamptz": "2000-01-01 00:00:00+00",
    "datetime": "2000-01-01 00:00:00", "time": "12:00:00", "numeric": "0", "decimal": "0", "real": "0", "double": "0",
    "float": "0", "integer": "0", "int": "0", "bigint": "0", "smallint": "0", "boolean": "0", "bool": "0",
}  # fmt: skip
_DATED = frozenset({"date", "datetime", "timestamp", "timestamptz"})
# A day of the calendar that all servers have, with or without a time of day.
_PLAIN_MOMENT = re.compile(r"\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])([ T]([01]\d|2[0-3]):.*[^C])?")


@dataclass(frozen=True)
class Fabricator:
    """How the values of one column are invented. Plain data: `to_json` and `from_json` are inverse to each other.

    `how` is the word for the way: one of `personal.PROVIDERS`, or "pattern", "words", "uuid", "binary", "json",
    "native", "range", "written", "choice", "faker", "null". `settings` is what that way has learned.
    """

    how: str
    table: str
    column: str
    unique: bool = False
    repeats: Mapping[str, Any] | None = field(default=None, hash=False)  # how often values repeat; None: hardly ever
    settings: Mapping[str, Any] = field(default_factory=dict, hash=False)

    def to_json(self) -> dict[str, Any]:
        """Plain data, ready for `json.dumps`."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Fabricator:
        """The inverse of `to_json`."""
        return cls(**data)


def learn_fabricator(
    table: str, column: Column, values: pa.Array, *, unique: bool, provider: str | None = None,
    pattern: str | None = None, apart: bool = False,
) -> Fabricator:  # fmt: skip
    """The way to invent values like these.

    Args:
        table: the table's name, which tells a person's name from a product's.
        column: name, kind and limits.
        values: the source's values, nulls allowed, of the Arrow type in which the column crosses the seam. An empty
            array is enough: the names and the type decide then.
        unique: whether no two of the invented values may be alike.
        provider: what the values are, one of `faked.known_providers`; None recognises it.
        pattern: the shape that all values shall have (`patterns.read_pattern`).
        apart: no two of the invented ranges may overlap: an exclusion constraint says so.
    """
    values = values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values
    values = values.drop_null()
    if len(values) > _SAMPLE:
        sample = values.take(pa.array(np.linspace(0, len(values) - 1, _SAMPLE).astype(np.int64)))
    else:
        sample = values
    if pattern is not None:
        how, settings = "pattern", {"shapes": [read_pattern(pattern)], "check": None, "exact": True}
    else:
        how, settings = _learn(table, column, sample, unique, provider, apart)
    if how in SHAPED:
        room = float(sum(capacity(shape) for shape in settings["shapes"]))
        settings = {**settings, "unlike": learn_unlike(values, room, f"{table}.{column.name}")}
    spread_already = how in ("range", "choice", "null", "written") or settings.get("whole")
    repeats = None if unique or apart or spread_already else repeat_ranks(values)
    return Fabricator(how, table, column.name, unique, repeats, settings)


def _learn(
    table: str, column: Column, values: pa.Array, unique: bool, provider: str | None, apart: bool
) -> tuple[str, dict[str, Any]]:
    if column.kind is Kind.UUID:
        return "uuid", {"upper": False}
    if column.kind is Kind.BINARY:
        return "binary", {"sizes": _sizes(values), "magic": magic_of(values.slice(0, 200).to_pylist())}
    if column.kind in (Kind.BOOLEAN, Kind.ENUM):
        return "choice", {"shares": _choices(column, values)}
    if column.kind in _TEMPORAL or column.kind is Kind.FLOAT:
        return "range", learn_range(column, values)
    if column.kind in NUMERIC:
        return _learn_numbers(table, column, values, unique, provider)
    texts = [str(value) for value in values.to_pylist()]
    if column.kind is Kind.JSON:
        return "json", learn_documents(texts, _learn_strings(table)) or {"compact": False, "root": _EMPTY}
    if column.kind is Kind.OTHER:
        return _learn_other(column, texts, apart)
    if provider and own_word(provider) is None:
        return "faker", {"provider": provider, "language": language_of(texts)}
    return _learn_text(table, column, values, texts, unique, provider)


_EMPTY = {"kinds": {"object": 1.0}, "keys": {}}


def _sizes(values: pa.Array) -> list[int]:
    """21 quantiles of the values' lengths in bytes."""
    sizes = pc.binary_length(values).to_numpy(zero_copy_only=False)
    return [int(q) for q in np.quantile(sizes, np.linspace(0.02, 0.98, 21))] if len(sizes) else [16]


def _choices(column: Column, values: pa.Array) -> dict[str, float]:
    """The share of each value the type allows; of values that the schema does not list, those of at least five rows."""
    counts = Counter(str(value).lower() if column.kind is Kind.BOOLEAN else value for value in values.to_pylist())
    allowed = ("true", "false") if column.kind is Kind.BOOLEAN else column.enum_values
    if allowed:
        shares = {word: counts[word] / max(len(values), 1) for word in allowed if counts[word] >= 5}
        return shares or dict.fromkeys(allowed, 1.0)
    return {word: times / len(values) for word, times in counts.items() if times >= 5} or {"": 1.0}


def _learn_numbers(
    table: str, column: Column, values: pa.Array, unique: bool, provider: str | None
) -> tuple[str, dict[str, Any]]:
    provider = own_word(provider) if provider else recognise(table, column, values)
    whole = column.kind is Kind.INTEGER or not column.scale
    texts = [str(value) for value in values.to_pylist()]
    if provider not in SHAPED or not whole or not texts or not all(text.isdigit() for text in texts):
        return "range", learn_range(column, values)
    settings = learn_reserved(provider, texts, unique=unique, length=integer_digits(column))
    return provider, {**settings, "shapes": [_without_leading_zero(shape) for shape in settings["shapes"]]}


def _without_leading_zero(shape: dict) -> dict:
    first, *rest = positions_of(shape)
    first = first.replace("0", "") or "1"
    return shape_of([first, *rest], shape["share"])


def _learn_other(column: Column, texts: list[str], apart: bool) -> tuple[str, dict[str, Any]]:
    """A type no model understands: by its name, else as the dates or numbers it is written as, else null."""
    settings = learn_native(column.native_type, texts, column.enum_values, apart=apart)
    if settings is not None:
        return "native", settings
    word = column.native_type.lower().replace("(", " ").split()[0] if column.native_type.strip() else ""
    plain = [text for text in texts if _PLAIN_MOMENT.fullmatch(text)] if word in _DATED else texts
    written = learn_written(plain or texts, numbers=True)
    if written is not None:
        return "written", written
    if word in _ANY_TEXT:
        return learn_plain(texts)
    counts = Counter(texts)
    common = {text: times / len(texts) for text, times in counts.items() if times >= 5}
    if sum(common.values()) >= 0.95 or (common and not column.nullable and word not in _SAFE):
        return "choice", {"shares": common}
    if column.nullable:
        return "null", {}
    if word in _SAFE:
        return "choice", {"shares": {_SAFE[word]: 1.0}}
    return "pattern", {"shapes": learn_shapes(texts), "check": None}


def _learn_text(
    table: str, column: Column, values: pa.Array, texts: list[str], unique: bool, provider: str | None
) -> tuple[str, dict[str, Any]]:
    provider = own_word(provider) if provider else recognise(table, column, values)
    texts = [text for text in texts if text.strip()]
    if provider in PERSON_FIELDS or provider in PLACES:
        return provider, learn_style(texts, _language(provider, texts))
    if provider in SHAPED and (texts or provider != "postcode"):
        return provider, learn_reserved(provider, texts, unique=unique, length=column.length)
    if provider == "url":
        return "url", learn_url(texts)
    if provider == "ip":
        return "ip", {"six": round(sum(text.count(":") > 1 for text in texts) / max(len(texts), 1), 3)}
    if provider == "mac":
        marks = Counter(next((c for c in text if not c.isalnum()), "") for text in texts) or Counter(":")
        return "mac", {"separator": marks.most_common(1)[0][0], "upper": "".join(texts).isupper()}
    if provider == "coordinates":
        return "coordinates", learn_coordinates(texts)
    if provider in ("latitude", "longitude"):
        written = learn_written(texts, numbers=True)
        if written:
            return "written", written
    if sum(text[:1] in "{[" for text in texts) > 0.9 * len(texts) > 0:
        documents = learn_documents(texts, _learn_strings(table))
        if documents:
            return "json", documents
    words = words_of(column.name)
    plain = _PLAIN.get("".join(words[-1:])) or _PLAIN.get("".join(words[-2:]))
    if provider is None and plain and not is_code(texts):
        return plain, learn_style(texts, _language(plain, texts) if plain == "city" else "en_US")
    kept = None if unique or provider else keywords(texts)
    return ("choice", {"shares": kept}) if kept else learn_plain(texts)


def _language(provider: str, texts: list[str]) -> str:
    """The language of names and places: by script, and by stop words where there are some."""
    if provider in ("email", "user_name"):
        return "en_US"
    return language_of(texts) if provider in ("street", "address") else script_language(" ".join(texts[:2000]))


def _learn_strings(table: str) -> Callable[[str, list[str]], dict[str, Any]]:
    """How `documents` learns the strings under one key: as a text column of that name."""

    def learn(key: str, strings: list[str]) -> dict[str, Any]:
        column = Column(key or "value", Kind.TEXT, "text")
        return learn_fabricator(table, column, pa.array(strings, pa.string()), unique=False).to_json()

    return learn
