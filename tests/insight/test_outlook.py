"""The outlook: three bundles of one cutoff, the same customers, nothing of few, nothing that does not fit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from tests.insight.purchases import AS_OF, buys, log_of

from growthlab.bundle.manifest import Provenance
from growthlab.core.errors import BundleError, ConfigError, DataError
from growthlab.core.histories import Catalogue, Histories
from growthlab.data.event_log import EventLog
from growthlab.export.write_bundle import write_estimator, write_recommender
from growthlab.features.examples import Examples
from growthlab.insight.disclosure import protect_table
from growthlab.insight.report_scope import ReportScope, SectionUnavailable
from growthlab.insight.sections.outlook import Outlook
from growthlab.models.recommend.item_knn import ItemKNN
from growthlab.scorers.curve_row_scorer import CurveRowScorer
from growthlab.tasks.churn import Churn
from growthlab.tasks.top_n import TopN
from growthlab.tasks.value import Value
from growthlab.training.fit_options import FitOptions

IDS = [f"u{n:02d}" for n in range(30)]
# days since the last purchase: churn probability days / 100, value 100 - days
DAYS = np.repeat([10.0, 50.0, 90.0], 10)
ABOUT = Provenance(
    task="churn", answer=Churn.answer, model="rule", data="kiosk", data_digest="ab", split="global_time",
    cutoff="2025-05-01T00:00:00", horizon_days=28.0,
)  # fmt: skip


def estimator(folder: Path, about: Provenance, curve: list[float]) -> None:
    """A bundle that answers by a line over the days since the last purchase."""
    table = pd.DataFrame({"days_since_last": DAYS})
    customers = Examples(table, np.array(IDS), np.full(30, np.datetime64("2025-05-01", "us")), 28.0)
    rule = CurveRowScorer("days_since_last", np.array([0.0, 100.0]), np.array(curve), missing=0.5)
    write_estimator(folder, rule, about, customers=customers, base=0.5)


def lists(folder: Path, about: Provenance) -> None:
    """A bundle of item_knn: lemons for tea drinkers, filters for coffee drinkers."""
    items = np.array(["coffee", "filter", "lemon", "tea"])
    rows = np.concatenate([np.arange(30), [28, 29]])
    codes = np.concatenate([np.where(np.arange(30) < 28, 3, 0), [1, 1]])
    rows, codes = np.append(rows, 27), np.append(codes, 2)
    times = np.arange(len(rows))
    histories = Histories.from_events(Catalogue(items), np.array(IDS), rows, codes, times)
    model = ItemKNN(neighbours=3).fit(histories, FitOptions())
    popular = np.asarray(histories.matrix().sum(axis=0)).ravel()
    write_recommender(folder, model.scorer(), about, histories=histories, fallback=popular)


@pytest.fixture
def bundles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Writes the three bundles; keywords change what the one of value says of itself."""
    monkeypatch.delenv("GROWTHLAB_PSEUDONYM_KEY", raising=False)
    monkeypatch.setenv("GROWTHLAB_KEY_FILE", str(tmp_path / "key" / "pseudonym.key"))

    def write(**changed: Any) -> str:
        folder = tmp_path / "bundles"
        estimator(folder / "churn", ABOUT, [0.0, 1.0])
        value = {"task": "value", "answer": Value.answer, **changed}
        estimator(folder / "value", replace(ABOUT, **value), [100.0, 0.0])
        lists(
            folder / "lists",
            replace(
                ABOUT, task="top_n", answer=TopN.answer, model="item_knn", filter_seen="interacted"
            ),
        )
        return str(folder)

    return write


@pytest.fixture
def kiosk() -> EventLog:
    """The thirty customers of the bundles, one whom they do not know, and one who came later."""
    late = buys("late", -3)  # after AS_OF
    return log_of(*(buys(user, 40) for user in [*IDS, "stranger"]), late)


def test_the_same_customers_have_risk_value_and_a_list(
    bundles: Callable[..., str], kiosk: EventLog
) -> None:
    customers = Outlook(bundles=bundles(), k=1, value_borders=[20, 60]).customers(kiosk, AS_OF)
    assert customers.index.tolist() == IDS
    first, last = customers.loc["u00"], customers.loc["u29"]
    assert (first["risk"], first["value"]) == pytest.approx((0.1, 90.0))
    assert (last["risk"], last["value"]) == pytest.approx((0.9, 10.0))
    assert (first["risk_level"], first["value_level"]) == ("low", "high")
    assert (last["risk_level"], last["value_level"]) == ("high", "low")
    assert first["recommended"] == ["lemon"]
    # neither goes with what they have: of two scores of 0 the ties' key takes the first
    assert last["recommended"] in (["tea"], ["lemon"])


def test_the_report_names_the_item_on_most_lists_unless_they_are_few(
    bundles: Callable[..., str], kiosk: EventLog
) -> None:
    section = Outlook(bundles=bundles(), k=1, value_borders=[20, 60])
    findings = section.find(ReportScope.of(kiosk, as_of="2025-06-01", min_group=10))
    rows = protect_table(findings.tables[0], 10).rows.set_index("risk_level")
    low = rows.loc["low"]
    assert (low["risk"], low["value"], low["total_value"]) == pytest.approx((0.1, 90.0, 900.0))
    assert (low["customers"], low["item_id"]) == (10, "lemon")
    assert pd.isna(low["listed"])  # all ten: a statement about each of them
    # no item is on the lists of ten of these ten: some have it already
    high = rows.loc["high"]
    assert high["customers"] == 10
    assert pd.isna(high["item_id"])
    assert pd.isna(high["listed"])
    assert "28 days by rule" in findings.notes[0]
    assert "as of 2025-05-01" in findings.notes[0]


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"cutoff": "2025-04-01T00:00:00"}, r"differ in cutoff \(churn has 2025-05-01T00:00:00"),
        ({"horizon_days": 90.0}, "differ in horizon_days"),
        ({"data": "other"}, "differ in data"),
        ({"answer": Churn.answer}, "both answer with a probability: list one bundle of each kind"),
    ],
)
def test_bundles_that_do_not_belong_together_are_refused(
    bundles: Callable[..., str], kiosk: EventLog, changed: dict[str, Any], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        Outlook(bundles=bundles(**changed)).customers(kiosk, AS_OF)


def test_bundles_with_a_cutoff_after_the_date_are_refused(
    bundles: Callable[..., str], kiosk: EventLog
) -> None:
    with pytest.raises(DataError, match="know of events up to 2025-05-01 00:00:00, after as_of"):
        Outlook(bundles=bundles()).customers(kiosk, datetime(2025, 4, 25))


def test_a_kind_of_answer_without_a_bundle_or_a_folder_without_any_is_named(
    bundles: Callable[..., str], kiosk: EventLog, tmp_path: Path
) -> None:
    folder = bundles()
    with pytest.raises(
        DataError, match="no bundle answers with an amount: export a model of a task"
    ):
        Outlook(bundles=[f"{folder}/churn", f"{folder}/lists"]).customers(kiosk, AS_OF)
    with pytest.raises(BundleError, match=r"nowhere is no bundle: it has no manifest\.json"):
        Outlook(bundles=str(tmp_path / "nowhere")).customers(kiosk, AS_OF)
    (tmp_path / "empty").mkdir()
    with pytest.raises(BundleError, match="empty is no bundle, and no folder of bundles: it has"):
        Outlook(bundles=str(tmp_path / "empty")).customers(kiosk, AS_OF)


def test_an_outlook_of_unknown_customers_is_refused(
    bundles: Callable[..., str],
) -> None:
    with pytest.raises(DataError, match="the bundles know no customer of"):
        Outlook(bundles=bundles()).customers(log_of(buys("stranger", 40)), AS_OF)


def test_without_bundles_the_report_has_no_outlook(kiosk: EventLog) -> None:
    with pytest.raises(SectionUnavailable, match=r"section\.outlook\.bundles names no folder"):
        Outlook().find(ReportScope.of(kiosk))
    with pytest.raises(ConfigError, match="k must be at least 1, got 0"):
        Outlook(k=0)
