"""Invented values for columns that are not modelled: personal data, codes, free text, identifiers, documents, bytes.

`learn_fabricator` looks at a column once; `fabricate` writes any number of new values from what it learned, and
`fabricate_table` the values of several columns so that those about one person agree.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ..errors import SchemaError
from ..schema import Column, Kind, Table, arrow_type
from .distinct import choose, distinct_texts, spread
from .documents import draw_documents
from .fabricator import NUMERIC, SHAPED, Fabricator, learn_fabricator
from .faked import draw_faked
from .native import draw_binary, draw_ip, draw_mac, draw_native, draw_uuids
from .patterns import DIGITS, UPPER, capacity, draw_shapes, free_digits, shape_of, widen_shapes
from .people import PERSON_FIELDS, PLACES, Persons, draw_person_field, draw_persons, draw_place
from .personal import words_of
from .places import LEVELS, draw_within, level_of, locales_of
from .ranges import draw_range, integer_digits
from .reserved import draw_coordinates, draw_url
from .texts import draw_written
from .unlike import is_unlike
from .wording import draw_words

__all__ = ["Fabricator", "fabricate", "fabricate_table", "learn_fabricator"]

_PARTS = frozenset({"first", "last", "middle", "second", "full", "given", "family", "user", "e"})  # … _name, … _mail
_STRICT = ("choice", "ip", "json", "mac", "uuid", "written")  # where a code in place of a value would be no value
_NESTED = ("city", "country", "postcode")
_PER_UNLIKE = 4  # texts drawn for one that is surely no real value: a third of all are
_NO_MORE = 1  # digits added to get away from the real values
_MORE_DIGITS = (1, 2, 4, 8, 12)  # added to shapes that are too few


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
    fabricators: Mapping[str, Fabricator], table: Table, n: int, rng: np.random.Generator,
    given: Mapping[str, pa.Array] | None = None,
) -> dict[str, pa.Array]:  # fmt: skip
    """Invented values for the named columns of a table, in which those of one person and of one place agree.

    Args:
        given: columns of these rows that are not invented, which tell of the place.

    Raises:
        SchemaError: as `fabricate`.
    """
    pairs = {name: (fabricator, table.column(name)) for name, fabricator in fabricators.items()}
    found: dict[str, pa.Array] = {}
    for names in _same_person(fabricators):
        found.update(_draw_persons_columns({name: pairs[name] for name in names}, n, rng))
    found.update(_draw_places(pairs, given or {}, n, rng))
    for name, (fabricator, column) in pairs.items():
        if name not in found:
            found[name] = fabricate(fabricator, column, n, rng)
    return {name: found[name] for name in fabricators}


def _draw_places(
    pairs: Mapping[str, tuple[Fabricator, Column]], given: Mapping[str, pa.Array], n: int, rng: np.random.Generator
) -> dict[str, pa.Array]:
    """The cities, postcodes and what else is of a place, each within the coarser columns of the same address."""
    parts: dict[str, dict[str, str]] = {}
    for name in [*given, *pairs]:
        if place := level_of(name):
            parts.setdefault(place[1], {}).setdefault(place[0], name)
    found: dict[str, pa.Array] = {}
    for names in parts.values():
        told: dict[str, pa.Array] = {}
        for level in [level for level in LEVELS if level in names]:
            name = names[level]
            if name in pairs and n and pairs[name][0].how in _NESTED:
                found[name] = _draw_place_within(*pairs[name], told, n, rng)
            elif name in pairs:
                continue
            told[level] = found.get(name, given.get(name))
    return found


def _draw_place_within(
    fabricator: Fabricator, column: Column, told: Mapping[str, pa.Array], n: int, rng: np.random.Generator
) -> pa.Array:
    """A column of places within the coarser columns that are told."""
    language = fabricator.settings.get("language", "en_US")
    locales = locales_of(told.get("country"), n, language)

    def draw(rows: np.ndarray) -> pa.Array:
        if fabricator.how == "postcode" or len(set(locales[rows])) < 2:
            return of_locale(locales[rows[0]], len(rows))
        texts = pa.nulls(len(rows), pa.string())
        for locale in sorted(set(locales[rows])):
            here = locales[rows] == locale
            texts = pc.replace_with_mask(texts, pa.array(here), of_locale(locale, int(here.sum())))
        return texts

    def of_locale(locale: str, k: int) -> pa.Array:
        style = {**fabricator.settings} | ({"language": locale, "mixed": False} if locale != language else {})
        return _draw(replace(fabricator, unique=True, settings=style), column, k, rng)

    coarser = [array for level, array in told.items()]
    return _typed(draw_within(coarser, fabricator.repeats, n, rng, draw), column)


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
        return pa.nulls(n, arrow_type(column))
    if how in SHAPED:
        return _draw_shaped(fabricator, column, n, rng)
    if how == "range":
        return _enough(draw_range(settings, column, n, rng, unique), fabricator, column, n, rng)
    if how == "written":
        return _enough(draw_written(settings, n, rng, unique), fabricator, column, n, rng)
    if how == "binary":
        return draw_binary(settings, n, rng, unique=unique, limit=column.length)

    def draw(rows: np.ndarray, digits: int) -> pa.Array:
        return _draw_texts(fabricator, column, len(rows), rng, digits)

    if not unique:
        return draw(np.arange(n), 0)
    return _enough(distinct_texts(draw, n), fabricator, column, n, rng)


def _draw_texts(fabricator: Fabricator, column: Column, n: int, rng: np.random.Generator, digits: int) -> pa.Array:
    """Texts of the ways that know nothing of uniqueness; `digits` asks for more variety where there is a way to it."""
    how, settings, length = fabricator.how, dict(fabricator.settings), column.length
    if how in PLACES:
        return draw_place(how, settings, n, rng, length, digits)
    ways = {
        "words": lambda: draw_words(settings, n, rng, length=length, digits=digits),
        "url": lambda: draw_url(settings, n, rng, length, digits),
        "ip": lambda: draw_ip(n, rng, six=settings["six"], length=length),
        "mac": lambda: draw_mac(n, rng, separator=settings["separator"], upper=settings["upper"]),
        "uuid": lambda: pc.utf8_upper(draw_uuids(n, rng)) if settings["upper"] else draw_uuids(n, rng),
        "json": lambda: _fitting(draw_documents(settings, n, rng, _draw_strings), length),
        "native": lambda: draw_native(settings, n, rng),
        "choice": lambda: choose(settings["shares"], n, rng),
        "coordinates": lambda: draw_coordinates(settings, n, rng),
        "faker": lambda: draw_faked(settings, n, rng, length, digits),
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
    """Texts of the learned shapes, or of wider ones where these have too few that differ and are no real values."""
    settings, unique = fabricator.settings, fabricator.unique
    check, unlike = settings.get("check"), settings.get("unlike")
    length = integer_digits(column) if column.kind in NUMERIC else column.length
    found = pa.array([], pa.string())
    for shapes, digits in _ever_wider(fabricator, length):
        room = sum(capacity(shape) for shape in shapes)
        if unique and room < n:
            continue
        more = n if unlike is None else _PER_UNLIKE * n + 40
        texts = _drawn(shapes, min(more, room) if unique else more, rng, check, unique)
        free = texts if unlike is None else texts.filter(pa.array(is_unlike(texts, unlike)))
        if len(free) >= n:
            return free.slice(0, n)
        if len(found) < n:  # real values among them: only where there is no more room
            found = texts.take(pa.array(rng.permutation(len(texts))[:n]))
        if len(found) == n and digits >= _NO_MORE:
            return found
    return found if len(found) == n else _enough(found, fabricator, column, n, rng)


def _ever_wider(fabricator: Fabricator, length: int | None) -> Iterator[tuple[list[dict], int]]:
    """The learned shapes, then wider ones, with the digits that were added."""
    learned = fabricator.settings["shapes"]
    yield learned, 0
    if fabricator.settings.get("exact"):
        return
    yield widen_shapes(learned, 0, length), 0
    if fabricator.how == "pattern":  # elsewhere fixed digits may be those that are set aside
        learned = free_digits(learned)
        yield learned, 0
    for digits in _MORE_DIGITS if fabricator.unique else ():
        yield widen_shapes(learned, digits, length), digits


def _drawn(shapes: list[dict], n: int, rng: np.random.Generator, check: str | None, unique: bool) -> pa.Array:
    if not unique:
        return draw_shapes(shapes, n, rng, check=check)
    return distinct_texts(lambda rows, _: draw_shapes(shapes, len(rows), rng, unique=True, check=check), n)


def _enough(values: pa.Array, fabricator: Fabricator, column: Column, n: int, rng: np.random.Generator) -> pa.Array:
    """The values if there are `n` of them; else, for short text, codes of all letters and digits; else SchemaError."""
    if len(values) >= n:
        return values
    if column.kind is Kind.TEXT and fabricator.how not in _STRICT and not fabricator.settings.get("exact"):
        width = min(column.length or 12, 12)
        shapes = [shape_of([DIGITS + UPPER] * width)]
        if capacity(shapes[0]) >= n:
            return draw_shapes(shapes, n, rng, unique=True)
    where = f"column {column.name!r} of table {fabricator.table!r}"
    if fabricator.settings.get("exact"):
        raise SchemaError(f"{where} must hold {n} different values, and its pattern has fewer; make the pattern longer")
    raise SchemaError(
        f"{where} must hold {n} different values, but its type {column.native_type!r} has room for fewer; "
        "ask for fewer rows, make the column wider, or take it out of the unique key"
    )


def _typed(values: pa.Array, column: Column) -> pa.Array:
    """The values with the column's Arrow type."""
    wanted = arrow_type(column)
    if values.type == wanted:
        return values
    if column.kind is Kind.BOOLEAN:
        return pc.equal(values, "true")
    return values.cast(wanted)
