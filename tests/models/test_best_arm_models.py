"""What holds for every model of several arms: the tests find the models by their config files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from growthlab.config.compose import compose
from growthlab.core.build import build
from growthlab.core.errors import ConfigError, ExportError
from growthlab.data.simulated_campaign import SimulatedCampaign
from growthlab.evaluation.bootstrap import evaluate_predictions
from growthlab.metrics.value.spearman import Spearman
from growthlab.models import optional_package
from growthlab.models.best_arm.base import ArmModel
from growthlab.models.best_arm.policy_tree import PolicyTree
from growthlab.models.optional_package import why_missing
from growthlab.models.uplift.causal_forest import CausalForest
from growthlab.scorers.load import load_scorer
from growthlab.split.customers import Customers
from growthlab.tasks.best_arm import BestArm
from growthlab.training.fit_options import FitOptions
from growthlab.workbench.contenders import command_for_each_model
from growthlab.workbench.set_up import build_parts

CONF = Path(__file__).parents[2] / "conf"
NAMES = sorted(path.stem for path in (CONF / "model" / "best_arm").glob("*.yaml"))
CAMPAIGN = SimulatedCampaign(customers=3000)
DATA = BestArm().table_data(Customers(valid_share=0).table_folds(CAMPAIGN.read())[0])
TRUE = CAMPAIGN.truth().effects()[["coupon", "mail"]].to_numpy()


def new_model(name: str) -> ArmModel:
    node = compose("train", ["task=best_arm", f"model=best_arm/{name}"]).config.model
    model: ArmModel = build(node, ArmModel, "model")
    if why := why_missing(model):
        pytest.skip(why)
    return model


@pytest.mark.parametrize("name", NAMES)
def test_a_model_has_an_effect_of_every_arm_and_the_bundle_has_the_same(name: str) -> None:
    model = BestArm().fit(new_model(name), DATA, FitOptions(seed=0))
    customers = DATA.evaluated
    effects = model.effects(customers)
    assert effects.shape == (len(customers), 2)
    assert np.isfinite(effects).all()
    if isinstance(model, PolicyTree):
        with pytest.raises(ExportError, match="not exportable"):
            model.scorer()
        return
    scorer = model.scorer()
    assert scorer.arms == ("coupon", "mail")
    again = load_scorer(scorer.kind, scorer.to_arrays(), scorer.to_files())
    table = {c: customers.column(c).to_numpy() for c in scorer.columns}
    np.testing.assert_allclose(again.effects(table), effects, atol=1e-9)
    best = (effects - DATA.cost).max(axis=1).clip(min=0)
    np.testing.assert_allclose(again.predict(table), best, atol=1e-9)


@pytest.mark.parametrize("name", ["s_learner", "x_learner", "policy_tree"])
def test_a_learner_orders_customers_as_the_truth_does(name: str) -> None:
    model = BestArm().fit(new_model(name), DATA, FitOptions(seed=0))
    places = [int(user[1:]) for user in DATA.evaluated.user_ids]
    effects = model.effects(DATA.evaluated)
    true = TRUE[places]
    difference = evaluate_predictions(
        true[:, 0] - true[:, 1], effects[:, 0] - effects[:, 1], [Spearman()], intervals=False
    )
    assert difference["spearman"].value > 0.4


@pytest.fixture
def without_econml(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where EconML is not installed."""
    monkeypatch.setattr(optional_package, "find_spec", lambda name: None)


def test_all_models_are_those_whose_packages_are_installed(
    without_econml: None, caplog: pytest.LogCaptureFixture
) -> None:
    words = ["task=best_arm", "data=simulated_campaign", "models=all"]
    command = compose("compare", words)
    commands = command_for_each_model(command, BestArm(), CAMPAIGN)
    assert {c.choice("model") for c in commands} == set(NAMES) - {"policy_tree"}
    assert (
        "policy_tree is left out: it needs econml: pip install 'growthlab[uplift]'" in caplog.text
    )


def test_a_model_that_is_named_and_not_installed_is_one_line(without_econml: None) -> None:
    command = compose(
        "train", ["task=best_arm", "data=simulated_campaign", "model=best_arm/policy_tree"]
    )
    with pytest.raises(ConfigError, match=r"model policy_tree: it needs econml: pip install"):
        build_parts(command)


@pytest.mark.parametrize(
    ("make", "line"),
    [
        (lambda: CausalForest(None, trees=6), "model.trees must be a multiple of 4, got 6"),
        (lambda: CausalForest(None, min_leaf=0), "model.min_leaf must be 1 or more"),
        (lambda: PolicyTree(None, depth=0), "model.depth must be 1 or more"),
    ],
)
def test_a_wrong_setting_is_one_line(make, line: str) -> None:
    with pytest.raises(ConfigError, match=line):
        make()
