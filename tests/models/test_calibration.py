"""CalibrationMap: probabilities that hold, the order of customers kept, nothing certain."""

from __future__ import annotations

import logging

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit, logit
from sklearn.linear_model import LogisticRegression

from growthlab.core.errors import BundleError, ConfigError
from growthlab.core.seeding import random_stream
from growthlab.metrics.binary.brier import Brier
from growthlab.metrics.binary.calibration_error import CalibrationError
from growthlab.metrics.binary.log_loss import LogLoss
from growthlab.metrics.binary.roc_auc import RocAuc
from growthlab.models.calibrated_estimator import (
    cross_calibrated,
    fit_calibration,
    isotonic,
    platt,
    slope_of,
)
from growthlab.scorers.calibrated_row_scorer import CalibratedRowScorer, CalibrationMap
from growthlab.scorers.curve_row_scorer import CurveRowScorer
from growthlab.scorers.load import load_scorer


def overconfident(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Labels of true probabilities, and what is stated: logits three times too large, and shifted."""
    random = random_stream(seed, "overconfident")
    truth = expit(random.normal(0, 1, n))
    label = (random.random(n) < truth).astype(float)
    return label, expit(3 * logit(truth) - 1)


@pytest.mark.parametrize("method", ["isotonic", "platt"])
def test_what_was_too_bold_holds_on_other_customers(method: str) -> None:
    result = fit_calibration(*overconfident(6000, 0), method)
    assert result is not None
    label, p = overconfident(6000, 1)
    assert CalibrationError()(label, p) > 0.15
    assert CalibrationError()(label, result(p)) < 0.025
    assert LogLoss()(label, result(p)) < LogLoss()(label, p) - 0.1
    assert slope_of(label, p) == pytest.approx(1 / 3, abs=0.05)
    assert slope_of(label, result(p)) == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize("method", ["isotonic", "platt"])
def test_the_order_of_customers_stays(method: str) -> None:
    result = fit_calibration(*overconfident(2000, 0), method)
    assert result is not None
    label, p = overconfident(500, 1)
    assert RocAuc()(label, result(p)) == RocAuc()(label, p)


def test_a_thousand_of_each_label_make_a_free_curve() -> None:
    label = np.repeat([0.0, 1.0], 1000)
    p = np.linspace(0.1, 0.9, 2000)
    assert fit_calibration(label, p).method == "isotonic"  # type: ignore[union-attr]
    assert fit_calibration(label[1:], p[1:]).method == "platt"  # type: ignore[union-attr]
    assert fit_calibration(label[:-1], p[:-1]).method == "platt"  # type: ignore[union-attr]
    assert fit_calibration(label, p, "none") is None


def test_few_of_a_label_calibrate_nothing(caplog: pytest.LogCaptureFixture) -> None:
    label, p = np.repeat([0.0, 1.0], [500, 49]), np.linspace(0.1, 0.5, 549)
    assert fit_calibration(label, p) is None
    assert "49 leavers and 500 stayers on validation, at least 50 are needed" in caplog.text
    assert fit_calibration(label, p, "platt") is not None  # whoever names a method gets it


def test_probabilities_that_hold_are_left_alone() -> None:
    """A map that follows chance is not kept: over many windows it does harm oftener than it is kept."""
    kept, helped = 0, 0
    for seed in range(60):
        random = random_stream(seed, "holds")
        truth = expit(random.normal(0, 1, 2300))
        label = (random.random(2300) < truth).astype(float)
        window, others = slice(300), slice(300, None)
        result = fit_calibration(label[window], truth[window])
        kept += result is not None
        always = platt(label[window], truth[window])
        helped += Brier()(label[others], always(truth[others])) < Brier()(
            label[others], truth[others]
        )
    assert kept < 30
    assert helped < 30


def test_nobody_is_calibrated_by_its_own_label() -> None:
    label, p = overconfident(300, 0)
    before = cross_calibrated(label, p, "isotonic")
    np.testing.assert_array_equal(before, cross_calibrated(label, p, "isotonic"))
    assert Brier()(label, before) > Brier()(label, isotonic(label, p)(p))


def test_platts_map_is_a_logistic_regression_of_his_targets() -> None:
    """A target of (n + 1) / (n + 2) is a row of weight t as a leaver and one of 1 - t as a stayer."""
    label, p = overconfident(300, 0)
    n_left, n_stayed = label.sum(), (1 - label).sum()
    target = np.where(label > 0, (n_left + 1) / (n_left + 2), 1 / (n_stayed + 2))
    z = logit(p)[:, None]
    theirs = LogisticRegression(C=np.inf, tol=1e-10).fit(
        np.concatenate([z, z]), np.repeat([1, 0], 300), np.concatenate([target, 1 - target])
    )
    ours = platt(label, p).y
    assert ours == pytest.approx([theirs.intercept_[0], theirs.coef_[0, 0]], abs=1e-3)


def test_the_isotonic_map_goes_through_the_centres_of_pooled_groups() -> None:
    # shares .5 (0 and 1 pooled at .25, as 1 before 0 falls), then 1 at .8; n = 3, prevalence 2/3
    result = isotonic(np.array([1.0, 0.0, 1.0]), np.array([0.2, 0.3, 0.8]))
    np.testing.assert_allclose(result.x, [0, 0.25, 0.8, 1])
    shrunk = [
        (3 * y + (2 / 3 + x) / 2) / 4 for x, y in zip(result.x, [0.5, 0.5, 1, 1], strict=True)
    ]
    np.testing.assert_allclose(result.y, shrunk)


labels_and_scores = st.lists(
    st.tuples(st.integers(0, 1), st.floats(0, 1, width=32)), min_size=2, max_size=60
).filter(lambda rows: 0 < sum(label for label, _ in rows) < len(rows))


@settings(max_examples=80, deadline=None)
@given(labels_and_scores, st.sampled_from(["isotonic", "platt"]))
def test_a_map_never_falls_and_is_never_certain_of_who_was_uncertain(
    rows: list[tuple[int, float]], method: str
) -> None:
    label, p = np.array(rows, dtype=float).T
    result = fit_calibration(label, p, method)
    assert result is not None
    grid = np.linspace(0, 1, 101)
    assert (np.diff(result(grid)) >= 0).all()
    inside = result(grid[1:-1])
    assert ((inside > 0) & (inside < 1)).all()


def test_a_window_with_one_kind_of_customer_calibrates_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.WARNING):
        assert fit_calibration(np.ones(9), np.linspace(0, 1, 9)) is None
    assert "all 9 validation labels are the same" in caplog.text


def test_an_unknown_method_is_refused() -> None:
    with pytest.raises(ConfigError, match="possible are auto, isotonic, platt, none"):
        fit_calibration(np.array([0.0, 1.0]), np.array([0.2, 0.4]), "beta")
    with pytest.raises(BundleError, match="there is no calibration 'beta'"):
        CalibrationMap("beta", np.zeros(0), np.zeros(2))  # type: ignore[arg-type]


@pytest.mark.parametrize("method", ["isotonic", "platt"])
def test_a_bundle_carries_the_map(method: str) -> None:
    result = fit_calibration(*overconfident(400, 0), method)
    assert result is not None
    curve = CurveRowScorer("days", np.array([0.0, 100.0]), np.array([0.0, 1.0]), 0.5)
    scorer = CalibratedRowScorer(curve, result)
    assert scorer.columns == ("days",)
    table = {"days": np.array([0.0, 10.0, 55.0, np.nan])}
    again = load_scorer("calibrated_row_scorer", scorer.to_arrays(), scorer.to_files())
    np.testing.assert_array_equal(again.predict(table), result(curve.predict(table)))  # type: ignore[union-attr]
    same = CalibrationMap.from_json(result.to_json())
    np.testing.assert_array_equal(same(table["days"] / 100), result(table["days"] / 100))


def test_the_slope_of_one_kind_of_label_is_undefined() -> None:
    assert np.isnan(slope_of(np.ones(5), np.linspace(0.1, 0.9, 5)))
