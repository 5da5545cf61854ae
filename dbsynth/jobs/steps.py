"""What the verbs share: look whether a run can end well, read and learn a source, write a target."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import pyarrow as pa
import torch

from ..config import Settings
from ..decoding import synthesise
from ..errors import ConfigError, ConnectError, TargetError
from ..given import GivenRows
from ..learning import learn
from ..model import DatabaseModel
from ..plan import Plan, make_plan
from ..progress import Progress
from ..quality.comparison import Rows
from ..quality.lineage import dimension_tables, held_out_rows
from ..reading import counted, take_snapshot
from ..relations import with_virtual_keys
from ..reports import Clock, Report, TableReport
from ..schema import Schema
from ..workspace import Workspace

try:
    from adapters import Mode, open_database
except ImportError as error:
    raise ImportError(
        "the import package `adapters` is not dbsynth's: another distribution of that name is installed; "
        "install dbsynth into an environment of its own"
    ) from error

if TYPE_CHECKING:
    from adapters import Adapter, Violation

__all__ = [
    "Learned", "Mode", "Replace", "agree_rates", "check_device", "check_file", "check_target", "draw_rows",
    "learn_source", "load_mode", "load_tables", "note_connections", "open_database", "refuse_nulls", "refuse_same",
    "source_schema", "write_target",
]  # fmt: skip

# What may become of a target's rows: nothing; new tables take their place at once; new rows in the same tables.
Replace = bool | Literal["swap", "in-place"] | None

_BATCH_ROWS = 50_000


def check_file(path: Path | None) -> None:
    """Say it before hours of work that their result cannot be written."""
    if path is not None and (path.is_dir() or not path.absolute().parent.is_dir()):
        raise ConfigError(f"{path} cannot be written: expected a file in a folder that is there")


def check_device(name: str) -> None:
    try:
        torch.zeros(1, device=name)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).partition("\n")[0]
        raise ConfigError(
            f"device is {name!r}, where torch cannot compute here ({reason}); expected cpu, cuda, cuda:1 or mps"
        ) from error


@dataclass(frozen=True)
class Learned:
    """A model, and the real rows behind it."""

    model: DatabaseModel
    plan: Plan
    rows: Mapping[str, int]  # of the source, those held out among them
    read: Callable[[str], pa.Table]  # the rows it was learned from
    read_held_out: Callable[[str], pa.Table] | None  # those it has not seen


def refuse_nulls(schema: Schema, read: Callable[[str], pa.Table], target: Adapter, settings: Settings) -> None:
    """Raise TargetError where the source's rows hold nulls that tables of the target do not take.

    Args:
        read: gives a table's rows.
    """
    try:
        found = target.read_schema()
    except ConnectError:  # a file that is not there yet
        return
    if problems := list(_nulls_refused(schema, read, found, settings)):
        raise TargetError(
            f"the target takes no null where the source has some: {'; '.join(problems)}; let it take them, or give "
            "these columns a value in the settings file"
        )


def _nulls_refused(
    schema: Schema, read: Callable[[str], pa.Table], found: Schema, settings: Settings
) -> Iterator[str]:
    for table in schema.tables:
        here = found.table(table.name).columns if table.name in found.table_names else ()
        strict = {column.name for column in here if not column.nullable}
        for column in table.columns:
            decision = settings.decision(table.name, column.name)
            is_constant = decision is not None and decision.fate == "constant"
            if column.name in strict and column.nullable and column.generated is None and not is_constant:
                n = read(table.name).column(column.name).null_count
                if n:
                    yield f"column {column.name!r} of table {table.name!r} in {n:,} rows"


def learn_source(
    source: Adapter, workspace: Workspace, settings: Settings, progress: Progress, clock: Clock, holdout: float = 0.0,
    target: Adapter | None = None,
) -> Learned:  # fmt: skip
    """Read the source once, decide, and learn; the source is not needed after.

    Raises:
        TargetError: the rows hold nulls that tables of ``target`` do not take.
    """
    with clock("read"):
        schema = source_schema(source, settings)
        rows = take_snapshot(source, schema, workspace, progress)
        if target is not None:
            refuse_nulls(schema, workspace.read, target, settings)
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
        return Learned(learn(plan, read, settings, progress=progress), plan, rows, read, read_held_out)


def _hold_out(plan: Plan, workspace: Workspace, share: float, seed: int) -> dict[str, np.ndarray]:
    rows = Rows.of(plan.schema, {name: workspace.read(name) for name in plan.schema.table_names})
    fixed = {*plan.kept, *dimension_tables(plan.schema, rows)}
    return held_out_rows(plan.schema, rows, share, fixed=fixed, rng=np.random.default_rng(seed))


def write_target(
    model: DatabaseModel,
    rows: Mapping[str, int],
    target: Adapter,
    settings: Settings,
    replace: Replace,
    progress: Progress,
    clock: Clock,
    given: GivenRows | None = None,
) -> tuple[Report, dict[str, pa.Table]]:
    """Draw the rows, load them all or nothing, and let the server validate every constraint."""
    tables = draw_rows(model, settings, progress, clock, given)
    real = frozenset(given.tables) - set(model.kept) if given else frozenset()
    report = load_tables(model, rows, tables, target, settings.seed, replace, progress, clock, real)
    if real:
        progress.note(f"the target holds the real rows of {', '.join(sorted(real))}: it is no synthetic database")
    return report, tables


def draw_rows(
    model: DatabaseModel, settings: Settings, progress: Progress, clock: Clock, given: GivenRows | None = None
) -> dict[str, pa.Table]:
    """Synthetic rows by table, in memory."""
    with clock("generate"):
        return synthesise(
            model, scale=settings.scale, seed=settings.seed, device=settings.device, given=given, progress=progress
        )


def load_tables(
    model: DatabaseModel,
    rows: Mapping[str, int],
    tables: Mapping[str, pa.Table],
    target: Adapter,
    seed: int,
    replace: Replace,
    progress: Progress,
    clock: Clock,
    given: Collection[str] = (),
) -> Report:
    """Load drawn rows all or nothing, and let the server validate every constraint.

    Args:
        given: the tables with real rows among the drawn ones, or nothing but real ones.
    """
    schema = model.schema.declared
    with ExitStack() as stack:
        with clock("load"):
            load = stack.enter_context(target.load(schema, load_mode(replace)))
            for name, table in tables.items():
                with progress.stage(f"writing {name}", total=table.num_rows, unit="rows") as advance:
                    batches = iter(table.to_batches(_BATCH_ROWS) or [pa.RecordBatch.from_pylist([], table.schema)])
                    load.write_rows(schema.table(name), counted(batches, advance))
        with clock("validate"), progress.stage("validating"):
            _refuse_violations(load.validate(), target)
        with clock("load"):
            stack.close()  # the moment from which on the rows are seen
    fates = dict.fromkeys(given, "given") | dict.fromkeys(model.kept, "kept")
    reports = tuple(
        TableReport(t.name, rows[t.name], tables[t.name].num_rows, fates.get(t.name, "modelled"))
        for t in schema.tables
    )
    losses = (*target.losses(schema), *load.losses)
    return Report(target.url, seed, reports, losses, clock.seconds, agree_rates(model))


def source_schema(source: Adapter, settings: Settings) -> Schema:
    """The source's schema as a target is to be told it."""
    schema = source.read_schema()
    return schema if settings.ddl == "native" else schema.tables_only


def _refuse_violations(violations: Sequence[Violation], target: Adapter) -> None:
    """Before anybody sees the rows."""
    if violations:
        broken = [f"{v.constraint!r} of table {v.table!r} ({v.rows} rows)" for v in violations[:5]]
        raise TargetError(
            f"the new rows break {', '.join(broken)}{' …' if len(violations) > 5 else ''}; {target.url} is left as it "
            "was: this is a fault of dbsynth, please report it with the schema"
        )


def load_mode(replace: Replace) -> Mode:
    modes = {False: Mode.CREATE, True: Mode.REPLACE, "swap": Mode.REPLACE, "in-place": Mode.IN_PLACE}
    return modes[replace or False]


def refuse_same(source: Adapter, target: Adapter) -> None:
    """Raise TargetError where both are one database, however the two URLs are spelled."""
    if source.identity == target.identity:
        raise TargetError(
            f"source and target are the same database ({target.url}); name another target, nothing was changed"
        )


def note_connections(progress: Progress, *databases: Adapter) -> None:
    """Say where nothing proves who answers."""
    for database in databases:
        if database.unverified:
            progress.note(database.unverified)


def check_target(target: Adapter, schema: Schema, replace: Replace, progress: Progress) -> None:
    """Whether the target would take the rows, and what the user should know before.

    Raises:
        TargetError: it would not.
    """
    for note in target.check_target(schema, load_mode(replace)):
        progress.note(note)


def agree_rates(model: DatabaseModel) -> dict[str, float]:
    return {name: latent.agree_rate for name, latent in model.engine.latents.items()}
