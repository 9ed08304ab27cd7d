"""What the acceptance tests share: a compose setting, its log prepared once a session."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from growthlab.cli.setting import Setting
from growthlab.config.compose import compose

Settings = Callable[..., Setting]


@pytest.fixture(scope="session")
def setting_of(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """The setting of ``growthlab train`` with the given words, judged by NDCG alone."""
    cache: Path = tmp_path_factory.mktemp("cache")

    def make(*words: str) -> Setting:
        fixed = ("task=top_n", "metrics=[ranking/ndcg]", f"cache={cache}", "device=cpu")
        return Setting(compose("train", [*fixed, *words]))

    return make
