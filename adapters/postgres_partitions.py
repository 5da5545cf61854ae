"""What partitions ask of the rows of their table: to fit into one of them, and keys that each of them declares."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from dbsynth.schema import Check, Table, UniqueKey

from .ddl import POSTGRES

__all__ = ["PARTITIONS", "bounds", "unique_keys"]

PARTITIONS = "partitions"  # what brings such a condition, where a domain's name would stand

_BOUNDS = """
    SELECT pg_get_partition_constraintdef(p.relid) AS condition,
           pg_get_expr(c.relpartbound, c.oid) = 'DEFAULT' AND p.level = 1 AS takes_all
    FROM pg_partition_tree(%s::oid::regclass) p JOIN pg_class c ON c.oid = p.relid
    WHERE p.isleaf AND p.relid <> %s::oid::regclass ORDER BY c.relname COLLATE "C"
"""

_KEYS = """
    SELECT p.relid::oid AS partition, k.conname AS name,
           ARRAY(SELECT a.attname::text FROM unnest(k.conkey) WITH ORDINALITY u(number, place)
                 JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = u.number ORDER BY u.place) AS columns
    FROM pg_partition_tree(%s::oid::regclass) p
    LEFT JOIN pg_constraint k ON k.conrelid = p.relid AND k.contype IN ('p', 'u') AND k.conparentid = 0
    WHERE p.isleaf AND p.relid <> %s::oid::regclass ORDER BY k.conname COLLATE "C"
"""


def bounds(connection: Any, oid: int) -> list[Check]:
    """The condition that a row fits into a partition, where there is none for all others."""
    rows = connection.execute(_BOUNDS, [oid, oid]).fetchall()
    conditions = [row["condition"] for row in rows if row["condition"]]
    if not conditions or any(row["takes_all"] for row in rows):
        return []
    return [Check(PARTITIONS, " OR ".join(f"({condition})" for condition in conditions), domain=PARTITIONS)]


def unique_keys(connection: Any, oid: int, table: Table) -> list[UniqueKey]:
    """Columns that are unique within partitions, and over all rows too, though no key of the whole table says so."""
    found: dict[tuple[str, ...], set[int]] = defaultdict(set)
    for row in connection.execute(_KEYS, [oid, oid]).fetchall():
        if row["name"] is not None:
            found[tuple(row["columns"])].add(row["partition"])
    known = {table.primary_key, *(key.columns for key in table.unique_keys)}
    return [
        UniqueKey(f"unique in partitions: {', '.join(columns)}", columns, virtual=True)
        for columns in found
        if columns not in known and not _has_twice(connection, table, columns)
    ]


def _has_twice(connection: Any, table: Table, columns: tuple[str, ...]) -> bool:
    listed = POSTGRES.quote_all(columns)
    query = f"SELECT EXISTS (SELECT FROM {POSTGRES.table_name(table)} GROUP BY {listed} HAVING count(*) > 1) AS twice"
    return connection.execute(query).fetchone()["twice"]
