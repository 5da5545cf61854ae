"""The seam between the mind and the databases, and what the dialects share.

Arrow record batches cross it: typed, compact, cheap to keep. A value that no model understands crosses as its text
form.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

import pyarrow as pa

from dbsynth.schema import Schema, Table, arrow_type

__all__ = ["Adapter", "Load", "Mode", "ServerIdentity", "Snapshot", "Violation", "arrow_schema"]


class Mode(StrEnum):
    """What a load may do to a target that is not empty."""

    CREATE = "create"  # a table that holds rows is refused
    REPLACE = "replace"  # new tables are built beside the old ones and take their place at once
    IN_PLACE = "in-place"  # new rows take the old ones' place in the same tables, in one transaction


@dataclass(frozen=True, eq=False)
class ServerIdentity:
    """What makes two spellings of a URL the same database.

    Two are equal if they share the dialect, the database and any one of the facts about the server: of these a role may
    see fewer than another.
    """

    dialect: str
    servers: frozenset[str]
    database: str

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, ServerIdentity)
            and (self.dialect, self.database) == (other.dialect, other.database)
            and bool(self.servers & other.servers)
        )

    def __hash__(self) -> int:
        return hash((self.dialect, self.database))


@dataclass(frozen=True)
class Violation:
    """A constraint that rows of a table break, and how many do."""

    table: str
    constraint: str
    rows: int


class Snapshot(Protocol):
    """One consistent, read-only view of all tables."""

    def count_rows(self, table: Table) -> int:
        """Rows of the table in this snapshot."""
        ...

    def read_rows(self, table: Table, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """The rows in batches of bounded memory, with the Arrow types of `arrow_schema`; always at least one batch."""
        ...


class Load(Protocol):
    """An unfinished load: nothing of it is seen in the target before the context ends without an error.

    Attributes:
        losses: once it has ended, a sentence for each object beside the tables that the server would not create.
    """

    losses: list[str]

    def write_rows(self, table: Table, batches: Iterable[pa.RecordBatch]) -> int:
        """Write rows (columns by name; those left out take their default) and return how many."""
        ...

    def validate(self) -> list[Violation]:
        """The server's own word on every constraint, while nobody else sees the rows; after it no more are written.

        Raises:
            TargetError: a key or a reference that the server itself refuses.
        """
        ...


class Adapter(Protocol):
    """A database: read its schema, take a snapshot, load a schema's tables, let the server validate them."""

    dialect: str

    @property
    def url(self) -> str:
        """Where it is, with the password masked."""
        ...

    @property
    def identity(self) -> ServerIdentity: ...

    @property
    def unverified(self) -> str | None:
        """A sentence if the connection leaves this machine and nothing proves who answers; else None."""
        ...

    def read_schema(self) -> Schema: ...

    def snapshot(self) -> AbstractContextManager[Snapshot]: ...

    def losses(self, schema: Schema) -> list[str]:
        """What this dialect cannot carry over of a schema that may come from another one, a sentence each."""
        ...

    def check_target(self, schema: Schema, mode: Mode) -> list[str]:
        """What a user should know before a load, a sentence each: that readers will have to wait, and why.

        Raises:
            TargetError: a load would be refused, now or at its end, whatever the rows: rows in the way, no right to
                create tables, tables that stand and do not fit, what the server would not create. Virtual keys of the
                schema count: rows will obey them.
        """
        ...

    def alterations(self, schema: Schema, gone: Mapping[str, Collection[str]]) -> list[str]:
        """The statements by which the tables that stand here would follow a source; none is run.

        Args:
            gone: by table the columns that the source does not have any more; all of a table that it does not have.
        """
        ...

    def lock(self) -> AbstractContextManager[None]:
        """Be the only one that loads this database, until the context or the process ends. A load takes it by itself.

        Raises:
            TargetError: another one is at work; says who, where the server tells.
        """
        ...

    def load(self, schema: Schema, mode: Mode = Mode.CREATE) -> AbstractContextManager[Load]:
        """All or nothing: tables, rows, keys and sequences stand when the context ends; else nothing changed.

        What a load that was killed has left behind is removed first.
        """
        ...

    def validate(self, schema: Schema) -> list[Violation]:
        """The server's own word on every constraint."""
        ...

    def close(self) -> None: ...


def arrow_schema(table: Table, columns: Sequence[str]) -> pa.Schema:
    """The Arrow schema of batches with these columns."""
    return pa.schema([(name, arrow_type(table.column(name))) for name in columns])
