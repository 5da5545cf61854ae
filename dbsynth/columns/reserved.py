"""Numbers with a meaning outside the database: phones, cards, bank accounts, national ids, passwords, web addresses.

They keep the shape of the source and lie, where there is such a thing, in the part that is set aside for examples:
555 numbers, test cards, social security numbers from 900, the domain example.org.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from .distinct import choose, join, pick
from .patterns import DIGITS, LOWER, UPPER, Shape, common_shapes, learn_shapes, positions_of, shape_of

__all__ = ["draw_coordinates", "draw_url", "learn_coordinates", "learn_reserved", "learn_url"]


def learn_reserved(provider: str, values: list[str], *, unique: bool, length: int | None) -> dict[str, Any]:
    """Shapes for one of "phone", "card_number", "iban", "national_id", "postcode", "password"; their check digit."""
    learn = {"phone": _phones, "card_number": _cards, "iban": _ibans, "national_id": _ids, "password": _passwords}
    shapes = learn[provider](values, unique) if provider in learn else _postcodes(values)
    if length is not None:
        shapes = [shape for shape in shapes if len(positions_of(shape)) <= length] or [shape_of([DIGITS] * length)]
    return {"shapes": shapes, "check": {"card_number": "luhn", "iban": "iban"}.get(provider)}


def _postcodes(values: list[str]) -> list[Shape]:
    return common_shapes(values, 0.3) or [shape_of([DIGITS] * 5)]


def _digit_places(positions: list[str]) -> list[int]:
    return [i for i, alphabet in enumerate(positions) if set(alphabet) <= set(DIGITS)]


def _phones(values: list[str], unique: bool) -> list[Shape]:
    shapes = common_shapes(values, 0.5)
    if not shapes:
        digits = [sum(c.isdigit() for c in value) for value in values]
        text = "+1 (999) 999-9999" if sum(v.startswith("+") for v in values) >= 0.5 * len(values) else "(999) 999-9999"
        if digits and all(value.isdigit() for value in values):
            text = "9" * int(np.median(digits))
        shapes = [shape_of([DIGITS if c == "9" else c for c in text])]
    return [shape_of(_american(positions_of(shape), unique), shape["share"]) for shape in shapes]


def _american(positions: list[str], unique: bool) -> list[str]:
    """The positions, with a ten-digit number of North America moved to the exchange 555, lines 0100 to 0199."""
    places = _digit_places(positions)
    plus_one = len(places) == 11 and positions[0] == "+" and positions[2] in " (-."  # only America's code has one digit
    if len(places) == 11 and (positions[places[0]] == "1" or plus_one):
        positions[places[0]] = "1"
        places = places[1:]
    elif "+" in positions or positions[places[0] if places else 0] == "0":
        return positions
    if len(places) != 10:
        return positions
    free = DIGITS if unique else None
    for i, alphabet in zip(places, (None, None, None, "5", "5", "5", free or "0", free or "1"), strict=False):
        positions[i] = alphabet or positions[i]
    if "0" in positions[places[0]] or "1" in positions[places[0]]:
        positions[places[0]] = "23456789"
    return positions


def _cards(values: list[str], unique: bool) -> list[Shape]:
    """Cards whose number starts with the learned first digit and 00000, as test cards do; the last digit is Luhn's."""
    shapes = []
    for shape in common_shapes(values, 0.3) or [shape_of([*"4", *[DIGITS] * 15])]:
        positions = positions_of(shape)
        places = _digit_places(positions)
        for i in [*places[1:6], *places[-1:]]:
            positions[i] = "0"
        shapes.append(shape_of(positions, shape["share"]))
    return shapes


def _ibans(values: list[str], unique: bool) -> list[Shape]:
    shapes = []
    for shape in common_shapes(values, 0.3):
        positions = positions_of(shape)
        if len(positions) > 8 and all(len(a) == 1 and a.isupper() for a in positions[:2]):
            shapes.append(shape_of([*positions[:2], "0", "0", *positions[4:]], shape["share"]))
    return shapes or [shape_of([*"DE00", *[DIGITS] * 18])]


def _ids(values: list[str], unique: bool) -> list[Shape]:
    shapes = []
    for shape in learn_shapes(values):
        positions = positions_of(shape)
        dashes = [i for i, alphabet in enumerate(positions) if alphabet == "-"]
        if len(positions) == 11 and dashes == [3, 6]:  # an American number; none starts with 9
            positions[0], positions[4] = "9", "01234"
        shapes.append(shape_of(positions, shape["share"]))
    return shapes


def _passwords(values: list[str], unique: bool) -> list[Shape]:
    bcrypt = [value for value in values if re.fullmatch(r"\$2[abxy]\$\d\d\$.{53}", value)]
    if len(bcrypt) > 0.5 * len(values):
        start = Counter(value[:4] for value in bcrypt).most_common(1)[0][0]
        return [shape_of([*start, *"12$", *[UPPER + LOWER + DIGITS] * 53])]
    return learn_shapes(values)


# -------------------------------------------------------------------------------------------------------- coordinates


def learn_coordinates(values: list[str]) -> dict[str, Any]:
    """How pairs of coordinates are written, and the box of whole degrees in which nearly all of them lie."""
    pairs = [re.findall(r"[-+]?\d+\.\d+", value) for value in values]
    known = [[float(x) for x in pair] for pair in pairs if len(pair) == 2]
    numbers = np.array(known or [[-60.0, -170.0], [60.0, 170.0]])
    low, high = (np.quantile(numbers, q, axis=0) for q in (0.05, 0.95))
    between = Counter(re.sub(r"[-+]?\d+\.\d+", "\0", value) for value in values).most_common(1)
    digits = Counter(len(pair[0].partition(".")[2]) for pair in pairs if pair).most_common(1)
    return {
        "low": np.floor(low).tolist(), "high": (np.floor(high) + 1).tolist(), "digits": digits[0][0] if digits else 5,
        "form": between[0][0] if between and between[0][0].count("\0") == 2 else "\0,\0",
    }  # fmt: skip


def draw_coordinates(settings: dict[str, Any], n: int, rng: np.random.Generator) -> pa.Array:
    """Pairs somewhere in the box."""
    low, high = np.array(settings["low"]), np.array(settings["high"])
    pairs = low + (high - low) * rng.random((n, 2))
    before, between, after = settings["form"].split("\0")
    first, second = (np.char.mod(f"%.{settings['digits']}f", column) for column in pairs.T)
    return join(before, pa.array(first, pa.string()), between, pa.array(second, pa.string()), after)


# ------------------------------------------------------------------------------------------------------ web addresses


def learn_url(values: list[str]) -> dict[str, Any]:
    """How the addresses are built: their scheme, the depth of the path, the file endings that five rows share."""
    values = [value.strip() for value in values]
    n = max(len(values), 1)
    schemes = Counter((re.match(r"(https?|ftp)://(www\.)?|www\.", v, re.I) or [""])[0].lower() for v in values)
    paths = [re.sub(r"^((https?|ftp)://)?[^/]*", "", v, flags=re.I) for v in values]
    endings = Counter((re.search(r"\.[A-Za-z0-9]{1,5}$", path) or [""])[0] for path in paths)
    depths = Counter(str(min(path.rstrip("/").count("/"), 4)) for path in paths)
    queries = sum("?" in path for path in paths) / n
    kept = {s: k / n for s, k in schemes.items() if k >= min(5, n / 2)}
    return {
        "scheme": kept or {"https://": 1.0},
        "ending": {e: round(k / n, 3) for e, k in sorted(endings.items()) if k >= 5} or {"": 1.0},
        "depth": {d: round(k / n, 3) for d, k in sorted(depths.items())} or {"1": 1.0},
        "query": round(queries, 2),
        "slash": bool(paths) and sum(p.endswith("/") for p in paths) > 0.5 * n,
    }


def draw_url(settings: dict[str, Any], n: int, rng: np.random.Generator, length: int | None, digits: int) -> pa.Array:
    """Addresses on example.org, .com and .net; with `digits`, a number at the end of the path."""
    schemes = choose(settings["scheme"], n, rng)
    depth = choose(settings["depth"], n, rng)
    bare = pc.and_(pc.equal(schemes, ""), pc.not_equal(depth, "0"))  # a path alone
    host = pc.if_else(bare, "", pick(("example.org", "example.com", "example.net"), n, rng))
    number = None
    if digits:
        number = pa.array(rng.integers(10 ** (digits - 1), 10**digits, n)).cast(pa.string())
    depth = pc.cast(depth, pa.int64())
    path = pa.array([""] * n, pa.string())
    for level in range(1, 5):
        path = pc.if_else(pc.greater_equal(depth, level), join(path, "/", _slug(n, rng)), path)
    if number is not None:
        path = join(path, "/", number)
    ending = choose(settings["ending"], n, rng)
    path = pc.if_else(pc.equal(path, ""), "", join(path, ending))
    query = pa.array(rng.integers(1, 100_000, n)).cast(pa.string())
    path = pc.if_else(pa.array(rng.random(n) < settings["query"]), join(path, "?id=", query), path)
    path = join(path, "/") if settings["slash"] else path
    texts = join(schemes, host, path)
    return texts if length is None else _shortened(texts, join(schemes, host, "/", number or query), length)


def _shortened(texts: pa.Array, short: pa.Array, length: int) -> pa.Array:
    """The short address where the long one exceeds the length."""
    fitting = pc.if_else(pc.less_equal(pc.utf8_length(texts), length), texts, short)
    return pc.utf8_slice_codeunits(fitting, 0, length)


_SLUGS = ("about", "archive", "article", "blog", "catalog", "contact", "docs", "events", "gallery", "guide", "help",
          "home", "images", "index", "item", "list", "main", "media", "news", "notes", "page", "photo", "post", "press",
          "product", "profile", "report", "search", "shop", "story", "support", "team", "topic", "view")  # fmt: skip


def _slug(n: int, rng: np.random.Generator) -> pa.Array:
    some = pa.array(rng.integers(1, 1000, n)).cast(pa.string())
    return join(pick(_SLUGS, n, rng), "-", pc.if_else(pa.array(rng.random(n) < 0.5), pick(_SLUGS, n, rng), some))
