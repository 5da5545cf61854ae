"""The address of a database: taken apart, and shown without its password."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from ipaddress import ip_address
from urllib.parse import parse_qsl, unquote, unquote_plus

from dbsynth.errors import ConnectError

__all__ = ["Address", "is_local", "parse_address"]

_SECRET_OPTION = re.compile(r"([?&;](?:password|passwd|passwort|pwd|sslpassword)=)([^&;#]*)", re.IGNORECASE)


@dataclass(frozen=True)
class Address:
    """A URL's parts, decoded. `masked` is the only form to show; `scrub` cleans what a driver says."""

    scheme: str
    user: str | None
    password: str | None = field(repr=False)
    host: str | None
    port: int | None
    database: str | None
    options: Mapping[str, str] = field(repr=False)
    masked: str
    secrets: tuple[str, ...] = field(repr=False)

    def scrub(self, message: object) -> str:
        """The message as one line in which no spelling of the password is left."""
        text = " ".join(str(message).split())
        for secret in self.secrets:
            text = text.replace(secret, "***")
        return text


def parse_address(url: str) -> Address:
    """Take `scheme://user:password@host:port/database?option=value` apart.

    The user and password end at the last `@`, so that a password with an unencoded `@`, `/` or `?` still connects and
    is still masked whole. A password may also stand in an option (`?password=`).

    Raises:
        ConnectError: the URL has no scheme, or the port is no number.
    """
    scheme, separator, rest = url.partition("://")
    masked = mask(url)
    if not separator or not re.fullmatch(r"[A-Za-z][\w+.-]*", scheme):
        raise ConnectError(f"{masked!r} is not a database URL; expected scheme://user@host/database or sqlite:///path")
    userinfo, _, location = ("", "", rest) if scheme.lower() == "sqlite" else rest.rpartition("@")
    location, _, query = location.partition("?")
    query = query.partition("#")[0]
    host_port, _, database = location.partition("/")
    user, _, password = userinfo.partition(":")
    host, port = _host_and_port(host_port, masked)
    options = dict(parse_qsl(query, keep_blank_values=True))
    raw = [password] + [value for _, value in _SECRET_OPTION.findall("?" + query)]
    spellings = {spell(text) for text in raw for spell in (str, unquote, unquote_plus)} - {""}
    return Address(
        scheme=scheme.lower(),
        user=unquote(user) or options.get("user"),
        password=unquote(password) or options.get("password"),
        host=host,
        port=port,
        database=(database if scheme.lower() == "sqlite" else unquote(database)) or None,  # a file name stays as it is
        options={name: value for name, value in options.items() if name not in ("user", "password")},
        masked=masked,
        secrets=tuple(sorted(spellings, key=len, reverse=True)),
    )


def is_local(host: str | None) -> bool:
    """Whether a connection to the host, by name or number, stays on this machine; no host is a socket."""
    if not host or host.startswith("/") or host == "localhost":
        return True
    with suppress(ValueError):
        return ip_address(host).is_loopback
    return False


def mask(url: str) -> str:
    """The URL with `***` in the place of every password."""
    scheme, separator, rest = url.partition("://") if "://" in url else ("", "", url)
    userinfo, at, location = rest.rpartition("@")
    if at and ":" in userinfo:
        userinfo = userinfo.partition(":")[0] + ":***"
    return _SECRET_OPTION.sub(r"\1***", scheme + separator + userinfo + at + location)


def _host_and_port(text: str, masked: str) -> tuple[str | None, int | None]:
    if "," in text:  # several servers: libpq takes them apart
        return text, None
    match = re.fullmatch(r"(\[[^\]]*\]|[^:]*)(?::(\d*))?", text)
    if not match:
        raise ConnectError(f"the port in {masked!r} is not a number")
    host, port = match.groups()
    return unquote(host.strip("[]")) or None, int(port) if port else None
