"""Rules: what they take out, how a cap and pins arrange a list, and which make no sense."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from growthlab.core.errors import BundleError
from growthlab.core.histories import UNKNOWN, Catalogue
from growthlab.ranking.assortment import Assortment
from growthlab.ranking.rules import Rules
from growthlab.ranking.ties import TieBreak

USER = np.array(["u"])


def slow_list(
    scores: list[float], paths: list[str], k: int, pinned: list[int], cap: int | None, keys
) -> list[int]:
    """Sort everything, pins first, then take one after the other while its category has room."""
    able = [c for c in range(len(scores)) if scores[c] > -np.inf]
    best = sorted(able, key=lambda c: (-scores[c], keys[c]))
    result: list[int] = []
    for code in [c for c in dict.fromkeys(pinned) if c in able] + best:
        same = [c for c in result if paths[c] == paths[code]]
        if code not in result and (cap is None or not paths[code] or len(same) < cap):
            result.append(code)
    return result[:k]


@settings(max_examples=200, deadline=None)
@given(data=st.data(), n=st.integers(1, 40), k=st.integers(1, 12))
def test_pins_and_caps_give_what_a_full_sort_gives(data, n, k):
    few = st.sampled_from([-np.inf, 0.0, 1.0, 2.0])
    scores = data.draw(st.lists(few, min_size=n, max_size=n))
    paths = data.draw(st.lists(st.sampled_from(["", "a", "b > c"]), min_size=n, max_size=n))
    pinned = data.draw(st.lists(st.integers(0, n - 1), max_size=4))
    cap = data.draw(st.none() | st.integers(1, 4))
    ids = np.array([f"i{c:02}" for c in range(n)])
    ties = TieBreak.of(USER, ids, 0)
    keys = [int(ties.keys(np.array([0]), np.array([c]))[0]) for c in range(n)]
    assortment = Assortment(Catalogue(ids, category=np.array(paths, dtype=str)))
    row = np.array([scores], dtype=np.float32)
    (result,) = assortment.arranged(row, min(k, n), ties, [np.array(pinned, dtype=int)], [cap])
    assert result[result != UNKNOWN].tolist() == slow_list(
        scores, paths, min(k, n), pinned, cap, keys
    )


@pytest.mark.parametrize(
    ("given_rules", "line"),
    [
        ({"price_min": 5, "price_max": 2}, "rules.price_min=5 is above rules.price_max=2"),
        ({"price_min": float("nan"), "price_max": 2}, "rules.price_min=nan is above"),
        ({"price_max": "two"}, "rules.price_max is a number, got 'two'"),
        ({"max_per_category": "2"}, "max_per_category is a whole number, got '2'"),
        ({"max_per_category": 0}, "max_per_category must be at least 1, got 0"),
        ({"deny": "tea"}, "rules.deny is a list, got 'tea'"),
        ({"category": ["a"]}, "rules.category is no rule: did you mean categories"),
    ],
)
def test_rules_that_make_no_sense_are_one_line(given_rules, line):
    with pytest.raises(BundleError, match=line):
        Rules.of(given_rules)


def test_no_rules_are_false_and_any_rule_is_true():
    assert not Rules()
    for rules in (Rules(allow=[]), Rules(in_stock=True), Rules(price_max=0.0), Rules(pinned=["a"])):
        assert rules


def test_a_price_at_the_border_is_in():
    catalogue = Catalogue(np.array(["a", "b", "c"]), price=np.float32([9.99, 10.01, np.nan]))
    assortment = Assortment(catalogue)
    assert assortment.listable(Rules(price_max=9.99)).tolist() == [True, False, False]
    assert assortment.listable(Rules(price_min=10.01)).tolist() == [False, True, False]
