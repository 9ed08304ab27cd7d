"""Customers as points: tags of the portrait on one scale, for clusters and lookalikes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pandas as pd

from growthlab.core.errors import ConfigError, DataError
from growthlab.data.event_log import EventLog
from growthlab.features.portrait.dictionary import named_tags
from growthlab.features.portrait.portrait import Portrait, available
from growthlab.features.portrait.tag import Tag

LIMIT = 3.0  # standard deviations, so that one extreme customer makes no cluster
LOGGED = ("count", "amount", "number")  # kinds with long tails


@dataclass(frozen=True)
class CustomerSpace:
    """`points` has a row a customer of `user_ids` and a column a name of `axes`, float64."""

    user_ids: np.ndarray  # (n,) str, sorted
    axes: tuple[str, ...]
    points: np.ndarray  # (n, n_axes)
    absent: tuple[str, ...]  # tags asked for that the data does not give, or that are all the same


def checked_tags(names: Sequence[str], setting: str) -> list[Tag]:
    """The tags of these names; ConfigError for one that there is not, is sensitive, or is a list."""
    tags = named_tags(names, setting)
    if not tags:
        raise ConfigError(f"{setting}=[] leaves nothing to tell customers apart by: name some tags")
    for tag in tags:
        if tag.sensitive:
            raise ConfigError(f"{setting}: {tag.name} is sensitive: segments are made without it")
        if tag.kind == "list":
            raise ConfigError(f"{setting}: {tag.name} is a list: leave it out")
    return tags


def customer_space(
    log: EventLog, as_of: datetime, tags: Sequence[Tag], user_ids: np.ndarray
) -> CustomerSpace:
    """The tags of `user_ids` as of a date, standardised over them.

    Counts, amounts and numbers by ln(1 + value); an unknown number is the median; then mean 0 and
    standard deviation 1, cut off at `LIMIT`. A text becomes an axis a value, together as long as a
    number. A tag that the data lacks, or that is the same for all, is left out.

    Raises
    ------
    DataError
        No tag is left.
    """
    present, absent = available(log, as_of, tags)
    frame = Portrait().table(log, as_of, user_ids, present)
    axes: list[str] = []
    columns: list[np.ndarray] = []
    constant = []
    for tag in present:
        names, found = _axes_of(tag, frame[tag.name])
        axes += names
        columns += found
        if not names:
            constant.append(tag.name)
    if not columns:
        asked = ", ".join(tag.name for tag in tags)
        raise DataError(f"{log.name} gives none of the tags {asked}, or the same for everybody")
    ids = np.asarray(user_ids, dtype=str)
    return CustomerSpace(ids, tuple(axes), np.column_stack(columns), (*absent, *constant))


def _axes_of(tag: Tag, values: pd.Series) -> tuple[list[str], list[np.ndarray]]:
    """Names and standardised values of a tag's axes; none where all are the same."""
    if tag.kind == "text":
        levels = sorted(values.dropna().unique())
        if len(levels) < 2:
            return [], []
        spread = [_standard((values == level).to_numpy(dtype=np.float64)) for level in levels]
        return [f"{tag.name}={level}" for level in levels], [s / len(levels) ** 0.5 for s in spread]
    numbers = values.to_numpy(dtype=np.float64)
    known = ~np.isnan(numbers)
    if not known.any():
        return [], []
    filled = np.where(known, numbers, np.median(numbers[known]))
    scaled = np.log1p(filled) if tag.kind in LOGGED else filled
    return ([], []) if np.ptp(scaled) == 0 else ([tag.name], [_standard(scaled)])


def _standard(values: np.ndarray) -> np.ndarray:
    """Mean 0, standard deviation 1, cut off; zeros where all are the same."""
    deviation = values.std()
    scaled = (values - values.mean()) / (deviation if deviation > 0 else 1.0)
    return np.clip(scaled, -LIMIT, LIMIT)
