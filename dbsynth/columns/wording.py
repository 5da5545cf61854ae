"""Free text: how long, how written and in which language, learned without its words; new text of common words.

The words come from Faker's word lists. One long stream of them is made once, and each text is a slice of it from one
word's start to another word's end, so that a million texts cost one copy of bytes.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from .distinct import choose, join

__all__ = ["draw_words", "language_of", "learn_words", "script_language"]

_STREAM_WORDS = (40_000, 400_000)  # at least and at most; between them, one for each text
_CHUNK = 50_000  # rows cut from the stream at once
_ENDS = ".!?…:"

# Words that stand in most texts of a language and in few of the others.
_STOPWORDS = {
    "en_US": "the and of to is with for this that was are you not from have",
    "de_DE": "und der die das ist nicht mit ein eine für auf den von zu wir",
    "fr_FR": "le les des est une dans pour pas que avec sur du nous vous aux",
    "es_ES": "el los las una para por con es del que como más su muy está",
    "it_IT": "il gli di che una per non sono con della nel è più anche alla",
    "pt_BR": "não uma para com que os dos das em é mais foi você ao seu",
    "nl_NL": "het een van niet met voor zijn op dat aan ook maar bij naar wordt",
    "pl_PL": "nie jest się na do że jak to dla przez od po są był tym",
    "cs_CZ": "je se na že pro jsou jako který ale při nebo jeho byl také není",
    "da_DK": "og det til som ikke har med der kan vil skal fra hvor meget også",
}
_SCRIPTS = {
    "CYRILLIC": "ru_RU", "GREEK": "el_GR", "HIRAGANA": "ja_JP", "KATAKANA": "ja_JP", "CJK": "zh_CN", "HANGUL": "ko_KR",
    "ARABIC": "ar_AA", "HEBREW": "he_IL", "THAI": "th_TH", "ARMENIAN": "hy_AM", "GEORGIAN": "ka_GE",
}  # fmt: skip
_UNSPACED = {"ja_JP", "zh_CN", "th_TH"}


def language_of(values: list[str]) -> str:
    """Faker's locale for the language the texts seem to be in, by script, then by stop words; "en_US" where unsure."""
    text = " ".join(values[:2000])[:200_000]
    by_script = script_language(text)
    if by_script != "en_US":
        return by_script
    words = Counter(re.findall(r"[^\W\d_]+", text.lower()))
    hits = {locale: sum(words[w] for w in stop.split()) for locale, stop in _STOPWORDS.items()}
    best = max(hits, key=hits.__getitem__)
    return best if hits[best] >= max(5, 0.04 * words.total()) and hits[best] > 1.3 * hits["en_US"] else "en_US"


def script_language(text: str) -> str:
    """Faker's locale for the script of the text; "en_US" for Latin letters."""
    scripts = Counter()
    for char, times in Counter(c for c in text if c.isalpha()).items():
        scripts[unicodedata.name(char, "LATIN").split()[0].split("-")[0]] += times
    if not scripts:
        return "en_US"
    if scripts["HIRAGANA"] + scripts["KATAKANA"] > 0.1 * scripts.total():
        return "ja_JP"
    script = scripts.most_common(1)[0][0]
    if script != "LATIN":
        ukrainian = script == "CYRILLIC" and len(re.findall("[іїєґІЇЄҐ]", text)) > 0.01 * scripts.total()
        return "uk_UA" if ukrainian else _SCRIPTS.get(script, "en_US")
    return "en_US"


def learn_words(values: list[str]) -> dict[str, Any]:
    """How the texts are written, as plain data: lengths in characters, case, ends, lines, numbers, commas."""
    values = [text for value in values if (text := value.strip())] or ["text"]
    lengths = np.array([len(value) for value in values])
    tokens = [token for value in values for token in value.split()]
    single = [len(value) for value in values if len(value.split()) == 1]
    lines = sum(len(re.findall(r"\r\n|\r|\n", value)) for value in values)
    return {
        "language": language_of(values),
        "lengths": _quantiles(lengths),
        "single": round(len(single) / len(values), 3),
        "single_lengths": _quantiles(np.array(single)) if len(single) >= 5 else [],
        "case": _cases(values),
        "end": _shares(value[-1] if value[-1] in _ENDS else "" for value in values),
        "line": round(lines / max(len(tokens), 1), 4),
        "line_end": "\r\n" if any("\r\n" in value for value in values) else "\n",
        "lined": round(sum("\n" in v or "\r" in v for v in values) / len(values), 3),
        "number": round(sum(token.strip(".,;").isdigit() for token in tokens) / max(len(tokens), 1), 3),
        "comma": round(sum(token.endswith(",") for token in tokens) / max(len(tokens), 1), 3),
    }


def _quantiles(lengths: np.ndarray) -> list[int]:
    """21 of them, the ends moved in to where five values lie beyond, so that no one value shows."""
    edge = min(5 / len(lengths), 0.25)
    return [round(q) for q in np.quantile(lengths, np.linspace(edge, 1 - edge, 21))]


def _shares(words) -> dict[str, float]:
    counts = Counter(words)
    kept = {w: k / counts.total() for w, k in sorted(counts.items()) if k >= 0.02 * counts.total()}
    return {word: round(share, 3) for word, share in kept.items()}


def _cases(values: list[str]) -> dict[str, float]:
    """The shares of the cases; short capitals (``USA``) count only where nearly all texts are such."""
    shares = _shares(map(_case_of, values))
    short = shares.pop("short", 0.0)
    if not shares or short > 0.8:
        return {"upper": 1.0}
    return shares


def _case_of(text: str) -> str:
    letters = [c for c in text if c.isalpha()]
    if letters and all(c.isupper() for c in letters) and len(letters) > 1:
        return "upper" if len(letters) > 4 else "short"
    starts = [word[0] for word in text.split() if word[0].isalpha()]
    if len(starts) > 1 and sum(c.isupper() for c in starts) >= 0.6 * len(starts):
        return "title"
    return "sentence" if starts and starts[0].isupper() else "lower"


# ---------------------------------------------------------------------------------------------------------- drawing


def draw_words(
    settings: dict[str, Any], n: int, rng: np.random.Generator, *, length: int | None = None, digits: int = 0
) -> pa.Array:
    """`n` texts, none longer than `length`; `digits` more of them at the end make likeness less likely."""
    from faker import Faker

    words = _word_list(Faker(settings["language"]))
    room = None if length is None else max(length - (digits + 1 if digits else 0), 1)
    is_single = rng.random(n) < settings["single"]
    targets = _targets(settings, is_single, rng, room)
    size = int(np.clip(n, *_STREAM_WORDS))
    spaced = settings["language"] not in _UNSPACED
    lined = rng.random(n) < settings["lined"]
    texts = pa.nulls(n, pa.string())
    for mask, draw in (
        (is_single, lambda t: _single_words(words, t, rng)),
        (~is_single & ~lined, lambda t: _slices(_Stream(words, settings, rng, size, spaced, 0.0), t, rng)),
        (~is_single & lined, lambda t: _slices(_Stream(words, settings, rng, size, spaced, settings["line"]), t, rng)),
    ):
        if mask.any():
            texts = pc.replace_with_mask(texts, pa.array(mask), draw(targets[mask]))
    return _finished(settings, texts, n, rng, room, digits, length)


def _word_list(fake) -> list[str]:
    words = sorted({word for word in fake.get_words_list() if word and " " not in word})
    return words if len(words) > 20 else ["lorem", "ipsum", "dolor", "sit", "amet", "elit", "sed", "magna"]


def _targets(settings: dict, is_single: np.ndarray, rng: np.random.Generator, room: int | None) -> np.ndarray:
    """How long each text shall be, in characters."""

    def draw(quantiles: list[int], n: int) -> np.ndarray:
        return np.interp(rng.random(n), np.linspace(0, 1, len(quantiles)), quantiles)

    targets = draw(settings["lengths"], len(is_single))
    if settings["single_lengths"]:
        targets[is_single] = draw(settings["single_lengths"], int(is_single.sum()))
    return np.clip(np.rint(targets), 1, room or 10**9).astype(np.int64)


def _finished(settings, texts, n, rng, room, digits, length) -> pa.Array:
    """The texts with case, last mark and digits as the settings ask, cut to the column's length."""
    case = choose(settings["case"], n, rng)
    starts = join(pc.utf8_upper(pc.utf8_slice_codeunits(texts, 0, 1)), pc.utf8_slice_codeunits(texts, 1))
    if "sentence" in settings["case"]:
        texts = pc.if_else(pc.equal(case, "sentence"), starts, texts)
    for name, change in (("upper", pc.utf8_upper), ("title", pc.utf8_title), ("lower", pc.utf8_lower)):
        if name in settings["case"]:
            texts = pc.if_else(pc.equal(case, name), change(texts), texts)
    texts = pc.utf8_rtrim(texts, " ,;")
    end = choose(settings["end"] or {"": 1.0}, n, rng)
    if room is not None:
        end = pc.if_else(pc.less(pc.utf8_length(texts), room), end, "")
        texts = pc.utf8_rtrim_whitespace(pc.utf8_slice_codeunits(texts, 0, room))
    texts = join(texts, end)
    if digits:
        number = pa.array(rng.integers(10 ** (digits - 1), 10**digits, n)).cast(pa.string())
        texts = number if length is not None and length <= digits else join(texts, " ", number)
        texts = texts if length is None else pc.utf8_slice_codeunits(texts, 0, length)
    return texts


class _Stream:
    """Words one after the other as UTF-8, with the byte and the character at which each starts and ends."""

    def __init__(
        self, words: list[str], settings: dict, rng: np.random.Generator, size: int, spaced: bool, line: float
    ) -> None:
        tokens = np.array(words, dtype=object)[rng.integers(0, len(words), size)]
        numeric = rng.random(size) < settings["number"]
        tokens[numeric] = [str(x) for x in np.rint(10 ** rng.uniform(0, 3.3, int(numeric.sum()))).astype(int)]
        marks = np.where(rng.random(size) < settings["comma"], ",", "")
        if settings["lengths"][10] > 80:  # prose: sentences of some twelve words
            stops = rng.random(size) < 1 / 12
            marks = np.where(stops, ".", marks)
            after = np.flatnonzero(stops[:-1]) + 1
            tokens[after] = [token[:1].upper() + token[1:] for token in tokens[after]]
        breaks = np.where(rng.random(size) < line, settings["line_end"], " " if spaced else "")
        pieces = [f"{t}{m}{b}" for t, m, b in zip(tokens, marks, breaks, strict=True)]
        self.data = np.frombuffer("".join(pieces).encode(), dtype=np.uint8)
        self.byte_start, self.byte_end = _edges(tokens, pieces, lambda s: len(s.encode()))
        self.char_start, self.char_end = _edges(tokens, pieces, len)


def _edges(tokens, pieces, size) -> tuple[np.ndarray, np.ndarray]:
    sizes = np.array([size(piece) for piece in pieces], dtype=np.int64)
    starts = np.cumsum(sizes) - sizes
    return starts, starts + np.array([size(token) for token in tokens], dtype=np.int64)


def _slices(stream: _Stream, targets: np.ndarray, rng: np.random.Generator) -> pa.Array:
    """One slice of the stream per target, of whole words and about as many characters."""
    targets = np.minimum(targets, stream.char_end[-1] // 2)
    last = int(np.searchsorted(stream.char_start, stream.char_end[-1] - targets.max() - 50))
    first = rng.integers(0, max(last, 1), len(targets))
    ends = np.searchsorted(stream.char_end, stream.char_start[first] + targets, side="right") - 1
    ends = np.maximum(ends, first)
    parts = [
        _gather(stream.data, stream.byte_start[first[i : i + _CHUNK]], stream.byte_end[ends[i : i + _CHUNK]])
        for i in range(0, len(targets), _CHUNK)
    ]
    return pa.concat_arrays(parts)


def _gather(data: np.ndarray, starts: np.ndarray, ends: np.ndarray) -> pa.Array:
    sizes = ends - starts
    offsets = np.concatenate([[0], np.cumsum(sizes)])
    index = np.repeat(starts - offsets[:-1], sizes) + np.arange(offsets[-1])
    return pa.LargeStringArray.from_buffers(
        len(sizes), pa.py_buffer(offsets.astype(np.int64)), pa.py_buffer(data[index])
    ).cast(pa.string())


def _single_words(words: list[str], targets: np.ndarray, rng: np.random.Generator) -> pa.Array:
    """One word per target, of that many characters or nearly so; two words in one where the target is longer."""
    ordered = sorted(words, key=len)
    pairs = sorted((f"{a}-{b}" for a in words[::9] for b in words[::13]), key=len)
    ordered = sorted(ordered + [p for p in pairs if len(p) > len(ordered[-1]) - 3], key=len)
    sizes = np.array([len(word) for word in ordered])
    targets = np.clip(targets, sizes[0], sizes[-1])
    low = np.searchsorted(sizes, targets - (targets > 3), side="left")
    high = np.maximum(np.searchsorted(sizes, targets, side="right"), low + 1)
    chosen = np.minimum((low + rng.random(len(targets)) * (high - low)).astype(np.int64), len(sizes) - 1)
    return pa.array(ordered, pa.string()).take(pa.array(chosen))
