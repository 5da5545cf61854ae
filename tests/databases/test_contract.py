"""What every adapter promises: the same tests for every dialect."""

from __future__ import annotations

from adapters import Mode


def test_rich_schema_and_rows_come_back_equal(database, open_url, copy_database, rows_of):
    """Keys, defaults, checks, generated and identity columns, types, comments, indexes: all of it."""
    source, target = open_url(database.rich()), open_url(database.new())
    assert target.losses(source.read_schema()) == []
    schema = copy_database(source, target)
    assert target.read_schema() == schema
    assert rows_of(target) == rows_of(source)
    assert target.validate(schema) == []


def test_replace_takes_the_place_of_the_old_rows(database, open_url, copy_database, rows_of):
    source, target = open_url(database.rich()), open_url(database.rich())
    schema = copy_database(source, target, Mode.REPLACE)
    assert rows_of(target) == rows_of(source)
    assert target.read_schema() == schema
