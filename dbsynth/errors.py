"""The error tree: what a user can act on.

```
DbsynthError                 the CLI prints one line and exits with status 1
├── ConnectError             address, credentials, missing driver
├── SchemaError              the shape of a database: names table, constraint and the way out
├── SourceError              reading
├── TargetError              writing: not empty, same database as the source, constraint refused
├── ConfigError              a setting, its value, its range
├── TrainingError            loss not finite: table, step, learning rate
└── BundleError              missing, damaged, of another version or another schema
```

A message says what was expected, what was found and what to try next, and never holds a password. A caller's mistake in
Python is a ValueError or TypeError; anything else is a bug and keeps its traceback.
"""

__all__ = [
    "BundleError",
    "ConfigError",
    "ConnectError",
    "DbsynthError",
    "SchemaError",
    "SourceError",
    "TargetError",
    "TrainingError",
]


class DbsynthError(Exception):
    """What a user can act on."""


class ConnectError(DbsynthError):
    """The address, the credentials or the driver of a database."""


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
