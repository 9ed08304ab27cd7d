"""Random: customers in an order that says nothing."""

from __future__ import annotations

from typing import Self

import numpy as np

from growthlab.core.seeding import hash_ids, mix_hashes
from growthlab.features.examples import Examples
from growthlab.features.experiment_table import ExperimentTable
from growthlab.models.uplift.base import OrdersOnly
from growthlab.training.fit_options import FitOptions


class RandomCustomers(OrdersOnly):
    """A number in [0, 1) from a hash of each customer's id."""

    def fit(self, experiment: ExperimentTable, options: FitOptions) -> Self:
        """Nothing is learned."""
        self.seed_ = np.array(options.seed, dtype=np.uint64)
        return self

    def predict(self, customers: Examples) -> np.ndarray:
        """See `EffectModel.predict`."""
        return mix_hashes(hash_ids(customers.user_ids), self.seed_) / 2.0**64
