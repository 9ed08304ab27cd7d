"""A comparison whose fits wait: python tests/cluster/waiting_fits.py cluster.address=... FOLDER PASSWORD.

Each fit adds a line ``model node process`` to the file ``fits``; those of ``waiting`` and ``asleep`` end
once the file ``go`` exists. The password stands in the words of the command alone.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Any

from growthlab import compare
from growthlab.core.histories import Histories
from growthlab.core.process import prepare_process
from growthlab.data.simulated_shop import SimulatedShop
from growthlab.models.base import ScoredRecommender
from growthlab.models.recommend.popularity import Popularity
from growthlab.training.fit_options import FitOptions


class Fit(ScoredRecommender):
    """Popularity that says where it is fitted, and waits."""

    def __init__(self, name: str, folder: str, waits: bool) -> None:
        self.name, self.folder, self.waits = name, folder, waits

    def fit(self, past: Histories, options: FitOptions) -> Fit:
        """Fit once the file is there."""
        import ray

        node = ray.get_runtime_context().get_node_id()
        with (Path(self.folder) / "fits").open("a") as file:
            file.write(f"{self.name} {node} {os.getpid()}\n")
        while self.waits and not (Path(self.folder) / "go").exists():
            time.sleep(0.05)
        self.scorer_ = Popularity().fit(past, options).scorer_
        return self


def main(address_word: str, folder: str) -> Any:
    """Compare, and print the models that succeeded."""
    prepare_process()
    os.chdir(folder)
    waits = {"quick": False, "waiting": True, "asleep": True}
    models = {name: lambda n=name, w=w: Fit(n, folder, w) for name, w in waits.items()}
    result = compare(
        SimulatedShop(users=150, items=60, days=150).read(),
        models,
        track=True,
        overrides=[
            "cluster=ray",
            address_word,
            "intervals.resamples=50",
            "metrics=[ranking/ndcg]",
        ],
    )
    print("models:", *sorted(result.leaderboard()["model"]), *result.errors)


if __name__ == "__main__":
    main(*sys.argv[1:3])
