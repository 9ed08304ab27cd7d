"""The part of the week by responses, against one drawn at random."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from tests.campaign.conftest import N, holdout_of, options_of, settings_with, written

from growthlab.campaign.plan_page import plan_page
from growthlab.campaign.planning import CampaignPlan
from growthlab.campaign.send_times import (
    SendTimes,
    best_chances,
    parts_of,
    prior_strength,
    segment_rates,
)
from growthlab.core.errors import ConfigError

Frames = dict[str, pd.DataFrame]
EDGES = [6, 14]


def test_parts_are_of_the_day_and_of_weekend_or_not() -> None:
    moments = pd.DatetimeIndex(
        ["2026-12-01 06:00", "2026-12-01 13:59", "2026-12-01 14:00", "2026-12-02 03:00", "2026-12-05 08:00"]
    )  # fmt: skip
    # before the first edge is the night behind the last part; the 5th is a Saturday
    assert parts_of(moments, EDGES).tolist() == [0, 0, 1, 1, 2]


def test_the_rate_of_a_segment_leans_on_that_of_all() -> None:
    sends, responses = np.array([[4.0, 0.0], [6.0, 0.0]]), np.array([[1.0, 0.0], [3.0, 0.0]])
    rates = segment_rates(sends, responses, np.array([0, 1]))
    # all: 4.5 of 11; in the first part (4 + .40909) of 11, in the second, where nothing is known, .40909
    by_part = (4 + 4.5 / 11) / 11
    assert rates[:, 0] == pytest.approx([(1 + by_part) / 5, (3 + by_part) / 7])
    assert rates[:, 1] == pytest.approx([4.5 / 11, 4.5 / 11])


@pytest.mark.parametrize("strength", [2.0, 50.0])
def test_the_weight_of_the_segment_is_found_again(strength: float) -> None:
    rng = np.random.default_rng(1)
    own = rng.beta(0.3 * strength, 0.7 * strength, 20_000)
    sends = np.full((20_000, 1), 12.0)
    responses = rng.binomial(12, own)[:, None].astype(float)
    found = prior_strength(sends, responses, np.full((20_000, 1), 0.3))
    assert found == pytest.approx(strength, rel=0.25)


def test_a_part_is_chosen_as_often_as_it_may_be_the_best() -> None:
    rng = np.random.default_rng(2)
    alpha, beta = np.array([[1.0, 1.0, 1.0]] * 50), np.array([[1.0, 1.0, 9.0]] * 50)
    possible = np.array([[True, True, False]] * 50)
    chances = best_chances(alpha, beta, possible, rng)
    assert chances.sum(axis=1) == pytest.approx(np.ones(50))
    assert (chances[:, 2] == 0).all()
    # two alike: a half each; the mean of 50 times 400 draws has a standard error of .0035
    assert chances[:, 0].mean() == pytest.approx(0.5, abs=0.015)


def contacts() -> pd.DataFrame:
    """Everybody responds in the evening, half the time, and seldom in the morning."""
    rng = np.random.default_rng(3)
    customer = np.repeat([f"c{i:03d}" for i in range(N)], 6)
    evening = np.tile([True, False] * 3, N)
    days = np.tile([2, 3, 4, 9, 10, 11], N)  # in October 2026, which are no limit to the caps
    sent = [f"2026-10-{d:02d}T{'18' if e else '10'}:00" for d, e in zip(days, evening, strict=True)]
    responded = rng.random(len(customer)) < np.where(evening, 0.5, 0.05)
    return pd.DataFrame(
        {"customer": customer, "channel": "email", "sent": sent, "responded": responded}
    )


def test_planned_customers_are_written_to_when_they_respond_and_chance_is_logged(
    frames: Frames, tmp_path: Path
) -> None:
    frames["contacts"] = contacts()
    settings = settings_with(budget=None, send_times=EDGES, send_time_random=0.3)
    options = options_of(written(frames, tmp_path), settings)
    plan = CampaignPlan.of(options, holdout_of(settings))
    planned = plan.rows[plan.rows["arm"] == "plan"]
    assert planned["slot_probability"].between(0, 1, inclusive="right").all()
    assert plan.rows.loc[plan.rows["arm"] != "plan", "slot_arm"].isna().all()
    sent = planned[planned["offer"].notna()]
    evening = sent["slot"].dt.hour == 18
    # two parts of weekdays are possible: of those drawn at random about a half, of the others nearly all
    by_arm = evening.groupby(sent["slot_arm"]).mean()
    assert by_arm["sampled"] > 0.9
    assert 0.2 < by_arm["random"] < 0.8
    random = planned[planned["slot_arm"] == "random"]
    assert random["slot_probability"].unique() == pytest.approx([0.5])
    assert len(random) / len(planned) == pytest.approx(0.3, abs=0.1)
    page = plan_page(plan, "", 0)
    assert "When they are written to" in page


def test_a_part_without_a_slot_is_never_chosen(frames: Frames, tmp_path: Path) -> None:
    frames["contacts"] = contacts()
    frames["slots"] = frames["slots"][frames["slots"]["slot"].str.endswith("10:00")]
    settings = settings_with(send_times=EDGES)
    options = options_of(written(frames, tmp_path), settings)
    times = SendTimes.choose(options, holdout_of(settings))
    assert times is not None
    assert set(times.part) == {0}  # the morning of weekdays: in the evening nothing may be sent
    assert (times.probability == 1).all()


def test_without_responses_times_cannot_be_chosen(frames: Frames, tmp_path: Path) -> None:
    settings = settings_with(send_times=EDGES)
    options = options_of(written(frames, tmp_path), settings)
    with pytest.raises(ConfigError, match="send_times needs the column responded of contacts"):
        CampaignPlan.of(options, holdout_of(settings))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"send_times": []}, "send_times must be rising hours"),
        ({"send_times": [10, 6]}, "send_times must be rising hours"),
        ({"send_times": [6, 24]}, "send_times must be rising hours"),
        ({"send_time_random": 0.0}, "send_time_random must be above 0 and below 1, got 0"),
    ],
)
def test_settings_of_send_times_are_checked(changes: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        settings_with(**changes)
