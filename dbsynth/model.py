"""A learned database: codecs, fabricators, keys and engine, and how a synthetic database comes out of them.

`learn` takes the trip of a row from the workspace to numbers; `synthesise` takes it back, to tables ready for a target.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from . import clava
from .columns.codec import NULL_MARK, TableCodec, TableData, learn_codecs
from .columns.fabricate import Fabricator, fabricate_table, learn_fabricator
from .columns.numbers import NUMERIC_KINDS, learn_numbers, to_numbers
from .config import Settings
from .encoded import Edge, EncodedDatabase, Generated
from .errors import SchemaError
from .groups import count_sizes
from .integrity.checks import satisfy_checks
from .integrity.opened import Opened, depths, fill_opened, learn_opened
from .integrity.unique import part_repeats
from .keys import KeyUse, key_values, parent_rows, use_keys
from .plan import Fate, Plan
from .progress import QUIET, Progress
from .schema import Column, ForeignKey, Kind, Schema, Table, arrow_type

__all__ = ["DatabaseModel", "Numbering", "TableModel", "learn", "synthesise"]

_DEPTH_MARK = "\0depth"  # names the variable that says how deep in a hierarchy a row stands
_CHILDREN_MARK = "\0children"  # names the variable that says how many rows refer to a row under an opened key
_SORTED = 0.95  # rank correlation with the primary key from which rows count as stored in that order


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


@dataclass(frozen=True)
class TableModel:
    """What is learned about one table beside the engine's part.

    Attributes:
        sorted_by: the column or foreign key in whose order the rows stand, as primary keys tell; None: in none.
    """

    codec: TableCodec
    fabricators: Mapping[str, Fabricator] = field(default_factory=dict)
    numbering: Mapping[str, Numbering] = field(default_factory=dict)
    sorted_by: str | None = None


@dataclass(frozen=True)
class DatabaseModel:
    """Everything needed to write a synthetic database.

    Attributes:
        fates: by table and column.
        kept: rows of the tables that are copied as they are.
        opened: by the foreign key's name (`edge_name`).
    """

    schema: Schema
    settings: Settings
    rows: Mapping[str, int]
    fates: Mapping[str, Mapping[str, Fate]]
    tables: Mapping[str, TableModel]
    kept: Mapping[str, pa.Table]
    opened: Mapping[str, Opened]
    engine: clava.ClavaModel


def edge_name(key: ForeignKey) -> str:
    """A name for the key that no other of the database has; constraint names repeat from table to table."""
    return f"{key.child}({','.join(key.columns)})->{key.parent}({','.join(key.parent_columns)})"


# --- from rows to numbers


def learn(
    plan: Plan, read: Callable[[str], pa.Table], settings: Settings, *, progress: Progress = QUIET
) -> DatabaseModel:
    """Learn a database whose rows ``read`` gives by table.

    Raises:
        SchemaError: the plan names an obstacle, or rows refer to a table that is empty.
        TrainingError: a loss is not finite.
    """
    if plan.obstacles:
        raise SchemaError(" ".join(plan.obstacles))
    schema, use = plan.schema, use_keys(plan.schema, plan.kept)
    with progress.stage("encoding", total=len(schema.tables), unit="tables") as advance:
        parents = {key: _real_parents(schema, key, read, progress) for key in (*use.edges, *use.opened)}
        data = {name: _table_data(plan, name, read(name), use, parents) for name in schema.parents_first()}
        edges = [(key.child, key.parent, parents[key]) for key in use.edges]
        codecs = learn_codecs(data, edges)
        tables = {}
        for name in data:
            tables[name] = _table_model(plan, schema.table(name), read(name), codecs[name][0], use, parents)
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
    kept = {name: read(name) for name in plan.kept}
    engine = clava.fit(database, settings, progress=progress)
    return DatabaseModel(schema, settings, plan.rows, fates, tables, kept, opened, engine)


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


def _unique_sets(table: Table) -> list[tuple[str, ...]]:
    keys = [key.columns for key in table.unique_keys]
    return [table.primary_key, *keys] if table.primary_key else keys


def _is_unique(schema: Schema, key: ForeignKey) -> bool:
    """Whether no two children may share a parent under this key."""
    return any(set(columns) <= set(key.columns) for columns in _unique_sets(schema.table(key.child)))


def _distinct(schema: Schema, use: KeyUse) -> list[frozenset[str]]:
    """The sets of edges that make up unique keys."""
    found = []
    for table in schema.tables:
        keys = [key for key in use.edges if key.child == table.name]
        for columns in _unique_sets(table):
            holders = [key for key in keys if set(key.columns) & set(columns)]
            covered = {name for key in holders for name in key.columns}
            if len(holders) > 1 and set(columns) <= covered:
                found.append(frozenset(edge_name(key) for key in holders))
    return found


def _table_data(
    plan: Plan, name: str, rows: pa.Table, use: KeyUse, parents: Mapping[ForeignKey, np.ndarray]
) -> TableData:
    """A table's modelled columns, with where fabricated ones are null and how deep rows stand in hierarchies."""
    if name in plan.kept:
        # Kept rows condition their children: what of them is a number or a category is encoded, and never decoded.
        columns = [c for c in plan.schema.table(name).columns if _tells(plan.schema.table(name), c, rows)]
        return TableData(rows.select([c.name for c in columns]), columns)
    columns = plan.of(name, Fate.MODELLED)
    arrays = {column.name: rows.column(column.name) for column in columns}
    for column in plan.of(name, Fate.FABRICATED):
        if rows.column(column.name).null_count:
            mark = column.name + NULL_MARK
            columns.append(Column(mark, Kind.BOOLEAN, "boolean"))
            arrays[mark] = rows.column(column.name).is_null()
    extras = {}
    for key in use.opened:
        if key.parent == name:
            extras[edge_name(key) + _CHILDREN_MARK] = count_sizes(parents[key], rows.num_rows).astype(np.float64)
        if key.child == name and key.is_self_reference:
            depth = depths(parents[key])
            if not np.isnan(depth).any():
                extras[edge_name(key) + _DEPTH_MARK] = depth
    table = pa.table(arrays) if arrays else rows.select([])
    return TableData(table, columns, extras)


def _tells(table: Table, column: Column, rows: pa.Table) -> bool:
    if column.name in table.primary_key or column.generated is not None:
        return False
    if column.kind in (Kind.TEXT, Kind.ENUM):
        return len(rows.column(column.name).unique()) <= max(2, rows.num_rows // 2)
    return column.kind in NUMERIC_KINDS or column.kind is Kind.BOOLEAN


def _table_model(
    plan: Plan, table: Table, rows: pa.Table, codec: TableCodec, use: KeyUse, parents: Mapping[ForeignKey, np.ndarray]
) -> TableModel:
    if table.name in plan.kept:
        return TableModel(codec)
    unique = {key.columns[0] for key in table.unique_keys if len(key.columns) == 1}
    to_invent = {c.name: c for c in plan.of(table.name, Fate.FABRICATED)}
    numbering = {}
    for column in _own_key_columns(plan.schema, table):
        number = _learn_numbering(table, column, rows, plan)
        if number is not None:
            numbering[column.name] = number
            to_invent.pop(column.name, None)
        elif table.primary_key == (column.name,):
            to_invent[column.name] = column
            unique.add(column.name)
    fabricators = {
        name: learn_fabricator(table.name, column, rows.column(name).combine_chunks(), unique=name in unique)
        for name, column in to_invent.items()
    }
    keys = [key for key in use.edges if key.child == table.name]
    return TableModel(codec, fabricators, numbering, _storage_order(plan, table, rows, keys, parents))


def _own_key_columns(schema: Schema, table: Table) -> list[Column]:
    """Columns of the primary key that follow no parent."""
    following = {name for key in schema.foreign_keys_of(table.name) for name in key.columns}
    return [table.column(name) for name in table.primary_key if name not in following]


def _learn_numbering(table: Table, column: Column, rows: pa.Table, plan: Plan) -> Numbering | None:
    """A whole-number key column's numbering; None where it is something else."""
    whole = column.kind is Kind.INTEGER or (column.kind is Kind.DECIMAL and not column.scale)
    if not whole and column.kind is not Kind.DATE:
        return None
    values = to_numbers(rows.column(column.name).combine_chunks(), column.kind)
    if table.primary_key == (column.name,):
        return Numbering(int(values.min()) if len(values) else 1, 1)
    others = tuple(name for name in table.primary_key if name != column.name)
    if len(values) == 0:
        return Numbering(1, 1, others)
    frame = rows.select(others).to_pandas()
    frame["value"] = values
    grouped = frame.groupby(list(others), sort=False)["value"]
    start = values.min()
    in_order = grouped.max() - start + 1 == grouped.size()
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


# --- from numbers to rows


def synthesise(
    model: DatabaseModel, *, scale: float = 1.0, seed: int = 0, device: str = "cpu", progress: Progress = QUIET
) -> dict[str, pa.Table]:
    """Draw a synthetic database: its tables, parents first, with all columns that a target is to be given.

    Raises:
        SchemaError: unique columns that cannot be told apart at this scale.
    """
    generated = clava.generate(model.engine, scale=scale, seed=seed, device=device, progress=progress)
    rng = np.random.default_rng(seed)
    use = use_keys(model.schema, model.kept)
    tables: dict[str, dict[str, pa.Array]] = {}
    extras: dict[str, dict[str, np.ndarray]] = {}
    order: dict[str, np.ndarray] = {}  # of each table, where the engine's rows went
    with progress.stage("decoding", total=len(model.schema.tables), unit="tables") as advance:
        for name in model.schema.parents_first():
            table = model.schema.table(name)
            if name in model.kept:
                rows = model.kept[name]
                tables[name] = {c: rows.column(c).combine_chunks() for c in rows.column_names}
                order[name] = np.arange(rows.num_rows)
            else:
                tables[name], extras[name], order[name] = _decode(model, table, generated, use, tables, order, rng)
            advance(1)
    for key in use.opened:
        tables[key.child] |= _fill(model, key, tables, extras, rng)
    for name in {key.child: None for key in use.opened}:
        tables[name] = _part_repeats(model, model.schema.table(name), tables[name], rng)
    return {name: _in_schema_order(model, name, columns) for name, columns in tables.items()}


def _decode(
    model: DatabaseModel, table: Table, generated: Generated, use: KeyUse, tables: Mapping[str, dict[str, pa.Array]],
    order: Mapping[str, np.ndarray], rng: np.random.Generator,
) -> tuple[dict[str, pa.Array], dict[str, np.ndarray], np.ndarray]:  # fmt: skip
    """One table's columns, the numbers about its rows, and where each drawn row went."""
    learned = model.tables[table.name]
    ranks = generated.ranks[table.name]
    n = len(ranks)
    types = {column.name: arrow_type(column) for column in table.columns}
    columns, extras = learned.codec.decode(ranks, types)
    keys = [key for key in use.edges if key.child == table.name]
    parents = {}
    for key in keys:
        rows = generated.parents[edge_name(key)]
        parents[edge_name(key)] = np.where(rows < 0, -1, order[key.parent][rows] if len(order[key.parent]) else -1)
    moved = _sorting(learned, columns, parents, n, table)
    take = pa.array(moved)
    columns = {name: array.take(take) for name, array in columns.items()}
    extras = {name: values[moved] for name, values in extras.items()}
    marks = {name.removesuffix(NULL_MARK): columns.pop(name) for name in list(columns) if name.endswith(NULL_MARK)}
    columns |= fabricate_table(learned.fabricators, table, n, rng)
    for name, null in marks.items():
        columns[name] = pa.compute.if_else(null, pa.scalar(None, types[name]), columns[name])
    for key in keys:
        columns |= _key_columns(table, tables[key.parent], parents[edge_name(key)][moved], key, rng)
    columns |= _number(learned, columns, n, types)
    for name, fate in model.fates[table.name].items():
        if fate is Fate.NULL:
            columns[name] = pa.nulls(n, types[name])
    unique = {name for names in _unique_sets(table) for name in names}
    drawn = [
        name
        for name, fate in model.fates[table.name].items()
        if name in columns and (fate is Fate.MODELLED or (fate is Fate.FABRICATED and name not in unique))
    ]
    columns = satisfy_checks(columns, table, model.schema.dialect, drawn, ranks[moved])
    columns = _part_repeats(model, table, columns, rng)
    position = np.empty(n, dtype=np.int64)
    position[moved] = np.arange(n)
    return columns, extras, position


def _key_columns(
    table: Table, parent: Mapping[str, pa.Array], rows: np.ndarray, key: ForeignKey, rng: np.random.Generator
) -> dict[str, pa.Array]:
    """A key's columns; without a parent, those that may not be null hold what a random parent has."""
    columns = key_values(parent, rows, key)
    must = [name for name in key.columns if not table.column(name).nullable]
    n_parents = len(parent[key.parent_columns[0]])
    if must and n_parents and (rows < 0).any():
        borrowed = key_values(parent, np.where(rows < 0, rng.integers(n_parents, size=len(rows)), rows), key)
        columns |= {name: borrowed[name] for name in must}
    return columns


def _sorting(
    learned: TableModel, columns: Mapping[str, pa.Array], parents: Mapping[str, np.ndarray], n: int, table: Table
) -> np.ndarray:
    """The drawn row at each position, so that rows stand in the order in which the real ones are stored."""
    if learned.sorted_by is None:
        return np.arange(n)
    if learned.sorted_by in parents:
        values = parents[learned.sorted_by]
    else:
        values = to_numbers(columns[learned.sorted_by], table.column(learned.sorted_by).kind)
    return np.argsort(values, kind="stable")


def _number(
    learned: TableModel, columns: Mapping[str, pa.Array], n: int, types: Mapping[str, pa.DataType]
) -> dict[str, pa.Array]:
    """The invented whole numbers of the key."""
    result = {}
    for name, numbering in learned.numbering.items():
        if numbering.within:
            frame = pa.table({c: columns[c] for c in numbering.within if c in columns}).to_pandas()
            groups = frame.groupby(list(frame.columns), sort=False)
            position = groups.cumcount().to_numpy() if len(frame) else np.arange(0)
        else:
            position = np.arange(n)
        numbers = pa.array(numbering.start + numbering.step * position, pa.int64())
        # Arrow casts to dates from their days, and to short decimals from text only.
        if pa.types.is_date(types[name]):
            numbers = numbers.cast(pa.int32())
        elif pa.types.is_decimal(types[name]):
            numbers = numbers.cast(pa.string())
        result[name] = numbers.cast(types[name])
    return result


def _part_repeats(
    model: DatabaseModel, table: Table, columns: dict[str, pa.Array], rng: np.random.Generator
) -> dict[str, pa.Array]:
    """Uniqueness of keys that hold drawn columns; keys of parents only were parted when rows met."""
    fates = model.fates[table.name]
    for key in _unique_sets(table):
        changeable = [name for name in key if fates[name] is Fate.MODELLED]
        changeable = changeable or [name for name in key if fates[name] is Fate.FABRICATED and len(key) > 1]
        if changeable and all(name in columns for name in key):
            columns = part_repeats(columns, key, changeable, rng, table=table.name)
    return columns


def _fill(
    model: DatabaseModel, key: ForeignKey, tables: Mapping[str, dict[str, pa.Array]],
    extras: Mapping[str, dict[str, np.ndarray]], rng: np.random.Generator,
) -> dict[str, pa.Array]:  # fmt: skip
    """An opened key's columns."""
    name = edge_name(key)
    n_children, n_parents = (len(next(iter(tables[t].values()))) for t in (key.child, key.parent))
    depth = extras[key.child].get(name + _DEPTH_MARK)
    order = extras.get(key.parent, {}).get(name + _CHILDREN_MARK)
    parents = fill_opened(model.opened[name], n_children, n_parents, depth, rng, order=order)
    return key_values(tables[key.parent], parents, key)


def _in_schema_order(model: DatabaseModel, name: str, columns: dict[str, pa.Array]) -> pa.Table:
    wanted: list[Any] = [c.name for c in model.schema.table(name).columns if c.name in columns]
    return pa.table({c: columns[c] for c in wanted})
