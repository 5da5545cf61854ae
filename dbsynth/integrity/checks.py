"""CHECK constraints: found broken before the target may see a row, and repaired by the values of a like row.

sqlglot reads the expression in the source's dialect and DuckDB evaluates it over the columns. An expression that
neither understands is left to the target's server, which has the last word anyway.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import cache

import duckdb
import numpy as np
import pyarrow as pa
import sqlglot
from sklearn.neighbors import NearestNeighbors
from sqlglot import exp

from ..columns.numbers import NUMERIC_KINDS, to_numbers
from ..errors import SchemaError
from ..schema import Table

__all__ = ["broken_rows", "named_together", "orders_in", "reach", "refused_rows", "satisfy_checks", "tied_columns"]

_ROW = "dbsynth row"
_REPAIRS = 3
_MAX_DONORS = 20_000  # rows among which the one most like a broken row is looked for


def broken_rows(columns: dict[str, pa.Array], expression: str, dialect: str) -> np.ndarray | None:
    """Rows for which a CHECK is false (unknown passes), int64; None where the expression is beyond us."""
    try:
        condition = _for_duckdb(expression, dialect)
        rows = pa.table({**columns, _ROW: pa.array(np.arange(len(next(iter(columns.values())))))})
        with duckdb.connect(":memory:", config={"threads": 1}) as database:
            database.register("rows", rows)
            found = database.execute(
                f'SELECT "{_ROW}" FROM rows WHERE NOT CAST(({condition}) AS BOOLEAN) ORDER BY 1'
            ).fetchnumpy()
    except (sqlglot.errors.SqlglotError, duckdb.Error):
        return None
    return np.asarray(found[_ROW], dtype=np.int64)


@cache
def _for_duckdb(expression: str, dialect: str) -> str:
    return sqlglot.parse_one(expression, read=dialect).transform(_plain_cast).sql(dialect="duckdb", identify=True)


def _plain_cast(node: exp.Expression) -> exp.Expression:
    """A cast to a type of the database's own (an enum, a domain) says nothing about the value."""
    if isinstance(node, exp.Cast) and node.to.this in (exp.DataType.Type.USERDEFINED, exp.DataType.Type.UNKNOWN):
        return node.this
    return node


def orders_in(table: Table, dialect: str) -> set[tuple[str, str]]:
    """Pairs of columns of which a CHECK says, alone or among others, that the first is never above the second."""
    found = set()
    for check in table.checks:
        tree = _tree(check.expression, dialect)
        for part in tree.flatten() if isinstance(tree, exp.And) else [tree]:
            part = part.unnest() if part is not None else None
            if isinstance(part, (exp.LT, exp.LTE, exp.GT, exp.GTE)):
                ends = part.left.unnest(), part.right.unnest()
                if all(isinstance(end, exp.Column) for end in ends):
                    names = tuple(_as_in(table, end.name) for end in ends)
                    found.add(names if isinstance(part, (exp.LT, exp.LTE)) else names[::-1])
    return found


def tied_columns(table: Table, columns: Mapping[str, pa.Array], dialect: str) -> set[str]:
    """The columns whose values a CHECK may refuse where they come from elsewhere.

    They are those that it names together with others, an order of two aside, and those it names alone if it does not
    take multiples of the largest number, and 0, too.

    Args:
        columns: the real ones.
    """
    ordered, tied = orders_in(table, dialect), set()
    for check in table.checks:
        names = sorted(_as_in(table, name) for name in _names(check.expression, dialect))
        if len(names) == 2 and (tuple(names) in ordered or tuple(names[::-1]) in ordered):
            continue
        if len(names) == 1 and names[0] in columns and table.column(names[0]).kind in NUMERIC_KINDS:
            array = columns[names[0]]
            numbers = to_numbers(array, table.column(names[0]).kind)
            probes = pa.array(np.outer([0, 1, 2, 10, 100], [np.nanmax(numbers, initial=0.0)]).ravel())
            broken = broken_rows({names[0]: probes}, check.expression, dialect)
            if broken is not None and len(broken) == 0:
                continue
        tied |= set(names)
    return tied


def refused_rows(columns: Mapping[str, pa.Array], table: Table, dialect: str, names: Collection[str]) -> np.ndarray:
    """Rows that break a CHECK that names one of these columns, int64."""
    named = zip(table.checks, named_together(table, dialect), strict=True)
    found = [broken_rows(dict(columns), check.expression, dialect) for check, of in named if of & set(names)]
    return np.unique(np.concatenate([np.zeros(0, np.int64), *(rows for rows in found if rows is not None)]))


def satisfy_checks(
    columns: dict[str, pa.Array], table: Table, dialect: str, changeable: Collection[str], features: np.ndarray,
    linked: Collection[frozenset[str]] = (),
) -> dict[str, pa.Array]:  # fmt: skip
    """The columns, changed so that every CHECK that can be evaluated holds.

    A row that breaks one takes the values of the columns it names, and of those linked to them, from the row most like
    it that keeps all of them.

    Args:
        changeable: columns that hold drawn values.
        features: float ``(n_rows, n_features)``, what makes rows alike.
        linked: sets of columns that are to come from one row.

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
        words = reach({_as_in(table, word) for check in broken for word in _names(check.expression, dialect)}, linked)
        named = [name for name in changeable if name in words]
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


def named_together(table: Table, dialect: str) -> list[frozenset[str]]:
    """The sets of columns that a CHECK names."""
    return [frozenset(_as_in(table, n) for n in _names(check.expression, dialect)) for check in table.checks]


def reach(names: Collection[str], linked: Collection[frozenset[str]]) -> set[str]:
    """The names, those linked to them, those linked to these, and so on."""
    reached = set(names)
    while more := {name for names in linked if names & reached for name in names} - reached:
        reached |= more
    return reached


def _names(expression: str, dialect: str) -> set[str]:
    """The columns an expression names, case folded; none where it cannot be read."""
    tree = _tree(expression, dialect)
    return {column.name.casefold() for column in tree.find_all(exp.Column)} if tree is not None else set()


@cache
def _tree(expression: str, dialect: str) -> exp.Expression | None:
    try:
        return sqlglot.parse_one(expression, read=dialect)
    except sqlglot.errors.SqlglotError:
        return None


def _as_in(table: Table, name: str) -> str:
    """A column's name as the table spells it."""
    return next((c.name for c in table.columns if c.name.casefold() == name.casefold()), name)


def _nearest(good: np.ndarray, bad: np.ndarray) -> np.ndarray:
    """For each row of ``bad`` the number of the nearest one of ``good``."""
    if good.shape[1] == 0:
        return np.arange(len(bad)) % len(good)
    return NearestNeighbors(n_neighbors=1).fit(good).kneighbors(bad, return_distance=False)[:, 0]
