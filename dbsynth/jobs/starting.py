"""A job file to start from: what would become of a database, written down to be changed."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ..config import Settings, TableDecision
from ..plan import Plan
from ..progress import QUIET, Progress
from ..schema import Table
from ..secrecy import masked_for_file
from .cloning import inspect

__all__ = ["init"]

_BARE = re.compile(r"[A-Za-z0-9_-]+")

_HEAD = """\
# A job of dbsynth: what `dbsynth refresh` does each time it runs. `dbsynth plan` says what that would be, and checks
# this file. A ${{VARIABLE}} is taken from the environment; where it is not set, from the file that VARIABLE_FILE names.
source = {source}
target = {target}   # its rows are replaced
bundle = "dbsynth.bundle"   # what was learned; a folder beside this file

seed = {seed}              # new rows in each run; a number: the same rows from the same bundle
drift = 0.05                # learn again what has moved farther than this, from 0 to 1
# max_age = "30d"           # learn a bundle older than this from nothing
# deadline = "3h"           # stop, with the target as it was, if the new rows are not in it by then
# scale = 1.0               # synthetic rows for each real row
# report = "report.html"    # the evaluation as a page
# metrics = "dbsynth.prom"  # figures of the run for Prometheus
"""

_THRESHOLDS = """\
[thresholds]                # new rows that miss one of these are thrown away, and the target stays as it was
fail_under = { avg_2way = 80 }
# fail_over = { copies = 1 }
"""


def init(
    url: str,
    written: str | None = None,
    target: str | None = None,
    settings: Settings = Settings(),  # noqa: B008 (frozen)
    *,
    progress: Progress = QUIET,
) -> str:
    """A job file for a database, with what would become of every table and column in comments.

    Args:
        url: of the database.
        written: the same with variables in it, as the user spells it; passwords that stand in it are left out.
        target: where the job shall write, spelled likewise; None: a place to be changed.

    Raises:
        DbsynthError: the database cannot be read.
    """
    plan = inspect(url, settings, progress=progress)
    source = masked_for_file(written or url, "SOURCE_PASSWORD")
    target = masked_for_file(target, "TARGET_PASSWORD") if target else _target(plan.schema.dialect)
    changed = settings.model_dump(mode="json", exclude_defaults=True, exclude={"seed", "tables"})
    said = "".join(f"{name} = {_toml(value)}\n" for name, value in changed.items())
    seed = _toml(settings.seed if "seed" in settings.model_fields_set else "fresh")
    head = _HEAD.format(source=_toml(source), target=_toml(target), seed=seed)
    parts = [head + said, _THRESHOLDS, *_tables(plan, settings)]
    return "\n".join(parts)


def _target(dialect: str) -> str:
    if dialect == "sqlite":
        return "sqlite:///synthetic.db"
    scheme = {"postgres": "postgresql", "mysql": "mysql"}[dialect]
    return f"{scheme}://staging:${{TARGET_PASSWORD}}@staging.example.org/staging"


def _tables(plan: Plan, settings: Settings) -> Iterator[str]:
    for obstacle in plan.obstacles:
        yield f"# In the way: {_comment(obstacle)}\n"
    yield (
        "# What would become of every table and column, and why. Take the # away from a line, and from the heading\n"
        "# above it, to decide otherwise.\n"
    )
    for table in plan.schema.tables:
        yield "".join(_table(plan, table, settings.tables.get(table.name, TableDecision())))


def _table(plan: Plan, table: Table, said: TableDecision) -> Iterator[str]:
    """What becomes of a table: the user's own decisions as they are, all else in comments."""
    why = plan.kept.get(table.name)
    fate = "kept" if why else "modelled"
    yield f"{'' if said.fate else '# '}[tables.{_key(table.name)}]\n"
    yield f"{'' if said.fate else '# '}fate = {_toml(said.fate or fate)}   # {plan.rows[table.name]:,} rows"
    yield f"{f'; {_comment(why)}' if why else ''}\n"
    shown = [c for c in plan.columns if c.table == table.name and (
        c.column in said.columns or (c.fate not in ("key", "generated") and not why))]  # fmt: skip
    if shown:
        yield f"{'' if said.columns else '# '}[tables.{_key(table.name)}.columns]\n"
    for column in shown:
        if decision := said.columns.get(column.column):
            parts = [f"{name} = {_toml(part)}" for name, part in decision.model_dump(exclude_none=True).items()]
            yield f"{_key(column.column)} = {{ {', '.join(parts)} }}\n"
        elif column.fate == "computed":
            yield f"# {_comment(column.column)} is computed: {_comment(column.why)}\n"
        else:
            yield f'# {_key(column.column)} = "{column.fate}"   # {_comment(column.why)}\n'


def _key(name: str) -> str:
    return name if _BARE.fullmatch(name) else _toml(name)


def _toml(value: object) -> str:
    """A value as TOML writes it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(_toml, value))}]"
    if isinstance(value, str):
        escaped = "".join(
            f"\\{c}" if c in '"\\' else c if c.isprintable() else f"\\U{ord(c):08x}" for c in value
        )  # fmt: skip
        return f'"{escaped}"'
    return str(value)


def _comment(text: str) -> str:
    """A text that cannot end its comment."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)
