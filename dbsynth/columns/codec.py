"""A table's modelled columns as a matrix of rank intervals, and a matrix of ranks as columns.

The codec is what is learned about the columns one by one: their distributions, the order of their categories, which of
them are coded together. What the engines learn is how the resulting normal variables depend on one another.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np
import pyarrow as pa
from scipy.special import ndtri

from ..groups import group_means
from ..schema import Column, Kind
from .categories import category_codes, joint_groups, order_by_meaning, redraw_rare
from .numbers import DAY, NUMERIC_KINDS, from_numbers, learn_numbers, learn_step, to_numbers
from .order import MOMENTS, columns_before, times_in_unit
from .ranks import Quantiles, learn_quantiles, pool_rare, rank_intervals

__all__ = [
    "NULL_MARK", "Categorical", "Codes", "Known", "Numeric", "TableCodec", "TableData", "learn_codecs", "normal",
]  # fmt: skip

NULL_MARK = "\0is null"  # after a column's name: the variable that says where it is null
_Z_MAX = 4.5  # no rank of up to a few 100 000 rows lies further out
_FEW_NUMBERS = 12  # values of a number that may be coded together with categories
_COMMON = 0.5  # least share of rows whose tuples are not rare, for columns to be coded together
_YEARS = 1461.0  # days
_ONE_HOT = 12  # commonest categories of a column that give the other columns' categories their meaning


def normal(u: np.ndarray) -> np.ndarray:
    """Φ⁻¹(u), float32, within ±4.5."""
    return np.clip(ndtri(u), -_Z_MAX, _Z_MAX).astype(np.float32)


@dataclass(frozen=True)
class Codes:
    """A table as the engines see it: for each row and variable an interval of ranks.

    Attributes:
        low, high: float32 ``(n_rows, n_variables)``, bounds in [0, 1].
        cuts: per variable None (ordered), or for a nominal one the upper bounds of its categories ``(n_categories,)``.
        members: per variable None, or for one that codes several columns together what each category is made of,
            float32 ``(n_categories, n_members)``, about standard.
    """

    low: np.ndarray
    high: np.ndarray
    cuts: tuple[np.ndarray | None, ...]
    members: tuple[np.ndarray | None, ...] = ()

    def __len__(self) -> int:
        return len(self.low)

    def draw(self, rng: np.random.Generator) -> np.ndarray:
        """Each row's ranks somewhere in its intervals, float32 ``(n_rows, n_variables)``."""
        return self.low + (self.high - self.low) * rng.random(self.low.shape, dtype=np.float32)

    @property
    def middles(self) -> np.ndarray:
        """Each row's code at the middle of its intervals, standard normal, float32 ``(n_rows, n_variables)``."""
        return normal((self.low + self.high) / 2)

    @property
    def features(self) -> np.ndarray:
        """The `middles`, and beside them the members of categories, float32 ``(n_rows, n_features)``."""
        return np.concatenate([self.middles, *self.members_at((self.low + self.high) / 2)], axis=1)

    def categories(self, ranks: np.ndarray, j: int) -> np.ndarray:
        """The category of the nominal variable ``j`` in rows with these ranks, int64 ``(n,)``."""
        return np.minimum(np.searchsorted(self.cuts[j], ranks[:, j], "left"), len(self.cuts[j]) - 1)

    def members_at(self, ranks: np.ndarray) -> list[np.ndarray]:
        """What the categories of rows with these ranks are made of, float32 ``(n, n_members)`` by joint variable."""
        return [of[self.categories(ranks, j)] for j, of in enumerate(self.members) if of is not None]


@dataclass(frozen=True)
class Known:
    """What is known of rows before they are drawn.

    Attributes:
        low, high: float32 ``(n_rows, n_variables)``, bounds of the ranks in [0, 1]; 0 and 1 where nothing is known.
        choices: by nominal variable of which some rows may have one of several categories: int64 ``(n_rows,)``, which
            of its sets, -1 where the bounds say it all; and the sets, bool ``(n_sets, n_categories)``.
    """

    low: np.ndarray
    high: np.ndarray
    choices: Mapping[int, tuple[np.ndarray, np.ndarray]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.low)


@dataclass(frozen=True)
class Numeric:
    """A variable with an order of its own: a number, a date, a time."""

    column: str
    part: str  # of a timestamp: "day" or "time"; else "value"; "extra": no column, a number about the row
    step: float
    quantiles: Quantiles
    after: str | None = None  # the column that comes before this one in every row: the variable is the time between

    cuts = None


@dataclass(frozen=True)
class Categorical:
    """A nominal variable over one column or several: the tuples that occur, in the order of their meaning."""

    columns: tuple[str, ...]
    values: tuple[tuple, ...]  # tuple i covers ranks (cuts[i - 1], cuts[i]]
    cuts: np.ndarray = field(compare=False)


@dataclass
class TableData:
    """What the codecs are learned from: one table's rows, which columns to model, and numbers about each row.

    Attributes:
        extras: float64 ``(n_rows,)`` each, NaN where there is none.
        rare: by column, how many rows must hold a value for it to be learned; 1 for those that are not there.
        together: columns to be coded as one: a column, and others that it fixes.
    """

    rows: pa.Table
    columns: Sequence[Column]
    extras: Mapping[str, np.ndarray] = field(default_factory=dict)
    rare: Mapping[str, int] = field(default_factory=dict)
    together: Sequence[Collection[str]] = ()


Hold = Callable[[str, pa.Array], pa.Array]  # (column, its values) -> its values


def _as_drawn(column: str, values: pa.Array) -> pa.Array:
    return values


@dataclass(frozen=True)
class TableCodec:
    """One table's variables, in the order of the matrix's columns, and the columns they decode to by name."""

    columns: Mapping[str, Column]
    variables: Sequence[Numeric | Categorical]

    @property
    def meanings(self) -> tuple[tuple[str | None, ...], ...]:
        """What each variable tells of a row: two codecs with the same meanings can be read by one network."""
        return tuple(v.columns if isinstance(v, Categorical) else (v.column, v.part, v.after) for v in self.variables)

    def decode(
        self, u: np.ndarray, types: Mapping[str, pa.DataType], *, whole: bool = True, hold: Hold = _as_drawn
    ) -> tuple[dict[str, pa.Array], dict[str, np.ndarray]]:
        """Columns and extras at the ranks ``u``, float ``(n_rows, n_variables)`` in [0, 1].

        Marks of nulls (`NULL_MARK`) in columns that have no variable of their own come out as boolean columns.

        Args:
            whole: the rows are all of their table, so that the known values of a column have its very distribution.
            hold: what becomes of a column once it is decoded, before others are told from it.
        """
        parts: dict[str, dict[str, np.ndarray]] = {}
        steps: dict[str, dict[str, float]] = {}
        arrays: dict[str, pa.Array] = {}
        for j, variable in enumerate(self.variables):
            if isinstance(variable, Categorical):
                chosen = np.minimum(np.searchsorted(variable.cuts, u[:, j], "left"), len(variable.values) - 1)
                for k, name in enumerate(variable.columns):
                    values = self._values(name, [value[k] for value in variable.values], types)
                    arrays[name] = hold(name, values.take(pa.array(chosen)))
        for j, variable in enumerate(self.variables):
            if isinstance(variable, Numeric):
                null = arrays.get(variable.column + NULL_MARK)
                numbers = _decode_known(variable, u[:, j], null, whole)
                if variable.after is not None:  # which was decoded before: a chain starts with its first column
                    numbers = numbers + times_in_unit(
                        arrays[variable.after], self.columns[variable.after].kind, self.columns[variable.column].kind,
                        variable.part,
                    )  # fmt: skip
                parts.setdefault(variable.column, {})[variable.part] = numbers
                steps.setdefault(variable.column, {})[variable.part] = variable.step
                if variable.part != "extra" and not self._goes_on(j):
                    name = variable.column
                    decoded = from_numbers(parts[name], self.columns[name], steps[name], types[name])
                    arrays[name] = hold(name, decoded)
        arrays = {name: array for name, array in arrays.items() if name.removesuffix(NULL_MARK) not in parts} | {
            name: arrays[name] for name in parts if name in arrays
        }
        return arrays, {name: part["extra"] for name, part in parts.items() if "extra" in part}

    def _values(self, name: str, values: list, types: Mapping[str, pa.DataType]) -> pa.Array:
        """A column's categories in its Arrow type; a number among categories is told by its float."""
        if name in self.columns and self.columns[name].kind in NUMERIC_KINDS:
            numbers = np.array(values, dtype=np.float64)
            return from_numbers({"value": numbers}, self.columns[name], {"value": learn_step(numbers)}, types[name])
        return pa.array(values, types.get(name, pa.bool_()))

    def _goes_on(self, j: int) -> bool:
        """Whether the next variable is another part of the same column."""
        following = self.variables[j + 1 : j + 2]
        return any(isinstance(v, Numeric) and v.column == self.variables[j].column for v in following)


def _decode_known(variable: Numeric, u: np.ndarray, null: pa.Array | None, whole: bool) -> np.ndarray:
    """A variable's numbers; where its column is null by the mark, NaN, and others close up if all are here."""
    if null is None:
        return variable.quantiles.decode(u)
    known = np.flatnonzero(~null.to_numpy(zero_copy_only=False))
    numbers = np.full(len(u), np.nan)
    ranks = u[known]
    if whole:
        ranks = np.empty(len(known))
        ranks[np.argsort(u[known], kind="stable")] = (np.arange(len(known)) + 0.5) / max(len(known), 1)
    numbers[known] = variable.quantiles.decode(ranks)
    return numbers


def learn_codecs(
    tables: Mapping[str, TableData],
    edges: Sequence[tuple[str, str, np.ndarray]],
    earlier: Mapping[str, TableCodec] = MappingProxyType({}),
) -> dict[str, tuple[TableCodec, Codes]]:
    """Learn every table's codec and encode its rows with it.

    Where an earlier codec is given, the same columns are coded together, and categories stand in the same order, new
    ones after them: a network that learned the earlier codes understands these.

    Args:
        tables: the rows.
        edges: per foreign key its child, its parent, and the parent's row number of each child row, int64
            ``(n_child,)``, -1 for null. Categories take their meaning from the rows around them, too.
    """
    drafts = {name: _draft(data, earlier.get(name)) for name, data in tables.items()}
    features = {name: draft.features() for name, draft in drafts.items()}
    result = {}
    for name, draft in drafts.items():
        around = [_of_parents(features[parent], rows) for child, parent, rows in edges if child == name]
        around += [
            group_means(features[child], rows, len(features[name])) for child, parent, rows in edges if parent == name
        ]
        result[name] = draft.finish(np.concatenate(around, axis=1) if around else np.empty((len(features[name]), 0)))
    return result


def _of_parents(features: np.ndarray, parent_rows: np.ndarray) -> np.ndarray:
    """The parent's features for each child, 0 where there is none."""
    return np.concatenate([features, np.zeros((1, features.shape[1]))])[parent_rows]


@dataclass
class _Draft:
    """A codec before its categories have their order."""

    data: TableData
    numeric: list[tuple[Numeric, np.ndarray, np.ndarray]]  # with the bounds of each row's interval
    joint: list[tuple[tuple[str, ...], np.ndarray, list[tuple]]]  # columns, codes, tuples
    single: list[np.ndarray]  # one-hots of each column's commonest categories
    earlier: Mapping[tuple[str, ...], Categorical]  # by its columns

    def features(self) -> np.ndarray:
        """Float ``(n_rows, n_features)``: the row as far as it has an order already."""
        columns = [normal((low + high) / 2)[:, None] for _, low, high in self.numeric] + self.single
        return np.concatenate(columns, axis=1) if columns else np.empty((self.data.rows.num_rows, 0))

    def finish(self, around: np.ndarray) -> tuple[TableCodec, Codes]:
        n = self.data.rows.num_rows
        variables: list[Numeric | Categorical] = [v for v, _, _ in self.numeric]
        bounds = [(low, high) for _, low, high in self.numeric]
        numbers = [normal((low + high) / 2)[:, None] for low, high in bounds]
        members: list[np.ndarray | None] = [None] * len(bounds)
        for i, (columns, codes, values) in enumerate(self.joint):
            others = [_one_hot(codes_j) for j, (_, codes_j, _) in enumerate(self.joint) if j != i]
            context = np.concatenate([*numbers, *others, around], axis=1)
            position = order_by_meaning(codes, len(values), context)
            if columns in self.earlier:
                position = _as_before(values, self.earlier[columns].values, position)
            shares = np.bincount(position[codes], minlength=len(values)) / max(n, 1)
            upper = np.cumsum(shares)
            ordered = tuple(values[k] for k in np.argsort(position))
            variables.append(Categorical(columns, ordered, upper))
            members.append(_members(ordered, shares) if len(columns) > 1 else None)
            bounds.append(((upper - shares)[position[codes]], upper[position[codes]]))
        low, high = (
            np.stack([b[side] for b in bounds], axis=1).astype(np.float32) if bounds else np.empty((n, 0), np.float32)
            for side in (0, 1)
        )
        columns = {column.name: column for column in self.data.columns}
        return TableCodec(columns, variables), Codes(low, high, tuple(v.cuts for v in variables), tuple(members))


def _as_before(values: Sequence[tuple], before: Sequence[tuple], position: np.ndarray) -> np.ndarray:
    """Positions ``(n_values,)`` in the order of before; values that are new come last, in the order of ``position``."""
    place = {value: i for i, value in enumerate(before)}
    rank = [place.get(value, len(place) + int(p)) for value, p in zip(values, position, strict=True)]
    return np.argsort(np.argsort(rank))


def _members(values: Sequence[tuple], shares: np.ndarray) -> np.ndarray:
    """What tuples are made of, float32 ``(n_values, n_members)``: a number's rank, a category's commonest values."""
    parts = []
    for member in zip(*values, strict=True):
        codes, levels = category_codes(pa.array(member))
        weights = np.bincount(codes, shares, minlength=len(levels))
        if isinstance(levels[-1], float):
            codes = np.argsort(np.argsort(levels))[codes]
            weights = np.bincount(codes, shares, minlength=len(levels))
            parts.append(normal(np.cumsum(weights) - weights / 2)[codes][:, None])
        else:
            commonest = np.argsort(-weights, kind="stable")[: _ONE_HOT if len(levels) > 2 else 1]
            parts.append((codes[:, None] == commonest[None, :]).astype(np.float32))
    found = np.concatenate(parts, axis=1)
    mean = shares @ found
    return ((found - mean) / np.maximum(np.sqrt(shares @ (found - mean) ** 2), 0.1)).astype(np.float32)


def _draft(data: TableData, earlier: TableCodec | None) -> _Draft:
    arrays = {column.name: data.rows.column(column.name).combine_chunks() for column in data.columns}
    kinds = {column.name: column.kind for column in data.columns}
    before = columns_before({name: (arrays[name], kind) for name, kind in kinds.items() if kind in MOMENTS})
    told_after = {name: position for position, name in enumerate(before)}
    in_order = sorted(kinds, key=lambda name: told_after.get(name, -1))
    rare = {name: data.rare.get(name, 1) for name in kinds}
    numeric = {n: _numeric(n, arrays, kinds, before.get(n), rare[n]) for n in in_order if kinds[n] in NUMERIC_KINDS}
    nominal = {name: category_codes(arrays[name]) for name in in_order if name not in numeric}
    for name, variables in numeric.items():
        null = arrays[name].is_null().to_numpy(zero_copy_only=False) | np.isnan(to_numbers(arrays[name], kinds[name]))
        if null.any() and not null.all():
            # Where a value is missing often follows from a category: a variable of its own can share their code.
            nominal[name + NULL_MARK] = null.astype(np.int64), [False, True]
        elif any(name in columns for columns in data.together):
            nominal[name] = category_codes(pa.array(to_numbers(arrays[name], kinds[name])))
        elif name not in before and _has_few_values(variables):
            codes, values = category_codes(pa.array(pool_rare(to_numbers(arrays[name], kinds[name]), rare[name])))
            nominal[name] = codes, values  # a candidate: it stays a number unless a category goes with it
    joint = [
        found
        for group in _groups(nominal, numeric, data.rows.num_rows, data.together, earlier)
        for found in _coded_together(group, nominal, numeric, rare, data.together)
    ]
    for name in [name for group, _, _ in joint for name in group]:
        numeric.pop(name, None)
    drafts = [variable for variables in numeric.values() for variable in variables]
    for name, x in data.extras.items():
        drafts.append((Numeric(name, "extra", 0.0, learn_quantiles(x)), *rank_intervals(x)))
    before = {v.columns: v for v in earlier.variables if isinstance(v, Categorical)} if earlier else {}
    return _Draft(data, drafts, joint, [_one_hot(codes) for _, codes, _ in joint], before)


def _coded_together(
    group: list[str], nominal: Mapping[str, tuple[np.ndarray, list]], numeric: Collection[str],
    rare: Mapping[str, int], together: Sequence[Collection[str]],
) -> list[tuple[tuple[str, ...], np.ndarray, list[tuple]]]:  # fmt: skip
    """The columns of a group, the code of each row, and the tuples coded: those that are not rare.

    Where most rows would hold a rare tuple, its columns are coded one by one, but for those that belong ``together``.
    """
    tuples, codes = np.unique(np.stack([nominal[name][0] for name in group], axis=1), axis=0, return_inverse=True)
    codes = codes.reshape(-1).astype(np.int64)
    members = [tuple(nominal[name][1][k] for name, k in zip(group, t, strict=True)) for t in tuples.tolist()]
    protected = np.array([rare.get(name, 1) > 1 for name in group])  # marks of nulls, truths and enums are not
    least = max(rare.get(name, 1) for name in group)
    common = _held_often(codes, tuples[:, protected], least)
    # A null is no value: beside values that are common one by one it tells nothing.
    alone = [_held_often(codes, tuples[:, [k]], least) | ~protected[k] for k in range(len(group))]
    null = np.array([[value is None for value in member] for member in members], dtype=bool).reshape(tuples.shape)
    common |= null.any(axis=1) & (np.stack(alone, axis=1) | null).all(axis=1)
    parts = _parts(group, together)
    if len(parts) > 1 and common[codes].mean() < _COMMON:
        parts = [part for part in parts if len(part) > 1 or part[0] not in numeric]
        return [found for part in parts for found in _coded_together(part, nominal, numeric, rare, together)]
    if common.any() and not common.all():
        codes = redraw_rare(codes, tuples, common, np.where(protected, 1, len(group)))
        codes = np.unique(codes, return_inverse=True)[1]
        members = [member for member, held in zip(members, common, strict=True) if held]
    return [(tuple(group), codes, members)]


def _held_often(codes: np.ndarray, tuples: np.ndarray, least: int) -> np.ndarray:
    """Which of the tuples, int64 ``(n_tuples, n_members)``, stand in that many rows at least, bool ``(n_tuples,)``."""
    if tuples.shape[1] == 0 or len(codes) == 0:
        return np.ones(len(tuples), dtype=bool)
    alike = np.unique(tuples, axis=0, return_inverse=True)[1].reshape(-1)
    return (np.bincount(alike[codes]) >= least)[alike]


def _numeric(
    name: str, arrays: Mapping[str, pa.Array], kinds: Mapping[str, Kind], earlier: str | None, rare: int
) -> list[tuple[Numeric, np.ndarray, np.ndarray]]:
    """The variables of a column with an order of its own, with the bounds of each row's interval."""
    variables = []
    for number in learn_numbers(arrays[name], kinds[name], after=earlier and kinds[earlier]):
        x, after = to_numbers(arrays[name], kinds[name], number.part), None
        if earlier is not None and number.part != "time":
            x, after = x - times_in_unit(arrays[earlier], kinds[earlier], kinds[name], number.part), earlier
        null = np.isnan(x)
        quantiles = learn_quantiles(x if null.all() else x[~null], rare, _grain(kinds[name], number.part))
        variables.append((Numeric(name, number.part, number.step, quantiles, after), *_known_intervals(x, null)))
    return variables


def _grain(kind: Kind, part: str) -> float | None:
    """In what the range of a handful of values is told: four years of days, the whole day, or by the first digit."""
    if kind is Kind.DATE or part == "day":
        return _YEARS
    if kind is Kind.TIME or part == "time":
        return DAY
    return _YEARS * DAY if kind in MOMENTS else None


def _has_few_values(variables: list[tuple[Numeric, np.ndarray, np.ndarray]]) -> bool:
    quantiles = variables[0][0].quantiles
    return len(variables) == 1 and quantiles.discrete and 1 < len(quantiles.v) <= _FEW_NUMBERS


def _groups(
    nominal: Mapping[str, tuple[np.ndarray, list]], numeric: Mapping[str, list], n_rows: int,
    together: Sequence[Collection[str]], earlier: TableCodec | None = None,
) -> list[list[str]]:  # fmt: skip
    """The columns to code together, by name; numbers only where a category is among them, or with what they fix."""
    before, known = _groups_before(nominal, together, earlier)
    rest = [name for name in nominal if name not in known]
    parts = _parts(rest, together)
    if n_rows == 0:
        return before + [[name] for name in rest if name not in numeric]
    # Of columns that belong together, the one with the most values fixes the others.
    codes = [max((nominal[name][0] for name in part), key=lambda c: c.max()) for part in parts]
    groups = [[parts[i] for i in group] for group in joint_groups(codes)]
    groups = [group for group in groups if any(len(part) > 1 or part[0] not in numeric for part in group)]
    return before + [[name for name in nominal if any(name in part for part in group)] for group in groups]


def _groups_before(
    nominal: Mapping[str, tuple[np.ndarray, list]], together: Sequence[Collection[str]], earlier: TableCodec | None
) -> tuple[list[list[str]], set[str]]:
    """The groups of an earlier codec that can stay, and all columns whose place they settle."""
    if earlier is None:
        return [], set()
    groups = [list(v.columns) for v in earlier.variables if isinstance(v, Categorical)]
    apart = [columns for columns in together if not any(set(columns) <= set(group) for group in groups)]
    loose = {name for columns in apart for name in columns}
    groups = [group for group in groups if set(group) <= nominal.keys() and not set(group) & loose]
    numbers = {v.column for v in earlier.variables if isinstance(v, Numeric)}
    return groups, (numbers | {name for group in groups for name in group}) - loose


def _parts(names: Iterable[str], together: Sequence[Collection[str]]) -> list[list[str]]:
    """The names, those that belong together in one part and each of the others in its own."""
    names = list(names)
    parts = [[name for name in names if name in columns] for columns in together]
    held = {name for part in parts for name in part}
    return [part for part in parts if part] + [[name] for name in names if name not in held]


def _known_intervals(x: np.ndarray, null: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rank intervals among the known values; a null may have any rank."""
    low, high = np.zeros(len(x)), np.ones(len(x))
    low[~null], high[~null] = rank_intervals(x[~null])
    return low, high


def _one_hot(codes: np.ndarray) -> np.ndarray:
    """Indicators of the `_ONE_HOT` commonest codes, float ``(n, up to _ONE_HOT)``."""
    commonest = np.argsort(-np.bincount(codes), kind="stable")[:_ONE_HOT] if len(codes) else np.empty(0, int)
    return (codes[:, None] == commonest[None, :]).astype(np.float32)
