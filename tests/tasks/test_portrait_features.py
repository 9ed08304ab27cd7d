"""Tags as features: on request, as of each snapshot, and sensitive tags only by name."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from growthlab.core.errors import ConfigError, DataError
from growthlab.data.event_log import EventLog
from growthlab.features.portrait.portrait import Portrait
from growthlab.split.fold import Fold
from growthlab.split.global_time import GlobalTime
from growthlab.tasks.churn import Churn
from growthlab.tasks.value import Value


def tags_of(task: Churn | Value, fold: Fold) -> list[str]:
    table = task.data(fold).train.table
    return [str(c).removeprefix("tag_") for c in table if str(c).startswith("tag_")]


def test_tags_are_features_only_on_request(shop_fold: Fold) -> None:
    assert tags_of(Churn(activity_days=60), shop_fold) == []


def test_all_means_tags_that_are_neither_sensitive_nor_lists(shop_fold: Fold) -> None:
    tags = set(tags_of(Churn(activity_days=60, portrait="all"), shop_fold))
    assert {"price_sensitivity", "top_category", "region", "days_between_orders"} <= tags
    assert not tags & {"age_band", "gender", "occupation", "categories", "top_terms"}


def test_a_sensitive_tag_is_a_feature_by_name(shop_fold: Fold) -> None:
    assert tags_of(Value(activity_days=60, portrait=["gender"]), shop_fold) == ["gender"]


def test_the_features_of_a_snapshot_are_the_portrait_as_of_it(shop_fold: Fold) -> None:
    names = ["price_sensitivity", "orders", "top_category"]
    data = Churn(activity_days=60, snapshots=1, portrait=names).data(shop_fold)
    snapshot = pd.Timestamp(data.train.snapshots[0]).to_pydatetime()
    expected = Portrait().of(shop_fold.past, snapshot).frame.set_index("user_id")
    expected = expected.loc[data.train.user_ids, names].reset_index(drop=True)
    features = data.train.table[[f"tag_{n}" for n in names]].set_axis(names, axis=1)
    np.testing.assert_array_equal(features["orders"], expected["orders"])
    np.testing.assert_array_equal(features["price_sensitivity"], expected["price_sensitivity"])
    assert features["top_category"].astype(str).tolist() == expected["top_category"].tolist()
    assert isinstance(features["top_category"].dtype, pd.CategoricalDtype)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["gendre"], "task.portrait: there is no tag gendre: .*gender"),
        (["categories"], "task.portrait: categories is a list, and no feature"),
    ],
)
def test_unknown_tags_and_lists_are_refused(
    shop_fold: Fold, names: list[str], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        Churn(portrait=names).data(shop_fold)


def test_a_tag_without_the_data_for_it_is_refused(shop: EventLog, shop_fold: Fold) -> None:
    with pytest.raises(DataError, match=r"occupation needs users.occupation, which simulated_shop"):
        Churn(portrait=["occupation"]).data(shop_fold)


def test_all_leaves_out_tags_of_tables_without_times(shop: EventLog) -> None:
    assert shop.items is not None
    assert shop.users is not None
    untimed = shop.with_tables(
        shop.items.drop(columns="known_from"), shop.users.drop(columns="known_from")
    )
    fold = GlobalTime().folds(untimed, 28)[0]
    tags = set(tags_of(Churn(activity_days=60, portrait="all"), fold))
    assert {"price_sensitivity", "days_between_orders"} <= tags
    # of the users table; of the category, brand, price and text of items
    assert not tags & {"region", "acquisition", "top_category", "brand_loyalty", "price_level"}
    assert tags_of(Churn(activity_days=60, portrait=["region"]), fold) == ["region"]


def test_the_columns_that_a_task_reads_are_those_of_its_tags_and_attributes() -> None:
    named = Churn(attributes=["tier"], portrait=["brand_loyalty", "region"])
    assert named.table_columns() == (
        "items.category",
        "users.tier",
        "items.attributes",
        "users.region",
        "users.country",
        "users.state",
    )
    assert Churn(portrait="all").table_columns() == ("items.category",)
