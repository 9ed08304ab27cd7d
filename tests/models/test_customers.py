"""What holds for every churn and value model: the tests find the models by their config files."""

from __future__ import annotations

import io
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hydra import compose, initialize_config_dir
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression, Ridge, TweedieRegressor
from sklearn.svm import LinearSVC

from growthlab.config.space_from_config import range_texts
from growthlab.core.build import build
from growthlab.core.errors import ConfigError, DataError, ExportError
from growthlab.core.library_estimators import SklearnClassifier, SklearnRegressor
from growthlab.core.seeding import random_stream
from growthlab.data.event_log import EventLog
from growthlab.features.event_steps import event_steps
from growthlab.features.examples import Examples
from growthlab.metrics.binary.roc_auc import RocAuc
from growthlab.models.base import Estimator, Tabled
from growthlab.models.churn.recency_rule import RecencyRule
from growthlab.models.table_estimator import TableEstimator, wrap_estimator
from growthlab.models.value.bg_nbd import BGNBDValue
from growthlab.models.value.past_spend import PastSpend
from growthlab.scorers.base import RowScorer
from growthlab.scorers.load import load_scorer
from growthlab.training.fit_options import FitOptions

CONF = Path(__file__).parents[2] / "conf"
NAMES = sorted(
    f"{path.parent.name}/{path.stem}"
    for family in ("churn", "value")
    for path in (CONF / "model" / family).glob("*.yaml")
)
BTYD = ("bg_nbd", "mbg_nbd", "pareto_nbd")
NEED_NO_LABELS = {
    *("churn/bg_nbd", "churn/mbg_nbd", "churn/recency_rule"),
    *(f"value/{name}" for name in BTYD),
}
CONSTANT = {"churn/prior", "value/mean"}
SNAPSHOT = np.datetime64("2025-06-01", "us")
MONEY = ("spend", "spend_30d", "spend_365d", "basket_value", "monetary_value")

SEARCHED = [n for n in NAMES if (CONF / "search" / f"{n}.yaml").exists()]

KIND = Estimator | SklearnClassifier | SklearnRegressor
every_model = pytest.mark.parametrize("name", NAMES)
needs_labels = pytest.mark.parametrize("name", sorted(set(NAMES) - NEED_NO_LABELS))


def new_model(name: str) -> Estimator:
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return wrap_estimator(build(compose(overrides=[f"+model={name}"]).model, KIND))


def customers(n: int, seed: int, scale: float = 1.0) -> tuple[pd.DataFrame, np.ndarray]:
    """The features of customers who buy at a steady rate, and that rate a day."""
    random = random_stream(seed, "customers")
    age = random.integers(60, 400, n).astype(float)
    rate = random.gamma(0.8, 1 / 30, n)
    x = random.poisson(rate * age).astype(float)
    last = np.where(x > 0, age * random.beta(np.maximum(x, 1), 1), 0.0)
    spend = scale * random.gamma(4, 5, n)
    table = pd.DataFrame(
        {
            "days_since_last": age - last,
            "frequency": x,
            "recency": np.floor(last),
            "T": age,
            "monetary_value": np.where(x > 0, spend, np.nan),
            "spend": spend * (x + 1),
            "spend_30d": spend * np.minimum(x, 2),
            "spend_365d": spend * (x + 1),
            "basket_value": spend,
            "gap_mean": np.where(x > 1, age / np.maximum(x, 1), np.nan),
            "never_known": np.nan,
            "always_one": 1.0,
        }
    )
    channel = random.choice(["web", "app", "shop"], n).astype(object)
    channel[random.random(n) < 0.1] = np.nan
    return table.assign(channel=pd.Series(channel).astype("category")), rate


def log_of(table: pd.DataFrame, ids: np.ndarray) -> EventLog:
    """The first and the last purchase of each customer, and a view yesterday."""
    n = len(ids)
    ago = np.concatenate([table["T"], table["days_since_last"], np.ones(n)])
    events = {
        "user_id": np.tile(ids, 3),
        "timestamp": SNAPSHOT - (np.maximum(ago, 0.01) * 86_400e6).astype("timedelta64[us]"),
        "event_type": np.repeat(["purchase", "purchase", "view"], n),
        "unit_price": np.tile(table["basket_value"], 3),
    }
    return EventLog.from_frames(pd.DataFrame(events))


def examples(family: str, n: int = 600, seed: int = 0, scale: float = 1.0) -> Examples:
    """Labelled examples with a `present`; the horizon is 28 days."""
    table, rate = customers(n, seed, scale)
    random = random_stream(seed, "future")
    later = random.poisson(rate * 28)
    target = (later == 0).astype(float) if family == "churn" else later * table["basket_value"]
    ids, times = np.array([f"u{i:04d}" for i in range(n)]), np.full(n, SNAPSHOT)
    now = Examples(table, ids, times, 28.0, read_steps=partial(event_steps, log_of(table, ids)))
    # the first of so many purchases at even chances lies at the least of so many uniform times
    waits = np.where(later > 0, 28 * random.beta(1, np.maximum(later, 1)), np.inf)
    return replace(now, target=np.asarray(target, dtype=float), waits=waits, present=now)


@cache
def fitted(name: str, seed: int = 0) -> Estimator:
    return new_model(name).fit(examples(name.partition("/")[0]), FitOptions(seed=seed))


@cache
def asked(name: str) -> Examples:
    return examples(name.partition("/")[0], n=300, seed=1)


def close(name: str) -> dict[str, float]:
    """How near two ways to one prediction are: a network computes in float32."""
    network = hasattr(fitted(name), "network_")
    return {"rtol": 1e-4, "atol": 1e-6} if network else {"rtol": 1e-12}


@every_model
def test_one_finite_number_a_customer(name: str) -> None:
    prediction = fitted(name).predict(asked(name))
    assert prediction.shape == (300,)
    assert prediction.dtype == np.float64
    assert np.isfinite(prediction).all()
    assert (prediction >= 0).all()
    if name.startswith("churn/"):
        assert (prediction <= 1).all()


@every_model
def test_an_order_better_than_chance(name: str) -> None:
    if name in CONSTANT:
        pytest.skip("a constant has no order")
    target = asked(name).target
    assert target is not None
    prediction = fitted(name).predict(asked(name))
    more_than_most = target > np.median(target) if name.startswith("value/") else target > 0
    assert RocAuc()(more_than_most.astype(float), prediction) > 0.6


@every_model
def test_the_same_seed_gives_the_same_model(name: str) -> None:
    again = new_model(name).fit(examples(name.partition("/")[0]), FitOptions(seed=0))
    np.testing.assert_array_equal(again.predict(asked(name)), fitted(name).predict(asked(name)))


@every_model
def test_a_model_that_does_not_say_stochastic_ignores_the_seed(name: str) -> None:
    if fitted(name).stochastic:
        pytest.skip("its seed matters")
    other = fitted(name, seed=1).predict(asked(name))
    np.testing.assert_array_equal(other, fitted(name).predict(asked(name)))


@every_model
def test_a_customer_is_predicted_alike_in_any_company(name: str) -> None:
    rows = np.array([7, 3, 250])
    alone = fitted(name).predict(asked(name).select(rows))
    np.testing.assert_allclose(alone, fitted(name).predict(asked(name))[rows], **close(name))


@every_model
def test_no_customers_give_no_prediction(name: str) -> None:
    assert fitted(name).predict(asked(name).select(np.zeros(0, dtype=int))).shape == (0,)


@every_model
def test_fitting_changes_neither_examples_nor_settings(name: str) -> None:
    data = examples(name.partition("/")[0])
    before = data.table.copy(deep=True)
    new_model(name).fit(data, FitOptions())
    pd.testing.assert_frame_equal(data.table, before)


@every_model
def test_the_exported_scorer_answers_as_the_model(name: str) -> None:
    scorer: RowScorer = fitted(name).scorer()  # type: ignore[attr-defined]
    buffer = io.BytesIO()
    np.savez(buffer, **scorer.to_arrays())  # type: ignore[arg-type]
    buffer.seek(0)
    arrays = dict(np.load(buffer, allow_pickle=False))
    again = load_scorer(scorer.kind, arrays, scorer.to_files())
    table = {c: asked(name).column(c).to_numpy() for c in scorer.columns}
    texts = {
        c: pd.Series(v).fillna("").to_numpy(dtype=str)
        for c, v in table.items()
        if v.dtype == object
    }
    expected = fitted(name).predict(asked(name))
    np.testing.assert_allclose(again.predict(table | texts), expected, **close(name))


@needs_labels
def test_without_a_snapshot_to_learn_from_one_line_says_so(name: str) -> None:
    data = examples(name.partition("/")[0])
    nothing = data.select(np.zeros(0, dtype=int))
    with pytest.raises(DataError, match=r"learns from outcomes.*split\.cutoff"):
        new_model(name).fit(nothing, FitOptions())


@pytest.mark.parametrize("name", sorted(NEED_NO_LABELS))
def test_some_models_learn_without_labels(name: str) -> None:
    data = examples(name.partition("/")[0])
    model = new_model(name).fit(data.select(np.zeros(0, dtype=int)), FitOptions())
    assert np.isfinite(model.predict(asked(name))).all()


@pytest.mark.parametrize("name", ["churn/logistic", "churn/lightgbm", "churn/recency_rule"])
def test_shuffled_labels_teach_nothing(name: str) -> None:
    data = examples("churn", n=3000)
    assert data.target is not None
    shuffled = replace(data, target=random_stream(0, "shuffle").permutation(data.target))
    model = new_model(name).fit(shuffled.select(np.arange(1500)), FitOptions())
    other = shuffled.select(np.arange(1500, 3000))
    assert other.target is not None
    auc, n_left = RocAuc()(other.target, model.predict(other)), other.target.sum()
    # of Wilcoxon's statistic: sqrt((n + 1) / (12 n_left n_stayed))
    error = np.sqrt(1501 / (12 * n_left * (1500 - n_left)))
    assert abs(auc - 0.5) < 3 * error


@pytest.mark.parametrize(
    ("name", "near"),
    [
        *((name, 1e-5) for name in BTYD),
        ("past_spend", 1e-9),
        ("mean", 1e-9),
        ("lightgbm", 0.05),
        ("hurdle", 0.05),
        ("ziln", 0.05),
    ],
)
def test_a_hundred_times_the_money_is_a_hundred_times_the_value(name: str, near: float) -> None:
    cents, ask = examples("value", scale=100.0), examples("value", n=300, seed=1, scale=100.0)
    in_cents = new_model(f"value/{name}").fit(cents, FitOptions()).predict(ask)
    in_euros = fitted(f"value/{name}").predict(asked(f"value/{name}"))
    assert in_cents.sum() == pytest.approx(100 * in_euros.sum(), rel=near)


@pytest.mark.parametrize("name", ["churn/bg_nbd", "churn/mbg_nbd"])
def test_the_churn_of_btyd_is_one_minus_the_probability_of_a_purchase(name: str) -> None:
    scorer = fitted(name).scorer()  # type: ignore[attr-defined]
    table = asked(name).table
    summary = [table[c].to_numpy() for c in ("frequency", "recency", "T")]
    p = scorer.purchases.p_purchase(*summary, 28.0)
    np.testing.assert_allclose(fitted(name).predict(asked(name)), 1 - p)
    assert (p[summary[0] == 0] < 1).all()


def test_the_recency_rule_never_falls_and_is_right_on_average() -> None:
    data = examples("churn", n=2000)
    assert data.target is not None
    prediction = RecencyRule().fit(data, FitOptions()).predict(data)
    in_order = prediction[np.argsort(data.table["days_since_last"])]
    assert (np.diff(in_order) >= -1e-12).all()
    assert prediction.mean() == pytest.approx(data.target.mean(), abs=0.02)


def test_the_recency_rule_without_labels_is_days_over_days_plus_their_median() -> None:
    table = pd.DataFrame({"days_since_last": [10.0, 30.0, 90.0]})
    ids, times = np.array(["a", "b", "c"]), np.full(3, np.datetime64("2025-06-01"))
    model = RecencyRule().fit(Examples(table, ids, times, 28.0), FitOptions())
    result = model.predict(Examples(table, ids, times, 28.0))
    assert result == pytest.approx([10 / 40, 1 / 2, 90 / 120], abs=1e-3)


def test_the_factor_of_past_spend_makes_the_total_right() -> None:
    data = examples("value")
    assert data.target is not None
    assert PastSpend(None).fit(data, FitOptions()).predict(data).sum() == pytest.approx(
        data.target.sum()
    )


def test_a_window_of_past_spend_that_the_table_lacks_is_refused() -> None:
    with pytest.raises(ConfigError, match="window_days=100: possible are 7, 30"):
        PastSpend(100)


@pytest.mark.parametrize(
    ("estimator", "link"),
    [
        (LogisticRegression(C=0.1), "logit"),
        (Ridge(), "identity"),
        (TweedieRegressor(power=1.5, link="log", max_iter=1000), "log"),
    ],
)
def test_any_linear_model_is_exported_with_its_link(estimator: Any, link: str) -> None:
    data = examples("churn" if link == "logit" else "value")
    model = wrap_estimator(estimator).fit(data, FitOptions())
    scorer = model.scorer()  # type: ignore[attr-defined]
    assert scorer.link == link
    table = {c: data.table[c].to_numpy() for c in scorer.columns}
    np.testing.assert_allclose(scorer.predict(table), model.predict(data), rtol=1e-9)


def test_a_forest_trains_and_predicts_but_is_not_exportable() -> None:
    model = wrap_estimator(RandomForestClassifier(n_estimators=5)).fit(
        examples("churn"), FitOptions()
    )
    assert model.stochastic
    assert np.isfinite(model.predict(asked("churn/logistic"))).all()
    with pytest.raises(ExportError, match="RandomForestClassifier is not exportable"):
        model.scorer()  # type: ignore[attr-defined]


def test_a_category_unseen_at_the_fit_is_as_good_as_unknown() -> None:
    strange, unknown = asked("churn/logistic"), asked("churn/logistic")
    table = strange.table.drop(columns="channel")
    strange = replace(strange, table=table.assign(channel=pd.Categorical(["fax"] * 300)))
    nowhere = pd.Categorical([np.nan] * 300, categories=["web"])
    unknown = replace(unknown, table=table.assign(channel=nowhere))
    for name in ("churn/logistic", "churn/lightgbm"):
        model = fitted(name)
        np.testing.assert_array_equal(model.predict(strange), model.predict(unknown))


def test_labels_that_are_all_the_same_are_refused() -> None:
    data = examples("churn")
    data = replace(data, target=np.ones(len(data)))
    with pytest.raises(DataError, match="all 600 labels are 1"):
        wrap_estimator(LogisticRegression()).fit(data, FitOptions())


def test_our_own_models_are_not_wrapped_twice() -> None:
    rule = RecencyRule()
    assert wrap_estimator(rule) is rule
    wrapped = wrap_estimator(Ridge())
    assert isinstance(wrapped, TableEstimator)
    assert wrap_estimator(wrapped) is wrapped


def test_what_is_no_estimator_is_refused() -> None:
    with pytest.raises(ConfigError, match="str is no estimator of customers"):
        wrap_estimator("logistic")


def test_a_classifier_without_probabilities_is_refused() -> None:
    with pytest.raises(ConfigError, match="LinearSVC gives no probabilities"):
        wrap_estimator(LinearSVC())


def test_a_classifier_learns_no_amounts() -> None:
    with pytest.raises(ConfigError, match="LogisticRegression is a classifier, and the target an"):
        wrap_estimator(LogisticRegression()).fit(examples("value"), FitOptions())


@pytest.mark.parametrize("name", [n for n in NAMES if n.endswith("_nbd")])
def test_a_btyd_model_leaves_its_parameters_and_p_alive(name: str) -> None:
    model = fitted(name)
    assert isinstance(model, Tabled)
    tables = model.tables()
    parts = {name.partition("/")[2]} | ({"gamma_gamma"} if name.startswith("value/") else set())
    parameters = tables["parameters"]
    assert set(parameters["model"]) == parts
    assert set(parameters.groupby("model")["parameter"].last()) == {"log_likelihood"}
    assert parameters["value"].notna().all()
    p_alive = tables["p_alive"]
    assert p_alive["user_id"].tolist() == examples("churn").user_ids.tolist()
    assert p_alive["p_alive"].between(0, 1).all()


@pytest.mark.parametrize("how", ["case", "parametric"])
def test_intervals_are_there_on_request(how: str) -> None:
    def table() -> pd.DataFrame:
        model = BGNBDValue(intervals=how, resamples=10)  # type: ignore[arg-type]
        result = model.fit(examples("value"), FitOptions()).tables()["parameters"]
        return result[result["parameter"] != "log_likelihood"]

    assert (table()["low"] <= table()["high"]).all()
    pd.testing.assert_frame_equal(table(), table())  # of one seed


def test_discounted_money_is_worth_less_for_all_customers() -> None:
    plain = fitted("value/bg_nbd").predict(asked("value/bg_nbd"))
    model = BGNBDValue(annual_discount=1.0).fit(examples("value"), FitOptions())
    discounted = model.predict(asked("value/bg_nbd"))
    # four weeks at 100 % a year: the first counts 2^(-7/365), the last 2^(-28/365)
    assert (discounted < plain * 2 ** (-7 / 365)).all()
    assert (discounted > plain * 2 ** (-28 / 365)).all()


def test_longer_horizons_need_no_new_fit() -> None:
    scorer = fitted("value/pareto_nbd").scorer()  # type: ignore[attr-defined]
    table = {c: asked("value/pareto_nbd").table[c].to_numpy() for c in scorer.columns}
    month, year = scorer.predict(table), replace(scorer, horizon_days=365).predict(table)
    assert (year > month).all()


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"intervals": "jackknife"}, "intervals=jackknife: possible are case, parametric and null"),
        ({"resamples": 0}, "resamples must be 1 or more, got 0"),
        ({"annual_discount": -1.0}, "annual_discount must be above -1"),
        ({"period_days": 0.0}, "period_days must be positive, got 0"),
    ],
)
def test_settings_of_btyd_that_make_no_sense_are_refused(
    settings: dict[str, Any], said: str
) -> None:
    with pytest.raises(ConfigError, match=said):
        BGNBDValue(**settings)


@pytest.mark.parametrize("name", SEARCHED)
def test_a_search_space_names_settings_of_its_model(name: str) -> None:
    with initialize_config_dir(str(CONF), version_base="1.3"):
        node = compose(overrides=[f"+model={name}"]).model
    space = OmegaConf.load(CONF / "search" / f"{name}.yaml")
    for key, values in range_texts(space).items():
        assert OmegaConf.select(node, str(key), default="absent") != "absent", key
        (override,) = OverridesParser.create().parse_overrides([f"{key}={values}"])
        assert override.is_sweep_override(), f"{key}={values} is no grammar of a sweep"


def test_every_learned_model_can_be_searched() -> None:
    """Rules and buy-till-you-die models have no settings to choose."""
    fixed = NEED_NO_LABELS | CONSTANT
    assert set(SEARCHED) >= set(NAMES) - fixed
