from __future__ import annotations

import numpy as np
import pytest

from growthlab.core.errors import ConfigError, DataError
from growthlab.core.histories import EVENT_CODE, Catalogue, Histories
from growthlab.scorers.history_weights import (
    HistoryWeights,
    baskets_since,
    days_since,
    once_a_basket,
)

DAY = 86_400_000_000
CATALOGUE = Catalogue(np.array(["a", "b", "c"]))


def history(timed: bool = True) -> Histories:
    """u0: nothing; u1: views a and b on day 0, buys a on day 2, views a on day 3; u2: buys c."""
    view, purchase = EVENT_CODE["view"], EVENT_CODE["purchase"]
    return Histories.from_events(
        CATALOGUE,
        np.array(["u0", "u1", "u2"]),
        np.array([1, 1, 1, 1, 2]),
        np.array([0, 1, 0, 0, 2]),
        np.array([0, 0, 2, 3, 9]) * DAY,
        event_types=np.array([view, view, purchase, view, purchase]),
        timed=timed,
    )


def test_baskets_and_days_are_counted_back_from_the_newest_event() -> None:
    assert baskets_since(history()).tolist() == [2, 2, 1, 0, 0]
    assert days_since(history()).tolist() == [3, 3, 1, 0, 0]


def test_without_weights_the_matrix_is_binary() -> None:
    assert HistoryWeights.of().matrix(history()).toarray().tolist() == [
        [0, 0, 0],
        [1, 1, 0],
        [0, 0, 1],
    ]


@pytest.mark.parametrize(
    ("settings", "row"),
    [
        ({"event_weights": {"view": 0.25}}, [1, 0.25, 0]),
        ({"event_weights": {"view": 0}}, [1, 0, 0]),
        ({"step_decay": 0.5}, [1, 0.25, 0]),
        ({"half_life_days": 1}, [1, 0.125, 0]),
        # the purchase of a: 1/2 by its one step; its newest view: 0.1
        ({"event_weights": {"view": 0.1}, "step_decay": 0.5}, [0.5, 0.025, 0]),
    ],
)
def test_a_pair_weighs_as_its_heaviest_event(settings: dict, row: list[float]) -> None:
    weights = HistoryWeights.of(**settings)
    np.testing.assert_allclose(weights.matrix(history()).toarray()[1], row, rtol=1e-6)
    back = HistoryWeights.from_arrays(weights.to_arrays())
    assert back == weights


def test_an_event_of_weight_zero_leaves_no_entry() -> None:
    assert HistoryWeights.of({"view": 0}).matrix(history()).nnz == 2


def test_without_timestamps_a_half_life_changes_nothing_and_a_fit_refuses_it() -> None:
    weights = HistoryWeights.of(half_life_days=1)
    assert weights.matrix(history(timed=False)).toarray()[1].tolist() == [1, 1, 0]
    with pytest.raises(DataError, match="x with half_life_days=1 needs timestamps"):
        weights.require_times(history(timed=False), "x")


def test_no_users_have_an_empty_matrix() -> None:
    nobody = history().select(np.arange(0))
    for settings in ({}, {"step_decay": 0.5}, {"half_life_days": 2.0}):
        assert HistoryWeights.of(**settings).matrix(nobody).shape == (0, 3)


def test_an_item_counts_once_a_basket() -> None:
    twice = Histories.from_events(
        CATALOGUE,
        np.array(["u"]),
        np.zeros(4, dtype=int),
        np.array([0, 0, 1, 0]),
        np.array([1, 1, 1, 2]),
    )
    assert once_a_basket(twice).items.tolist() == [0, 1, 0]


@pytest.mark.parametrize("value", [-0.1, 1.1])
def test_a_decay_out_of_range_is_refused(value: float) -> None:
    with pytest.raises(ConfigError, match="step_decay must lie in 0"):
        HistoryWeights.of(step_decay=value)
