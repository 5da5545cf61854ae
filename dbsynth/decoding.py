"""From numbers to rows: the engine's draws become columns, keys and whole tables, ready for a target."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from .columns.codec import NULL_MARK
from .columns.fabricate import fabricate, fabricate_table
from .columns.numbers import to_numbers
from .decisions import constant
from .encoded import Generated
from .engines import ENGINES
from .errors import SchemaError
from .given import GivenRows, encode_given, number_on, overlay, told_by_siblings
from .holding import hold, tell_apart
from .integrity.agreement import Claim, agree
from .integrity.allowed import allowed
from .integrity.opened import fill_opened
from .integrity.rules.hold import Parents, add_up, leave_barren, settle
from .integrity.rules.kinds import Order, Total
from .keys import DANGLING, KeyUse, column_codes, key_values, parent_rows, tuple_codes, use_keys
from .model import CHILDREN_MARK, DEPTH_MARK, EMPTY_MARK, DatabaseModel, Numbering, TableModel, edge_name, unique_sets
from .plan import Fate
from .progress import QUIET, Progress
from .schema import Column, ForeignKey, Table, arrow_type

__all__ = ["synthesise"]


def synthesise(
    model: DatabaseModel, *, scale: float = 1.0, seed: int = 0, device: str = "cpu", given: GivenRows | None = None,
    progress: Progress = QUIET,
) -> dict[str, pa.Table]:  # fmt: skip
    """Draw a synthetic database: its tables, parents first, with all columns that a target is to be given.

    Args:
        given: rows that come out as they are, before the drawn ones of their tables.

    Raises:
        SchemaError: unique columns that cannot be told apart at this scale.
    """
    engine = ENGINES[model.settings.engine]
    around = {}
    if given is None:
        given = GivenRows({})
    else:
        given = told_by_siblings(model, given)
        around = {"given": encode_given(model, given)}
    generated = engine.generate(model.engine, scale=scale, seed=seed, device=device, progress=progress, **around)
    rng = np.random.default_rng(seed)
    use = use_keys(model.schema, model.kept)
    made = _Made({}, {}, {}, {}, {})
    late: dict[str, dict[ForeignKey, np.ndarray]] = {}  # parents in tables with keys to columns that are filled later
    with progress.stage("decoding", total=len(model.schema.tables), unit="tables") as advance:
        for name in model.schema.parents_first():
            if name in model.kept:
                rows = given.tables.get(name, model.kept[name])
                copied = {c: rows.column(c).combine_chunks() for c in rows.column_names}
                marks = _marks_of(copied)
                table = model.schema.table(name)
                made.tables[name] = _invent(model, table, copied, marks, rows.num_rows, rng) | copied
                made.order[name] = np.arange(rows.num_rows)
                made.features[name] = np.zeros((rows.num_rows, 0), np.float32)
            else:
                dropped = _decode(model, model.schema.table(name), generated, use, made, late, given, rng)
                if dropped:
                    progress.note(f"{dropped} rows of {name} are left out: no parents agree in the columns they share")
            advance(1)
    for name, rows in given.tables.items():
        made.tables[name] = overlay(made.tables[name], rows, given.fill.get(name, ()))
    for name in _fill_late(model, use, made, late, rng):
        ready = [key for key in use.in_time if key.child == name]
        made.tables[name] = _held(model, name, made.tables[name], made.features[name], made, ready, given, rng)
    _add_up(model, made)
    for name, rows in given.tables.items():
        made.tables[name] = overlay(made.tables[name], rows, given.fill.get(name, ()))
    return {name: _in_schema_order(model, name, columns) for name, columns in made.tables.items()}


@dataclass(frozen=True)
class _Made:
    """What stands so far, by table.

    Attributes:
        tables: columns.
        extras: numbers about each row.
        order: int64, where the engine's rows went.
        features: float32 ``(n_rows, d)``, what makes rows alike.
        parents: by foreign key, the parent row of each row, int64, -1 for none.
    """

    tables: dict[str, dict[str, pa.Array]]
    extras: dict[str, dict[str, np.ndarray]]
    order: dict[str, np.ndarray]
    features: dict[str, np.ndarray]
    parents: dict[ForeignKey, np.ndarray]


def _decode(
    model: DatabaseModel, table: Table, generated: Generated, use: KeyUse, made: _Made,
    late: dict[str, dict[ForeignKey, np.ndarray]], given: GivenRows, rng: np.random.Generator,
) -> int:  # fmt: skip
    """Make one table; the number of drawn rows that found no parents."""
    learned, n_given = model.tables[table.name], given.count(table.name)
    there, fill = given.tables.get(table.name), given.fill.get(table.name, ())
    ranks = generated.ranks[table.name]
    n_drawn = len(ranks)
    types = {column.name: arrow_type(column) for column in table.columns}
    keys = [key for key in use.edges if key.child == table.name]
    ready = [key for key in keys if all(name in made.tables[key.parent] for name in key.parent_columns)]

    def as_given(name: str, values: pa.Array) -> pa.Array:
        return overlay({name: values}, there, fill)[name]

    def decoded(ranks: np.ndarray) -> tuple[dict[str, pa.Array], dict[str, np.ndarray]]:
        return learned.codec.decode(ranks, types, whole=not given.tables, hold=as_given)

    parents = _drawn_parents(model, table, generated, made, keys, ready, decoded, n_given)
    agrees = _agree(model, table, use, {key: parents[key] for key in ready}, made, n_drawn, rng)
    stays = np.flatnonzero(agrees | (np.arange(n_drawn) < n_given))
    ranks, n = ranks[stays], len(stays)
    parents = {key: rows[stays] for key, rows in parents.items()}
    columns, extras = decoded(ranks)
    made.parents.update(parents)
    # Rows may be sorted by what rules bound.
    columns = settle(model.rules_of(table.name), columns, table, _standing(model, made, ready), ranks, rng)
    by_edge = {edge_name(key): rows for key, rows in parents.items()}
    moved = np.arange(n) if n_given else _sorting(learned, columns, by_edge, n, table)
    take = pa.array(moved)
    columns = {name: array.take(take) for name, array in columns.items()}
    made.extras[table.name] = {name: values[moved] for name, values in extras.items()}
    marks = _marks_of(columns)
    columns = {name: _known(array, table.column(name), rng) for name, array in columns.items()}
    parents = {key: rows[moved] for key, rows in parents.items()}
    made.parents.update(parents)
    columns |= _key_columns(table, {key: parents[key] for key in ready}, made.tables, rng)
    if len(ready) < len(keys):
        late[table.name] = parents
    columns |= _unlike(_invent(model, table, columns, marks, n, rng), learned, table, there, rng)
    columns |= _number(model, table, columns, n, types, there)
    made.tables[table.name] = _held(model, table.name, columns, ranks[moved], made, ready, given, rng)
    made.features[table.name] = ranks[moved]
    position = rng.integers(max(n, 1), size=n_drawn) if n else np.full(n_drawn, -1, np.int64)
    position[stays[moved]] = np.arange(n)
    made.order[table.name] = position
    return n_drawn - n


def _drawn_parents(
    model: DatabaseModel, table: Table, generated: Generated, made: _Made, keys: Collection[ForeignKey],
    ready: Collection[ForeignKey], decoded: Callable[[np.ndarray], tuple[dict[str, pa.Array], Any]], n_given: int,
) -> dict[ForeignKey, np.ndarray]:  # fmt: skip
    """The parent row of each drawn row, int64, -1 for none; of the ready keys, one that leaves the row some value.

    Args:
        n_given: the first rows, which keep theirs.
    """
    parents = {}
    for key in keys:
        rows = generated.parents[edge_name(key)]
        parents[key] = np.where(rows < 0, -1, made.order[key.parent][rows] if len(made.order[key.parent]) else -1)
    # Parents that must be relatives of others, or make them so, are not exchanged.
    bound = frozenset().union(*(kinship.all_edges for kinship in model.engine.kinships if kinship.always))
    free = [key for key in ready if edge_name(key) not in bound]
    bounds = [rule for rule in model.rules_of(table.name) if isinstance(rule, Order) and rule.key in free]
    drawn = decoded(generated.ranks[table.name])[0] if bounds else {}
    for key in {rule.key: None for rule in bounds}:
        theirs = made.tables[key.parent]
        moved = leave_barren(bounds, drawn, table, key, parents[key], theirs, model.schema.table(key.parent))
        parents[key] = np.concatenate([parents[key][:n_given], moved[n_given:]])
    return parents


def _held(
    model: DatabaseModel, name: str, columns: dict[str, pa.Array], features: np.ndarray, made: _Made,
    keys: Collection[ForeignKey], given: GivenRows, rng: np.random.Generator,
) -> dict[str, pa.Array]:  # fmt: skip
    """A table's columns held to what binds them; what that changed in given rows is theirs again."""
    table, there, fill = model.schema.table(name), given.tables.get(name), given.fill.get(name, ())
    columns = hold(model, table, overlay(columns, there, fill), features, _standing(model, made, keys), rng)
    if there is None:
        return columns
    return tell_apart(model, table, overlay(columns, there, fill), rng, n_given=given.count(name))


def _standing(model: DatabaseModel, made: _Made, keys: Collection[ForeignKey]) -> Parents:
    """The parents of a table's rows under those of its keys that are there when the rows are made."""
    return {key: (made.parents[key], made.tables[key.parent], model.schema.table(key.parent)) for key in keys}


def _add_up(model: DatabaseModel, made: _Made) -> None:
    """The columns that hold what children come to, grandchildren's first."""
    order = model.schema.parents_first()
    for rule in sorted(model.rules, key=lambda rule: -order.index(rule.table)):
        if isinstance(rule, Total):
            table, child = model.schema.table(rule.table), model.schema.table(rule.key.child)
            n = len(made.features[rule.table])
            made.tables[rule.table][rule.column] = add_up(
                rule, table.column(rule.column), n, made.parents[rule.key], made.tables[child.name], child
            )


def _agree(
    model: DatabaseModel, table: Table, use: KeyUse, parents: Mapping[ForeignKey, np.ndarray], made: _Made, n: int,
    rng: np.random.Generator, fixed: Collection[ForeignKey] = (),
) -> np.ndarray:  # fmt: skip
    """Let each row's parents agree in the columns that its keys share; bool ``(n,)``, rows that have such parents."""
    if not parents:
        return np.ones(n, bool)
    codes: dict[ForeignKey, dict[str, np.ndarray]] = {key: {} for key in parents}
    for name in {name: None for key in parents for name in key.columns}:
        holders = [(key, dict(zip(key.columns, key.parent_columns, strict=True))[name]) for key in parents
                   if name in key.columns]
        found = column_codes([made.tables[key.parent][to] for key, to in holders])
        for (key, _), values in zip(holders, found, strict=True):
            codes[key][name] = values
    unique = unique_sets(table)
    claims = [
        Claim(
            rows, codes[key], made.features[key.parent], _allowed(key, use, made),
            frozenset(name for name in key.columns if table.column(name).nullable),
            any(set(columns) <= set(key.columns) for columns in unique), key in fixed,
        )
        for key, rows in parents.items()
    ]  # fmt: skip
    by_name = dict(zip(map(edge_name, parents), claims, strict=True))
    for one, other in model.apart:
        if one in by_name and other in by_name:
            by_name[one].apart.append(by_name[other])
            by_name[other].apart.append(by_name[one])
    covered = {name for key in parents for name in key.columns}
    return agree(claims, [columns for columns in unique if set(columns) <= covered], rng)


def _allowed(key: ForeignKey, use: KeyUse, made: _Made) -> np.ndarray:
    """The parents whose values in a part of the key that is a key of its own are there, too; bool ``(n_parents,)``."""
    parent = made.tables[key.parent]
    places = dict(zip(key.columns, key.parent_columns, strict=True))
    allowed = np.ones(len(parent[key.parent_columns[0]]), bool)
    for part in use.implied:
        whole = part.child == key.child and set(part.columns) < set(key.columns)
        if whole and all(name in made.tables.get(part.parent, {}) for name in part.parent_columns):
            as_child = pa.table({name: parent[places[name]] for name in part.columns})
            other = pa.table({name: made.tables[part.parent][name] for name in part.parent_columns})
            allowed &= parent_rows(as_child, other, part) != DANGLING
    return allowed


def _known(array: pa.Array, column: Column, rng: np.random.Generator) -> pa.Array:
    """The values of a column that may not be null; what no number stands for (an infinity) takes another row's."""
    if column.nullable or array.null_count == 0:
        return array
    known = np.flatnonzero(array.is_valid().to_numpy(zero_copy_only=False))
    if len(known) == 0:
        return pa.array(np.zeros(len(array), np.int64)).cast(pa.string()).cast(array.type)
    rows = rng.choice(known, len(array))
    rows[known] = known
    return array.take(pa.array(rows))


def _marks_of(columns: dict[str, pa.Array]) -> dict[str, pa.Array]:
    """The marks of nulls and of empty texts, taken out of the columns."""
    return {name: columns.pop(name) for name in list(columns) if name.endswith((EMPTY_MARK, NULL_MARK))}


def _invent(
    model: DatabaseModel, table: Table, given: Mapping[str, pa.Array], marks: Mapping[str, pa.Array], n: int,
    rng: np.random.Generator,
) -> dict[str, pa.Array]:  # fmt: skip
    """The columns that neither the engine nor a key tells: fabricated, shuffled, constant, null."""
    learned = model.tables[table.name]
    columns = fabricate_table(learned.fabricators, table, n, rng, given)
    for name in [names[0] for names in unique_sets(table) if len(names) == 1 and names[0] in columns]:
        draw = partial(fabricate, learned.fabricators[name], table.column(name), rng=rng)
        columns[name] = allowed(columns[name], draw, table, name, model.schema.dialect)
    for mark, value in ((EMPTY_MARK, ""), (NULL_MARK, None)):  # a null is a null, empty or not
        for name in [name.removesuffix(mark) for name in marks if name.endswith(mark)]:
            columns[name] = pc.if_else(marks[name + mark], pa.scalar(value, columns[name].type), columns[name])
    for name, values in learned.shuffled.items():
        columns[name] = _shuffled(table, table.column(name), values.column(0).combine_chunks(), n, rng)
    for name, fate in model.fates[table.name].items():
        if fate is Fate.NULL:
            columns[name] = pa.nulls(n, arrow_type(table.column(name)))
        elif fate is Fate.CONSTANT:
            value = constant(table.column(name), model.settings.decision(table.name, name).value)
            columns[name] = pa.array([value.as_py()] * n, value.type)
    return columns


def _shuffled(table: Table, column: Column, values: pa.Array, n: int, rng: np.random.Generator) -> pa.Array:
    """A kept column's real values at random rows: each as often as in the source, or so for more rows or fewer."""
    if n > len(values) and (column.name,) in unique_sets(table):
        raise SchemaError(
            f"column {column.name!r} of table {table.name!r} is kept and unique, and {n} rows are more than its "
            f"{len(values)} values; generate fewer rows, or fabricate it"
        )
    rounds = -(-n // max(len(values), 1))
    order = [rng.permutation(len(values)) for _ in range(rounds)]
    return values.take(pa.array(np.concatenate(order)[:n] if order else np.arange(0)))


def _key_columns(
    table: Table, parents: Mapping[ForeignKey, np.ndarray], tables: Mapping[str, Mapping[str, pa.Array]],
    rng: np.random.Generator, only: Collection[str] | None = None,
) -> dict[str, pa.Array]:  # fmt: skip
    """The columns of keys, by the parent row of each row under each key.

    Where a row has no parent, the columns that may not be null hold what a random parent has.

    Args:
        only: the columns to make; None: all.
    """
    columns: dict[str, pa.Array] = {}
    for key, rows in parents.items():
        for name, values in key_values(tables[key.parent], rows, key).items():
            columns[name] = pc.coalesce(columns[name], values.cast(columns[name].type)) if name in columns else values
    for key, rows in parents.items():
        must = [name for name in key.columns if not table.column(name).nullable and columns[name].null_count]
        n_parents = len(tables[key.parent][key.parent_columns[0]])
        if must and n_parents:
            borrowed = key_values(tables[key.parent], rng.integers(n_parents, size=len(rows)), key)
            columns |= {name: pc.coalesce(columns[name], borrowed[name].cast(columns[name].type)) for name in must}
    columns = {name: array for name, array in columns.items() if only is None or name in only}
    return _as_child(table, columns) if any(key.virtual for key in parents) else columns


def _as_child(table: Table, columns: Mapping[str, pa.Array]) -> dict[str, pa.Array]:
    """A key's columns in the child's types, which may differ from the parent's where the database knows of no key."""
    wanted = {name: arrow_type(table.column(name)) for name in columns}
    texts = {name: array if array.type == wanted[name] else array.cast(pa.string()) for name, array in columns.items()}
    return {name: array.cast(wanted[name]) for name, array in texts.items()}


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
    model: DatabaseModel, table: Table, columns: Mapping[str, pa.Array], n: int, types: Mapping[str, pa.DataType],
    given: pa.Table | None,
) -> dict[str, pa.Array]:  # fmt: skip
    """The invented whole numbers of the key, after those of given rows."""
    result = {}
    for name, numbering in model.tables[table.name].numbering.items():
        within = [c for c in numbering.within if c in columns]  # others are filled later
        frame = pa.table({c: columns[c] for c in within}).to_pandas() if within and n else None
        if given is not None and given.num_rows:
            held = given.column(name).combine_chunks()
            held = (held.cast(pa.int32()) if pa.types.is_date(held.type) else held).cast(pa.int64())
            result[name] = Numbering(0, 1).at(number_on(numbering, held, frame, n), types[name])
        elif frame is not None:
            positions = frame.groupby(list(frame.columns), sort=False).cumcount().to_numpy()
            result[name] = numbering.at(positions, types[name])
        else:
            result[name] = numbering.at(np.arange(n), types[name])
            if table.primary_key == (name,):
                more = lambda k, numbering=numbering, type_=types[name]: numbering.at(n + np.arange(k), type_)  # noqa: E731
                found = allowed(result[name], more, table, name, model.schema.dialect)
                result[name] = found.take(pc.sort_indices(found))
    return result


def _unlike(
    invented: dict[str, pa.Array], learned: TableModel, table: Table, given: pa.Table | None, rng: np.random.Generator
) -> dict[str, pa.Array]:
    """Invented values, in unique columns none that a given row has."""
    if given is None or not given.num_rows:
        return invented
    for name in sorted({names[0] for names in unique_sets(table) if len(names) == 1} & set(invented)):
        values, held = invented[name], given.column(name).combine_chunks().cast(invented[name].type)
        taken = pc.and_(pc.is_in(values, held), values.is_valid())
        if pc.any(taken).as_py() and name in learned.fabricators:
            more = fabricate(learned.fabricators[name], table.column(name), len(values) + len(held), rng)
            spare = more.filter(pc.invert(pc.is_in(more, pa.concat_arrays([held, values.cast(held.type)]))))
            n = min(len(spare), pc.sum(taken).as_py())
            rows = np.flatnonzero(taken.to_numpy(zero_copy_only=False))[:n]
            take = np.arange(len(values))
            take[rows] = len(values) + np.arange(n)
            invented[name] = pa.concat_arrays([values, spare[:n].cast(values.type)]).take(pa.array(take))
    return invented


def _fill_late(
    model: DatabaseModel, use: KeyUse, made: _Made, late: Mapping[str, dict[ForeignKey, np.ndarray]],
    rng: np.random.Generator,
) -> list[str]:  # fmt: skip
    """Fill the opened keys, and the edges to columns that these fill; the tables that have such keys.

    Raises:
        SchemaError: a row for which no parents agree.
    """
    missing = {key: set(key.columns) - set(made.tables[name]) for name, keys in late.items() for key in keys}
    waiting = [*use.opened, *(key for key, names in missing.items() if names)]
    filled = {key.child: None for key in waiting}
    while waiting:
        key = next((key for key in waiting if _can_fill(key, use, made)), waiting[0])
        waiting.remove(key)
        table = model.schema.table(key.child)
        if key in use.opened:
            names, rows = use.filled[key], _opened_parents(model, key, use.filled[key], made, rng)
        else:
            parents = late[key.child]
            stand = {k: rows for k, rows in parents.items() if set(k.columns) <= set(made.tables[k.child])}
            names, rows = missing[key], parents[key]
            stays = _agree(model, table, use, {**stand, key: rows}, made, len(rows), rng, stand)
            if not stays.all():
                raise SchemaError(
                    f"table {table.name!r}: {int((~stays).sum())} rows find no parents for {key.name!r} that agree "
                    "with those of its other foreign keys; keep the table, or drop one of them in the source"
                )
        made.tables[key.child] |= _key_columns(table, {key: rows}, made.tables, rng, names)
    return list(filled)


def _can_fill(key: ForeignKey, use: KeyUse, made: _Made) -> bool:
    before = set(key.columns) - set(use.filled.get(key, key.columns))
    return set(key.parent_columns) <= set(made.tables[key.parent]) and before <= set(made.tables[key.child])


def _opened_parents(
    model: DatabaseModel, key: ForeignKey, filled: Collection[str], made: _Made, rng: np.random.Generator
) -> np.ndarray:
    """The parent row of each row under an opened key, int64; among those that agree in the columns it does not fill."""
    name = edge_name(key)
    child, parent = made.tables[key.child], made.tables[key.parent]
    n_children, n_parents = (len(next(iter(columns.values()))) for columns in (child, parent))
    depth = made.extras.get(key.child, {}).get(name + DEPTH_MARK)
    order = made.extras.get(key.parent, {}).get(name + CHILDREN_MARK)
    shared = [pair for pair in zip(key.columns, key.parent_columns, strict=True) if pair[0] not in filled]
    if not shared:
        return fill_opened(model.opened[name], n_children, n_parents, depth, rng, order=order)
    codes = [column_codes([child[ours], parent[theirs]]) for ours, theirs in shared]
    of_child, of_parent = tuple_codes([ours for ours, _ in codes], [theirs for _, theirs in codes])
    known = np.all([ours >= 0 for ours, _ in codes], axis=0)
    parents = np.full(n_children, -1, np.int64)
    for group in np.unique(of_child[known]):
        rows, candidates = np.flatnonzero(known & (of_child == group)), np.flatnonzero(of_parent == group)
        found = fill_opened(
            model.opened[name], len(rows), len(candidates), None if depth is None else depth[rows], rng,
            order=None if order is None else order[candidates],
        )  # fmt: skip
        parents[rows] = np.where(found < 0, -1, candidates[found] if len(candidates) else -1)
    return parents


def _in_schema_order(model: DatabaseModel, name: str, columns: dict[str, pa.Array]) -> pa.Table:
    return pa.table({c.name: columns[c.name] for c in model.schema.table(name).columns if c.name in columns})
