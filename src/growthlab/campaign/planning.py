"""A campaign's plan: arms, exploration, the best plan for the others, and a row for every customer."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import pandas as pd

from growthlab.campaign.exploration import Exploration, offer_chances
from growthlab.campaign.holdout import CONTROL, EXPLORE, LASTING, PLAN, Holdout
from growthlab.campaign.offer_values import HEURISTIC
from growthlab.campaign.options import Options
from growthlab.campaign.send_times import SendTimes
from growthlab.campaign.solver.coupling import Coupling
from growthlab.campaign.solver.plan_problem import Messages, PlanProblem
from growthlab.campaign.solver.solve import PlanSolution, solve
from growthlab.core.errors import ConfigError, near_matches

BEST, SECOND = "best_value", "best_value_is_scarce"
NO_GAIN, PRICED_OUT, DREW_NOTHING = "no_gain", "others_gain_more", "drew_no_message"


class RecommendsItems(Protocol):
    """Lists of items."""

    def items(self, customers: list[str], k: int) -> list[str] | None:
        """The list of each customer, ids joined by ``|``; None without a model of lists."""
        ...


@dataclass(frozen=True)
class CampaignPlan:
    """The plan of a campaign.

    `rows` has at least one row a customer: its messages, or one without offer whose `reason` says why.
    """

    options: Options
    holdout: Holdout
    arms: np.ndarray
    exploration: Exploration
    problem: PlanProblem  # of the planned arm
    planned: np.ndarray  # positions of its customers
    solution: PlanSolution
    rows: pd.DataFrame
    chances: pd.DataFrame  # of each offer, for customers of control and exploration
    times: SendTimes | None  # where responses choose the part of the week

    @classmethod
    def of(
        cls, options: Options, holdout: Holdout, start: np.ndarray | None = None
    ) -> CampaignPlan:
        """Plan; `start` are the prices of an earlier plan with the same offers, channels and slots.

        Raises
        ------
        ConfigError
            Minima that cannot be met together, or a ROI floor for values without currency.
        """
        arms = holdout.arms(options.customers)
        everybody = problem_of(options)
        explorers = np.flatnonzero(arms == EXPLORE)
        names = [options.customers[i] for i in explorers.tolist()]
        exploration = Exploration.draw(
            everybody,
            explorers,
            holdout.uniform("send", names),
            holdout.uniform("option", names),
            options.settings.explore_limit,
        )
        planned = np.flatnonzero(arms == PLAN)
        problem = left_for(everybody, planned, exploration.messages)
        times = SendTimes.choose(options, holdout)
        if times is not None:
            inside = times.keeps()[planned][:, :, None]
            problem = replace(problem, value=np.where(inside, problem.value, np.float32(-np.inf)))
        if start is not None and len(start) != len(Coupling.of_problem(problem).limits):
            start = None
        solution = solve(problem, start=start, seed=options.settings.seed)
        if solution.missing.any():
            raise ConfigError(_clash(problem, options))
        plan = cls(
            options, holdout, arms, exploration, problem, planned, solution, pd.DataFrame(),
            _chances(everybody, options, arms, exploration.share), times,
        )  # fmt: skip
        return replace(plan, rows=plan._rows())

    @property
    def messages(self) -> Messages:
        """All messages, explored and planned, as positions in the table of customers."""
        own = self.solution.messages
        return self.exploration.messages.plus(Messages(self.planned[own.customer], own.option))

    def with_items(self, lists: RecommendsItems, k: int) -> CampaignPlan:
        """The same with up to `k` recommended items a message, ids joined by ``|``.

        An offer for a list that names items is about these, in the order of the list; other messages have the
        items of `lists`, where there are any.
        """
        rows = self.rows.assign(items=None)
        sent = rows["offer"].notna()
        if (items := lists.items(rows["customer"][sent].tolist(), k)) is not None:
            rows["items"] = pd.Series(items, index=rows.index[sent], dtype=object)
        listed = self._listed_items(rows[sent], k)
        rows.loc[listed.index, "items"] = listed
        return replace(self, rows=rows)

    def _listed_items(self, sent: pd.DataFrame, k: int) -> pd.Series:
        """The items of the list that opened each message's offer, for messages that have some."""
        table = self.options.tables.eligibility
        table = table[table["item"] != ""]
        pairs = sent[["offer", "customer", "slot"]].reset_index(names="row")
        pairs = pairs.merge(table, on=["offer", "customer"])
        inside = (pairs["start"] <= pairs["slot"]) & (pairs["slot"] < pairs["end"])
        pairs = pairs[inside].drop_duplicates(["row", "item"])
        return pairs.groupby("row")["item"].agg(lambda items: "|".join(items[:k])).astype(object)

    def _rows(self) -> pd.DataFrame:
        """The messages, and a row without offer for every other customer."""
        options, n = self.options, len(self.options.customers)
        explored, planned = self.exploration.messages, self.solution.messages
        best = self.problem.flat_value.max(axis=1, initial=-np.inf)[planned.customer]
        is_best = self.problem.value_of(planned) >= best
        reason = np.full(n, "", dtype=object)
        given = np.concatenate(
            [np.full(len(explored), EXPLORE), np.where(is_best, BEST, SECOND)]
        ).astype(object)
        without = np.setdiff1d(np.arange(n), self.messages.customer)
        reason[without] = self._reasons(without)
        customer = np.concatenate([self.messages.customer, without])
        probability = self.holdout.probability(self.arms)
        chance = np.ones(n)
        chance[self.arms == EXPLORE] = self.exploration.probability
        rows = pd.DataFrame(
            {
                "customer": np.array(options.customers, dtype=object)[customer],
                "segment": np.array(options.segment_names, dtype=object)[
                    options.segments[customer]
                ],
                "arm": self.arms[customer].astype(object),
                **self._message_columns(len(without)),
                "reason": np.concatenate([given, reason[without]]),
                "decided_at": options.slots[0],
                "arm_probability": probability[customer],
                "assignment_probability": (probability * chance)[customer],
                "claim": options.values.claim,
                "models": options.values.models,
            }
        )
        if self.times is not None:
            planned_arm = (self.arms == PLAN)[customer]
            for name, values in self.times.columns().items():
                rows[name] = pd.Series(values[customer]).where(planned_arm, None)
        order = np.lexsort((rows["slot"].to_numpy(), customer))
        return rows.iloc[order].reset_index(drop=True)

    def _message_columns(self, n_without: int) -> dict[str, np.ndarray | list[object]]:
        options = self.options
        messages, n_types = self.messages, options.n_types
        type_ = messages.option % n_types
        n_offers = len(options.offers)
        nothing = np.full(n_without, None, dtype=object)
        no_amount = np.zeros(n_without)
        slot = options.slots.to_numpy()[messages.option // n_types]
        value = options.value[messages.customer, type_]
        return {
            "offer": np.concatenate(
                [np.array(options.offers, dtype=object)[type_ % n_offers], nothing]
            ),
            "channel": np.concatenate(
                [np.array(options.channels, dtype=object)[type_ // n_offers], nothing]
            ),
            "slot": np.concatenate([slot, np.full(n_without, np.datetime64("NaT"), slot.dtype)]),
            "value": np.concatenate([value, no_amount]),
            "cost": np.concatenate([options.cost[messages.customer, type_], no_amount]),
        }

    def _reasons(self, without: np.ndarray) -> np.ndarray:
        """Why customers have no message: the first rule that leaves them no option, or the prices."""
        options = self.options
        reason = np.full(len(without), PRICED_OUT, dtype=object)
        value = options.value[without].astype(np.float32)[:, None, :]
        possible = options.allowed[without]
        if self.times is not None:
            in_part = self.times.keeps()[without] | (self.arms[without] != PLAN)[:, None]
            possible = possible & in_part[:, :, None]
        value = np.where(possible, value, np.float32(-np.inf))
        reason[value.max(axis=(1, 2), initial=-np.inf) <= 0] = NO_GAIN
        left = np.ones((len(without), *options.allowed.shape[1:]), dtype=bool)
        undecided = np.ones(len(without), dtype=bool)
        for name, rule in options.rules.items():
            left &= np.broadcast_to(rule, options.allowed.shape)[without]
            nothing_left = ~left.any(axis=(1, 2))
            reason[undecided & nothing_left] = name
            undecided &= ~nothing_left
        arms = self.arms[without]
        reason[undecided & (arms == EXPLORE)] = DREW_NOTHING
        for arm in (CONTROL, LASTING):
            reason[arms == arm] = arm
        return reason


def _chances(
    problem: PlanProblem, options: Options, arms: np.ndarray, share: float
) -> pd.DataFrame:
    """A row a customer of control or exploration and offer, one without offer last: the probability.

    That of a customer of the control is what it would have been among the exploring ones.
    """
    drawn = np.flatnonzero(np.isin(arms, (CONTROL, EXPLORE)))
    by_offer = offer_chances(problem, drawn, share)
    chances = np.column_stack([by_offer, 1 - by_offer.sum(axis=1)])
    n_kinds = chances.shape[1]
    return pd.DataFrame(
        {
            "customer": np.repeat(np.array(options.customers, dtype=object)[drawn], n_kinds),
            "offer": [*options.offers, None] * len(drawn),
            "probability": chances.ravel(),
        }
    )


def problem_of(options: Options) -> PlanProblem:
    """The problem of all customers."""
    tables, settings = options.tables, options.settings
    if settings.roi_floor is not None and not options.in_currency:
        raise ConfigError(
            f"roi_floor needs values in currency: {HEURISTIC} gives an order alone; set "
            "response_multiplier of the channels, or plan without a floor"
        )
    for segment in settings.minima:
        if segment not in options.segment_names:
            possible = near_matches(segment, options.segment_names)
            raise ConfigError(f"minima: segment {segment} is not known: {possible}")
    value = options.value.astype(np.float32)[:, None, :]
    return PlanProblem(
        value=np.where(options.allowed, value, np.float32(-np.inf)),
        cost=options.cost[:, None, :].astype(np.float32),
        n_offers=len(options.offers),
        slot_days=options.slot_days,
        budget=np.inf if settings.budget is None else settings.budget,
        channel_budgets=tables.channels["budget"].to_numpy(dtype=float),
        capacity=options.capacity,
        stock=tables.offers["stock"].to_numpy(dtype=float),
        roi_floor=settings.roi_floor,
        segments=options.segments,
        minima=np.array([settings.minima.get(s, 0) for s in options.segment_names], dtype=float),
        windows=options.windows,
    )


def left_for(problem: PlanProblem, customers: np.ndarray, used: Messages) -> PlanProblem:
    """The problem of some customers, with what messages to others leave."""
    coupling = Coupling.of_problem(problem)
    left = np.where(
        np.isfinite(coupling.limits),
        np.maximum(coupling.limits - coupling.use(problem, used), 0),
        np.inf,
    )
    segments, windows = problem.segments, problem.windows
    assert segments is not None
    counts = np.bincount(segments[used.customer], minlength=len(problem.minima))
    if windows is not None:
        windows = replace(windows, allowance=windows.allowance[customers])
    return replace(
        problem,
        value=problem.value[customers],
        cost=problem.cost[customers],
        budget=float(left[coupling.budget]),
        channel_budgets=left[coupling.channels],
        capacity=left[coupling.capacity].reshape(problem.n_channels, problem.n_slots),
        stock=left[coupling.stock],
        segments=segments[customers],
        minima=np.maximum(problem.minima - counts, 0),
        windows=windows,
    )


def _clash(problem: PlanProblem, options: Options) -> str:
    """Which minima cannot be met together: a set that can be, once any one of them is left out."""
    minima = problem.minima.copy()
    for place in np.flatnonzero(minima):
        fewer = minima.copy()
        fewer[place] = 0
        if solve(replace(problem, minima=fewer)).missing.any():
            minima = fewer
    named = [f"{options.segment_names[p]}={minima[p]:g}" for p in np.flatnonzero(minima)]
    return (
        f"minima clash: no plan was found that meets {', '.join(named)} within budget, capacities, stocks, "
        "caps and consent (what exploration sends is counted): lower one of them, or raise a limit"
    )
