"""The kinds of rules between columns, each with its words for `inspect`. All are plain data for plan and bundle."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ...columns.arithmetic import Formula
from ...schema import ForeignKey

__all__ = [
    "Arithmetic", "Copy", "Equal", "Fixed", "Nulls", "Order", "ParentOrder", "Rule", "Total", "fixed_whole",
    "rule_to_json",
]  # fmt: skip

_SHOWN = 6  # values of a category that a line names


@dataclass(frozen=True)
class Order:
    """In every row ``low`` <= ``high`` (< if ``strict``) where both are known.

    Attributes:
        by_day: of two moments the days are compared.
        of_times: both have a time of day, which may be in another order within one day.
    """

    table: str
    low: str
    high: str
    strict: bool = False
    by_day: bool = False
    of_times: bool = False

    @property
    def columns(self) -> tuple[str, ...]:
        return (self.low, self.high)

    @property
    def text(self) -> str:
        day = " (by the day)" if self.by_day and self.of_times else ""
        return f"{self.low} {'<' if self.strict else '<='} {self.high}{day}"


@dataclass(frozen=True)
class Arithmetic:
    """A column that other numbers of its row fix; ``whole``: it is never known where one of them is null."""

    table: str
    formula: Formula
    whole: bool = True

    @property
    def columns(self) -> tuple[str, ...]:
        return (self.formula.column, *self.formula.operands)

    @property
    def text(self) -> str:
        return self.formula.text


@dataclass(frozen=True)
class Equal:
    """``column`` is what ``other`` is, nulls too."""

    table: str
    column: str
    other: str

    @property
    def columns(self) -> tuple[str, ...]:
        return (self.column, self.other)

    @property
    def text(self) -> str:
        return f"{self.column} = {self.other}"


@dataclass(frozen=True)
class Fixed:
    """Rows with one value of ``by`` have one value of ``column``.

    Attributes:
        values: which, as texts, where at least five real rows have the value of ``by``; elsewhere it is the same among
            the synthetic rows that share one.
        is_given: another rule says what ``column`` holds; then it is ``by`` that follows.
    """

    table: str
    column: str
    by: str
    values: Mapping[str, str | None] = field(default_factory=dict)
    is_given: bool = False

    @property
    def columns(self) -> tuple[str, ...]:
        return (self.column, self.by)

    @property
    def text(self) -> str:
        return f"{self.by} fixes {self.column}"


@dataclass(frozen=True)
class Nulls:
    """Where ``column`` is null and where it is known, by the value of another column, or by its being null.

    Attributes:
        null_at, known_at: values of ``by`` as texts, None for null; with ``by_null`` "null" and "known".
    """

    table: str
    column: str
    by: str
    null_at: tuple[str | None, ...]
    known_at: tuple[str | None, ...]
    complete: bool  # no value of `by` is in neither
    by_null: bool = False

    @property
    def columns(self) -> tuple[str, ...]:
        return (self.column, self.by)

    @property
    def text(self) -> str:
        if self.by_null:
            only = "exactly " if self.complete else ""
            where, at = ("null", self.null_at) if self.null_at else ("known", self.known_at)
            return f"{self.column} is {where} {only}where {self.by} is {at[0]}"
        few = self.null_at if self.null_at and (not self.complete or len(self.null_at) <= len(self.known_at)) else None
        where, at = ("null", self.null_at) if few else ("known", self.known_at)
        shown = " or ".join("null" if value is None else repr(value) for value in at[:_SHOWN])
        more = f" or {len(at) - _SHOWN} more" if len(at) > _SHOWN else ""
        return f"{self.column} is {where} {'exactly ' if self.complete else ''}where {self.by} is {shown}{more}"


@dataclass(frozen=True)
class Copy:
    """``column`` holds what ``parent_column`` of the row's parent under ``key`` holds."""

    table: str
    column: str
    key: ForeignKey
    parent_column: str

    @property
    def columns(self) -> tuple[str, ...]:
        return (self.column,)

    @property
    def text(self) -> str:
        return f"{self.column} = {self.key.parent}.{self.parent_column}, by {', '.join(self.key.columns)}"


@dataclass(frozen=True)
class ParentOrder:
    """``column`` >= ``parent_column`` of the row's parent under ``key``, or <= where ``is_low``; see `Order`."""

    table: str
    column: str
    key: ForeignKey
    parent_column: str
    is_low: bool = False
    strict: bool = False
    by_day: bool = False
    of_times: bool = False

    @property
    def columns(self) -> tuple[str, ...]:
        return (self.column,)

    @property
    def text(self) -> str:
        sign = ("<" if self.is_low else ">") + ("" if self.strict else "=")
        day = " (by the day)" if self.by_day and self.of_times else ""
        return f"{self.column} {sign} {self.key.parent}.{self.parent_column}{day}, by {', '.join(self.key.columns)}"


@dataclass(frozen=True)
class Total:
    """``column`` is what the rows that refer to this one by ``key`` come to.

    Attributes:
        measure: "count", "sum", "min" or "max".
        factors: the child's column, or columns that are multiplied before the sum; empty for a count.
        childless: the value in rows without children: 0 or null.
        step: of which sums are multiples; 0: as they come.
    """

    table: str
    column: str
    key: ForeignKey
    measure: str
    factors: tuple[str, ...]
    childless: float | None
    step: float

    @property
    def columns(self) -> tuple[str, ...]:
        return (self.column,)

    @property
    def text(self) -> str:
        of = " * ".join(f"{self.key.child}.{factor}" for factor in self.factors) or self.key.child
        return f"{self.column} = {self.measure}({of}), by {', '.join(self.key.columns)}"


Rule = Arithmetic | Copy | Equal | Fixed | Nulls | Order | ParentOrder | Total


def fixed_whole(rule: Rule) -> tuple[str | None, tuple[str, str] | None]:
    """The column that a rule computes in every row, and the table and column whose values it takes, if it does."""
    match rule:
        case Arithmetic(whole=True):
            return rule.formula.column, None
        case Equal():
            return rule.column, (rule.table, rule.other)
        case Copy():
            return rule.column, (rule.key.parent, rule.parent_column)
    return None, None


def rule_to_json(rule: Rule) -> dict[str, Any]:
    """Plain data for `--json`: table, kind, columns and the rule in words."""
    kind = {"ParentOrder": "parent order"}.get(type(rule).__name__, type(rule).__name__.lower())
    return {"table": rule.table, "kind": kind, "columns": list(rule.columns), "rule": rule.text}
