"""Categories: their codes, which of them are coded together, and their order."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from dbsynth.columns.categories import category_codes, joint_groups, order_by_meaning, redraw_rare
from dbsynth.columns.codec import TableData, learn_codecs
from dbsynth.columns.ranks import learn_quantiles, pool_rare
from dbsynth.schema import Column, Kind


@given(st.lists(st.one_of(st.none(), st.text(max_size=3))))
def test_codes_index_the_values(values: list) -> None:
    """Null is a category of its own."""
    codes, categories = category_codes(pa.array(values, pa.string()))
    assert [categories[c] for c in codes] == values
    assert len(set(categories)) == len(categories) == len(set(values))


@given(st.lists(st.one_of(st.none(), st.sampled_from("abc")), min_size=1), st.randoms())
def test_categories_do_not_depend_on_the_order_of_rows(values: list, random) -> None:
    """Nor, then, does anything learned from them."""
    shuffled = values.copy()
    random.shuffle(shuffled)
    assert category_codes(pa.array(values, pa.string()))[1] == category_codes(pa.array(shuffled, pa.string()))[1]


def test_truths_and_chunks() -> None:
    """Booleans are categories; chunks make no difference."""
    chunked = pa.chunked_array([pa.array([True, None]), pa.array([False, True])])
    codes, categories = category_codes(chunked)
    assert [categories[c] for c in codes] == [True, None, False, True]


columns = st.integers(1, 40).flatmap(
    lambda n: st.lists(st.lists(st.integers(0, 4), min_size=n, max_size=n).map(np.array), max_size=5)
)


@given(columns)
def test_groups_are_a_partition(codes: list[np.ndarray]) -> None:
    """Every column is in exactly one of them."""
    groups = joint_groups(codes)
    assert sorted(i for group in groups for i in group) == list(range(len(codes)))


def test_a_column_that_fixes_another_is_coded_with_it() -> None:
    """An operation and its type are; a coin beside them is not."""
    rng = np.random.default_rng(0)
    operation, coin = rng.integers(0, 30, 3000), rng.integers(0, 2, 3000)
    groups = joint_groups([operation, coin, operation % 3])
    assert sorted(map(tuple, groups)) == [(0, 2), (1,)]


def test_a_constant_column_stays_alone() -> None:
    """It depends on nothing."""
    assert joint_groups([np.zeros(9, np.int64), np.arange(9) % 3]) == [[0], [1]]


@given(st.integers(0, 30), st.integers(1, 6), st.integers(0, 3), st.integers(0, 100))
def test_positions_are_a_permutation(n: int, n_values: int, n_features: int, seed: int) -> None:
    """With and without rows, features, and rows of every value."""
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, n_values, n)
    positions = order_by_meaning(codes, n_values, rng.normal(size=(n, n_features)))
    assert sorted(positions.tolist()) == list(range(n_values))


def test_values_that_go_with_like_contexts_stand_side_by_side() -> None:
    """Months by their temperature: the order of the means, from either end."""
    rng = np.random.default_rng(3)
    codes = rng.integers(0, 6, 6000)
    mean = np.array([5.0, -3.0, 0.0, 4.0, -2.0, 1.0])
    positions = order_by_meaning(codes, 6, mean[codes][:, None] + rng.normal(size=(6000, 1)))
    found = np.argsort(positions).tolist()
    assert found in (np.argsort(mean).tolist(), np.argsort(-mean).tolist())


# -------------------------------------------------------------------------------------------------------- rare values


def test_rows_of_a_rare_tuple_take_the_tuples_most_like_it() -> None:
    """By their shares, and only such as occur."""
    tuples = np.array([[0, 0], [0, 1], [1, 2], [0, 2]])
    codes = np.repeat([0, 1, 2, 3], [60, 30, 10, 3])
    found = redraw_rare(codes, tuples, np.array([True, True, True, False]), np.array([2, 1]))
    assert (found[:100] == codes[:100]).all()
    assert set(found[100:]) <= {0, 1}
    many = redraw_rare(np.repeat([0, 1, 2], [60, 30, 90]), tuples[:3, :1] + [[0], [1], [2]],
                       np.array([True, True, False]), np.array([1]))  # fmt: skip
    assert np.abs(np.bincount(many[90:]) - [60, 30]).max() <= 2


@given(st.lists(st.integers(0, 40), max_size=120), st.integers(1, 8))
def test_no_number_of_few_rows_is_left(numbers: list[int], rare: int) -> None:
    """What is left stands in enough rows (0 and 1 aside, which are nobody's), in the order of the real values."""
    x = np.array(numbers, dtype=float)
    pooled = pool_rare(x, rare)
    values, counts = np.unique(pooled, return_counts=True)
    if len(x) >= rare:
        assert all(count >= rare or value in (0, 1) for value, count in zip(values, counts, strict=True))
    order = np.argsort(x, kind="stable")
    assert (np.diff(pooled[order]) >= -1e-9).all()
    if rare == 1:
        assert (pooled == x).all()


@given(st.integers(5, 60), st.integers(0, 50), st.integers(0, 2**31))
def test_the_greatest_number_is_not_told(n: int, spread: int, seed: int) -> None:
    """Neither from a column of few values nor from one of many."""
    rng = np.random.default_rng(seed)
    x = np.r_[rng.integers(100, 101 + spread, n), 987_654].astype(float)
    drawn = learn_quantiles(x, rare=5).decode(np.linspace(0, 1, 1001))
    assert drawn.max() < 900_000


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=4))
def test_a_handful_of_numbers_is_told_by_size_only(numbers: list[float]) -> None:
    """A range of half the first digit, that the column's type has room for."""
    x = np.array(numbers)
    drawn = learn_quantiles(x, rare=5).decode(np.linspace(0, 1, 11))
    assert np.abs(drawn).max() <= np.abs(x).max() + 1e-9


def test_a_tables_rare_values_are_not_in_its_codec() -> None:
    """Categories, tuples of categories that go together, numbers among few; nulls and truths stay."""
    n = 400
    place = [f"z{i % 20}" for i in range(n - 3)] + ["gone"] * 3
    rows = pa.table({
        "zip": place, "city": [f"c{int(z[1:]) // 4}" if z != "gone" else "lost" for z in place],
        "level": [i % 3 for i in range(n - 1)] + [77], "on": [i != 50 for i in range(n)],
        "word": [None, *["a", "b"] * ((n - 2) // 2), "a"],
    })  # fmt: skip
    kinds = {"zip": Kind.TEXT, "city": Kind.TEXT, "level": Kind.INTEGER, "on": Kind.BOOLEAN, "word": Kind.TEXT}
    columns = [Column(name, kind, str(kind)) for name, kind in kinds.items()]
    rare = dict.fromkeys(("zip", "city", "level", "word"), 5)
    codec, codes = learn_codecs({"t": TableData(rows, columns, rare=rare)}, [])["t"]
    types = {name: rows.column(name).type for name in rows.column_names}
    made = pa.table(codec.decode(codes.draw(np.random.default_rng(0)).astype(float), types)[0]).to_pydict()
    assert "gone" not in made["zip"]
    assert {f"c{int(z[1:]) // 4}" for z in made["zip"]} == set(made["city"])
    assert all(c == f"c{int(z[1:]) // 4}" for z, c in zip(made["zip"], made["city"], strict=True))
    assert set(made["level"]) == {0, 1, 2}
    assert False in made["on"]
    assert None in made["word"]
