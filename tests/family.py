"""A family of tables, loads of it that can be told apart, and readers past the adapters."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from urllib.parse import urlsplit

import pyarrow as pa

__all__ = ["FAMILY", "WHOLE", "ask", "batch", "connection_to", "write"]

FAMILY = """
    CREATE TABLE author (id integer PRIMARY KEY, made integer NOT NULL);
    CREATE TABLE book (id integer PRIMARY KEY, author integer NOT NULL, made integer NOT NULL,
        CONSTRAINT book_author FOREIGN KEY (author) REFERENCES author (id));
    CREATE TABLE sale (id integer PRIMARY KEY, book integer NOT NULL, made integer NOT NULL,
        CONSTRAINT sale_book FOREIGN KEY (book) REFERENCES book (id));
    INSERT INTO author VALUES (1, 0), (2, 0);
    INSERT INTO book VALUES (1, 1, 0), (2, 2, 0);
    INSERT INTO sale VALUES (1, 1, 0), (2, 2, 0);
"""
# One row where all three tables hold all the rows of one and the same load.
WHOLE = """
    SELECT a.made, b.made, s.made, count(*) FROM sale s JOIN book b ON b.id = s.book JOIN author a ON a.id = b.author
    GROUP BY a.made, b.made, s.made
"""


def batch(**columns):
    return pa.RecordBatch.from_pydict(columns)


def write(load, schema, made, rows=2):
    numbers = list(range(1, rows + 1))
    load.write_rows(schema.table("author"), [batch(id=numbers, made=[made] * rows)])
    load.write_rows(schema.table("book"), [batch(id=numbers, author=numbers, made=[made] * rows)])
    load.write_rows(schema.table("sale"), [batch(id=numbers, book=numbers, made=[made] * rows)])


def connection_to(url):
    """A connection past the adapters, as a reader has one."""
    parts = urlsplit(url)
    if parts.scheme == "sqlite":
        return sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None, check_same_thread=False)
    if parts.scheme.startswith("postgres"):
        import psycopg

        return psycopg.connect(url, autocommit=True)
    import pymysql

    return pymysql.connect(
        host=parts.hostname, port=parts.port or 3306, user=parts.username, password=parts.password or "",
        database=parts.path[1:], autocommit=True,
    )  # fmt: skip


def ask(connection, statement):
    with closing(connection.cursor()) as cursor:
        cursor.execute(statement)
        return list(cursor.fetchall()) if cursor.description else []
