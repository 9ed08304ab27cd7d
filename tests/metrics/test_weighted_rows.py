"""Metrics of many resamples at once are those of the repeated rows, ties and all."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from growthlab.metrics.binary.average_precision import AveragePrecision
from growthlab.metrics.binary.brier import Brier
from growthlab.metrics.binary.brier_skill import BrierSkill
from growthlab.metrics.binary.empc import EMPC
from growthlab.metrics.binary.empc_share import EMPCShare
from growthlab.metrics.binary.gain import Gain
from growthlab.metrics.binary.lift import Lift
from growthlab.metrics.binary.log_loss import LogLoss
from growthlab.metrics.binary.roc_auc import RocAuc
from growthlab.metrics.value.log_rmse import LogRMSE
from growthlab.metrics.value.mae import MAE
from growthlab.metrics.value.normalised_gini import NormalisedGini
from growthlab.metrics.value.rmse import RMSE
from growthlab.metrics.value.spearman import Spearman
from growthlab.metrics.value.top_decile_capture import TopDecileCapture
from growthlab.metrics.value.total_bias import TotalBias
from growthlab.metrics.weighted_rows import Ranking, WeightedRows

BINARY = (AveragePrecision(), EMPC(), EMPCShare(), Gain(), Lift(0.3), RocAuc())
VALUE = (NormalisedGini(), Spearman(), TopDecileCapture())
SUMS = (Brier(), BrierSkill(), LogLoss(), LogRMSE(), MAE(), RMSE(), TotalBias())
LEVELS = st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.5, 0.9, 1.0])
AMOUNTS = st.sampled_from([0.0, 0.0, 1.0, 2.5, 40.0])


@st.composite
def resampled(draw: st.DrawFn, labels: st.SearchStrategy[float]):
    """Labels, predictions of few levels, and counts of three resamples."""
    n = draw(st.integers(1, 25))
    label = draw(hnp.arrays(float, n, elements=labels))
    spread = draw(st.sampled_from([0.0, 1e-6]))  # without ties, too
    prediction = draw(hnp.arrays(float, n, elements=LEVELS)) * (1 - 1e-3) + spread * np.arange(n)
    counts = draw(hnp.arrays(np.uint8, (3, n), elements=st.integers(0, 3)))
    return label, prediction, counts


def assert_as_repeated(metrics, label, prediction, counts):
    ranking = Ranking(label, prediction)
    rows = WeightedRows(ranking, counts[:, ranking.order])
    for metric in metrics:
        expected = [metric(np.repeat(label, w), np.repeat(prediction, w)) for w in counts]
        weighted = [metric(label, prediction, w) for w in counts]
        np.testing.assert_allclose(metric.on_rows(rows), expected, rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(weighted, expected, rtol=1e-9, atol=1e-12)


@settings(max_examples=200, deadline=None)
@given(resampled(st.sampled_from([0.0, 1.0])))
def test_metrics_of_probabilities_are_those_of_the_repeated_rows(drawn):
    assert_as_repeated(BINARY, *drawn)


@settings(max_examples=200, deadline=None)
@given(resampled(AMOUNTS))
def test_metrics_of_amounts_are_those_of_the_repeated_rows(drawn):
    assert_as_repeated(VALUE, *drawn)


@settings(max_examples=100, deadline=None)
@given(resampled(st.sampled_from([0.0, 1.0])))
def test_metrics_of_sums_are_those_of_the_repeated_rows(drawn):
    label, prediction, counts = drawn
    for metric in SUMS:
        columns = metric.columns(label, prediction)
        got = metric.of_sums(counts.sum(axis=1), *(counts @ column for column in columns))
        expected = [metric(np.repeat(label, w), np.repeat(prediction, w)) for w in counts]
        np.testing.assert_allclose(got, expected, rtol=1e-9, atol=1e-12)


def test_counts_of_customers_stay_whole_numbers():
    """As 32-bit numbers, which are exact: 300 customers drawn 255 times are 76,500."""
    ranking = Ranking(np.ones(300), np.arange(300.0))
    rows = WeightedRows(ranking, np.full((1, 300), 255, dtype=np.uint8))
    assert rows.total == 76_500
    assert rows.label_total == 76_500


def test_what_metrics_share_is_computed_once():
    rows = WeightedRows.of(np.array([0.0, 1.0]), np.array([0.2, 0.8]))
    EMPC().on_rows(rows)
    found = rows.once(("targeting", 200.0, 10.0, 1.0, 6.0, 14.0), lambda: pytest.fail("again"))
    assert found.share == EMPCShare().on_rows(rows)
