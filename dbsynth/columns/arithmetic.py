"""Numbers that other numbers of their row fix: sums and differences, products and quotients, constant distances."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

import numpy as np
import pyarrow as pa

from ..schema import Column
from .numbers import from_numbers, to_numbers

__all__ = ["Formula", "Product", "Sum", "compute", "evaluate"]


@dataclass(frozen=True)
class Sum:
    """``column`` = the terms, each times +1 or -1, and a constant; in multiples of ``step`` (0: as it comes).

    Moments are numbers in their column's own unit, days or microseconds.
    """

    column: str
    terms: tuple[str, ...]
    signs: tuple[int, ...]
    constant: float
    step: float

    @property
    def operands(self) -> tuple[str, ...]:
        return self.terms

    @property
    def text(self) -> str:
        text = ""
        for term, sign in zip(self.terms, self.signs, strict=True):
            text += (" + " if sign > 0 else " - ") * bool(text) + ("-" if sign < 0 and not text else "") + term
        if self.constant:
            text += f" {'+' if self.constant > 0 else '-'} {_number(abs(self.constant))}"
        return f"{self.column} = {text}"


@dataclass(frozen=True)
class Product:
    """``column`` = the factors, each to the power +1 or -1, times a constant, rounded to multiples of ``step``."""

    column: str
    factors: tuple[str, ...]
    powers: tuple[int, ...]
    constant: float
    step: float

    @property
    def operands(self) -> tuple[str, ...]:
        return self.factors

    @property
    def text(self) -> str:
        text = "" if self.constant == 1 else _number(self.constant)
        for factor, power in zip(self.factors, self.powers, strict=True):
            text += ((" * " if power > 0 else " / ") if text else ("" if power > 0 else "1 / ")) + factor
        return f"{self.column} = {text}"


Formula = Sum | Product


def evaluate(formula: Formula, numbers: Mapping[str, np.ndarray]) -> np.ndarray:
    """The formula's value in every row, float64 ``(n,)``, not yet rounded; NaN where an operand is null."""
    if isinstance(formula, Sum):
        parts = [sign * numbers[term] for term, sign in zip(formula.terms, formula.signs, strict=True)]
        return sum(parts[1:], parts[0]) + formula.constant
    with np.errstate(divide="ignore", invalid="ignore"):
        result = np.full(len(numbers[formula.factors[0]]), formula.constant)
        for factor, power in zip(formula.factors, formula.powers, strict=True):
            result = result * numbers[factor] if power > 0 else result / numbers[factor]
    return np.where(np.isfinite(result), result, np.nan)


def compute(
    formula: Formula, arrays: Mapping[str, pa.Array], columns: Mapping[str, Column], type_: pa.DataType
) -> pa.Array:
    """The formula's column from its operands' columns; halves are rounded away from zero, as servers do."""
    numbers = {name: to_numbers(arrays[name], columns[name].kind) for name in formula.operands}
    value = evaluate(formula, numbers)
    if formula.step:
        # A float a hair below a half, 1.005 say, is meant to be one.
        steps = value / formula.step
        value = np.sign(steps) * np.floor(np.abs(steps) * (1 + 4e-16) + 0.5) * formula.step
    return from_numbers({"value": value}, columns[formula.column], {"value": formula.step}, type_)


def _number(value: float) -> str:
    return f"{Decimal(repr(value)).normalize():f}"
