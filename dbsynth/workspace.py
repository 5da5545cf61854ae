"""The source's snapshot on disk: one Arrow file per table, in a private folder that is removed on every exit.

Files are mapped, not read: a column costs memory when it is looked at.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType

import pyarrow as pa

from .errors import SourceError

__all__ = ["Workspace"]


class Workspace:
    """A folder (mode 0700) for the real rows, gone when its context ends.

    Args:
        parent: where to make it; None takes the system's temporary folder.
    """

    def __init__(self, parent: Path | None = None) -> None:
        self._parent = parent

    def __enter__(self) -> Workspace:
        self.path = Path(tempfile.mkdtemp(prefix="dbsynth-", dir=self._parent))
        self._files: dict[str, Path] = {}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        shutil.rmtree(self.path, ignore_errors=True)

    def write(self, table: str, batches: Iterable[pa.RecordBatch]) -> int:
        """Keep a table's rows, batch by batch, and return how many they are; at least one batch gives the columns.

        Raises:
            SourceError: the disk refuses them; names the folder and how to choose another.
        """
        path = self.path / f"{len(self._files)}.arrow"  # names of a schema are no file names
        self._files[table] = path
        rows, writer = 0, None
        try:
            for batch in batches:
                with self._room(table):
                    writer = writer or pa.ipc.new_file(path, batch.schema)
                    writer.write_batch(batch)
                rows += batch.num_rows
        except BaseException:
            if writer is not None:
                with suppress(OSError):  # the first error says it
                    writer.close()
            raise
        if writer is not None:
            with self._room(table):
                writer.close()
        return rows

    @contextmanager
    def _room(self, table: str) -> Iterator[None]:
        """What the disk refuses, with the way out."""
        try:
            yield
        except OSError as error:
            reason = os.strerror(error.errno) if error.errno else error
            raise SourceError(
                f"the rows of table {table!r} cannot be kept in {self.path} while the job runs: {reason}; make room "
                "there, or name another folder in the variable TMPDIR"
            ) from error

    def read(self, table: str) -> pa.Table:
        """The table's rows, mapped from disk."""
        return pa.ipc.open_file(pa.memory_map(str(self._files[table]))).read_all()
