"""Answers that may be looked at on any day: mSPRT and asymptotic confidence sequences.

Both mix a normal prior of the effect over the observed one, and differ in how its width is set: mSPRT
takes the effect that was planned for (Johari et al., Operations Research, 2022), a confidence
sequence is narrowest at the number of customers that was planned (Waudby-Smith et al., Annals of
Statistics, 2024). One of them, and its plan, is declared before the experiment begins.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

Sequential = Literal["msprt", "confidence_sequence"]


class AlwaysValid(NamedTuple):
    """What may be said now: the likelihood ratio of the mixture, its p value, and bounds of the effect."""

    ratio: np.ndarray
    p: np.ndarray
    low: np.ndarray
    high: np.ndarray


@dataclass(frozen=True)
class Mixture:
    """The normal prior of the effect, with variance `tau_squared`, and the level `alpha`."""

    tau_squared: float
    alpha: float = 0.05

    @classmethod
    def of_planned_effect(cls, effect: float, alpha: float = 0.05) -> Mixture:
        """The mSPRT's: an effect of the planned size is one standard deviation of the prior."""
        return cls(effect**2, alpha)

    @classmethod
    def of_planned_error(cls, error: float, alpha: float = 0.05) -> Mixture:
        """The confidence sequence's: narrowest when the effect's standard error is `error`."""
        log = -2 * np.log(alpha)
        return cls(float(error**2 * (log + np.log(log + 1))), alpha)

    def at(self, difference: np.ndarray | float, variance: np.ndarray | float) -> AlwaysValid:
        """The answer from effects and the variances of these effects, at one time or at many."""
        d, v, t = np.asarray(difference, float), np.asarray(variance, float), self.tau_squared
        log_ratio = 0.5 * np.log(v / (v + t)) + t * d**2 / (2 * v * (v + t))
        half = np.sqrt(2 * v * (v + t) / t * (np.log(1 / self.alpha) + 0.5 * np.log((v + t) / v)))
        ratio = np.exp(np.minimum(log_ratio, 700.0))
        return AlwaysValid(ratio, np.minimum(1.0, 1 / ratio), d - half, d + half)
