"""Would an application run on a clone? The views it uses return rows, its reports have the real totals."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass

from servers import dialect_of, quote, run_sql

from adapters import open_database
from dbsynth.schema import Schema

__all__ = ["Answer", "ask"]

# What one asks of the music shop: by report a query of a label and a number. Names in brackets are found whatever the
# dialect's spelling of them is: {invoice_line} is InvoiceLine in MySQL.
_REPORTS = {
    "chinook": {
        "sales by country": "SELECT i.{billing_country}, SUM(i.{total}) FROM {invoice} i GROUP BY 1",
        "sales by customer's country": "SELECT c.{country}, SUM(i.{total}) FROM {invoice} i "
        "JOIN {customer} c ON c.{customer_id} = i.{customer_id} GROUP BY 1",
        "sales by employee": "SELECT e.{employee_id}, SUM(i.{total}) FROM {invoice} i "
        "JOIN {customer} c ON c.{customer_id} = i.{customer_id} "
        "JOIN {employee} e ON e.{employee_id} = c.{support_rep_id} GROUP BY 1",
        "sales by genre": "SELECT g.{name}, SUM(l.{unit_price} * l.{quantity}) FROM {invoice_line} l "
        "JOIN {track} t ON t.{track_id} = l.{track_id} JOIN {genre} g ON g.{genre_id} = t.{genre_id} GROUP BY 1",
        "top artists": "SELECT a.{artist_id}, SUM(l.{unit_price} * l.{quantity}) FROM {invoice_line} l "
        "JOIN {track} t ON t.{track_id} = l.{track_id} JOIN {album} b ON b.{album_id} = t.{album_id} "
        "JOIN {artist} a ON a.{artist_id} = b.{artist_id} GROUP BY 1",
        "playlist lengths": "SELECT p.{playlist_id}, SUM(t.{milliseconds}) / 60000.0 FROM {playlist} p "
        "JOIN {playlist_track} pt ON pt.{playlist_id} = p.{playlist_id} "
        "JOIN {track} t ON t.{track_id} = pt.{track_id} GROUP BY 1",
        "tracks by media type": "SELECT m.{name}, COUNT(*) FROM {track} t "
        "JOIN {media_type} m ON m.{media_type_id} = t.{media_type_id} GROUP BY 1",
        "invoices that their lines add up to": "SELECT 'all', SUM(l.{unit_price} * l.{quantity}) / SUM(i.{total}) "
        "FROM {invoice} i JOIN (SELECT {invoice_id}, SUM({unit_price} * {quantity}) AS {unit_price}, 1 AS {quantity} "
        "FROM {invoice_line} GROUP BY {invoice_id}) l ON l.{invoice_id} = i.{invoice_id}",
    }
}


@dataclass(frozen=True)
class Answer:
    """What a query finds in the clone, beside what it finds in the source; totals are of a report's number."""

    query: str
    rows: int
    real_rows: int
    total: float | None = None
    real_total: float | None = None
    groups: str = ""  # the largest groups of both

    @property
    def is_off(self) -> bool:
        """Whether the total is more than a tenth away from the real one."""
        return self.total is not None and abs(self.total - self.real_total) > 0.1 * abs(self.real_total)

    def __str__(self) -> str:
        text = f"{self.query}: {self.rows} rows, {self.real_rows} real"
        if self.total is None or not self.real_total:
            return text
        return f"{text}; total {self.total:,.2f}, {100 * self.total / self.real_total:.0f} % of the real{self.groups}"


def ask(name: str, source: str, target: str, same: bool) -> Iterator[Answer]:
    """Every query that is known for a database: its views, where the clone has them (within a dialect), and reports."""
    for view in _views(source) if same else ():
        counts = (run_sql(url, f"SELECT COUNT(*) FROM {_quoted(url, view)}")[0][0] for url in (target, source))
        yield Answer(f"view {'.'.join(view)}", *counts)
    for title, query in _REPORTS.get(name, {}).items():
        rows, real = (run_sql(url, _spelled(url, query)) for url in (target, source))
        totals = (float(sum(number or 0 for _, number in found)) for found in (rows, real))
        yield Answer(title, len(rows), len(real), *totals, f"; largest {_largest(rows)}, real {_largest(real)}")


def _views(url: str) -> list[tuple[str, ...]]:
    if dialect_of(url) == "sqlite":
        return [(name,) for (name,) in run_sql(url, "SELECT name FROM sqlite_master WHERE type = 'view' ORDER BY 1")]
    if dialect_of(url) == "mysql":
        query = "SELECT TABLE_NAME FROM information_schema.VIEWS WHERE TABLE_SCHEMA = DATABASE() ORDER BY 1"
        return [(name,) for (name,) in run_sql(url, query)]
    return run_sql(
        url,
        "SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN "
        "('v', 'm') AND n.nspname NOT IN ('pg_catalog', 'information_schema') ORDER BY 1, 2",
    )


def _quoted(url: str, view: tuple[str, ...]) -> str:
    return ".".join(quote(url, part) for part in view)


def _spelled(url: str, query: str) -> str:
    """The query with the names as the database at that URL spells them."""
    with closing(open_database(url)) as database:
        spelling = _spelling(database.read_schema())
    return re.sub(r"\{(\w+)\}", lambda found: quote(url, spelling[_folded(found[1])]), query)


def _spelling(schema: Schema) -> dict[str, str]:
    found = [name for table in schema.tables for name in (table.name, *table.column_names)]
    return {_folded(name): name for name in found}


def _folded(name: str) -> str:
    return name.lower().replace("_", "")


def _largest(rows: list[tuple[object, ...]]) -> str:
    top = sorted((float(number or 0) for _, number in rows), reverse=True)[:3]
    return " ".join(f"{number:,.0f}" for number in top)
