"""What is expected of each customer in a month: visits, purchases by stock, and what a purchase brings."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from growthlab.data.market.market_items import DAYS, WEEK, WEEKS
from growthlab.data.market.state import MarketWorld, State

MOST_VISITS = 0.9  # P(visit) a day


@dataclass(frozen=True)
class ItemChoice:
    """How customers choose among the items of each category in a week.

    Items are sorted by category: the item of a column is in `order`, and a category's columns go from its
    border to the next one. `weights` are proportional to the probabilities of a category's items without
    promotions, which multiply them by ``exp(response * depth)``.
    """

    order: np.ndarray  # (n_items,)
    borders: np.ndarray  # (n_categories + 1,)
    weights: np.ndarray  # (n, n_items)
    response: np.ndarray  # (n,)
    depth: np.ndarray  # (n_items,) share off the list price, by column

    def draw(self, customer: np.ndarray, category: np.ndarray, uniform: np.ndarray) -> np.ndarray:
        """The item that each of some customers takes in a category, shape ``(n_purchases,)``."""
        item = np.zeros(len(customer), dtype=np.int64)
        for c in np.unique(category).tolist():
            rows = np.flatnonzero(category == c)
            columns = slice(self.borders[c], self.borders[c + 1])
            promoted = np.exp(np.outer(self.response[customer[rows]], self.depth[columns]))
            sums = np.cumsum(self.weights[customer[rows], columns] * promoted, axis=1)
            place = (sums <= uniform[rows, None] * sums[:, -1:]).sum(axis=1)
            item[rows] = self.order[columns.start + np.minimum(place, sums.shape[1] - 1)]
        return item

    @classmethod
    def of_month(cls, world: MarketWorld, state: State, depths: np.ndarray) -> list[ItemChoice]:
        """One a week, with the promotions of each."""
        shelf, customers = world.items, world.customers
        order = np.argsort(shelf.category, kind="stable")
        category = shelf.category[order]
        borders = np.searchsorted(category, np.arange(len(world.parameters.categories) + 1))
        weights = np.exp(_utility(world, state)[:, order])
        response = world.parameters.promotions["choice"] * customers.price_response
        return [cls(order, borders, weights, response, depth[order]) for depth in depths]


@dataclass(frozen=True)
class CategorySums:
    """Sums over a category's items of weight times one, list price and cost, ``(n, n_categories)`` each."""

    weight: np.ndarray
    price: np.ndarray
    cost: np.ndarray

    @classmethod
    def of(cls, world: MarketWorld, choice: ItemChoice) -> CategorySums:
        """Without promotions."""
        belongs, price, cost = _columns(world, choice)
        values = np.hstack([belongs, belongs * price, belongs * cost])
        return cls(*np.hsplit(choice.weights @ values, 3))

    def means(
        self, world: MarketWorld, choice: ItemChoice
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The means of depth, spend and margin of a purchase by category, in a week of promotions."""
        parameters, promoted = world.parameters, np.flatnonzero(choice.depth)
        belongs, price, cost = (values[promoted] for values in _columns(world, choice))
        depth, before = choice.depth[promoted, None], choice.weights[:, promoted]
        after = before * np.exp(choice.response[:, None] * depth[:, 0])
        weight = self.weight + (after - before) @ belongs
        discount = (after @ (belongs * depth)) / weight
        paid = (
            self.price + after @ (belongs * price * (1 - depth)) - before @ (belongs * price)
        ) / weight
        bought = (self.cost + (after - before) @ (belongs * cost)) / weight
        lines = parameters.mean_amount("lines")
        pieces, returned = (
            lines * parameters.mean_amount("pieces"),
            parameters.by_category("returned"),
        )
        kept = (1 - returned) * pieces
        handling = returned * lines * parameters.returns["handling"]
        return discount, paid * kept, (paid - bought) * kept - handling


@dataclass(frozen=True)
class MonthRates:
    """The month of a state, as far as it is known at its start.

    Attributes
    ----------
    visits : P(visit without message) on each day, shape ``(n, DAYS)``
    need : expected purchases of a visit with an empty stock, ``(n, WEEKS, n_categories)``; from `buys`
    spend : mean amount paid for a purchase and not returned, ``(n, WEEKS, n_categories)``
    margin : mean profit of a purchase, returns and their handling deducted, ``(n, WEEKS, n_categories)``
    used : P(stock falls by a stage) a day, ``(n, n_categories)``
    """

    state: State
    first_day: datetime
    visits: np.ndarray
    need: np.ndarray
    spend: np.ndarray
    margin: np.ndarray
    used: np.ndarray
    choices: list[ItemChoice]  # one a week
    depths: np.ndarray  # (WEEKS, n_items)

    @classmethod
    def of(cls, world: MarketWorld, state: State, first_day: datetime) -> MonthRates:
        """The rates of a month that starts on a day."""
        parameters, depths = world.parameters, world.items.depths(state.month)
        choices = ItemChoice.of_month(world, state, depths)
        sums = CategorySums.of(world, choices[0])
        means = [sums.means(world, choice) for choice in choices]
        depth, spend, margin = (np.stack(part, axis=1) for part in zip(*means, strict=True))
        response = parameters.promotions["demand"] * world.customers.price_response
        wanted = world.customers.interest * state.event_factors(world) * state.takes
        season = np.stack([_season(world, first_day, week) for week in range(WEEKS)])
        need = wanted[:, None, :] * season * np.exp(response[:, None, None] * depth)
        per_day = parameters.stages / parameters.by_category("cycle")
        return cls(
            state=state,
            first_day=first_day,
            visits=_visits(world, state, first_day),
            need=need * parameters.by_category("need"),
            spend=spend,
            margin=margin,
            used=np.minimum(per_day * world.customers.consumption[:, None], 1.0),
            choices=choices,
            depths=depths,
        )

    def buys(
        self,
        world: MarketWorld,
        week: int,
        customer: np.ndarray | slice,
        factor: np.ndarray | None = None,
    ) -> np.ndarray:
        """P(purchase | visit) of some customers by category and stage, ``(n, n_categories, n_stages)``.

        `factor` multiplies the need of each customer.
        """
        need = self.need[customer, week]
        if factor is not None:
            need = need * factor[:, None]
        buys: np.ndarray = -np.expm1(-need[..., None] * world.parameters.need)
        return buys


def _utility(world: MarketWorld, state: State) -> np.ndarray:
    """Log weight of each item for each customer, at most 0, shape ``(n, n_items)``."""
    shelf, customers = world.items, world.customers
    utility = customers.style_taste[:, shelf.style] + customers.brand_taste[:, shelf.brand]
    utility += customers.level_taste[:, None] * shelf.level
    utility += shelf.weights(state.month)
    who, item = np.nonzero(state.bought)
    habit = world.parameters.by_category("habit")[shelf.category[item]]
    utility[who, item] += habit * np.log1p(state.bought[who, item])
    utility -= utility.max(axis=1, keepdims=True)
    return utility


def _columns(world: MarketWorld, choice: ItemChoice) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The category of each column as zeros and a one, ``(n_items, n_categories)``; its price and cost."""
    parameters, shelf = world.parameters, world.items
    category = shelf.category[choice.order]
    belongs = np.equal.outer(category, np.arange(len(parameters.categories))).astype(float)
    price = shelf.price[choice.order]
    cost = price * (1 - parameters.by_category("margin")[category])
    return belongs, price[:, None], cost[:, None]


def _season(world: MarketWorld, first_day: datetime, week: int) -> np.ndarray:
    """What the season multiplies the need for each category by."""
    day = (first_day + timedelta(days=WEEK * week)).timetuple().tm_yday
    size, peak = (world.parameters.by_category(name) for name in ("season", "peak"))
    season: np.ndarray = 1 + size * np.cos(2 * np.pi * (day - peak) / 365.25)
    return season


def _visits(world: MarketWorld, state: State, first_day: datetime) -> np.ndarray:
    own, days = world.parameters.visits, np.arange(DAYS)
    first = first_day.timetuple().tm_yday
    season = 1 + own["season"] * np.cos(2 * np.pi * (first + days - own["season_peak"]) / 365.25)
    weekdays = np.array(own["weekdays"]) / np.mean(own["weekdays"])
    by_day = season * weekdays[(first_day.weekday() + days) % WEEK]
    unhappy = world.parameters.satisfaction["visits"] * (1 - state.satisfaction)
    rate = world.customers.visit_rate * (1 - unhappy)
    arrived = world.customers.arrival[:, None] <= state.month * DAYS + days
    visits = np.minimum(rate[:, None] * by_day, MOST_VISITS)
    return np.where(arrived & state.alive[:, None], visits, 0.0)
