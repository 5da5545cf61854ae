"""Both engines on real data sets, beside the figures that have been published, in one table.

    python tests/benchmarks/engines.py DATA_FOLDER
    python tests/benchmarks/engines.py DATA_FOLDER --only berka --engines graph --seeds 0 --set iterations=200

Every line is a `python -m dbsynth clone` from SQLite to SQLite in a process of its own, on the CPU and, where torch
finds one, on a CUDA device, too. The synthetic rows are read back and measured; a figure below what it must reach is
bold.
DATA_FOLDER holds `load.py` (called with a set's name and a SQLAlchemy URL) and `parquet/<name>/`. Prints Markdown.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from measured import Run, cli_options, load_average, run_measured
from scores import read
from servers import machine

from dbsynth.quality.comparison import Comparison
from dbsynth.quality.likeness import measure

MEASURES = (
    "cardinality", "1-way", "0-hop", "1-hop", "2-hop", "3-hop", "degree-correlation", "column-degree", "intra-group",
)  # fmt: skip


@dataclass(frozen=True)
class Data:
    """A data set.

    Attributes:
        minutes: that fit and generate may take together on two cores.
        floors: what the graph engine must reach.
        published: by method, what its authors report on the same data, or on more of it.
    """

    name: str
    minutes: float
    floors: Mapping[str, float]
    published: Mapping[str, Mapping[str, float]]
    keep: tuple[str, ...] = ()


DATA = (
    Data(
        "relbench_f1", 8,
        {"cardinality": 98.5, "1-way": 99.3, "0-hop": 98, "1-hop": 96, "2-hop": 96.8, "degree-correlation": 97,
         "column-degree": 95, "intra-group": 94},
        {"GRDM": {"cardinality": 98.26, "1-way": 97.28, "0-hop": 96.74, "1-hop": 93.74, "2-hop": 96.81},
         "RelDiff": {"cardinality": 100, "1-way": 94.89, "0-hop": 95.10, "1-hop": 93.46, "2-hop": 95.91}},
        ("driver", "circuit", "constructor"),
    ),
    Data(
        "berka", 8,
        {"cardinality": 98, "1-way": 99, "0-hop": 98.5, "1-hop": 96.5, "2-hop": 95.5, "3-hop": 94.5,
         "degree-correlation": 97, "column-degree": 98, "intra-group": 94},
        {"ClavaDDPM (all transactions)": {"cardinality": 96.92, "1-way": 94.29, "0-hop": 91.49, "1-hop": 86.86,
                                          "2-hop": 89.25, "3-hop": 87.27},
         "GRDM (all transactions)": {"cardinality": 99.70, "1-way": 96.90, "0-hop": 98.21, "1-hop": 92.94,
                                     "2-hop": 96.04, "3-hop": 93.13},
         "RelDiff (all transactions)": {"cardinality": 100, "1-way": 97.72, "0-hop": 98.81, "1-hop": 96.88,
                                        "2-hop": 95.79, "3-hop": 90.19}},
    ),
    Data(
        "movielens_1m", 10,
        {"cardinality": 99, "1-way": 99.3, "0-hop": 98.5, "1-hop": 97.5, "degree-correlation": 96},
        {"ClavaDDPM (all ratings)": {"cardinality": 99.07, "1-way": 99.34, "0-hop": 98.69, "1-hop": 96.19},
         "GRDM (all ratings)": {"cardinality": 98.80, "1-way": 98.22, "0-hop": 96.24, "1-hop": 95.60},
         "RelDiff (all ratings)": {"1-way": 96.91, "0-hop": 93.88, "1-hop": 94.84}},
    ),
)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, metavar="DATA_FOLDER")
    parser.add_argument("--only", nargs="+", choices=[data.name for data in DATA], metavar="NAME")
    parser.add_argument("--engines", nargs="+", default=["clava", "graph"], metavar="ENGINE")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--set", nargs="+", default=[], metavar="NAME=VALUE", help="settings beside the default preset")
    args = parser.parse_args()
    devices = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
    print(f"On {machine()}{f', {torch.cuda.get_device_name()}' if len(devices) > 1 else ''}.")
    for data in DATA:
        if not args.only or data.name in args.only:
            _print_head(data)
            with TemporaryDirectory() as folder:
                source = f"sqlite:///{folder}/{data.name}.db"
                command = [sys.executable, args.data / "load.py", data.name, source]
                subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
                for engine in args.engines:
                    for seed in args.seeds:
                        for device in devices:
                            target = f"sqlite:///{folder}/{engine}-{seed}-{device}.db"
                            options = ["--engine", engine, "--seed", str(seed), "--device", device]
                            _clone(data, source, target, options + cli_options(args.set), f"{engine} on {device}", seed)


def _print_head(data: Data) -> None:
    kept = f", {', '.join(data.keep)} kept" if data.keep else ""
    print(f"\n**{data.name}**{kept}; {data.minutes:g} minutes on two cores\n")
    print("| | seed | load | seconds | CPU s | MiB |", " | ".join(MEASURES), "|")
    print("|---|--:|---|--:|--:|--:|" + "--:|" * len(MEASURES))
    for name, figures in (*data.published.items(), ("to reach", data.floors)):
        print(f"| {name} | | | | | |", " | ".join(_figure(figures.get(m), None) for m in MEASURES), "|", flush=True)


def _clone(data: Data, source: str, target: str, options: Sequence[str], words: str, seed: int) -> None:
    """One line of the table."""
    keep = [word for table in data.keep for word in ("--keep", table)]
    load = load_average()
    command = [sys.executable, "-m", "dbsynth", "clone", source, target, *options, *keep, "--no-evaluate", "--json"]
    run = run_measured(command)
    if run.status:
        print(f"| {words} | {seed} | {load} | failed: {_last_line(run)} |", flush=True)
        return
    scores = _scores(source, target, [*options, *keep])
    floors = data.floors if words.startswith("graph") else {}
    figures = " | ".join(_figure(scores.get(m), floors.get(m)) for m in MEASURES)
    took = f"{run.seconds:.0f} | {run.cpu_seconds:.0f} | {run.peak_mib:.0f}"
    print(f"| {words} | {seed} | {load} | {took} | {figures} |", flush=True)


def _last_line(run: Run) -> str:
    return run.stderr.strip().rpartition("\n")[2][:200]


def _scores(source: str, target: str, options: Sequence[str]) -> Mapping[str, float]:
    """The measures of what stands in the target; invented columns are left out."""
    done = subprocess.run(
        [sys.executable, "-m", "dbsynth", "inspect", source, *options, "--json"], check=True, capture_output=True,
        text=True,
    )  # fmt: skip
    plan = json.loads(done.stdout)
    invented = [(c["table"], c["column"]) for c in plan["columns"] if c["fate"] in ("fabricated", "null", "generated")]
    schema, real = read(source)
    _, synthetic = read(target, schema)
    return measure(Comparison.of(schema, real, synthetic, leave_out=invented), n_draws=0).scores


def _figure(score: float | None, floor: float | None) -> str:
    if score is None or score != score:
        return ""
    return f"**{score:.2f}**" if floor is not None and round(score, 2) < floor else f"{score:.2f}"


if __name__ == "__main__":
    main()
