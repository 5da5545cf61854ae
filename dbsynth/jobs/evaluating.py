"""Compare two databases."""

from __future__ import annotations

import json
import platform
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, suppress
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from ..config import Settings
from ..errors import QualityError
from ..plan import Plan, make_plan
from ..progress import QUIET, Progress
from ..quality.assess import assess
from ..quality.common import common_schema, readable
from ..quality.comparison import Comparison
from ..quality.evaluation import ColumnNote, Evaluation, TableNote
from ..quality.report import render
from ..quality.report.distributions import distributions
from ..quality.thresholds import Threshold, broken
from ..reading import take_snapshot
from ..reports import Clock
from ..workspace import Workspace
from .steps import check_file, note_connections, open_database

__all__ = ["assess_and_show", "evaluate", "refuse_poor", "versions"]


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
        check_file(path)
    clock = Clock()
    with ExitStack() as stack:
        databases = [stack.enter_context(closing(open_database(url)))
                     for url in (real_url, synthetic_url, holdout_url) if url is not None]  # fmt: skip
        note_connections(progress, *databases)
        spaces = [
            stack.enter_context(Workspace(settings.workspace, encrypted=settings.encrypt_workspace)) for _ in databases
        ]
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
        evaluation = assess_and_show(
            comparison, plan, about, clock, page, progress,
            seed=settings.seed, extras=extras, sample_rows=sample_rows, notes=notes,
        )  # fmt: skip
    if document is not None:
        document.write_text(json.dumps(evaluation.to_json(), indent=2, allow_nan=False), encoding="utf-8")
    return evaluation


def assess_and_show(
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
        **about, "seed": seed, "at": datetime.now(UTC).isoformat(timespec="seconds"), "versions": versions(),
        "seconds": clock.seconds,
    }  # fmt: skip
    evaluation = assess(
        comparison, _table_notes(comparison, plan), seed=seed, about=about, clock=clock, progress=progress, **options
    )
    if page is not None:
        with clock("page"), progress.stage("writing the page"):
            page.write_text(render(evaluation, distributions(comparison)), encoding="utf-8")
    return evaluation


def refuse_poor(evaluation: Evaluation, thresholds: Sequence[Threshold]) -> None:
    """Raise QualityError where a figure of rows that nobody has seen yet is worse than its threshold."""
    missed = broken(evaluation, thresholds)
    if missed:
        raise QualityError(f"{'; '.join(missed)}. The new rows were thrown away, and the target is as it was")


def _table_notes(comparison: Comparison, plan: Plan) -> Iterator[TableNote]:
    for name in comparison.schema.table_names:
        columns = (ColumnNote(c.column, c.kind, c.fate, c.why) for c in plan.columns if c.table == name)
        yield TableNote(
            name, comparison.real.count(name), comparison.synthetic.count(name), name in plan.kept, tuple(columns)
        )


def versions() -> dict[str, str]:
    """Of this program and of what its figures depend on."""
    found = {"python": platform.python_version()}
    for name in ("dbsynth", "torch", "numpy", "scikit-learn"):
        with suppress(metadata.PackageNotFoundError):  # run from its folder, without an installation
            found[name] = metadata.version(name)
    return found
