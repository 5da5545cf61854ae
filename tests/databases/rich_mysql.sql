CREATE TABLE country (
    code char(2) PRIMARY KEY COMMENT 'ISO 3166',
    name varchar(40) CHARACTER SET latin1 COLLATE latin1_german2_ci NOT NULL UNIQUE
) COMMENT 'where people''s homes are';
CREATE TABLE person (
    id int unsigned PRIMARY KEY AUTO_INCREMENT,
    born date CHECK (born > '1900-01-01'),
    first varchar(30) NOT NULL,
    last varchar(60) COLLATE utf8mb4_bin NOT NULL DEFAULT 'back\\slash, it''s',
    whole varchar(100) GENERATED ALWAYS AS (concat(first, ' ', last)) STORED,
    mood enum('sad', 'so-so', 'it''s fine', 'a,b', 'back\\slash', '"') NOT NULL DEFAULT 'it''s fine',
    tags set('red', 'green', 'blue') DEFAULT 'red,blue',
    since year DEFAULT 1999,
    is_member tinyint(1) NOT NULL DEFAULT 1,
    stars tinyint(1),
    flag bit(1) DEFAULT b'1',
    bits bit(10),
    big bigint unsigned,
    price decimal(20,5) DEFAULT 1.5,
    wide decimal(60,20),
    ratio float,
    exact double NOT NULL DEFAULT 0.1,
    opens time(3) DEFAULT '08:30:00',
    runs time,
    seen datetime(3) DEFAULT current_timestamp(3) ON UPDATE current_timestamp(3),
    made timestamp NOT NULL DEFAULT current_timestamp() ON UPDATE current_timestamp(),
    document json,
    photo blob,
    token binary(4),
    place point,
    body text DEFAULT (concat('a', 'b')),
    country char(2),
    home char(2),
    boss int unsigned,
    CONSTRAINT full_name UNIQUE (first, last),
    UNIQUE KEY starts (first(20), body(5)),
    KEY `by place and name` (home DESC, first(3)),
    FULLTEXT KEY words (body),
    CONSTRAINT person_country FOREIGN KEY (country) REFERENCES country (code) ON UPDATE CASCADE ON DELETE SET NULL,
    FOREIGN KEY (home) REFERENCES country (code),
    CONSTRAINT person_boss FOREIGN KEY (boss) REFERENCES person (id),
    CONSTRAINT `not 13` CHECK (stars <> 13 or first = 'it''s')
);
CREATE TABLE note (
    person int unsigned NOT NULL,
    number smallint NOT NULL,
    spot point NOT NULL,
    PRIMARY KEY (person, number),
    SPATIAL KEY spots (spot),
    CONSTRAINT note_person FOREIGN KEY (person) REFERENCES person (id) ON DELETE CASCADE
);
CREATE TABLE `note``s link` (
    id bigint PRIMARY KEY AUTO_INCREMENT,
    person int unsigned, number smallint, weight decimal(8,3) DEFAULT 1.5, `select` varchar(10) DEFAULT 'NULL',
    CONSTRAINT `link's note` FOREIGN KEY (person, number) REFERENCES note (person, number)
);
CREATE TABLE nothing (id int PRIMARY KEY AUTO_INCREMENT);
INSERT INTO country VALUES ('de', 'Österreich und Deutschland'), ('fr', 'France');
INSERT INTO person (born, first, last, mood, tags, since, is_member, stars, flag, bits, big, price, wide, ratio, exact, opens,
    runs, seen, made, document, photo, token, place, body, country, home, boss) VALUES
    ('1980-02-29', 'Ann', 'O''Hara', 'sad', 'red,green', 1901, 0, 5, b'0', b'1000000001', 18446744073709551615, -0.00001,
     -123456789012345678901234567890.12345, 0.1, 1e-300, '23:59:59.999', '-838:59:59', '9999-12-31 23:59:59.999',
     '1970-01-01 00:00:01', '{"a": "b\\n\\"c\\""}', x'0009220A5C27FF', x'00FF00FF', st_geomfromtext('POINT(0.1 -2)'),
     'tab	"quote" new\nline \\N', 'de', 'fr', NULL),
    (NULL, 'Zoë 🙂', '', 'a,b', '', NULL, 1, NULL, NULL, NULL, NULL, NULL, NULL, NULL, -1.7976931348623157e308, NULL,
     NULL, NULL, '2038-01-19 03:14:07', NULL, '', NULL, NULL, NULL, NULL, 'de', 1),
    ('9999-12-31', 'NULL', 'a', 'back\\slash', NULL, 2155, 1, -1, b'1', b'0', 0, 999999999999999.99999, 0.5, -3.4e38,
     0.1, '00:00:00', '00:00:00', '1000-01-01', '2026-03-29 02:30:00', 'null', x'', x'00000000', NULL, '', 'fr', 'fr', 2);
INSERT INTO note VALUES (1, 1, st_geomfromtext('POINT(1 1)')), (1, 2, st_geomfromtext('POINT(2 1)'));
INSERT INTO `note``s link` (person, number, weight) VALUES (1, 2, 12345.678), (NULL, 1, NULL);
