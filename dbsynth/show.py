"""What the command line prints of a plan and of a report: tables to stdout for people, JSON for programs."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from .progress import show_seconds

if TYPE_CHECKING:
    from .jobs import FitReport, Plan, Report
    from .schema import ForeignKey

__all__ = ["as_json", "fit_report", "plan", "report"]

_FATES = {
    "key": "cyan", "modelled": "green", "fabricated": "magenta", "kept": "yellow",
    "generated": "blue", "null": "dim", "constant": "dim",
}  # fmt: skip

# In the words of a reader who has not read the papers.
_MEASURES = {
    "1-way": "each column alone",
    "cardinality": "children per parent row",
    "0-hop": "pairs of columns in one table",
    "1-hop": "a column and one of the parent row",
    "2-hop": "a column and one of the grandparent row",
    "avg 2-way": "all pairs of columns together",
    "degree-correlation": "numbers of children under two foreign keys",
    "column-degree": "a column and the number of children",
    "intra-group": "how alike the children of one parent are",
}


def as_json(result: Any) -> None:
    """One JSON document."""
    print(json.dumps(result.to_json(), indent=2, allow_nan=False))


def plan(plan: Plan) -> None:
    """Tables, columns, and what stands in the way."""
    console = _console()
    _section(console, "Tables", _tables_of_plan(plan))
    _section(console, "Columns", _columns_of_plan(plan))
    _list(console, "Notes", plan.notes)
    _list(console, "What stands in the way", plan.obstacles or ["nothing"], style="red" if plan.obstacles else "green")


def fit_report(report: FitReport) -> None:
    """What was learned, and where it is."""
    console = _console()
    _closing(console, report)


def report(report: Report) -> None:
    """Rows, measures, and where the synthetic database is."""
    console = _console()
    _section(console, "Rows", _tables_of_report(report))
    if report.scores is not None:
        _section(console, "Likeness, 100 is best", _scores(report.scores))
    _list(console, "What the target cannot carry", report.losses)
    broken = [f"{v.table}: {v.constraint}, {v.rows:,} rows" for v in report.violations]
    _list(console, "Constraints the target finds broken", broken, style="red")
    _closing(console, report)


def _console() -> Console:
    # A pipe has no width: lines are as long as they are, so that grep finds what belongs together.
    return Console(highlight=False) if sys.stdout.isatty() else Console(highlight=False, width=10_000)


def _table(*columns: str, numbers: Sequence[str] = ()) -> Table:
    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, justify="right" if column in numbers else "left", overflow="fold")
    return table


def _section(console: Console, title: str, table: Table) -> None:
    console.print(Text(title, style="bold underline"))
    console.print(Padding(table, (0, 0, 1, 2), expand=False))


def _list(console: Console, title: str, lines: Iterable[str], style: str = "") -> None:
    lines = list(lines)
    if not lines:
        return
    console.print(Text(title, style="bold underline"))
    for line in lines:
        bullet = Table.grid(padding=(0, 1))
        bullet.add_row("  -", Text(line, style=style))
        console.print(bullet)
    console.print()


def _tables_of_plan(plan: Plan) -> Table:
    table = _table("Table", "Rows", "Fate", "Refers to", numbers=["Rows"])
    for entry in plan.schema.tables:
        keys = "\n".join(_key(key) for key in plan.schema.foreign_keys_of(entry.name))
        table.add_row(Text(entry.name), f"{plan.rows[entry.name]:,}", _table_fate(entry.name in plan.kept), Text(keys))
    return table


def _columns_of_plan(plan: Plan) -> Table:
    table = _table("Column", "Kind", "Fate", "Why")
    for name, columns in groupby(plan.columns, key=lambda column: column.table):
        if table.row_count:
            table.add_section()
        for column in columns:
            table.add_row(Text(f"{name}.{column.column}"), column.kind, _fate(column.fate), Text(column.why))
    return table


def _tables_of_report(report: Report) -> Table:
    table = _table("Table", "Real", "Synthetic", "Fate", numbers=["Real", "Synthetic"])
    for entry in report.tables:
        table.add_row(Text(entry.name), f"{entry.real_rows:,}", f"{entry.rows:,}", _fate(entry.fate))
    return table


def _scores(scores: dict[str, float]) -> Table:
    table = _table("Measure", "Score", "Of", numbers=["Score"])
    for name, score in scores.items():
        if name == "dangling":
            table.add_row("dangling keys", f"{score:,.0f}", "0 is best")
        elif score is not None and not math.isnan(score):
            table.add_row(name, f"{score:.1f}", _MEASURES.get(name, _hops(name)))
    return table


def _hops(measure: str) -> str:
    return f"a column and one {measure.removesuffix('-hop')} foreign keys up" if measure.endswith("-hop") else ""


def _closing(console: Console, report: Report | FitReport) -> None:
    steps = ", ".join(f"{name} {show_seconds(seconds)}" for name, seconds in report.seconds.items())
    console.print(Text(f"Seed {report.seed}; {show_seconds(sum(report.seconds.values()))} ({steps})", style="dim"))
    where = getattr(report, "target", None) or getattr(report, "bundle", "")
    console.print(Text.assemble("Written to ", (str(where), "bold")), soft_wrap=True)


def _key(key: ForeignKey) -> str:
    columns = ", ".join(key.columns)
    return f"{columns if len(key.columns) == 1 else f'({columns})'} → {key.parent}"


def _fate(fate: str) -> Text:
    return Text(fate, style=_FATES.get(fate, ""))


def _table_fate(is_kept: bool) -> Text:
    return _fate("kept" if is_kept else "modelled")
