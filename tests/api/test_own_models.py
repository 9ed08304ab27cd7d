"""Models as objects: estimators as they are, recommenders by what they can do; what lacks is named."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression, LogisticRegression
from tests.api.conftest import FAST

import growthlab as gl
from growthlab.core.errors import ConfigError
from growthlab.workbench.own_log import OwnLog


class Popular:
    """What most customers have: a recommender that knows nothing of this package."""

    def fit(self, past: Any, options: Any) -> Popular:
        self.users = np.asarray(past.matrix().sum(axis=0), dtype=np.float32).ravel()
        return self

    def score(self, histories: Any, items: Any = None) -> np.ndarray:
        scores = self.users if items is None else self.users[items]
        return np.tile(scores, (histories.n_users, 1))


class WithoutScore:
    def fit(self, past: Any, options: Any) -> WithoutScore:
        return self


class OtherFit(Popular):
    def fit(self, past: Any) -> OtherFit:  # type: ignore[override]
        return self


@pytest.mark.parametrize("model", [Popular(), Popular, lambda: Popular()])
def test_a_recommender_by_what_it_can_do_scores_as_ours(log: OwnLog, model: Any) -> None:
    board = gl.compare(log, {"mine": model}, overrides=FAST)
    ours = gl.train(log, "popularity", overrides=FAST)
    assert board.outcome_of("mine").test["ndcg_at_10"] == ours.metrics["ndcg_at_10"]


def test_names_and_models_stand_in_one_list(log: OwnLog) -> None:
    board = gl.compare(log, ["popularity", Popular()], overrides=FAST)
    assert set(board.models) == {"popularity", "Popular"}


def test_an_estimator_of_scikit_learn_is_a_model_as_it_is(log: OwnLog) -> None:
    trained = gl.train(log, LogisticRegression(max_iter=500), task="churn", overrides=FAST)
    assert trained.outcome.name == "LogisticRegression"
    assert "roc auc" in repr(trained)


@pytest.mark.parametrize(
    ("models", "task", "line"),
    [
        (
            WithoutScore(),
            None,
            r"WithoutScore cannot answer task=top_n: to be a Recommender it lacks "
            r"score\(histories, items=None\)",
        ),
        (OtherFit(), None, r"lacks fit with the arguments \(past, options\)"),
        (LinearRegression(), None, "LinearRegression cannot answer task=top_n"),
        (LinearRegression(), "churn", "classifiers of scikit-learn and LightGBM can"),
        ({"mine": "popularity"}, None, "mine: 'popularity' is a name"),
        ([Popular(), Popular()], None, "two models are called Popular"),
        ([], None, r"models=\[\] compares nothing"),
    ],
)
def test_what_a_model_lacks_is_one_line(
    log: OwnLog, models: Any, task: str | None, line: str
) -> None:
    with pytest.raises(ConfigError, match=line):
        gl.compare(log, models, task=task, overrides=FAST)


def test_a_name_of_ours_cannot_be_taken_twice(log: OwnLog) -> None:
    popular = type("popularity", (Popular,), {})
    with pytest.raises(ConfigError, match="two models are called popularity"):
        gl.compare(log, ["popularity", popular()], overrides=FAST)


def test_a_device_that_no_model_uses_is_named_in_the_log(
    log: OwnLog, caplog: pytest.LogCaptureFixture
) -> None:
    gl.train(log, "markov", overrides=[*FAST, "device=cuda:0"])
    assert "device=cuda:0 is not used: only networks choose a device" in caplog.text
