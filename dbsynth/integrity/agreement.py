"""Foreign keys of one row that share columns: their parents agree in them, as when both belong to the row's tenant.

The engines give every key of a row a parent for itself. Here the values of the shared columns come in, as codes: a
parent that does not agree with those of the row's other keys gives way to one that does and is like it, and rows that
may not repeat each other are parted among the parents that agree.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist

from ..groups import repeated_rows
from ..keys import tuple_codes

__all__ = ["Claim", "agree"]

_PROBES = 20  # parents tried at random before all are looked at in turn
_EXACT = 600  # rows that are matched with parents one to one at the least distance; more are matched along one axis


@dataclass
class Claim:
    """One foreign key of the rows.

    Attributes:
        parents: int64 ``(n,)``, the parent row of each row, -1 for null; changed in place.
        codes: by column of the child, int64 ``(n_parents,)``: what each parent holds there, -1 for null. Equal codes of
            one column are equal values, whichever key they come from.
        features: float ``(n_parents, d)``, what makes parents alike.
        allowed: bool ``(n_parents,)``, parents that the row may have at all.
        nullable: the columns in which the key may be null.
        one_to_one: no two rows may share a parent.
        fixed: the parents are to stay as they are.
        apart: keys to the same table that never refer to the same row as this one.
    """

    parents: np.ndarray
    codes: Mapping[str, np.ndarray]
    features: np.ndarray
    allowed: np.ndarray
    nullable: frozenset[str]
    one_to_one: bool = False
    fixed: bool = False
    apart: list[Claim] = field(default_factory=list, repr=False)


def agree(claims: Sequence[Claim], unique: Sequence[Sequence[str]], rng: np.random.Generator) -> np.ndarray:
    """Change parents so that keys agree in the columns they share, and rows differ in each of the `unique` sets.

    The key with the most parents leads and keeps its parents, fixed keys before all; the others follow it. A null key
    stays null.

    Returns:
        bool ``(n,)``: the rows for which there are such parents.
    """
    n = len(claims[0].parents)
    for claim in claims:
        claim.allowed = claim.allowed & np.all([codes >= 0 for codes in claim.codes.values()], axis=0)
    _narrow(claims)
    order = sorted(claims, key=lambda claim: (not claim.fixed, -len(claim.allowed)))
    known: dict[str, np.ndarray] = {}
    stays = np.ones(n, bool)
    for claim in order:
        if not claim.fixed:
            stays &= ~_follow(claim, known, rng)
        _note(claim, known, n)
    for claim in order:
        if claim.apart and not claim.fixed:
            _separate(claim, _fixed(claim, claims), rng)
            _note(claim, known, n)
    for columns in unique:
        stays &= ~_part(order, known, columns, stays, rng)
    for claim in claims:  # a key that is null must stay null, whatever its columns hold by others
        whole = np.all([known[name] >= 0 for name in claim.codes], axis=0) if claim.codes else np.zeros(n, bool)
        free = [name for name in claim.nullable if name in known]
        stays &= ~((claim.parents < 0) & whole & (len(free) > 0))
    return stays


def _narrow(claims: Sequence[Claim]) -> None:
    """Allow only parents that agree with some parent of every other key that may not be null."""
    changed = True
    while changed:
        changed = False
        for claim in claims:
            for other in claims:
                shared = [name for name in claim.codes if name in other.codes]
                if other is claim or not shared or other.nullable or not (other.parents >= 0).any():
                    continue
                theirs = tuple_codes([other.codes[name] for name in shared], [claim.codes[name] for name in shared])
                allowed = claim.allowed & np.isin(theirs[1], theirs[0][other.allowed])
                changed |= bool((allowed != claim.allowed).any())
                claim.allowed = allowed


def _follow(claim: Claim, known: Mapping[str, np.ndarray], rng: np.random.Generator) -> np.ndarray:
    """Give each row a parent that agrees with what is known; bool ``(n,)``: rows that must have one and find none."""
    shared = [name for name in claim.codes if name in known]
    held = claim.parents >= 0
    lost = np.zeros(len(held), bool)
    patterns = np.stack([known[name] >= 0 for name in shared], axis=1) if shared else np.zeros((len(held), 0), bool)
    for pattern in np.unique(patterns[held], axis=0) if held.any() else ():
        rows = np.flatnonzero(held & np.all(patterns == pattern, axis=1))
        names = [name for name, is_known in zip(shared, pattern, strict=True) if is_known]
        if names:
            wanted, offered = tuple_codes([known[name][rows] for name in names], [claim.codes[name] for name in names])
        else:
            wanted, offered = np.zeros(len(rows), np.int64), np.zeros(len(claim.allowed), np.int64)
        missed = _repoint(claim, rows, wanted, np.where(claim.allowed, offered, -1), rng)
        nullable = claim.nullable - set(names)
        claim.parents[missed] = -1
        if not nullable:
            lost[missed] = True
    return lost


def _repoint(
    claim: Claim, rows: np.ndarray, wanted: np.ndarray, offered: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Give rows a parent that offers what they want; the rows for which there is none, int64."""
    fits = offered[claim.parents[rows]] == wanted
    bad = np.flatnonzero(~fits)
    if len(bad) == 0:
        return rows[:0]
    places = claim.parents[rows[bad]]
    taken = np.zeros(len(offered), bool)
    taken[claim.parents[claim.parents >= 0]] = True
    taken[places] = False
    taken[claim.parents[rows[fits]]] = True
    by_parent, by_place = _Groups(offered), _Groups(offered[places])
    missed = []
    for key, members in _Groups(wanted[bad]).items():
        members = rng.permutation(members)
        here = places[by_place.get(key)]
        candidates = by_parent.get(key)
        if claim.one_to_one:
            free = candidates[~taken[candidates]]
            here = np.unique(here)
            chosen = np.concatenate([rng.permutation(here), rng.permutation(np.setdiff1d(free, here))])[: len(members)]
        elif len(candidates) == 0:
            chosen = candidates
        else:
            more = max(len(members) - len(here), 0)
            chosen = np.concatenate([rng.permutation(here), rng.choice(candidates, more)])[: len(members)]
        missed.append(rows[bad[members[len(chosen) :]]])
        members = members[: len(chosen)]
        match = _match(claim.features[places[members]], claim.features[chosen])
        claim.parents[rows[bad[members]]] = chosen[match]
    return np.concatenate(missed) if missed else rows[:0]


class _Groups:
    """Where each number stands in an array."""

    def __init__(self, numbers: np.ndarray) -> None:
        self._order = np.argsort(numbers, kind="stable")
        self._values, start = np.unique(numbers[self._order], return_index=True)
        self._bounds = np.append(start, len(numbers))

    def get(self, value: int) -> np.ndarray:
        i = int(np.searchsorted(self._values, value))
        if i == len(self._values) or self._values[i] != value:
            return self._order[:0]
        return self._order[self._bounds[i] : self._bounds[i + 1]]

    def items(self) -> list[tuple[int, np.ndarray]]:
        return [(value, self.get(value)) for value in self._values.tolist()]


def _match(wanted: np.ndarray, offered: np.ndarray) -> np.ndarray:
    """Pair each row with an offer like it, one to one, int64."""
    n = len(wanted)
    if n < 2 or wanted.shape[1] == 0:
        return np.arange(n)
    if n <= _EXACT:
        return linear_sum_assignment(cdist(wanted, offered, "sqeuclidean"))[1]
    both = np.concatenate([wanted, offered])
    axis = np.linalg.svd((both - both.mean(0)).T @ (both - both.mean(0)))[0][:, 0]
    match = np.empty(n, np.int64)
    match[np.argsort(wanted @ axis, kind="stable")] = np.argsort(offered @ axis, kind="stable")
    return match


def _note(claim: Claim, known: dict[str, np.ndarray], n: int) -> None:
    """Write down what the rows hold by this key."""
    held = claim.parents >= 0
    for name, codes in claim.codes.items():
        column = known.setdefault(name, np.full(n, -1, np.int64))
        column[held] = codes[claim.parents[held]]


def _separate(claim: Claim, fixed: np.ndarray, rng: np.random.Generator) -> None:
    """Let rows that refer to one parent twice exchange it with another row of their group, until none does."""
    for _ in range(_PROBES):
        bad = np.flatnonzero(_meets(claim, claim.parents))
        if len(bad) == 0:
            return
        held = np.flatnonzero(claim.parents >= 0)
        groups = _Groups(fixed[claim.parents[held]])
        for row in bad.tolist():
            other = held[rng.choice(groups.get(int(fixed[claim.parents[row]])))]
            pair = claim.parents[[other, row]]
            if not any(
                (a.parents[row] == pair[0]) or (a.parents[other] == pair[1]) for a in claim.apart
            ) and (claim.parents[row] != pair[0]):
                claim.parents[[row, other]] = pair
    bad = np.flatnonzero(_meets(claim, claim.parents))
    candidates = _Groups(np.where(claim.allowed, fixed, -1))
    for row in bad.tolist():  # no exchange helps: another parent
        taken = [a.parents[row] for a in claim.apart]
        others = np.setdiff1d(candidates.get(int(fixed[claim.parents[row]])), taken)
        if len(others) and not claim.one_to_one:
            claim.parents[row] = rng.choice(others)


def _meets(claim: Claim, parents: np.ndarray) -> np.ndarray:
    """Rows that refer to one parent under a key that is to be apart from this one, too; bool ``(n,)``."""
    return np.any([(parents == a.parents) & (parents >= 0) for a in claim.apart], axis=0)


def _part(
    claims: Sequence[Claim], known: dict[str, np.ndarray], unique: Sequence[str], stays: np.ndarray,
    rng: np.random.Generator,
) -> np.ndarray:  # fmt: skip
    """Let rows differ in these columns; bool ``(n,)``: rows for which no parent is left that makes them differ."""
    n = len(stays)
    lost = np.zeros(n, bool)
    codes = [np.where(stays, known[name], -1) for name in unique]
    repeated = repeated_rows(codes)
    if len(repeated) == 0:
        return lost
    used = set(zip(*(known[name].tolist() for name in unique), strict=True))
    # The last keys first: those with the fewest parents, which follow the others anyway.
    movable = [(claim, _fixed(claim, claims)) for claim in reversed(claims)
               if set(claim.codes) & set(unique) and not claim.fixed]  # fmt: skip
    movable = [(claim, fixed, _Groups(np.where(claim.allowed, fixed, -1))) for claim, fixed in movable]
    for row in repeated.tolist():
        for claim, fixed, groups in movable:
            here = claim.parents[row]
            candidates = groups.get(int(fixed[here])) if here >= 0 else groups.get(-2)
            if claim.one_to_one or claim.apart:
                taken = claim.parents if claim.one_to_one else [a.parents[row] for a in claim.apart]
                candidates = np.setdiff1d(candidates, taken)
            parent = _other(claim, candidates, unique, [int(known[name][row]) for name in unique], used, rng)
            if parent is not None:
                claim.parents[row] = parent
                for name, values in claim.codes.items():
                    known[name][row] = values[parent]
                break
        else:
            lost[row] = True
    return lost


def _other(
    claim: Claim, candidates: np.ndarray, unique: Sequence[str], current: list[int], used: set[tuple[int, ...]],
    rng: np.random.Generator,
) -> int | None:  # fmt: skip
    """A parent with which the row is like no other, whose values are noted as used; None where there is none."""
    own = [(i, claim.codes[name]) for i, name in enumerate(unique) if name in claim.codes]
    few = rng.choice(candidates, _PROBES) if len(candidates) > _PROBES else candidates[:0]
    for some in (few, rng.permutation(candidates)):
        for parent in some.tolist():
            for i, codes in own:
                current[i] = int(codes[parent])
            if tuple(current) not in used:
                used.add(tuple(current))
                return parent
    return None


def _fixed(claim: Claim, claims: Sequence[Claim]) -> np.ndarray:
    """A number for each parent of a key: equal for those that hold the same in the columns other keys share with it."""
    others = {name for other in claims if other is not claim for name in other.codes}
    shared = [codes for name, codes in claim.codes.items() if name in others]
    return tuple_codes(shared)[0] if shared else np.zeros(len(claim.allowed), np.int64)
