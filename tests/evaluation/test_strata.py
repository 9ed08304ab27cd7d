"""Strata: warm and cold, repeated and new targets, each with its own users and mean."""

from dataclasses import replace

import numpy as np
import pytest

from growthlab.evaluation.bootstrap import evaluate_lists
from growthlab.evaluation.strata import STRATA, evaluate_strata, target_strata
from growthlab.metrics.ranking.base import head_items


def test_every_target_is_warm_or_cold_and_repeated_or_new(lists):
    strata = target_strata(lists)
    assert tuple(strata) == STRATA
    assert strata["all"].all()
    assert (strata["warm"] == ~(strata["cold_item"] | strata["cold_user"])).all()
    assert (strata["repeat"] == ~strata["new"]).all()
    for name in STRATA:
        assert strata[name].any(), name


def test_cold_targets_are_those_without_a_past(lists):
    strata = target_strata(lists)
    outside = lists.truth_items < 0
    nobody_had = ~outside & (lists.popularity[lists.truth_items] == 0)
    assert (strata["cold_item"] == outside | nobody_had).all()
    assert (strata["cold_user"] == (lists.truth_rows < 10)).all()


def test_the_head_holds_four_fifths_of_the_interactions():
    # 10 of 20, then 6 more: 16 of 20 are four fifths; the other 4 belong to the tail
    popularity = np.array([1, 10, 0, 6, 3])
    assert head_items(popularity).tolist() == [False, True, False, True, False]


def test_items_as_popular_as_the_last_of_the_head_are_in_it_too():
    assert head_items(np.array([5, 5, 5, 5, 5])).all()
    assert not head_items(np.zeros(3)).any()
    assert head_items(np.zeros(0)).shape == (0,)


def test_every_target_is_of_the_head_the_tail_or_cold(lists):
    strata = target_strata(lists)
    parts = np.array([strata[name] for name in ("head", "tail", "cold_item")])
    assert (parts.sum(axis=0) == 1).all()


def test_repeats_are_the_users_own_items(lists):
    owned = lists.histories.matrix().toarray() > 0
    expected = [
        i >= 0 and owned[u, i] for u, i in zip(lists.truth_rows, lists.truth_items, strict=True)
    ]
    assert target_strata(lists)["repeat"].tolist() == expected


def test_only_target_events_count_as_repeats(lists):
    looked_at = replace(
        lists, owned=lists.histories.of_types(["view"])
    )  # nobody looked at anything
    assert not target_strata(looked_at)["repeat"].any()
    bought = replace(lists, owned=lists.histories.of_types(["purchase"]))
    assert (target_strata(bought)["repeat"] == target_strata(lists)["repeat"]).all()


def test_the_stratum_of_all_has_the_headline_values(lists, ranking_metrics):
    table = evaluate_strata(lists, ranking_metrics)
    _, values, _ = evaluate_lists(lists, ranking_metrics)
    rows = table[table["stratum"] == "all"].set_index("metric")
    assert set(rows.index) == {"ndcg_at_10", "recall_at_20"}
    for metric, row in rows.iterrows():
        assert row[["value", "low", "high"]].tolist() == pytest.approx(
            list(values[metric]), nan_ok=True
        )


def test_users_without_a_target_in_the_stratum_are_left_out(lists, ranking_metrics):
    table = evaluate_strata(lists, ranking_metrics, n_resamples=20)
    counts = table.drop_duplicates("stratum").set_index("stratum")["n_users"]
    assert counts["cold_user"] == 10
    assert counts["all"] == 80
    assert counts["repeat"] < counts["new"] <= 80


def test_recall_of_repeats_divides_by_repeats_alone(lists, ranking_metrics):
    # the perfect model lists all liked items within 20 places: every repeat is listed
    table = evaluate_strata(lists, ranking_metrics, n_resamples=20).set_index(["stratum", "metric"])
    assert table.loc[("repeat", "recall_at_20"), "value"] == 1.0
    # of five new or repeated targets a user, one lies outside the catalogue and is missed
    assert table.loc[("all", "recall_at_20"), "value"] == pytest.approx(0.8)
    # nobody differs from anybody there, so nothing is known of the error
    assert table.loc["all", "low"].isna().all()
    assert np.isfinite(table.loc["new", "low"]).all()
