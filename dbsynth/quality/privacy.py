"""Whether a synthetic database gives anybody away.

| measure | over | table's figure, and its reference | summary |
|---|---|---|---|
| copies | tables | percent of rows equal to rows of one real owner only; fresh real rows | largest sure excess |
| quasi-identifier copies | columns | the same in two or three columns | largest sure excess |
| dcr | tables | distance from the closest real row (5th percentile); unseen rows' | smallest sure ratio to it |
| nndr | tables | the same over the distance from the second closest; unseen rows' | smallest sure ratio to it |
| dcr share | tables | percent closer to known than to unseen rows, were there as many; 50 | largest with evidence |
| mia auc | tables | how well an attack tells known from unseen rows; 0.5 | largest with evidence |
| rare values | columns | categories of fewer than 5 rows that came through; how many there are | sum |
| extremes | columns | real ends of fewer than 5 rows that came through; how many there are | sum |
| fabricated overlap | columns | percent of distinct invented values that are real ones | largest |

Kept tables are copies on purpose: nothing is asked of them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from .closest import closest, share_summary, smallest_ratio
from .comparison import Comparison
from .copies import Copies, copies, largest_excess, quasi_identifier_copies
from .exact import exact_columns
from .items import Item
from .membership import membership, membership_summary
from .owners import owners
from .verbatim import extremes, fabricated_overlap, rare_values

__all__ = ["privacy"]


def privacy(comparison: Comparison, *, rng: np.random.Generator, sample_rows: int = 10_000) -> list[Item]:
    """All figures of privacy, the summary first: one item of no table for each measure.

    Args:
        sample_rows: for closest rows and attacks, at most a quarter as many rows of a table search among four times as
            many; copies and single values are looked for among all rows.
    """
    whole: list[Copies] = []
    parts: list[Copies] = []
    items: list[Item] = []
    for table in comparison.schema.table_names:
        if table in comparison.kept:
            continue
        columns = exact_columns(comparison, table)
        sides = [owners(comparison, rows, table) for rows in (comparison.real, comparison.synthetic)]
        whole.append(copies(table, columns, *sides, rng))
        parts += quasi_identifier_copies(table, columns, *sides, rng)
        items += closest(comparison, table, rng=rng, sample_rows=sample_rows, doubt=whole[-1].note)
        items += membership(comparison, table, rng=rng, sample_rows=sample_rows)
        measured = [column for column in columns if column.name in comparison.measured[table]]
        items += [*rare_values(table, measured), *extremes(table, measured), *fabricated_overlap(comparison, table)]
    return [
        largest_excess("copies", whole),
        largest_excess("quasi-identifier copies", parts),
        smallest_ratio("dcr", items),
        share_summary(items),
        smallest_ratio("nndr", items),
        membership_summary(items),
        _total("rare values", items, "no table has categories"),
        _total("extremes", items, "no table has numbers"),
        _largest_overlap(items),
        *(found.item for found in [*whole, *parts]),
        *items,
    ]


def _total(measure: str, items: Sequence[Item], otherwise: str) -> Item:
    measured = [item for item in items if item.measure == measure and not math.isnan(item.score)]
    if not measured:
        return Item(measure, (), note=otherwise)
    score, reference = (math.fsum(numbers) for numbers in zip(*((i.score, i.reference) for i in measured), strict=True))
    note = f"{score:,.0f} of {reference:,.0f} came through"
    return Item(measure, (), (), (), score, reference, rows=sum(item.rows for item in measured), note=note)


def _largest_overlap(items: Sequence[Item]) -> Item:
    measure = "fabricated overlap"
    measured = [item for item in items if item.measure == measure and not math.isnan(item.score)]
    if not measured:
        return Item(measure, (), score=0.0, reference=0.0, note="no column of text, UUIDs, JSON or bytes is invented")
    worst = max(measured, key=lambda item: item.score)
    note = f"{worst.label}: {worst.note}" if worst.score else "no invented value is a real one"
    return Item(measure, (), (), (), worst.score, 0.0, rows=sum(item.rows for item in measured), note=note)
