"""What the report draws: real and synthetic shares of every column, associations of pairs, sizes of groups.

Pictures travel further than databases do. So no category is named that fewer than five real rows hold, an axis ends at
round numbers, and the outermost real rows, up to four of them, are drawn in the bin that has five.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from ..schema import Column, ForeignKey, Kind
from .associations import associations
from .bins import FEWEST_ROWS, make_bins
from .compared import NUMERIC, joint_categories, read_numbers
from .comparison import Comparison, key_label

__all__ = ["Associations", "Distribution", "Distributions", "Groups", "distributions"]

_MOST_CATEGORIES = 12
_LONGEST_NAME = 80
_MOST_COLUMNS = 24  # of a matrix of pairs
_FEW = 0.01  # by how much more synthetic than real rows the axis may leave to its last bin


@dataclass(frozen=True)
class Distribution:
    """Shares of the rows of both databases in the same bins or categories; each side sums to 1, nulls left out.

    Attributes:
        labels: what is in each bin, or the category.
        real, synthetic: one share for each label.
        real_null, synthetic_null: share of all rows.
        ticks: the bins' edges in words, one more than labels; empty for categories.
        pooled: how many labels at the end stand for several categories: the rare ones, and all others.
        note: why there is nothing to draw; empty where there is.
    """

    labels: tuple[str, ...] = ()
    real: tuple[float, ...] = ()
    synthetic: tuple[float, ...] = ()
    real_null: float = 0.0
    synthetic_null: float = 0.0
    ticks: tuple[str, ...] = ()
    pooled: int = 0
    note: str = ""


@dataclass(frozen=True)
class Associations:
    """How strongly the columns of a table go together; float64 ``(n_columns, n_columns)``, see `associations`."""

    columns: tuple[str, ...]
    real: np.ndarray
    synthetic: np.ndarray
    note: str = ""


@dataclass(frozen=True)
class Groups:
    """A foreign key, and how many children the parent rows have under it; `closes_cycle`: also a self reference."""

    parent: str
    child: str
    key: str
    closes_cycle: bool
    sizes: Distribution


@dataclass(frozen=True)
class Distributions:
    """All that is drawn: columns by (table, column), pairs by table, groups by foreign key."""

    columns: Mapping[tuple[str, str], Distribution]
    pairs: Mapping[str, Associations]
    groups: tuple[Groups, ...]


def distributions(
    comparison: Comparison, *, rng: np.random.Generator | None = None, sample_rows: int = 50_000
) -> Distributions:
    """Count what there is to draw.

    Args:
        rng: chooses the rows behind the associations; None: the same ones each time.
        sample_rows: so many of either side at most; a colour needs no more.
    """
    rng = np.random.default_rng(0) if rng is None else rng
    schema, columns = comparison.schema, {}
    for table, names in comparison.measured.items():
        for name in names:
            sides = (side.tables[table][name] for side in (comparison.real, comparison.synthetic))
            columns[table, name] = _of_column(schema.table(table).column(name), *sides)
    pairs = {table: _of_pairs(comparison, table, sample_rows, rng) for table in schema.table_names}
    opened = set(schema.opened())
    groups = tuple(_of_groups(comparison, key, key in opened) for key in schema.foreign_keys)
    return Distributions(columns, {table: found for table, found in pairs.items() if found is not None}, groups)


def _of_column(column: Column, real: pa.ChunkedArray, synthetic: pa.ChunkedArray) -> Distribution:
    if len(real) < FEWEST_ROWS:
        return Distribution(note=_too_few(len(real)))
    if column.kind in NUMERIC:
        return _of_numbers(column.kind, *(read_numbers(side, column.kind) for side in (real, synthetic)))
    return _of_categories(column, real, synthetic)


def _too_few(n_rows: int) -> str:
    return f"not drawn: {n_rows} real row{'s' * (n_rows != 1)}, and a picture of fewer than five shows whose they are"


def _of_numbers(kind: Kind, real: np.ndarray, synthetic: np.ndarray) -> Distribution:
    known = [side[~np.isnan(side)] for side in (real, synthetic)]
    nulls = [_share(side.size - there.size, side.size) for side, there in zip((real, synthetic), known, strict=True)]
    if known[0].size < FEWEST_ROWS:
        note = "no value in the real column" if not known[0].size else _too_few(known[0].size)
        return Distribution(real_null=nulls[0], synthetic_null=nulls[1], note=note)
    bins = make_bins(kind, *known)
    counts = [bins.count(side) for side in known]
    moved = _with_ends_moved_in(counts[0])
    ends = counts[0], moved, counts[1]
    first, last = _first_drawn(*ends), len(moved) - 1 - _first_drawn(*(side[::-1] for side in ends))
    if first == last and known[0].min() < known[0].max():
        note = "not drawn: there are too few rows to show how they lie and not whose they are"
        return Distribution(real_null=nulls[0], synthetic_null=nulls[1], note=note)
    shares = [_pooled(side, first, last) / max(side.sum(), 1) for side in (moved, counts[1])]
    least, most = min(side.min() for side in known if side.size), max(side.max() for side in known if side.size)
    all_rows = counts[0] + counts[1]
    below, above = all_rows[:first].any() or least < bins.edges[0], all_rows[last + 1 :].any() or most > bins.edges[-1]
    bins = bins.part(first, last, below=bool(below), above=bool(above))
    return Distribution(bins.names, *(tuple(side.tolist()) for side in shares), *nulls, bins.ticks)


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0


def _with_ends_moved_in(counts: np.ndarray) -> np.ndarray:
    """The same counts, with the outermost rows in the first bin from outside that then holds five."""
    counts = counts.copy()
    for side in (counts, counts[::-1]):
        inner = int(np.argmax(side.cumsum() >= FEWEST_ROWS))
        side[inner] += side[:inner].sum()
        side[:inner] = 0
    return counts


def _first_drawn(real: np.ndarray, moved: np.ndarray, synthetic: np.ndarray) -> int:
    """The first bin of the axis: before it no real row is drawn, and hardly more synthetic rows lie than real ones."""
    excess = synthetic.cumsum() / max(synthetic.sum(), 1) - real.cumsum() / real.sum()
    return int(np.argmax((moved > 0) | (excess > _FEW)))


def _pooled(counts: np.ndarray, first: int, last: int) -> np.ndarray:
    """The counts of these bins, with all below in the first and all above in the last."""
    inside = counts[first : last + 1].copy()
    inside[0] += counts[:first].sum()
    inside[-1] += counts[last + 1 :].sum()
    return inside


def _of_categories(column: Column, real: pa.ChunkedArray, synthetic: pa.ChunkedArray) -> Distribution:
    codes, words = joint_categories(column, real, synthetic)
    sides = codes[: len(real)], codes[len(real) :]
    nulls = [_share(np.count_nonzero(side < 0), side.size) for side in sides]
    counts = np.stack([np.bincount(side[side >= 0], minlength=len(words)) for side in sides])
    if counts[0].sum() < FEWEST_ROWS:
        note = "no value in the real column" if not counts[0].sum() else _too_few(int(counts[0].sum()))
        return Distribution(real_null=nulls[0], synthetic_null=nulls[1], note=note)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    common = np.flatnonzero(counts[0] >= FEWEST_ROWS)
    if not common.size:
        note = "not drawn: every value is held by fewer than five real rows"
        return Distribution(real_null=nulls[0], synthetic_null=nulls[1], note=note)
    shown = common[np.argsort(-shares[:, common].max(axis=0), kind="stable")][:_MOST_CATEGORIES]
    shown = shown[np.argsort(-shares[0, shown], kind="stable")]
    pools = {"other values": np.setdiff1d(common, shown), "rare values": np.flatnonzero(counts[0] < FEWEST_ROWS)}
    pools = {name: members for name, members in pools.items() if members.size}
    labels = [_category(str(words[code]), column.kind) for code in shown]
    real_shares, synthetic_shares = (
        (*side[shown].tolist(), *(float(side[members].sum()) for members in pools.values())) for side in shares
    )
    return Distribution((*labels, *pools), real_shares, synthetic_shares, *nulls, pooled=len(pools))


def _category(word: str, kind: Kind) -> str:
    if kind is Kind.BOOLEAN:
        return {"1": "true", "0": "false"}.get(word, word)
    return word if len(word) <= _LONGEST_NAME else word[: _LONGEST_NAME - 1] + "…"


def _of_pairs(comparison: Comparison, table: str, most: int, rng: np.random.Generator) -> Associations | None:
    """None where there is no pair, or too few rows to draw one."""
    columns = comparison.columns(table)
    if len(columns) < 2 or comparison.real.count(table) < FEWEST_ROWS:
        return None
    note = f"the first {_MOST_COLUMNS} of {len(columns)} columns" if len(columns) > _MOST_COLUMNS else ""
    columns = columns[:_MOST_COLUMNS]
    databases = (comparison.real, [c.real for c in columns]), (comparison.synthetic, [c.synthetic for c in columns])
    tables = []
    for rows, sides in databases:
        some = _some_rows(rows.count(table), most, rng)
        tables.append(associations([side.take(some) for side in sides]))
    return Associations(tuple(c.name for c in columns), *tables, note)


def _some_rows(n_rows: int, most: int, rng: np.random.Generator) -> np.ndarray | None:
    return None if n_rows <= most else np.sort(rng.choice(n_rows, most, replace=False))


def _of_groups(comparison: Comparison, key: ForeignKey, closes_cycle: bool) -> Groups:
    sizes = [side.group_sizes(key).astype(np.float64) for side in (comparison.real, comparison.synthetic)]
    few = sizes[0].size < FEWEST_ROWS
    drawn = Distribution(note=_too_few(sizes[0].size)) if few else _of_numbers(Kind.INTEGER, *sizes)
    return Groups(key.parent, key.child, key_label(key), closes_cycle, drawn)
