"""A customer table with labels from the comparison to the answer, and what it cannot have."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from tests.cli.conftest import Workspace

import growthlab
from growthlab.bundle.answers import PredictRequest
from growthlab.bundle.bundle import Bundle
from growthlab.data.customer_file import CustomerFile

TABLE = (
    "data=customer_table",
    "data.path=telecom.csv",
    "data.columns.user_id=customer",
    "data.columns.label=left",
)
N = 700


def telecom() -> pd.DataFrame:
    """Customers who leave more often in their first months and with a monthly contract."""
    random = np.random.default_rng(3)
    months = random.integers(0, 60, N)
    contract = random.choice(["monthly", "yearly"], N)
    left = random.uniform(size=N) < 1 / (1 + np.exp(months / 15 - 1.5 * (contract == "monthly")))
    spend = np.where(left, 0, months * random.lognormal(size=N)).round(2)
    charges = np.where(months > 0, (months * 20.5).astype(str), " ")
    return pd.DataFrame(
        {
            "customer": [f"c{i:03d}" for i in random.permutation(N)],
            "months": months,
            "contract": contract,
            "fee, in [EUR]": charges,  # a name that LightGBM does not take
            "left": np.where(left, "Yes", "No"),
            "spend": spend,
        }
    )


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A folder with the table, in which churn was compared and exported."""
    workspace = Workspace(tmp_path_factory.mktemp("table"))
    telecom().to_csv(workspace.folder / "telecom.csv", index=False)
    return workspace


CHURN = ("task=churn", "data.leave_out=[spend]", "metrics=[binary/roc_auc,binary/brier]", *TABLE)


@pytest.fixture(scope="module")
def compared(shop: Workspace) -> str:
    """What the comparison of churn printed."""
    done = shop.growthlab("compare", *CHURN)
    assert done.status == 0, done.err
    return done.out


@pytest.fixture(scope="module")
def bundle(shop: Workspace, compared: str) -> Path:
    """The exported winner."""
    done = shop.growthlab("export", *CHURN)
    assert done.status == 0, done.err
    assert "registered as customer_table-churn version 1" in done.out
    return shop.folder / "bundles" / "customer_table-churn"


def test_all_models_are_those_that_need_no_events_and_the_others_are_named(compared: str) -> None:
    rows = [line.split()[1] for line in compared.splitlines() if line[:1].isdigit()]
    assert sorted(rows) == ["lightgbm", "logistic", "prior"]
    assert (
        "left out, as the data has no events to read: bg_nbd, gru_hazard, mbg_nbd, recency_rule"
        in compared
    )


def test_a_known_customer_a_row_of_features_and_a_file_get_the_same_number(
    shop: Workspace, bundle: Path
) -> None:
    done = shop.growthlab("score", f"bundle={bundle}", "input=telecom.csv", "output=scores.csv")
    assert done.status == 0, done.err
    scores = pd.read_csv(shop.folder / "scores.csv")["churn_probability"]
    known = pd.DataFrame({"user_id": telecom()["customer"]})
    known.to_csv(shop.folder / "known.csv", index=False)
    done = shop.growthlab("score", f"bundle={bundle}", "input=known.csv", "output=known_scores.csv")
    assert done.status == 0, done.err
    by_id = pd.read_csv(shop.folder / "known_scores.csv")
    assert set(by_id["served"]) == {"known"}
    np.testing.assert_array_equal(by_id["churn_probability"], scores)
    assert scores.nunique() > 20
    assert "the probability that left is 1, as labelled in telecom.csv" in (
        (bundle / "model_card.md").read_text()
    )
    assert Bundle.load(bundle).manifest.counts["n_known_users"] == N


def test_a_challenger_is_judged_and_the_report_is_clean(shop: Workspace, bundle: Path) -> None:
    experiment = shop.client.get_experiment_by_name("customer_table/churn")
    assert experiment is not None
    runs = shop.client.search_runs([experiment.experiment_id], "tags.model = 'prior'")
    done = shop.growthlab(
        "promote", "task=churn", f"challenger={runs[0].info.run_id}", "dry_run=true"
    )
    assert done.status == 1, done.err
    assert "refused" in done.out
    assert "| leakage report | pass | clean | clean |" in done.out
    parity = re.search(r"export parity \| pass \| (\d+) of (\d+) answers", done.out)
    assert parity is not None
    assert parity[1] == parity[2]


def test_a_refresh_makes_newer_customers_known_without_labels(
    shop: Workspace, bundle: Path
) -> None:
    newer = telecom().drop(columns=["left", "spend"]).assign(months=5)
    newer["customer"] = "new " + newer["customer"]
    newer.head(50).to_csv(shop.folder / "newer.csv", index=False)
    copied = shop.folder / "refreshed"
    shutil.copytree(bundle, copied)
    words = ("data=customer_table", "data.path=newer.csv", "data.columns.user_id=customer")
    done = shop.growthlab("refresh", f"bundle={copied}", *words)
    assert done.status == 0, done.err
    assert "50 known users as of now (before: 700 as of the export)" in done.out
    read = Bundle.load(copied)
    assert read.predict([PredictRequest(user_id="c000")])[0].served == "population_fallback"
    newest = read.predict([PredictRequest(user_id=str(newer["customer"].iloc[0]))])[0]
    features = newer.iloc[0].drop("customer").to_dict()
    fee = features["fee, in [EUR]"].strip()
    features["fee, in [EUR]"] = float(fee) if fee else None
    assert newest.served == "known"
    assert newest.value == read.predict([PredictRequest(features=features)])[0].value


def test_a_refresh_with_a_table_of_other_columns_names_the_missing_one(
    shop: Workspace, bundle: Path
) -> None:
    telecom()[["customer", "months"]].to_csv(shop.folder / "narrow.csv", index=False)
    words = ("data=customer_table", "data.path=narrow.csv", "data.columns.user_id=customer")
    line = shop.growthlab("refresh", f"bundle={bundle}", *words).mistake
    assert line.startswith("narrow.csv: no column ")
    assert "which the model reads: possible: customer, months" in line


def test_value_is_compared_on_the_same_table(shop: Workspace) -> None:
    done = shop.growthlab(
        "compare",
        "task=value",
        "models=[mean,lightgbm]",
        "metrics=[value/normalised_gini,value/mae]",
        *TABLE,
        "data.columns.label=spend",
        "data.leave_out=[left]",
    )
    assert done.status == 0, done.err
    rows = {line.split()[1]: line for line in done.out.splitlines() if line[:1].isdigit()}
    assert set(rows) == {"lightgbm", "mean"}
    assert "lightgbm *" in rows["lightgbm"]


MISTAKES = [
    ("describe", "data=customer_table has a row a customer and no events, which this command"),
    ("segment", "data=customer_table has a row a customer and no events, which this command"),
    ("compare task=top_n", "task=top_n needs events, such as who bought what and when"),
    (
        "train task=churn model=churn/bg_nbd",
        "bg_nbd: this model reads what customers did, and data=",
    ),
    ("compare task=churn models=[recency_rule]", "possible are lightgbm, logistic, prior"),
    (
        "compare task=churn split=global_time",
        "split=global_time cuts events, and data=customer_table",
    ),
    ("compare task=churn split=leave_last_out", "split=leave_last_out cuts events"),
    ("compare task=churn task.portrait=all", "task.portrait is about events, and telecom.csv has"),
    ("compare task=churn origins=2", "origins=2: a customer table is cut once"),
    (
        "compare task=churn data.columns.label=contract",
        "contract 'monthly' is neither a number nor",
    ),
    ("compare task=churn data.leave_out=[moths]", "data.leave_out has moths: did you mean months?"),
    ("compare task=churn data.columns.label=spend", "and task=churn needs 0 and 1"),
    (
        "compare task=value data.columns.label=spend",
        "has a column that alone gives the label spend",
    ),
]


@pytest.mark.parametrize(("words", "line"), MISTAKES, ids=[words for words, _ in MISTAKES])
def test_what_a_table_cannot_have_is_one_line(shop: Workspace, words: str, line: str) -> None:
    command, *more = words.split()
    given = {word.partition("=")[0] for word in more}
    table = [word for word in TABLE if word.partition("=")[0] not in given]
    assert line in shop.growthlab(command, *table, *more).mistake


def test_events_are_not_cut_as_a_table(shop: Workspace) -> None:
    done = shop.growthlab("compare", "task=churn", "split=customers")
    assert done.mistake.startswith("split=customers cuts tables without events, and data=")


def test_prepare_says_what_the_table_holds(shop: Workspace) -> None:
    done = shop.growthlab("prepare", *TABLE)
    assert done.status == 0, done.err
    assert "customer_table: 700 rows, 700 customers, 4 features; left has a mean of" in done.out
    assert "texts: contract" in done.out


def test_python_compares_and_searches_on_a_table_too(shop: Workspace) -> None:
    table = CustomerFile(
        path=str(shop.folder / "telecom.csv"),
        columns={"user_id": "customer", "label": "left"},
        leave_out=["spend"],
    ).read()
    few = ("intervals.resamples=0", "metrics=[binary/roc_auc]")
    leaders = growthlab.compare(table, ["prior", "logistic"], task="churn", overrides=few)
    assert leaders.leaderboard()["model"].tolist() == ["logistic", "prior"]
    tuned = growthlab.tune(table, "logistic", task="churn", trials=2, overrides=few)
    assert 0.5 < tuned.value < 1
    assert len(tuned.trials) == 2


def test_a_search_runs_on_a_table(shop: Workspace) -> None:
    done = shop.growthlab("tune", "model=churn/logistic", "budget.trials=2", *CHURN)
    assert done.status == 0, done.err
    assert "logistic" in done.out
