"""Random planning problems with every kind of limit."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from growthlab.campaign.solver.contact_windows import ContactCap, ContactWindows
from growthlab.campaign.solver.plan_problem import PlanProblem


def random_problem(seed: int, n: int = 12, *, single: bool = False) -> PlanProblem:
    """A problem of `n` customers whose kinds of limits depend on the seed; `single`: a budget alone."""
    rng = np.random.default_rng(seed)
    n_offers, n_channels, n_slots = (int(rng.integers(1, top)) for top in (4, 4, 5))
    shape = (n, n_slots, n_offers * n_channels)
    cost = rng.uniform(0, 2, (n, 1 if rng.random() < 0.5 else n_slots, shape[2]))
    value = rng.lognormal(0, 1, shape) - cost
    if rng.random() < 0.3:
        value = np.round(value, 0)  # many ties
    value[rng.random(shape) < 0.2] = -np.inf
    days = np.zeros(n_slots, dtype=int) if single else np.sort(rng.integers(0, 3, n_slots))
    days -= days[0]
    problem = PlanProblem(
        value=value,
        cost=cost,
        n_offers=n_offers,
        slot_days=days,
        budget=float(rng.uniform(0, 0.5 * n)),
    )
    if single:
        return problem
    limits = {
        "channel_budgets": rng.uniform(0, 0.4 * n, n_channels),
        "capacity": np.floor(rng.uniform(0, 0.5 * n, (n_channels, n_slots))),
        "stock": np.floor(rng.uniform(0, 0.7 * n, n_offers)),
        "roi_floor": float(rng.uniform(0, 2)),
    }
    chosen = {name: limit for name, limit in limits.items() if rng.random() < 0.5}
    if rng.random() < 0.5:
        caps = [ContactCap(1, 2), ContactCap(2, 30)]
        if rng.random() < 0.5:
            caps.append(ContactCap(1, 7, channel=0))
        sent = rng.random((n, 30, n_channels)) < 0.02
        n_days = int(days[-1]) + 1
        windows = ContactWindows.of_caps(caps, sent.astype(int), n_days, n_channels)
        chosen["windows"] = windows
    return replace(problem, **chosen)
