"""The target `successive` on logs of a few rows: steps, baskets, the filter, and nothing of the future."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd
import pytest

from growthlab.core.errors import DataError
from growthlab.core.histories import Histories
from growthlab.data.event_log import EventLog
from growthlab.evaluation.bootstrap import resample_counts
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


class Witness:
    """Notes every history that it is given; the score of an item is how often it is in it."""

    stochastic: ClassVar[bool] = False

    def __init__(self) -> None:
        self.given: list[tuple[str, tuple[str, ...]]] = []

    def fit(self, past: Histories, options: FitOptions) -> Self:
        self.fitted = past
        return self

    def score(self, histories: Histories, items: np.ndarray | None = None) -> np.ndarray:
        names = histories.catalogue.item_ids
        for user in range(histories.n_users):
            own = histories.items[slice(*histories.offsets[user : user + 2])]
            self.given.append((str(histories.user_ids[user]), tuple(names[own].tolist())))
        counts = histories.matrix(np.ones(histories.n_events)).toarray()
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
    """Sessions as words, a letter a view, in their order."""
    rows = [
        {"user_id": f"{part}{n}", "item_id": item, "position": place, "split": part}
        for part, words in (("train", train), ("test", test))
        for n, word in enumerate(words)
        for place, item in enumerate(word)
    ]
    return Given().folds(EventLog.from_frames(pd.DataFrame(rows).assign(event_type="view")))[0]


def walked(
    fold: Fold, metrics: dict[str, Any] | None = None, **settings: Any
) -> tuple[Any, Any, Witness]:
    task = TopN(target="successive", list_length=3, **settings)
    data, model = task.data(fold), Witness()
    task.fit(model, data, FitOptions())
    return data, task.judge(model, data, METRICS if metrics is None else metrics, seed=0), model


VIEWS = {"history_events": ["view"], "target_events": ["view"]}

# ann had tea and cup, then takes tea and vase on one day, the cup later
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


def test_each_basket_is_foretold_as_a_set_from_all_that_is_strictly_earlier() -> None:
    data, _, model = walked(timed(ROWS))
    # cid's first purchase has nothing before it: given, not foretold
    assert data.steps_without_history == 1
    assert model.given == [
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
    _, found, _ = walked(timed(ROWS))
    # first places: tea or cup (tied, one of {tea, vase} at best), tea (target cup), tea (target cup)
    assert found.values["recall_at_1"].value in (0, pytest.approx(0.5 / 3))
    assert found.values["steps"].value == 3
    assert found.values["steps_without_history"].value == 1
    # tea, one of two, and the cup are repeats of ann; cid's cup is none: (1/2 + 1 + 0) / 3
    assert found.values["repeat_ratio_of_truth"].value == pytest.approx(0.5)
    assert found.per_user["user_id"].tolist() == ["ann", "cid"]
    assert found.per_user["repeat_ratio_of_truth"].mean() == pytest.approx(0.5)


def test_what_models_see_grows_between_the_steps_too() -> None:
    rows = [*ROWS, event("ann", "vase", 1.5, "view"), event("cid", "cup", 2, "view")]
    settings = {"history_events": ["view", "purchase"], "target_events": ["purchase"]}
    data, _, model = walked(timed(rows), **settings)
    assert data.steps_without_history == 0  # cid looked at the cup first
    assert model.given[1] == ("ann", ("tea", "cup", "tea", "vase", "vase"))
    assert model.given[2:] == [("cid", ("cup",)), ("cid", ("cup", "tea"))]


def test_no_step_sees_its_own_time_or_later_and_the_fit_sees_no_step() -> None:
    letters = "abcdefgh"
    fold = sessions([letters, letters[::-1]], ["abca", "hgfedcba"])
    data, _, model = walked(fold, **VIEWS)
    assert data.steps_without_history == 2
    expected = [("test0", "abca"[:n]) for n in (1, 2, 3)]
    expected += [("test1", "hgfedcba"[:n]) for n in range(1, 8)]
    assert [(user, "".join(items)) for user, items in model.given] == expected
    assert set(model.fitted.user_ids.tolist()) == {"train0", "train1"}


def test_an_item_that_comes_again_is_foretold_again() -> None:
    data, _, _ = walked(sessions(["ab", "ba"], ["abab"]), **VIEWS)
    assert data.truth_table["item_id"].tolist() == ["b", "a", "b"]
    assert data.truth_table["step"].tolist() == [2, 3, 4]


def test_items_outside_the_catalogue_are_missed_as_targets_and_unknown_as_history() -> None:
    data, _, model = walked(sessions(["ab", "ba"], ["xab", "axb"]), **VIEWS)
    # test0: x alone is no history for a; test1: x is a target that nobody can hit
    assert data.steps_without_history == 3
    assert model.given == [("test0", ("a",)), ("test1", ("a",)), ("test1", ("a",))]
    assert data.truth_items.tolist() == [1, -1, 1]


def test_the_seen_filter_is_that_of_the_step() -> None:
    settings = {**VIEWS, "filter_seen": "interacted"}
    data, found, _ = walked(sessions(["abc", "cba"], ["abca"]), **settings)
    # b and c are new when they come, the second a is not
    assert data.targets_removed_by_filter == 1
    assert np.diff(data.truth_offsets).tolist() == [1, 1, 0]
    listed = found.tables["recommendations"]
    seen = {2: "a", 3: "ab", 4: "abc"}
    assert set(zip(listed["step"], listed["item_id"], strict=True)) == {
        (step, item) for step, had in seen.items() for item in "abc" if item not in had
    }
    assert found.values["users_without_targets"].value == 0  # the user has targets at other steps


def test_a_future_of_first_steps_only_is_refused() -> None:
    with pytest.raises(DataError, match="no step to foretell: none of 2 baskets after the cutoff"):
        walked(sessions(["ab", "ba"], ["a", "b"]), **VIEWS)


def test_users_are_resampled_with_all_their_steps() -> None:
    # 40 sessions of 9 steps that are all hit or all missed: 360 steps are not 360 users
    fold = sessions(["ab", "ba"], ["a" * 10] * 20 + ["ab" * 5] * 20)
    _, found, _ = walked(fold, {"hit_rate": HitRate(k=(1,))}, **VIEWS)
    estimate = found.values["hit_rate_at_1"]
    assert len(found.per_user) == 40
    values = found.per_user["hit_rate_at_1"].to_numpy()
    assert values.mean() == pytest.approx(estimate.value)
    # all sessions are equally long, so that a user's value is the mean of the own steps
    drawn = np.concatenate([counts @ values / 40 for counts in resample_counts(40, 2000, 0)])
    assert (estimate.low, estimate.high) == pytest.approx(tuple(np.quantile(drawn, [0.025, 0.975])))
    assert estimate.high - estimate.low > 0.15  # of 360 independent steps it would be 0.1


def test_the_paired_difference_is_that_of_the_means_over_steps() -> None:
    fold = sessions(["ab", "ba"], ["aab", "ab" * 8, "b" * 5, "abba", "aaaaaab"])
    task = TopN(target="successive", list_length=2, **VIEWS)
    data = task.data(fold)
    judged = {}
    for name, sign in (("often", 1), ("seldom", -1)):
        model = Witness().fit(data.past, FitOptions())
        plain = model.score
        model.score = lambda h, items=None, plain=plain, sign=sign: sign * plain(h)  # type: ignore[method-assign]
        judged[name] = task.judge(model, data, {"mrr": MRR(k=(2,))}, seed=0)
    table = compare_to_baseline({n: j.per_user for n, j in judged.items()}, "mrr_at_2", "seldom")
    means = {n: j.values["mrr_at_2"].value for n, j in judged.items()}
    assert table["difference"].tolist() == pytest.approx([means["often"] - means["seldom"]])
    assert table["n_users"].tolist() == [5]


def test_the_size_of_blocks_changes_nothing() -> None:
    fold = sessions(["abcd", "dcba"], ["abcdabcd", "ddcc", "bdbd"])
    whole, small = (
        walked(fold, memory_mb=bound, **VIEWS)[1].tables["recommendations"]
        for bound in (512, 0.0015)
    )
    pd.testing.assert_frame_equal(whole, small)
