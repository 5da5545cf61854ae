CREATE TABLE country (code CHAR(2) PRIMARY KEY, name VARCHAR(40) NOT NULL UNIQUE COLLATE NOCASE) WITHOUT ROWID;
CREATE TABLE person (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    born DATE CHECK (born > '1900-01-01'), -- a comment with ( and '
    "first" TEXT NOT NULL,
    [last] TEXT NOT NULL,
    `whole` TEXT GENERATED ALWAYS AS ("first" || ' ' || [last]) STORED,
    mood TEXT NOT NULL DEFAULT 'so-so' CONSTRAINT "known mood" CHECK (mood IN ('sad', 'so-so', 'it''s fine')),
    country CHAR(2) REFERENCES COUNTRY ON UPDATE CASCADE ON DELETE SET NULL,
    home CHAR(2) REFERENCES country (Code),
    boss INTEGER CONSTRAINT person_boss REFERENCES person DEFERRABLE INITIALLY DEFERRED,
    made TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP,
    CONSTRAINT full_name UNIQUE ("first", [last])
    CONSTRAINT "never own boss" CHECK (boss <> id)
);
CREATE INDEX person_last ON person (lower([last]), "first" DESC) WHERE boss IS NULL;
CREATE INDEX person_made ON person (made);
CREATE UNIQUE INDEX person_home ON person (home, "first");
CREATE TABLE note (
    person INTEGER NOT NULL REFERENCES person ON DELETE CASCADE,
    number INTEGER NOT NULL,
    body TEXT,
    weight DECIMAL(8,3) DEFAULT 1.5,
    PRIMARY KEY (person, number)
);
CREATE TABLE note_link (
    id INTEGER PRIMARY KEY,
    person INTEGER, number INTEGER,
    FOREIGN KEY (person, number) REFERENCES note
);
INSERT INTO country VALUES ('de', 'Germany'), ('fr', 'France');
INSERT INTO person (born, "first", last, mood, country, home, boss) VALUES
    ('1980-02-29', 'Ann', 'O''Hara', 'sad', 'de', 'fr', NULL),
    (NULL, 'Bob', 'back\slash' || char(10) || 'line', 'it''s fine', NULL, 'de', 1);
INSERT INTO note VALUES (1, 1, 'one', 12345.678), (1, 2, '', NULL);
INSERT INTO note_link (person, number) VALUES (1, 2), (NULL, 1);
