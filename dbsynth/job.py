"""The job file: one TOML file that holds everything a nightly run is told.

A job is the settings of a run, spelled as everywhere else, and beside them where to read and write, what the figures
must reach, and when to learn anew:

```toml
source = "postgresql://reader:${SOURCE_PASSWORD}@db.example.org/shop"
target = "postgresql://staging:${TARGET_PASSWORD}@staging.example.org/shop"
bundle = "shop.bundle"
seed = "fresh"

[thresholds]
fail_under = { avg_2way = 90 }
```

It is checked as a whole: every mistake is named at once, with its line.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

from .config import Settings, after, build, make_settings, nearest
from .errors import ConfigError
from .quality.thresholds import Threshold, parse_threshold
from .secrecy import expand_variables
from .toml_lines import Place, lines_of, listed

__all__ = ["SCHEMES", "Job", "load_job", "parse_duration"]

SCHEMES = ("postgresql", "postgres", "mysql", "mariadb", "sqlite")
_LARGEST = 1_000_000  # bytes of a job file
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}  # seconds
_EXTRAS = ("c2st", "c2st with children", "efficacy", "alpha-precision", "beta-recall")
_PATHS = ("bundle", "report", "metrics")
_HOLDOUT = ("mia auc", "dcr share")


def parse_duration(text: Any) -> timedelta:
    """A length of time: a number with s, m, h, d or w, or several of them.

    >>> parse_duration("1h30m")
    datetime.timedelta(seconds=5400)

    Raises:
        ValueError: it is not of that form.
    """
    if isinstance(text, timedelta):
        return text
    if not isinstance(text, str) or not re.fullmatch(r"(\d{1,6}[smhdw])+", text):
        raise ValueError(f"{text!r} is no length of time; expected one such as 45m, 6h, 30d or 1h30m")
    found = sum(int(number) * _UNITS[unit] for number, unit in re.findall(r"(\d+)(\w)", text))
    if not found:
        raise ValueError(f"{text!r} is no time at all; expected one such as 45m, 6h, 30d or 1h30m")
    return timedelta(seconds=found)


def _duration(value: Any) -> timedelta:
    try:
        return parse_duration(value)
    except ValueError as error:
        raise PydanticCustomError("decision", "{said}", {"said": str(error)}) from error


def _seed(value: Any) -> Any:
    if value == "fresh" or (isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**63):
        return value
    close = nearest(value, ["fresh"]) if isinstance(value, str) else ""
    said = f"{value!r} is no seed; expected a whole number from 0 on, or 'fresh' for another one in each run{close}"
    raise PydanticCustomError("decision", "{said}", {"said": said})


def _address(value: Any) -> str:
    """The URL with its variables filled in; what is wrong is said without repeating it."""
    expected = "expected postgresql://user@host/database, mysql://user@host/database or sqlite:///file.db"
    try:
        url = expand_variables(value) if isinstance(value, str) else ""
    except KeyError as error:
        name = error.args[0]
        said = f"neither the environment variable {name} nor {name}_FILE is set; set one, or correct the name"
        raise PydanticCustomError("decision", "{said}", {"said": said}) from error
    except ConfigError as error:
        raise PydanticCustomError("decision", "{said}", {"said": str(error)}) from error
    scheme, separator, _ = url.partition("://")
    if not separator:
        raise PydanticCustomError("decision", "{said}", {"said": f"that is no database URL; {expected}"})
    if scheme.partition("+")[0].lower() not in SCHEMES:
        shown = scheme if re.fullmatch(r"[\w+.-]{1,30}", scheme) else "that"
        said = f"{shown} is no kind of database{after(nearest(scheme, SCHEMES), expected)}"
        raise PydanticCustomError("decision", "{said}", {"said": said})
    return url


def _measure(name: str) -> str:
    """The name of a measure that there is, and that a run can measure."""
    try:
        measure = parse_threshold(f"{name}=0", at_most=True).measure
    except ConfigError as error:
        raise PydanticCustomError("decision", "{said}", {"said": str(error)}) from error
    if measure in _HOLDOUT:
        said = "needs real rows that were not learned; ask for it with `dbsynth evaluate --holdout`"
        raise PydanticCustomError("decision", "{said}", {"said": said})
    return name


def _inside(value: Any) -> Path:
    """A path below the job file's folder: whoever wrote the file chooses no other files of whoever runs it."""
    path = Path(value) if isinstance(value, str) and value.strip() and "\0" not in value else None
    if path is None or path.is_absolute() or ".." in path.parts or not path.name:
        said = f"{value!r} is no path below the job file's folder; other places are named on the command line"
        raise PydanticCustomError("decision", "{said}", {"said": said})
    return path


_Inside = Annotated[Path, BeforeValidator(_inside)]
_Duration = Annotated[timedelta, BeforeValidator(_duration)]
_Url = Annotated[str, BeforeValidator(_address)]
_Figures = dict[Annotated[str, BeforeValidator(_measure)], float]


class Thresholds(BaseModel):
    """What the figures must reach for a new database to take the old one's place."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    fail_under: _Figures = Field(default_factory=dict)
    fail_over: _Figures = Field(default_factory=dict)

    @property
    def all(self) -> list[Threshold]:
        under, over = ((said, most) for said, most in ((self.fail_under, False), (self.fail_over, True)))
        return [
            parse_threshold(f"{name}={bound}", at_most=most) for said, most in (under, over)
            for name, bound in said.items()
        ]  # fmt: skip


class Job(Settings):
    """Everything a run of `refresh` is told.

    Attributes:
        bundle: where what was learned is kept from run to run.
        seed: of the rows; "fresh": another one in each run, which is recorded.
        drift: how far, from 0 to 1, a column or a relation may have moved from what was learned before it is learned
            again.
        max_age: a bundle that was learned longer ago is learned anew, from nothing.
        deadline: a run that has not swapped its rows in by then, from its start, stops; the target stays as it was.
        replace: how rows take the place of the old ones; "swap" for tables that are built aside, "in-place" where
            nothing may be created in the target.
    """

    source: _Url = Field(description="expected the URL of the database to learn")
    target: _Url = Field(description="expected the URL of the database to write")
    bundle: _Inside = Path("job.bundle")
    seed: Annotated[int | Literal["fresh"], BeforeValidator(_seed)] = 0  # type: ignore[assignment]
    replace: Literal["swap", "in-place"] = "swap"
    drift: float = Field(0.05, ge=0, le=1)
    max_age: _Duration | None = None
    deadline: _Duration | None = None
    evaluate: bool = True
    extras: bool = False
    thresholds: Thresholds = Thresholds()
    report: _Inside | None = None  # the evaluation as one HTML page
    metrics: _Inside | None = None  # figures of the run in Prometheus' text format

    def settings(self, seed: int) -> Settings:
        """What the learner and the sampler are told."""
        said = {name: value for name, value in self if name in Settings.model_fields and name != "seed"}
        settings = make_settings({**said, "seed": seed})
        settings._file, settings._lines = self._file, self._lines
        return settings


def load_job(path: Path, **options: Any) -> Job:
    """Read and check a job file.

    Its paths are seen from the folder it is in, and lie below that.

    Args:
        options: fields of `Job` that win over the file; one that is None was not given. A path among them is seen from
            the current folder and may be anywhere.

    Raises:
        ConfigError: lists every mistake with its line, what was found, what is expected, and the nearest name.
    """
    written, lines = _read(path)
    chosen = {name: value for name, value in options.items() if value is not None}
    paths = {name: Path(chosen.pop(name)) for name in _PATHS if name in chosen}
    job, mistakes = build(Job, {"bundle": f"{path.stem}.bundle", **written, **chosen})
    lines = {place: line for place, line in lines.items() if place[0] not in chosen}
    if job is not None:
        below = {name: path.parent / value for name in _PATHS if (value := getattr(job, name)) is not None}
        files = {name: _seen_from(path.parent, getattr(job, name)) for name in ("source", "target") if name in written}
        job = job.model_copy(update=below | files | paths)
        job._file, job._lines = str(path), lines
        mistakes += _contradictions(job)
    if mistakes:
        raise ConfigError(listed(str(path), mistakes, lines))
    return job


def _seen_from(folder: Path, url: str) -> str:
    """The URL; that of a SQLite file with a relative path leads there from the current folder."""
    scheme, _, file = url.partition(":///")
    return f"{scheme}:///{folder / file}" if scheme.lower() == "sqlite" and file else url


def _read(path: Path) -> tuple[dict[str, Any], dict[Place, int]]:
    try:
        with path.open("rb") as file:
            content = file.read(_LARGEST + 1)
        if len(content) > _LARGEST:
            raise ConfigError(f"{path} is larger than {_LARGEST:,} bytes, which no job file is")
        text = content.decode()
        return tomllib.loads(text), lines_of(text)
    except OSError as error:
        raise ConfigError(
            f"cannot read the job file {path}: {error.strerror}; make one with `dbsynth init SOURCE_URL > {path.name}`"
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ConfigError(f"{path} is not TOML: {error or 'it is nested too deep'}") from error


def _contradictions(job: Job) -> Iterator[tuple[Place, str]]:
    """What each setting allows, and all together do not."""
    if job.source == job.target:
        yield ("target",), "target is the source; name another database, which will hold the synthetic rows"
    if job.thresholds.all and not job.evaluate:
        yield ("evaluate",), "evaluate is false, so no figure can be held against the thresholds; leave one of them out"
    for side in ("fail_under", "fail_over"):
        for name in getattr(job.thresholds, side):
            if not job.extras and parse_threshold(f"{name}=0", at_most=True).measure in _EXTRAS:
                yield ("thresholds", side, name), f"{name} is measured by classifiers; set extras = true, or leave it"
    for name in ("report", "metrics"):
        path = getattr(job, name)
        if path is not None and (path.is_dir() or not path.absolute().parent.is_dir()):
            yield (name,), f"{name} is {str(path)!r}, which cannot be written: expected a file in an existing folder"
    for table, decided in job.tables.items():
        if decided.fate == "modelled" and table in job.keep:
            yield ("tables", table, "fate"), f"table {table!r} is named by keep and is to be modelled; say one"
