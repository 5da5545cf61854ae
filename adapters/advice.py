"""What to try where a server, or the way to it, refuses: one sentence for each kind of trouble."""

from __future__ import annotations

from enum import Enum, auto

from dbsynth.errors import DbsynthError, SourceError

__all__ = ["Trouble", "with_advice"]


class Trouble(Enum):
    """A kind of refusal that somebody can do something about, whatever the server's own name for it is."""

    NOBODY = auto()  # answers
    STRANGER = auto()
    NO_DATABASE = auto()
    NOT_LET_IN = auto()
    NO_RIGHT = auto()
    CROWDED = auto()
    LOST = auto()
    HELD = auto()
    FULL = auto()
    READ_ONLY = auto()
    NO_FILE = auto()


_ADVICE = {
    Trouble.NOBODY: "check the host and the port in the URL, and that the server runs and takes connections from here",
    Trouble.STRANGER: "check the user and the password in the URL",
    Trouble.NO_DATABASE: "create the database, or correct its name in the URL",
    Trouble.NOT_LET_IN: "GRANT the user the right to connect, or correct the database or the user in the URL",
    Trouble.NO_RIGHT: "GRANT the user what a load needs (README, What it needs), or name another user in the URL",
    Trouble.CROWDED: "close other connections or raise the server's limit, and run again",
    Trouble.LOST: "the connection is gone: see whether the server was stopped or restarted, and run again",
    Trouble.HELD: "somebody else holds what is needed: run again when that transaction has ended",
    Trouble.FULL: "make room on the disk of the database, and run again",
    Trouble.READ_ONLY: "it takes no writes: name the primary server, or a database that may be written",
    Trouble.NO_FILE: "correct the path; an encrypted SQLite file has to be decrypted first",
}
_READING = "reading needs SELECT on every table: GRANT it to the user, or name another user in the URL"


def with_advice(said: str, trouble: Trouble | None, error_class: type[DbsynthError]) -> str:
    """What the server said, and what to try where that is known.

    Args:
        error_class: of the error that will say it: rights to read are others than rights to write.
    """
    if trouble is None:
        return said
    reads = trouble is Trouble.NO_RIGHT and issubclass(error_class, SourceError)
    return f"{said.rstrip('.?')}; {_READING if reads else _ADVICE[trouble]}"
