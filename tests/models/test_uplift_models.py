"""What holds for every model of effects: the tests find the models by their config files."""

from __future__ import annotations

import io
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hydra import compose, initialize_config_dir
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import LinearRegression, LogisticRegression

from growthlab.config.space_from_config import range_texts
from growthlab.core.build import build
from growthlab.core.errors import ConfigError, DataError, ExportError
from growthlab.features.examples import Examples
from growthlab.features.experiment_table import ExperimentTable
from growthlab.metrics.value.spearman import Spearman
from growthlab.models.optional_package import why_missing
from growthlab.models.uplift.base import EffectModel, expected_outcomes
from growthlab.models.uplift.dr_learner import DRLearner, robust_effects
from growthlab.models.uplift.everybody import Everybody
from growthlab.models.uplift.r_learner import RLearner
from growthlab.models.uplift.s_learner import SWITCH, SLearner
from growthlab.models.uplift.t_learner import TLearner
from growthlab.models.uplift.transformed_outcome import TransformedOutcome
from growthlab.models.uplift.x_learner import XLearner
from growthlab.scorers.load import load_scorer
from growthlab.training.fit_options import FitOptions

CONF = Path(__file__).parents[2] / "conf"
NAMES = sorted(path.stem for path in (CONF / "model" / "uplift").glob("*.yaml"))
BASELINES = {"everybody", "nobody", "random", "recency", "response"}
LEARNERS = sorted(set(NAMES) - BASELINES)
every_model = pytest.mark.parametrize("name", NAMES)


def new_model(name: str) -> EffectModel:
    with initialize_config_dir(str(CONF), version_base="1.3"):
        model = build(compose(overrides=[f"+model=uplift/{name}"]).model, EffectModel)
    if why := why_missing(model):
        pytest.skip(why)
    return model


def experiment(
    n: int, seed: int, share: float = 0.5, effects: bool = True
) -> tuple[ExperimentTable, np.ndarray]:
    """An experiment in which the young gain from the arm, and the true effect of each customer."""
    random = np.random.default_rng(seed)
    age, recency = random.uniform(20, 80, n), random.integers(1, 13, n).astype(float)
    plan = random.choice(["month", "year"], n)
    effect = 0.5 * (age < 50) * effects + 0.0 * age
    treated = (random.uniform(size=n) < share).astype(float)
    outcome = random.uniform(size=n) < 0.1 + 0.2 * (recency < 6) + effect * treated
    table = pd.DataFrame({"age": age, "recency": recency, "plan": pd.Categorical(plan)})
    table.loc[::17, "recency"] = np.nan
    ids = np.array([f"c{i:05d}" for i in range(n)])
    dates = np.full(n, np.datetime64("NaT", "us"))
    customers = Examples(table, ids, dates, np.nan, target=outcome.astype(float))
    return ExperimentTable.of(customers, treated, np.full(n, share)), effect


TRAIN, _ = experiment(1500, 0)
TEST, TRUE = experiment(800, 1)


@cache
def fitted(name: str) -> EffectModel:
    """The model, fitted once for all tests."""
    return new_model(name).fit(TRAIN, FitOptions(seed=0))


@every_model
def test_a_model_predicts_a_finite_number_a_customer(name: str) -> None:
    predictions = fitted(name).predict(TEST)
    assert predictions.shape == (len(TEST),)
    assert np.isfinite(predictions).all()


@every_model
def test_the_outcomes_of_those_to_predict_play_no_part(name: str) -> None:
    without = Examples(TEST.table, TEST.user_ids, TEST.snapshots, np.nan)
    np.testing.assert_array_equal(fitted(name).predict(without), fitted(name).predict(TEST))


@every_model
def test_the_order_of_customers_plays_no_part(name: str) -> None:
    order = np.random.default_rng(2).permutation(len(TEST))
    shuffled = fitted(name).predict(TEST.select(order))
    np.testing.assert_allclose(shuffled, fitted(name).predict(TEST)[order], rtol=1e-12)


@every_model
def test_the_same_seed_gives_the_same_model(name: str) -> None:
    again = new_model(name).fit(TRAIN, FitOptions(seed=0))
    np.testing.assert_array_equal(again.predict(TEST), fitted(name).predict(TEST))


@pytest.mark.parametrize("name", LEARNERS)
def test_a_learner_finds_who_gains(name: str) -> None:
    predicted = fitted(name).predict(TEST)
    # two groups: the best correlation of ranks without ties is the square root of 3/4
    assert Spearman()(TRUE, predicted) > 0.5
    assert abs(predicted.mean() - TRUE.mean()) < 0.08


@pytest.mark.parametrize("name", sorted(set(LEARNERS) - {"causal_forest"}))
def test_an_exported_learner_answers_as_the_model(name: str) -> None:
    model = fitted(name)
    scorer = model.scorer()  # type: ignore[attr-defined]
    stream = io.BytesIO()
    np.savez(stream, **scorer.to_arrays())
    stream.seek(0)
    with np.load(stream, allow_pickle=False) as arrays:
        loaded = load_scorer(scorer.kind, dict(arrays), scorer.to_files())
    columns = {c: TEST.column(c) for c in loaded.columns}
    table = {
        c: v.astype(object).where(v.notna(), "").to_numpy(dtype=str)
        if v.dtype == "category"
        else v.to_numpy()
        for c, v in columns.items()
    }
    assert SWITCH not in table
    np.testing.assert_allclose(loaded.predict(table), model.predict(TEST), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", ["random", "recency", "response"])
def test_what_is_no_effect_is_not_exported_as_one(name: str) -> None:
    model = fitted(name)
    assert not model.predicts_effects
    with pytest.raises(ExportError, match="expected_value_heuristic"):
        model.scorer()  # type: ignore[attr-defined]


def test_every_learner_with_trees_can_be_searched() -> None:
    searched = {path.stem for path in (CONF / "search" / "uplift").glob("*.yaml")}
    assert searched >= set(LEARNERS) - {"t_logistic", "t_two_part"}
    for name in sorted(searched):
        with initialize_config_dir(str(CONF), version_base="1.3"):
            node = compose(overrides=[f"+model=uplift/{name}"]).model
        space = OmegaConf.load(CONF / "search" / "uplift" / f"{name}.yaml")
        for key, values in range_texts(space).items():
            assert OmegaConf.select(node, str(key), default="absent") != "absent", key
            (override,) = OverridesParser.create().parse_overrides([f"{key}={values}"])
            assert override.is_sweep_override(), f"{key}={values} is no grammar of a sweep"


def test_everybody_has_the_difference_of_the_means() -> None:
    treated = TRAIN.treatment == 1
    difference = TRAIN.outcome[treated].mean() - TRAIN.outcome[~treated].mean()
    assert Everybody().fit(TRAIN, FitOptions()).predict(TEST) == pytest.approx(difference)


def test_recency_puts_the_latest_first_and_the_unknown_last() -> None:
    order = np.argsort(-fitted("recency").predict(TEST), kind="stable")
    months = TEST.table["recency"].to_numpy()[order]
    known = months[~np.isnan(months)]
    assert (np.diff(known) >= 0).all()
    assert np.isnan(months[len(known) :]).all()


def test_a_table_without_the_column_has_no_order(caplog: pytest.LogCaptureFixture) -> None:
    with initialize_config_dir(str(CONF), version_base="1.3"):
        node = compose(overrides=["+model=uplift/recency", "model.column=last"]).model
    model = build(node, EffectModel).fit(TRAIN, FitOptions())
    assert np.ptp(model.predict(TEST)) == 0
    assert "no column last to order by" in caplog.text


def test_nobody_is_predicted_by_a_model_that_has_seen_its_outcome() -> None:
    # a forest of one deep tree on all rows repeats what it has seen
    deep = RandomForestRegressor(n_estimators=1, bootstrap=False)
    seen, _ = experiment(400, 3)
    noise = ExperimentTable.of(
        Examples(
            pd.DataFrame({"x": np.arange(400.0)}),
            *(seen.user_ids, seen.snapshots, np.nan),
            target=np.random.default_rng(4).normal(size=400),
        ),
        *(seen.treatment, seen.propensity),
    )
    expected = expected_outcomes(deep, noise, FitOptions())
    own = expected[np.arange(400), noise.treatment.astype(int)]
    assert (own != noise.outcome).all()


def test_robust_effects_by_hand() -> None:
    two = TEST.select(np.array([0, 1]))
    two = ExperimentTable.of(
        two.with_target(np.array([3.0, 1.0])), np.array([1.0, 0.0]), np.array([0.25, 0.25])
    )
    # 2 - 1 + (3 - 2) / .25 and 2 - 1 - (1 - 1) / .75
    assert robust_effects(two, np.array([[1.0, 2.0], [1.0, 2.0]])).tolist() == [5, 1]


LINEAR = LinearRegression()


@pytest.mark.parametrize(
    "model",
    [
        SLearner(RandomForestRegressor(20, min_samples_leaf=20, max_features=None)),
        TLearner(LogisticRegression()),
        XLearner(LINEAR, LINEAR),
        RLearner(LINEAR, LINEAR),
        DRLearner(LogisticRegression(), LINEAR),
        TransformedOutcome(LINEAR),
    ],
    ids=lambda model: type(model).__name__,
)
def test_any_base_of_scikit_learn_and_unequal_arms_are_possible(model: EffectModel) -> None:
    uneven, _ = experiment(2500, 5, share=0.2)
    predicted = model.fit(uneven, FitOptions()).predict(TEST)
    assert Spearman()(TRUE, predicted) > 0.5
    assert abs(predicted.mean() - TRUE.mean()) < 0.12


def test_two_parts_are_for_amounts() -> None:
    amounts = ExperimentTable.of(
        TRAIN.with_target(TRAIN.outcome * (20 + TRAIN.table["age"].to_numpy())),
        *(TRAIN.treatment, TRAIN.propensity),
    )
    predicted = new_model("t_two_part").fit(amounts, FitOptions()).predict(TEST)
    assert Spearman()(TRUE, predicted) > 0.5
    truth = TRUE * (20 + TEST.table["age"].to_numpy())
    assert predicted.mean() == pytest.approx(truth.mean(), rel=0.25)


def test_a_classifier_of_amounts_is_refused() -> None:
    amounts = ExperimentTable.of(
        TRAIN.with_target(TRAIN.outcome * 3.5), TRAIN.treatment, TRAIN.propensity
    )
    with pytest.raises(ConfigError, match="is a classifier, and the target an amount"):
        new_model("t_logistic").fit(amounts, FitOptions())


def test_a_feature_named_as_the_arm_is_refused() -> None:
    named = TRAIN.table.assign(**{SWITCH: 1.0})
    customers = Examples(named, TRAIN.user_ids, TRAIN.snapshots, np.nan, target=TRAIN.outcome)
    table = ExperimentTable.of(customers, TRAIN.treatment, TRAIN.propensity)
    with pytest.raises(DataError, match="give it another name"):
        SLearner(LINEAR).fit(table, FitOptions())
