"""The whole evaluation: every part in turn, each with randomness of its own, so that none moves another's figures."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from typing import Any

import numpy as np

from ..progress import QUIET, Progress
from .comparison import Comparison
from .detection import detect
from .efficacy import efficacy
from .evaluation import Evaluation, TableNote
from .items import Item
from .measures import measure
from .privacy import privacy
from .support import support

__all__ = ["assess"]

_SAMPLE_ROWS = 10_000  # of each table, where classifiers are trained and nearest rows are looked for


def assess(
    comparison: Comparison,
    tables: Iterable[TableNote],
    *,
    seed: int,
    sample_rows: int | None = None,
    extras: bool = True,
    notes: Iterable[str] = (),
    about: Mapping[str, Any],
    clock: Callable[[str], AbstractContextManager[None]],
    progress: Progress = QUIET,
) -> Evaluation:
    """Measure likeness and privacy.

    Args:
        seed: of every sample and fold; the same seed and rows give the same figures.
        sample_rows: most rows of a table that are looked at where all of them are dear; None: all for the measures of
            likeness, 10,000 elsewhere.
        extras: train classifiers too (C2ST, efficacy), and ask for precision and recall.
        clock: times the stages "likeness", "privacy" and "extras".
    """
    few = _SAMPLE_ROWS if sample_rows is None else sample_rows
    rng = iter(np.random.default_rng(seed).spawn(5))
    items: list[Item] = []
    with clock("likeness"), progress.stage("measuring likeness"):
        measures = measure(comparison, sample_rows=sample_rows, rng=next(rng))
        items += [*measures.summary(), *measures.items]
    with clock("privacy"), progress.stage("measuring privacy"):
        items += privacy(comparison, rng=next(rng), sample_rows=few)
    if extras:
        with clock("extras"):
            for part in (detect, efficacy, support):
                with progress.stage(f"measuring {part.__name__}"):
                    items += part(comparison, rng=next(rng), sample_rows=few)
    return Evaluation(tuple(tables), tuple(items), (*notes, *measures.notes), about)
