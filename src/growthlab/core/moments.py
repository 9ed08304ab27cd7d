"""Dates and times in settings."""

from __future__ import annotations

from datetime import UTC, datetime, tzinfo
from typing import Any

from growthlab.core.errors import ConfigError


def parse_moment(text: Any, setting: str, zone: tzinfo = UTC) -> datetime:
    """A date or time in ISO form as naive UTC; without a zone it is of `zone`, a date is its midnight.

    Raises
    ------
    ConfigError
        `text` is neither; the message names the `setting`.
    """
    try:
        moment = datetime.fromisoformat(str(text))
        aware = moment.replace(tzinfo=zone) if moment.tzinfo is None else moment
        return aware.astimezone(UTC).replace(tzinfo=None)
    except (ValueError, OverflowError):
        raise ConfigError(f"{setting} must be a date or time like 2025-06-01, got {text}") from None
