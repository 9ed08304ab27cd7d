"""A tiny shop with people of telling names, and a bundle of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from growthlab.bundle.manifest import Provenance
from growthlab.core.histories import Catalogue, Histories
from growthlab.export.write_bundle import write_estimator, write_recommender
from growthlab.features.examples import Examples
from growthlab.models.recommend.item_knn import ItemKNN
from growthlab.scorers.curve_row_scorer import CurveRowScorer
from growthlab.tasks.churn import Churn
from growthlab.tasks.top_n import TopN
from growthlab.training.fit_options import FitOptions

PROVENANCE = Provenance(
    task="top_n",
    answer=TopN.answer,
    model="item_knn",
    data="corner_shop",
    data_digest="ab" * 32,
    split="global_time",
    seed=3,
    run_id="0123456789abcdef",
    cutoff="2024-03-01T00:00:00",
    horizon_days=28.0,
    history_events=("purchase",),
    target_events=("purchase",),
    metrics={"ndcg_at_10": {"value": 0.25, "low": 0.2, "high": float("nan")}},
    baselines={"popularity": {"ndcg_at_10": 0.125}},
    code_version="deadbeef",
)


@pytest.fixture(autouse=True)
def own_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test has a key of its own, and none writes to the home folder."""
    monkeypatch.delenv("GROWTHLAB_PSEUDONYM_KEY", raising=False)
    monkeypatch.setenv("GROWTHLAB_KEY_FILE", str(tmp_path / "key" / "pseudonym.key"))


@pytest.fixture
def corner_shop() -> Histories:
    """Tea people and coffee people; nobody ever bought the vase."""
    items = np.array(["coffee", "cup", "filter", "lemon", "tea", "vase"])
    baskets = {
        "anna.schmidt@example.org": ["tea", "lemon"],
        "bert.jones@example.org": ["tea", "lemon", "cup"],
        "carl.weber@example.org": ["coffee", "filter"],
        "dora.moreau@example.org": ["coffee", "filter", "cup"],
        "emil.rossi@example.org": ["tea"],
    }
    codes = {item: code for code, item in enumerate(items)}
    events = [(u, codes[i], t) for u, b in enumerate(baskets.values()) for t, i in enumerate(b)]
    rows, bought, times = (np.array(column) for column in zip(*events, strict=True))
    return Histories.from_events(Catalogue(items), np.array(list(baskets)), rows, bought, times)


@pytest.fixture
def popularity(corner_shop: Histories) -> np.ndarray:
    """Distinct buyers of each item: tea 3, the vase 0, the others 2."""
    return np.asarray(corner_shop.matrix().sum(axis=0)).ravel()


@pytest.fixture
def folder(tmp_path: Path, corner_shop: Histories, popularity: np.ndarray) -> Path:
    """A bundle of item_knn."""
    model = ItemKNN(neighbours=3).fit(corner_shop, FitOptions())
    return write_recommender(
        tmp_path / "bundle",
        model.scorer(),
        PROVENANCE,
        histories=corner_shop,
        fallback=popularity,
    )


@pytest.fixture
def provenance() -> Provenance:
    """Where the bundle says it comes from."""
    return PROVENANCE


@pytest.fixture
def churn_folder(tmp_path: Path) -> Path:
    """A bundle of a churn rule: 0.1 at 0 days since the last purchase, 0.9 at 100."""
    table = pd.DataFrame({"days_since_last": [10.0, 90.0], "city": ["Ulm", None]})
    snapshots = np.full(2, np.datetime64("2024-03-01", "us"))
    customers = Examples(table, np.array(["0042", "77"]), snapshots, horizon_days=28.0)
    rule = CurveRowScorer(
        "days_since_last", np.array([0.0, 100.0]), np.array([0.1, 0.9]), missing=0.3
    )
    about = replace(
        PROVENANCE, task="churn", answer=Churn.answer, model="recency_rule", filter_seen="none"
    )
    return write_estimator(tmp_path / "churn", rule, about, customers=customers, base=0.5)
