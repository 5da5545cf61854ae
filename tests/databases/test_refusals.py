"""What a database refuses, and the way to it: one line, without the password, with what to try."""

from __future__ import annotations

import errno
import sqlite3
import traceback
from contextlib import closing

import pytest

from adapters import open_database
from adapters.urls import is_local
from dbsynth.errors import DbsynthError, TargetError


@pytest.mark.parametrize("change", ["port", "database", "password"])
def test_what_is_wrong_with_a_url_is_one_line_without_the_password(database, change):
    if database.dialect == "sqlite":
        pytest.skip("a file has no password")
    url = database.new()
    scheme, _, rest = url.partition("://")
    location = rest.rpartition("@")[2]
    if change == "port":
        location = "127.0.0.1:1/" + location.partition("/")[2]
    elif change == "database":
        location = location.partition("/")[0] + "/no_such_database"
    user = "nobody_of_that_name" if change == "password" else rest.partition("@")[0].partition(":")[0]
    for address in (
        f"{scheme}://{user}:c%61nary%2F!p@{location}",
        f"{scheme}://{user}@{location}?password=canary%2F%21p",
        f"{scheme}://{user}:canary/!p@{location}",
    ):
        with pytest.raises(DbsynthError) as caught:  # noqa: PT012
            open_database(address).read_schema()
            pytest.skip("this server trusts everybody")
        text = "".join(traceback.format_exception(caught.value))
        assert "\n" not in str(caught.value)
        assert not any(
            word in str(caught.value) + text.split("Traceback")[-1] for word in ("canary/!p", "c%61nary", "canary%2F")
        )


@pytest.mark.parametrize(("host", "local"), [
    (None, True), ("", True), ("/run/postgresql", True), ("localhost", True), ("127.0.0.1", True), ("127.8.0.1", True),
    ("::1", True), ("db.example.org", False), ("10.0.0.7", False), ("2001:db8::1", False),
    ("localhost.example.org", False),
])  # fmt: skip
def test_a_connection_that_stays_on_the_machine_needs_no_proof(host, local):
    assert is_local(host) is local


def test_nothing_is_pointed_out_here(database, open_url):
    assert open_url(database.new()).unverified is None


_DISK_FULL = {
    "postgres": "DO $$ BEGIN RAISE EXCEPTION 'no room' USING ERRCODE = 'disk_full'; END $$",
    "mysql": "SIGNAL SQLSTATE 'HY000' SET MYSQL_ERRNO = 1021, MESSAGE_TEXT = 'no room'",
}


@pytest.mark.parametrize("dialect", _DISK_FULL)
def test_a_full_disk_of_the_server_says_what_to_try(dialect, database_of, open_url):
    """The server's word, and where to make room."""
    adapter = open_url(database_of(dialect).new())
    with (
        closing(adapter._connect()) as connection,
        closing(connection.cursor()) as cursor,
        pytest.raises(TargetError, match="no room; make room on the disk of the database"),
        adapter._errors(TargetError),
    ):
        cursor.execute(_DISK_FULL[dialect])


def test_a_sqlite_file_that_has_no_room_says_what_to_try(new_sqlite, open_url):
    """And so does a folder."""
    adapter = open_url(new_sqlite())
    with (
        closing(sqlite3.connect(":memory:")) as connection,
        pytest.raises(TargetError, match="full; make room on the disk of the database"),
        adapter._errors(TargetError),
    ):
        connection.executescript("PRAGMA max_page_count = 1; CREATE TABLE t (x)")
    with pytest.raises(TargetError, match="make room"), adapter._errors(TargetError):
        raise OSError(errno.ENOSPC, "No space left on device")
