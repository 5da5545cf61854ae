"""Columns of categories: their order, and the joint code of categories that belong together.

A nominal column goes through the rank code like a number, so the order of its values matters: neighbours on the line
are confused first. `order_by_meaning` puts values next to each other that go with the same values elsewhere. Categories
of which one fixes another (an operation and its type) are coded as one variable, whose values are the tuples that
occur: then the rule between them holds in every synthetic row.

Values and tuples that few rows hold are not learned: such a row counts as one of those that are most like it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

__all__ = ["category_codes", "joint_groups", "order_by_meaning", "redraw_rare"]

# How many tuples a joint code may have, by how much the columns depend on one another: mutual information as a share of
# the smaller entropy. The more of the row goes into one code, the less its parts are heard one by one.
_JOINT_VALUES = ((0.8, 500), (0.1, 100), (0.02, 40))
_MAX_COMPARED = 200_000_000  # pairs of columns times rows
_SHRINKAGE = 5.0  # rows that a category's mean is drawn to the overall mean by


def category_codes(values: pa.Array) -> tuple[np.ndarray, list]:
    """Int64 codes ``(n,)`` of the values and the list they index; null, where it occurs, is a category of its own."""
    dictionary = pc.dictionary_encode(values, null_encoding="encode")
    if isinstance(dictionary, pa.ChunkedArray):
        dictionary = dictionary.combine_chunks()
    categories = dictionary.dictionary.to_pylist()
    codes = dictionary.indices.to_numpy(zero_copy_only=False).astype(np.int64)
    # Sorted, so that the code does not depend on the order of rows.
    order = sorted(range(len(categories)), key=lambda i: (categories[i] is not None, str(categories[i])))
    position = np.empty(len(order), dtype=np.int64)
    position[order] = np.arange(len(order))
    return position[codes] if len(codes) else codes, [categories[i] for i in order]


def joint_groups(codes: Sequence[np.ndarray]) -> list[list[int]]:
    """Which categorical columns of a table to code as one variable: a partition of their positions.

    Greedy: the pair of groups that depend most on one another is merged while the tuples that occur stay few.
    """
    groups = {i: [i] for i in range(len(codes))}
    joint = {i: np.unique(c, return_inverse=True)[1] for i, c in enumerate(codes)}
    # A table of hundreds of columns has many pairs; what goes together is then seen on some of its rows.
    every = -(-len(codes) ** 2 * len(codes[0]) // 2 // _MAX_COMPARED) if len(codes) else 1
    seen = {i: c[::every] for i, c in joint.items()}
    pairs = {(i, j): _allowed(seen[i], seen[j]) for i in groups for j in groups if i < j}
    while pairs:
        (i, j), best = max(pairs.items(), key=lambda item: (item[1], (-item[0][0], -item[0][1])))
        if best <= 0:
            break
        groups[i] = groups[i] + groups.pop(j)
        joint[i] = np.unique(joint[i] * (joint[j].max() + 1) + joint.pop(j), return_inverse=True)[1]
        seen[i] = joint[i][::every]
        pairs = {pair: found for pair, found in pairs.items() if not {i, j} & set(pair)}
        pairs |= {(min(i, k), max(i, k)): _allowed(seen[min(i, k)], seen[max(i, k)]) for k in groups if k != i}
    return [sorted(group) for group in groups.values()]


def _allowed(a: np.ndarray, b: np.ndarray) -> float:
    """How much two columns depend on one another, 0 where they are not to share a code."""
    dependence, tuples = _dependence(a, b)
    return dependence if any(dependence >= needed and tuples <= most for needed, most in _JOINT_VALUES) else 0.0


def _dependence(a: np.ndarray, b: np.ndarray) -> tuple[float, int]:
    """Mutual information as a share of the smaller entropy, and how many pairs occur; 0 where a column is constant."""
    pair = np.unique(a * (b.max() + 1) + b, return_counts=True)[1]
    h_a, h_b, h_ab = (_entropy(counts) for counts in (np.bincount(a), np.bincount(b), pair))
    smaller = min(h_a, h_b)
    return (0.0 if smaller < 1e-6 else (h_a + h_b - h_ab) / smaller), len(pair)


def _entropy(counts: np.ndarray) -> float:
    p = counts[counts > 0] / counts.sum()
    return float(-(p * np.log(p)).sum())


def redraw_rare(codes: np.ndarray, tuples: np.ndarray, common: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The codes with those of rare tuples replaced, int64 ``(n,)``.

    A rare tuple's rows are shared out among the common tuples that agree with it most, by these tuples' shares. What
    one column fixes in another stays so: only tuples that occur are given.

    Args:
        codes: int64 ``(n,)``, the row of ``tuples`` each row holds.
        tuples: int64 ``(n_tuples, n_members)``.
        common: bool ``(n_tuples,)``, at least one of them true.
        weights: int64 ``(n_members,)``, what agreement in a member counts.
    """
    counts = np.bincount(codes, minlength=len(tuples))
    alone = tuples.shape[1] == 1  # then no tuple agrees with a rare one, and all of them get the same
    found, target = codes.copy(), np.flatnonzero(common)
    for rare in [np.flatnonzero(~common)] if alone else np.flatnonzero(~common)[:, None]:
        agreeing = (tuples[target] == tuples[rare[:1]]) @ weights
        like = target[agreeing == agreeing.max()]
        rows = np.flatnonzero(np.isin(codes, rare))
        # Multiples of the golden ratio modulo 1 fill the shares evenly, whatever order the rows stand in.
        at = np.arange(1, len(rows) + 1) * 0.6180339887498949 % 1
        found[rows] = like[np.searchsorted(np.cumsum(counts[like]) / counts[like].sum(), at).clip(max=len(like) - 1)]
    return found


def order_by_meaning(codes: np.ndarray, n_values: int, context: np.ndarray) -> np.ndarray:
    """Positions on the line ``(n_values,)``: value i is the ``positions[i]``-th.

    The axis is the one that best separates the values' means over the context (the first discriminant: between-group
    scatter against total scatter), each mean drawn to the centre by `_SHRINKAGE` rows.

    Args:
        codes: int64 ``(n,)``, values in ``[0, n_values)``.
        context: float ``(n, n_features)``, what the values should be alike in; without features, the order is by share.
    """
    counts = np.bincount(codes, minlength=n_values).astype(np.float64)
    if context.shape[1] == 0 or n_values <= 2 or len(codes) == 0:
        scores = -counts
    else:
        centred = (context - context.mean(0)) / (context.std(0) + 1e-6)
        sums = np.stack([np.bincount(codes, weights=column, minlength=n_values) for column in centred.T], axis=1)
        means = sums / (counts + _SHRINKAGE)[:, None]
        between = (means * counts[:, None]).T @ means / len(codes)
        total = centred.T @ centred / len(codes) + 0.1 * np.eye(centred.shape[1])
        whiten = np.linalg.inv(np.linalg.cholesky(total))
        axis = whiten.T @ np.linalg.eigh(whiten @ between @ whiten.T)[1][:, -1]
        axis *= np.sign(axis[np.argmax(np.abs(axis))])
        scores = means @ axis
    positions = np.empty(n_values, dtype=np.int64)
    positions[np.argsort(scores, kind="stable")] = np.arange(n_values)
    return positions
