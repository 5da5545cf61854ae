"""Bundles: what is saved generates the same rows, what is damaged says so, no row of the source is inside."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pytest
import torch

from dbsynth import bundle as bundles
from dbsynth.bundle import load_bundle, save_bundle
from dbsynth.config import Settings
from dbsynth.decoding import synthesise
from dbsynth.errors import BundleError
from dbsynth.learning import learn
from dbsynth.model import DatabaseModel
from dbsynth.plan import make_plan
from dbsynth.schema import Column, ForeignKey, Kind, Schema, Table

SECRET = "Zanzibarowitz"
N = 60


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Small tensors are faster on one core."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def learned(**settings: object) -> DatabaseModel:
    """People, in a hierarchy and a city, with secrets."""
    city = Table("city", (Column("id", Kind.INTEGER, "int"), Column("label", Kind.TEXT, "text")), ("id",))
    person = Table(
        "person",
        (
            Column("code", Kind.TEXT, "text", nullable=False),
            Column("boss", Kind.TEXT, "text"),
            Column("city_id", Kind.INTEGER, "int"),
            Column("last_name", Kind.TEXT, "text"),
            Column("diary", Kind.TEXT, "text"),
            Column("pay", Kind.DECIMAL, "numeric(12,2)", precision=12, scale=2),
            Column("grade", Kind.ENUM, "grade", enum_values=("a", "b")),
        ),
        ("code",),
    )
    keys = (
        ForeignKey("boss", "person", ("boss",), "person", ("code",)),
        ForeignKey("city", "person", ("city_id",), "city", ("id",)),
    )
    schema = Schema("sqlite", (city, person), keys)
    codes = [f"Qx{7919 * i % 9973:04}" for i in range(1, N + 1)]
    tables = {
        "city": pa.table({"id": [1, 2, 3], "label": ["Ulm", "Bonn", "Kiel"]}),
        "person": pa.table({
            "code": codes,
            "boss": [None, *(codes[(i - 1) // 3] for i in range(1, N))],
            "city_id": [1 + i % 3 for i in range(N)],
            "last_name": [f"{SECRET}{chr(97 + i % 26)}" for i in range(N)],
            "diary": [None, *(f"Dear {SECRET}, entry {i} of my life" for i in range(1, N))],
            "pay": pa.array([1000 + i for i in range(N)]).cast(pa.decimal128(21, 2)).cast(pa.decimal128(12, 2)),
            "grade": ["a", "b"] * (N // 2),
        }),
    }
    options = Settings(iterations=10, n_clusters=3, n_steps=4, layers=(16,), classifier_layers=(16,),
                       classifier_iterations=5, **settings)  # fmt: skip
    plan = make_plan(schema, tables.__getitem__, {n: t.num_rows for n, t in tables.items()}, options)
    assert list(plan.kept) == ["city"]
    return learn(plan, tables.__getitem__, options)


@pytest.fixture(scope="module")
def model() -> DatabaseModel:
    """Learned once."""
    return learned()


@pytest.fixture
def bundle(model: DatabaseModel, tmp_path: Path) -> Path:
    """A bundle of it."""
    save_bundle(model, tmp_path / "people")
    return tmp_path / "people"


@pytest.mark.parametrize("settings", [{}, {"guidance": "classifier", "noise": "discrete", "meeting": "values"}])
def test_a_bundle_generates_the_same_rows(settings: dict, tmp_path: Path) -> None:
    """Byte for byte, and again after it was saved once more."""
    model = learned(**settings)
    save_bundle(model, tmp_path / "one")
    again = load_bundle(tmp_path / "one")
    save_bundle(again, tmp_path / "two")
    for seed in (0, 7):
        first, second, third = (synthesise(m, seed=seed) for m in (model, again, load_bundle(tmp_path / "two")))
        assert first.keys() == second.keys()
        assert all(first[n].equals(second[n]) and first[n].equals(third[n]) for n in first)
    assert again.settings == model.settings
    assert again.schema == model.schema


def test_no_row_of_the_source_is_inside(bundle: Path) -> None:
    """No name, no text, no code; and nothing that Python would execute."""
    for file in bundle.iterdir():
        data = file.read_bytes()
        assert SECRET.encode() not in data
        assert not any(f"Qx{7919 * i % 9973:04}".encode() in data for i in range(1, N + 1))
        assert file.suffix in (".json", ".safetensors", ".arrow")
        assert not data.startswith((b"\x80\x04", b"\x80\x05", b"PK"))


def test_something_is_there_already(bundle: Path, model: DatabaseModel) -> None:
    """It is replaced only when that is asked for, and only if it is a bundle."""
    with pytest.raises(BundleError, match="exists already"):
        save_bundle(model, bundle)
    (bundle / "stray.txt").write_text("old")
    save_bundle(model, bundle, replace=True)
    assert not (bundle / "stray.txt").exists()
    load_bundle(bundle)
    other = bundle.parent / "photos"
    other.mkdir()
    (other / "manifest.json").write_text("{}")
    with pytest.raises(BundleError, match="is no bundle"):
        save_bundle(model, other, replace=True)
    assert sorted(p.name for p in bundle.parent.iterdir()) == ["people", "photos"]  # nothing half-written


def test_a_bundle_that_is_replaced_while_it_is_read(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is read is all of one bundle."""
    other = learned(guidance="classifier")
    save_bundle(other, tmp_path / "other")
    real, waiting = bundles.load_file, [other]

    def watched(path: Path) -> object:
        if waiting:
            save_bundle(waiting.pop(), bundle, replace=True)
        return real(path)

    monkeypatch.setattr(bundles, "load_file", watched)
    rows, wanted = (synthesise(load_bundle(path), seed=0) for path in (bundle, tmp_path / "other"))
    assert waiting == []
    assert all(rows[name].equals(wanted[name]) for name in wanted)


def test_every_file_is_needed_and_checked(bundle: Path, tmp_path: Path) -> None:
    """Missing, cut short, one byte changed."""
    for name in sorted(file.name for file in bundle.iterdir()):
        for how in ("missing", "cut", "changed"):
            copy = tmp_path / "copy"
            shutil.copytree(bundle, copy)
            data = (copy / name).read_bytes()
            if how == "missing":
                (copy / name).unlink()
            elif how == "cut":
                (copy / name).write_bytes(data[: len(data) // 2])
            elif name != "manifest.json":
                (copy / name).write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
            else:
                (copy / name).write_bytes(data.replace(b'"schema": "', b'"schema": "0'))
            with pytest.raises(BundleError):
                load_bundle(copy)
            shutil.rmtree(copy)


@pytest.mark.parametrize(
    "manifest",
    ["", "{", "[]", "3", "{}", '{"version": 0}', '{"version": 1}', '{"version": 1, "files": []}',
     '{"version": 1, "files": {}}', '{"version": 1, "files": {"gone.json": "0"}}'],
)  # fmt: skip
def test_a_manifest_that_is_none(manifest: str, bundle: Path) -> None:
    """Whatever it says instead."""
    (bundle / "manifest.json").write_text(manifest)
    with pytest.raises(BundleError, match="people"):
        load_bundle(bundle)


@pytest.mark.parametrize("text", ["", "3", "{}", '{"$": "os.system"}', '{"$": "ResidualDenoiser", "arguments": {}}'])
def test_a_model_that_is_none(text: str, bundle: Path) -> None:
    """Even where the manifest has been made to agree."""
    (bundle / "model.json").write_text(text)
    manifest = json.loads((bundle / "manifest.json").read_text())
    del manifest["files"]["model.json"]
    (bundle / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(BundleError):
        load_bundle(bundle)


def _rewritten(bundle: Path, change: Callable[[str], str]) -> None:
    """The bundle with another model in it, its manifest made to agree."""
    text = change((bundle / "model.json").read_text())
    (bundle / "model.json").write_text(text)
    manifest = json.loads((bundle / "manifest.json").read_text())
    manifest["files"]["model.json"] = hashlib.sha256(text.encode()).hexdigest()
    (bundle / "manifest.json").write_text(json.dumps(manifest))


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace('"layers": [16]', '"layers": [1000000000]'),
        lambda text: text.replace('"layers": [16]', f'"layers": [{", ".join(["16"] * 1000)}]'),
        lambda text: text.replace('"n_variables": ', '"n_variables": 99999999'),
        lambda text: "[" * 100_000,
        lambda text: text.replace('"$": "Fabricator"', '"$": "subprocess.Popen"'),
        lambda text: text.replace('"kept-0.arrow"', '"../../../../etc/passwd"'),
    ],
    ids=["wide", "deep", "many variables", "nested", "another class", "another file"],
)
def test_a_bundle_from_a_stranger(change: Callable[[str], str], bundle: Path) -> None:
    """It builds no other class, opens no other file, and takes no memory that its files do not have."""
    before = (bundle / "model.json").read_text()
    _rewritten(bundle, change)
    assert (bundle / "model.json").read_text() != before
    with pytest.raises(BundleError):
        load_bundle(bundle)


def test_a_kept_table_that_swells(bundle: Path) -> None:
    """A few compressed bytes that would be gigabytes of rows."""
    rows = pa.table({"id": pa.array([0] * 3_000_000)})
    with pa.ipc.new_file(bundle / "kept-0.arrow", rows.schema, options=pa.ipc.IpcWriteOptions(compression="zstd")) as w:
        w.write_table(rows, max_chunksize=100_000)
    manifest = json.loads((bundle / "manifest.json").read_text())
    manifest["files"]["kept-0.arrow"] = hashlib.sha256((bundle / "kept-0.arrow").read_bytes()).hexdigest()
    (bundle / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(BundleError, match="larger inside"):
        load_bundle(bundle)


def test_a_link_is_no_file_of_a_bundle(bundle: Path, tmp_path: Path) -> None:
    """It leads outside."""
    (bundle / "model.json").rename(tmp_path / "elsewhere.json")
    (bundle / "model.json").symlink_to(tmp_path / "elsewhere.json")
    with pytest.raises(BundleError, match="damaged"):
        load_bundle(bundle)


def test_no_bundle_at_all(tmp_path: Path) -> None:
    """The sentence says how to make one."""
    with pytest.raises(BundleError, match="make one with `dbsynth fit`"):
        load_bundle(tmp_path / "gone")
