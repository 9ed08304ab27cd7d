"""A log that Python code holds: what it says of its use, how it is cut, how it shows itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

from growthlab.config.compose import compose
from growthlab.core.build import build
from growthlab.core.plain_values import plain_values
from growthlab.data.cleaning import Cleaning
from growthlab.data.event_log import EventLog
from growthlab.data.given_log import GivenLog
from growthlab.data.source import Source
from growthlab.data.sql_engine import SqlConnection
from growthlab.pages.notebook_html import lines_html, table_html
from growthlab.split.fold import Fold, Splitter

ROWS_SHOWN = 5


class OwnLog(EventLog):
    """An `EventLog` with the use that its source says of it, such as the horizon and the target events."""

    source: GivenLog

    @classmethod
    def of(cls, log: EventLog, source: GivenLog) -> Self:
        """The same events with a use."""
        own = cls(
            log._connection.cursor(),
            log._tables,
            name=log.name,
            columns=log.columns,
            items=log.items,
            users=log.users,
            cleaning=log.cleaning,
            borders=log.borders,
            key_fingerprint=log.key_fingerprint,
            currency=log.currency,
            calendar=log.calendar,
        )
        own.source = source
        return own

    def split(self, split: str = "global_time", **settings: Any) -> Fold:
        """The log cut at its newest cutoff: ``past``, ``valid``, ``future``, ``cutoff``.

        Parameters
        ----------
        split : a file of ``conf/split``
        settings : those of the split, such as ``horizon_days=30``

        Raises
        ------
        ConfigError, DataError
            The mistakes that a command reports, in one line.
        """
        node = plain_values(compose("train", [f"split={split}"]).config.split)
        splitter = build({**node, **settings}, Splitter, "split")
        return cut_log(self, self.source, splitter)[0]

    def _with(self, cursor: SqlConnection, tables: Mapping[str, str]) -> Self:
        log = super()._with(cursor, tables)
        log.source = self.source
        return log

    def _repr_html_(self) -> str:
        """Counts, period, event types and the first events, for a notebook."""
        types = self.query(
            "SELECT event_type, count(*) AS events, count(DISTINCT user_id) AS users, "
            "count(DISTINCT item_id) AS items FROM events GROUP BY event_type ORDER BY events DESC"
        )
        cells = {
            str(name): [f"{v:,}" if isinstance(v, int) else str(v) for v in types[name].tolist()]
            for name in types
        }
        period = ""
        if "timestamp" in self.columns:
            dates = self.query("SELECT min(timestamp) AS first, max(timestamp) AS last FROM events")
            period = f"from {dates['first'].iloc[0]} to {dates['last'].iloc[0]}"
        rows = self.query(f"SELECT * FROM events LIMIT {ROWS_SHOWN}").dropna(axis=1, how="all")
        first = {str(name): rows[name].astype(str).tolist() for name in rows}
        named = "" if self.currency is None else f"prices in {self.currency}"
        return (
            lines_html([repr(self), period, named])
            + table_html(cells)
            + lines_html(["the first events:"])
            + table_html(first, left=len(first))
        )


def source_of(log: EventLog) -> GivenLog:
    """What is known of the use of a log that the caller holds."""
    return log.source if isinstance(log, OwnLog) else GivenLog.of(log)


def cut_log(log: EventLog, source: Source, splitter: Splitter, origins: int = 1) -> list[Fold]:
    """The folds of a log, after the rules of cleaning that learn from counts.

    Each past teaches its own part of the fold.
    """
    folds = splitter.folds(log, source.horizon_days, origins)
    cleaning = source.cleaning
    return folds if cleaning is None else [_cleaned(fold, cleaning) for fold in folds]


def _cleaned(fold: Fold, cleaning: Cleaning) -> Fold:
    return fold.without_users(cleaning.bots, cleaning.drop_bots).with_past(cleaning.restrict)
