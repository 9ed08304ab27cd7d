"""CalibrationMap: from predictions on a window that the fit did not see to probabilities that hold."""

from __future__ import annotations

import logging
from typing import Any, Self

import numpy as np
import pandas as pd
from scipy.optimize import isotonic_regression, minimize
from scipy.special import expit, logit

from growthlab.core.errors import ConfigError
from growthlab.core.seeding import random_stream
from growthlab.features.examples import Examples
from growthlab.models.base import Estimator, Tabled
from growthlab.scorers.base import RowScorer
from growthlab.scorers.calibrated_row_scorer import NARROW, CalibratedRowScorer, CalibrationMap
from growthlab.training.fit_options import FitOptions

log = logging.getLogger(__name__)

LEAST = 50  # leavers, and stayers, below which a map would follow single customers
ENOUGH = 1000  # of each, from which on a free curve is fitted
N_FOLDS = 5  # of the cross-validation that says whether a map helps
LEAST_SLOPE = 0.05  # of Platt's map: the order is never turned round
CHOICES = ("auto", "isotonic", "platt", "none")


def fit_calibration(
    label: np.ndarray, p: np.ndarray, method: str = "auto"
) -> CalibrationMap | None:
    """The map that makes `p` hold on `label` (0 or 1), ``(n,)`` each.

    ``auto``: isotonic from 1000 of each label on, else Platt's, kept only where the Brier score of
    customers whom the map was not fitted to falls (`cross_calibrated`). Both keep the order of
    customers. None, with a line in the log, where it does not fall, with fewer than 50 of a label
    (``auto``), or where all labels are the same; None for ``none``.
    """
    if method not in CHOICES:
        raise ConfigError(f"task.calibration={method}: possible are {', '.join(CHOICES)}")
    if method == "none":
        return None
    label, p = np.asarray(label, dtype=np.float64), np.asarray(p, dtype=np.float64)
    rarer = min(label.sum(), (1 - label).sum())
    if not rarer:
        log.warning("no calibration: all %d validation labels are the same", len(label))
        return None
    if method == "auto":
        if rarer < LEAST:
            text = "no calibration: %d leavers and %d stayers on validation, at least %d are needed"
            log.warning(text, label.sum(), (1 - label).sum(), LEAST)
            return None
        method = "isotonic" if rarer >= ENOUGH else "platt"
        before = np.mean((p - label) ** 2)
        after = np.mean((cross_calibrated(label, p, method) - label) ** 2)
        if after >= before:
            text = "no calibration: it would take the Brier score from %.4f to %.4f on validation"
            log.info(text, before, after)
            return None
    return _fitted(label, p, method)


def cross_calibrated(label: np.ndarray, p: np.ndarray, method: str) -> np.ndarray:
    """Each probability by a map that was fitted to the other four fifths of the customers, ``(n,)``.

    The fifths have equal shares of both labels.
    """
    random, fold = random_stream(0, "cross-calibration"), np.zeros(len(label), dtype=np.int64)
    for value in (0, 1):
        (rows,) = np.nonzero(label == value)
        fold[random.permutation(rows)] = np.arange(len(rows)) % N_FOLDS
    calibrated = np.empty(len(label))
    for held_out in range(N_FOLDS):
        out = fold == held_out
        calibrated[out] = _fitted(label[~out], p[~out], method)(p[out])
    return calibrated


def _fitted(label: np.ndarray, p: np.ndarray, method: str) -> CalibrationMap:
    return isotonic(label, p) if method == "isotonic" else platt(label, p)


def isotonic(label: np.ndarray, p: np.ndarray) -> CalibrationMap:
    """Centred isotonic regression: pooled groups, straight lines between their centres.

    Within a pooled group plain isotonic regression gives everybody the same number; from centre to
    centre the map rises. Outside the outermost centres it stays where it is: the data say nothing of
    there. It is shrunk by one observation's weight towards the mean of `p` and the prevalence, so
    that nothing is certain and nobody tied. Barlow et al.,
    Statistical Inference under Order Restrictions, 1972; Oron and Flournoy, Statistics in
    Biopharmaceutical Research 2017.
    """
    x, place = np.unique(p, return_inverse=True)
    mass = np.bincount(place).astype(np.float64)
    blocks = isotonic_regression(np.bincount(place, label) / mass, weights=mass).blocks[:-1]
    total = np.add.reduceat(mass, blocks)
    centre = np.add.reduceat(mass * x, blocks) / total
    share = np.add.reduceat(np.bincount(place, label), blocks) / total
    inside = (centre > 0) & (centre < 1)
    knots = np.concatenate([[0.0], centre[inside], [1.0]])
    values = np.interp(knots, centre, share)
    n = len(label)
    return CalibrationMap("isotonic", knots, (n * values + (label.mean() + knots) / 2) / (n + 1))


def platt(label: np.ndarray, p: np.ndarray) -> CalibrationMap:
    """Logistic regression of the label on logit(p), with Platt's targets against overfitting.

    Platt, Probabilistic Outputs for Support Vector Machines, 1999.
    """
    z = logit(np.clip(p, NARROW, 1 - NARROW))
    n_left, n_stayed = label.sum(), (1 - label).sum()
    target = np.where(label > 0, (n_left + 1) / (n_left + 2), 1 / (n_stayed + 2))

    line = _line(z, target, LEAST_SLOPE)
    if line[1] <= LEAST_SLOPE:
        log.warning("the probabilities hardly tell who leaves on the validation window")
    return CalibrationMap("platt", np.zeros(0), line)


def slope_of(label: np.ndarray, p: np.ndarray) -> float:
    """The slope of the label's logistic regression on logit(p).

    1 if `p` is neither overconfident nor underconfident; NaN if all labels are the same.
    """
    label = np.asarray(label, dtype=np.float64)
    if not 0 < label.sum() < len(label):
        return np.nan
    z = logit(np.clip(p, NARROW, 1 - NARROW))
    return float(_line(z, label, None)[1])


def _line(z: np.ndarray, target: np.ndarray, least_slope: float | None) -> np.ndarray:
    """Intercept and slope of the logistic regression of `target`, a share, on `z`."""

    def loss(line: np.ndarray) -> tuple[float, np.ndarray]:
        score = line[0] + line[1] * z
        error = (expit(score) - target) / len(z)
        value = float(np.mean(np.logaddexp(0.0, score) - target * score))
        return value, np.array([error.sum(), error @ z])

    bounds = [(None, None), (least_slope, None)]
    options = {"ftol": 1e-12, "gtol": 1e-9}
    start = np.array([0.0, 1.0])
    return minimize(loss, start, jac=True, bounds=bounds, method="L-BFGS-B", options=options).x


class CalibratedEstimator:
    """A fitted estimator whose predictions pass through a calibration."""

    def __init__(self, model: Estimator, calibration: CalibrationMap) -> None:
        self.model = model
        self.calibration = calibration

    @property
    def stochastic(self) -> bool:
        """Whether another seed gives another model."""
        return self.model.stochastic

    def fit(self, examples: Examples, options: FitOptions) -> Self:
        """Refused: a calibration belongs to the one fit that it was made for."""
        raise NotImplementedError("a calibrated model is fitted already")

    def predict(self, examples: Examples) -> np.ndarray:
        """Calibrated probabilities, shape ``(n,)``."""
        return self.calibration(self.model.predict(examples))

    def tables(self) -> dict[str, pd.DataFrame]:
        """The tables that the model leaves; see `Tabled`."""
        return self.model.tables() if isinstance(self.model, Tabled) else {}

    def scorer(self) -> RowScorer:
        """The model and its calibration as a bundle carries them; ExportError as the model's own."""
        inner: Any = self.model
        return CalibratedRowScorer(inner.scorer(), self.calibration)
