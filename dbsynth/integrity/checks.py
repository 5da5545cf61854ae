"""CHECK constraints: found broken before the target may see a row, and repaired by the values of a like row.

sqlglot reads the expression in the source's dialect and DuckDB evaluates it over the columns. An expression that
neither understands is left to the target's server, which has the last word anyway.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import duckdb
import numpy as np
import pyarrow as pa
import sqlglot
from sklearn.neighbors import NearestNeighbors
from sqlglot import exp

from ..errors import SchemaError
from ..schema import Table

__all__ = ["Condition", "broken_by", "broken_rows", "check_conditions", "satisfy", "satisfy_checks"]

_ROW = "dbsynth row"
_REPAIRS = 3
_MAX_DONORS = 20_000  # rows among which the one most like a broken row is looked for


def broken_rows(columns: Mapping[str, pa.Array], expression: str, dialect: str) -> np.ndarray | None:
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


@dataclass(frozen=True)
class Condition:
    """Something every row is to satisfy.

    Attributes:
        text: for messages.
        names: the columns it speaks of, case folded.
        broken: the rows that do not satisfy it, int64; None where that cannot be told.
        is_demanded: whether the target refuses rows that do not.
    """

    text: str
    names: frozenset[str]
    broken: Callable[[Mapping[str, pa.Array]], np.ndarray | None]
    is_demanded: bool = False


def check_conditions(table: Table, dialect: str) -> list[Condition]:
    """A table's CHECKs."""
    return [
        Condition(
            f"CHECK {check.name!r} ({check.expression})", frozenset(_names(check.expression, dialect)),
            partial(broken_rows, expression=check.expression, dialect=dialect), is_demanded=True,
        )
        for check in table.checks
    ]  # fmt: skip


def broken_by(conditions: Sequence[Condition], columns: Mapping[str, pa.Array]) -> np.ndarray:
    """The rows that break any of the conditions, int64."""
    rows = [rows for condition in conditions if (rows := condition.broken(columns)) is not None]
    return np.unique(np.concatenate([np.zeros(0, dtype=np.int64), *rows]))


def satisfy_checks(
    columns: dict[str, pa.Array], table: Table, dialect: str, changeable: Collection[str], features: np.ndarray
) -> dict[str, pa.Array]:
    """The columns, changed so that every CHECK that can be evaluated holds; see `satisfy`."""
    return satisfy(columns, check_conditions(table, dialect), changeable, features, table=table.name)


def satisfy(
    columns: dict[str, pa.Array], conditions: Sequence[Condition], changeable: Collection[str], features: np.ndarray,
    *, table: str, settle: Callable[[dict[str, pa.Array]], dict[str, pa.Array]] = lambda columns: columns,
) -> dict[str, pa.Array]:  # fmt: skip
    """The columns, changed so that every condition holds.

    A row that breaks one takes the values of the columns it names from the row most like it that keeps all of them;
    if that breaks others, those of all columns that conditions tie to them.

    Args:
        changeable: columns that hold drawn values.
        features: float ``(n_rows, n_features)``, what makes rows alike.
        settle: computes what is fixed by other columns; called whenever these have changed.

    Raises:
        SchemaError: a condition that the target demands and no row can be made to keep; names it.
    """
    columns = settle(columns)
    if not conditions or len(features) == 0:
        return columns
    for attempt in range(_REPAIRS + 1):  # repairing one may break another
        broken = {}
        for i, condition in enumerate(conditions):
            rows = condition.broken(columns)
            if rows is not None and len(rows):
                broken[i] = rows
        if not broken:
            return columns
        bad = np.unique(np.concatenate(list(broken.values())))
        words = _tied({word for i in broken for word in conditions[i].names}, conditions if attempt else ())
        named = [name for name in changeable if name.casefold() in words]
        good = np.setdiff1d(np.arange(len(features)), bad)
        if len(good) == 0 or not named or attempt == _REPAIRS:
            break
        good = good[:: -(-len(good) // _MAX_DONORS)]
        donors = good[_nearest(features[good], features[bad])]
        source = np.arange(len(features))
        source[bad] = donors
        columns = settle({**columns, **{name: columns[name].take(pa.array(source)) for name in named}})
    for i, rows in broken.items():
        if conditions[i].is_demanded:
            raise SchemaError(
                f"table {table!r}: {len(rows)} synthetic rows break {conditions[i].text} and cannot be repaired; keep "
                "the table, or drop the constraint in the source"
            )
    return columns


def _tied(words: set[str], conditions: Sequence[Condition]) -> set[str]:
    """The columns, and those that the conditions tie to them, at whatever remove."""
    size = 0
    while len(words) > size:
        size = len(words)
        words = words.union(*(condition.names for condition in conditions if condition.names & words))
    return words


def _names(expression: str, dialect: str) -> set[str]:
    """The columns an expression names, case folded."""
    return {column.name.casefold() for column in sqlglot.parse_one(expression, read=dialect).find_all(exp.Column)}


def _nearest(good: np.ndarray, bad: np.ndarray) -> np.ndarray:
    """For each row of ``bad`` the number of the nearest one of ``good``."""
    if good.shape[1] == 0:
        return np.arange(len(bad)) % len(good)
    return NearestNeighbors(n_neighbors=1).fit(good).kneighbors(bad, return_distance=False)[:, 0]
