"""The verbs, for the command line and Python alike: inspect, fit, generate, clone, evaluate, demo.

This is where the two halves meet: adapters know databases and nothing of models, models know numbers and nothing of
SQL.
"""

from __future__ import annotations

import dataclasses
import json
import platform
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pyarrow as pa
import torch

from .bundle import load_bundle, save_bundle
from .config import Settings, make_settings
from .decoding import synthesise
from .errors import BundleError, ConfigError, TargetError
from .learning import learn
from .model import DatabaseModel
from .plan import Plan, make_plan
from .progress import QUIET, Progress
from .quality.assess import assess
from .quality.common import common_schema, readable
from .quality.comparison import Comparison, Rows
from .quality.evaluation import ColumnNote, Evaluation, TableNote
from .quality.lineage import dimension_tables, held_out_rows
from .quality.report import render
from .quality.report.distributions import distributions
from .reading import counted, take_snapshot
from .relations import with_virtual_keys
from .reports import Clock, FitReport, Report, TableReport
from .shop import build_shop
from .workspace import Workspace

try:
    from adapters import Mode, open_database
except ImportError as error:
    raise ImportError(
        "the import package `adapters` is not dbsynth's: another distribution of that name is installed; "
        "install dbsynth into an environment of its own"
    ) from error

if TYPE_CHECKING:
    from adapters import Adapter, Violation

    from .schema import Schema

__all__ = [
    "Evaluation",
    "FitReport",
    "Plan",
    "Report",
    "TableReport",
    "clone",
    "demo",
    "evaluate",
    "fit",
    "generate",
    "inspect",
]

_BATCH_ROWS = 50_000

# What may become of a target's rows: nothing; new tables take their place at once; new rows in the same tables.
Replace = bool | Literal["swap", "in-place"] | None


def inspect(
    url: str,
    settings: Settings = Settings(),  # noqa: B008 (frozen)
    *,
    progress: Progress = QUIET,
) -> Plan:
    """What a run would do to a database, and what stands in the way; changes nothing."""
    with closing(open_database(url)) as source, Workspace() as workspace:
        _note_connections(progress, source)
        schema = source.read_schema()
        rows = take_snapshot(source, schema, workspace, progress)
        schema = with_virtual_keys(schema, workspace.read, settings)
        return make_plan(schema, workspace.read, rows, settings)


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
    _check_device(settings.device)
    clock = Clock()
    with closing(open_database(url)) as source, Workspace() as workspace:
        _note_connections(progress, source)
        model = _learn(source, workspace, settings, progress, clock).model
        with clock("save"):
            save_bundle(model, bundle, replace=replace)
    return FitReport(str(bundle), settings.seed, model.rows, _agree_rates(model), clock.seconds)


def generate(
    bundle: Path,
    target_url: str,
    *,
    scale: float | None = None,
    seed: int | None = None,
    device: str | None = None,
    replace: Replace = False,
    progress: Progress = QUIET,
) -> Report:
    """Write a synthetic database from a bundle; what is None is as it was fitted.

    Args:
        replace: True or "swap": the new tables take the place of those with rows, which stand until then; "in-place":
            the rows are replaced in the same tables, in one transaction; else a target with rows is refused.

    Raises:
        DbsynthError: see the tree in `errors`; the target is as it was then.
    """
    clock = Clock()
    with clock("open"):
        model = load_bundle(bundle)
    chosen = {"scale": scale, "seed": seed, "device": device}
    settings = make_settings(model.settings.model_dump() | {k: v for k, v in chosen.items() if v is not None})
    _check_device(settings.device)
    with closing(open_database(target_url)) as target:
        _note_connections(progress, target)
        _check_target(target, model.schema.declared, replace, progress)
        return _write(model, model.rows, target, settings, replace, progress, clock)[0]


def clone(
    source_url: str,
    target_url: str,
    settings: Settings = Settings(),  # noqa: B008 (frozen)
    *,
    replace: Replace = False,
    evaluate: bool = True,
    extras: bool = False,
    holdout: float = 0.0,
    page: Path | None = None,
    progress: Progress = QUIET,
) -> Report:
    """Learn one database and write a synthetic one.

    Args:
        replace: as in `generate`.
        evaluate: compare the synthetic rows with the real ones, once they stand in the target.
        extras: train classifiers for it too: minutes.
        holdout: share of the rows of root tables, below 1, that is kept from training, with all that descends from
            them, so that privacy can be measured against rows that were never learned. The synthetic database is as
            large as the source all the same.
        page: where the evaluation is written as an HTML page; None: nowhere.

    Raises:
        DbsynthError: see the tree in `errors`; the target is as it was then.
    """
    _check_device(settings.device)
    _check_file(page)
    clock = Clock()
    with (
        closing(open_database(source_url)) as source,
        closing(open_database(target_url)) as target,
        Workspace() as work,
    ):
        if source.identity == target.identity:
            raise TargetError(
                f"source and target are the same database ({target.url}); name another target, nothing was changed"
            )
        _note_connections(progress, source, target)
        _check_target(target, source.read_schema(), replace, progress)
        learned = _learn(source, work, settings, progress, clock, holdout)
        grown = settings.model_copy(update={"scale": settings.scale / (1 - holdout)})
        report, tables = _write(learned.model, learned.rows, target, grown, replace, progress, clock)
        if not evaluate:
            return report
        with clock("compare"):
            plan, real = learned.plan, {name: learned.read(name) for name in tables}
            held_out = learned.read_held_out and {name: learned.read_held_out(name) for name in tables}
            comparison = Comparison.of(
                plan.schema, real, tables, leave_out=plan.invented, kept=plan.kept, held_out=held_out
            )
        about = {"real": source.url, "synthetic": target.url, "settings": settings.model_dump(), "holdout": holdout}
        evaluation = _assess(
            comparison, plan, about, clock, page, progress, seed=settings.seed, extras=extras,
            notes=(*plan.real_values, *plan.notes),
        )
    return dataclasses.replace(report, evaluation=evaluation, seconds=clock.seconds)


def evaluate(
    real_url: str,
    synthetic_url: str,
    settings: Settings = Settings(),  # noqa: B008 (frozen)
    *,
    tables: Collection[str] = (),
    sample_rows: int | None = None,
    extras: bool = True,
    holdout_url: str | None = None,
    page: Path | None = None,
    document: Path | None = None,
    progress: Progress = QUIET,
) -> Evaluation:
    """Compare two databases of one schema, whoever made the second; both are only read.

    Args:
        settings: of these only `keep`, `no_keep`, `tables`, `rare` and `seed` count: what is meant to be a copy or
            invented, and the seed of samples and folds.
        tables: compare these only; empty: all that the two have in common.
        sample_rows: most rows of a table that are looked at where all of them are dear.
        extras: train classifiers too: minutes.
        holdout_url: a database with real rows that the maker of the synthetic one has not seen.
        page: where the evaluation is written as an HTML page; None: nowhere.
        document: where every figure is written as JSON, likewise.

    Raises:
        DbsynthError: see the tree in `errors`.
    """
    for path in (page, document):
        _check_file(path)
    clock = Clock()
    with ExitStack() as stack:
        databases = [stack.enter_context(closing(open_database(url)))
                     for url in (real_url, synthetic_url, holdout_url) if url is not None]  # fmt: skip
        _note_connections(progress, *databases)
        spaces = [stack.enter_context(Workspace()) for _ in databases]
        with clock("read"):
            schemas = [database.read_schema() for database in databases]
            schema, notes = common_schema(schemas[0], schemas[1], tables)
            rows = [
                take_snapshot(database, readable(own, schema), space, progress)
                for database, own, space in zip(databases, schemas, spaces, strict=True)
            ]
        with clock("compare"), progress.stage("comparing"):
            said = settings.about({table.name: table.column_names for table in schema.tables})
            plan = make_plan(schema, spaces[0].read, rows[0], said)
            sides = [{name: space.read(name) for name in schema.table_names} for space in spaces]
            comparison = Comparison.of(
                schema, *sides[:2], leave_out=plan.invented, kept=plan.kept, held_out=sides[2] if sides[2:] else None
            )
        about = {"real": databases[0].url, "synthetic": databases[1].url, "sample_rows": sample_rows}
        evaluation = _assess(
            comparison, plan, about, clock, page, progress,
            seed=settings.seed, extras=extras, sample_rows=sample_rows, notes=notes,
        )  # fmt: skip
    if document is not None:
        document.write_text(json.dumps(evaluation.to_json(), indent=2, allow_nan=False), encoding="utf-8")
    return evaluation


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


def _assess(
    comparison: Comparison,
    plan: Plan,
    about: Mapping[str, Any],
    clock: Clock,
    page: Path | None,
    progress: Progress,
    *,
    seed: int,
    **options: Any,
) -> Evaluation:
    """Every figure, and the page that shows them."""
    about = {
        **about, "seed": seed, "at": datetime.now(UTC).isoformat(timespec="seconds"), "versions": _versions(),
        "seconds": clock.seconds,
    }  # fmt: skip
    evaluation = assess(
        comparison, _table_notes(comparison, plan), seed=seed, about=about, clock=clock, progress=progress, **options
    )
    if page is not None:
        with clock("page"), progress.stage("writing the page"):
            page.write_text(render(evaluation, distributions(comparison)), encoding="utf-8")
    return evaluation


def _table_notes(comparison: Comparison, plan: Plan) -> Iterator[TableNote]:
    for name in comparison.schema.table_names:
        columns = (ColumnNote(c.column, c.kind, c.fate, c.why) for c in plan.columns if c.table == name)
        yield TableNote(
            name, comparison.real.count(name), comparison.synthetic.count(name), name in plan.kept, tuple(columns)
        )


def _versions() -> dict[str, str]:
    versions = {"python": platform.python_version()}
    for name in ("dbsynth", "torch", "numpy", "scikit-learn"):
        with suppress(metadata.PackageNotFoundError):  # run from its folder, without an installation
            versions[name] = metadata.version(name)
    return versions


def _check_file(path: Path | None) -> None:
    """Say it before hours of work that their result cannot be written."""
    if path is not None and (path.is_dir() or not path.absolute().parent.is_dir()):
        raise ConfigError(f"{path} cannot be written: expected a file in a folder that is there")


def _check_device(name: str) -> None:
    try:
        torch.zeros(1, device=name)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).partition("\n")[0]
        raise ConfigError(
            f"device is {name!r}, where torch cannot compute here ({reason}); expected cpu, cuda, cuda:1 or mps"
        ) from error


@dataclass(frozen=True)
class _Learned:
    """A model, and the real rows behind it."""

    model: DatabaseModel
    plan: Plan
    rows: Mapping[str, int]  # of the source, those held out among them
    read: Callable[[str], pa.Table]  # the rows it was learned from
    read_held_out: Callable[[str], pa.Table] | None  # those it has not seen


def _learn(
    source: Adapter, workspace: Workspace, settings: Settings, progress: Progress, clock: Clock, holdout: float = 0.0
) -> _Learned:
    """Read the source once, decide, and learn; the source is not needed after."""
    with clock("read"):
        schema = source.read_schema()
        rows = take_snapshot(source, schema, workspace, progress)
    with clock("fit"):
        schema = with_virtual_keys(schema, workspace.read, settings)
        plan, read, read_held_out = make_plan(schema, workspace.read, rows, settings), workspace.read, None
        if holdout:
            held = _hold_out(plan, workspace, holdout, settings.seed)

            def read(name: str) -> pa.Table:
                return workspace.read(name).filter(pa.array(~held[name]))

            def read_held_out(name: str) -> pa.Table:
                return workspace.read(name).filter(pa.array(held[name]))

            plan = make_plan(schema, read, {name: int((~chosen).sum()) for name, chosen in held.items()}, settings)
        for name, why in plan.kept.items():
            progress.note(f"table {name} is copied as it is: {why}")
        for note in plan.real_values:
            progress.note(note)
        return _Learned(learn(plan, read, settings, progress=progress), plan, rows, read, read_held_out)


def _hold_out(plan: Plan, workspace: Workspace, share: float, seed: int) -> dict[str, np.ndarray]:
    rows = Rows.of(plan.schema, {name: workspace.read(name) for name in plan.schema.table_names})
    fixed = {*plan.kept, *dimension_tables(plan.schema, rows)}
    return held_out_rows(plan.schema, rows, share, fixed=fixed, rng=np.random.default_rng(seed))


def _write(
    model: DatabaseModel,
    rows: Mapping[str, int],
    target: Adapter,
    settings: Settings,
    replace: Replace,
    progress: Progress,
    clock: Clock,
) -> tuple[Report, dict[str, pa.Table]]:
    """Draw the rows, load them all or nothing, and let the server validate every constraint."""
    with clock("generate"):
        tables = synthesise(model, scale=settings.scale, seed=settings.seed, device=settings.device, progress=progress)
    schema = model.schema.declared
    with clock("load"), target.load(schema, _mode(replace)) as load:
        for name, table in tables.items():
            with progress.stage(f"writing {name}", total=table.num_rows, unit="rows") as advance:
                batches = iter(table.to_batches(_BATCH_ROWS) or [pa.RecordBatch.from_pylist([], table.schema)])
                load.write_rows(schema.table(name), counted(batches, advance))
        with progress.stage("validating"):
            _refuse_violations(load.validate(), target)
    reports = tuple(
        TableReport(t.name, rows[t.name], tables[t.name].num_rows, "kept" if t.name in model.kept else "modelled")
        for t in schema.tables
    )
    losses = tuple(target.losses(schema))
    report = Report(target.url, settings.seed, reports, losses, clock.seconds, _agree_rates(model))
    return report, tables


def _refuse_violations(violations: Sequence[Violation], target: Adapter) -> None:
    """Before anybody sees the rows."""
    if violations:
        broken = [f"{v.constraint!r} of table {v.table!r} ({v.rows} rows)" for v in violations[:5]]
        raise TargetError(
            f"the new rows break {', '.join(broken)}{' …' if len(violations) > 5 else ''}; {target.url} is left as it "
            "was: this is a fault of dbsynth, please report it with the schema"
        )


def _mode(replace: Replace) -> Mode:
    modes = {False: Mode.CREATE, True: Mode.REPLACE, "swap": Mode.REPLACE, "in-place": Mode.IN_PLACE}
    return modes[replace or False]


def _note_connections(progress: Progress, *databases: Adapter) -> None:
    for database in databases:
        if database.unverified:
            progress.note(database.unverified)


def _check_target(target: Adapter, schema: Schema, replace: Replace, progress: Progress) -> None:
    for note in target.check_target(schema, _mode(replace)):
        progress.note(note)


def _agree_rates(model: DatabaseModel) -> dict[str, float]:
    return {name: latent.agree_rate for name, latent in model.engine.latents.items()}
