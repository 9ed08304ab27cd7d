"""The uplift task on a table: what models see, what is checked first, and what is said without skill."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from growthlab.core.errors import ConfigError, DataError
from growthlab.data.arm_assignment import Assignment
from growthlab.data.labelled_table import LabelledTable
from growthlab.data.simulated_campaign import SimulatedCampaign
from growthlab.evaluation.effect_curves import effect_curve
from growthlab.evaluation.outcome import Estimate, Outcome
from growthlab.metrics.predictions import label_of
from growthlab.metrics.uplift.average_effect import AverageEffect
from growthlab.metrics.uplift.base import Truth
from growthlab.metrics.uplift.effect_calibration import EffectCalibration
from growthlab.metrics.uplift.rate_qini import RateQini
from growthlab.metrics.uplift.skill import Skill
from growthlab.models.uplift.everybody import Everybody
from growthlab.models.uplift.random import RandomCustomers
from growthlab.split.customers import Customers
from growthlab.tasks.uplift import Uplift
from growthlab.training.fit_options import FitOptions

N = 1200
ARMS = ("none", "mail", "post")


def table(n: int = N, seed: int = 0, effect: float = 0.4) -> LabelledTable:
    """Three arms in turn: the mail works for the young, and the post for nobody."""
    random = np.random.default_rng(seed)
    age = random.uniform(20, 80, n)
    arms = np.array(ARMS)[random.permutation(n) % 3]
    p = 0.2 + effect * (age < 40) * (arms == "mail")
    return LabelledTable(
        name="t",
        file="t.csv",
        label_column="bought",
        user_ids=np.array([f"c{i:05d}" for i in range(n)]),
        label=(random.uniform(size=n) < p).astype(float),
        features=pd.DataFrame({"age": age, "town": random.normal(size=n)}),
        numbers=np.arange(1, n + 1),
        assignment=Assignment(
            "none", arms, {arm: np.full(n, 1 / 3) for arm in ARMS}, dict.fromkeys(ARMS, 0.0)
        ),
    )


def fold_of(experiment: LabelledTable):
    """The experiment cut in shares."""
    return Customers().table_folds(experiment)[0]


TASK = Uplift(arm="mail")
FOLD = fold_of(table())
DATA = TASK.table_data(FOLD)


def test_the_control_of_an_arm_is_never_another_arm() -> None:
    posted = set(FOLD.past.user_ids[FOLD.past.assignment.arms == "post"])
    seen = {*DATA.train.user_ids, *DATA.evaluated.user_ids}
    assert posted
    assert not posted & seen
    kept = np.isin(FOLD.past.user_ids, DATA.train.user_ids)
    mailed = FOLD.past.assignment.arms[kept] == "mail"
    assert DATA.train.treatment.tolist() == mailed.astype(float).tolist()


def test_the_propensity_is_that_among_the_two() -> None:
    assert DATA.train.propensity == pytest.approx(0.5)


def test_the_answer_for_the_unknown_is_the_average_effect() -> None:
    train = DATA.train
    means = [train.outcome[train.treatment == w].mean() for w in (1, 0)]
    assert DATA.mean_outcome == pytest.approx(means[0] - means[1])


def test_expected_outcomes_come_from_the_past_alone() -> None:
    future = FOLD.future
    changed = LabelledTable(**{**vars(future), "label": 1 - future.label})
    other = TASK.table_data(type(FOLD)(FOLD.past, changed))
    np.testing.assert_array_equal(DATA.evaluated.expected, other.evaluated.expected)


def test_the_table_of_predictions_holds_what_metrics_need() -> None:
    model = TASK.fit(RandomCustomers(), DATA, FitOptions())
    metrics = {"rate_qini": RateQini()}
    found = TASK.evaluate(model, DATA, metrics, seed=0, n_resamples=20)
    np.testing.assert_array_equal(label_of(found.tables["predictions"]), DATA.evaluated.truth)
    assert found.tables["experiment"]["arm"].tolist() == ["none", "mail", "post"]
    assert "tenths" not in found.tables, "numbers that are no effects are not set beside effects"
    everybody = TASK.fit(Everybody(), DATA, FitOptions())
    effects = TASK.evaluate(everybody, DATA, metrics, seed=0, n_resamples=20)
    assert effects.tables["tenths"]["customers"].sum() == len(DATA.evaluated)
    bought = DATA.evaluated.outcome > 0
    treated = DATA.evaluated.treatment == 1
    assert TASK.n_deciding(found) == min((bought & treated).sum(), (bought & ~treated).sum())


def test_strata_are_the_levels_of_texts_and_the_highest_predictions() -> None:
    metrics = {"average_effect": AverageEffect(), "skill": Skill()}
    experiment = SimulatedCampaign(customers=8000, seed=3, probability={"none": 0.5, "mail": 0.5})
    task = Uplift(arm="mail")
    data = task.table_data(fold_of(experiment.read()))
    found = task.evaluate(Everybody().fit(data.train, FitOptions()), data, metrics, seed=0)
    strata = found.strata.set_index("stratum")
    assert set(strata["metric"]) == {
        "average_effect"
    }  # tests with resamples of their own are left out
    channel = data.evaluated.table["channel"].astype(str) == "email"
    own = Truth.of(data.evaluated.truth[channel.to_numpy()]).robust_effect
    assert strata.loc["channel=email", "value"] == pytest.approx(own.mean())
    assert strata.loc["channel=email", "n_users"] == channel.sum()
    assert "predicted_top_tenth" in strata.index


def test_the_curve_ends_at_the_average_effect() -> None:
    model = TASK.fit(RandomCustomers(), DATA, FitOptions())
    found = TASK.evaluate(model, DATA, {"a": AverageEffect()}, seed=0, n_resamples=20)
    curve, rows = effect_curve(found.per_user), found.per_user
    average = found.values["average_effect"]
    assert curve["gain"].iloc[0] == 0
    assert curve["gain"].iloc[-1] == pytest.approx(average.value)
    assert curve["low"].iloc[-1] == pytest.approx(average.low, abs=0.005)
    # half of the customers: the robust effects of those with the highest numbers, over all
    first = rows.sort_values("prediction", ascending=False).index[: len(rows) // 2]
    gained = Truth.of(DATA.evaluated.truth[first]).robust_effect.sum() / len(rows)
    assert curve["gain"].iloc[10] == pytest.approx(gained, abs=0.003)
    constant = rows.assign(prediction=1.0)
    flat = effect_curve(constant)
    assert flat["gain"].to_numpy() == pytest.approx(flat["any_order"].to_numpy())


def test_an_outcome_has_plots_of_its_gain_and_its_calibration() -> None:
    model = TASK.fit(Everybody(), DATA, FitOptions())
    found = TASK.evaluate(model, DATA, {"a": AverageEffect()}, seed=0, n_resamples=20)
    outcome = Outcome(
        model=None,
        name="everybody",
        seed=0,
        valid={},
        test=found.values,
        per_user=found.per_user,
        strata=found.strata,
        tables=found.tables,
        fit_seconds=0.0,
        score_seconds=0.0,
        peak_memory_mb=0.0,
        coverage=1.0,
    )
    assert {"qini", "calibration"} <= set(TASK.figures(outcome, []))


def test_numbers_that_are_no_effects_have_no_calibration() -> None:
    metrics = {"rate_qini": RateQini(), "effect_calibration": EffectCalibration()}
    for model, known in ((RandomCustomers(), False), (Everybody(), True)):
        fitted = TASK.fit(model, DATA, FitOptions())
        values = TASK.evaluate(fitted, DATA, metrics, seed=0, intervals=False).values
        assert np.isfinite(values["effect_calibration"].value) == known
        assert np.isfinite(values["rate_qini"].value)


def test_without_skill_the_card_says_so_and_names_the_average_effect() -> None:
    answer = TASK.table_answer(FOLD.past)
    assert "what mail changes in the bought of a customer over none" in answer.intended_use
    without, with_skill = (
        TASK.answer_as_evaluated(answer, {"skill": Estimate(value, np.nan, np.nan)}).caveat
        for value in (0.0, 1.0)
    )
    assert "NO SKILL IS SHOWN" in without
    assert "average effect" in without
    assert "more than chance" in with_skill
    assert "was not tested" in TASK.answer_as_evaluated(answer, {}).caveat


def without_some(experiment: LabelledTable, lost: np.ndarray) -> LabelledTable:
    """The experiment after some customers were lost."""
    return experiment.select(~lost)


def test_arms_of_other_sizes_than_intended_are_refused() -> None:
    whole = table()
    lost = (whole.assignment.arms == "mail") & (np.arange(N) % 4 == 0)
    with pytest.raises(
        DataError, match=r"sizes of the arms .*mail 303 instead of 368.*; p .*_heuristic"
    ):
        TASK.table_data(fold_of(without_some(whole, lost)))


def test_arms_that_differed_before_are_refused() -> None:
    whole = table()
    features = whole.features.assign(
        age=whole.features["age"] + 10 * (whole.assignment.arms == "mail")
    )
    biased = LabelledTable(**{**vars(whole), "features": features})
    with pytest.raises(DataError, match=r"differed before already .*most in age.*no randomised"):
        TASK.table_data(fold_of(biased))


def test_an_outcome_among_the_features_is_refused() -> None:
    whole = table()
    features = whole.features.assign(orders=whole.label * 3)
    leaking = LabelledTable(**{**vars(whole), "features": features})
    with pytest.raises(DataError, match="orders"):
        TASK.table_data(fold_of(leaking))


@pytest.mark.parametrize(
    ("task", "line"),
    [
        (Uplift(), "task.arm names the arm that is asked about: mail, post"),
        (Uplift(arm="none"), "task.arm=none is the control"),
        (Uplift(arm="male"), "did you mean mail"),
    ],
)
def test_an_arm_that_is_not_clear_is_one_line(task: Uplift, line: str) -> None:
    with pytest.raises(ConfigError, match=line):
        task.table_data(FOLD)


def test_a_table_of_no_experiment_is_refused_with_what_may_be_claimed() -> None:
    plain = LabelledTable(**{**vars(table()), "assignment": None})
    with pytest.raises(ConfigError, match=r"no randomised assignment.*expected_value_heuristic"):
        TASK.table_data(fold_of(plain))


def test_too_few_of_an_arm_in_a_part_are_refused() -> None:
    small = fold_of(table(330))
    with pytest.raises(DataError, match=r"at least 20 are needed: change split\.test_share"):
        TASK.table_data(small.for_choosing())


def test_shuffled_arms_have_no_skill() -> None:
    from sklearn.linear_model import LinearRegression

    from growthlab.models.uplift.transformed_outcome import TransformedOutcome

    def skill(experiment: LabelledTable) -> float:
        data = TASK.table_data(fold_of(experiment))
        model = TASK.fit(TransformedOutcome(LinearRegression()), data, FitOptions())
        values = TASK.evaluate(model, data, {"s": Skill()}, seed=0, intervals=False).values
        return values["skill"].value

    whole = table(6000, seed=1)
    arms = np.random.default_rng(3).permutation(whole.assignment.arms)
    shuffled = Assignment("none", arms, whole.assignment.probability, whole.assignment.cost)
    assert skill(whole) == 1
    assert skill(LabelledTable(**{**vars(whole), "assignment": shuffled})) == 0
