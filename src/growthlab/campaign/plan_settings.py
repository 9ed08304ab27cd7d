"""The settings of a plan, checked."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from growthlab.core.errors import ConfigError

LEAST_SEGMENT = 10  # customers; below, figures of a segment reveal individuals


@dataclass(frozen=True)
class CapSetting:
    """At most `most` messages in any `days` days; `channel` None: over all channels."""

    most: int
    days: int
    channel: str | None = None


@dataclass(frozen=True, kw_only=True)
class PlanSettings:
    """What limits a plan as a whole; the tables say the rest.

    Attributes
    ----------
    campaign : names the arms: another campaign draws its own
    budget : of all messages, exploration included; None: no limit
    days : planned at a time, from the first slot on
    purpose : of the consent
    caps : on contacts within rolling days
    lasting_control, lasting_name : the share of the customers who get no message in any campaign of this
        name; control and explore are shares of the others
    explore_limit : the part of each limit that exploration may use
    roi_floor : the least return of the planned arm, ``(value before cost - cost) / cost``
    fatigue_cost : what a message takes from its value for each contact of the customer in the 30 days
        before the plan; it is not paid out of the budget
    send_times : the hours at which the parts of a day begin, among which responses choose; None: slots
        are chosen by capacity and price alone
    send_time_random : the share of customers whose part of the week is drawn at random
    smallest_segment : customers of smaller segments get no message
    minima : the fewest messages a segment
    """

    campaign: str
    budget: float | None
    days: int
    control: float
    explore: float
    lasting_control: float = 0.0
    lasting_name: str = "lasting"
    explore_limit: float = 0.2
    purpose: str
    caps: tuple[CapSetting, ...] = ()
    roi_floor: float | None = None
    fatigue_cost: float = 0.0
    send_times: Sequence[float] | None = None
    send_time_random: float = 0.2
    smallest_segment: int = 50
    minima: Mapping[str, int] = field(default_factory=dict)
    seed: int = 0

    def __post_init__(self) -> None:
        if self.budget is not None and not (math.isfinite(self.budget) and self.budget >= 0):
            raise ConfigError(f"budget must be 0 or more, or null for no limit, got {self.budget}")
        if not 0 <= self.explore_limit <= 1:
            raise ConfigError(f"explore_limit must be from 0 to 1, got {self.explore_limit}")
        if self.days < 1:
            raise ConfigError(f"days must be 1 or more, got {self.days}")
        if self.roi_floor is not None and not (
            math.isfinite(self.roi_floor) and self.roi_floor >= 0
        ):
            raise ConfigError(f"roi_floor must be 0 or more, got {self.roi_floor}")
        if not (math.isfinite(self.fatigue_cost) and self.fatigue_cost >= 0):
            raise ConfigError(f"fatigue_cost must be 0 or more, got {self.fatigue_cost}")
        self._check_send_times()
        if self.smallest_segment < LEAST_SEGMENT:
            raise ConfigError(
                f"smallest_segment must be {LEAST_SEGMENT} or more, got {self.smallest_segment}"
            )
        for segment, least in self.minima.items():
            if least < 0:
                raise ConfigError(f"minima.{segment} must be 0 or more, got {least}")
        for cap in self.caps:
            if cap.most < 0 or cap.days < 1:
                raise ConfigError(
                    f"caps: most must be 0 or more and days 1 or more, got {cap.most} in {cap.days}"
                )

    def _check_send_times(self) -> None:
        edges = self.send_times
        if edges is not None and (
            not edges or list(edges) != sorted(set(edges)) or not 0 <= edges[0] <= edges[-1] < 24
        ):
            raise ConfigError(
                f"send_times must be rising hours from 0 to below 24, such as [6, 10, 14, 18], got {edges}"
            )
        if not 0 < self.send_time_random < 1:
            raise ConfigError(
                f"send_time_random must be above 0 and below 1, got {self.send_time_random}: without it "
                "nobody can say whether the times that are chosen are better than any"
            )


def caps_of(given: Sequence[Mapping[str, Any]]) -> tuple[CapSetting, ...]:
    """The caps as they stand in a config.

    Raises
    ------
    ConfigError
        A key that is none of ``most``, ``days``, ``channel``, or a missing or wrong number.
    """
    caps = []
    for cap in given:
        if not isinstance(cap, Mapping):
            raise ConfigError(f"caps: each must be like {{most: 2, days: 7}}, got {cap}")
        wrong = sorted(set(cap) - {"most", "days", "channel"})
        numbers = [cap.get("most"), cap.get("days")]
        if wrong or not all(isinstance(n, int) and not isinstance(n, bool) for n in numbers):
            raise ConfigError(
                f"caps: {dict(cap)} must have whole numbers most and days, and may have a channel"
            )
        channel = cap.get("channel")
        caps.append(CapSetting(cap["most"], cap["days"], None if channel is None else str(channel)))
    return tuple(caps)
