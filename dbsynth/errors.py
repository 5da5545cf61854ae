"""The error tree: what a user can act on.

```
DbsynthError                 the CLI prints one line and exits with its status: 1, or what stands beside it
├── ConnectError             address, credentials, missing driver
├── SchemaError              the shape of a database: names table, constraint and the way out
├── SourceError              reading
├── TargetError              writing: not empty, same database as the source, constraint refused
├── ConfigError              a setting, its value, its range
├── TrainingError            loss not finite: table, step, learning rate
├── BundleError              missing, damaged, of another version or another schema
├── DecisionError       (3)  a person has to say what shall become of a change
├── QualityError        (4)  figures below the thresholds: the target keeps what it had
└── DeadlineError       (5)  out of time before the target was touched
```

A message says what was expected, what was found and what to try next, and never holds a password. A caller's mistake in
Python is a ValueError or TypeError; anything else is a bug and keeps its traceback.
"""

__all__ = [
    "BundleError",
    "ConfigError",
    "ConnectError",
    "DbsynthError",
    "DeadlineError",
    "DecisionError",
    "QualityError",
    "SchemaError",
    "SourceError",
    "TargetError",
    "TrainingError",
]


class DbsynthError(Exception):
    """What a user can act on."""

    exit_status = 1


class ConnectError(DbsynthError):
    """The address, the credentials or the driver of a database.

    Args:
        may_pass: whether it may be otherwise in a moment: nobody answers, the server is starting, or has no room.
    """

    def __init__(self, message: str, *, may_pass: bool = False) -> None:
        super().__init__(message)
        self.may_pass = may_pass


class SchemaError(DbsynthError):
    """The shape of a database."""


class SourceError(DbsynthError):
    """Reading from the source."""


class TargetError(DbsynthError):
    """Writing to the target."""


class ConfigError(DbsynthError):
    """A setting, its value, its range."""


class TrainingError(DbsynthError):
    """A model that cannot be trained."""


class BundleError(DbsynthError):
    """A bundle that is missing, damaged, or made for something else."""


class DecisionError(DbsynthError):
    """A change of the source that a person has to look at first."""

    exit_status = 3


class QualityError(DbsynthError):
    """Figures that are not what the thresholds ask for."""

    exit_status = 4


class DeadlineError(DbsynthError):
    """A run that would not have ended in time."""

    exit_status = 5
