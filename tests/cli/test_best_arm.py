"""The best of several arms through the commands, from the comparison to the promotion."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from tests.cli.conftest import Workspace

CAMPAIGN = ("task=best_arm", "data=simulated_campaign", "data.customers=3000", "task.worth=2")
FAST = ("intervals.resamples=50",)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A folder of its own."""
    return Workspace(tmp_path_factory.mktemp("arms"))


@pytest.fixture(scope="module")
def bundle(shop: Workspace) -> Path:
    """The exported winner of a comparison."""
    done = shop.growthlab("compare", "models=[everybody,nobody,t_logistic]", *FAST, *CAMPAIGN)
    assert done.status == 0, done.err
    assert {"everybody", "nobody", "t_logistic"} <= set(done.out.split())
    assert "costly" in done.out or "ope value gain" in done.out
    done = shop.growthlab("export", *CAMPAIGN)
    assert done.status == 0, done.err
    return shop.folder / "bundles" / "simulated_campaign-best_arm"


def test_customers_get_the_best_arm_from_the_bundle(shop: Workspace, bundle: Path) -> None:
    pd.DataFrame({"user_id": ["c0000001", "stranger"]}).to_csv(shop.folder / "in.csv", index=False)
    done = shop.growthlab("score", f"bundle={bundle}", "input=in.csv", "output=arms.csv")
    assert done.status == 0, done.err
    rows = pd.read_csv(shop.folder / "arms.csv")
    assert rows["served"].tolist() == ["known", "population_fallback"]
    assert set(rows["arm"]) <= {"none", "mail", "coupon"}
    assert "the best of coupon, mail for a customer" in (bundle / "model_card.md").read_text()


def test_a_challenger_is_judged_by_the_values_of_the_same_customers(
    shop: Workspace, bundle: Path
) -> None:
    experiment = shop.client.get_experiment_by_name("simulated_campaign/best_arm")
    assert experiment is not None
    runs = shop.client.search_runs([experiment.experiment_id], "tags.model = 'nobody'")
    done = shop.growthlab(
        "promote", "task=best_arm", f"challenger={runs[0].info.run_id}", "dry_run=true"
    )
    assert done.status == 1, done.err
    assert "export parity | pass |" in done.out


@pytest.mark.parametrize(
    ("word", "line"),
    [
        ("task.worth=0", "task.worth must be a number above 0"),
        ("models=[response]", "response is not a model of best_arm"),
        ("data=simulated_shop", "has no randomised assignment"),
        ("metrics=[uplift/skill]", "is not a metric of task=best_arm"),
    ],
)
def test_a_mistake_is_one_line(shop: Workspace, word: str, line: str) -> None:
    name = word.partition("=")[0]
    words = [
        w for w in CAMPAIGN if not (w.startswith(f"{name}=") or (name == "data" and "data" in w))
    ]
    assert line in shop.growthlab("compare", *words, word).mistake
