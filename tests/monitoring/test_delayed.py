"""Served predictions against what customers did in the horizon."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from growthlab.bundle.bundle import Bundle
from growthlab.core.errors import ConfigError, DataError
from growthlab.data.event_log import EventLog
from growthlab.monitoring.alerts import AlertLimits
from growthlab.monitoring.delayed import DelayedEvaluation, MetricWithBounds
from growthlab.monitoring.log_reader import LogPeriod
from growthlab.monitoring.log_summary import ServedPrediction, summarise_log
from growthlab.monitoring.monitoring_report import MonitoringReport
from growthlab.tasks.churn import Churn
from growthlab.tasks.delayed_outcomes import evaluate_delayed, worse_metrics
from growthlab.tasks.value import Value


def purchases(*rows: tuple[str, str]) -> EventLog:
    """A log of purchases: user and day."""
    frame = pd.DataFrame(rows, columns=["user_id", "timestamp"])
    frame["timestamp"] = pd.to_datetime(frame["timestamp"])
    return EventLog.from_frames(frame.assign(item_id="tea", event_type="purchase"))


# the horizon of the bundle: 28 days from 2024-03-01, that is up to 2024-03-29
NEWER = (
    *((f"user000{n}", "2024-02-01") for n in range(4)),
    ("user0000", "2024-03-01"),  # stays: the first moment is inside
    ("user0001", "2024-03-28"),  # stays
    ("user0002", "2024-03-29"),  # comes back too late: a leaver
    ("user0001", "2024-04-02"),
)


def pseudonym(bundle: Bundle, user: str) -> str:
    assert bundle.key is not None
    return bundle.key.pseudonym(bundle.manifest.namespace, user)


def stranger(bundle: Bundle) -> dict[str, ServedPrediction]:
    """A prediction for a customer who is in no log."""
    return {"f" * 32: ServedPrediction(0.5, bundle.manifest.version)}


def served(bundle: Bundle, *values: float) -> dict[str, ServedPrediction]:
    """Predictions for user0000, user0001, ..."""
    made = [ServedPrediction(value, bundle.manifest.version) for value in values]
    return {pseudonym(bundle, f"user{n:04}"): one for n, one in enumerate(made)}


def test_leavers_are_customers_without_a_purchase_in_the_horizon(churn_bundle: Bundle) -> None:
    delayed = evaluate_delayed(
        Churn(), churn_bundle, served(churn_bundle, 0.1, 0.4, 0.35, 0.8), purchases(*NEWER)
    )
    # labels 0, 0, 1, 1: 3 of 4 pairs are in order; squares 0.01, 0.16, 0.4225, 0.04
    assert delayed.now["roc_auc"].value == 0.75
    assert delayed.now["brier"].value == pytest.approx(0.158125)
    assert delayed.now["mean_observed"].value == 0.5
    assert delayed.now["mean_predicted"].value == pytest.approx(0.4125)
    assert (delayed.n, delayed.n_without_events) == (4, 0)


def test_customers_who_are_not_in_the_newer_events_are_counted(churn_bundle: Bundle) -> None:
    some = served(churn_bundle, 0.1, 0.2) | stranger(churn_bundle)
    delayed = evaluate_delayed(Churn(), churn_bundle, some, purchases(*NEWER))
    assert (delayed.n, delayed.n_without_events) == (2, 1)


def test_only_a_log_over_the_whole_horizon_evaluates(
    churn_bundle: Bundle, lists_bundle: Bundle
) -> None:
    some = served(churn_bundle, 0.1)
    short = purchases(("user0000", "2024-03-20"))
    with pytest.raises(DataError, match=r"end at 2024-03-20 .* the horizon of .* at 2024-03-29"):
        evaluate_delayed(Churn(), churn_bundle, some, short)
    with pytest.raises(DataError, match="none of the customers who were answered has events"):
        evaluate_delayed(Churn(), churn_bundle, stranger(churn_bundle), purchases(*NEWER))
    with pytest.raises(
        ConfigError, match=r"data= evaluates predictions for customers; .* answers top_n"
    ):
        evaluate_delayed(Churn(), lists_bundle, some, purchases(*NEWER))
    with pytest.raises(ConfigError, match="data=: no key"):
        evaluate_delayed(
            Churn(), replace(churn_bundle, key=None, no_lookup="no key"), some, purchases(*NEWER)
        )


def test_worse_is_what_lies_below_the_interval_at_export(
    churn_bundle: Bundle, line_of: Callable[..., dict[str, Any]], write: Callable[..., Path]
) -> None:
    at_export = {"roc_auc": {"value": 0.8, "low": 0.76, "high": 0.84}}
    about = replace(churn_bundle.manifest, metrics=at_export)
    bundle = replace(churn_bundle, manifest=about)
    values = served(bundle, *([0.9] * 100), *([0.1] * 100))  # the wrong way round
    stay = [(f"user{n:04}", "2024-03-05") for n in range(100)]
    gone = [(f"user{n:04}", "2024-02-05") for n in range(100, 200)]
    delayed = evaluate_delayed(
        Churn(), bundle, values, purchases(*stay, *gone, ("user0000", "2024-04-02"))
    )
    assert delayed.now["roc_auc"].value == 0
    assert delayed.worse == ["roc_auc"]
    lines = [
        line_of(bundle, n, user=user, value=made.value)
        for n, (user, made) in enumerate([*values.items(), *values.items()])
    ]
    lines += [line_of(bundle, 900, user="stranger", value=0.5, served="features")]
    watched = summarise_log(bundle, write(lines), LogPeriod())
    assert watched.predictions == values  # one each, and of known customers only
    report = MonitoringReport.of(watched, AlertLimits(psi_moved=50, psi_far=50), delayed)
    assert [alert.about for alert in report.alerts] == ["roc_auc"]
    assert "roc_auc of what was served is 0.000, worse than at exp" in report.as_text()
    assert report.metrics()["delayed/customers"] == 200


@pytest.mark.parametrize(
    ("low", "high", "worse"),
    [(-0.6, -0.4, True), (0.4, 0.6, True), (0.0, 0.6, False), (-0.02, -0.01, False)],
)
def test_a_total_that_is_too_low_is_as_bad_as_one_too_high(
    low: float, high: float, worse: bool
) -> None:
    at_export = {"total_bias": {"value": 0.1, "low": 0.05, "high": 0.15}}
    now = {"total_bias": MetricWithBounds((low + high) / 2, low, high)}
    names = list(worse_metrics(Value.delayed_metrics, now, at_export))
    assert names == (["total_bias"] if worse else [])


def test_without_a_figure_at_export_nothing_is_worse(churn_bundle: Bundle) -> None:
    delayed = evaluate_delayed(
        Churn(), churn_bundle, served(churn_bundle, 0.9, 0.8, 0.1, 0.2), purchases(*NEWER)
    )
    assert isinstance(delayed, DelayedEvaluation)
    assert delayed.worse == []
