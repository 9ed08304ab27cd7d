"""Bundles of three tasks, and a real server that answers with them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pandas as pd
import pytest
import uvicorn
from tests.patience import PATIENCE

from growthlab.bundle.answer_kinds import TaskAnswer
from growthlab.bundle.manifest import Provenance
from growthlab.core.histories import Catalogue, Histories
from growthlab.export.write_bundle import write_estimator, write_recommender
from growthlab.features.examples import Examples
from growthlab.models.recommend.item_knn import ItemKNN
from growthlab.scorers.curve_row_scorer import CurveRowScorer
from growthlab.serving.app import create_app
from growthlab.serving.run import BACKLOG, config_of, copies_of, listen
from growthlab.serving.service import Service
from growthlab.serving.service_options import ServiceOptions
from growthlab.tasks.churn import Churn
from growthlab.tasks.top_n import TopN
from growthlab.tasks.value import Value
from growthlab.training.fit_options import FitOptions

WHENCE = {"data": "corner_shop", "data_digest": "ab" * 32, "split": "global_time"}


@pytest.fixture(scope="module")
def bundles_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with a bundle each for top_n, churn and value, and the key of their writing."""
    root = tmp_path_factory.mktemp("served")
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("GROWTHLAB_PSEUDONYM_KEY", raising=False)
        patch.setenv("GROWTHLAB_KEY_FILE", str(root / "pseudonym.key"))
        _recommender(root / "bundles" / "top_n")
        _estimator(root / "bundles" / "churn", "churn", Churn.answer, base=0.5)
        _estimator(root / "bundles" / "value", "value", Value.answer, base=20.0)
        yield root / "bundles"


@dataclass
class Served:
    """A service that runs, and a client of it."""

    service: Service
    client: httpx.Client


Start = Callable[..., Served]


@pytest.fixture(scope="module")
def client(bundles_folder: Path) -> Iterator[httpx.Client]:
    """A client of a service with all three bundles."""
    for served in _served(bundles_folder):
        yield served.client


@pytest.fixture
def served(bundles_folder: Path) -> Iterator[Start]:
    """Starts a service of some bundle with some options; it is stopped in order after the test."""
    running: list[Iterator[Served]] = []

    def start(path: Path = bundles_folder, **options: Any) -> Served:
        running.append(_served(path, **options))
        return next(running[-1])

    yield start
    for each in running:
        next(each, None)


@pytest.fixture(scope="session")
def write_shop() -> Callable[..., None]:
    """Writes the recommender's bundle to a folder."""
    return _recommender


def _served(path: Path, **options: Any) -> Iterator[Served]:
    message = ServiceOptions(bundle=str(path), **options)
    service = Service(message)
    listener = listen("127.0.0.1", 0)
    listener.listen(BACKLOG)  # as `serve` does: clients that connect before the loop runs wait
    server = uvicorn.Server(config_of(create_app(service), message))
    thread = threading.Thread(
        target=server.run, kwargs={"sockets": [listener, *copies_of(listener)]}, daemon=True
    )
    thread.start()
    address = f"http://127.0.0.1:{listener.getsockname()[1]}"
    with httpx.Client(base_url=address, timeout=PATIENCE, trust_env=False) as client:
        yield Served(service, client)
    server.should_exit = True
    thread.join(PATIENCE)
    listener.close()
    assert not thread.is_alive()


def _recommender(folder: Path, model: str = "item_knn", **more: Any) -> None:
    items = np.array(["coffee", "cup", "lemon", "tea"])
    users = np.array(["anna", "bert", "carl"])
    rows = np.array([0, 0, 1, 1, 1, 2])
    bought = np.array([3, 2, 3, 2, 1, 0])  # anna: tea, lemon; bert: also a cup; carl: coffee
    past = Histories.from_events(Catalogue(items), users, rows, bought, np.arange(6))
    about = Provenance(
        task="top_n",
        answer=TopN.answer,
        model=model,
        run_id="cafe",
        cutoff="2024-03-01T00:00:00",
        filter_seen="purchased",
        **WHENCE,
    )
    popularity = np.asarray(past.matrix().sum(axis=0)).ravel()
    fitted = ItemKNN().fit(past, FitOptions())
    write_recommender(folder, fitted.scorer(), about, histories=past, fallback=popularity, **more)


def _estimator(folder: Path, task: str, answer: TaskAnswer, base: float) -> None:
    users = np.array(["anna", "bert"])
    table = pd.DataFrame({"days_since_last": [10.0, 90.0], "unused": [1.0, 2.0]})
    customers = Examples(table, users, np.full(2, np.datetime64("2024-03-01", "us")), 28.0)
    # 0.1 at 0 days, 0.9 at 100: anna 0.18, bert 0.82
    rule = CurveRowScorer(
        "days_since_last", np.array([0.0, 100.0]), np.array([0.1, 0.9]), missing=0.3
    )
    about = Provenance(task=task, answer=answer, model="recency_rule", horizon_days=28.0, **WHENCE)
    write_estimator(folder, rule, about, customers=customers, base=base)
