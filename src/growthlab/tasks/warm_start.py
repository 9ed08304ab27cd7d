"""Warm starts: the state that a run leaves for a later one, and which earlier runs may be continued."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from growthlab.core.errors import ConfigError
from growthlab.models.base import ContinuesFit
from growthlab.split.fold import Cut
from growthlab.training.learned_state import LearnedState, WarmStart


def learned_state(model: Any, data: Any, fold: Cut[Any]) -> LearnedState | None:
    """The state of a model fitted to the past of `data`; None if its fit cannot be continued."""
    if not isinstance(model, ContinuesFit):
        return None
    state: LearnedState = model.learned_state(data.past)
    return state.with_cutoff("" if fold.cutoff is None else fold.cutoff.isoformat())


def require_earlier_run(warm: WarmStart, fold: Cut[Any]) -> None:
    """Raise a `ConfigError` if the earlier run has seen events of the windows that evaluate this one."""
    windows = (
        (warm.choosing, fold.for_choosing(), "validation"),
        (warm.judged, fold, "test"),
    )
    if bool(warm.judged.until) != (fold.cutoff is not None):
        was, now = ("a", "no") if warm.judged.until else ("no", "a")
        raise ConfigError(
            f"warm: the split of that run has {was} clock and this one has {now} clock, so what it "
            "has seen may be what this one is evaluated on: use the split of that run"
        )
    for state, window, name in windows:
        if (
            state.until
            and window.cutoff is not None
            and datetime.fromisoformat(state.until) > window.cutoff
        ):
            raise ConfigError(
                f"warm: that run has learned from events before {state.until}, and the {name} window "
                f"of this one begins at {window.cutoff.isoformat()}: continue an earlier run, or train "
                "on a longer log with the same horizon"
            )
