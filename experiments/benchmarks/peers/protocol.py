"""What every side shares: the question, the split, the judge and the one line of JSON at the end.

Runs in every peer's environment: numpy and pandas only.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd


@dataclass(frozen=True)
class Question:
    """What a side is asked: a measure, the sequences, settings, threads, a scratch folder.

    `data` is the Parquet file, `arrays` its columns as npz, for environments that cannot read it.
    """

    measure: str
    data: str
    arrays: str
    settings: dict[str, Any]
    threads: int
    scratch: str

    @classmethod
    def asked(cls) -> Question:
        """The question on the command line; the libraries' own readers of it find nothing there."""
        question = cls(**json.loads(sys.argv[1]))
        del sys.argv[1:]
        return question

    def __getattr__(self, name: str) -> Any:
        """A setting by its name."""
        if name.startswith("_") or name not in self.settings:
            raise AttributeError(name)
        return self.settings[name]

    @property
    def alpha(self) -> float:
        """The implicit library's weight of a pair of the past: with it the objective is that of `unseen`."""
        return float((1 + self.unseen) / self.unseen)

    @property
    def trees(self) -> dict[str, Any]:
        """The settings of LightGBM's trees."""
        names = ("n_estimators", "learning_rate", "num_leaves", "min_child_samples")
        return {name: self.settings[name] for name in names}

    @cached_property
    def events(self) -> pd.DataFrame:
        """user, item (codes from 0) and position, in the order of each user."""
        codes = {
            "user": self.raw_users.searchsorted(self._table["user_id"]),
            "item": self.raw_items.searchsorted(self._table["movie_id"]),
        }
        return pd.DataFrame({**codes, "position": self._table["position"].to_numpy()})

    @cached_property
    def raw_users(self) -> np.ndarray:
        """The user ids of the file, sorted."""
        return np.unique(self._table["user_id"])

    @cached_property
    def raw_items(self) -> np.ndarray:
        """The item ids of the file, sorted."""
        return np.unique(self._table["movie_id"])

    @cached_property
    def past(self) -> pd.DataFrame:
        """All but the last event of each user."""
        return self.events[self._from_the_end > 0]

    @cached_property
    def inner(self) -> pd.DataFrame:
        """All but the last two events of each user: what a choice is made from."""
        return self.events[self._from_the_end > 1]

    @property
    def last(self) -> pd.DataFrame:
        """The last event of each user."""
        return self.events[self._from_the_end == 0]

    @property
    def second_last(self) -> pd.DataFrame:
        """The event of each user that a choice is judged by."""
        return self.events[self._from_the_end == 1]

    @cached_property
    def _table(self) -> pd.DataFrame:
        with np.load(self.arrays) as columns:
            table = pd.DataFrame(dict(columns))
        return table.sort_values(["user_id", "position"], kind="stable", ignore_index=True)

    @cached_property
    def _from_the_end(self) -> np.ndarray:
        return self.events.groupby("user").cumcount(ascending=False).to_numpy()


def seconds_of(work: Callable[[], Any]) -> tuple[Any, float]:
    """What `work` gives, and how long it took."""
    started = time.perf_counter()
    made = work()
    return made, time.perf_counter() - started


def customers(question: Question) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The simulated customers: repeat purchases, time of the last one, time watched; in weeks."""
    with np.load(Path(question.scratch) / "customers.npz") as columns:
        return columns["x"], columns["t_x"], columns["T"]


class Experiment(NamedTuple):
    """A simulated experiment: features, who was treated (1) or not (0), outcomes, true effects."""

    features: np.ndarray  # (n, n_features) float64
    treated: np.ndarray
    outcome: np.ndarray
    effect: np.ndarray

    @classmethod
    def of(cls, question: Question) -> Experiment:
        """One half is treated; the outcome of 0 or 1 depends on six features, the effect on three."""
        random, n = np.random.default_rng(0), question.rows
        x = random.normal(size=(n, question.features))
        treated = (random.random(n) < 0.5).astype(float)
        effect = 0.05 + 0.05 * np.tanh(x[:, 0]) * (x[:, 1] > 0) + 0.03 * (x[:, 2] > 1)
        base = 0.3 + 0.1 * np.tanh(x[:, 3] + x[:, 4] * x[:, 5])
        return cls(x, treated, (random.random(n) < base + effect * treated).astype(float), effect)


def cost_of(work: Callable[[], np.ndarray], experiment: Experiment) -> dict[str, Any]:
    """CPU seconds of all threads, the process's peak memory, and the error of the predicted effects."""
    import resource

    started = time.process_time()
    predicted = work()
    seconds = time.process_time() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    error = float(np.sqrt(np.mean((np.ravel(predicted) - experiment.effect) ** 2)))
    return {"cpu_seconds": seconds, "peak_gib": peak / 2**30, "effect_error": error}


def bg_nbd_log_likelihood(
    parameters: Sequence[float], x: np.ndarray, t_x: np.ndarray, T: np.ndarray
) -> float:
    """Of BG/NBD parameters (r, alpha, a, b), by one judge for all sides; see Fader et al. 2005."""
    from scipy.special import gammaln

    r, alpha, a, b = parameters
    rate = gammaln(r + x) - gammaln(r) + r * np.log(alpha)
    stay = gammaln(b + x) - gammaln(b) + gammaln(a + b) - gammaln(a + b + x)
    silent = -(r + x) * np.log(alpha + T)
    with np.errstate(divide="ignore"):
        leaves = np.log(np.where(x > 0, a / (b + np.maximum(x, 1) - 1), 0.0))
    return float(np.sum(rate + stay + np.logaddexp(silent, leaves - (r + x) * np.log(alpha + t_x))))


def n_targets(past: pd.DataFrame, length: int | None = None) -> int:
    """How many targets a model has that predicts the last `length` events of each user, or all of them."""
    followers = past.groupby("user").size() - 1
    return int((followers if length is None else np.minimum(followers, length)).sum())


def ndcg_at_10(scores: np.ndarray, seen: pd.DataFrame, target: np.ndarray) -> float:
    """Of one held-out item a user among all unseen items, ties at the mean; changes `scores`."""
    scores[seen["user"], seen["item"]] = -np.inf
    own = scores[np.arange(len(target)), target][:, None]
    rank = (scores > own).sum(1) + ((scores == own).sum(1) - 1) / 2 + 1
    return float(np.where(rank <= 10, 1 / np.log2(rank + 1), 0).mean())


class Stopwatch:
    """Seconds of training without those of judging, until a quality or a limit is reached."""

    def __init__(self, until: float, minutes: float) -> None:
        self.until, self.limit = until, minutes * 60
        self.seconds, self.curve = 0.0, []
        self._since = time.perf_counter()

    def judged(self, judge: Callable[[], float]) -> bool:
        """Stop the clock, judge, and say whether training is over."""
        self.seconds += time.perf_counter() - self._since
        self.curve.append((round(self.seconds, 1), round(judge(), 4)))
        print(self.curve[-1], file=sys.stderr, flush=True)
        self._since = time.perf_counter()
        return self.curve[-1][1] >= self.until or self.seconds > self.limit

    def answer(self) -> dict[str, Any]:
        """The seconds, or none where the quality was not reached."""
        reached = self.curve[-1][1] >= self.until
        note = "seconds and NDCG@10 after each epoch: " + " ".join(map(str, self.curve))
        return {"seconds_to_quality": self.seconds if reached else None, "note": note}


def answer(values: dict[str, Any]) -> None:
    """The last line of the output."""
    print("\n" + json.dumps(values), flush=True)
