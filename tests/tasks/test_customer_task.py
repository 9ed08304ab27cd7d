"""Churn and value: labels worked out by hand, snapshots that never overlap, and evaluation."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from omegaconf import OmegaConf

from growthlab.core.build import build
from growthlab.core.errors import ConfigError, DataError
from growthlab.data.event_log import EventLog
from growthlab.evaluation.leaderboard_columns import build_metrics
from growthlab.features.examples import Examples
from growthlab.models.calibrated_estimator import platt
from growthlab.models.churn.bg_nbd import BGNBDChurn
from growthlab.models.churn.recency_rule import RecencyRule
from growthlab.models.value.mean import Mean
from growthlab.split.fold import Fold
from growthlab.split.global_time import GlobalTime
from growthlab.split.leave_last_out import LeaveLastOut
from growthlab.tasks.base import Task
from growthlab.tasks.churn import Churn, churn_deciles
from growthlab.tasks.customer_task import customer_strata, purchase_cohorts, top_tenth
from growthlab.tasks.fold_evaluation import FoldEvaluation, run_model
from growthlab.tasks.objective import objective_metric
from growthlab.tasks.snapshots import training_snapshots
from growthlab.tasks.value import Value, value_deciles
from growthlab.training.fit_options import FitOptions

CONF = Path(__file__).parents[2] / "conf"
CUTOFF = datetime(2025, 6, 1)


def at(days: float) -> datetime:
    """The time some days after the cutoff."""
    return CUTOFF + timedelta(days=days)


def purchase(user: str, days: float, price: float = 10.0, kind: str = "purchase") -> dict[str, Any]:
    return {"user_id": user, "event_type": kind, "timestamp": at(days), "unit_price": price}


def fold_of(rows: list[dict[str, Any]], horizon: float = 10) -> Fold:
    """A fold of the rows, a purchase long ago, and views so that no window is empty."""
    views = [purchase("ends", days, kind="view") for days in (-0.5, 0.5)]
    log = EventLog.from_frames(pd.DataFrame([*rows, purchase("ends", -200), *views]))
    return GlobalTime(cutoff=str(CUTOFF)).folds(log, horizon)[0]


def unpriced() -> Fold:
    """One customer of a log without prices and items, who does not come back."""
    times = {"purchase": (-60, -2), "view": (5,)}
    rows = [
        {"user_id": "a", "event_type": kind, "timestamp": at(day)}
        for kind, days in times.items()
        for day in days
    ]
    return GlobalTime(cutoff=str(CUTOFF)).folds(EventLog.from_frames(pd.DataFrame(rows)), 10)[0]


def targets(examples: Examples) -> dict[str, float]:
    assert examples.target is not None
    return dict(zip(examples.user_ids.tolist(), examples.target.tolist(), strict=True))


def metrics_of(family: str) -> dict[str, Any]:
    files = sorted((CONF / "metrics" / family).glob("*.yaml"))
    metrics, _ = build_metrics({path.stem: OmegaConf.load(path) for path in files})
    return metrics


def test_a_customer_without_a_purchase_in_the_half_open_horizon_churns() -> None:
    rows = [
        *(purchase(user, -5) for user in ("first", "last", "after", "never")),
        purchase("first", 0),
        purchase("last", 9.99),
        purchase("after", 10),
    ]
    judged = Churn(activity_days=30).data(fold_of(rows)).evaluated
    assert targets(judged) == {"first": 0, "last": 0, "after": 1, "never": 1}


def test_a_view_does_not_count_as_a_purchase() -> None:
    rows = [purchase("ann", -5), purchase("ann", 3, kind="view")]
    assert targets(Churn(activity_days=30).data(fold_of(rows)).evaluated) == {"ann": 1}


def test_only_customers_with_a_purchase_in_the_activity_window_are_evaluated() -> None:
    rows = [purchase("recent", -29), purchase("lapsed", -31), purchase("later", 1)]
    assert list(targets(Churn(activity_days=30).data(fold_of(rows)).evaluated)) == ["recent"]
    all_customers = Churn().data(fold_of(rows)).evaluated
    assert list(targets(all_customers)) == ["ends", "lapsed", "recent"]


def test_value_is_quantity_times_price_less_returns_and_never_negative() -> None:
    rows = [
        *(purchase(user, -5) for user in ("ann", "bob", "cid", "dan")),
        {**purchase("ann", 1, 4.0), "quantity": 3},
        purchase("ann", 2, 5.0, "return"),
        purchase("bob", 1, 5.0, "return"),
        purchase("bob", 2, 1.0),
        purchase("cid", 3, 7.0, "view"),
    ]
    judged = Value(activity_days=30).data(fold_of(rows)).evaluated
    assert targets(judged) == {"ann": 7, "bob": 0, "cid": 0, "dan": 0}


def test_training_snapshots_are_a_horizon_apart_and_end_at_the_cutoff() -> None:
    fold = fold_of([purchase("ann", -d) for d in range(1, 100)])
    assert training_snapshots(fold, 3, None) == [at(-10), at(-20), at(-30)]
    train = Churn(activity_days=30, snapshots=3).data(fold).train
    assert sorted(set(train.snapshots.astype("datetime64[us]").tolist())) == [
        at(-30),
        at(-20),
        at(-10),
    ]


def test_each_snapshot_has_enough_history_before_it() -> None:
    fold = fold_of([])  # the first event lies 200 days before the cutoff
    assert training_snapshots(fold, 9, 175) == [at(-10), at(-20)]
    assert (
        len(training_snapshots(fold, 99, None)) == 19
    )  # the oldest at -190, a horizon after the first


def test_training_labels_come_from_before_the_cutoff() -> None:
    """Ann buys again only after the cutoff, so she leaves at every training snapshot."""
    rows = [purchase("ann", -15), purchase("ann", 1)]
    data = Churn(activity_days=30, snapshots=1).data(fold_of(rows))
    assert targets(data.train) == {"ann": 1}
    assert targets(data.evaluated) == {"ann": 0}


def test_training_data_does_not_depend_on_the_future(shop: EventLog, shop_fold: Fold) -> None:
    blind = Fold(
        past=shop_fold.past,
        future=shop_fold.future.where("event_type <> 'purchase'"),
        cutoff=shop_fold.cutoff,
        horizon=shop_fold.horizon,
    )
    for task in (Churn(activity_days=60), Value(activity_days=60)):
        seen, unseen = task.data(shop_fold), task.data(blind)
        pd.testing.assert_frame_equal(seen.train.table, unseen.train.table, check_exact=True)
        pd.testing.assert_frame_equal(
            seen.evaluated.table, unseen.evaluated.table, check_exact=True
        )
        np.testing.assert_array_equal(seen.train.target, unseen.train.target)  # type: ignore[arg-type]


def test_the_validation_customers_are_the_newest_training_customers_of_the_fold(
    shop_fold: Fold,
) -> None:
    task = Churn(activity_days=60, snapshots=1)
    train, valid = task.data(shop_fold).train, task.data(shop_fold.for_choosing()).evaluated
    np.testing.assert_array_equal(train.user_ids, valid.user_ids)
    np.testing.assert_array_equal(train.target, valid.target)  # type: ignore[arg-type]
    assert train.table["orders"].tolist() == valid.table["orders"].tolist()


def test_present_are_all_customers_of_the_past_without_labels() -> None:
    rows = [purchase("recent", -5), purchase("lapsed", -90), purchase("later", 1)]
    present = Churn(activity_days=30).data(fold_of(rows)).train.present
    assert present is not None
    assert present.user_ids.tolist() == ["ends", "lapsed", "recent"]
    assert present.target is None


def test_without_a_training_snapshot_only_models_without_labels_can_be_fitted() -> None:
    rows = [purchase("ann", -8), purchase("ann", -6), purchase("bob", -4), purchase("bob", 3)]
    log = EventLog.from_frames(pd.DataFrame([*rows, purchase("bob", 20)]))
    fold = Fold(
        log.where(f"timestamp < TIMESTAMP '{CUTOFF}'"),
        log.where(f"timestamp >= TIMESTAMP '{CUTOFF}'"),
        CUTOFF,
        timedelta(days=20),
    )
    churn, value = Churn(), Value()
    data = churn.data(fold)
    assert len(data.train) == 0
    assert data.mean_outcome == 0  # both bought in the 20 days before
    model = churn.fit(BGNBDChurn(), data, FitOptions())
    assert model.predict(data.evaluated).shape == (2,)
    # 20 in 8 days and 10 in 4, so 2.5 a day for each, in 20 days
    assert value.data(fold).mean_outcome == pytest.approx(50)
    with pytest.raises(DataError, match="mean learns from outcomes"):
        value.fit(Mean(), value.data(fold), FitOptions())


def test_a_fold_without_active_customers_is_refused_in_one_line() -> None:
    with pytest.raises(DataError, match=r"no test users.*task\.activity_days"):
        Churn(activity_days=3).data(fold_of([purchase("ann", -90)]))
    views = [purchase("ann", days, kind="view") for days in (-25, -5, 5)]
    never = GlobalTime(cutoff=str(CUTOFF)).folds(EventLog.from_frames(pd.DataFrame(views)), 10)[0]
    with pytest.raises(DataError, match="nobody bought before 2025-06-01 00:00:00; choose another"):
        Churn().data(never)


def test_a_split_without_a_clock_is_refused(shop: EventLog) -> None:
    fold = LeaveLastOut().folds(shop)[0]
    with pytest.raises(DataError, match="use split=global_time"):
        Churn().data(fold)


def test_value_without_prices_is_refused() -> None:
    with pytest.raises(DataError, match="task=value needs unit_price"):
        Value().data(unpriced())


def test_churn_without_prices_or_items_works() -> None:
    assert targets(Churn().data(unpriced()).evaluated) == {"a": 1}


@pytest.mark.parametrize(
    ("setting", "value", "message"),
    [
        ("activity_days", 0, "activity_days must be positive"),
        ("snapshots", 0, "snapshots must be at least 1"),
        ("min_history_days", -1, "min_history_days is negative"),
    ],
)
def test_a_setting_out_of_range_is_refused(setting: str, value: float, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Churn(**{setting: value})  # type: ignore[arg-type]


def test_an_objective_in_the_wrong_direction_is_refused() -> None:
    task = Value(activity_days=60, objective="mae")
    with pytest.raises(ConfigError, match=r"objective=mae needs task\.maximise=false"):
        objective_metric(task, metrics_of("value"))


def test_an_evaluated_model_has_predictions_metrics_and_strata(shop_fold: Fold) -> None:
    task = Churn(activity_days=60)
    outcome = run_model(
        FoldEvaluation(task, shop_fold, metrics_of("binary")), RecencyRule, name="recency_rule"
    )
    predictions = outcome.tables["predictions"]
    columns = ["user_id", "label", "prediction", "uncalibrated"]
    assert predictions.columns.tolist() == columns
    assert predictions["user_id"].is_unique
    assert (
        outcome.test["roc_auc"].low < outcome.test["roc_auc"].value < outcome.test["roc_auc"].high
    )
    assert outcome.valid["roc_auc"] > 0.5
    counts = outcome.strata.groupby("stratum")["n_users"].first()
    assert counts["one_purchase"] + counts["repeat"] == len(predictions)
    assert counts["top_tenth"] + counts["others"] == len(predictions)
    assert outcome.scorer is not None
    assert set(task.figures(outcome, ())) >= {"calibration", "lift", "gain"}


def test_empty_strata_are_left_out() -> None:
    table = pd.DataFrame({"frequency": [0.0, 0.0], "spend": [5.0, 5.0]})
    assert list(customer_strata(table)) == ["one_purchase", "others"]


def test_no_feature_of_the_shop_gives_the_outcome_away(
    shop_fold: Fold, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        data = Churn(activity_days=60).data(shop_fold)
    assert "gives the outcome away" not in caplog.text
    assert data.train.target is not None
    share = 100 * data.train.target.mean()
    assert f"task=churn: {share:.1f} % of the examples leave" in caplog.text


@pytest.mark.parametrize("task", ["churn", "value"])
def test_a_task_file_builds_the_task_with_its_own_defaults(task: str) -> None:
    node = OmegaConf.load(CONF / "task" / f"{task}.yaml").task
    built = build(node, Task)
    assert built == (Churn(attributes=[]) if task == "churn" else Value(attributes=[]))
    models = {path.stem for path in (CONF / "model" / built.models).glob("*.yaml")}
    assert set(built.baselines) <= models
    assert built.objective in metrics_of(built.metrics)


def test_the_activity_window_includes_its_first_day() -> None:
    """With times that are dates, a purchase exactly 30 days before the cutoff is in the 30 days."""
    rows = [purchase("edge", -30), purchase("lapsed", -30.001), purchase("recent", -1)]
    assert list(targets(Churn(activity_days=30).data(fold_of(rows)).evaluated)) == [
        "edge",
        "recent",
    ]


def test_a_purchase_booked_later_makes_no_customer_active_at_an_earlier_snapshot() -> None:
    booked = {"ingested_at": at(-9)}  # after the snapshot at -10, before the cutoff
    rows = [{**purchase("late", -12), **booked}, purchase("ann", -12), purchase("bob", -1)]
    train = Churn(activity_days=5, snapshots=1).data(fold_of(rows)).train
    assert train.user_ids.tolist() == ["ann"]


@pytest.mark.parametrize(
    ("task", "text"),
    [
        (Churn(activity_days=60), "_target_: sklearn.ensemble.HistGradientBoostingClassifier"),
        (Value(activity_days=60), "_target_: sklearn.ensemble.HistGradientBoostingRegressor"),
    ],
)
def test_any_scikit_learn_estimator_needs_only_a_config_file(
    task: Churn | Value, text: str, shop_fold: Fold
) -> None:
    node = OmegaConf.create(text + "\nmax_iter: 20\nmin_samples_leaf: 10")
    evaluation = FoldEvaluation(task, shop_fold, metrics_of(task.metrics))
    outcome = run_model(evaluation, lambda: build(node, task.model_type), name="boosted")
    assert outcome.test[task.objective].value > (0.6 if task.name == "churn" else 0.2)
    assert outcome.scorer is None
    assert "HistGradientBoosting" in outcome.why_not_exportable
    assert len(outcome.tables["importance"]) > 10


def test_the_evaluated_model_uses_the_calibration_of_the_validation_window(
    shop_fold: Fold,
) -> None:
    task = Churn(activity_days=60, calibration="platt")
    evaluation = FoldEvaluation(task, shop_fold, metrics_of("binary"))
    outcome = run_model(evaluation, BGNBDChurn, name="bg_nbd")
    choosing = task.fit(BGNBDChurn(), evaluation.selection_data, FitOptions()).predict(
        evaluation.selection_data.evaluated
    )
    calibration = platt(evaluation.selection_data.evaluated.target, choosing)  # type: ignore[arg-type]
    table = outcome.tables["predictions"]
    expected = calibration(table["uncalibrated"].to_numpy())
    np.testing.assert_allclose(table["prediction"], expected, rtol=1e-12)
    judged = evaluation.test_data.evaluated
    rows = {c: judged.column(c).to_numpy() for c in outcome.scorer.columns}
    np.testing.assert_allclose(outcome.scorer.predict(rows), expected, rtol=1e-12)


def test_metrics_are_reported_before_and_after_calibration(shop_fold: Fold) -> None:
    task = Churn(activity_days=60)
    outcome = run_model(
        FoldEvaluation(task, shop_fold, metrics_of("binary")), RecencyRule, name="rule"
    )
    calibration = outcome.tables["calibration"].set_index("metric")
    for name in ("brier", "log_loss", "calibration_error", "brier_skill"):
        assert calibration.loc[name, "before"] == outcome.test[f"{name}_uncalibrated"].value
        assert calibration.loc[name, "after"] == outcome.test[name].value
    assert "calibration_slope" in calibration.index
    plain = Churn(activity_days=60, calibration="none")
    before = run_model(
        FoldEvaluation(plain, shop_fold, metrics_of("binary")), RecencyRule, name="rule"
    )
    assert before.test["brier"].value == pytest.approx(outcome.test["brier_uncalibrated"].value)
    assert "calibration" not in before.tables
    assert outcome.valid["roc_auc"] == before.valid["roc_auc"]
    assert outcome.valid["brier"] < before.valid["brier"]  # that of what is shipped


def test_a_resumed_run_uses_the_calibration_of_its_choice(shop_fold: Fold, tmp_path: Path) -> None:
    """The choice was written before the interruption; its calibration is read from the file."""
    evaluation = FoldEvaluation(Churn(activity_days=60), shop_fold, metrics_of("binary"))
    first = run_model(evaluation, RecencyRule, name="rule", checkpoint=tmp_path)
    assert (tmp_path / "choice.json").exists()
    again = run_model(evaluation, RecencyRule, name="rule", checkpoint=tmp_path)
    pd.testing.assert_frame_equal(first.tables["predictions"], again.tables["predictions"])


def test_an_unknown_calibration_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"task\.calibration=beta: possible are auto, isotonic"):
        Churn(calibration="beta")


def test_churn_deciles_worked_out_by_hand() -> None:
    """20 customers; the 4 leavers are ranked first, third, fourth and last; prevalence 0.2."""
    label = np.zeros(20)
    label[[0, 2, 3, 19]] = 1
    table = churn_deciles(label, np.linspace(0.99, 0.04, 20))
    assert table["share"].tolist() == pytest.approx([0.5, 1, *[0] * 7, 0.5])
    assert table["lift"].tolist()[:2] == pytest.approx([2.5, 5])
    assert table["lift_so_far"].tolist()[:2] == pytest.approx([2.5, 3.75])
    assert table["gain"].tolist()[:2] == pytest.approx([0.25, 0.75])
    assert table["gain"].iloc[-1] == pytest.approx(1)


def test_value_deciles_worked_out_by_hand_sum_to_the_total() -> None:
    """15 customers, 1.5 a decile: the first holds the best customer and half of the next, who tie."""
    label, prediction = np.zeros(15), np.arange(15.0)
    label[14], label[13], label[12], prediction[13] = 60.0, 30.0, 10.0, 12.0
    table = value_deciles(label, prediction)
    # 60 and half of a tie of 30 and 10 (20 each): (60 + 10) / 1.5; predicted 14 and half of 12
    assert table.loc[0, "value"] == pytest.approx(70 / 1.5)
    assert table.loc[0, "prediction"] == pytest.approx((14 + 6) / 1.5)
    assert table.loc[0, "bias"] == pytest.approx(20 / 70 - 1)
    assert table["capture"].tolist()[:2] == pytest.approx([0.7, 1.0])
    assert table["bias"].isna().sum() == 8  # no customer spent anything there
    for column, total in (("value", label.sum()), ("prediction", prediction.sum())):
        assert (table["customers"] * table[column]).sum() == pytest.approx(total)


def test_cohorts_are_months_within_a_year_and_longer_periods_beyond() -> None:
    days = np.repeat(np.array(["2025-01-31", "2025-03-01", "2025-03-31"], "datetime64[D]"), 20)
    months = {name: int(kept.sum()) for name, kept in purchase_cohorts(days).items()}
    assert months == {"first_2025-03": 40}  # 20 in January are too few
    days = np.repeat(np.array(["2024-12-31", "2026-01-01"], "datetime64[D]"), 30)
    assert list(purchase_cohorts(days)) == ["first_2024-Q4", "first_2026-Q1"]
    days = np.repeat(np.array(["1997-01-01", "2026-01-01"], "datetime64[D]"), 30)
    assert list(purchase_cohorts(days)) == ["first_1997", "first_2026"]


def test_the_predicted_top_tenth_includes_ties() -> None:
    assert top_tenth(np.arange(20.0)).nonzero()[0].tolist() == [18, 19]
    assert top_tenth(np.array([5.0, 5, 5, 1, 1, 1, 1, 1, 1, 1])).sum() == 3
    assert top_tenth(np.arange(11.0)).sum() == 2


def test_value_is_also_evaluated_by_cohort_and_for_the_top_tenth(shop_fold: Fold) -> None:
    task = Value(activity_days=60)
    outcome = run_model(FoldEvaluation(task, shop_fold, metrics_of("value")), Mean, name="mean")
    names = set(outcome.strata["stratum"])
    assert {"predicted_top_tenth", "top_tenth"} <= names
    assert list(outcome.tables["deciles"]["decile"]) == list(range(1, 11))
    cohorts = outcome.strata[outcome.strata["stratum"].str.startswith("first_")]
    assert len(cohorts)
    assert (cohorts["n_users"] >= 30).all()
    assert {"mae", "rmse", "log_rmse", "spearman", "total_bias"} <= set(cohorts["metric"])
