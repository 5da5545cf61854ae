"""Figures for Prometheus: every line is of its format, whatever the names are; a scraper never reads half a file."""

from __future__ import annotations

import re
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from dbsynth.exposition import exposition, write_exposition

RUN = {"run": "abc", "began": "2026-01-01T00:00:00Z", "ended": "2026-01-01T00:01:00Z", "status": 0, "action": "fit"}
SAMPLE = re.compile(r'[a-z_]+(\{[a-z]+="(?:[^"\\\n]|\\[\\n"])*"(,[a-z]+="(?:[^"\\\n]|\\[\\n"])*")*\})? [-+.e\d]+')


@given(st.dictionaries(st.text(), st.integers(0, 10**12), max_size=5), st.text(), st.integers(0, 255))
def test_every_line_is_a_sample_or_a_comment(rows: dict[str, int], action: str, status: int) -> None:
    """And every sample's family has its help and type before it."""
    text = exposition([{**RUN, "rows": rows, "action": action, "status": status}])
    assert text.endswith("\n")
    families = set()
    for line in text[:-1].split("\n"):
        if line.startswith("# "):
            families.add(line.split(" ")[2])
        else:
            assert SAMPLE.fullmatch(line), line
            assert re.match("[a-z_]+", line)[0] in families


def test_the_last_success_outlives_failures() -> None:
    """What was not measured is left out."""
    runs = [RUN, {**RUN, "ended": "2026-01-02T00:00:00Z", "status": 4, "scores": {"1-way": 99.5, "mia auc": None}}]
    text = exposition(runs)
    assert "dbsynth_last_success_timestamp_seconds 1767225660\n" in text
    assert "dbsynth_last_run_timestamp_seconds 1767312000\n" in text
    assert "dbsynth_exit_status 4\n" in text
    assert 'dbsynth_score{measure="1-way"} 99.5\n' in text
    assert "mia auc" not in text


def test_the_file_is_replaced_at_once(tmp_path: Path) -> None:
    """Nothing else stays beside it."""
    write_exposition(tmp_path / "x.prom", [RUN])
    write_exposition(tmp_path / "x.prom", [RUN, {**RUN, "status": 1}])
    assert [path.name for path in tmp_path.iterdir()] == ["x.prom"]
    assert "dbsynth_exit_status 1" in (tmp_path / "x.prom").read_text()
