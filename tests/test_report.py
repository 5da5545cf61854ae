"""The page: one file, whole, safe from the names in it, and drawn by a real browser without a complaint."""

from __future__ import annotations

import html
import json
import os
import re
import shutil
import subprocess
from collections import Counter
from html.parser import HTMLParser
from itertools import combinations
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dbsynth.quality.comparison import Comparison
from dbsynth.quality.evaluation import ColumnNote, Evaluation, TableNote
from dbsynth.quality.glossary import PRIVACY, TERMS
from dbsynth.quality.items import Item
from dbsynth.quality.likeness import measure
from dbsynth.quality.report import render
from dbsynth.quality.report.distributions import Distribution, Distributions, Groups, distributions
from dbsynth.quality.report.layers import lay_out
from dbsynth.quality.report.measured import measured
from dbsynth.quality.report.schema_picture import draw_schema
from dbsynth.schema import Column, ForeignKey, Kind, Schema, Table

SECTIONS = [
    "verdict", "likeness", "schema", "reading", "tables", "keys", "tests", "privacy", "fates", "worst", "settings",
]  # fmt: skip
TAME = ["customer", "order", "country", "name", "day", "status", "price", "customer_id"]
HOSTILE = [
    "<script>alert(1)</script>",
    "\"><img src=x onerror='alert(1)'>",
    "a" * 63,
    "🦆🦆\u202e\u05d0\u05d1\u05d2</title></style></svg>",
    "{{ 7 * 7 }}{% raw %}",
    "' onmouseover='alert(1)' x='",
    "&lt;b&gt;&amp;\x00\x1b",
    "]]><!--",
]


def compared(names: list[str], n: int = 400) -> Comparison:
    """Customers, their orders and a table of its own, with these names of tables and columns."""
    customer, order, country, name, day, status, price, customer_id = names
    key = Column("id", Kind.INTEGER, "")
    tables = (
        Table(customer, (key, Column(name, Kind.TEXT, ""), Column(status, Kind.TEXT, ""), Column(price, Kind.FLOAT, ""),
                         Column("friend", Kind.INTEGER, "")), ("id",)),
        Table(order, (key, Column(customer_id, Kind.INTEGER, ""), Column(day, Kind.DATE, ""),
                      Column(status, Kind.TEXT, ""), Column(price, Kind.DECIMAL, "")), ("id",)),
        Table(country, (key, Column(name, Kind.TEXT, "")), ("id",)),
    )  # fmt: skip
    keys = (
        ForeignKey("k", order, (customer_id,), customer, ("id",)),
        ForeignKey("f", customer, ("friend",), customer, ("id",)),
    )

    def side(seed: int) -> dict[str, pa.Table]:
        rng = np.random.default_rng(seed)
        words = np.array([*names[:4], "d"])
        return {
            customer: pa.table({
                "id": range(n // 4), name: rng.permutation(n // 4).astype(str), status: rng.choice(words, n // 4),
                price: rng.lognormal(2, 1, n // 4), "friend": rng.integers(0, n // 4, n // 4),
            }),
            order: pa.table({
                "id": range(n), customer_id: rng.integers(0, n // 4, n), status: rng.choice(words, n),
                day: pa.array([None if d < 300 else int(d) for d in rng.integers(0, 9000, n)], pa.date32()),
                price: rng.normal(50, 9 + seed, n).round(2),
            }),
            country: pa.table({"id": range(9), name: ["x"] * 9}),
        }  # fmt: skip

    return Comparison.of(Schema("sqlite", tables, keys), side(0), side(1), leave_out={(customer, name)}, kept={country})


def evaluated(names: list[str]) -> tuple[Evaluation, Distributions]:
    """The whole evaluation, measured where that is quick and made up elsewhere."""
    comparison = compared(names)
    measures = measure(comparison, rng=np.random.default_rng(0))
    kept = comparison.kept
    notes = tuple(
        TableNote(table.name, comparison.real.count(table.name), comparison.synthetic.count(table.name),
                  table.name in kept, tuple(ColumnNote(c.name, c.kind, "modelled", names[0]) for c in table.columns))
        for table in comparison.schema.tables
    )  # fmt: skip
    others = [
        Item(name, tables, columns, (), 0.6 if TERMS[name].unit == "share" else 7.0, 0.5, 0.4, 8.0, 99, names[1])
        for name in (*PRIVACY, "c2st", "efficacy", "alpha-precision")
        for tables, columns in (((), ()), ((names[0],), ()), ((names[1],), (names[4],)))
    ]
    missing = Item("beta-recall", (), note=f"no rows in {names[0]}")
    about = {
        "real": f"sqlite:///{names[0]}", "at": "2026-01-02T03:04:05+00:00", "seed": 0, "versions": {"dbsynth": "0"},
        "settings": {names[3]: names[4]},
    }  # fmt: skip
    items = (*measures.summary(), *measures.items, *others, missing)
    return Evaluation(notes, items, (f"table {names[2]} is kept",), about), distributions(comparison)


@pytest.fixture(scope="module")
def tame() -> str:
    return render(*evaluated(TAME))


@pytest.fixture(scope="module")
def hostile() -> str:
    return render(*evaluated(HOSTILE))


class _Elements(HTMLParser):
    """How often each element comes, with the names of its attributes; and all text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.counts: Counter[tuple[str, ...]] = Counter()
        self.texts: list[str] = []
        self.ids: list[str | None] = []
        self.feed(page)
        self.text = " ".join("".join(self.texts).split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag != "wbr":  # where a line may break depends on the name
            self.counts[tag, *sorted(name for name, _ in attrs)] += 1
        self.ids += [value for name, value in attrs if name == "id"]

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


class TestPage:
    def test_every_section_is_there(self, tame):
        found = _Elements(tame).ids
        assert [name for name in SECTIONS if name not in found] == []
        assert len(found) == len(set(found))

    def test_it_needs_nothing_from_elsewhere(self, tame):
        elsewhere = r"https?:|//[a-z]|@import|url\(|<script|<iframe|<img|\son\w+="
        assert not re.search(elsewhere, tame.replace("sqlite://", ""))
        assert "default-src 'none'" in tame

    def test_the_same_evaluation_gives_the_same_page(self, tame):
        assert render(*evaluated(TAME)) == tame

    def test_it_begins_with_what_was_compared_and_when(self, tame):
        head = _Elements(tame.partition("<nav")[0]).text
        assert "Real: sqlite:///customer, 509 rows in 3 tables Synthetic: 509 rows in 3 tables" in head
        assert "Compared on 2026-01-02 03:04 UTC" in head

    def test_a_score_above_its_ceiling_is_explained_beside_the_scores(self, tame):
        assert "It may pass it" in tame.partition('<section id="likeness">')[2].partition("</section>")[0]

    def test_names_make_no_markup(self, tame, hostile):
        assert _Elements(hostile).counts == _Elements(tame).counts

    def test_names_are_shown_as_they_are(self, hostile):
        text = _Elements(hostile).text
        for name in HOSTILE:
            assert re.sub(r"[\x00\x1b\u202e]", "\ufffd", name) in text

    def test_a_page_is_a_file_in_utf8(self):
        page = render(Evaluation((), (), ("\ud800 half",)), Distributions({}, {}, ()))
        assert "\ufffd half" in page.encode().decode()

    def test_what_was_not_measured_says_why(self, tame):
        text = _Elements(tame).text
        assert "No rows in customer." in text
        assert "not measured" in text
        assert "nan" not in text.lower().split()

    def test_privacy_has_its_meaning_reference_interval_and_note(self, tame):
        text = _Elements(tame).text
        for name in PRIVACY:
            assert TERMS[name].title.capitalize()[1:] in text
        assert "95 % interval 0.40 – 8.00" in text
        assert "real rows: 0.50" in text

    def test_what_chance_explains_is_not_painted_as_a_leak(self):
        note = "2 invented values are real ones, as chance alone would have it"
        items = [
            Item("fabricated overlap", tables, columns, (), 0.1, 0.0, note=note)
            for tables, columns in (((), ()), (("order",), ("code",)))
        ]
        found = measured(Evaluation((), tuple(items)), "fabricated overlap", is_privacy=True)
        assert (found.whole.grade, found.parts[0].figure.grade) == ("n", "n")
        assert found.parts[0].figure.note == ""  # said once, of the whole

    def test_the_worst_comes_first_and_what_is_no_evidence_last(self):
        items = [
            Item("copies", ("a",), score=5.0, reference=4.9, low=4.0, high=6.0),
            Item("copies", ("b",), score=3.0, reference=0.1, low=2.5, high=3.5),
            Item("copies", ("c",), score=9.0, reference=0.0, low=1.0, high=20.0, note="no evidence: few rows"),
            Item("copies", ("d",), note="no rows"),
        ]
        found = measured(Evaluation((), tuple(items)), "copies", is_privacy=True)
        assert [part.figure.label for part in found.parts] == ["b", "a", "c"]
        assert [part.figure.grade for part in found.parts] == ["d", "n", "n"]
        assert found.missing == (("no rows", "d"),)

    def test_invented_columns_are_not_drawn(self, tame):
        assert ">17<" not in tame  # a value of the column that is left out
        assert tame.count('class="card"') == 2 + 3 + 1 + 2  # two columns of customers, three of orders, one kept; keys

    def test_an_evaluation_of_nothing_is_a_page(self):
        page = _Elements(render(Evaluation((), ()), Distributions({}, {}, ())))
        assert "is not known" in page.text
        assert "Privacy was not measured" in page.text

    def test_many_tables_stay_small_and_closed(self):
        names = [f"t{i}" for i in range(60)]
        tables = tuple(TableNote(name, 1000, 1000, False) for name in names)
        shares = tuple(float(x) for x in np.full(30, 1 / 30))
        picture = Distribution(tuple(map(str, range(30))), shares, shares, ticks=tuple(map(str, range(31))))
        columns = {(name, f"c{i}"): picture for name in names for i in range(10)}
        keys = tuple(Groups(names[i // 3], names[i], f"{names[i]}.p", False, picture) for i in range(1, 60))
        items = tuple(Item("1-way", (table,), (column,), (), 97.0, 99.0) for table, column in columns)
        page = render(Evaluation(tables, items), Distributions(columns, {}, keys))
        assert len(page) < 2_000_000
        assert " open>" not in page


class TestSchemaPicture:
    @given(st.data(), st.integers(1, 25))
    @settings(max_examples=40)
    def test_boxes_keep_apart_and_children_stand_right_of_their_parents(self, data, n):
        names = [f"t{i}" for i in range(n)]
        pairs = list(combinations(names, 2))
        edges = data.draw(st.lists(st.sampled_from(pairs), max_size=40)) if pairs else []
        keys = [Groups(a, b, f"{b}.{i}", False, Distribution()) for i, (a, b) in enumerate(edges)]
        keys.append(Groups(names[0], names[0], f"{names[0]}.self", True, Distribution()))
        tables = [TableNote(name, 5, 5, False) for name in names]
        picture = draw_schema(tables, keys, {}, dict.fromkeys(keys), dict.fromkeys(names, "x"))
        box = {b.name: b for b in picture.boxes}
        assert list(box) == names
        assert len(picture.wires) == len(edges)
        for a, b in edges:
            assert box[a].x + picture.box_width < box[b].x
        for a, b in combinations(picture.boxes, 2):
            assert a.x != b.x or a.y + a.height <= b.y + 1e-6 or b.y + b.height <= a.y + 1e-6
        for b in picture.boxes:
            assert 0 <= b.x <= picture.width - picture.box_width
            assert -1e-6 <= b.y <= picture.height - b.height + 1e-6

    def test_lines_that_need_not_cross_do_not(self):
        heights = dict.fromkeys(["a", "b", "c", "x", "y", "z"], 10.0)
        layers, _, _ = lay_out(heights, [("a", "z"), ("b", "y"), ("c", "x")])
        place = {name: i for layer in layers for i, name in enumerate(layer)}
        assert place["a"] == place["z"]
        assert place["c"] == place["x"]


_PROBE = """
<!doctype html><meta charset="utf-8"><body>PAGES<pre id="found"></pre><script>
addEventListener("load", () => {
  const found = [...document.querySelectorAll("iframe")].map(frame => {
    const page = frame.contentDocument, root = page.documentElement;
    const drawn = [...page.querySelectorAll("svg")].map(svg => [svg.getBoundingClientRect(), svg]);
    return {
      width: root.clientWidth, scroll: root.scrollWidth,
      sections: [...page.querySelectorAll("header[id], section[id]")].map(s => [s.id, s.offsetHeight]),
      svgs: drawn.length,
      flat: drawn.filter(([box]) => !(box.width > 0 && box.height > 0)).map(([, svg]) => svg.outerHTML.slice(0, 200)),
      empty: drawn.filter(([, svg]) => !svg.querySelector("path, rect")).length,
      requests: frame.contentWindow.performance.getEntriesByType("resource").map(e => e.name),
      alien: page.querySelectorAll("script, img, iframe, object, embed, form").length,
      text: page.body.textContent.length,
    };
  });
  document.getElementById("found").textContent = JSON.stringify(found);
});
</script>
"""


@pytest.fixture(scope="module")
def browser() -> str:
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
    path = next((found for name in names if (found := shutil.which(name))), None)
    if path is None:
        message = "no Chromium to open the page in; apt-get install chromium"
        if os.environ.get("DBSYNTH_REQUIRE_SERVERS") == "1":
            pytest.fail(message, pytrace=False)
        pytest.skip(message)
    return path


def _open(browser: str, page: str, folder: Path) -> tuple[str, str]:
    """The page's elements once it stands, and what the browser's console said."""
    (folder / "page.html").write_text(page, encoding="utf-8")
    done = subprocess.run(
        [browser, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--enable-logging=stderr",
         "--no-first-run", f"--user-data-dir={folder / 'profile'}", "--window-size=1400,900", "--dump-dom",
         (folder / "page.html").as_uri()],
        capture_output=True, encoding="utf-8", timeout=120, check=True,
    )  # fmt: skip
    return done.stdout, "\n".join(line for line in done.stderr.splitlines() if "CONSOLE" in line)


@pytest.fixture(scope="module")
def found(browser, tame, hostile, tmp_path_factory) -> dict[tuple[str, int], dict]:
    """What a browser makes of both pages, all open, on a laptop and on a phone."""
    cases = [(name, page, width) for name, page in (("tame", tame), ("hostile", hostile)) for width in (1280, 390)]
    frames = (
        f'<iframe width="{width}" height="800" srcdoc="{html.escape(page.replace("<details ", "<details open "))}">'
        "</iframe>"
        for _, page, width in cases
    )
    dom, console = _open(browser, _PROBE.replace("PAGES", "".join(frames)), tmp_path_factory.mktemp("browser"))
    assert console == ""
    answers = json.loads(html.unescape(re.search(r'<pre id="found">(.*?)</pre>', dom, re.DOTALL)[1]))
    return {(name, width): answer for (name, _, width), answer in zip(cases, answers, strict=True)}


class TestBrowser:
    def test_the_page_opens_without_a_complaint(self, browser, tame, tmp_path):
        dom, console = _open(browser, tame, tmp_path)
        assert console == ""
        assert _Elements(dom).counts == _Elements(tame).counts

    @pytest.mark.parametrize("name", ["tame", "hostile"])
    @pytest.mark.parametrize("width", [1280, 390])
    def test_all_is_drawn_and_fits(self, found, name, width):
        answer = found[name, width]
        assert [section for section, height in answer["sections"] if height > 50] == SECTIONS
        assert answer["svgs"] > 40
        assert answer["flat"] == []
        assert answer["empty"] == 0
        assert answer["scroll"] <= answer["width"] <= width

    @pytest.mark.parametrize("name", ["tame", "hostile"])
    def test_nothing_is_asked_of_the_network_and_no_name_becomes_an_element(self, found, name):
        assert found[name, 1280]["requests"] == []
        assert found[name, 1280]["alien"] == 0
        assert found[name, 1280]["text"] > 10_000
