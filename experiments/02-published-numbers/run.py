"""Fits and judges the models of plan.yaml, one protocol after the other, into results.csv.

    python experiments/02-published-numbers/run.py PATH-OF-THE-DATA [protocol ...] [model ...]

PATH-OF-THE-DATA holds ``movielens_1m`` and ``amazon_2014_beauty``. Without names everything runs;
rows of what is not run again are kept.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import yaml

from growthlab.cli.compose import composed
from growthlab.core.build import build
from growthlab.core.histories import Catalogue, Histories
from growthlab.core.seeding import stream
from growthlab.evaluation.top_k import target_ranks
from growthlab.ranking.candidates import hide_seen, seen_items
from growthlab.ranking.fallback import fill_unscored
from growthlab.tracking.store import code_version
from growthlab.training.options import FitOptions

STUDY = Path(__file__).resolve().parent
COLUMNS = [
    "task", "data", "protocol", "split", "model", "seed", "metric", "value", "low", "high",
    "fit_seconds", "device", "code_version", "run_id",
]  # fmt: skip
N_NEGATIVES = 99
DRAWS = 3  # of the negatives


class Test(NamedTuple):
    """The past, the item that each of its users took last, and candidates by draw where sampled."""

    data: str
    protocol: str
    past: Histories
    target: np.ndarray  # (n_users,)
    candidates: list[np.ndarray] | None = None  # of each draw, (n_users, 1 + N_NEGATIVES)


def histories_of(pairs: pd.DataFrame, last: pd.DataFrame) -> tuple[Histories, np.ndarray]:
    """Histories of `pairs` (user_id, item_id, position) without `last`, one row a user; its items."""
    users, items = (np.unique(pairs[c].astype(str)) for c in ("user_id", "item_id"))
    catalogue = Catalogue(items.astype(str))
    merged = pairs.merge(last[["user_id", "item_id"]], how="left", indicator=True)
    past = merged[merged["_merge"] == "left_only"]
    codes = [
        np.searchsorted(v, past[c].astype(str)) for v, c in ((users, "user_id"), (items, "item_id"))
    ]
    histories = Histories.from_events(
        catalogue, users.astype(str), *codes, past["position"].to_numpy(), timed=False
    )
    by_user = last.assign(user_id=last["user_id"].astype(str)).set_index("user_id")["item_id"]
    return histories, catalogue.codes(by_user.loc[users].astype(str).to_numpy(dtype=str))


def ml1m_99_negatives(data: Path) -> Test:
    """The last film of each user in SASRec's order, against 99 of all 3,706 that they never rated."""
    pairs = pd.read_parquet(data / "movielens_1m" / "pairs.parquet").assign(position=0)
    order = pd.read_parquet(data / "movielens_1m" / "sequences.parquet")
    last = order.sort_values("position").groupby("user_id").tail(1)
    names = {"movie_id": "item_id"}
    past, target = histories_of(pairs.rename(columns=names), last.rename(columns=names))
    taken = past.matrix().toarray() > 0
    taken[np.arange(past.n_users), target] = True
    draws = []
    for draw in range(DRAWS):
        rng = stream(draw, "negatives")
        drawn = [rng.choice(np.flatnonzero(~own), N_NEGATIVES, replace=False) for own in taken]
        draws.append(np.column_stack([target, drawn]))
    return Test("movielens_1m", "pairs.parquet, 1 positive and 99 negatives", past, target, draws)


def beauty(data: Path) -> Test:
    """The last item of each user against all that they have not."""
    events = pd.read_parquet(data / "amazon_2014_beauty" / "beauty_sequences.parquet")
    last = events.sort_values("position").groupby("user_id").tail(1)
    past, target = histories_of(events, last)
    return Test("amazon_2014_beauty", "beauty_sequences.parquet, full ranking", past, target)


PROTOCOLS: dict[str, Callable[[Path], Test]] = {
    "ml1m_99_negatives": ml1m_99_negatives,
    "beauty": beauty,
}


def ranks_of(model: Any, test: Test) -> Iterator[np.ndarray]:
    """The target's rank by the median rule of each user, for each draw of candidates."""
    n_draws = 1 if test.candidates is None else len(test.candidates)
    found = np.zeros((n_draws, test.past.n_users))
    popularity = np.bincount(test.past.items, minlength=test.past.n_items).astype(np.float32)
    for rows in np.array_split(np.arange(test.past.n_users), 12):
        histories, places = test.past.select(rows), np.arange(len(rows))
        scores, _ = fill_unscored(model.score(histories), popularity)
        if test.candidates is None:
            hide_seen(scores, seen_items(histories, "interacted"))
            found[0, rows] = target_ranks(scores, places, test.target[rows])[0]
        else:
            for draw, candidates in enumerate(test.candidates):
                own = np.take_along_axis(scores, candidates[rows], axis=1)
                found[draw, rows] = target_ranks(own, places, 0 * places)[0]
    yield from found


def rows_of(name: str, settings: list[str], test: Test) -> Iterator[dict[str, Any]]:
    """Fit one model; its two metrics for each draw, with 95 % bounds over users."""
    words = [f"model=recommend/{name}", *(f"model.{word}" for word in settings)]
    model = build(composed("train", words).config.model)
    started = time.perf_counter()
    model.fit(test.past, FitOptions(seed=0, device="cpu"))
    seconds = time.perf_counter() - started
    about = {
        "task": "top_n",
        "data": test.data,
        "protocol": test.protocol,
        "split": "leave_last_out",
        "model": name,
        "fit_seconds": round(seconds, 1),
        "device": "cpu",
        "code_version": code_version(),
    }
    for draw, ranks in enumerate(ranks_of(model, test)):
        hit = ranks <= 10
        gain = np.where(hit, 1 / np.log2(ranks + 1), 0)
        for metric, values in (("test/hit_rate_at_10", hit), ("test/ndcg_at_10", gain)):
            mean, spread = values.mean(), 1.96 * values.std() / np.sqrt(len(values))
            bounds = {"low": round(mean - spread, 5), "high": round(mean + spread, 5)}
            yield {**about, "seed": draw, "metric": metric, "value": round(mean, 5), **bounds}


def main() -> None:
    """Run what was named; each model's rows are written when it is done."""
    data, *named = sys.argv[1:]
    plan = yaml.safe_load((STUDY / "plan.yaml").read_text())
    protocols = [p for p in plan if p in named] or list(plan)
    for protocol in protocols:
        test = PROTOCOLS[protocol](Path(data))
        models = [m for m in plan[protocol] if m in named] or list(plan[protocol])
        for name in models:
            fresh = pd.DataFrame(
                rows_of(name, plan[protocol][name]["settings"], test), columns=COLUMNS
            )
            keep(fresh, test, name)
            print(fresh[["protocol", "model", "seed", "metric", "value"]].to_string(header=False))


def keep(fresh: pd.DataFrame, test: Test, name: str) -> None:
    """Put the rows of one model in the place of its earlier ones."""
    path = STUDY / "results.csv"
    known = pd.read_csv(path) if path.exists() else fresh[:0]
    again = (known["protocol"] == test.protocol) & (known["model"] == name)
    parts = [part for part in (known[~again], fresh) if len(part)]
    table = pd.concat(parts).sort_values(["data", "protocol", "model", "seed", "metric"])
    table.to_csv(path, index=False)


if __name__ == "__main__":
    main()
