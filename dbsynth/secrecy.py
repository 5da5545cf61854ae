"""Passwords on the command line: `${VARIABLE}` in their place, and none of them in anything that is printed."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from urllib.parse import quote

__all__ = ["expand_variables", "scrub"]

_VARIABLE = re.compile(r"\$\{(\w+)\}")


def expand_variables(url: str, environment: Mapping[str, str] | None = None) -> str:
    """The URL with every `${VARIABLE}` replaced by the environment's value.

    A value after the `://` is percent-encoded where a URL needs it, so a password may hold any character; a variable
    that holds the whole URL is taken as it is.

    >>> expand_variables("postgresql://app:${DB_PASSWORD}@db/shop", {"DB_PASSWORD": "p@ss?"})
    'postgresql://app:p%40ss%3F@db/shop'

    Raises:
        KeyError: a variable is not set.
    """
    environment = os.environ if environment is None else environment

    def value(match: re.Match[str]) -> str:
        text = environment[match[1]]
        return quote(text, safe="/:,[]") if "://" in url[: match.start()] else text

    return _VARIABLE.sub(value, url)


def scrub(text: str, arguments: Iterable[str]) -> str:
    """The text with `***` for every password that the arguments hold, encoded or decoded; masked URLs in it stay."""
    secrets: set[str] = set()
    masked: set[str] = set()
    for argument in arguments:
        found, shown = _secrets(argument)
        secrets |= found
        masked |= shown
    if not secrets:
        return text
    hidden = re.compile("|".join(re.escape(secret) for secret in sorted(secrets, key=len, reverse=True)))
    # A user whose password is "postgres" still reads "postgresql://postgres:***@host".
    parts = re.split(f"({'|'.join(map(re.escape, sorted(masked, key=len, reverse=True)))})", text) if masked else [text]
    return "".join(part if part in masked else hidden.sub("***", part) for part in parts)


def _secrets(argument: str) -> tuple[set[str], set[str]]:
    """The passwords in an argument, and the argument as it may be shown."""
    option, equals, value = argument.partition("=")
    url = value if equals and option.startswith("--") else argument
    try:
        url = expand_variables(url)
    except KeyError:
        return set(), set()
    if "://" not in url:
        # A URL whose scheme was forgotten: what stands before the @ may be a user and a password.
        url = f"unknown://{url}" if "@" in url else ""
    if not url:
        return set(), set()
    try:
        from adapters.urls import parse_address

        address = parse_address(url)
    except Exception:  # not to be taken apart: nothing behind the scheme is shown
        return {url.partition("://")[2]} - {""}, set()
    return set(address.secrets), {address.masked}
