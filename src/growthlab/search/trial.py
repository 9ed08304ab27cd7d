"""A trial of a search: the settings to try, and the result."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, Protocol, Self, get_args

State = Literal["complete", "pruned", "failed", "interrupted"]


class TrialPruned(Exception):
    """Raised by `Trial.report` after an epoch to end a trial that is not promising."""


@dataclass(frozen=True)
class TrialResult:
    """How a trial ended.

    `values` are the objectives in their order (empty unless complete), `valid` the metrics on the
    validation window, `costs` those of `search_loop.COSTS`, `curve` the objective by epoch. `why` is
    the reason for any state but complete. `n_deciding` customers decided on the validation window; None
    where that does not matter or was not counted.
    """

    state: State
    values: tuple[float, ...] = ()
    valid: Mapping[str, float] = field(default_factory=dict)
    costs: Mapping[str, float] = field(default_factory=dict)
    epochs: int | None = None
    curve: Mapping[int, float] = field(default_factory=dict)
    why: str = ""
    n_deciding: int | None = None

    def as_json(self) -> str:
        """All fields as JSON text."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """The result that `as_json` wrote; ValueError, TypeError or KeyError for anything else."""
        fields = json.loads(text)
        curve = {int(n): float(v) for n, v in fields.pop("curve").items()}
        values = tuple(float(v) for v in fields.pop("values"))
        valid, costs = (
            {str(n): float(v) for n, v in fields.pop(name).items()} for name in ("valid", "costs")
        )
        result = cls(**fields, values=values, valid=valid, costs=costs, curve=curve)
        if result.state not in get_args(State) or (result.state == "complete") != bool(values):
            raise ValueError(f"a trial that is {result.state} with {len(values)} values")
        return result


class Trial(Protocol):
    """Settings to try."""

    number: int
    overrides: Mapping[str, Any]

    def report(self, epoch: int, value: float) -> bool:
        """Report the objective after an epoch; True if time is up. Raises `TrialPruned` to end the trial."""
        ...


@dataclass(frozen=True)
class FinishedTrial:
    """A trial that ended, with its result; `began` and `ended` are in seconds since 1970."""

    number: int
    overrides: Mapping[str, Any]
    result: TrialResult
    began: float
    ended: float
