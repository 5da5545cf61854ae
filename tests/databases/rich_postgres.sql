CREATE SCHEMA archive;
CREATE TYPE mood AS ENUM ('sad', 'so-so', 'it''s fine');
CREATE DOMAIN year AS integer CONSTRAINT year_in_range CHECK (VALUE >= 1901 AND VALUE <= 2155);
CREATE TYPE pair AS (x integer, y text);
CREATE TABLE country (code char(2) PRIMARY KEY, name varchar(40) NOT NULL UNIQUE);
COMMENT ON TABLE country IS 'where people''s homes are';
COMMENT ON COLUMN country.code IS 'ISO 3166';
CREATE TABLE person (
    id serial PRIMARY KEY,
    born date CHECK (born > '1900-01-01'),
    first text NOT NULL,
    last text COLLATE "C" NOT NULL,
    whole text GENERATED ALWAYS AS (first || ' ' || last) STORED,
    mood mood NOT NULL DEFAULT 'so-so',
    since year,
    country char(2) REFERENCES country ON UPDATE CASCADE ON DELETE SET NULL,
    home char(2) REFERENCES country,
    boss integer CONSTRAINT person_boss REFERENCES person DEFERRABLE INITIALLY DEFERRED,
    made timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT full_name UNIQUE (first, last),
    CONSTRAINT "never own boss" CHECK (boss <> id)
);
CREATE INDEX person_last ON person (lower(last), first DESC) WHERE boss IS NULL;
CREATE UNIQUE INDEX person_home ON person (home, first);
CREATE TABLE archive.note (
    person integer NOT NULL REFERENCES person ON DELETE CASCADE,
    number smallint NOT NULL,
    body text,
    tags text[] DEFAULT '{}',
    point pair,
    PRIMARY KEY (person, number)
);
CREATE TABLE note_link (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    person integer, number smallint, weight numeric(8,3) DEFAULT 1.5,
    FOREIGN KEY (person, number) REFERENCES archive.note (person, number)
);
INSERT INTO country VALUES ('de', 'Germany'), ('fr', 'France');
INSERT INTO person (born, first, last, mood, since, country, home, boss) VALUES
    ('1980-02-29', 'Ann', 'O''Hara', 'sad', 1999, 'de', 'fr', NULL),
    (NULL, 'Bob', E'back\\slash\nline', 'it''s fine', NULL, NULL, 'de', 1);
INSERT INTO archive.note VALUES (1, 1, 'one', '{a,"b c",NULL}', '(1,"two, three")'), (1, 2, '', NULL, NULL);
INSERT INTO note_link (person, number, weight) VALUES (1, 2, 12345.678), (NULL, 1, NULL);
