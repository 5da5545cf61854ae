"""What each part of the graph engine is worth: a database fitted and generated without it, or with more of it.

    python tests/benchmarks/ablations.py sqlite:///f1.db --keep driver circuit constructor
    python tests/benchmarks/ablations.py sqlite:///f1.db --only "no hops" "1 hop" --set iterations=200

Hops; the real structure instead of a drawn one (and GRDM's: each key's degrees alone); without what a row hears of its
groups beside their rows (labels and sizes); without kept tables; steps of the sampler; width. Prints Markdown.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from typing import Any
from unittest import mock

from measured import load_average
from servers import machine

from adapters import open_database
from dbsynth.config import make_settings
from dbsynth.decoding import synthesise
from dbsynth.graph import pipeline
from dbsynth.jobs.steps import learn_source
from dbsynth.progress import QUIET
from dbsynth.quality.comparison import Comparison
from dbsynth.quality.likeness import measure
from dbsynth.reports import Clock
from dbsynth.workspace import Workspace

MEASURES = (
    "1-way", "cardinality", "0-hop", "1-hop", "2-hop", "3-hop", "degree-correlation", "column-degree", "intra-group",
)  # fmt: skip


@contextmanager
def _real_structure() -> Iterator[None]:
    """Values are drawn in the very structure that was learned from."""
    learned = pipeline.real_structure
    found: list[pipeline.Drawn] = []

    def learn(*arguments: Any) -> pipeline.Drawn:
        found.append(learned(*arguments))
        return found[-1]

    def again(*_: Any, **__: Any) -> pipeline.Drawn:
        return found[-1]

    with (
        mock.patch.object(pipeline, "real_structure", learn),
        mock.patch.object(pipeline, "draw_structure", again),
    ):
        yield


@contextmanager
def _no_structural_features() -> Iterator[None]:
    """Rows hear their neighbours' values, and neither labels nor sizes of groups."""
    make = pipeline.row_graph

    def silent(*arguments: Any) -> Any:
        graph = make(*arguments)
        return replace(graph.unlabelled, sizes={table: found * 0 for table, found in graph.sizes.items()})

    with mock.patch.object(pipeline, "row_graph", silent):
        yield


Patch = Callable[[], Any]
VARIANTS: dict[str, tuple[dict[str, Any], Patch | None]] = {
    "default": ({}, None),
    "no hops": ({"fan_out": ()}, None),
    "1 hop": ({"fan_out": (8,)}, None),
    "2 hops, siblings too": ({"fan_out": (8, 4)}, None),
    "real structure": ({}, _real_structure),
    "degrees of each key alone": ({"structure": "degrees"}, None),
    "no structural features": ({}, _no_structural_features),
    "nothing kept": ({"keep": (), "no_keep": True}, None),
    "8 steps": ({"n_steps": 8}, None),
    "32 steps": ({"n_steps": 32}, None),
    "width 32": ({"width": 32}, None),
    "width 128": ({"width": 128}, None),
    "layers 256": ({"layers": (256, 256, 256)}, None),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url", help="the database")
    parser.add_argument("--keep", nargs="*", default=[], metavar="TABLE")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--only", nargs="+", choices=list(VARIANTS), default=list(VARIANTS), metavar="VARIANT")
    parser.add_argument("--set", nargs="+", default=[], metavar="NAME=VALUE", help="settings beside the default preset")
    args = parser.parse_args()
    print(f"On {machine()}, load {load_average()}.\n")
    print("| | seed | fit, CPU s | generate |", " | ".join(MEASURES), "|")
    print("|---|--:|--:|--:|" + "--:|" * len(MEASURES))
    given = dict(pair.split("=", 1) for pair in args.set)
    for name in args.only:
        changes, patch = VARIANTS[name]
        for seed in args.seeds:
            settings = make_settings({**given, "engine": "graph", "keep": tuple(args.keep), "seed": seed, **changes})
            with ExitStack() as stack:
                if patch is not None:
                    stack.enter_context(patch())
                _line(name, seed, args.url, settings)


def _line(name: str, seed: int, url: str, settings: Any) -> None:
    with closing(open_database(url)) as source, Workspace() as work:
        started = time.process_time()
        learned = learn_source(source, work, settings, QUIET, Clock())
        fitted = time.process_time()
        made = synthesise(learned.model, seed=seed)
        done = time.process_time()
        plan, real = learned.plan, {table: learned.read(table) for table in made}
    comparison = Comparison.of(plan.schema, real, made, leave_out=plan.invented, kept=plan.kept)
    scores = measure(comparison, n_draws=0).scores
    figures = " | ".join(f"{scores[m]:.2f}" if m in scores else "" for m in MEASURES)
    print(f"| {name} | {seed} | {fitted - started:.0f} | {done - fitted:.0f} | {figures} |", flush=True)


if __name__ == "__main__":
    main()
