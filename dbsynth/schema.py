"""What a database looks like: tables, columns, keys and constraints, the same for every dialect.

All classes are frozen and compare by value. Whole schemas go to and from plain JSON data (`to_json`, `from_json`), and
`Schema.fingerprint` is what a bundle remembers of the schema it was trained on.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING, Any

from .errors import SchemaError
from .statements import defines_index, defines_type

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = [
    "Check",
    "Column",
    "DatabaseObject",
    "ForeignKey",
    "Index",
    "Kind",
    "NamedType",
    "Schema",
    "Table",
    "UniqueKey",
    "arrow_type",
]


class Kind(StrEnum):
    """What the values of a column are; each kind crosses the adapters' seam as one Arrow type."""

    INTEGER = "integer"  # int64
    DECIMAL = "decimal"  # decimal128(precision, scale); string where the precision is open or above 38
    FLOAT = "float"  # float64
    BOOLEAN = "boolean"  # bool
    DATE = "date"  # date32
    TIME = "time"  # time64[us]
    TIMESTAMP = "timestamp"  # timestamp[us]
    TIMESTAMPTZ = "timestamptz"  # timestamp[us, UTC]
    TEXT = "text"  # string, as are all below but binary
    ENUM = "enum"
    UUID = "uuid"
    JSON = "json"
    BINARY = "binary"  # binary
    OTHER = "other"  # the text form of a value that no model understands


@dataclass(frozen=True)
class Column:
    """One column of a table.

    `native_type` is the type as the source's server spells it, with length and precision; the fields after it are its
    parts. `default` and `generated` are SQL expressions of the source's dialect.
    """

    name: str
    kind: Kind
    native_type: str
    nullable: bool = True
    length: int | None = None  # characters
    precision: int | None = None  # digits
    scale: int | None = None  # digits after the point
    enum_values: tuple[str, ...] = ()
    unsigned: bool = False
    default: str | None = None
    generated: str | None = None  # the server computes the value; it can be neither read for training nor written
    identity: bool = False  # serial, identity or auto-increment: the server hands out the next number
    comment: str | None = None
    identity_always: bool = False  # an identity column (Postgres) that an ordinary INSERT may not choose the value of
    collation: str | None = None  # where it is not the database's own: what counts as equal text


def arrow_type(column: Column) -> pa.DataType:
    """The Arrow type in which values of a column cross the adapters' seam."""
    import pyarrow as pa  # here, so that whoever only wants a schema does not load it

    if column.kind is Kind.DECIMAL:
        fits = column.precision is not None and column.precision <= 38
        return pa.decimal128(column.precision, column.scale or 0) if fits else pa.string()
    types = {
        Kind.INTEGER: pa.int64(),
        Kind.FLOAT: pa.float64(),
        Kind.BOOLEAN: pa.bool_(),
        Kind.DATE: pa.date32(),
        Kind.TIME: pa.time64("us"),
        Kind.TIMESTAMP: pa.timestamp("us"),
        Kind.TIMESTAMPTZ: pa.timestamp("us", tz="UTC"),
        Kind.BINARY: pa.binary(),
    }
    return types.get(column.kind, pa.string())


@dataclass(frozen=True)
class UniqueKey:
    """Columns whose values, taken together, no two rows share; rows with a null among them do not count.

    A unique index over plain columns and all rows says the same, and is read as one of these.
    """

    name: str
    columns: tuple[str, ...]
    virtual: bool = False  # no constraint of the table: the user's word, or that of each of its partitions


@dataclass(frozen=True)
class Check:
    """A condition every row satisfies, in the source's dialect, without the word CHECK and its outer brackets."""

    name: str
    expression: str
    domain: str | None = None  # the domain (Postgres), or the partitions, that carry the condition into a target


@dataclass(frozen=True)
class Index:
    """An index that no key brings with it. `definition` is the native statement, where the dialect has one.

    One that `excludes` is an exclusion constraint (Postgres): no two rows may be alike by its operators, of which the
    `columns` are those that must not overlap.
    """

    name: str
    columns: tuple[str, ...]
    unique: bool = False
    definition: str | None = None
    excludes: bool = False


@dataclass(frozen=True)
class ForeignKey:
    """Rows of `child` hold in `columns` the `parent_columns` of one row of `parent`."""

    name: str
    child: str
    columns: tuple[str, ...]
    parent: str
    parent_columns: tuple[str, ...]
    on_delete: str | None = None  # CASCADE, SET NULL, …; None is the server's default
    on_update: str | None = None
    deferrable: str | None = None  # DEFERRABLE …, where a transaction may break it on the way
    virtual: bool = False  # the user's word, of which the database knows nothing

    @property
    def is_self_reference(self) -> bool:
        return self.child == self.parent


@dataclass(frozen=True)
class Table:
    """One table. `name` is unique in a schema: the bare name in the default namespace, else `namespace.name`."""

    name: str
    columns: tuple[Column, ...]
    primary_key: tuple[str, ...] = ()
    unique_keys: tuple[UniqueKey, ...] = ()
    checks: tuple[Check, ...] = ()
    indexes: tuple[Index, ...] = ()
    namespace: str | None = None  # None: the connection's default
    comment: str | None = None
    options: tuple[str, ...] = ()  # what the dialect says of the table as a whole: WITHOUT ROWID, ENGINE=…

    @property
    def local_name(self) -> str:
        """The name inside its namespace."""
        return self.name.removeprefix(f"{self.namespace}.") if self.namespace else self.name

    @property
    def column_names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns)

    def column(self, name: str) -> Column:
        """The column of that name; KeyError if there is none."""
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(f"table {self.name!r} has no column {name!r}")


@dataclass(frozen=True)
class NamedType:
    """A type that the database itself defines: enum, domain, composite; `definition` is the native statement."""

    name: str
    definition: str


@dataclass(frozen=True)
class DatabaseObject:
    """What a database declares beside its tables' columns and constraints: a view, a function, a trigger, …

    Attributes:
        kind: what the dialect calls it, in the singular.
        name: unique among those of its kind; a trigger's says of which table it is.
        statements: native ones that create it, in order; none where it is known by name only and stays behind.
        part_of_tables: the tables are not what they are without it (a partition, a function that a default calls).
    """

    kind: str
    name: str
    statements: tuple[str, ...] = ()
    part_of_tables: bool = False


@dataclass(frozen=True)
class Schema:
    """The tables of a database and the foreign keys between them.

    Raises:
        SchemaError: two tables of one name, or a foreign key to a table or column that is not there.
    """

    dialect: str  # whose words native types, defaults and checks are in: "sqlite", "postgres", "mysql"
    tables: tuple[Table, ...]
    foreign_keys: tuple[ForeignKey, ...] = ()
    types: tuple[NamedType, ...] = ()  # in an order in which they can be created
    objects: tuple[DatabaseObject, ...] = ()  # beside the tables, in the order in which they came to be

    def __post_init__(self) -> None:
        by_name = {table.name: table for table in self.tables}
        if len(by_name) < len(self.tables):
            twice = sorted({t.name for t in self.tables if sum(t.name == u.name for u in self.tables) > 1})
            raise SchemaError(f"two tables share the name {twice[0]!r}; rename one of them")
        for key in self.foreign_keys:
            for name, columns in ((key.child, key.columns), (key.parent, key.parent_columns)):
                if name not in by_name:
                    raise SchemaError(
                        f"foreign key {key.name!r} of table {key.child!r} refers to table {name!r}, which is not "
                        "there; create that table or drop the constraint"
                    )
                missing = set(columns) - set(by_name[name].column_names)
                if missing:
                    raise SchemaError(
                        f"foreign key {key.name!r} names column {sorted(missing)[0]!r}, which table {name!r} does not "
                        "have"
                    )

    @cached_property
    def _by_name(self) -> dict[str, Table]:
        return {table.name: table for table in self.tables}

    def table(self, name: str) -> Table:
        """The table of that name; KeyError if there is none."""
        return self._by_name[name]

    @property
    def table_names(self) -> tuple[str, ...]:
        return tuple(table.name for table in self.tables)

    def foreign_keys_of(self, child: str) -> tuple[ForeignKey, ...]:
        """The foreign keys that rows of `child` hold."""
        return tuple(key for key in self.foreign_keys if key.child == child)

    def foreign_keys_to(self, parent: str) -> tuple[ForeignKey, ...]:
        """The foreign keys that point at rows of `parent`."""
        return tuple(key for key in self.foreign_keys if key.parent == parent)

    def restrict(self, names: Iterable[str]) -> Schema:
        """The same schema with these tables only, and the foreign keys among them."""
        names = set(names)
        return replace(
            self,
            tables=tuple(t for t in self.tables if t.name in names),
            foreign_keys=tuple(k for k in self.foreign_keys if k.child in names and k.parent in names),
        )

    @property
    def declared(self) -> Schema:
        """The schema without what is virtual: what a target is told."""
        tables = tuple(
            replace(t, unique_keys=tuple(key for key in t.unique_keys if not key.virtual)) for t in self.tables
        )
        return replace(self, tables=tables, foreign_keys=tuple(key for key in self.foreign_keys if not key.virtual))

    @property
    def tables_only(self) -> Schema:
        """The schema whose other objects are known by name only, so that they stay behind."""
        objects = tuple(o if o.part_of_tables else replace(o, statements=()) for o in self.objects)
        return replace(self, objects=objects)

    def opened(self) -> tuple[ForeignKey, ...]:
        """The foreign keys to leave out so that no cycle remains: self references, then the fewest keys of each cycle.

        A nullable key goes before one that is not, one outside the primary key before one inside; among equals the last
        in name order goes. What is left is a directed
        acyclic graph, over which `parents_first` runs. The same schema always opens at the same keys.
        """
        opened = [key for key in self.foreign_keys if key.is_self_reference]
        kept = [key for key in self.foreign_keys if not key.is_self_reference]
        while cycle := _find_cycle(self.table_names, kept):
            key = max(cycle, key=lambda k: (self._is_nullable(k), not self._is_primary(k), k.child, k.name))
            opened.append(key)
            kept.remove(key)
        return tuple(opened)

    def parents_first(self) -> tuple[str, ...]:
        """Table names, every parent before its children once the `opened` keys are left out; ties in schema order."""
        opened = set(self.opened())
        waiting = {name: {k.parent for k in self.foreign_keys_of(name) if k not in opened} for name in self.table_names}
        order: list[str] = []
        while waiting:
            ready = [name for name, parents in waiting.items() if not parents & waiting.keys()]
            order += ready
            for name in ready:
                del waiting[name]
        return tuple(order)

    def _is_nullable(self, key: ForeignKey) -> bool:
        return all(self.table(key.child).column(name).nullable for name in key.columns)

    def _is_primary(self, key: ForeignKey) -> bool:
        return bool(set(self.table(key.child).primary_key) & set(key.columns))

    @cached_property
    def fingerprint(self) -> str:
        """A hash of everything above: equal for equal schemas, and for them only."""
        return hashlib.sha256(json.dumps(self.to_json(), sort_keys=True).encode()).hexdigest()

    def to_json(self) -> dict[str, Any]:
        """Plain data, ready for `json.dumps`."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Schema:
        """The inverse of `to_json`."""

        def table(entry: dict[str, Any]) -> Table:
            columns = tuple(
                Column(**{**c, "kind": Kind(c["kind"]), "enum_values": tuple(c["enum_values"])})
                for c in entry["columns"]
            )
            return Table(**{
                **entry,
                "columns": columns,
                "primary_key": tuple(entry["primary_key"]),
                "unique_keys": tuple(UniqueKey(**{**k, "columns": tuple(k["columns"])}) for k in entry["unique_keys"]),
                "checks": tuple(Check(**c) for c in entry["checks"]),
                "indexes": tuple(Index(**{**i, "columns": tuple(i["columns"])}) for i in entry["indexes"]),
                "options": tuple(entry["options"]),
            })

        keys = tuple(
            ForeignKey(**{**k, "columns": tuple(k["columns"]), "parent_columns": tuple(k["parent_columns"])})
            for k in data["foreign_keys"]
        )
        types = tuple(NamedType(**t) for t in data["types"])
        objects = tuple(DatabaseObject(**{**o, "statements": tuple(o["statements"])}) for o in data["objects"])
        schema = cls(data["dialect"], tuple(table(t) for t in data["tables"]), keys, types, objects)
        for kind in types:
            if not defines_type(kind.definition):
                raise SchemaError(f"{kind.definition[:60]!r} defines no type")
        for t in schema.tables:
            for index in t.indexes:
                if index.definition and not defines_index(index.definition, t.name, schema.dialect):
                    raise SchemaError(f"{index.definition[:60]!r} defines no index of table {t.name!r}")
        return schema


def _find_cycle(names: Iterable[str], keys: list[ForeignKey]) -> list[ForeignKey]:
    """The foreign keys along one cycle of the graph, or an empty list."""
    outgoing: dict[str, list[ForeignKey]] = {name: [] for name in names}
    for key in keys:
        outgoing[key.child].append(key)
    done: set[str] = set()
    for start in outgoing:
        trail: list[ForeignKey] = []  # the keys walked from start to here
        stack = [iter(outgoing[start])] if start not in done else []
        on_trail = [start]
        while stack:
            key = next(stack[-1], None)
            if key is None:
                stack.pop()
                done.add(on_trail.pop())
                if trail:
                    trail.pop()
            elif key.parent in on_trail:
                return [*trail[on_trail.index(key.parent) :], key]
            elif key.parent not in done:
                trail.append(key)
                on_trail.append(key.parent)
                stack.append(iter(outgoing[key.parent]))
    return []
