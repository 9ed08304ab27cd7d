"""Bundles of a small shop, and the lines that a service would log of its customers."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from growthlab.bundle.answers import PredictRequest, RecommendRequest
from growthlab.bundle.bundle import Bundle
from growthlab.bundle.manifest import Provenance
from growthlab.core.histories import Catalogue, Histories
from growthlab.export.write_bundle import write_estimator, write_recommender
from growthlab.features.examples import Examples
from growthlab.models.recommend.item_knn import ItemKNN
from growthlab.scorers.curve_row_scorer import CurveRowScorer
from growthlab.tasks.churn import Churn
from growthlab.tasks.top_n import TopN
from growthlab.training.fit_options import FitOptions

N_USERS, N_ITEMS = 400, 60
START = datetime(2024, 3, 2, tzinfo=UTC)
PROVENANCE = Provenance(
    task="top_n",
    answer=TopN.answer,
    model="item_knn",
    data="watched_shop",
    data_digest="cd" * 32,
    split="global_time",
    run_id="0123456789abcdef",
    cutoff="2024-03-01T00:00:00",
    horizon_days=28.0,
    filter_seen="none",
)
Write = Callable[[Sequence[Mapping[str, Any] | str]], Path]
Lines = list[dict[str, Any]]


@pytest.fixture(scope="session")
def lists_bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """Items are bought as 1 / (place + 5); each customer buys three to eight of them."""
    rng = np.random.default_rng(7)
    weights = 1 / (np.arange(N_ITEMS) + 5)
    lengths = rng.integers(3, 9, N_USERS)
    items = np.concatenate(
        [rng.choice(N_ITEMS, n, replace=False, p=weights / weights.sum()) for n in lengths]
    )
    rows = np.repeat(np.arange(N_USERS), lengths)
    names = np.array([f"i{code:02}" for code in range(N_ITEMS)])
    users = np.array([f"user{n:03}" for n in range(N_USERS)])
    histories = Histories.from_events(Catalogue(names), users, rows, items, np.arange(len(items)))
    popularity = np.asarray(histories.matrix().sum(axis=0)).ravel()
    model = ItemKNN(neighbours=20).fit(histories, FitOptions())
    folder = tmp_path_factory.mktemp("lists") / "bundle"
    write_recommender(folder, model.scorer(), PROVENANCE, histories=histories, fallback=popularity)
    return Bundle.load(folder)


@pytest.fixture(scope="session")
def churn_bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """A rule on the days since the last purchase, which are 0 ... 90, every day alike often."""
    days = np.random.default_rng(8).uniform(0, 90, 2000)
    table = pd.DataFrame({"days_since_last": days})
    users = np.array([f"user{n:04}" for n in range(len(days))])
    snapshots = np.full(len(days), np.datetime64("2024-03-01", "us"))
    customers = Examples(table, users, snapshots, horizon_days=28.0)
    rule = CurveRowScorer(
        "days_since_last", np.array([0.0, 100.0]), np.array([0.1, 0.9]), missing=0.3
    )
    about = replace(PROVENANCE, task="churn", answer=Churn.answer, model="recency_rule")
    folder = tmp_path_factory.mktemp("churn") / "bundle"
    write_estimator(folder, rule, about, customers=customers, base=0.5)
    return Bundle.load(folder)


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Lines to a log, one after the other; a text as it is."""

    def written(lines: Sequence[Mapping[str, Any] | str]) -> Path:
        path = tmp_path / "requests.jsonl"
        texts = [line if isinstance(line, str) else json.dumps(line) for line in lines]
        path.write_text("".join(f"{text}\n" for text in texts), encoding="utf-8")
        return path

    return written


@pytest.fixture(scope="session")
def line_of() -> Callable[..., dict[str, Any]]:
    """A line of the log, a minute after the one before."""

    def line(bundle: Bundle, place: int, **fields: Any) -> dict[str, Any]:
        manifest = bundle.manifest
        return {
            "time": (START + timedelta(minutes=place)).isoformat(timespec="milliseconds"),
            "kind": manifest.answer.endpoint,
            "request_id": f"{place:032x}",
            "model": manifest.model,
            "version": manifest.version,
            "task": manifest.task,
            "variant": "champion",
            "user": None,
            "served": "known",
            "level": 0,
            "items": [],
            "scores": [],
            "value": None,
            "features": None,
            "n_history": None,
            "n_unknown_items": 0,
            "personalised": True,
            "latency_ms": 4.0,
            "status": 200,
            **fields,
        }

    return line


@pytest.fixture(scope="session")
def feedback() -> Callable[..., dict[str, Any]]:
    """What became of the answer at this place, nine days later."""

    def line(place: int, event: str) -> dict[str, Any]:
        when = (START + timedelta(days=9)).isoformat()
        about = {"time": when, "kind": "feedback", "request_id": f"{place:032x}"}
        return {**about, "event": event, "items": []}

    return line


@pytest.fixture(scope="session")
def lists_of(
    lists_bundle: Bundle, line_of: Callable[..., dict[str, Any]]
) -> Callable[[Sequence[int]], Lines]:
    """The lines of the lists of these customers (places from 0); one request each."""
    users = [f"user{n:03}" for n in range(N_USERS)]
    answers = lists_bundle.recommend([RecommendRequest(user_id=user) for user in users], 10)
    fields = [
        {
            "items": [item.item for item in answer.items],
            "scores": [item.score for item in answer.items],
            "served": answer.served,
            "level": answer.level,
        }
        for answer in answers
    ]

    def lines(users: Sequence[int]) -> Lines:
        return [line_of(lists_bundle, n, **fields[user]) for n, user in enumerate(users)]

    return lines


@pytest.fixture(scope="session")
def churn_of(
    churn_bundle: Bundle, line_of: Callable[..., dict[str, Any]]
) -> Callable[[Sequence[float | None]], Lines]:
    """The lines of the predictions for customers with these days since their last purchase."""

    def lines(days: Sequence[float | None]) -> Lines:
        rows: list[Any] = [{"days_since_last": value} for value in days]
        answers = churn_bundle.predict([PredictRequest(features=row) for row in rows])
        return [
            line_of(churn_bundle, n, value=answer.value, served=answer.served, features=row)
            for n, (row, answer) in enumerate(zip(rows, answers, strict=True))
        ]

    return lines
