"""What a log has: events, users and items, over which time, and which columns."""

from __future__ import annotations

from abc import ABC, abstractmethod
from datetime import datetime
from typing import Any, Literal

import pandas as pd

from growthlab.core.errors import DataError
from growthlab.data.event_sql import value_of


class CountedEvents(ABC):
    """Events that are counted when somebody asks, and once."""

    name: str
    columns: frozenset[str]
    _counts: tuple[int, int, int] | None = None
    _n_events: int | None = None
    _value: tuple[float | None] | None = None
    _wider: CountedEvents | None = None  # this log has some of its events
    _lost: str | None = None  # SQL of the events of the wider log that this one lacks
    items: pd.DataFrame | None
    users: pd.DataFrame | None

    @abstractmethod
    def _fetch_one(self, sql: str) -> tuple[Any, ...]:
        """The only row of a query over the table `events`."""

    @property
    @abstractmethod
    def stored_events(self) -> str:
        """The table of the events, as all connections to the database know it."""

    @property
    def ordered_by(self) -> Literal["timestamp", "position"]:
        """The column that orders a user's events: a time, or only a position."""
        return "timestamp" if "timestamp" in self.columns else "position"

    @property
    def n_events(self) -> int:
        """The number of events."""
        if self._counts is not None:
            return self._counts[0]
        if self._n_events is None:
            self._n_events = self._fetch_one("SELECT count(*) FROM events")[0]
        return self._n_events

    @property
    def n_users(self) -> int:
        """The number of users with an event; events without a user do not count."""
        return self._count()[1]

    @property
    def n_items(self) -> int:
        """The number of items with an event."""
        return self._count()[2]

    @property
    def value(self) -> float | None:
        """The money of all lines of purchases and returns, whatever their sign; None without prices."""
        if self._value is None:
            if self._wider is not None and self._wider.n_events == self.n_events:
                self._value = (self._wider.value,)
            else:
                self._value = self._fetch_one(f"SELECT {value_of(self.columns)} FROM events")
        return self._value[0]

    @property
    def counts(self) -> dict[str, int]:
        """The numbers of events, users and items."""
        return dict(zip(("events", "users", "items"), self._count(), strict=True))

    def require(self, *columns: str, needed_by: str) -> None:
        """DataError where a column of events, or ``items``, ``users``, ``items.text`` is missing."""
        missing = [c for c in columns if not self._has(c)]
        if missing:
            raise DataError(
                f"{needed_by} needs {' and '.join(missing)}, which {self.name} does not have: "
                f"it has {', '.join(sorted(self.columns))}"
            )

    def lacks_repeats(self, wider: CountedEvents, n: int, rows: str) -> None:
        """Note that this log is another one without `n` repeats among these rows (SQL)."""
        self._counts = (wider.n_events - n, wider.n_users, wider.n_items)
        self._wider = wider
        counted = f"SELECT *, count(*) AS times FROM ({rows}) GROUP BY ALL"
        self._lost = f"SELECT user_id FROM ({counted}) WHERE times > 1"

    def n_users_with_less(self, before: CountedEvents) -> int:
        """How many users have fewer events than they had in the log that this one was made of."""
        if self._lost is not None and self._wider is before:
            return int(before._fetch_one(f"SELECT count(DISTINCT user_id) FROM ({self._lost})")[0])
        counts = [
            f"(SELECT hash(user_id) AS user, count(*) AS n FROM {log.stored_events} "
            "WHERE user_id IS NOT NULL GROUP BY 1)"
            for log in (before, self)
        ]
        return int(
            before._fetch_one(
                f"SELECT count(*) FROM {counts[0]} AS b LEFT JOIN {counts[1]} AS a USING (user) "
                "WHERE coalesce(a.n, 0) < b.n"
            )[0]
        )

    def summary(self) -> str:
        """What the log holds, for people."""
        first, last = self.span()
        return f"{self._counts_in_words()}, {first} to {last}"

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r}: {self._counts_in_words()})"

    def span(self) -> tuple[datetime, datetime] | tuple[int, int]:
        """The oldest and the newest timestamp (or position); DataError for a log without events."""
        time = self.ordered_by
        oldest, newest = self._fetch_one(f"SELECT min({time}), max({time}) FROM events")
        if oldest is None:
            raise DataError(f"{self.name} has no events")
        return oldest, newest

    def _counts_in_words(self) -> str:
        return ", ".join(f"{n:,} {what}" for what, n in self.counts.items())

    def _count(self) -> tuple[int, int, int]:
        if self._counts is None:
            if self._wider is not None and self._wider.n_events == self.n_events:
                self._counts = self._wider._count()
            else:
                counted = "count(DISTINCT user_id), count(DISTINCT item_id)"
                n_users, n_items, *value = self._fetch_one(
                    f"SELECT {counted}, {value_of(self.columns)} FROM events"
                )
                self._value = (value[0],)
                self._counts = (self.n_events, n_users, n_items)
        return self._counts

    def _has(self, column: str) -> bool:
        table, _, field = column.rpartition(".")
        if table not in ("items", "users") and column not in ("items", "users"):
            return column in self.columns
        frame = getattr(self, table or column)
        return frame is not None and (not table or (field in frame and frame[field].notna().any()))
