"""The job file: everything in one place, and every mistake named with its line and the way out."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import pytest

from dbsynth.config import Settings
from dbsynth.errors import ConfigError
from dbsynth.job import Job, load_job, parse_duration

HEAD = 'source = "sqlite:///shop.db"\ntarget = "sqlite:///new.db"\n'


@pytest.fixture
def write(tmp_path: Path):
    """Writes a job file."""

    def write(text: str) -> Path:
        path = tmp_path / "shop.toml"
        path.write_text(text)
        return path

    return write


def test_a_job_is_settings_and_more(write) -> None:
    """Spelled as everywhere else; a preset lies under the file; paths are below the file's folder."""
    path = write(HEAD + 'preset = "paper"\nn_clusters = 7\nkeep = ["country"]\nmax_age = "1w"\nmetrics = "out.prom"\n'
                 '[thresholds]\nfail_under = { avg_2way = 90 }\n[tables.a.columns]\nb = "fabricated"\n')  # fmt: skip
    job = load_job(path)
    assert (job.n_clusters, job.noise, job.keep) == (7, "discrete", ("country",))
    assert job.bundle == path.parent / "shop.bundle"
    assert job.metrics == path.parent / "out.prom"
    assert job.max_age == timedelta(weeks=1)
    assert [(t.measure, t.bound, t.at_most) for t in job.thresholds.all] == [("avg 2-way", 90, False)]
    assert type(job.settings(3)) is Settings
    assert job.settings(3).seed == 3
    assert job.settings(3).decision("a", "b").fate == "fabricated"


def test_every_setting_is_a_field_of_a_job() -> None:
    """One spelling."""
    assert Settings.model_fields.keys() < Job.model_fields.keys()


def test_an_option_wins_over_the_file_and_may_name_any_place(write, tmp_path: Path) -> None:
    """What is None was not given."""
    path = write(HEAD + 'deadline = "2h"\nbundle = "here"\n')
    job = load_job(path, deadline="5m", bundle=tmp_path / "elsewhere", metrics=None)
    assert (job.deadline, job.bundle, job.metrics) == (timedelta(minutes=5), tmp_path / "elsewhere", None)


def test_a_secret_may_be_in_a_file(write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As containers are handed them; the variable itself goes first."""
    (tmp_path / "secret").write_text("p@ss/word\n")
    monkeypatch.setenv("DB_PASSWORD_FILE", str(tmp_path / "secret"))
    path = write('source = "postgresql://app:${DB_PASSWORD}@db/shop"\ntarget = "sqlite:///new.db"\n')
    assert load_job(path).source == "postgresql://app:p%40ss/word@db/shop"
    monkeypatch.setenv("DB_PASSWORD", "other")
    assert load_job(path).source == "postgresql://app:other@db/shop"


MISTAKES = {
    "not TOML": ("seed = \n", 3, "not TOML.*line 3"),
    "a key twice": ("seed = 1\nseed = 2\n", 4, "not TOML.*line 4"),
    "an unknown setting": ("n_clusers = 3\n", 3, r"no setting 'n_clusers'; did you mean 'n_clusters'\?$"),
    "a setting like none": ("xyzzy = 3\n", 3, r"no setting 'xyzzy'; the settings are \w+(, \w+){11}, … \(\d+ more\)$"),
    "an unknown setting of a column": ("[tables.t.columns]\na = { patern = '#' }\n", 4, "did you mean 'pattern'"),
    "an unknown setting of a table": ("[tables.t]\nfat = 'kept'\n", 4, "in tables.t.*did you mean 'fate'"),
    "an unknown part of thresholds": ("[thresholds]\nfail_uner = {}\n", 4, "did you mean 'fail_under'"),
    "a number as a word": ("n_clusters = 'ten'\n", 3, "n_clusters is 'ten'.*integer"),
    "a number out of range": ("scale = 0\n", 3, "scale is 0: .*greater than 0"),
    "no number at all": ("learning_rate = nan\n", 3, "learning_rate is nan"),
    "a truth as a number": ("no_keep = 7\n", 3, "no_keep is 7.*bool"),
    "an array's element": ("layers = [\n  64,\n  0,\n]\n", 5, r"layers\.1 is 0"),
    "a word for a list": ("keep = 'country'\n", 3, "keep is 'country'"),
    "a word among none": ("engine = 'grap'\n", 3, r"did you mean 'graph'\? Expected one of clava, graph"),
    "a preset among none": ("preset = 'papr'\n", 3, r"did you mean 'paper'\? Expected one of fast, paper"),
    "a fate among none": ("[tables.t.columns]\n'the name' = 'fabricatd'\n", 4, "did you mean 'fabricated'"),
    "a fate of a table": ("[tables.t]\nfate = 'constant'\n", 4, "expected one of kept, modelled"),
    "two ways for one column": ("[tables.t.columns]\n\na = { provider = 'x', pattern = '#' }\n", 5, "not both"),
    "a constant without value": ("tables.t.columns.a.fate = 'constant'\n", 3, "needs its value"),
    "a pattern of a kept column": ("[tables.t.columns]\na = { fate = 'kept', pattern = '#' }\n", 4, "is fabricated"),
    "kept and modelled": ("keep = ['t']\n[tables.t]\nfate = 'modelled'\n", 5, "say one"),
    "a seed that is none": ("seed = 'frsh'\n", 3, "whole number.*'fresh'"),
    "a negative seed": ("seed = -1\n", 3, "-1 is no seed"),
    "no length of time": ("max_age = '3 days'\n", 3, "such as 45m, 6h, 30d"),
    "no time at all": ("deadline = '0h'\n", 3, "no time at all"),
    "a number for a time": ("deadline = 90\n", 3, "90 is no length of time"),
    "a path that climbs": ("bundle = '../../etc'\n", 3, "no path below.*command line"),
    "an absolute path": ("metrics = '/etc/cron.d/x'\n", 3, "no path below.*command line"),
    "a folder that is not there": ("metrics = 'gone/x.prom'\n", 3, "existing folder"),
    "an unknown measure": ("[thresholds]\nfail_under = { avg_2wy = 90 }\n", 4, r"; did you mean 'avg_2way'\?$"),
    "a threshold that is none": ("[thresholds.fail_over]\ncopies = 'few'\n", 4, "copies is 'few': .*number"),
    "thresholds as a list": ("[thresholds]\nfail_under = ['1way=90']\n", 4, "expected a table"),
    "a measure of classifiers": ("thresholds.fail_over.c2st = 0.6\n", 3, "set extras = true"),
    "a measure of held out rows": ("thresholds.fail_over.mia_auc = 0.6\n", 3, "evaluate --holdout"),
    "thresholds without figures": ("evaluate = false\nthresholds.fail_under.1way = 9\n", 3, "leave one of them out"),
    "a drift beyond all": ("drift = 5\n", 3, "drift is 5.*less than or equal to 1"),
    "a way to replace": ("replace = 'inplace'\n", 3, "did you mean 'in-place'"),
}


@pytest.mark.parametrize(("text", "line", "said"), MISTAKES.values(), ids=MISTAKES.keys())
def test_mistakes(text: str, line: int, said: str, write) -> None:
    """The file, the line, what is wrong with what is there, and what would be right."""
    with pytest.raises(ConfigError) as caught:
        load_job(write(HEAD + text))
    message = str(caught.value)
    assert re.search(said, message), message
    assert "shop.toml" in message
    if "not TOML" not in said:
        assert f"shop.toml:{line}: " in message


URLS = {
    "no URL": ("shop.db", "no database URL; expected postgresql://"),
    "another kind": ("oracle://h/x", "oracle is no kind of database"),
    "a kind misspelled": ("postgresq://h/x", "did you mean 'postgresql'"),
    "a variable that is not set": ("postgresql://a:${GONE_1}@h/x", "neither the environment variable GONE_1 nor"),
    "a file that is not there": ("postgresql://a:${IN_FILE}@h/x", "IN_FILE_FILE names cannot be read"),
    "a number": (7, "no database URL"),
}


@pytest.mark.parametrize(("url", "said"), URLS.values(), ids=URLS.keys())
def test_mistakes_in_urls(url: str | int, said: str, write, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are not repeated: a password may stand in them."""
    monkeypatch.setenv("IN_FILE_FILE", "/nowhere/at/all")
    with pytest.raises(ConfigError) as caught:
        load_job(write(f'# one\nsource = {url!r}\ntarget = "sqlite:///new.db"\n'))
    assert f"shop.toml:2: source: {said}" in str(caught.value) or said in str(caught.value)
    assert "shop.toml:2: " in str(caught.value)


def test_all_mistakes_come_at_once_in_their_order(write) -> None:
    """A line each; what is missing comes first, without one."""
    with pytest.raises(ConfigError) as caught:
        load_job(write('target = "sqlite:///x"\nseed = -1\nscale = 0\nfoo = 1\n[thresholds]\nbar = 2\n'))
    lines = str(caught.value).splitlines()
    assert [line.split("shop.toml")[1].split(" ")[0] for line in lines] == [":", ":2:", ":3:", ":4:", ":6:"]
    assert "source is missing; expected the URL of the database to learn" in lines[0]


def test_source_and_target_are_two(write) -> None:
    """However far the rest is right."""
    with pytest.raises(ConfigError, match=r":2: target is the source"):
        load_job(write('source = "sqlite:///x.db"\ntarget = "sqlite:///x.db"\n'))


def test_a_file_that_is_none(tmp_path: Path) -> None:
    """Not there; a folder; without end; nested without end."""
    with pytest.raises(ConfigError, match="dbsynth init"):
        load_job(tmp_path / "gone.toml")
    with pytest.raises(ConfigError, match="cannot read"):
        load_job(tmp_path)
    (tmp_path / "long.toml").write_text("# " + "x" * 1_000_001)
    with pytest.raises(ConfigError, match="larger than"):
        load_job(tmp_path / "long.toml")
    (tmp_path / "deep.toml").write_text("a = " + "[" * 5000 + "]" * 5000)
    with pytest.raises(ConfigError):
        load_job(tmp_path / "deep.toml")
    (tmp_path / "bytes.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="not TOML"):
        load_job(tmp_path / "bytes.toml")


@pytest.mark.parametrize(("text", "seconds"), [("45m", 2700), ("1h30m", 5400), ("30d", 2_592_000), ("2w", 1_209_600)])
def test_durations(text: str, seconds: int) -> None:
    """A number and a unit, or several."""
    assert parse_duration(text).total_seconds() == seconds


SHIPPED = sorted((Path(__file__).parent.parent / "docker").rglob("*.toml"))


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.name)
def test_the_job_files_that_ship_are_right(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the variables that they name."""
    for variable in re.findall(r"\$\{(\w+)\}", path.read_text()):
        monkeypatch.setenv(variable, "secret")
    load_job(path)


def test_relative_files_are_seen_from_the_job_file(tmp_path: Path) -> None:
    """A scheduler starts it anywhere."""
    (tmp_path / "job.toml").write_text('source = "sqlite:///shop.db"\ntarget = "sqlite:////var/new.db"\n')
    job = load_job(tmp_path / "job.toml")
    assert (job.source, job.target) == (f"sqlite:///{tmp_path}/shop.db", "sqlite:////var/new.db")
