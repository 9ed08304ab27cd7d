"""The outlook of each customer by exported models: risk, expected value and recommended items."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import chain
from pathlib import Path
from typing import ClassVar

import pandas as pd

from growthlab.bundle.answer_kinds import AnswerKind
from growthlab.bundle.answers import PredictRequest, RecommendRequest
from growthlab.bundle.bundle import Bundle
from growthlab.bundle.manifest import bundle_folders
from growthlab.core.errors import ConfigError, DataError
from growthlab.data.event_log import EventLog
from growthlab.insight.buyers import buyers
from growthlab.insight.counts import Sum, count_at
from growthlab.insight.findings import BarPlot, Column, Findings, ReportTable
from growthlab.insight.levels import assign_levels, check_borders, value_borders
from growthlab.insight.report_scope import SMALLEST_GROUP, ReportScope, SectionUnavailable
from growthlab.insight.segment_table import segment_count

KINDS = (AnswerKind.PROBABILITY, AnswerKind.AMOUNT, AnswerKind.LIST)
OPTION = "section.outlook.bundles"
Bundles = Mapping[AnswerKind, Bundle]


@dataclass(frozen=True, kw_only=True)
class Outlook:
    """Risk, expected value and the top of the list of each customer, by exported models.

    Parameters
    ----------
    bundles
        A folder, or a list, of three bundles: one answers with a probability (the risk), one with an
        amount (the value), one with lists. They must share data, cutoff and horizon. Null: no outlook.
    k
        Items of each list.
    risk_borders, value_borders
        As those of the section ``risk_value``.
    """

    chapter: ClassVar[str] = "Customers"
    title: ClassVar[str] = "Outlook"
    bundles: str | Sequence[str] | None = None
    k: int = 3
    risk_borders: Sequence[float] = (0.4, 0.8)
    value_borders: Sequence[float] | None = None

    def __post_init__(self) -> None:
        if self.k < 1:
            raise ConfigError(f"k must be at least 1, got {self.k}")
        check_borders(self.risk_borders, self.value_borders)

    def customers(self, log: EventLog, as_of: datetime) -> pd.DataFrame:
        """One row a customer by ``user_id``: risk, value, the level of each and recommended, item ids.

        Of the buyers before `as_of` those whom all three bundles know, as of the bundles' cutoff.

        Raises
        ------
        DataError
            No bundles are set, they do not belong together, or their cutoff is after `as_of`.
        """
        return self._answers(log, as_of, load_bundles(self.bundles))

    def find(self, scope: ReportScope) -> Findings:
        """A row a level of risk: customers, mean risk and value, and the item on most of their lists."""
        if self.bundles is None:
            raise SectionUnavailable(NO_BUNDLES)
        bundles = load_bundles(self.bundles)
        customers = self._answers(scope.log, scope.as_of, bundles)
        groups = customers.groupby("risk_level", observed=False)
        rows = groups.agg(
            customers=("risk", "size"),
            risk=("risk", "mean"),
            value=("value", "mean"),
            total_value=("value", "sum"),
        )
        rows = rows.join(most_listed_items(customers)).reset_index()
        rows.loc[rows["customers"] < scope.min_group, ["item_id", "listed"]] = None
        plot = BarPlot("risk_level", "total_value", "Value expected by risk")
        names = [segment_count("outlook", label, scope.as_of) for label in rows["risk_level"]]
        table = ReportTable("outlook", "Outlook", rows, self._columns(), plots=(plot,),
                      sums=(Sum(count_at("known to the bundles", scope.as_of), tuple(names)),),
                      count_names={"customers": names})  # fmt: skip
        return Findings((table,), (_source_note(bundles),))

    def _answers(self, log: EventLog, as_of: datetime, bundles: Bundles) -> pd.DataFrame:
        cutoff = datetime.fromisoformat(str(bundles[AnswerKind.PROBABILITY].manifest.cutoff))
        known_until = log.calendar.local(cutoff)
        if known_until > as_of:
            raise DataError(f"{OPTION}: the bundles know of events up to {known_until}, after "
                            f"as_of={as_of}: give a later as_of, or older bundles")  # fmt: skip
        ids = buyers(log, as_of).index.astype(str).tolist()
        customers = predict_customers(bundles, ids, self.k)
        if customers.empty:
            raise DataError(f"{OPTION}: the bundles know no customer of {log.name}")
        customers["risk_level"] = assign_levels(customers["risk"], self.risk_borders)
        borders = value_borders(customers["value"], self.value_borders)
        customers["value_level"] = assign_levels(customers["value"], borders)
        return customers[["risk", "value", "risk_level", "value_level", "recommended"]]

    def _columns(self) -> dict[str, Column]:
        low, high = self.risk_borders
        counts = ("customers",)
        return {
            "risk_level": Column("label", f"middle: risk above {low:g}; high: above {high:g}."),
            "customers": Column("customers", "Customers of the level.", counts),
            "risk": Column("share", "Mean probability of no purchase.", counts),
            "value": Column("money", "Mean value expected.", counts),
            "total_value": Column("money", "Value expected of all of them.", counts),
            "item_id": Column("label", f"The item on most of their lists of {self.k}."),
            "listed": Column(
                "customers",
                "Customers of them who have it on their list.",
                counts,
                ("listed",),
                "customers",
            ),
        }


NO_BUNDLES = f"{OPTION} names no folder of bundles (growthlab export writes them)"


def load_bundles(paths: str | Sequence[str] | None) -> Bundles:
    """The bundle of each kind of answer, after a check that they are about the same customers and time.

    Raises
    ------
    DataError
        A kind of answer has no bundle or two, or they differ in data, cutoff or horizon.
    BundleError
        A folder is no bundle and has none in it, or a bundle is broken.
    """
    if paths is None:
        raise DataError(NO_BUNDLES)
    listed = [paths] if isinstance(paths, str) else paths
    folders = chain.from_iterable(bundle_folders(Path(str(path))) for path in listed)
    bundles: dict[AnswerKind, Bundle] = {}
    for folder in folders:
        bundle = Bundle.load(folder)
        kind = bundle.manifest.answer.kind
        other = bundles.setdefault(kind, bundle)
        if other is not bundle:
            both = f"{other.folder} and {folder} both answer with {kind.noun}"
            raise DataError(f"{OPTION}: {both}: list one bundle of each kind")
    missing = [kind for kind in KINDS if kind not in bundles]
    if missing:
        raise DataError(
            f"{OPTION}: no bundle answers with {missing[0].noun}: export a model of a task that does"
        )
    for name in ("data", "cutoff", "horizon_days"):
        _check_equal(name, bundles)
    for bundle in bundles.values():
        if bundle.no_lookup:
            raise DataError(f"{OPTION}: {bundle.folder}: {bundle.no_lookup}")
    return bundles


def predict_customers(bundles: Bundles, user_ids: Sequence[str], k: int) -> pd.DataFrame:
    """``risk``, ``value`` and ``recommended`` of the users whom each bundle knows, by ``user_id``."""
    bundles = {kind: bundle.asked_by_data_ids() for kind, bundle in bundles.items()}
    lists = bundles[AnswerKind.LIST].recommend([RecommendRequest(u) for u in user_ids], k)
    risks, values = (
        bundles[kind].predict([PredictRequest(u) for u in user_ids])
        for kind in (AnswerKind.PROBABILITY, AnswerKind.AMOUNT)
    )
    rows = [
        (user, risk.value, value.value, [item.item for item in answer.items])
        for user, risk, value, answer in zip(user_ids, risks, values, lists, strict=True)
        if {risk.served, value.served} == {"known"}
    ]
    columns = ["user_id", "risk", "value", "recommended"]
    return pd.DataFrame(rows, columns=columns).set_index("user_id")


def most_listed_items(customers: pd.DataFrame) -> pd.DataFrame:
    """``item_id``, on most lists of each risk level, and ``listed``, on how many.

    Items on fewer than `SMALLEST_GROUP` lists do not count; among equals the first id is taken.
    """
    long = customers[["risk_level", "recommended"]].explode("recommended")
    counts = long.groupby(["risk_level", "recommended"], observed=True).size().rename("listed")
    ranked = counts.reset_index().rename(columns={"recommended": "item_id"})
    ranked = ranked[ranked["listed"] >= SMALLEST_GROUP]
    ranked = ranked.sort_values(["risk_level", "listed", "item_id"], ascending=[True, False, True])
    return ranked.drop_duplicates("risk_level").set_index("risk_level").astype({"listed": "Int64"})


def _check_equal(name: str, bundles: Bundles) -> None:
    """DataError where the manifests differ in a field; null is equal to anything."""
    manifests = [bundles[kind].manifest for kind in KINDS]
    values = {manifest.task: getattr(manifest, name) for manifest in manifests}
    if len({str(value) for value in values.values() if value is not None}) > 1:
        listed = ", ".join(f"{task} has {value}" for task, value in values.items())
        raise DataError(f"{OPTION}: the bundles differ in {name} ({listed}): they must share it")


def _source_note(bundles: Bundles) -> str:
    manifest = bundles[AnswerKind.PROBABILITY].manifest
    risk, value, lists = (bundles[kind].manifest.model for kind in KINDS)
    return (
        f"Probability of no purchase in {manifest.horizon_days:g} days by {risk}, value in "
        f"them by {value}, lists by {lists}, all as of {manifest.cutoff}; "
        "customers whom a bundle does not know are left out."
    )
