"""Text in bulk: fixed-width characters to Arrow, values no two rows of which a server would call equal, and repeats."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

__all__ = ["choose", "distinct_texts", "fold", "join", "pick", "repeat_ranks", "spread", "texts_of"]

Draw = Callable[[np.ndarray, int], pa.Array]  # rows to draw, extra digits -> one text each

_ROUNDS = (0, 0, 1, 2, 4, 6, 8, 8)  # extra digits by the round of redrawing


def texts_of(characters: np.ndarray) -> pa.Array:
    """Rows of code points, uint32 ``(n, width)``, as strings of `width` characters."""
    n, width = characters.shape
    if n == 0 or width == 0:
        return pa.array([""] * n, pa.string())
    if characters.max() < 128:
        offsets = np.arange(n + 1, dtype=np.int64) * width
        data = np.ascontiguousarray(characters, dtype=np.uint8)
        large = pa.LargeStringArray.from_buffers(n, pa.py_buffer(offsets), pa.py_buffer(data))
        return large.cast(pa.string())
    text = np.ascontiguousarray(characters, dtype=np.uint32).view(f"<U{width}").ravel()
    return pa.array(text.tolist(), pa.string())


def join(*parts: pa.Array | str) -> pa.Array:
    """The parts of each row, one after the other."""
    return pc.binary_join_element_wise(*parts, "")


def pick(values: Sequence[str] | pa.Array, n: int, rng: np.random.Generator) -> pa.Array:
    """`n` of these values, each drawn alike."""
    pool = values if isinstance(values, pa.Array) else pa.array(values, pa.string())
    return pool.take(pa.array(rng.integers(0, len(pool), n)))


def choose(shares: dict[str, float], n: int, rng: np.random.Generator) -> pa.Array:
    """`n` of the keys, drawn by their shares (which need not sum to 1)."""
    weights = np.array(list(shares.values()), dtype=float)
    chosen = rng.choice(len(weights), size=n, p=weights / weights.sum())
    return pa.array(list(shares), pa.string()).take(pa.array(chosen))


def fold(texts: pa.Array) -> pa.Array:
    """Texts equal under the most forgiving collation (no case, no accents, no trailing blanks) become equal."""
    key = pc.utf8_rtrim_whitespace(pc.utf8_lower(texts))
    if pc.all(pc.string_is_ascii(key)).as_py():
        return key
    return pc.replace_substring_regex(pc.utf8_normalize(key, form="NFKD"), r"\p{M}", "")


def _first_seen(texts: pa.Array) -> np.ndarray:
    """The positions, ascending, at which a text stands for the first time."""
    codes = pc.dictionary_encode(fold(texts)).indices.to_numpy(zero_copy_only=False)
    return np.sort(np.unique(codes, return_index=True)[1])


def distinct_texts(draw: Draw, n: int) -> pa.Array:
    """`n` texts, no two alike: rows that repeat an earlier one are drawn again in their place, with ever more digits.

    Fewer than `n`, the first of each, where that found no more.
    """
    texts = draw(np.arange(n), 0)
    for digits in _ROUNDS:
        first = _first_seen(texts)
        if len(first) == n:
            return texts
        again = np.ones(n, dtype=bool)
        again[first] = False
        texts = pc.replace_with_mask(texts, pa.array(again), draw(np.flatnonzero(again), digits))
    return texts.take(pa.array(_first_seen(texts)))


def repeat_ranks(values: pa.Array) -> dict | None:
    """How often values repeat, without the values: their number per row, and the shares of the commonest.

    None where (nearly) all values differ. A share counts at least five rows.
    """
    n = len(values)
    if n < 20:
        return None
    counts = np.sort(pc.value_counts(values).field("counts").to_numpy())[::-1]
    if len(counts) > 0.95 * n:
        return None
    top = [round(float(count / n), 4) for count in counts[:40] if count >= 5]
    return {"rows_each": round(n / len(counts), 3), "distinct": _two_digits(len(counts)), "top": top}


def _two_digits(number: int) -> int:
    """Rounded to two significant digits."""
    step = 10 ** max(len(str(number)) - 2, 0)
    return max(round(number / step) * step, 1)


def spread(repeats: dict, n: int, rng: np.random.Generator) -> tuple[int, np.ndarray]:
    """How many different values `n` rows hold, and which of them each row holds, int64 ``(n,)``.

    As many as the source has for up to as many rows; beyond that their number grows with the rows.
    """
    pool = max(repeats["distinct"], round(n / repeats["rows_each"]))
    top = repeats["top"][:pool]
    weights = np.full(pool, max(1 - sum(top), 1e-9) / max(pool - len(top), 1))
    weights[: len(top)] = top
    drawn = rng.choice(pool, size=n, p=weights / weights.sum())
    used, rows = np.unique(drawn, return_inverse=True)
    return len(used), rows
