"""Settings: presets under a file under options; every mistake is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from dbsynth.config import PRESETS, Settings, load_settings, make_settings
from dbsynth.errors import ConfigError


@pytest.fixture
def toml(tmp_path: Path):
    """Writes a settings file."""

    def write(text: str) -> Path:
        path = tmp_path / "settings.toml"
        path.write_text(text)
        return path

    return write


def test_options_win_over_the_file_and_the_file_over_the_preset(toml) -> None:
    """An option that is None was not given."""
    path = toml('preset = "paper"\nn_clusters = 7\nn_steps = 99\n')
    settings = load_settings(path, n_clusters=3, seed=None)
    assert (settings.n_clusters, settings.n_steps, settings.seed) == (3, 99, 0)
    assert settings.noise == "discrete"
    assert load_settings(path, preset="fast").noise == "continuous"


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_is_valid(preset: str) -> None:
    """And remembers its name."""
    assert load_settings(preset=preset).preset == preset


def test_the_defaults_are_the_fast_preset() -> None:
    """Nothing given, nothing set."""
    assert load_settings() == Settings()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("n_clusers = 3", "no setting 'n_clusers'; did you mean 'n_clusters'"),
        ("n_clusters = 0", "n_clusters is 0: .*greater than or equal to 1"),
        ("scale = -1.0", "scale is -1.0"),
        ("scale = inf", "scale is inf"),
        ("scale = nan", "scale is nan"),
        ("learning_rate = inf", "learning_rate is inf"),
        ("layers = []", r"layers is \[\]"),
        ("layers = [64, 0]", r"layers.1 is 0"),
        ("classifier_layers = []", r"classifier_layers is \[\]"),
        ("n_clusters = 0\nema = 2.0", "n_clusters is 0.*; ema is 2.0"),
        ('preset = "slow"', "preset is 'slow'; expected one of fast"),
        ("preset = []", r"preset is \[\]; expected one of fast"),
        ('noise = "loud"', "noise is 'loud'"),
        ("n_clusters = ", "is not TOML"),
    ],
)
def test_mistakes_are_named(toml, text: str, message: str) -> None:
    """The setting, what was found, what is expected; all of them at once."""
    with pytest.raises(ConfigError, match=message):
        load_settings(toml(text))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('email = "fabricatd"', "email.fate is 'fabricatd'; did you mean 'fabricated'\\? Expected one of kept"),
        ("email = 3", "email is 3: expected a table of settings or a fate"),
        ("email = {}", "email says nothing; expected a fate, one of kept, modelled"),
        ('email = { fate = "null", value = 3 }', "value is for a column that is constant, not null"),
        ('email = { provider = "job", pattern = "#" }', "a provider or a pattern, not both"),
        ('email = "constant"', "a constant column needs its value"),
        ("email = { rare = 0 }", "email.rare is 0"),
        ('email = { patern = "#" }', "in tables.t.columns.email; did you mean 'pattern'\\? The settings are fate"),
    ],
)
def test_mistakes_in_decisions_are_named(toml, text: str, message: str) -> None:
    """With the file, the place, what is allowed and the nearest of it."""
    with pytest.raises(ConfigError, match=message) as caught:
        load_settings(toml(f"[tables.t.columns]\n{text}"))
    assert "settings.toml: " in str(caught.value)
    assert "tables.t.columns.email" in str(caught.value)


def test_decisions_are_spelled_short_or_long(toml) -> None:
    """And come back from plain data as they are."""
    short = load_settings(toml('[tables.t.columns]\na = "null"\nb = { pattern = "#" }\nc = { value = 2020-01-02 }'))
    long = Settings(tables={"t": {"columns": {
        "a": {"fate": "null"}, "b": {"fate": "fabricated", "pattern": "#"},
        "c": {"fate": "constant", "value": "2020-01-02"},
    }}})  # fmt: skip
    assert short == long == make_settings(long.model_dump(mode="json"))
    assert short.decision("t", "a").fate == "null"
    assert short.decision("t", "x") is short.decision("x", "a") is None
    assert (short.rare_in("t", "a"), Settings(rare=2).rare_in("t", "a")) == (5, 2)


def test_options_and_file_are_told_apart(toml) -> None:
    """A mistake of an option's is not the file's."""
    with pytest.raises(ConfigError, match=r"^scale is -1.0: [^;]*; \S+settings\.toml: rare is 0"):
        load_settings(toml("rare = 0\nscale = 1.0"), scale=-1.0)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    """It names the path; so does one that is no text."""
    with pytest.raises(ConfigError, match=r"gone\.toml"):
        load_settings(tmp_path / "gone.toml")
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match=r"binary\.toml is not TOML"):
        load_settings(tmp_path / "binary.toml")


def test_settings_do_not_change() -> None:
    """A run can rely on them."""
    with pytest.raises(ValueError, match="frozen"):
        Settings().seed = 3
