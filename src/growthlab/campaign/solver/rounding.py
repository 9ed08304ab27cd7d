"""From messages that come close to the limits to a plan within them: trim, then fill."""

from __future__ import annotations

import numpy as np

from growthlab.campaign.solver.best_response import BestResponse, Response, Room
from growthlab.campaign.solver.dual import DualSolution
from growthlab.campaign.solver.plan_problem import Messages

MOST_ROUNDS = 60
SLACK = 1e-9  # of a limit, for the order in which floats are added


class Rounding:
    """A feasible plan from a solution of the dual, as in Lagrangian heuristics with a price order.

    1. Minima are met first: their messages of largest reduced value, and then further ones.
    2. Where a row is above its limit, messages go, smallest reduced value per use first.
    3. What is left is filled in rounds, largest reduced value first, until the gap is `little`.
    """

    def __init__(self, response: BestResponse, dual: DualSolution, little: float) -> None:
        self.response, self.dual, self.little = response, dual, little
        self.problem, self.coupling = response.problem, response.coupling

    def messages(self) -> tuple[Messages, np.ndarray]:
        """The messages of a plan within all limits, and by how many messages each minimum is missed."""
        drawn = Response(self.dual.drawn, self._reduced(self.dual.drawn))
        kept, short = drawn.messages, np.zeros(len(self.problem.minima))
        if (self.problem.minima > 0).any():
            first = self._protected(drawn)
            protected = self._trim(drawn.messages[first], drawn.reduced[first])
            protected, short = self._fill_minima(protected)
            # the caps of those who have a protected message are looked at again when filling
            others = ~np.isin(drawn.messages.customer, protected.customer)
            kept = self._trim(drawn.messages[others], drawn.reduced[others], protected)
            kept = kept.plus(protected)
        else:
            kept = self._trim(drawn.messages, drawn.reduced)
        return self._fill(kept), short

    def _reduced(self, messages: Messages) -> np.ndarray:
        """Value less what the messages use at the best prices."""
        reduced = self.problem.value_of(messages)
        for rows, row, amount in self.coupling.amounts(self.problem, messages):
            reduced -= self.dual.prices[rows][row] * amount
        return reduced

    def _trim(
        self, messages: Messages, reduced: np.ndarray, beside: Messages | None = None
    ) -> Messages:
        """The messages without those that lift a row above its limit; minima are left out of it."""
        used_beside = 0.0 if beside is None else self.coupling.use(self.problem, beside)
        limits = self.coupling.limits
        left = limits - used_beside + SLACK * np.where(np.isfinite(limits), np.abs(limits), 0.0)
        kept = np.ones(len(messages), dtype=bool)
        for rows, row, amount in self.coupling.amounts(self.problem, messages):
            if rows == self.coupling.minima:
                continue
            use = np.bincount(row[kept], amount[kept], minlength=rows.stop - rows.start)
            for place in np.flatnonzero(use > left[rows]):
                members = np.flatnonzero(kept & (row == place) & (amount > 0))
                order = members[np.argsort(reduced[members] / amount[members], kind="stable")]
                over = use[place] - left[rows][place]
                n_gone = int(np.searchsorted(np.cumsum(amount[order]), over)) + 1
                kept[order[:n_gone]] = False
        return self._without_losses(messages[kept], beside)

    def _without_losses(self, messages: Messages, beside: Messages | None) -> Messages:
        """Trimming one row can break the floor of the ROI again, as profitable messages go."""
        if self.problem.roi_floor is None or not len(messages):
            return messages
        floor = self.problem.roi_floor
        short = floor * self.problem.cost_of(messages) - self.problem.value_of(messages)
        total = -self.coupling.limits[self.coupling.roi]
        if beside is not None and len(beside):
            total += self.coupling.use(self.problem, beside)[self.coupling.roi]
        order = np.argsort(short, kind="stable")
        sums = total + np.cumsum(short[order])
        fits = np.flatnonzero(sums <= 0)
        n_kept = int(fits[-1]) + 1 if len(fits) else 0
        return messages[np.sort(order[:n_kept])]

    def _fill(self, messages: Messages) -> Messages:
        """Add messages of positive value, as long as there is room for some that matter."""
        customers = np.arange(self.problem.n_customers)
        total = float(self.problem.value_of(messages).sum())
        little = self.little * abs(self.dual.bound)
        for _ in range(MOST_ROUNDS):
            if self.dual.bound - total <= little:
                break
            left = self.coupling.limits - self.coupling.use(self.problem, messages)
            new, customers = self._one_round(messages, customers, Room(left))
            if not len(new):
                break
            messages = messages.plus(new)
            added = float(self.problem.value_of(new).sum())
            total += added
            if added <= little:
                break
        return messages

    def _one_round(
        self, messages: Messages, customers: np.ndarray, room: Room
    ) -> tuple[Messages, np.ndarray]:
        """Messages that fit beside the others, and the customers who wanted any."""
        response = self.response.more(
            self.dual.prices, customers, self._held(messages, customers), room
        )
        accepted = self._accept(response, room.left)
        wanted = np.zeros(self.problem.n_customers, dtype=bool)
        wanted[response.messages.customer] = True
        return response.messages[accepted], np.flatnonzero(wanted)

    def _held(self, messages: Messages, customers: np.ndarray) -> np.ndarray:
        """The cells in which customers have a message already, shape ``(n_asked, n_cells)``."""
        held = np.zeros((self.problem.n_customers, len(self.response.cells)), dtype=bool)
        held[messages.customer, self.response.cell_of(messages)] = True
        return held[customers]

    def _accept(self, response: Response, left: np.ndarray) -> np.ndarray:
        """The positions of messages that fit together, looked at from the largest reduced value."""
        order = np.argsort(-response.reduced, kind="stable")
        messages = response.messages[order]
        fits = np.ones(len(order), dtype=bool)
        for rows, row, amount in self.coupling.amounts(self.problem, messages):
            if rows == self.coupling.minima:
                continue
            used = _running_sums(row, np.maximum(amount, 0))
            fits &= (used <= left[rows][row]) | (amount <= 0)
        return order[fits]

    def _protected(self, drawn: Response) -> np.ndarray:
        """The messages of largest reduced value that together meet the minima, bool."""
        assert self.problem.segments is not None
        segment = self.problem.segments[drawn.messages.customer]
        order = np.lexsort((-drawn.reduced, segment))
        rank = _running_sums(segment[order], np.ones(len(order)))
        protected = np.zeros(len(order), dtype=bool)
        protected[order] = rank <= self.problem.minima[segment[order]]
        return protected

    def _fill_minima(self, messages: Messages) -> tuple[Messages, np.ndarray]:
        """Add messages, at a loss too, to segments that have too few; and what is still missing."""
        segments, minima = self.problem.segments, self.problem.minima
        assert segments is not None
        for _ in range(MOST_ROUNDS):
            counts = np.bincount(segments[messages.customer], minlength=len(minima))
            short = np.maximum(minima - counts, 0)
            customers = np.flatnonzero(short[segments] > 0)
            if not len(customers):
                break
            left = self.coupling.limits - self.coupling.use(self.problem, messages)
            room = Room(left, with_losses=True)
            new, _ = self._one_round(messages, customers, room)
            new = new[
                _running_sums(segments[new.customer], np.ones(len(new)))
                <= short[segments[new.customer]]
            ]
            if not len(new):
                break
            messages = messages.plus(new)
        counts = np.bincount(segments[messages.customer], minlength=len(minima))
        return messages, np.maximum(minima - counts, 0)


def _running_sums(group: np.ndarray, amount: np.ndarray) -> np.ndarray:
    """The sum of the amounts of a group up to and with each place."""
    order = np.argsort(group, kind="stable")
    sums = np.cumsum(amount[order])
    starts = np.flatnonzero(np.diff(group[order], prepend=-1))
    before = np.repeat(
        np.concatenate([[0.0], sums])[starts], np.diff(np.append(starts, len(order)))
    )
    result = np.empty(len(order))
    result[order] = sums - before
    return result
