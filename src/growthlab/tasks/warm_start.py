"""Warm starts of a run: what it leaves for a later one, and whether it may go on from an earlier one."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from growthlab.core.errors import ConfigError
from growthlab.models.base import ContinuesFit
from growthlab.split.fold import Fold
from growthlab.training.learned_state import LearnedState, WarmStart


def learned_state(model: Any, data: Any, fold: Fold) -> LearnedState | None:
    """What a model that was fitted to the past of `data` leaves; None where it cannot be gone on from."""
    if not isinstance(model, ContinuesFit):
        return None
    state: LearnedState = model.learned_state(data.past)
    return state.with_cutoff("" if fold.cutoff is None else fold.cutoff.isoformat())


def check_clock(warm: WarmStart, fold: Fold) -> None:
    """Raise a `ConfigError` where the earlier run has seen what this one is chosen or judged by."""
    windows = (
        (warm.choosing, fold.for_choosing(), "validation"),
        (warm.judged, fold, "test"),
    )
    if bool(warm.judged.until) != (fold.cutoff is not None):
        was, now = ("a", "no") if warm.judged.until else ("no", "a")
        raise ConfigError(
            f"warm: the split of that run has {was} clock and this one has {now} clock, so what it "
            "has seen may be what this one is judged by: give the split of that run"
        )
    for state, own, name in windows:
        if (
            state.until
            and own.cutoff is not None
            and datetime.fromisoformat(state.until) > own.cutoff
        ):
            raise ConfigError(
                f"warm: that run has learned from events before {state.until}, and the {name} window "
                f"of this one begins at {own.cutoff.isoformat()}: go on from an earlier run, or train "
                "on a longer log with the same horizon"
            )
