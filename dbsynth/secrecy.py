"""Passwords of URLs: `${VARIABLE}` in their place, and none of them in anything that is printed.

A variable that is not set may be in a file, as containers are handed secrets: `${DB_PASSWORD}` is then the content of
the file that `DB_PASSWORD_FILE` names.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from urllib.parse import quote

from .errors import ConfigError

__all__ = ["expand_variables", "masked_for_file", "printable", "scrub"]

_VARIABLE = re.compile(r"\$\{(\w+)\}")
_LONGEST = 65_536  # bytes of a file with a password

# Every URL that a password was put into. They come from the command line, from job files and from Python, and an
# error may carry one out from anywhere.
_opened: set[str] = set()


def expand_variables(url: str, environment: Mapping[str, str] | None = None) -> str:
    """The URL with every `${VARIABLE}` replaced by the environment's value.

    A value after the `://` is percent-encoded where a URL needs it, so a password may hold any character; a variable
    that holds the whole URL is taken as it is.

    >>> expand_variables("postgresql://app:${DB_PASSWORD}@db/shop", {"DB_PASSWORD": "p@ss?"})
    'postgresql://app:p%40ss%3F@db/shop'

    Raises:
        KeyError: a variable is not set.
        ConfigError: the file that has its value cannot be read.
    """
    environment = os.environ if environment is None else environment

    def value(match: re.Match[str]) -> str:
        text = _secret(match[1], environment)
        return quote(text, safe="/:,[]") if "://" in url[: match.start()] else text

    expanded = _VARIABLE.sub(value, url)
    _opened.add(expanded)
    return expanded


def _secret(name: str, environment: Mapping[str, str]) -> str:
    """The variable's value, or the content of the file that `NAME_FILE` names, without the line's end."""
    path = environment.get(f"{name}_FILE")
    if name in environment or path is None:
        return environment[name]
    try:
        with Path(path).open("rb") as file:
            return file.read(_LONGEST).decode().rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no text"
        raise ConfigError(f"the file {path} that {name}_FILE names cannot be read: {reason}") from error


def masked_for_file(url: str, variable: str) -> str:
    """The URL with a variable in the place of every password that stands in it; variables stay.

    >>> masked_for_file("postgresql://app:geheim@db/shop?sslmode=require", "DB_PASSWORD")
    'postgresql://app:${DB_PASSWORD}@db/shop?sslmode=require'
    """
    from adapters.urls import mask, parse_address

    spared = _VARIABLE.sub(lambda match: f"dbsynth-variable-{match[1]}-", url)
    if "://" not in spared:  # all of it is in a variable
        return url
    secrets = parse_address(spared).secrets
    if not secrets or all(re.fullmatch(r"dbsynth-variable-\w+-", secret) for secret in secrets):
        return url
    return mask(url).replace("***", f"${{{variable}}}")


def printable(text: str) -> str:
    """The text with every character that could steer a terminal replaced; the ends of lines and tabs stay.

    >>> printable("table \x1b[31mred")
    'table \ufffd[31mred'
    """
    return "".join(c if c.isprintable() or c in "\n\t" else "\N{REPLACEMENT CHARACTER}" for c in text)


def scrub(text: str, arguments: Iterable[str]) -> str:
    """The text with `***` for every password that the arguments hold, encoded or decoded; masked URLs in it stay.

    Those of every URL that a variable was put into are among them.
    """
    secrets: set[str] = set()
    masked: set[str] = set()
    for argument in (*arguments, *_opened):
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
    except (KeyError, ConfigError):
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
