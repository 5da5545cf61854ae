"""What every figure means, in the words of a reader who has not read the papers."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

__all__ = ["PRIVACY", "TERMS", "Term", "option_name", "show_number", "show_percent", "term"]


@dataclass(frozen=True)
class Term:
    """One measure.

    Attributes:
        title: its name in a sentence.
        meaning: what it asks of a database.
        best: the figure that no synthetic database can better.
        unit: "score" (0 … 100), "percent", "share" (0 … 1), "distance" or "count".
    """

    title: str
    meaning: str
    best: float
    unit: str = "score"


_LIKENESS = {
    "1-way": Term("each column alone", "the values of each column, and how often each comes", 100),
    "cardinality": Term("children per parent", "how many children parent rows have", 100),
    "0-hop": Term("pairs of columns", "pairs of columns in one table", 100),
    "avg 2-way": Term("all pairs", "all pairs of columns, within tables and along foreign keys", 100),
    "degree-correlation": Term("numbers of children together", "numbers of children under two foreign keys", 100),
    "column-degree": Term("columns and numbers of children", "a column and the number of children", 100),
    "intra-group": Term("siblings", "how alike the children of one parent are", 100),
    "dangling": Term("dangling keys", "keys that refer to no row", 0, "count"),
    "c2st": Term("told apart", "how often a classifier tells synthetic rows from real ones", 0.5, "share"),
    "c2st with children": Term(
        "told apart by children", "the same, when the classifier also sees each row's children", 0.5, "share"
    ),
    "efficacy": Term("predictions", "how well models trained on synthetic rows predict real ones", 100),
    "alpha-precision": Term("precision", "synthetic rows that lie where real rows do", 100),
    "beta-recall": Term("recall", "real rows that have synthetic ones around them", 100),
}

PRIVACY = {
    "copies": Term("copied rows", "synthetic rows that equal a real one, beyond what chance brings", 0, "percent"),
    "quasi-identifier copies": Term(
        "copied identities", "rows that share a combination of values that only one real row has", 0, "percent"
    ),
    "dcr": Term(
        "distance to the closest", "how far rows are from the closest real one, beside unseen real rows", 1, "distance"
    ),
    "dcr share": Term(
        "closer to known rows", "synthetic rows that are closer to training rows than to unseen ones", 50, "percent"
    ),
    "nndr": Term("nearest to next", "that distance over the one to the next closest, beside unseen rows", 1, "share"),
    "mia auc": Term(
        "membership", "how well an attacker tells rows that were learned from rows that were not", 0.5, "share"
    ),
    "rare values": Term("rare values", "categories of fewer than five real rows that came through", 0, "count"),
    "extremes": Term("extremes", "smallest or largest real numbers that came through", 0, "count"),
    "fabricated overlap": Term("invented values", "invented values that are real ones by accident", 0, "percent"),
}

TERMS = _LIKENESS | PRIVACY

_HOP = re.compile(r"(\d+)-hop")


def term(measure: str) -> Term:
    """What a measure means; paths of any length have one each.

    Raises:
        KeyError: there is no such measure.
    """
    if measure not in TERMS and (hops := _HOP.fullmatch(measure)):
        steps = {1: "the parent row", 2: "the grandparent row"}.get(int(hops[1]), f"the row {hops[1]} foreign keys up")
        return Term(f"{hops[1]} foreign key{'s' * (hops[1] != '1')} apart", f"a column and one of {steps}", 100)
    return TERMS[measure]


def option_name(measure: str) -> str:
    """A measure as an option of the command line spells it.

    >>> option_name("avg 2-way"), option_name("degree-correlation"), option_name("mia auc")
    ('avg_2way', 'degree_correlation', 'mia_auc')
    """
    return re.sub(r"(?<=\d)-", "", measure).replace(" ", "_").replace("-", "_")


def show_number(value: float, unit: str = "score") -> str:
    """A figure in its unit; a score below 100 never reads 100.

    >>> show_number(99.97), show_number(0.5123, "share"), show_number(0.004, "percent"), show_number(float("nan"))
    ('99.9', '0.51', '<0.01 %', '')
    """
    if math.isnan(value):
        return ""
    if unit == "score":
        return f"{min(value, 99.9) if value < 100 - 1e-6 else value:.1f}"
    if unit == "percent":
        return show_percent(value / 100)
    if unit == "count":
        return f"{value:,.0f}"
    return f"{value:.2f}" if abs(value) >= 0.01 or not value else f"{value:.2g}"


def show_percent(share: float) -> str:
    """A share in percent, with the digits that it needs.

    >>> show_percent(0.5), show_percent(0.051), show_percent(0.0012), show_percent(0.0)
    ('50 %', '5.1 %', '0.12 %', '0 %')
    """
    percent = 100 * share
    if 0 < percent < 0.01:
        return "<0.01 %"
    digits = 0 if percent >= 10 or not percent else 1 if percent >= 1 else 2
    return f"{percent:.{digits}f} %"
