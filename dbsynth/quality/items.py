"""One figure of an evaluation: what it is about, its value, and what real rows would have in its place."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

__all__ = ["Item", "mean_of", "plain_number"]


@dataclass(frozen=True)
class Item:
    """A figure about a column, a pair of columns, a foreign key, a path, a table or the whole database.

    Attributes:
        measure: which figure this is; its name in the summary too.
        tables: of a path from the ancestor down; one name where all columns are of one table; none: the database.
        foreign_keys: "child.column", along a path from the ancestor down.
        score: NaN where it is undefined or was not measured. Likenesses are 0 … 100, 100 best; others in their units.
        reference: what real rows have in its place (the ceiling of a likeness, the score of a model trained on real
            rows, the distances of a hold-out); NaN where that was not measured.
        low, high: ends of the score's 95 % interval; NaN where there is none.
        rows: how many rows the figure rests on; 0 where that does not matter.
        note: why the figure is no evidence, or what stands behind it; empty where there is nothing to say.
    """

    measure: str
    tables: tuple[str, ...]
    columns: tuple[str, ...] = ()
    foreign_keys: tuple[str, ...] = ()
    score: float = math.nan
    reference: float = math.nan
    low: float = math.nan
    high: float = math.nan
    rows: int = 0
    note: str = ""

    @property
    def label(self) -> str:
        """The item in words, ``race.year ~ result.points via result.race_id``."""
        names = [f"{table}.{column}" for table, column in zip(self._column_tables(), self.columns, strict=True)]
        keys = " / ".join(self.foreign_keys)
        where = " ~ ".join(names) or keys or " → ".join(self.tables)
        return f"{where} via {keys}" if names and keys else where

    def _column_tables(self) -> tuple[str, ...]:
        if not self.columns:
            return ()
        if len(self.columns) == 2:
            return self.tables[0], self.tables[-1]
        return (self.tables[-1 if self.measure == "intra-group" else 0],) * len(self.columns)

    def to_json(self) -> dict[str, Any]:
        """Plain data, ready for `json.dumps`; NaN becomes None."""
        return {name: plain_number(value) for name, value in asdict(self).items()}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Item:
        """The inverse of `to_json`."""
        lists = ("tables", "columns", "foreign_keys")
        return cls(**{
            name: tuple(value) if name in lists else math.nan if value is None else value
            for name, value in data.items()
        })


def mean_of(numbers: Iterable[float]) -> float:
    """The plain mean of those that are not NaN; NaN if there is none."""
    defined = [number for number in numbers if not math.isnan(number)]
    return math.fsum(defined) / len(defined) if defined else math.nan


def plain_number(value: Any) -> Any:
    """None for NaN, which JSON does not have; everything else as it is."""
    return None if isinstance(value, float) and math.isnan(value) else value
