"""Tests of a challenger against a champion: exact p values and false-alarm rates."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pandas as pd
import pytest

from growthlab.evaluation.significance import (
    bootstrap_p,
    holm,
    resampled_metric,
    sign_flip_p,
    sign_flip_p_values,
)
from growthlab.evaluation.superiority import (
    SuperiorityResult,
    SuperiorityTest,
    superiority_by_bootstrap,
    superiority_by_sign_flips,
)
from growthlab.metrics.binary.roc_auc import RocAuc
from growthlab.metrics.value.spearman import Spearman
from growthlab.metrics.weighted_rows import WeightedRows

N_SHOPS, N_CUSTOMERS, ALPHA, MARGIN = 2000, 120, 0.05, 0.1


def values_of(shape: tuple[int, ...], seed: int) -> np.ndarray:
    """Values such as NDCG has: three customers in five get nothing, the others something up to 1."""
    random = np.random.default_rng(seed)
    return np.where(random.random(shape) < 0.6, 0.0, random.beta(1.0, 2.0, shape))


def correlated(shape: tuple[int, int], seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Two equal models: each customer's two values are exchangeable, and half of them are shared."""
    one, other = values_of(shape, seed), values_of(shape, seed + 1)
    shared = np.random.default_rng(seed + 2).random(shape) < 0.5
    return one, np.where(shared, one, other)


def test_one_sided_p_is_the_share_of_sign_patterns_that_are_as_large() -> None:
    d = np.array([0.4, 0.3, -0.1, 0.2, 0.5])
    patterns = np.array(list(itertools.product([-1, 1], repeat=5)))
    exact = (patterns @ d >= d.sum() - 1e-12).mean()  # 2 of 32
    assert sign_flip_p(d, one_sided=True) == pytest.approx(exact, abs=0.01)
    assert sign_flip_p(-d, one_sided=True) > 0.9


def test_columns_are_tested_as_if_alone() -> None:
    d = np.random.default_rng(0).normal(0.1, 1.0, (50, 3))
    together = sign_flip_p_values(d, n_flips=500)
    assert together.tolist() == [sign_flip_p(column, n_flips=500) for column in d.T]


def test_one_sided_bootstrap_p_is_the_lower_tail() -> None:
    assert bootstrap_p(np.array([-1.0, 1.0, 2.0, np.nan]), one_sided=True) == 2 / 4
    assert bootstrap_p(np.zeros(9), one_sided=True) == 1.0


def test_equal_challengers_are_superior_in_five_percent_of_cases() -> None:
    champion, challenger = correlated((N_CUSTOMERS, N_SHOPS), seed=10)
    p = sign_flip_p_values(challenger - champion, n_flips=1999, one_sided=True)
    assert 0.03 <= (p <= ALPHA).mean() <= 0.07


def test_a_loss_of_exactly_the_margin_is_non_inferior_in_at_most_five_percent() -> None:
    champion, same = correlated((N_CUSTOMERS, N_SHOPS), seed=20)
    challenger = (1 - MARGIN) * same  # its expected value is the margin below the champion's
    p = sign_flip_p_values(challenger - champion + MARGIN * champion, n_flips=1999, one_sided=True)
    passed = (p <= ALPHA / 2).mean()
    assert 0.005 <= passed <= 0.05


def test_the_luckiest_of_twenty_equal_challengers_passes_in_at_most_five_percent() -> None:
    n_shops, n_models = 100, 20
    champion = values_of((N_CUSTOMERS, n_shops, 1), seed=30)
    models = values_of((N_CUSTOMERS, n_shops, n_models), seed=31)
    gains = (models - champion).reshape(N_CUSTOMERS, -1)
    p = sign_flip_p_values(gains, n_flips=1999, one_sided=True).reshape(n_shops, n_models)
    corrected = np.array([holm(row).min() for row in p])
    assert (corrected <= ALPHA).mean() <= 0.07
    assert (p.min(axis=1) <= ALPHA).mean() > 0.3  # without the correction


def test_the_best_of_twenty_chosen_on_another_window_gives_no_false_alarm() -> None:
    n_shops, n_models = 400, 20
    shape = (N_CUSTOMERS, n_shops, n_models)
    valid, after = (values_of(shape, seed) for seed in (40, 41))
    champion_valid, champion_after = (values_of(shape[:2], seed) for seed in (42, 43))
    best = valid.mean(axis=0).argmax(axis=1)  # of each shop's twenty, all of them equal
    shops = np.arange(n_shops)

    def passed(models: np.ndarray, champion: np.ndarray) -> float:
        p = sign_flip_p_values(models[:, shops, best] - champion, n_flips=1999, one_sided=True)
        return float((p <= ALPHA).mean())

    assert 0.02 <= passed(after, champion_after) <= 0.08
    assert passed(valid, champion_valid) > 0.3  # tested where it was chosen


def test_equal_rankings_of_leavers_are_superior_in_five_percent_of_cases() -> None:
    metric, n_shops, alarms = RocAuc(), 100, 0
    for shop in range(n_shops):
        random = np.random.default_rng(shop)
        label = (random.random(60) < 0.4).astype(float)
        tables = {
            name: pd.DataFrame(
                {"user_id": range(60), "label": label, "prediction": label + random.normal(size=60)}
            )
            for name in ("champion", "challenger")
        }
        drawn = _few_resamples(tables, metric, seed=shop)
        alarms += bootstrap_p(drawn, one_sided=True) <= ALPHA
    assert 0.01 <= alarms / n_shops <= 0.09


def _few_resamples(tables: dict[str, pd.DataFrame], metric: RocAuc, seed: int) -> np.ndarray:
    from growthlab.evaluation.significance import resampled_metric

    named = {name: [table] for name, table in tables.items()}
    _, drawn = resampled_metric(named, metric, seed=seed, n_resamples=99)
    return drawn["challenger"] - drawn["champion"]


def against(challenger: str, champion: str = "champion", **terms: Any) -> SuperiorityTest:
    """The challenger against the champion."""
    return SuperiorityTest(champion=champion, challenger=challenger, **terms)


@pytest.fixture
def table() -> pd.DataFrame:
    """The champion, a challenger that adds 0.1 to everybody, and two that are alike."""
    champion = values_of((80,), seed=1)
    lucky = champion + np.random.default_rng(2).normal(0.0, 0.1, 80)
    columns = {"champion": champion, "better": champion + 0.1, "a": lucky, "b": -lucky}
    return pd.DataFrame(columns)


def test_gain_and_share_are_those_of_the_means(table: pd.DataFrame) -> None:
    result = superiority_by_sign_flips(table, against("better"))
    mean = table["champion"].mean()
    assert (result.champion, result.challenger) == pytest.approx((mean, mean + 0.1))
    assert result.gain == pytest.approx(0.1)
    assert (result.low, result.high) == pytest.approx((0.1, 0.1))
    assert result.relative == pytest.approx(0.1 / mean)
    assert (result.n_customers, result.n_evaluations) == (80, 3)


def test_holm_counts_every_evaluation_and_those_with_lost_values(table: pd.DataFrame) -> None:
    alone = superiority_by_sign_flips(table[["champion", "better"]], against("better"))
    assert alone.p_holm == alone.p == pytest.approx(1 / 10_001)
    among = superiority_by_sign_flips(table, against("better", n_unread=7))
    assert among.n_evaluations == 10
    assert among.p_holm == pytest.approx(10 * among.p)  # the smallest of ten


def test_with_many_evaluations_there_are_enough_flips_to_pass(table: pd.DataFrame) -> None:
    result = superiority_by_sign_flips(table, against("better", n_unread=1000))
    assert result.p_holm < 0.05


def test_the_gain_has_the_opposite_sign_where_less_is_better(table: pd.DataFrame) -> None:
    result = superiority_by_sign_flips(table, against("better", maximise=False))
    assert result.gain == pytest.approx(-0.1)
    assert result.challenger == pytest.approx(table["better"].mean())
    assert result.p == 1.0


def test_an_equal_model_is_not_worse_by_a_margin(table: pd.DataFrame) -> None:
    same = table.assign(better=table["champion"])
    result = superiority_by_sign_flips(same, against("better", margin=0.05))
    assert (result.gain, result.p) == (0.0, 1.0)
    assert result.p_margin < 0.001


def test_customers_without_a_value_are_left_out_and_no_customers_give_nan(
    table: pd.DataFrame,
) -> None:
    table.loc[:9, "better"] = np.nan
    table.loc[20, "a"] = np.nan
    result = superiority_by_sign_flips(table, against("better"))
    assert (result.n_customers, result.n_evaluations) == (70, 3)
    empty = superiority_by_sign_flips(table[:0], against("better"))
    assert np.isnan([empty.gain, empty.p, empty.p_holm]).all()
    assert empty.n_customers == 0


def test_a_metric_without_per_customer_values_is_resampled() -> None:
    random = np.random.default_rng(5)
    label = (random.random(150) < 0.5).astype(float)
    noise = {"champion": 3.0, "challenger": 0.5, "other": 3.0}
    made = {name: label + sd * random.normal(size=150) for name, sd in noise.items()}
    table, auc = pd.DataFrame(made), RocAuc()
    result: SuperiorityResult = superiority_by_bootstrap(
        table, label, auc, against("challenger", margin=0.02)
    )
    assert result.champion == pytest.approx(float(auc(label, made["champion"])))
    assert result.challenger == pytest.approx(float(auc(label, made["challenger"])))
    assert (result.n_customers, result.n_evaluations) == (150, 2)
    assert result.low > 0
    assert result.p <= result.p_holm <= 2 * result.p
    assert result.p < 0.01
    terms = against("champion", champion="challenger", margin=0.02)
    worse = superiority_by_bootstrap(table, label, auc, terms)
    assert worse.p > 0.9
    assert worse.p_margin > 0.5


def test_no_customers_give_nan() -> None:
    table = pd.DataFrame({"champion": [], "challenger": [], "other": []}, dtype=float)
    result = superiority_by_bootstrap(table, np.zeros(0), RocAuc(), against("challenger"))
    assert np.isnan([result.p, result.p_holm, result.p_margin, result.p_margin_holm]).all()
    assert (result.n_customers, result.n_evaluations) == (0, 2)


LIKENESS = {"of the same kind": 0.0, "worse": -0.8, "better": 1.5, "better and worse": None}


@pytest.mark.parametrize("others", LIKENESS)
@pytest.mark.parametrize("gain", [0.0, 0.3, 1.5])
def test_the_corrected_p_of_rankings_is_that_of_all_draws_of_all_tests(
    others: str, gain: float
) -> None:
    random = np.random.default_rng(7)
    label = (random.random(60) < 0.4).astype(float)
    shift = LIKENESS[others]
    by = [1.5, -0.8, 0.0] * 2 if shift is None else [shift] * 6
    noise = random.normal(size=60)
    columns = {"champion": label + noise, "challenger": (1 + gain) * label + noise}
    columns |= {f"other {i}": (1 + b) * label + random.normal(size=60) for i, b in enumerate(by)}
    table, metric = pd.DataFrame(columns), RocAuc()
    result = superiority_by_bootstrap(
        table, label, metric, against("challenger", margin=0.02, n_unread=2)
    )

    drawn = _every_draw(table, label, metric, n_draws=2000)  # 5 * 9 / 0.05 would be fewer
    base = drawn["champion"]
    for shifts, own, corrected in (
        (0.0, result.p, result.p_holm),
        (0.02 * base, result.p_margin, result.p_margin_holm),
    ):
        names = [n for n in table if n != "champion"]
        p = [bootstrap_p(drawn[n] - base + shifts, one_sided=True) for n in names]
        assert own == p[0]
        assert corrected == pytest.approx(holm(np.array([*p, 1.0, 1.0]))[0], rel=1e-12)


def _every_draw(
    table: pd.DataFrame, label: np.ndarray, metric: RocAuc, n_draws: int
) -> dict[str, np.ndarray]:
    users = range(len(label))
    named = {
        name: [pd.DataFrame({"user_id": users, "label": label, "prediction": column})]
        for name, column in table.items()
    }
    return resampled_metric(named, metric, n_resamples=n_draws)[1]


@pytest.mark.parametrize("others", LIKENESS)
@pytest.mark.parametrize("gain", [0.0, 0.02, 0.1])
def test_the_corrected_p_of_values_is_that_of_all_flips_of_all_tests(
    others: str, gain: float
) -> None:
    random = np.random.default_rng(8)
    champion = values_of((80,), seed=1)
    shift = LIKENESS[others]
    by = [1.5, -0.8, 0.0] * 2 if shift is None else [shift] * 6
    columns = {"champion": champion, "better": champion + gain + random.normal(0, 0.2, 80)}
    columns |= {f"o{i}": champion + b / 20 + random.normal(0, 0.2, 80) for i, b in enumerate(by)}
    table = pd.DataFrame(columns)
    result = superiority_by_sign_flips(table, against("better", margin=0.05, n_unread=1))
    names = [n for n in table if n != "champion"]
    for shifts, own, corrected in (
        (0.0, result.p, result.p_holm),
        (0.05 * champion, result.p_margin, result.p_margin_holm),
    ):
        gains = table[names].to_numpy() - champion[:, None] + np.reshape(shifts, (-1, 1))
        p = sign_flip_p_values(gains, one_sided=True)
        assert own == p[0]
        assert corrected == pytest.approx(holm(np.array([*p, 1.0]))[0], rel=1e-12)


def test_draws_that_cannot_change_the_corrected_p_are_skipped() -> None:
    asked: list[int] = []

    class Counted(RocAuc):
        def on_rows(self, rows: WeightedRows) -> np.ndarray:
            asked.append(len(rows))
            return super().on_rows(rows)

    random = np.random.default_rng(9)
    label = (random.random(200) < 0.5).astype(float)
    columns = {"champion": random.normal(size=200), "challenger": label + random.normal(size=200)}
    columns |= {f"o{i}": random.normal(size=200) for i in range(40)}
    contest = against("challenger", margin=0.02)
    result = superiority_by_bootstrap(pd.DataFrame(columns), label, Counted(), contest)
    n_draws = 5 * 41 / 0.05
    assert result.p_holm == pytest.approx(41 / (n_draws + 1))  # the smallest there can be
    assert sum(asked) == 2 * n_draws + 2  # the two, and their values


def test_an_evaluation_that_is_never_defined_counts_with_a_p_of_one() -> None:
    random = np.random.default_rng(3)
    label = random.random(100)
    columns = {"champion": random.normal(size=100), "challenger": label, "flat": np.zeros(100)}
    contest = against("challenger")
    result = superiority_by_bootstrap(pd.DataFrame(columns), label, Spearman(), contest)
    assert result.n_evaluations == 2
    assert result.p_holm == pytest.approx(2 * result.p)


@pytest.mark.parametrize(("gain", "side"), [(0.0, "refused"), (0.12, "refused"), (0.5, "passed")])
def test_only_undecided_tests_are_drawn_further(gain: float, side: str) -> None:
    drawn: list[int] = []

    class Counted(RocAuc):
        def on_rows(self, rows: WeightedRows) -> np.ndarray:
            drawn.append(len(rows))
            return super().on_rows(rows)

    random = np.random.default_rng(11)
    label = (random.random(200) < 0.5).astype(float)
    noise = random.normal(size=200)
    names = ["challenger", *(f"o{i}" for i in range(9))]
    columns = {"champion": label + noise}
    columns |= {n: label * (1 + gain) + noise + 0.3 * random.normal(size=200) for n in names}
    table, contest = pd.DataFrame(columns), against("challenger", alpha=0.004, margin=0.0)
    result = superiority_by_bootstrap(table, label, Counted(), contest)
    n_draws = 12_500  # 5 * 10 / 0.004
    # blocks of 32: the 63rd ends at 2016
    assert 2 * n_draws < sum(drawn) <= 2 * n_draws + 2 + 9 * 2016
    every = _every_draw(table, label, RocAuc(), n_draws)
    p = [bootstrap_p(every[n] - every["champion"], one_sided=True) for n in names]
    whole = holm(np.array(p))[0]
    assert result.p == p[0]
    assert (result.p_holm <= 0.004) == (whole <= 0.004) == (side == "passed")
    assert result.p <= result.p_holm <= min(1.0, 10 * result.p)
