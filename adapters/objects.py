"""Views, functions, triggers: what a database declares beside its tables, and what becomes of it in a target.

Each dialect reads its own (`<dialect>_objects.py`); here is what they share: in which order they are created, and what
is said of those that stay behind.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from dbsynth.schema import DatabaseObject, Schema

__all__ = ["Failures", "attempt", "left_behind", "losses_of"]

Failures = dict[DatabaseObject, str]  # what could not be created, and the server's reason

_NAMES = {"postgres": "Postgres", "mysql": "MySQL", "sqlite": "SQLite"}
# Kinds that no setting takes along, and why not.
_STAYS = {
    **dict.fromkeys(
        ("dynamic function", "dynamic procedure", "dynamic trigger"), "a string in it names the database it is of"
    ),
    "event": "it would run by itself",
    "event trigger": "it belongs to a superuser",
    "foreign table": "its rows are in another database",
    "operator": "only functions and what is made of them are",
    "policy": "whose rights it speaks of is the target's to say",
    "text search configuration": "only functions and what is made of them are",
    "virtual table": "what it indexes is not known",
}
# What has no meaning where the rest of its dialect is missing.
_UNSAID = frozenset({"schema", "search column"})
_SHOWN = 12  # names in a line


def attempt(objects: Iterable[DatabaseObject], create: Callable[[DatabaseObject], str | None]) -> Failures:
    """Create them in rounds, since one may need another that comes later, until a round brings nothing new.

    Args:
        create: all of an object's statements or none; None, or why it cannot be.
    """
    waiting = [found for found in objects if found.statements]
    while waiting:
        failed = {found: reason for found in waiting if (reason := create(found)) is not None}
        if len(failed) == len(waiting):
            return failed
        waiting = list(failed)
    return {}


def losses_of(failures: Failures) -> list[str]:
    """A sentence for each object that the server would not create."""
    return [f"{found.kind} {found.name!r} is not carried over: {reason}" for found, reason in failures.items()]


def left_behind(schema: Schema, dialect: str) -> list[str]:
    """A sentence for each kind of object that a target of this dialect is not given."""
    by_kind: dict[str, list[str]] = {}
    for found in schema.objects:
        if schema.dialect != dialect and found.kind in _UNSAID:
            continue
        if not found.statements or schema.dialect != dialect:
            by_kind.setdefault(found.kind, []).append(found.name)
    return [_sentence(kind, names, schema.dialect, dialect) for kind, names in by_kind.items()]


def _sentence(kind: str, names: list[str], source: str, target: str) -> str:
    shown = ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")
    plural = {"policy": "policies", "index": "indexes"}.get(kind, f"{kind}s")
    if kind == "inheritance":
        return f"tables hold no longer the rows of those that inherit from them: {shown}"
    if kind == "partition":
        return f"partitions become part of their tables, which are not divided any more: {shown}"
    subject = f"{kind} {shown} is" if len(names) == 1 else f"{plural} {shown} are"
    if kind in _STAYS:
        return f"{subject} not carried over: {_STAYS[kind]}"
    if source != target:
        return f"{subject} not carried over: {'it is' if len(names) == 1 else 'they are'} written for {_NAMES[source]}"
    return f"{subject} not carried over; --ddl native takes {'it' if len(names) == 1 else 'them'} along"
