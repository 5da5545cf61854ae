"""Imports point down only, nothing heavy is imported before it is used, and `__all__` says what is there."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from dbsynth.config import Settings
from dbsynth.engines import OWN_SETTINGS

ROOT = Path(__file__).parent.parent

# From the ground up. A module or folder of dbsynth imports from lower floors, and from nothing on its own.
FLOORS = [
    {"errors", "statements", "toml_lines"},
    {"schema", "config", "progress", "groups", "secrecy"},
    {"columns", "diffusion", "keys", "relations", "workspace", "shop"},
    {"decisions", "encoded", "quality", "integrity", "reading", "evolution"},
    {"plan", "latents", "job"},
    {"clava", "graph", "reports", "drift"},
    {"engines"},
    {"model"},
    {"given", "holding"},
    {"bundle", "learning", "decoding", "history", "exposition"},
    {"jobs"},
    {"show"},
    {"options"},
    {"cli"},
    {"__main__"},
]
FLOOR = {name: number for number, floor in enumerate(FLOORS) for name in floor}

# Inside, the adapters import each other by relative names. `reading` and `reports` are parts of the jobs: types only.
MAY_IMPORT_ADAPTERS = {"jobs", "cli", "secrecy", "reading", "reports"}
ADAPTERS_MAY_IMPORT = {"schema", "errors"}
DRIVERS = {"psycopg", "pymysql", "MySQLdb", "sqlite3"}


def _modules(package: str) -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))


def _imported(path: Path) -> Iterator[str]:
    """The full name of every module a file imports, wherever in the file."""
    package = path.relative_to(ROOT).parent.parts
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            start = package[: len(package) - node.level + 1] if node.level else ()
            base = ".".join([*start, *([node.module] if node.module else [])])
            yield from [base] if node.module else [f"{base}.{alias.name}" for alias in node.names]


def _part(module: str) -> str:
    """`dbsynth.clava.groups` is of the part `clava`."""
    return module.split(".")[1] if "." in module else "__init__"


def _name(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", _modules("dbsynth"), ids=_name)
def test_dbsynth_imports_from_lower_floors(path: Path) -> None:
    """A module that is on no floor fails too: say in FLOORS where it belongs."""
    part = _part(".".join(path.relative_to(ROOT).with_suffix("").parts))
    if part == "__init__":
        return
    for module in _imported(path):
        if module.split(".")[0] == "adapters":
            assert part in MAY_IMPORT_ADAPTERS, f"{path} imports {module}"
        elif module.split(".")[0] == "dbsynth" and _part(module) != part:
            assert FLOOR[_part(module)] < FLOOR[part], f"{path} imports {module}, which is not on a lower floor"


@pytest.mark.parametrize("path", _modules("adapters"), ids=_name)
def test_adapters_know_only_schema_and_errors(path: Path) -> None:
    """They speak SQL and know nothing of models."""
    for module in _imported(path):
        if module.split(".")[0] == "dbsynth":
            assert _part(module) in ADAPTERS_MAY_IMPORT, f"{path} imports {module}"
        assert module.split(".")[0] != "torch", f"{path} imports {module}"
    # Another distribution has an import package of the same name: a relative import cannot meet it.
    lines = (line.strip() for line in path.read_text().splitlines())
    assert [line for line in lines if line.startswith(("from adapters", "import adapters"))] == []


def _loaded_by(statement: str) -> set[str]:
    """The top-level packages in a new interpreter after a statement."""
    code = f"{statement}\nimport sys; print(*sys.modules, file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    return {module.split(".")[0] for module in done.stderr.split()}


def test_importing_adapters_loads_neither_torch_nor_a_driver() -> None:
    """A driver is loaded when a URL asks for it."""
    assert not _loaded_by("import adapters") & (DRIVERS | {"torch", "sqlalchemy"})


def test_help_loads_nothing_heavy() -> None:
    """So that it answers at once."""
    loaded = _loaded_by("import dbsynth.cli\ntry: dbsynth.cli.main(['clone', '--help'])\nexcept SystemExit: pass")
    assert not loaded & {"torch", "numpy", "pyarrow", "pandas", "sklearn", "pydantic", "rich", "adapters"}


_IMPORTABLE = [path for path in (*_modules("adapters"), *_modules("dbsynth")) if path.stem != "__main__"]


@pytest.mark.parametrize("path", _IMPORTABLE, ids=_name)
def test_all_names_what_is_there(path: Path) -> None:
    """Sorted, and every name of it importable."""
    module = importlib.import_module(".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"))
    names = getattr(module, "__all__", [])
    assert names == sorted(names, key=lambda name: (not name.isupper(), not name[0].isupper(), name))
    assert [name for name in names if not hasattr(module, name)] == []


def test_no_drawer_for_odds_and_ends() -> None:
    """A file holds one idea; a folder of tests named `adapters` would hide the real one."""
    files = [path for root in ("adapters", "dbsynth", "tests") for path in _modules(root)]
    assert [path for path in files if path.stem in ("util", "utils", "helpers", "misc")] == []
    assert not (ROOT / "tests" / "adapters").exists()


def test_every_package_is_shipped() -> None:
    """setuptools is told the packages by name."""
    import tomllib

    metadata = tomllib.loads((ROOT / "pyproject.toml").read_text())
    packages = {".".join(path.parent.relative_to(ROOT).parts) for path in (*_modules("adapters"), *_modules("dbsynth"))}
    assert packages == set(metadata["tool"]["setuptools"]["packages"])


def test_what_an_engine_says_is_its_own_the_other_never_asks_for() -> None:
    """A change of it means nothing to a bundle of the other."""
    shared = [*_modules("dbsynth/diffusion")]
    for engine, others in (("clava", _modules("dbsynth/graph")), ("graph", _modules("dbsynth/clava"))):
        asked = {
            node.attr for path in [*shared, *others] for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "settings"
        }  # fmt: skip
        assert OWN_SETTINGS[engine] <= Settings.model_fields.keys()
        assert not OWN_SETTINGS[engine] & asked
