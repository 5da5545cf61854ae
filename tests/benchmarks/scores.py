"""Score a synthetic database against the real one and print the table of measures and the worst items.

    python tests/benchmarks/scores.py sqlite:///shop.db sqlite:///clone.db --leave-out customer.email
"""

from __future__ import annotations

import argparse
import time

import pyarrow as pa
from rich.console import Console
from rich.table import Table as Grid

from adapters import open_database
from dbsynth.quality.comparison import Comparison
from dbsynth.quality.measures import Measures, measure
from dbsynth.schema import Schema


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("real", help="URL of the real database")
    parser.add_argument("synthetic", help="URL of the synthetic one")
    parser.add_argument("--leave-out", nargs="*", default=[], metavar="TABLE.COLUMN", help="fabricated columns")
    parser.add_argument("--max-hops", type=int, help="longest path of foreign keys; all by default")
    parser.add_argument("--worst", type=int, default=15, help="how many of the lowest items to print")
    args = parser.parse_args()

    schema, real = read(args.real)
    _, synthetic = read(args.synthetic, schema)
    leave_out = [tuple(name.rsplit(".", 1)) for name in args.leave_out]
    started = time.perf_counter()
    measures = measure(Comparison.of(schema, real, synthetic, leave_out=leave_out), max_hops=args.max_hops)
    show(measures, args.worst, time.perf_counter() - started)


def read(url: str, like: Schema | None = None) -> tuple[Schema, dict[str, pa.Table]]:
    """The schema and all rows; only the tables and columns that `like` has, where it is given."""
    database = open_database(url)
    try:
        schema = database.read_schema()
        if like is not None:
            schema = schema.restrict(like.table_names)
        with database.snapshot() as snapshot:
            tables = {}
            for table in schema.tables:
                names = [column.name for column in table.columns if column.generated is None]
                if like is not None:
                    names = [name for name in names if name in like.table(table.name).column_names]
                tables[table.name] = pa.Table.from_batches(snapshot.read_rows(table, names))
    finally:
        database.close()
    return schema, tables


def show(measures: Measures, n_worst: int, seconds: float) -> None:
    console = Console()
    title = f"{len(measures.items)} scores in {seconds:.1f} s"
    grid = Grid("measure", "score", "ceiling", "items", title=title)
    for name, score in measures.scores.items():
        n_items = sum(i.measure == name or (name == "avg 2-way" and i.measure.endswith("-hop")) for i in measures.items)
        numbers = (score, measures.ceilings[name])
        grid.add_row(name, *(f"{n:.0f}" if name == "dangling" else f"{n:.2f}" for n in numbers), str(n_items))
    console.print(grid)
    grid = Grid("score", "measure", "worst items")
    for item in [*measures.worst("dangling", n_worst), *measures.worst(None, n_worst)][:n_worst]:
        grid.add_row(f"{item.score:.2f}", item.measure, item.label)
    console.print(grid)


if __name__ == "__main__":
    main()
