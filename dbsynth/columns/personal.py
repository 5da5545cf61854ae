"""Personal data: recognised by the names of column and table, the column's type, and what a sample of it looks like.

Names count most, in several languages and spellings (``customerEmail``, ``e_mail``, ``PLZ``, ``nom_de_famille``). The
sample confirms a name (a column ``email`` without an ``@`` is none) and speaks alone where a format has a mark of its
own: an e-mail address, a URL, a valid checksum. In doubt the answer is None: a product's name is no person.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence
from functools import lru_cache
from importlib import import_module

import pyarrow as pa

from ..schema import Column, Kind
from .vocabulary import ALONE, AMBIGUOUS, COMPANIES, HOLLOW, NAMES, PEOPLE, PHRASES

__all__ = ["PROVIDERS", "is_about_people", "recognise", "words_of"]

PROVIDERS = (
    "address", "card_number", "city", "company", "coordinates", "date_of_birth", "email", "first_name", "iban", "ip",
    "last_name", "latitude", "longitude", "mac", "name", "national_id", "password", "phone", "postcode", "street",
    "url", "user_name",
)  # fmt: skip

_SAMPLE = 500
_TEXT = frozenset({Kind.TEXT, Kind.OTHER, Kind.ENUM})
_NUMERIC = frozenset({Kind.INTEGER, Kind.DECIMAL, Kind.FLOAT})

def words_of(name: str) -> list[str]:
    """The words of an identifier in lower case without accents: ``custEMail_2`` gives ``cust e mail 2``."""
    plain = unicodedata.normalize("NFKD", name.replace("ß", "ss").replace("ø", "o").replace("ł", "l"))
    plain = "".join(c for c in plain if not unicodedata.combining(c))
    plain = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", " ", plain)
    return re.findall(r"[a-z]+|\d+", plain.lower())


def is_about_people(table_name: str) -> bool:
    """Whether the table's rows are people, by the words of its name: ``customers``, ``tbl_user``, ``Mitarbeiter``.

    The last word that says anything decides: rows of ``user_role`` and ``movie2actor`` are no people.
    """
    words = words_of(table_name.rsplit(".", 1)[-1])
    if "2" in words or "to" in words:
        return False
    while len(words) > 1 and (words[-1] in HOLLOW or words[-1].isdigit()):
        words.pop()
    return bool(words) and _is_person(words[-1])


def _is_person(word: str) -> bool:
    stems = {word, word.removesuffix("s"), word.removesuffix("es"), word.removesuffix("ren")}
    stems |= {re.sub("ies$", "y", word), re.sub("men$", "man", word)}
    return not stems.isdisjoint(PEOPLE)


def recognise(table: str, column: Column, sample: pa.Array) -> str | None:
    """The word for the personal data a column holds, one of `PROVIDERS`; None for anything else.

    Args:
        table: the table's name.
        column: name, kind and native type.
        sample: some values, nulls allowed; an empty sample leaves the decision to the names.
    """
    if column.kind in (Kind.BOOLEAN, Kind.JSON, Kind.BINARY, Kind.UUID, Kind.TIME) or column.identity:
        return None
    values = [str(v).strip() for v in sample.slice(0, 20 * _SAMPLE).drop_null().to_pylist()[:_SAMPLE]]
    values = [value for value in values if value]
    said = _by_name(table, column)
    if said and _fits(said, column, values):
        return said
    if not said and column.kind is Kind.TEXT and _share(values, _FULL_NAME.fullmatch) > 0.8:
        last = words_of(column.name)[-1:]
        if (last and _is_person(last[0])) or last == ["by"]:  # author, assigned_agent, created_by
            return "name"
    return _by_content(column, values)


# ------------------------------------------------------------------------------------------------------------ by name


def _by_name(table: str, column: Column) -> str | None:
    words = words_of(column.name)
    while len(words) > 1 and (words[-1].isdigit() or words[-1] in ("line", "primary", "secondary", "alt")):
        words.pop()  # address_2, phone1, address_line_1
    if words[-1:] == ["line"] or not words:
        return None
    words = [*words[:-2], "email"] if words[-2:] == ["e", "mail"] else words
    for start in range(len(words)):
        phrase = "".join(words[start:])
        provider = PHRASES.get(phrase)
        if provider and (start == 0 or phrase not in ALONE):
            return _in_context(provider, phrase, words[:start], table)
    return _plain_name(words, table)


def _in_context(provider: str, phrase: str, before: list[str], table: str) -> str | None:
    """The provider, or None where the words before or the table turn it into something else."""
    about_people = is_about_people(table)
    if phrase in AMBIGUOUS and not about_people:
        return None
    if before[-1:] == ["last"] and phrase == "login":  # a moment
        return None
    if phrase == "nombre":
        return "first_name" if about_people and not before else None
    if phrase in ("shipname", "billname") and "ship" in words_of(table):
        return None
    if provider == "city" and words_of(table)[-1:] in (["city"], ["cities"], ["town"], ["municipality"]):
        return None  # a list of places: reference data
    if set(before) & {"is", "has", "num", "count", "total", "allow", "send", "enable"}:
        return None
    return provider


def _plain_name(words: list[str], table: str) -> str | None:
    """What a column ``name`` or ``<something>_name`` holds: a person, a company, or a thing (None)."""
    if words[-1] not in NAMES:
        return None
    owner = [word for word in words[:-1] if word not in ("full", "the", "of")]
    if owner:
        if owner[-1] in COMPANIES:
            return "company"
        return "name" if _is_person(owner[-1]) else None
    if is_about_people(table):
        return "name"
    head = [word for word in words_of(table.rsplit(".", 1)[-1]) if word not in HOLLOW]
    return "company" if head and head[-1] in COMPANIES else None


# --------------------------------------------------------------------------------------------------------- by content


def _share(values: Sequence[str], holds: Callable[[str], object]) -> float:
    return sum(bool(holds(value)) for value in values) / len(values) if values else 0.0


_EMAIL = re.compile(r"[^@\s<>]+@[^@\s<>]+\.[A-Za-z]{2,}")
_URL = re.compile(r"(https?|ftp)://\S+|www\.\S+\.\S+", re.I)
_IPV4 = re.compile(r"((25[0-5]|2[0-4]\d|1?\d?\d)\.){3}(25[0-5]|2[0-4]\d|1?\d?\d)(/\d+)?")
_IPV6 = re.compile(r"[0-9a-f]{0,4}(:[0-9a-f]{0,4}){2,7}(/\d+)?", re.I)
_MAC = re.compile(r"[0-9a-f]{2}([:-][0-9a-f]{2}){5}|([0-9a-f]{4}\.){2}[0-9a-f]{4}", re.I)
_PHONE = re.compile(r"(\+\d{1,3}[ .\-/(]?|\(\d{2,5}\) ?)[\d .\-/()]{5,}\d|\d{3}[-.]\d{3}[-.]\d{4}")
_SSN = re.compile(r"\d{3}-\d{2}-\d{4}")
_HASH = re.compile(r"\$(2[aby]|argon2id?|5|6|1)\$.+|pbkdf2_\w+\$.+|\{S?SHA\d*\}.+")
_FULL_NAME = re.compile(r"[^\W\d_][\w.'’-]*( [^\W\d_][\w.'’-]*){1,3}")
_CODE = re.compile(r"[A-Za-z]?\d[\d\-./ ]*")
_DEGREES = r"[-+]?\d{1,3}\.\d{3,}"
_COORDINATES = re.compile(rf"(POINT ?\()?{_DEGREES}(, ?|; ?| ){_DEGREES}\)?", re.I)
_STREET = re.compile(
    r"\d+\w?,? (avenue|rue|chemin|boulevard|impasse|place) .*"
    r"|.*(str\.?|stra(ß|ss)e|weg|platz|gasse|allee|straat|laan|gatan|gata)\b,? \d+.*"
    r"|(rue|via|viale|piazza|calle|avenida|rua|ulica|ul\.|plaza)\b.* \d+.*", re.I,
)  # fmt: skip


def is_iban(text: str) -> bool:
    """Whether the text is an IBAN: two letters, check digits modulo 97."""
    text = text.replace(" ", "").upper()
    if not re.fullmatch(r"[A-Z]{2}\d{2}[A-Z0-9]{8,30}", text):
        return False
    return int("".join(str(int(c, 36)) for c in text[4:] + text[:4])) % 97 == 1


def is_luhn(text: str) -> bool:
    """Whether the text is a card number: 13 to 19 digits, the last one Luhn's."""
    digits = re.sub(r"[ -]", "", text)
    if not re.fullmatch(r"\d{13,19}", digits) or len(set(digits)) == 1:
        return False
    doubled = [int(d) * 2 if i % 2 else int(d) for i, d in enumerate(reversed(digits))]
    return sum(d - 9 if d > 9 else d for d in doubled) % 10 == 0


def _digits(value: str) -> int:
    return sum(c.isdigit() for c in value)


_SHORTEST = {"ip": 11, "mac": 17}  # characters that an invented value takes: a shorter column holds something else


def _fits(provider: str, column: Column, values: list[str]) -> bool:
    """Whether type and sample can be what the column's name says."""
    if provider == "date_of_birth":
        dates = column.kind in (Kind.DATE, Kind.TIMESTAMP, Kind.TIMESTAMPTZ)
        return dates or (column.kind in _TEXT and _share(values, lambda v: re.match(r"\d{1,4}[-/.]\d", v)) >= 0.5)
    if provider in ("latitude", "longitude"):
        return column.kind in _NUMERIC | {Kind.TEXT} and (not values or _share(values, _is_degree) >= 0.9)
    if column.kind not in _TEXT:
        numbers = {"phone": 7, "national_id": 7, "card_number": 13, "postcode": 3}
        enough = numbers.get(provider)
        return column.kind in (Kind.INTEGER, Kind.DECIMAL) and enough is not None and (
            not values or _share(values, lambda v: _digits(v) >= enough) >= 0.6
        )  # fmt: skip
    if column.length is not None and column.length < _SHORTEST.get(provider, 0):
        return False
    if not values:
        return True
    marks: dict[str, Callable[[str], object]] = {
        "email": _EMAIL.fullmatch,
        "phone": lambda v: 5 <= _digits(v) <= 18,
        "url": lambda v: _URL.search(v) or re.search(r"^/?[\w.-]+[./][\w./#-]+$", v),
        "ip": lambda v: _IPV4.fullmatch(v) or _IPV6.fullmatch(v),
        "mac": lambda v: _MAC.fullmatch(v) or re.fullmatch("[0-9a-fA-F]{12}", v),
        "iban": lambda v: re.fullmatch(r"[A-Za-z]{2}\d{2}[A-Za-z0-9 ]{8,40}", v),
        "card_number": lambda v: _digits(v) >= 12,
        "national_id": lambda v: _digits(v) >= 3,
        "postcode": lambda v: _digits(v) >= 2 and len(v) <= 12,
        "password": lambda v: len(v) >= 4,
        "address": lambda v: len(v) >= 4 and any(c.isalpha() for c in v) and not _EMAIL.fullmatch(v),
        "user_name": lambda v: len(v) >= 2 and not _EMAIL.fullmatch(v),
    }
    lettered = lambda v: any(c.isalpha() for c in v) and not _CODE.fullmatch(v) and "@" not in v  # noqa: E731
    least = 0.6 if provider in ("email", "ip", "mac", "iban", "url") else 0.5
    return _share(values, marks.get(provider, lettered)) >= least


def _is_degree(value: str) -> bool:
    try:
        return abs(float(value)) <= 180
    except ValueError:
        return False


def _is_persons_name(text: str) -> bool:
    """Whether the text is a first name and a last name that Faker knows, in either order."""
    words = text.casefold().replace(",", " ").split()
    if not 2 <= len(words) <= 4 or not _FULL_NAME.fullmatch(text.replace(",", "")):
        return False
    first, last = _known_names()
    return (words[0] in first and words[-1] in last) or (words[0] in last and words[-1] in first)


def _is_address(text: str) -> bool:
    """Whether the text is a street and a number, as ten languages write them."""
    words = text.casefold().replace(",", " ").replace(".", " ").split()
    english = bool(re.match(r"\d+\w? ", text)) and not _street_words().isdisjoint(words[2:])
    return english or bool(_STREET.fullmatch(text))


@lru_cache(maxsize=1)
def _street_words() -> frozenset[str]:
    """What ends the name of an English street, case folded, from Faker's list; in full and abbreviated."""
    words = import_module("faker.providers.address.en_US").Provider.street_suffixes
    short = ("st", "rd", "ave", "ln", "dr", "blvd", "ct", "sq", "hwy", "pkwy", "ter", "pl")
    return frozenset((*(word.casefold() for word in words), *short))


@lru_cache(maxsize=1)
def _known_names() -> tuple[frozenset[str], frozenset[str]]:
    """First and last names of several languages, case folded, from Faker's lists."""
    found: tuple[set[str], set[str]] = (set(), set())
    for locale in ("de_DE", "en_GB", "en_US", "es_ES", "fr_FR", "it_IT", "nl_NL", "pl_PL", "pt_BR", "sv_SE"):
        provider = import_module(f"faker.providers.person.{locale}").Provider
        for names, kinds in zip(found, (("first_names", "first_names_male", "first_names_female"), ("last_names",)),
                                strict=True):  # fmt: skip
            for kind in kinds:
                names.update(name.casefold() for name in getattr(provider, kind, ()))
    return frozenset(found[0]), frozenset(found[1])


def _by_content(column: Column, values: list[str]) -> str | None:
    """What the sample alone shows beyond doubt."""
    if column.kind is Kind.OTHER:
        word = column.native_type.lower()
        return "ip" if word in ("inet", "cidr") else "mac" if word.startswith("macaddr") else None
    if len(values) < 3:
        return None
    if column.kind in (Kind.INTEGER, Kind.DECIMAL):
        return "card_number" if len(values) >= 20 and _share(values, is_luhn) >= 0.95 else None
    if column.kind not in _TEXT:
        return None
    tests: list[tuple[str, Callable[[str], object], float]] = [
        ("email", _EMAIL.fullmatch, 0.8),
        ("url", _URL.fullmatch, 0.8),
        ("iban", is_iban, 0.8),
        ("mac", _MAC.fullmatch, 0.9),
        ("ip", lambda v: _IPV4.fullmatch(v) and any(int(o) > 30 for o in re.findall(r"\d+", v)), 0.8),
        ("card_number", is_luhn, 0.95 if len(values) >= 5 else 1.1),
        ("national_id", _SSN.fullmatch, 0.9),
        ("phone", lambda v: _PHONE.fullmatch(v) and 7 <= _digits(v) <= 15, 0.8),
        ("password", _HASH.fullmatch, 0.8),
        ("coordinates", _COORDINATES.fullmatch, 0.9),
        ("address", _is_address, 0.6),
        ("name", _is_persons_name, 0.5),
    ]
    return next((provider for provider, holds, least in tests if _share(values, holds) >= least), None)
