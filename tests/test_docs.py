"""What the documents say is so: sessions run, commands parse, settings and targets exist, docstrings' examples hold."""

from __future__ import annotations

import doctest
import importlib
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from dbsynth import cli
from dbsynth.config import Settings
from dbsynth.shop import build_shop

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
QUICK = ["--iterations", "2", "--n-clusters", "2", "--layers", "8,8"]


def _blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


@pytest.fixture
def at_shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty folder to work in, but for the demo's shop."""
    monkeypatch.chdir(tmp_path)
    build_shop(Path("demo/shop.db"))


def _session() -> Iterator[tuple[list[str], int | None, str]]:
    """The dbsynth commands of the README's sessions, of how many lines `head` leaves, and what each printed."""
    for block in _blocks("console"):
        for entry in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, output = entry.partition("\n")
            words, _, head = command.partition(" | head -")
            if words.startswith("dbsynth "):
                yield shlex.split(words)[1:], int(head) if head else None, output


def _shape(output: str) -> list[str]:
    """The words of an output: verdict, numbers and times out, for another training gives others."""
    output = re.sub(r"^Verdict\n(  .*\n)*", "Verdict\n", output, flags=re.MULTILINE)
    lines = [re.sub(r"\d\S*|\bmin\b", "#", line).split() for line in output.splitlines()]
    return [" ".join(word for word in words if word != "#") for words in lines if words]


@pytest.mark.usefixtures("at_shop")
def test_the_readme_session_runs_and_prints_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    """`inspect` to the letter; what is trained to the word, since it is trained for a moment only here."""
    ran = []
    for arguments, head, expected in _session():
        trains = arguments[0] in ("demo", "clone", "fit")
        assert cli._run(arguments + QUICK * trains) == 0
        printed = "".join(capsys.readouterr().out.splitlines(keepends=True)[:head])
        if trains:
            assert _shape(printed) == _shape(expected)
        else:
            assert printed == expected
        ran.append(arguments[0])
    assert ran == ["demo", "inspect"]


@pytest.mark.usefixtures("at_shop")
@pytest.mark.parametrize("block", _blocks("python"))
def test_readme_python_runs(block: str, capsys: pytest.CaptureFixture[str]) -> None:
    """With fewer iterations than the reader's."""
    quick, n_changed = re.subn(r"iterations=\d+", "iterations=2, n_clusters=2, layers=(8, 8)", block)
    assert n_changed == 1
    exec(compile(quick, "README.md", "exec"), {})
    assert "customer 900 900" in capsys.readouterr().out


def _commands() -> Iterator[str]:
    """Every command line with dbsynth in the documents, as a shell would see it."""
    for block in _blocks("sh"):
        lines = [line.partition("  #")[0].partition(" > ")[0] for line in block.splitlines()]
        yield from (line for line in lines if line.startswith("dbsynth "))
    for path in sorted(path for path in (ROOT / "docker").rglob("*") if path.is_file()):
        text = re.sub(r"\\\n[# ]*", "", path.read_text()).replace("$${", "${")
        yield from re.findall(r"\bdbsynth (?:inspect|fit|generate|clone|init|plan|refresh|runs|demo) [^`\n]*", text)


@pytest.mark.parametrize("line", list(_commands()))
def test_every_command_line_parses(line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the options there are; nothing is run."""
    for variable in re.findall(r"\$\{(\w+)\}", line):
        monkeypatch.setenv(variable, "secret")
    _, name, *arguments = shlex.split(line)
    cli.cli.commands[name].make_context(name, arguments)


def test_the_readme_names_every_command() -> None:
    """And no command goes without a line."""
    assert [name for name in cli.cli.commands if f"dbsynth {name}" not in README and f"make {name}" not in README] == []


def test_settings_and_defaults_in_the_readme_are_right() -> None:
    """Row by row."""
    rows = re.findall(r"^\| (`\w+`(?:, `\w+`)*) \| ([^|]*) \|", README.partition("## Settings")[2], re.MULTILINE)
    assert len(rows) > 8
    for names, defaults in rows:
        fields = re.findall(r"`(\w+)`", names)
        assert set(fields) <= Settings.model_fields.keys()
        if defaults.strip():
            shown = [text.strip(" `") for text in defaults.split(",")]
            assert shown == [str(Settings.model_fields[name].default).replace("True", "true") for name in fields]


def test_make_targets_and_links_exist() -> None:
    """Every `make x` and every relative link."""
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"(?:^|`)make\s([a-z]+)", README, re.MULTILINE))
    assert {"demo", "test", "lint", "bench"} <= targets
    assert [target for target in targets if not re.search(rf"^{target}:", makefile, re.MULTILINE)] == []
    links = re.findall(r"\]\((?!http)([^)#]+)\)", README)
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_the_licence_is_whole() -> None:
    """Apache-2.0, with its terms."""
    text = (ROOT / "LICENSE").read_text()
    assert "Apache License" in text
    assert "END OF TERMS AND CONDITIONS" in text


def _modules() -> list[str]:
    paths = [path.relative_to(ROOT) for folder in ("adapters", "dbsynth") for path in (ROOT / folder).rglob("*.py")]
    names = [".".join(path.with_suffix("").parts) for path in paths if path.stem != "__main__"]
    return sorted(name.removesuffix(".__init__") for name in names)


@pytest.mark.parametrize("name", _modules())
def test_examples_in_docstrings_hold(name: str) -> None:
    """Doctests."""
    assert doctest.testmod(importlib.import_module(name)).failed == 0
