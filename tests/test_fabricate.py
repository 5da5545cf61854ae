"""Invented values are valid for their column, look like the source's, and are none of them."""

import json
import re
import string
import uuid
from datetime import date, datetime, timedelta
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from dbsynth.columns.distinct import fold
from dbsynth.columns.fabricate import Fabricator, fabricate, fabricate_table, learn_fabricator
from dbsynth.columns.patterns import learn_shapes, positions_of
from dbsynth.columns.personal import is_iban, is_luhn
from dbsynth.errors import SchemaError
from dbsynth.schema import Column, Kind, Table

RNG = np.random.default_rng(7)


def text(name, *, length=None, **more):
    return Column(name, Kind.TEXT, "text" if length is None else f"varchar({length})", length=length, **more)


def invent(column, values, n=None, *, unique=False, table="customer", seed=0):
    values = values if isinstance(values, pa.Array) else pa.array(values)
    learned = learn_fabricator(table, column, values, unique=unique)
    restored = Fabricator.from_json(json.loads(json.dumps(learned.to_json())))
    assert restored == learned
    return fabricate(restored, column, len(values) if n is None else n, np.random.default_rng(seed))


def is_unique(array):
    return len(fold(array).unique()) == len(array)


COLUMNS = {
    "email": [f"person{i}@corp{i % 7}.com" for i in range(300)],
    "phone": [f"({200 + i % 700}) {300 + i % 600}-{1000 + 13 * i % 9000}" for i in range(300)],
    "first_name": [f"Xfirst{chr(97 + i % 26)}{chr(97 + i // 26)}" for i in range(300)],
    "last_name": [f"Xlast{chr(97 + i % 26)}{chr(97 + i // 26)}" for i in range(300)],
    "full_name": [f"Xfirst Xlast{chr(97 + i % 26)}{chr(97 + i // 26)}" for i in range(300)],
    "company": [f"Xcorp{chr(97 + i % 26)}{chr(97 + i // 26)} Inc" for i in range(300)],
    "street": [f"{i} Xstreet Road" for i in range(300)],
    "address": [f"{i} Xstreet Road, Apt {i % 9}, Xville {10000 + i}" for i in range(300)],
    "city": [f"Xville{chr(97 + i % 26)}{chr(97 + i // 26)}" for i in range(300)],
    "postcode": [f"{10000 + 37 * i}" for i in range(300)],
    "iban": ["DE89370400440532013000", "DE75512108001245126199"] * 40,
    "card_number": ["4111111111111111", "4012888888881881", "5500005555555559"] * 40,
    "ssn": [f"{100 + i}-{10 + i % 80}-{1000 + 17 * i % 9000}" for i in range(300)],
    "website": [f"https://www.corp{i}.com/page/{i}" for i in range(300)],
    "ip_address": [f"192.168.{i % 250}.{i // 2}" for i in range(300)],
    "mac_address": [f"00:1A:2B:3C:{i % 200:02X}:{i // 2:02X}" for i in range(300)],
    "username": [f"xuser{i}" for i in range(300)],
    "password": [uuid.UUID(int=i * 7**40 % 2**128).hex for i in range(300)],
    "order_code": [f"CUST-{i:05d}" for i in range(300)],
    "notes": [f"Xnote{chr(97 + i % 26)} goes on with {i} xthings, and ends here." for i in range(300)],
    "token_id": [str(uuid.UUID(int=i * 7**40 % 2**128, version=4)) for i in range(300)],
    "payload": [json.dumps({"who": f"person{i}@corp{i % 7}.com", "n": i}) for i in range(300)],
    "born_on": [str(date(1950, 1, 1) + timedelta(days=61 * i)) for i in range(300)],
}


@pytest.mark.parametrize("unique", [False, True])
@pytest.mark.parametrize("name", COLUMNS)
def test_every_way_is_valid_and_copies_nothing(name, unique):
    """Right number, no nulls, no value of the source, distinct where asked for, the same for the same seed."""
    values, column = COLUMNS[name], text(name, length=80)
    first = invent(column, values, 1000, unique=unique)
    assert len(first) == 1000
    assert first.null_count == 0
    assert first.type == pa.string()
    assert pc.max(pc.utf8_length(first)).as_py() <= 80
    assert pc.min(pc.utf8_length(first)).as_py() >= 1
    assert first.equals(invent(column, values, 1000, unique=unique))
    assert not first.equals(invent(column, values, 1000, unique=unique, seed=1))
    if unique:
        assert is_unique(first)
    if name not in ("born_on", "street"):  # whose space is small: some meet by chance
        assert not set(first.to_pylist()) & set(values)


@pytest.mark.parametrize("name", COLUMNS)
def test_what_is_kept_holds_no_value(name):
    """Not one value of the source stands in the bundle, whole or as a long word of a text."""
    kept = json.dumps(learn_fabricator("customer", text(name), pa.array(COLUMNS[name]), unique=False).to_json())
    words = {word for value in COLUMNS[name] for word in [value, *value.split()] if len(word) >= 6}
    assert not [word for word in words - {'{"who":'} if word in kept]


SOURCES = st.one_of(
    st.lists(st.text(min_size=0, max_size=60), min_size=0, max_size=60),
    st.lists(st.from_regex(r"[A-Z]{2}-[0-9]{3,6}", fullmatch=True), min_size=5, max_size=60),
    st.lists(st.text("αβγδ漢字かなабв 12.", min_size=1, max_size=30), min_size=5, max_size=40),
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(values=SOURCES, length=st.integers(3, 40), unique=st.booleans(), n=st.integers(0, 60))
def test_any_text_gives_valid_text(values, length, unique, n):
    """Whatever the source holds, the values fit the column; three characters hold 60 different ones."""
    column = text("anything", length=length)
    found = invent(column, pa.array([v[:length] for v in values], pa.string()), n, unique=unique, table="t")
    assert len(found) == n
    assert found.null_count == 0
    assert all(len(value) <= length for value in found.to_pylist())
    if unique:
        assert is_unique(found)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    name=st.sampled_from(sorted(COLUMNS)), length=st.integers(8, 30), n=st.integers(1, 300), rows=st.integers(0, 300)
)
@example("born_on", 10, 2, 1)  # a range of a single day
def test_any_length_is_kept(name, length, n, rows):
    """Short columns too, and learned from few rows or none."""
    values = pa.array([v[:length] for v in COLUMNS[name][:rows]], pa.string())
    found = invent(text(name, length=length), values, n, unique=True)
    assert len(found) == n
    assert is_unique(found)
    assert all(0 < len(value) <= length for value in found.to_pylist())


def test_codes_keep_their_shape():
    """The fixed part stays, the digits are new, a narrow shape widens where more rows are asked for."""
    found = invent(text("code"), COLUMNS["order_code"], unique=True, n=200)
    assert all(re.fullmatch(r"CUST-\d{5}", value) for value in found.to_pylist())
    wide = invent(text("code"), COLUMNS["order_code"], unique=True, n=200_000)
    assert is_unique(wide)
    assert all(re.fullmatch(r"CUST-\d{5,9}", value) for value in wide.to_pylist())


def test_rare_shapes_and_rare_letters_are_forgotten():
    """A shape of fewer than five rows, a prefix of fewer than twenty values: neither comes back."""
    values = [f"AB-{i:04d}" for i in range(500)] + ["SECRET/1", "SECRET/2"] + [f"ZQ-{i:04d}" for i in range(6)]
    found = invent(text("code"), values, 2000, table="t").to_pylist()
    assert not [value for value in found if "/" in value or "SECRET" in value]
    assert sum(value.startswith("AB-") for value in found) > 1900


def test_common_prefixes_keep_their_shares():
    """``DE-`` and ``US-`` stand as often as in the source."""
    values = [f"DE-{i:05d}" for i in range(750)] + [f"US-{i:05d}" for i in range(250)]
    found = invent(text("code"), values, 4000, table="t").to_pylist()
    assert abs(sum(value.startswith("DE-") for value in found) / 4000 - 0.75) < 0.05
    assert {value[:3] for value in found} == {"DE-", "US-"}


def test_numbers_as_text_keep_length_and_leading_zeros():
    """``00042`` stays five digits long and may begin with zeros, ``42`` may not."""
    padded = invent(text("n"), [f"{i:05d}" for i in range(0, 5000, 7)], 500, table="t").to_pylist()
    assert all(len(value) == 5 and value.isdigit() for value in padded)
    assert any(value.startswith("0") for value in padded)
    plain = invent(text("n"), [str(i) for i in range(1, 900)], 500, table="t").to_pylist()
    assert all(not value.startswith("0") for value in plain)
    assert {len(value) for value in plain} == {1, 2, 3}


def test_hexadecimal_stays_hexadecimal():
    """Hashes have letters a to f only."""
    found = invent(text("checksum"), COLUMNS["password"], 300, unique=True, table="t").to_pylist()
    assert all(re.fullmatch("[0-9a-f]{32}", value) for value in found)


def test_capacity_ends_in_a_sentence_with_table_and_column():
    """Two characters cannot tell two thousand rows apart."""
    values = pa.array([f"{i:02d}" for i in range(80)])
    with pytest.raises(SchemaError, match=r"column 'code' of table 't' must hold 2000 different .*wider"):
        invent(text("code", length=2), values, 2000, unique=True, table="t")
    assert is_unique(invent(text("code", length=2), values, 100, unique=True, table="t"))


def test_unique_under_a_forgiving_collation():
    """Servers may hold a and A, e and é for equal: so does this."""
    values = pa.array(["".join(p) for p in zip("abcABCabcA" * 9, "defDEFghiJ" * 9, strict=True)])
    found = invent(text("c", length=4), values, 3000, unique=True, table="t")
    assert is_unique(found)


def test_personal_data_goes_where_nobody_is():
    """Mail to reserved domains, 555 numbers, private addresses, valid checksums, no real social security number."""
    mails = invent(text("email"), COLUMNS["email"], 500).to_pylist()
    assert all(re.fullmatch(r"[a-z][a-z0-9._]*@example\.(org|com|net)", mail) for mail in mails)
    phones = invent(text("phone"), COLUMNS["phone"], 500).to_pylist()
    assert all(re.fullmatch(r"\([2-9]\d\d\) 555-01\d\d", phone) for phone in phones)
    for name, is_valid in (("card_number", is_luhn), ("iban", is_iban)):
        assert all(map(is_valid, invent(text(name), COLUMNS[name], 300, unique=True).to_pylist()))
    assert all(ssn.startswith("9") for ssn in invent(text("ssn"), COLUMNS["ssn"], 300).to_pylist())
    assert all(ip.startswith("10.") for ip in invent(text("ip_address"), COLUMNS["ip_address"], 300).to_pylist())
    urls = invent(text("website"), COLUMNS["website"], 300).to_pylist()
    assert all(re.match(r"https://www\.example\.(org|com|net)/", url) for url in urls)


def test_case_and_order_of_names():
    """Capitals stay capitals, and ``Last, First`` keeps its comma."""
    upper = invent(text("first_name"), [v.upper() for v in COLUMNS["first_name"]], 50).to_pylist()
    assert all(name.isupper() for name in upper)
    turned = invent(text("full_name"), [f"Xlast, Xfirst {c}" for c in string.ascii_uppercase], 50).to_pylist()
    assert all(", " in name for name in turned)


def test_words_look_like_the_text():
    """Length, first capitals, last marks and lines; another script stays that script; no word of the source."""
    values = [f"Zyxword number {i} was zyxgiven to the zyxperson at zyxdoor." for i in range(200)]
    found = invent(text("notes"), values, 300, table="t")
    joined = " ".join(found.to_pylist())
    assert "zyx" not in joined.lower()
    assert abs(pc.mean(pc.utf8_length(found)).as_py() - 58) < 12
    assert all(value[0].isupper() or value[0].isdigit() for value in found.to_pylist())
    assert sum(value.endswith(".") for value in found.to_pylist()) > 250
    lines = invent(text("body"), ["First line here\nsecond line there\nthird line and more"] * 90, 50, table="t")
    assert sum("\n" in value for value in lines.to_pylist()) > 25
    russian = invent(text("notes"), ["Это обычный текст о погоде и людях"] * 9, 20, table="t").to_pylist()
    assert all(re.search("[а-я]", value) for value in russian)


def test_repeats_keep_their_number():
    """A value stands in several rows about as often as in the source."""
    values = [f"Xville{chr(97 + i % 20)}" for i in range(400)]
    assert 10 <= len(invent(text("city"), values).unique()) <= 20


def test_keywords_stay_and_rare_words_go():
    """Words of which each counts many rows are the program's own; beside them nothing comes back."""
    values = ["open", "closed", "on-hold"] * 60 + ["xsecret"]
    assert set(invent(text("state_code"), values, 300, table="t").to_pylist()) == {"open", "closed", "on-hold"}


def test_persons_agree_within_a_row():
    """First name, full name and e-mail of one row are one person's; two kinds of contact are two persons."""
    table = Table("customer", (text("first_name"), text("last_name"), text("full_name"), text("email"), text("code")))
    sources = {"first_name": "first_name", "last_name": "last_name", "full_name": "full_name", "email": "email"}
    learned = {
        name: learn_fabricator("customer", table.column(name), pa.array(COLUMNS[key]), unique=name == "email")
        for name, key in {**sources, "code": "order_code"}.items()
    }
    found = fabricate_table(learned, table, 2000, np.random.default_rng(3))
    assert list(found) == list(learned)
    assert is_unique(found["email"])
    rows = list(zip(*(found[name].to_pylist() for name in sources), strict=True))
    assert all(full == f"{first} {last}" for first, last, full, _ in rows)
    plain = [(first, mail) for first, _, _, mail in rows if first.isascii() and first.isalpha()]
    assert all(mail[0] == first[0].lower() for first, mail in plain)
    again = fabricate_table(learned, table, 2000, np.random.default_rng(3))
    assert all(found[name].equals(again[name]) for name in found)


def test_structured_kinds():
    """UUIDs of version 4, bytes of the same lengths, documents of the same structure."""
    uuids = invent(Column("id", Kind.UUID, "uuid"), [str(uuid.uuid4()) for _ in range(50)], 500, unique=True)
    assert all(uuid.UUID(value).version == 4 for value in uuids.to_pylist())
    blobs = invent(Column("b", Kind.BINARY, "bytea"), [b"\xff\xd8\xff" + bytes(i + 20) for i in range(50)], 200)
    assert blobs.type == pa.binary()
    assert all(value.startswith(b"\xff\xd8\xff") and 20 <= len(value) <= 80 for value in blobs.to_pylist())
    documents = [
        {"id": i, "who": {"email": f"p{i}@corp.com", "note": f'a "quoted"\n\\text {i}'}, "tags": ["x", "y"][: i % 3],
         "price": i / 4, "on": i % 2 == 0, "none": None} | ({"xrare": 1} if i < 3 else {})
        for i in range(120)
    ]  # fmt: skip
    found = invent(Column("j", Kind.JSON, "jsonb"), [json.dumps(d) for d in documents], 300).to_pylist()
    for entry in map(json.loads, found):
        assert list(entry) == ["id", "who", "tags", "price", "on", "none"]
        assert isinstance(entry["id"], int)
        assert entry["who"]["email"].split("@")[1].startswith("example.")
        assert len(entry["tags"]) <= 2
        assert isinstance(entry["on"], bool)


VALID = {
    "inet": (["192.168.0.1", "10.0.0.0/8"], r"10\.\d+\.\d+\.\d+"),
    "cidr": (["192.168.0.0/16"], r"10\.\d+\.\d+\.0/24"),
    "macaddr": (["08:00:2b:01:02:03"], r"02(:[0-9a-f]{2}){5}"),
    "interval": (["3 days 04:05:06", "01:00:00"], r"\d+ days \d\d:\d\d:\d\d"),
    "integer[]": (["{1,2,3}", "{}", "{4}"], r"\{(\d+(,\d+)*)?\}"),
    "text[]": (["{a,b}", '{"c d"}'], r"\{([a-z]+(,[a-z]+)*)?\}"),
    "bit(5)": (["10101"], r"[01]{5}"),
    "int4range": (["[1,5)"], r"\[-?\d+,-?\d+\)"),
    "point": (["(1,2)"], r"\(-?[\d.]+,-?[\d.]+\)"),
    "tsvector": (["'a':1 'b':2"], r"'[a-z]+'"),
    "money": (["$12.50"], r"\d+\.\d\d"),
    "set('red','green','a','b','c','d','e')": (["red,green"], "red,green"),
    "date": (["2001-02-03", "infinity", "2004-05-06", "2011-01-01", "2012-01-01"], r"\d{4}-\d\d-\d\d"),
    "timestamp with time zone": (["2001-02-03 04:05:06+00"] * 4 + ["-infinity"], r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\+00"),
    "numeric": (["1.50", "NaN", "2.25", "7.00", "8.10"], r"-?\d+(\.\d+)?"),
    "geometry": (["000000000101000000000000000000F03F0000000000000040"] * 3, "000000000101000000[0-9A-F]{32}"),
}


@pytest.mark.parametrize("native", VALID)
def test_other_types_are_written_as_their_server_reads_them(native):
    """By the type's name; what no form is known of is null where it may be."""
    values, form = VALID[native]
    found = invent(Column("c", Kind.OTHER, native), values, 200, table="t")
    assert all(re.fullmatch(form, value) for value in found.to_pylist())


def test_unknown_types_are_null():
    """A composite type of the user's: no value is safe."""
    found = invent(Column("c", Kind.OTHER, "my_composite"), ["(1,x)", "(2,y)"], 5, table="t")
    assert found.type == pa.string()
    assert found.null_count == 5


NUMBERS = [
    (Column("n", Kind.INTEGER, "integer"), pa.array(range(100, 1100))),
    (Column("n", Kind.DECIMAL, "numeric(8,2)", precision=8, scale=2), pa.array([Decimal(i) / 100 for i in range(900)])
     .cast(pa.decimal128(8, 2))),
    (Column("n", Kind.DECIMAL, "numeric"), pa.array([f"{i}.25" for i in range(900)])),
    (Column("n", Kind.FLOAT, "double precision"), pa.array([i / 8 for i in range(900)])),
    (Column("n", Kind.DATE, "date"), pa.array([date(1990, 1, 1) + timedelta(days=i) for i in range(900)])),
    (Column("n", Kind.TIMESTAMP, "timestamp"), pa.array([datetime(1990, 1, 1) + timedelta(days=i) for i in range(900)],
                                                        pa.timestamp("us"))),
]  # fmt: skip


@pytest.mark.parametrize(("column", "values"), NUMBERS, ids=lambda v: v.native_type if isinstance(v, Column) else "")
def test_numbers_and_dates(column, values):
    """Of the column's Arrow type, near the source's range, distinct beyond the source's own number of values."""
    found = invent(column, values, 5000, unique=True, table="t")
    assert found.type == values.type
    assert len(found.unique()) == 5000
    few = invent(column, values, 200, table="t")
    if few.type != pa.string():
        low, high = pc.min_max(values).as_py().values()
        assert low <= pc.min(few).as_py() <= pc.max(few).as_py() <= high


def test_phones_and_cards_stored_as_numbers():
    """They stay integers of the same length."""
    found = invent(Column("phone", Kind.INTEGER, "bigint"), pa.array(range(2065550000, 2065551000)), 500, unique=True)
    assert found.type == pa.int64()
    assert all(len(str(value)) == 10 for value in found.to_pylist())
    assert len(found.unique()) == 500


def test_a_small_integer_type_runs_out():
    """A smallint has no hundred thousand different values."""
    with pytest.raises(SchemaError, match="smallint"):
        invent(Column("n", Kind.INTEGER, "smallint"), pa.array(range(100)), 100_000, unique=True, table="t")


def test_empty_source_and_no_rows():
    """Names and types are enough to start from; no rows are no rows."""
    for name in COLUMNS:
        assert len(invent(text(name), pa.array([], pa.string()), 5)) == 5
        assert len(invent(text(name), COLUMNS[name], 0)) == 0
    for column, values in NUMBERS:
        assert invent(column, values.slice(0, 0), 5).type == values.type


def test_shapes_give_each_position_an_alphabet():
    """The shape of ``AB-0417`` is two letters, a fixed mark, four digits."""
    letters = zip("ABCDEFGH" * 5, "QRSTUVWX" * 5, strict=True)
    (shape,) = learn_shapes([f"{a}{b}-{i:04d}" for i, (a, b) in enumerate(letters)])
    assert positions_of(shape)[2] == "-"
    assert positions_of(shape)[0] == string.ascii_uppercase


@pytest.mark.parametrize("length", [None, 12])
@pytest.mark.parametrize("unique", [False, True])
def test_short_codes_are_none_of_the_real_ones(unique, length):
    """Though they have the same shape, and the real ones are the first of it."""
    for real in ([f"CUST-{i:05d}" for i in range(300)], [f"{c}{i:03d}" for c in "KLM" for i in range(250)]):
        found = invent(text("code", length=length), real, unique=unique, table="t").to_pylist()
        assert not set(found) & set(real)
        assert {len(value) for value in found} <= {len(real[0]), len(real[0]) + 1}


def test_codes_that_fill_their_type_are_drawn_all_the_same():
    """A thousand three-digit codes are all there are."""
    column = text("code", length=3)
    assert len(invent(column, [f"{i:03d}" for i in range(1000)], unique=True, table="t").unique()) == 1000


def test_places_of_one_row_agree():
    """A postcode has one city; a city lies in one region of one country; cities are named in the country's language."""
    n = 600
    table = Table("customer", tuple(map(text, ("country", "state", "city", "zip"))))
    real = {"city": [f"X{i % 150}ville" for i in range(n)], "zip": [f"{10000 + 31 * (i % 300)}" for i in range(n)]}
    learned = {c: learn_fabricator("customer", text(c), pa.array(v), unique=False) for c, v in real.items()}
    country = np.array(["Germany", "IT", "fra", "Nowhere", None], dtype=object)[np.arange(n) % 5]
    given = {"country": pa.array(country), "state": pa.array([f"s{i % 2}" for i in range(n)])}
    found = fabricate_table(learned, table, n, np.random.default_rng(0), given)
    rows = list(zip(*(array.to_pylist() for array in (found["zip"], found["city"], *given.values())), strict=True))
    for i in (0, 1):
        told = {}
        assert all(told.setdefault(row[i], row[i + 1 :]) == row[i + 1 :] for row in rows)
    assert len(set(found["city"].to_pylist())) > 40
    alone = fabricate_table(learned, table, n, np.random.default_rng(0))
    told = {}
    pairs = zip(alone["zip"].to_pylist(), alone["city"].to_pylist(), strict=True)
    assert all(told.setdefault(code, city) == city for code, city in pairs)


@pytest.mark.parametrize("provider", ["job", "color_name", "license_plate", "date_of_birth"])
def test_providers_that_the_user_names(provider):
    """Any of Faker's, unique where asked for, within the column's length."""
    learned = learn_fabricator("t", text("x", length=12), pa.array(["a"] * 5), unique=True, provider=provider)
    found = fabricate(Fabricator.from_json(json.loads(json.dumps(learned.to_json()))), text("x", length=12), 200, RNG)
    assert is_unique(found)
    assert len(found) == 200
    assert pc.max(pc.utf8_length(found)).as_py() <= 12


def test_arrays_that_recur_come_back_as_often():
    """Whole ones: a list of features holds each once."""
    column = Column("features", Kind.OTHER, "text[]")
    values = ["{Trailers}"] * 60 + ['{Trailers,"Deleted Scenes"}'] * 30 + ["{}"] * 10
    found = invent(column, values, 1000).to_pylist()
    assert set(found) == set(values)
    assert 540 < found.count("{Trailers}") < 660


@pytest.mark.parametrize(("table", "name"), [("city", "city"), ("address", "district")])
def test_lists_of_places_hold_places(table, name):
    values = pa.array([f"Xville{chr(97 + i % 26)}{chr(97 + i // 26)}" for i in range(300)])
    assert learn_fabricator(table, text(name), values, unique=False).how == "city"
    codes = pa.array([f"C-{i:04}" for i in range(300)])
    assert learn_fabricator(table, text(name), codes, unique=False).how != "city"
