"""Whatever schema hypothesis thinks of: its clone has as many rows, and the server finds every constraint kept.

The same few schemas each time; `DBSYNTH_TEST_EXAMPLES=200` looks at as many new ones.
"""

from __future__ import annotations

import datetime
import os
import random
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapters import open_database
from dbsynth import jobs
from dbsynth.config import Settings

TINY = {"iterations": 2, "n_clusters": 2, "n_steps": 2, "batch_size": 32, "layers": (8,)}
NAMES = [
    "id", "name", "select", "order", "Mixed Case", "it's", 'double"quote', "back`tick", "100% sure", "new\nline", "a.b",
    "semi;colon", "[x]", "$1", "%s", "%(x)s", "{}", "emoji 🦆", "x" * 63, "ü" * 20, "group", "table", "user",
    "a,b", "(c)", "null", "--", "/* */", "\\", "back\\slash", ":name", "?", "é", "email", "phone", "Total",
    "row", "depth", "_", "1st",
]  # fmt: skip
WORDS = ["", "a", "NULL", "it's", "100%", "new\nline", "🦆", "back\\slash", '"', "B", "b", "x" * 20, "tab\t", "\\N"]


@dataclass(frozen=True)
class Kind:
    """A type in the words of each dialect, and how a value of it is drawn."""

    sqlite: str
    postgres: str
    mysql: str
    draw: Callable[[random.Random], Any]


def _moment(rng: random.Random) -> str:
    return str(datetime.datetime(2020, 1, 1) + datetime.timedelta(seconds=rng.randrange(10**8)))


KINDS = {
    "int": Kind("INTEGER", "integer", "int", lambda r: r.randrange(-5, 100)),
    "small": Kind("SMALLINT", "smallint", "tinyint", lambda r: r.choice([-128, 0, 127, 5])),
    "big": Kind("BIGINT", "bigint", "bigint", lambda r: r.choice([-(2**63), 2**63 - 1, 0, r.randrange(1000)])),
    "decimal": Kind("DECIMAL(8,2)", "numeric(8,2)", "decimal(8,2)", lambda r: f"{r.uniform(-10, 999):.2f}"),
    "open": Kind("NUMERIC", "numeric", "decimal(65,30)", lambda r: r.choice(["1.5", "123456789012345678901.5", "0"])),
    "float": Kind("REAL", "double precision", "double", lambda r: r.choice([0.1, 1e300, -1.5, r.random()])),
    "bool": Kind("BOOLEAN", "boolean", "boolean", lambda r: r.random() < 0.3),
    "date": Kind("DATE", "date", "date", lambda r: _moment(r)[:10]),
    "moment": Kind("TIMESTAMP", "timestamp", "datetime", _moment),
    "zoned": Kind("TIMESTAMPTZ", "timestamptz", "timestamp NULL", lambda r: _moment(r) + "+00:00"),
    "time": Kind("TIME", "time", "time", lambda r: _moment(r)[11:]),
    "text": Kind("TEXT", "text", "varchar(200) collate utf8mb4_bin", lambda r: r.choice(WORDS)),
    "long": Kind("TEXT", "text", "longtext", lambda r: " ".join(r.choice(NAMES) for _ in range(r.randrange(9)))),
    "code": Kind("VARCHAR(8)", "varchar(8)", "varchar(8)", lambda r: f"{r.choice('AB')}-{r.randrange(1000):03}"),
    "char": Kind("CHAR(2)", "char(2)", "char(2)", lambda r: r.choice(["de", "fr", "it"])),
    "uuid": Kind("UUID", "uuid", "char(36)", lambda r: f"{r.getrandbits(32):08x}-0000-4000-8000-0000000000aa"),
    "json": Kind("JSON", "jsonb", "json", lambda r: r.choice(['{"a": 1}', "[]", "null", '{"b": "x"}'])),
    "bytes": Kind("BLOB", "bytea", "blob", lambda r: r.randbytes(r.randrange(5))),
}  # fmt: skip
IN_KEYS = ["int", "big", "text", "code", "uuid", "date", "decimal"]


@dataclass
class Key:
    columns: list[str]
    parent: str
    parent_columns: list[str]


@dataclass
class Draft:
    """A table to be made."""

    name: str
    columns: dict[str, tuple[str, bool]] = field(default_factory=dict)  # name -> kind, nullable
    primary: list[str] = field(default_factory=list)
    unique: list[list[str]] = field(default_factory=list)
    keys: list[Key] = field(default_factory=list)
    checks: list[tuple[Callable[[dict], bool], str]] = field(default_factory=list)  # what holds; SQL, {…} for columns
    indexes: list[tuple[str, list[str], str]] = field(default_factory=list)  # expression, columns, WHERE
    serial: bool = False
    rows: list[dict[str, Any]] = field(default_factory=list)


class Drawing:
    """One random schema, by hypothesis' draws."""

    def __init__(self, draw: Callable, dialect: str) -> None:
        self.draw, self.dialect = draw, dialect
        self.tables: list[Draft] = []

    def maybe(self, share: float = 0.5) -> bool:
        return self.draw(st.integers(0, 99)) >= 100 - share * 100

    def pick(self, options: list) -> Any:
        return self.draw(st.sampled_from(options))

    def name(self, taken: Any) -> str:
        """A name, in case-blind order not among those taken."""
        free = [n for n in NAMES if n.lower() not in {t.lower() for t in taken}]
        if self.dialect == "mysql":
            free = [n for n in free if max(n) <= "\uffff"]
        return self.pick(free)

    def column(self, table: Draft, kind: str, *, nullable: bool = False) -> str:
        name = self.name(table.columns)
        table.columns[name] = (kind, nullable)
        return name

    def table(self, number: int) -> None:
        table = Draft(self.name([t.name for t in self.tables]))
        forms = ["serial", "number", "natural", "composite", "none"] + (["shared", "link", "child"] if number else [])
        form = self.pick(forms)
        parents = [t for t in self.tables if t.primary or t.unique]
        if form == "serial":
            table.primary, table.serial = [self.column(table, "int")], True
        elif form in ("number", "natural"):
            table.primary = [self.column(table, "int" if form == "number" else self.pick(IN_KEYS))]
        elif form == "composite":
            table.primary = [self.column(table, self.pick(IN_KEYS[:4])) for _ in range(2)]
        elif parents and form == "shared":  # the primary key is a foreign key
            table.primary = self.key(table, self.pick(parents), nullable=False)
        elif parents and form == "link":
            keys = [self.key(table, self.pick(parents), nullable=False) for _ in range(2)]
            table.primary = list(dict.fromkeys(keys[0] + keys[1]))
        elif parents and form == "child":  # numbered within its parent
            table.primary = [*self.key(table, self.pick(parents), nullable=False), self.column(table, "int")]
        for _ in range(self.draw(st.integers(0, 2))):
            if parents:
                columns = self.key(table, self.pick(parents), nullable=self.maybe())
                if self.maybe(0.2):
                    table.unique.append(columns)
        if table.primary and self.maybe(0.25):
            self.key(table, table, nullable=True)
        for _ in range(self.draw(st.integers(0, 4))):
            self.column(table, self.pick(list(KINDS)), nullable=self.maybe())
        self.constraints(table)
        self.tables.append(table)

    def key(self, table: Draft, parent: Draft, *, nullable: bool) -> list[str]:
        """A foreign key; its columns, of which one may be another key's."""
        to = self.pick([k for k in [parent.primary, *parent.unique] if k])
        columns = []
        for name in to:
            kind = parent.columns[name][0]
            same = [
                c for key in table.keys for c, p in zip(key.columns, key.parent_columns, strict=True)
                if len(to) > 1 and p == name and key.parent == parent.name and c not in columns
            ]  # fmt: skip
            same += [c for c in table.primary if parent is table and c == name and len(to) > 1 and not columns]
            if len(to) > 1 and not columns:
                same += [c for k in table.keys for c in k.columns if table.columns[c][0] == kind and c not in columns]
            if same and self.maybe(0.6):
                columns.append(same[0])
            else:
                columns.append(self.column(table, kind, nullable=nullable))
        if [columns, parent.name, to] not in [[k.columns, k.parent, k.parent_columns] for k in table.keys]:
            table.keys.append(Key(columns, parent.name, list(to)))
        return columns

    def constraints(self, table: Draft) -> None:
        followed = {c for key in table.keys for c in key.columns} | set(table.primary)
        own = {c: kind for c, (kind, _) in table.columns.items() if c not in followed}
        for column, kind in own.items():
            if kind in IN_KEYS and self.maybe(0.2):
                table.unique.append([column])
        candidates = [c for c, (kind, _) in table.columns.items() if kind in (*IN_KEYS, "bool", "char")]
        if len(candidates) > 1 and self.maybe(0.3):
            both = self.draw(st.lists(st.sampled_from(candidates), min_size=2, max_size=2, unique=True))
            if both not in table.unique and both != table.primary:
                table.unique.append(both)
        free = {c: kind for c, kind in own.items() if not any(c in columns for columns in table.unique)}
        numbers = [c for c, kind in free.items() if kind in ("int", "small", "decimal")]
        if numbers and self.maybe(0.5):
            a, b = numbers[0], numbers[-1]
            if a != b and self.maybe():
                holds = lambda r: r[a] is None or r[b] is None or float(r[a]) <= float(r[b])  # noqa: E731
                table.checks.append((holds, self.spelled("{0} <= {1}", a, b)))
            else:
                table.checks.append((lambda r: r[a] is None or float(r[a]) > -3, self.spelled("{0} > -3", a)))
        words = [c for c, kind in free.items() if kind in ("text", "char")]
        if words and self.maybe(0.3):
            table.checks.append((lambda r: r[words[0]] != "a", self.spelled("{0} <> 'a'", words[0])))
        if self.dialect != "mysql" and own and self.maybe(0.2):  # unique among some rows only, or in an expression
            c = self.pick(list(own))
            if own[c] in IN_KEYS:
                flag = [n for n, kind in own.items() if kind == "bool"]
                if own[c] in ("text", "code") and self.maybe():
                    table.indexes.append((f"lower({self.quote(c)})", [c], ""))
                elif flag:
                    table.indexes.append((self.quote(c), [c], flag[0]))

    def spelled(self, sql: str, *columns: str) -> str:
        return sql.format(*map(self.quote, columns))

    def quote(self, name: str) -> str:
        mark = "`" if self.dialect == "mysql" else '"'
        return mark + name.replace(mark, mark * 2) + mark

    def cycle(self) -> None:
        """A key from an earlier table to a later one, so that a cycle closes."""
        parents = [t for t in self.tables if t.primary]
        if len(parents) < 2:
            return
        child, parent = self.tables[0], parents[-1]
        if child is not parent:
            self.key(child, parent, nullable=self.maybe(0.8))

    def fill(self, rng: random.Random) -> None:
        """Random rows that keep every constraint; tables whose keys find no parent stay empty."""
        for table in self.tables:
            for _ in range(rng.choice([0, 1, 3, 12, 25])):
                self.row(table, rng)
        for _ in range(3):  # rows that refer to later tables need them
            for table in self.tables:
                if not table.rows:
                    for _ in range(8):
                        self.row(table, rng)
        self.prune()

    def row(self, table: Draft, rng: random.Random) -> None:
        for _ in range(20):
            row = {c: self.value(table, c, kind, nullable, rng) for c, (kind, nullable) in table.columns.items()}
            for key in table.keys:
                parent = next(t for t in self.tables if t.name == key.parent)
                fixed = {c for k in table.keys[: table.keys.index(key)] for c in k.columns}
                fixed |= set(table.primary) if parent is table else set()
                offers = [
                    p for p in parent.rows
                    if all(c not in fixed or row[c] is None or row[c] == p[to]
                           for c, to in zip(key.columns, key.parent_columns, strict=True))
                    and all(p[to] is not None for to in key.parent_columns)
                ]  # fmt: skip
                nulls = [c for c in key.columns if table.columns[c][1] and c not in fixed]
                if nulls and (not offers or rng.random() < 0.3):
                    row |= dict.fromkeys(nulls)
                elif offers:
                    chosen = rng.choice(offers)
                    row |= {c: chosen[to] for c, to in zip(key.columns, key.parent_columns, strict=True)}
            if self.keeps(table, row, table.rows):
                table.rows.append(row)
                return

    def value(self, table: Draft, column: str, kind: str, nullable: bool, rng: random.Random) -> Any:
        if nullable and rng.random() < 0.2:
            return None
        if table.serial and table.primary == [column]:
            return len(table.rows) + 1
        return KINDS[kind].draw(rng)

    def keeps(self, table: Draft, row: dict, others: list[dict]) -> bool:
        if not all(holds(row) for holds, _ in table.checks):
            return False
        for columns in [table.primary, *table.unique]:
            values = [self.folded(row[c]) for c in columns]
            if columns and None not in values and any([self.folded(o[c]) for c in columns] == values for o in others):
                return False
        for expression, (column,), flag in table.indexes:
            same = [o for o in others if not flag or (o[flag] and row[flag])]
            if row[column] is not None and any(
                o[column] == row[column]
                or (expression[:5] == "lower" and str(o[column]).lower() == str(row[column]).lower())
                for o in same if o[column] is not None
            ):  # fmt: skip
                return False
        return True

    def folded(self, value: Any) -> Any:
        return value.lower().strip() if isinstance(value, str) and self.dialect == "mysql" else value

    def prune(self) -> None:
        """Take out rows that refer to nothing, again and again."""
        changed = True
        while changed:
            changed = False
            for table in self.tables:
                for key in table.keys:
                    parent = next(t for t in self.tables if t.name == key.parent)
                    there = {tuple(p[to] for to in key.parent_columns) for p in parent.rows}
                    held = [
                        r for r in table.rows
                        if any(r[c] is None for c in key.columns) or tuple(r[c] for c in key.columns) in there
                    ]  # fmt: skip
                    changed |= len(held) < len(table.rows)
                    table.rows = held

    def shares_columns(self, table: Draft) -> bool:
        columns = [c for key in table.keys for c in key.columns]
        return len(set(columns)) < len(columns)

    # SQL

    def statements(self) -> list[str]:
        create, insert, alter = [], [], []
        for number, table in enumerate(self.tables):
            lines = []
            for name, (kind, nullable) in table.columns.items():
                spelled = getattr(KINDS[kind], self.dialect)
                line = f"{self.quote(name)} {spelled}" + ("" if nullable or "NULL" in spelled else " NOT NULL")
                if table.serial and table.primary == [name]:
                    line += {"sqlite": " PRIMARY KEY", "postgres": " GENERATED BY DEFAULT AS IDENTITY",
                             "mysql": " AUTO_INCREMENT"}[self.dialect]  # fmt: skip
                lines.append(line)
            if table.primary and not (table.serial and self.dialect == "sqlite"):
                lines.append(f"PRIMARY KEY ({self.listed(table.primary)})")
            lines += [f"UNIQUE ({self.listed(columns)})" for columns in table.unique]
            lines += [f"CHECK ({sql})" for _, sql in table.checks]
            for i, key in enumerate(table.keys):
                clause = (
                    f"CONSTRAINT fk{number}_{i} FOREIGN KEY ({self.listed(key.columns)}) "
                    f"REFERENCES {self.quote(key.parent)} ({self.listed(key.parent_columns)})"
                )
                if self.dialect == "sqlite":
                    lines.append(clause)
                else:
                    alter.append(f"ALTER TABLE {self.quote(table.name)} ADD {clause}")
            create.append(f"CREATE TABLE {self.quote(table.name)} ({', '.join(lines) or 'x int'})")
            for i, (expression, _, flag) in enumerate(table.indexes):
                where = f" WHERE {self.quote(flag)}" if flag else ""
                create.append(f"CREATE UNIQUE INDEX i{number}_{i} ON {self.quote(table.name)} ({expression}){where}")
            for row in table.rows:
                values = ", ".join(self.literal(value, table.columns[c][0]) for c, value in row.items())
                insert.append(
                    f"INSERT INTO {self.quote(table.name)} ({self.listed(list(row))}) VALUES ({values})"
                    if row else f"INSERT INTO {self.quote(table.name)} VALUES (NULL)"
                )  # fmt: skip
        return create + insert + alter

    def listed(self, names: list[str]) -> str:
        return ", ".join(map(self.quote, names))

    def literal(self, value: Any, kind: str) -> str:
        if value is None:
            return "NULL"
        if isinstance(value, bytes):
            return f"'\\x{value.hex()}'" if self.dialect == "postgres" else f"x'{value.hex()}'"
        if isinstance(value, bool):
            return str(value).upper() if self.dialect != "sqlite" else str(int(value))
        if isinstance(value, str) and kind in ("decimal", "open"):
            return value
        if isinstance(value, str):
            value = value.removesuffix("+00:00") if self.dialect == "mysql" and kind == "zoned" else value
            text = value.replace("'", "''")
            return "'" + (text.replace("\\", "\\\\") if self.dialect == "mysql" else text) + "'"
        return repr(value)


@st.composite
def schemas(draw: Callable, dialect: str) -> Drawing:
    drawing = Drawing(draw, dialect)
    for number in range(draw(st.integers(1, 5))):
        drawing.table(number)
    if drawing.maybe(0.4):
        drawing.cycle()
    drawing.fill(random.Random(draw(st.integers(0, 2**32))))
    return drawing


def run(url: str, statements: list[str]) -> None:
    """Run them one by one, past the adapters."""
    with closing(open_database(url)) as adapter:
        connection = adapter._connect() if hasattr(adapter, "_connect") else None
    if connection is None:
        import sqlite3

        connection = sqlite3.connect(url.removeprefix("sqlite:///"))
    with closing(connection), closing(connection.cursor()) as cursor:
        for statement in statements:
            cursor.execute(statement)
        connection.commit()


@pytest.fixture(autouse=True)
def one_thread():
    """Small tensors are faster on one core."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def check(drawing: Drawing, source: str, target: str, **more: Any) -> None:
    run(source, drawing.statements())
    report = jobs.clone(source, target, Settings(**TINY, **more), evaluate=False)
    real = {table.name: len(table.rows) for table in drawing.tables}
    # Where keys share columns, a few random parents may not have as many pairs that agree.
    exact = not any(drawing.shares_columns(table) for table in drawing.tables)
    assert all(t.rows == real[t.name] or (t.rows < real[t.name] and not exact) for t in report.tables)


@pytest.mark.parametrize(("dialect", "examples"), [("sqlite", 12), ("postgres", 6), ("mysql", 6)])
def test_any_schema_can_be_cloned(dialect: str, examples: int, request: pytest.FixtureRequest) -> None:
    new = request.getfixturevalue(f"new_{dialect}")
    asked = os.environ.get("DBSYNTH_TEST_EXAMPLES")

    @settings(max_examples=int(asked or examples), derandomize=not asked, suppress_health_check=list(HealthCheck))
    @given(schemas(dialect), st.booleans())
    def clone(drawing: Drawing, no_keep: bool) -> None:
        check(drawing, new(), new(), no_keep=no_keep)

    clone()
