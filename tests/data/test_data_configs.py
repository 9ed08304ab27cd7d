"""The data group of the configuration: every file builds a source, and says why it filters what."""

from __future__ import annotations

from pathlib import Path

import pytest
from omegaconf import OmegaConf

from growthlab.core.build import build
from growthlab.data.source import Source

FOLDER = Path(__file__).parents[2] / "conf" / "data"
NAMES = (
    "amazon_2014_beauty",
    "amazon_2018_scientific",
    "cdnow",
    "diginetica",
    "movielens_100k",
    "movielens_1m",
    "online_retail",
    "tabular_file",
)


@pytest.mark.parametrize("name", NAMES)
def test_every_file_of_a_data_set_builds_its_source(name: str) -> None:
    source = build(OmegaConf.load(FOLDER / f"{name}.yaml"))
    assert isinstance(source, Source)
    assert source.name == name
    assert source.filter_seen in ("none", "purchased", "interacted")
    assert source.filter_seen_reason


@pytest.mark.parametrize("name", NAMES)
def test_the_files_agree_with_the_defaults_of_the_classes(name: str) -> None:
    source = build(OmegaConf.load(FOLDER / f"{name}.yaml"))
    plain = type(source)()
    for setting in ("filter_seen", "horizon_days", "activity_days"):
        assert getattr(source, setting) == getattr(plain, setting), setting
    for setting in ("history_events", "target_events"):
        assert tuple(getattr(source, setting)) == getattr(plain, setting), setting
