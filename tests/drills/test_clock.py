"""A clock goes back an hour in the middle of a comparison: it ends, and the newest is the last one."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.drill

Desk = Any  # of conftest.py
# the command, with a clock that is an hour behind as soon as the file is there
LAUNCHER = """
import os, sys, time
real, real_ns = time.time, time.time_ns

def behind():
    return 3600 if os.path.exists("set-back") else 0

time.time = lambda: real() - behind()
time.time_ns = lambda: real_ns() - behind() * 10**9
from growthlab.cli.main import main
sys.exit(main(sys.argv[1:]))
"""


def test_a_comparison_survives_a_clock_that_goes_back_an_hour(
    desk: Desk, shop_words: tuple[str, ...]
) -> None:
    words = ("compare", "task=top_n", "metrics=[ranking/ndcg]", *shop_words)
    models = "models=[popularity,item_knn,gru4rec]"
    assert desk.run(*words, models, "model.trainer.epochs=2") == 0, desk.output
    expected = desk.metrics()
    output = desk.folder / "clock.txt"
    again = (*words, models, "model.trainer.epochs=2", "cache=other")
    with output.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, "-c", LAUNCHER, *again], cwd=desk.folder, stdout=file, stderr=file
        )
        while process.poll() is None and "popularity seed 0:" not in output.read_text():
            time.sleep(0.01)
        (desk.folder / "set-back").touch()
        assert process.wait(300) == 0, output.read_text()
    assert desk.metrics() == expected
    spans = desk.query(
        "SELECT start_time, end_time, status FROM runs JOIN latest_metrics USING (run_uuid)"
    )
    assert spans
    assert all(int(end) >= int(start) for start, end, _ in spans)
    # a comparison that begins after the clock was set back is still the newest
    last = ("compare", "task=top_n", "metrics=[ranking/ndcg]", *shop_words, "models=[item_knn]")
    with output.open("wb") as file:
        command = [sys.executable, "-c", LAUNCHER, *last]
        process = subprocess.Popen(command, cwd=desk.folder, stdout=file, stderr=file)
        assert process.wait(300) == 0, output.read_text()
    (comparison,) = re.findall(r"comparison ([0-9a-f]{32}) in", output.read_text())
    assert desk.run("export", "task=top_n", "to=bundle", "register=false") == 0, desk.output
    (run_id,) = re.findall(r"item_knn of run ([0-9a-f]{32}) in bundle", desk.output)
    parents = desk.query(
        f"SELECT value FROM tags WHERE run_uuid = '{run_id}' AND key = 'mlflow.parentRunId'"
    )
    assert parents == [(comparison,)]
    assert (Path(desk.folder) / "bundle" / "manifest.json").exists()
