"""What a dual method returns: prices, a bound on every plan, and messages that come close to one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from growthlab.campaign.solver.plan_problem import Messages


@dataclass(frozen=True)
class DualSolution:
    """The bound is the dual value at `prices`, which no plan can exceed.

    The LP's optimum is a mixture of the customers' responses to several prices. In `drawn` every customer
    has one of these, drawn with its weight: together they use about what the limits allow, also where many
    customers are alike and every single price would move all of them.
    """

    prices: np.ndarray
    bound: float
    drawn: Messages
