"""The policies of the study: from a market at the start of a month to the rows of a plan."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pandas as pd
from customer_scores import Scores
from learning import Learner

from growthlab.campaign.campaign_tables import CampaignTables
from growthlab.campaign.checker import PlanCheck
from growthlab.campaign.holdout import Holdout
from growthlab.campaign.offer_values import HEURISTIC, INCREMENTAL, OfferValues
from growthlab.campaign.options import Options
from growthlab.campaign.plan_settings import PlanSettings
from growthlab.campaign.planning import CampaignPlan
from growthlab.campaign.solver.plan_problem import PlanProblem
from growthlab.campaign.solver.solve import solve
from growthlab.core.pseudonyms import PseudonymKey
from growthlab.data.market.market import Market
from growthlab.data.market.true_effects import TrueEffects

KEY = "the key of the closed loop study"
DAYS_PLANNED = 7
NOTHING = pd.DataFrame({"customer": [], "offer": [], "channel": [], "slot": []})


def slots_of(market: Market, plan: Mapping[str, Any]) -> list[Any]:
    """The moments at which a plan may send."""
    return [market.now + timedelta(days=day, hours=hour) for day, hour in plan["slots"]]


@dataclass
class Moment:
    """The start of a month: the market, what is true of it, and what the shop knows."""

    market: Market
    truth: TrueEffects
    scores: Scores
    plan: Mapping[str, Any]
    month: int
    _table: pd.DataFrame | None = field(default=None, repr=False)

    @property
    def table(self) -> pd.DataFrame:
        """The scores of the customers; see `Scores.table`."""
        if self._table is None:
            self._table = self.scores.table(self.market)
        return self._table

    @property
    def budget(self) -> float:
        """Of all contacts."""
        return float(self.plan["budget"]) * self.market.reachable["customer"].nunique()

    def may(self, channel: str) -> np.ndarray:
        """The customers who consent to a channel."""
        rows = self.market.reachable
        names: np.ndarray = rows["customer"][
            (rows["channel"] == channel) & rows["consent"]
        ].to_numpy()
        return names


class Policy(Protocol):
    """Whom to tell what."""

    def rows(self, moment: Moment) -> pd.DataFrame:
        """Rows of a plan."""
        ...


class Nobody:
    """No message."""

    def rows(self, moment: Moment) -> pd.DataFrame:
        """See `Policy.rows`."""
        return NOTHING


@dataclass(frozen=True)
class ByEmail:
    """An offer by e-mail in the morning, to all who consent or to the share that a score puts first."""

    offer: str
    score: str | None = None

    def rows(self, moment: Moment) -> pd.DataFrame:
        """See `Policy.rows`."""
        customers = moment.may("email")
        if self.score is not None:
            ranked = moment.table[self.score].sort_values(ascending=False, kind="stable")
            first = ranked.index[: round(moment.plan["targeted"] * len(ranked))]
            customers = customers[np.isin(customers, first)]
        slot = slots_of(moment.market, moment.plan)[0]
        return pd.DataFrame(
            {"customer": customers, "offer": self.offer, "channel": "email", "slot": slot}
        )


@dataclass(frozen=True)
class Greedy:
    """The best heuristic value by contact cost first, until the budget is spent.

    The heuristic value of a customer is the same for all offers, so each goes to every fourth customer.
    """

    def rows(self, moment: Moment) -> pd.DataFrame:
        """See `Policy.rows`."""
        parameters, left = moment.market.world.parameters, moment.budget
        cost = {name: channel["cost"] for name, channel in parameters.channels.items()}
        reach = moment.market.reachable
        reach = reach[reach["consent"]]
        value = moment.table["value"].reindex(reach["customer"]).to_numpy()
        rate = value / reach["channel"].map(cost).to_numpy()
        best = reach.assign(rate=rate).sort_values("rate", ascending=False, kind="stable")
        best = best.drop_duplicates("customer")
        best = best[best["rate"] > 0]
        best = best[best["channel"].map(cost).cumsum() <= left]
        offers = np.array(list(parameters.offers))[np.arange(len(best)) % len(parameters.offers)]
        slot = slots_of(moment.market, moment.plan)[0]
        return best[["customer", "channel"]].assign(offer=offers, slot=slot)


@dataclass
class Planner:
    """`growthlab plan` with heuristic values, or with what a learner knows; see campaign/planning.py."""

    name: str
    control: float
    explore: float
    learner: Learner | None = None
    propensity: float = (
        0.0  # of each offer among those who got it or nothing at random, in the last plan
    )

    def rows(self, moment: Moment) -> pd.DataFrame:
        """See `Policy.rows`: all rows of the plan, with arms and probabilities."""
        market, plan = moment.market, moment.plan
        settings = PlanSettings(
            campaign=self.campaign(moment),
            budget=moment.budget,
            days=DAYS_PLANNED,
            control=self.control,
            explore=self.explore,
            explore_limit=float(plan["explore_limit"]),
            purpose="marketing",
        )
        with tempfile.TemporaryDirectory() as folder:
            write_tables(moment, Path(folder))
            tables = CampaignTables.read(Path(folder)).limited_to(DAYS_PLANNED, market.now)
        values = self.values(moment, tables)
        holdout = Holdout(
            PseudonymKey(KEY.encode()),
            settings.campaign,
            settings.control,
            settings.explore,
        )
        made = CampaignPlan.of(Options(tables, values, settings), holdout)
        offer = self.explore * made.exploration.share / len(tables.offers)
        nothing = self.control + self.explore * (1 - made.exploration.share)
        self.propensity = offer / (offer + nothing)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "plan.parquet"
            made.rows.to_parquet(path)
            if faults := PlanCheck(tables, settings, holdout).faults(path):
                raise RuntimeError(f"the checker refuses the plan: {faults[0]}")
        return made.rows

    def campaign(self, moment: Moment) -> str:
        """The name of the campaign, by which its arms are drawn."""
        return f"{self.name} {moment.market.settings.seed} {moment.month}"

    def values(self, moment: Moment, tables: CampaignTables) -> OfferValues:
        """What each offer is worth to each customer in each channel."""
        customers = tables.customers["customer"]
        n_channels, n_offers = len(tables.channels), len(tables.offers)
        buys = np.ones((len(customers), n_channels * n_offers))
        if self.learner is None:
            value = moment.table["value"].reindex(customers).to_numpy()
            everywhere = np.repeat(value[:, None], n_channels * n_offers, axis=1)
            return OfferValues(HEURISTIC, everywhere, buys, "value/bg_nbd")
        by_offer = self.learner.effects(
            moment.table.loc[customers], tables.offers["offer"].tolist()
        )
        return OfferValues(INCREMENTAL, np.tile(by_offer, (1, n_channels)), buys, "uplift")


class Oracle:
    """The plan that is best for the month by the true effects, within the same budget."""

    def rows(self, moment: Moment) -> pd.DataFrame:
        """See `Policy.rows`."""
        market, truth = moment.market, moment.truth
        reach = market.reachable["consent"].to_numpy().reshape(-1, len(truth.channels))
        customers = market.reachable["customer"].drop_duplicates().to_numpy()
        place = pd.Index(market.user_ids).get_indexer(pd.Index(customers))
        # (n, offers, channels, slots) -> (n, slots, channels * offers)
        value = truth.total[place].transpose(0, 3, 2, 1)
        value = np.where(reach[:, None, :, None], value, -np.inf)
        shape = (len(place), len(truth.slots), -1)
        cost = np.array([channel["cost"] for channel in market.world.parameters.channels.values()])
        types = np.repeat(cost, len(truth.offers))
        problem = PlanProblem(
            value=value.reshape(shape).astype(np.float32),
            cost=np.broadcast_to(types.astype(np.float32), (len(place), 1, len(types))),
            n_offers=len(truth.offers),
            slot_days=np.zeros(len(truth.slots), dtype=np.int64),
            budget=moment.budget,
        )
        sent = solve(problem).messages
        kind = sent.type(problem)
        return pd.DataFrame(
            {
                "customer": customers[sent.customer],
                "offer": np.array(truth.offers)[kind % len(truth.offers)],
                "channel": np.array(truth.channels)[kind // len(truth.offers)],
                "slot": truth.slots[sent.slot(problem)],
            }
        )


def write_tables(moment: Moment, folder: Path) -> None:
    """The tables of a campaign but for the values, as `growthlab plan` reads them.

    An offer has no cost of its own: what it takes from the margin is part of what is learned.
    """
    market = moment.market
    parameters, reach = market.world.parameters, market.reachable
    customers = reach["customer"].drop_duplicates()
    slots = [(name, slot) for name in parameters.channels for slot in slots_of(market, moment.plan)]
    tables = {
        "customers": pd.DataFrame({"customer": customers}),
        "offers": pd.DataFrame({"offer": list(parameters.offers), "cost": 0.0}),
        "channels": pd.DataFrame(
            {
                "channel": list(parameters.channels),
                "cost": [channel["cost"] for channel in parameters.channels.values()],
            }
        ),
        "slots": pd.DataFrame(slots, columns=["channel", "slot"]),
        "consent": reach.rename(columns={"consent": "given"}).assign(purpose="marketing"),
        "contacts": pd.DataFrame({"customer": [], "channel": [], "sent": []}).astype(
            {"customer": str, "channel": str, "sent": "datetime64[us]"}
        ),
    }
    for name, table in tables.items():
        table.to_parquet(folder / f"{name}.parquet")


def policies(plan: Mapping[str, Any]) -> dict[str, Policy]:
    """All policies by name."""
    control, explore = plan["control"], plan["explore"]
    return {
        "nobody": Nobody(),
        "everybody_news": ByEmail("news"),
        "everybody_ten_off": ByEmail("ten_off"),
        "highest_risk": ByEmail("ten_off", "risk"),
        "highest_value": ByEmail("ten_off", "value"),
        "greedy": Greedy(),
        "planner_heuristic": Planner("heuristic", control["heuristic"], explore["heuristic"]),
        "planner_learner": Planner("learner", control["learner"], explore["learner"], Learner()),
        "oracle": Oracle(),
    }
