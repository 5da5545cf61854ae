"""How to read each figure: one sentence for somebody who meets it for the first time."""

from __future__ import annotations

__all__ = ["READING", "how_to_read"]

READING = {
    "1-way": "Each column by itself: does every value, or range of values, come as often as in the real data?",
    "cardinality": "For each foreign key: do as many parents have no child, one child, two children, …?",
    "0-hop": "Two columns of one table: do they go together as they do in the real data?",
    "avg 2-way": "All pairs of columns taken together: those of one table, and those along foreign keys.",
    "degree-correlation": (
        "A parent with two kinds of children: are those with many of one kind the ones with many of the other?"
    ),
    "column-degree": "A column of the parent and the number of its children: do rich customers still have more orders?",
    "intra-group": "The children of one parent: are they as alike among themselves as real siblings are?",
    "dangling": "Foreign keys that refer to a row that is not there; a sound database has none.",
    "c2st": (
        "A classifier is trained to tell synthetic rows from real ones, and asked about rows it has not seen: 0.5 is "
        "guessing, 1 is always right. Beside it: how well it tells two halves of the real rows apart."
    ),
    "c2st with children": "The same, when the classifier also sees what children each row has.",
    "efficacy": (
        "A model learns to predict a column from the others, once from synthetic rows and once from real ones; both "
        "then predict real rows. 100 is as good as learning from real rows, 0 is guessing."
    ),
    "alpha-precision": "Do synthetic rows lie where real rows do, neither outside nor all in the middle?",
    "beta-recall": "Does every part of the real data have synthetic rows near it?",
    "copies": (
        "Synthetic rows that equal, in every column, rows of one real owner only. Some do by chance, as real rows "
        "repeat one another; only more than that is a leak, and is the first figure. A table's bar shows all of its "
        "rows that equal a real one, the mark how many real rows do so among themselves."
    ),
    "quasi-identifier copies": (
        "The same for two or three columns by which an outsider might know somebody, such as a birth date and a "
        "postcode."
    ),
    "dcr": (
        "How far synthetic rows are from the closest real row, those five in a hundred that come closest, beside real "
        "rows that nobody learned from. The first figure is the worst table's share of their distance: well below 1, "
        "rows were copied with a little noise. The bars are the distances themselves, the marks those of real rows."
    ),
    "dcr share": (
        "Of all synthetic rows, how many are closer to rows that were learned than to as many real rows that were "
        "not: 50 % is chance."
    ),
    "nndr": (
        "How much closer the closest real row is than the second closest: rows made from one real row cling to it. The "
        "first figure compares with real rows that nobody learned from: well below 1, synthetic rows cling more. The "
        "bars are the two distances' ratios, the marks those of real rows."
    ),
    "mia auc": "An attacker has real rows and guesses which of them were learned: 0.5 is guessing, 1 is always right.",
    "rare values": (
        "Categories that fewer than five real rows have and that are in the synthetic data too. Seldom a leak by "
        "themselves, but worth a look where a value names somebody."
    ),
    "extremes": (
        "The smallest and largest real numbers, where fewer than five rows have them, that came through exactly."
    ),
    "fabricated overlap": (
        "Values that were invented, such as names and addresses, and happen to be real ones: to be none."
    ),
}


def how_to_read(measure: str) -> str:
    """The sentence; empty for a measure that is not known here."""
    if measure.endswith("-hop") and measure not in READING:
        steps = measure.removesuffix("-hop")
        if steps == "1":
            return "A column of a row and one of its parent row: do they go together as in the real data?"
        return f"A column of a row and one of the row that {steps} foreign keys lead to: do they still go together?"
    return READING.get(measure, "")
