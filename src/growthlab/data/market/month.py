"""One month of a market: who visits, buys and answers to messages, day by day."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from growthlab.data.market.array_rows import ArrayRows
from growthlab.data.market.market_items import DAYS, WEEK
from growthlab.data.market.messages import Answers, MonthMessages, fatigue_after
from growthlab.data.market.parameters import MOST_MORE, amounts
from growthlab.data.market.rates import MonthRates
from growthlab.data.market.state import Happened, MarketWorld, State

OWN, ANSWER = 0, 1  # why a customer visits: by themselves, or because of a message
LINES = MOST_MORE + 1


@dataclass(frozen=True)
class Visits(ArrayRows):
    """Visits of a month, or of a day of it."""

    customer: np.ndarray
    day: np.ndarray
    reason: np.ndarray  # OWN or ANSWER
    hour: np.ndarray  # of the message for an answer, NaN otherwise
    voucher: np.ndarray  # the share that a code takes off


@dataclass(frozen=True)
class Lines(ArrayRows):
    """Lines of orders. `visit` is a place in `Visits`."""

    visit: np.ndarray
    item: np.ndarray
    pieces: np.ndarray
    paid: np.ndarray  # for a piece
    discount: np.ndarray  # share off the list price
    margin: np.ndarray  # profit of all pieces, with the handling of a return
    returned: np.ndarray  # bool
    delays: np.ndarray  # (n, 2) in [0, 1): when it is returned and recorded


@dataclass(frozen=True)
class Sent(MonthMessages):
    """Messages that were sent, and whether each was followed by a visit and by an opt-out."""

    answered: np.ndarray
    closed: np.ndarray


@dataclass(frozen=True)
class Month:
    """What happened in a month; `profit` is that of each customer, messages and gifts paid."""

    visits: Visits
    lines: Lines
    sent: Sent
    profit: np.ndarray
    happened: Happened


def simulate(world: MarketWorld, state: State, rates: MonthRates, messages: MonthMessages) -> Month:
    """The month that starts in a state, with messages."""
    course = _Course(world, state, rates)
    for day in range(DAYS):
        course.live(day, messages.at(messages.day == day))
    return course.month()


class _Course:
    """The month as it goes on."""

    def __init__(self, world: MarketWorld, state: State, rates: MonthRates) -> None:
        n = len(world.customers)
        self.world, self.state, self.rates = world, state, rates
        self.stock, self.fatigue = state.stock.copy(), state.fatigue.copy()
        self.consents, self.bought = state.consents.copy(), state.bought.copy()
        self.code, self.code_ends = np.zeros(n), np.full(n, -1)
        self.returns, self.annoyed, self.leaves = np.zeros(n), np.zeros(n), np.zeros(n)
        self.profit = np.zeros(n)
        self.visits: list[Visits] = []
        self.lines: list[Lines] = []
        self.sent: list[Sent] = []
        self.n_visits = 0

    def live(self, day: int, messages: MonthMessages) -> None:
        """A day: visits, then the answers to its messages, then stocks are used."""
        world, time = self.world, self.state.month * DAYS + day
        who = np.flatnonzero(world.draws.uniform("visit", time)[:, 0] < self.rates.visits[:, day])
        redeems = world.draws.uniform("redeem", time, rows=who)[:, 0]
        valid = (day <= self.code_ends[who]) & (redeems < world.parameters.messages["redeems"])
        voucher = np.where(valid, self.code[who], 0.0)
        own = Visits(
            who, np.full(len(who), day), np.full(len(who), OWN), np.full(len(who), np.nan), voucher
        )
        self._shop(own, self.rates.buys(world, day // WEEK, who))
        if len(messages):
            self._answer(day, messages)
        used = world.draws.uniform("use", time, self.stock.shape[1]) < self.rates.used
        self.stock -= used & (self.stock > 0)
        self.fatigue = fatigue_after(world, self.fatigue, 1)

    def _answer(self, day: int, messages: MonthMessages) -> None:
        """What messages do on the day on which they are sent."""
        world, who, time = self.world, messages.customer, self.state.month * DAYS + day
        answers = Answers.to(world, messages, self.fatigue[who])
        alive = self.state.alive[who]
        visit = (world.draws.uniform("answer", time, rows=who)[:, 0] < answers.visit) & alive
        closed = (world.draws.uniform("opt out", time, rows=who)[:, 0] < answers.opts_out) & alive
        came = who[visit]
        caused = Visits(
            came,
            np.full(len(came), day),
            np.full(len(came), ANSWER),
            messages.hour[visit],
            answers.discount[visit],
        )
        self._shop(caused, self.rates.buys(world, day // WEEK, came, answers.need[visit]))
        self.profit[who] -= answers.cost + np.where(visit, answers.gift, 0.0)
        self.annoyed[who] += 1 + self.fatigue[who]
        self.leaves[who] += answers.leaves
        self.fatigue[who] += 1
        self.consents[who, messages.channel] &= ~closed
        self.code[who] = answers.discount
        self.code_ends[who] = day + int(world.parameters.messages["valid_days"]) - 1
        self.sent.append(Sent(**vars(messages), answered=visit, closed=closed))

    def _shop(self, visits: Visits, buys: np.ndarray) -> None:
        """Visits of a day that may end in an order; `buys`: P(purchase) by category and stage."""
        world, who = self.world, visits.customer
        if not len(who):
            return
        time = self.state.month * DAYS + int(visits.day[0])
        purpose = ("own", "answer")[int(visits.reason[0])]
        n_categories = buys.shape[1]
        chance = np.take_along_axis(buys, self.stock[who][:, :, None], axis=2)[:, :, 0]
        drawn = world.draws.uniform(f"{purpose} purchase", time, n_categories, who)
        place, category = np.nonzero(drawn < chance)
        self.stock[who[place], category] = world.parameters.stages
        rows = who[place] * n_categories + category
        uniform = world.draws.uniform(f"{purpose} basket", time, 1 + 5 * LINES, rows)
        self.visits.append(visits)
        self.lines.append(self._order_lines(visits, place, category, uniform))
        self.n_visits += len(who)

    def _order_lines(
        self, visits: Visits, place: np.ndarray, category: np.ndarray, uniform: np.ndarray
    ) -> Lines:
        """The lines of purchases in categories, each with its item, pieces and return."""
        world, week = self.world, int(visits.day[0]) // WEEK
        parameters, shelf = world.parameters, world.items
        n_lines = amounts(uniform[:, 0], parameters.by_category("lines")[category])
        purchase, line = np.nonzero(np.arange(LINES) < n_lines[:, None])
        of_line = uniform[:, 1:].reshape(len(uniform), LINES, 5)[purchase, line]
        c, visit = category[purchase], place[purchase]
        who = visits.customer[visit]
        item = self.rates.choices[week].draw(who, c, of_line[:, 0])
        pieces = amounts(of_line[:, 1], parameters.by_category("pieces")[c])
        returned = of_line[:, 2] < parameters.by_category("returned")[c]
        discount = 1 - (1 - self.rates.depths[week][item]) * (1 - visits.voucher[visit])
        price = shelf.price[item]
        earned = price * (1 - discount) - price * (1 - parameters.by_category("margin")[c])
        margin = np.where(returned, -parameters.returns["handling"], earned * pieces)
        np.add.at(self.bought, (who, item), 1.0)
        np.add.at(self.returns, who, returned)
        np.add.at(self.profit, who, margin)
        return Lines(
            self.n_visits + visit, item, pieces, price * (1 - discount), discount, margin, returned,
            of_line[:, 3:],
        )  # fmt: skip

    def month(self) -> Month:
        """All of it."""
        return Month(
            visits=Visits.joined(self.visits),
            lines=Lines.joined(self.lines),
            sent=Sent.joined(self.sent),
            profit=self.profit,
            happened=Happened(
                stock=self.stock,
                bought=self.bought,
                returns=self.returns,
                annoyed=self.annoyed,
                leaves=self.leaves,
                fatigue=self.fatigue,
                consents=self.consents,
            ),
        )
