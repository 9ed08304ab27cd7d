"""What fitted buy-till-you-die models predict: published figures, integrals, limits."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import dblquad, quad
from scipy.special import beta, hyp2f1

from growthlab.core.errors import BundleError
from growthlab.scorers.btyd_models import (
    BGNBD,
    MBGNBD,
    Discount,
    GammaGamma,
    ParetoNBD,
    PurchaseModel,
)
from growthlab.scorers.btyd_row_scorer import BTYDRowScorer
from growthlab.scorers.death_times import death_times

# fitted to CDNOW, in weeks, as published
BG = BGNBD(0.2426, 4.4136, 0.7929, 2.4259)
MBG = MBGNBD(0.525, 6.183, 0.891, 1.614)
PARETO = ParetoNBD(0.5533, 10.578, 0.6062, 11.668)
SPEND = GammaGamma(6.25, 3.74, 15.44)

every_model = pytest.mark.parametrize("model", [BG, MBG, PARETO], ids=lambda m: type(m).__name__)


def one(*values: float) -> list[np.ndarray]:
    return [np.array([float(v)]) for v in values]


def test_expected_purchases_of_a_new_customer_as_published() -> None:
    weeks = np.array([1.0, 10.0, 39.0, 78.0])
    result = BG.purchases_of_a_new_customer(weeks)
    assert result == pytest.approx([0.0532, 0.4318, 1.195, 1.858], abs=5e-4)


def test_one_published_customer_of_bg_nbd() -> None:
    who = one(2, 30.43, 38.86)
    assert BG.purchases(*who, 39) == pytest.approx([1.2259], abs=1e-4)
    assert BG.p_alive(*who) == pytest.approx([0.7266], abs=1e-4)


def test_one_published_customer_of_pareto_nbd() -> None:
    who = one(26, 30.86, 31)
    assert PARETO.p_alive(*who) == pytest.approx([0.9979], abs=1e-4)
    assert PARETO.purchases(*who, 52) == pytest.approx([25.456], abs=0.005)


def test_p_alive_without_a_repeat_as_published() -> None:
    assert MBG.p_alive(*one(0, 0, 38.86)) == pytest.approx([0.390], abs=5e-4)


def test_expected_spends_as_published() -> None:
    x, m = np.array([0.0, 2.0, 1.0]), np.array([np.nan, 22.35, 11.77])
    assert SPEND.spend(x, m) == pytest.approx([35.2, 24.66, 18.92], abs=0.02)
    assert SPEND.mean == pytest.approx(35.2, abs=0.02)


def test_p_alive_of_bg_nbd_is_one_without_a_repeat_and_p_purchase_is_not() -> None:
    who = one(0, 0, 38.86)
    assert BG.p_alive(*who) == [1]
    # alive, and no purchase with probability ((alpha + T) / (alpha + T + t)) ** r
    assert BG.p_purchase(*who, 39) == pytest.approx([1 - (43.2736 / 82.2736) ** 0.2426])


def test_p_alive_of_mbg_nbd_at_the_first_purchase_is_the_chance_to_stay() -> None:
    # the mean of 1 - p with p from Beta(a, b)
    assert MBG.p_alive(*one(0, 0, 0)) == pytest.approx([1.614 / (0.891 + 1.614)])


@pytest.mark.parametrize("model", [BG, MBG])
@given(
    x=st.integers(0, 60),
    share=st.floats(0, 1),
    T=st.floats(0.1, 500),
    horizon=st.floats(0.1, 500),
)
def test_probabilities_are_probabilities_and_purchases_outnumber_them(
    model: BGNBD, x: int, share: float, T: float, horizon: float
) -> None:
    who = one(x, share * T if x else 0.0, T)
    p, n = model.p_purchase(*who, horizon)[0], model.purchases(*who, horizon)[0]
    assert 0 <= p <= 1
    assert n >= p - 1e-9  # the mean of a count is at least the probability that it is not 0


@every_model
@given(x=st.integers(0, 200), share=st.floats(0.001, 1), T=st.floats(0.1, 500))
def test_longer_horizons_hold_more_purchases(
    model: PurchaseModel, x: int, share: float, T: float
) -> None:
    who = [np.full(5, v) for v in (float(x), share * T if x else 0.0, T)]
    result = model.purchases(*who, np.array([0.01, 1.0, 10.0, 100.0, 1000.0]))
    assert (np.diff(result) >= 0).all()
    p_alive = model.p_alive(*who)[0]
    assert 0 <= p_alive <= 1
    # at first at the rate of who is alive: (r + x) / (alpha + T)
    rate = p_alive * (model.r + x) / (model.alpha + T)
    assert result[0] == pytest.approx(0.01 * rate, rel=0.01)


def test_eulers_transform_equals_the_published_formula() -> None:
    r, alpha, a, b = BG
    x, t_x, T, t = 3.0, 20.0, 30.0, 39.0
    z = t / (alpha + T + t)
    untransformed = (
        (a + b + x - 1)
        / (a - 1)
        * (1 - (1 - z) ** (r + x) * hyp2f1(r + x, b + x, a + b + x - 1, z))
        / (1 + a / (b + x - 1) * ((alpha + T) / (alpha + t_x)) ** (r + x))
    )
    assert BG.purchases(*one(x, t_x, T), t) == pytest.approx([untransformed])


def test_a_new_customer_of_mbg_nbd_follows_the_published_formula() -> None:
    r, alpha, a, b = MBG
    for t in (1.0, 39.0, 200.0):
        rest = (alpha / (alpha + t)) ** r * hyp2f1(r, b + 1, a + b, t / (alpha + t))
        expected = b / (a - 1) * (1 - rest)
        assert MBG.purchases_of_a_new_customer(np.array([t])) == pytest.approx([expected])


def test_a_new_customer_of_pareto_nbd_follows_the_published_formula() -> None:
    r, alpha, s, late = PARETO
    for t in (1.0, 39.0, 200.0):
        expected = r * late / (alpha * (s - 1)) * (1 - (late / (late + t)) ** (s - 1))
        assert PARETO.purchases_of_a_new_customer(np.array([t])) == pytest.approx([expected])


@pytest.mark.parametrize("kind", [BGNBD, MBGNBD])
@pytest.mark.parametrize("a", [0.3, 0.8, 1.0, 3.0, 40.0])
@pytest.mark.parametrize("x", [0.0, 2.0, 60.0])
def test_expected_purchases_equal_their_integral_over_drop_out(
    kind: type[BGNBD], a: float, x: float
) -> None:
    model, T, t = kind(0.6, 5.0, a, 7.0), 20.0, 30.0
    stayed = model.b + x + model.first  # p of who is alive: Beta(a, stayed)

    def of_drop_out(u: float) -> float:
        p = u**4  # takes the singularity from the density at 0
        # with rate l: (1 - exp(-l p t)) / p purchases; l from Gamma(r + x, alpha + T)
        purchases = -np.expm1(-(model.r + x) * np.log1p(p * t / (model.alpha + T))) / p
        density = p ** (a - 1) * (1 - p) ** (stayed - 1) / beta(a, stayed)
        return purchases * density * 4 * u**3

    alive, _ = quad(of_drop_out, 0, 1, limit=200)
    who = one(x, 0.9 * T if x else 0.0, T)
    assert model.purchases(*who, t) == pytest.approx(model.p_alive(*who) * alive, rel=3e-5)


def test_expected_purchases_pass_smoothly_over_the_poles_of_the_formulas() -> None:
    near = [BGNBD(0.24, 4.4, a, 2.4).purchases(*one(2, 30, 38), 39)[0] for a in (0.999, 1, 1.001)]
    assert near[1] == pytest.approx((near[0] + near[2]) / 2, rel=1e-5)
    near = [BGNBD(0.24, 4.4, 0.5, b).purchases(*one(0, 0, 38), 39)[0] for b in (0.499, 0.5, 0.501)]
    assert near[1] == pytest.approx((near[0] + near[2]) / 2, rel=1e-5)
    near = [ParetoNBD(0.5, 10, s, 12).purchases(*one(2, 30, 38), 39)[0] for s in (0.999, 1, 1.001)]
    assert near[1] == pytest.approx((near[0] + near[2]) / 2, rel=1e-5)


@pytest.mark.parametrize("alpha", [0.01, 1.0, 10.0, 12.0, 500.0])
@pytest.mark.parametrize("late", [0.01, 11.0, 800.0])
@pytest.mark.parametrize(("x", "t_x"), [(0, 0.0), (1, 0.5), (26, 25.0), (26, 3.0)])
def test_the_moment_of_leaving_is_integrated_to_nine_digits(
    alpha: float, late: float, x: int, t_x: float
) -> None:
    r, s, T = 0.55, 0.6, 31.0

    def integrand(u: float) -> float:
        y = np.exp(u) - 0.001  # log scale: the smallest of alpha and beta rules near 0
        return np.exp(-(r + x) * np.log(alpha + y) - (s + 1) * np.log(late + y) + u)

    top = integrand(np.log(t_x + 0.001))
    span = np.log(t_x + 0.001), np.log(T + 0.001)
    expected = quad(lambda u: integrand(u) / top, *span, epsabs=0, epsrel=1e-12, limit=500)[0]
    result = death_times((r, alpha, s, late), *one(x, t_x, T))
    assert result.log_integral[0] == pytest.approx(np.log(expected) + np.log(top), abs=1e-9)


def test_the_integral_over_the_moment_of_leaving_is_the_published_a0() -> None:
    r, alpha, s, late = 0.5533, 12.0, 0.6062, 11.0
    x, t_x, T = 2.0, 30.43, 38.86
    k = r + s + x

    def part(t: float) -> float:
        return hyp2f1(k, s + 1, k + 1, (alpha - late) / (alpha + t)) / (alpha + t) ** k

    expected = (part(t_x) - part(T)) / k
    result = death_times((r, alpha, s, late), *one(x, t_x, T)).log_integral
    assert result == pytest.approx([np.log(expected)], abs=1e-9)


def test_who_bought_a_moment_ago_is_alive_in_pareto_nbd() -> None:
    assert PARETO.p_alive(*one(3, 10, 10)) == [1]


def test_expected_purchases_of_pareto_nbd_equal_their_integral() -> None:
    """Over the rates to buy and to leave, done numerically."""
    r, alpha, s, late = PARETO
    x, t_x, T, t = 2.0, 5.0, 8.0, 6.0

    def posterior(leave: float, rate: float) -> float:
        own = rate ** (r + x - 1) * leave ** (s - 1) * np.exp(-alpha * rate - late * leave)
        total = rate + leave
        gone = leave / total * (np.exp(-total * t_x) - np.exp(-total * T))
        return own * (gone + np.exp(-total * T))

    def later(leave: float, rate: float) -> float:
        own = rate ** (r + x - 1) * leave ** (s - 1) * np.exp(-alpha * rate - late * leave)
        return own * np.exp(-(rate + leave) * T) * rate * -np.expm1(-leave * t) / leave

    def whole(f: object) -> float:  # leave = u^4 takes the singularity from the density at 0
        inner = lambda u, rate: f(u**4, rate) * 4 * u**3  # type: ignore[operator]  # noqa: E731
        return dblquad(inner, 0, 3, 1e-9, 1.6, epsabs=1e-13, epsrel=1e-7)[0]

    result = PARETO.purchases(*one(x, t_x, T), t)
    assert result == pytest.approx([whole(later) / whole(posterior)], rel=1e-4)


@every_model
def test_a_long_history_overflows_nothing(model: PurchaseModel) -> None:
    x, t_x, T = np.array([0.0, 1, 400, 400]), np.array([0.0, 1, 20, 39]), np.full(4, 3900.0)
    assert np.isfinite(model.purchases(x, t_x, T, 39)).all()
    assert (model.p_alive(x, t_x, T)[2:] < 1e-6).all()  # 400 purchases, then long silence


def test_a_discount_takes_its_share_at_the_end_of_each_period() -> None:
    x, t_x, T = one(2, 30.43, 38.86)
    e = [float(BG.purchases(x, t_x, T, t)[0]) for t in (52.0, 104.0)]
    # 10 % a year, in periods of a year of 52 weeks: the second year counts 1 / 1.21
    yearly = Discount(0.1, 52.0, year=52.0)
    expected = e[0] / 1.1 + (e[1] - e[0]) / 1.21
    assert yearly.purchases(BG, x, t_x, T, 104.0) == pytest.approx([expected])
    assert yearly.rate == pytest.approx(0.1)
    # a horizon of one and a half periods: the half one counts at its end, 1 / 1.1^1.5
    middle = float(BG.purchases(x, t_x, T, 78.0)[0])
    expected = e[0] / 1.1 + (middle - e[0]) / 1.1**1.5
    assert yearly.purchases(BG, x, t_x, T, 78.0) == pytest.approx([expected])


@pytest.mark.parametrize("kind", [BGNBD, MBGNBD])
@pytest.mark.parametrize("x", [0.0, 3.0])
def test_a_purchase_in_a_window_after_a_gap_is_an_integral(kind: type[BGNBD], x: float) -> None:
    model, T, gap, t = kind(0.6, 5.0, 1.3, 2.0), 20.0, 14.0, 30.0
    n, now = model.r + x, model.alpha + T
    stayed = model.b + x + model.first

    def of_drop_out(p: float) -> float:
        # over rates l: E exp(-l p gap) (1 - exp(-l t)), l from Gamma(n, now)
        there = (now / (now + p * gap)) ** n - (now / (now + p * gap + t)) ** n
        return there * p ** (model.a - 1) * (1 - p) ** (stayed - 1) / beta(model.a, stayed)

    who = one(x, 0.9 * T if x else 0.0, T)
    expected = model.p_alive(*who) * quad(of_drop_out, 0, 1)[0]
    assert model.p_purchase(*who, t, gap) == pytest.approx(expected, rel=1e-8)
    assert model.p_purchase(*who, t, 1e-9) == pytest.approx(model.p_purchase(*who, t), rel=1e-6)


@every_model
def test_what_is_bought_in_a_gap_is_no_part_of_the_value(model: PurchaseModel) -> None:
    table = {"frequency": [0.0, 4], "recency": [0.0, 20], "T": [30.0, 30], "monetary_value": [0, 5]}
    arrays = {c: np.array(v, dtype=float) for c, v in table.items()}
    for discount in (Discount(0.0, 7.0), Discount(0.2, 7.0)):
        whole, gap, rest = (
            BTYDRowScorer(model, h, SPEND, discount, g).predict(arrays)
            for h, g in ((42.0, 0.0), (14.0, 0.0), (28.0, 14.0))
        )
        assert rest == pytest.approx(whole - gap)


def test_shorter_periods_of_one_yearly_rate_discount_a_little_less() -> None:
    who = one(2, 30.43, 38.86)
    undiscounted = BG.purchases(*who, 364.0)[0]
    result = [
        Discount(0.15, days).purchases(BG, *who, 364.0)[0] for days in (364.0, 91.0, 7.0, 1.0)
    ]
    assert (np.diff(result) > 0).all()
    assert result[-1] < undiscounted
    assert result[0] == pytest.approx(undiscounted / 1.15 ** (364 / 365))
    assert Discount(0.15, 7.0).rate == pytest.approx(1.15 ** (7 / 365) - 1)
    assert Discount(0.0, 7.0).purchases(BG, *who, 364.0)[0] == undiscounted


def test_a_customer_without_a_purchase_has_no_value_and_some_churn() -> None:
    nothing = {c: np.array([np.nan]) for c in ("frequency", "recency", "T", "monetary_value")}
    for model in (BG, MBG, PARETO):
        assert BTYDRowScorer(model, 39, SPEND).predict(nothing) == [0]
    for churn in (BG, MBG):
        assert 0 < BTYDRowScorer(churn, 39).predict(nothing)[0] < 1


@every_model
def test_a_saved_scorer_keeps_model_horizon_spend_and_discount(model: PurchaseModel) -> None:
    scorer = BTYDRowScorer(model, 39.0, SPEND, Discount(0.1, 7.0), 3.0)
    again = BTYDRowScorer.load(scorer.to_arrays(), scorer.to_files())
    assert again == scorer
    assert type(again.purchases) is type(model)


@every_model
def test_what_no_customer_can_have_counts_as_the_nearest_that_one_can(model: PurchaseModel) -> None:
    """As it comes from a careless request, or from columns that are shuffled one by one."""
    wrong = {"frequency": [2, 3, -1], "recency": [50, -4, 3], "T": [40, 40, -5]}
    right = {"frequency": [2, 3, 0], "recency": [40, 0, 0], "T": [40, 40, 0]}
    spent = {"monetary_value": np.array([10.0, 20.0, np.nan])}
    rows, same = ({c: np.array(v, dtype=float) for c, v in t.items()} for t in (wrong, right))
    scorer = BTYDRowScorer(model, 39.0, SPEND)
    result = scorer.predict(rows | spent)
    assert np.isfinite(result).all()
    np.testing.assert_array_equal(result, scorer.predict(same | spent))


def test_rows_are_predicted_alike_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    table = {"frequency": [0, 2, 5], "recency": [0, 3, 9], "T": [4, 5, 30]}
    arrays = {c: np.array(v, dtype=float) for c, v in table.items()}
    at_once = BTYDRowScorer(MBG, 39).predict(arrays)
    monkeypatch.setattr("growthlab.scorers.btyd_row_scorer.BLOCK", 2)
    np.testing.assert_array_equal(BTYDRowScorer(MBG, 39).predict(arrays), at_once)


def test_an_unknown_model_in_a_bundle_is_refused() -> None:
    arrays = BTYDRowScorer(BG, 39).to_arrays() | {"model": np.array("nbd")}
    with pytest.raises(BundleError, match="knows bg_nbd, mbg_nbd, pareto_nbd, not nbd"):
        BTYDRowScorer.load(arrays, {})
