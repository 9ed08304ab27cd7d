"""The target rule `successive` on logs of a few rows: steps, baskets, seen filter, no leakage."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd
import pytest

from growthlab.core.errors import DataError
from growthlab.core.histories import Histories
from growthlab.data.event_log import EventLog
from growthlab.evaluation.intervals import jackknife_bounds
from growthlab.evaluation.significance import compare_to_baseline
from growthlab.metrics.ranking.hit_rate import HitRate
from growthlab.metrics.ranking.mrr import MRR
from growthlab.metrics.ranking.recall import Recall
from growthlab.metrics.ranking.repeat_ratio import RepeatRatio
from growthlab.metrics.ranking.users_without_targets import UsersWithoutTargets
from growthlab.split.fold import Fold
from growthlab.split.given import Given
from growthlab.split.global_time import GlobalTime
from growthlab.tasks.top_n import TopN
from growthlab.training.fit_options import FitOptions

CUTOFF = datetime(2025, 6, 1)
METRICS = {
    "recall": Recall(k=(1,)),
    "repeat_ratio": RepeatRatio(k=(1,)),
    "users_without_targets": UsersWithoutTargets(),
}


class RecordingModel:
    """Records every history; the score of an item is its count in it, and there is none without events."""

    stochastic: ClassVar[bool] = False

    def __init__(self) -> None:
        self.histories: list[tuple[str, tuple[str, ...]]] = []

    def fit(self, past: Histories, options: FitOptions) -> Self:
        self.fitted = past
        return self

    def score(self, histories: Histories, items: np.ndarray | None = None) -> np.ndarray:
        names = histories.catalogue.item_ids
        for user in range(histories.n_users):
            own = histories.items[slice(*histories.offsets[user : user + 2])]
            self.histories.append((str(histories.user_ids[user]), tuple(names[own].tolist())))
        counts = histories.matrix(np.ones(histories.n_events)).toarray()
        counts[counts.sum(axis=1) == 0] = np.nan
        return counts.astype(np.float32)


def event(user: str, item: str, days: float, kind: str = "purchase") -> dict[str, Any]:
    time = CUTOFF + timedelta(days=days)
    return {"user_id": user, "item_id": item, "event_type": kind, "timestamp": time}


def timed(rows: list[dict[str, Any]]) -> Fold:
    ends = [event("ends", "tea", days) for days in (-200, -5)]
    return GlobalTime(cutoff=str(CUTOFF)).folds(
        EventLog.from_frames(pd.DataFrame([*rows, *ends])), 10
    )[0]


def sessions(train: list[str], test: list[str]) -> Fold:
    """Sessions as words in which each letter is a view."""
    rows = [
        {"user_id": f"{part}{n}", "item_id": item, "position": place, "split": part}
        for part, words in (("train", train), ("test", test))
        for n, word in enumerate(words)
        for place, item in enumerate(word)
    ]
    return Given(valid="none").folds(
        EventLog.from_frames(pd.DataFrame(rows).assign(event_type="view"))
    )[0]


def evaluate_steps(
    fold: Fold, metrics: dict[str, Any] | None = None, **settings: Any
) -> tuple[Any, Any, RecordingModel]:
    task = TopN(target="successive", list_length=3, **settings)
    data, model = task.data(fold), RecordingModel()
    task.fit(model, data, FitOptions())
    return data, task.evaluate(model, data, METRICS if metrics is None else metrics, seed=0), model


VIEWS = {"history_events": ["view"], "target_events": ["view"]}

# ann had tea and cup; then she buys tea and vase on one day, and the cup later
ROWS = [
    event("ann", "tea", -9),
    event("ann", "cup", -8),
    event("bob", "vase", -9),
    event("ann", "vase", 1),
    event("ann", "tea", 1),
    event("ann", "cup", 2),
    event("cid", "tea", 3),
    event("cid", "cup", 4),
]


def test_each_basket_is_predicted_as_a_set_from_everything_strictly_earlier() -> None:
    data, _, model = evaluate_steps(timed(ROWS))
    # nothing is before cid's first purchase: it is given, not predicted
    assert data.steps_without_history == 1
    assert model.histories == [
        ("ann", ("tea", "cup")),
        ("ann", ("tea", "cup", "tea", "vase")),
        ("cid", ("tea",)),
    ]
    assert data.truth_table.to_dict("list") == {
        "user_id": ["ann", "ann", "ann", "cid"],
        "item_id": ["tea", "vase", "cup", "cup"],
        "step": [1, 1, 2, 2],
    }
    assert data.truth_offsets.tolist() == [0, 2, 3, 4]


def test_values_are_means_over_steps() -> None:
    _, result, _ = evaluate_steps(timed(ROWS))
    # listed first: tea or cup (tied; at best one of {tea, vase}), tea (target cup), tea (target cup)
    assert result.values["recall_at_1"].value in (0, pytest.approx(0.5 / 3))
    assert result.values["steps"].value == 3
    assert result.values["steps_without_history"].value == 1
    # ann repeats the tea (one of two targets) and the cup, cid's cup is new: (1/2 + 1 + 0) / 3
    assert result.values["repeat_ratio_of_truth"].value == pytest.approx(0.5)
    assert result.per_user["user_id"].tolist() == ["ann", "cid"]
    assert result.per_user["repeat_ratio_of_truth"].mean() == pytest.approx(0.5)


def test_histories_also_grow_by_events_between_the_steps() -> None:
    rows = [*ROWS, event("ann", "vase", 1.5, "view"), event("cid", "cup", 2, "view")]
    settings = {"history_events": ["view", "purchase"], "target_events": ["purchase"]}
    data, _, model = evaluate_steps(timed(rows), **settings)
    assert data.steps_without_history == 0  # cid viewed the cup first
    assert model.histories[1] == ("ann", ("tea", "cup", "tea", "vase", "vase"))
    assert model.histories[2:] == [("cid", ("cup",)), ("cid", ("cup", "tea"))]


def test_a_step_sees_only_earlier_events_and_the_fit_sees_no_step() -> None:
    letters = "abcdefgh"
    fold = sessions([letters, letters[::-1]], ["abca", "hgfedcba"])
    data, _, model = evaluate_steps(fold, **VIEWS)
    assert data.steps_without_history == 2
    expected = [("test0", "abca"[:n]) for n in (1, 2, 3)]
    expected += [("test1", "hgfedcba"[:n]) for n in range(1, 8)]
    assert [(user, "".join(items)) for user, items in model.histories] == expected
    assert set(model.fitted.user_ids.tolist()) == {"train0", "train1"}


def test_a_repeated_item_is_a_target_each_time() -> None:
    data, _, _ = evaluate_steps(sessions(["ab", "ba"], ["abab"]), **VIEWS)
    assert data.truth_table["item_id"].tolist() == ["b", "a", "b"]
    assert data.truth_table["step"].tolist() == [2, 3, 4]


def test_items_outside_the_catalogue_count_as_targets_and_leave_no_step_out() -> None:
    data, result, model = evaluate_steps(sessions(["ab", "ba", "b"], ["xab", "axb"]), **VIEWS)
    # test0: x is no item that a model knows, so a is asked of an empty history;
    # test1: x is a target that no model can hit
    assert data.steps_without_history == 2  # the first views
    assert model.histories[0] == ("test0", ())
    assert model.histories[1:] == [("test0", ("a",)), ("test1", ("a",)), ("test1", ("a",))]
    assert data.truth_items.tolist() == [0, 1, -1, 1]
    listed = result.tables["recommendations"]
    fallback = listed[(listed["user_id"] == "test0") & (listed["step"] == 2)]
    assert fallback["item_id"].tolist() == ["b", "a"]  # the most popular first
    # each recall at 1 is 0: the list of a history is its own item first
    assert result.values["recall_at_1"].value == 0
    assert result.values["steps"].value == 4
    assert result.coverage == 0.75


def test_the_seen_filter_is_that_of_the_step() -> None:
    settings = {**VIEWS, "filter_seen": "interacted"}
    data, result, _ = evaluate_steps(sessions(["abc", "cba"], ["abca"]), **settings)
    # b and c are new at their step, the second a is not
    assert data.targets_removed_by_filter == 1
    assert np.diff(data.truth_offsets).tolist() == [1, 1, 0]
    listed = result.tables["recommendations"]
    seen = {2: "a", 3: "ab", 4: "abc"}
    assert set(zip(listed["step"], listed["item_id"], strict=True)) == {
        (step, item) for step, items in seen.items() for item in "abc" if item not in items
    }
    assert result.values["users_without_targets"].value == 0  # the user has targets at other steps


def test_a_future_of_first_steps_only_is_refused() -> None:
    with pytest.raises(DataError, match="no step to predict: none of 2 baskets after the cutoff"):
        evaluate_steps(sessions(["ab", "ba"], ["a", "b"]), **VIEWS)


def test_users_are_counted_with_all_their_steps() -> None:
    # 40 sessions of 9 steps, all hit or all missed: the 360 steps are not independent
    fold = sessions(["ab", "ba"], ["a" * 10] * 20 + ["ab" * 5] * 20)
    _, result, _ = evaluate_steps(fold, {"hit_rate": HitRate(k=(1,))}, **VIEWS)
    estimate = result.values["hit_rate_at_1"]
    assert len(result.per_user) == 40
    values = result.per_user["hit_rate_at_1"].to_numpy()
    assert values.mean() == pytest.approx(estimate.value)
    # all sessions have the same length, so a user's value is the mean of the user's steps
    bounds = jackknife_bounds(values.mean(), (values.sum() - values) / 39)
    assert (estimate.low, estimate.high) == pytest.approx(bounds)
    assert estimate.high - estimate.low > 0.15  # for 360 independent steps it would be 0.1


def test_the_paired_difference_is_the_difference_of_means_over_steps() -> None:
    fold = sessions(["ab", "ba"], ["aab", "ab" * 8, "b" * 5, "abba", "aaaaaab"])
    task = TopN(target="successive", list_length=2, **VIEWS)
    data = task.data(fold)
    results = {}
    for name, sign in (("often", 1), ("seldom", -1)):
        model = RecordingModel().fit(data.past, FitOptions())
        plain = model.score
        model.score = lambda h, items=None, plain=plain, sign=sign: sign * plain(h)  # type: ignore[method-assign]
        results[name] = task.evaluate(model, data, {"mrr": MRR(k=(2,))}, seed=0)
    table = compare_to_baseline(
        {n: result.per_user for n, result in results.items()}, "mrr_at_2", "seldom"
    )
    means = {n: result.values["mrr_at_2"].value for n, result in results.items()}
    assert table["difference"].tolist() == pytest.approx([means["often"] - means["seldom"]])
    assert table["n_users"].tolist() == [5]


def test_the_block_size_does_not_change_the_lists() -> None:
    fold = sessions(["abcd", "dcba"], ["abcdabcd", "ddcc", "bdbd"])
    whole, small = (
        evaluate_steps(fold, memory_mb=bound, **VIEWS)[1].tables["recommendations"]
        for bound in (512, 0.0015)
    )
    pd.testing.assert_frame_equal(whole, small)
