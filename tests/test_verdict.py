"""The two sentences: what they judge, what they name, and that they never say more than the figures."""

from __future__ import annotations

import math

import pytest

from dbsynth.quality.evaluation import Evaluation, TableNote
from dbsynth.quality.items import Item
from dbsynth.quality.verdict import is_alarm, verdict, weakest

NAN = math.nan
LIKE = (
    Item("1-way", (), score=97.0, reference=99.0),
    Item("avg 2-way", (), score=95.0, reference=98.5),
    Item("dangling", (), score=0.0),
)
UNSEEN = "needs real rows that training has not seen; clone --holdout sets some aside"
SAFE = (
    Item("copies", (), score=0.0, reference=0.0, note="no table has more than real rows would have"),
    Item("mia auc", (), score=0.51, reference=0.5, low=0.47, high=0.55),
    Item("fabricated overlap", (), score=0.0, reference=0.0),
)


def evaluation(*items: Item, rows: int = 1000, kept: bool = False) -> Evaluation:
    return Evaluation((TableNote("order", rows, rows, kept),), items)


def likeness(*items: Item, **more) -> str:
    return verdict(evaluation(*items, **more))[0]


def privacy(*items: Item, **more) -> str:
    return verdict(evaluation(*items, **more))[1]


class TestLikeness:
    def test_scores_stand_beside_their_ceilings(self):
        sentence = likeness(*LIKE)
        assert "columns taken alone score 97.0 and pairs of columns score 95.0 of 100" in sentence
        assert "a second sample of the real data would score 99.0 and 98.5" in sentence

    @pytest.mark.parametrize(
        ("score", "words"),
        [(98.8, "about as like the real data as a second sample"), (97, "close to the real data"),
         (92, "like the real data in outline"), (60, "not like the real data")],
    )  # fmt: skip
    def test_the_judgement_follows_the_distance_from_the_ceiling(self, score, words):
        assert words in likeness(Item("1-way", (), score=score, reference=99.0))

    def test_one_measure_to_spare_helps_no_other(self):
        good, bad = (Item(name, (), score=s, reference=90.0) for name, s in (("1-way", 99.0), ("intra-group", 70.0)))
        assert "in outline" not in likeness(good)
        assert "not like the real data" in likeness(good, bad)

    def test_the_measure_that_decides_is_named(self):
        worse = Item("intra-group", (), score=80.0, reference=95.0)
        said = likeness(*LIKE, worse)
        assert "what counts most against it is intra-group (how alike the children of one parent are), 80.0 of" in said
        assert "counts most" not in likeness(Item("1-way", (), score=98.8, reference=99.0))

    def test_a_database_that_equals_the_real_one_is_called_a_copy(self):
        assert "as only a copy is" in likeness(Item("1-way", (), score=100.0, reference=99.0))

    def test_without_ceilings_nothing_is_judged(self):
        sentence = likeness(Item("1-way", (), score=97.0))
        assert "97.0 of 100" in sentence
        assert "is not known" in sentence
        assert "close" not in sentence

    def test_without_figures_it_says_so(self):
        assert "is not known" in likeness()
        assert "is not known" in likeness(Item("1-way", (), note="no columns"))

    def test_the_weakest_place_is_named(self):
        items = (
            Item("1-way", ("order",), ("price",), score=90.0, reference=99.0),
            Item("0-hop", ("order",), ("price", "day"), score=60.0, reference=97.0),
            Item("0-hop", ("order",), ("price", "day"), score=20.0, reference=20.0),
            Item("efficacy", ("order",), ("price",), score=10.0, reference=90.0),
        )
        assert "the weakest place is order.price ~ order.day, 60 of a possible 97" in likeness(*LIKE, *items)
        assert [item.score for item in weakest(evaluation(*LIKE, *items), 5)] == [60.0, 90.0]

    def test_few_rows_are_little_evidence_and_no_place_is_blamed(self):
        item = Item("1-way", ("order",), ("price",), score=50.0, reference=90.0)
        sentence = likeness(*LIKE, item, rows=20)
        assert "little evidence" in sentence
        assert "weakest" not in sentence

    def test_keys_without_parents_and_a_telling_classifier_are_mentioned(self):
        broken = likeness(*LIKE[:2], Item("dangling", (), score=12.0), Item("c2st", (), score=0.83))
        assert "12 keys refer to no row" in broken
        assert "83 times in 100" in broken


class TestPrivacy:
    def test_no_sign_is_what_it_says_at_best(self):
        sentence = privacy(*SAFE)
        assert sentence.startswith("No sign was found")
        assert "no invented value is a real one" in sentence
        assert "safe" not in sentence

    def test_it_claims_only_what_was_measured(self):
        sentence = privacy(SAFE[0], Item("mia auc", (), note=UNSEEN), Item("dcr share", (), note=UNSEEN))
        assert "is right no more often" not in sentence
        assert "invented" not in sentence
        reason = "(needs real rows that training has not seen)"
        assert sentence.count(f"whether learned rows can be recognised {reason}") == 1

    def test_what_one_way_of_asking_tells_is_not_unknown(self):
        sentence = privacy(*SAFE, Item("dcr share", (), note="no evidence: too few unseen rows"))
        assert "is right no more often than by chance" in sentence
        assert "whether learned rows can be recognised" not in sentence
        assert "not judged: whether rows lie closer to learned rows than to unseen ones (no evidence" in sentence

    def test_without_figures_it_says_so(self):
        assert privacy() == "Whether the synthetic data gives anybody away is not known."
        assert privacy(Item("copies", (), note="no rows")).endswith("not judged: whether rows are copies (no rows).")

    @pytest.mark.parametrize(
        ("item", "words"),
        [
            (Item("copies", (), score=1.0, reference=0.0, low=0.8, high=1.2, note="order: 10 more"), "order: 10"),
            (Item("mia auc", (), score=0.71, reference=0.5, low=0.66, high=0.76), "71 times in 100"),
            (Item("dcr share", (), score=60.0, reference=50.0, low=57.0, high=63.0), "60 % of its rows"),
            (Item("dcr", (), score=0.4, reference=1.0, low=0.3, high=0.5), "closer to real ones"),
            (Item("nndr", (), score=0.4, reference=1.0, low=0.3, high=0.5), "cling to single real ones"),
            (Item("fabricated overlap", (), score=0.5, reference=0.0, note="order.name"), "should be invented"),
        ],
    )
    def test_a_leak_is_shouted(self, item, words):
        others = [other for other in SAFE if other.measure != item.measure]
        sentence = privacy(*others, item)
        assert sentence.startswith("The synthetic data gives real rows away: ")
        assert words in sentence
        assert is_alarm(item)

    @pytest.mark.parametrize(
        "item",
        [
            Item("mia auc", (), score=0.53, reference=0.5, low=0.505, high=0.555),  # one of many tables by chance
            Item("mia auc", ("order",), score=0.9, low=0.8, high=1.0, note="no evidence: only 3 independent rows"),
            Item("dcr", (), score=1.0, reference=1.0),
            Item("copies", (), score=NAN),
            Item("rare values", (), score=9.0, reference=9.0),
        ],
    )
    def test_chance_raises_no_alarm(self, item):
        assert not is_alarm(item)

    def test_values_that_chance_explains_are_told_without_alarm(self):
        note = "order.code: 2 invented values are real ones, as chance alone would have it"
        sentence = privacy(SAFE[0], Item("fabricated overlap", (), score=0.1, reference=0.0, note=note))
        assert sentence.startswith("No sign was found")
        assert note in sentence
        assert "no invented value" not in sentence

    def test_kept_tables_and_few_rows_are_mentioned(self):
        sentence = privacy(*SAFE, rows=10, kept=True)
        assert "the rows of order are real ones, kept on purpose" in sentence
        assert "little evidence" in sentence
