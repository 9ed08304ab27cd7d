"""An experiment from the comparison to the answer, through the commands."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from tests.cli.conftest import Workspace

from growthlab.bundle.answers import PredictRequest
from growthlab.bundle.bundle import Bundle

N = 1500
TABLE = (
    "task=uplift",
    "data=experiment_table",
    "data.path=campaign.csv",
    "data.columns.user_id=customer",
    "data.columns.arm=group",
    "data.columns.label=bought",
    "data.control=none",
    "data.probability={none:0.5,mail:0.5}",
    "data.leave_out=[spend]",
)
FAST = ("metrics=[uplift/rate_qini,uplift/skill,uplift/r_score]", "intervals.resamples=50")


def campaign() -> pd.DataFrame:
    """Half of the customers got a mail, which works for those who bought lately; the others buy anyway."""
    random = np.random.default_rng(5)
    recency, mailed = random.integers(0, 12, N), random.permutation(N) % 2
    bought = random.uniform(size=N) < np.where(recency < 4, 0.15 + 0.4 * mailed, 0.6)
    return pd.DataFrame(
        {
            "customer": [f"c{i:04d}" for i in random.permutation(N)],
            "recency": recency,
            "plan": random.choice(["month", "year"], N),
            "group": np.where(mailed, "mail", "none"),
            "bought": bought.astype(int),
            "spend": np.where(bought, random.lognormal(size=N).round(2), 0.0),
        }
    )


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A folder with the table."""
    workspace = Workspace(tmp_path_factory.mktemp("experiment"))
    campaign().to_csv(workspace.folder / "campaign.csv", index=False)
    return workspace


@pytest.fixture(scope="module")
def compared(shop: Workspace) -> str:
    """What a comparison printed."""
    models = "models=[everybody,response,random,t_logistic,transformed_outcome]"
    done = shop.growthlab("compare", models, *FAST, *TABLE)
    assert done.status == 0, done.err
    return done.out


@pytest.fixture(scope="module")
def bundle(shop: Workspace, compared: str) -> Path:
    """The exported winner."""
    done = shop.growthlab("export", *TABLE)
    assert done.status == 0, done.err
    return shop.folder / "bundles" / "experiment_table-uplift"


def test_the_leaderboard_says_who_has_skill(compared: str) -> None:
    rows = {line.split()[1]: line for line in compared.splitlines() if line[:1].isdigit()}
    assert set(rows) == {"everybody", "response", "random", "t_logistic", "transformed_outcome"}
    assert "skill" in compared
    (winner,) = [name for name, line in rows.items() if f"{name} *" in line]
    assert winner in ("t_logistic", "transformed_outcome")
    assert "not exportable: response: its numbers order customers" in compared


def test_the_page_shows_what_the_arm_gains(shop: Workspace, compared: str) -> None:
    page = (shop.folder / "reports" / "experiment_table" / "comparison-uplift.html").read_text()
    assert "What the arm gains" in page
    assert "t_logistic: gain of the outcome per customer" in page
    assert "effects by tenth" in page


def test_the_bundle_answers_with_an_effect_that_may_be_negative(bundle: Path) -> None:
    read = Bundle.load(bundle)
    lately, long_ago = (
        read.predict([PredictRequest(features={"recency": r, "plan": "year"})])[0].value
        for r in (1.0, 11.0)
    )
    assert lately > 0.25
    assert long_ago < 0.15
    unknown = read.predict([PredictRequest()])[0]
    assert unknown.served == "population_fallback"
    table = campaign()
    means = table.groupby("group")["bought"].mean()
    assert unknown.value == pytest.approx(means["mail"] - means["none"], abs=0.05)
    card = (bundle / "model_card.md").read_text()
    assert "what mail changes in the bought of a customer over none" in card
    assert "Its order of customers gains more than chance would" in card


def test_a_file_of_customers_gets_incremental_values(shop: Workspace, bundle: Path) -> None:
    known = pd.DataFrame({"user_id": campaign()["customer"]})
    known.to_csv(shop.folder / "known.csv", index=False)
    done = shop.growthlab("score", f"bundle={bundle}", "input=known.csv", "output=effects.csv")
    assert done.status == 0, done.err
    effects = pd.read_csv(shop.folder / "effects.csv")
    assert set(effects["served"]) == {"known"}
    by_recency = effects["incremental_value"].groupby(campaign()["recency"] < 4).mean()
    assert by_recency[True] > by_recency[False] + 0.2


def test_a_challenger_is_judged_by_the_paired_test(shop: Workspace, bundle: Path) -> None:
    experiment = shop.client.get_experiment_by_name("experiment_table/uplift")
    assert experiment is not None
    runs = shop.client.search_runs([experiment.experiment_id], "tags.model = 'everybody'")
    done = shop.growthlab(
        "promote", "task=uplift", f"challenger={runs[0].info.run_id}", "dry_run=true"
    )
    assert done.status == 1, done.err
    assert "refused" in done.out
    assert "export parity | pass |" in done.out


def test_settings_are_searched(shop: Workspace) -> None:
    done = shop.growthlab(
        "tune", "model=uplift/transformed_outcome", "budget.trials=2", *FAST, *TABLE
    )
    assert done.status == 0, done.err
    assert "growthlab train" in done.out


def test_without_skill_the_card_falls_back_to_the_average_effect(shop: Workspace) -> None:
    done = shop.growthlab("train", "model=uplift/nobody", *FAST, *TABLE)
    assert done.status == 0, done.err
    run = shop.client.search_runs(
        [e.experiment_id for e in shop.client.search_experiments()], "tags.model = 'nobody'"
    )[0]
    path = shop.client.download_artifacts(run.info.run_id, "bundle/model_card.md")
    assert "NO SKILL IS SHOWN" in Path(path).read_text()


MISTAKES = [
    ("compare task=uplift data=simulated_shop", "has no randomised assignment"),
    ("compare data.probability={none:0.5,mail:0.6}", "sum to 1.1, and they must sum to 1"),
    ("compare data.control=null", "data.control=ARM names the arm"),
    ("compare data.cost={mail:-2}", "data.cost.mail=-2 must be 0 or more"),
    ("compare task.arm=none", "task.arm=none is the control: possible: mail"),
    ("compare data.leave_out=[]", "a column that alone gives the label bought away"),
    ("compare models=[bg_nbd]", "bg_nbd is not a model of uplift"),
    ("compare metrics=[binary/brier]", "is not a metric of task=uplift"),
    ("compare task.objective=qini", "task.objective=qini is not among the metrics"),
]


@pytest.mark.parametrize(("words", "line"), MISTAKES, ids=[words for words, _ in MISTAKES])
def test_a_mistake_is_one_line(shop: Workspace, words: str, line: str) -> None:
    command, *given = words.split()
    table = (
        []
        if "data=simulated_shop" in given
        else [w for w in TABLE if _name(w) not in map(_name, given)]
    )
    assert line in shop.growthlab(command, *table, *given).mistake


def _name(word: str) -> str:
    return word.partition("=")[0]
