"""A request log with propensities, beside the lists that a bundle would have shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from growthlab.bundle.answers import RecommendRequest
from growthlab.bundle.bundle import Bundle
from growthlab.core.errors import ConfigError, DataError
from growthlab.core.file_settings import INPUT_FILE
from growthlab.core.histories import codes_of
from growthlab.effects.logged_actions import LoggedActions
from growthlab.monitoring.log_reader import (
    EVENTS,
    Line,
    LogPeriod,
    LogReading,
    answer_blocks,
    feedback_items,
    is_answer,
    log_files,
)

SHADOW = "shadow"


class _ShownList(NamedTuple):
    user: str
    items: Sequence[str]
    propensities: Sequence[float]
    followed: frozenset[str]


@dataclass(frozen=True, kw_only=True)
class ServedPolicyInput:
    """The request log of a service that explores, the event that is the reward, and a bundle.

    A row is a position of a list that was shown to a customer by whom alone it was asked for: the log
    does not hold a history or a basket whole. The reward is whether the feedback of the event names
    the item. Each position is taken by itself.
    """

    log: str = field(metadata=INPUT_FILE)
    bundle: str
    event: str = "click"
    since: str | None = None
    until: str | None = None

    def read(self) -> tuple[LoggedActions, list[str]]:
        """The positions beside the bundle's lists, and notes on what was left out.

        Raises
        ------
        ConfigError
            An event that is none, or a bundle that makes no lists.
        DataError
            No list with propensities.
        """
        if self.event not in EVENTS:
            raise ConfigError(f"log_event must be one of {', '.join(EVENTS)}, got {self.event}")
        bundle = Bundle.load(self.bundle)
        if bundle.list_maker is None:
            raise ConfigError(
                f"policy={self.bundle} answers with numbers: name a bundle that makes lists"
            )
        path = Path(self.log)
        files = log_files(path)
        named = feedback_items(files, self.event)
        manifest, reading, shown, n_left = bundle.manifest, LogReading(), [], 0
        for block in answer_blocks(files, LogPeriod.of(self.since, self.until), reading):
            for line in block:
                is_about = (line.get("task"), line["kind"]) == (
                    manifest.task,
                    manifest.answer.endpoint,
                )
                if not is_about or line["variant"] == SHADOW or not is_answer(line):
                    continue
                one = _shown_list(line, named)
                shown += [one] if one else []
                n_left += one is None
        if not shown:
            raise DataError(
                f"log={path} has no list of {manifest.task} with propensities that a known "
                "customer was shown: let the "
                "service explore, with explore=0.05"
            )
        notes = [f"{len(shown):,} lists of {manifest.task} from {path.name}"]
        if n_left:
            notes.append(
                f"{n_left:,} lists are left out: without propensities, to unknown customers, or "
                "asked for by more than the customer"
            )
        return _positions(shown, _lists_of(bundle, shown)), notes


def _shown_list(line: Line, named: dict[str, set[str]]) -> _ShownList | None:
    """The list of a line; None where it cannot be replayed or has no propensities."""
    user, items, propensities = line.get("user"), line.get("items"), line.get("propensities")
    if (
        not isinstance(user, str)
        or not isinstance(items, list)
        or not isinstance(propensities, list)
    ):
        return None
    is_replayable = line.get("personalised") is True and not line.get("asked")
    are_chances = all(_is_chance(p) for p in propensities) and len(propensities) == len(items)
    if not is_replayable or not are_chances or not all(isinstance(i, str) for i in items):
        return None
    return _ShownList(user, items, propensities, frozenset(named.get(line["request_id"], ())))


def _is_chance(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 < value <= 1


def _lists_of(bundle: Bundle, shown: Sequence[_ShownList]) -> dict[str, list[str]]:
    """The list that the bundle would show to each customer."""
    assert bundle.list_maker is not None
    users = sorted({each.user for each in shown})
    longest = max(len(each.items) for each in shown)
    requests = [RecommendRequest(user_id=user) for user in users]
    places = codes_of(users, bundle.known_users)
    answers = bundle.list_maker.lists(requests, places, max(longest, 1))
    return {u: [item.item for item in a.items] for u, a in zip(users, answers, strict=True)}


def _positions(shown: Sequence[_ShownList], lists: dict[str, list[str]]) -> LoggedActions:
    """A row a position; the policy shows its own item there and no other."""
    reward, logged, target, cluster = [], [], [], []
    users = {user: place for place, user in enumerate(lists)}
    for each in shown:
        own = lists[each.user]
        for place, (item, propensity) in enumerate(zip(each.items, each.propensities, strict=True)):
            reward.append(float(item in each.followed))
            logged.append(propensity)
            target.append(float(place < len(own) and own[place] == item))
            cluster.append(users[each.user])
    return LoggedActions(
        np.array(reward),
        np.array(logged),
        np.array(target),
        np.array(cluster),
        assumption="independent",
    )
