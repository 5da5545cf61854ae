"""Uniqueness of keys that hold drawn values: rows that repeat another exchange values until none does."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from types import MappingProxyType

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ..errors import SchemaError
from ..groups import repeated_rows
from ..keys import joint_codes

__all__ = ["part_repeats"]

_ROUNDS = 300
_PATIENCE = 20  # rounds without fewer repeats after which exchanging stops


def part_repeats(
    columns: dict[str, pa.Array], key: Sequence[str], changeable: Sequence[str], rng: np.random.Generator, *,
    table: str, along: Mapping[str, Collection[str]] = MappingProxyType({}), n_given: int = 0,
    refused: Callable[[Mapping[str, pa.Array]], np.ndarray] | None = None,
) -> dict[str, pa.Array]:  # fmt: skip
    """The columns, changed so that no two rows have the same values in all of ``key``.

    A row that repeats another exchanges one changeable value with a random row, so that every column keeps its values.
    Where that does not suffice, as when every parent has nearly every value, it takes a value of the column that its
    group lacks, and at last a whole number past the largest. Rows with a null repeat nobody.

    Args:
        along: by changeable column, others that go where its values go.
        n_given: how many of the first rows stay as they are; they differ from one another.
        refused: the rows that may not stand so for another reason, int64; what would bring a row among them is undone.

    Raises:
        SchemaError: no exchange can part the rows; names table and key.
    """
    codes = {name: _codes(columns[name]) for name in key}
    if len(repeated_rows([codes[name] for name in key])) == 0:
        return columns
    order = {name: np.arange(len(columns[name])) for name in changeable}
    fewest, since = len(columns[key[0]]), 0
    for attempt in range(_ROUNDS):
        repeated = repeated_rows([codes[name] for name in key])
        since = since + 1 if len(repeated) >= fewest else 0
        fewest = min(fewest, len(repeated))
        if len(repeated) == 0 or since > _PATIENCE:
            break
        name = changeable[attempt % len(changeable)] if changeable else None
        if name is None or n_given == len(codes[name]):  # no row may give its value for another's
            break
        others = rng.integers(n_given, len(codes[name]), size=len(repeated))
        pairs = list(zip(repeated.tolist(), others.tolist(), strict=True))
        if refused is not None:  # a row exchanges once, so that it can be undone
            seen: set[int] = set()
            pairs = [pair for pair in pairs if not seen & set(pair) and not seen.update(pair)]
        _exchange(pairs, codes[name], order[name])
        if refused is not None:
            bad = set(refused(_placed(columns, order, along)).tolist())
            _exchange([pair for pair in pairs if bad & set(pair)], codes[name], order[name])
    for name in changeable:
        _take_missing(codes, order, key, name, rng, refused and (lambda: refused(_placed(columns, order, along))))
    repeated = repeated_rows([codes[name] for name in key])
    result = _placed(columns, order, along)
    return result if len(repeated) == 0 else _number_on(result, key, changeable, repeated, table)


def _exchange(pairs: Sequence[tuple[int, int]], *arrays: np.ndarray) -> None:
    for row, other in pairs:
        for values in arrays:
            values[row], values[other] = values[other], values[row]


def _placed(
    columns: dict[str, pa.Array], order: Mapping[str, np.ndarray], along: Mapping[str, Collection[str]]
) -> dict[str, pa.Array]:
    """The columns with the values of the changed ones, and of those that go along, where they are now."""
    goes = {other: rows for name, rows in reversed(order.items()) for other in (*along.get(name, ()), name)}
    return {**columns, **{name: columns[name].take(pa.array(rows)) for name, rows in goes.items()}}


def _take_missing(
    codes: dict[str, np.ndarray], order: Mapping[str, np.ndarray], key: Sequence[str], name: str,
    rng: np.random.Generator, refused: Callable[[], np.ndarray] | None,
) -> None:  # fmt: skip
    """Give rows that repeat another a value of the column that no row of their group (the rest of the key) has."""
    repeated = repeated_rows([codes[n] for n in key])
    if len(repeated) == 0:
        return
    rest = [codes[n] for n in key if n != name]
    rest = np.stack(rest, axis=1) if rest else np.zeros((len(order[name]), 1), dtype=np.int64)
    group = np.unique(rest, axis=0, return_inverse=True)[1].reshape(-1)
    values, first = np.unique(codes[name], return_index=True)
    source = order[name][first]
    members = np.argsort(group, kind="stable")
    start = np.searchsorted(group[members], np.arange(group.max() + 2))
    left: dict[int, list[int]] = {row: [] for row in repeated.tolist()}  # with the values that were refused
    for _ in range(_PATIENCE if refused else 1):
        before = {row: (codes[name][row], order[name][row]) for row in left}
        chosen: dict[int, int] = {}
        for row, tried in left.items():
            held = codes[name][members[start[group[row]] : start[group[row] + 1]]]
            free = np.setdiff1d(np.flatnonzero((values >= 0) & ~np.isin(values, held)), tried)
            if len(free):
                chosen[row] = int(rng.choice(free))
                codes[name][row], order[name][row] = values[chosen[row]], source[chosen[row]]
        bad = set(refused().tolist()) & chosen.keys() if refused else set()
        for row in bad:
            codes[name][row], order[name][row] = before[row]
        left = {row: [*left[row], chosen[row]] for row in bad}
        if not left:
            break


def _number_on(
    columns: dict[str, pa.Array], key: Sequence[str], changeable: Sequence[str], repeated: np.ndarray, table: str
) -> dict[str, pa.Array]:
    """New whole numbers for the rows that still repeat another."""
    for name in changeable:
        if pa.types.is_integer(columns[name].type):
            values = pc.fill_null(columns[name], 0).to_numpy(zero_copy_only=False).copy()
            values[repeated] = pc.max(columns[name]).as_py() + 1 + np.arange(len(repeated))
            null = columns[name].is_null().to_numpy(zero_copy_only=False)
            return {**columns, name: pa.array(values, columns[name].type, mask=null)}
    raise SchemaError(
        f"table {table!r}: {len(repeated)} rows cannot be told apart in ({', '.join(key)}), which must be unique; "
        "generate fewer rows (a smaller scale), or keep the table"
    )


def _codes(column: pa.Array) -> np.ndarray:
    """Int64 codes ``(n,)``, -1 for null."""
    return joint_codes(pa.chunked_array([column]), pa.chunked_array([], type=column.type))[0]
