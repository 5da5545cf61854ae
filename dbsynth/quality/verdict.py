"""The verdict: two sentences for somebody who has never heard of the method, and no more than the figures say."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence

from .evaluation import Evaluation, TableNote
from .glossary import show_number, term
from .items import Item, mean_of

__all__ = ["is_alarm", "is_likeness", "verdict", "weakest"]

_FEW_ROWS = 100  # in the largest table; with fewer the figures are little evidence
_SURE = 3.3 / 1.96  # half intervals: of a dozen tables none is called by chance
_JUDGED = (  # points below the ceiling at most
    (0.6, "about as like the real data as a second sample of it would be"),
    (3.0, "close to the real data"),
    (8.0, "like the real data in outline, with differences that can be seen"),
    (math.inf, "not like the real data"),
)
_TELLING = 0.6  # of a classifier that is right more often the sentence tells
_BY_CHANCE = "chance alone"  # how notes excuse a figure that ought to be zero
_IN_USE = frozenset({"efficacy", "alpha-precision", "beta-recall"})  # of whole tables, on scales of their own


def verdict(evaluation: Evaluation) -> tuple[str, str]:
    """One sentence on likeness, one on privacy; each ends with what it could not judge."""
    return _likeness(evaluation), _privacy(evaluation)


def is_likeness(measure: str) -> bool:
    """Whether a measure says how like the real data something is, 0 … 100, with a second sample as its ceiling."""
    try:
        return term(measure).unit == "score" and measure not in _IN_USE
    except KeyError:
        return False


def weakest(evaluation: Evaluation, n: int) -> list[Item]:
    """The n likenesses furthest below their ceilings, by more than one point, the furthest first.

    Of an item without a ceiling that of its measure's mean counts, else 100. Tables with so few rows that one row is a
    point are left out.
    """
    summary, few = evaluation.summary, {t.name for t in evaluation.tables if _n_rows(t) < _FEW_ROWS}

    def gap(item: Item) -> float:
        known = (item.reference, summary[item.measure].reference if item.measure in summary else math.nan, 100.0)
        return next(ceiling for ceiling in known if not math.isnan(ceiling)) - item.score

    found = [
        item
        for item in evaluation.items
        if item.tables and is_likeness(item.measure) and gap(item) > 1 and not few.intersection(item.tables)
    ]
    return sorted(found, key=gap, reverse=True)[:n]


def _n_rows(table: TableNote) -> int:
    return min(table.real_rows, table.synthetic_rows)


def _likeness(evaluation: Evaluation) -> str:
    parts = [
        (words, item)
        for name, words in (("1-way", "columns taken alone"), ("avg 2-way", "pairs of columns"))
        if (item := evaluation.summary.get(name)) is not None and not math.isnan(item.score)
    ]
    if not parts:
        return "Whether the synthetic data is like the real data is not known: no column could be compared."
    scores = " and ".join(f"{words} score {show_number(item.score)}" for words, item in parts) + " of 100"
    if any(math.isnan(item.reference) for _, item in parts):
        sentence = f"In the synthetic data {scores}; what a second sample of the real data would score is not known"
    else:
        second = " and ".join(show_number(item.reference) for _, item in parts)
        sentence = f"The synthetic data is {_judged(evaluation)}: {scores}, where a second sample of the real data "
        sentence += f"would score {second}"
    return sentence + "".join(f"; {clause}" for clause in _doubts(evaluation)) + "."


def _judged(evaluation: Evaluation) -> str:
    """By how far all likenesses together fall short of their ceilings; what one has to spare helps no other."""
    items = [item for item in evaluation.summary.values() if is_likeness(item.measure)]
    if all(item.score > 99.95 for item in items if not math.isnan(item.score)):
        return "the same as the real data in every figure, as only a copy is"
    shortfall = mean_of(max(gap, 0.0) for gap, _ in _gaps(evaluation))
    return next(words for most, words in _JUDGED if shortfall <= most)


def _gaps(evaluation: Evaluation) -> list[tuple[float, Item]]:
    """How far each likeness is below its ceiling, where it has one; the furthest first."""
    likenesses = [item for item in evaluation.summary.values() if is_likeness(item.measure)]
    found = [(item.reference - item.score, item) for item in likenesses]
    return sorted((pair for pair in found if not math.isnan(pair[0])), key=lambda pair: -pair[0])


def _doubts(evaluation: Evaluation) -> Iterator[str]:
    """The measure that decides, the weakest place, broken keys, few rows."""
    for gap, item in _gaps(evaluation)[:1]:
        if gap > _JUDGED[0][0]:
            figures = f"{show_number(item.score)} of a possible {show_number(item.reference)}"
            yield f"what counts most against it is {item.measure} ({term(item.measure).meaning}), {figures}"
    for item in weakest(evaluation, 1):
        ceiling = "" if math.isnan(item.reference) else f" of a possible {item.reference:.0f}"
        yield f"the weakest place is {item.label}, {item.score:.0f}{ceiling} for {term(item.measure).meaning}"
    c2st = evaluation.summary.get("c2st")
    if c2st is not None and c2st.score >= _TELLING:
        yield f"a classifier tells its rows from real ones {100 * c2st.score:.0f} times in 100, where guessing has 50"
    dangling = evaluation.summary.get("dangling")
    if dangling is not None and dangling.score > 0:
        yield f"{dangling.score:,.0f} keys refer to no row"
    if _has_few_rows(evaluation):
        yield "with so few rows this is little evidence"


def _has_few_rows(evaluation: Evaluation) -> bool:
    return max((_n_rows(table) for table in evaluation.tables), default=0) < _FEW_ROWS


def is_alarm(item: Item) -> bool:
    """Whether a figure of privacy says, beyond chance, that somebody is given away; never without evidence."""
    if math.isnan(item.score) or item.note.startswith("no evidence"):
        return False
    if item.measure == "fabricated overlap":
        return item.score > 0 and _BY_CHANCE not in item.note
    if item.measure in ("dcr", "nndr"):
        return (item.high if item.tables else item.score) < item.reference
    if item.measure in ("copies", "quasi-identifier copies", "dcr share", "mia auc"):
        expected = item.reference if not math.isnan(item.reference) else term(item.measure).best
        return item.score - expected > _SURE * max(item.score - item.low, 0.0)
    return False


def _privacy(evaluation: Evaluation) -> str:
    found = [item for name, item in evaluation.summary.items() if name in _ALARMS]
    alarms = [item for item in found if is_alarm(item)]
    unknown = [item for item in found if math.isnan(item.score)]
    excused = [item for item in found if _BY_CHANCE in item.note]
    clear = {item.measure for item in found} - {item.measure for item in (*alarms, *unknown, *excused)}
    if alarms:
        sentence = "The synthetic data gives real rows away: " + "; ".join(map(_alarm, alarms))
    elif clear:
        words = [words for measures, words in _CLEAR if clear & measures]
        sentence = "No sign was found that the synthetic data gives anybody away: " + _listed(words)
    else:
        sentence = "Whether the synthetic data gives anybody away is not known"
    clauses = [*(item.note for item in excused), *_not_judged(evaluation, unknown)]
    return sentence + "".join(f"; {clause}" for clause in clauses) + "."


def _alarm(item: Item) -> str:
    return _ALARMS[item.measure](item.score) + (f" ({item.note})" if item.note else "")


_ALARMS = {
    "copies": lambda score: "rows of it are copies",
    "quasi-identifier copies": lambda score: "combinations of values that single somebody out are copied",
    "mia auc": lambda score: "of a learned and an unseen row an attacker picks the learned one "
    f"{100 * score:.0f} times in 100, where guessing has 50",
    "dcr share": lambda score: f"{score:.0f} % of its rows are closer to learned rows than to unseen ones, where 50 % "
    "would be chance",
    "dcr": lambda score: "its rows lie closer to real ones than unseen real rows do",
    "nndr": lambda score: "its rows cling to single real ones more than unseen real rows do",
    "fabricated overlap": lambda score: "values that should be invented are real ones",
}
_CLEAR = (
    ({"copies", "quasi-identifier copies"}, "it copies no more rows than real rows repeat one another"),
    ({"dcr", "nndr", "dcr share"}, "its rows lie no closer to real ones than unseen real rows do"),
    ({"mia auc"}, "an attacker who guesses which rows were learned is right no more often than by chance"),
    ({"fabricated overlap"}, "no invented value is a real one"),
)


_QUESTIONS = {
    "copies": "whether rows are copies",
    "quasi-identifier copies": "whether combinations of values are copied",
    "mia auc": "whether learned rows can be recognised",
    "dcr share": "whether rows lie closer to learned rows than to unseen ones",
    "dcr": "how close rows come to real ones",
    "nndr": "how close rows come to real ones",
    "fabricated overlap": "whether invented values are real ones",
}


def _listed(words: Sequence[str]) -> str:
    return ", ".join(words[:-1]) + ", and " + words[-1] if len(words) > 1 else words[0]


def _not_judged(evaluation: Evaluation, unknown: Iterable[Item]) -> Iterator[str]:
    reasons: dict[str, list[str]] = {}
    unknown = {item.measure: item for item in unknown}
    for measure, item in unknown.items():
        # Two ways to ask one thing; where the attack had an answer, only the other way has none.
        asked = "mia auc" if measure == "dcr share" and "mia auc" in unknown else measure
        reasons.setdefault(item.note.partition(";")[0], []).append(_QUESTIONS[asked])
    for reason, questions in reasons.items():
        yield f"not judged: {', '.join(dict.fromkeys(questions))}" + (f" ({reason})" if reason else "")
    if kept := [table.name for table in evaluation.tables if table.kept]:
        more = f" and {len(kept) - 3} more" if len(kept) > 3 else ""
        yield f"the rows of {', '.join(kept[:3])}{more} are real ones, kept on purpose"
    if _has_few_rows(evaluation):
        yield "with so few rows this is little evidence"
