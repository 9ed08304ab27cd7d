"""Parts of a log: ranges of user ids with about equally many events, each complete for its customers."""

from __future__ import annotations

from itertools import pairwise

import duckdb

from growthlab.data.sql_text import quoted_text

EVENTS_A_PART = 4_000_000
_SAMPLE = 100_000  # events by which borders are chosen


def part_borders(
    connection: duckdb.DuckDBPyConnection, n_parts: int, events: str = "events"
) -> tuple[str, ...]:
    """The user ids at which parts of a table of events begin, but for the first, ascending.

    They come from a sample: what is in a part depends on it, what comes of all parts does not.
    """
    if n_parts < 2:
        return ()
    shares = ", ".join(str(n / n_parts) for n in range(1, n_parts))
    (borders,) = connection.execute(
        f"SELECT quantile_disc(user_id, [{shares}]) FROM (SELECT user_id FROM {events} "
        f"WHERE user_id IS NOT NULL USING SAMPLE {_SAMPLE} ROWS)"
    ).fetchall()[0]
    return tuple(sorted(set(borders or ())))


def part_conditions(borders: tuple[str, ...]) -> list[str]:
    """SQL for the events of each part, in the order of user ids; those without a user are in the first."""
    ids = [quoted_text(border) for border in borders]
    first = f"(user_id IS NULL OR user_id < {ids[0]})"
    between = [f"(user_id >= {low} AND user_id < {high})" for low, high in pairwise(ids)]
    return [first, *between, f"user_id >= {ids[-1]}"]
