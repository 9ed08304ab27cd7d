"""The first events as they will be read, without what tells who a person is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from growthlab.core.errors import GrowthlabError, one_line
from growthlab.data.kinds import EVENT_COLUMNS
from growthlab.data.tabular_file import TabularFile

ROWS = 5
LARGEST = 256 << 20  # bytes of files that are read whole


def first_rows(
    settings: Mapping[str, Any], personal: Mapping[str, str], files: Iterable[Path]
) -> tuple[list[str], str | None]:
    """Lines with the number of events and the first of them in the order of time, and why reading stops.

    `personal` are the columns of ours that hold personal data, with its kind, which stands in its place;
    users are numbered.
    """
    if sum(file.stat().st_size for file in files) > LARGEST:
        return [f"(not shown: more than {LARGEST >> 20} MiB are not read whole here)"], None
    try:
        log = TabularFile(**settings).read()
        columns = [c for c in EVENT_COLUMNS if c in log.columns]
        order = ", ".join(
            [log.ordered_by, "user_id", *(c for c in columns if c not in ("user_id",))]
        )
        rows = log.query(f"SELECT {', '.join(columns)} FROM events ORDER BY {order} LIMIT {ROWS}")
        types = log.query(
            "SELECT event_type, count(*) AS n FROM events GROUP BY 1 ORDER BY 2 DESC, 1"
        )
        counted = ", ".join(f"{n:,} {kind}" for kind, n in types.itertuples(index=False))
        head = f"{log.summary()} ({counted})" if log.n_events else "no events"
    except GrowthlabError as error:
        return [], one_line(error)
    users = {user: f"user {n}" for n, user in enumerate(rows["user_id"].dropna().unique(), start=1)}
    rows["user_id"] = rows["user_id"].map(users)
    for column, kind in personal.items():
        if column in rows and column != "user_id":
            rows[column] = rows[column].where(rows[column].isna(), f"<{kind}>")
    return [head, *rows.to_string(index=False, na_rep="").splitlines()], None
