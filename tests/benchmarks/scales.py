"""One fit, databases of many sizes: scores, CPU time and memory by scale.

    python tests/benchmarks/scales.py sqlite:///movielens.db --scales 0.5 1 2 5 10
    python tests/benchmarks/scales.py sqlite:///movielens.db --structure 20e6

Every size is drawn in a process of its own, from one bundle. Memory is told in parts: resident when the model is
loaded, the most while the engine draws, the most once all tables are decoded and written to SQLite; and how much of the
last the tables themselves take (as Arrow). `--structure N` draws a structure of about N rows and no values. Prints
Markdown.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from measured import cli_options, load_average
from scores import read
from servers import machine

from adapters import open_database
from dbsynth import decoding
from dbsynth.bundle import load_bundle
from dbsynth.graph.structure import draw_structure
from dbsynth.jobs.steps import write_target
from dbsynth.plan import make_plan
from dbsynth.progress import QUIET
from dbsynth.quality.comparison import Comparison
from dbsynth.quality.likeness import measure
from dbsynth.reports import Clock

MEASURES = (
    "cardinality", "1-way", "0-hop", "1-hop", "2-hop", "degree-correlation", "column-degree", "intra-group",
)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url", help="the database to learn")
    parser.add_argument("--scales", type=float, nargs="+", default=[0.5, 1, 2, 5, 10])
    parser.add_argument("--structure", type=float, metavar="N", help="of about N rows, and nothing else")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--set", nargs="+", default=[], metavar="NAME=VALUE", help="settings beside the default preset")
    parser.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        print(json.dumps(_draw(*args.child)))
        return
    with TemporaryDirectory() as folder:
        bundle = Path(folder) / "bundle"
        options = ["--engine", "graph", "--seed", str(args.seed), *cli_options(args.set), "--quiet"]
        subprocess.run([sys.executable, "-m", "dbsynth", "fit", args.url, bundle, *options], check=True)
        print(f"On {machine()}, load {load_average()}.\n")
        if args.structure:
            print("| rows | CPU s | MiB before | peak MiB |\n|--:|--:|--:|--:|")
            found = _child(args, bundle, "structure", args.structure)
            print(f"| {found['rows']:,} | {found['cpu']:.0f} | {found['before']:.0f} | {found['peak']:.0f} |")
            return
        head = ("scale", "rows", "CPU s", "per 100,000 rows", "MiB before", "engine", "all", "tables", *MEASURES)
        print("|", " | ".join(head), "|")
        print("|" + "--:|" * len(head))
        schema, real = read(args.url)
        plan = make_plan(schema, real.get, {n: t.num_rows for n, t in real.items()}, load_bundle(bundle).settings)
        for scale in args.scales:
            target = f"sqlite:///{folder}/{scale}.db"
            found = _child(args, bundle, target, scale)
            comparison = Comparison.of(schema, real, read(target, schema)[1], leave_out=plan.invented, kept=plan.kept)
            scores = measure(comparison, n_draws=0).scores
            cells = [
                f"{scale:g}", f"{found['rows']:,}", f"{found['cpu']:.0f}", f"{1e5 * found['cpu'] / found['rows']:.1f}",
                *(f"{found[name]:.0f}" for name in ("before", "engine", "peak", "tables")),
                *(f"{scores[m]:.2f}" if m in scores else "" for m in MEASURES),
            ]  # fmt: skip
            print("|", " | ".join(cells), "|", flush=True)


def _child(args: argparse.Namespace, bundle: Path, target: str, scale: float) -> dict[str, float]:
    command = [sys.executable, __file__, args.url, "--seed", str(args.seed), "--child", bundle, target, str(scale)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def _draw(bundle: str, target_url: str, scale: str) -> dict[str, float]:
    """In a process of its own: draw, and say what it took."""
    model = load_bundle(Path(bundle))
    before, started = _peak(), time.process_time()
    if target_url == "structure":
        learned = model.engine
        times = float(scale) / sum(learned.n_rows.values())
        n_rows = {t: n if t in learned.database.kept else round(n * times) for t, n in learned.n_rows.items()}
        drawn = draw_structure(learned.database, learned.shapes, learned.latents, learned.distinct, n_rows,
                               np.random.default_rng(0))  # fmt: skip
        return {"rows": sum(drawn.n_rows.values()), "cpu": time.process_time() - started, "before": before,
                "peak": _peak()}  # fmt: skip
    marks: dict[str, float] = {}
    engine = decoding.ENGINES[model.settings.engine]

    class Watched:
        @staticmethod
        def generate(*arguments: Any, **options: Any) -> Any:
            made = engine.generate(*arguments, **options)
            marks["engine"] = _peak()
            return made

    decoding.ENGINES[model.settings.engine] = Watched
    settings = model.settings.model_copy(update={"scale": float(scale)})
    with closing(open_database(target_url)) as target:
        tables = write_target(model, model.rows, target, settings, False, QUIET, Clock())[1]
    return {
        "rows": sum(t.num_rows for t in tables.values()), "cpu": time.process_time() - started, "before": before,
        "peak": _peak(), "tables": sum(t.nbytes for t in tables.values()) / 2**20, **marks,
    }  # fmt: skip


def _peak() -> float:
    """The most memory that was resident so far, MiB; not that of the process this one was forked from."""
    status = Path("/proc/self/status")
    if status.exists():
        return int(status.read_text().split("VmHWM:")[1].split()[0]) / 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20  # macOS, in bytes


if __name__ == "__main__":
    main()
