"""Metrics beyond accuracy: golden values, values worked out by hand, and where they are undefined."""

import numpy as np
import pytest

from growthlab.metrics.ranking.calibration import Calibration
from growthlab.metrics.ranking.entropy import Entropy
from growthlab.metrics.ranking.epc import EPC
from growthlab.metrics.ranking.inter_list_diversity import InterListDiversity
from growthlab.metrics.ranking.intra_list_diversity import IntraListDiversity
from growthlab.metrics.ranking.long_tail_share import LongTailShare
from growthlab.metrics.ranking.popularity_lift import PopularityLift
from growthlab.metrics.ranking.recall_capped import RecallCapped
from growthlab.metrics.ranking.serendipity import Serendipity

NO_TRUTH = [[]]


def the_value(metric, lists):
    (values,) = metric.per_user(lists).values()
    return values.tolist()


def test_golden_entropy_and_epc(lists_of):
    # item counts 5, 3, 2, 0, 0 over five lists of two
    lists = lists_of([[0, 1], [0, 1], [0, 1], [0, 2], [0, 2]], [[]] * 5, popularity=[1] * 5)
    assert Entropy(k=(2,)).overall(lists) == pytest.approx({"entropy_at_2": 1.029653}, abs=1e-6)
    lists = lists_of([[0, 1]], NO_TRUTH, popularity=[10, 1], n_past_users=100)
    assert the_value(EPC(k=(2,)), lists) == pytest.approx([0.945])


def test_golden_capped_recall(one_list):
    assert the_value(RecallCapped(k=(5,)), one_list([1, 1, 0, 1, 0], 7)) == pytest.approx([0.6])


def test_golden_calibration(lists_of):
    # the past is 7 of a and 3 of b, the list only a: p = (.7, .3), q = (1, 0)
    lists = lists_of(
        [[0, 1]],
        NO_TRUTH,
        popularity=[1] * 10,
        histories=[list(range(10))],
        category=["a"] * 7 + ["b"] * 3,
    )
    assert the_value(Calibration(k=(2,)), lists) == pytest.approx([1.133982], abs=1e-6)


def test_a_list_with_the_users_own_shares_is_calibrated(lists_of):
    # an item of two genres counts half for each: a 1.5, b 0.5, in the past (twice 0) as in the list
    lists = lists_of(
        [[2, 3]],
        NO_TRUTH,
        popularity=[1] * 4,
        histories=[[0, 0, 1]],
        attributes=["g=a", "g=a|g=b", "g=b|g=a", "g=a"],
    )
    assert the_value(Calibration(k=(2,)), lists) == pytest.approx([0], abs=1e-12)


@pytest.mark.parametrize(
    ("items", "past", "category"),
    [
        ([0, 1], [], ["a", "b"]),  # no past
        ([-1, -1], [0], ["a", "b"]),  # an empty list
        ([1, -1], [0], ["a", ""]),  # nothing is known of the list's item
        ([0, 1], [0], ["", ""]),  # nor of any
    ],
)
def test_calibration_is_undefined_without_categories_on_both_sides(lists_of, items, past, category):
    lists = lists_of([items], NO_TRUTH, popularity=[1, 1], histories=[past], category=category)
    assert np.isnan(the_value(Calibration(k=(2,)), lists)).all()


def test_intra_list_diversity_is_one_minus_the_mean_overlap_of_known_items(lists_of):
    # {a, x}, {a, y}, {b, y}: Jaccard 1/3, 0 and 1/3; diversities 2/3, 1, 2/3, their mean 7/9
    lists = lists_of(
        [[0, 1, 2, 3]],
        NO_TRUTH,
        popularity=[1] * 4,
        category=["a", "a", "b", ""],
        attributes=["s=x", "s=y", "s=y", ""],
    )
    assert the_value(IntraListDiversity(k=(3,)), lists) == pytest.approx([7 / 9])
    assert the_value(IntraListDiversity(k=(4,)), lists) == pytest.approx(
        [7 / 9]
    )  # unknown: left out


def test_intra_list_diversity_of_one_item_or_of_unknown_items_is_undefined(lists_of):
    lists = lists_of([[0, -1], [1, 0]], [[], []], popularity=[1, 1], category=["a", ""])
    assert np.isnan(the_value(IntraListDiversity(k=(2,)), lists)).all()
    without = lists_of([[0, 1]], NO_TRUTH, popularity=[1, 1])
    assert np.isnan(the_value(IntraListDiversity(k=(2,)), without)).all()


def test_serendipity_as_in_the_example_of_rectools(lists_of):
    # RecTools, docstring of Serendipity: i1 with 3 past users, i2 with 2, i3 and i4 cold
    items = [[0, 1], [1, 2], [2, -1], [1, 2]]
    lists = lists_of(items, [[0, 1], [1, 2], [1], [1]], popularity=[3, 2, 0, 0])
    assert the_value(Serendipity(k=(1,)), lists) == pytest.approx([0, 0.25, 0, 0.25])
    assert the_value(Serendipity(k=(2,)), lists) == pytest.approx([0, 0.5, 0, 0.125])


def test_popularity_lift_compares_the_list_with_the_users_own_items(lists_of):
    # list: mean of 8 and 4; own items 4 and 2, one of them twice: 6 / 3 - 1
    lists = lists_of([[0, 1], [0, 1]], [[], []], popularity=[8, 4, 2], histories=[[1, 2, 2], []])
    assert the_value(PopularityLift(k=(2,)), lists) == pytest.approx([1.0, np.nan], nan_ok=True)


def test_the_long_tail_begins_where_the_head_holds_four_fifths(lists_of):
    # 6 + 2 of 10 pairs are 80 %: the head are items 0 and 1
    lists = lists_of([[0, 1, 2, 3], [2, 3, 0, -1]], [[], []], popularity=[6, 2, 1, 1])
    assert the_value(LongTailShare(k=(4,)), lists) == pytest.approx([0.5, 2 / 3])


def test_items_as_popular_as_the_last_of_the_head_are_in_it(lists_of):
    lists = lists_of([[0, 1, 2, 3]], NO_TRUTH, popularity=[1] * 4)
    assert the_value(LongTailShare(k=(4,)), lists) == [0.0]


def test_inter_list_diversity_counts_the_common_items_of_pairs(lists_of):
    # pairs (0, 1): one in common, (0, 2): both, (1, 2): one; 1 - (4 / 3) / 2
    lists = lists_of([[0, 1], [1, 2], [1, 0]], [[]] * 3, popularity=[1] * 3)
    values = InterListDiversity(k=(2,)).overall(lists)
    assert values == pytest.approx({"inter_list_diversity_at_2": 1 / 3})
    alone = lists_of([[0, 1]], NO_TRUTH, popularity=[1] * 2)
    assert np.isnan(InterListDiversity(k=(2,)).overall(alone)["inter_list_diversity_at_2"])
