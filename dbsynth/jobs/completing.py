"""Generate around rows that are there: complete a database, or give some tables and draw the others."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from contextlib import closing
from pathlib import Path

import pyarrow as pa

from ..bundle import load_bundle
from ..config import Settings, instead, make_settings
from ..errors import BundleError, ConfigError
from ..given import GivenRows, fillable
from ..model import DatabaseModel
from ..progress import QUIET, Progress
from ..reading import take_snapshot
from ..relations import with_virtual_keys
from ..reports import Clock, Report
from ..schema import Schema
from ..workspace import Workspace
from .steps import (
    Replace,
    check_device,
    check_target,
    learn_source,
    note_connections,
    open_database,
    refuse_same,
    source_schema,
    write_target,
)  # fmt: skip

__all__ = ["complete", "read_given"]


def complete(
    source_url: str,
    target_url: str,
    settings: Settings = Settings(),  # noqa: B008 (frozen)
    *,
    fill: Collection[str] = (),
    rows: Collection[str] = (),
    bundle: Path | None = None,
    replace: Replace = False,
    progress: Progress = QUIET,
) -> Report:
    """Write a database with all rows of the source as they are, nulls filled and missing rows added.

    Args:
        fill: ``table.column``, whose nulls are values that are missing; ``table``: every column that can be filled.
        rows: ``table=number``, how many rows there are to be; ``table``: as many as the bundle has seen.
        bundle: what fills and adds; None: what is learned from the source itself, the graph engine with the settings.

    Raises:
        DbsynthError: see the tree in `errors`; the target is as it was then.
    """
    clock, model = Clock(), None
    if settings.engine != "graph" and "engine" in settings.model_fields_set:
        raise ConfigError(
            f"the engine {settings.engine} draws whole databases only; complete goes by graph: leave out the engine"
        )
    if bundle is not None:
        with clock("open"):
            model = load_bundle(bundle)
        _check_engine(model.settings.engine, str(bundle))
        settings = make_settings(model.settings.model_dump() | {"seed": settings.seed, "device": settings.device})
    settings = settings.model_copy(update={"engine": "graph"})
    check_device(settings.device)
    with (
        closing(open_database(source_url)) as source,
        closing(open_database(target_url)) as target,
        Workspace(settings.workspace, encrypted=settings.encrypt_workspace) as work,
    ):
        refuse_same(source, target)
        note_connections(progress, source, target)
        schema = source_schema(source, settings)
        asked = _asked(schema, fill, rows)
        wanted = with_virtual_keys(schema, None, settings) if model is None else model.schema
        check_target(target, wanted, replace, progress)
        if model is None:
            model = learn_source(source, work, settings, progress, clock).model
        else:
            with clock("read"):
                _check_tables(schema, model, model.schema.table_names)
                take_snapshot(source, schema.restrict(model.schema.table_names), work, progress)
        tables = {name: work.read(name) for name in model.schema.table_names}
        given = GivenRows(
            {name: _as_kept(model, name, found) if name in model.kept else found for name, found in tables.items()},
            _to_fill(model, tables, asked[0]),
            {name: n if n is not None else model.rows[name] for name, n in asked[1].items()},
        )
        for name, n in given.n_rows.items():
            if n < given.count(name):
                raise ConfigError(f"--rows {name}={n}: the table has {given.count(name)} rows, and none is taken away")
            if n > given.count(name) and not model.rows[name]:
                where = "the source" if bundle is None else str(bundle)
                raise ConfigError(f"--rows {name}={n}: {where} had no rows of {name} to learn new ones from")
        counts = {name: table.num_rows for name, table in tables.items()}
        report, whole = write_target(model, counts, target, settings, replace, progress, clock, given)
        for name, columns in given.fill.items():
            for column in sorted(columns):
                left = whole[name].column(column)[: given.count(name)].null_count
                if left:
                    progress.note(f"{left} nulls of {name}.{column} stay: the rest of the row goes with none")
        return report


def _check_engine(engine: str, where: str) -> None:
    if engine != "graph":
        raise ConfigError(
            f"{where} was learned by the engine {engine}, which draws whole databases only; fit it with --engine graph"
        )


def _asked(
    schema: Schema, fill: Collection[str], rows: Collection[str]
) -> tuple[dict[str, list[str]], dict[str, int | None]]:
    """The columns to fill by table, all of them where the list is empty; the rows to reach by table."""
    if not fill and not rows:
        raise ConfigError(
            "nothing is to be completed: name columns whose nulls are to be filled (--fill customer.birth_date) or "
            "tables that lack rows (--rows order=5000)"
        )
    columns: dict[str, list[str]] = {}
    for words in fill:
        table, column = _parted(words, ".", schema)
        _check_name("--fill", words, table, schema.table_names, "table")
        if column:
            _check_name("--fill", words, column, schema.table(table).column_names, "column")
        columns.setdefault(table, []).extend([column] if column else schema.table(table).column_names)
    wanted: dict[str, int | None] = {}
    for words in rows:
        table, number = _parted(words, "=", schema)
        _check_name("--rows", words, table, schema.table_names, "table")
        if number and not number.isdecimal():
            raise ConfigError(f"--rows {words}: expected a number of rows, as in --rows {table}=5000")
        wanted[table] = int(number) if number else None
    return columns, wanted


def _parted(words: str, separator: str, schema: Schema) -> tuple[str, str]:
    """A table, and what stands after the last separator; names may hold one, too."""
    if words in schema.table_names or separator not in words:
        return words, ""
    table, _, rest = words.rpartition(separator)
    return table, rest


def _check_name(option: str, words: str, name: str, known: Collection[str], kind: str) -> None:
    if name not in known:
        raise ConfigError(f"{option} {words}: there is no {kind} {name!r}{instead(name, known, f'the {kind}s are')}")


def _to_fill(
    model: DatabaseModel, tables: Mapping[str, pa.Table], asked: Mapping[str, Collection[str]]
) -> dict[str, frozenset[str]]:
    """By table the columns whose nulls are filled."""
    found = {}
    for table, columns in asked.items():
        can = [] if table in model.kept else fillable(model, table)
        empty = [name for name in columns if name in can and tables[table].column(name).null_count]
        whole = set(columns) >= set(model.schema.table(table).column_names)
        refused = [name for name in columns if name not in can and tables[table].column(name).null_count]
        if refused and not whole:
            fate = "kept" if table in model.kept else model.fates[table][refused[0]].value
            raise ConfigError(
                f"{table}.{refused[0]} cannot be filled: it is {fate}; only modelled and fabricated columns can be"
            )
        found[table] = frozenset(empty)
    return found


def read_given(
    model: DatabaseModel, url: str, names: Collection[str], settings: Settings, progress: Progress
) -> GivenRows:
    """The rows of these tables and of all that they refer to, from a database.

    A table that refers to given rows, directly or not, has as many rows as these have children; others as many as were
    learned, times the scale.
    """
    _check_engine(model.settings.engine, "the bundle")
    for name in names:
        _check_name("--given", name, name, model.schema.table_names, "table")
    wanted = _with_ancestors(model.schema, names) - set(model.kept)
    given = [name for name in model.schema.table_names if name in wanted]  # in an order: rows are drawn by it
    with (
        closing(open_database(url)) as source,
        Workspace(settings.workspace, encrypted=settings.encrypt_workspace) as work,
    ):
        note_connections(progress, source)
        schema = source.read_schema()
        _check_tables(schema, model, given)
        take_snapshot(source, schema.restrict([name for name in schema.table_names if name in given]), work, progress)
        tables = {name: work.read(name) for name in given}
    others = [n for n in model.schema.table_names if not wanted & _with_ancestors(model.schema, [n])]
    drawn = {name: model.rows[name] for name in others if name not in model.kept}
    return GivenRows(tables, {}, {name: max(round(settings.scale * n), min(n, 1)) for name, n in drawn.items()})


def _with_ancestors(schema: Schema, names: Collection[str]) -> set[str]:
    """These tables and all that they refer to, directly or not."""
    found, waiting = set(), list(names)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += [key.parent for key in schema.foreign_keys_of(name)]
    return found


def _check_tables(schema: Schema, model: DatabaseModel, names: Collection[str]) -> None:
    """Whether a database has these tables and columns of a model."""
    for name in names:
        if name not in schema.table_names:
            raise BundleError(f"the bundle knows a table {name!r}, which the database lacks; fit it on a like schema")
        wanted = {c.name for c in model.schema.table(name).columns if c.generated is None}
        if lacking := wanted - set(schema.table(name).column_names):
            raise BundleError(f"table {name!r} lacks the column {min(lacking)!r} that the bundle knows")


def _as_kept(model: DatabaseModel, name: str, rows: pa.Table) -> pa.Table:
    """A kept table's rows in the order in which the bundle has them.

    Raises:
        BundleError: they are not the ones that were kept.
    """
    kept = model.kept[name]
    key = [c for c in model.schema.table(name).primary_key if c in kept.column_names] or kept.column_names
    place = {values: i for i, values in enumerate(zip(*(rows.column(c).to_pylist() for c in key), strict=True))}
    wanted = list(zip(*(kept.column(c).to_pylist() for c in key), strict=True))
    if len(wanted) != rows.num_rows or any(values not in place for values in wanted):
        raise BundleError(f"table {name!r} is kept, and its rows are not those of the bundle; fit it anew")
    return rows.take(pa.array([place[values] for values in wanted], pa.int64()))
