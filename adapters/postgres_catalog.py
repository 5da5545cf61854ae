"""Reading a Postgres database's schema from its catalogs."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from dbsynth.schema import Check, Column, DatabaseObject, ForeignKey, Index, Kind, NamedType, Schema, Table, UniqueKey

from .ddl import POSTGRES
from .postgres_objects import read_objects
from .postgres_partitions import bounds, unique_keys

__all__ = ["TABLES", "read_schema", "scalar"]

_KINDS = {
    "int2": Kind.INTEGER, "int4": Kind.INTEGER, "int8": Kind.INTEGER, "numeric": Kind.DECIMAL,
    "float4": Kind.FLOAT, "float8": Kind.FLOAT, "bool": Kind.BOOLEAN, "date": Kind.DATE, "time": Kind.TIME,
    "timestamp": Kind.TIMESTAMP, "timestamptz": Kind.TIMESTAMPTZ, "text": Kind.TEXT, "varchar": Kind.TEXT,
    "bpchar": Kind.TEXT, "citext": Kind.TEXT, "name": Kind.TEXT, "uuid": Kind.UUID, "json": Kind.JSON,
    "jsonb": Kind.JSON, "bytea": Kind.BINARY,
}  # fmt: skip

_ACTIONS = {"a": None, "r": "RESTRICT", "c": "CASCADE", "n": "SET NULL", "d": "SET DEFAULT"}

# Tables that hold rows of their own; a partition belongs to its parent, an extension's table to the extension.
TABLES = """
    SELECT c.oid, n.nspname AS namespace, c.relname AS name, c.relkind::text AS kind,
           n.nspname = current_schema() AS is_default, obj_description(c.oid, 'pg_class') AS comment,
           CASE WHEN c.relkind = 'p' THEN pg_get_partkeydef(c.oid) END AS divided_by
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relpersistence <> 't'
      AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_(toast|temp)'
      AND NOT EXISTS (SELECT FROM pg_depend d
                      WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
    ORDER BY n.nspname IS DISTINCT FROM current_schema(), n.nspname COLLATE "C", c.relname COLLATE "C"
"""

_COLUMNS = """
    SELECT a.attrelid AS table, a.attname AS name, a.atttypid AS type, a.atttypmod AS typmod,
           format_type(a.atttypid, a.atttypmod) AS native_type, a.attnotnull AS not_null,
           a.attidentity::text AS identity, a.attgenerated::text AS generated,
           pg_get_expr(d.adbin, d.adrelid, true) AS default, col_description(a.attrelid, a.attnum) AS comment,
           CASE WHEN a.attcollation NOT IN (0, t.typcollation) THEN quote_ident(l.collname) END AS collation
    FROM pg_attribute a
    JOIN pg_type t ON t.oid = a.atttypid
    LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
    LEFT JOIN pg_collation l ON l.oid = a.attcollation
    WHERE a.attrelid = ANY(%s) AND a.attnum > 0 AND NOT a.attisdropped
    ORDER BY a.attrelid, a.attnum
"""

_TYPES = """
    SELECT t.oid, t.typname AS name, t.typtype::text AS kind, t.typbasetype AS base, t.typtypmod AS typmod,
           t.typelem AS element, t.typnotnull AS not_null, t.typdefault AS default, e.extname AS extension,
           format_type(t.oid, NULL) AS spelled,
           t.typtype IN ('d', 'e', 'r') OR EXISTS (
               SELECT FROM pg_class c WHERE c.oid = t.typrelid AND c.relkind = 'c') AS is_own,
           CASE WHEN n.nspname NOT IN ('pg_catalog', current_schema()) THEN quote_ident(n.nspname) END AS outside,
           CASE WHEN t.typtype = 'd' THEN format_type(t.typbasetype, t.typtypmod) END AS base_type,
           CASE WHEN t.typtype = 'e' THEN ARRAY(SELECT v.enumlabel::text FROM pg_enum v WHERE v.enumtypid = t.oid
                ORDER BY v.enumsortorder) END AS labels,
           CASE WHEN t.typtype = 'c' THEN ARRAY(
                SELECT quote_ident(a.attname) || ' ' || format_type(a.atttypid, a.atttypmod)
                FROM pg_attribute a WHERE a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped
                ORDER BY a.attnum) END AS fields,
           CASE WHEN t.typtype = 'c' THEN ARRAY(
                SELECT a.atttypid FROM pg_attribute a
                WHERE a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped)
                WHEN t.typtype = 'r' THEN ARRAY(SELECT r.rngsubtype FROM pg_range r WHERE r.rngtypid = t.oid)
                WHEN t.typtype = 'm' THEN ARRAY(
                SELECT r.rngtypid FROM pg_range r WHERE (to_jsonb(r) ->> 'rngmultitypid')::oid = t.oid)
                END AS made_of,
           CASE WHEN t.typtype = 'r' THEN (
                SELECT concat_ws(', ', 'subtype = ' || format_type(r.rngsubtype, NULL),
                    'subtype_opclass = ' || (SELECT quote_ident(m.nspname) || '.' || quote_ident(o.opcname)
                        FROM pg_opclass o JOIN pg_namespace m ON m.oid = o.opcnamespace WHERE o.oid = r.rngsubopc),
                    'collation = ' || (SELECT quote_ident(m.nspname) || '.' || quote_ident(l.collname)
                        FROM pg_collation l JOIN pg_namespace m ON m.oid = l.collnamespace
                        WHERE l.oid = r.rngcollation),
                    'subtype_diff = ' || nullif(r.rngsubdiff::oid, 0)::regproc,
                    'multirange_type_name = ' || (to_jsonb(r) ->> 'rngmultitypid')::oid::regtype)
                FROM pg_range r WHERE r.rngtypid = t.oid) END AS range
    FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace
    LEFT JOIN pg_depend d ON d.classid = 'pg_type'::regclass AND d.objid = t.oid AND d.deptype = 'e'
    LEFT JOIN pg_extension e ON e.oid = d.refobjid AND d.refclassid = 'pg_extension'::regclass
    ORDER BY t.oid
"""

_DOMAIN_CHECKS = """
    SELECT contypid AS domain, conname AS name, pg_get_constraintdef(oid, true) AS definition
    FROM pg_constraint WHERE contypid <> 0 AND contype = 'c' ORDER BY contypid, conname COLLATE "C"
"""

_CONSTRAINTS = """
    SELECT c.conrelid AS table, c.conname AS name, c.contype::text AS kind, c.confrelid AS parent,
           c.confdeltype::text AS on_delete, c.confupdtype::text AS on_update,
           c.condeferrable AS deferrable, c.condeferred AS deferred,
           pg_get_expr(c.conbin, c.conrelid, true) AS expression,
           pg_get_constraintdef(c.oid, true) AS definition,
           ARRAY(SELECT a.attname::text FROM unnest(c.conkey) WITH ORDINALITY k(number, place)
                 JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = k.number ORDER BY k.place) AS columns,
           ARRAY(SELECT a.attname::text FROM unnest(c.confkey) WITH ORDINALITY k(number, place)
                 JOIN pg_attribute a ON a.attrelid = c.confrelid AND a.attnum = k.number
                 ORDER BY k.place) AS parent_columns,
           ARRAY(SELECT a.attname::text FROM unnest(c.conkey, c.conexclop) WITH ORDINALITY k(number, operator, place)
                 JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = k.number
                 JOIN pg_operator o ON o.oid = k.operator AND o.oprname = '&&'
                 ORDER BY k.place) AS not_overlapping
    FROM pg_constraint c
    WHERE c.conrelid = ANY(%s) AND c.contype IN ('p', 'u', 'f', 'c', 'x') AND c.conparentid = 0
    ORDER BY c.conname COLLATE "C"
"""

_INDEXES = """
    SELECT i.indrelid AS table, c.relname AS name, i.indisunique AS is_unique,
           replace(pg_get_indexdef(i.indexrelid, 0, true), ' ON ONLY ', ' ON ') AS definition,
           i.indpred IS NULL AND i.indexprs IS NULL AND i.indnkeyatts = i.indnatts
               AND m.amname IN ('btree', 'hash') AS is_plain,
           ARRAY(SELECT a.attname::text FROM unnest(i.indkey::int2[]) WITH ORDINALITY k(number, place)
                 JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.number
                 WHERE k.place <= i.indnkeyatts ORDER BY k.place) AS columns
    FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_am m ON m.oid = c.relam
    WHERE i.indrelid = ANY(%s) AND NOT i.indisprimary AND i.indislive
      AND NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = i.indexrelid AND k.contype IN ('p', 'u', 'x'))
    ORDER BY c.relname COLLATE "C"
"""

# Extensions whose functions, operators and operator classes the tables' indexes, conditions and defaults use.
_EXTENSIONS = """
    SELECT DISTINCT e.extname AS name
    FROM pg_depend d
    JOIN pg_depend m ON m.classid = d.refclassid AND m.objid = d.refobjid AND m.deptype = 'e'
    JOIN pg_extension e ON m.refclassid = 'pg_extension'::regclass AND e.oid = m.refobjid
    WHERE d.classid IN ('pg_class'::regclass, 'pg_constraint'::regclass, 'pg_attrdef'::regclass)
      AND d.deptype IN ('n', 'a') AND e.extname <> 'plpgsql'
      AND NOT EXISTS (SELECT FROM pg_depend o WHERE o.classid = d.classid AND o.objid = d.objid AND o.deptype = 'e')
    ORDER BY 1
"""

# A foreign key that every partition declares is one of the whole table.
_PARTITIONS = (
    "SELECT relid::oid AS oid FROM pg_partition_tree(%s::oid::regclass) WHERE isleaf AND relid <> %s::oid::regclass"
)


def read_schema(connection: Any, *, scan: bool) -> Schema:
    """The schema as it stands in the connection's transaction.

    With `scan`, one pass over each table that has dates, times or exact decimals finds the columns holding values that
    no Arrow type can hold (infinity, years before 1 or after 9999, 24:00:00, NaN); they become `Kind.OTHER` and cross
    as text.
    """
    tables = connection.execute(TABLES).fetchall()
    oids = [table["oid"] for table in tables]
    types = _Types(connection)
    parts = _Parts.read(connection, oids)
    names = {t["oid"]: t["name"] if t["is_default"] else f"{t['namespace']}.{t['name']}" for t in tables}
    used: dict[int, None] = {}  # in the order of the columns, which is the same in a copy
    result = []
    for row in tables:
        oid = row["oid"]
        columns = tuple(types.column(c) for c in parts.columns[oid])
        used |= {c["type"]: None for c in parts.columns[oid]}
        checks = [Check(c["name"], c["expression"]) for c in parts.constraints[oid] if c["kind"] == "c"]
        checks += [check for c in parts.columns[oid] for check in types.domain_checks(c)]
        table = Table(
            name=names[oid],
            columns=columns,
            primary_key=next((tuple(c["columns"]) for c in parts.constraints[oid] if c["kind"] == "p"), ()),
            unique_keys=tuple(parts.unique_keys(oid)),
            checks=tuple(checks),
            indexes=tuple(parts.indexes(row)),
            namespace=None if row["is_default"] else row["namespace"],
            comment=row["comment"],
            options=(f"PARTITION BY {row['divided_by']}",) if row["divided_by"] else (),
        )
        if row["kind"] == "p":
            table = replace(table, checks=(*table.checks, *bounds(connection, oid)))
        if row["kind"] == "p" and scan:
            table = replace(table, unique_keys=(*table.unique_keys, *unique_keys(connection, oid, table)))
        if scan:
            unusual = _unusual_values(connection, table, row["kind"])
            table = replace(table, columns=tuple(
                replace(c, kind=Kind.OTHER) if c.name in unusual else c for c in table.columns
            ))  # fmt: skip
        result.append(table)
    keys = [key for oid in oids for key in parts.foreign_keys(oid, names)]
    for row in tables:
        if row["kind"] == "p":
            keys += _partition_keys(connection, row["oid"], names)
    needed = [_extension(row["name"]) for row in connection.execute(_EXTENSIONS)]
    named = dict.fromkeys([*needed, *types.definitions(used)])
    objects = [DatabaseObject("type", t.name, (t.definition,)) for t in types.unused(named)]
    known = {kind.definition for kind in named}
    objects += (found for found in read_objects(connection) if not known & set(found.statements))
    return Schema("postgres", tuple(result), tuple(keys), tuple(named), tuple(objects))


def _unusual_values(connection: Any, table: Table, relation_kind: str) -> set[str]:
    """Names of columns with a value that the Arrow type of their kind cannot hold."""
    conditions = {}
    for column in table.columns:
        name = POSTGRES.quote(column.name)
        if column.kind is Kind.DECIMAL and column.precision is not None and column.precision <= 38:
            conditions[column.name] = f"{name} = 'NaN'"
        elif column.kind is Kind.TIME:
            conditions[column.name] = f"{name} = '24:00:00'"
        elif column.kind in (Kind.DATE, Kind.TIMESTAMP, Kind.TIMESTAMPTZ):
            zone = "+00" if column.kind is Kind.TIMESTAMPTZ else ""
            conditions[column.name] = f"{name} NOT BETWEEN '0001-01-01{zone}' AND '9999-12-31 23:59:59.999999{zone}'"
            if column.kind is Kind.DATE:
                conditions[column.name] = f"{name} NOT BETWEEN '0001-01-01' AND '9999-12-31'"
    if not conditions:
        return set()
    only = "" if relation_kind == "p" else "ONLY "
    flags = ", ".join(f"bool_or({condition}) AS c{i}" for i, condition in enumerate(conditions.values()))
    found = connection.execute(f"SELECT {flags} FROM {only}{POSTGRES.table_name(table)}").fetchone()
    return {name for name, flag in zip(conditions, found.values(), strict=True) if flag}


@dataclass
class _Parts:
    """The rows of the catalogs, by table."""

    columns: dict[int, list[dict[str, Any]]]
    constraints: dict[int, list[dict[str, Any]]]
    index_rows: dict[int, list[dict[str, Any]]]

    @classmethod
    def read(cls, connection: Any, oids: list[int]) -> _Parts:
        def by_table(query: str) -> dict[int, list[dict[str, Any]]]:
            rows = defaultdict(list)
            for row in connection.execute(query, [oids]):
                rows[row["table"]].append(row)
            return rows

        return cls(by_table(_COLUMNS), by_table(_CONSTRAINTS), by_table(_INDEXES))

    def unique_keys(self, oid: int) -> list[UniqueKey]:
        keys = [UniqueKey(c["name"], tuple(c["columns"])) for c in self.constraints[oid] if c["kind"] == "u"]
        return keys + [UniqueKey(i["name"], tuple(i["columns"])) for i in self.index_rows[oid] if _is_unique_key(i)]

    def indexes(self, table: dict[str, Any]) -> list[Index]:
        """The other indexes, and exclusion constraints: indexes, said in another statement."""
        indexes = [
            Index(i["name"], tuple(i["columns"]) if i["is_plain"] else (), i["is_unique"], i["definition"])
            for i in self.index_rows[table["oid"]]
            if not _is_unique_key(i)
        ]
        spelled = POSTGRES.quote(table["name"])
        if not table["is_default"]:
            spelled = f"{POSTGRES.quote(table['namespace'])}.{spelled}"
        return indexes + [
            Index(
                c["name"],
                tuple(c["not_overlapping"]),
                False,
                f"ALTER TABLE {spelled} ADD CONSTRAINT {POSTGRES.quote(c['name'])} {c['definition']}",
                excludes=True,
            )
            for c in self.constraints[table["oid"]]
            if c["kind"] == "x"
        ]

    def foreign_keys(self, oid: int, names: dict[int, str]) -> list[ForeignKey]:
        return [_foreign_key(c, names[oid], names) for c in self.constraints[oid] if c["kind"] == "f"]


def _is_unique_key(index: dict[str, Any]) -> bool:
    nulls_equal = "NULLS NOT DISTINCT" in index["definition"]
    return index["is_unique"] and index["is_plain"] and not nulls_equal


def _foreign_key(row: dict[str, Any], child: str, names: dict[int, str]) -> ForeignKey:
    deferrable = None
    if row["deferrable"]:
        deferrable = "DEFERRABLE INITIALLY DEFERRED" if row["deferred"] else "DEFERRABLE"
    return ForeignKey(
        name=row["name"],
        child=child,
        columns=tuple(row["columns"]),
        parent=names.get(row["parent"], f"oid {row['parent']}"),
        parent_columns=tuple(row["parent_columns"]),
        on_delete=_ACTIONS[row["on_delete"]],
        on_update=_ACTIONS[row["on_update"]],
        deferrable=deferrable,
    )


def _partition_keys(connection: Any, oid: int, names: dict[int, str]) -> list[ForeignKey]:
    """Foreign keys that each partition of a table declares for itself, as keys of the table."""
    partitions = [row["oid"] for row in connection.execute(_PARTITIONS, [oid, oid])]
    found: dict[ForeignKey, set[int]] = defaultdict(set)
    for row in connection.execute(_CONSTRAINTS, [partitions]):
        if row["kind"] == "f" and row["parent"] in names:
            name = f"{names[oid].rpartition('.')[2]}_{'_'.join(row['columns'])}_fkey"
            found[replace(_foreign_key(row, names[oid], names), name=name)].add(row["table"])
    return [key for key, holders in found.items() if holders == set(partitions)]


class _Types:
    """The database's types: what a column's type comes down to, and how the user-defined ones are made."""

    def __init__(self, connection: Any) -> None:
        self.by_oid = {row["oid"]: row for row in connection.execute(_TYPES)}
        self.checks = defaultdict(list)
        for row in connection.execute(_DOMAIN_CHECKS):
            self.checks[row["domain"]].append(row)

    def column(self, row: dict[str, Any]) -> Column:
        base, typmod = self.by_oid[row["type"]], row["typmod"]
        not_null, default = row["not_null"], row["default"]
        while base["kind"] == "d":
            not_null = not_null or base["not_null"]
            typmod, base = base["typmod"], self.by_oid[base["base"]]
        kind = Kind.ENUM if base["kind"] == "e" else _KINDS.get(base["name"], Kind.OTHER)
        length = precision = scale = None
        if kind is Kind.TEXT and base["name"] in ("varchar", "bpchar") and typmod > 4:
            length = typmod - 4
        if kind is Kind.DECIMAL and typmod >= 4:
            precision, scale = (typmod - 4) >> 16 & 0xFFFF, (typmod - 4 & 0x7FF ^ 1024) - 1024
            if scale < 0 or scale > precision:  # crosses as text, like a numeric without precision
                precision = scale = None
        is_serial = bool(default and re.match(r"nextval\(", default))
        return Column(
            name=row["name"],
            kind=kind,
            native_type=row["native_type"],
            nullable=not not_null,
            length=length,
            precision=precision,
            scale=scale,
            enum_values=tuple(base["labels"] or ()),
            default=None if row["generated"] else default,
            generated=default if row["generated"] else None,
            identity=bool(row["identity"]) or is_serial,
            comment=row["comment"],
            identity_always=row["identity"] == "a",
            collation=row["collation"],
        )

    def domain_checks(self, row: dict[str, Any]) -> list[Check]:
        """The conditions that the column's domain puts on it, in terms of the column."""
        checks, current = [], self.by_oid[row["type"]]
        while current["kind"] == "d":
            for check in self.checks[current["oid"]]:
                expression = re.sub(r"^CHECK \((.*)\)( NOT VALID)?$", r"\1", check["definition"], flags=re.DOTALL)
                expression = re.sub(r"\bVALUE\b", lambda _: POSTGRES.quote(row["name"]), expression)
                checks.append(Check(f"{row['name']} {check['name']}", expression, domain=current["spelled"]))
            current = self.by_oid[current["base"]]
        return checks

    def definitions(self, used: Iterable[int]) -> list[NamedType]:
        """CREATE statements for the user-defined types among these and what they are made of, in order."""
        found: dict[str, NamedType] = {}
        seen: set[int] = set()

        def visit(oid: int) -> None:
            row = self.by_oid.get(oid)
            if not row or oid in seen:
                return
            seen.add(oid)
            for part in (row["base"], row["element"], *(row["made_of"] or ())):
                visit(part)
            if row["extension"]:
                found[f"extension {row['extension']}"] = _extension(row["extension"])
                return
            text = self._definition(row)
            if text and row["outside"]:
                found.setdefault(
                    f"schema {row['outside']}",
                    NamedType(row["outside"], f"CREATE SCHEMA IF NOT EXISTS {row['outside']}"),
                )
            if text:
                found[row["spelled"]] = NamedType(row["spelled"], text)

        for oid in used:
            visit(oid)
        return list(found.values())

    def unused(self, used: Iterable[NamedType]) -> list[NamedType]:
        """Types that no table's column is of, in order: a function's, or nobody's."""
        own = [oid for oid, row in self.by_oid.items() if row["is_own"]]
        return [kind for kind in self.definitions(own) if kind not in used]

    def _definition(self, row: dict[str, Any]) -> str | None:
        if row["kind"] == "e":
            return f"CREATE TYPE {row['spelled']} AS ENUM ({', '.join(map(POSTGRES.literal, row['labels']))})"
        if row["kind"] == "c" and row["oid"] >= 16384:
            return f"CREATE TYPE {row['spelled']} AS ({', '.join(row['fields'])})"
        if row["kind"] == "r" and row["oid"] >= 16384:
            return f"CREATE TYPE {row['spelled']} AS RANGE ({row['range']})"
        if row["kind"] == "d" and row["oid"] >= 16384:  # below: information_schema's own
            parts = [f"CREATE DOMAIN {row['spelled']} AS {row['base_type']}"]
            parts += [f"DEFAULT {row['default']}"] if row["default"] else []
            parts += ["NOT NULL"] if row["not_null"] else []
            parts += [f"CONSTRAINT {POSTGRES.quote(c['name'])} {c['definition']}" for c in self.checks[row["oid"]]]
            return " ".join(parts)
        return None


def _extension(name: str) -> NamedType:
    return NamedType(name, f"CREATE EXTENSION IF NOT EXISTS {POSTGRES.quote(name)}")


def scalar(connection: Any, query: str, parameters: list[Any] | dict[str, Any] | None = None) -> Any:
    """The one value that a query returns; in binary form, as which the server takes one statement and no second."""
    return next(iter(connection.execute(query, parameters, binary=True).fetchone().values()))
