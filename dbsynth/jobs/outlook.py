"""What a run of a job would do, and why: nothing of it happens here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from ..bundle import is_bundle, load_bundle
from ..config import Settings
from ..drift import Drift, measure_drift
from ..engines import OWN_SETTINGS
from ..errors import BundleError
from ..evolution import Evolution, compare_schemas, never_kept
from ..job import Job
from ..model import DatabaseModel
from ..plan import ColumnPlan, Plan, make_plan
from ..progress import Progress, show_seconds
from ..reading import take_snapshot
from ..relations import with_virtual_keys
from ..schema import Schema
from ..workspace import Workspace
from .steps import source_schema

if TYPE_CHECKING:
    from adapters import Adapter

__all__ = ["Action", "Outlook", "look"]

# What may change from run to run without anything to learn again, and what changes which columns are learned but not
# how: training then goes on. Of all else a change means to learn from nothing. A preset is the values it brings.
_FREE = frozenset({"seed", "device", "scale", "workspace", "encrypt_workspace", "preset"})
_DECISIONS = frozenset({"keep", "no_keep", "tables", "rare", "virtual_fk", "ddl"})


class Action(StrEnum):
    """What a run does before it writes the target."""

    FIT = "fit"  # learns from nothing
    WARM_START = "warm start"  # goes on learning from what the bundle holds
    GENERATE = "generate"  # learns nothing: the bundle is as good as new
    STOP = "stop"  # a person has to decide first


@dataclass(frozen=True)
class Outlook:
    """What a run would do.

    Attributes:
        why: the reasons, a sentence each.
        model: what the bundle holds; None: there is none.
        plan: what becomes of every column; None where the rows were not looked at.
        added: by table the columns that came after the first fit.
        notes: what somebody should look at, though it stops nothing.
        schema: the source's; None where nothing could be told of it.
        gone: by table the columns that the source had when the bundle was learned, and has no more.
        alterations: statements by which the target's tables would follow the source's; a run does not run them.
    """

    action: Action
    why: tuple[str, ...]
    settings: Settings
    model: DatabaseModel | None = None
    plan: Plan | None = None
    drift: tuple[Drift, ...] = ()
    added: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    schema: Schema | None = None
    gone: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    alterations: tuple[str, ...] = ()

    @property
    def obstacles(self) -> tuple[str, ...]:
        """What needs a person's decision."""
        return self.why if self.action is Action.STOP else self.plan.obstacles

    @property
    def other_notes(self) -> tuple[str, ...]:
        """The notes that are not among the reasons."""
        return tuple(note for note in self.notes if note not in self.why)

    @property
    def new_columns(self) -> tuple[ColumnPlan, ...]:
        """What becomes of the columns that came after the first fit."""
        columns = self.plan.columns if self.plan else ()
        return tuple(c for c in columns if c.column in self.added.get(c.table, ()))

    @property
    def to_look_at(self) -> tuple[str, ...]:
        """What is not as it was when the bundle was learned."""
        return (*self.notes, *(self.why if self.action in (Action.WARM_START, Action.FIT) and self.model else ()))

    def to_json(self) -> dict[str, Any]:
        """Plain data for `--json`."""
        return {
            "action": self.action,
            "why": list(self.why),
            "notes": list(self.notes),
            "alterations": list(self.alterations),
            "drift": {drift.what: drift.distance for drift in self.drift},
            "plan": self.plan and self.plan.to_json(),
        }


def look(
    job: Job, source: Adapter, work: Workspace, progress: Progress, *, refit: bool = False
) -> Outlook:
    """Read the source and hold it against the bundle. The rows are left in ``work``.

    Raises:
        BundleError: something that is no bundle stands in its place.
        ConfigError: decisions that cannot be carried out.
    """
    settings = job.settings(job.seed if isinstance(job.seed, int) else 0)
    model, missing = _open(job)
    if model is None and job.bundle.exists() and not refit:
        # What was never to be copied, and what the schema was, cannot be told any more.
        return Outlook(Action.STOP, (missing,), settings)
    schema = source_schema(source, settings)
    evolution = compare_schemas(model.schema, schema) if model else Evolution({}, (), (), ())
    if evolution.breaking and not refit:
        return Outlook(
            Action.STOP, evolution.breaking, settings, model, added=_all_added(model, evolution, schema),
            notes=tuple(evolution.notes), schema=schema, gone=evolution.gone,
        )  # fmt: skip
    rows = take_snapshot(source, schema, work, progress)
    with progress.stage("comparing with the bundle"):
        schema = with_virtual_keys(schema, work.read, settings)
        if model is None:
            plan = make_plan(schema, work.read, rows, settings)
            return Outlook(Action.FIT, (missing,), settings, plan=plan, schema=schema)
        added = _all_added(model, evolution, schema)
        plan = make_plan(schema, work.read, rows, never_kept(settings, schema, model.kept.keys(), added))
        drift = tuple(measure_drift(model.profile, plan, work.read))
    action, why = _decide(job, settings, model, plan, evolution, drift, refit)
    notes = tuple(evolution.notes)
    return Outlook(action, tuple(why), settings, model, plan, drift, added, notes, schema, evolution.gone)


def _open(job: Job) -> tuple[DatabaseModel | None, str]:
    """What the bundle holds, or why there is nothing."""
    if not job.bundle.exists():
        return None, f"there is no bundle {job.bundle} yet"
    if not is_bundle(job.bundle):
        raise BundleError(f"{job.bundle} is there and is no bundle; name another place for it")
    try:
        return load_bundle(job.bundle), ""
    except BundleError as error:
        return None, str(error).removesuffix("; fit it anew")


def _all_added(model: DatabaseModel, evolution: Evolution, schema: Schema) -> dict[str, tuple[str, ...]]:
    """By table the columns that came after the first fit and are there."""
    added = {}
    for table in schema.tables:
        names = {*model.added.get(table.name, ()), *evolution.added.get(table.name, ())}
        if found := tuple(name for name in table.column_names if name in names):
            added[table.name] = found
    return added


def _decided_otherwise(model: DatabaseModel, plan: Plan) -> Iterator[str]:
    """A sentence for each column that the rows now give another fate, and each rule that came or went."""
    for column in plan.columns:
        before = model.fates.get(column.table, {}).get(column.column)
        if before is not None and before is not column.fate:
            yield f"column {column.table}.{column.column} was {before} and is {column.fate}"
    old, new = ({f"{rule.table}: {rule.text}" for rule in rules} for rules in (model.rules, plan.rules))
    yield from (f"the rows obey a rule no more, {rule}" for rule in sorted(old - new))
    yield from (f"all rows obey a rule, {rule}" for rule in sorted(new - old))


def _decide(
    job: Job, settings: Settings, model: DatabaseModel, plan: Plan, evolution: Evolution, drift: tuple[Drift, ...],
    refit: bool,
) -> tuple[Action, list[str]]:  # fmt: skip
    of_no_effect = _FREE.union(*(names for engine, names in OWN_SETTINGS.items() if engine != settings.engine))
    changed = {
        name: f"{name} was {getattr(model.settings, name)!r} and is {value!r}" for name, value in settings
        if name not in of_no_effect and value != getattr(model.settings, name)
    }  # fmt: skip
    anew = ["--refit asks for it", *evolution.breaking] if refit else []
    anew += [said for name, said in changed.items() if name not in _DECISIONS]
    age = (datetime.now(UTC) - datetime.fromisoformat(model.fitted_at)).total_seconds()
    if job.max_age is not None and age > job.max_age.total_seconds():
        oldest = show_seconds(job.max_age.total_seconds())
        anew.append(f"the bundle was learned {show_seconds(age)} ago, and max_age is {oldest}")
    if anew:
        return Action.FIT, anew
    far = [f"{moved}, and the threshold is {job.drift:g}" for moved in drift if moved.distance > job.drift]
    again = [*evolution.notes, *(f"{name} has changed" for name in changed), *_decided_otherwise(model, plan), *far]
    if again:
        return Action.WARM_START, again
    most = f"; most: {drift[0]}" if drift else ""
    return Action.GENERATE, [f"nothing has moved by more than the drift threshold of {job.drift:g}{most}"]
