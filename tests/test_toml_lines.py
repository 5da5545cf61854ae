"""Where settings stand: every path that tomllib finds, at the line where it begins."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbsynth.toml_lines import Place, lines_of


def paths(value: Any, path: Place = ()) -> Iterator[Place]:
    """Every key, table and array element of a document."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in inner:
        yield (*path, key)
        yield from paths(item, (*path, key))


@pytest.mark.parametrize(
    ("text", "path", "line"),
    [
        ("a = 1\nb = 2", ("b",), 2),
        ("# one\n\na.b.c = 1\na.b.d = 2", ("a", "b", "d"), 4),
        ("# one\n\na.b.c = 1\na.b.d = 2", ("a", "b"), 3),
        ('a = """one\ntwo = 3\n"""\nb = 1', ("b",), 4),
        ("a = '''x\n[b]\n'''\n[b]\nc = 1", ("b", "c"), 5),
        ('a = """x\\"""" # "\nb = 1', ("b",), 2),
        ('a = """x"""""\nb = 1', ("b",), 2),
        ("a = [\n  1,\n  # b = 2\n  [2,\n   3],\n]\nb = 1", ("a", 1, 1), 5),
        ("a = [\n  1,\n  # b = 2\n  [2,\n   3],\n]\nb = 1", ("b",), 7),
        ("[t.c.columns]\nx = { fate = 'kept', rare = 3 }", ("t", "c", "columns", "x", "rare"), 2),
        ('[t."a.b\\n".c]\nx = 1', ("t", "a.b\n", "c", "x"), 2),
        ("[[x]]\na = 1\n[[x]]\na = 2\n[x.y]\nb = 3", ("x", 1, "a"), 4),
        ("[[x]]\na = 1\n[[x]]\na = 2\n[x.y]\nb = 3", ("x", 1, "y", "b"), 6),
        ("a = [{ b = 1 },\n     { b = 2, c = [1,\n2] }]", ("a", 1, "c", 1), 3),
        ("a = 1979-05-27 07:32:00 # no\r\nb = 1\r\n", ("b",), 2),
        ("'' = 1\nb = 2", ("b",), 2),
    ],
)  # fmt: skip
def test_lines(text: str, path: Place, line: int) -> None:
    """Dotted keys, inline tables, arrays, strings over lines, comments that look like settings."""
    found = lines_of(text)
    assert found[path] == line
    assert set(found) == set(paths(tomllib.loads(text)))


KEYS = st.sampled_from(["a", "b-1", '"c d"', "'e.f'", '"\\u00e9\\n"'])
BLANK = st.sampled_from(["", " ", "\t "])
SCALARS = st.sampled_from(
    ["1", "-2.5e3", "true", "1979-05-27 07:32:00", '"x # y"', "'\\'", '"\\"]"', '"""a\nb = 1\n"""', "'''\n[c]\n'''"]
)
BREAKS = st.sampled_from(["", "\n", " # note = [\n", "\n\n"])
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.builds(
        lambda items, gap: "[" + "".join(f"{gap}{item},{gap}" for item in items) + "]",
        st.lists(inner, max_size=3), BREAKS,
    )
    | st.lists(st.tuples(KEYS, inner), max_size=2, unique_by=lambda pair: pair[0]).map(
        lambda pairs: "{ " + ", ".join(f"{key} = {value}" for key, value in pairs) + " }"
    ),
    max_leaves=6,
)  # fmt: skip
LINES = st.one_of(
    st.builds(lambda key, gap, value, end: f"{key}{gap}={gap}{value} {end}\n", st.lists(KEYS, min_size=1, max_size=2)
              .map(".".join), BLANK, VALUES, BREAKS),
    st.lists(KEYS, min_size=1, max_size=3).map(lambda parts: f"[{'.'.join(parts)}]\n"),
    st.lists(KEYS, min_size=1, max_size=2).map(lambda parts: f"[[{'.'.join(parts)}]]\n"),
    st.just("\n# a = 1\n"),
)  # fmt: skip


@given(st.lists(LINES, max_size=6))
def test_every_document(parts: list[str]) -> None:
    """Whatever is valid: the same paths as tomllib's, each in a line that begins with its key or holds it."""
    text = "".join(parts)
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return
    found = lines_of(text)
    assert set(found) == set(paths(document))
    written = text.split("\n")
    for path, line in found.items():
        if isinstance(path[-1], str) and "\n" not in path[-1]:
            assert path[-1] in written[line - 1]
