"""BG/NBD as a churn model: the probability of no purchase in the horizon, never 1 - P(alive)."""

from __future__ import annotations

from typing import Self

from growthlab.features.examples import Examples
from growthlab.models.base import ScoredEstimator
from growthlab.models.btyd import fit_bg_nbd, summary_of
from growthlab.scorers.btyd_rows import BTYDRows
from growthlab.training.options import FitOptions


class BGNBDChurn(ScoredEstimator):
    """1 - P(alive) * (1 - ((alpha + T) / (alpha + T + horizon))^(r + x)); needs no labels.

    P(alive) alone is 1 for everybody without a repeat purchase, and ranks worse than chance where
    they are many. Fader, Hardie and Lee, Marketing Science 2005.
    """

    def fit(self, examples: Examples, options: FitOptions) -> Self:
        """Learn from the purchase summaries of all customers at the cutoff."""
        x, t_x, T, _ = summary_of(examples)
        self.scorer_ = BTYDRows("churn", fit_bg_nbd(x, t_x, T), examples.horizon_days)
        return self
