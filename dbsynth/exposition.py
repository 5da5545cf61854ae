"""A run's figures in Prometheus' text format, for the node exporter's textfile collector or a push gateway."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

__all__ = ["exposition", "write_exposition"]

Sample = tuple[Mapping[str, str], float]


def write_exposition(path: Path, runs: Sequence[Mapping[str, Any]]) -> None:
    """Write the newest run's figures, at once: a scraper reads the old file or the new one.

    Args:
        runs: as `history.read_runs` gives them; at least one.

    Raises:
        OSError: as the file system says.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        part.write_text(exposition(runs), encoding="utf-8")
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def exposition(runs: Sequence[Mapping[str, Any]]) -> str:
    """The newest run's figures, and when a run last went well."""
    return "".join(_family(*family) for family in _families(runs))


def _families(runs: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, str, Iterable[Sample]]]:
    run = runs[-1]
    well = [_seconds(entry["ended"]) for entry in runs if entry.get("status") == 0]
    yield "dbsynth_run_info", "The newest run: its id, and what it did.", [
        ({"run": run["run"], "action": run.get("action") or "none"}, 1)
    ]  # fmt: skip
    yield "dbsynth_exit_status", "Exit status of the newest run.", [({}, run["status"])]
    yield "dbsynth_last_run_timestamp_seconds", "When the newest run ended.", [({}, _seconds(run["ended"]))]
    yield "dbsynth_last_success_timestamp_seconds", "When a run last went well.", [({}, max(well))] if well else []
    yield "dbsynth_rows", "Rows written to the target, by table.", _by("table", run.get("rows"))
    yield "dbsynth_stage_seconds", "Seconds that a stage of the run took.", _by("stage", run.get("seconds"))
    yield "dbsynth_score", "A figure of the new rows beside the real ones.", _by("measure", run.get("scores"))
    yield "dbsynth_drift", "How far the source has moved from what was learned, from 0 to 1.", _by(
        "what", run.get("drift")
    )  # fmt: skip


def _by(label: str, figures: Mapping[str, float | None] | None) -> list[Sample]:
    return [({label: name}, value) for name, value in (figures or {}).items() if value is not None]


def _seconds(time: str) -> float:
    return datetime.fromisoformat(time).timestamp()


def _family(name: str, meaning: str, samples: Iterable[Sample]) -> str:
    lines = [f"{name}{_labels(labels)} {value:.15g}\n" for labels, value in samples]
    return "".join([f"# HELP {name} {meaning}\n", f"# TYPE {name} gauge\n", *lines]) if lines else ""


def _labels(labels: Mapping[str, str]) -> str:
    said = ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items())
    return f"{{{said}}}" if said else ""


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")
