"""Settings of a task that belong to the data: the data set's own value where a task leaves them open."""

from __future__ import annotations

from dataclasses import fields, is_dataclass, replace
from typing import TypeVar

from growthlab.data.source import Source

Settings = TypeVar("Settings")


def with_data_defaults(task: Settings, source: Source) -> Settings:
    """The task with the data set's own default wherever its setting is None."""
    assert is_dataclass(task)
    assert not isinstance(task, type)
    open_settings = [f.name for f in fields(task) if getattr(task, f.name) is None]
    found = {n: getattr(source, n) for n in open_settings if getattr(source, n, None) is not None}
    return replace(task, **found)
