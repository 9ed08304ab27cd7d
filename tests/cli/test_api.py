"""The commands from Python: the same names, and nothing is written to disk."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

import growthlab
from growthlab import EventLog
from growthlab.core.errors import ConfigError, DataError
from growthlab.data.simulated_shop import SimulatedShop
from growthlab.models.recommend.item_knn import ItemKNN
from growthlab.models.recommend.popularity import Popularity


@pytest.fixture(scope="module")
def log() -> EventLog:
    """A small shop in memory."""
    return SimulatedShop(users=150, items=60, days=150).read()


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("task", "models", "objective"),
    [
        ("top_n", ["popularity", "markov"], "ndcg_at_10"),
        ("churn", ["recency_rule", "logistic"], "roc_auc"),
        ("value", ["mean", "past_spend"], "normalised_gini"),
    ],
)
def test_each_task_is_compared_without_writing_a_file(
    log: EventLog, folder: Path, task: str, models: list[str], objective: str
) -> None:
    comparison = growthlab.compare(log, models, task=task)
    table = comparison.leaderboard().set_index("model")
    assert set(table.index) == set(models)
    assert table[objective].between(0, 1).all()
    assert comparison.title == f"{log.name}: {task}"
    assert all(name in comparison.as_text() for name in models)
    assert list(folder.iterdir()) == []


def test_settings_apply_to_the_models_that_have_them(log: EventLog) -> None:
    words = ["model.neighbours=2", "metrics=[ranking/ndcg]", "split.horizon_days=20"]
    comparison = growthlab.compare(log, ["popularity", "item_knn"], overrides=words)
    knn = next(o for o in comparison.outcomes[0] if o.name == "item_knn")
    assert knn.model.neighbours == 2
    assert next(iter(knn.test)).startswith("ndcg")


def test_own_estimators_are_given_as_functions(log: EventLog) -> None:
    models = {"all": Popularity, "near": lambda: ItemKNN(neighbours=5)}
    comparison = growthlab.compare(log, models, overrides=["metrics=[ranking/ndcg]"])
    assert set(comparison.leaderboard()["model"]) == {"all", "near"}


def test_the_target_events_follow_from_the_log(log: EventLog) -> None:
    days = pd.date_range("2025-01-01", periods=100, freq="D")
    events = pd.DataFrame(
        {
            "user_id": ["ann", "bob"] * 50,
            "item_id": ["tea", "cup", "pot", "tin", "jug"] * 20,
            "event_type": "review",
            "timestamp": days,
        }
    )
    reviews = EventLog.from_frames(events, name="reviews")
    words = ["metrics=[ranking/ndcg]"]
    comparison = growthlab.compare(reviews, ["popularity"], overrides=words)
    assert comparison.title == "reviews: top_n"
    assert list(comparison.outcomes[0][0].per_user["user_id"]) == ["ann", "bob"]


@pytest.mark.parametrize(
    ("models", "words", "line"),
    [
        (["markof"], [], "models: markof is not a model of recommend: did you mean markov"),
        ([], [], "models=\\[\\] compares nothing"),
        ({}, [], "models is empty: name at least one model"),
        (["markov"], ["split.horizon=3"], "unknown setting split.horizon"),
        (["markov"], ["task.objective=recal_at_10"], "did you mean recall_at_10"),
    ],
)
def test_mistakes_have_the_messages_of_the_commands(
    log: EventLog, models: list[str], words: list[str], line: str
) -> None:
    with pytest.raises(ConfigError, match=line):
        growthlab.compare(log, models, overrides=words)


def test_the_failure_of_a_single_model_is_raised() -> None:
    days = pd.date_range("2025-01-01", periods=100, freq="D")
    events = pd.DataFrame({"user_id": "ann", "item_id": "tea", "timestamp": days})
    log = EventLog.from_frames(events.assign(event_type="purchase"))
    with pytest.raises(DataError, match="content needs items with text"):
        growthlab.compare(log, ["content"])


def test_a_search_from_python_gives_settings_for_compare(log: EventLog, folder: Path) -> None:
    tuned = growthlab.tune(log, "item_knn", trials=4)
    assert list(tuned.trials["trial"]) == [0, 1, 2, 3]
    assert tuned.value == tuned.trials["value"].max()
    assert all(key.startswith("model.") for key in tuned.settings)
    assert tuned.make().neighbours == tuned.settings["model.neighbours"]
    assert "tuned" in growthlab.compare(log, {"tuned": tuned.make}).as_text()
    assert not list(folder.iterdir())


def test_a_model_without_a_search_space_is_tried_with_its_own_settings(log: EventLog) -> None:
    tuned = growthlab.tune(log, "popularity", trials=4)
    assert (len(tuned.trials), tuned.settings) == (1, {})


def test_a_search_of_an_unknown_model_says_what_is_possible(log: EventLog) -> None:
    with pytest.raises(ConfigError, match="item_knn"):
        growthlab.tune(log, "item_kn")
