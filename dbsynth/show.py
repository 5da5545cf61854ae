"""What the command line prints of a plan and of a report: tables to stdout for people, JSON for programs."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any

from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from .progress import show_seconds
from .quality.glossary import PRIVACY, show_number, term
from .quality.verdict import verdict
from .secrecy import printable

if TYPE_CHECKING:
    from .jobs import FitReport, Outlook, Plan, RefreshReport, Report
    from .quality.evaluation import Evaluation
    from .quality.items import Item
    from .schema import ForeignKey

__all__ = ["as_json", "evaluation", "fit_report", "outlook", "plan", "refresh_report", "report", "runs"]

_FATES = {
    "key": "cyan", "modelled": "green", "fabricated": "magenta", "kept": "yellow",
    "generated": "blue", "computed": "blue", "null": "dim", "constant": "dim",
}  # fmt: skip

def as_json(result: Any) -> None:
    """One JSON document."""
    print(json.dumps(result.to_json(), indent=2, allow_nan=False))


def plan(plan: Plan) -> None:
    """Tables, columns, and what stands in the way."""
    page = _Page()
    _section(page, "Tables", _tables_of_plan(plan))
    _section(page, "Columns", _columns_of_plan(plan))
    if plan.rules:
        _section(page, "Rules that every real row obeys, and every synthetic row will", _rules_of_plan(plan))
    kept = [f"table {name} is copied as it is: {why}" for name, why in plan.kept.items()]
    _list(page, "REAL VALUES COME THROUGH, because you said so", plan.real_values, style="bold red")
    _list(page, "Notes", [*kept, *plan.notes])
    _list(page, "What a target does not get", plan.losses)
    _list(page, "What stands in the way", plan.obstacles or ["nothing"], style="red" if plan.obstacles else "green")


def outlook(outlook: Outlook) -> None:
    """What a run would do, and why."""
    page = _Page()
    style = {"generate": "green", "stop": "red"}.get(outlook.action, "yellow")
    page.print(Text.assemble(("A run would ", "bold"), (_ACTIONS[outlook.action], style)))
    _list(page, "", () if outlook.action == "stop" else outlook.why)  # those are the obstacles below
    if outlook.plan is not None:
        _section(page, "Tables", _tables_of_plan(outlook.plan))
        _list(page, "REAL VALUES COME THROUGH, because you said so", outlook.plan.real_values, style="bold red")
    moved = [str(drift) for drift in outlook.drift[:_MOST_DRIFT]]
    _list(page, "What moved farthest since it was learned", moved)
    _list(page, "Look at this", outlook.other_notes, style="yellow")
    new = [f"{c.table}.{c.column}: {c.fate}, {c.why}" for c in outlook.new_columns]
    _list(page, "What becomes of new columns", new)
    if outlook.alterations:
        page.print(_text("How the target would follow the source", style="bold"))
        for statement in outlook.alterations:
            print(f"    {printable(statement)};")  # never wrapped: it is there to be copied
        print()
    _list(page, "What stands in the way", outlook.obstacles or ["nothing"],
          style="red" if outlook.obstacles else "green")  # fmt: skip


_MOST_DRIFT = 10
_ACTIONS = {
    "fit": "learn from nothing, then write the target",
    "warm start": "go on learning from what the bundle holds, then write the target",
    "generate": "learn nothing, and write the target from the bundle",
    "stop": "stop: somebody has to decide first; if the change is meant, `dbsynth refresh --refit` once lets it pass",
}


def refresh_report(done: RefreshReport) -> None:
    """What a run did, and the database that came of it."""
    page = _Page()
    page.print(_text(f"Run {done.run}: {done.action}", style="bold"))
    _list(page, "Why", done.why)
    report(done.report)


def runs(found: Sequence[Mapping[str, Any]], *, as_json: bool) -> None:
    """A line for each run, or all that is known of them."""
    if as_json:
        print(json.dumps(found, indent=2))
        return
    table = _table("Run", "Ended", "Status", "Did", "Seed", "Rows", "Avg 2-way", "Took", "Said",
                   numbers=["Status", "Seed", "Rows", "Avg 2-way"])  # fmt: skip
    for run in found:
        scores, rows = run.get("scores") or {}, run.get("rows") or {}
        table.add_row(*(_text(str(word)) for word in (
            run["run"], run.get("ended"), run.get("status"), run.get("action") or "", run.get("seed"),
            f"{sum(rows.values()):,}" if rows else "",
            f"{scores['avg 2-way']:.1f}" if scores.get("avg 2-way") is not None else "",
            show_seconds(sum((run.get("seconds") or {}).values())), run.get("error") or "",
        )))  # fmt: skip
    _Page().print(table)


def fit_report(report: FitReport) -> None:
    """What was learned, and where it is."""
    page = _Page()
    _section(page, "Rows learned", _rows_learned(report))
    _closing(page, report)


def report(report: Report) -> None:
    """Rows, measures, and where the synthetic database is."""
    page = _Page()
    _section(page, "Rows", _tables_of_report(report))
    if report.evaluation is not None:
        _evaluation(page, report.evaluation)
    _list(page, "What the target did not get", report.losses)
    _closing(page, report)


def evaluation(evaluation: Evaluation) -> None:
    """The verdict, likeness and privacy, and what could not be measured."""
    page = _Page()
    _evaluation(page, evaluation)
    _list(page, "Notes", evaluation.notes)
    seconds = evaluation.about["seconds"]
    page.print(_text(f"Seed {evaluation.about['seed']}; {_times(seconds)}", style="dim"))


def _evaluation(page: _Page, evaluation: Evaluation) -> None:
    _list(page, "Verdict", verdict(evaluation))
    likeness = [item for name, item in evaluation.summary.items() if name not in PRIVACY]
    privacy = [item for name, item in evaluation.summary.items() if name in PRIVACY]
    _section(page, "Likeness", _figures(likeness))
    _section(page, "Privacy", _figures(privacy))


class _Page:
    """A console that leaves no blanks at the ends of lines."""

    def __init__(self) -> None:
        # A pipe has no width: lines are as long as they are, so that grep finds what belongs together.
        self._console = Console(highlight=False) if sys.stdout.isatty() else Console(highlight=False, width=10_000)

    def print(self, content: RenderableType) -> None:
        with self._console.capture() as captured:
            self._console.print(content)
        for line in captured.get().splitlines():
            print(line.rstrip())


def _text(content: str, style: str = "") -> Text:
    """Words that may hold a name of a schema, which must not steer the terminal."""
    return Text(printable(content), style=style)


def _table(*columns: str, numbers: Sequence[str] = ()) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    for column in columns:
        table.add_column(column, justify="right" if column in numbers else "left", overflow="fold")
    return table


def _section(page: _Page, title: str, table: Table) -> None:
    page.print(_text(title, style="bold"))
    page.print(Padding(table, (0, 0, 1, 2), expand=False))


def _list(page: _Page, title: str, lines: Iterable[str], style: str = "") -> None:
    grid = Table.grid(padding=(0, 1))
    for line in lines:
        grid.add_row("  -", _text(line, style=style))
    if grid.row_count:
        if title:
            page.print(_text(title, style="bold"))
        page.print(Padding(grid, (0, 0, 1, 0), expand=False))


def _tables_of_plan(plan: Plan) -> Table:
    table = _table("Table", "Rows", "Fate", "Refers to", numbers=["Rows"])
    for entry in plan.schema.tables:
        keys = "\n".join(_key(key) for key in plan.schema.foreign_keys_of(entry.name))
        fate = _table_fate(entry.name in plan.kept)
        table.add_row(_text(entry.name), f"{plan.rows[entry.name]:,}", fate, _text(keys))
    return table


def _columns_of_plan(plan: Plan) -> Table:
    table = _table("Column", "Kind", "Fate", "Why")
    for name, columns in groupby(plan.columns, key=lambda column: column.table):
        columns = list(columns)
        if name in plan.kept and all(column.fate in ("kept", "generated") for column in columns):
            table.add_row(_text(name, style="bold"), "", _fate("kept"), "all columns, as they are")
            continue
        table.add_row(_text(name, style="bold"))
        for column in columns:
            table.add_row(_text(f"  {column.column}"), column.kind, _fate(column.fate), _text(column.why))
    return table


def _rules_of_plan(plan: Plan) -> Table:
    table = _table("Table", "Rule")
    for name, rules in groupby(sorted(plan.rules, key=lambda rule: rule.table), key=lambda rule: rule.table):
        table.add_row(Text(name), Text("\n".join(rule.text for rule in rules)))
    return table


def _tables_of_report(report: Report) -> Table:
    table = _table("Table", "Real", "Synthetic", "Fate", numbers=["Real", "Synthetic"])
    for entry in report.tables:
        table.add_row(_text(entry.name), f"{entry.real_rows:,}", f"{entry.rows:,}", _fate(entry.fate))
    return table


def _rows_learned(report: FitReport) -> Table:
    table = _table("Table", "Rows", numbers=["Rows"])
    for name, rows in report.rows.items():
        table.add_row(_text(name), f"{rows:,}")
    return table


def _figures(items: Iterable[Item]) -> Table:
    table = _table("Measure", "Figure", "Real rows", "Best", "Of", numbers=["Figure", "Real rows", "Best"])
    for item in items:
        if math.isnan(item.score):
            continue
        words = term(item.measure)
        figures = (show_number(number, words.unit) for number in (item.score, item.reference, words.best))
        table.add_row(item.measure, *figures, _text(words.meaning))
    return table


def _closing(page: _Page, report: Report | FitReport) -> None:
    page.print(_text(f"Seed {report.seed}; {_times(report.seconds)}", style="dim"))
    where = getattr(report, "target", None) or getattr(report, "bundle", "")
    page.print(Text.assemble("Written to ", (str(where), "bold")))


def _times(seconds: Mapping[str, float]) -> str:
    steps = ", ".join(f"{name} {show_seconds(taken)}" for name, taken in seconds.items())
    return f"{show_seconds(sum(seconds.values()))} ({steps})"


def _key(key: ForeignKey) -> str:
    columns = ", ".join(key.columns)
    return f"{columns if len(key.columns) == 1 else f'({columns})'} → {key.parent}"


def _fate(fate: str) -> Text:
    return _text(fate, style=_FATES.get(fate, ""))


def _table_fate(is_kept: bool) -> Text:
    return _fate("kept" if is_kept else "modelled")
