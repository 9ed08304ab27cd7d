"""Ranking metrics: golden values, the edge cases of the protocol, and what holds for any list."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from growthlab.core.errors import ConfigError
from growthlab.metrics.ranking.average_popularity import AveragePopularity
from growthlab.metrics.ranking.coverage import Coverage
from growthlab.metrics.ranking.gini import Gini
from growthlab.metrics.ranking.hit_rate import HitRate
from growthlab.metrics.ranking.map import MAP
from growthlab.metrics.ranking.mrr import MRR
from growthlab.metrics.ranking.ndcg import NDCG
from growthlab.metrics.ranking.novelty import Novelty
from growthlab.metrics.ranking.precision import Precision
from growthlab.metrics.ranking.recall import Recall
from growthlab.metrics.ranking.recall_micro import RecallMicro
from growthlab.metrics.ranking.repeat_ratio import RepeatRatio
from growthlab.metrics.ranking.short_list_rate import ShortListRate
from growthlab.metrics.ranking.tied_share import TiedShare
from growthlab.metrics.ranking.users_without_targets import UsersWithoutTargets

ACCURACY = (HitRate, Precision, Recall, NDCG, MAP, MRR)

# (relevance, relevant items, {metric: value}); Precision at the first case by hand: 3 hits / 10.
GOLDEN = [
    (
        [0, 1, 0, 1, 1, 0, 0, 0, 0, 0],
        4,
        {HitRate: 1, Precision: 0.3, Recall: 0.75, NDCG: 0.565450, MAP: 0.4, MRR: 0.5},
    ),
    ([1, 1, 0, 1, 0], 7, {Recall: 0.428571, NDCG: 0.699215, MAP: 0.55, MRR: 1.0}),
]


@pytest.mark.parametrize(("relevance", "n_relevant", "expected"), GOLDEN)
def test_golden_values_of_one_user(one_list, relevance, n_relevant, expected):
    k = len(relevance)
    for metric, value in expected.items():
        (values,) = metric(k=(k,)).per_user(one_list(relevance, n_relevant)).values()
        assert values == pytest.approx([value], abs=1e-6), metric.__name__


def test_golden_coverage_and_gini(lists_of):
    # item counts 5, 3, 2, 0, 0 over five lists of two
    lists = lists_of([[0, 1], [0, 1], [0, 1], [0, 2], [0, 2]], [[]] * 5, popularity=[1] * 5)
    assert Coverage(k=(2,)).overall(lists) == pytest.approx({"coverage_at_2": 0.6})
    assert Gini(k=(2,)).overall(lists) == pytest.approx({"gini_at_2": 0.65})


def test_golden_novelty(lists_of):
    lists = lists_of([[0, 1]], [[0]], popularity=[10, 1], n_past_users=100)
    assert Novelty(k=(2,)).per_user(lists)["novelty_at_2"] == pytest.approx([4.982892], abs=1e-6)
    assert AveragePopularity(k=(2,)).per_user(lists)["average_popularity_at_2"].tolist() == [5.5]


def test_a_cold_item_is_as_novel_as_half_a_user(lists_of):
    # -log2(0.5 / 128) = 8
    lists = lists_of([[0]], [[0]], popularity=[0], n_past_users=128)
    assert Novelty(k=(1,)).per_user(lists)["novelty_at_1"].tolist() == [8.0]


def test_gini_is_one_where_all_lists_hold_the_same_item_and_zero_where_all_items_are_listed(
    lists_of,
):
    assert Gini(k=(1,)).overall(lists_of([[0]] * 4, [[]] * 4, popularity=[1] * 4))["gini_at_1"] == 1
    even = lists_of([[0], [1], [2], [3]], [[]] * 4, popularity=[1] * 4)
    assert Gini(k=(1,)).overall(even)["gini_at_1"] == 0


def test_gini_of_empty_lists_is_undefined(lists_of):
    lists = lists_of([[-1]], [[0]], popularity=[1, 1])
    assert np.isnan(Gini(k=(1,)).overall(lists)["gini_at_1"])


@pytest.mark.parametrize("metric", ACCURACY)
def test_a_user_without_targets_has_no_accuracy(lists_of, metric):
    lists = lists_of([[0, 1], [0, 1]], [[], [0]], popularity=[1, 1])
    (values,) = metric(k=(2,)).per_user(lists).values()
    assert np.isnan(values).tolist() == [True, False]
    assert UsersWithoutTargets().overall(lists) == {"users_without_targets": 1.0}


def test_a_user_without_targets_still_counts_for_coverage_and_novelty(lists_of):
    lists = lists_of([[0], [1]], [[], [0]], popularity=[1, 1, 1])
    assert Coverage(k=(1,)).overall(lists)["coverage_at_1"] == pytest.approx(2 / 3)
    assert np.isfinite(Novelty(k=(1,)).per_user(lists)["novelty_at_1"]).all()


def test_precision_divides_by_k_also_where_the_list_is_shorter(lists_of):
    lists = lists_of([[0, -1, -1, -1]], [[0]], popularity=[1])
    assert Precision(k=(4,)).per_user(lists)["precision_at_4"].tolist() == [0.25]
    assert ShortListRate(k=(1, 4)).overall(lists) == {
        "short_list_rate_at_1": 0.0,
        "short_list_rate_at_4": 1.0,
    }


def test_the_end_of_a_short_list_is_not_a_hit_of_an_item_outside_the_catalogue(lists_of):
    lists = lists_of([[0, -1]], [[-1]], popularity=[1])
    assert not lists.hits.any()


def test_an_item_outside_the_catalogue_counts_in_the_denominators(lists_of):
    lists = lists_of([[0, 1]], [[0, -1]], popularity=[1, 1])
    assert Recall(k=(2,)).per_user(lists)["recall_at_2"].tolist() == [0.5]
    # ideal list: two hits, 1 + 1/log2(3) = 1.63093; the list: one at the top
    assert NDCG(k=(2,)).per_user(lists)["ndcg_at_2"] == pytest.approx([1 / 1.6309297], abs=1e-6)


@pytest.mark.parametrize(("n_relevant", "k"), [(2, 5), (5, 5), (9, 5)])
def test_the_oracle_has_ndcg_and_map_one_however_many_items_are_relevant(one_list, n_relevant, k):
    n_hits = min(n_relevant, k)
    lists = one_list([1] * n_hits + [0] * (k - n_hits), n_relevant)
    assert NDCG(k=(k,)).per_user(lists)[f"ndcg_at_{k}"] == pytest.approx([1])
    assert MAP(k=(k,)).per_user(lists)[f"map_at_{k}"] == pytest.approx([1])


# the fixture is a function without state
@settings(
    max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    relevance=st.lists(st.integers(0, 1), min_size=6, max_size=6),
    n_missed=st.integers(0, 5),
)
def test_hits_only_accumulate_with_k_and_stay_within_bounds(lists_of, relevance, n_missed):
    hits = [i for i, hit in enumerate(relevance) if hit]
    missed = list(range(6, 6 + n_missed))
    lists = lists_of([list(range(6))], [hits + missed], popularity=[1] * 12)
    for metric in ACCURACY:
        values = np.concatenate(list(metric(k=tuple(range(1, 7))).per_user(lists).values()))
        if not hits + missed:
            assert np.isnan(values).all()
            continue
        assert (values >= 0).all()
        assert (values <= 1 + 1e-12).all()
        if metric in (HitRate, Recall, MRR):
            assert (np.diff(values) >= 0).all()


def test_repeat_ratio_of_the_list_and_of_the_truth(lists_of):
    # the user had 0 and 1: half of the list [0, 2, 1, 3], a third of the truth {0, 2, 3}
    lists = lists_of([[0, 2, 1, 3]], [[0, 2, 3]], popularity=[1] * 4, histories=[[0, 1, 0]])
    values = RepeatRatio(k=(4,)).per_user(lists)
    assert values["repeat_ratio_at_4"].tolist() == [0.5]
    assert values["repeat_ratio_of_truth"] == pytest.approx([1 / 3])


def test_tied_share_counts_only_targets_that_could_be_ranked(lists_of):
    lists = lists_of([[0, 1]], [[0, 1, -1]], popularity=[1, 1])
    assert np.isnan(TiedShare().overall(lists)["tied_share"])
    ranks, tied = np.array([1.5, 1.5, np.inf]), np.array([True, False, False])
    lists = replace(lists, truth_ranks=ranks, truth_tied=tied)
    assert TiedShare().overall(lists) == {"tied_share": 0.5}


def test_a_k_longer_than_the_lists_is_refused(lists_of):
    with pytest.raises(ConfigError, match="ndcg_at_20 needs lists of 20 items, they hold 2"):
        NDCG(k=(1, 20)).per_user(lists_of([[0, 1]], [[0]], popularity=[1, 1]))


@pytest.mark.parametrize("k", [[], [0], [2.5], ["10"]])
def test_an_invalid_k_is_refused(k):
    with pytest.raises(ConfigError, match="k of recall must be whole numbers from 1"):
        Recall(k=k)


def test_micro_recall_counts_items_where_recall_counts_users(lists_of):
    # one of one and one of four listed: recall (1 + 1/4) / 2, micro recall 2 / 5
    lists = lists_of([[0], [0]], [[0], [0, 1, 2, 3]], popularity=[1] * 4)
    hits, taken = RecallMicro(k=(1,)).parts(lists)["recall_micro_at_1"]
    assert hits.sum() / taken.sum() == 0.4
    assert Recall(k=(1,)).per_user(lists)["recall_at_1"].mean() == 0.625
