"""A database's rows, read once: all tables from one consistent view into a workspace."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from .errors import SchemaError
from .progress import Progress
from .schema import Schema
from .workspace import Workspace

if TYPE_CHECKING:
    from adapters import Adapter

__all__ = ["counted", "take_snapshot"]


def take_snapshot(source: Adapter, schema: Schema, workspace: Workspace, progress: Progress) -> dict[str, int]:
    """All tables' readable columns into the workspace, from one consistent view; their numbers of rows.

    Raises:
        SchemaError: there are no tables.
    """
    if not schema.tables:
        raise SchemaError(
            f"{source.url} has no tables; check the address, and the schema or database that it names"
        )
    rows = {}
    with source.snapshot() as snapshot:
        for table in schema.tables:
            columns = [column.name for column in table.columns if column.generated is None]
            with (
                progress.stage(f"reading {table.name}", total=snapshot.count_rows(table), unit="rows") as advance,
                closing(snapshot.read_rows(table, columns)) as batches,  # at once, while there is a connection
            ):
                rows[table.name] = workspace.write(table.name, counted(batches, advance))
    return rows


def counted(batches: Iterator[pa.RecordBatch], advance: Any) -> Iterator[pa.RecordBatch]:
    """The same batches; `advance` is told how many rows went by."""
    for batch in batches:
        yield batch
        advance(batch.num_rows)
