"""A trial of a search: settings to be tried, and how that ended."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, Protocol, Self

State = Literal["complete", "pruned", "failed", "interrupted"]


class Pruned(Exception):
    """Raised after an epoch by who follows a trial: it is hopeless."""


@dataclass(frozen=True)
class Result:
    """How a trial ended.

    `values` are those of the objectives, in their order (empty unless complete); `valid` are the
    metrics on the validation window, `costs` see `COSTS`, `curve` the objective an epoch. `why` says
    what ended a trial that did not come to its own end.
    """

    state: State
    values: tuple[float, ...] = ()
    valid: Mapping[str, float] = field(default_factory=dict)
    costs: Mapping[str, float] = field(default_factory=dict)
    epochs: int | None = None
    curve: Mapping[int, float] = field(default_factory=dict)
    why: str = ""

    def as_json(self) -> str:
        """The whole as text."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """The result that `as_json` wrote."""
        fields = json.loads(text)
        curve = {int(n): v for n, v in fields.pop("curve").items()}
        return cls(**{**fields, "values": tuple(fields["values"]), "curve": curve})


class Trial(Protocol):
    """Settings to be tried."""

    number: int
    overrides: Mapping[str, Any]

    def report(self, epoch: int, value: float) -> bool:
        """The objective after an epoch: True where time is up; raises `Pruned` where it is hopeless."""
        ...


@dataclass(frozen=True)
class Finished:
    """A trial that ended, and how; `began` and `ended` in seconds since 1970."""

    number: int
    overrides: Mapping[str, Any]
    result: Result
    began: float
    ended: float
