"""Tags as features: asked for, as of each snapshot, and sensitive ones only by name."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from growthlab.core.errors import ConfigError, DataError
from growthlab.data.event_log import EventLog
from growthlab.features.portrait.portrait import Portrait
from growthlab.split.fold import Fold
from growthlab.tasks.churn import Churn
from growthlab.tasks.value import Value


def tags_of(task: Churn | Value, fold: Fold) -> list[str]:
    table = task.data(fold).train.table
    return [str(c).removeprefix("tag_") for c in table if str(c).startswith("tag_")]


def test_no_tag_is_a_feature_unless_asked_for(shop_fold: Fold) -> None:
    assert tags_of(Churn(activity_days=60), shop_fold) == []


def test_all_tags_are_those_that_are_neither_sensitive_nor_lists(shop_fold: Fold) -> None:
    found = set(tags_of(Churn(activity_days=60, portrait="all"), shop_fold))
    assert {"price_sensitivity", "top_category", "region", "days_between_orders"} <= found
    assert not found & {"age_band", "gender", "occupation", "categories", "top_terms"}


def test_a_sensitive_tag_is_a_feature_by_name(shop_fold: Fold) -> None:
    assert tags_of(Value(activity_days=60, portrait=["gender"]), shop_fold) == ["gender"]


def test_the_features_of_a_snapshot_are_the_portrait_as_of_it(shop_fold: Fold) -> None:
    names = ["price_sensitivity", "orders", "top_category"]
    data = Churn(activity_days=60, snapshots=1, portrait=names).data(shop_fold)
    snapshot = pd.Timestamp(data.train.snapshots[0]).to_pydatetime()
    wanted = Portrait().of(shop_fold.past, snapshot).frame.set_index("user_id")
    wanted = wanted.loc[data.train.user_ids, names].reset_index(drop=True)
    found = data.train.table[[f"tag_{n}" for n in names]].set_axis(names, axis=1)
    np.testing.assert_array_equal(found["orders"], wanted["orders"])
    np.testing.assert_array_equal(found["price_sensitivity"], wanted["price_sensitivity"])
    assert found["top_category"].astype(str).tolist() == wanted["top_category"].tolist()
    assert isinstance(found["top_category"].dtype, pd.CategoricalDtype)


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["gendre"], "task.portrait: there is no tag gendre: .*gender"),
        (["categories"], "task.portrait: categories is a list, and no feature"),
    ],
)
def test_what_is_no_tag_or_no_feature_is_refused(
    shop_fold: Fold, names: list[str], said: str
) -> None:
    with pytest.raises(ConfigError, match=said):
        Churn(portrait=names).data(shop_fold)


def test_a_tag_that_the_data_cannot_give_is_refused(shop: EventLog, shop_fold: Fold) -> None:
    with pytest.raises(DataError, match=r"occupation needs users.occupation, which simulated_shop"):
        Churn(portrait=["occupation"]).data(shop_fold)
