"""Settings: one spelling for the TOML file, the CLI option and the Python field.

`n_clusters = 20` in a file is `--n-clusters 20` on the command line and `Settings(n_clusters=20)` in Python. A preset
gives the engine's settings their values; what is set beside it wins.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from .errors import ConfigError

__all__ = ["PRESETS", "Settings", "load_settings", "make_settings"]

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


_Widths = Annotated[tuple[Annotated[int, Field(ge=1)], ...], Field(min_length=1)]


class Settings(BaseModel):
    """Everything a run can be told; the defaults are the `fast` preset."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    engine: Literal["clava", "graph"] = "clava"
    preset: str = "fast"
    seed: int = Field(0, ge=0, lt=2**63)
    device: str = "cpu"

    # what becomes of tables
    keep: tuple[str, ...] = ()  # tables copied as they are
    no_keep: bool = False  # model small lookup tables, too
    scale: float = Field(1.0, gt=0)  # synthetic rows per real row, in every table that is not kept

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
    epochs: int = Field(100, ge=1)  # most times that training comes back to a row

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


def load_settings(path: Path | None = None, **options: Any) -> Settings:
    """Settings from a preset, under a TOML file, under options; an option that is None was not given.

    Raises:
        ConfigError: lists every mistake, each with the setting, what was found and what is expected.
    """
    given: dict[str, Any] = {}
    if path is not None:
        try:
            given = tomllib.loads(path.read_text())
        except OSError as error:
            raise ConfigError(f"cannot read the settings file {path}: {error.strerror}") from error
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise ConfigError(f"{path} is not TOML: {error}") from error
    given |= {name: value for name, value in options.items() if value is not None}
    return make_settings(given)


def make_settings(given: Mapping[str, Any]) -> Settings:
    """Settings with the values ``given`` over their preset's."""
    preset = given.get("preset", "fast")
    if not isinstance(preset, str) or preset not in PRESETS:
        raise ConfigError(f"preset is {preset!r}; expected one of {', '.join(PRESETS)}")
    try:
        return Settings(**{**PRESETS[preset], **given})
    except ValidationError as error:
        raise ConfigError("; ".join(_sentence(entry) for entry in error.errors())) from error


def _sentence(entry: Mapping[str, Any]) -> str:
    name = ".".join(str(part) for part in entry["loc"])
    if entry["type"] == "extra_forbidden":
        known = ", ".join(sorted(Settings.model_fields))
        return f"there is no setting {name!r}; the settings are {known}"
    return f"{name} is {entry['input']!r}: {entry['msg'].lower()}"
