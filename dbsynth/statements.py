"""What a statement in a schema's native words does: it defines a type, an index or a part of a table, and no more.

Postgres's own spelling is asked for, since its statements come from its catalogs; what is not spelled so is refused.
"""

from __future__ import annotations

import re
from collections.abc import Collection

__all__ = ["defines_index", "defines_type", "is_part", "place"]

_NAME = r'(?:"(?:[^"]|"")+"|[A-Za-z_][\w$]*)'
_PLACE = rf"(?:{_NAME}\.)?{_NAME}"

_TYPE = re.compile(
    rf"CREATE\s+(?:TYPE\s+{_PLACE}\s+AS\s|DOMAIN\s+{_PLACE}\s+AS\s"
    rf"|(?:EXTENSION|SCHEMA)\s+(?:IF\s+NOT\s+EXISTS\s+)?{_NAME}\Z)"
)
_INDEX = re.compile(
    rf"CREATE (?:UNIQUE )?INDEX {_NAME} ON (?:ONLY )?(?P<of>{_PLACE})\s"
    rf"|ALTER TABLE (?P<also>{_PLACE}) ADD CONSTRAINT {_NAME} EXCLUDE\s"
)
_INDEX_ELSEWHERE = re.compile(r"CREATE\s+((UNIQUE|FULLTEXT|SPATIAL)\s+)?INDEX\s", re.IGNORECASE)
_PARTS = {
    "partition": rf"CREATE TABLE (?P<new>{_PLACE}) PARTITION OF (?P<of>{_PLACE}) (?:FOR VALUES\s|DEFAULT\b)",
    "inheritance": rf"ALTER TABLE (?P<new>{_PLACE}) INHERIT (?P<of>{_PLACE})\Z",
    "index": rf"CREATE (?:UNIQUE )?INDEX {_NAME} ON (?:ONLY )?(?P<of>{_PLACE})\s",
    "constraint": rf"ALTER TABLE (?P<of>{_PLACE}) ADD CONSTRAINT {_NAME} (?:PRIMARY KEY|UNIQUE|EXCLUDE)\s",
    "search column": rf"UPDATE (?P<of>{_PLACE}) SET {_NAME} = to_tsvector\(.*\)\Z",
}
_TOKEN = re.compile(
    r"""(?<![\w$])[eE]'(?:\\.|''|[^'\\])*'|'(?:''|[^'])*'|"(?:""|[^"])*"|--|/\*|[$(),;'"]""",
    re.DOTALL,
)


def defines_type(statement: str) -> bool:
    """Whether it defines a type or a domain, or brings an extension or an empty namespace."""
    return _TYPE.match(statement) is not None and ";" not in _outside(statement)


def defines_index(statement: str, table: str, dialect: str) -> bool:
    """Whether it gives the table, and no other, an index or an exclusion constraint, and does no more."""
    if dialect != "postgres":
        return _INDEX_ELSEWHERE.match(statement) is not None
    found = _INDEX.match(statement)
    return found is not None and _is_one(statement) and _fits(place(found["of"] or found["also"]), table)


def is_part(kind: str, statement: str, tables: Collection[str]) -> bool:
    """Whether it makes what tables of Postgres are made of beside their columns, of these tables only."""
    found = re.match(_PARTS[kind], statement, re.DOTALL) if kind in _PARTS else None
    if found is None or not _is_one(statement):
        return False
    return all(place(name) in tables for name in found.groupdict().values())


def place(spelled: str) -> str:
    """A table's name as a schema has it, from its native spelling."""
    names = re.findall(_NAME, spelled)
    return ".".join(n[1:-1].replace('""', '"') if n.startswith('"') else n.lower() for n in names)


def _fits(found: str, table: str) -> bool:
    """In a namespace that the connection looks into, a table may go by its bare name."""
    return found == table or ("." not in found and table.endswith(f".{found}"))


def _is_one(statement: str) -> bool:
    """Whether there is no second action, which a comma would part from the first, and nothing to hide one behind."""
    return not _outside(statement) & {",", ";", "$", "--", "/*", "'", '"'}


def _outside(statement: str) -> set[str]:
    """The marks that stand outside quotes and brackets; inside brackets only those that may hide where these end."""
    depth, marks = 0, set()
    for token in _TOKEN.finditer(statement):
        mark = token.group()
        depth += {"(": 1, ")": -1}.get(mark, 0)
        if depth < 0 or mark in {"$", "--", "/*", "'", '"', ";"} or (mark == "," and depth == 0):
            marks.add(";" if depth < 0 else mark)
    return marks
