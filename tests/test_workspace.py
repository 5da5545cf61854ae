"""The workspace: what is written is read, by its owner alone, and is gone on every exit."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from dbsynth.workspace import Workspace


def test_batches_come_back_as_one_table(tmp_path: Path) -> None:
    """Whatever the table is called."""
    rows = pa.table({"a": list(range(10)), "b": [None, "x"] * 5})
    with Workspace(tmp_path) as workspace:
        for name in ("t", "../t", "s.t", "T", "a/b", ""):
            assert workspace.write(name, rows.to_batches(max_chunksize=3)) == 10
        for name in ("t", "../t", "s.t", "T", "a/b", ""):
            assert workspace.read(name).equals(rows)
        assert {p.parent for p in tmp_path.rglob("*.arrow")} == {workspace.path}


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
