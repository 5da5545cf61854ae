"""The verbs, for the command line and Python alike: inspect, fit, generate, clone, demo.

This is where the two halves meet: adapters know databases and nothing of models, models know numbers and nothing of
SQL.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import torch

from .bundle import load_bundle, save_bundle
from .config import Settings, make_settings
from .decoding import synthesise
from .errors import BundleError, ConfigError, SchemaError, TargetError
from .learning import learn
from .model import DatabaseModel
from .plan import Fate, Plan, make_plan
from .progress import QUIET, Progress
from .quality.comparison import Comparison
from .quality.measures import measure
from .schema import Schema
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

__all__ = ["FitReport", "Plan", "Report", "TableReport", "clone", "demo", "fit", "generate", "inspect"]

_BATCH_ROWS = 50_000


@dataclass(frozen=True)
class TableReport:
    """One table of a synthetic database; `real_rows` are those of the source when it was read."""

    name: str
    real_rows: int
    rows: int
    fate: str  # "modelled" or "kept"


@dataclass(frozen=True)
class FitReport:
    """What a fit leaves; `agree_rates` are those of the clusters by foreign key."""

    bundle: str
    seed: int
    rows: Mapping[str, int]
    agree_rates: Mapping[str, float]
    seconds: Mapping[str, float]

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Report:
    """What a synthetic database is: rows, measures against the source, and the server's word on every constraint."""

    target: str  # with the password masked
    seed: int
    tables: tuple[TableReport, ...]
    scores: Mapping[str, float] | None
    violations: tuple[Violation, ...]
    losses: tuple[str, ...]
    seconds: Mapping[str, float]
    agree_rates: Mapping[str, float] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        data = asdict(self)
        if self.scores is not None:
            data["scores"] = {name: None if score != score else score for name, score in self.scores.items()}
        return data


def inspect(
    url: str,
    settings: Settings = Settings(),  # noqa: B008 (frozen)
    *,
    progress: Progress = QUIET,
) -> Plan:
    """What a run would do to a database, and what stands in the way; changes nothing."""
    with closing(open_database(url)) as source, Workspace() as workspace:
        schema = source.read_schema()
        rows = _take_snapshot(source, schema, workspace, progress)
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
    clock = _Clock()
    with closing(open_database(url)) as source, Workspace() as workspace:
        model = _learn(source, workspace, settings, progress, clock)
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
    replace: bool = False,
    progress: Progress = QUIET,
) -> Report:
    """Write a synthetic database from a bundle; what is None is as it was fitted.

    Raises:
        DbsynthError: see the tree in `errors`; the target is as it was then.
    """
    clock = _Clock()
    with clock("open"):
        model = load_bundle(bundle)
    chosen = {"scale": scale, "seed": seed, "device": device}
    settings = make_settings(model.settings.model_dump() | {k: v for k, v in chosen.items() if v is not None})
    _check_device(settings.device)
    with closing(open_database(target_url)) as target:
        target.check_target(model.schema, _mode(replace))
        return _write(model, target, settings, replace, progress, clock)[0]


def clone(
    source_url: str,
    target_url: str,
    settings: Settings = Settings(),  # noqa: B008 (frozen)
    *,
    replace: bool = False,
    evaluate: bool = True,
    progress: Progress = QUIET,
) -> Report:
    """Learn one database and write a synthetic one.

    Raises:
        DbsynthError: see the tree in `errors`; the target is as it was then.
    """
    _check_device(settings.device)
    clock = _Clock()
    with (
        closing(open_database(source_url)) as source,
        closing(open_database(target_url)) as target,
        Workspace() as work,
    ):
        if source.identity == target.identity:
            raise TargetError(
                f"source and target are the same database ({target.url}); name another target, nothing was changed"
            )
        target.check_target(source.read_schema(), _mode(replace))
        model = _learn(source, work, settings, progress, clock)
        report, tables = _write(model, target, settings, replace, progress, clock)
        if not evaluate:
            return report
        with clock("evaluate"), progress.stage("measuring"):
            real = {name: work.read(name) for name in tables}
            scores = measure(Comparison.of(model.schema, real, tables, leave_out=_fabricated(model))).scores
    return Report(**{**_fields(report), "scores": scores, "seconds": clock.seconds})


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


def _check_device(name: str) -> None:
    try:
        torch.zeros(1, device=name)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).partition("\n")[0]
        raise ConfigError(
            f"device is {name!r}, where torch cannot compute here ({reason}); expected cpu, cuda, cuda:1 or mps"
        ) from error


def _learn(
    source: Adapter, workspace: Workspace, settings: Settings, progress: Progress, clock: _Clock
) -> DatabaseModel:
    """Read the source once, decide, and learn; the source is not needed after."""
    with clock("read"):
        schema = source.read_schema()
        rows = _take_snapshot(source, schema, workspace, progress)
    with clock("fit"):
        plan = make_plan(schema, workspace.read, rows, settings)
        for name, why in plan.kept.items():
            progress.note(f"table {name} is copied as it is: {why}")
        for note in plan.real_values:
            progress.note(note)
        return learn(plan, workspace.read, settings, progress=progress)


def _take_snapshot(source: Adapter, schema: Schema, workspace: Workspace, progress: Progress) -> dict[str, int]:
    """All tables' readable columns into the workspace, from one consistent view; their numbers of rows."""
    if not schema.tables:
        raise SchemaError(
            f"{source.url} has no tables; check the address, and the schema or database that it names"
        )
    rows = {}
    with source.snapshot() as snapshot:
        for table in schema.tables:
            columns = [column.name for column in table.columns if column.generated is None]
            with (
                progress.stage(f"reading {table.name}", total=snapshot.count_rows(table), unit="rows") as advance,
                closing(snapshot.read_rows(table, columns)) as batches,  # at once, while there is a connection
            ):
                rows[table.name] = workspace.write(table.name, _counted(batches, advance))
    return rows


def _counted(batches: Iterator[pa.RecordBatch], advance: Any) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        yield batch
        advance(batch.num_rows)


def _write(
    model: DatabaseModel, target: Adapter, settings: Settings, replace: bool, progress: Progress, clock: _Clock
) -> tuple[Report, dict[str, pa.Table]]:
    """Draw the rows, load them all or nothing, and let the server validate every constraint."""
    with clock("generate"):
        tables = synthesise(model, scale=settings.scale, seed=settings.seed, device=settings.device, progress=progress)
    with clock("load"), target.load(model.schema, _mode(replace)) as load:
        for name, rows in tables.items():
            with progress.stage(f"writing {name}", total=rows.num_rows, unit="rows") as advance:
                batches = iter(rows.to_batches(_BATCH_ROWS) or [pa.RecordBatch.from_pylist([], rows.schema)])
                load.write_rows(model.schema.table(name), _counted(batches, advance))
    with clock("validate"), progress.stage("validating"):
        violations = tuple(target.validate(model.schema))
    reports = tuple(
        TableReport(t.name, model.rows[t.name], tables[t.name].num_rows, "kept" if t.name in model.kept else "modelled")
        for t in model.schema.tables
    )
    losses = tuple(target.losses(model.schema))
    report = Report(
        target.url, settings.seed, reports, None, violations, losses, clock.seconds, _agree_rates(model)
    )
    return report, tables


def _mode(replace: bool) -> Mode:
    return Mode.REPLACE if replace else Mode.CREATE


def _agree_rates(model: DatabaseModel) -> dict[str, float]:
    return {name: latent.agree_rate for name, latent in model.engine.latents.items()}


def _fabricated(model: DatabaseModel) -> list[tuple[str, str]]:
    invented = (Fate.FABRICATED, Fate.CONSTANT, Fate.NULL, Fate.GENERATED)
    return [(table, name) for table, fates in model.fates.items() for name, fate in fates.items() if fate in invented]


def _fields(report: Report) -> dict[str, Any]:
    return dict(report.__dict__)


class _Clock:
    """Seconds by stage: `with clock("read"): …`."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        start = time.monotonic()
        try:
            yield
        finally:
            self.seconds[stage] = self.seconds.get(stage, 0.0) + time.monotonic() - start
