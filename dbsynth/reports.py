"""What the jobs answer: rows written, figures, times."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from .quality.evaluation import Evaluation

__all__ = ["Clock", "FitReport", "RefreshReport", "Report", "TableReport"]


@dataclass(frozen=True)
class TableReport:
    """One table of a synthetic database; `real_rows` are those of the source when it was read."""

    name: str
    real_rows: int
    rows: int
    fate: str  # "modelled", "kept", or "given": real rows, and what was drawn around them


@dataclass(frozen=True)
class FitReport:
    """What a fit leaves.

    Attributes:
        agree_rates: by foreign key the share of children, 0 … 1, whose own cluster would be that of their siblings; the
            more clusters there are, the lower. For who studies the clustering: `evaluate` says how good the rows are.
    """

    bundle: str
    seed: int
    rows: Mapping[str, int]
    agree_rates: Mapping[str, float]
    seconds: Mapping[str, float]

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Report:
    """What a synthetic database is: its rows, and figures against the source.

    Every constraint holds, by the server's own word: had one been broken, there would be no database.
    """

    target: str  # with the password masked
    seed: int
    tables: tuple[TableReport, ...]
    losses: tuple[str, ...]
    seconds: Mapping[str, float]
    agree_rates: Mapping[str, float] = field(default_factory=dict)
    evaluation: Evaluation | None = None

    @property
    def scores(self) -> dict[str, float] | None:
        """The figure of each measure for the whole database, NaN where there is none."""
        if self.evaluation is None:
            return None
        return {name: item.score for name, item in self.evaluation.summary.items()}

    def with_evaluation(self, evaluation: Evaluation | None) -> Report:
        return replace(self, evaluation=evaluation)

    def to_json(self) -> dict[str, Any]:
        """Plain data, ready for `json.dumps`."""
        evaluation = None if self.evaluation is None else self.evaluation.to_json()
        parts = {name: value for name, value in self.__dict__.items() if name != "evaluation"}
        return {**_plain(parts), "evaluation": evaluation}


@dataclass(frozen=True)
class RefreshReport:
    """What a run of a job did, and the database that came of it."""

    run: str
    action: str
    why: tuple[str, ...]
    report: Report

    def to_json(self) -> dict[str, Any]:
        """Plain data, ready for `json.dumps`."""
        return {"run": self.run, "action": self.action, "why": list(self.why), **self.report.to_json()}


def _plain(parts: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: [asdict(entry) for entry in value] if name == "tables" else value
        for name, value in parts.items()
    }


class Clock:
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
