"""Defaults of a task's settings that come from the data set."""

from __future__ import annotations

from dataclasses import fields, is_dataclass, replace
from typing import Any, TypeVar

from growthlab.data.source import DataSource

Settings = TypeVar("Settings")


def with_data_defaults(task: Settings, source: DataSource[Any]) -> Settings:
    """The task with the data set's default for each setting that is None."""
    assert is_dataclass(task)
    assert not isinstance(task, type)
    unset = [f.name for f in fields(task) if getattr(task, f.name) is None]
    defaults = {n: getattr(source, n) for n in unset if getattr(source, n, None) is not None}
    return replace(task, **defaults)
