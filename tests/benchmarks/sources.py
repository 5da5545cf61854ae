"""Real databases to clone: SQL dumps, SQLite files and parquet sets of a data folder, loaded past the adapters.

DATA_FOLDER/sql/<name>/<dialect>*.sql.gz, in name order (pagila's files name no dialect: it is Postgres alone),
DATA_FOLDER/sql/<name>/<name>.sqlite, and DATA_FOLDER/parquet/<name>, which DATA_FOLDER/load.py puts into any dialect.
"""

from __future__ import annotations

import gzip
import re
import shutil
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote, urlsplit

from servers import Servers, run_sql

__all__ = ["dialects_of", "names", "new_source"]

# A dump makes a database of its own and goes there; here it stays in the one that was made for it.
_ELSEWHERE = r"\s*((CREATE|DROP) (DATABASE|SCHEMA) (IF EXISTS )?[`]?NAME[`]?|USE [`]?NAME[`]?|\\c NAME)\s*;\s*"


def names(data: Path) -> list[str]:
    """The databases a folder has, those of SQL dumps first."""
    return [folder.name for kind in ("sql", "parquet") for folder in sorted((data / kind).iterdir()) if folder.is_dir()]


def dialects_of(data: Path, name: str) -> list[str]:
    """The dialects in which a database is there."""
    if (data / "parquet" / name).is_dir():
        return ["postgres", "mysql", "sqlite"]
    return [dialect for dialect in ("postgres", "mysql", "sqlite") if _files(data, name, dialect)]


def new_source(data: Path, name: str, dialect: str, servers: Servers) -> str:
    """The URL of a new database that holds the real rows."""
    url = servers.new(dialect)
    if (data / "parquet" / name).is_dir():
        drivers = {"postgres": "postgresql+psycopg", "mysql": "mysql+pymysql", "sqlite": "sqlite"}
        command = [sys.executable, data / "load.py", name, f"{drivers[dialect]}://{url.partition('://')[2]}"]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    elif dialect == "sqlite":
        shutil.copyfile(_files(data, name, dialect)[0], url.removeprefix("sqlite:///"))
    else:
        for path in _files(data, name, dialect):
            _run_dump(url, dialect, name, gzip.decompress(path.read_bytes()).decode())
    if dialect == "postgres":  # a dump leaves them empty
        for (view,) in run_sql(url, "SELECT oid::regclass::text FROM pg_class WHERE relkind = 'm'"):
            run_sql(url, f"REFRESH MATERIALIZED VIEW {view}")
    return url


def _files(data: Path, name: str, dialect: str) -> list[Path]:
    folder = data / "sql" / name
    if dialect == "sqlite":
        return sorted(folder.glob("*.sqlite"))
    dumps = sorted(folder.glob("*.sql.gz"))
    named = [path for path in dumps if path.name.startswith(dialect)]
    return named or [path for path in dumps if path.name[0].isdigit() and dialect == "postgres"]


def _run_dump(url: str, dialect: str, name: str, text: str) -> None:
    elsewhere = re.compile(_ELSEWHERE.replace("NAME", re.escape(name)), re.IGNORECASE)
    text = "\n".join(line for line in text.split("\n") if not elsewhere.fullmatch(line))
    parts = urlsplit(url)
    if dialect == "postgres":  # what a newer server's dump sets, and owners that are not here, may fail
        command = ["psql", "--quiet", "--no-psqlrc", "--dbname", url]
    else:
        text = re.sub(rf"\b{re.escape(name)}\.", "", text)
        program = shutil.which("mariadb") or "mysql"
        command = [program, f"--host={parts.hostname}", f"--port={parts.port or 3306}",
                   f"--user={unquote(parts.username or 'root')}", "--default-character-set=utf8mb4", parts.path[1:]]
        command += [f"--password={unquote(parts.password)}"] if parts.password else []
    done = subprocess.run(command, input=text, text=True, capture_output=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{name} does not load into {dialect}: {done.stderr.strip()[-500:]}")
