"""Single real values that came through as they are: rare words, extremes, and invented values that are real ones.

Notes name no value: whoever reads them may not be meant to see the real ones.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from scipy.stats import poisson

from ..keys import plain
from ..schema import Column, Kind
from .comparison import Comparison
from .exact import ExactColumn
from .items import Item

__all__ = ["extremes", "fabricated_overlap", "rare_values"]

_FEW = 5  # rows; a value of fewer points at somebody
_LIKELY = 0.01  # the chance of as many accidents
_INVENTED = frozenset({Kind.TEXT, Kind.UUID, Kind.JSON, Kind.BINARY})


def rare_values(table: str, columns: Sequence[ExactColumn]) -> list[Item]:
    """For each column of categories: those of fewer than 5 real rows that the synthetic column has too; a count.

    The reference is how many there are. Values that an enum's definition names are known to all who know the schema.
    """
    items = []
    for column in columns:
        if column.is_numeric or column.column.kind is Kind.BOOLEAN:
            continue
        counts = np.bincount(column.real, minlength=column.n_codes)
        public = np.isin(column.values, list(column.column.enum_values))
        rare = (counts[1:] > 0) & (counts[1:] < _FEW) & ~public
        through = rare & (np.bincount(column.synthetic, minlength=column.n_codes)[1:] > 0)
        rows = int(counts.sum())
        items.append(
            Item("rare values", (table,), (column.name,), (), float(through.sum()), float(rare.sum()), rows=rows)
        )
    return items


def extremes(table: str, columns: Sequence[ExactColumn]) -> list[Item]:
    """For each column of numbers, dates or times: which of its two real ends came through verbatim; a count.

    An end counts if fewer than 5 real rows have it; the reference is how many such ends there are.
    """
    items = []
    for column in columns:
        if not column.is_numeric:
            continue
        counts = np.bincount(column.real, minlength=column.n_codes)[1:]
        there = np.flatnonzero(counts)
        if not len(there):
            items.append(Item("extremes", (table,), (column.name,), note="the real column has no values"))
            continue
        values = column.values[there]
        ends = {int(there[values.argmin()]), int(there[values.argmax()])}
        rare = [end for end in ends if counts[end] < _FEW]
        through = np.isin(np.array(rare, np.int64) + 1, column.synthetic).sum()
        rows = int(counts.sum())
        items.append(Item("extremes", (table,), (column.name,), (), float(through), float(len(rare)), rows=rows))
    return items


def fabricated_overlap(comparison: Comparison, table: str) -> list[Item]:
    """For each invented column of text, UUIDs, JSON or bytes: distinct synthetic values that are real ones; percent.

    `rows` is their number. To be zero; the note says where values are so short or so many that accidents explain it.
    """
    items = []
    for column in comparison.schema.table(table).columns:
        sides = [side.tables[table] for side in (comparison.real, comparison.synthetic)]
        if (
            (table, column.name) in comparison.leave_out
            and column.kind in _INVENTED
            and all(column.name in side.column_names for side in sides)
        ):
            items.append(_overlap(table, column, *(_distinct(side[column.name]) for side in sides)))
    return items


def _overlap(table: str, column: Column, real: pa.Array, synthetic: pa.Array) -> Item:
    if not len(real) or not len(synthetic):
        side = "synthetic" if len(real) else "real"
        return Item("fabricated overlap", (table,), (column.name,), note=f"the {side} column has no values")
    met = pc.sum(pc.is_in(synthetic, real)).as_py() or 0
    note = f"{met:,} invented value{'s are' if met > 1 else ' is a'} real one{'s' * (met > 1)}" if met else ""
    if met and poisson.sf(met - 1, len(synthetic) * len(real) / _room(real)) > _LIKELY:
        note += ", as chance alone would have it among so many or such short ones"
    score = 100 * met / len(synthetic)
    return Item("fabricated overlap", (table,), (column.name,), (), score, 0.0, rows=met, note=note)


def _distinct(array: pa.ChunkedArray) -> pa.Array:
    """The distinct values that are neither null nor blank."""
    array = plain(array)
    if not pa.types.is_binary(array.type) and not pa.types.is_large_binary(array.type):
        array = pc.utf8_rtrim(array.cast(pa.large_string()), " ")
    values = pc.unique(array.cast(pa.large_binary()))
    return values.filter(pc.greater(pc.binary_length(values), 0))


def _room(values: pa.Array) -> float:
    """How many values like these there can be: the product of the different bytes seen at each place of a value."""
    some = values.take(np.linspace(0, len(values) - 1, min(len(values), 1000)).astype(np.int64)).to_pylist()
    usual = int(np.median([len(value) for value in some]))
    seen = [len({value[place] for value in some if place < len(value)}) for place in range(min(usual, 200))]
    return math.exp(min(math.fsum(map(math.log, seen)), 700.0))
