"""Where a MySQL statement names the database it comes from; in another database it must not."""

from __future__ import annotations

import re
from dataclasses import dataclass

__all__ = ["Names"]

_ESCAPED = {"string": r"[^'\\]|\\.|''", "double": r'[^"\\]|\\.|""'}
_PLAIN = {"string": r"[^']|''", "double": r'[^"]|""'}  # under NO_BACKSLASH_ESCAPES
_TOKENS = r"""
    (?P<space> \s+ | --(?=\s|$)[^\n]* | \#[^\n]* | /\*(?!M?!).*?\*/ )   # what stands in /*! */ is no comment
  | (?P<variable> @@?(?: `(?:[^`]|``)*` | '(?:{string})*' | "(?:{double})*" | [\w.$]* ) )
  | (?P<string> '(?:{string})*' )
  | (?P<double> "(?:{double})*" )
  | (?P<quoted> `(?:[^`]|``)*` )
  | (?P<word> [\w$]+ )
  | (?P<mark> . )
"""


@dataclass(frozen=True)
class Names:
    """How a statement is read.

    Attributes:
        mode: the sql_mode it was written under; it says what quotes and backslashes mean.
        folds: names of databases are the same in upper and lower case.
    """

    database: str
    mode: str = ""
    folds: bool = False

    def removed_from(self, text: str) -> str:
        """The statement with the database's name before no other name; strings and comments as they are.

        >>> Names("shop").removed_from("INSERT INTO shop . audit SELECT 'shop.t', `shop`.`t`.id FROM other.shop")
        "INSERT INTO `audit` SELECT 'shop.t', `t`.id FROM other.shop"
        """
        tokens = self._tokens(text)
        solid = [n for n, (kind, _) in enumerate(tokens) if kind != "space"]
        kept: list[str] = []
        done = 0
        for before, n, dot, after in zip([-1, *solid], solid, solid[1:], solid[2:], strict=False):
            follows = before >= 0 and tokens[before][1] == "."
            name = self._name(*tokens[after])
            if self._is_database(*tokens[n]) and not follows and tokens[dot][1] == "." and name is not None:
                kept += [text for _, text in tokens[done:n]]
                kept.append(f"`{name.replace('`', '``')}`")  # a reserved word needs no quotes after a dot only
                done = after + 1
        return "".join(kept + [text for _, text in tokens[done:]])

    def are_meant_by(self, text: str) -> bool:
        """Whether a string that may be run as a statement, or a statement about databases, names the database."""
        name = re.escape(self.database)
        flags = re.IGNORECASE if self.folds else 0
        inside = re.compile(rf"""(?<![\w$]){name}[`"]?\s*\.\s*(?:[\w`"$]|\Z)|\A\s*[`"]?{name}[`"]?\s*\Z""", flags)
        before = ""
        for kind, token in self._tokens(text):
            if kind == "space":
                continue
            if kind in ("string", "double") and self._name(kind, token) is None and inside.search(token[1:-1]):
                return True
            if before in ("DATABASE", "SCHEMA", "EXISTS") and self._is_database(kind, token):
                return True
            before = token.upper()
        return False

    def _tokens(self, text: str) -> list[tuple[str, str]]:
        bodies = _PLAIN if "NO_BACKSLASH_ESCAPES" in self.mode else _ESCAPED
        pattern = re.compile(_TOKENS.replace("{string}", bodies["string"]).replace("{double}", bodies["double"]),
                             re.VERBOSE | re.DOTALL)  # fmt: skip
        return [(str(found.lastgroup), found[0]) for found in pattern.finditer(text)]

    def _name(self, kind: str, token: str) -> str | None:
        if kind == "word":
            return token
        if kind == "quoted" or (kind == "double" and "ANSI_QUOTES" in self.mode):
            return token[1:-1].replace(token[0] * 2, token[0])
        return None

    def _is_database(self, kind: str, token: str) -> bool:
        name = self._name(kind, token)
        if name is None:
            return False
        return name.lower() == self.database.lower() if self.folds else name == self.database
