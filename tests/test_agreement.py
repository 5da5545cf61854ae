"""Keys that share columns: parents agree, unique rows differ, and what agreed already stays."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbsynth.integrity.agreement import Claim, agree

N = 60


def claim(parents: np.ndarray, *, nullable: bool = False, one_to_one: bool = False, **codes: np.ndarray) -> Claim:
    """A key whose parents hold these values."""
    codes = {name: np.asarray(values) for name, values in codes.items()}
    n_parents = len(next(iter(codes.values())))
    free = frozenset(codes) - {"tenant"} if nullable else frozenset()
    return Claim(np.array(parents), codes, np.zeros((n_parents, 0)), np.ones(n_parents, bool), free, one_to_one)


def values(claims: list[Claim], name: str) -> np.ndarray:
    """What each key gives the rows for a column, int64 ``(n_claims, n)``."""
    held = [c for c in claims if name in c.codes]
    return np.stack([np.where(c.parents < 0, -1, c.codes[name][c.parents]) for c in held])


@given(st.integers(0, 10**6), st.integers(1, 6), st.booleans())
def test_parents_agree_in_what_they_share(seed: int, n_tenants: int, nullable: bool) -> None:
    """Each tenant has customers and products; a null key stays null, and every row finds its parents."""
    rng = np.random.default_rng(seed)
    customers = np.concatenate([np.arange(n_tenants), rng.integers(0, n_tenants, 20)])
    products = np.concatenate([np.arange(n_tenants), rng.integers(0, n_tenants, 7)])
    null = rng.random(N) < (0.3 if nullable else 0)
    one = claim(rng.integers(0, len(customers), N), tenant=customers, customer=np.arange(len(customers)))
    two = claim(np.where(null, -1, rng.integers(0, len(products), N)), nullable=nullable, tenant=products,
                product=np.arange(len(products)))  # fmt: skip
    before = one.parents.copy()
    assert agree([one, two], [], rng).all()
    tenants = values([one, two], "tenant")
    assert ((two.parents < 0) == null).all()
    assert (tenants[0] == tenants[1])[~null].all()
    assert (one.parents == before).all()  # it has the most parents


def test_parents_that_agree_stay() -> None:
    """Nothing is to be done."""
    tenant = np.arange(30) % 3
    one, two = (claim(np.arange(30), tenant=tenant, **{name: np.arange(30)}) for name in "ab")
    assert agree([one, two], [("tenant", "a", "b")], np.random.default_rng(0)).all()
    assert one.parents.tolist() == two.parents.tolist() == list(range(30))


@given(st.integers(0, 10**6))
def test_rows_differ_in_a_unique_set(seed: int) -> None:
    """As long as a tenant has pairs that no row holds."""
    rng = np.random.default_rng(seed)
    orders, products = np.arange(40) % 2, np.arange(8) % 2
    one = claim(rng.integers(0, 40, N), tenant=orders, order=np.arange(40))
    two = claim(rng.integers(0, 8, N), tenant=products, product=np.arange(8))
    stays = agree([one, two], [("tenant", "order", "product")], rng)
    pairs = list(zip(one.parents[stays].tolist(), two.parents[stays].tolist(), strict=True))
    assert len(set(pairs)) == len(pairs)
    assert (orders[one.parents] == products[two.parents])[stays].all()
    assert stays.sum() >= N - 2


def test_a_row_whose_group_has_no_parent_follows_one_that_has() -> None:
    """Tenant 1 has no products: its customers get no rows, unless the product may be null."""
    customers = np.array([0, 0, 1])
    for nullable in (False, True):
        one = claim(np.array([0, 1, 2]), tenant=customers, customer=np.arange(3))
        two = claim(np.array([0, 0, 0]), nullable=nullable, tenant=np.array([0]), product=np.array([0]))
        assert agree([one, two], [], np.random.default_rng(0)).all()
        assert (one.parents[2] == 2) == nullable
        assert (two.parents[2] == -1) == nullable


def test_rows_without_any_parents_are_named() -> None:
    """No tenant has both."""
    one = claim(np.zeros(4, int), tenant=np.array([0]), customer=np.array([0]))
    two = claim(np.zeros(4, int), tenant=np.array([1]), product=np.array([0]))
    assert not agree([one, two], [], np.random.default_rng(0)).any()


@pytest.mark.parametrize("n_teams", [2, 5])
def test_keys_that_are_apart_never_meet(n_teams: int) -> None:
    """Home and away."""
    rng = np.random.default_rng(1)
    home, away = (claim(rng.integers(0, n_teams, N), **{name: np.arange(n_teams)}) for name in ("home", "away"))
    home.apart.append(away)
    away.apart.append(home)
    sizes = np.bincount(home.parents, minlength=n_teams)
    assert agree([home, away], [], rng).all()
    assert not (home.parents == away.parents).any()
    assert n_teams == 2 or (np.abs(np.bincount(home.parents, minlength=n_teams) - sizes) <= 3).all()
