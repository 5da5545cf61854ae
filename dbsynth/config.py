"""Settings: one spelling for the TOML file, the CLI option and the Python field.

`n_clusters = 20` in a file is `--n-clusters 20` on the command line and `Settings(n_clusters=20)` in Python. A preset
gives the engine's settings their values; what is set beside it wins. What becomes of single tables and columns stands
in the file only:

```toml
[tables.customer.columns]
email = "fabricated"
segment = { fate = "modelled", rare = 1 }
number = { pattern = "CUST-#####" }
```
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Collection, Iterable, Mapping
from datetime import date, datetime, time
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from .errors import ConfigError
from .toml_lines import Place, listed

__all__ = [
    "PRESETS",
    "ColumnDecision",
    "Settings",
    "TableDecision",
    "after",
    "build",
    "instead",
    "load_settings",
    "make_settings",
    "nearest",
]

# Hyper-parameters of the papers (ClavaDDPM, Appendix C.3; GRDM shares those of diffusion), with the published codes'
# batch size and decay.
_PAPER: dict[str, Any] = {
    "n_clusters": 20, "parent_scale": 1.0, "clustering": "vote", "ancestors": False,
    "guidance": "classifier", "guidance_scale": 1.0, "group_sizes": "label", "meeting": "values",
    "noise": "discrete", "n_steps": 2000, "layers": (512, 1024, 1024, 1024, 1024, 512),
    "iterations": 200_000, "batch_size": 4096, "learning_rate": 6e-4, "muon": 0.0, "ema": 0.999, "held_back": 0.0,
    "classifier_layers": (128, 256, 512, 1024, 512, 256, 128),
    "classifier_iterations": 20_000, "classifier_learning_rate": 1e-4,
    "structure": "degrees", "fan_out": (64,), "width": 128, "epochs": 1_000_000,  # GRDM: as many as there are steps
}  # fmt: skip

PRESETS: dict[str, dict[str, Any]] = {
    "fast": {},
    "paper": _PAPER,
    "paper:berka": _PAPER | {"n_clusters": 20, "parent_scale": 1.5},
    "paper:california": _PAPER | {"n_clusters": 25, "iterations": 100_000, "classifier_iterations": 10_000},
    "paper:ccs": _PAPER | {"n_clusters": 25},
    "paper:instacart": _PAPER | {"n_clusters": 50},
    "paper:movielens": _PAPER | {"n_clusters": 50},
}


_Any = TypeVar("_Any", bound=BaseModel)
_MOST_NAMES = 12  # of those that there are, in a message about one that there is not

_Widths = Annotated[tuple[Annotated[int, Field(ge=1)], ...], Field(min_length=1)]
_FORBIDDING = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class ColumnDecision(BaseModel):
    """What shall become of one column. `"fabricated"` is short for `{ fate = "fabricated" }`.

    The fate may be left out where the rest says it: a provider or a pattern is of a fabricated column, a value of a
    constant one, `rare` of a modelled one.

    Attributes:
        provider: a word for personal data (`columns.personal.PROVIDERS`), or the name of a provider of Faker's.
        pattern: the shape of invented values: # a digit, ? a capital letter, * either, a backslash before what is
            meant as it is.
        value: what every row holds, as it is or as its text.
        rare: values of fewer rows do not come through; None: as the settings say.
    """

    model_config = _FORBIDDING

    fate: Literal["kept", "modelled", "fabricated", "constant", "null"]
    provider: str | None = Field(None, min_length=1)
    pattern: str | None = Field(None, min_length=1)
    value: bool | int | float | str | None = None
    rare: int | None = Field(None, ge=1)

    @model_validator(mode="before")
    @classmethod
    def _complete(cls, given: Any) -> Any:
        """The long form, with the fate that the other entries imply."""
        if isinstance(given, str):
            given = {"fate": given}
        if not isinstance(given, Mapping):
            return given
        given = {name: value for name, value in given.items() if value is not None}
        if isinstance(given.get("value"), (date, datetime, time)):
            given["value"] = str(given["value"])
        implied = {name: fate for name, fate in _IMPLIED.items() if name in given}
        if "fate" not in given and implied:
            given["fate"] = next(iter(implied.values()))
        for name, fate in implied.items():
            if given["fate"] in _FATES and given["fate"] != fate:
                raise PydanticCustomError("decision", f"{name} is for a column that is {fate}, not {given['fate']}")
        if "provider" in given and "pattern" in given:
            raise PydanticCustomError("decision", "a column has a provider or a pattern, not both")
        if given.get("fate") == "constant" and "value" not in given:
            raise PydanticCustomError("decision", "a constant column needs its value")
        return given


_IMPLIED = {"provider": "fabricated", "pattern": "fabricated", "value": "constant", "rare": "modelled"}
_FATES = get_args(ColumnDecision.model_fields["fate"].annotation)


class TableDecision(BaseModel):
    """What shall become of one table and of its columns, those that are named."""

    model_config = _FORBIDDING

    fate: Literal["kept", "modelled"] | None = None
    columns: dict[str, ColumnDecision] = Field(default_factory=dict)


class Settings(BaseModel):
    """Everything a run can be told; the defaults are the `fast` preset."""

    model_config = _FORBIDDING

    engine: Literal["clava", "graph"] = "clava"
    preset: str = "fast"
    seed: int = Field(0, ge=0, lt=2**63)
    device: str = "cpu"
    workspace: str | None = None  # folder in which the real rows are kept while a job runs; None: the system's
    encrypt_workspace: bool = False  # with a key that is in memory only; needs memory for the largest tables

    # what becomes of tables
    keep: tuple[str, ...] = ()  # tables copied as they are
    no_keep: bool = False  # model small lookup tables, too
    scale: float = Field(1.0, gt=0)  # synthetic rows per real row, in every table that is not kept
    tables: dict[str, TableDecision] = Field(default_factory=dict)  # decisions about single tables and columns
    rare: int = Field(5, ge=1)  # a value that fewer rows hold does not come through; 1 lets all through
    rules: bool = True  # rules between columns that every real row obeys hold in synthetic rows, too
    virtual_fk: tuple[str, ...] = ()  # child.column=parent.column: relations that the database does not declare
    ddl: Literal["tables", "native"] = "tables"  # native: views, functions, triggers too, within a dialect

    # ClavaDDPM
    n_clusters: int = Field(50, ge=1)  # k
    parent_scale: float = Field(1.0, ge=0)  # λ
    clustering: Literal["group", "vote"] = "group"  # a mixture over groups; or over rows, then the majority's vote
    guidance: Literal["direct", "classifier"] = "direct"  # the label as the denoiser's input; or classifier's gradient
    guidance_scale: float = Field(1.0, ge=0)  # η, of the classifier's gradient
    ancestors: bool = True  # direct guidance hears the parent row and its ancestors, beside the label
    group_sizes: Literal["joint", "label"] = "joint"  # drawn with the parent row, or from p(s | c) alone
    matching: bool = True  # off: rows of several parents meet at random
    meeting: Literal["labels", "values"] = "labels"  # who meets whom: by the labels that meet; or by nearest drawn rows

    # graph
    structure: Literal["shapes", "degrees"] = "shapes"  # degrees jointly, with labels; or each key's alone, at random
    fan_out: tuple[Annotated[int, Field(ge=0)], ...] = (8, 0)  # children heard by hop; its length is the number of hops
    width: int = Field(64, ge=1)  # of what a neighbour says
    epochs: int = Field(30, ge=1)  # most times that training comes back to a row

    # diffusion
    noise: Literal["continuous", "discrete"] = "continuous"
    n_steps: int = Field(16, ge=2)  # sampler steps; for discrete noise the length of the chain
    layers: _Widths = (128, 128, 128)  # widths: residual blocks of one width, or the paper's plain layers
    iterations: int = Field(800, ge=1)  # most optimiser steps for each table
    batch_size: int = Field(1024, ge=1)  # rows
    learning_rate: float = Field(2e-3, gt=0)
    muon: float = Field(0.05, ge=0)  # Muon's learning rate for hidden matrices; 0: AdamW for all
    ema: float = Field(0.995, ge=0, lt=1)
    held_back: float = Field(0.05, ge=0, lt=1)  # share of rows that only say when to stop
    classifier_layers: _Widths = (128, 256, 128)
    classifier_iterations: int = Field(800, ge=1)
    classifier_learning_rate: float = Field(1e-3, gt=0)

    _file: str = PrivateAttr("")
    _lines: Mapping[Place, int] = PrivateAttr(default_factory=dict)  # of a job file

    def __eq__(self, other: object) -> bool:
        """Wherever they were said."""
        return isinstance(other, Settings) and dict(self) == dict(other)

    __hash__ = None

    def where(self, mistakes: Iterable[tuple[Place, str]]) -> str:
        """The mistakes in what the settings say of a database, with the file and, of a job file, the lines."""
        if self._lines:
            return listed(self._file, mistakes, self._lines)
        return (f"{self._file}: " if self._file else "") + "; ".join(said for _, said in mistakes)

    def about(self, columns: Mapping[str, Collection[str]]) -> Settings:
        """The settings with what they say of these tables and columns, and of no others."""
        tables = {
            name: decided.model_copy(
                update={"columns": {c: d for c, d in decided.columns.items() if c in columns[name]}}
            )
            for name, decided in self.tables.items()
            if name in columns
        }
        return self.model_copy(update={"tables": tables, "keep": tuple(name for name in self.keep if name in columns)})

    def decision(self, table: str, column: str) -> ColumnDecision | None:
        """What the user decided about a column; None: nothing."""
        found = self.tables.get(table)
        return found.columns.get(column) if found else None

    def rare_in(self, table: str, column: str) -> int:
        """Values of the column that fewer rows than this hold do not come through."""
        decision = self.decision(table, column)
        return decision.rare if decision and decision.rare is not None else self.rare


def nearest(name: str, known: Collection[str]) -> str:
    """`; did you mean …?` where one of the names is close, else nothing."""
    found = difflib.get_close_matches(name.casefold(), {k.casefold(): None for k in known}, n=1)
    return f"; did you mean {next(k for k in known if k.casefold() == found[0])!r}?" if found else ""


def instead(name: str, known: Collection[str], lead: str) -> str:
    """What a message says after an unknown name: the nearest one first, then what there is, a dozen names at most.

    >>> instead("ordr", ["customer", "order"], "the tables are")
    "; did you mean 'order'? The tables are customer, order"
    >>> instead("invoice", ["customer", "order"], "the tables are")
    '; the tables are customer, order'
    """
    close, shown = nearest(name, known), list(known)
    if len(shown) > _MOST_NAMES:
        if close:
            return close
        shown = difflib.get_close_matches(name, shown, n=_MOST_NAMES, cutoff=0)
        shown.append(f"… ({len(known) - _MOST_NAMES} more)")
    return after(close, f"{lead} {', '.join(shown)}")


def after(close: str, sentence: str) -> str:
    """What is expected, after `nearest` where that found something."""
    return f"{close} {sentence[0].upper()}{sentence[1:]}" if close else f"; {sentence}"


def load_settings(path: Path | None = None, **options: Any) -> Settings:
    """Settings from a preset, under a TOML file, under options; an option that is None was not given.

    Raises:
        ConfigError: lists every mistake, each with the setting, what was found and what is expected.
    """
    written: dict[str, Any] = {}
    if path is not None:
        try:
            written = tomllib.loads(path.read_text())
        except OSError as error:
            raise ConfigError(f"cannot read the settings file {path}: {error.strerror}") from error
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise ConfigError(f"{path} is not TOML: {error}") from error
    given = {name: value for name, value in options.items() if value is not None}
    return make_settings(written | given, file=path, written=written.keys() - given.keys())


def make_settings(
    given: Mapping[str, Any], *, file: Path | None = None, written: Collection[str] = ()
) -> Settings:
    """Settings with the values ``given`` over their preset's.

    Args:
        file: where those named in ``written`` stand; mistakes in them name it.
    """
    settings, mistakes = build(Settings, given)
    if mistakes:
        named = [(str(place[0]) if place else "", said) for place, said in mistakes]
        raise ConfigError(_together(named, file, written))
    settings._file = str(file) if file else ""
    return settings


def build(model: type[_Any], given: Mapping[str, Any]) -> tuple[_Any | None, list[tuple[Place, str]]]:
    """Settings of a kind with the values ``given`` over their preset's; or every mistake with its place."""
    preset, mistakes = given.get("preset", "fast"), []
    if not isinstance(preset, str) or preset not in PRESETS:
        mistakes.append((("preset",), f"preset is {preset!r}{instead(str(preset), PRESETS, 'expected one of')}"))
        preset = "fast"
    try:
        made = model(**{**PRESETS[preset], **given, "preset": preset})
    except ValidationError as error:
        return None, mistakes + [(entry["loc"], _sentence(entry, model)) for entry in error.errors()]
    return (None if mistakes else made), mistakes


def _together(mistakes: Iterable[tuple[str, str]], file: Path | None, written: Collection[str]) -> str:
    """The mistakes in one line, none twice; those of the file come last, under its name."""
    elsewhere = dict.fromkeys(sentence for name, sentence in mistakes if not (file and name in written))
    in_file = "; ".join(dict.fromkeys(sentence for name, sentence in mistakes if file and name in written))
    return "; ".join([*elsewhere, *([f"{file}: {in_file}"] if in_file else [])])


def _sentence(entry: Mapping[str, Any], model: type[BaseModel]) -> str:
    name = ".".join(str(part) for part in entry["loc"] if part != "[key]")
    found, kind = entry["input"], entry["type"]
    if kind == "extra_forbidden":
        known = sorted(_fields_around(entry["loc"], model))
        place = f" in {name.rpartition('.')[0]}" if "." in name else ""
        last = str(entry["loc"][-1])
        return f"there is no setting {last!r}{place}{instead(last, known, 'the settings are')}"
    if kind == "decision":
        return f"{name}: {entry['msg']}"
    if kind == "missing":
        if len(entry["loc"]) == 1:
            return f"{name} is missing; {model.model_fields[name].description}"
        return f"{name.rpartition('.')[0]} says nothing; expected a fate, one of {', '.join(_FATES)}"
    if kind == "dict_type":
        return f"{name} is {found!r}: expected a table, such as {{ name = value }}"
    if kind == "model_type":
        return f"{name} is {found!r}: expected a table of settings{' or a fate' if len(entry['loc']) > 2 else ''}"
    if kind == "literal_error" and isinstance(found, str):
        known = [word.strip(" '") for word in entry["ctx"]["expected"].replace(" or ", ",").split(",")]
        return f"{name} is {found!r}{instead(found, known, 'expected one of')}"
    return f"{name} is {found!r}: {entry['msg'].lower().replace('input should be', 'expected')}"


def _fields_around(place: Place, model: type[BaseModel]) -> Iterable[str]:
    """The names that may stand where an unknown one does: the tables and columns between are the user's words."""
    if place[0] == "tables" and len(place) > 1:
        model = TableDecision if len(place) == 3 else ColumnDecision
    elif len(place) > 1:
        model = model.model_fields[str(place[0])].annotation
    return model.model_fields
