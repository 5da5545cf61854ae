"""A password is nowhere but where it is needed: not in what is printed, kept, reported, or seen among processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote, urlsplit

import pytest
from conftest import run_sql

from dbsynth import cli, secrecy
from dbsynth.secrecy import expand_variables, masked_for_file, printable, scrub

CORE = "kanarie"  # in every spelling of every password here, and in nothing else
SECRET = f"{CORE}-p@ss/w0rd'\"&"
QUICK = ["--iterations", "2", "--n-clusters", "2", "--layers", "8", "--n-steps", "2"]
SETTINGS = "iterations = 2\nn_clusters = 2\nlayers = [8]\nn_steps = 2\n"

FORMS = {
    "plain": "//root:{plain}@{place}",
    "percent-encoded": "//root:{encoded}@{place}",
    "in the query": "//root@{place}?password={encoded}",
    "in a variable": "//root:${{CANARY}}@{place}",
    "in a file": "//root:${{CANARY_IN_FILE}}@{place}",
}


@pytest.fixture(params=FORMS.values(), ids=FORMS.keys())
def spelled(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], str]:
    """Spells a server's URL with the password in one of its forms."""
    monkeypatch.setenv("CANARY", SECRET)
    (tmp_path / "secret").write_text(f"{SECRET}\n")
    monkeypatch.setenv("CANARY_IN_FILE_FILE", str(tmp_path / "secret"))

    def spell(url: str) -> str:
        parts = urlsplit(url)
        place = f"{parts.hostname}:{parts.port or 5432}{parts.path}"
        return f"{parts.scheme}:" + request.param.format(
            plain=SECRET, encoded=quote(SECRET, safe=""), place=place
        )  # fmt: skip

    return spell


@pytest.fixture
def said(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> Callable[..., int]:
    """Runs a command and searches all that it said and left for the password; the exit status."""

    def run(*arguments: str) -> int:
        status = cli._run([str(argument) for argument in arguments])
        captured = capfd.readouterr()
        assert CORE not in captured.out
        assert CORE not in captured.err
        for path in (path for path in tmp_path.rglob("*") if path.is_file() and path.name != "secret"):
            assert path.suffix == ".toml" or CORE.encode() not in path.read_bytes(), path
        return status

    return run


@pytest.fixture
def database(new_postgres: Callable[[], str]) -> str:
    """A few people."""
    url = new_postgres()
    run_sql(url, "CREATE TABLE town (id int PRIMARY KEY, label text NOT NULL)")
    run_sql(url, "CREATE TABLE person (id int PRIMARY KEY, town_id int REFERENCES town, age int, grade text)")
    run_sql(url, "INSERT INTO town SELECT i, 'Town ' || i FROM generate_series(1, 4) i")
    run_sql(url, "INSERT INTO person SELECT i, 1 + i % 4, i % 50, chr(97 + i % 3) FROM generate_series(1, 80) i")
    return url


def test_every_command(
    spelled: Callable[[str], str], said: Callable[..., int], database: str, new_postgres: Callable[[], str],
    tmp_path: Path, request: pytest.FixtureRequest,
) -> None:  # fmt: skip
    """Those that end well. Every form goes through reading; one of them through everything."""
    source, bundle, job = spelled(database), str(tmp_path / "bundle"), tmp_path / "job.toml"
    assert said("inspect", source, "--json") == 0
    assert said("init", source, spelled(database)) == 0
    if "encoded" not in request.node.name and "file" not in request.node.name:
        return
    target = spelled(new_postgres())
    assert said("fit", source, bundle, *QUICK) == 0
    assert said("generate", bundle, target) == 0
    assert said("clone", source, target, "--replace", "--report", tmp_path / "page.html", *QUICK) == 0
    assert said("evaluate", source, target, "--no-extras", "--json", tmp_path / "figures.json") == 0
    job.write_text(f"source = {json.dumps(source)}\ntarget = {json.dumps(target)}\n{SETTINGS}"
                   'metrics = "job.prom"\nreport = "job.html"\n')  # fmt: skip
    assert said("plan", job) == 0
    assert said("refresh", job, "--json") == 0
    assert said("refresh", job) == 0
    assert said("runs", job, "--json") == 0


def test_every_way_to_fail(
    spelled: Callable[[str], str], said: Callable[..., int], database: str, mysql_server: str, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """No server, no database, wrong password, bad usage, a bad job, a change that stops, thresholds, a crash."""
    source = spelled(database)
    job = tmp_path / "job.toml"
    gone = source.replace(urlsplit(database).path, "/gone_for_good")
    mysql = "mysql:" + spelled(database).partition(":")[2].replace("5432", str(urlsplit(mysql_server).port or 3306))
    for url in (gone, mysql, source.replace("5432", "1"), source.replace("postgresql", "oracle"), f"x{source}"):
        assert said("inspect", url) in (1, 2)
        assert said("evaluate", url, source) in (1, 2)
        job.write_text(f"source = {json.dumps(source)}\ntarget = {json.dumps(url)}\nseed = -1\n")
        assert said("plan", job) == 1
    assert said("inspect", source.replace("://", ":/")) == 2
    assert said("inspect", source, "--keep", "gone") == 1
    assert said("inspect", source, "--sed", "1") == 2
    assert said("clone", source, source) == 1
    assert said("fit", source, "/proc/none/bundle", *QUICK) == 1
    assert said("generate", tmp_path / "gone", source) == 1
    job.write_text(f"source = {json.dumps(source)}\ntarget = {json.dumps(source)}\n")
    assert said("refresh", job) == 1
    text = f'source = {json.dumps(source)}\ntarget = "sqlite:///{tmp_path}/t.db"\n{SETTINGS}'
    job.write_text(text + 'metrics = "job.prom"\n[thresholds]\nfail_under = { cardinality = 101 }\n')
    assert said("refresh", job) == 4
    assert said("refresh", job, "--deadline", "never") == 1

    def crash(*_: object, **__: object) -> None:
        raise RuntimeError(f"cannot go on with {expand_variables(source)} and {SECRET}")

    monkeypatch.setattr("dbsynth.jobs.refreshing.look", crash)
    assert said("refresh", job) == 1
    assert said("runs", job) == 0


def _cmdlines() -> Iterator[str]:
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            yield path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue


@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="no /proc here")
def test_no_process_shows_it(database: str, tmp_path: Path) -> None:
    """A job's password is in no command line, its own or a child's."""
    parts = urlsplit(database)
    url = f"postgresql://root:${{CANARY}}@{parts.hostname}:{parts.port or 5432}{parts.path}"
    (tmp_path / "job.toml").write_text(f'source = "{url}"\ntarget = "sqlite:///{tmp_path}/t.db"\n{SETTINGS}')
    process = subprocess.Popen(
        [sys.executable, "-m", "dbsynth", "refresh", tmp_path / "job.toml"], env=os.environ | {"CANARY": SECRET},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    seen = set()
    while process.poll() is None:
        seen |= {line for line in _cmdlines() if CORE in line}
        time.sleep(0.1)
    output = process.communicate()[0]
    assert process.returncode == 0, output
    assert CORE.encode() not in output
    assert seen == set()


def test_scrub_knows_every_url_that_a_variable_was_put_into(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever it came from, and however it is spelled later."""
    monkeypatch.setattr(secrecy, "_opened", set())  # what other tests opened is theirs
    url = expand_variables("postgresql://app:${WORD}@db/shop", {"WORD": "kanarie&1"})
    assert scrub(f"{url} kanarie&1 kanarie%261", []) == "postgresql://app:***@db/shop *** ***"


@pytest.mark.parametrize(
    ("url", "written"),
    [
        ("postgresql://app:geheim@db/shop", "postgresql://app:${P}@db/shop"),
        ("postgresql://app@db/shop?password=geheim&x=1", "postgresql://app@db/shop?password=${P}&x=1"),
        ("postgresql://app:${MINE}@db/shop", "postgresql://app:${MINE}@db/shop"),
        ("${WHOLE_URL}", "${WHOLE_URL}"),
        ("sqlite:///shop.db", "sqlite:///shop.db"),
    ],
)
def test_what_init_writes_of_a_url(url: str, written: str) -> None:
    """A variable for what is secret, the user's own where there is one."""
    assert masked_for_file(url, "P") == written


def test_names_cannot_steer_a_terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of a hostile schema: escapes, rich's markup, ends of lines; in tables, errors, notes, job files."""
    name = "\x1b[31mred\x1b]0;title\x07 [bold]x[/] \r\u202e"
    quoted = name.replace('"', '""')
    url = f"sqlite:///{tmp_path}/hostile.db"
    run_sql(url, f'CREATE TABLE "{quoted}" (id INTEGER PRIMARY KEY, "{quoted}" TEXT)')
    run_sql(url, f'INSERT INTO "{quoted}" VALUES (1, \'a\')')
    job = tmp_path / "job.toml"
    job.write_text(f'source = "{url}"\ntarget = "sqlite:///{tmp_path}/t.db"\n{SETTINGS}')
    for arguments in (
        ["inspect", url], ["inspect", url, "--keep", name], ["init", url], ["plan", job], ["refresh", job],
        ["runs", job], ["clone", url, f"sqlite:///{tmp_path}/u.db", *QUICK],
    ):  # fmt: skip
        cli._run([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        for text in (captured.out, captured.err):
            assert text == printable(text), arguments
    assert "[bold]x[/]" in captured.out
