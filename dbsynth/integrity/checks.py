"""CHECK constraints: found broken before the target may see a row, and repaired by the values of a like row.

sqlglot reads the expression in the source's dialect and DuckDB evaluates it over the columns. An expression that
neither understands is left to the target's server, which has the last word anyway.
"""

from __future__ import annotations

from collections.abc import Collection

import duckdb
import numpy as np
import pyarrow as pa
import sqlglot
from sklearn.neighbors import NearestNeighbors
from sqlglot import exp

from ..errors import SchemaError
from ..schema import Table

__all__ = ["broken_rows", "satisfy_checks"]

_ROW = "dbsynth row"
_REPAIRS = 3
_MAX_DONORS = 20_000  # rows among which the one most like a broken row is looked for


def broken_rows(columns: dict[str, pa.Array], expression: str, dialect: str) -> np.ndarray | None:
    """Rows for which a CHECK is false (unknown passes), int64; None where the expression is beyond us."""
    try:
        tree = sqlglot.parse_one(expression, read=dialect)
        condition = tree.transform(_plain_cast).sql(dialect="duckdb", identify=True)
        rows = pa.table({**columns, _ROW: pa.array(np.arange(len(next(iter(columns.values())))))})
        with duckdb.connect(":memory:", config={"threads": 1}) as database:
            database.register("rows", rows)
            found = database.execute(
                f'SELECT "{_ROW}" FROM rows WHERE NOT CAST(({condition}) AS BOOLEAN) ORDER BY 1'
            ).fetchnumpy()
    except (sqlglot.errors.SqlglotError, duckdb.Error):
        return None
    return np.asarray(found[_ROW], dtype=np.int64)


def _plain_cast(node: exp.Expression) -> exp.Expression:
    """A cast to a type of the database's own (an enum, a domain) says nothing about the value."""
    if isinstance(node, exp.Cast) and node.to.this in (exp.DataType.Type.USERDEFINED, exp.DataType.Type.UNKNOWN):
        return node.this
    return node


def satisfy_checks(
    columns: dict[str, pa.Array], table: Table, dialect: str, changeable: Collection[str], features: np.ndarray
) -> dict[str, pa.Array]:
    """The columns, changed so that every CHECK that can be evaluated holds.

    A row that breaks one takes the values of the columns it names from the row most like it that keeps all of them.

    Args:
        changeable: columns that hold drawn values.
        features: float ``(n_rows, n_features)``, what makes rows alike.

    Raises:
        SchemaError: a CHECK that no row can be made to keep; names it.
    """
    if not table.checks or len(features) == 0:
        return columns
    for attempt in range(_REPAIRS + 1):  # repairing one may break another
        broken = {}
        for check in table.checks:
            rows = broken_rows(columns, check.expression, dialect)
            if rows is not None and len(rows):
                broken[check] = rows
        if not broken:
            return columns
        bad = np.unique(np.concatenate(list(broken.values())))
        words = {word for check in broken for word in _names(check.expression, dialect)}
        named = [name for name in changeable if name.casefold() in words]
        good = np.setdiff1d(np.arange(len(features)), bad)
        if len(good) == 0 or not named or attempt == _REPAIRS:
            break
        good = good[:: -(-len(good) // _MAX_DONORS)]
        donors = good[_nearest(features[good], features[bad])]
        source = np.arange(len(features))
        source[bad] = donors
        columns = {**columns, **{name: columns[name].take(pa.array(source)) for name in named}}
    check, rows = next(iter(broken.items()))
    raise SchemaError(
        f"table {table.name!r}: {len(rows)} synthetic rows break CHECK {check.name!r} ({check.expression}) and cannot "
        "be repaired; keep the table, or drop the constraint in the source"
    )


def _names(expression: str, dialect: str) -> set[str]:
    """The columns an expression names, case folded."""
    return {column.name.casefold() for column in sqlglot.parse_one(expression, read=dialect).find_all(exp.Column)}


def _nearest(good: np.ndarray, bad: np.ndarray) -> np.ndarray:
    """For each row of ``bad`` the number of the nearest one of ``good``."""
    if good.shape[1] == 0:
        return np.arange(len(bad)) % len(good)
    return NearestNeighbors(n_neighbors=1).fit(good).kneighbors(bad, return_distance=False)[:, 0]
