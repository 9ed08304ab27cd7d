"""Figures of a plan that its page, its files and its assessment share."""

from __future__ import annotations

import numpy as np
import pandas as pd

from growthlab.campaign.options import Options
from growthlab.campaign.planning import CampaignPlan
from growthlab.campaign.solver.coupling import Coupling

NOTHING = 1e-9  # of a value: prices below are errors of rounding
REASONS = {
    "lasting_control": "lasting control: held out of all campaigns at random",
    "control": "control: held out at random",
    "segment_too_small": "the segment is too small",
    "no_consent": "no consent in any channel",
    "price_not_reviewed": "only offers whose change of price is not reviewed",
    "offer_not_for_segment": "no offer for the segment",
    "not_in_audience": "on no list of an offer at that time",
    "offer_not_in_time": "no offer within its window",
    "no_slot": "no slot in a channel with consent",
    "contact_cap": "contact cap: enough messages lately",
    "no_value_known": "no value is known",
    "no_gain": "no message is worth its cost",
    "others_gain_more": "others gain more from what is limited",
    "drew_no_message": "explore: drew no message",
}


def shadow_prices(plan: CampaignPlan) -> pd.DataFrame:
    """A row a limit: how much of it is used, and what one more unit of it would bring."""
    names = row_names(plan.options)
    coupling = Coupling.of_problem(plan.problem)
    used = coupling.use(plan.problem, plan.solution.messages)
    table = pd.DataFrame(
        {
            "limit": [kind for kind, _ in names],
            "name": [name for _, name in names],
            "left_by_exploration": coupling.limits,
            "used": used,
            "price": np.where(
                plan.solution.prices * coupling.unit > NOTHING, plan.solution.prices, 0.0
            ),
        }
    )
    without_slot = np.zeros(len(table), dtype=bool)
    without_slot[coupling.capacity] = (plan.options.capacity == 0).ravel()
    return table[np.isfinite(coupling.limits) & ~without_slot].reset_index(drop=True)


def row_names(options: Options) -> list[tuple[str, str]]:
    """The kind and the name of each row of the coupling, in its order."""
    capacities = [f"{c} {slot:%Y-%m-%dT%H:%M}" for c in options.channels for slot in options.slots]
    return [
        ("budget", "all"),
        *(("channel budget", channel) for channel in options.channels),
        *(("capacity", name) for name in capacities),
        *(("stock", offer) for offer in options.offers),
        ("ROI floor", "planned"),
        *(("minimum", segment) for segment in options.segment_names),
    ]


def suppressed(plan: CampaignPlan) -> pd.DataFrame:
    """How many customers have no message, by reason."""
    rows = plan.rows[plan.rows["offer"].isna()]
    table = rows.groupby("reason").size().rename("customers").reset_index()
    return table.sort_values(["customers", "reason"], ascending=[False, True], ignore_index=True)


def discounts_by_segment(plan: CampaignPlan) -> list[list[str]]:
    """Segment, customers, messages, discount and discount a customer; small segments have no messages."""
    sent = plan.rows[plan.rows["offer"].notna()]
    contact = plan.options.tables.channels.set_index("channel")["cost"]
    discount = sent["cost"] - sent["channel"].map(contact).astype(float)
    sizes = plan.options.tables.customers["segment"].value_counts().sort_index()
    rows = []
    for segment, n in sizes.items():
        own = (sent["segment"] == segment).to_numpy()
        withheld = n < plan.options.settings.smallest_segment
        total = float(discount[own].sum())
        rows.append(
            [
                str(segment),
                "–" if withheld else f"{n:,}",
                f"{int(own.sum()):,}",
                f"{total:,.2f}",
                "–" if withheld else f"{total / n:,.3f}",
            ]
        )
    return rows
