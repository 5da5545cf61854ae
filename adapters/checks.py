"""What all dialects ask: of a source while it is read, of a target before a load, of rows after one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

from dbsynth.errors import SourceError, TargetError
from dbsynth.schema import Schema, Table

from .base import Mode, Violation
from .ddl import Dialect
from .standing import shape_problems

__all__ = ["count_violations", "elsewhere", "refuse_changes", "refuse_rows", "refuse_shape", "violation_queries"]


def refuse_rows(counts: dict[str, int], mode: Mode) -> None:
    """Raise TargetError if tables hold rows and the mode does not replace them."""
    full = [f"{name!r} ({count} rows)" for name, count in counts.items() if count]
    if full and mode is Mode.CREATE:
        raise TargetError(
            f"the target's table{'s' if len(full) > 1 else ''} {', '.join(full[:5])}{' …' if len(full) > 5 else ''} "
            "would be written over; choose an empty target, or --replace to let the new rows take the place of these"
        )


def refuse_shape(wanted: Table, found: Table) -> None:
    """Raise TargetError if a table that stands in the target cannot take the rows of `wanted`."""
    if problems := list(shape_problems(wanted, found)):
        raise TargetError("; ".join(problems))


def refuse_changes(before: Schema, after: Schema) -> None:
    """Raise SourceError if a table is not what it was: its rows may have been read half before and half after.

    Indexes, comments, and tables that came in between do not matter.
    """
    for table in before.tables:
        if table.name not in after.table_names:
            raise SourceError(f"table {table.name!r} was dropped or renamed while the source was read; run again")
        found = after.table(table.name)
        if table.primary_key != found.primary_key or set(table.columns) != set(found.columns):
            changed = {column.name for column in set(table.columns) ^ set(found.columns)}
            what = f"column {', '.join(map(repr, sorted(changed)))}" if changed else "its primary key"
            raise SourceError(f"table {table.name!r} was altered while the source was read ({what}); run again")
    for key in set(before.foreign_keys) - set(after.foreign_keys):
        raise SourceError(
            f"foreign key {key.name!r} of table {key.child!r} was altered while the source was read; run again"
        )


def elsewhere(table: Table, namespace: str | None) -> Table:
    """The table under the same local name in another namespace; as it is for None."""
    return replace(table, name=f"{namespace}.{table.local_name}", namespace=namespace) if namespace else table


def violation_queries(
    schema: Schema, dialect: Dialect, places: Mapping[str, str] | None = None
) -> Iterator[tuple[str, str, str]]:
    """Table, constraint, and the SELECT that counts the rows breaking it, for every constraint of a schema.

    `places` are the namespaces, by table name, of tables whose rows stand elsewhere for now.
    """
    named = {t.name: dialect.table_name(elsewhere(t, (places or {}).get(t.name))) for t in schema.tables}
    for table in schema.tables:
        source = named[table.name]
        for column in table.columns:
            if not column.nullable:
                yield (
                    table.name,
                    f"NOT NULL {column.name}",
                    f"SELECT count(*) FROM {source} WHERE {dialect.quote(column.name)} {dialect.is_null}",
                )
        keys = [("PRIMARY KEY", table.primary_key)] if table.primary_key else []
        keys += [(key.name, key.columns) for key in table.unique_keys]
        for name, columns in keys:
            listed = dialect.quote_all(columns)
            complete = " AND ".join(f"{dialect.quote(column)} IS NOT NULL" for column in columns)
            groups = f"SELECT count(*) AS n FROM {source} WHERE {complete} GROUP BY {listed} HAVING count(*) > 1"
            yield table.name, name, f"SELECT coalesce(sum(n - 1), 0) FROM ({groups}) AS twice"
        for check in table.checks:
            yield table.name, check.name, f"SELECT count(*) FROM {source} WHERE NOT ({check.expression})"
    for key in schema.foreign_keys:
        child, parent = named[key.child], named[key.parent]
        complete = " AND ".join(f"c.{dialect.quote(column)} IS NOT NULL" for column in key.columns)
        pairs = zip(key.columns, key.parent_columns, strict=True)
        same = " AND ".join(f"p.{dialect.quote(to)} = c.{dialect.quote(name)}" for name, to in pairs)
        orphans = (
            f"SELECT count(*) FROM {child} c WHERE {complete} AND NOT EXISTS (SELECT 1 FROM {parent} p WHERE {same})"
        )
        yield key.child, key.name, orphans


def count_violations(
    schema: Schema, dialect: Dialect, count: Callable[[str], int], places: Mapping[str, str] | None = None
) -> list[Violation]:
    """Run every query of `violation_queries`; what they found, nothing where all holds."""
    found = ((table, name, count(sql)) for table, name, sql in violation_queries(schema, dialect, places))
    return [Violation(table, name, rows) for table, name, rows in found if rows]
