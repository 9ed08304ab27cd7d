"""The recommendation task on a log of a few rows: truth, repeats, seen filter, direction of the objective."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest

from growthlab.core.errors import ConfigError, DataError
from growthlab.data.event_log import EventLog
from growthlab.metrics.ranking.average_popularity import AveragePopularity
from growthlab.metrics.ranking.recall import Recall
from growthlab.metrics.ranking.repeat_ratio import RepeatRatio
from growthlab.models.recommend.popularity import Popularity
from growthlab.split.fold import Fold
from growthlab.split.global_time import GlobalTime
from growthlab.tasks.objective import objective_metric
from growthlab.tasks.top_n import TopN
from growthlab.training.fit_options import FitOptions

CUTOFF = datetime(2025, 6, 1)
METRICS = {"recall": Recall(k=(2,)), "repeat_ratio": RepeatRatio(k=(2,))}


def event(user: str, item: str, days: float, kind: str = "purchase") -> dict[str, Any]:
    time = CUTOFF + timedelta(days=days)
    return {"user_id": user, "item_id": item, "event_type": kind, "timestamp": time}


# ann bought the tea and viewed the vase; after the cutoff she buys both, and a new cup
ROWS = [
    event("ann", "tea", -25),
    event("ann", "vase", -24, "view"),
    event("bob", "tea", -15),
    event("ann", "tea", 1),
    event("ann", "vase", 1),
    event("ann", "cup", 2),
    event("cid", "tea", 3),
]


def fold_of(rows: list[dict[str, Any]]) -> Fold:
    extra = [event("ends", "tea", days) for days in (-200, -5)]
    log = EventLog.from_frames(pd.DataFrame([*rows, *extra]))
    return GlobalTime(cutoff=str(CUTOFF)).folds(log, 10)[0]


def evaluate(task: TopN, fold: Fold, metrics: dict[str, Any] | None = None) -> Any:
    data = task.data(fold)
    model = task.fit(Popularity(), data, FitOptions())
    return task.evaluate(model, data, METRICS if metrics is None else metrics, seed=0)


def test_test_users_are_all_users_with_targets_new_ones_included() -> None:
    data = TopN(list_length=2).data(fold_of(ROWS))
    assert data.histories.user_ids.tolist() == ["ann", "cid"]
    assert data.histories.lengths.tolist() == [1, 0]  # cid is new
    # the cup was never seen before: it is in the truth and outside the catalogue
    assert sorted(data.truth_items[:3].tolist()) == [-1, 0, 1]


def test_a_repeat_was_bought_before_not_just_viewed() -> None:
    task = TopN(list_length=2, history_events=["view", "purchase"], target_events=["purchase"])
    result = evaluate(task, fold_of(ROWS))
    strata = result.strata.set_index(["stratum", "metric"])["n_users"]
    assert strata["repeat", "recall_at_2"] == 1
    # one of ann's three targets (the tea) is a repeat, and none of cid's: (1/3 + 0) / 2
    assert result.values["repeat_ratio_of_truth"].value == pytest.approx(1 / 6)
    # both lists are tea and vase; ann had bought the tea: (1/2 + 0) / 2
    assert result.values["repeat_ratio_at_2"].value == pytest.approx(1 / 4)


def test_repeats_are_purchases_even_where_models_see_only_views() -> None:
    task = TopN(list_length=2, history_events=["view"], target_events=["purchase"])
    rows = [*ROWS, event("bob", "tea", -20, "view")]
    assert evaluate(task, fold_of(rows)).values["repeat_ratio_of_truth"].value == pytest.approx(
        1 / 6
    )


def test_targets_hidden_by_the_filter_are_dropped_and_counted() -> None:
    result = evaluate(TopN(list_length=2, filter_seen="purchased"), fold_of(ROWS))
    assert result.values["targets_removed_by_filter"].value == 1  # ann's tea
    assert np.isnan(result.values["targets_removed_by_filter"].low)
    # ann's targets are vase and cup: the vase is listed second, the cup is not in the catalogue: 1 of
    # 2; cid's tea is listed first: 1 of 1
    assert result.values["recall_at_2"].value == pytest.approx(0.75)


def test_a_filter_on_events_missing_from_the_histories_is_refused() -> None:
    task = TopN(history_events=["view"], filter_seen="purchased")
    with pytest.raises(ConfigError, match=r"would hide nothing: .*\['view'\] holds none of purch"):
        task.data(fold_of(ROWS))


def test_a_future_without_targets_is_refused() -> None:
    with pytest.raises(DataError, match="no test users: there are no events of the types 'review'"):
        TopN(target_events=["review"]).data(fold_of(ROWS))


def test_maximising_a_metric_where_less_is_better_is_refused() -> None:
    task = TopN(list_length=2, objective="average_popularity_at_2")
    with pytest.raises(ConfigError, match=r"average_popularity_at_2 needs task\.maximise=false"):
        objective_metric(task, {"average_popularity": AveragePopularity(k=(2,))})


def test_a_model_without_a_refit_is_evaluated_in_its_own_catalogue() -> None:
    """The mug appears between the two cutoffs: a model fitted before cannot list it."""
    fold = fold_of([*ROWS, event("dan", "mug", -3), event("dan", "mug", 1)])
    task = TopN(list_length=2)
    inner = task.data(fold.for_choosing())
    model = task.fit(Popularity(), inner, FitOptions())
    data = task.data(fold, inner)
    assert data.past.catalogue.item_ids.tolist() == ["tea", "vase"]
    truth = dict(zip(data.truth_table["user_id"], data.truth_items, strict=True))
    assert truth["dan"] == -1
    # dan came after the fit: his history is given, his code is unknown
    dan = data.past.user_ids.tolist().index("dan")
    assert data.past.user_codes[dan] == -1
    assert task.evaluate(model, data, METRICS, seed=0).values["recall_at_2"].value > 0
