"""FitOptions: how a fit runs, decided by the caller and not by the model's hyperparameters."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from growthlab.training.learned_state import LearnedState


class EpochVerdict(NamedTuple):
    """The caller's verdict after an epoch: is it the best so far, and is it time to stop?"""

    improved: bool
    stop: bool


@dataclass(frozen=True)
class FitOptions:
    """How one fit runs.

    Parameters
    ----------
    device : ``auto``, ``cpu`` or ``cuda``
    on_epoch : called after each epoch (from 1) with the model in a state that can score; the model
        keeps the weights of the last improved epoch
    epochs : overrides the model's own number (for the refit on past + valid, without `on_epoch`)
    checkpoint : folder in which an interrupted fit finds its last finished epoch
    target_events : the event types that the task predicts (None: any), for models that learn what
        comes next
    horizon_days : length of the task's outcome window (None: the split has no clock)
    gap_days : days from the cutoff to the start of that window
    filter_seen : which items the task hides from lists, for models that tune themselves on a part of
        their past
    warm : what an earlier fit of the same model learned; this one continues from it, with a fresh
        optimiser
    """

    seed: int = 0
    device: str = "auto"
    on_epoch: Callable[[int, Any], EpochVerdict] | None = None
    epochs: int | None = None
    checkpoint: Path | None = None
    target_events: tuple[str, ...] | None = None
    horizon_days: float | None = None
    gap_days: float = 0.0
    filter_seen: str = "none"
    warm: LearnedState | None = None
