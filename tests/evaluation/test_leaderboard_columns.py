"""The metrics that their config files make columns of the leaderboard."""

import pytest

from growthlab.core.errors import ConfigError
from growthlab.evaluation.leaderboard_columns import MetricColumn, build_metrics

NDCG = {"_target_": "growthlab.metrics.ranking.ndcg.NDCG", "k": [5, 10]}
GINI = {"_target_": "growthlab.metrics.ranking.gini.Gini", "k": [10]}


def test_columns_are_in_the_order_of_their_places():
    nodes = {
        "ndcg": {**NDCG, "leaderboard": {"ndcg_at_10": 20, "ndcg_at_5": 30}},
        "gini": {**GINI, "column": {"gini_at_10": 10}},  # as runs logged it before
    }
    metrics, columns = build_metrics(nodes)
    assert list(metrics) == ["ndcg", "gini"]
    assert metrics["ndcg"].k == (5, 10)
    assert columns == [
        MetricColumn("gini_at_10", larger_is_better=False),
        MetricColumn("ndcg_at_10", larger_is_better=True),
        MetricColumn("ndcg_at_5", larger_is_better=True),
    ]


@pytest.mark.parametrize("nodes", [{"gini": GINI}, {"gini": {**GINI, "leaderboard": None}}])
def test_a_metric_without_a_column_is_measured_and_not_shown(nodes):
    metrics, columns = build_metrics(nodes)
    assert list(metrics) == ["gini"]
    assert columns == []


@pytest.mark.parametrize("column", [10, "ndcg_at_10", {"ndcg_at_10": "first"}])
def test_a_column_without_a_place_is_refused_in_one_line(column):
    with pytest.raises(
        ConfigError, match=r"metrics\.ndcg\.leaderboard must map logged names to places"
    ):
        build_metrics({"ndcg": {**NDCG, "leaderboard": column}})


def test_a_wrong_setting_of_a_metric_is_refused_with_its_place():
    with pytest.raises(ConfigError, match=r"metrics\.ndcg\.depth"):
        build_metrics({"ndcg": {**NDCG, "depth": 3}})
