"""What intervals cost: CPU seconds and memory of one model's evaluation, with 2,000 resamples and with none.

    python experiments/benchmarks/intervals.py [--customers 100000 1000000]

`churn` judges made-up predictions by every binary metric, with strata and 12 cohorts; `ranking`
judges the lists of a made-up factor model (100 of 1,000 items) by every ranking metric and stratum.
Each row is a fresh process. "without" is the same evaluation with ``intervals.resamples=0``.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import time
from typing import Any

import numpy as np
import pandas as pd
from evaluation import made_up, metrics_of

from growthlab.features.examples import Examples
from growthlab.tasks.churn import Churn
from growthlab.tasks.snapshots import CustomerData
from growthlab.tasks.top_n import TopN

KINDS = ("churn", "ranking")


class MadeUpRisk:
    """A model that reads the risk from its column."""

    stochastic = False

    def fit(self, examples: Examples, options: Any) -> MadeUpRisk:
        """Nothing to fit."""
        return self

    def predict(self, examples: Examples) -> np.ndarray:
        """The risk."""
        return examples.table["risk"].to_numpy()


def churn(n: int) -> tuple[Any, Any, Any]:
    """Task, model and data of `n` customers who came within a year."""
    random = np.random.default_rng(0)
    taste = random.normal(size=n)
    table = pd.DataFrame(
        {
            "risk": 1 / (1 + np.exp(-taste - random.normal(size=n))),
            "frequency": random.poisson(1.0, n).astype(float),
            "spend": random.lognormal(3, 1, n),
            "tenure_days": random.uniform(0, 360, n),
        }
    )
    examples = Examples(
        table=table,
        user_ids=np.array([f"u{i:07d}" for i in range(n)]),
        snapshots=np.full(n, np.datetime64("2025-12-27", "us")),
        horizon_days=28.0,
        target=(random.random(n) < 1 / (1 + np.exp(-taste))).astype(float),
    )
    return Churn(), MadeUpRisk(), CustomerData(train=examples, evaluated=examples, mean_outcome=0.5)


def ranking(n: int) -> tuple[Any, Any, Any]:
    """Task, model and data of `n` users with two targets each."""
    data, model = made_up(n, 1_000)
    return TopN(), model, data


def measure(kind: str, n: int, n_resamples: int) -> str:
    """CPU seconds of one evaluation, and the memory that it needed beside the data."""
    task, model, data = churn(n) if kind == "churn" else ranking(n)
    metrics = metrics_of("binary" if kind == "churn" else "ranking")
    before, started = peak_mb(), time.process_time()
    task.evaluate(model, data, metrics, seed=0, n_resamples=n_resamples)
    return f"{time.process_time() - started:.1f} {peak_mb():.0f} {peak_mb() - before:.0f}"


def peak_mb() -> float:
    """The most memory that this process has held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    """A line a kind and number of customers."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--customers", type=int, nargs="+", default=[50_000, 100_000, 1_000_000])
    parser.add_argument("--only", choices=KINDS)
    parser.add_argument("--case", nargs=3, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.case:
        kind, n, n_resamples = given.case
        print(measure(kind, int(n), int(n_resamples)))
        return
    print(f"{'':9}{'customers':>10}{'CPU s':>8}{'without':>9}{'peak MB':>9}{'above data':>12}")
    for kind in (given.only,) if given.only else KINDS:
        for n in given.customers:
            whole, without = (_in_a_process(kind, n, drawn) for drawn in (2000, 0))
            print(
                f"{kind:9}{n:10,}{whole[0]:>8}{without[0]:>9}{whole[1]:>9}{whole[2]:>12}",
                flush=True,
            )


def _in_a_process(kind: str, n: int, n_resamples: int) -> list[str]:
    words = [sys.executable, __file__, "--case", kind, str(n), str(n_resamples)]
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout.split()


if __name__ == "__main__":
    main()
