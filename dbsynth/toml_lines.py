"""Where in a TOML file each setting stands, which `tomllib` does not say, and mistakes with their lines.

A scan, not a second parser: it walks a text that `tomllib` has read already, and only has to tell keys, strings and
brackets apart.
"""

from __future__ import annotations

import re
import tomllib
from bisect import bisect_right
from collections.abc import Iterable, Mapping

__all__ = ["Place", "lines_of", "listed"]

Place = tuple[str | int, ...]  # of a setting: the names on the way to it

_STRINGS = ('"""', "'''", '"', "'")
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_SCALAR = re.compile(r"[^,\]}\n#]+")
_BLANK = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")


def lines_of(text: str) -> dict[Place, int]:
    """The line, from 1 on, in which each key, table and array element begins, by its path in the document.

    >>> lines_of("a.b = 1\\n[c]\\nd = [\\n  2,\\n]")
    {('a',): 1, ('a', 'b'): 1, ('c',): 2, ('c', 'd'): 3, ('c', 'd', 0): 4}

    Args:
        text: valid TOML.
    """
    return _Scan(text).document()


def listed(file: str, mistakes: Iterable[tuple[Place, str]], lines: Mapping[Place, int]) -> str:
    """A line for each mistake, none twice, in the order of the file."""
    found = sorted({(_line(place, lines), said) for place, said in mistakes})
    return "\n".join(f"{file}{f':{line}' if line else ''}: {said}" for line, said in found)


def _line(place: Place, lines: Mapping[Place, int]) -> int:
    """Where a setting stands, or else the innermost table around it; 0 for what is not there."""
    ways = (lines[place[:n]] for n in range(len(place), 0, -1) if place[:n] in lines)
    return next(ways, 0)


class _Scan:
    """A position in the text, and what was found before it."""

    def __init__(self, text: str) -> None:
        self.text, self.at = text, 0
        self.ends = [match.start() for match in re.finditer("\n", text)]
        self.lines: dict[Place, int] = {}
        self.elements: dict[Place, int] = {}  # of each array of tables, how many there are so far

    def document(self) -> dict[Place, int]:
        table: Place = ()
        while self.blank():
            if self.text[self.at] == "[":
                table = self.header()
            else:
                self.pair(table)
        return self.lines

    def blank(self) -> bool:
        """Go past blanks and comments; whether anything follows."""
        self.at = _BLANK.match(self.text, self.at).end()
        return self.at < len(self.text)

    def found(self, path: Place) -> None:
        self.lines.setdefault(path, bisect_right(self.ends, self.at - 1) + 1)

    def header(self) -> Place:
        """`[a.b]` or `[[a.b]]`: the path of the table that begins here."""
        begin, several = self.at, self.text.startswith("[[", self.at)
        self.at += 1 + several
        *before, last = self.key()
        end, self.at = self.at + 1 + several, begin
        path: Place = ()
        for part in before:
            path = self.newest((*path, part))
        path = (*path, last)
        if several:
            self.found(path)
            self.elements[path] = self.elements.get(path, -1) + 1
            path = (*path, self.elements[path])
        self.found(path)
        self.at = end
        return path

    def newest(self, path: Place) -> Place:
        """A table on the way to another; of an array of tables the last one."""
        self.found(path)
        return (*path, self.elements[path]) if path in self.elements else path

    def key(self) -> list[str]:
        """A dotted key; the position is then behind it."""
        parts = []
        while True:
            self.blank()
            if self.text[self.at] in "\"'":
                begin = self.at
                self.string()
                parts.append(tomllib.loads(f"key = {self.text[begin : self.at]}")["key"])
            else:
                match = _BARE_KEY.match(self.text, self.at)
                parts.append(match[0])
                self.at = match.end()
            self.blank()
            if self.text[self.at] != ".":
                return parts
            self.at += 1

    def pair(self, table: Place) -> None:
        begin = self.at
        parts = self.key()
        end, self.at = self.at + 1, begin  # behind the equals sign
        for n in range(1, len(parts) + 1):
            self.found((*table, *parts[:n]))
        self.at = end
        self.value((*table, *parts))

    def value(self, path: Place) -> None:
        self.blank()
        opening = self.text[self.at]
        if opening in "\"'":
            self.string()
        elif opening in "[{":
            self.inside(path, opening)
        else:
            self.at = _SCALAR.match(self.text, self.at).end()

    def inside(self, path: Place, opening: str) -> None:
        """The elements of an array, or the pairs of an inline table."""
        self.at += 1
        closing, n = ("]" if opening == "[" else "}"), 0
        while True:
            self.blank()
            if self.text[self.at] == closing:
                self.at += 1
                return
            if self.text[self.at] == ",":
                self.at += 1
            elif opening == "{":
                self.pair(path)
            else:
                self.found((*path, n))
                self.value((*path, n))
                n += 1

    def string(self) -> None:
        """Go past a string of any of the four forms."""
        quote = next(quote for quote in _STRINGS if self.text.startswith(quote, self.at))
        escapes = quote[0] == '"'
        self.at += len(quote)
        while not self.text.startswith(quote, self.at):
            self.at += 2 if escapes and self.text[self.at] == "\\" else 1
        self.at += len(quote)
        while len(quote) == 3 and self.text.startswith(quote[0], self.at):  # up to two quotes may stand before the end
            self.at += 1
