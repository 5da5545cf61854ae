"""Take parts of a database away, have them generated around what is left, and score the whole beside a new database.

    python tests/benchmarks/inpainting.py sqlite:///berka.db --missing disp card loan order trans --seeds 0 1 2

The graph engine is fitted once for each seed, on the database as it is. Then it draws a database around nothing; around
all rows but those of the missing tables; around all but half the rows of tables without children; around all but half
the cells of columns that hold no nulls. Prints Markdown.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import closing

import numpy as np
import pyarrow as pa
from measured import load_average
from servers import machine

from adapters import open_database
from dbsynth.config import make_settings
from dbsynth.decoding import synthesise
from dbsynth.given import GivenRows
from dbsynth.jobs.steps import learn_source
from dbsynth.model import DatabaseModel
from dbsynth.plan import Fate
from dbsynth.progress import QUIET
from dbsynth.quality.comparison import Comparison
from dbsynth.quality.likeness import measure
from dbsynth.reports import Clock
from dbsynth.workspace import Workspace

MEASURES = (
    "1-way", "cardinality", "0-hop", "1-hop", "2-hop", "3-hop", "degree-correlation", "column-degree", "intra-group",
)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url", help="the database")
    parser.add_argument("--missing", nargs="+", required=True, metavar="TABLE", help="the child tables to take away")
    parser.add_argument("--keep", nargs="*", default=[], metavar="TABLE")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--set", nargs="+", default=[], metavar="NAME=VALUE", help="settings beside the default preset")
    args = parser.parse_args()
    print(f"On {machine()}, load {load_average()}.\n")
    print("| seed | missing | CPU s |", " | ".join(MEASURES), "|")
    print("|--:|---|--:|" + "--:|" * len(MEASURES))
    for seed in args.seeds:
        given = dict(pair.split("=", 1) for pair in args.set)
        settings = make_settings({**given, "engine": "graph", "seed": seed, "keep": tuple(args.keep)})
        with closing(open_database(args.url)) as source, Workspace() as work:
            learned = learn_source(source, work, settings, QUIET, Clock())
            real = {name: learned.read(name) for name in learned.plan.schema.table_names}
        for words, rows in _cases(learned.model, real, args.missing, np.random.default_rng(seed)):
            started = time.process_time()
            made = synthesise(learned.model, seed=seed, given=rows)
            took = time.process_time() - started
            plan = learned.plan
            scores = measure(Comparison.of(plan.schema, real, made, leave_out=plan.invented, kept=plan.kept), n_draws=0)
            found = " | ".join(f"{scores.scores[name]:.2f}" if name in scores.scores else "" for name in MEASURES)
            print(f"| {seed} | {words} | {took:.0f} | {found} |", flush=True)


def _cases(
    model: DatabaseModel, real: Mapping[str, pa.Table], missing: Collection[str], rng: np.random.Generator
) -> Iterator[tuple[str, GivenRows | None]]:
    yield "everything", None
    there = {name: rows for name, rows in real.items() if name not in model.kept}
    n_rows = {name: rows.num_rows for name, rows in there.items()}
    yield ", ".join(missing), GivenRows({n: rows for n, rows in there.items() if n not in missing}, {}, n_rows)
    leaves = [name for name in there if not model.schema.foreign_keys_to(name)]
    half = {name: there[name].filter(pa.array(rng.random(n_rows[name]) < 0.5)) for name in leaves}
    yield f"half the rows of {', '.join(leaves)}", GivenRows(there | half, {}, n_rows)
    blanked, fill = {}, {}
    for name, rows in there.items():
        fates = model.fates[name]
        fill[name] = frozenset(c for c in rows.column_names if fates[c] is Fate.MODELLED and not rows[c].null_count)
        blanked[name] = pa.table({
            c: pa.array(rows[c].to_pylist(), rows[c].type, mask=rng.random(len(rows)) < 0.5)
            if c in fill[name] else rows[c] for c in rows.column_names
        })  # fmt: skip
    yield "half the cells", GivenRows(blanked, fill, n_rows)


if __name__ == "__main__":
    main()
