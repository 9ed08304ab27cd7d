"""Net value: what giving each customer its best arm brings, less the costs."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from growthlab.metrics.best_arm.base import JudgedArms


class NetValue:
    """`ope_value` of the model's choice of an arm for each customer, per customer of all.

    worth x effect - cost of the chosen arm by its doubly robust effect, 0 where the control is chosen;
    over contacting nobody. Dudík et al., Statistical Science 2014.
    """

    name: ClassVar[str] = "ope_value_net"
    larger_is_better: ClassVar[bool] = True

    def per_customer(self, judged: JudgedArms) -> np.ndarray:
        """See `PerCustomer.per_customer`."""
        return judged.gains(judged.chosen)
