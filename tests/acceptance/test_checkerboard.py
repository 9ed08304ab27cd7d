"""The checkerboard end to end: a personalised model ranks the items of the user's own group first."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from growthlab.tasks.fold_evaluation import FoldEvaluation, run_model

CONF = Path(__file__).parents[2] / "conf"
NAMES = sorted(path.stem for path in (CONF / "model" / "recommend").glob("*.yaml"))


def own_above_other(lists: pd.DataFrame) -> pd.Series:
    """Share of pairs (own item, other's item) of each user in which the own item ranks higher."""

    def share(user: pd.DataFrame) -> float:
        own, other = user["rank"][user["own"]], user["rank"][~user["own"]]
        return float((own.to_numpy()[:, None] < other.to_numpy()).mean())

    return pd.Series({name: share(user) for name, user in lists.groupby("user_id")})


@pytest.mark.parametrize("name", NAMES)
def test_unseen_items_of_the_own_group_rank_above_the_others(bench_of, name: str) -> None:
    # 480 users have some 9 steps for each pair of items of a group, so that counts know them all
    bench = bench_of("data=checkerboard", "data.users=480", f"model=recommend/{name}")
    factory = bench.contenders[0].factory
    model = factory()
    if not getattr(model, "personalised", True):
        pytest.skip("the same list for all users")
    if getattr(model, "repeats_only", False):
        pytest.skip(
            "lists what the customer had before, which this data set keeps out of the lists"
        )
    evaluation = FoldEvaluation(bench.task, bench.folds[0], bench.metrics)
    lists = run_model(evaluation, factory, name=name, device="cpu").tables["recommendations"]
    users, items = bench.source.user_groups(), bench.source.item_groups()
    lists["own"] = lists["user_id"].map(users) == lists["item_id"].map(items)
    shares = own_above_other(lists)
    assert len(shares) > 400
    assert shares.mean() > 0.95
    assert (shares > 0.5).mean() > 0.98
