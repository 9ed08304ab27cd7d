"""What is not a hyperparameter: how a fit runs, decided by the caller and the same for every model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from growthlab.training.warm import LearnedState


class Verdict(NamedTuple):
    """What the caller says after an epoch: is it the best so far, and is it time to stop?"""

    improved: bool
    stop: bool


@dataclass(frozen=True)
class FitOptions:
    """How one fit runs.

    `device` is ``auto``, ``cpu`` or ``cuda``. `on_epoch` is called after epoch `n` (from 1) with the model
    in a state that can score; an iterative model keeps the weights of the last improved epoch. `epochs`
    overrides the model's own number (the refit on past + valid, without `on_epoch`). `checkpoint` is a
    folder in which an interrupted fit finds its last finished epoch again. `target_events` are the event
    types that the task counts as taken (None: any), for models that learn what comes next; `horizon_days`
    is how long it will watch for them (None: the split has no clock), `gap_days` how long after the cutoff
    that begins, and `filter_seen` which items it keeps out of the lists, for models that are tuned on a part
    of their own past. `warm` is what an earlier fit of
    the same model learned, from which this one goes on with fresh moments of the optimiser.
    """

    seed: int = 0
    device: str = "auto"
    on_epoch: Callable[[int, Any], Verdict] | None = None
    epochs: int | None = None
    checkpoint: Path | None = None
    target_events: tuple[str, ...] | None = None
    horizon_days: float | None = None
    gap_days: float = 0.0
    filter_seen: str = "none"
    warm: LearnedState | None = None
