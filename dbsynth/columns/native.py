"""Values of types no model understands, in a text form their server accepts: networks, intervals, arrays, ranges, bits.

`learn_native` looks at the type's name as the server spells it; `draw_native` writes values of that type. Where only
one value is safe it is a constant (``{}``); where none is known, None says so.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from .distinct import choose, join, pick, texts_of
from .patterns import distinct_integers
from .spans import draw_spans, learn_spans

__all__ = ["draw_binary", "draw_ip", "draw_mac", "draw_native", "draw_uuids", "learn_native", "magic_of"]

_CONSTANTS = {
    "box": "(1,1),(0,0)", "circle": "<(0,0),1>", "line": "{1,-1,0}", "lseg": "[(0,0),(1,1)]", "path": "[(0,0),(1,1)]",
    "polygon": "((0,0),(1,1),(1,0))", "hstore": "", "jsonpath": "$", "pg_lsn": "0/0", "tsquery": "",
    "pg_snapshot": "1:1:", "txid_snapshot": "1:1:", "xml": "<doc/>", "tid": "(0,0)",
}  # fmt: skip
_SPATIAL = ("geometry", "point", "linestring", "polygon", "multipoint", "multilinestring", "multipolygon",
            "geometrycollection", "geomcollection", "geography")  # fmt: skip
_NONE, _TWO, _FOUR = "00" * 16, "02000000", "04000000"  # a point at 0, 0; numbers of points
_SHAPES = {
    "linestring": "0102000000" + _TWO + _NONE * 2, "polygon": "010300000001000000" + _FOUR + _NONE * 4,
    "multipoint": "0104000000010000000101000000" + _NONE, "geometrycollection": "010700000000000000",
    "geomcollection": "010700000000000000", "multilinestring": "0105000000010000000102000000" + _TWO + _NONE * 2,
    "multipolygon": "010600000001000000010300000001000000" + _FOUR + _NONE * 4,
}  # fmt: skip
_NUMBERS = ("oid", "xid", "xid8", "cid", "year")
_INTEGERS = ("int", "int2", "int4", "int8", "integer", "smallint", "bigint", "serial", "oid")
_DECIMALS = ("numeric", "decimal", "real", "float4", "float8", "double", "float")
_TEXTS = ("text", "varchar", "character", "char", "bpchar", "citext", "name")


_ITEM = re.compile(r'"(?:[^"\\]|\\.)*"|[^,{}"]+')
_ENOUGH_ROWS, _MOST_ITEMS = 5, 50


def native_form(native_type: str) -> str | None:
    """Which way of writing values of this type we know, by the type's name; None where we know none."""
    full = native_type.lower().strip().removeprefix("pg_catalog.")
    word = re.split(r"[\s(\[]", full.removeprefix("_"))[0]
    if full.startswith("_") or full.endswith(("[]", "array")):
        return "array"
    if word.endswith(("multirange", "range")):
        return "multirange" if word.endswith("multirange") else "range"
    known = {
        "inet": "ip", "inet4": "ip", "inet6": "ip", "cidr": "cidr", "macaddr": "mac", "macaddr8": "mac8",
        "interval": "interval", "tsvector": "tsvector", "money": "money", "set": "set", "ltree": "ltree",
        "lquery": "ltree", "vector": "vector",
        "timetz": "timetz", "bit": "bits", "varbit": "varbits",
    }  # fmt: skip
    if full.startswith("bit varying"):
        return "varbits"
    if full.startswith("time") and "with time zone" in full and not full.startswith("timestamp"):
        return "timetz"
    if word in _NUMBERS:
        return "digits"
    return known.get(word) or ("constant" if word in _CONSTANTS else None) or ("point" if word == "point" else None)


def learn_native(
    native_type: str, values: list[str], enum_values: Sequence[str], *, apart: bool = False
) -> dict[str, Any] | None:
    """What `draw_native` needs to write values of this type; None where the type is not known.

    Args:
        apart: no two of the invented ranges may overlap.
    """
    form = native_form(native_type)
    full = native_type.lower()
    word = re.split(r"[\s(\[]", full.removeprefix("_"))[0]
    if word in _SPATIAL and not any(re.fullmatch(r"[\[({].*,.*[)}\]]", value) for value in values[:5]):
        return _learn_spatial(word, values)
    if form is None:
        return None
    size = re.search(r"\((\d+)", native_type)
    settings: dict[str, Any] = {"form": form, "size": int(size[1]) if size else None}
    lengths = [len(value) for value in values]
    if form == "constant":
        settings["text"] = _CONSTANTS[word]
    elif form in ("bits", "varbits"):
        settings["decimal"] = bool(values) and not all(set(value) <= {"0", "1"} for value in values)
        settings["size"] = settings["size"] or (max(lengths) if values and form == "varbits" else 1)
    elif form == "set":
        members = list(enum_values) or [m.replace("''", "'") for m in re.findall(r"'((?:[^']|'')*)'", native_type)]
        held = Counter(member for value in values for member in value.split(","))
        settings["members"] = {m: round(held[m] / max(len(values), 1), 3) for m in members}
    elif form == "array":
        settings["whole"] = _common_values(values)
        settings["element"] = word.removesuffix("[]")
        settings["lengths"] = _array_lengths(values)
        settings["flat"] = not any(value.startswith(("{{", "[")) for value in values)
        settings["items"] = _common_items(values)
        settings["scale"] = int(found[1]) if (found := re.search(r"\(\d+,\s*(\d+)\)", native_type)) else None
    elif form in ("range", "multirange"):
        settings |= learn_spans(values, apart=apart)
    elif form == "vector":
        settings["size"] = settings["size"] or (values[0].count(",") + 1 if values else 3)
    elif form == "interval":
        settings["hours"] = not values or sum(":" in value for value in values) > 0.5 * len(values)
        settings["days"] = sum(any(u in value for u in ("day", "mon", "year")) for value in values) > 0.3 * len(values)
    elif form == "ip":
        six = sum(value.count(":") > 1 for value in values) / max(len(values), 1)
        settings["six"] = 1.0 if word == "inet6" else 0.0 if word == "inet4" else round(six, 3)
    return settings


def _learn_spatial(word: str, values: list[str]) -> dict[str, Any] | None:
    """What is before the coordinates of points in the hexadecimal form of MySQL or PostGIS; None for other shapes."""
    server_id = r"[0-9A-F]{8}"  # MySQL's own bytes begin with the number of the coordinate system
    if word in _SHAPES and values and all(re.match(server_id + r"01[0-9A-F]{2}000000", value) for value in values):
        common = Counter(value[:8] for value in values).most_common(1)[0][0]
        return {"form": "constant", "size": None, "text": common + _SHAPES[word]}
    if word not in ("geometry", "point", "geography"):
        return None
    for start, size in ((r"[0-9A-F]{8}0101000000", 18), (r"0101000020[0-9A-F]{8}", 18), (r"0101000000", 10)):
        found = {value[:size] for value in values if re.match(start, value, re.IGNORECASE)}
        if values and len(found) == 1 and all(re.match(start, value, re.IGNORECASE) for value in values):
            return {"form": "wkb", "size": None, "start": found.pop()}
    if word == "geometry" and values and all(re.match(server_id + r"01[0-9A-F]{2}000000", value) for value in values):
        return {"form": "wkb", "size": None, "start": values[0][:8] + "0101000000"}  # shapes of all sorts: points
    return None


def _common_items(values: list[str]) -> dict[str, float] | None:
    """The shares of an array's items, as written, where a few that five rows each hold are nearly all of them."""
    items = Counter(item for value in values for item in set(_ITEM.findall(value)))
    common = {item: times for item, times in items.items() if times >= _ENOUGH_ROWS}
    total = sum(items.values())
    if not common or len(common) > _MOST_ITEMS or sum(common.values()) < 0.95 * total:
        return None
    return {item: round(times / total, 4) for item, times in common.items()}


def _common_values(values: list[str]) -> dict[str, float] | None:
    """The shares of whole arrays, where a few that five rows each hold are nearly all of them."""
    counts = Counter(values)
    common = {value: times / len(values) for value, times in counts.items() if times >= _ENOUGH_ROWS}
    return common if common and len(common) <= _MOST_ITEMS and sum(common.values()) >= 0.95 else None


def _array_lengths(values: list[str]) -> list[int]:
    counts = [0 if value.strip() in ("{}", "[]", "") else value.count(",") + 1 for value in values]
    return [int(q) for q in np.quantile(counts, np.linspace(0.05, 0.95, 11))] if counts else [0]


def draw_native(settings: dict[str, Any], n: int, rng: np.random.Generator) -> pa.Array:
    """`n` texts that the server reads as values of the learned type."""
    form, size = settings["form"], settings["size"]
    simple = {
        "ip": lambda: draw_ip(n, rng, six=settings.get("six", 0.0)),
        "cidr": lambda: join("10.", _number(rng, n, 0, 256), ".", _number(rng, n, 0, 256), ".0/24"),
        "mac": lambda: draw_mac(n, rng),
        "mac8": lambda: draw_mac(n, rng, octets=8),
        "interval": lambda: _intervals(settings, n, rng),
        "point": lambda: join("(", _coordinate(rng, n, 180), ",", _coordinate(rng, n, 90), ")"),
        "tsvector": lambda: join("'", _word(rng, n), "'"),
        "ltree": lambda: join(_word(rng, n), ".", _word(rng, n)),
        "money": lambda: join(_number(rng, n, 1, 500), ".", _number(rng, n, 10, 100)),
        "timetz": lambda: join(_number(rng, n, 10, 24), ":", _number(rng, n, 10, 60), ":00+00"),
        "digits": lambda: _number(rng, n, 1970, 2030),
        "constant": lambda: _same(settings["text"], n),
        "range": lambda: draw_spans(settings, n, rng),
        "multirange": lambda: draw_spans(settings, n, rng, several=True),
        "set": lambda: _subsets(settings["members"], n, rng),
        "bits": lambda: draw_bits(n, size, rng, settings["decimal"]),
        "varbits": lambda: draw_bits(n, size, rng, settings["decimal"]),
        "wkb": lambda: join(settings["start"], _doubles(rng, n, 180), _doubles(rng, n, 80)),
        "vector": lambda: join("[", _joined(_coordinate(rng, n * size, 1), np.full(n, size)), "]"),
        "array": lambda: _arrays(settings, n, rng),
    }
    return simple[form]()


def _same(text: str, n: int) -> pa.Array:
    return pa.array([text] * n, pa.string())


def _number(rng: np.random.Generator, n: int, low: int, high: int) -> pa.Array:
    return pa.array(rng.integers(low, high, n)).cast(pa.string())


def _subsets(members: dict[str, float], n: int, rng: np.random.Generator) -> pa.Array:
    """Sets of members, each as frequent as in the source."""
    held = [pc.if_else(pa.array(rng.random(n) < share), f",{member}", "") for member, share in members.items()]
    return pc.utf8_slice_codeunits(join("", *held), 1)


def _coordinate(rng: np.random.Generator, n: int, bound: float) -> pa.Array:
    return pa.array(np.round(rng.uniform(-bound, bound, n), 4)).cast(pa.string())


def _doubles(rng: np.random.Generator, n: int, bound: int) -> pa.Array:
    """Random numbers as the hexadecimal form of eight bytes, the lowest first."""
    raw = np.round(rng.uniform(-bound, bound, n), 6).astype("<f8").view(np.uint8).reshape(n, 8)
    digits = np.frombuffer(b"0123456789ABCDEF", dtype=np.uint8)
    return texts_of(np.stack([digits[raw >> 4], digits[raw & 15]], axis=2).reshape(n, 16).astype(np.uint32))


def _word(rng: np.random.Generator, n: int) -> pa.Array:
    """Made-up words of two or three syllables."""
    syllables = [a + b for a in "bdfgklmnprstv" for b in "aeiou"]
    return join(pick(syllables, n, rng), pick(syllables, n, rng), pick([*syllables, *[""] * 60], n, rng))


def _intervals(settings: dict, n: int, rng: np.random.Generator) -> pa.Array:
    clock = join(
        pc.utf8_lpad(_number(rng, n, 0, 24), 2, "0"), ":", pc.utf8_lpad(_number(rng, n, 0, 60), 2, "0"), ":",
        pc.utf8_lpad(_number(rng, n, 0, 60), 2, "0"),
    )  # fmt: skip
    days = join(_number(rng, n, 2, 30), " days")
    if settings["days"]:
        return join(days, " ", clock) if settings["hours"] else days
    return clock


def _arrays(settings: dict, n: int, rng: np.random.Generator) -> pa.Array:
    if settings["whole"]:
        return choose(settings["whole"], n, rng)
    quantiles = settings["lengths"]
    counts = np.rint(np.interp(rng.random(n), np.linspace(0, 1, len(quantiles)), quantiles)).astype(np.int64)
    element, total = settings["element"], int(counts.sum())
    if not settings["flat"] or total == 0:
        return _same("{}", n)
    size, scale = settings["size"], settings["scale"]
    if settings["items"]:
        items = choose(settings["items"], total, rng)
    elif element in _INTEGERS:
        items = _number(rng, total, 1, 100)
    elif element in _DECIMALS:
        items = _coordinate(rng, total, 100 if scale is None else 10.0 ** min(size - scale, 2) - 0.01)
    elif element in _TEXTS:
        items = _word(rng, total)
        items = items if size is None else pc.utf8_slice_codeunits(items, 0, size)
    elif element == "uuid":
        items = draw_uuids(total, rng)
    elif element in ("bool", "boolean"):
        items = pick(["t", "f"], total, rng)
    elif element in ("date", "timestamp", "timestamptz"):
        year, month, day = (_number(rng, total, *between) for between in ((2000, 2026), (1, 10), (10, 29)))
        items = join(year, "-0", month, "-", day)
    else:
        return _same("{}", n)
    return join("{", _joined(items, counts), "}")


def _joined(items: pa.Array, counts: np.ndarray) -> pa.Array:
    """The items, `counts` of them to a row, with commas between."""
    offsets = pa.array(np.concatenate([[0], np.cumsum(counts)]).astype(np.int32))
    return pc.binary_join(pa.ListArray.from_arrays(offsets, items), ",")


# ------------------------------------------------------------------------------------------- identifiers and raw bytes


def draw_uuids(n: int, rng: np.random.Generator) -> pa.Array:
    """Version 4 UUIDs in their usual text form."""
    nibbles = rng.integers(0, 16, (n, 32), dtype=np.uint8)
    nibbles[:, 12] = 4
    nibbles[:, 16] = 8 | nibbles[:, 16] & 3
    digits = np.frombuffer(b"0123456789abcdef", dtype=np.uint8)[nibbles]
    out = np.full((n, 36), ord("-"), dtype=np.uint32)
    out[:, [i for i in range(36) if i not in (8, 13, 18, 23)]] = digits
    return texts_of(out)


_MAGIC = {"ffd8ff": "ffd8ffe000104a4649460001", "89504e47": "89504e470d0a1a0a", "47494638": "474946383961",
          "25504446": "255044462d312e340a", "504b0304": "504b0304", "1f8b": "1f8b0800"}  # fmt: skip


def magic_of(values: Sequence[bytes]) -> str:
    """The first bytes, in hexadecimal, of files of the one well-known kind that most values are; else nothing."""
    for start, whole in _MAGIC.items():
        if sum(value.startswith(bytes.fromhex(start)) for value in values) > 0.8 * len(values):
            return whole
    return ""


def draw_binary(
    settings: dict[str, Any], n: int, rng: np.random.Generator, *, unique: bool, limit: int | None
) -> pa.Array:
    """Random bytes, with lengths drawn from the quantiles; at least 8 of them where values must differ."""
    quantiles, start = settings["sizes"], np.frombuffer(bytes.fromhex(settings["magic"]), dtype=np.uint8)
    sizes = np.rint(np.interp(rng.random(n), np.linspace(0, 1, len(quantiles)), quantiles)).astype(np.int64)
    sizes = np.clip(sizes, 8 if unique else 0, limit)
    offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    data = np.frombuffer(bytearray(rng.bytes(int(offsets[-1]))), dtype=np.uint8)
    for i, byte in enumerate(start):
        data[offsets[:-1][sizes > len(start) + 8] + i] = byte
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(data)]
    return pa.LargeBinaryArray.from_buffers(pa.large_binary(), n, buffers).cast(pa.binary())


def draw_bits(n: int, size: int, rng: np.random.Generator, decimal: bool) -> pa.Array:
    """Bit strings of `size` bits, or the numbers they stand for."""
    if decimal:
        return pa.array(rng.integers(0, 2 ** min(size, 62), n)).cast(pa.string())
    return texts_of(rng.integers(0, 2, (n, size)).astype(np.uint32) + ord("0"))


def draw_ip(
    n: int, rng: np.random.Generator, *, six: float = 0.0, unique: bool = False, length: int | None = None
) -> pa.Array:
    """Addresses of the private network 10.0.0.0/8, and a share of `six` of the documentation prefix 2001:db8::/32.

    A column of less than 15 characters gets addresses with shorter numbers.
    """
    if length is not None and length < 15:
        limit = 10 ** max((length - 5) // 3, 1)
        return join("10.", *_dotted([rng.integers(0, min(limit, 256), n) for _ in range(3)]))
    hosts = distinct_integers(2**24, n, rng) if unique and n <= 2**24 else rng.integers(0, 2**24, n)
    four = join("10.", *_dotted([hosts >> 16, hosts >> 8 & 255, hosts & 255]))
    if six == 0:
        return four
    groups = [join(":", _hexadecimal(rng.integers(0, 65536, n))) for _ in range(3)]
    return pc.if_else(pa.array(rng.random(n) < six), join("2001:db8:", *groups), four)


def _dotted(octets: list[np.ndarray]) -> list[pa.Array | str]:
    texts: list[pa.Array | str] = []
    for octet in octets:
        texts += [pa.array(octet).cast(pa.string()), "."]
    return texts[:-1]


def _hexadecimal(numbers: np.ndarray) -> pa.Array:
    table = pa.array([f"{i:x}" for i in range(65536)], pa.string())
    return table.take(pa.array(numbers))


def draw_mac(
    n: int, rng: np.random.Generator, *, separator: str = ":", upper: bool = False, octets: int = 6
) -> pa.Array:
    """Hardware addresses of the locally administered kind (02:…), which no maker gives out."""
    table = pa.array([f"{i:02X}" if upper else f"{i:02x}" for i in range(256)], pa.string())
    parts: list[pa.Array | str] = ["02"]
    for _ in range(octets - 1):
        parts += [separator, table.take(pa.array(rng.integers(0, 256, n)))]
    return join(*parts)
