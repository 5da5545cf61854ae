"""The command line: what it accepts, prints and returns; and that a password is in nothing it says."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any, get_args

import click
import pytest

from dbsynth import cli, jobs
from dbsynth.config import PRESETS, Settings
from dbsynth.errors import ConnectError
from dbsynth.progress import Bars, JsonLines, Lines, make_progress
from dbsynth.secrecy import expand_variables, scrub
from dbsynth.shop import build_shop

ROOT = Path(__file__).parent.parent
QUICK = ["--iterations", "5", "--n-clusters", "2", "--layers", "16,16"]

_SMALL = """
CREATE TABLE colour (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE box (id INTEGER PRIMARY KEY, colour_id INTEGER REFERENCES colour (id), weight REAL NOT NULL);
CREATE TABLE ball (box_id INTEGER NOT NULL REFERENCES box (id), place INTEGER NOT NULL, size INTEGER,
    PRIMARY KEY (box_id, place));
INSERT INTO colour VALUES (1, 'red'), (2, 'green');
"""


@pytest.fixture
def source(tmp_path: Path) -> str:
    """The URL of a database with three tables that is learned in a second."""
    path = tmp_path / "source.db"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.executescript(_SMALL)
        connection.executemany("INSERT INTO box VALUES (?, ?, ?)", [(i, 1 + i % 2, i * 0.7) for i in range(60)])
        balls = [(i, place, i % 7) for i in range(60) for place in range(i % 4)]
        connection.executemany("INSERT INTO ball VALUES (?, ?, ?)", balls)
    return f"sqlite:///{path}"


Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """`run("inspect", url)` is the exit status, stdout and stderr, in this process."""

    def run(*arguments: object) -> tuple[int, str, str]:
        status = cli._run([str(argument) for argument in arguments])
        return status, *capsys.readouterr()

    return run


def _hear_signals() -> None:
    """Tests that run under `nohup` or in the background hand down ignored signals."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


def _start(*arguments: str, **variables: str) -> subprocess.Popen[str]:
    """The command in a process of its own."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **variables}
    command = [sys.executable, "-m", "dbsynth", *arguments]
    return subprocess.Popen(
        command, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, preexec_fn=_hear_signals
    )


# --- help and options


@pytest.mark.parametrize("command", [[], *([name] for name in cli.cli.commands)], ids=str)
def test_help_answers_at_once(command: list[str]) -> None:
    """In under half a second of the processor, which a busy machine does not change; the best of three."""
    seconds = []
    for _ in range(3):
        began = os.times()
        process = _start(*command, "--help")
        out, _ = process.communicate()
        ended = os.times()
        seconds.append(ended.children_user + ended.children_system - began.children_user - began.children_system)
        assert process.returncode == 0
        assert out.startswith("Usage: ")
    assert min(seconds) < 0.5


@pytest.mark.parametrize("name", list(cli.cli.commands))
def test_every_command_and_option_has_help_and_an_example(name: str, run: Run) -> None:
    """Nobody should have to guess."""
    command = cli.cli.commands[name]
    assert all(option.help for option in command.params if isinstance(option, click.Option))
    status, out, _ = run(name, "--help")
    assert status == 0
    assert f"dbsynth {name}" in out.partition("Example:")[2]
    run_example = command.example.split()
    assert run_example[:2] == ["dbsynth", name]


def test_no_command_shows_the_help(run: Run) -> None:
    """With the commands in the order one uses them."""
    status, out, _ = run()
    assert status == 0
    assert re.findall(r"^  (\w+)  ", out.partition("Commands:")[2], re.MULTILINE) == [
        "inspect", "fit", "generate", "clone", "complete", "evaluate", "init", "plan", "refresh", "runs", "demo",
    ]  # fmt: skip


def _settings_options() -> dict[str, click.Option]:
    options = {option.name: option for option in cli.cli.commands["demo"].params if isinstance(option, click.Option)}
    return {name: option for name, option in options.items() if name not in ("config", "quiet", "as_json")}


def test_every_setting_is_an_option_of_the_same_spelling() -> None:
    """`n_clusters` in a file and in Python is `--n-clusters`; of single tables and columns the file speaks."""
    options = _settings_options()
    assert options.keys() == Settings.model_fields.keys() - {"tables"}
    for name, option in options.items():
        assert "--" + name.replace("_", "-") in option.opts


@pytest.mark.parametrize(
    ("words", "way"),
    [
        ([], None),
        (["--replace"], "swap"),
        (["--replace", "swap"], "swap"),
        (["--replace", "in-place"], "in-place"),
        (["--replace=in-place"], "in-place"),
    ],
)
@pytest.mark.parametrize("place", [0, 1, 2])
def test_replace_takes_a_way_and_swallows_no_url(words: list[str], way: str | None, place: int) -> None:
    """Wherever it stands."""
    arguments = ["sqlite:///a.db", "sqlite:///b.db"]
    arguments[place:place] = words
    options = cli.cli.commands["clone"].make_context("clone", arguments).params
    assert (options["source"], options["target"], options["replace"]) == ("sqlite:///a.db", "sqlite:///b.db", way)


@pytest.mark.parametrize("name", sorted(Settings.model_fields.keys() - {"tables"}))
def test_the_help_tells_the_choices_and_the_default(name: str) -> None:
    """The same as those of Settings."""
    option, field = _settings_options()[name], Settings.model_fields[name]
    if isinstance(option.type, click.Choice):
        assert tuple(option.type.choices) == (tuple(PRESETS) if name == "preset" else get_args(field.annotation))
    if name in ("keep", "no_keep", "virtual_fk"):
        return  # nothing to say
    shown = re.search(r"\[([^]]*)\]$", option.help or "")
    default: Any = field.default
    if isinstance(default, bool):
        default = name if default else f"no-{name}" if option.secondary_opts else "off"
    elif isinstance(default, tuple):
        default = ",".join(map(str, default))
    assert shown is not None
    assert default is None or shown[1] == str(default)


def test_options_win_over_the_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, run: Run) -> None:
    """And the file over the preset; what nobody gave is the preset's."""
    seen: list[Settings] = []
    monkeypatch.setattr(jobs, "inspect", lambda url, settings, **_: seen.append(settings) or pytest.fail("seen"))
    path = tmp_path / "settings.toml"
    path.write_text('preset = "paper"\nn_clusters = 7\nseed = 3\nkeep = ["a"]\nno_keep = true\nmatching = false\n')
    with pytest.raises(pytest.fail.Exception):
        run("inspect", "sqlite:///x.db", "--config", path, "--seed", "5", "--layers", "8,8")
    assert seen[0] == Settings(
        **PRESETS["paper"] | {"preset": "paper", "n_clusters": 7, "seed": 5, "keep": ("a",), "no_keep": True}
        | {"matching": False, "layers": (8, 8)}
    )  # fmt: skip


# --- the commands, on a small database


def test_inspect_shows_tables_columns_and_what_stands_in_the_way(source: str, run: Run) -> None:
    """On stdout, nothing on stderr."""
    status, out, err = run("inspect", source)
    assert (status, err) == (0, "")
    assert re.search(r"^  ball +90 +modelled +box_id → box$", out, re.MULTILINE)
    assert re.search(r"^    weight +float +modelled +\S", out, re.MULTILINE)
    assert "What stands in the way" in out


def test_inspect_json_is_one_document(source: str, run: Run) -> None:
    """With every column."""
    status, out, _ = run("inspect", source, "--json")
    document = json.loads(out)
    assert status == 0
    assert {(c["table"], c["column"]) for c in document["columns"]} >= {("box", "weight"), ("ball", "size")}


def test_clone_prints_rows_and_likeness(source: str, tmp_path: Path, run: Run) -> None:
    """And progress on stderr only."""
    status, out, _ = run("clone", source, f"sqlite:///{tmp_path}/target.db", *QUICK)
    assert status == 0
    assert re.search(r"^  box +60 +60 +modelled$", out, re.MULTILINE)
    assert re.search(r"^  dangling +0 ", out, re.MULTILINE)
    assert f"Written to sqlite:///{tmp_path}/target.db" in out


def test_clone_json_is_one_document_and_progress_is_json_lines(source: str, tmp_path: Path, run: Run) -> None:
    """Programs need no luck."""
    status, out, err = run("clone", source, f"sqlite:///{tmp_path}/target.db", "--json", *QUICK)
    assert status == 0
    report = json.loads(out)
    assert report["seed"] == 0
    assert report["evaluation"]["summary"]["dangling"]["score"] == 0
    assert {json.loads(line)["event"] for line in err.splitlines()} >= {"start", "done"}


def test_quiet_prints_nothing(source: str, tmp_path: Path, run: Run) -> None:
    """For cron; an error would still speak."""
    assert run("clone", source, f"sqlite:///{tmp_path}/target.db", "--quiet", "--no-evaluate", *QUICK) == (0, "", "")
    status, out, err = run("clone", source, f"sqlite:///{tmp_path}/target.db", "--quiet", *QUICK)
    assert (status, out) == (1, "")
    assert err.startswith("dbsynth: error: ")
    assert err.count("\n") == 1


def test_fit_then_generate_twice_as_much(source: str, tmp_path: Path, run: Run) -> None:
    """The bundle is enough; the source may be gone."""
    bundle, target = tmp_path / "bundle", tmp_path / "target.db"
    assert run("fit", source, bundle, *QUICK)[0] == 0
    status, _, err = run("fit", source, bundle, *QUICK)
    assert status == 1
    assert "--replace" in err
    Path(source.removeprefix("sqlite:///")).unlink()
    status, out, err = run("generate", bundle, f"sqlite:///{target}", "--scale", "2")
    assert status == 0, err
    assert f"Written to sqlite:///{target}" in out
    with closing(sqlite3.connect(target)) as connection:
        assert connection.execute("SELECT count(*) FROM box").fetchone() == (120,)


# --- what can go wrong


def test_bad_usage_is_status_2(run: Run) -> None:
    """With the usage line."""
    for arguments in (["clone", "sqlite:///a"], ["nonsense"], ["inspect", "shop.db"], ["demo", "--layers", "wide"]):
        status, out, err = run(*arguments)
        assert (status, out) == (2, "")
        assert err.startswith("Usage: dbsynth")
        assert "dbsynth: error: " in err


def test_a_setting_out_of_range_is_one_line(source: str, run: Run) -> None:
    """Its name, its value, its range."""
    status, _, err = run("inspect", source, "--iterations", "0")
    assert (status, err.count("\n")) == (1, 1)
    assert err.startswith("dbsynth: error: iterations is 0")


def test_a_bug_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch, run: Run) -> None:
    """Without the passwords of the command line, however they are spelled."""

    def fail(url: str, settings: Settings, **_: Any) -> None:
        raise RuntimeError(f"cannot use {url} with s3cr%t or s3cr%25t")

    monkeypatch.setattr(jobs, "inspect", fail)
    status, out, err = run("inspect", "postgresql://app:s3cr%25t@db/shop?sslpassword=other")
    assert (status, out) == (1, "")
    assert err.startswith("Traceback")
    assert "cannot use postgresql://app:***@db/shop?sslpassword=*** with *** or ***" in err


@pytest.mark.parametrize("spelling", [
    "postgresql://app:canary@127.0.0.1:1/shop", "mysql://app:canary@127.0.0.1:1/shop",
    "postgresql://app@127.0.0.1:1/shop?password=canary", "postgresql://app:${DB_PASSWORD}@127.0.0.1:1/shop",
    "postgresql://app:canary@127.0.0.1:port/shop", "oracle://app:canary@127.0.0.1:1/shop", "app:canary@127.0.0.1/shop",
    "postgresql://app:can@ary@127.0.0.1:1/shop", "sqlite:///nowhere/${DB_PASSWORD}.db?password=canary",
])  # fmt: skip
def test_no_password_is_ever_printed(spelling: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, run: Run) -> None:
    """Whatever is wrong with the URL, and whichever command it is given to."""
    monkeypatch.setenv("DB_PASSWORD", "canary")
    other = "sqlite:////nonexistent/x.db"
    for arguments in (
        ["inspect", spelling], ["inspect", spelling, "--json"], ["inspect", spelling, spelling],
        ["fit", spelling, tmp_path / "b"],
        ["clone", spelling, other], ["clone", other, spelling], ["generate", tmp_path / "b", spelling],
        ["evaluate", spelling, other], ["evaluate", other, spelling], ["evaluate", other, other, "--holdout", spelling],
        ["inspect", f"--config={spelling}", other], ["demo", spelling, "extra"], [spelling],
    ):  # fmt: skip
        status, out, err = run(*arguments)
        assert status in (1, 2), arguments
        assert "canary" not in (out + err).replace("can@ary", "canary"), arguments


def test_a_variable_that_is_not_set_is_named(monkeypatch: pytest.MonkeyPatch, run: Run) -> None:
    """Rather than an empty password tried."""
    monkeypatch.delenv("NO_SUCH_VARIABLE", raising=False)
    status, _, err = run("inspect", "postgresql://app:${NO_SUCH_VARIABLE}@db/shop")
    assert status == 2
    assert "NO_SUCH_VARIABLE is not set" in err


def test_variables_become_parts_of_a_url() -> None:
    """Any character may be in a password; a whole URL is taken as it is."""
    from adapters.urls import parse_address

    password = "p@s:s/w?r#d%41 ü$"
    assert parse_address(expand_variables("mysql://u:${P}@h/d", {"P": password})).password == password
    assert expand_variables("${URL}", {"URL": "mysql://u:p%40@h/d"}) == "mysql://u:p%40@h/d"


def test_scrubbing_leaves_the_rest_readable() -> None:
    """A user and a password of one spelling."""
    url = "postgresql://postgres:postgres@db/postgres"
    text = "cannot connect to postgresql://postgres:***@db/postgres: password postgres refused"
    assert scrub(text, [url]) == "cannot connect to postgresql://postgres:***@db/postgres: password *** refused"
    assert scrub("plain text", ["inspect", "sqlite:///x.db"]) == "plain text"


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_interrupted_is_one_line_and_leaves_nothing(number: int, status: int, tmp_path: Path) -> None:
    """No traceback, no target, no real rows in the temporary folder."""
    build_shop(tmp_path / "shop.db")
    target, scratch = tmp_path / "target.db", tmp_path / "scratch"
    scratch.mkdir()
    process = _start("clone", f"sqlite:///{tmp_path}/shop.db", f"sqlite:///{target}", "--json", TMPDIR=str(scratch))
    for line in process.stderr:
        if '"training' in line:
            break
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    words = [line for line in err.splitlines() if not line.startswith("{")]
    assert (process.returncode, out) == (status, "")
    assert words == (["dbsynth: interrupted"] if number == signal.SIGINT else [])
    assert not target.exists()
    assert list(scratch.glob("dbsynth-*")) == []


def test_a_reader_that_goes_away_is_no_error(source: str) -> None:
    """As in `dbsynth inspect … | head -1`."""
    process = _start("inspect", source)
    process.stdout.close()
    _, err = process.communicate()
    assert err == ""


def test_an_error_of_the_user_is_one_line(monkeypatch: pytest.MonkeyPatch, run: Run) -> None:
    """Status 1."""

    def fail(url: str, settings: Settings, **_: Any) -> None:
        raise ConnectError("no server there")

    monkeypatch.setattr(jobs, "inspect", fail)
    assert run("inspect", "sqlite:///x.db") == (1, "", "dbsynth: error: no server there\n")


# --- progress


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def _tell(progress: Any) -> None:
    stage = progress.stage
    with stage("tables", total=1, unit="tables") as outer, stage("training [red]x", 10, "steps") as inner:
        time.sleep(0.35)
        inner(4)
        inner()
        outer()
    progress.note("done with [red]x")


def test_progress_fits_where_it_goes() -> None:
    """Bars on a terminal, lines in a file, JSON lines on demand, nothing when quiet."""
    assert isinstance(make_progress(file=_Terminal()), Bars)
    assert isinstance(make_progress(file=io.StringIO()), Lines)
    assert isinstance(make_progress(as_json=True, file=_Terminal()), JsonLines)
    file = _Terminal()
    _tell(make_progress(quiet=True, as_json=True, file=file))
    assert file.getvalue() == ""


def test_bars_and_lines_say_what_was_done() -> None:
    """Early stops and names with markup included."""
    for file in (_Terminal(), io.StringIO()):
        _tell(make_progress(file=file))
        assert re.search(r"training \[red\]x.*5 steps in 0\.\d s \(\d+ steps/s\)", file.getvalue())
        assert "done with [red]x" in file.getvalue()


def test_json_lines_are_json() -> None:
    """One event a line."""
    file = io.StringIO()
    _tell(make_progress(as_json=True, file=file))
    events = [json.loads(line) for line in file.getvalue().splitlines()]
    assert [event["event"] for event in events] == ["start", "start", "done", "done", "note"]
    assert events[2]["done"] == 5
