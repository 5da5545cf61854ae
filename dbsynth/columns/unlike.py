"""Invented codes that are none of the real ones, without a list of the real ones.

The values fall into buckets by a hash, about as many buckets as values; a third of the buckets stay empty, and only
codes that fall into these are invented. What is kept is which buckets are empty. It says of a third of all codes that
they are not real, and makes of the others none more likely than before but by half: whoever tries all codes learns next
to nothing, which could not be said of a list of hashes or of a filter that answers well.
"""

from __future__ import annotations

import base64
import hashlib
import math
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

__all__ = ["is_unlike", "learn_unlike"]

_EMPTY = 1 / 3  # of the buckets
_FEW = 1e-3  # codes that meet by chance, for which nothing is done


def learn_unlike(values: pa.Array, room: float, name: str) -> dict[str, Any] | None:
    """Which buckets are empty, as plain data; None where codes out of so much room hardly ever meet a real one.

    Args:
        values: the real ones, of any type that has a text form, without nulls.
        room: how many codes may be invented.
        name: whose values these are; other columns have other buckets.
    """
    texts = pc.unique(values.cast(pa.string()))
    if len(texts) == 0 or len(texts) ** 2 / room < _FEW:
        return None
    n = max(round(len(texts) / math.log(1 / _EMPTY)), 1)
    empty = np.ones(n, dtype=bool)
    empty[_buckets(texts, n, name)] = False
    return {"name": name, "n": n, "empty": base64.b64encode(np.packbits(empty).tobytes()).decode()}


def is_unlike(texts: pa.Array, learned: dict[str, Any]) -> np.ndarray:
    """Whether each text falls into an empty bucket, bool ``(n,)``: then it is no real value."""
    packed = np.frombuffer(base64.b64decode(learned["empty"]), dtype=np.uint8)
    empty = np.unpackbits(packed, count=learned["n"]).astype(bool)
    return empty[_buckets(texts, learned["n"], learned["name"])]


def _buckets(texts: pa.Array, n: int, name: str) -> np.ndarray:
    """The bucket of each text, int64 ``(n,)``."""
    key = hashlib.blake2b(name.encode(), digest_size=8).hexdigest()
    hashes = pd.util.hash_array(texts.to_numpy(zero_copy_only=False), hash_key=key, categorize=False)  # SipHash
    return (hashes % np.uint64(n)).astype(np.int64)
