"""Codes: the shapes of a column's values, learned without the values, and new codes of these shapes.

A shape gives each position of a text its alphabet: all digits, all capitals, or one fixed character where (nearly) all
values of the shape share it. ``CUST-00417`` has the shape ``C U S T - 9 9 9 9 9``. Shapes go to JSON as
``{"share": 0.8, "runs": [["C", 1], ["U", 1], …, ["0123456789", 5]]}``.

What is kept is common to many: a shape counts at least 5 rows, a fixed letter or digit at least 20 different values and
1 % of them.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa

from .distinct import texts_of

__all__ = [
    "DIGITS",
    "LOWER",
    "UPPER",
    "capacity",
    "common_shapes",
    "distinct_integers",
    "draw_shapes",
    "free_digits",
    "learn_shapes",
    "positions_of",
    "read_pattern",
    "shape_of",
    "signature",
    "widen_shapes",
]

DIGITS, UPPER, LOWER = "0123456789", "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz"
Shape = dict[str, Any]

_MIN_ROWS = 5  # of a shape
_MIN_VALUES = 20  # different ones that share a fixed letter or digit
_MIN_SHARE = 0.01
_MAX_SHAPES = 48
_MAX_WIDTH = 400
_WORDLIKE = {"9", "A", "a", "L"}


def signature(text: str) -> str:
    """The text with 9 for each digit, A and a for letters by case, L for letters of scripts without case."""
    return text.translate(_CLASSES)


class _Classes(dict):
    def __missing__(self, code: int) -> str:
        char = chr(code)
        kind = unicodedata.category(char)
        found = {"Nd": "9", "Lu": "A", "Lt": "A", "Ll": "a", "Lo": "L", "Lm": "L"}.get(kind, char)
        self[code] = found
        return found


_CLASSES = _Classes()


def _merged(text: str) -> str:
    return "".join("w" if char in _WORDLIKE else char for char in signature(text))


def learn_shapes(values: list[str]) -> list[Shape]:
    """The shapes of these texts, commonest first; at least one, of plain letters or digits where nothing is common."""
    values = [value[:_MAX_WIDTH] for value in values if value]
    groupings = (signature, _merged, lambda text: str(len(text)))
    return next(filter(None, (_grouped(values, grouping, 0.7) for grouping in groupings)), [_plain_shape(values)])


def common_shapes(values: list[str], least: float) -> list[Shape]:
    """The shapes that these texts share exactly; none where they cover less than this share of the texts."""
    return _grouped([value[:_MAX_WIDTH] for value in values if value], signature, least)


def _grouped(values: list[str], grouping: Callable[[str], str], least: float) -> list[Shape]:
    """One shape or more for each group of at least five values, if together they cover enough."""
    groups: dict[str, list[str]] = {}
    for value in values:
        groups.setdefault(grouping(value), []).append(value)
    kept = sorted((g for g in groups.items() if len(g[1]) >= _MIN_ROWS), key=lambda g: (-len(g[1]), g[0]))[:_MAX_SHAPES]
    covered = sum(len(rows) for _, rows in kept)
    if covered == 0 or covered < least * len(values):
        return []
    shapes = [shape for _, rows in kept for shape in _split(rows, covered, 0)]
    return [{**shape, "share": round(shape["share"], 5)} for shape in shapes]


def _plain_shape(values: list[str]) -> Shape:
    """One shape for values that have none in common: their usual length, the classes of their characters."""
    classes = Counter(signature("".join(values)))
    alphabet = "".join(a for c, a in (("9", DIGITS), ("A", UPPER), ("a", LOWER)) if classes[c]) or LOWER + DIGITS
    width = int(np.median([len(value) for value in values])) if values else 8
    return shape_of([alphabet] * max(width, 1))


def shape_of(positions: list[str], share: float = 1.0) -> Shape:
    """A shape from the alphabet of each position."""
    runs: list[list] = []
    for alphabet in positions:
        if runs and runs[-1][0] == alphabet:
            runs[-1][1] += 1
        else:
            runs.append([alphabet, 1])
    return {"share": share, "runs": runs}


def positions_of(shape: Shape) -> list[str]:
    """The alphabet of each position: the inverse of `shape_of`."""
    return [alphabet for alphabet, times in shape["runs"] for _ in range(times)]


def read_pattern(pattern: str) -> Shape:
    r"""The shape that a pattern spells: # a digit, ? a capital letter, * either, a backslash before a plain character.

    >>> positions_of(read_pattern(r"A\#-#"))
    ['A', '#', '-', '0123456789']
    """
    wild = {"#": DIGITS, "?": UPPER, "*": DIGITS + UPPER}
    return shape_of([found[1:] or wild.get(found, found) for found in re.findall(r"\\.|.", pattern, re.DOTALL)])


def _split(rows: list[str], total: int, depth: int) -> list[Shape]:
    """The shapes of rows of one signature: one, or one per common prefix of letters (``DE-…``, ``US-…``)."""
    classes = signature(rows[0])
    run = len(classes) - len(classes.lstrip("Aa"))
    if depth == 0 and 0 < run < len(classes):
        values_of: dict[str, set[str]] = {}
        for row in rows:
            values_of.setdefault(row[:run], set()).add(row)
        distinct = sum(len(v) for v in values_of.values())
        common = {p for p, v in values_of.items() if len(v) >= max(_MIN_VALUES, _MIN_SHARE * distinct)}
        if len(common) > 1 and sum(len(values_of[p]) for p in common) >= 0.5 * distinct:
            parts = [[row for row in rows if row[:run] == p] for p in sorted(common)[:_MAX_SHAPES]]
            rest = [row for row in rows if row[:run] not in common]
            parts += [rest] if len(rest) >= _MIN_ROWS else []
            return [shape for part in parts for shape in _split(part, total, 1)]
    return [shape_of(_alphabets(sorted(set(rows))), len(rows) / total)]


def _alphabets(values: list[str]) -> list[str]:
    """The alphabet of each position of different values of one length."""
    seen = np.array(values).view(np.uint32).reshape(len(values), -1)
    letters = {chr(code) for code in np.unique(seen)}
    hexadecimal = _hexadecimal(letters, seen.size)
    return [_alphabet(seen[:, i], hexadecimal) for i in range(seen.shape[1])]


def _hexadecimal(letters: set[str], size: int) -> str | None:
    """The digits of hexadecimal numbers, if these characters are no others and enough of them were seen."""
    for alphabet in (DIGITS + "abcdef", DIGITS + "ABCDEF"):
        used = {c for c in letters if c.isalnum()}
        if used <= set(alphabet) and size >= 40 and used & set(alphabet[10:]) and used & set(DIGITS):
            return alphabet
    return None


def _alphabet(column: np.ndarray, hexadecimal: str | None) -> str:
    """The characters that may stand at one position, given those that do."""
    codes, counts = np.unique(column, return_counts=True)
    n, chars = len(column), [chr(code) for code in codes]
    classes = {signature(char) for char in chars}
    if classes.isdisjoint(_WORDLIKE) and len(chars) == 1:
        return chars[0]  # a separator, which is part of the signature
    top = int(counts.argmax())
    if n >= _MIN_VALUES and counts[top] >= max(_MIN_VALUES, 0.95 * n):
        return chars[top]
    common = "".join(c for c, k in zip(chars, counts, strict=True) if k >= max(_MIN_ROWS, _MIN_SHARE * n))
    if hexadecimal and len(classes & {"A", "a"}):
        return hexadecimal
    if classes == {"9"}:
        if n >= 100:
            return common
        return DIGITS if "0" in chars or (n < _MIN_VALUES and len(chars) < 9) else DIGITS[1:]
    if "L" in classes or (n >= 400 and len(classes) == 1):
        return common or LOWER
    full = "".join(a for c, a in (("9", DIGITS), ("A", UPPER), ("a", LOWER)) if c in classes)
    return full or common or chars[top]


# ---------------------------------------------------------------------------------------------------------- drawing


def capacity(shape: Shape) -> int:
    """How many different texts the shape has."""
    product = 1
    for alphabet, times in shape["runs"]:
        product *= len(alphabet) ** times
    return product


def draw_shapes(
    shapes: list[Shape], n: int, rng: np.random.Generator, *, unique: bool = False, check: str | None = None
) -> pa.Array:
    """`n` texts of these shapes by their shares; where `unique`, no two alike, and fewer if the shapes have no more."""
    shares = np.array([shape["share"] for shape in shapes])
    counts = rng.multinomial(n, shares / shares.sum())
    if unique:
        counts = _within_capacity(counts, [capacity(shape) for shape in shapes])
    parts = [
        texts_of(_checked(_characters(shape, int(count), rng, unique), check))
        for shape, count in zip(shapes, counts, strict=True)
        if count
    ]
    texts = pa.concat_arrays(parts) if parts else pa.array([], pa.string())
    return texts.take(pa.array(rng.permutation(len(texts))))


def _within_capacity(counts: np.ndarray, capacities: list[int]) -> np.ndarray:
    """The counts with what overflows one shape moved to those with room left."""
    counts = [int(count) for count in counts]
    over = 0
    for i, room in enumerate(capacities):
        over += max(counts[i] - room, 0)
        counts[i] = min(counts[i], room)
    for i, room in enumerate(capacities):
        moved = min(over, room - counts[i])
        counts[i] += moved
        over -= moved
    return np.array(counts)


def _characters(shape: Shape, n: int, rng: np.random.Generator, unique: bool) -> np.ndarray:
    """Code points of `n` texts of one shape, uint32 ``(n, width)``."""
    alphabets = [np.array([ord(c) for c in alphabet], dtype=np.uint32) for alphabet in positions_of(shape)]
    out = np.empty((n, len(alphabets)), dtype=np.uint32)
    numbers, room = None, 1
    if unique:
        free = [len(alphabet) for alphabet in alphabets if len(alphabet) > 1]
        for size in free:
            if room * size >= 2**62:
                break
            room *= size
        numbers = distinct_integers(room, n, rng)
    for i in sorted(range(len(alphabets)), key=lambda i: -len(alphabets[i]) if not unique else i):
        alphabet = alphabets[i]
        if len(alphabet) == 1:
            out[:, i] = alphabet[0]
        elif numbers is not None and room > 1:
            size = len(alphabet)
            out[:, i] = alphabet[numbers % size]
            numbers //= size
            room //= size
        else:
            out[:, i] = alphabet[rng.integers(0, len(alphabet), n)]
    return out


def distinct_integers(room: int, n: int, rng: np.random.Generator) -> np.ndarray:
    """`n` different integers of ``[0, room)``, in random order, int64 ``(n,)``; ValueError where room is short."""
    if n > room:
        raise ValueError(f"{n} different integers below {room}")
    if room <= 4 * n + 1000:
        return rng.permutation(room)[:n]
    found = np.unique(rng.integers(0, room, n + n // 3 + 10))
    while len(found) < n:
        found = np.unique(np.concatenate([found, rng.integers(0, room, n)]))
    return rng.permutation(found)[:n]


def widen_shapes(shapes: list[Shape], digits: int, length: int | None) -> list[Shape]:
    """The shapes with room for more texts: whole classes for the letters and digits seen, then more digits.

    Digits go behind the last run of digits, or at the end, as long as the text stays within `length`.
    """
    widened = []
    for shape in shapes:
        positions = positions_of(shape)
        leading = positions[:1]
        positions = [_whole_class(alphabet) for alphabet in positions]
        if positions and positions[0] == DIGITS and "0" not in leading[0]:
            positions[0] = DIGITS[1:]  # a number has no leading zeros
        room = digits if length is None else min(digits, max(length - len(positions), 0))
        at = max((i + 1 for i, a in enumerate(positions) if a == DIGITS), default=len(positions))
        positions[at:at] = [DIGITS] * room
        if not any(len(alphabet) > 1 for alphabet in positions) and positions:
            positions[-1] = DIGITS  # nothing is free and no position may be added
        widened.append(shape_of(positions, shape["share"]))
    return widened


def free_digits(shapes: list[Shape]) -> list[Shape]:
    """The shapes with all digits free in runs in which one is: the zeros that a counter has not come to yet."""
    freed = []
    for shape in shapes:
        positions = positions_of(shape)
        digits = [set(alphabet) <= set(DIGITS) for alphabet in positions]
        for i in range(len(positions)):
            start = i - next((k for k in range(i) if not digits[i - 1 - k]), i)
            end = next((k for k in range(i, len(positions)) if not digits[k]), len(positions))
            if digits[i] and any(len(alphabet) > 1 for alphabet in positions[start:end]):
                positions[i] = DIGITS if i or "0" in positions[i] else DIGITS[1:]
        freed.append(shape_of(positions, shape["share"]))
    return freed


def _whole_class(alphabet: str) -> str:
    if len(alphabet) == 1:
        return alphabet
    return "".join(whole for whole in (DIGITS, UPPER, LOWER) if set(alphabet) & set(whole)) or alphabet


# ---------------------------------------------------------------------------------------------------- check digits


def _checked(characters: np.ndarray, check: str | None) -> np.ndarray:
    """The characters with their check digits put right: "luhn" (the last digit), "iban" (the third and fourth)."""
    if check == "luhn":
        _set_luhn_digit(characters)
    elif check == "iban":
        _set_iban_digits(characters)
    return characters


def _set_luhn_digit(characters: np.ndarray) -> None:
    places = [i for i in range(characters.shape[1]) if len(characters) and ord("0") <= characters[0, i] <= ord("9")]
    total = np.zeros(len(characters), dtype=np.int64)
    for k, i in enumerate(reversed(places[:-1])):
        digit = characters[:, i].astype(np.int64) - ord("0")
        digit = digit * 2 if k % 2 == 0 else digit
        total += np.where(digit > 9, digit - 9, digit)
    if places:
        characters[:, places[-1]] = (-total % 10) + ord("0")


def _set_iban_digits(characters: np.ndarray) -> None:
    places = [i for i in range(characters.shape[1]) if len(characters) and chr(characters[0, i]).isalnum()]
    if len(places) < 5:
        return
    remainder = np.zeros(len(characters), dtype=np.int64)
    for i in places[4:] + places[:2]:
        code = characters[:, i].astype(np.int64)
        digit = np.where(code <= ord("9"), code - ord("0"), (code | 32) - ord("a") + 10)
        remainder = (remainder * np.where(digit > 9, 100, 10) + digit) % 97
    control = 98 - remainder * 100 % 97
    characters[:, places[2]] = control // 10 + ord("0")
    characters[:, places[3]] = control % 10 + ord("0")
