"""BG/NBD with Gamma-Gamma: expected purchases in the horizon times expected spend a purchase."""

from __future__ import annotations

from typing import Self

from growthlab.features.examples import Examples
from growthlab.models.base import ScoredEstimator
from growthlab.models.btyd import fit_bg_nbd, fit_gamma_gamma, summary_of
from growthlab.scorers.btyd_rows import BTYDRows
from growthlab.training.options import FitOptions


class BGNBDValue(ScoredEstimator):
    """Purchase days in the horizon (BG/NBD) times spend a day (Gamma-Gamma); needs no labels.

    Returns are not part of the model: it foretells what is bought. Fader, Hardie and Lee, Marketing
    Science 2005; Fader and Hardie, The Gamma-Gamma Model of Monetary Value, 2013.
    """

    def fit(self, examples: Examples, options: FitOptions) -> Self:
        """Learn from the purchase summaries of all customers at the cutoff."""
        x, t_x, T, mean_spend = summary_of(examples)
        purchases, spend = fit_bg_nbd(x, t_x, T), fit_gamma_gamma(x, mean_spend)
        self.scorer_ = BTYDRows("value", purchases, examples.horizon_days, spend)
        return self
