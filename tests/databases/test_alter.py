"""The statements that are shown where a target has not the shape of its source any more: they run, and are enough."""

from __future__ import annotations

import pyarrow as pa
import pytest

from adapters import Mode
from dbsynth import jobs
from dbsynth.errors import DecisionError, TargetError

from .test_nightly import night

OLD = """
CREATE TABLE city (id int PRIMARY KEY, label varchar(20));
CREATE TABLE person (id int PRIMARY KEY, city_id int, age int NOT NULL, "from" int, note varchar(9),
    CONSTRAINT person_city FOREIGN KEY (city_id) REFERENCES city (id),
    CONSTRAINT person_from FOREIGN KEY ("from") REFERENCES city (id));
CREATE TABLE visit (id int PRIMARY KEY, person_id int,
    CONSTRAINT visit_person FOREIGN KEY (person_id) REFERENCES person (id));
INSERT INTO city VALUES (1, 'Ulm');
INSERT INTO person VALUES (1, 1, 30, 1, 'x');
INSERT INTO visit VALUES (1, 1);
"""
NEW = """
CREATE TABLE city (id int PRIMARY KEY, label varchar(20));
CREATE TABLE person (id int PRIMARY KEY, city_id int, "to" int, email varchar(40) NOT NULL, points int DEFAULT 7,
    at timestamp DEFAULT CURRENT_TIMESTAMP, grade {grade},
    CONSTRAINT person_city FOREIGN KEY (city_id) REFERENCES city (id),
    CONSTRAINT person_to FOREIGN KEY ("to") REFERENCES city (id));
"""
GRADES = {"sqlite": "text", "mysql": "enum('a', 'b')", "postgres": "grade"}
GONE = {"person": ("age", "from", "note"), "visit": ("id", "person_id")}


def spelled(database, statements):
    return statements.replace('"', "`") if database.dialect == "mysql" else statements


@pytest.mark.parametrize("source", ["sqlite", "postgres", "mysql"])
def test_a_target_that_ran_them_takes_the_rows(source, database, database_of, open_url, sql):
    """Over the rows that stand there, whatever the source is; nothing more is asked for after them."""
    origin = database_of(source)
    enum = "CREATE TYPE grade AS ENUM ('a', 'b');" if source == "postgres" else ""
    schema = open_url(origin.make(spelled(origin, enum + NEW.format(grade=GRADES[source])))).read_schema()
    url = database.make(spelled(database, OLD))
    target = open_url(url)
    statements = target.alterations(schema, GONE)
    with pytest.raises(TargetError):
        target.check_target(schema, Mode.REPLACE)
    for statement in statements:
        sql(url, statement)
    assert target.check_target(schema, Mode.REPLACE) == []
    assert target.alterations(schema, GONE) == []
    found = target.read_schema()
    assert set(found.table_names) <= {"city", "person"}  # where a table must be made anew, the load makes it
    row = {"id": [1], "city_id": [1], "to": [1], "email": ["a@example.org"], "points": [1]}
    with target.load(schema, Mode.REPLACE) as load:
        load.write_rows(schema.table("city"), [pa.RecordBatch.from_pydict({"id": [1], "label": ["Bonn"]})])
        load.write_rows(schema.table("person"), [pa.RecordBatch.from_pydict(row)])
    assert target.validate(schema) == []
    keys = {(key.columns, key.parent) for key in target.read_schema().foreign_keys}
    assert keys == {(("city_id",), "city"), (("to",), "city")}


def test_a_target_that_does_not_stand_is_not_altered(open_url, database, tmp_path):
    """The load makes its tables."""
    schema = open_url(database.make(spelled(database, OLD))).read_schema()
    assert open_url(f"sqlite:///{tmp_path}/none.db").alterations(schema, {}) == []
    assert open_url(database.new()).alterations(schema, {}) == []


def test_a_night_after_the_source_changed(database, tmp_path, sql):
    """`plan` and the error of `refresh` name what is in the way, and the statements; with them --refit runs."""
    people = [f"({i}, 1, {20 + i % 30}, 1, 'x')" for i in range(2, 60)]
    source, target = database.make(spelled(database, OLD)), database.make(spelled(database, OLD))
    sql(source, f"INSERT INTO person VALUES {', '.join(people)}")
    job = night(tmp_path / "job.toml", source, target)
    jobs.refresh(job)
    for statement in ("ALTER TABLE person DROP COLUMN age", "ALTER TABLE person DROP COLUMN note", "DROP TABLE visit",
                      "ALTER TABLE person ADD COLUMN email varchar(40)"):  # fmt: skip
        sql(source, statement)
    outlook = jobs.plan(job)
    assert outlook.action == "stop"
    said = " ".join(outlook.obstacles)
    assert "column 'age' of table 'person' takes no null and has no default" in said
    assert "the target still has table visit, whose rows refer to person" in said
    assert "the target still has column person.note; no run fills it" in outlook.notes
    with pytest.raises(DecisionError) as caught:
        jobs.refresh(job)
    with pytest.raises(TargetError) as unchanged:
        jobs.refresh(job, refit=True)
    assert len(outlook.alterations) == 4
    for statement in outlook.alterations:
        assert statement in str(caught.value)
        assert statement in str(unchanged.value)
        sql(target, statement)
    assert jobs.refresh(job, refit=True).action == "fit"
    assert jobs.plan(job).alterations == ()
