from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import linprog
from tests.campaign.conftest import written

from growthlab.campaign.campaign_tables import CampaignTables
from growthlab.campaign.channel_budgets import ResponseCurve, allocate, channel_budgets
from growthlab.core.errors import ConfigError, DataError

Frames = dict[str, pd.DataFrame]


def curve(spend: list[float], response: list[float]) -> ResponseCurve:
    return ResponseCurve.of_points(np.array(spend), np.array(response), "curve")


def test_the_budget_goes_where_the_next_unit_brings_most() -> None:
    # email: 3 a unit up to 10, then 1; sms: 2 a unit up to 20. A budget of 25: 10, then 15
    curves = {"email": curve([10, 30], [30, 50]), "sms": curve([20], [40])}
    spend, price = allocate(curves, 25, {"email": np.inf, "sms": np.inf})
    assert spend == {"email": 10, "sms": 15}
    assert price == 2


def test_marginal_returns_are_equal_but_for_a_channel_s_own_limit() -> None:
    rng = np.random.default_rng(0)
    for _ in range(30):
        curves, most = {}, {}
        for name in ("a", "b", "c"):
            steps, slopes = rng.uniform(1, 5, 4), np.sort(rng.uniform(0.1, 4, 4))[::-1]
            curves[name] = curve(np.cumsum(steps).tolist(), np.cumsum(steps * slopes).tolist())
            most[name] = float(rng.uniform(2, 20))
        spend, price = allocate(curves, 15.0, most)
        # KKT: one unit more brings no more than the price, one less loses no less
        for name, amount in spend.items():
            little, own = 1e-6, curves[name]
            if amount + little < min(most[name], own.spend[-1]):
                assert (own.at(amount + little) - own.at(amount)) / little <= price + 1e-6
            if amount > little:
                assert (own.at(amount) - own.at(amount - little)) / little >= price - 1e-6
        assert sum(curves[n].at(a) for n, a in spend.items()) == pytest.approx(
            optimum(curves, 15.0, most)
        )


def optimum(curves: dict[str, ResponseCurve], total: float, most: dict[str, float]) -> float:
    """The same by HiGHS, over the pieces of the curves."""
    slopes, sizes, owner = [], [], []
    for place, own in enumerate(curves.values()):
        slopes += (np.diff(own.response) / np.diff(own.spend)).tolist()
        sizes += np.diff(own.spend).tolist()
        owner += [place] * (len(own.spend) - 1)
    rows = [np.ones(len(slopes)), *(np.array(owner) == p for p in range(len(curves)))]
    result = linprog(
        -np.array(slopes), A_ub=np.array(rows, dtype=float), b_ub=[total, *most.values()],
        bounds=[(0, size) for size in sizes],
    )  # fmt: skip
    return -float(result.fun)


def test_what_no_channel_can_use_is_left() -> None:
    spend, price = allocate({"email": curve([10], [30])}, 25, {"email": 8.0})
    assert spend == {"email": 8}
    assert price == 0


@pytest.mark.parametrize(
    ("spend", "response", "said"),
    [
        ([1, 2], [1, 3], "no concave curve"),
        ([1, 2], [2, 1], "no concave curve"),
        ([0, 1], [1, 2], "no concave curve from 0"),
        ([1, 1], [1, 2], "a spend twice"),
    ],
)
def test_a_curve_that_is_not_concave_is_refused(
    spend: list[float], response: list[float], said: str
) -> None:
    with pytest.raises(DataError, match=said):
        curve(spend, response)


def test_the_table_of_curves_sets_the_budgets_of_channels_and_draws_their_spread(
    frames: Frames, tmp_path: Path
) -> None:
    points = [("email", 10, 30, 0), ("sms", 40, 60, 0), ("email", 10, 10, 1), ("sms", 40, 60, 1)]
    frames["response_curves"] = pd.DataFrame(
        points, columns=["channel", "spend", "response", "draw"]
    )
    folder = written(frames, tmp_path)
    tables = CampaignTables.read(folder)
    with pytest.raises(ConfigError, match="budget must be set"):
        channel_budgets(folder, tables, None)
    budgets = channel_budgets(folder, tables, 35.0)
    assert budgets is not None
    # sms has a budget of 30 of its own
    assert budgets.spend == {"email": 10, "sms": 25}
    assert budgets.draws == [{"email": 5, "sms": 30}]
    assert budgets.limit(tables).channels["budget"].tolist() == [10, 25]


def test_without_the_table_budgets_stay_as_they_are(frames: Frames, tmp_path: Path) -> None:
    folder = written(frames, tmp_path)
    assert channel_budgets(folder, CampaignTables.read(folder), 35.0) is None


def test_a_channel_without_a_curve_is_refused(frames: Frames, tmp_path: Path) -> None:
    frames["response_curves"] = pd.DataFrame(
        {"channel": ["email"], "spend": [1.0], "response": [1.0]}
    )
    folder = written(frames, tmp_path)
    with pytest.raises(DataError, match="channel sms has no curve"):
        channel_budgets(folder, CampaignTables.read(folder), 1.0)
