"""Effects over HTTP: of one action, and of several with the best of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression

from growthlab.bundle.batch import score_file
from growthlab.bundle.manifest import Provenance
from growthlab.data.simulated_campaign import SimulatedCampaign
from growthlab.export.write_bundle import write_estimator
from growthlab.models.best_arm.effect_per_arm import EffectPerArm
from growthlab.models.uplift.t_learner import TLearner
from growthlab.split.customers import Customers
from growthlab.tasks.best_arm import BestArm
from growthlab.tasks.uplift import Uplift
from growthlab.training.fit_options import FitOptions

TABLE = SimulatedCampaign(customers=2000, cost={"mail": 0.01, "coupon": 0.02}).read()
FOLD = Customers(valid_share=0).table_folds(TABLE)[0]
LOVES_COUPONS = {"discount_share": 0.9, "days_since_last": 10.0, "orders": 2.0}


@pytest.fixture
def bundles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A bundle of each of both tasks."""
    monkeypatch.delenv("GROWTHLAB_PSEUDONYM_KEY", raising=False)
    monkeypatch.setenv("GROWTHLAB_KEY_FILE", str(tmp_path / "key" / "pseudonym.key"))
    learner = TLearner(LinearRegression())
    for task, model in ((Uplift(arm="coupon"), learner), (BestArm(), EffectPerArm(learner))):
        data = task.table_data(FOLD)
        about = Provenance(
            task=task.name,
            answer=task.table_answer(TABLE),
            model="t_linear",
            data=TABLE.name,
            data_digest=TABLE.digest,
            split="customers",
            cutoff=None,
            horizon_days=None,
        )
        write_estimator(
            tmp_path / "bundles" / task.name,
            task.fit(model, data, FitOptions()).scorer(),
            about,
            customers=data.evaluated,
            base=data.mean_outcome,
        )
    return tmp_path / "bundles"


@pytest.fixture
def ask(bundles: Path, served: Callable[..., Any]) -> Callable[..., Any]:
    """Posts a request to the service of both bundles."""
    client: httpx.Client = served(bundles).client

    def ask(path: str, **body: Any) -> Any:
        answer = client.post(path, json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    return ask


def test_an_uplift_answer_is_the_effect_of_the_arm(ask: Callable[..., Any]) -> None:
    answer = ask("/uplift", features=LOVES_COUPONS)
    assert answer["incremental_value"] > 0.1
    assert "arm" not in answer
    assert ask("/uplift")["served"] == "population_fallback"


def test_the_best_arm_comes_with_the_effects_of_all(ask: Callable[..., Any]) -> None:
    answer = ask("/best_arm", features=LOVES_COUPONS)
    assert answer["arm"] == "coupon"
    assert answer["effects"]["coupon"] > answer["effects"]["mail"]
    assert answer["incremental_value"] == pytest.approx(answer["effects"]["coupon"] - 0.02)
    known = ask("/best_arm", user_id=str(FOLD.future.user_ids[0]))
    assert known["served"] == "known"
    unknown = ask("/best_arm", user_id="nobody")
    assert unknown["served"] == "population_fallback"
    assert set(unknown["effects"]) == {"coupon", "mail"}


def test_the_log_names_the_arm_that_was_answered(
    bundles: Path, served: Callable[..., Any], tmp_path: Path
) -> None:
    running = served(bundles, log=str(tmp_path / "requests.jsonl"))
    assert running.client.post("/best_arm", json={"features": LOVES_COUPONS}).status_code == 200
    assert running.client.post("/uplift", json={"features": LOVES_COUPONS}).status_code == 200
    running.service.log.close()
    best, single = (tmp_path / "requests.jsonl").read_text(encoding="utf-8").splitlines()[-2:]
    assert json.loads(best)["arm"] == "coupon"
    assert json.loads(single)["arm"] is None


def test_an_arm_that_is_not_worth_its_cost_is_not_given(ask: Callable[..., Any]) -> None:
    answer = ask("/best_arm", features={"discount_share": 0.0, "days_since_last": 2.0})
    assert max(answer["effects"]["coupon"] - 0.02, answer["effects"]["mail"] - 0.01) < 0
    assert answer["arm"] == "none"
    assert answer["incremental_value"] == 0


def test_a_file_of_customers_gets_an_arm_each(bundles: Path, tmp_path: Path) -> None:
    users = FOLD.future.user_ids[:20]
    pd.DataFrame({"user_id": [*users, "nobody"]}).to_csv(tmp_path / "in.csv", index=False)
    assert score_file(bundles / "best_arm", tmp_path / "in.csv", tmp_path / "out.csv") == 21
    rows = pd.read_csv(tmp_path / "out.csv")
    effects = {"coupon": rows["effect_coupon"] - 0.02, "mail": rows["effect_mail"] - 0.01}
    best = pd.DataFrame({**effects, "none": 0.0})
    assert rows["arm"].tolist() == best.idxmax(axis=1).tolist()
    assert rows["incremental_value"].to_numpy() == pytest.approx(best.max(axis=1).to_numpy())
