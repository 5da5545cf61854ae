"""Values of Faker's own providers, for columns whose provider the user names: ``job``, ``color_name``, ``ean13``.

What Faker writes of the world's addresses is moved to those set aside for examples: domains to example.org. Providers
of the data that this project has words for (`personal.PROVIDERS`) are drawn its way, which knows reserved numbers.
"""

from __future__ import annotations

import re
from datetime import date, datetime, time
from decimal import Decimal
from functools import lru_cache
from typing import Any

import numpy as np
import pyarrow as pa

from .distinct import join, pick
from .personal import PROVIDERS

__all__ = ["draw_faked", "known_providers", "own_word"]

_POOL = 20_000  # values drawn one by one; more rows than these share them
_OUR_WORDS = {
    **dict.fromkeys(
        ("ascii_company_email", "ascii_email", "ascii_free_email", "ascii_safe_email", "company_email", "free_email",
         "safe_email"), "email",
    ),
    **dict.fromkeys(("basic_phone_number", "msisdn", "phone_number"), "phone"),
    **dict.fromkeys(("ipv4", "ipv4_private", "ipv4_public", "ipv6"), "ip"),
    **dict.fromkeys(("street_address", "street_name"), "street"),
    **dict.fromkeys(("zipcode", "postalcode"), "postcode"),
    "credit_card_number": "card_number", "mac_address": "mac", "ssn": "national_id", "uri": "url",
}  # fmt: skip
_PLAIN = (str, int, float, Decimal, date, datetime, time)
_DOMAIN = re.compile(
    r"(?<=://)[^/\s]+|(?<=@)[\w.-]+|(?<![\w-])(?:[\w-]+\.)+(?:biz|com|de|edu|es|fr|info|io|it|net|org|uk|us)\b", re.I
)


def own_word(provider: str) -> str | None:
    """This project's word for what a provider draws; None where it has none."""
    return provider if provider in PROVIDERS else _OUR_WORDS.get(provider)


@lru_cache(maxsize=1)
def known_providers() -> tuple[str, ...]:
    """Every name that a column's provider may have, sorted."""
    from faker import Faker

    fake = Faker()
    names = {name for name in dir(fake) if not name.startswith("_") and _is_plain(fake, name)}
    return tuple(sorted(names | set(PROVIDERS)))


def _is_plain(fake: Any, name: str) -> bool:
    """Whether the provider needs no arguments and gives one plain value."""
    try:
        return isinstance(getattr(fake, name)(), _PLAIN)
    except Exception:  # it needs arguments, or a package that is not there
        return False


def draw_faked(
    settings: dict[str, Any], n: int, rng: np.random.Generator, length: int | None, digits: int
) -> pa.Array:
    """`n` values as texts, no longer than `length`; `digits` more of them at the end make likeness less likely."""
    from faker import Faker

    fake = Faker(settings["language"])
    fake = fake if hasattr(fake, settings["provider"]) else Faker()
    fake.seed_instance(int(rng.integers(2**31)))
    if settings["provider"].startswith("_"):  # of a bundle that this program has not written
        raise ValueError(f"{settings['provider']!r} is no provider")
    draw = getattr(fake, settings["provider"])
    pool = pa.array([_DOMAIN.sub("example.org", str(draw())) for _ in range(min(n, _POOL))], pa.string())
    texts = pool if n <= _POOL else pick(pool, n, rng)
    room = None if length is None else max(length - digits, 0)
    if room is not None:
        texts = pa.array([text[:room] for text in texts.to_pylist()], pa.string())
    if not digits:
        return texts
    number = pa.array(rng.integers(10 ** (digits - 1), 10**digits, n)).cast(pa.string())
    return join(texts, number)
