"""The source's snapshot on disk: one file per table, in a private folder that is removed on every exit.

Files are mapped, not read: a column costs memory when it is looked at. Encrypted ones cannot be mapped: a table that is
asked for is decrypted into memory, whole. A folder whose process was killed is removed by the next run that works in
the same place: a living process holds its folder locked.
"""

from __future__ import annotations

import os
import secrets
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any

import pyarrow as pa

from .errors import ConfigError, SourceError

try:
    import fcntl
except ImportError:  # Windows has none: what a killed run leaves stays
    fcntl = None

__all__ = ["Workspace"]

_PREFIX = "dbsynth-workspace-"


class Workspace:
    """A folder (mode 0700) for the real rows, gone when its context ends.

    Args:
        parent: where to make it; None takes the system's temporary folder.
        encrypted: the rows are written with a key that only this process knows (AES-GCM, by Parquet's encryption).

    Raises:
        ConfigError: there is no such parent, or nothing may be written there.
    """

    def __init__(self, parent: Path | str | None = None, *, encrypted: bool = False) -> None:
        self._parent = Path(parent if parent is not None else tempfile.gettempdir())
        self._vault = _Vault() if encrypted else None

    def __enter__(self) -> Workspace:
        try:
            _remove_leftovers(self._parent)
            self.path, self._lock = _private_folder(self._parent)
        except OSError as error:
            raise ConfigError(
                f"workspace is {str(self._parent)!r}, where no folder can be made ({error.strerror}); expected one "
                "that is there and may be written"
            ) from error
        self._files: dict[str, Path] = {}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        shutil.rmtree(self.path, ignore_errors=True)
        os.close(self._lock)

    def write(self, table: str, batches: Iterable[pa.RecordBatch]) -> int:
        """Keep a table's rows, batch by batch, and return how many they are; at least one batch gives the columns.

        Raises:
            SourceError: the disk refuses them; names the folder and how to choose another.
        """
        path = self.path / str(len(self._files))  # names of a schema are no file names
        self._files[table] = path
        rows, writer = 0, None
        try:
            for batch in batches:
                with self._room(table):
                    writer = writer or self._writer(path, batch.schema)
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

    def _writer(self, path: Path, schema: pa.Schema) -> Any:
        # A file without columns says how many rows it has in Arrow's form only, and keeps no value.
        return self._vault.writer(path, schema) if self._vault and len(schema) else pa.ipc.new_file(path, schema)

    @contextmanager
    def _room(self, table: str) -> Iterator[None]:
        """What the disk refuses, with the way out."""
        try:
            yield
        except OSError as error:
            reason = os.strerror(error.errno) if error.errno else error
            raise SourceError(
                f"the rows of table {table!r} cannot be kept in {self.path} while the job runs: {reason}; make room "
                "there, or name another folder in the setting workspace"
            ) from error

    def read(self, table: str) -> pa.Table:
        """The table's rows: mapped from disk, or decrypted into memory."""
        path = self._files[table]
        if self._vault and self._vault.has(path):
            return self._vault.read(path)
        return pa.ipc.open_file(pa.memory_map(str(path))).read_all()


class _Vault:
    """Encrypted files, whose keys stay in this process's memory."""

    def __init__(self) -> None:
        import pyarrow.parquet.encryption as parquet

        keys: dict[str, bytes] = {}

        class Memory(parquet.KmsClient):
            """Keeps a key and writes its number: where a key service would wrap it, nothing of it leaves."""

            def __init__(self, configuration: Any) -> None:
                super().__init__()

            def wrap_key(self, key: bytes, master: str) -> str:
                number = secrets.token_hex(16)
                keys[number] = key
                return number

            def unwrap_key(self, wrapped: str, master: str) -> bytes:
                return keys[wrapped if isinstance(wrapped, str) else wrapped.decode()]

        self._factory = parquet.CryptoFactory(Memory)
        self._service = parquet.KmsConnectionConfig()
        self._how = parquet.EncryptionConfiguration(
            footer_key="memory", uniform_encryption=True, data_key_length_bits=256
        )
        self._files: set[Path] = set()

    def has(self, path: Path) -> bool:
        return path in self._files

    def writer(self, path: Path, schema: pa.Schema) -> Any:
        import pyarrow.parquet as pq

        self._files.add(path)
        properties = self._factory.file_encryption_properties(self._service, self._how)
        return pq.ParquetWriter(path, schema, encryption_properties=properties)

    def read(self, path: Path) -> pa.Table:
        import pyarrow.parquet as pq

        properties = self._factory.file_decryption_properties(self._service)
        return pq.ParquetFile(path, decryption_properties=properties).read()


def _private_folder(parent: Path) -> tuple[Path, int]:
    """A new folder for its owner alone, and the descriptor that keeps it locked.

    Until it is locked, another run may take it for a leftover.
    """
    while True:
        path = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))
        try:
            descriptor = os.open(path, os.O_RDONLY)
        except FileNotFoundError:
            continue
        if fcntl is None or (_lock(descriptor) and path.exists()):
            return path, descriptor
        os.close(descriptor)


def _remove_leftovers(parent: Path) -> None:
    """The folders of ours that no living process holds."""
    for path in parent.glob(f"{_PREFIX}*") if fcntl else ():
        with suppress(OSError):  # somebody else's, or gone by now
            descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            try:
                if os.fstat(descriptor).st_uid == os.getuid() and _lock(descriptor):
                    shutil.rmtree(path, ignore_errors=True)
            finally:
                os.close(descriptor)


def _lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
