"""Learn a database and write synthetic ones."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pyarrow as pa

from ..bundle import load_bundle, save_bundle
from ..config import Settings, make_settings
from ..errors import BundleError, ConfigError, SchemaError, TargetError
from ..plan import Plan, make_plan
from ..progress import QUIET, Progress
from ..quality.comparison import Comparison
from ..quality.evaluation import Evaluation
from ..quality.thresholds import Threshold
from ..reading import take_snapshot
from ..relations import with_virtual_keys
from ..reports import Clock, FitReport, Report
from ..schema import Schema
from ..shop import build_shop
from ..statements import is_part, place
from ..workspace import Workspace
from .completing import read_given
from .evaluating import assess_and_show, refuse_poor
from .steps import (
    Learned,
    Mode,
    Replace,
    agree_rates,
    check_device,
    check_file,
    check_target,
    draw_rows,
    learn_source,
    load_tables,
    note_connections,
    open_database,
    refuse_nulls,
    refuse_same,
    source_schema,
    write_target,
)

if TYPE_CHECKING:
    from adapters import Adapter

__all__ = ["clone", "demo", "fit", "generate", "inspect"]


def inspect(
    url: str,
    settings: Settings = Settings(),  # noqa: B008 (frozen)
    *,
    target_url: str | None = None,
    progress: Progress = QUIET,
) -> Plan:
    """What a run would do to a database, and what stands in the way; changes nothing.

    Args:
        target_url: where the synthetic rows would go: what it cannot be given, and whether it takes them. None: a
            target of the source's own kind.
    """
    with (
        closing(open_database(url)) as source,
        Workspace(settings.workspace, encrypted=settings.encrypt_workspace) as workspace,
        ExitStack() as stack,
    ):
        target = source if target_url is None else stack.enter_context(closing(open_database(target_url)))
        note_connections(progress, source)
        schema = source_schema(source, settings)
        rows = take_snapshot(source, schema, workspace, progress)
        schema = with_virtual_keys(schema, workspace.read, settings)
        plan = make_plan(schema, workspace.read, rows, settings)
        refusal = None if target is source else _refusal(target, schema, workspace, settings)
        if refusal is not None:
            return dataclasses.replace(plan, obstacles=(*plan.obstacles, refusal))
        return dataclasses.replace(plan, losses=tuple(target.losses(schema.declared)))


def _refusal(target: Adapter, schema: Schema, workspace: Workspace, settings: Settings) -> str | None:
    """Why a target would refuse the rows; None where it takes them."""
    try:
        target.check_target(schema, Mode.CREATE)
        refuse_nulls(schema, workspace.read, target, settings)
    except (SchemaError, TargetError) as error:
        return str(error)
    return None


def fit(
    url: str,
    bundle: Path,
    settings: Settings = Settings(),  # noqa: B008 (frozen)
    *,
    progress: Progress = QUIET,
    replace: bool = False,
) -> FitReport:
    """Learn a database and write the bundle ``bundle``.

    Raises:
        DbsynthError: see the tree in `errors`; nothing is written then.
    """
    if bundle.exists() and not replace:
        raise BundleError(f"{bundle} exists already; choose another path, or --replace")
    check_device(settings.device)
    clock = Clock()
    with (
        closing(open_database(url)) as source,
        Workspace(settings.workspace, encrypted=settings.encrypt_workspace) as workspace,
    ):
        note_connections(progress, source)
        model = learn_source(source, workspace, settings, progress, clock).model
        with clock("save"):
            save_bundle(model, bundle, replace=replace)
    return FitReport(str(bundle), settings.seed, model.rows, agree_rates(model), clock.seconds)


def generate(
    bundle: Path,
    target_url: str,
    *,
    scale: float | None = None,
    seed: int | None = None,
    device: str | None = None,
    given: Collection[str] = (),
    given_from: str | None = None,
    ddl: Literal["tables", "native"] = "tables",
    replace: Replace = False,
    progress: Progress = QUIET,
) -> Report:
    """Write a synthetic database from a bundle; what is None is as it was fitted.

    Args:
        ddl: "native" lets the views, functions and triggers that a bundle brings be created, if it was fitted with
            them: SQL of whoever made the bundle, which runs in the target with its user's rights.
        given: tables whose rows, and those of all tables that they refer to, come from the database ``given_from`` as
            they are; the others are drawn around them.
        replace: True or "swap": new tables take the place of those that hold rows, which stand until then; "in-place":
            the rows are replaced in the same tables, in one transaction; else a target with rows is refused.

    Raises:
        DbsynthError: see the tree in `errors`; the target is as it was then.
    """
    clock = Clock()
    with clock("open"):
        model = load_bundle(bundle)
    chosen = {"scale": scale, "seed": seed, "device": device}
    settings = make_settings(model.settings.model_dump() | {k: v for k, v in chosen.items() if v is not None})
    check_device(settings.device)
    if bool(given) != bool(given_from):
        raise ConfigError("--given names tables, --given-from the database that has their rows: one needs the other")
    with closing(open_database(target_url)) as target:
        note_connections(progress, target)
        if given_from is not None:
            with closing(open_database(given_from)) as source:
                refuse_same(source, target)
        if ddl == "tables" and model.schema.dialect == target.dialect:
            model = dataclasses.replace(model, schema=_without_code(model.schema, bundle))
        check_target(target, model.schema, replace, progress)
        rows = None
        if given_from is not None:
            with clock("read"):
                rows = read_given(model, given_from, given, settings, progress)
        return write_target(model, model.rows, target, settings, replace, progress, clock, rows)[0]


def _without_code(schema: Schema, bundle: Path) -> Schema:
    """The schema of a bundle, which may be a stranger's, without what its SQL does by itself.

    Raises:
        BundleError: its tables call functions, or what it says are their parts is something else.
    """
    tables = {*schema.table_names, *(place(found.name) for found in schema.objects if found.kind == "partition")}
    acting = [
        f"{found.kind} {found.name}"
        for found in schema.objects
        if found.part_of_tables and not all(is_part(found.kind, statement, tables) for statement in found.statements)
    ]
    if acting:
        raise BundleError(
            f"the tables of {bundle} need SQL that it brings ({', '.join(acting[:3])}), which would run in the "
            "target with your rights: give --ddl native if you trust whoever made it"
        )
    return schema.tables_only


def clone(
    source_url: str,
    target_url: str,
    settings: Settings = Settings(),  # noqa: B008 (frozen)
    *,
    replace: Replace = False,
    evaluate: bool = True,
    extras: bool = False,
    holdout: float = 0.0,
    thresholds: Sequence[Threshold] = (),
    page: Path | None = None,
    progress: Progress = QUIET,
) -> Report:
    """Learn one database and write a synthetic one.

    Args:
        replace: as in `generate`.
        evaluate: compare the synthetic rows with the real ones, before they are written.
        extras: train classifiers for it too: minutes.
        holdout: share of the rows of root tables, below 1, that is kept from training, with all that descends from
            them, so that privacy can be measured against rows that were never learned. The synthetic database is as
            large as the source all the same.
        thresholds: what the figures must reach, or else the rows are not written.
        page: where the evaluation is written as an HTML page; None: nowhere.

    Raises:
        DbsynthError: see the tree in `errors`; the target is as it was then.
    """
    check_device(settings.device)
    check_file(page)
    clock = Clock()
    with (
        closing(open_database(source_url)) as source,
        closing(open_database(target_url)) as target,
        Workspace(settings.workspace, encrypted=settings.encrypt_workspace) as work,
    ):
        refuse_same(source, target)
        schema = source_schema(source, settings)
        note_connections(progress, source, target)
        check_target(target, with_virtual_keys(schema, None, settings), replace, progress)
        for loss in target.losses(schema):
            progress.note(loss)
        learned = learn_source(source, work, settings, progress, clock, holdout, target)
        grown = settings.model_copy(update={"scale": settings.scale / (1 - holdout)})
        tables = draw_rows(learned.model, grown, progress, clock)
        evaluation = None
        if evaluate:
            about = {"real": source.url, "synthetic": target.url, "settings": settings.model_dump(), "holdout": holdout}
            evaluation = _compared(learned, tables, about, page, progress, clock, seed=settings.seed, extras=extras)
            refuse_poor(evaluation, thresholds)
        report = load_tables(learned.model, learned.rows, tables, target, settings.seed, replace, progress, clock)
    return dataclasses.replace(report, evaluation=evaluation)


def _compared(
    learned: Learned, tables: Mapping[str, pa.Table], about: Mapping[str, Any], page: Path | None, progress: Progress,
    clock: Clock, **options: Any,
) -> Evaluation:  # fmt: skip
    """The figures of drawn rows beside the real ones."""
    with clock("compare"):
        plan, real = learned.plan, {name: learned.read(name) for name in tables}
        held_out = learned.read_held_out and {name: learned.read_held_out(name) for name in tables}
        comparison = Comparison.of(
            plan.schema, real, tables, leave_out=plan.invented, kept=plan.kept, held_out=held_out
        )
    notes = (*plan.real_values, *plan.notes)
    return assess_and_show(comparison, plan, about, clock, page, progress, notes=notes, **options)


def demo(
    folder: Path,
    settings: Settings = Settings(),  # noqa: B008 (frozen)
    *,
    progress: Progress = QUIET,
) -> Report:
    """Build a small shop in ``folder``, clone it into a second SQLite file beside it, and compare."""
    source, target = folder / "shop.db", folder / "synthetic.db"
    build_shop(source, settings.seed)
    return clone(f"sqlite:///{source}", f"sqlite:///{target}", settings, replace=True, progress=progress)
