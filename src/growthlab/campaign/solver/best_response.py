"""What each customer would get at given prices: the best options within the customer's own caps."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from growthlab.campaign.solver.contact_windows import Schedules
from growthlab.campaign.solver.coupling import Coupling
from growthlab.campaign.solver.plan_problem import Messages, PlanProblem

OPTIONS_AT_A_TIME = 250_000  # so that a block stays in the processor's cache


@dataclass(frozen=True)
class Response:
    """The messages of all customers asked, and the reduced value of each: value less prices."""

    messages: Messages
    reduced: np.ndarray


@dataclass(frozen=True)
class Room:
    """Options that still fit: what may be used in each row, and whether losses are allowed."""

    left: np.ndarray
    with_losses: bool = False


class BestResponse:
    """Answers prices with messages; one pass over the options of the customers asked, in blocks."""

    def __init__(self, problem: PlanProblem, coupling: Coupling) -> None:
        self.problem, self.coupling = problem, coupling
        self.schedules = Schedules.of_windows(
            problem.windows, problem.n_customers, problem.n_days, problem.n_channels
        )
        by_channel = problem.windows is not None and problem.windows.by_channel
        self.cells = _cells(problem, by_channel)
        self.n_passes = 0.0
        self._last: tuple[np.ndarray, Response] | None = None

    def at(self, prices: np.ndarray, customers: np.ndarray | None = None) -> Response:
        """The best messages of positive reduced value of the customers asked (None: all)."""
        if customers is not None:
            return self._at(prices, customers)
        if self._last is None or not np.array_equal(self._last[0], prices):
            self._last = prices.copy(), self._at(prices, None)
        return self._last[1]

    def _at(self, prices: np.ndarray, customers: np.ndarray | None) -> Response:
        best, option = self._best_of_cells(prices, customers, None)
        scores = np.maximum(best, 0)
        chosen = self._schedule(scores, customers) & (best > 0)
        return self._response(chosen, best, option, customers)

    def more(
        self, prices: np.ndarray, customers: np.ndarray, held: np.ndarray, room: Room
    ) -> Response:
        """Further messages that fit the room and the caps, beside those in the cells `held`.

        They may have a reduced value below zero. `held` has the shape ``(n_asked, n_cells)``.
        """
        best, option = self._best_of_cells(prices, customers, room)
        possible = np.isfinite(best) & ~held
        largest = 1.0 + np.abs(best[possible]).max(initial=0.0)
        scores = np.where(possible, best.astype(np.float64) + 2 * largest, 0.0)
        scores[held] = 4 * largest * best.shape[1]  # what is sent stays
        chosen = self._schedule(scores, customers) & possible
        return self._response(chosen, best, option, customers)

    def cell_of(self, messages: Messages) -> np.ndarray:
        """The cell of each message."""
        problem = self.problem
        day = problem.slot_days[messages.slot(problem)]
        if len(self.cells) == problem.n_days:
            return day
        return day * problem.n_channels + messages.channel(problem)

    def _response(
        self, chosen: np.ndarray, best: np.ndarray, option: np.ndarray, customers: np.ndarray | None
    ) -> Response:
        asked, cell = np.nonzero(chosen)
        customer = asked if customers is None else customers[asked]
        return Response(
            Messages(customer, option[asked, cell].astype(np.int64)),
            best[asked, cell].astype(np.float64),
        )

    def _best_of_cells(
        self, prices: np.ndarray, customers: np.ndarray | None, room: Room | None
    ) -> tuple[np.ndarray, np.ndarray]:
        """The largest reduced value within each cell and its option, shape ``(n_asked, n_cells)`` each."""
        problem, priced = self.problem, _Priced(self.problem, self.coupling, prices, room)
        n = problem.n_customers if customers is None else len(customers)
        best = np.empty((n, len(self.cells)), dtype=problem.value.dtype)
        option = np.empty((n, len(self.cells)), dtype=np.int32)
        step = max(OPTIONS_AT_A_TIME // max(problem.n_slots * problem.n_types, 1), 1)
        for start in range(0, n, step):
            stop = min(start + step, n)
            which = slice(start, stop) if customers is None else customers[start:stop]
            reduced = priced.reduced(which)
            for place, (slots, types) in enumerate(self.cells):
                if slots.start == slots.stop:  # a day without a slot
                    best[start:stop, place] = -np.inf
                    continue
                part = reduced[:, slots, types].reshape(stop - start, -1)
                winner = part.argmax(axis=1)
                best[start:stop, place] = part[np.arange(stop - start), winner]
                slot, kind = np.divmod(winner, types.stop - types.start)
                option[start:stop, place] = (slots.start + slot) * problem.n_types + (
                    types.start + kind
                )
        self.n_passes += n / max(problem.n_customers, 1)
        return best, option

    def _schedule(self, scores: np.ndarray, customers: np.ndarray | None) -> np.ndarray:
        """The cells of each customer's best set, shape ``(n_asked, n_cells)``, bool."""
        group = self.schedules.group if customers is None else self.schedules.group[customers]
        if len(self.schedules.sets) == 1:
            return _best_sets(scores, self.schedules.sets[0])
        chosen = np.empty(scores.shape, dtype=bool)
        order = np.argsort(group, kind="stable")
        edges = np.searchsorted(group[order], np.arange(len(self.schedules.sets) + 1))
        for sets, start, stop in zip(self.schedules.sets, edges[:-1], edges[1:], strict=True):
            members = order[start:stop]
            chosen[members] = _best_sets(scores[members], sets)
        return chosen


class _Priced:
    """Reduced values of a block of customers; with room, -inf for what does not fit."""

    def __init__(
        self, problem: PlanProblem, coupling: Coupling, prices: np.ndarray, room: Room | None
    ) -> None:
        dtype = problem.value.dtype
        channel = np.arange(problem.n_types) // problem.n_offers
        offer = np.arange(problem.n_types) % problem.n_offers
        roi = prices[coupling.roi]
        of_cost = prices[coupling.budget] + prices[coupling.channels][channel]
        self.problem, self.scale = problem, dtype.type(1 + roi)
        self.of_cost = (of_cost + roi * (problem.roi_floor or 0.0)).astype(dtype)
        capacity = prices[coupling.capacity].reshape(problem.n_channels, problem.n_slots)
        self.of_message = (capacity[channel].T + prices[coupling.stock][offer]).astype(dtype)
        self.bonus = prices[coupling.minima].astype(dtype)
        self.room = room
        if room is not None:
            left = room.left
            slots_left = left[coupling.capacity].reshape(problem.n_channels, problem.n_slots)
            full = (slots_left[channel].T < 1) | (left[coupling.stock][offer] < 1)
            self.of_message = np.where(full, np.inf, self.of_message).astype(dtype)
            self.most_cost = np.minimum(left[coupling.budget], left[coupling.channels][channel])
            self.largest_cost = self.problem.cost.max(initial=0.0)
            self.most_short = left[coupling.roi]

    def reduced(self, which: slice | np.ndarray) -> np.ndarray:
        """Shape ``(n_block, n_slots, n_types)``."""
        value, cost = self.problem.value[which], self.problem.cost[which]
        reduced = value - cost * self.of_cost if self.scale == 1 else (
            self.scale * value - cost * self.of_cost
        )  # fmt: skip
        reduced -= self.of_message
        if len(self.bonus):
            assert self.problem.segments is not None
            reduced += self.bonus[self.problem.segments[which]][:, None, None]
        if self.room is not None:
            if not self.room.with_losses:
                np.copyto(reduced, -np.inf, where=value <= 0)
            if self.most_cost.min(initial=np.inf) < self.largest_cost:
                np.copyto(reduced, -np.inf, where=cost > self.most_cost)
            if np.isfinite(self.most_short):
                short = (self.problem.roi_floor or 0.0) * cost - value
                np.copyto(reduced, -np.inf, where=short > self.most_short)
        return reduced


def _cells(problem: PlanProblem, by_channel: bool) -> list[tuple[slice, slice]]:
    """The slots and the message types of each cell."""
    edges = np.searchsorted(problem.slot_days, np.arange(problem.n_days + 1))
    n = problem.n_offers
    types = [slice(0, problem.n_types)]
    if by_channel:
        types = [slice(c * n, (c + 1) * n) for c in range(problem.n_channels)]
    days = [slice(int(a), int(b)) for a, b in pairwise(edges)]
    return [(slots, kinds) for slots in days for kinds in types]


def _best_sets(scores: np.ndarray, sets: np.ndarray) -> np.ndarray:
    """The set of the largest sum of scores, for each row."""
    if len(sets) == 1:
        return np.broadcast_to(sets[0] > 0, scores.shape)
    return (sets > 0)[(scores @ sets.T.astype(scores.dtype)).argmax(axis=1)]
