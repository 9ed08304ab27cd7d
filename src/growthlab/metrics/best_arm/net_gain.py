"""Net gain of choosing: what the choice for each customer brings more than the same arm for all."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from growthlab.metrics.best_arm.base import JudgedArms


class NetGain:
    """`ope_value_net` less that of the arm which is best on average, given to everybody.

    That arm is known from the customers that models learned from; it may be none. 0 for a model that
    says the same of all customers.

    Examples
    --------
    The second arm is best on average. The model gives it to the second customer, and to the first
    the other arm: (2 - 1) - (6 - 2) and 0.

    >>> from growthlab.metrics.best_arm.base import JudgedArms
    >>> judged = JudgedArms(
    ...     predicted=np.array([[3, 4], [1, 4]]),
    ...     robust=np.array([[2, 6], [0, 4]]),
    ...     cost=np.array([1, 2]),
    ...     average=np.array([1, 3]),
    ... )
    >>> NetGain().per_customer(judged).tolist()
    [-3.0, 0.0]
    """

    name: ClassVar[str] = "ope_value_gain"
    larger_is_better: ClassVar[bool] = True

    def per_customer(self, judged: JudgedArms) -> np.ndarray:
        """See `PerCustomer.per_customer`."""
        return judged.gains(judged.chosen) - judged.gains(judged.same_for_all)
