"""When to write to whom: parts of the week by what customers responded to, against a part drawn at random.

A customer's chance to respond in a part of the week is Beta-distributed: that of the segment there, with the
weight of `m` messages, and the customer's own responses. `m` is the one under which the responses are most
probable (empirical Bayes). Thompson sampling draws from these and takes the best part, so that a part is
chosen as often as it may be the best; that probability is logged.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import betaln

from growthlab.campaign.holdout import Holdout
from growthlab.campaign.options import Options
from growthlab.core.errors import ConfigError
from growthlab.core.seeding import random_stream

SAMPLED, RANDOM = "sampled", "random"
SLOT_ARM = "slot_arm"
DRAWS = 400  # from the distribution of each customer's parts; the choice is one of them
STRENGTHS = np.logspace(0, 4, 81)  # of which `m` is taken
AT_A_TIME = 5_000  # customers whose parts are drawn together
SATURDAY = 5


@dataclass(frozen=True)
class SendTimes:
    """The part of the week of each customer, -1 where none has an option, and how it was chosen.

    `probability` is that of the part, given whether it was sampled or drawn at random.
    """

    part: np.ndarray
    is_random: np.ndarray
    probability: np.ndarray
    slot_part: np.ndarray  # of each slot
    strength: float  # m

    random_share: float

    def columns(self) -> dict[str, np.ndarray]:
        """Columns of the plan by customer: how the part was chosen, and the probabilities of both."""
        share = np.where(self.is_random, self.random_share, 1 - self.random_share)
        return {
            SLOT_ARM: np.where(self.is_random, RANDOM, SAMPLED).astype(object),
            f"{SLOT_ARM}_probability": share,
            "slot_probability": self.probability,
        }

    def keeps(self) -> np.ndarray:
        """Whether a slot is in the customer's part, shape ``(n_customers, n_slots)``."""
        return np.asarray(self.part[:, None] == self.slot_part[None, :])

    @classmethod
    def choose(cls, options: Options, holdout: Holdout) -> SendTimes | None:
        """The parts of all customers; None where slots are chosen by capacity and price alone.

        Only parts in which a customer has an option are chosen, so that quiet hours and consent come first.

        Raises
        ------
        ConfigError
            The contacts do not say who responded.
        """
        edges, share = options.settings.send_times, options.settings.send_time_random
        if edges is None:
            return None
        sends, responses = _counts(options, edges)
        rates = segment_rates(sends, responses, options.segments)
        strength = prior_strength(sends, responses, rates[options.segments])
        slot_part = parts_of(options.slots, edges)
        possible = _possible(options, slot_part, sends.shape[1])
        customers = options.customers
        is_random = holdout.uniform("send time arm", customers) < share
        drawn = holdout.uniform("send time", customers)
        part, probability = np.empty(len(customers), dtype=np.int64), np.empty(len(customers))
        stream = random_stream(options.settings.seed, "send times")
        for start in range(0, len(customers), AT_A_TIME):
            rows = slice(start, start + AT_A_TIME)
            prior = rates[options.segments[rows]]
            alpha = prior * strength + responses[rows]
            beta = (1 - prior) * strength + sends[rows] - responses[rows]
            best = best_chances(alpha, beta, possible[rows], stream)
            uniform = possible[rows] / np.maximum(possible[rows].sum(axis=1, keepdims=True), 1)
            chances = np.where(is_random[rows, None], uniform, best)
            part[rows], probability[rows] = _drawn(chances, drawn[rows])
        return cls(part, is_random, probability, slot_part, strength, share)


def parts_of(moments: pd.DatetimeIndex, edges: Sequence[float]) -> np.ndarray:
    """The part of each moment: that of the day, and those of the weekend behind those of weekdays.

    Hours before the first edge belong to the last part.
    """
    hour = moments.hour.to_numpy() + moments.minute.to_numpy() / 60
    part = (np.searchsorted(edges, hour, side="right") - 1) % len(edges)
    return part + len(edges) * (moments.day_of_week.to_numpy() >= SATURDAY)


def segment_rates(sends: np.ndarray, responses: np.ndarray, segments: np.ndarray) -> np.ndarray:
    """The share of messages with a response by segment and part, ``(n_segments, n_parts)``.

    Each counts one message with the rate of all in that part, and that one message with the rate of all.
    """
    n_segments = int(segments.max(initial=-1)) + 1
    shape = (n_segments, sends.shape[1])
    sent, responded = np.zeros(shape), np.zeros(shape)
    np.add.at(sent, segments, sends)
    np.add.at(responded, segments, responses)
    overall = (responded.sum() + 0.5) / (sent.sum() + 1)
    by_part = (responded.sum(axis=0) + overall) / (sent.sum(axis=0) + 1)
    rates: np.ndarray = (responded + by_part) / (sent + 1)
    return rates


def prior_strength(sends: np.ndarray, responses: np.ndarray, rates: np.ndarray) -> float:
    """The number of messages that the segment's rate counts as: the most probable of `STRENGTHS`."""
    cells = sends > 0
    s, c, p = sends[cells], responses[cells], rates[cells]
    seen, n = np.unique(np.column_stack([s, c, p]), axis=0, return_counts=True)
    s, c, p = seen.T
    likelihood = [
        float((n * (betaln(c + p * m, s - c + (1 - p) * m) - betaln(p * m, (1 - p) * m))).sum())
        for m in STRENGTHS
    ]
    return float(STRENGTHS[int(np.argmax(likelihood))])


def best_chances(
    alpha: np.ndarray, beta: np.ndarray, possible: np.ndarray, stream: np.random.Generator
) -> np.ndarray:
    """How often each possible part is the best of `DRAWS` draws, ``(n, n_parts)``; rows sum to 1, or 0."""
    draws = stream.beta(alpha[:, None], beta[:, None], (len(alpha), DRAWS, alpha.shape[1]))
    draws[np.broadcast_to(~possible[:, None], draws.shape)] = -1.0
    best = draws.argmax(axis=2)  # (n, DRAWS)
    n_parts = alpha.shape[1]
    keys = (np.arange(len(alpha))[:, None] * n_parts + best).ravel()
    counts = np.bincount(keys, minlength=len(alpha) * n_parts).reshape(len(alpha), n_parts)
    chances: np.ndarray = np.where(possible, counts / DRAWS, 0.0)
    return chances


def _drawn(chances: np.ndarray, uniform: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A part a row, by a uniform number, and its chance; -1 and 1 where none is possible."""
    cumulative = np.cumsum(chances, axis=1)
    total = cumulative[:, -1]
    part = (cumulative > (uniform * total)[:, None]).argmax(axis=1)
    chance = chances[np.arange(len(chances)), part]
    return np.where(total > 0, part, -1), np.where(total > 0, chance, 1.0)


def _counts(options: Options, edges: Sequence[float]) -> tuple[np.ndarray, np.ndarray]:
    """Messages and responses of each customer by part, of contacts whose response is known."""
    contacts = options.tables.contacts
    known = contacts["responded"].notna().to_numpy()
    if not known.any():
        raise ConfigError(
            "send_times needs the column responded of contacts: which of the earlier messages had a response"
        )
    contacts = contacts[known]
    customer = pd.Index(options.customers).get_indexer(pd.Index(contacts["customer"]))
    part = parts_of(pd.DatetimeIndex(contacts["sent"]), edges)
    shape = (len(options.customers), 2 * len(edges))
    sends, responses = np.zeros(shape), np.zeros(shape)
    np.add.at(sends, (customer, part), 1)
    np.add.at(responses, (customer, part), contacts["responded"].to_numpy(dtype=float))
    return sends, responses


def _possible(options: Options, slot_part: np.ndarray, n_parts: int) -> np.ndarray:
    """Whether a customer has an option in a part, shape ``(n, n_parts)``."""
    in_slot: np.ndarray = np.any(options.allowed, axis=2)  # (n, n_slots)
    parts = [np.any(in_slot[:, slot_part == part], axis=1) for part in range(n_parts)]
    return np.column_stack(parts)
