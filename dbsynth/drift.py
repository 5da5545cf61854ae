"""How far a database has moved from the one a bundle was learned from.

A bundle carries a profile of its source: numbers of rows, and for each column and foreign key a coarse distribution.
Values that few rows hold are not in it, and of invented columns it has the share of nulls only. Held against new rows
it gives a distance from 0 to 1 for each: the largest gap between two distribution functions for what has an order,
the share of rows that would have to change for what has none.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from .columns.numbers import NUMERIC_KINDS, to_numbers
from .columns.ranks import learn_quantiles
from .groups import count_sizes
from .keys import parent_rows
from .plan import Fate, Plan
from .schema import Column, ForeignKey, Kind, Schema

__all__ = ["Drift", "Profile", "Sketch", "measure_drift", "take_profile"]

_POINTS = 50  # most values at which a distribution function is remembered
_CATEGORIES = 100  # most categories whose shares are

Read = Callable[[str], pa.Table]


@dataclass(frozen=True)
class Sketch:
    """A coarse distribution.

    Attributes:
        null: share of rows that are null.
        values: of what has an order some of its values, ascending; else its commonest categories; None: not looked at.
        shares: float64 ``(n_values,)``, of the rows that are not null: those of that value or a lower one; those of
            that category.
    """

    null: float
    values: tuple | None = None
    shares: np.ndarray = field(default_factory=lambda: np.empty(0), compare=False)


@dataclass(frozen=True)
class Profile:
    """What is remembered of a database to see later whether it has moved.

    Attributes:
        rows: by table.
        columns: sketches by table and column.
        relations: sketches of the numbers of children, by foreign key (`relation_name`).
        kept: a hash of the rows that are copied, by table.
    """

    rows: Mapping[str, int]
    columns: Mapping[str, Mapping[str, Sketch]]
    relations: Mapping[str, Sketch]
    kept: Mapping[str, str]


@dataclass(frozen=True)
class Drift:
    """One thing that moved, and how far, from 0 to 1."""

    what: str
    distance: float
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.what} moved by {self.distance:.2g}{f' ({self.detail})' if self.detail else ''}"


def take_profile(plan: Plan, read: Read, rare: Callable[[str, str], int]) -> Profile:
    """The profile of a plan's database.

    Args:
        rare: by table and column, how many rows must hold a value for it to be remembered.
    """
    columns: dict[str, dict[str, Sketch]] = {}
    to_kept = {(key.child, name) for key in plan.schema.foreign_keys if key.parent in plan.kept for name in key.columns}
    for entry in plan.columns:
        if entry.fate is not Fate.GENERATED:
            column, array = _column(plan.schema, entry.table, entry.column, read)
            # Which of the kept rows are referred to is drawn, too.
            drawn = entry.fate in (Fate.MODELLED, Fate.COMPUTED) or (entry.table, entry.column) in to_kept
            rows = rare(entry.table, entry.column) if drawn and entry.table not in plan.kept else None
            columns.setdefault(entry.table, {})[entry.column] = _sketch(column, array, rows)
    relations = {
        relation_name(key): _sketch_numbers(_sizes(key, read), 1) for key in plan.schema.foreign_keys
    }  # fmt: skip
    copied = {table: [c.name for c in plan.of(table, Fate.KEPT)] for table in plan.schema.table_names}
    kept = {table: _digest(read(table).select(names), table in plan.kept) for table, names in copied.items() if names}
    return Profile(dict(plan.rows), columns, relations, kept)


def measure_drift(profile: Profile, plan: Plan, read: Read) -> list[Drift]:
    """How far everything has moved that the profile remembers and the plan's database has, the farthest first."""
    found = [*_of_rows(profile, plan), *_of_columns(profile, plan, read), *_of_relations(profile, plan, read)]
    return sorted((drift for drift in found if drift.distance > 0), key=lambda drift: (-drift.distance, drift.what))


def relation_name(key: ForeignKey) -> str:
    return f"{key.child}.{','.join(key.columns)} → {key.parent}"


def _of_rows(profile: Profile, plan: Plan) -> Iterator[Drift]:
    for table, rows in profile.rows.items():
        if table in plan.rows:
            now = plan.rows[table]
            change = abs(now - rows) / max(rows, 1)
            yield Drift(f"number of rows of {table}", min(1.0, change), f"{rows:,} before, {now:,} now")


def _of_columns(profile: Profile, plan: Plan, read: Read) -> Iterator[Drift]:
    for table, sketches in profile.columns.items():
        for name, sketch in sketches.items():
            if table in plan.rows and name in plan.schema.table(table).column_names:
                yield Drift(f"column {table}.{name}", _distance(sketch, *_column(plan.schema, table, name, read)))
    for table, digest in profile.kept.items():
        copied = [c.name for c in plan.of(table, Fate.KEPT)] if table in plan.rows else []
        if copied and _digest(read(table).select(copied), table in plan.kept) != digest:
            yield Drift(f"copied rows of {table}", 1.0)


def _of_relations(profile: Profile, plan: Plan, read: Read) -> Iterator[Drift]:
    for key in plan.schema.foreign_keys:
        if (name := relation_name(key)) in profile.relations:
            sizes = _sizes(key, read)
            yield Drift(f"numbers of children under {name}", _distance_of_numbers(profile.relations[name], sizes))


def _column(schema: Schema, table: str, name: str, read: Read) -> tuple[Column, pa.Array]:
    return schema.table(table).column(name), read(table).column(name).combine_chunks()


def _sizes(key: ForeignKey, read: Read) -> np.ndarray:
    """How many children each parent row has, float64 ``(n_parents,)``."""
    child, parent = read(key.child), read(key.parent)
    rows = parent_rows(child, parent, key)
    return count_sizes(np.where(rows < 0, -1, rows), parent.num_rows).astype(np.float64)


def _sketch(column: Column, array: pa.Array, rare: int | None) -> Sketch:
    """What is remembered of a column; of one that is not modelled (None) how often it is null."""
    if rare is None:
        return Sketch(_null_share(array))
    if column.kind in NUMERIC_KINDS:
        return _sketch_numbers(to_numbers(array, column.kind), rare)
    least = 1 if column.kind in (Kind.BOOLEAN, Kind.ENUM) else rare
    known = len(array) - array.null_count
    shares = {value: share for value, share in _category_shares(array).items() if round(share * known) >= least}
    common = sorted(shares, key=lambda value: (-shares[value], str(value)))[:_CATEGORIES]
    return Sketch(_null_share(array), tuple(common), np.array([shares[value] for value in common]))


def _sketch_numbers(numbers: np.ndarray, rare: int) -> Sketch:
    known = numbers[~np.isnan(numbers)]
    values = np.unique(learn_quantiles(known, rare).v)
    if len(values) > _POINTS:
        values = values[np.linspace(0, len(values) - 1, _POINTS).round().astype(int)]
    null = 1 - len(known) / max(len(numbers), 1)
    return Sketch(null, tuple(values.tolist()), _shares_below(known, values))


def _distance(sketch: Sketch, column: Column, array: pa.Array) -> float:
    if sketch.values is not None and column.kind in NUMERIC_KINDS:
        return _distance_of_numbers(sketch, to_numbers(array, column.kind))
    apart = abs(_null_share(array) - sketch.null)
    if sketch.values is None:
        return apart
    now = _category_shares(array)
    shares = np.array([now.get(value, 0.0) for value in sketch.values])
    moved = np.append(shares, sum(now.values()) - shares.sum()) - np.append(
        sketch.shares, max(0.0, min(1.0, sum(now.values())) - sketch.shares.sum())
    )
    return float(max(apart, np.abs(moved).sum() / 2))


def _distance_of_numbers(sketch: Sketch, numbers: np.ndarray) -> float:
    known = numbers[~np.isnan(numbers)]
    apart = abs(1 - len(known) / max(len(numbers), 1) - sketch.null)
    gaps = np.abs(_shares_below(known, np.array(sketch.values, dtype=np.float64)) - sketch.shares)
    return float(max(apart, gaps.max(initial=0.0)))


def _shares_below(known: np.ndarray, values: np.ndarray) -> np.ndarray:
    """The share of numbers that are not above each value, float64 ``(n_values,)``."""
    return np.searchsorted(np.sort(known), values, "right") / max(len(known), 1)


def _category_shares(array: pa.Array) -> dict[str | bool, float]:
    counts = pc.value_counts(array.drop_null()).to_pylist()
    total = max(sum(entry["counts"] for entry in counts), 1)
    return {entry["values"]: entry["counts"] / total for entry in counts}


def _null_share(array: pa.Array) -> float:
    return array.null_count / max(len(array), 1)


def _digest(rows: pa.Table, as_rows: bool) -> str:
    """A hash of rows in any order; of columns that are copied one by one, each in an order of its own."""
    columns = [column.to_pylist() for column in rows.columns]
    parts = [sorted(map(repr, zip(*columns, strict=True)))] if as_rows else [sorted(map(repr, c)) for c in columns]
    return hashlib.sha256(repr(parts).encode()).hexdigest()
