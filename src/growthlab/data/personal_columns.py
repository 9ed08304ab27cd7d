"""Personal data in columns that nobody has decided about: it stops `prepare`."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import pandas as pd

from growthlab.core.errors import ConfigError, DataError, near_matches
from growthlab.core.pseudonyms import PseudonymKey, find_or_create_key
from growthlab.data.columns import as_strings
from growthlab.data.event_log import EventLog
from growthlab.data.kinds import EVENT_KINDS
from growthlab.data.personal_data import PersonalData, personal_data

DROP, HASH, ALLOW = "drop", "hash", "allow"
DECISIONS = (DROP, HASH, ALLOW)
SAMPLE = 5_000  # distinct cells of a column that are looked at
ROWS_A_CELL = 20_000  # from so many rows on, the sample is drawn by the hash of the cells
FEW = 100
MARKS = ("@", "+")  # of an e-mail address and a phone number, which one cell in millions may hold
KINDS_OF_MARKS = ("e-mail", "phone")
NOT_CHECKED = ("user_id", "item_id", "event_type")
CHECKED = tuple(
    c for c, kind in EVENT_KINDS.items() if kind in ("id", "label", "text") and c not in NOT_CHECKED
)
Decisions = Mapping[str, str]  # a column -> drop, hash or allow


def check_decisions(decisions: Decisions) -> None:
    """Raise a `ConfigError` for a decision that is none."""
    for column, decision in decisions.items():
        if decision not in DECISIONS:
            hint = near_matches(str(decision), DECISIONS)
            raise ConfigError(f"data.personal_data.{column}={decision}: {hint}")


def decided_log(log: EventLog, names: Mapping[str, str | None], decisions: Decisions) -> EventLog:
    """The log as was decided about its columns of events and users.

    Dropped columns are gone, and hashed ones hold keyed pseudonyms. `names` are the file's names of our
    columns.

    Raises
    ------
    DataError
        Some hold personal data, and nothing is decided about them, or a decision is about no column.
    """
    users = log.users if log.users is not None else pd.DataFrame()
    of_users = [str(c) for c in users if c != "user_id"]
    of_events = [c for c in CHECKED if c in log.columns]
    _refuse_unknown(decisions, {*of_events, *of_users})
    found: dict[str, PersonalData] = {}
    for column in of_events:
        one = None if column in decisions else _found_in_events(log, column, names.get(column))
        if one is not None:
            found[column] = one
    found |= _found_in(users[[c for c in of_users if c not in decisions]])
    _refuse(found, decisions)
    kept = decided_table(users, decisions) if log.users is not None else None
    if kept is not None and not kept.equals(users):
        log = log.with_tables(log.items, kept)
    for column in of_events:
        if decisions.get(column) == DROP:
            log = log.derive(
                f"SELECT * REPLACE (NULL::VARCHAR AS {column}) FROM events", clears=[column]
            )
        elif decisions.get(column) == HASH:
            log = log.with_hashed(column, find_or_create_key())
    return log


def decided_table(table: pd.DataFrame, decisions: Decisions) -> pd.DataFrame:
    """The table without its dropped columns, and with keyed pseudonyms in the hashed ones."""
    table = table.drop(columns=[c for c in table if decisions.get(str(c)) == DROP])
    hashed = [c for c in table if decisions.get(str(c)) == HASH]
    if not hashed:
        return table
    key = find_or_create_key()
    return table.assign(**{str(c): _hashed(table[c], key) for c in hashed})


def refuse_undecided(table: pd.DataFrame, decisions: Decisions, others: Collection[str]) -> None:
    """Raise a `DataError` where a table's column holds personal data and nothing is decided about it.

    Also for a decision about none of its columns and none of the `others`.
    """
    _refuse_unknown(decisions, {*map(str, table), *others})
    _refuse(_found_in(table[[c for c in table if str(c) not in decisions]]), decisions)


def _refuse_unknown(decisions: Decisions, columns: Collection[str]) -> None:
    for column in decisions:
        if column not in columns:
            hint = near_matches(column, sorted(columns))
            raise DataError(
                f"data.personal_data: there is no column {column!r} to decide about: {hint}"
            )


def _refuse(found: Mapping[str, PersonalData], decisions: Decisions) -> None:
    """Raise a `DataError` that names what was found, with all decisions as one setting."""
    if not found:
        return
    listed = ", ".join(f"{column} ({f.kind}, by its {f.evidence})" for column, f in found.items())
    all_decisions = {**decisions, **dict.fromkeys(found, DROP)}
    answer = ", ".join(f"{column}: {decision}" for column, decision in all_decisions.items())
    raise DataError(
        f"personal data in {listed}: decide with data.personal_data={{{answer}}}; possible are "
        f"{DROP}, {HASH} (a keyed pseudonym for each value) and {ALLOW}"
    )


def _found_in_events(log: EventLog, column: str, name: str | None) -> PersonalData | None:
    """The personal data in a column of events, by our name for it or the file's `name`."""
    step = max(log.n_events // ROWS_A_CELL, 1)
    cells = _cells(log, column, f"hash({column}) % {step} = 0")
    if len(cells) < FEW and step > 1:
        cells = _cells(log, column, "true")
    marked = _cells(log, column, " OR ".join(f"contains({column}, '{mark}')" for mark in MARKS))
    found = (_found(each, cells, marked) for each in dict.fromkeys((name or column, column)))
    return next(filter(None, found), None)


def _cells(log: EventLog, column: str, condition: str) -> list[str]:
    """Distinct cells of a column of events under a condition."""
    rows = log.query(
        f"SELECT DISTINCT {column} AS cell FROM events WHERE {column} IS NOT NULL AND ({condition}) "
        f"LIMIT {SAMPLE}"
    )
    return [str(cell) for cell in rows["cell"]]


def _found_in(table: pd.DataFrame) -> dict[str, PersonalData]:
    """The personal data in the columns of a table that can hold texts."""
    found = {}
    for column, values in table.items():
        if pd.api.types.is_datetime64_any_dtype(values) or pd.api.types.is_float_dtype(values):
            continue
        cells = [str(cell) for cell in as_strings(values).dropna().unique()]
        marked = [cell for cell in cells if any(mark in cell for mark in MARKS)][:SAMPLE]
        one = _found(str(column), cells[:: max(len(cells) // SAMPLE, 1)], marked)
        if one is not None:
            found[str(column)] = one
    return found


def _found(name: str, cells: list[str], marked: list[str]) -> PersonalData | None:
    """The personal data in a sample of cells, or in those with a mark."""
    found = personal_data(name, cells)
    if found is None and marked:
        found = personal_data(name, marked)
        found = found if found is not None and found.kind in KINDS_OF_MARKS else None
    return found


def _hashed(values: pd.Series, key: PseudonymKey) -> pd.Series:
    """The keyed pseudonym of each value; null where there is none."""
    texts = as_strings(values)
    distinct = [str(text) for text in texts.dropna().unique()]
    names = key.pseudonyms(f"column/{values.name}", distinct)
    return texts.map(dict(zip(distinct, names, strict=True)))
