"""New tables take the place of old ones, in every dialect: nobody sees it halfway."""

from __future__ import annotations

import threading
import time
from contextlib import closing

import pytest
from family import FAMILY, WHOLE, ask, batch, connection_to, write

from adapters import Mode
from dbsynth.errors import TargetError


@pytest.mark.parametrize("mode", [Mode.REPLACE, Mode.IN_PLACE])
def test_a_reader_sees_the_whole_old_or_the_whole_new_state(database, open_url, mode):
    """With its connection open, all the while."""
    url, seen, stop = database.make(FAMILY), [], threading.Event()

    def read():
        with closing(connection_to(url)) as connection:
            while not stop.is_set():
                seen.append(ask(connection, WHOLE))

    reader = threading.Thread(target=read)
    reader.start()
    try:
        target = open_url(url)
        schema = target.read_schema()
        for made in range(1, 6):
            with target.load(schema, mode) as load:
                write(load, schema, made)
                assert load.validate() == []
    finally:
        stop.set()
        reader.join()
    assert all(len(rows) == 1 and len(set(rows[0][:3])) == 1 and rows[0][3] == 2 for rows in seen), seen[-5:]
    states = [rows[0][0] for rows in seen]
    assert states == sorted(states)
    assert database.sql(url, WHOLE) == [(5, 5, 5, 2)]


@pytest.mark.parametrize("mode", [Mode.REPLACE, Mode.IN_PLACE])
def test_violations_are_found_before_anybody_sees_the_rows(database, open_url, rows_of, mode):
    url = database.make(FAMILY)
    target = open_url(url)
    schema, before = target.read_schema(), rows_of(target)
    with pytest.raises(TargetError, match="sale_book"), target.load(schema, mode) as load:  # noqa: PT012
        write(load, schema, 1)
        load.write_rows(schema.table("sale"), [batch(id=[7], book=[99], made=[1])])
        load.validate()
    with pytest.raises(ValueError, match="worse"), target.load(schema, mode) as load:  # noqa: PT012
        write(load, schema, 1)
        assert load.validate() == []
        if mode is Mode.REPLACE:  # in place, readers may have to wait
            assert rows_of(target) == before
        raise ValueError("worse than the thresholds")
    assert rows_of(target) == before
    assert target.read_schema() == schema


def test_one_load_at_a_time(database, open_url):
    url = database.make(FAMILY)
    first, second = open_url(url), open_url(url)
    schema = first.read_schema()
    with first.lock():
        with pytest.raises(TargetError, match=r"another load into .* is running \((process|connection) \d+"):
            second.load(schema, Mode.REPLACE).__enter__()
        with first.load(schema, Mode.REPLACE) as load:
            write(load, schema, 1)
    with second.load(schema, Mode.REPLACE) as load:
        write(load, schema, 2)
    assert database.sql(url, WHOLE) == [(2, 2, 2, 2)]


def test_new_tables_join_those_that_are_replaced(database, open_url, rows_of):
    """A table that the target lacks, with keys to and from tables that stand."""
    inline = database.dialect == "sqlite"
    more = FAMILY.replace("INSERT INTO author", """CREATE TABLE shop (id integer PRIMARY KEY, best integer,
        CONSTRAINT shop_best FOREIGN KEY (best) REFERENCES book (id));
        INSERT INTO author""", 1)  # fmt: skip
    source, target = open_url(database.make(more)), open_url(database.make(FAMILY))
    schema = source.read_schema()
    assert target.check_target(schema, Mode.REPLACE) == []
    with target.load(schema, Mode.REPLACE) as load:
        write(load, schema, 3)
        load.write_rows(schema.table("shop"), [batch(id=[1], best=[2])])
        assert load.validate() == []
    assert inline or target.read_schema() == schema
    assert rows_of(target)["shop"] == [{"id": 1, "best": 2}]


def test_a_reader_who_does_not_let_go_stops_the_swap_and_nobody_else(database, open_url, monkeypatch):
    """Others read on while the load waits; at last it gives up, and the old state stands."""
    if database.dialect == "sqlite":
        pytest.skip("who reads a file reads that file, whatever takes its name")
    module = {"postgres": "adapters.postgres_lock", "mysql": "adapters.mysql_load"}[database.dialect]
    monkeypatch.setattr(f"{module}._PATIENCE", 2.0)
    url = database.make(FAMILY)
    target = open_url(url)
    schema = target.read_schema()
    with closing(connection_to(url)) as slow, closing(connection_to(url)) as other:
        ask(slow, "BEGIN")
        ask(slow, WHOLE)
        waits, stop = [], threading.Event()

        def read():
            while not stop.is_set():
                begin = time.monotonic()
                ask(other, WHOLE)
                waits.append(time.monotonic() - begin)

        reader = threading.Thread(target=read)
        reader.start()
        with pytest.raises(TargetError, match="have not let go"), target.load(schema, Mode.REPLACE) as load:
            write(load, schema, 1)
        stop.set()
        reader.join()
        assert len(waits) > 10
        assert ask(slow, WHOLE) == [(0, 0, 0, 2)]
        ask(slow, "ROLLBACK")
    with target.load(schema, Mode.REPLACE) as load:
        write(load, schema, 2)
    assert database.sql(url, WHOLE) == [(2, 2, 2, 2)]
