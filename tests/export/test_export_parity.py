"""Whether a bundle is found to answer as the run was evaluated, and found out where it does not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from growthlab.bundle.answers import PredictRequest, RecommendRequest
from growthlab.bundle.bundle import Bundle
from growthlab.core.histories import Histories
from growthlab.core.prefixes import Prefixes
from growthlab.export.parity import (
    STEP_HISTORIES,
    parity_of,
    sample_of_ids,
    write_histories_for_parity,
)


def lists_of(bundle: Bundle, users: list[str], k: int = 6) -> pd.DataFrame:
    """What a run logs as its recommendations."""
    rows = [
        (user, place.item, place.score, place.rank)
        for user, answer in zip(
            users, bundle.recommend([RecommendRequest(u) for u in users], k), strict=True
        )
        for place in answer.items
    ]
    return pd.DataFrame(rows, columns=["user_id", "item_id", "score", "rank"])


@pytest.fixture
def bundle(folder: Path) -> Bundle:
    return Bundle.load(folder)


@pytest.fixture
def evaluated(bundle: Bundle, corner_shop: Histories) -> pd.DataFrame:
    """The lists of all users, and of one whom the bundle does not know."""
    return lists_of(bundle, [*corner_shop.user_ids.tolist(), "stranger"])


def test_the_same_lists_are_the_same(bundle: Bundle, evaluated: pd.DataFrame) -> None:
    parity = parity_of(bundle, {"recommendations": evaluated})
    assert (parity.n_compared, parity.n_same, parity.largest, parity.why_not) == (6, 6, 0.0, "")


def test_another_order_of_items_is_detected(bundle: Bundle, evaluated: pd.DataFrame) -> None:
    user = evaluated["user_id"].iloc[0]
    own = evaluated["user_id"] == user
    first, last = evaluated[own].index[[0, -1]]  # the best and the worst of the list
    assert evaluated.loc[first, "score"] > evaluated.loc[last, "score"] + 0.01
    swapped = evaluated.copy()
    swapped.loc[[first, last], "item_id"] = evaluated.loc[[last, first], "item_id"].to_numpy()
    parity = parity_of(bundle, {"recommendations": swapped})
    assert (parity.n_same, parity.why_not) == (5, "1 of 6 lists differ, by 0.0e+00 at most")


def test_items_of_equal_scores_may_change_places(bundle: Bundle, evaluated: pd.DataFrame) -> None:
    own = evaluated[evaluated["user_id"] == "stranger"]  # popularity: five items, two scores
    tied = own[own["score"] == 2.0].index[:2]
    swapped = evaluated.copy()
    swapped.loc[tied, "item_id"] = evaluated.loc[tied[::-1], "item_id"].to_numpy()
    assert parity_of(bundle, {"recommendations": swapped}).why_not == ""


@pytest.mark.parametrize(("off", "same"), [(5e-5, True), (5e-4, False)])
def test_scores_may_differ_by_a_ten_thousandth(
    bundle: Bundle, evaluated: pd.DataFrame, off: float, same: bool
) -> None:
    shifted = evaluated.assign(score=evaluated["score"] + off)
    assert (parity_of(bundle, {"recommendations": shifted}).why_not == "") is same


def test_a_shorter_list_is_another_list(bundle: Bundle, evaluated: pd.DataFrame) -> None:
    shorter = evaluated[evaluated["rank"] < evaluated["rank"].max()]
    assert parity_of(bundle, {"recommendations": shorter}).n_same < 6


def test_predictions_of_known_customers(churn_folder: Path) -> None:
    bundle = Bundle.load(churn_folder)
    users = ["0042", "77"]
    values = [a.value for a in bundle.predict([PredictRequest(u) for u in users])]
    table = pd.DataFrame({"user_id": users, "label": [0.0, 1.0], "prediction": values})
    assert parity_of(bundle, {"predictions": table}).why_not == ""
    off = table.assign(prediction=table["prediction"] + [0.0, 1e-3])
    parity = parity_of(bundle, {"predictions": off})
    assert (parity.n_same, parity.why_not) == (1, "1 of 2 predictions differ, by 1.0e-03 at most")
    more = pd.concat([table, table.assign(user_id=["x", "y"])])
    parity = parity_of(bundle, {"predictions": more})
    assert parity.why_not == "the bundle does not know 2 of 4 customers"


def test_without_the_key_nothing_can_be_compared(
    folder: Path, evaluated: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GROWTHLAB_PSEUDONYM_KEY", "another key of more than 32 bytes in all")
    parity = parity_of(Bundle.load(folder), {"recommendations": evaluated})
    assert parity.n_compared == 0
    assert parity.why_not.startswith("known users cannot be looked up")


def test_steps_are_compared_by_the_histories_that_were_asked_about(
    bundle: Bundle, corner_shop: Histories, tmp_path: Path
) -> None:
    # before their second event: anna has had tea, bert tea, carl coffee
    of = np.array([0, 1, 2])
    rows = Prefixes(corner_shop, of, np.ones(3, dtype=np.int64))
    steps = np.array([1, 1, 1], dtype=np.int32)
    write_histories_for_parity(tmp_path, SimpleNamespace(steps=steps, histories=rows))
    with np.load(tmp_path / STEP_HISTORIES) as stored:
        asked = dict(stored)
    state = rows.select(np.arange(3))
    assert bundle.list_maker is not None
    maker = replace(bundle.list_maker, state=state)
    users = state.user_ids.tolist()
    answers = maker.lists([RecommendRequest(u) for u in users], np.arange(3), 6)
    table = pd.DataFrame(
        [
            (user, 1, place.item, place.score, place.rank)
            for user, answer in zip(users, answers, strict=True)
            for place in answer.items
        ],
        columns=["user_id", "step", "item_id", "score", "rank"],
    )
    parity = parity_of(bundle, {"recommendations": table}, asked)
    assert (parity.n_compared, parity.n_same) == (3, 3)
    missing = parity_of(bundle, {"recommendations": table})
    assert missing.why_not.startswith("the run logged no asked.npz")


def test_tasks_without_steps_log_no_histories(tmp_path: Path) -> None:
    write_histories_for_parity(tmp_path, SimpleNamespace(steps=None))
    write_histories_for_parity(tmp_path, SimpleNamespace())
    assert list(tmp_path.iterdir()) == []


def test_some_customers_are_drawn_evenly_and_the_same_every_time() -> None:
    users = np.array([f"u{i}" for i in range(50)] * 2)
    drawn = sample_of_ids(users, 10)
    assert len(set(drawn)) == 10
    assert drawn.tolist() == sample_of_ids(users, 10).tolist()
    assert sample_of_ids(users, 100).tolist() == sorted(set(users.tolist()))
