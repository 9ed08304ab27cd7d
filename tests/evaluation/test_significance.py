"""Differences between models: tests hold their level, also for several models."""

from itertools import product

import numpy as np
import pandas as pd
import pytest

from growthlab.evaluation.significance import (
    bootstrap_p,
    compare_predictions,
    compare_to_baseline,
    holm,
    minimum_detectable,
    sign_flip_p,
)
from growthlab.metrics.binary.roc_auc import RocAuc

P = np.array([0.01, 0.04, 0.03, 0.005])


def table(values, name="ndcg_at_10", prefix="u") -> pd.DataFrame:
    return pd.DataFrame({"user_id": [f"{prefix}{i}" for i in range(len(values))], name: values})


def test_golden_corrections():
    assert holm(P) == pytest.approx([0.03, 0.06, 0.06, 0.02])


def test_a_missing_p_does_not_count_as_a_test_and_no_p_exceeds_one():
    result = holm(np.array([0.6, np.nan, 0.9]))
    assert np.isnan(result[1])
    assert (result[[0, 2]] <= 1).all()
    assert (result[[0, 2]] == holm(np.array([0.6, 0.9]))).all()


def test_sign_flip_p_is_the_share_of_all_sign_patterns():
    d = np.array([0.5, 0.2, -0.1, 0.4, 0.3, -0.05, 0.25, 0.1])
    patterns = np.array(list(product([-1, 1], repeat=len(d)))) @ d
    exact = (np.abs(patterns) >= abs(d.sum()) - 1e-12).mean()
    # sd of the estimate from 10,000 flips: below sqrt(p / 10000) = 0.003
    assert sign_flip_p(d) == pytest.approx(exact, abs=0.01)


def test_sign_flip_p_of_no_difference_is_one():
    assert sign_flip_p(np.zeros(20)) == 1.0
    assert np.isnan(sign_flip_p(np.zeros(0)))


def test_sign_flip_holds_its_level_when_there_is_no_difference():
    # 200 null tests at 10 %: 20 expected, sd 4.2; 5 sd = 21
    random = np.random.default_rng(0)
    ps = [sign_flip_p(random.normal(size=40), seed=i, n_flips=500) for i in range(200)]
    assert sum(p < 0.1 for p in ps) < 41


def test_bootstrap_p_counts_the_smaller_tail_twice():
    assert bootstrap_p(np.array([-1.0, 1, 1, 1, 1, 1, 1, 1, 1])) == pytest.approx(2 * 2 / 10)
    assert bootstrap_p(np.zeros(10)) == 1.0
    assert np.isnan(bootstrap_p(np.array([np.nan])))


def test_a_model_is_compared_user_by_user_whatever_the_order_of_rows():
    random = np.random.default_rng(1)
    base = random.random(400)
    better = table(base + 0.1 + 0.05 * random.normal(size=400)).sample(frac=1, random_state=0)
    result = compare_to_baseline({"base": table(base), "better": better}, "ndcg_at_10", "base")
    assert result["model"].tolist() == ["better"]
    row = result.iloc[0]
    # paired: sd 0.05 / sqrt(400) = 0.0025, however far the users are apart
    assert row["difference"] == pytest.approx(0.1, abs=0.01)
    assert row["high"] - row["low"] == pytest.approx(2 * 1.96 * 0.0025, rel=0.15)
    assert row["relative_percent"] == pytest.approx(100 * row["difference"] / base.mean())
    assert row["p"] == pytest.approx(1 / 10_001)
    assert row["n_users"] == 400
    assert row["underpowered"]
    assert row["minimum_detectable"] == pytest.approx(2.8 * 0.0025, rel=0.15)


def test_users_without_a_value_in_either_model_are_left_out():
    frames = {"base": table([0.0, 1.0, np.nan]), "other": table([1.0, np.nan, 1.0])}
    assert compare_to_baseline(frames, "ndcg_at_10", "base")["n_users"].tolist() == [1]


def test_models_without_common_users_have_no_difference():
    frames = {"base": table([0.0, 1.0]), "other": table([1.0], prefix="v")}
    row = compare_to_baseline(frames, "ndcg_at_10", "base").iloc[0]
    assert row["n_users"] == 0
    assert np.isnan([row["difference"], row["low"], row["p"], row["p_holm"]]).all()


def test_holm_counts_all_models_of_the_table():
    random = np.random.default_rng(2)
    base = random.random(600)
    frames = {f"m{i}": table(base + random.normal(0.02, 0.3, 600)) for i in range(4)}
    result = compare_to_baseline({"base": table(base), **frames}, "ndcg_at_10", "base")
    assert result["p_holm"].to_numpy() == pytest.approx(holm(result["p"].to_numpy()))
    assert not result["underpowered"].any()


def test_the_minimum_detectable_difference_by_hand():
    assert minimum_detectable(0.5, 100) == pytest.approx(0.14)  # 2.8 * 0.5 / 10


def predicted(label, noise, seed, prefix="u") -> pd.DataFrame:
    random = np.random.default_rng(seed)
    frame = table(label, "label", prefix)
    return frame.assign(prediction=label + noise * random.normal(size=len(label)))


def test_models_are_compared_by_a_metric_without_per_user_values():
    label = (np.random.default_rng(0).random(300) < 0.4).astype(float)
    tables = {
        "base": [predicted(label, 2.0, 1)],
        "sharp": [
            predicted(label, 0.5, 2),
            predicted(label, 0.5, 3).sample(frac=1, random_state=0),
        ],
        "same": [predicted(label, 2.0, 1)],
    }
    result = compare_predictions(tables, RocAuc(), "base", n_resamples=300).set_index("model")
    auc = {
        name: np.mean([RocAuc()(t["label"].to_numpy(), t["prediction"].to_numpy()) for t in ts])
        for name, ts in tables.items()
    }
    assert result.loc["sharp", "difference"] == pytest.approx(auc["sharp"] - auc["base"])
    assert result.loc["sharp", "low"] > 0
    assert result.loc["sharp", "p"] == pytest.approx(2 / 301)
    # the same predictions differ in no resample: the resamples are paired
    assert result.loc["same", ["difference", "low", "high"]].tolist() == [0, 0, 0]
    assert result.loc["same", "p"] == 1.0
