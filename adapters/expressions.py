"""CHECK conditions and defaults that mean the same in every dialect, put into another dialect's words.

Only what is plain crosses: comparisons, IN, BETWEEN, IS NULL, sums and products over columns and literals, joined by
AND, OR and NOT. Anything else (functions, LIKE, regular expressions, division, text in an order) depends on the server.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from dbsynth.schema import Column, Kind

from .ddl import Dialect

__all__ = ["translate_default", "translate_expression"]

_TOKEN = r"""(?P<space>\s+)
      | (?P<string>(?:_\w+)?'(?:[^'{escape}]|''|{escaped})*')
      | (?P<name>"(?:[^"]|"")*"|`(?:[^`]|``)*`)
      | (?P<number>\d+(?:\.\d*)?(?:[eE][+-]?\d+)?|\.\d+)
      | (?P<word>[^\W\d][\w$]*)
      | (?P<sign>::|<=|>=|<>|!=|[=<>+*(),\[\]-])"""
_STANDARD_TOKEN = re.compile(_TOKEN.format(escape="", escaped="(?!)"), re.VERBOSE | re.DOTALL)
_MYSQL_TOKEN = re.compile(
    _TOKEN.format(escape=r"\\", escaped=r"\\."), re.VERBOSE | re.DOTALL
)  # where \ begins an escape
_WORDS = {"AND", "OR", "NOT", "IN", "BETWEEN", "IS", "NULL", "TRUE", "FALSE"}
_CLASSES = {
    Kind.INTEGER: "number", Kind.DECIMAL: "number", Kind.FLOAT: "number", Kind.BOOLEAN: "boolean", Kind.TEXT: "text",
    Kind.ENUM: "text", Kind.UUID: "text", Kind.DATE: "date", Kind.TIME: "moment", Kind.TIMESTAMP: "moment",
    Kind.TIMESTAMPTZ: "moment",
}  # fmt: skip
_KEEPS_THE_VALUE = {"text", "character", "bpchar", "varchar", "numeric", "double"}  # casts of a column that may go
_NOW = re.compile(
    r"(?i)(now|current_timestamp|localtimestamp|transaction_timestamp)\s*(\(\s*\d*\s*\))?|datetime\('now'\)"
)


class _Token(NamedTuple):
    kind: str  # string, number, column, word, sign
    text: str  # a string's characters, a column's name, a word in capitals


@dataclass(frozen=True)
class _NotPlain(Exception):
    """The expression says something that may differ between servers."""


def translate_expression(expression: str, source: str, target: Dialect, columns: Mapping[str, Column]) -> str | None:
    """The condition for the target, or None where it is not plain.

    Args:
        source: the dialect that `expression` is in.
        columns: the table's columns by name.
    """
    try:
        tokens = _without_casts(_read(expression, source, columns), columns)
        tokens = _lists(tokens)
        _check_clauses(tokens, columns, target)
    except _NotPlain:
        return None
    return " ".join(_write(token, target) for token in tokens).replace("( ", "(").replace(" )", ")").replace(" ,", ",")


def _read(expression: str, source: str, columns: Mapping[str, Column]) -> list[_Token]:
    exact, folded = set(columns), {name.lower(): name for name in columns}
    tokens, place = [], 0
    if source == "sqlite":  # the one dialect with names in square brackets
        expression = re.sub(r"('(?:[^']|'')*')|\[([^\]\"]*)\]", lambda m: m[1] or f'"{m[2]}"', expression)
    pattern = _MYSQL_TOKEN if source == "mysql" else _STANDARD_TOKEN
    while place < len(expression):
        match = pattern.match(expression, place)
        if not match or (match.lastgroup == "word" and expression[match.end() :].startswith("'")):  # E'…', x'…'
            raise _NotPlain
        kind, text, place = match.lastgroup or "", match.group(), match.end()
        if kind == "string":
            tokens.append(_Token("string", _unquote(text, source)))
        elif kind == "name" or (kind == "word" and text.upper() not in _WORDS | {"ANY", "ALL", "ARRAY"}):
            name = text[1:-1].replace(text[0] * 2, text[0]) if kind == "name" else text
            is_type = bool(tokens) and tokens[-1] == ("sign", "::")
            found = name if name in exact else folded.get(name.lower()) if source != "postgres" else None
            tokens.append(_Token("column", found) if found and not is_type else _Token("type", text))
        elif kind != "space":
            tokens.append(_Token(kind, text.upper() if kind == "word" else text.replace("!=", "<>")))
    return tokens


def _unquote(text: str, source: str) -> str:
    body = text[text.index("'") + 1 : -1].replace("''", "'")
    if "\\" in body and source == "mysql":
        escapes = {"n": "\n", "t": "\t", "r": "\r", "0": "\0", "b": "\b", "Z": "\x1a"}
        body = re.sub(r"\\(.)", lambda m: escapes.get(m[1], m[1]), body, flags=re.DOTALL)
    return body


def _without_casts(tokens: list[_Token], columns: Mapping[str, Column]) -> list[_Token]:
    """Casts of literals go, and those of a column to a type that holds the same value."""
    result: list[_Token] = []
    i = 0
    while i < len(tokens):
        if tokens[i] != ("sign", "::"):
            result.append(tokens[i])
            i += 1
            continue
        name, i = tokens[i + 1].text.lower(), i + 2
        if any(c for c in _operand(result) if columns[c].kind not in _kinds_of(name)):
            raise _NotPlain
        while i < len(tokens) and tokens[i].kind == "type":  # character varying, timestamp without time zone
            i += 1
        if i < len(tokens) and tokens[i].text == "(" and tokens[i].kind == "sign":
            i = next((j for j in range(i, len(tokens)) if tokens[j].text == ")"), len(tokens)) + 1
        if [t.text for t in tokens[i : i + 2]] == ["[", "]"]:
            i += 2
    return result


def _kinds_of(cast: str) -> set[Kind]:
    if cast not in _KEEPS_THE_VALUE:
        return set()
    return {k for k, c in _CLASSES.items() if c == ("number" if cast in ("numeric", "double") else "text")}


def _operand(tokens: list[_Token]) -> list[str]:
    """The columns in the operand that ends the list: one token, or what is in its last brackets."""
    if not tokens:
        raise _NotPlain
    start, depth = len(tokens) - 1, 0
    for start in range(len(tokens) - 1, -1, -1):
        if tokens[start].kind == "sign":
            depth += {")": 1, "]": 1, "(": -1, "[": -1}.get(tokens[start].text, 0)
        if depth == 0:
            break
    return [token.text for token in tokens[start:] if token.kind == "column"]


def _lists(tokens: list[_Token]) -> list[_Token]:
    """`= ANY (ARRAY[…])` as IN, `<> ALL (ARRAY[…])` as NOT IN."""
    result: list[_Token] = []
    i = 0
    while i < len(tokens):
        pair = (tokens[i].text, tokens[i + 1].text) if i + 1 < len(tokens) else ("", "")
        if pair not in (("=", "ANY"), ("<>", "ALL")):
            result.append(tokens[i])
            i += 1
            continue
        i, depth = i + 2, 0
        while i < len(tokens) and tokens[i].text == "(":
            i, depth = i + 1, depth + 1
        end = next((j for j in range(i, len(tokens)) if tokens[j] == ("sign", "]")), None)
        if (
            end is None
            or tokens[i].text != "ARRAY"
            or [t.text for t in tokens[end + 1 : end + 1 + depth]] != [")"] * depth
        ):
            raise _NotPlain
        words = ["IN"] if pair[0] == "=" else ["NOT", "IN"]
        items = tokens[i + 2 : end]
        result += [*(_Token("word", w) for w in words), _Token("sign", "("), *items, _Token("sign", ")")]
        i = end + 1 + depth
    if any(
        t.text in ("ANY", "ALL", "ARRAY", "[", "]") or t.kind == "type"
        for t in result
        if t.kind not in ("string", "column")
    ):
        raise _NotPlain
    return result


def _check_clauses(tokens: list[_Token], columns: Mapping[str, Column], target: Dialect) -> None:
    """Between two AND or OR all columns and literals are of one class, and the class has those operators everywhere."""
    clauses: list[list[_Token]] = [[]]
    between = False
    for token in tokens:
        if token == ("word", "OR") or (token == ("word", "AND") and not between):
            clauses.append([])
            continue
        between = token == ("word", "BETWEEN") or (between and token != ("word", "AND"))
        clauses[-1].append(token)
    for clause in clauses:
        classes = {_CLASSES.get(columns[t.text].kind, "other") for t in clause if t.kind == "column"}
        if len(classes) != 1 or "other" in classes:
            raise _NotPlain
        (kind,) = classes
        literals = {t.kind for t in clause if t.kind in ("string", "number")}
        literals |= {"boolean" for t in clause if t.text in ("TRUE", "FALSE") and t.kind == "word"}
        if literals - {{"number": "number", "boolean": "boolean"}.get(kind, "string")}:
            raise _NotPlain
        used = {t.text for t in clause if t.kind in ("sign", "word")}
        if kind in ("text", "boolean", "moment") and used & {"<", ">", "<=", ">=", "BETWEEN"}:
            raise _NotPlain
        if kind == "moment" and literals:
            raise _NotPlain  # SQLite compares their text, in which a moment has several spellings
        if kind != "number" and used & {"+", "*", "-"}:
            raise _NotPlain


def _write(token: _Token, target: Dialect) -> str:
    if token.kind == "string":
        return target.literal(token.text)
    if token.kind == "column":
        return target.quote(token.text)
    if token.kind == "word" and token.text in ("TRUE", "FALSE"):
        return target.true_literal if token.text == "TRUE" else target.false_literal
    return token.text


def translate_default(default: str, source: str, target: Dialect, column: Column) -> str | None:
    """The default for the target if it is a literal, a boolean or the current date or time; else None."""
    text = re.sub(r"(?i) on update current_timestamp(\(\d*\))?$", "", default.strip())  # MySQL; not for an INSERT
    while text.startswith("(") and text.endswith(")") and text.count("(") == 1:
        text = text[1:-1].strip()
    text = re.sub(r"::[\w\s\"().,]+(\[\])?$", "", text).strip()
    if text.startswith("(") and text.endswith(")"):  # ('-1')::integer
        text = text[1:-1].strip()
    if _NOW.fullmatch(text) and column.kind in (Kind.TIMESTAMP, Kind.TIMESTAMPTZ):
        return target.now
    if (_NOW.fullmatch(text) or re.fullmatch(r"(?i)(current_date|curdate)(\(\))?", text)) and column.kind is Kind.DATE:
        return target.today
    value: str | None = None
    if re.fullmatch(r"(?:_\w+)?'(?:[^']|'')*'", text, flags=re.DOTALL):
        value = _unquote(text, source)
    elif re.fullmatch(r"[-+]?(\d+(\.\d*)?|\.\d+)([eE][-+]?\d+)?", text) or text.lower() in ("true", "false"):
        value = text
    if value is None or column.kind is Kind.BINARY:
        return None
    return _literal_default(value, target, column)


def _literal_default(value: str, target: Dialect, column: Column) -> str | None:
    if column.kind is Kind.BOOLEAN:
        known = {"true": True, "t": True, "1": True, "false": False, "f": False, "0": False}.get(value.lower())
        return None if known is None else target.true_literal if known else target.false_literal
    if _CLASSES.get(column.kind) == "number":
        return value if re.fullmatch(r"[-+]?(\d+(\.\d*)?|\.\d+)([eE][-+]?\d+)?", value) else None
    literal = target.literal(value)
    return f"({literal})" if column.kind in target.brackets_defaults_of else literal
