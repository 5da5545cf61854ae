"""One table's synthetic rows made to keep all that binds them: rules, CHECKs and uniqueness, together."""

from __future__ import annotations

from collections.abc import Collection
from functools import partial

import numpy as np
import pyarrow as pa

from .integrity.checks import named_together, reach, refused_rows, satisfy_checks
from .integrity.rules.hold import Parents, settle
from .integrity.rules.kinds import Copy, Fixed, Formula, Order, Rule
from .integrity.unique import part_repeats
from .model import DatabaseModel, unique_sets
from .plan import Fate
from .schema import Table

__all__ = ["hold", "tell_apart"]

_ROUNDS = 8  # of rules, CHECKs and uniqueness, each of which may undo another


def hold(
    model: DatabaseModel, table: Table, columns: dict[str, pa.Array], features: np.ndarray, parents: Parents,
    rng: np.random.Generator,
) -> dict[str, pa.Array]:  # fmt: skip
    """The columns, changed so that rules, CHECKs and uniqueness hold.

    What one of them changes may break another, so they take turns until nothing changes. CHECKs and uniqueness, which
    the target demands, have the last word.
    """
    rules, fates = model.rules_of(table.name), model.fates[table.name]
    unique = {name for names in unique_sets(table) for name in names}
    movable = {name for name, fate in fates.items() if fate in (Fate.MODELLED, Fate.COMPUTED)}
    movable |= {name for name, fate in fates.items() if fate is Fate.FABRICATED and name not in unique}
    linked = _linked(table, rules, model.schema.dialect)
    for _ in range(_ROUNDS):
        before = columns
        columns = settle(rules, columns, table, parents, features, rng)
        there = [name for name in columns if name in movable]
        columns = satisfy_checks(columns, table, model.schema.dialect, there, features, linked)
        columns = tell_apart(model, table, columns, rng, linked)
        if all(name in before and before[name].equals(array) for name, array in columns.items()):
            return columns
    return satisfy_checks(columns, table, model.schema.dialect, (), features, linked)


def _linked(table: Table, rules: Collection[Rule], dialect: str) -> list[frozenset[str]]:
    """The columns of one row that rules and CHECKs bind to one another, directly."""
    found = named_together(table, dialect)
    for rule in rules:
        if isinstance(rule, Formula):
            found.append(frozenset({rule.column, *rule.operands}))
        elif isinstance(rule, (Copy, Fixed, Order)) and getattr(rule, "key", None) is None:
            found.append(frozenset({rule.column, rule.other}))
    return found


def tell_apart(
    model: DatabaseModel, table: Table, columns: dict[str, pa.Array], rng: np.random.Generator,
    linked: Collection[frozenset[str]] = (), *, n_given: int = 0,
) -> dict[str, pa.Array]:  # fmt: skip
    """Uniqueness of keys that hold drawn columns; keys of parents only were parted when rows met.

    Args:
        n_given: how many of the first rows stay as they are.
    """
    fates, dialect = model.fates[table.name], model.schema.dialect
    for key in unique_sets(table):
        changeable = [name for name in key if fates[name] is Fate.MODELLED]
        changeable = changeable or [n for n in key if fates[n] in (Fate.FABRICATED, Fate.KEPT) and len(key) > 1]
        if changeable and all(name in columns for name in key):
            drawn = {n for n, fate in fates.items() if fate in (Fate.MODELLED, Fate.COMPUTED) and n in columns}
            along = {name: (reach({name}, linked) & drawn) - set(key) for name in changeable}
            checked = set().union(*named_together(table, dialect)) & set(changeable)
            refused = partial(refused_rows, table=table, dialect=dialect, names=checked) if checked else None
            columns = part_repeats(
                columns, key, changeable, rng, table=table.name, along=along, n_given=n_given, refused=refused
            )
    return columns
