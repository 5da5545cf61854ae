"""The verb `evaluate`, on databases of every kind: itself, its shuffles, what leaks, and what cannot be compared."""

from __future__ import annotations

import json
import random
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from dbsynth import cli, jobs
from dbsynth.config import Settings
from dbsynth.errors import ConfigError, SchemaError
from dbsynth.quality.evaluation import LAYOUT
from dbsynth.shop import build_shop

Run = Callable[..., tuple[int, str, str]]
Sql = Callable[[str, str], list[tuple[Any, ...]]]

TABLES = ("category", "country", "customer", "order", "order_item", "product", "product_tag", "tag")
LIKENESS = ("1-way", "cardinality", "0-hop", "1-hop", "2-hop", "avg 2-way", "column-degree", "intra-group")


def url(path: Path) -> str:
    return f"sqlite:///{path}"


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo's shop."""
    path = tmp_path_factory.mktemp("shop") / "shop.db"
    build_shop(path, 0)
    return path


@pytest.fixture
def change(shop: Path, tmp_path: Path) -> Callable[..., Path]:
    """`change("UPDATE …")` is a copy of the shop after these statements."""

    def change(*statements: str) -> Path:
        path = tmp_path / f"changed {random.getrandbits(32)}.db"
        shutil.copy(shop, path)
        with closing(sqlite3.connect(path)) as connection, connection:
            connection.execute("PRAGMA foreign_keys = OFF")
            connection.execute("PRAGMA ignore_check_constraints = ON")
            for statement in statements:
                connection.execute(statement)
        return path

    return change


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """`run("evaluate", url, url)` is the exit status, stdout and stderr, in this process."""

    def run(*arguments: object) -> tuple[int, str, str]:
        status = cli._run([str(argument) for argument in arguments])
        return status, *capsys.readouterr()

    return run


def figures(real: Path, synthetic: Path, **options: Any) -> dict[str, float]:
    """The summary, without what is trained for."""
    evaluation = jobs.evaluate(url(real), url(synthetic), extras=False, **options)
    return {name: item.score for name, item in evaluation.summary.items()}


# --- what the figures say


def test_a_database_against_itself_is_like_and_shouts_of_copies(shop: Path) -> None:
    scores = figures(shop, shop)
    assert {name: scores[name] for name in LIKENESS} == pytest.approx(dict.fromkeys(LIKENESS, 100.0))
    assert scores["dangling"] == 0
    assert scores["copies"] > 10


def test_a_shuffled_key_breaks_what_hangs_on_it_and_nothing_else(shop: Path, change: Callable[..., Path]) -> None:
    with closing(sqlite3.connect(shop)) as connection:
        orders = connection.execute('SELECT id, customer_id FROM "order" ORDER BY id').fetchall()
    customers = [customer for _, customer in orders]
    random.Random(0).shuffle(customers)
    pairs = zip((order for order, _ in orders), customers, strict=True)
    updates = (f'UPDATE "order" SET customer_id = {customer} WHERE id = {order}' for order, customer in pairs)
    scores = figures(shop, change(*updates))
    assert [scores[name] for name in ("1-way", "0-hop", "cardinality")] == pytest.approx([100, 100, 100])
    assert scores["1-hop"] < 99.5
    assert scores["intra-group"] < 99.5


def test_the_same_rows_on_three_servers_are_the_same(
    shop: Path, new_postgres: Callable[[], str], new_mysql: Callable[[], str]
) -> None:
    """Types differ from dialect to dialect, and values do not."""
    kept = Settings(keep=TABLES)
    for make in (new_postgres, new_mysql):
        target = make()
        jobs.clone(url(shop), target, kept, evaluate=False)
        for real, synthetic in ((url(shop), target), (target, url(shop))):
            evaluation = jobs.evaluate(real, synthetic, extras=False)
            found = {name: evaluation.summary[name].score for name in LIKENESS}
            assert found == pytest.approx(dict.fromkeys(LIKENESS, 100.0))


def test_the_same_seed_gives_the_same_figures(shop: Path, change: Callable[..., Path]) -> None:
    other = change("UPDATE customer SET credit_limit = credit_limit + id % 3")
    options = {"sample_rows": 300, "extras": False}
    first, second = (jobs.evaluate(url(shop), url(other), Settings(seed=5), **options).to_json() for _ in range(2))
    for part in ("summary", "items", "tables", "notes"):
        assert json.dumps(first[part]) == json.dumps(second[part])


def test_a_hold_out_tells_what_was_learned_by_heart(shop: Path, change: Callable[..., Path]) -> None:
    """Half of the customers are known; the other half are the hold-out."""
    halves = [change(f"DELETE FROM customer WHERE id % 2 = {half}") for half in (0, 1)]
    evaluation = jobs.evaluate(url(halves[0]), url(halves[0]), extras=False, holdout_url=url(halves[1]))
    assert evaluation.summary["mia auc"].score > 0.8


# --- what it prints, writes and returns


def test_the_command_prints_likeness_and_privacy(shop: Path, run: Run) -> None:
    status, out, _ = run("evaluate", url(shop), url(shop), "--no-extras")
    assert status == 0
    headings = [out.index(f"\n{word}") for word in ("Likeness", "  1-way", "Privacy", "  copies")]
    assert headings == sorted(headings)


def test_the_document_has_its_layout(shop: Path, tmp_path: Path, run: Run) -> None:
    path = tmp_path / "figures.json"
    assert run("evaluate", url(shop), url(shop), "--no-extras", "--quiet", "--json", path) == (0, "", "")
    document = json.loads(path.read_text())
    assert document["layout"] == LAYOUT
    assert set(document) == {"layout", "about", "summary", "tables", "items", "notes"}
    assert document["about"]["real"] == url(shop)
    assert {"seconds", "seed", "versions", "at"} <= set(document["about"])
    assert document["summary"]["1-way"]["score"] == pytest.approx(100)
    assert {table["name"] for table in document["tables"]} == set(TABLES)
    item = next(item for item in document["items"] if item["measure"] == "1-hop")
    assert set(item) == {
        "measure", "tables", "columns", "foreign_keys", "score", "reference", "low", "high", "rows", "note"
    }  # fmt: skip


def test_the_document_on_stdout_stands_alone(shop: Path, run: Run) -> None:
    status, out, _ = run("evaluate", url(shop), url(shop), "--no-extras", "--json", "-")
    assert status == 0
    assert json.loads(out)["layout"] == LAYOUT


def test_thresholds_set_the_exit_status(shop: Path, run: Run) -> None:
    arguments = ("evaluate", url(shop), url(shop), "--no-extras", "--quiet", "--tables", "customer")
    assert run(*arguments, "--fail-under", "1way=95", "--fail-under", "avg_2way=90") == (0, "", "")
    status, out, err = run(*arguments, "--fail-under", "1way=95", "--fail-over", "copies=1")
    assert (status, out) == (4, "")
    assert err.startswith("dbsynth: copies, ")
    status, _, err = run(*arguments, "--fail-over", "c2st=0.6")
    assert status == 4
    assert "c2st has no figure" in err
    assert run(*arguments, "--fail-over", "beauty=1")[0] == 1


def test_the_page_is_written(shop: Path, tmp_path: Path, run: Run) -> None:
    page = tmp_path / "page.html"
    assert run("evaluate", url(shop), url(shop), "--no-extras", "--quiet", "--report", page)[0] == 0
    text = page.read_text()
    assert text.lower().startswith("<!doctype html>")
    assert all(table in text for table in TABLES)


@pytest.mark.parametrize("option", ["--report", "--json"])
def test_a_file_that_cannot_be_written_is_said_first(option: str, shop: Path, tmp_path: Path, run: Run) -> None:
    status, _, err = run("evaluate", url(shop), url(shop), option, tmp_path / "missing" / "file")
    assert status == 1
    assert "cannot be written" in err


def test_a_clone_ends_with_both_and_may_hold_out(shop: Path, tmp_path: Path, run: Run) -> None:
    quick = ("--iterations", 5, "--n-clusters", 2, "--layers", "16,16")
    page = tmp_path / "page.html"
    options = ("--holdout", "--json", "--report", page, *quick)
    status, out, _ = run("clone", url(shop), url(tmp_path / "target.db"), *options)
    assert status == 0
    document = json.loads(out)
    assert {"1-way", "copies", "mia auc"} <= set(document["evaluation"]["summary"])
    assert document["evaluation"]["about"]["holdout"] == 0.05
    assert page.exists()
    customers = next(t for t in document["tables"] if t["name"] == "customer")
    assert abs(customers["rows"] - customers["real_rows"]) <= 0.03 * customers["real_rows"]


# --- what cannot be compared


def test_other_schemas_are_compared_in_what_they_share(shop: Path, change: Callable[..., Path]) -> None:
    other = change("DROP TABLE product_tag", "ALTER TABLE customer DROP COLUMN newsletter", "CREATE TABLE more (x INT)")
    evaluation = jobs.evaluate(url(shop), url(other), extras=False)
    assert evaluation.summary["1-way"].score == pytest.approx(100)
    assert {
        "table product_tag is only in the real database", "table more is only in the synthetic database",
        "column customer.newsletter is only in the real database",
    } <= set(evaluation.notes)  # fmt: skip


def test_nothing_in_common_is_an_error(shop: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.db"
    with closing(sqlite3.connect(other)) as connection:
        connection.execute("CREATE TABLE other (x INT)")
    with pytest.raises(SchemaError, match="no table in common"):
        jobs.evaluate(url(shop), url(other))
    with pytest.raises(ConfigError, match="'others'"):
        jobs.evaluate(url(shop), url(shop), tables=["others"])


@pytest.mark.parametrize("statements", [
    ['DELETE FROM "order"'],
    [f'DELETE FROM "{table}"' for table in TABLES],
    ["UPDATE customer SET birth_date = NULL, phone = NULL"],
    ["DELETE FROM customer WHERE id > 1"],
    ["UPDATE customer SET credit_limit = 'much', registered_at = 'once'"],
])  # fmt: skip
def test_whatever_is_wrong_with_one_side_the_rest_is_measured(
    statements: list[str], shop: Path, change: Callable[..., Path], tmp_path: Path
) -> None:
    other = change(*statements)
    few = {"tables": ["country", "customer", "order"], "sample_rows": 100}
    for number, (real, synthetic) in enumerate([(shop, other), (other, shop), (other, other)]):
        page = tmp_path / f"{number}.html"
        evaluation = jobs.evaluate(url(real), url(synthetic), **few, extras=number == 0, page=page)
        assert json.dumps(evaluation.to_json(), allow_nan=False)
        assert page.stat().st_size > 1000
