"""Invented people and where they live: names, addresses and companies from pools that Faker fills once per call.

`draw_persons` draws whole persons, so that the first name, full name, e-mail and user name of one row agree.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from .distinct import choose, join, pick

__all__ = ["PERSON_FIELDS", "PLACES", "Persons", "draw_person_field", "draw_persons", "draw_place", "learn_style"]

PERSON_FIELDS = ("first_name", "last_name", "name", "email", "user_name")
PLACES = ("street", "city", "address", "company", "country", "job")
_DOMAINS = {"@example.org": 0.4, "@example.com": 0.4, "@example.net": 0.2}  # reserved: mail to them reaches nobody
_MIXED = ("en_US", "de_DE", "es_ES", "fr_FR", "it_IT", "pl_PL", "sv_SE")
_POOL = 2500
_ASCII = str.maketrans({"ß": "ss", "ø": "o", "Ø": "O", "ł": "l", "Ł": "L", "æ": "ae", "đ": "d"})


def learn_style(values: list[str], language: str) -> dict[str, Any]:
    """How names are written: their language, case, order, and whether letters beyond ASCII are common."""
    n = max(len(values), 1)
    letters = [value for value in values if any(c.isalpha() for c in value)] or [""]
    return {
        "language": language,
        "mixed": language == "en_US" and sum(not value.isascii() for value in values) > 0.1 * n,
        "case": "upper" if sum(v.isupper() for v in letters) > 0.8 * len(letters)
        else "lower" if sum(v.islower() for v in letters) > 0.8 * len(letters) else "title",
        "last_first": sum("," in value for value in values) > 0.5 * n,
        "words": round(float(np.mean([len(value.split()) for value in letters])), 1),
    }  # fmt: skip


@dataclass(frozen=True)
class Persons:
    """First and last names of `n` persons, and the same in plain lower-case letters."""

    first: pa.Array
    last: pa.Array
    first_plain: pa.Array
    last_plain: pa.Array

    def __len__(self) -> int:
        return len(self.first)

    def take(self, rows: np.ndarray) -> Persons:
        index = pa.array(rows)
        return Persons(*(a.take(index) for a in (self.first, self.last, self.first_plain, self.last_plain)))


def draw_persons(n: int, style: dict[str, Any], rng: np.random.Generator) -> Persons:
    """`n` persons with names of the style's language."""
    first, last = _name_pools(_locales(style), int(rng.integers(2**31)))
    i, j = rng.integers(0, len(first), n), rng.integers(0, len(last), n)
    plain = [pa.array([_plain(name) for name in pool], pa.string()) for pool in (first, last)]
    return Persons(
        pa.array(first, pa.string()).take(pa.array(i)),
        pa.array(last, pa.string()).take(pa.array(j)),
        plain[0].take(pa.array(i)),
        plain[1].take(pa.array(j)),
    )


def _locales(style: dict[str, Any]) -> tuple[str, ...]:
    return _MIXED if style.get("mixed") else (style.get("language", "en_US"),)


@lru_cache(maxsize=8)
def _name_pools(locales: tuple[str, ...], seed: int) -> tuple[list[str], list[str]]:
    firsts: set[str] = set()
    lasts: set[str] = set()
    for fake in _fakers(locales, seed):
        firsts |= {fake.first_name() for _ in range(_POOL // len(locales))}
        lasts |= {fake.last_name() for _ in range(_POOL // len(locales))}
    return sorted(firsts), sorted(lasts)


def _fakers(locales: tuple[str, ...], seed: int) -> list:
    from faker import Faker

    fakes = []
    for locale in locales:
        fake = Faker(locale)
        fake.seed_instance(seed)
        fakes.append(fake)
    return fakes


def _plain(name: str) -> str:
    """The name in lower-case ASCII letters; a made-up word where its script has none."""
    text = unicodedata.normalize("NFKD", name.translate(_ASCII)).lower()
    letters = "".join(c for c in text if "a" <= c <= "z")
    if letters or not name:
        return letters or "x"
    code = sum(ord(c) * (i + 1) for i, c in enumerate(name))
    return "".join("bdfgklmnprst"[code // 12**k % 12] + "aeiou"[code // 5**k % 5] for k in range(3))


# -------------------------------------------------------------------------------------------------- fields of a person


def draw_person_field(
    field: str, persons: Persons, style: dict, rng: np.random.Generator, length: int | None, digits: int
) -> pa.Array:
    """One of `PERSON_FIELDS` for each person; `digits` makes likeness between rows less likely."""
    n = len(persons)
    number = _number(n, digits, rng)
    if field == "email":
        return _emails(persons, number, rng, length, digits)
    if field == "user_name":
        return _tail(_local_part(persons, rng, ""), number, length)
    if field == "first_name":
        text = persons.first
    elif field == "last_name":
        text = persons.last if digits == 0 else join(persons.last, "-", pick(persons.last, n, rng))
    else:
        text = _full_name(persons, style, rng, digits)
    text = _cased(text, style)
    return _tail(text, number if digits > 2 or (field == "first_name" and digits) else None, length)


def _number(n: int, digits: int, rng: np.random.Generator) -> pa.Array | None:
    if digits == 0:
        return None
    return pa.array(rng.integers(10 ** (digits - 1), 10**digits, n)).cast(pa.string())


def _full_name(persons: Persons, style: dict, rng: np.random.Generator, digits: int) -> pa.Array:
    first = persons.first if digits == 0 else join(persons.first, " ", pick(persons.first, len(persons), rng))
    language = style.get("language", "en_US")
    if language in ("ja_JP", "zh_CN", "ko_KR"):
        return join(persons.last, " " if language == "ja_JP" else "", first)
    return join(persons.last, ", ", first) if style.get("last_first") else join(first, " ", persons.last)


def _cased(text: pa.Array, style: dict) -> pa.Array:
    change = {"upper": pc.utf8_upper, "lower": pc.utf8_lower}.get(style.get("case", "title"))
    return change(text) if change else text


def _tail(text: pa.Array, number: pa.Array | None, length: int | None) -> pa.Array:
    """The text with the number at its end, both within `length`."""
    if length is not None:
        taken = 0 if number is None else len(number[0].as_py()) if len(number) else 0
        text = pc.utf8_rtrim(pc.utf8_slice_codeunits(text, 0, max(length - taken, 0)), " .,_-")
        number = None if number is None else pc.utf8_slice_codeunits(number, 0, length)
    return text if number is None else join(text, number)


def _local_part(persons: Persons, rng: np.random.Generator, default: str) -> pa.Array:
    """``mary.smith``, ``msmith``, ``marys`` … with two digits at times."""
    n = len(persons)
    form = rng.choice(4, size=n, p=[0.45, 0.3, 0.15, 0.1])
    first = pc.if_else(pa.array(form == 1), pc.utf8_slice_codeunits(persons.first_plain, 0, 1), persons.first_plain)
    last = pc.if_else(pa.array(form == 2), pc.utf8_slice_codeunits(persons.last_plain, 0, 1), persons.last_plain)
    between = pa.array([".", default, default, "_"]).take(pa.array(form))
    some = pa.array(rng.integers(1, 100, n)).cast(pa.string())
    return join(first, between, last, pc.if_else(pa.array(rng.random(n) < 0.25), some, ""))


def _emails(persons: Persons, number: pa.Array | None, rng, length: int | None, digits: int) -> pa.Array:
    domain = choose(_DOMAINS, len(persons), rng)
    room = None
    if length is not None:
        short = "@example.org" if length - digits >= 14 else "@x.test"  # .test is reserved too
        domain = domain if short == "@example.org" else pa.array([short] * len(persons), pa.string())
        room = max(length - len(short), 1)
    text = join(_tail(_local_part(persons, rng, ""), number, room), domain)
    return text if length is None else pc.utf8_slice_codeunits(text, 0, length)


# -------------------------------------------------------------------------------------------------------------- places


def draw_place(
    how: str, style: dict, n: int, rng: np.random.Generator, length: int | None, digits: int
) -> pa.Array:
    """Streets, cities, addresses, companies, countries and jobs: one of `PLACES`."""
    if how == "company":
        text = _companies(style, n, rng, digits)
    elif how == "city":
        text = pick(_place_pool(_locales(style), int(rng.integers(2**31)), "city"), n, rng)
        text = text if digits == 0 else join(pick(("North ", "South ", "New ", "Upper ", "Old "), n, rng), text)
    elif how in ("country", "job"):
        pool = _place_pool(_locales(style)[:1], int(rng.integers(2**31)), how)
        short = pool.filter(pc.less_equal(pc.utf8_length(pool), min(length or 28, 28)))
        text = pick(short if len(short) else pool, n, rng)
    else:
        text = _streets(style, n, rng, digits)
        if how == "address" and style.get("words", 3) > 5:
            city = pick(_place_pool(_locales(style), int(rng.integers(2**31)), "city"), n, rng)
            text = join(text, ", ", city)
    number = _number(n, digits, rng) if digits > 2 and how not in ("street", "address") else None
    number = None if number is None else join(" ", number)
    return _tail(_cased(text, style), number, length)


@lru_cache(maxsize=16)
def _place_pool(locales: tuple[str, ...], seed: int, provider: str) -> pa.Array:
    places: set[str] = set()
    for fake in _fakers(locales, seed):
        places |= {getattr(fake, provider)() for _ in range(_POOL // len(locales))}
    return pa.array(sorted(places), pa.string())


def _streets(style: dict, n: int, rng: np.random.Generator, digits: int) -> pa.Array:
    street = pick(_place_pool(_locales(style), int(rng.integers(2**31)), "street_name"), n, rng)
    top = 10 ** max(4, digits) if digits else 0
    number = rng.integers(1, top, n) if digits else np.rint(10 ** rng.uniform(0, 3.2, n)).astype(np.int64)
    number = pa.array(number).cast(pa.string())
    before = style.get("language", "en_US") in ("en_US", "fr_FR") and not style.get("mixed")
    return join(number, " ", street) if before else join(street, " ", number)


def _companies(style: dict, n: int, rng: np.random.Generator, digits: int) -> pa.Array:
    _, lasts = _name_pools(_locales(style), int(rng.integers(2**31)))
    one, two, three = (pick(lasts, n, rng) for _ in range(3))
    if style.get("language", "en_US") in ("en_US", "de_DE", "fr_FR", "es_ES"):
        ends = pick((" Inc", " Ltd", " LLC", " Group", " and Sons", " PLC", " Trading", " & Co"), n, rng)
    else:
        ends = pa.array([""] * n, pa.string())
    form = rng.choice(3, size=n, p=[0.5, 0.3, 0.2]) if digits == 0 else np.full(n, 2)
    texts = [join(one, ends), join(one, "-", two), join(one, ", ", two, " & ", three)]
    result = texts[0]
    for k in (1, 2):
        result = pc.if_else(pa.array(form == k), texts[k], result)
    return result
