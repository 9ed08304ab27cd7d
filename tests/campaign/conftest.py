"""A small campaign as tables in a folder."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from growthlab.campaign.campaign_tables import CampaignTables
from growthlab.campaign.holdout import Holdout
from growthlab.campaign.offer_values import OfferValues
from growthlab.campaign.options import Options
from growthlab.campaign.plan_settings import CapSetting, PlanSettings
from growthlab.core.pseudonyms import PseudonymKey

N = 400


def example_frames() -> dict[str, pd.DataFrame]:
    """Two offers, two channels, two days; a third of the customers have no consent for sms."""
    rng = np.random.default_rng(0)
    customer = [f"c{i:03d}" for i in range(N)]
    slots = [f"2026-12-0{day}T{hour}:00" for day in (1, 2) for hour in (10, 18)]
    return {
        "customers": pd.DataFrame(
            {"customer": customer, "segment": np.where(np.arange(N) < 100, "north", "south")}
        ),
        "offers": pd.DataFrame(
            {
                "offer": ["news", "ten off"], "cost": [0.0, 3.0], "stock": ["", "60"],
                "segments": ["", "south"], "changes_price": ["false", "true"],
                "price_review": ["", "by pricing"],
            }
        ),
        "channels": pd.DataFrame(
            {
                "channel": ["email", "sms"], "cost": [0.1, 0.5], "budget": ["", "30"],
                "quiet_from": ["", "21"], "quiet_to": ["", "8"],
                "response_multiplier": ["", ""],
            }
        ),
        "slots": pd.DataFrame(
            {
                "channel": ["email"] * 4 + ["sms"] * 4, "slot": slots * 2,
                "capacity": ["50", "100", "", "100"] * 2,
            }
        ),
        "consent": pd.DataFrame(
            {
                "customer": customer * 2, "purpose": "marketing",
                "channel": ["email"] * N + ["sms"] * N,
                "given": ["true"] * N + ["true" if i % 3 else "false" for i in range(N)],
            }
        ),
        "contacts": pd.DataFrame(
            {"customer": customer[:40], "channel": "email", "sent": "2026-11-28T10:00"}
        ),
        "values": pd.DataFrame(
            {
                "customer": customer * 2, "offer": ["news"] * N + ["ten off"] * N,
                "incremental_value": rng.lognormal(0, 1, 2 * N).round(3), "buys": 0.5,
                "spread": 0.2,
            }
        ),
    }  # fmt: skip


def written(frames: dict[str, pd.DataFrame], folder: Path) -> Path:
    """The folder with the tables as CSV."""
    folder.mkdir(exist_ok=True)
    for name, frame in frames.items():
        frame.to_csv(folder / f"{name}.csv", index=False)
    return folder


def settings_with(**changes: object) -> PlanSettings:
    """Settings under which all limits bind."""
    defaults = {
        "campaign": "winter", "budget": 120.0, "days": 7, "control": 0.1, "explore": 0.1,
        "purpose": "marketing", "caps": (CapSetting(1, 7), CapSetting(6, 30)),
    }  # fmt: skip
    return PlanSettings(**{**defaults, **changes})  # type: ignore[arg-type]


def holdout_of(settings: PlanSettings) -> Holdout:
    """The holdout under a fixed key."""
    key = PseudonymKey(b"the key of all tests of the plans" * 2)
    return Holdout(
        key, settings.campaign, settings.control, settings.explore, settings.lasting_control
    )


def options_of(folder: Path, settings: PlanSettings) -> Options:
    """The options of the tables in a folder."""
    tables = CampaignTables.read(folder)
    tables = tables.limited_to(settings.days, tables.times[0])
    return Options(tables, OfferValues.read(folder, tables), settings)


@pytest.fixture
def frames() -> dict[str, pd.DataFrame]:
    """The tables of the small campaign."""
    return example_frames()
