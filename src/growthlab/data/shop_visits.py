"""The visits of one customer to a simulated shop, in order of time, and their events."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from growthlab.core.seeding import random_stream
from growthlab.data.shop_customers import Customer
from growthlab.data.shop_words import CATEGORIES
from growthlab.data.shop_world import SALE_DISCOUNT, SUCCESSORS, VOUCHER_DISCOUNT, World

DAY = 86_400
MOST_VIEWS, MOST_LINES, MOST_WISHES = 8, 6, 5
FIRST_ORDER_SHARE = 0.6  # of newcomers who buy on their first visit
SEARCH_SHARE, FAVOURITE_SHARE, CART_SHARE, REVIEW_SHARE = 0.30, 0.05, 0.08, 0.08
# Columns of a visit's row of uniforms. Every visit has a full row, so that no choice shifts later draws.
ORDERS, N_VIEWS, N_LINES, SEARCHES, BANNER, BANNER_ITEM, BANNER_CLICK, VOUCHER, APP, QUERY = range(
    10
)
STEP, STEP_WIDTH = 10, 5  # follows the sequence?, which item, dwell, favourite?, cart?
LINE, LINE_WIDTH = STEP + MOST_VIEWS * STEP_WIDTH, 9  # kind, which, pieces, returned?, ..., rating
ROW = LINE + MOST_LINES * LINE_WIDTH


class ShopEvent(NamedTuple):
    """A row of the log: seconds after the start, numbers as ids, NaN and -1 where unknown."""

    user: int
    item: int
    kind: str
    second: int
    ingested: int
    quantity: float = math.nan
    price: float = math.nan
    discount: float = math.nan
    rating: float = math.nan
    order: str | None = None
    session: str | None = None
    channel: str | None = None
    query: str | None = None


class Visit(NamedTuple):
    """A visit: its time, its uniforms, and the campaign that caused it, if any."""

    day: float
    row: list[float]
    orders: bool
    name: str
    offer: float = 0.0
    channel: str | None = None


class Message(NamedTuple):
    """A message of a campaign to a customer; `offer` is the share taken off the price."""

    day: int
    channel: str
    offer: float | None  # None: a newsletter, which causes no order


@dataclass
class CustomerState:
    """The changing state of a customer, on which their future depends besides customer and world."""

    last: int = -1  # the item viewed last
    wishes: list[int] = field(default_factory=list)  # in cart or favourites, not bought yet
    bought: list[int] = field(default_factory=list)  # consumables, one entry per order line
    leaves: float = math.inf


class Clock:
    """Maps operational time, in which visits are evenly spread, to days with busy and quiet hours."""

    def __init__(self, intensity: np.ndarray) -> None:
        self.hours = np.arange(len(intensity) + 1) / 24
        self.busy = np.concatenate([[0.0], np.cumsum(intensity) / 24])

    def operational(self, day: float) -> float:
        """The operational time of a day."""
        return float(np.interp(day, self.hours, self.busy))

    def day(self, operational: np.ndarray) -> np.ndarray:
        """The day of each operational time, inf beyond the clock's end."""
        return np.interp(operational, self.busy, self.hours, right=np.inf)


def simulate_visits(
    world: World, customer: Customer, clock: Clock, until: float, messages: Sequence[Message] = ()
) -> tuple[list[ShopEvent], CustomerState]:
    """The customer's events before day `until`, and the customer's state at that time."""
    journey = _Journey(world, customer)
    visits = _own_visits(world, customer, clock, until)
    visits += journey.visits_from(_newsletters(world, customer, until) + list(messages))
    for visit in sorted(visits):
        if visit.day < min(until, journey.state.leaves):
            journey.visit(visit)
    end = until * DAY
    return [e for e in journey.events if e.second < end], journey.state


def _own_visits(world: World, customer: Customer, clock: Clock, until: float) -> list[Visit]:
    """Visits that no campaign caused: a Poisson process in operational time."""
    rng = random_stream(world.seed, "customer", customer.number, "visits")
    first = clock.operational(customer.arrival)
    end = clock.operational(min(until, customer.leaves))
    gaps = rng.standard_exponential(64)
    while gaps.sum() / customer.visit_rate < end - first:
        gaps = np.concatenate([gaps, rng.standard_exponential(64)])
    times = first + np.cumsum(gaps) / customer.visit_rate
    times = times[times < end]
    if not customer.established:
        times = np.concatenate([[first], times])
    days = clock.day(times)
    rows = random_stream(world.seed, "customer", customer.number, "contents").random(
        (len(days), ROW)
    )
    orders = rows[:, ORDERS] < customer.order_rate / customer.visit_rate
    if not customer.established and len(orders):
        orders[0] = rows[0, ORDERS] < FIRST_ORDER_SHARE
    visits = zip(days.tolist(), rows.tolist(), orders.tolist(), strict=True)
    return [Visit(day, row, order, str(n)) for n, (day, row, order) in enumerate(visits)]


def _newsletters(world: World, customer: Customer, until: float) -> list[Message]:
    """The newsletters to a customer with consent to email, from arrival on."""
    if not (world.newsletter_days and customer.consents[1]):
        return []
    days = np.arange(10, until, world.newsletter_days).astype(int)
    return [Message(int(d), "email", None) for d in days if d >= customer.arrival]


class _Journey:
    """The visits of one customer, simulated one after the other."""

    def __init__(self, world: World, customer: Customer) -> None:
        self.world, self.customer, self.shelf = world, customer, world.shelf
        weights = np.exp(customer.taste(world))
        self.cumulative = np.cumsum(weights).tolist()
        self.satisfaction = _standardised(np.log(weights) - self.shelf.popularity)
        self.state = CustomerState(leaves=customer.leaves)
        self.events: list[ShopEvent] = []
        self.free_from = 0  # the second at which the previous visit is over

    def visits_from(self, messages: list[Message]) -> list[Visit]:
        """The visits that messages cause; a message may also make the customer drop out."""
        customer, visits = self.customer, []
        for m in sorted(messages, key=lambda m: m.day):
            names = ("newsletter",) if m.offer is None else (m.channel, f"{m.offer:g}")
            rng = random_stream(
                self.world.seed, "customer", customer.number, "message", m.day, *names
            )
            clicks, delay, annoyed, orders, *row = rng.random(4 + ROW).tolist()
            day = m.day + 10 / 24
            if day < customer.arrival:  # the shop does not have the address yet
                continue
            self._add("message", -1, int(day * DAY), channel=m.channel)
            if day >= self.state.leaves:
                continue
            if m.offer is not None and annoyed < customer.annoyance:
                self.state.leaves = day
            elif clicks < customer.response:
                at = day + 0.01 + 0.3 * delay
                self._add("click", -1, int(at * DAY) - 5, channel=m.channel)
                buys = m.offer is not None and orders < order_probability(customer, m.offer)
                name = "-".join(("m", str(m.day), *names))
                visits.append(Visit(at, row, buys, name, m.offer or 0.0, m.channel))
        return visits

    def visit(self, visit: Visit) -> None:
        """Simulate one visit: views, and possibly a banner, a search and an order."""
        row = visit.row
        second = max(int(visit.day * DAY), self.free_from)
        common: dict[str, Any] = {
            "session": f"s{self.customer.number}-{visit.name}",
            "channel": visit.channel or ("app" if row[APP] < self.customer.app_share else "web"),
        }
        on_sale = int(self.shelf.for_sale(visit.day))
        second = self._banner(row, visit.day, on_sale, second, common)
        lines = 1 + _poisson(row[N_LINES], self.world.basket - 1) if visit.orders else 0
        lines = min(lines, MOST_LINES)
        n_views = min(max(1 + _poisson(row[N_VIEWS], self.world.views - 1), lines), MOST_VIEWS)
        viewed, second = self._browse(row, n_views, on_sale, second, common)
        if visit.orders:
            second = self._order(visit, viewed, lines, second, common)
        self.free_from = second + 1_800

    def _browse(
        self, row: list[float], n_views: int, on_sale: int, second: int, common: dict[str, Any]
    ) -> tuple[list[int], int]:
        """The items viewed, possibly after a search, and the second at which browsing ends."""
        viewed = []
        for step in range(n_views):
            uniforms = row[STEP + step * STEP_WIDTH : STEP + (step + 1) * STEP_WIDTH]
            item = self._next_item(uniforms[0], uniforms[1], on_sale)
            if step == 0 and row[SEARCHES] < SEARCH_SHARE:
                self._add("search", -1, second, query=self._query(item, row[QUERY]), **common)
                second += 20
            self._add("view", item, second, **common)
            second += 10 + int(200 * uniforms[2] ** 2)
            second = self._add_wishes(item, uniforms, second, common)
            viewed.append(item)
            self.state.last = item
        return viewed, second

    def _next_item(self, follows: float, which: float, on_sale: int) -> int:
        """The item viewed next: a successor of the last one, or drawn from the customer's taste."""
        if follows < self.world.sequence and self.state.last >= 0:
            slot = min(bisect_right(_SUCCESSION, which), len(SUCCESSORS) - 1)
            item = int(self.shelf.successors[self.state.last, slot])
            if item < on_sale:
                return item
        target = which * self.cumulative[on_sale - 1]
        return min(bisect_right(self.cumulative, target), on_sale - 1)

    def _add_wishes(
        self, item: int, uniforms: list[float], second: int, common: dict[str, Any]
    ) -> int:
        """Put a viewed item into the favourites or the cart, with some probability each."""
        shares = {"favourite": FAVOURITE_SHARE, "cart": CART_SHARE}
        for uniform, (kind, share) in zip(uniforms[3:], shares.items(), strict=True):
            if uniform < share:
                self._add(kind, item, second, **common)
                second += 4
                kept = [w for w in self.state.wishes if w != item]
                self.state.wishes = [*kept, item][-MOST_WISHES:]
        return second

    def _order(
        self, visit: Visit, viewed: list[int], lines: int, second: int, common: dict[str, Any]
    ) -> int:
        """Simulate an order of several lines at one moment, with its returns and reviews."""
        order_lines = self._order_lines(visit.row, viewed, lines)
        second += 10
        for item in order_lines:
            self._add("cart", item, second, **common)
            second += 4
        second += 60
        sale = _sale(self.world, int(second // (7 * DAY)))
        voucher = VOUCHER_DISCOUNT * (visit.row[VOUCHER] < self.customer.voucher_rate)
        order = f"o{self.customer.number}-{visit.name}"
        for item, (pieces, uniforms) in order_lines.items():
            discount = round(sale[self.shelf.category[item]] + voucher + visit.offer, 4)
            price = round(float(self.shelf.price[item]) * (1 - discount), 2)
            bought = {"quantity": float(pieces), "price": price, "order": order}
            self._add("purchase", item, second, discount=discount, **bought, **common)
            self._return_or_review(item, second, uniforms, bought, common["channel"])
        state = self.state
        state.bought += [i for i in order_lines if self.shelf.consumable[i]]
        state.wishes = [w for w in state.wishes if w not in order_lines]
        return second

    def _order_lines(
        self, row: list[float], viewed: list[int], lines: int
    ) -> dict[int, tuple[int, list[float]]]:
        """The pieces of each item in an order, and the uniforms for its return or review.

        A line is a repeat, a wish, or else the last viewed item that is not in the order yet.
        """
        world, state = self.world, self.state
        out: dict[int, tuple[int, list[float]]] = {}
        remaining = list(viewed)
        for n in range(lines):
            line = row[LINE + n * LINE_WIDTH : LINE + (n + 1) * LINE_WIDTH]
            kind, which, amount = line[:3]
            if kind < world.repeat and state.bought:
                item = state.bought[int(which * len(state.bought))]
            elif world.repeat <= kind < world.repeat + world.intent and state.wishes:
                item = state.wishes[int(which * len(state.wishes))]
            else:
                item = remaining.pop()
            pieces, uniforms = out.get(item, (0, line[3:]))
            pieces += self.customer.pieces(amount, bool(self.shelf.consumable[item]))
            out[item] = pieces, uniforms
        return out

    def _return_or_review(
        self, item: int, second: int, uniforms: list[float], bought: dict[str, Any], channel: str
    ) -> None:
        """Return or review a line, with some probability; both are recorded later."""
        returns, back, booked, reviews, said, noise = uniforms
        if returns < CATEGORIES[self.shelf.category[item]].returned:
            at = second + int((3 + 14 * back) * DAY)
            later = at + int((1 + 5 * booked) * DAY)
            self._add("return", item, at, later, channel=channel, **bought)
        elif reviews < REVIEW_SHARE:
            at = second + int((2 + 18 * said) * DAY)
            rating = round(3.9 + 0.6 * self.satisfaction[item] + 2.0 * (noise - 0.5))
            later = at + int((0.1 + booked) * DAY)
            stars = float(min(max(rating, 1), 5))
            self._add(
                "review", item, at, later, rating=stars, order=bought["order"], channel=channel
            )

    def _banner(
        self, row: list[float], day: float, on_sale: int, second: int, common: dict[str, Any]
    ) -> int:
        """Show one of this week's five banner items, with a click and a view with some probability."""
        if row[BANNER] >= self.world.banners:
            return second
        item = _banner_items(self.world, int(day // 7), on_sale)[int(row[BANNER_ITEM] * 5)]
        self._add("impression", item, second, **common)
        if row[BANNER_CLICK] >= 0.1:
            return second + 2
        self._add("click", item, second + 6, **common)
        self._add("view", item, second + 7, **common)
        self.state.last = item
        return second + 40

    def _query(self, item: int, uniform: float) -> str:
        """Two words from the item's name, as typed into the search box."""
        words = self.shelf.text[item].split()
        first = int(uniform * (len(words) - 1))
        return f"{words[first]} {words[-2]}" if words[first] != words[-2] else words[first]

    def _add(
        self, kind: str, item: int, second: int, ingested: int | None = None, **rest: Any
    ) -> None:
        later = second if ingested is None else ingested
        self.events.append(ShopEvent(self.customer.number, item, kind, second, later, **rest))


_SUCCESSION = np.cumsum(SUCCESSORS).tolist()


def order_probability(customer: Customer, offer: float) -> float:
    """P(order | click on a message): the customer's own probability, raised by the offer."""
    return min(customer.persuasion * (1 + 4 * offer), 1.0)


def _poisson(uniform: float, mean: float) -> int:
    """A Poisson number from a uniform, by inversion."""
    count, probability = 0, math.exp(-mean)
    cumulative = probability
    while uniform > cumulative and count < 20:
        count += 1
        probability *= mean / count
        cumulative += probability
    return count


@lru_cache(maxsize=4_096)
def _sale(world: World, week: int) -> list[float]:
    """The share that a sale takes off the price of each category in a week."""
    return (SALE_DISCOUNT * world.on_sale(week)).tolist()


@lru_cache(maxsize=4_096)
def _banner_items(world: World, week: int, on_sale: int) -> list[int]:
    """The five items of a week's banners, from the 50 most popular."""
    rng = random_stream(world.seed, "banner", week)
    popular = np.argsort(-world.shelf.popularity[:on_sale], kind="stable")[:50]
    return popular[rng.permutation(len(popular))[:5]].tolist()


def _standardised(values: np.ndarray) -> np.ndarray:
    return (values - values.mean()) / values.std()
