"""Customers as points in a space of standardised tags, for clusters and lookalikes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pandas as pd

from growthlab.core.errors import ConfigError, DataError
from growthlab.data.event_log import EventLog
from growthlab.features.portrait.dictionary import select_portrait_tags
from growthlab.features.portrait.portrait import Portrait, available
from growthlab.features.portrait.tag import Tag

MAX_DEVIATIONS = (
    3.0  # standard deviations: values beyond are cut, so that no outlier makes a cluster
)
LOG_SCALED = ("count", "amount", "number")  # kinds of tags with long tails


@dataclass(frozen=True)
class CustomerSpace:
    """`points` has a row for each of `user_ids` and a column for each of `axes`, float64."""

    user_ids: np.ndarray  # (n,) str, sorted
    axes: tuple[str, ...]
    points: np.ndarray  # (n, n_axes)
    absent: tuple[str, ...]  # requested tags that the data lacks, or that are the same for all


def checked_tags(names: Sequence[str], setting: str) -> list[Tag]:
    """The tags of these names; ConfigError for one that is unknown, sensitive, or a list."""
    tags = select_portrait_tags(names, setting)
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
    """The points of `user_ids` as of a date, standardised over these customers.

    Counts, amounts and numbers by ln(1 + value); an unknown number is the median; then mean 0 and
    standard deviation 1, cut off at `MAX_DEVIATIONS`. A text becomes an axis a value, together as long as a
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
        names, values = _axes_of(tag, frame[tag.name])
        axes += names
        columns += values
        if not names:
            constant.append(tag.name)
    if not columns:
        requested = ", ".join(tag.name for tag in tags)
        raise DataError(
            f"{log.name} gives none of the tags {requested}, or the same for all customers"
        )
    ids = np.asarray(user_ids, dtype=str)
    return CustomerSpace(ids, tuple(axes), np.column_stack(columns), (*absent, *constant))


def _axes_of(tag: Tag, values: pd.Series) -> tuple[list[str], list[np.ndarray]]:
    """Names and standardised values of a tag's axes; none where all are the same."""
    if tag.kind == "text":
        levels = sorted(values.dropna().unique())
        if len(levels) < 2:
            return [], []
        spread = [_standardise((values == level).to_numpy(dtype=np.float64)) for level in levels]
        return [f"{tag.name}={level}" for level in levels], [s / len(levels) ** 0.5 for s in spread]
    numbers = values.to_numpy(dtype=np.float64)
    known = ~np.isnan(numbers)
    if not known.any():
        return [], []
    filled = np.where(known, numbers, np.median(numbers[known]))
    scaled = np.log1p(filled) if tag.kind in LOG_SCALED else filled
    return ([], []) if np.ptp(scaled) == 0 else ([tag.name], [_standardise(scaled)])


def _standardise(values: np.ndarray) -> np.ndarray:
    """Values with mean 0 and standard deviation 1, cut off; zeros where all are the same."""
    deviation = values.std()
    scaled = (values - values.mean()) / (deviation if deviation > 0 else 1.0)
    return np.clip(scaled, -MAX_DEVIATIONS, MAX_DEVIATIONS)
