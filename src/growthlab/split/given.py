"""Given: the split that a column of the log defines."""

from __future__ import annotations

from dataclasses import dataclass

from growthlab.core.errors import ConfigError, DataError
from growthlab.data.as_of import first_tables
from growthlab.data.cancellations import without_cancelled_purchases
from growthlab.data.event_log import EventLog
from growthlab.split.fold import Fold

PARTS = ("train", "valid", "test")


@dataclass(frozen=True)
class Given:
    """The split that a data set was published with: `column` holds train, valid or test.

    The past is train and valid, the future is test; the inner fold has train as its past and valid
    as its future. Without valid events there is no inner fold.

    Examples
    --------
    >>> import pandas as pd
    >>> days = pd.to_datetime(["2025-01-01", "2025-01-05", "2025-01-09"])
    >>> events = pd.DataFrame({"user_id": "ann", "event_type": "purchase", "timestamp": days})
    >>> events["split"] = ["train", "valid", "test"]
    >>> fold = Given().folds(EventLog.from_frames(events))[0]
    >>> [t.day for t in fold.past.to_pandas()["timestamp"]]
    [1, 5]
    >>> [t.day for t in fold.valid.to_pandas()["timestamp"]]
    [5]
    """

    column: str = "split"

    def folds(
        self, log: EventLog, horizon_days: float | None = None, origins: int = 1
    ) -> list[Fold]:
        """The only fold; the horizon of the data is ignored.

        Raises
        ------
        DataError
            A missing column, a value other than the three, or no event in train or in test.
        ConfigError
            More than one origin.
        """
        if origins != 1:
            raise ConfigError(f"origins={origins} needs a common cutoff: use split=global_time")
        log.require(self.column, needed_by="split=given")
        log = first_tables(without_cancelled_purchases(log))
        counts = self._counts(log)
        parts = {name: log.where(f"{self.column} = '{name}'") for name in PARTS}
        inner = Fold(parts["train"], parts["valid"]) if counts.get("valid") else None
        past = log.where(f"{self.column} IN ('train', 'valid')")
        return [Fold(past, parts["test"], inner=inner)]

    def _counts(self, log: EventLog) -> dict[str, int]:
        """The number of events of each part."""
        column = self.column
        rows = log.query(
            f"SELECT {column} AS part, count(*) AS n FROM events GROUP BY ALL ORDER BY ALL"
        )
        counts = dict(zip(rows["part"].fillna("nothing"), rows["n"], strict=True))
        unknown = [part for part in counts if part not in PARTS]
        if unknown:
            raise DataError(
                f"{counts[unknown[0]]} events of {log.name} have {unknown[0]} in the column "
                f"{column}: possible are {', '.join(PARTS)}"
            )
        for part, meaning in (("train", "past"), ("test", "test users")):
            if part not in counts:
                raise DataError(
                    f"no event of {log.name} has {column}={part}: there would be no {meaning}"
                )
        return counts
