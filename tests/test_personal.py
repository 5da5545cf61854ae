"""Personal data is found by names and by content, and things that only sound personal are left alone."""

import random

import pyarrow as pa
import pytest

from dbsynth.columns.personal import PROVIDERS, is_about_people, is_iban, is_luhn, recognise, words_of
from dbsynth.schema import Column, Kind

NAMES = ["Mary Major", "Ana López", "John Q. Public", "Erika Mustermann", "Jan Kowalski", "Li Wei"]
FIRST = ["Mary", "Ana", "John", "Erika", "Jan", "Li"]
MAILS = ["mary@corp.com", "ana.l@firma.es", "jq@public.org", "e.m@web.de", "jan@onet.pl", "li@wei.cn"]
PHONES = ["(206) 867-5309", "(312) 555-0188", "(415) 555-0101", "(702) 555-0134", "(917) 555-0166", "(646) 555-0177"]
STREETS = ["12 Main St", "Hauptstraße 5", "8 Rue de Lyon", "Calle Mayor 3", "1 High St", "Via Roma 9"]
CITIES = ["Springfield", "Köln", "Lyon", "Madrid", "Leeds", "Torino"]
CODES = ["12345", "50667", "69001", "28013", "LS1 4AP", "10121"]
COMPANIES = ["Acme Corp", "Initech GmbH", "Globex SA", "Umbrella Ltd", "Hooli", "Soylent AG"]
THINGS = ["Rock", "Jazz", "Blue cheese", "Bolt M8", "North", "Basic plan"]
WORDS = ["some text", "other text", "more of it", "and again", "the end", "or not"]
URLS = ["https://a.io/x", "http://b.de/y", "https://c.org", "https://d.com/z?q=1", "http://e.net", "https://f.fr"]
IPS = ["192.168.1.20", "10.0.0.254", "172.16.31.9", "8.8.4.200", "203.0.113.77", "198.51.100.40"]
USERS = ["mmajor", "ana_l", "jqp", "erika77", "jan.k", "liwei"]
HASHES = [f"$2b$12${'abcdefghijklmnopqrstuv' * 2}{i:09d}" for i in range(6)]
SSNS = ["219-09-9999", "078-05-1120", "457-55-5462", "123-45-6789", "321-54-9876", "111-22-3333"]
DATES = ["1980-01-02", "1975-12-24", "1999-05-06", "1960-07-08", "2001-09-10", "1988-11-12"]
FLAGS = ["Y", "N", "Y", "Y", "N", "N"]
CARDS = ["4111111111111111", "5500005555555559", "340000000000009", "6011000000000004", "4012888888881881"]
IBANS = ["DE89370400440532013000", "GB82WEST12345698765432", "FR1420041010050500013M02606", "NL91ABNA0417164300"]
MACS = ["00:1a:2b:3c:4d:5e", "00:1a:2b:3c:4d:5f", "a0:1a:2b:3c:4d:60", "b0:1a:2b:3c:4d:61"]
NUMBERS = ["1", "2", "3", "4", "5", "6"]
DEGREES = ["52.52", "13.40", "-33.87", "41.90", "48.86", "9.19"]

# table, column, sample, what it is
CASES = [
    # e-mail
    ("customer", "email", MAILS, "email"), ("users", "EMail", MAILS, "email"),
    ("orders", "billing_email", MAILS, "email"),
    ("t", "e_mail", MAILS, "email"), ("t", "customerEmailAddress", MAILS, "email"),
    ("kunde", "mailadresse", MAILS, "email"),
    ("cliente", "correo_electronico", MAILS, "email"), ("t", "col7", MAILS, "email"), ("t", "login", MAILS, "email"),
    ("users", "email_verified", FLAGS, None), ("users", "email", FLAGS, None), ("log", "email_count", NUMBERS, None),
    # phone
    ("customer", "phone", PHONES, "phone"), ("t", "HomePhone", PHONES, "phone"), ("t", "phone_number", PHONES, "phone"),
    ("t", "mobileNo", PHONES, "phone"), ("t", "Fax", PHONES, "phone"), ("kunde", "telefonnummer", PHONES, "phone"),
    ("t", "tel2", PHONES, "phone"), ("t", "work_phone_1", PHONES, "phone"), ("t", "x", PHONES, "phone"),
    ("cliente", "telefono", PHONES, "phone"), ("t", "phone_type", ["home", "work", "home"], None),
    ("device", "phone", ["Nokia", "Pixel", "Galaxy"], None),
    # names of people
    ("customer", "first_name", FIRST, "first_name"), ("t", "FirstName", FIRST, "first_name"),
    ("t", "fname", FIRST, "first_name"), ("kunde", "vorname", FIRST, "first_name"),
    ("t", "prenom", FIRST, "first_name"),
    ("t", "GivenName", FIRST, "first_name"), ("t", "billing_first_name", FIRST, "first_name"),
    ("persona", "nombre", FIRST, "first_name"), ("producto", "nombre", THINGS, None),
    ("customer", "last_name", FIRST, "last_name"), ("t", "surname", FIRST, "last_name"),
    ("t", "LNAME", FIRST, "last_name"), ("kunde", "Nachname", FIRST, "last_name"),
    ("t", "apellido", FIRST, "last_name"),
    ("t", "nom_de_famille", FIRST, "last_name"), ("t", "nazwisko", FIRST, "last_name"),
    ("customer", "name", NAMES, "name"), ("employees", "Name", NAMES, "name"), ("tbl_user", "name", NAMES, "name"),
    ("hr.staff", "name", NAMES, "name"), ("t", "full_name", NAMES, "name"), ("Customers", "ContactName", NAMES, "name"),
    ("orders", "customer_name", NAMES, "name"), ("t", "cardholder_name", NAMES, "name"),
    ("patients", "name", NAMES, "name"), ("mitarbeiter", "name", NAMES, "name"),
    ("school", "teacher_name", NAMES, "name"),
    # names of things
    ("country", "name", CITIES, None), ("product", "name", THINGS, None), ("genre", "name", THINGS, None),
    ("Products", "ProductName", THINGS, None), ("category", "category_name", THINGS, None),
    ("file", "filename", WORDS, None),
    ("plan", "display_label", THINGS, None), ("user_role", "name", THINGS, None),
    ("customer_group", "name", THINGS, None),
    ("team", "team_name", THINGS, None), ("event", "event_name", THINGS, None), ("server", "hostname", WORDS, None),
    ("Track", "Name", THINGS, None), ("Playlist", "Name", THINGS, None), ("language", "name", CITIES, None),
    ("customer", "type_name", THINGS, None), ("t", "table_name", WORDS, None), ("t", "domain_name", WORDS, None),
    # places
    ("t", "street", STREETS, "street"), ("kunde", "strasse", STREETS, "street"), ("t", "StreetName", STREETS, "street"),
    ("t", "city", CITIES, "city"), ("orders", "ShipCity", CITIES, "city"), ("kunde", "ort", CITIES, "city"),
    ("t", "ville", CITIES, "city"), ("t", "zip", CODES, "postcode"), ("t", "PostalCode", CODES, "postcode"),
    ("kunde", "PLZ", CODES, "postcode"), ("t", "billing_zip_code", CODES, "postcode"), ("city", "city", CITIES, None),
    ("t", "address", STREETS, "address"), ("t", "address2", STREETS, "address"),
    ("t", "BillingAddress", STREETS, "address"),
    ("kunde", "anschrift", STREETS, "address"), ("t", "address_line_1", STREETS, "address"),
    ("t", "address_type", ["home", "work", "home"], None), ("t", "address", MAILS, "email"),
    ("t", "address", IPS, "ip"),
    ("product", "capacity", THINGS, None), ("t", "opacity", NUMBERS, None), ("hat", "cap", THINGS, None),
    # companies
    ("customer", "company", COMPANIES, "company"), ("Suppliers", "CompanyName", COMPANIES, "company"),
    ("supplier", "name", COMPANIES, "company"), ("t", "employer", COMPANIES, "company"),
    ("t", "firma", COMPANIES, "company"),
    ("t", "vendor_name", COMPANIES, "company"), ("t", "company_size", NUMBERS, None),
    # numbers with a meaning
    ("t", "iban", IBANS, "iban"), ("t", "account_ref", IBANS, "iban"), ("t", "card_number", CARDS, "card_number"),
    ("t", "cc_number", CARDS, "card_number"), ("t", "ref", CARDS, "card_number"), ("t", "ssn", SSNS, "national_id"),
    ("t", "code", SSNS, "national_id"), ("t", "tax_id", SSNS, "national_id"), ("t", "passport_no", SSNS, "national_id"),
    ("order", "order_number", [f"A-{i}" for i in range(6)], None), ("t", "sku", [f"{i:05d}" for i in range(6)], None),
    ("t", "invoice_no", [f"2024{i:06d}" for i in range(6)], None),
    ("t", "version", ["1.2.3.4", "1.2.3.5", "2.0.0.1"], None),
    # the network
    ("t", "website", URLS, "url"), ("t", "HomePage", URLS, "url"), ("t", "avatar_url", URLS, "url"),
    ("t", "c3", URLS, "url"),
    ("t", "ip_address", IPS, "ip"), ("log", "client_ip", IPS, "ip"), ("t", "c4", IPS, "ip"),
    ("t", "mac_address", MACS, "mac"),
    ("t", "c5", MACS, "mac"), ("users", "username", USERS, "user_name"), ("t", "login", USERS, "user_name"),
    ("user", "UserName", USERS, "user_name"), ("t", "password", HASHES, "password"),
    ("t", "pwd_hash", HASHES, "password"),
    ("t", "api_key", HASHES, "password"), ("t", "c6", HASHES, "password"), ("recipe", "zest", WORDS, None),
    ("t", "latitude", DEGREES, "latitude"), ("t", "geo_lng", DEGREES, "longitude"), ("t", "slat", WORDS, None),
    ("t", "dob", DATES, "date_of_birth"), ("t", "description", WORDS, None), ("t", "status", FLAGS, None),
    ("t", "comment", WORDS, None), ("t", "title", THINGS, None), ("t", "notes", WORDS, None),
]  # fmt: skip


@pytest.mark.parametrize(("table", "name", "sample", "expected"), CASES)
def test_recognises_by_name_and_content(table, name, sample, expected):
    """Every case of the table; ``None`` says that the column is not personal."""
    column = Column(name, Kind.TEXT, "text")
    assert recognise(table, column, pa.array(sample)) == expected


PEOPLE = ["James Smith", "Mary Johnson", "Karl Müller", "Ana García", "Pierre Martin", "Giulia Rossi"]
POINTS = ["52.52001, 13.40495", "-33.86882, 151.20929", "41.90278, 12.49637", "48.85661, 2.35222"]


@pytest.mark.parametrize(
    ("sample", "expected"),
    [
        (PEOPLE, "name"), ([f"{n.split()[1]}, {n.split()[0]}" for n in PEOPLE], "name"), (STREETS, "address"),
        (POINTS, "coordinates"), ([f"POINT({p.replace(',', '')})" for p in POINTS], "coordinates"),
        (["Academy Dinosaur", "Ace Goldfinger", "African Egg"] * 2, None), (["3 pack", "500 g", "12 pieces"], None),
        (["New York", "San Jose", "Los Angeles", "El Paso"], None), (["1.5, 2.5", "1.0, 2.0", "3.5, 4.5"], None),
    ],
)  # fmt: skip
def test_people_and_places_are_recognised_by_what_is_written(sample, expected):
    """Under a name that says nothing, in a table that is about nobody."""
    assert recognise("t", Column("field_7", Kind.TEXT, "text"), pa.array(sample)) == expected


def test_all_words_are_known():
    """What is expected above covers every provider."""
    assert {expected for *_, expected in CASES} | {"coordinates"} == {*PROVIDERS, None}


@pytest.mark.parametrize(
    ("name", "kind", "sample", "expected"),
    [
        ("birth_date", Kind.DATE, [], "date_of_birth"),
        ("order_date", Kind.DATE, [], None),
        ("lat", Kind.FLOAT, [52.5, 48.1], "latitude"),
        ("lat", Kind.FLOAT, [5200.5, 4800.1], None),
        ("phone", Kind.INTEGER, [4915112345678, 4915112345679], "phone"),
        ("phone", Kind.INTEGER, [1, 2, 3], None),
        ("email", Kind.BOOLEAN, [True, False], None),
        ("ssn", Kind.INTEGER, [219099999, 457555462], "national_id"),
        ("first_name", Kind.TEXT, [], "first_name"),
        ("address_id", Kind.INTEGER, [1, 2, 3], None),
        ("company_id", Kind.INTEGER, [1, 2, 3], None),
        ("host", Kind.OTHER, [], None),
    ],
)
def test_type_decides_too(name, kind, sample, expected):
    """A flag is no address, a small number no phone; without values the names decide."""
    assert recognise("customer", Column(name, kind, kind.value), pa.array(sample)) == expected


def test_network_types_of_the_server_are_recognised():
    """Types the server itself calls a network address need no sample."""
    empty = pa.array([], pa.string())
    assert recognise("t", Column("c", Kind.OTHER, "inet"), empty) == "ip"
    assert recognise("t", Column("c", Kind.OTHER, "macaddr"), empty) == "mac"


def test_random_digits_are_no_cards():
    """Sixteen digits alone are not a card number: one in ten passes Luhn's check by chance."""
    rng = random.Random(0)
    numbers = ["".join(rng.choices("0123456789", k=16)) for _ in range(200)]
    assert recognise("t", Column("ref", Kind.TEXT, "text"), pa.array(numbers)) is None


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        ("customer", True), ("Customers", True), ("tbl_user", True), ("employees", True), ("hr.staff", True),
        ("user_profile", True), ("Mitarbeiter", True), ("clientes", True), ("persons", True), ("people", True),
        ("children", True), ("SalesPeople", True), ("crm_contacts", True), ("actor", True), ("auth_user", True),
        ("product", False), ("user_role", False), ("customer_type", False), ("movie2actor", False), ("country", False),
        ("order_items", False), ("CustomerDemographics", False), ("account", False), ("genre", False), ("", False),
    ],
)  # fmt: skip
def test_tables_about_people(table, expected):
    """The last telling word of a table's name says what its rows are."""
    assert is_about_people(table) is expected


def test_words_of_identifiers():
    """Camel case, digits and accents."""
    assert words_of("custEMail_2") == ["cust", "e", "mail", "2"]
    assert words_of("HTTPServerName") == ["http", "server", "name"]
    assert words_of("Straße") == ["strasse"]


def test_checksums():
    """Luhn's digit and the IBAN's two."""
    assert is_luhn("4111 1111 1111 1111")
    assert not is_luhn("4111111111111112")
    assert is_iban("DE89 3704 0044 0532 0130 00")
    assert not is_iban("DE88370400440532013000")
