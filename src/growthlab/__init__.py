"""growthlab: one customer timeline, three questions: what will they want, will they leave, their worth."""

from __future__ import annotations

from typing import Any

__version__ = "0.1.0"
__all__ = ["EventLog", "compare"]


def __getattr__(name: str) -> Any:
    """`compare` and `EventLog`, imported when first asked for: the plain install serves without them."""
    if name == "compare":
        from growthlab.api import compare

        return compare
    if name == "EventLog":
        from growthlab.data.event_log import EventLog

        return EventLog
    raise AttributeError(f"module growthlab has no attribute {name}")
