"""Simulated customers of a model, for parametric bootstraps, tests and benchmarks."""

from __future__ import annotations

import numpy as np

from growthlab.scorers.btyd_models import BGNBD, GammaGamma, ParetoNBD, PurchaseModel

LEAST = (
    1e-12  # smallest drop-out probability and rate: below it nothing happens in any observed time
)


def simulated_purchases(
    model: PurchaseModel, T: np.ndarray, random: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Repeat purchases and the time of the last one of customers observed for `T`; ``(n,)`` each."""
    rate = np.maximum(random.gamma(model.r, 1 / model.alpha, len(T)), LEAST)
    if isinstance(model, ParetoNBD):
        life = random.exponential(
            1 / np.maximum(random.gamma(model.s, 1 / model.beta, len(T)), LEAST)
        )
        watched = np.minimum(life, T)
        x = random.poisson(rate * watched).astype(np.float64)
        return x, np.where(x > 0, watched * random.beta(np.maximum(x, 1), 1), 0.0)
    return _with_drop_out(model, rate, T, random)


def _with_drop_out(
    model: BGNBD, rate: np.ndarray, T: np.ndarray, random: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Purchases at each customer's rate, up to the one after which the customer leaves."""
    chance = np.clip(random.beta(model.a, model.b, len(T)), LEAST, 1 - LEAST)
    # purchases until drop-out: geometric, from 1 if customers cannot leave before the first repeat
    last = np.ceil(np.log(1 - random.random(len(T))) / np.log1p(-chance))
    last = np.maximum(last, 1) - model.first
    without_drop_out = random.poisson(rate * T).astype(np.float64)
    x = np.minimum(without_drop_out, last)
    # the x-th of `without_drop_out` times that are uniform over T
    t_x = T * random.beta(np.maximum(x, 1), np.maximum(without_drop_out - x, 0) + 1)
    return x, np.where(x > 0, t_x, 0.0)


def simulated_spends(model: GammaGamma, x: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """The mean spend over `x` purchases of each customer, ``(n,)``; `x` from 1 on."""
    rate = np.maximum(random.gamma(model.q, 1 / model.v, len(x)), LEAST)
    return random.gamma(model.p * x, 1 / (rate * x))
