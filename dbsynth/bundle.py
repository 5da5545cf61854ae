"""A trained model on disk: a folder of JSON and safetensors, and one Arrow file for each kept table.

Nothing in it is executed when it is read, whoever made it: no pickle, only the classes named here are built from it, no
file outside its folder is looked at, and nothing takes much more memory than its files are long. It holds
distributions, weights and shapes; of the source's rows it holds those of kept tables only, and of kept columns the
values. With `ddl = "native"` it holds the text of views, functions and triggers, too.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import tempfile
from dataclasses import fields, is_dataclass
from enum import Enum
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file
from torch import nn

from .clava.pipeline import ClavaModel
from .columns.codec import Categorical, Codes, Numeric, TableCodec
from .columns.fabricate import Fabricator
from .columns.ranks import Quantiles
from .config import Settings
from .diffusion.networks import Classifier, MLPDenoiser, ResidualDenoiser
from .drift import Profile, Sketch
from .encoded import Edge, EncodedDatabase
from .errors import BundleError, SchemaError
from .graph.denoiser import GraphDenoiser
from .graph.pipeline import GraphModel
from .graph.shapes import Part, Shapes
from .integrity.opened import Opened
from .integrity.rules.kinds import Copy, Fixed, Formula, Order, Shared, Total
from .latents.kinship import Kinship
from .latents.latent import Augmentation, Latent
from .model import DatabaseModel, Numbering, TableModel
from .plan import Fate
from .schema import Column, ForeignKey, Kind, Schema

__all__ = ["VERSION", "is_bundle", "load_bundle", "put_back", "save_bundle"]

# What reading something that is no bundle's file may raise.
_DAMAGE = (
    OSError, ValueError, KeyError, TypeError, IndexError, AttributeError, RuntimeError, SchemaError, SafetensorError,
    pa.ArrowException,
)  # fmt: skip

VERSION = 4
_LARGEST_JSON = 1 << 29  # bytes
_SLACK = 1 << 20  # bytes that a small table may take more in memory than in its file
_CLASSES = {
    c.__name__: c
    for c in (
        Augmentation, Categorical, ClavaModel, Codes, Column, Copy, DatabaseModel, Edge, EncodedDatabase, Fixed,
        ForeignKey, Formula, GraphModel, Kinship, Latent, Numbering, Numeric, Opened, Order, Part, Profile, Quantiles,
        Shapes, Shared, Sketch, TableCodec, TableModel, Total,
    )
}  # fmt: skip
_NETWORKS = {c.__name__: c for c in (Classifier, GraphDenoiser, MLPDenoiser, ResidualDenoiser)}
_ENUMS = {c.__name__: c for c in (Fate, Kind)}


def save_bundle(model: DatabaseModel, path: Path, *, replace: bool = False) -> None:
    """Write the folder ``path``, all of it or nothing.

    Raises:
        BundleError: something is there already (and is not to be replaced, or is no bundle), or cannot be written.
    """
    if path.exists() and not (replace and is_bundle(path)):
        way = "is no bundle; choose another path" if replace else "exists already; choose another path, or --replace"
        raise BundleError(f"{path} {way}")
    try:
        path.absolute().parent.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix=f".{path.name}-", dir=path.absolute().parent))
        try:
            _write(model, folder)
            old = folder.with_name(f"{folder.name}-old")
            if path.exists():
                os.replace(path, old)
            try:
                os.replace(folder, path)
            except BaseException:
                if old.exists():
                    os.replace(old, path)
                raise
            shutil.rmtree(old, ignore_errors=True)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    except (OSError, SafetensorError) as error:
        reason = getattr(error, "strerror", None) or error
        raise BundleError(f"cannot write the bundle {path}: {reason}") from error


def put_back(path: Path) -> None:
    """Put the bundle in its place again that a killed run had moved aside, to save another one there."""
    aside = re.compile(rf"\.{re.escape(path.name)}-[a-z0-9_]{{8}}-old")
    folder = path.absolute().parent
    for old in folder.iterdir() if folder.is_dir() and not path.exists() else ():
        if aside.fullmatch(old.name) and is_bundle(old):
            os.replace(old, path)
            return


def is_bundle(path: Path) -> bool:
    """Whether the folder looks like one: other programs have a manifest.json, too, and it is not to be replaced."""
    return all((path / name).is_file() for name in ("manifest.json", "model.json"))


def load_bundle(path: Path) -> DatabaseModel:
    """Read a bundle: all of one, even if a run puts another in its place meanwhile.

    Raises:
        BundleError: missing, damaged, or of another version.
    """
    before = _folder(path)
    try:
        model = _load(path)
    except BundleError:
        if _folder(path) == before:
            raise
        return load_bundle(path)
    return model if _folder(path) == before else load_bundle(path)


def _folder(path: Path) -> int | None:
    """What tells a folder from the one that takes its place."""
    return path.stat().st_ino if path.is_dir() else None


def _load(path: Path) -> DatabaseModel:
    try:
        manifest = _read_json(path / "manifest.json")
    except (OSError, ValueError, RecursionError) as error:
        message = f"{path} is no bundle: it has no readable manifest.json; make one with `dbsynth fit`"
        raise BundleError(message) from error
    if not isinstance(manifest, dict) or manifest.get("version") != VERSION:
        found = manifest.get("version") if isinstance(manifest, dict) else None
        raise BundleError(f"{path} is of bundle version {found}, this program reads version {VERSION}; fit it anew")
    if not isinstance(manifest.get("files"), dict):
        raise BundleError(f"{path} is damaged: its manifest.json names no files; fit it anew")
    for name, digest in manifest["files"].items():
        file = path / Path(name).name
        if file.is_symlink() or not file.is_file() or _digest(file) != digest:
            raise BundleError(f"{path} is damaged: {name} is missing or changed; fit it anew")
    try:
        model = _read_json(path / "model.json")
        loaded = _unpack(model, load_file(path / "arrays.safetensors"), path)
    except _DAMAGE as error:
        raise BundleError(f"{path} cannot be read ({type(error).__name__}: {error}); fit it anew") from error
    if not isinstance(loaded, DatabaseModel) or loaded.schema.fingerprint != manifest.get("schema"):
        raise BundleError(f"{path} is damaged: its schema is not the one it was fitted on; fit it anew")
    return loaded


def _read_json(path: Path) -> Any:
    with path.open("rb") as file:
        content = file.read(_LARGEST_JSON + 1)
    if len(content) > _LARGEST_JSON:
        raise ValueError(f"{path.name} is larger than {_LARGEST_JSON:,} bytes")
    return json.loads(content)


def _read_table(path: Path) -> pa.Table:
    """A kept table; one that swells as it is read was not written by this program, which compresses nothing."""
    room, batches = 4 * path.stat().st_size + _SLACK, []
    with pa.ipc.open_file(str(path)) as reader:
        for i in range(reader.num_record_batches):
            batches.append(reader.get_batch(i))
            room -= batches[-1].nbytes
            if room < 0:
                raise ValueError(f"{path.name} is larger inside than outside")
        return pa.Table.from_batches(batches, reader.schema)


def _network(kind: type[nn.Module], arguments: dict[str, Any], state: dict[str, torch.Tensor]) -> nn.Module:
    """A network with these weights; its size is looked at before there is memory for it."""
    with torch.device("meta"):
        wanted = {name: weights.shape for name, weights in kind(**arguments).state_dict().items()}
    if wanted != {name: weights.shape for name, weights in state.items()}:
        raise ValueError(f"the weights of a {kind.__name__} are of another shape than its arguments say")
    network = kind(**arguments)
    network.load_state_dict(state)
    return network.eval()


def _write(model: DatabaseModel, folder: Path) -> None:
    arrays: dict[str, np.ndarray] = {}
    tables: list[pa.Table] = []
    (folder / "model.json").write_text(json.dumps(_pack(model, arrays, tables), allow_nan=False))
    save_file(arrays, folder / "arrays.safetensors")
    for i, table in enumerate(tables):
        with pa.ipc.new_file(folder / f"kept-{i}.arrow", table.schema) as writer:
            writer.write_table(table)
    manifest = {
        "version": VERSION,
        "schema": model.schema.fingerprint,
        "settings": model.settings.model_dump(mode="json"),
        "rows": dict(model.rows),
        "files": {file.name: _digest(file) for file in sorted(folder.iterdir())},
    }
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=2))


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _pack(value: Any, arrays: dict[str, np.ndarray], tables: list[pa.Table]) -> Any:
    """Plain JSON data; arrays, weights and tables go to their lists and leave their names. "$" marks what is not."""

    def pack(inner: Any) -> Any:
        return _pack(inner, arrays, tables)

    match value:
        case np.ndarray():
            name = str(len(arrays))
            arrays[name] = np.ascontiguousarray(value)
            return {"$": "array", "name": name}
        case pa.Table():
            tables.append(value)
            return {"$": "table", "name": f"kept-{len(tables) - 1}.arrow"}
        case Settings():
            return {"$": "Settings", "values": value.model_dump(mode="json")}
        case Schema() | Fabricator():
            return {"$": type(value).__name__, "values": value.to_json()}
        case Enum():
            return {"$": type(value).__name__, "value": value.value}
        case nn.Module():
            state = {name: pack(weights.cpu().numpy()) for name, weights in value.state_dict().items()}
            return {"$": type(value).__name__, "arguments": value.arguments, "state": state}
        case _ if is_dataclass(value):
            return {"$": type(value).__name__, "fields": {f.name: pack(getattr(value, f.name)) for f in fields(value)}}
        case tuple() | list() | frozenset():
            kind = type(value).__name__
            return {"$": kind, "items": [pack(item) for item in (sorted(value) if kind == "frozenset" else value)]}
        case dict():
            return {"$": "dict", "items": [[key, pack(item)] for key, item in value.items()]}
        case np.generic():
            return value.item()
        case None | bool() | int() | float() | str():
            return value
    raise TypeError(f"a bundle cannot hold a {type(value).__name__}")


def _unpack(data: Any, arrays: dict[str, np.ndarray], folder: Path) -> Any:
    """The inverse of `_pack`."""

    def unpack(inner: Any) -> Any:
        return _unpack(inner, arrays, folder)

    if not isinstance(data, dict):
        return data
    match kind := data["$"]:
        case "array":
            return arrays[data["name"]]
        case "table":
            return _read_table(folder / Path(data["name"]).name)
        case "Settings":
            return Settings(**data["values"])
        case "Schema":
            return Schema.from_json(data["values"])
        case "Fabricator":
            return Fabricator.from_json(data["values"])
        case "tuple" | "list" | "frozenset":
            return {"tuple": tuple, "list": list, "frozenset": frozenset}[kind](unpack(item) for item in data["items"])
        case "dict":
            return {key: unpack(item) for key, item in data["items"]}
    if kind in _ENUMS:
        return _ENUMS[kind](data["value"])
    if kind in _NETWORKS:
        state = {name: torch.from_numpy(unpack(weights)) for name, weights in data["state"].items()}
        return _network(_NETWORKS[kind], data["arguments"], state)
    return _CLASSES[kind](**{name: unpack(item) for name, item in data["fields"].items()})
