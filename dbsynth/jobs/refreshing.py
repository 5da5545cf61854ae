"""Renew a synthetic database: learn only what has changed, and swap the new rows in only if they are good enough.

The order is what makes it safe to run unattended. The source is read, compared with the bundle and learned if need be;
rows are drawn and held against the thresholds; then the bundle is saved, and only then is the target touched, all or
nothing.
"""

from __future__ import annotations

import secrets
import shutil
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from ..bundle import put_back, save_bundle
from ..errors import ConnectError, DbsynthError, DecisionError, SchemaError, TargetError
from ..evolution import missing_in, still_there, without
from ..exposition import write_exposition
from ..history import add_run, hold, read_runs
from ..job import Job
from ..learning import learn
from ..model import DatabaseModel
from ..progress import QUIET, Deadline, Progress, now
from ..quality.comparison import Comparison
from ..quality.evaluation import Evaluation
from ..relations import with_virtual_keys
from ..reports import Clock, RefreshReport, Report
from ..workspace import Workspace
from .evaluating import assess_and_show, refuse_poor, versions
from .outlook import Action, Outlook, look
from .steps import (
    check_device,
    check_target,
    draw_rows,
    load_mode,
    load_tables,
    note_connections,
    open_database,
    refuse_nulls,
    refuse_same,
)

if TYPE_CHECKING:
    from adapters import Adapter

__all__ = ["new_run", "plan", "refresh"]

_WAITS = (1, 3, 9, 27)  # seconds before a server that does not answer yet is tried again


def new_run() -> str:
    """An id for a run."""
    return secrets.token_hex(4)


def plan(job: Job, *, refit: bool = False, progress: Progress = QUIET) -> Outlook:
    """What `refresh` would do, and what stands in its way; changes nothing."""
    check_device(job.device)
    with (
        closing(open_database(job.source)) as source,
        closing(open_database(job.target)) as target,
        Workspace(job.workspace, encrypted=job.encrypt_workspace) as work,
    ):
        refuse_same(source, target)
        outlook = look(job, source, work, progress, refit=refit)
        if outlook.plan is None:
            return _beside(target, outlook, job)
        if outlook.obstacles:
            return outlook
        alterations = _alterations(target, outlook)
        try:
            missing = _check_target(job, work.read, target, outlook, progress)
        except (SchemaError, TargetError) as error:
            return replace(outlook, plan=replace(outlook.plan, obstacles=(str(error),)), alterations=alterations)
        return replace(outlook, notes=(*outlook.notes, *_left_out(missing)), alterations=alterations)


def refresh(
    job: Job, *, refit: bool = False, run: str | None = None, progress: Progress = QUIET
) -> RefreshReport:
    """Renew the target of a job.

    Args:
        refit: learn from nothing, whatever the bundle holds.
        run: an id for the run's record; None makes one.

    Raises:
        DecisionError: the schema has changed in a way that a person has to look at.
        QualityError: the new rows are below the thresholds.
        DeadlineError: the time was up before the target was touched.
        DbsynthError: anything else a user can act on. The target is then as it was, whatever is raised.
    """
    record = _Record(job, run or new_run())
    with record.written(), hold(job.bundle):
        put_back(job.bundle)
        if job.deadline is not None:
            progress = Deadline(progress, job.deadline.total_seconds())
        check_device(job.device)
        with (
            closing(_reach(job.source, progress)) as source,
            closing(_reach(job.target, progress)) as target,
            Workspace(job.workspace, encrypted=job.encrypt_workspace) as work,
        ):
            refuse_same(source, target)
            note_connections(progress, source, target)
            with target.lock():
                return _renew(job, source, target, work, progress, record, refit)


def _renew(
    job: Job, source: Adapter, target: Adapter, work: Workspace, progress: Progress, record: _Record, refit: bool
) -> RefreshReport:
    clock = record.clock
    with clock("read"):
        outlook = look(job, source, work, progress, refit=refit)
    if outlook.action is Action.STOP:
        outlook = _beside(target, outlook, job)
    record.saw(outlook, source, target)
    if outlook.action is Action.STOP:
        raise DecisionError(
            f"{'; '.join(outlook.why)}. The target is as it was. If that is meant, run `dbsynth refresh --refit` once"
            f"{_how(outlook.alterations)}"
        )
    missing = _check_target(job, work.read, target, outlook, progress)
    progress.note(f"{outlook.action}: {'; '.join(outlook.why)}")
    for note in (*outlook.other_notes, *_left_out(missing), *outlook.plan.real_values):
        progress.note(note)
    if (missing or outlook.gone) and (alterations := _alterations(target, outlook)):
        progress.note(f"the source has changed{_how(alterations)}")
    model = outlook.model
    if outlook.action is not Action.GENERATE:
        with clock("fit"):
            model = _learned(job, outlook, work, progress)
    tables = draw_rows(model, job.settings(record.seed), progress, clock)
    evaluation = None
    if job.evaluate:
        evaluation = _judged(job, outlook, tables, work.read, source, target, record, progress)
    if outlook.action is not Action.GENERATE:
        with clock("save"):
            save_bundle(model, job.bundle, replace=True)
            shutil.rmtree(unfinished(job.bundle), ignore_errors=True)
    if isinstance(progress, Deadline):
        progress.check("the target was touched")
    written = replace(model, schema=without(model.schema, missing))
    tables = {
        name: table.select([c for c in table.column_names if c not in missing.get(name, ())])
        for name, table in tables.items()
    }
    report = load_tables(
        written, outlook.plan.rows, tables, target, record.seed, job.replace, progress, clock
    )
    record.wrote(report)
    return RefreshReport(record.run, str(outlook.action), outlook.why, report.with_evaluation(evaluation))


def unfinished(bundle: Path) -> Path:
    """Where a fit keeps the tables that it has finished, until it has all of them."""
    return bundle.with_name(f"{bundle.name}.unfinished")


def _reach(url: str, progress: Progress) -> Adapter:
    """The database, which may be about to start: nothing has begun yet, so that trying again is safe."""
    for wait in _WAITS:
        try:
            return open_database(url)
        except ConnectError as error:
            if not error.may_pass:
                raise
            progress.note(f"{error}; trying again in {wait} s")
            time.sleep(wait)
    return open_database(url)


def _check_target(
    job: Job, read: Callable[[str], pa.Table], target: Adapter, outlook: Outlook, progress: Progress
) -> dict[str, tuple[str, ...]]:
    """Raise what a load would; by table the new columns that the target does not have, which are left out."""
    if outlook.plan.obstacles:
        raise SchemaError(" ".join(outlook.plan.obstacles))
    missing: dict[str, tuple[str, ...]] = {}
    if outlook.added:
        with suppress(ConnectError):  # a file that the load will make
            missing = missing_in(target.read_schema(), outlook.added)
    schema = without(outlook.plan.schema, missing)
    try:
        check_target(target, schema, job.replace, progress)
    except TargetError as error:
        raise TargetError(f"{error}{_how(_alterations(target, outlook))}") from error
    refuse_nulls(schema, read, target, outlook.settings)
    return missing


def _beside(target: Adapter, outlook: Outlook, job: Job) -> Outlook:
    """The outlook where nothing can be done yet, with what the target holds of it and what it would refuse."""
    if outlook.schema is None:
        return outlook
    try:
        found = target.read_schema()
    except ConnectError:  # a file that the load will make
        return outlook
    why, notes = still_there(found, outlook.schema, outlook.gone)
    try:
        schema = with_virtual_keys(outlook.schema, None, outlook.settings)
        notes += target.check_target(without(schema, missing_in(found, outlook.added)), load_mode(job.replace))
    except DbsynthError as error:
        why.append(str(error))
    return replace(
        outlook, why=(*outlook.why, *why), notes=(*outlook.notes, *notes), alterations=_alterations(target, outlook)
    )


def _alterations(target: Adapter, outlook: Outlook) -> tuple[str, ...]:
    return tuple(target.alterations(outlook.schema, outlook.gone))


def _how(alterations: Collection[str]) -> str:
    """How the target would follow the source, to end a sentence with."""
    return f"; for the target to follow: {'; '.join(alterations)}" if alterations else ""


def _left_out(missing: Mapping[str, tuple[str, ...]]) -> list[str]:
    return [
        f"column {table}.{name} is new, and the target does not have it; it is left out until you add it there"
        for table, names in missing.items() for name in names
    ]  # fmt: skip


def _learned(job: Job, outlook: Outlook, work: Workspace, progress: Progress) -> DatabaseModel:
    return learn(
        outlook.plan, work.read, outlook.settings, progress=progress, added=outlook.added,
        earlier=outlook.model if outlook.action is Action.WARM_START else None, unfinished=unfinished(job.bundle),
    )  # fmt: skip


def _judged(
    job: Job, outlook: Outlook, tables: dict[str, pa.Table], read: Callable[[str], pa.Table], source: Adapter,
    target: Adapter, record: _Record, progress: Progress,
) -> Evaluation:  # fmt: skip
    """The figures of rows that nobody has seen yet.

    Raises:
        QualityError: they miss a threshold.
    """
    plan, clock = outlook.plan, record.clock
    with clock("compare"):
        real = {name: read(name) for name in tables}
        comparison = Comparison.of(plan.schema, real, tables, leave_out=plan.invented, kept=plan.kept)
    about = {"real": source.url, "synthetic": target.url, "settings": outlook.settings.model_dump(mode="json")}
    evaluation = assess_and_show(
        comparison, plan, about, clock, job.report, progress, seed=record.seed, extras=job.extras,
        notes=(*plan.real_values, *plan.notes),
    )  # fmt: skip
    record.judged(evaluation)
    refuse_poor(evaluation, job.thresholds.all)
    return evaluation


@dataclass
class _Record:
    """What is told of a run when it has ended, however it does."""

    job: Job
    run: str
    clock: Clock = field(default_factory=Clock)
    told: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.seed = self.job.seed if isinstance(self.job.seed, int) else secrets.randbelow(2**31)
        settings = self.job.settings(self.seed).model_dump(mode="json", exclude_defaults=True)
        self.told = {
            "run": self.run, "began": now(), "ended": "", "status": 0, "error": None, "action": None, "why": [],
            "seed": self.seed, "settings": settings, "versions": versions(),
        }  # fmt: skip

    def saw(self, outlook: Outlook, source: Adapter, target: Adapter) -> None:
        self.told |= {
            "source": source.url, "target": target.url, "action": str(outlook.action), "why": list(outlook.why),
            "notes": list(outlook.notes), "drift": {moved.what: moved.distance for moved in outlook.drift},
        }  # fmt: skip
        if outlook.plan is not None:
            self.told["fingerprint"] = outlook.plan.schema.fingerprint

    def judged(self, evaluation: Evaluation) -> None:
        scores = {name: item.to_json()["score"] for name, item in evaluation.summary.items()}
        self.told["scores"] = scores

    def wrote(self, report: Report) -> None:
        self.told["rows"] = {table.name: table.rows for table in report.tables}

    @contextmanager
    def written(self) -> Iterator[None]:
        """Write the record and the metrics when the context ends, however it does."""
        try:
            yield
        except BaseException as error:
            self.told |= {"status": _status(error), "error": str(error) if isinstance(error, DbsynthError) else
                          type(error).__name__}  # fmt: skip
            raise
        finally:
            self.told |= {"ended": now(), "seconds": {name: round(s, 3) for name, s in self.clock.seconds.items()}}
            add_run(self.job.bundle, self.told)
            if self.job.metrics is not None:
                write_exposition(self.job.metrics, read_runs(self.job.bundle) or [self.told])


def _status(error: BaseException) -> int:
    if isinstance(error, SystemExit):
        return error.code if isinstance(error.code, int) else 1
    return 130 if isinstance(error, KeyboardInterrupt) else getattr(error, "exit_status", 1)
