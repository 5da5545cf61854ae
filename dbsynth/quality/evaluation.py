"""Everything that is said of a synthetic database: how like the real one it is, and whether it gives anybody away."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from .items import Item

__all__ = ["LAYOUT", "ColumnNote", "Evaluation", "TableNote"]

LAYOUT = 1  # of the JSON document; one more when a program that reads it would have to change


@dataclass(frozen=True)
class ColumnNote:
    """What became of one column, and why."""

    name: str
    kind: str
    fate: str
    why: str


@dataclass(frozen=True)
class TableNote:
    """One table of both databases."""

    name: str
    real_rows: int
    synthetic_rows: int
    kept: bool
    columns: tuple[ColumnNote, ...] = ()


@dataclass(frozen=True)
class Evaluation:
    """All figures of one synthetic database, from the whole down to each pair of columns.

    Attributes:
        items: those of no table are the summary, one for each measure.
        notes: what could not be measured, and why.
        about: where the two databases are (passwords masked), seed, versions, settings, seconds by stage.
    """

    tables: tuple[TableNote, ...]
    items: tuple[Item, ...]
    notes: tuple[str, ...] = ()
    about: Mapping[str, Any] = field(default_factory=dict)

    @property
    def summary(self) -> dict[str, Item]:
        """The figure of the whole database for each measure."""
        return {item.measure: item for item in self.items if not item.tables}

    def of(self, measure: str, *tables: str) -> list[Item]:
        """A measure's figures below the summary; of these tables only, if any are named."""
        return [
            item
            for item in self.items
            if item.measure == measure and item.tables and (not tables or item.tables == tables)
        ]

    def to_json(self) -> dict[str, Any]:
        """Plain data, ready for `json.dumps`; its layout is described in the README."""
        return {
            "layout": LAYOUT,
            "about": dict(self.about),
            "summary": {name: item.to_json() for name, item in self.summary.items()},
            "tables": [asdict(table) for table in self.tables],
            "items": [item.to_json() for item in self.items if item.tables],
            "notes": list(self.notes),
        }
