"""From numbers to rows: the engine's draws become columns, keys and whole tables, ready for a target."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from . import clava
from .columns.codec import NULL_MARK
from .columns.fabricate import fabricate_table
from .columns.numbers import to_numbers
from .columns.order import limits
from .encoded import Generated
from .errors import SchemaError
from .integrity.checks import Condition, broken_by, check_conditions, satisfy
from .integrity.opened import fill_opened
from .integrity.rules.keep import Keeper, given_name, parent_column, reach, totalled
from .integrity.rules.kinds import Copy, ParentOrder, Total
from .integrity.unique import part_repeats
from .keys import KeyUse, key_values, use_keys
from .model import CHILDREN_MARK, DEPTH_MARK, EMPTY_MARK, DatabaseModel, TableModel, edge_name, unique_sets
from .plan import Fate
from .progress import QUIET, Progress
from .schema import ForeignKey, Table, arrow_type

__all__ = ["synthesise"]

_ROUNDS = 3  # of CHECKs and rules, then uniqueness


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
    keepers: dict[str, Keeper] = {}
    order: dict[str, np.ndarray] = {}  # of each table, where the engine's rows went
    with progress.stage("decoding", total=len(model.schema.tables), unit="tables") as advance:
        for name in model.schema.parents_first():
            table = model.schema.table(name)
            if name in model.kept:
                rows = model.kept[name]
                tables[name] = {c: rows.column(c).combine_chunks() for c in rows.column_names}
                order[name] = np.arange(rows.num_rows)
            else:
                tables[name], extras[name], order[name], keepers[name] = _decode(
                    model, table, generated, use, tables, order, rng
                )
            advance(1)
    _add_up(model, tables, keepers, rng)
    for key in use.opened:
        tables[key.child] |= _fill(model, key, tables, extras, rng)
    for name in {key.child: None for key in use.opened}:
        tables[name] = _part_repeats(model, model.schema.table(name), tables[name], rng)
    return {name: _in_schema_order(model, name, columns) for name, columns in tables.items()}


def _decode(
    model: DatabaseModel, table: Table, generated: Generated, use: KeyUse, tables: Mapping[str, dict[str, pa.Array]],
    order: Mapping[str, np.ndarray], rng: np.random.Generator,
) -> tuple[dict[str, pa.Array], dict[str, np.ndarray], np.ndarray, Keeper]:  # fmt: skip
    """One table's columns, the numbers about its rows, where each drawn row went, and its rules."""
    learned = model.tables[table.name]
    ranks = generated.ranks[table.name]
    n = len(ranks)
    types = {column.name: arrow_type(column) for column in table.columns}
    keys = [key for key in use.edges if key.child == table.name]
    parents = {}
    for key in keys:
        rows = generated.parents[edge_name(key)]
        parents[edge_name(key)] = np.where(rows < 0, -1, order[key.parent][rows] if len(order[key.parent]) else -1)
    keeper = _keeper(model, table, {key: (parents[edge_name(key)], tables[key.parent]) for key in keys})
    for key in keys:
        if key.parent not in model.kept:
            parents[edge_name(key)] = _feasible(learned, keeper, key, rng)
    keeper = _keeper(model, table, {key: (parents[edge_name(key)], tables[key.parent]) for key in keys})
    columns, extras = learned.codec.decode(ranks, types, _given(keeper))
    moved = _sorting(learned, columns, parents, n, table)
    take = pa.array(moved)
    columns = {name: array.take(take) for name, array in columns.items()}
    extras = {name: values[moved] for name, values in extras.items()}
    keeper = replace(keeper, parents={key: (rows[moved], theirs) for key, (rows, theirs) in keeper.parents.items()})
    marks = {name: columns.pop(name) for name in list(columns) if name.endswith((EMPTY_MARK, NULL_MARK))}
    columns |= fabricate_table(learned.fabricators, table, n, rng)
    for mark, value in ((EMPTY_MARK, ""), (NULL_MARK, None)):  # a null is a null, empty or not
        for name in [name.removesuffix(mark) for name in marks if name.endswith(mark)]:
            columns[name] = pc.if_else(marks[name + mark], pa.scalar(value, types[name]), columns[name])
    for key in keys:
        columns |= _key_columns(table, tables[key.parent], parents[edge_name(key)][moved], key, rng)
    columns |= _number(learned, columns, n, types)
    for name, fate in model.fates[table.name].items():
        if fate is Fate.NULL or (fate is Fate.COMPUTED and name not in columns):
            columns[name] = pa.nulls(n, types[name])
    columns = _repair(model, table, columns, ranks[moved], keeper, rng)
    position = np.empty(n, dtype=np.int64)
    position[moved] = np.arange(n)
    return columns, extras, position, keeper


def _keeper(
    model: DatabaseModel, table: Table, parents: Mapping[ForeignKey, tuple[np.ndarray, Mapping[str, pa.Array]]]
) -> Keeper:
    kinds = {(key.parent, c.name): c.kind for key in parents for c in model.schema.table(key.parent).columns}
    return Keeper(table, model.tables[table.name].rules, parents, kinds)


def _feasible(learned: TableModel, keeper: Keeper, key: ForeignKey, rng: np.random.Generator) -> np.ndarray:
    """The parent of each row, where groups have left parents whose bounds leave no value for one without children.

    An account opened after the last transaction has none: the engine knows that as a tendency only.
    """
    rows, columns = keeper.parents[key]
    n = len(next(iter(columns.values())))
    every = replace(keeper, parents={key: (np.arange(n), columns)})
    possible = np.ones(n, dtype=bool)
    rules = [rule for rule in keeper.rules if isinstance(rule, ParentOrder) and rule.key == key]
    names = {given_name(key, rule.parent_column) for rule in rules}
    for variable in learned.codec.variables:
        bounded = getattr(variable, "bounded", None)
        if bounded is None or bounded.among is None or variable.part == "time":
            continue
        bounds = [bound for bound in bounded.bounds if bound.column in names]
        if bounds:
            kinds = {name: column.kind for name, column in learned.codec.columns.items()}
            kind = kinds[variable.column]
            low, high = limits(bounds, _given(every), kinds, kind, variable.part, variable.step)
            possible &= (low <= bounded.among.v[-1]) & (high >= bounded.among.v[0]) & (low <= high)
    held = np.zeros(n, dtype=bool)
    held[rows[rows >= 0]] = True
    move, free = np.flatnonzero(held & ~possible), rng.permutation(np.flatnonzero(~held & possible))
    to = np.arange(n)
    to[move[: len(free)]] = free[: len(move)]
    return np.where(rows >= 0, to[rows], -1) if n else rows


def _given(keeper: Keeper) -> dict[str, pa.Array]:
    """What of each row's parents the codec is told, see `learning`."""
    result = {}
    for rule in keeper.rules:
        if isinstance(rule, (Copy, ParentOrder)) and rule.key in keeper.parents:
            called = rule.column if isinstance(rule, Copy) else given_name(rule.key, rule.parent_column)
            result[called] = parent_column(keeper.parents, rule.key, rule.parent_column)
    return result


def _repair(
    model: DatabaseModel, table: Table, columns: dict[str, pa.Array], features: np.ndarray, keeper: Keeper,
    rng: np.random.Generator,
) -> dict[str, pa.Array]:  # fmt: skip
    """The columns, changed so that CHECKs, rules and uniqueness all hold."""
    unique = {name for names in unique_sets(table) for name in names}
    drawn = [
        name
        for name, fate in model.fates[table.name].items()
        if name in columns and (fate is Fate.MODELLED or (fate is Fate.FABRICATED and name not in unique))
    ]
    conditions = _conditions(model, table, keeper)
    demanded = [condition for condition in conditions if condition.is_demanded]
    settle = partial(keeper.settle, rng=rng)
    for _ in range(_ROUNDS):
        try:
            columns = satisfy(columns, conditions, drawn, features, table=table.name, settle=settle)
        except SchemaError:  # as below
            columns = satisfy(settle(columns), demanded, drawn, features, table=table.name)
        try:
            parted = _part_repeats(model, table, columns, rng, conditions)
        except SchemaError:  # rules that were learned give way to what the target demands
            parted = _part_repeats(model, table, columns, rng, demanded)
        if all(parted[name] is array for name, array in columns.items()):
            break
        columns = parted
    return columns


def _conditions(model: DatabaseModel, table: Table, keeper: Keeper) -> list[Condition]:
    """The table's CHECKs and rules."""
    return check_conditions(table, model.schema.dialect) + [
        Condition(rule.text, frozenset(name.casefold() for name in rule.columns), partial(keeper.broken, rule))
        for rule in keeper.rules
    ]


def _add_up(
    model: DatabaseModel, tables: dict[str, dict[str, pa.Array]], keepers: Mapping[str, Keeper],
    rng: np.random.Generator,
) -> None:  # fmt: skip
    """Columns that hold what children come to, grandchildren first; then all that others fix once more."""
    order = [name for name in model.schema.parents_first() if name in keepers]
    totals = {name: [rule for rule in keepers[name].rules if isinstance(rule, Total)] for name in order}
    if not any(totals.values()):
        return
    for name in reversed(order):
        table = model.schema.table(name)
        for rule in totals[name]:
            rows, child = keepers[rule.key.child].parents[rule.key][0], tables[rule.key.child]
            kinds = {column.name: column for column in model.schema.table(rule.key.child).columns}
            column = table.column(rule.column)
            if rule.measure in ("min", "max"):
                tables[rule.key.child] = child = _reached(model, rule, tables, keepers[rule.key.child])
            tables[name][rule.column] = totalled(rule, column, tables[name][rule.column], rows, child, kinds)
        tables[name] = keepers[name].settle(tables[name], rng)


def _reached(
    model: DatabaseModel, rule: Total, tables: Mapping[str, dict[str, pa.Array]], keeper: Keeper
) -> dict[str, pa.Array]:
    """The children's columns, one of each group changed to what the parent holds, if no condition is against it."""
    (name,), child = rule.factors, tables[rule.key.child]
    table = model.schema.table(rule.key.child)
    unique = {column for names in unique_sets(table) for column in names}
    if model.fates[table.name][name] is not Fate.MODELLED or name in unique:
        return child
    kind, rows = table.column(name).kind, keeper.parents[rule.key][0]
    array, changed = reach(rule, rows, child[name], kind, tables[rule.table][rule.column])
    bad = np.intersect1d(broken_by(_conditions(model, table, keeper), {**child, name: array}), changed)
    mask = np.zeros(len(array), dtype=bool)
    mask[bad] = True
    return {**child, name: pc.if_else(pa.array(mask), child[name], array)}


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
    model: DatabaseModel, table: Table, columns: dict[str, pa.Array], rng: np.random.Generator,
    conditions: Sequence[Condition] = (),
) -> dict[str, pa.Array]:  # fmt: skip
    """Uniqueness of keys that hold drawn columns; keys of parents only were parted when rows met."""
    fates = model.fates[table.name]
    for key in unique_sets(table):
        changeable = [name for name in key if fates[name] is Fate.MODELLED]
        changeable = changeable or [name for name in key if fates[name] is Fate.FABRICATED and len(key) > 1]
        if changeable and all(name in columns for name in key):
            touched = [c for c in conditions if c.names & {name.casefold() for name in changeable}]
            broken = partial(broken_by, touched) if touched else None
            columns = part_repeats(columns, key, changeable, rng, table=table.name, broken=broken)
    return columns


def _fill(
    model: DatabaseModel, key: ForeignKey, tables: Mapping[str, dict[str, pa.Array]],
    extras: Mapping[str, dict[str, np.ndarray]], rng: np.random.Generator,
) -> dict[str, pa.Array]:  # fmt: skip
    """An opened key's columns."""
    name = edge_name(key)
    n_children, n_parents = (len(next(iter(tables[t].values()))) for t in (key.child, key.parent))
    depth = extras[key.child].get(name + DEPTH_MARK)
    order = extras.get(key.parent, {}).get(name + CHILDREN_MARK)
    parents = fill_opened(model.opened[name], n_children, n_parents, depth, rng, order=order)
    return key_values(tables[key.parent], parents, key)


def _in_schema_order(model: DatabaseModel, name: str, columns: dict[str, pa.Array]) -> pa.Table:
    return pa.table({c.name: columns[c.name] for c in model.schema.table(name).columns if c.name in columns})
