"""A planning problem as arrays: values and costs of all options, and what limits them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from growthlab.campaign.solver.contact_windows import ContactWindows


@dataclass(frozen=True, kw_only=True)
class PlanProblem:
    """Maximise the value of all messages sent within the limits (`Coupling`) and `windows`.

    A message type is a channel and an offer: type ``channel * n_offers + offer``. An option is a slot
    and a type: option ``slot * n_types + type``. Slots are ordered by day, and a customer gets at most one
    message a day.

    Attributes
    ----------
    value : of each option to each customer, net of its cost, shape ``(n, n_slots, n_types)``; -inf
        where it is not allowed
    cost : shape ``(n, n_slots, n_types)`` or ``(n, 1, n_types)`` where it is the same in all slots;
        zero or more
    slot_days : the day of each slot, counted from 0, never falling
    budget : the most that all messages may cost
    channel_budgets, capacity, stock : the same a channel; the number of messages a channel and slot,
        shape ``(n_channels, n_slots)``; the number of messages an offer. None: without limit; infinity
        lifts a single one
    roi_floor : the least that (value + cost) / cost may exceed 1 by, over all messages
    segments, minima : the segment of each customer, and the fewest messages a segment
    windows : how many messages a customer may get within days that roll
    """

    value: np.ndarray
    cost: np.ndarray
    n_offers: int
    slot_days: np.ndarray
    budget: float = np.inf
    channel_budgets: np.ndarray | None = None
    capacity: np.ndarray | None = None
    stock: np.ndarray | None = None
    roi_floor: float | None = None
    segments: np.ndarray | None = None
    minima: np.ndarray = field(default_factory=lambda: np.zeros(0))
    windows: ContactWindows | None = None

    @property
    def n_customers(self) -> int:
        """Customers, with an option or without."""
        return self.value.shape[0]

    @property
    def n_slots(self) -> int:
        """Slots over all days."""
        return self.value.shape[1]

    @property
    def n_types(self) -> int:
        """Pairs of channel and offer."""
        return self.value.shape[2]

    @property
    def n_channels(self) -> int:
        """Channels, each with all offers."""
        return self.n_types // self.n_offers

    @property
    def n_days(self) -> int:
        """Days with a slot."""
        return int(self.slot_days[-1]) + 1 if self.n_slots else 0

    @property
    def flat_value(self) -> np.ndarray:
        """The value by customer and option, shape ``(n_customers, n_slots * n_types)``."""
        return self.value.reshape(self.n_customers, self.n_slots * self.n_types)

    def value_of(self, messages: Messages) -> np.ndarray:
        """The value of each message, float64."""
        return self.flat_value[messages.customer, messages.option].astype(np.float64)

    def cost_of(self, messages: Messages) -> np.ndarray:
        """The cost of each message, float64."""
        slot = messages.slot(self) if self.cost.shape[1] > 1 else 0
        return self.cost[messages.customer, slot, messages.type(self)].astype(np.float64)

    def of_customers(self, customers: np.ndarray, kept: Messages) -> PlanProblem:
        """The same for some customers, with what the messages `kept` of others leave of the minima."""
        windows, segments, minima = self.windows, self.segments, self.minima
        if windows is not None:
            windows = replace(windows, allowance=windows.allowance[customers])
        if segments is not None:
            sent = np.bincount(segments[kept.customer], minlength=len(minima))
            minima, segments = np.maximum(minima - sent, 0), segments[customers]
        return replace(
            self, value=self.value[customers], cost=self.cost[customers],
            segments=segments, minima=minima, windows=windows,
        )  # fmt: skip

    def sample(self, customers: np.ndarray) -> PlanProblem:
        """The same for some customers, with their share of all limits."""
        share = len(customers) / max(self.n_customers, 1)

        def scaled(limit: np.ndarray | None) -> np.ndarray | None:
            return None if limit is None else limit * share

        return replace(
            self.of_customers(customers, Messages.joined([])),
            budget=self.budget * share, channel_budgets=scaled(self.channel_budgets),
            capacity=scaled(self.capacity), stock=scaled(self.stock), minima=self.minima * share,
        )  # fmt: skip


@dataclass(frozen=True)
class Messages:
    """Chosen options: a customer's position and an option each, shape ``(n_messages,)``."""

    customer: np.ndarray
    option: np.ndarray

    def __len__(self) -> int:
        return len(self.customer)

    def __getitem__(self, which: np.ndarray) -> Messages:
        return Messages(self.customer[which], self.option[which])

    def slot(self, problem: PlanProblem) -> np.ndarray:
        """The slot of each."""
        return self.option // problem.n_types

    def type(self, problem: PlanProblem) -> np.ndarray:
        """The message type of each."""
        return self.option % problem.n_types

    def channel(self, problem: PlanProblem) -> np.ndarray:
        """The channel of each."""
        return self.type(problem) // problem.n_offers

    def offer(self, problem: PlanProblem) -> np.ndarray:
        """The offer of each."""
        return self.type(problem) % problem.n_offers

    def plus(self, more: Messages) -> Messages:
        """These and more."""
        return Messages.joined([self, more])

    @classmethod
    def joined(cls, parts: list[Messages]) -> Messages:
        """All messages of some parts."""
        nothing = np.zeros(0, dtype=np.int64)
        return cls(
            np.concatenate([nothing, *(part.customer for part in parts)]),
            np.concatenate([nothing, *(part.option for part in parts)]),
        )
