"""Churn and value on a customer table: labels, revealing columns, known customers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from growthlab.core.errors import ConfigError, DataError
from growthlab.data.labelled_table import LabelledTable
from growthlab.models.churn.prior import Prior
from growthlab.models.value.mean import Mean
from growthlab.split.customers import Customers
from growthlab.split.fold import TableFold
from growthlab.tasks.churn import Churn
from growthlab.tasks.customer_task import CustomerTask
from growthlab.tasks.value import Value
from growthlab.training.fit_options import FitOptions

N = 400


def table() -> LabelledTable:
    """Customers whose risk rises with their age."""
    random = np.random.default_rng(0)
    age = random.uniform(18, 80, N)
    left = (random.uniform(size=N) < age / 100).astype(np.float64)
    plan = pd.Series(random.choice(["month", "year"], N), dtype="category")
    return LabelledTable(
        name="bank",
        file="bank.csv",
        label_column="left",
        user_ids=np.array(sorted(f"c{i}" for i in range(N))),
        label=left,
        features=pd.DataFrame({"age": age, "plan": plan}),
        numbers=np.arange(1, N + 1),
    )


def fold_of(data: LabelledTable) -> TableFold:
    """The fold of a seeded share."""
    return Customers().table_folds(data)[0]


def test_rows_are_examples_and_every_customer_is_known() -> None:
    fold = fold_of(table())
    data = Churn().table_data(fold)
    assert data.train.user_ids.tolist() == fold.past.user_ids.tolist()
    assert data.evaluated.user_ids.tolist() == fold.future.user_ids.tolist()
    assert data.mean_outcome == pytest.approx(fold.past.label.mean())
    assert data.train.present is not None
    assert sorted(data.train.present.user_ids) == sorted(table().user_ids)
    assert data.train.present.target is None


def test_models_see_only_the_texts_of_rows_to_learn_from() -> None:
    whole = table()
    (fold,) = Customers().table_folds(whole)
    plan = whole.features["plan"].cat.add_categories("trial")
    plan[np.isin(whole.user_ids, fold.future.user_ids)] = "trial"
    changed = replace(whole, features=whole.features.assign(plan=plan))
    data = Churn().table_data(fold_of(changed))
    assert data.train.table["plan"].cat.categories.tolist() == ["month", "year"]


def test_a_column_that_gives_the_label_away_is_refused_unless_it_is_kept(
    caplog: pytest.LogCaptureFixture,
) -> None:
    whole = table()
    reason = pd.Series(np.where(whole.label == 1, "price", None)).astype("category")
    revealing = replace(whole, features=whole.features.assign(reason=reason))
    expected = (
        r"bank\.csv has a column that alone gives the label left away.*: reason; leave out with "
        r"data\.leave_out=\[reason\]"
    )
    with pytest.raises(DataError, match=expected):
        Churn().table_data(fold_of(revealing))
    Churn().table_data(fold_of(replace(revealing, kept=("reason",))))
    assert "feature reason alone gives the label away" in caplog.text


def test_churn_refuses_amounts_with_the_row() -> None:
    whole = table()
    label = whole.label.copy()
    label[:] = np.where(np.arange(N) == 7, 3.5, label)
    with pytest.raises(DataError, match=r"bank\.csv, row 8: left is 3\.5, and task=churn needs 0"):
        Churn().table_data(fold_of(replace(whole, label=label)))


def test_value_takes_amounts_below_zero_as_zero_and_says_so(
    caplog: pytest.LogCaptureFixture,
) -> None:
    whole = replace(table(), label=np.linspace(-10, 100, N))
    data = Value().table_data(fold_of(whole))
    assert data.train.target is not None
    assert data.train.target.min() == 0
    assert "values of left are below 0 and count as 0" in caplog.text


@pytest.mark.parametrize("task", [Churn(), Value()])
def test_labels_of_one_value_among_the_rows_to_learn_from_are_refused(task: CustomerTask) -> None:
    whole = table()
    (fold,) = Customers().table_folds(whole)
    label = np.isin(whole.user_ids, fold.future.user_ids) * 1.0
    with pytest.raises(
        DataError, match=r"bank\.csv: the label left is 0 in all of \d+ rows to learn"
    ):
        task.table_data(fold_of(replace(whole, label=label)))


def test_settings_about_events_are_refused() -> None:
    with pytest.raises(
        ConfigError, match=r"task\.attributes is about events, and bank\.csv has none"
    ):
        Churn(attributes=["tier"]).table_data(fold_of(table()))


@pytest.mark.parametrize("model", [Prior(), Mean()])
@pytest.mark.parametrize("columns", [["age", "plan"], ["plan"]])
def test_baselines_answer_the_mean_label_also_where_all_features_are_texts(
    model: Prior | Mean, columns: list[str]
) -> None:
    whole = table()
    data = Churn().table_data(fold_of(replace(whole, features=whole.features[columns])))
    predictions = model.fit(data.train, FitOptions(seed=0)).predict(data.evaluated)
    assert predictions == pytest.approx(np.full(len(data.evaluated), data.mean_outcome))
