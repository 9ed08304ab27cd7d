"""Clusters: known groups are found, their number chosen, stability distinguished from noise."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from tests.insight.purchases import AS_OF, buys, log_of

from growthlab.core.errors import ConfigError, DataError
from growthlab.data.event_log import EventLog
from growthlab.insight.customer_space import checked_tags, customer_space
from growthlab.insight.disclosure import protect_table
from growthlab.insight.report_scope import ReportScope, SectionUnavailable
from growthlab.insight.sections.clusters import STABLE, Clusters

TAGS = ["days_since_last", "orders", "basket_value"]


def three_kinds() -> EventLog:
    """Frequent buyers of cheap things, rare ones of dear things, and some long gone; 30 each."""
    rows = []
    for n in range(30):
        jitter = n / 30
        rows.append(buys(f"a{n:02d}", *(1 + jitter + 3 * k for k in range(20)), price=10 + jitter))
        rows.append(buys(f"b{n:02d}", 30 + jitter, 60 + jitter, price=500 + 10 * jitter))
        rows.append(buys(f"c{n:02d}", 400 + 10 * jitter, price=30 + jitter))
    return log_of(*rows)


def test_points_are_standardised_and_unknown_numbers_are_the_median() -> None:
    log = log_of(buys("a", 9, price=1), buys("b", 9, 6, 3, price=1), buys("c", 9, 7, price=1))
    tags = checked_tags(["orders", "days_between_orders", "spend"], "x")
    space = customer_space(log, AS_OF, tags, np.array(["a", "b", "c"]))
    # two gaps are b's alone, so that all have b's median: the tag distinguishes no customers
    assert space.axes == ("orders", "spend")
    assert space.absent == ("days_between_orders",)
    logs = np.log1p([1, 3, 2])
    np.testing.assert_allclose(space.points[:, 0], (logs - logs.mean()) / logs.std(), rtol=1e-6)


def test_a_text_is_an_axis_a_value() -> None:
    items = pd.DataFrame({"item_id": ["a", "b"], "category": ["x", "y"]})
    log = log_of(buys("u", 5), [{**buys("v", 5)[0], "item_id": "b"}], items=items)
    space = customer_space(log, AS_OF, checked_tags(["top_category"], "x"), np.array(["u", "v"]))
    assert space.axes == ("top_category=x", "top_category=y")
    half = 0.5**0.5
    np.testing.assert_allclose(space.points, [[half, -half], [-half, half]])


@pytest.mark.parametrize("method", ["k_means", "gaussian_mixture"])
def test_the_true_groups_are_found_and_are_stable(method: Any) -> None:
    clusters = Clusters(method=method, features=TAGS, most=4, resamples=2)
    clustering = clusters.clustering(three_kinds(), AS_OF)
    kinds = pd.Series([u[0] for u in clustering.space.user_ids])
    if method == "k_means":
        assert clustering.choice["clusters"][clustering.choice["chosen"]].tolist() == [3]
        assert pd.crosstab(kinds, clustering.labels).to_numpy().tolist() == [
            [0, 30, 0],
            [30, 0, 0],  # the most spent: 2 x 505 against 20 x 10
            [0, 0, 30],
        ]
        assert clustering.stability.mean() == 1
    assert pd.Series(clustering.labels).groupby(kinds).nunique().max() <= 2


def test_clusters_of_noise_are_not_stable() -> None:
    rng = np.random.default_rng(0)
    rows = [
        buys(f"u{n}", *rng.uniform(0, 365, 1 + rng.poisson(4)), price=float(rng.lognormal(2, 1)))
        for n in range(150)
    ]
    clusters = Clusters(features=["days_since_last", "weekend_share", "basket_value"], clusters=7)
    assert clusters.clustering(log_of(*rows), AS_OF).stability.mean() < STABLE


def test_the_same_seed_gives_the_same_clusters(shop: EventLog) -> None:
    as_of = ReportScope.of(shop).as_of
    clusters = Clusters(most=4, resamples=2)
    pd.testing.assert_frame_equal(clusters.customers(shop, as_of), clusters.customers(shop, as_of))


def test_the_report_says_how_clusters_were_chosen(shop: EventLog) -> None:
    findings = Clusters(most=4, resamples=2).find(ReportScope.of(shop))
    tables = {t.name: protect_table(t, 10).rows for t in findings.tables}
    assert (tables["clusters"]["customers"] >= 10).all()
    assert tables["cluster_choice"]["chosen"].sum() == 1
    (choice,) = [table for table in findings.tables if table.technical]
    assert "by k_means, their number by the highest silhouette" in choice.note
    weighed = tables["cluster_profile"].groupby("feature")[["difference", "customers"]]
    for _, rows in weighed:  # what some have above the mean others have below it; cut-off aside
        total = (rows["difference"].astype(float) * rows["customers"].astype(float)).sum()
        assert abs(total) / rows["customers"].sum() < 0.1


def test_too_few_customers_make_no_clusters() -> None:
    log = log_of(*(buys(f"u{n}", n + 1) for n in range(12)))
    with pytest.raises(DataError, match="12 buyers are too few for 8 clusters"):
        Clusters().clustering(log, AS_OF)
    with pytest.raises(SectionUnavailable, match="too few"):
        Clusters().find(ReportScope.of(log))


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"method": "dbscan"}, "method=dbscan: possible: gaussian_mixture, k_means"),
        ({"clusters": 1}, "clusters must be at least 2"),
        ({"features": ["gender"]}, "features: gender is sensitive: segments are made without it"),
        ({"features": ["top_terms"]}, "features: top_terms is a list"),
        ({"features": ["order"]}, "features: there is no tag order: did you mean orders"),
        ({"features": []}, r"features=\[\] leaves nothing"),
        ({"resamples": 1}, "resamples must be at least 2"),
    ],
)
def test_mistakes_are_refused(more: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Clusters(**more)
