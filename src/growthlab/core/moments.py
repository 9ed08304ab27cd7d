"""A date or time as a setting gives it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from growthlab.core.errors import ConfigError


def moment_of(text: Any, setting: str) -> datetime:
    """A date or time in ISO form as naive UTC; one without a zone is UTC, a date its midnight.

    Raises
    ------
    ConfigError
        It is neither; `setting` is the name that the message gives.
    """
    try:
        moment = datetime.fromisoformat(str(text))
        return moment if moment.tzinfo is None else moment.astimezone(UTC).replace(tzinfo=None)
    except (ValueError, OverflowError):
        raise ConfigError(f"{setting} must be a date or time like 2025-06-01, got {text}") from None
