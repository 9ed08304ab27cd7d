"""SIGTERM at random statements of commands that write to MLflow: every run is ended, none stays open.

``GROWTHLAB_SIGNALS`` is the number of signals a command.
"""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest
from tests.cli.conftest import SHOP, Workspace
from tests.cli.test_interrupts import WRITERS
from tests.store_signals import MOMENTS, signalled

pytestmark = pytest.mark.drill

N_SIGNALS = int(os.environ.get("GROWTHLAB_SIGNALS", "50"))


@pytest.mark.parametrize("command", WRITERS, ids=lambda command: command.split()[0])
def test_a_signal_at_random_statements_leaves_no_run_open(command: str, tmp_path: Path) -> None:
    workspace, draw = Workspace(tmp_path), random.Random(1)

    def words(n: int) -> list[str]:
        return [*command.format(n=n).split(), *SHOP]

    counts = {}
    for n, moment in enumerate(MOMENTS):
        with signalled(moment) as whole:
            assert workspace.growthlab(*words(n)).status == 0
        counts[moment] = whole.n
    for n in range(len(MOMENTS), len(MOMENTS) + N_SIGNALS):
        moment = draw.choice(MOMENTS)
        at = draw.randint(1, counts[moment])
        with signalled(moment, at):
            done = workspace.growthlab(*words(n))
        assert done.status in (0, 130), (moment, at, done.err)
        open_runs = [
            r.data.tags["kind"] for r in workspace.all_runs() if r.info.status == "RUNNING"
        ]
        assert not open_runs, (moment, at)
