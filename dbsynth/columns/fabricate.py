"""Invented values for columns that are not modelled: personal data, codes, free text, identifiers, documents, bytes.

`learn_fabricator` looks at a column once and keeps shapes, lengths and shares; `fabricate` writes any number of new
values from them. A `Fabricator` is plain data and holds no value of the source; of a code it keeps the parts that many
values share (``CUST-``).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ..errors import SchemaError
from ..schema import Column, Kind, Table
from .distinct import choose, distinct_texts, repeat_ranks, spread
from .documents import draw_documents, learn_documents
from .native import draw_binary, draw_ip, draw_mac, draw_native, draw_uuids, learn_native
from .patterns import DIGITS, capacity, draw_shapes, learn_shapes, positions_of, shape_of, widen_shapes
from .people import PERSON_FIELDS, Persons, draw_person_field, draw_persons, draw_place, learn_style
from .personal import recognise, words_of
from .ranges import draw_range, integer_digits, learn_range, value_type
from .reserved import draw_url, learn_reserved, learn_url
from .texts import draw_written, learn_plain, learn_written
from .wording import draw_words, language_of

__all__ = ["Fabricator", "fabricate", "fabricate_table", "learn_fabricator"]

_SAMPLE = 20_000
_PLACES = ("street", "city", "address", "company")
_SHAPED = ("phone", "card_number", "iban", "national_id", "postcode", "password", "pattern")
_NUMERIC = frozenset({Kind.INTEGER, Kind.DECIMAL, Kind.FLOAT})
_TEMPORAL = frozenset({Kind.DATE, Kind.TIME, Kind.TIMESTAMP, Kind.TIMESTAMPTZ})
_PARTS = frozenset({"first", "last", "middle", "second", "full", "given", "family", "user", "e"})  # … _name, … _mail
_WIDER = (None, 0, 1, 2, 4, 8, 12)  # digits added to shapes that are too few; None is as learned


@dataclass(frozen=True)
class Fabricator:
    """How the values of one column are invented. Plain data: `to_json` and `from_json` are inverse to each other.

    `how` is the word for the way: one of `personal.PROVIDERS`, or "pattern", "words", "uuid", "binary", "json",
    "native", "range", "written", "choice", "null". `settings` is what that way has learned.
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


# ----------------------------------------------------------------------------------------------------------- learning


def learn_fabricator(table: str, column: Column, values: pa.Array, *, unique: bool) -> Fabricator:
    """The way to invent values like these.

    Args:
        table: the table's name, which tells a person's name from a product's.
        column: name, kind and limits.
        values: the source's values, nulls allowed, of the Arrow type in which the column crosses the seam. An empty
            array is enough: the names and the type decide then.
        unique: whether no two of the invented values may be alike.
    """
    values = values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values
    values = values.drop_null()
    if len(values) > _SAMPLE:
        sample = values.take(pa.array(np.linspace(0, len(values) - 1, _SAMPLE).astype(np.int64)))
    else:
        sample = values
    how, settings = _learn(table, column, sample, unique)
    repeats = None if unique or how in ("range", "choice", "null", "written") else repeat_ranks(values)
    return Fabricator(how, table, column.name, unique, repeats, settings)


def _learn(table: str, column: Column, values: pa.Array, unique: bool) -> tuple[str, dict[str, Any]]:
    if column.kind is Kind.UUID:
        return "uuid", {"upper": False}
    if column.kind is Kind.BINARY:
        return "binary", {"sizes": _sizes(values)}
    if column.kind in (Kind.BOOLEAN, Kind.ENUM):
        return "choice", {"shares": _choices(column, values)}
    if column.kind in _TEMPORAL or column.kind is Kind.FLOAT:
        return "range", learn_range(column, values)
    if column.kind in _NUMERIC:
        return _learn_numbers(table, column, values, unique)
    texts = [str(value) for value in values.to_pylist()]
    if column.kind is Kind.JSON:
        return "json", learn_documents(texts, _learn_strings(table)) or {"compact": False, "root": _EMPTY}
    if column.kind is Kind.OTHER:
        return _learn_other(column, texts)
    return _learn_text(table, column, values, texts, unique)


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


def _learn_numbers(table: str, column: Column, values: pa.Array, unique: bool) -> tuple[str, dict[str, Any]]:
    provider = recognise(table, column, values)
    whole = column.kind is Kind.INTEGER or not column.scale
    if provider not in _SHAPED or not whole or len(values) == 0:
        return "range", learn_range(column, values)
    texts = [str(value) for value in values.to_pylist()]
    settings = learn_reserved(provider, texts, unique=unique, length=integer_digits(column))
    return provider, {**settings, "shapes": [_without_leading_zero(shape) for shape in settings["shapes"]]}


def _without_leading_zero(shape: dict) -> dict:
    first, *rest = positions_of(shape)
    first = first.replace("0", "") or "1"
    return shape_of([first, *rest], shape["share"])


def _learn_other(column: Column, texts: list[str]) -> tuple[str, dict[str, Any]]:
    """A type no model understands: by its name, else as the dates or numbers it is written as, else null."""
    settings = learn_native(column.native_type, texts, column.enum_values)
    if settings is not None:
        return "native", settings
    written = learn_written(texts, numbers=True)
    if written is not None:
        return "written", written
    if column.nullable:
        return "null", {}
    return "pattern", {"shapes": learn_shapes(texts), "check": None}


def _learn_text(
    table: str, column: Column, values: pa.Array, texts: list[str], unique: bool
) -> tuple[str, dict[str, Any]]:
    provider = recognise(table, column, values)
    texts = [text for text in texts if text.strip()]
    if provider in PERSON_FIELDS or provider in _PLACES:
        return provider, learn_style(texts, language_of(texts))
    if provider in _SHAPED and (texts or provider != "postcode"):
        return provider, learn_reserved(provider, texts, unique=unique, length=column.length)
    if provider == "url":
        return "url", learn_url(texts)
    if provider == "ip":
        return "ip", {"six": round(sum(text.count(":") > 1 for text in texts) / max(len(texts), 1), 3)}
    if provider == "mac":
        marks = Counter(next((c for c in text if not c.isalnum()), "") for text in texts) or Counter(":")
        return "mac", {"separator": marks.most_common(1)[0][0], "upper": "".join(texts).isupper()}
    if provider in ("latitude", "longitude"):
        written = learn_written(texts, numbers=True)
        if written:
            return "written", written
    if sum(text[:1] in "{[" for text in texts) > 0.9 * len(texts) > 0:
        documents = learn_documents(texts, _learn_strings(table))
        if documents:
            return "json", documents
    return learn_plain(texts)


def _learn_strings(table: str):
    """How `documents` learns the strings under one key: as a text column of that name."""

    def learn(key: str, strings: list[str]) -> dict[str, Any]:
        column = Column(key or "value", Kind.TEXT, "text")
        kept = _keywords(table, column, strings)
        if kept:
            return Fabricator("choice", table, column.name, settings={"shares": kept}).to_json()
        return learn_fabricator(table, column, pa.array(strings, pa.string()), unique=False).to_json()

    return learn


def _keywords(table: str, column: Column, strings: list[str]) -> dict[str, float] | None:
    """The shares of the few words a program knows (``"status": "open"``); None where the strings are something else.

    Each counts at least 20 values and 1 % of them, together they are nearly all, and none is personal data.
    """
    counts = Counter(strings)
    common = {word: times / len(strings) for word, times in counts.items() if times >= max(20, 0.01 * len(strings))}
    plain = all(word and len(word) <= 32 and word.replace("_", "").replace("-", "").isalnum() for word in common)
    if not common or len(common) > 30 or sum(common.values()) < 0.95 or not plain:
        return None
    return None if recognise(table, column, pa.array(strings[:500], pa.string())) else common


# ----------------------------------------------------------------------------------------------------------- inventing


def fabricate(fabricator: Fabricator, column: Column, n: int, rng: np.random.Generator) -> pa.Array:
    """`n` invented values of the column's Arrow type, without nulls but where no valid value is known ("null").

    The same fabricator, column and seed give the same values. All rows of a unique column come from one call.

    Raises:
        SchemaError: the column must be unique, and its length or type has not `n` different values.
    """
    if fabricator.how in PERSON_FIELDS:
        return _draw_persons_columns({column.name: (fabricator, column)}, n, rng)[column.name]
    return _typed(_draw_repeated(fabricator, column, n, rng), column)


def fabricate_table(
    fabricators: Mapping[str, Fabricator], table: Table, n: int, rng: np.random.Generator
) -> dict[str, pa.Array]:
    """Invented values for the named columns of a table, in which first name, full name, e-mail and user name agree.

    Raises:
        SchemaError: as `fabricate`.
    """
    pairs = {name: (fabricator, table.column(name)) for name, fabricator in fabricators.items()}
    found: dict[str, pa.Array] = {}
    for names in _same_person(fabricators):
        found.update(_draw_persons_columns({name: pairs[name] for name in names}, n, rng))
    for name, (fabricator, column) in pairs.items():
        if name not in found:
            found[name] = fabricate(fabricator, column, n, rng)
    return {name: found[name] for name in fabricators}


def _same_person(fabricators: Mapping[str, Fabricator]) -> list[list[str]]:
    """The columns about people, grouped by whom they are about (``billing_first_name`` and ``billing_email``)."""
    names = [name for name, fabricator in fabricators.items() if fabricator.how in PERSON_FIELDS]
    if len({fabricators[name].how for name in names}) == len(names):
        return [names] if names else []
    groups: dict[str, list[str]] = {}
    for name in names:
        words = words_of(name)
        plain = len(words) < 2 or words[0] in _PARTS
        groups.setdefault("" if plain else words[0], []).append(name)
    return list(groups.values())


def _draw_persons_columns(
    pairs: Mapping[str, tuple[Fabricator, Column]], n: int, rng: np.random.Generator
) -> dict[str, pa.Array]:
    """Columns about the same person of each row: as many persons as the most varied of the columns has values."""
    if n == 0:
        return {name: _typed(pa.array([], pa.string()), column) for name, (_, column) in pairs.items()}
    repeats = [fabricator.repeats for fabricator, _ in pairs.values()]
    telling = next((f for f, _ in pairs.values() if f.how != "email"), next(iter(pairs.values()))[0])
    if all(repeats):
        pool, rows = spread(max(repeats, key=lambda r: r["distinct"]), n, rng)
    else:
        pool, rows = n, None
    persons = draw_persons(pool, dict(telling.settings), rng)
    found = {}
    for name, (fabricator, column) in pairs.items():
        texts = _draw_field(fabricator, column, persons, rng)
        found[name] = _typed(texts if rows is None else texts.take(pa.array(rows)), column)
    return found


def _draw_field(fabricator: Fabricator, column: Column, persons: Persons, rng: np.random.Generator) -> pa.Array:
    style = dict(fabricator.settings)

    def draw(rows: np.ndarray, digits: int) -> pa.Array:
        chosen = persons if len(rows) == len(persons) else persons.take(rows)
        return draw_person_field(fabricator.how, chosen, style, rng, column.length, digits)

    if not fabricator.unique:
        return draw(np.arange(len(persons)), 0)
    texts = distinct_texts(draw, len(persons))
    return _enough(texts, fabricator, column, len(persons), rng)


def _draw_repeated(fabricator: Fabricator, column: Column, n: int, rng: np.random.Generator) -> pa.Array:
    """Values that repeat as often as the source's do."""
    if fabricator.repeats is None or n == 0:
        return _draw(fabricator, column, n, rng)
    pool, rows = spread(dict(fabricator.repeats), n, rng)
    return _draw(fabricator, column, pool, rng).take(pa.array(rows))


def _draw(fabricator: Fabricator, column: Column, n: int, rng: np.random.Generator) -> pa.Array:
    how, settings, unique = fabricator.how, dict(fabricator.settings), fabricator.unique
    if n == 0 or how == "null":
        return pa.nulls(n, value_type(column))
    if how in _SHAPED:
        return _draw_shaped(fabricator, column, n, rng)
    if how == "range":
        return _enough(draw_range(settings, column, n, rng, unique), fabricator, column, n, rng)
    if how == "written":
        return _enough(draw_written(settings, n, rng, unique), fabricator, column, n, rng)
    if how == "binary":
        return draw_binary(settings["sizes"], n, rng, unique=unique, limit=column.length)

    def draw(rows: np.ndarray, digits: int) -> pa.Array:
        return _draw_texts(fabricator, column, len(rows), rng, digits)

    if not unique:
        return draw(np.arange(n), 0)
    return _enough(distinct_texts(draw, n), fabricator, column, n, rng)


def _draw_texts(fabricator: Fabricator, column: Column, n: int, rng: np.random.Generator, digits: int) -> pa.Array:
    """Texts of the ways that know nothing of uniqueness; `digits` asks for more variety where there is a way to it."""
    how, settings, length = fabricator.how, dict(fabricator.settings), column.length
    if how in _PLACES:
        return draw_place(how, settings, n, rng, length, digits)
    ways = {
        "words": lambda: draw_words(settings, n, rng, length=length, digits=digits),
        "url": lambda: draw_url(settings, n, rng, length, digits),
        "ip": lambda: draw_ip(n, rng, six=settings["six"]),
        "mac": lambda: draw_mac(n, rng, separator=settings["separator"], upper=settings["upper"]),
        "uuid": lambda: pc.utf8_upper(draw_uuids(n, rng)) if settings["upper"] else draw_uuids(n, rng),
        "json": lambda: _fitting(draw_documents(settings, n, rng, _draw_strings), length),
        "native": lambda: draw_native(settings, n, rng),
        "choice": lambda: choose(settings["shares"], n, rng),
    }
    return ways[how]()


def _draw_strings(data: dict[str, Any], n: int, rng: np.random.Generator) -> pa.Array:
    """How `documents` draws the strings under one key."""
    fabricator = Fabricator.from_json(data)
    return fabricate(fabricator, Column(fabricator.column, Kind.TEXT, "text"), n, rng)


def _fitting(documents: pa.Array, length: int | None) -> pa.Array:
    if length is None:
        return documents
    return pc.if_else(pc.less_equal(pc.utf8_length(documents), length), documents, "{}")


def _draw_shaped(fabricator: Fabricator, column: Column, n: int, rng: np.random.Generator) -> pa.Array:
    """Texts of the learned shapes; where they must differ and the shapes are too few, wider ones."""
    learned, check = fabricator.settings["shapes"], fabricator.settings.get("check")
    if not fabricator.unique:
        return draw_shapes(learned, n, rng, check=check)
    length = integer_digits(column) if column.kind in _NUMERIC else column.length
    texts = pa.array([], pa.string())
    for wider in _WIDER:
        shapes = learned if wider is None else widen_shapes(learned, wider, length)
        if sum(capacity(shape) for shape in shapes) >= n:
            texts = distinct_texts(lambda rows, _: _drawn(shapes, len(rows), rng, check), n)  # noqa: B023
            if len(texts) == n:
                return texts
    return _enough(texts, fabricator, column, n, rng)


def _drawn(shapes: list[dict], n: int, rng: np.random.Generator, check: str | None) -> pa.Array:
    return draw_shapes(shapes, n, rng, unique=True, check=check)


def _enough(values: pa.Array, fabricator: Fabricator, column: Column, n: int, rng: np.random.Generator) -> pa.Array:
    """The values if there are `n` of them; else, for short text, codes of all letters and digits; else SchemaError."""
    if len(values) >= n:
        return values
    if column.kind is Kind.TEXT:
        width = min(column.length or 12, 12)
        shapes = [shape_of([DIGITS + "ABCDEFGHIJKLMNOPQRSTUVWXYZ"] * width)]
        if capacity(shapes[0]) >= n:
            return draw_shapes(shapes, n, rng, unique=True)
    where = f"column {column.name!r} of table {fabricator.table!r}"
    raise SchemaError(
        f"{where} must hold {n} different values, but its type {column.native_type!r} has room for fewer; "
        "ask for fewer rows, make the column wider, or take it out of the unique key"
    )


def _typed(values: pa.Array, column: Column) -> pa.Array:
    """The values with the column's Arrow type."""
    wanted = value_type(column)
    if values.type == wanted:
        return values
    if column.kind is Kind.BOOLEAN:
        return pc.equal(values, "true")
    return values.cast(wanted)
