"""Portrait: one row of tags a customer, from what was known strictly before a cutoff."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime

import numpy as np
import pandas as pd

from growthlab.core.errors import ConfigError, DataError, near_matches
from growthlab.core.histories import EVENT_TYPES
from growthlab.data.as_of import events_recorded_before, known_at
from growthlab.data.event_log import EventLog
from growthlab.data.event_sql import OWN_EVENTS
from growthlab.features.portrait.dictionary import TAGS
from growthlab.features.portrait.relations import known_facts, relations, undone_purchases
from growthlab.features.portrait.tag import PARTS, Tag

console = logging.getLogger(__name__)

WEIGHTS = {
    "view": 1.0,
    "search": 1.0,
    "favourite": 3.0,
    "cart": 4.0,
    "purchase": 5.0,
    "review": 2.0,
}


@dataclass(frozen=True)
class PortraitTable:
    """`frame` has a row a customer, sorted by ``user_id``, and a column a tag.

    `absent` says for each tag that is not there what the data lacks for it.
    """

    frame: pd.DataFrame
    tags: tuple[Tag, ...]
    absent: Mapping[str, str]

    def _repr_html_(self) -> str:
        """The first customers, for a notebook."""
        return f"{len(self.frame):,} customers, {len(self.tags)} tags{self.frame.head().to_html()}"

    def summary(self, cutoff: datetime) -> str:
        """How many customers and tags of each part there are; which are sensitive, which absent."""
        counts = [f"{sum(t.part == part for t in self.tags)} of {part}" for part in PARTS]
        lines = [f"{len(self.frame):,} customers as of {cutoff}; tags: {', '.join(counts)}"]
        sensitive = [tag.name for tag in self.tags if tag.sensitive]
        if sensitive:
            lines.append(f"sensitive, no features unless named: {', '.join(sensitive)}")
        names_by_reason: dict[str, list[str]] = {}
        for name, why in self.absent.items():
            names_by_reason.setdefault(why, []).append(name)
        for why, names in names_by_reason.items():
            lines.append(f"absent, as the data has no {why}: {', '.join(names)}")
        return "\n".join(lines)


@dataclass(frozen=True, kw_only=True)
class Portrait:
    """The settings of the rules; the tags themselves are in `dictionary.TAGS`.

    Parameters
    ----------
    half_life_days
        After so many days an event counts half in the interests.
    event_weights
        What an event of each type counts in the interests; a type without a weight counts nothing.
    shrinkage
        The weight with which the affinities of all customers count in those of each: with few
        events a customer's affinities are near to them.
    top, top_terms
        Length of the lists of categories and brands, and of words.
    recent_days
        The window of the tags whose name begins with ``recent``.
    bargain
        The share below the usual price that makes a price a bargain.
    new_days
        An item is new for so many days.
    """

    half_life_days: float = 90.0
    event_weights: Mapping[str, float] = field(default_factory=lambda: dict(WEIGHTS))
    shrinkage: float = 1.0
    top: int = 3
    top_terms: int = 8
    recent_days: float = 90.0
    bargain: float = 0.05
    new_days: int = 30

    def __post_init__(self) -> None:
        for name in ("half_life_days", "recent_days"):
            if not getattr(self, name) > 0:
                raise ConfigError(f"portrait.{name} must be positive, got {getattr(self, name)}")
        for name in ("top", "top_terms", "new_days"):
            if getattr(self, name) < 1:
                raise ConfigError(f"portrait.{name} must be at least 1, got {getattr(self, name)}")
        if not 0 <= self.shrinkage < np.inf:
            raise ConfigError(f"portrait.shrinkage must be 0 or more, got {self.shrinkage}")
        if not 0 <= self.bargain < 1:
            raise ConfigError(f"portrait.bargain must be in [0, 1), got {self.bargain}")
        for kind, weight in self.event_weights.items():
            if kind not in EVENT_TYPES:
                hint = near_matches(kind, EVENT_TYPES)
                raise ConfigError(f"portrait.event_weights: {kind} is no event type: {hint}")
            if not 0 <= weight < np.inf:
                raise ConfigError(f"portrait.event_weights.{kind} must be 0 or more, got {weight}")
        if not any(self.event_weights.values()):
            raise ConfigError("portrait.event_weights leave no event to show an interest: give one")

    def of(self, log: EventLog, cutoff: datetime) -> PortraitTable:
        """The portrait of all customers with an event of their own (no message) before the cutoff.

        Raises
        ------
        DataError
            The log has no timestamps, or no such event before the cutoff.
        """
        log.require("timestamp", needed_by="a portrait (tags as of a cutoff)")
        known = known_at(log, cutoff)
        customers = f"SELECT DISTINCT user_id FROM events WHERE event_type IN ({OWN_EVENTS})"
        users = known.query(f"{customers} ORDER BY user_id")["user_id"]
        if users.empty:
            first, last = log.span()
            raise DataError(
                f"no customer did anything before {cutoff}: the events of {log.name} are from "
                f"{first} to {last}; choose a later cutoff"
            )
        started = time.perf_counter()
        tags, absent = available(log, cutoff)
        frame = self.table(log, cutoff, users, tags)
        console.info("%d portraits in %.1f s", len(frame), time.perf_counter() - started)
        return PortraitTable(frame, tuple(tags), absent)

    def table(
        self, log: EventLog, cutoff: datetime, user_ids: Iterable[str], tags: Sequence[Tag]
    ) -> pd.DataFrame:
        """The tags of `user_ids`, in their order, from the events before the cutoff only.

        Counts are int64, numbers float64, texts strings, and lists lists. A tag whose needs the log
        does not meet is unknown for all (counts are 0).
        """
        ids = pd.Index(np.asarray(list(user_ids), dtype=str), name="user_id")
        settings = asdict(self)
        made, known = events_recorded_before(log, cutoff), known_at(log, cutoff)
        sources = [
            (made, undone_purchases(made, cutoff)),
            (known, relations(known, cutoff, settings)),
        ]
        tables = []
        for events, parts in sources:
            ctes = ", ".join(f"{name} AS ({sql})" for name, sql in parts.items())
            for over in sorted({tag.over for tag in tags} & set(parts)):
                columns = [
                    f"{t.sql.format(**settings)} AS {t.name}" for t in tags if t.over == over
                ]
                sql = f"SELECT user_id, {', '.join(columns)} FROM {over} GROUP BY user_id"
                tables.append(events.query(f"WITH {ctes} {sql}").set_index("user_id").reindex(ids))
        joined = pd.concat(tables, axis=1) if tables else pd.DataFrame(index=ids)
        return pd.DataFrame({t.name: _typed(joined[t.name], t) for t in tags}).reset_index()


def available(
    log: EventLog, cutoff: datetime, tags: Iterable[Tag] = TAGS.values()
) -> tuple[list[Tag], dict[str, str]]:
    """The tags that the events before the cutoff can give, and for each other one what is lacking."""
    facts, tags = known_facts(log, cutoff), list(tags)
    lacks = {tag.name: tag.missing(facts) for tag in tags}
    return [t for t in tags if not lacks[t.name]], {n: why for n, why in lacks.items() if why}


def _typed(values: pd.Series, tag: Tag) -> pd.Series:
    """Values in the tag's type; numbers in float32's precision, so that parallel sums leave no trace."""
    if tag.kind == "count":
        return values.fillna(0).astype(np.int64)
    if tag.kind == "text":
        return values.astype(pd.StringDtype(na_value=np.nan))
    if tag.kind == "list":
        return values.map(list, na_action="ignore")
    numbers = values.astype(np.float32).astype(np.float64)
    return numbers.fillna(0.0) if tag.starts_at_zero else numbers
