"""What only the text of a SQLite CREATE TABLE tells: CHECKs, names of constraints, collations, generated columns."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

__all__ = ["TableText", "affinity", "parse_create_table", "unquote"]

_TOKEN = re.compile(
    r"""(?P<space>(?:\s+|--[^\n]*|/\*.*?(?:\*/|\Z))+)
      | (?P<string>[xX]?'(?:[^']|'')*')
      | (?P<quoted>"(?:[^"]|"")*" | `(?:[^`]|``)*` | \[[^\]]*\])
      | (?P<word>[\w$]+)
      | (?P<other>.)""",
    re.VERBOSE | re.DOTALL,
)
_TABLE_CONSTRAINTS = {"CONSTRAINT", "PRIMARY", "UNIQUE", "CHECK", "FOREIGN"}


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str
    start: int
    end: int

    @property
    def upper(self) -> str:
        """The word in capitals; nothing for a quoted name, which is never a keyword."""
        return self.text.upper() if self.kind in ("word", "other") else ""


@dataclass
class TableText:
    """The parts of one CREATE TABLE, in the order they are written."""

    checks: list[tuple[str | None, str]] = field(default_factory=list)  # name, expression
    unique_keys: list[tuple[str | None, tuple[str, ...]]] = field(default_factory=list)  # name, columns
    foreign_keys: list[tuple[str | None, str | None]] = field(default_factory=list)  # name, DEFERRABLE …
    collations: dict[str, str] = field(default_factory=dict)  # column -> its COLLATE
    generated: dict[str, str] = field(default_factory=dict)  # column -> expression
    options: tuple[str, ...] = ()  # AUTOINCREMENT, WITHOUT ROWID, STRICT


def unquote(name: str) -> str:
    """The name without SQLite's quotes: "a", `a`, [a] or 'a'."""
    if name[:1] == "[":
        return name[1:-1]
    if name[:1] in ('"', "`", "'"):
        return name[1:-1].replace(name[0] * 2, name[0])
    return name


def affinity(declared: str) -> str:
    """What SQLite turns values into where it can, by their declared type: INTEGER, TEXT, BLOB, REAL or NUMERIC."""
    rules = (("INT", "INTEGER"), ("CHAR|CLOB|TEXT", "TEXT"), ("BLOB|^$", "BLOB"), ("REAL|FLOA|DOUB", "REAL"))
    return next((found for pattern, found in rules if re.search(pattern, declared.strip().upper())), "NUMERIC")


def parse_create_table(sql: str) -> TableText:
    """Take the statement apart, as SQLite keeps it in sqlite_master."""
    tokens = [_Token(m.lastgroup or "", m.group(), m.start(), m.end()) for m in _TOKEN.finditer(sql)]
    tokens = [token for token in tokens if token.kind != "space"]
    found = TableText()
    opening = next((i for i, token in enumerate(tokens) if token.upper == "("), None)
    if opening is None:
        return found
    closing = _closing(tokens, opening)
    start = opening + 1
    depth = 0
    for i in range(start, closing + 1):
        if i == closing or (tokens[i].upper == "," and depth == 0):
            _definition(sql, tokens[start:i], found)
            start = i + 1
        depth += {"(": 1, ")": -1}.get(tokens[i].upper, 0)
    tail = " ".join(token.upper for token in tokens[closing + 1 :])
    found.options += tuple(option for option in ("WITHOUT ROWID", "STRICT") if option in tail)
    return found


def _definition(sql: str, tokens: list[_Token], found: TableText) -> None:
    """One column or table constraint, with what is attached to it."""
    if not tokens:
        return
    column = None if tokens[0].upper in _TABLE_CONSTRAINTS else unquote(tokens[0].text)
    name: str | None = None
    i = 0 if column is None else 1
    while i < len(tokens):
        word = tokens[i].upper
        following = tokens[i + 1] if i + 1 < len(tokens) else None
        has_brackets = following is not None and following.upper == "("
        end = _closing(tokens, i + 1) if has_brackets else i
        if word == "CONSTRAINT" and following:
            name, i = unquote(following.text), i + 2
            continue
        if word == "CHECK" and has_brackets:
            found.checks.append((name, sql[following.end : tokens[end].start].strip()))
        elif word == "UNIQUE":
            names = [token.text for token in tokens[i + 2 : end] if token.kind in ("word", "quoted", "string")]
            found.unique_keys.append((name, tuple(map(unquote, names)) if has_brackets else (column or "",)))
        elif word == "REFERENCES":
            found.foreign_keys.append((name, _deferrable(tokens[i:])))
        elif word == "COLLATE" and following and column:
            found.collations[column] = unquote(following.text)
        elif word == "AS" and has_brackets and column:
            found.generated[column] = sql[following.end : tokens[end].start].strip()
        elif word == "AUTOINCREMENT":
            found.options += ("AUTOINCREMENT",)
        if word in ("CHECK", "UNIQUE", "REFERENCES", "PRIMARY"):
            name = None if word != "FOREIGN" else name
        i = end + 1
        if word == "(":  # brackets that belong to no keyword: the length of a type, a default
            i = _closing(tokens, i - 1) + 1


def _deferrable(tokens: list[_Token]) -> str | None:
    """DEFERRABLE and when, as the clause after REFERENCES says it."""
    words = [token.upper for token in tokens]
    if "DEFERRABLE" not in words or words[words.index("DEFERRABLE") - 1] == "NOT":
        return None
    return "DEFERRABLE INITIALLY DEFERRED" if "DEFERRED" in words else "DEFERRABLE"


def _closing(tokens: list[_Token], opening: int) -> int:
    """Where the bracket that opens at `opening` is closed."""
    depth = 0
    for i in range(opening, len(tokens)):
        depth += {"(": 1, ")": -1}.get(tokens[i].upper, 0)
        if depth == 0:
            return i
    return len(tokens) - 1
