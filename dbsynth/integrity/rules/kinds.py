"""The kinds of rules, each with its words for `inspect`. Plain data, for plan and bundle."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from ...schema import ForeignKey

__all__ = ["Copy", "Fixed", "Formula", "Order", "Rule", "Shared", "Total", "coded_together", "to_json"]


@dataclass(frozen=True)
class Copy:
    """``column`` holds what ``other`` holds, nulls too: of its own row, or of the row's parent under ``key``."""

    table: str
    column: str
    other: str
    key: ForeignKey | None = None

    @property
    def text(self) -> str:
        if self.key is None:
            return f"{self.column} = {self.other}"
        return f"{self.column} = {self.key.parent}.{self.other}, by {', '.join(self.key.columns)}"


@dataclass(frozen=True)
class Formula:
    """``column`` is a sum of the ``operands``, or their product, and is null where one of them is.

    Attributes:
        signs: of each operand 1 or -1: a term or a factor is added or taken away, multiplied by or divided by.
        constant: added to the sum, or times the product.
        step: of which the column's values are multiples, halves rounded away from zero; 0: as they come.
    """

    table: str
    column: str
    operands: tuple[str, ...]
    signs: tuple[int, ...]
    is_product: bool
    constant: float
    step: float

    @property
    def text(self) -> str:
        first, second = (" * ", " / ") if self.is_product else (" + ", " - ")
        nothing = 1.0 if self.is_product else 0.0
        words = "".join((first if s > 0 else second) + name for s, name in zip(self.signs, self.operands, strict=True))
        words = words.removeprefix(first)
        if self.constant != nothing:
            words += (first if self.constant > 0 or self.is_product else second) + f"{abs(self.constant):.15g}"
        return f"{self.column} = {words}"


@dataclass(frozen=True)
class Fixed:
    """Rows with one value of ``other`` have one value of ``column``; both are coded together."""

    table: str
    column: str
    other: str

    @property
    def text(self) -> str:
        return f"{self.column} is fixed by {self.other}"


@dataclass(frozen=True)
class Shared:
    """All rows of a parent under ``key`` have one value of ``column``, null as a value: in truth the parent's."""

    table: str
    column: str
    key: ForeignKey

    @property
    def text(self) -> str:
        return f"{self.column} is one for all rows of a {self.key.parent}, by {', '.join(self.key.columns)}"


@dataclass(frozen=True)
class Order:
    """``column`` is at least ``other`` (``is_above``) or at most, where both are known.

    Attributes:
        other: of the same row, or of the row's parent under ``key``.
        by_day: of moments the days are compared.
        of_times: both moments have a time of day.
    """

    table: str
    column: str
    other: str
    is_above: bool
    key: ForeignKey | None = None
    by_day: bool = False
    of_times: bool = False

    @property
    def text(self) -> str:
        day = " (by the day)" if self.by_day and self.of_times else ""
        if self.key is not None:
            sign = ">=" if self.is_above else "<="
            return f"{self.column} {sign} {self.key.parent}.{self.other}{day}, by {', '.join(self.key.columns)}"
        low, high = (self.other, self.column) if self.is_above else (self.column, self.other)
        return f"{low} <= {high}{day}"


@dataclass(frozen=True)
class Total:
    """``column`` is what the children under ``key`` come to: their number, or the sum of a column, or of a product.

    Attributes:
        factors: columns of the child; none: the number of children.
        childless: what a row without children holds, 0 or null.
        step: of which the column's values are multiples.
    """

    table: str
    column: str
    key: ForeignKey
    factors: tuple[str, ...]
    childless: float | None
    step: float

    @property
    def text(self) -> str:
        names = [f"{self.key.child}.{name}" for name in self.factors]
        of = f"sum of {' * '.join(names)}" if names else f"number of {self.key.child} rows"
        return f"{self.column} = {of}, by {', '.join(self.key.columns)}"


Rule = Copy | Fixed | Formula | Order | Shared | Total


def coded_together(rules: Iterable[Rule], table: str) -> list[set[str]]:
    """The sets of a table's columns of which one fixes the others."""
    found: list[set[str]] = []
    for rule in rules:
        if isinstance(rule, Fixed) and rule.table == table:
            ends = {rule.column, rule.other}
            met = [names for names in found if names & ends]
            found = [names for names in found if names not in met] + [ends.union(*met)]
    return found


def to_json(rule: Rule) -> dict[str, Any]:
    """Plain data for `--json`: the rule's kind, its words, and its parts."""
    return {"kind": type(rule).__name__.lower(), "rule": rule.text, **asdict(rule)}
