"""growthlab: one customer timeline, three questions: what will they want, will they leave, their worth."""

from __future__ import annotations

from typing import Any

__version__ = "0.1.0"
__all__ = ["EventLog", "compare", "describe", "promote", "tune"]


def __getattr__(name: str) -> Any:
    """What `__all__` names, imported when first asked for: the plain install serves without it."""
    if name in ("compare", "describe", "promote", "tune"):
        from growthlab import api

        return getattr(api, name)
    if name == "EventLog":
        from growthlab.data.event_log import EventLog

        return EventLog
    raise AttributeError(f"module growthlab has no attribute {name}")
