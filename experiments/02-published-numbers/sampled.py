"""The protocol of Ferrari Dacrema et al., TOIS 2021: one positive among 99 sampled negatives.

It is here to reproduce that paper's figures, and nowhere else: figures on sampled candidates say
nothing about full ranking.

    python experiments/02-published-numbers/sampled.py PATH-OF-THE-DATA neumf model.factors=64 ...

prints after each epoch how a network with these settings does on each user's second-last film: the settings
of plan.yaml were chosen by that.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

sys.path.append(str(Path(__file__).resolve().parents[1]))

from study import COLUMNS, Step

from growthlab.config.compose import compose
from growthlab.core.build import build
from growthlab.core.histories import Catalogue, Histories
from growthlab.core.seeding import random_stream
from growthlab.evaluation.block_ranking import target_ranks
from growthlab.models.base import Recommender
from growthlab.ranking.fallback import fill_unscored
from growthlab.tracking.code_version import code_version
from growthlab.training.fit_options import EpochVerdict, FitOptions

N_NEGATIVES = 99
DRAWS = 3  # of the negatives


class Test(NamedTuple):
    """The past, and the candidates of each draw: first the film taken last, then those never rated."""

    past: Histories
    candidates: list[np.ndarray]  # of each draw, (n_users, 1 + N_NEGATIVES)


@lru_cache(maxsize=1)
def held_out(data: Path, place: int = 1) -> Test:
    """The last film of each user in SASRec's order, against 99 of all 3,706 that they never rated.

    With `place` 2 it is the second-last film, and the last is known to nobody.
    """
    pairs = pd.read_parquet(data / "movielens_1m" / "pairs.parquet")
    order = pd.read_parquet(data / "movielens_1m" / "sequences.parquet")
    latest = order.sort_values("position").groupby("user_id").tail(place)
    last = latest.groupby("user_id").head(1)
    past = pairs.merge(latest[["user_id", "movie_id"]], how="left", indicator=True)
    past = past[past["_merge"] == "left_only"]
    users, films = (np.unique(pairs[c].astype(str)).astype(str) for c in ("user_id", "movie_id"))
    catalogue = Catalogue(films)
    rows, items = (
        np.searchsorted(known, past[c].astype(str))
        for known, c in ((users, "user_id"), (films, "movie_id"))
    )
    histories = Histories.from_events(
        catalogue, users, rows, items, np.zeros(len(past), dtype=np.int64), timed=False
    )
    by_user = last.assign(user_id=last["user_id"].astype(str)).set_index("user_id")["movie_id"]
    target = catalogue.codes(by_user.loc[users].astype(str).to_numpy(dtype=str))
    taken = np.zeros((len(users), len(films)), dtype=bool)
    taken[
        np.searchsorted(users, pairs["user_id"].astype(str)),
        catalogue.codes(pairs["movie_id"].astype(str).to_numpy(dtype=str)),
    ] = True
    draws = []
    for draw in range(DRAWS):
        rng = random_stream(draw, "negatives")
        drawn = [rng.choice(np.flatnonzero(~own), N_NEGATIVES, replace=False) for own in taken]
        draws.append(np.column_stack([target, drawn]))
    return Test(histories, draws)


def ranks_of(model: Any, test: Test) -> np.ndarray:
    """The target's rank by the median rule, for each draw of candidates and user."""
    past = test.past
    found = np.zeros((DRAWS, past.n_users))
    popularity = np.bincount(past.items, minlength=past.n_items).astype(np.float32)
    for rows in np.array_split(np.arange(past.n_users), 12):
        scores, _ = fill_unscored(model.score(past.select(rows)), popularity)
        places = np.arange(len(rows))
        for draw, candidates in enumerate(test.candidates):
            own = np.take_along_axis(scores, candidates[rows], axis=1)
            found[draw, rows] = target_ranks(own, places, 0 * places)[0]
    return found


def rows_of(step: Step, data: Path) -> pd.DataFrame:
    """Fit the model of a row; its two metrics for each draw, with 95 % bounds over users."""
    test, name = held_out(data), step.row["model"]
    words = [f"model=recommend/{name}", *step.settings.split()]
    model = build(compose("train", words).config.model, Recommender)
    started = time.perf_counter()
    model.fit(test.past, FitOptions(seed=0, epochs=step.row.get("epochs")))
    about = {
        "task": "top_n",
        "data": "movielens_1m",
        "protocol": step.protocol,
        "split": "leave_last_out",
        "model": name,
        "fit_seconds": round(time.perf_counter() - started, 1),
        "device": "cpu",
        "code_version": code_version(),
    }
    return pd.DataFrame(_rows(about, ranks_of(model, test)), columns=COLUMNS)


def _rows(about: dict[str, Any], drawn: np.ndarray) -> Iterator[dict[str, Any]]:
    for draw, ranks in enumerate(drawn):
        hit = ranks <= 10
        gain = np.where(hit, 1 / np.log2(ranks + 1), 0)
        for metric, values in (("test/hit_rate_at_10", hit), ("test/ndcg_at_10", gain)):
            mean, spread = values.mean(), 1.96 * values.std() / np.sqrt(len(values))
            bounds = {"low": round(mean - spread, 5), "high": round(mean + spread, 5)}
            yield {**about, "seed": draw, "metric": metric, "value": round(mean, 5), **bounds}


def choose(data: Path, name: str, words: list[str]) -> None:
    """Print hit rate and NDCG on the second-last film after each epoch, until three are no better."""
    test = held_out(data, 2)
    model = build(compose("train", [f"model=recommend/{name}", *words]).config.model, Recommender)
    best, started = (0, 0.0), time.perf_counter()

    def on_epoch(epoch: int, fitted: Any) -> EpochVerdict:
        nonlocal best
        hit = (ranks := ranks_of(fitted, test)) <= 10
        gain = np.where(hit, 1 / np.log2(ranks + 1), 0).mean()
        seconds = time.perf_counter() - started
        print(f"epoch {epoch}: {hit.mean():.4f} / {gain:.4f} after {seconds:,.0f} s", flush=True)
        improved = bool(gain > best[1])
        best = (epoch, gain) if improved else best
        return EpochVerdict(improved=improved, stop=epoch - best[0] >= 3)

    model.fit(test.past, FitOptions(seed=0, on_epoch=on_epoch))


if __name__ == "__main__":
    choose(Path(sys.argv[1]).resolve(), sys.argv[2], sys.argv[3:])
