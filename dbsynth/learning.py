"""From rows to numbers and on to a model: tables are encoded, keys become row numbers, the engine fits."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from itertools import combinations
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from .columns.codec import NULL_MARK, TableCodec, TableData, learn_codecs
from .columns.fabricate import learn_fabricator
from .columns.numbers import NUMERIC_KINDS, learn_numbers, to_numbers
from .columns.ranges import largest_integer
from .config import Settings
from .drift import take_profile
from .encoded import Edge, EncodedDatabase
from .engines import ENGINES, still_true
from .errors import SchemaError
from .groups import count_sizes
from .integrity.opened import depths, learn_opened
from .integrity.rules.kinds import coded_together
from .keys import KeyUse, parent_rows, use_keys
from .model import CHILDREN_MARK, DEPTH_MARK, EMPTY_MARK, DatabaseModel, Numbering, TableModel, edge_name, unique_sets
from .plan import Fate, Plan
from .progress import QUIET, Progress
from .schema import Column, ForeignKey, Kind, Schema, Table

__all__ = ["learn"]

_SORTED = 0.95  # rank correlation with the primary key from which rows count as stored in that order

_BY_CHANCE = 5.0  # rows in which two keys would meet in one parent, so that their never doing so is a rule


def learn(
    plan: Plan,
    read: Callable[[str], pa.Table],
    settings: Settings,
    *,
    progress: Progress = QUIET,
    earlier: DatabaseModel | None = None,
    added: Mapping[str, tuple[str, ...]] = MappingProxyType({}),
    unfinished: Path | None = None,
) -> DatabaseModel:
    """Learn a database whose rows ``read`` gives by table.

    Args:
        earlier: a model of the same database at another time: what it knows is kept as far as it fits, and training
            goes on from its weights.
        added: by table the columns that came after the first fit, which the model remembers.
        unfinished: a folder with the networks of a fit that died, and for those of this one.

    Raises:
        SchemaError: the plan names an obstacle, or rows refer to a table that is empty.
        TrainingError: a loss is not finite.
    """
    if plan.obstacles:
        raise SchemaError(" ".join(plan.obstacles))
    schema, use = plan.schema, use_keys(plan.schema, plan.kept)
    with progress.stage("encoding", total=len(schema.tables), unit="tables") as advance:
        parents = {key: _real_parents(schema, key, read, progress) for key in (*use.edges, *use.opened)}
        data = {name: _table_data(plan, name, read(name), use, parents, settings) for name in schema.parents_first()}
        edges = [(key.child, key.parent, parents[key]) for key in use.edges]
        known = {name: table.codec for name, table in earlier.tables.items()} if earlier else {}
        codecs = learn_codecs(data, edges, known)
        tables = {}
        for name in data:
            tables[name] = _table_model(plan, schema.table(name), read(name), codecs[name][0], use, parents, settings)
            advance(1)
    database = EncodedDatabase(
        {name: codecs[name][1] for name in data},
        [Edge(edge_name(k), k.child, k.parent, parents[k], _is_unique(schema, k)) for k in use.edges],
        frozenset(plan.kept),
        _distinct(schema, use),
    )
    opened = {
        edge_name(key): learn_opened(
            parents[key],
            plan.rows[key.parent],
            is_self_reference=key.is_self_reference,
            is_unique=_is_unique(schema, key),
        )
        for key in use.opened
    }
    fates = {t.name: {c.column: c.fate for c in plan.columns if c.table == t.name} for t in schema.tables}
    kept = {name: _kept_rows(plan, name, read(name)) for name in plan.kept}
    before = None
    if earlier is not None:
        changed = [n for n in codecs if n not in known or known[n].meanings != codecs[n][0].meanings]
        before = still_true(earlier.engine, database, changed)
    engine = ENGINES[settings.engine].fit(
        database, settings, progress=progress, earlier=before, unfinished=unfinished
    )  # fmt: skip
    return DatabaseModel(
        schema, settings, plan.rows, fates, tables, kept, opened, engine, _apart(use, parents),
        plan.rules, take_profile(plan, read, settings.rare_in),
        earlier.fitted_at if earlier else datetime.now(UTC).isoformat(timespec="seconds"),
        dict(added),
    )  # fmt: skip


def _real_parents(
    schema: Schema, key: ForeignKey, read: Callable[[str], pa.Table], progress: Progress
) -> np.ndarray:
    """The parent row of each child row, int64, -1 for null; orphans count as null, or take a parent in turn."""
    parents = parent_rows(read(key.child), read(key.parent), key)
    n_parents = read(key.parent).num_rows
    must = not _is_nullable(schema, key)
    if must and len(parents) and n_parents == 0:
        raise SchemaError(
            f"rows of {key.child!r} refer to {key.parent!r} ({', '.join(key.columns)}), which is empty; "
            "fill it, or make the columns nullable"
        )
    orphans = np.flatnonzero(parents < (0 if must else -1))
    if len(orphans):
        progress.note(f"{len(orphans)} rows of {key.child} refer to rows of {key.parent} that are not there")
        parents[orphans] = np.arange(len(orphans)) % n_parents if must else -1
    return parents


def _is_nullable(schema: Schema, key: ForeignKey) -> bool:
    return any(schema.table(key.child).column(name).nullable for name in key.columns)


def _is_unique(schema: Schema, key: ForeignKey) -> bool:
    """Whether no two children may share a parent under this key."""
    return any(set(columns) <= set(key.columns) for columns in unique_sets(schema.table(key.child)))


def _distinct(schema: Schema, use: KeyUse) -> list[frozenset[str]]:
    """The sets of edges that make up unique keys."""
    found = []
    for table in schema.tables:
        keys = [key for key in use.edges if key.child == table.name]
        for columns in unique_sets(table):
            holders = [key for key in keys if set(key.columns) & set(columns)]
            covered = {name for key in holders for name in key.columns}
            if len(holders) > 1 and set(columns) <= covered:
                found.append(frozenset(edge_name(key) for key in holders))
    return found


def _kept_rows(plan: Plan, name: str, rows: pa.Table) -> pa.Table:
    """What is copied of a kept table; of its other columns, where they are null."""
    columns = {column.name: rows.column(column.name) for column in plan.of(name, Fate.KEPT)}
    for column in plan.of(name, Fate.FABRICATED):
        if rows.column(column.name).null_count:
            columns[column.name + NULL_MARK] = rows.column(column.name).is_null()
    return pa.table(columns)


def _apart(use: KeyUse, parents: Mapping[ForeignKey, np.ndarray]) -> tuple[tuple[str, str], ...]:
    """Pairs of keys to one parent whose rows never refer to the same one, where chance would have them do so."""
    found = []
    for one, other in combinations(use.edges, 2):
        if (one.child, one.parent, one.parent_columns) != (other.child, other.parent, other.parent_columns):
            continue
        held = (parents[one] >= 0) & (parents[other] >= 0)
        first, second = parents[one][held], parents[other][held]
        n_parents = int(max(first.max(initial=0), second.max(initial=0))) + 1
        by_chance = (np.bincount(first, minlength=n_parents) / max(len(first), 1)) @ np.bincount(
            second, minlength=n_parents
        )
        if by_chance >= _BY_CHANCE and not (first == second).any():
            found.append((edge_name(one), edge_name(other)))
    return tuple(found)


def _table_data(
    plan: Plan, name: str, rows: pa.Table, use: KeyUse, parents: Mapping[ForeignKey, np.ndarray], settings: Settings
) -> TableData:
    """A table's modelled columns, with where fabricated ones are null and how deep rows stand in hierarchies."""
    if name in plan.kept:
        # Kept rows condition their children: what of them is a number or a category is encoded, and never decoded.
        columns = [c for c in plan.of(name, Fate.KEPT) if _tells(plan.schema.table(name), c, rows)]
        return TableData(rows.select([c.name for c in columns]), columns)
    columns = plan.of(name, Fate.MODELLED)
    arrays = {column.name: rows.column(column.name) for column in columns}
    for column in plan.of(name, Fate.FABRICATED):
        if rows.column(column.name).null_count:
            mark = column.name + NULL_MARK
            columns.append(Column(mark, Kind.BOOLEAN, "boolean"))
            arrays[mark] = rows.column(column.name).is_null()
        if column.kind is Kind.TEXT and pc.any(empty := _is_empty(rows.column(column.name))).as_py():
            columns.append(Column(column.name + EMPTY_MARK, Kind.BOOLEAN, "boolean"))
            arrays[column.name + EMPTY_MARK] = empty
    extras = {}
    for key in use.opened:
        if key.parent == name:
            extras[edge_name(key) + CHILDREN_MARK] = count_sizes(parents[key], rows.num_rows).astype(np.float64)
        if key.child == name and key.is_self_reference:
            depth = depths(parents[key])
            if not np.isnan(depth).any():
                extras[edge_name(key) + DEPTH_MARK] = depth
    table = pa.table(arrays) if arrays else rows.select([])
    rare = {c.name: settings.rare_in(name, c.name) for c in plan.of(name, Fate.MODELLED) if c.kind not in _OPEN}
    return TableData(table, columns, extras, rare, coded_together(plan.rules, name))


_OPEN = frozenset({Kind.BOOLEAN, Kind.ENUM})  # what their values may be is in the schema for all to see


def _is_empty(texts: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.fill_null(pc.equal(texts, ""), False)


def _tells(table: Table, column: Column, rows: pa.Table) -> bool:
    if column.name in table.primary_key or column.generated is not None:
        return False
    if column.kind in (Kind.TEXT, Kind.ENUM):
        return len(rows.column(column.name).unique()) <= max(2, rows.num_rows // 2)
    return column.kind in NUMERIC_KINDS or column.kind is Kind.BOOLEAN


def _table_model(
    plan: Plan, table: Table, rows: pa.Table, codec: TableCodec, use: KeyUse, parents: Mapping[ForeignKey, np.ndarray],
    settings: Settings,
) -> TableModel:  # fmt: skip
    unique = {key.columns[0] for key in table.unique_keys if len(key.columns) == 1}
    to_invent = {c.name: c for c in plan.of(table.name, Fate.FABRICATED)}
    numbering = {}
    for column in _own_key_columns(table, use) if table.name not in plan.kept else []:
        number = _learn_numbering(table, column, rows)
        if number is not None:
            numbering[column.name] = number
            to_invent.pop(column.name, None)
        elif table.primary_key == (column.name,):
            to_invent[column.name] = column
            unique.add(column.name)
    fabricators = {}
    apart = {name for index in table.indexes if index.excludes for name in index.columns}
    for name, column in to_invent.items():
        decision = settings.decision(table.name, name)
        told = {"provider": decision.provider, "pattern": decision.pattern} if decision else {}
        known = _not_empty(rows.column(name), column)
        fabricators[name] = learn_fabricator(
            table.name, column, known, unique=name in unique, apart=name in apart, **told
        )
    if table.name in plan.kept:
        return TableModel(codec, fabricators)
    shuffled = {c.name: _sorted(rows.select([c.name])) for c in plan.of(table.name, Fate.KEPT)}
    keys = [key for key in use.edges if key.child == table.name]
    return TableModel(codec, fabricators, numbering, _storage_order(plan, table, rows, keys, parents), shuffled)


def _sorted(column: pa.Table) -> pa.Table:
    """The column in an order that says nothing of its rows."""
    return column.take(pc.sort_indices(column.column(0)))


def _not_empty(values: pa.ChunkedArray, column: Column) -> pa.Array:
    """What a fabricator learns from; where a text is empty, is learned beside it."""
    return (values.filter(pc.invert(_is_empty(values))) if column.kind is Kind.TEXT else values).combine_chunks()


def _own_key_columns(table: Table, use: KeyUse) -> list[Column]:
    """Columns of the primary key that follow no parent."""
    following = use.follows(table.name)
    return [table.column(name) for name in table.primary_key if name not in following]


def _learn_numbering(table: Table, column: Column, rows: pa.Table) -> Numbering | None:
    """A whole-number key column's numbering; None where it is something else."""
    whole = column.kind is Kind.INTEGER or (column.kind is Kind.DECIMAL and not column.scale)
    if not whole and column.kind is not Kind.DATE:
        return None
    values = to_numbers(rows.column(column.name).combine_chunks(), column.kind)
    if table.primary_key == (column.name,):
        known = values[np.isfinite(values)]  # SQLite lets a primary key be null
        first = int(known.min()) if len(known) else 1
        if column.kind is not Kind.DATE and first + 10 * len(known) > largest_integer(column):
            first = 1  # the real ones stand at the end of the type, where there is no room to go on
        return Numbering(first, 1)
    others = tuple(name for name in table.primary_key if name != column.name)
    if len(values) == 0:
        return Numbering(1, 1, others)
    frame = rows.select(others).to_pandas()
    frame["value"] = values
    grouped = frame.groupby(list(others), sort=False)["value"]
    start = values.min()
    in_order = grouped.max() - start + 1 == grouped.size()
    if column.kind is not Kind.DATE and start + 10 * len(values) > largest_integer(column):
        return None
    return Numbering(int(start), 1, others) if in_order.mean() > 0.95 else None


def _storage_order(
    plan: Plan, table: Table, rows: pa.Table, keys: list[ForeignKey], parents: Mapping[ForeignKey, np.ndarray]
) -> str | None:
    """What the rows are sorted by when the primary key is read as the order in which they came."""
    if len(table.primary_key) > 1:
        # A server keeps such rows by their key.
        return next((edge_name(key) for key in keys if table.primary_key[0] in key.columns), None)
    if not table.primary_key or rows.num_rows < 3:
        return None
    column = table.column(table.primary_key[0])
    if column.kind not in NUMERIC_KINDS:
        return None
    order = np.argsort(to_numbers(rows.column(column.name).combine_chunks(), column.kind), kind="stable")
    candidates: dict[str, np.ndarray] = {edge_name(key): parents[key].astype(float) for key in keys}
    for other in plan.of(table.name, Fate.MODELLED):
        if other.kind in NUMERIC_KINDS:
            array = rows.column(other.name).combine_chunks()
            candidates[other.name] = to_numbers(array, other.kind, learn_numbers(array, other.kind)[0].part)
    best, name = _SORTED, None
    for candidate, values in candidates.items():
        ranks = np.unique(values[order], return_inverse=True)[1]
        if ranks.max(initial=0) > 0:
            correlation = np.corrcoef(ranks, np.arange(len(ranks)))[0, 1]
            if correlation > best:
                best, name = correlation, candidate
    return name
