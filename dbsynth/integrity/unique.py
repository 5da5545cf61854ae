"""Uniqueness of keys that hold drawn values: rows that repeat another exchange values until none does."""

from __future__ import annotations

from collections.abc import Callable, Sequence

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
    table: str, broken: Callable[[dict[str, pa.Array]], np.ndarray] | None = None,
) -> dict[str, pa.Array]:  # fmt: skip
    """The columns, changed so that no two rows have the same values in all of ``key``.

    A row that repeats another exchanges one changeable value with a random row, so that every column keeps its values.
    Where that does not suffice, as when every parent has nearly every value, it takes a value of the column that its
    group lacks, and at last a whole number past the largest. Rows with a null repeat nobody.

    Args:
        broken: the rows that break a condition, int64; a change that breaks one is taken back.

    Raises:
        SchemaError: no exchange can part the rows; names table and key.
    """
    parting = _Parting(columns, key, changeable, broken)
    fewest, since = len(columns[key[0]]), 0
    for attempt in range(_ROUNDS if changeable else 0):
        repeated = parting.repeated()
        since = since + 1 if len(repeated) >= fewest else 0
        fewest = min(fewest, len(repeated))
        if len(repeated) == 0 or since > _PATIENCE:
            break
        parting.exchange(changeable[attempt % len(changeable)], repeated, rng)
    for name in changeable:
        parting.take_missing(name, rng)
    repeated, result = parting.repeated(), parting.columns()
    if len(repeated):
        result = _number_on(result, key, changeable, repeated, table)
        if len(parting.newly_broken(result)):
            raise _cannot_part(repeated, key, table)
    return result


class _Parting:
    """Rows on their way to being told apart: which row's value each row holds."""

    def __init__(
        self, columns: dict[str, pa.Array], key: Sequence[str], changeable: Sequence[str],
        broken: Callable[[dict[str, pa.Array]], np.ndarray] | None,
    ) -> None:  # fmt: skip
        self._columns, self._key, self._broken = columns, key, broken
        self._codes = {name: _codes(columns[name]) for name in key}
        self._order = {name: np.arange(len(columns[name])) for name in changeable}
        self._before = set(broken(columns).tolist()) if broken is not None and len(self.repeated()) else set()

    def repeated(self) -> np.ndarray:
        return repeated_rows([self._codes[name] for name in self._key])

    def columns(self) -> dict[str, pa.Array]:
        moved = {name: self._columns[name].take(pa.array(order)) for name, order in self._order.items()}
        return {**self._columns, **moved}

    def newly_broken(self, columns: dict[str, pa.Array] | None = None) -> set[int]:
        if self._broken is None:
            return set()
        return set(self._broken(self.columns() if columns is None else columns).tolist()) - self._before

    def exchange(self, name: str, rows: np.ndarray, rng: np.random.Generator) -> None:
        """Let rows exchange their value with random rows; an exchange that breaks a condition is undone."""
        codes, order = self._codes[name], self._order[name]
        others = rng.integers(len(codes), size=len(rows))
        pairs = list(zip(rows.tolist(), others.tolist(), strict=True))
        if self._broken is not None:  # each row in one pair only, so that each can be undone by itself
            used: set[int] = set()
            pairs = [(a, b) for a, b in pairs if not {a, b} & used and not used.update((a, b))]
        for a, b in pairs:
            for values in (codes, order):
                values[a], values[b] = values[b], values[a]
        bad = self.newly_broken()
        for a, b in pairs:
            if bad & {a, b}:
                for values in (codes, order):
                    values[a], values[b] = values[b], values[a]

    def take_missing(self, name: str, rng: np.random.Generator) -> None:
        """Give rows that repeat another a value of the column that no row of their group (the rest of the key) has."""
        repeated = self.repeated()
        if len(repeated) == 0:
            return
        codes, order = self._codes[name], self._order[name]
        rest = [self._codes[n] for n in self._key if n != name]
        rest = np.stack(rest, axis=1) if rest else np.zeros((len(order), 1), dtype=np.int64)
        group = np.unique(rest, axis=0, return_inverse=True)[1].reshape(-1)
        values, first = np.unique(codes, return_index=True)
        source = order[first]
        members = np.argsort(group, kind="stable")
        start = np.searchsorted(group[members], np.arange(group.max() + 2))
        tried: dict[int, set[int]] = {row: set() for row in repeated.tolist()}
        for _ in range(_ROUNDS if self._broken is not None else 1):
            changed = {}
            for row in tried:
                held = codes[members[start[group[row]] : start[group[row] + 1]]]
                free = np.flatnonzero((values >= 0) & ~np.isin(values, held))
                free = np.setdiff1d(free, list(tried[row])) if tried[row] else free
                if len(free):
                    chosen = rng.choice(free)
                    changed[row] = int(chosen), codes[row], order[row]
                    codes[row], order[row] = values[chosen], source[chosen]
            bad = self.newly_broken()
            for row, (chosen, code, place) in changed.items():
                if row in bad:
                    codes[row], order[row] = code, place
                    tried[row].add(chosen)
            tried = {row: tried[row] for row in changed if row in bad}
            if not tried:
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
    raise _cannot_part(repeated, key, table)


def _cannot_part(repeated: np.ndarray, key: Sequence[str], table: str) -> SchemaError:
    return SchemaError(
        f"table {table!r}: {len(repeated)} rows cannot be told apart in ({', '.join(key)}), which must be unique; "
        "generate fewer rows (a smaller scale), or keep the table"
    )


def _codes(column: pa.Array) -> np.ndarray:
    """Int64 codes ``(n,)``, -1 for null."""
    return joint_codes(pa.chunked_array([column]), pa.chunked_array([], type=column.type))[0]
