"""Clusters of similar customers: their number chosen by a criterion, their stability measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, Literal

import numpy as np
import pandas as pd

from growthlab.core.errors import ConfigError, DataError
from growthlab.core.seeding import random_stream
from growthlab.data.event_log import EventLog
from growthlab.insight.buyers import buyers
from growthlab.insight.customer_space import CustomerSpace, checked_tags, customer_space
from growthlab.insight.findings import Column, Findings, HeatMap, LinePlot, ReportTable
from growthlab.insight.report_scope import ReportScope, SectionUnavailable
from growthlab.insight.segment_table import (
    SEGMENT_NOTE,
    all_buyers,
    segment_count,
    segment_table,
)

FEATURES = (
    "days_since_last",
    "orders",
    "basket_value",
    "basket_items",
    "tenure_days",
    "price_level",
    "repeat_share",
    "discount_share",
    "return_rate",
    "weekend_share",
)
SAMPLE = 2_000  # customers of a silhouette, which compares each with each
STABLE = 0.75  # mean adjusted Rand index from which clusters are called stable
Method = Literal["k_means", "gaussian_mixture"]


@dataclass(frozen=True)
class Clustering:
    """`labels` are the clusters of the customers, from 0, the largest spend first.

    `choice` has a row for each number of clusters tried: clusters, criterion and chosen. `stability`
    has the adjusted Rand index of the labels with those of each resample.
    """

    space: CustomerSpace
    labels: np.ndarray  # (n,) int64
    choice: pd.DataFrame
    stability: np.ndarray  # (n_resamples,)


@dataclass(frozen=True, kw_only=True)
class Clusters:
    """Clusters of customers who have bought, by k-means or a mixture of Gaussians over tags.

    The number is that of the best criterion: the mean silhouette for ``k_means`` (Rousseeuw, J.
    Comput. Appl. Math. 1987; the higher the better, of at most `SAMPLE` customers), the BIC for
    ``gaussian_mixture`` (Schwarz, Ann. Stat. 1978; the lower the better). Stability: the same
    number of clusters is fitted to bootstrap samples, all customers are assigned to those, and the
    adjusted Rand index (Hubert and Arabie, J. Classif. 1985) with the clusters shown is averaged;
    1 is the same, 0 by chance.

    Parameters
    ----------
    features
        Tags of the portrait, none sensitive; those that the data lacks are left out, with a note.
    clusters
        Their number; null: chosen from 2 to `most`.
    resamples
        Bootstrap samples for the stability.
    """

    chapter: ClassVar[str] = "Customers"
    title: ClassVar[str] = "Clusters of like customers"
    method: Method = "k_means"
    features: Sequence[str] = FEATURES
    clusters: int | None = None
    most: int = 8
    resamples: int = 10
    seed: int = 0

    def __post_init__(self) -> None:
        if self.method not in ("k_means", "gaussian_mixture"):
            raise ConfigError(f"method={self.method}: possible: gaussian_mixture, k_means")
        if self.clusters is not None and self.clusters < 2:
            raise ConfigError(
                f"clusters must be at least 2, or null to choose, got {self.clusters}"
            )
        if self.most < 2:
            raise ConfigError(f"most must be at least 2, got {self.most}")
        if self.resamples < 2:
            raise ConfigError(f"resamples must be at least 2, got {self.resamples}")
        checked_tags(self.features, "features")

    def customers(self, log: EventLog, as_of: datetime) -> pd.DataFrame:
        """One row a buyer by ``user_id``: the cluster, from 1."""
        clustering = self.clustering(log, as_of)
        user_ids = clustering.space.user_ids
        labels = pd.Series(clustering.labels + 1, index=user_ids, name="cluster")
        return labels.rename_axis("user_id").to_frame()

    def clustering(self, log: EventLog, as_of: datetime) -> Clustering:
        """The clusters of the customers who had bought before a date.

        Raises
        ------
        DataError
            There are fewer than ten customers a cluster, or no tag tells them apart.
        """
        customers = buyers(log, as_of)
        numbers = range(2, self.most + 1) if self.clusters is None else [self.clusters]
        if len(customers) < 10 * max(numbers):
            raise DataError(
                f"{len(customers)} buyers are too few for {max(numbers)} clusters: ten each are needed; "
                "lower clusters or most"
            )
        tags = checked_tags(self.features, "features")
        space = customer_space(log, as_of, tags, customers.index.to_numpy(dtype=str))
        choice, labels = self._best_number(space.points, list(numbers))
        has_spend = customers["spend"].notna().any()
        worth = customers["spend" if has_spend else "orders"]
        means = pd.Series(worth.to_numpy(dtype=np.float64)).groupby(labels).mean()
        rank = means.sort_values(ascending=False).index
        places = np.empty(labels.max() + 1, dtype=np.int64)
        places[rank.to_numpy()] = np.arange(len(rank))
        stability = self._stability(space.points, labels)
        return Clustering(space, places[labels], choice, stability)

    def find(self, scope: ReportScope) -> Findings:
        """The clusters, what is typical of each, and how their number was chosen."""
        try:
            clustering = self.clustering(scope.log, scope.as_of)
        except DataError as error:
            raise SectionUnavailable(f"clusters: {error}") from error
        rows = buyers(scope.log, scope.as_of)
        rows["cluster"] = pd.Categorical((clustering.labels + 1).astype(str))
        table = segment_table(
            "clusters", "Clusters", rows, "cluster", scope, "By spend, the highest first."
        )
        profile = _profile(clustering, rows["cluster"].astype(str))
        sizes = [segment_count("clusters", label, scope.as_of) for label in profile["cluster"]]
        heat = HeatMap("feature", "cluster", "difference", "Standard deviations from the mean")
        plot = LinePlot("clusters", ("criterion",), "Criterion by number of clusters")
        choice = clustering.choice.assign(clusters=clustering.choice["clusters"].astype(str))
        choice["customers"] = len(rows)
        columns = self._choice_columns
        tables = (
            table,
            ReportTable("cluster_profile", "What is typical", profile, PROFILE, plots=(heat,), rows_shown=0,
                        count_names={"customers": sizes}),
            ReportTable("cluster_choice", "Their number", choice[list(columns)], columns,
                        plots=(plot,) if len(choice) > 1 else (), technical=True,
                        note=self._method(clustering),
                        count_names={"customers": [all_buyers(scope)] * len(choice)}),
        )  # fmt: skip
        return Findings(tables, (SEGMENT_NOTE, _verdict(clustering)))

    def _best_number(
        self, points: np.ndarray, numbers: list[int]
    ) -> tuple[pd.DataFrame, np.ndarray]:
        """The criterion of each number of clusters, and the labels of the best."""
        models = [self._fit(points, n, 0) for n in numbers]
        labels = [np.asarray(m.predict(points), dtype=np.int64) for m in models]
        values = [self._criterion(m, points, own) for m, own in zip(models, labels, strict=True)]
        best = int(np.argmax(values) if self.method == "k_means" else np.argmin(values))
        choice = pd.DataFrame({"clusters": numbers, "criterion": values})
        return choice.assign(chosen=choice.index == best), labels[best]

    def _fit(self, points: np.ndarray, n: int, draw: int) -> Any:
        from sklearn.cluster import KMeans
        from sklearn.mixture import GaussianMixture

        seed = int(random_stream(self.seed, "clusters", n, draw).integers(2**31))
        if self.method == "k_means":
            return KMeans(n, n_init=3, random_state=seed).fit(points)
        mixture = GaussianMixture(n, reg_covar=1e-3, max_iter=300, random_state=seed)
        return mixture.fit(points)

    def _criterion(self, model: Any, points: np.ndarray, labels: np.ndarray) -> float:
        from sklearn.metrics import silhouette_score

        if self.method == "gaussian_mixture":
            return float(model.bic(points))
        kept = random_stream(self.seed, "silhouette").permutation(len(points))[:SAMPLE]
        if len(np.unique(labels[kept])) < 2:
            return -1.0
        return float(silhouette_score(points[kept], labels[kept]))

    def _stability(self, points: np.ndarray, labels: np.ndarray) -> np.ndarray:
        """The adjusted Rand index of the labels with those of each resample."""
        from sklearn.metrics import adjusted_rand_score

        indices, n = [], int(labels.max()) + 1
        for draw in range(1, self.resamples + 1):
            rng = random_stream(self.seed, "resample", n, draw)
            sample = points[rng.integers(len(points), size=len(points))]
            again = self._fit(sample, n, draw).predict(points)
            indices.append(adjusted_rand_score(labels, again))
        return np.array(indices)

    def _method(self, clustering: Clustering) -> str:
        """How the number was chosen, how stable the clusters are, and which tags are missing."""
        stability = clustering.stability
        by = "the highest silhouette" if self.method == "k_means" else "the lowest BIC"
        chosen = "as set" if self.clusters is not None else f"by {by}"
        absent = ", ".join(clustering.space.absent)
        without = f" Without {absent}." if absent else ""
        return (
            f"Clusters by {self.method}, their number {chosen}. Over {self.resamples} resamples the "
            f"adjusted Rand index is {stability.mean():.2f} on average, {stability.min():.2f} at the "
            f"least.{without}"
        )

    @property
    def _choice_columns(self) -> dict[str, Column]:
        counts = ("customers",)
        criterion = (
            "Mean silhouette, higher is better"
            if self.method == "k_means"
            else "BIC, lower is better"
        )
        return {
            "clusters": Column("label", "Number of clusters tried."),
            "criterion": Column(
                "number", f"{criterion}; it chooses the number.", counts, reveals=()
            ),
            "chosen": Column("label", "Whether these are the clusters shown."),
            "customers": Column("customers", "Customers who were clustered.", counts),
        }


def _verdict(clustering: Clustering) -> str:
    """Whether the clusters are to be trusted."""
    n = clustering.labels.max() + 1
    if clustering.stability.mean() >= STABLE:
        return (
            f"{n} clusters, and they are stable: resamples of the customers give nearly the same."
        )
    return f"{n} clusters, and they are not stable: do not build on them."


def _profile(clustering: Clustering, labels: pd.Series) -> pd.DataFrame:
    """One row a cluster and feature: how far its mean is from that of all customers."""
    space = clustering.space
    points = pd.DataFrame(space.points, columns=list(space.axes), index=labels.index)
    means = points.groupby(labels).mean()
    sizes = labels.value_counts()
    long = means.rename_axis("cluster").reset_index().melt("cluster", var_name="feature",
                                                           value_name="difference")  # fmt: skip
    long["customers"] = long["cluster"].map(sizes)
    return long.sort_values(["cluster", "feature"], ignore_index=True)[list(PROFILE)]


PROFILE = {
    "cluster": Column("label", "The cluster."),
    "feature": Column("label", "A tag of the portrait."),
    "difference": Column(
        "number",
        "Mean over the cluster less the mean over all customers, in standard deviations (of "
        "ln(1 + value) for counts, amounts and numbers).",
        ("customers",),
    ),
    "customers": Column("customers", "Customers of the cluster.", ("customers",)),
}
