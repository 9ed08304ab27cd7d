"""Net value: what giving each customer its best arm brings, less the costs."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from growthlab.metrics.best_arm.base import JudgedArms


class NetValue:
    """`ope_value` of the model's choice of an arm for each customer, per customer of all.

    worth x effect - cost of the chosen arm by its doubly robust effect, 0 where the control is chosen;
    over contacting nobody. Dudík et al., Statistical Science 2014.

    Examples
    --------
    Predicted net of its cost the first arm is best for the first customer and the second for the other:
    2 - 1 and 4 - 2.

    >>> from growthlab.metrics.best_arm.base import JudgedArms
    >>> judged = JudgedArms(
    ...     predicted=np.array([[3, 4], [1, 4]]),
    ...     robust=np.array([[2, 6], [0, 4]]),
    ...     cost=np.array([1, 2]),
    ...     average=np.array([1, 3]),
    ... )
    >>> NetValue().per_customer(judged).tolist()
    [1.0, 2.0]
    """

    name: ClassVar[str] = "ope_value_net"
    larger_is_better: ClassVar[bool] = True

    def per_customer(self, judged: JudgedArms) -> np.ndarray:
        """See `PerCustomer.per_customer`."""
        return judged.gains(judged.chosen)
