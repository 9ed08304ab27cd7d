"""Resamples of customers: the same for all that is compared, in memory that does not grow."""

import numpy as np
import pytest

from growthlab.evaluation import resamples
from growthlab.evaluation.bootstrap import evaluate_predictions
from growthlab.evaluation.resamples import Resamples
from growthlab.evaluation.significance import sign_flip_p
from growthlab.metrics.value.mae import MAE
from growthlab.metrics.value.normalised_gini import NormalisedGini


def test_every_resample_draws_as_many_rows_as_there_are():
    counts = np.concatenate(list(Resamples(37).counts(500)))
    assert counts.shape == (500, 37)
    assert (counts.sum(axis=1) == 37).all()
    # each row 500 times in the mean, sd sqrt(500) = 22.4; 5 sd = 112
    assert np.abs(counts.sum(axis=0, dtype=int) - 500).max() < 112


def test_chunks_do_not_change_what_is_drawn(monkeypatch):
    whole = np.concatenate(list(Resamples(20, 4).counts(30)))
    monkeypatch.setattr(resamples, "CACHE_BYTES", 0)
    monkeypatch.setattr(resamples, "DRAW_BYTES", 20 * 8 * 7)
    chunked = list(Resamples(20, 4).counts(30))
    assert len(chunked) == 5
    assert (np.concatenate(chunked) == whole).all()


def test_the_first_resamples_are_the_same_however_many_are_drawn():
    few, many = (np.concatenate(list(Resamples(50).counts(n))) for n in (30, 90))
    assert (few == many[:30]).all()


def test_without_customers_or_resamples_nothing_is_drawn():
    assert list(Resamples(0).counts(10)) == []
    assert list(Resamples(10).counts(0)) == []


def test_more_customers_than_cells_are_dealt_evenly(monkeypatch):
    monkeypatch.setattr(resamples, "MOST_CELLS", 40)
    many = Resamples(130)
    assert many.n_cells == 40
    assert set(np.bincount(many.cells)) == {3, 4}
    assert np.concatenate(list(many.counts(7))).shape == (7, 40)
    # 0 + 1 + ... + 129, whatever the cells
    assert many.sums_by_cell(np.arange(130.0)).sum() == 130 * 129 / 2
    assert (Resamples(40).cells == np.arange(40)).all()


@pytest.mark.parametrize("n_rows", [1, 100, 2**14, 10**6])
def test_a_block_is_small_however_many_customers_there_are(n_rows):
    sizes = [len(counts) for counts in Resamples(100).blocks(70, n_rows)]
    assert sum(sizes) == 70
    assert max(sizes) <= 32
    assert max(sizes) == 1 or max(sizes) * n_rows <= resamples.BLOCK_ROWS


def test_cells_give_intervals_of_the_same_width(monkeypatch):
    """The width has a standard deviation of 3 %, 400 cells and 2,000 resamples together 5 %."""
    random = np.random.default_rng(0)
    label = random.lognormal(size=4000)
    prediction = label * random.lognormal(size=4000)
    metrics = [MAE(), NormalisedGini()]
    alone = evaluate_predictions(label, prediction, metrics)
    monkeypatch.setattr(resamples, "MOST_CELLS", 400)
    dealt = evaluate_predictions(label, prediction, metrics)
    for name, estimate in alone.items():
        assert dealt[name].value == estimate.value
        width = estimate.high - estimate.low
        assert dealt[name].high - dealt[name].low == pytest.approx(width, rel=0.25)


def test_sign_flips_of_cells_hold_their_level(monkeypatch):
    monkeypatch.setattr(resamples, "MOST_CELLS", 40)
    # 200 null tests at 10 %: 20 expected, sd 4.2; 5 sd = 21
    random = np.random.default_rng(0)
    ps = [sign_flip_p(random.normal(size=150), seed=i, n_flips=500) for i in range(200)]
    assert sum(p < 0.1 for p in ps) < 41
    assert sign_flip_p(random.normal(1.0, 1.0, size=150)) < 0.001


@pytest.mark.parametrize("n_rows", [40, 3_000_000])
def test_each_group_of_cells_is_left_out_once(n_rows: int):
    few = np.concatenate(list(Resamples(40).without_each_group(n_rows)))
    assert np.array_equal(few, 1 - np.eye(40))
    many = np.concatenate(list(Resamples(1000).without_each_group(n_rows)))
    assert many.shape == (256, 1000)
    assert ((many == 0).sum(axis=0) == 1).all()
