"""What becomes of each table and column: kept, modelled, fabricated or invented as a key, each with its reason.

The defaults are safe: a column is modelled only if its values are numbers, times, truths or few enough to be
categories; text that names people or has too many values is fabricated; nothing is kept but small lookup tables without
personal data, and of these not the columns that nothing is known of. The user's decisions go before the defaults where
`decisions` does not object.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from .columns.fabricate import fabricate, learn_fabricator
from .columns.numbers import NUMERIC_KINDS
from .columns.personal import is_about_people, recognise
from .config import Settings
from .decisions import common_values, objection, unknown_names
from .errors import ConfigError, SchemaError
from .integrity.allowed import allowed, own_checks
from .integrity.checks import named_together, orders_in, tied_columns
from .integrity.rules.find import Roles, find_rules
from .integrity.rules.kinds import Copy, Formula, Rule, Total, to_json
from .keys import use_keys
from .schema import Column, Kind, Schema, Table
from .toml_lines import Place

__all__ = ["ColumnPlan", "Fate", "Plan", "make_plan"]

_LOOKUP_ROWS = 500  # most rows of a lookup table
_LOOKUP_CHILDREN = 5  # fewest child rows per row of it
_MAX_CATEGORIES = 500
_ROWS_PER_CATEGORY = 5  # of a text column with many values; a few values may be rarer
_FEW_CATEGORIES = 50
_COMMON = 0.5  # least share of a text column's rows whose values are not rare
_TRIED = 50  # unique values invented to see whether CHECKs take them
_LABEL = 60  # most characters of a lookup table's texts on average; longer ones say who knows what
# Personal, but modelled where values are few.
_MODELLED_ANYWAY = frozenset({"city", "postcode", "company", "latitude", "longitude", "date_of_birth"})


class Fate(StrEnum):
    """What becomes of a column."""

    KEY = "key"  # invented, or follows the parent
    MODELLED = "modelled"  # drawn by the engine
    FABRICATED = "fabricated"  # invented value by value
    KEPT = "kept"  # copied as it is
    GENERATED = "generated"  # computed by the server
    CONSTANT = "constant"  # one value in every row
    NULL = "null"  # null in every row
    COMPUTED = "computed"  # fixed by other columns, by a rule that every real row obeys


@dataclass(frozen=True)
class ColumnPlan:
    """One column's fate and the reason for it."""

    table: str
    column: str
    kind: str
    fate: Fate
    why: str


@dataclass(frozen=True)
class Plan:
    """What a run would do.

    Attributes:
        rows: real rows by table.
        kept: tables copied as they are, with the reason.
        obstacles: what stands in the way, each with the way out; a run refuses while there are any.
        notes: what a user may want to know.
        real_values: where real values come through because the user says so, beyond kept tables.
        losses: what a target does not get.
        rules: between columns, which every real row obeys and every synthetic row will.
    """

    schema: Schema
    rows: Mapping[str, int]
    columns: tuple[ColumnPlan, ...]
    kept: Mapping[str, str]
    obstacles: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    real_values: tuple[str, ...] = ()
    losses: tuple[str, ...] = ()
    rules: tuple[Rule, ...] = ()

    def of(self, table: str, fate: Fate) -> list[Column]:
        """The table's columns of this fate."""
        names = {c.column for c in self.columns if c.table == table and c.fate is fate}
        return [column for column in self.schema.table(table).columns if column.name in names]

    @property
    def invented(self) -> frozenset[tuple[str, str]]:
        """(table, column) of what is not meant to be like the real values."""
        fates = (Fate.FABRICATED, Fate.CONSTANT, Fate.NULL, Fate.GENERATED)
        return frozenset((c.table, c.column) for c in self.columns if c.fate in fates)

    def to_json(self) -> dict[str, Any]:
        """Plain data for `--json`."""
        return {
            "tables": [{"name": t, "rows": n, "kept": self.kept.get(t)} for t, n in self.rows.items()],
            "foreign_keys": [asdict(key) for key in self.schema.foreign_keys],
            "columns": [asdict(column) for column in self.columns],
            "obstacles": list(self.obstacles),
            "notes": list(self.notes),
            "real_values": list(self.real_values),
            "losses": list(self.losses),
            "rules": [to_json(rule) for rule in self.rules],
        }


def make_plan(schema: Schema, read: Callable[[str], pa.Table], rows: Mapping[str, int], settings: Settings) -> Plan:
    """Decide what becomes of everything.

    Args:
        read: gives a table's rows.
        rows: by table.

    Raises:
        ConfigError: decisions that cannot be carried out, all of them: a table or column that is not there, a kept
            table that refers to one that is not, a fate against a constraint.
    """
    wrong = list(unknown_names(schema, settings))
    kept = _kept_tables(schema, read, rows, settings)
    wrong += _kept_alone(schema, kept, settings)
    try:
        use = use_keys(schema, kept)
    except SchemaError:
        use = None  # an obstacle
    columns: list[ColumnPlan] = []
    for table in schema.tables:
        values = read(table.name)
        follows = use.follows(table.name) if use else {}
        for column in table.columns:
            array = None if column.generated is not None else values.column(column.name).combine_chunks()
            objected = objection(schema, table, column, array, settings, in_kept=table.name in kept)
            if objected:
                wrong.append((("tables", table.name, "columns", column.name), objected))
                continue
            decided = _decided(table, column, settings)
            fate, why = decided or _fate(schema, table, column, array, kept, follows, settings)
            columns.append(ColumnPlan(table.name, column.name, str(column.kind), fate, why))
    if wrong:
        raise ConfigError(settings.where(wrong))
    real = tuple(_real_values(schema, read, columns, kept, settings))
    obstacles = _obstacles(schema, kept) or tuple(_refused_inventions(schema, read, columns, kept, settings))
    notes = (*_notes(schema, rows), *_beyond_repair(schema, columns, kept))
    plan = Plan(schema, rows, tuple(columns), kept, obstacles, notes, real)
    return _with_rules(plan, read, settings) if settings.rules and not plan.obstacles else plan


def _with_rules(plan: Plan, read: Callable[[str], pa.Table], settings: Settings) -> Plan:
    """The plan with the rules between columns; what they fix is computed, or invented where they copy what is."""
    roles = {table.name: _roles(plan, table, read(table.name), settings) for table in plan.schema.tables}
    rules = find_rules(plan.schema, read, roles, use_keys(plan.schema, plan.kept).in_time)
    by_name = {(c.table, c.column): c for c in plan.columns}
    for rule in rules:  # parents first
        at = rule.table, rule.column
        if isinstance(rule, Copy):
            source = by_name[rule.key.parent if rule.key else rule.table, rule.other].fate
            invented = source is Fate.FABRICATED
            by_name[at] = replace(by_name[at], fate=source if invented else Fate.COMPUTED, why=rule.text)
        elif isinstance(rule, (Formula, Total)):
            by_name[at] = replace(by_name[at], fate=Fate.COMPUTED, why=rule.text)
    return replace(plan, rules=rules, columns=tuple(by_name[c.table, c.column] for c in plan.columns))


def _roles(plan: Plan, table: Table, rows: pa.Table, settings: Settings) -> Roles:
    if table.name in plan.kept:
        return Roles(plan.of(table.name, Fate.KEPT), is_kept=True)
    drawn, fabricated = plan.of(table.name, Fate.MODELLED), plan.of(table.name, Fate.FABRICATED)
    unique = {name for key in table.unique_keys for name in key.columns} | set(table.primary_key)
    free = [column.name for column in (*drawn, *fabricated)
            if column.name not in unique and settings.decision(table.name, column.name) is None]  # fmt: skip
    columns = {name: rows.column(name).combine_chunks() for name in rows.column_names}
    dialect = plan.schema.dialect
    return Roles(
        [*drawn, *fabricated], [column.name for column in drawn], free, tied_columns(table, columns, dialect),
        orders_in(table, dialect), {column.name: settings.rare_in(table.name, column.name) for column in drawn},
    )  # fmt: skip


def _decided(table: Table, column: Column, settings: Settings) -> tuple[Fate, str] | None:
    """The user's decision in words; None where there is none."""
    decision = settings.decision(table.name, column.name)
    if decision is None:
        return None
    details = {
        "provider": decision.provider, "pattern": decision.pattern, "value": decision.value, "rare": decision.rare,
    }  # fmt: skip
    said = "".join(f", {name} {value!r}" for name, value in details.items() if value is not None)
    real = ": real values, shuffled" if decision.fate == "kept" else ""
    fate = Fate.KEY if table.primary_key == (column.name,) else Fate(decision.fate)
    return fate, f"you said so{said}{real}"


def _obstacles(schema: Schema, kept: Mapping[str, str]) -> tuple[str, ...]:
    if not schema.tables:
        return ("the database has no tables; check the address, and the schema or database it names",)
    obstacles = []
    try:
        use_keys(schema, kept)
    except SchemaError as error:
        obstacles.append(str(error))
    for table in schema.tables:
        for index in table.indexes if table.name not in kept else ():
            # Invented ranges are kept apart.
            ranges = [name for name in index.columns if table.column(name).native_type.endswith("range")]
            if index.excludes and not ranges:
                obstacles.append(
                    f"exclusion constraint {index.name!r} of table {table.name!r} may not hold for synthetic rows; "
                    f"keep the table (--keep {table.name}), or drop the constraint in the source"
                )
    return tuple(obstacles)


def _refused_inventions(
    schema: Schema, read: Callable[[str], pa.Table], columns: Iterable[ColumnPlan], kept: Collection[str],
    settings: Settings,
) -> Iterator[str]:  # fmt: skip
    """A line for each unique column that a CHECK binds and that no values can be invented for."""
    for c in columns:
        table, column = schema.table(c.table), schema.table(c.table).column(c.column)
        unique = any(key.columns == (c.column,) for key in table.unique_keys)
        numbered = c.fate is Fate.KEY and table.primary_key == (c.column,) and column.kind is Kind.INTEGER
        invented = numbered or (c.fate is Fate.FABRICATED and unique)
        if c.table in kept or not invented or not own_checks(table, c.column, schema.dialect):
            continue
        real = read(c.table).column(c.column).combine_chunks()
        if numbered:
            first = pc.min(real).as_py() or 1
            invent = lambda n, rng, first=first: pa.array(first + np.arange(n))  # noqa: E731
        else:
            decision = settings.decision(c.table, c.column)
            told = {"provider": decision.provider, "pattern": decision.pattern} if decision else {}
            invent = partial(fabricate, learn_fabricator(c.table, column, real, unique=True, **told), column)
        n = min(len(real), _TRIED)
        try:
            allowed(invent(n, np.random.default_rng(0)), lambda k, of=invent, n=n: of(n + k, np.random.default_rng(1)),
                    table, c.column, schema.dialect)  # fmt: skip
        except SchemaError as error:
            yield str(error)


def _beyond_repair(schema: Schema, columns: Iterable[ColumnPlan], kept: Collection[str]) -> Iterator[str]:
    """A line for each CHECK over keys and unique inventions alone: a row that breaks it cannot be made to keep it."""
    of = {(c.table, c.column): c.fate for c in columns}
    for table in schema.tables:
        unique = {name for key in table.unique_keys for name in key.columns} | set(table.primary_key)
        for check, names in zip(table.checks, named_together(table, schema.dialect), strict=True):
            fates = {of.get((table.name, name)) for name in names}
            fixed = fates == {Fate.KEY} or (fates <= {Fate.KEY, Fate.FABRICATED} and names <= unique)
            if table.name not in kept and fixed and len(names) > 1:
                yield (
                    f"CHECK {check.name!r} of table {table.name} is about keys and invented values alone: if synthetic "
                    f"rows break it, the run ends with an error; then keep the table (--keep {table.name})"
                )


def _notes(schema: Schema, rows: Mapping[str, int]) -> tuple[str, ...]:
    notes = [f"table {name} is empty and stays empty" for name, n in rows.items() if n == 0]
    for key in schema.opened():
        shape = "refers to its own table" if key.is_self_reference else "closes a cycle"
        notes.append(f"foreign key {key.child}({', '.join(key.columns)}) {shape}: it is filled after all rows stand")
    notes += [f"table {t.name} has no primary key" for t in schema.tables if not t.primary_key]
    return tuple(notes)


def _real_values(
    schema: Schema, read: Callable[[str], pa.Table], columns: Iterable[ColumnPlan], kept: Collection[str],
    settings: Settings,
) -> Iterator[str]:  # fmt: skip
    """A line for each decision of the user's that lets real values through."""
    for c in columns:
        column = schema.table(c.table).column(c.column)
        if c.table in kept or settings.decision(c.table, c.column) is None:
            continue
        if c.fate is Fate.KEPT:
            yield f"column {c.table}.{c.column} is kept: all its real values come through, at random rows"
        elif c.fate is Fate.MODELLED and settings.rare_in(c.table, c.column) < settings.rare:
            yield f"column {c.table}.{c.column}: values of fewer than {settings.rare} rows come through"
        if c.fate is Fate.MODELLED and (provider := recognise(c.table, column, read(c.table).column(c.column))):
            yield f"column {c.table}.{c.column} is modelled and looks personal ({provider}): real values come through"
    if settings.rare < Settings.model_fields["rare"].default:
        yield f"rare = {settings.rare}: values that fewer than five rows hold come through in every modelled column"


def _kept_tables(
    schema: Schema, read: Callable[[str], pa.Table], rows: Mapping[str, int], settings: Settings
) -> dict[str, str]:
    decided = {name: decision.fate for name, decision in settings.tables.items() if decision.fate}
    told = [*settings.keep, *(name for name, fate in decided.items() if fate == "kept")]
    kept = {name: "you said so" for name in schema.table_names if name in told}
    if not settings.no_keep:
        for table in schema.tables:
            if table.name not in kept and table.name not in decided and _is_lookup(schema, table, read, rows):
                kept[table.name] = "a small lookup table without personal data; --no-keep models it"
    return kept


def _kept_alone(schema: Schema, kept: Mapping[str, str], settings: Settings) -> Iterator[tuple[Place, str]]:
    """A sentence, with its place, for each kept table whose rows refer to one that is not kept."""
    for name in kept:
        place = ("keep", settings.keep.index(name)) if name in settings.keep else ("tables", name, "fate")
        if settings.tables.get(name, None) and settings.tables[name].fate == "modelled":
            yield place, f"table {name!r} is to be kept and to be modelled; say one"
        for key in schema.foreign_keys_of(name):
            if key.parent not in kept:
                yield (
                    place,
                    f"table {name!r} is to be kept, but its rows refer to {key.parent!r}, which is not; "
                    f"add --keep {key.parent}, or do not keep {name}"
                )


def _is_lookup(schema: Schema, table: Table, read: Callable[[str], pa.Table], rows: Mapping[str, int]) -> bool:
    """A small table that others refer to, that refers to none, whose rows have names, and none of people."""
    children = [rows[key.child] for key in schema.foreign_keys_to(table.name)]
    n = rows[table.name]
    if not 0 < n <= _LOOKUP_ROWS or schema.foreign_keys_of(table.name):
        return False
    if max(children, default=0) < _LOOKUP_CHILDREN * n:
        return False
    values = read(table.name)
    if is_about_people(table.name):
        return False
    named = False
    for column in table.columns:
        if column.generated is not None:  # not read
            continue
        array = values.column(column.name).combine_chunks()
        provider = recognise(table.name, column, array)  # a phone may be a number, too
        if provider is not None and provider not in _MODELLED_ANYWAY:
            return False
        if column.kind in (Kind.TEXT, Kind.ENUM):
            named |= array.null_count == 0 and pc.count_distinct(array).as_py() == n
    return named


def _fate(
    schema: Schema,
    table: Table,
    column: Column,
    array: pa.Array | None,
    kept: Mapping[str, str],
    follows: Mapping[str, str],
    settings: Settings,
) -> tuple[Fate, str]:
    """The default."""
    if array is None:
        return Fate.GENERATED, "the server computes it"
    if table.name in kept:
        told = kept[table.name] == "you said so"
        if told or _is_label(schema, table, column, array):
            return Fate.KEPT, "its table is kept"
        return Fate.FABRICATED, f"{column.kind} of unknown content in a lookup table"
    if column.name in follows:
        return Fate.KEY, f"refers to {follows[column.name]}"
    if len(array) and array.null_count == len(array) and column.name not in table.primary_key:
        return Fate.NULL, "null in every row"
    if table.primary_key == (column.name,):
        return Fate.KEY, "primary key"
    provider = recognise(table.name, column, array)
    return _fate_of_values(table, column, array, provider, settings.rare_in(table.name, column.name))


def _is_label(schema: Schema, table: Table, column: Column, array: pa.Array) -> bool:
    """Whether a lookup table's column is part of a key, a number, a truth, a short text: what such tables are for."""
    keys = [table.primary_key, *(key.parent_columns for key in schema.foreign_keys_to(table.name))]
    if any(column.name in key for key in keys):
        return True
    if column.kind is Kind.TEXT:
        return (pc.mean(pc.utf8_length(array)).as_py() or 0) <= _LABEL
    return column.kind in NUMERIC_KINDS or column.kind in (Kind.BOOLEAN, Kind.ENUM)


def _fate_of_values(
    table: Table, column: Column, array: pa.Array, provider: str | None, rare: int
) -> tuple[Fate, str]:
    if any(key.columns == (column.name,) for key in table.unique_keys):
        return Fate.FABRICATED, f"unique{f', looks like {provider}' if provider else ''}"
    if provider is not None and provider not in _MODELLED_ANYWAY:
        return Fate.FABRICATED, f"personal: {provider}"
    if column.kind in NUMERIC_KINDS:
        return Fate.MODELLED, "a time" if column.kind in _TIMES else "a number"
    if column.kind in (Kind.BOOLEAN, Kind.ENUM):
        return Fate.MODELLED, str(column.kind)
    if column.kind is not Kind.TEXT:
        return Fate.FABRICATED, str(column.kind)
    return _fate_of_text(array, provider, rare)


def _fate_of_text(array: pa.Array, provider: str | None, rare: int) -> tuple[Fate, str]:
    """Modelled where values are few, and most rows hold one that is not rare."""
    known = len(array) - array.null_count
    distinct = pc.count_distinct(array).as_py()
    per_value = known / max(distinct, 1)
    if distinct <= _MAX_CATEGORIES and per_value >= (2 if distinct <= _FEW_CATEGORIES else _ROWS_PER_CATEGORY):
        common = common_values(array, rare)
        if sum(common.values()) >= _COMMON * known:
            gone = distinct - len(common)
            return Fate.MODELLED, f"text with {distinct} values" + (f", {gone} rare and left out" if gone else "")
    return Fate.FABRICATED, f"personal: {provider}" if provider else f"text with {distinct} values in {known} rows"


_TIMES = frozenset({Kind.DATE, Kind.TIME, Kind.TIMESTAMP, Kind.TIMESTAMPTZ})
