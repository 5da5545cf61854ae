"""A learned database: codecs, fabricators, keys and engine. `learning` makes one, `decoding` makes databases of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from .columns.codec import TableCodec
from .columns.fabricate import Fabricator
from .config import Settings
from .drift import Profile
from .engines import EngineModel
from .integrity.opened import Opened
from .integrity.rules.kinds import Rule
from .plan import Fate
from .schema import ForeignKey, Schema, Table

__all__ = [
    "CHILDREN_MARK",
    "DEPTH_MARK",
    "EMPTY_MARK",
    "DatabaseModel",
    "Numbering",
    "TableModel",
    "edge_name",
    "unique_sets",
]

EMPTY_MARK = "\0is empty"  # names the variable that says where a fabricated text is empty
DEPTH_MARK = "\0depth"  # names the variable that says how deep in a hierarchy a row stands
CHILDREN_MARK = "\0children"  # names the variable that says how many rows refer to a row under an opened key


@dataclass(frozen=True)
class Numbering:
    """How the invented whole numbers of a key column run.

    Attributes:
        start: the first.
        step: between two.
        within: the columns in whose groups numbering starts anew; empty: one number for the whole table.
    """

    start: int
    step: int
    within: tuple[str, ...] = ()

    def at(self, positions: np.ndarray, type_: pa.DataType) -> pa.Array:
        """The numbers at these positions, int64 from 0, in a type of whole numbers or of dates."""
        numbers = pa.array(self.start + self.step * positions, pa.int64())
        # Arrow casts to dates from their days, and to short decimals from text only.
        if pa.types.is_date(type_):
            numbers = numbers.cast(pa.int32())
        elif pa.types.is_decimal(type_):
            numbers = numbers.cast(pa.string())
        return numbers.cast(type_)


@dataclass(frozen=True)
class TableModel:
    """What is learned about one table beside the engine's part.

    Attributes:
        sorted_by: the column or foreign key in whose order the rows stand, as primary keys tell; None: in none.
        shuffled: by kept column of a table that is modelled, its real values, sorted.
    """

    codec: TableCodec
    fabricators: Mapping[str, Fabricator] = field(default_factory=dict)
    numbering: Mapping[str, Numbering] = field(default_factory=dict)
    sorted_by: str | None = None
    shuffled: Mapping[str, pa.Table] = field(default_factory=dict)


@dataclass(frozen=True)
class DatabaseModel:
    """Everything needed to write a synthetic database.

    Attributes:
        fates: by table and column.
        kept: rows of the tables that are copied: their kept columns, and where others are null (`NULL_MARK`).
        opened: by the foreign key's name (`edge_name`).
        apart: pairs of foreign keys (`edge_name`) to one parent that no real row lets refer to the same row.
        rules: between columns, each after those that make its columns.
        profile: what the source was like, to see later whether it has moved.
        fitted_at: when it was learned from nothing, in RFC 3339; what goes on from there keeps the time.
        added: by table the columns that came after that; none of them is copied unless the user says so.
    """

    schema: Schema
    settings: Settings
    rows: Mapping[str, int]
    fates: Mapping[str, Mapping[str, Fate]]
    tables: Mapping[str, TableModel]
    kept: Mapping[str, pa.Table]
    opened: Mapping[str, Opened]
    engine: EngineModel
    apart: tuple[tuple[str, str], ...] = ()
    rules: tuple[Rule, ...] = ()
    profile: Profile | None = None
    fitted_at: str = ""
    added: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def rules_of(self, table: str) -> list[Rule]:
        """Those about columns of a table."""
        return [rule for rule in self.rules if rule.table == table]


def edge_name(key: ForeignKey) -> str:
    """A name for the key that no other of the database has; constraint names repeat from table to table."""
    return f"{key.child}({','.join(key.columns)})->{key.parent}({','.join(key.parent_columns)})"


def unique_sets(table: Table) -> list[tuple[str, ...]]:
    """The sets of columns in which no two rows of a table are alike: its primary key, then its unique keys."""
    keys = [key.columns for key in table.unique_keys]
    return [table.primary_key, *keys] if table.primary_key else keys
