"""A workbench for the acceptance tests, whose log is prepared once a session."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from growthlab.config.compose import compose
from growthlab.workbench.set_up import set_up
from growthlab.workbench.workbench import Workbench

Benches = Callable[..., Workbench]


@pytest.fixture(scope="session")
def bench_of(tmp_path_factory: pytest.TempPathFactory) -> Benches:
    """The bench of ``growthlab train`` with these words, evaluated by NDCG only."""
    cache: Path = tmp_path_factory.mktemp("cache")

    def make(*words: str) -> Workbench:
        fixed = ("task=top_n", "metrics=[ranking/ndcg]", f"cache={cache}", "device=cpu")
        return set_up(compose("train", [*fixed, *words]))

    return make
