"""Invented places that agree: a postcode lies in one city, a city in one region, a region in one country.

Each column of an address is drawn within the values of the coarser ones of its row, whether those are invented too or
come from the engine or a parent. Where the country is one whose language Faker speaks, its cities are named so.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from .personal import words_of

__all__ = ["LEVELS", "draw_within", "level_of", "locales_of"]

LEVELS = ("country", "region", "city", "postcode")  # the coarsest first

_WORDS = {
    "country": "country countrycode countryname nation land pais pays paese kraj zeme iso2 iso3 countryiso countryid",
    "region": "state province region county district bundesland departement provincia regione estado stateprovince",
    "city": "city town cityname stadt ort wohnort ville ciudad citta cidade miasto mesto stad cityid",
    "postcode": "postcode postalcode zip zipcode postleitzahl plz codepostal codigopostal cap cep psc postnummer",
}
_LEVEL_OF = {word: level for level, words in _WORDS.items() for word in words.split()}
_MOST_LOCALES = 30  # countries whose cities get names of their language; a word list costs a moment each


def level_of(name: str) -> tuple[str, str] | None:
    """Which part of an address a column holds, and the words before it that say whose; None for anything else."""
    words = words_of(name)
    for start in range(len(words)):
        level = _LEVEL_OF.get("".join(words[start:]))
        if level:
            return level, " ".join(words[:start])
    return None


def draw_within(
    coarser: Sequence[pa.Array], repeats: Mapping[str, Any] | None, n: int, rng: np.random.Generator,
    draw: Callable[[np.ndarray], pa.Array],
) -> pa.Array:  # fmt: skip
    """`n` values, each of which stands beside one combination of the coarser columns only.

    Args:
        coarser: columns of the same rows; none of them is as good as one that is the same everywhere.
        repeats: how often values repeat (`distinct.repeat_ranks`); None: hardly ever.
        draw: different values for these rows, int64 ``(n_values,)``: each value is for rows like the one named.
    """
    group, first, sizes = _groups(coarser, n)
    share = 1.0 if repeats is None else min(max(repeats["distinct"], n / repeats["rows_each"]) / max(n, 1), 1.0)
    rooms = np.maximum(np.rint(sizes * share), 1).astype(np.int64)  # values of each group
    start = np.cumsum(rooms) - rooms
    if repeats is None:
        place = np.empty(n, dtype=np.int64)
        order = np.argsort(group, kind="stable")
        place[order] = np.arange(n) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    else:
        place = (rng.random(n) ** 1.5 * rooms[group]).astype(np.int64)  # some places are larger than others
    used, rows = np.unique(start[group] + place, return_inverse=True)
    return draw(first[np.searchsorted(start, used, "right") - 1]).take(pa.array(rows.reshape(-1)))


def _groups(columns: Sequence[pa.Array], n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of each row the number of its combination; of each combination its first row and its number of rows."""
    group = np.zeros(n, dtype=np.int64)
    for column in columns:
        codes = pc.dictionary_encode(column, null_encoding="encode").indices.to_numpy(zero_copy_only=False)
        group = np.unique(group * (codes.max(initial=0) + 1) + codes, return_inverse=True)[1].reshape(-1)
    _, first, sizes = np.unique(group, return_index=True, return_counts=True)
    return group, first, sizes


def locales_of(countries: pa.Array | None, n: int, language: str) -> np.ndarray:
    """Faker's locale of each row's country, object ``(n,)``: ``language`` where it is not known or seldom met.

    Args:
        countries: names in English, or codes of two or three letters; None: there are none.
    """
    found = np.full(n, language, dtype=object)
    if countries is None or not pa.types.is_string(countries.type):
        return found
    counted = pc.value_counts(countries.drop_null()).to_pylist()
    known = [v for v in counted if v["values"].strip().casefold() in _locale_by_country()]
    texts = countries.to_numpy(zero_copy_only=False)
    for entry in sorted(known, key=lambda v: (-v["counts"], v["values"]))[:_MOST_LOCALES]:
        found[texts == entry["values"]] = _locale_by_country()[entry["values"].strip().casefold()]
    return found


@lru_cache(maxsize=1)
def _locale_by_country() -> dict[str, str]:
    """Faker's locales by the names and codes of their countries, case folded."""
    from faker.config import AVAILABLE_LOCALES
    from faker.providers.date_time import Provider

    codes: dict[str, str] = {}
    for locale in sorted(AVAILABLE_LOCALES):
        language, _, country = locale.partition("_")
        if len(country) == 2 and (country not in codes or language == country.lower()):
            codes[country] = locale
    codes |= {"BE": "nl_BE", "CA": "en_CA", "CH": "de_CH", "GB": "en_GB", "IN": "en_IN", "US": "en_US"}
    names = {code.casefold(): locale for code, locale in codes.items()}
    for country in Provider.countries:
        if country.alpha_2_code in codes:
            names[country.alpha_3_code.casefold()] = names[country.name.casefold()] = codes[country.alpha_2_code]
    return names | {"usa": "en_US", "uk": "en_GB", "united states of america": "en_US", "czechia": names.get("cz", "")}
