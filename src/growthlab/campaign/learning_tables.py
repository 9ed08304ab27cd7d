"""From a plan and what happened to tables that say what it caused: for experiments and other policies.

Only customers whose message was drawn by chance teach anything: the control, the exploration, and as a
whole the planned arm.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from growthlab.campaign.holdout import CONTROL, EXPLORE, LASTING, PLAN
from growthlab.campaign.plan_files import EXPLORATION, FEATURES
from growthlab.campaign.plan_files import PLAN as PLAN_FILE
from growthlab.campaign.send_times import SLOT_ARM
from growthlab.core.errors import DataError, quoted

NOTHING = "no message"
CUSTOMER_COLUMNS = ["customer", "segment", "arm", "arm_probability", "decided_at"]
CAMPAIGNS_ARM, CAMPAIGNS = "campaigns_arm", "campaigns"  # the lasting control, or any campaign
OFFER_PROBABILITY, NOTHING_PROBABILITY = "probability_of_offer", "probability_of_no_message"


@dataclass(frozen=True)
class PlanRecord:
    """What a plan has written: its rows, the chances of exploring customers, features as of the decision."""

    rows: pd.DataFrame
    exploration: pd.DataFrame
    features: pd.DataFrame

    @classmethod
    def read(cls, folder: Path) -> PlanRecord:
        """The record in the folder of a plan.

        Raises
        ------
        DataError
            The folder holds no plan, or one of an earlier version.
        """
        names = (f"{PLAN_FILE}.parquet", EXPLORATION, FEATURES)
        missing = [name for name in names if not (folder / name).is_file()]
        if missing:
            raise DataError(
                f"plan={folder} has no {missing[0]}: name the folder that growthlab plan wrote"
            )
        record = cls(*(pd.read_parquet(folder / name) for name in names))
        if (record.exploration["offer"] == NOTHING).any():
            raise DataError(
                f"plan={folder} has an offer called {NOTHING}, as customers without one: rename it"
            )
        return record

    @property
    def customers(self) -> pd.DataFrame:
        """A row a customer: arm, its probability, when it was decided, and what was known then."""
        first = self.rows.drop_duplicates("customer")[CUSTOMER_COLUMNS].reset_index(drop=True)
        lasting = first["arm"] == LASTING
        if lasting.any():
            share = first.loc[lasting, "arm_probability"].iloc[0]
            first[CAMPAIGNS_ARM] = np.where(lasting, LASTING, CAMPAIGNS)
            first[f"{CAMPAIGNS_ARM}_probability"] = np.where(lasting, share, 1 - share)
        return first.merge(self.features, on="customer", how="left")

    @property
    def offers(self) -> list[str]:
        """The offers that were drawn for somebody, sorted."""
        explored = self.rows[self.rows["arm"] == EXPLORE]
        return sorted(explored["offer"].dropna().unique().tolist())

    def send_times(self, outcomes: pd.DataFrame) -> pd.DataFrame | None:
        """The planned customers by how the part of the week was chosen; None where responses chose none."""
        if SLOT_ARM not in self.rows:
            return None
        columns = ["customer", "segment", SLOT_ARM, f"{SLOT_ARM}_probability"]
        planned = self.rows[self.rows["arm"] == PLAN].drop_duplicates("customer")[columns]
        return planned.merge(outcomes, on="customer", how="left")

    def actions(self, outcomes: pd.DataFrame, outcome: str) -> pd.DataFrame:
        """A row an exploring customer: the offer that was drawn, its probability, and the reward.

        `outcomes` have a row a customer.
        """
        drawn = self._drawn()
        drawn = drawn[drawn["arm"] == EXPLORE]
        rewards = outcomes.set_index("customer")[outcome]
        segment = self.customers.set_index("customer")["segment"]
        return pd.DataFrame(
            {
                "customer": drawn["customer"].to_numpy(),
                "segment": drawn["customer"].map(segment).to_numpy(),
                "action": drawn["action"].to_numpy(),
                "propensity": drawn["probability"].to_numpy(),
                "reward": drawn["customer"].map(rewards).to_numpy(dtype=float),
            }
        )

    def experiment(self, offer: str, outcomes: pd.DataFrame, outcome: str) -> pd.DataFrame:
        """An offer against no message, among those who could have had either and had one of them.

        Control and exploration are one draw: of no message with the probability of the control and that
        of drawing none, of the offer with that of exploring and drawing it. Both are given as they are
        among those who had one of the two. Features with one value for all teach nothing and are left out.
        """
        drawn = self._drawn()
        shares = self.rows.drop_duplicates("arm").set_index("arm")["arm_probability"]
        explore = shares.get(EXPLORE, 0.0)
        others = explore + shares.get(PLAN, 0.0) + shares.get(LASTING, 0.0)
        control = shares.get(CONTROL, 1 - others)
        wide = self.exploration.assign(action=self.exploration["offer"].fillna(NOTHING)).pivot(
            index="customer", columns="action", values="probability"
        )
        chances = wide.reindex(columns=[NOTHING, offer]).fillna(0.0).loc[drawn["customer"]]
        of_offer = explore * chances[offer].to_numpy()
        of_nothing = control + explore * chances[NOTHING].to_numpy()
        kept = drawn["action"].isin([NOTHING, offer]).to_numpy() & (of_offer > 0)
        either = of_offer + of_nothing
        table = pd.DataFrame(
            {
                "customer": drawn["customer"].to_numpy(),
                "arm": drawn["action"].to_numpy(),
                OFFER_PROBABILITY: of_offer / either,
                NOTHING_PROBABILITY: of_nothing / either,
            }
        )[kept]
        known = self.customers[["customer", "segment", *self.features.columns.drop("customer")]]
        table = table.merge(known, on="customer", how="left")
        same = [c for c in known if c != "customer" and table[c].nunique(dropna=False) < 2]
        table = table.drop(columns=same)
        return table.merge(outcomes[["customer", outcome]], on="customer", how="left")

    def with_outcomes(self, outcomes: pd.DataFrame) -> pd.DataFrame:
        """The customers with the columns of `outcomes`.

        Raises
        ------
        DataError
            An outcome is called like something that was known before.
        """
        known = self.customers
        for name in outcomes.columns.drop("customer"):
            if name in known:
                raise DataError(
                    f"the outcome {quoted(str(name))} has the name of a feature: rename it"
                )
        return known.merge(outcomes, on="customer", how="left")

    def _drawn(self) -> pd.DataFrame:
        """What control and exploring customers were given, with the probability within their arm."""
        given = self.rows[self.rows["arm"].isin([CONTROL, EXPLORE])]
        return pd.DataFrame(
            {
                "customer": given["customer"].to_numpy(),
                "arm": given["arm"].to_numpy(),
                "action": given["offer"].fillna(NOTHING).to_numpy(),
                "probability": self._probability(given),
            }
        )

    def _probability(self, given: pd.DataFrame) -> np.ndarray:
        """The probability of each row's offer, over all channels and slots; 1 for the control."""
        chances = self.exploration.assign(offer=self.exploration["offer"].fillna(NOTHING))
        known = chances.set_index(["customer", "offer"])["probability"]
        keys = pd.MultiIndex.from_arrays([given["customer"], given["offer"].fillna(NOTHING)])
        probability = known.reindex(keys).to_numpy(dtype=float)
        return np.where(given["arm"].to_numpy() == EXPLORE, probability, 1.0)
