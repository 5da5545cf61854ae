"""The demo's source: a small shop in SQLite, every row of it invented here, with something to learn in each table.

```
country ──► customer ──► order ──► order_item ◄── product ◄── category
                 └─ referred_by_id                  └──► product_tag ◄── tag
```

Wealthier customers order more often and dearer things, prices follow the category, an order's status follows its date
and decides which dates are null, goods are delivered after they were shipped.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from .errors import TargetError

__all__ = ["build_shop"]

# Written into the file's header, so that a second run knows the file for its own and may replace it.
_APPLICATION_ID = 0x5B0B

_TABLES = """
CREATE TABLE country (
    code CHAR(2) PRIMARY KEY,
    name VARCHAR(40) NOT NULL UNIQUE,
    currency CHAR(3) NOT NULL,
    vat_rate DECIMAL(4, 2) NOT NULL CHECK (vat_rate >= 0)
);
CREATE TABLE category (
    id INTEGER PRIMARY KEY,
    parent_id INTEGER REFERENCES category (id),
    name VARCHAR(40) NOT NULL UNIQUE
);
CREATE TABLE tag (
    id INTEGER PRIMARY KEY,
    name VARCHAR(20) NOT NULL UNIQUE
);
CREATE TABLE product (
    id INTEGER PRIMARY KEY,
    category_id INTEGER NOT NULL REFERENCES category (id),
    sku CHAR(8) NOT NULL UNIQUE,
    name VARCHAR(80) NOT NULL,
    description TEXT,
    price DECIMAL(8, 2) NOT NULL CHECK (price > 0),
    weight_kg REAL CHECK (weight_kg > 0),
    in_stock INTEGER NOT NULL CHECK (in_stock >= 0),
    discontinued BOOLEAN NOT NULL CHECK (discontinued IN (0, 1))
);
CREATE TABLE product_tag (
    product_id INTEGER NOT NULL REFERENCES product (id),
    tag_id INTEGER NOT NULL REFERENCES tag (id),
    PRIMARY KEY (product_id, tag_id)
);
CREATE TABLE customer (
    id INTEGER PRIMARY KEY,
    name VARCHAR(60) NOT NULL,
    email VARCHAR(80) NOT NULL UNIQUE,
    phone VARCHAR(20),
    country_code CHAR(2) NOT NULL REFERENCES country (code),
    birth_date DATE,
    newsletter BOOLEAN NOT NULL CHECK (newsletter IN (0, 1)),
    credit_limit DECIMAL(8, 2) NOT NULL CHECK (credit_limit BETWEEN 0 AND 10000),
    registered_at TIMESTAMP NOT NULL,
    referred_by_id INTEGER REFERENCES customer (id)
);
CREATE TABLE "order" (
    id INTEGER PRIMARY KEY,
    customer_id INTEGER NOT NULL REFERENCES customer (id),
    status VARCHAR(10) NOT NULL CHECK (status IN ('open', 'paid', 'shipped', 'delivered', 'cancelled', 'returned')),
    ordered_at TIMESTAMP NOT NULL,
    shipped_on DATE,
    delivered_on DATE,
    discount_percent INTEGER NOT NULL CHECK (discount_percent BETWEEN 0 AND 50),
    note TEXT,
    CHECK (delivered_on >= shipped_on)
);
CREATE TABLE order_item (
    order_id INTEGER NOT NULL REFERENCES "order" (id),
    line INTEGER NOT NULL CHECK (line > 0),
    product_id INTEGER NOT NULL REFERENCES product (id),
    quantity INTEGER NOT NULL CHECK (quantity BETWEEN 1 AND 20),
    unit_price DECIMAL(8, 2) NOT NULL CHECK (unit_price > 0),
    PRIMARY KEY (order_id, line)
);
CREATE INDEX order_by_customer ON "order" (customer_id);
CREATE INDEX order_item_by_product ON order_item (product_id);
"""

# code, name, currency, VAT in percent, telephone prefix, share of the customers, how wealthy they are
_COUNTRIES = (
    ("AT", "Austria", "EUR", 20, "+43", 3, 0.2), ("BE", "Belgium", "EUR", 21, "+32", 3, 0.1),
    ("CH", "Switzerland", "CHF", 8.1, "+41", 4, 0.8), ("CZ", "Czechia", "CZK", 21, "+420", 2, -0.4),
    ("DE", "Germany", "EUR", 19, "+49", 14, 0.1), ("DK", "Denmark", "DKK", 25, "+45", 2, 0.4),
    ("ES", "Spain", "EUR", 21, "+34", 6, -0.3), ("FR", "France", "EUR", 20, "+33", 9, 0.0),
    ("IT", "Italy", "EUR", 22, "+39", 5, -0.2), ("NL", "Netherlands", "EUR", 21, "+31", 5, 0.2),
    ("PL", "Poland", "PLN", 23, "+48", 4, -0.6), ("SE", "Sweden", "SEK", 25, "+46", 3, 0.2),
)  # fmt: skip

# name, parent, typical price, typical weight in kg, nouns
_CATEGORIES = (
    ("Home", None, 0, 0, ()), ("Outdoor", None, 0, 0, ()), ("Paper", None, 0, 0, ()),
    ("Kitchen", "Home", 24, 0.8, ("pan", "kettle", "knife", "bowl", "grater")),
    ("Lighting", "Home", 62, 1.5, ("lamp", "lantern", "spotlight", "chandelier")),
    ("Furniture", "Home", 290, 18, ("chair", "table", "shelf", "bench", "stool")),
    ("Textiles", "Home", 35, 0.9, ("blanket", "cushion", "curtain", "towel")),
    ("Garden", "Outdoor", 40, 3, ("spade", "hose", "planter", "rake")),
    ("Camping", "Outdoor", 120, 4, ("tent", "stove", "sleeping bag", "backpack")),
    ("Cycling", "Outdoor", 75, 1.2, ("helmet", "pannier", "pump", "saddle")),
    ("Books", "Paper", 16, 0.4, ("novel", "atlas", "cookbook", "guide")),
    ("Stationery", "Paper", 6, 0.1, ("notebook", "pencil", "envelope", "ruler")),
)  # fmt: skip

_TAGS = ("bestseller", "clearance", "fragile", "gift", "handmade", "imported", "new", "organic", "premium", "vegan")
_MATERIALS = ("oak", "steel", "linen", "copper", "cork", "glass", "wool", "bamboo", "canvas", "birch")
_STYLES = ("Plain", "Nordic", "Folding", "Compact", "Classic", "Sturdy", "Light", "Little", "Grand", "Quiet")
_FIRST_NAMES = (
    "Ada", "Alma", "Anton", "Aylin", "Bela", "Bruno", "Carla", "Casper", "Dana", "Edith", "Elif", "Emil",
    "Enzo", "Femke", "Greta", "Hana", "Hugo", "Ida", "Ines", "Ivan", "Jana", "Jonas", "Karin", "Lars", "Lena",
    "Leo", "Livia", "Luca", "Magda", "Marek", "Mila", "Nils", "Nora", "Olga", "Oskar", "Petra", "Pia", "Rosa",
    "Ruben", "Sofia", "Sven", "Tara", "Theo", "Ulla", "Vera", "Viktor", "Wim", "Yara", "Zoe",
)  # fmt: skip
_SURNAME_BEGINS = (
    "Ander", "Berg", "Cor", "Dahl", "Ek", "Fer", "Gran", "Hol", "Iver", "Jan", "Kow", "Lind", "Mar", "Nor",
    "Oster", "Pal", "Ros", "Stern", "Thor", "Vand", "Wal", "Zim",
)  # fmt: skip
_SURNAME_ENDS = (
    "sen", "mann", "dotter", "eira", "alski", "quist", "ner", "ini", "eau", "berg", "holm", "stra", "ova",
    "feld", "ez", "ley",
)  # fmt: skip
_NOTES = (
    "please ring at the {}", "leave it with the neighbour at the {}", "call before delivery, {} entrance",
    "gift wrapping, card for {name}", "deliver after {hour} o'clock", "invoice to {name}",
)  # fmt: skip
_PLACES = ("back door", "side gate", "reception", "garage", "first floor", "bakery next door")

_FIRST_DAY, _TODAY = date(2023, 1, 1), date(2025, 6, 30)
_DAYS = (_TODAY - _FIRST_DAY).days

_CUSTOMERS, _PRODUCTS = 900, 640

Row = tuple[Any, ...]


def build_shop(path: Path, seed: int = 0) -> None:
    """Write the shop, about 11,000 rows in eight tables, to a SQLite file; the same seed gives the same rows.

    A shop that an earlier call left at the path is replaced.

    Raises:
        TargetError: another file is at the path, or the folder cannot be written.
    """
    path = Path(path)
    if path.exists() and not _is_shop(path):
        raise TargetError(f"{path} is there and is not the demo's shop; move it away or name another folder")
    unfinished = path.with_name(path.name + ".unfinished")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished.unlink(missing_ok=True)
        try:
            _write(unfinished, _rows(np.random.default_rng(seed)))
            os.replace(unfinished, path)
        finally:
            unfinished.unlink(missing_ok=True)
    except (OSError, sqlite3.OperationalError) as error:
        raise TargetError(f"cannot write the demo's shop to {path}: {error}") from error


def _is_shop(path: Path) -> bool:
    with path.open("rb") as file:
        header = file.read(72)
    return header.startswith(b"SQLite format 3\0") and int.from_bytes(header[68:72]) == _APPLICATION_ID


def _write(path: Path, rows: dict[str, list[Row]]) -> None:
    connection = sqlite3.connect(path)
    try:
        connection.executescript(f"PRAGMA application_id = {_APPLICATION_ID}; PRAGMA foreign_keys = ON; {_TABLES}")
        with connection:
            for table, content in rows.items():
                marks = ", ".join("?" * len(content[0]))
                connection.executemany(f'INSERT INTO "{table}" VALUES ({marks})', content)
    finally:
        connection.close()


def _rows(rng: np.random.Generator) -> dict[str, list[Row]]:
    """The content of every table, parents first."""
    categories = {name: number for number, (name, *_) in enumerate(_CATEGORIES, 1)}
    products, prices = _products(rng, categories)
    wealth = rng.normal(0, 0.6, _CUSTOMERS)
    customers = _customers(rng, wealth)
    orders = _orders(rng, customers, wealth)
    return {
        "country": [country[:4] for country in _COUNTRIES],
        "category": [(categories[name], categories.get(parent), name) for name, parent, *_ in _CATEGORIES],
        "tag": list(enumerate(_TAGS, 1)),
        "product": products,
        "product_tag": _product_tags(rng, products),
        "customer": customers,
        "order": orders,
        "order_item": _order_items(rng, orders, wealth, prices),
    }


def _products(rng: np.random.Generator, categories: dict[str, int]) -> tuple[list[Row], np.ndarray]:
    kinds = [entry for entry in _CATEGORIES if entry[4]]
    rows = []
    for number in range(1, _PRODUCTS + 1):
        name, _, typical_price, typical_weight, nouns = kinds[rng.integers(len(kinds))]
        size = rng.normal(0, 0.45)
        price = round(typical_price * float(np.exp(size)), 0) + _pick(rng, (0.0, 0.5, 0.9, 0.99))
        weight = round(typical_weight * float(np.exp(size + rng.normal(0, 0.3))), 3)
        title = f"{_pick(rng, _STYLES)} {_pick(rng, _MATERIALS)} {_pick(rng, nouns)}"
        discontinued = rng.random() < 0.12
        rows.append((
            number,
            categories[name],
            f"{name[:2].upper()}{rng.integers(100):02d}{number:04d}",
            title,
            f"{title}, about {weight:g} kg, sold since {rng.integers(2015, 2025)}." if rng.random() < 0.8 else None,
            price,
            max(weight, 0.01) if name != "Books" or rng.random() < 0.6 else None,
            0 if discontinued and rng.random() < 0.7 else int(rng.gamma(1.5, 900 / (price + 20))),
            int(discontinued),
        ))
    return rows, np.array([row[5] for row in rows])


def _product_tags(rng: np.random.Generator, products: list[Row]) -> list[Row]:
    liking = rng.dirichlet(np.full(len(_TAGS), 0.8), size=len(_CATEGORIES) + 1)  # by category
    rows = []
    for product in products:
        number = min(rng.poisson(2.2), len(_TAGS))
        odds = 0.2 / len(_TAGS) + 0.8 * liking[product[1]]
        tags = rng.choice(len(_TAGS), size=number, replace=False, p=odds / odds.sum())
        rows += [(product[0], int(tag) + 1) for tag in sorted(tags)]
    return rows


def _customers(rng: np.random.Generator, wealth: np.ndarray) -> list[Row]:
    """The customers; moves `wealth` by country and age, in place."""
    shares = np.array([country[5] for country in _COUNTRIES], dtype=float)
    registered = np.sort(rng.beta(1.2, 1.0, _CUSTOMERS)) * _DAYS
    rows: list[Row] = []
    for number in range(1, _CUSTOMERS + 1):
        code, *_, prefix, _, level = _COUNTRIES[rng.choice(len(_COUNTRIES), p=shares / shares.sum())]
        age = float(np.clip(rng.normal(43, 14), 18, 88))
        wealth[number - 1] += level + 0.012 * (age - 43)
        first, last = _pick(rng, _FIRST_NAMES), _pick(rng, _SURNAME_BEGINS) + _pick(rng, _SURNAME_ENDS)
        referred = number > 20 and rng.random() < 0.25
        rows.append((
            number,
            f"{first} {last}",
            f"{first}.{last}{number}@example.{_pick(rng, ('org', 'net', 'com'))}".lower(),
            f"{prefix} {rng.integers(100, 999)} {rng.integers(100000, 9999999)}" if rng.random() < 0.7 else None,
            code,
            str(_TODAY - timedelta(days=round(365.25 * age))) if rng.random() < 0.85 else None,
            int(rng.random() < (0.6 if age < 40 else 0.3)),
            float(np.clip(round(5 * np.exp(wealth[number - 1])) * 100, 0, 10000)),
            _moment(rng, registered[number - 1]),
            int(rng.integers(1, number)) if referred else None,
        ))
    return rows


def _orders(rng: np.random.Generator, customers: list[Row], wealth: np.ndarray) -> list[Row]:
    """Orders in the order of their dates; the wealthy and the long registered have more."""
    days = []
    for customer, level in zip(customers, wealth, strict=True):
        since = (datetime.fromisoformat(customer[8]).date() - _FIRST_DAY).days
        number = rng.poisson(1.6 * np.exp(level) * (0.4 + 1.8 * (_DAYS - since) / _DAYS))
        days += [(since + rng.random() * (_DAYS - since), customer[0]) for _ in range(number)]
    rows = []
    for number, (day, customer) in enumerate(sorted(days), 1):
        status = _status(rng, _DAYS - day)
        shipped = day + 1 + rng.exponential(1.5) if status in ("shipped", "delivered", "returned") else None
        delivered = shipped + 1 + rng.gamma(2, 1.2) if shipped and status != "shipped" else None
        rows.append((
            number,
            customer,
            status,
            _moment(rng, day),
            _day(shipped),
            _day(delivered),
            int(rng.choice([0, 5, 10, 20], p=[0.7, 0.15, 0.1, 0.05])),
            _note(rng) if rng.random() < 0.15 else None,
        ))
    return rows


def _status(rng: np.random.Generator, age: float) -> str:
    """What has become of an order of that many days."""
    if rng.random() < 0.06:
        return "cancelled"
    if age < 8:
        return _pick(rng, ("open", "paid"))
    if age < 25:
        return _pick(rng, ("open", "paid", "shipped", "shipped", "delivered"))
    return "returned" if rng.random() < 0.05 else "delivered"


def _order_items(rng: np.random.Generator, orders: list[Row], wealth: np.ndarray, prices: np.ndarray) -> list[Row]:
    """What each order holds: dear things for the wealthy, cheap ones by the dozen, at list price less the discount."""
    rows = []
    for order in orders:
        level = wealth[order[1] - 1]
        attraction = np.exp(-(((np.log(prices) - 3.3 - 0.9 * level) / 1.1) ** 2) / 2)
        number = 1 + min(rng.poisson(1.6), 9)
        chosen = rng.choice(len(prices), size=number, replace=False, p=attraction / attraction.sum())
        for line, product in enumerate(chosen, 1):
            quantity = 1 + min(rng.poisson(25 / (prices[product] + 8)), 19)
            paid = round(float(prices[product]) * (1 - order[6] / 100), 2)
            rows.append((order[0], line, int(product) + 1, int(quantity), paid))
    return rows


def _note(rng: np.random.Generator) -> str:
    name = f"{_pick(rng, _FIRST_NAMES)} {_pick(rng, _SURNAME_BEGINS)}{_pick(rng, _SURNAME_ENDS)}"
    return _pick(rng, _NOTES).format(_pick(rng, _PLACES), name=name, hour=rng.integers(9, 20))


def _moment(rng: np.random.Generator, day: float) -> str:
    """A timestamp on that day after the first, in waking hours."""
    second = int(np.clip(rng.normal(15.5, 3.5), 0, 23.99) * 3600)
    return str(datetime.combine(_FIRST_DAY, datetime.min.time()) + timedelta(days=int(day), seconds=second))


def _day(day: float | None) -> str | None:
    return None if day is None else str(min(_FIRST_DAY + timedelta(days=int(day)), _TODAY))


def _pick(rng: np.random.Generator, options: Sequence[Any]) -> Any:
    return options[rng.integers(len(options))]
