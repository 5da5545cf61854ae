"""The workspace: what is written is read, by its owner alone, and is gone on every exit."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from dbsynth.errors import ConfigError
from dbsynth.workspace import Workspace


def test_batches_come_back_as_one_table(tmp_path: Path) -> None:
    """Whatever the table is called."""
    rows = pa.table({"a": list(range(10)), "b": [None, "x"] * 5})
    with Workspace(tmp_path) as workspace:
        for name in ("t", "../t", "s.t", "T", "a/b", ""):
            assert workspace.write(name, rows.to_batches(max_chunksize=3)) == 10
        for name in ("t", "../t", "s.t", "T", "a/b", ""):
            assert workspace.read(name).equals(rows)
        assert {p.parent for p in tmp_path.rglob("*") if p.is_file()} == {workspace.path}


def test_an_empty_table_has_its_columns(tmp_path: Path) -> None:
    """From a batch without rows."""
    batch = pa.record_batch({"a": pa.array([], pa.int64())})
    with Workspace(tmp_path) as workspace:
        assert workspace.write("t", [batch]) == 0
        assert workspace.read("t").schema == batch.schema


def test_only_the_owner_may_look(tmp_path: Path) -> None:
    """Real rows lie there."""
    with Workspace(tmp_path) as workspace:
        assert workspace.path.stat().st_mode & 0o777 == 0o700


def test_it_is_gone_afterwards(tmp_path: Path) -> None:
    """After an error as well."""
    with pytest.raises(RuntimeError, match="halfway"), Workspace(tmp_path) as workspace:  # noqa: PT012
        workspace.write("t", [pa.record_batch({"a": [1]})])
        raise RuntimeError("halfway")
    assert list(tmp_path.iterdir()) == []


def test_an_error_while_reading_the_source_leaves_nothing_open(tmp_path: Path) -> None:
    """The batches that came are closed with the file."""

    def batches():
        yield pa.record_batch({"a": [1]})
        raise OSError("connection lost")

    with Workspace(tmp_path) as workspace, pytest.raises(OSError, match="connection lost"):
        workspace.write("t", batches())
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_run_left_is_removed_by_the_next_and_what_a_living_one_holds_is_not(tmp_path: Path) -> None:
    """By whoever works in the same place."""
    script = """
import os, signal, sys, pyarrow as pa
from dbsynth.workspace import Workspace
with Workspace(sys.argv[1]) as workspace:
    workspace.write("t", [pa.record_batch({"a": [1]})])
    os.kill(os.getpid(), signal.SIGKILL)
"""
    with Workspace(tmp_path) as living:
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        killed = subprocess.run([sys.executable, "-c", script, str(tmp_path)], env=environment, check=False)
        assert killed.returncode == -signal.SIGKILL
        assert len(list(tmp_path.iterdir())) == 2
        (tmp_path / "dbsynth-workspace-mine").write_text("a file of that name is nobody's workspace")
        with Workspace(tmp_path) as next_one:
            folders = {path for path in tmp_path.iterdir() if path.is_dir()}
            assert folders == {living.path, next_one.path}


def test_a_run_that_begins_while_another_clears_up_makes_a_folder_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other one takes a folder that nobody holds yet for a leftover."""
    make, taken = tempfile.mkdtemp, []

    def make_and_lose(**options: Any) -> str:
        path = make(**options)
        if not taken:
            taken.append(path)
            Path(path).rmdir()
        return path

    monkeypatch.setattr(tempfile, "mkdtemp", make_and_lose)
    with Workspace(tmp_path) as work:
        assert taken
        assert work.path.is_dir()


def test_encrypted_rows_are_read_back_and_not_on_disk(tmp_path: Path) -> None:
    """By this process, and by nobody else."""
    secret = "a real name that nobody may read"
    columns = {"name": [secret, None], "n": [1, 2], "zeros": pa.nulls(2)}
    with Workspace(tmp_path, encrypted=True) as workspace:
        assert workspace.write("t", [pa.record_batch(columns)]) == 2
        assert workspace.write("none", [pa.record_batch({"a": pa.array([], pa.date32())})]) == 0
        assert workspace.write("bare", [pa.RecordBatch.from_arrays([pa.nulls(3)], names=["row"]).select([])]) == 3
        assert workspace.read("t").to_pydict() == {"name": [secret, None], "n": [1, 2], "zeros": [None, None]}
        assert workspace.read("none").schema == pa.schema({"a": pa.date32()})
        assert workspace.read("bare").num_rows == 3
        written = b"".join(path.read_bytes() for path in workspace.path.iterdir())
        assert secret.encode() not in written
        assert b"zeros" not in written


def test_a_place_that_is_not_there_is_named(tmp_path: Path) -> None:
    """Before anything is read."""
    with pytest.raises(ConfigError, match="nowhere"), Workspace(tmp_path / "nowhere"):
        pass
