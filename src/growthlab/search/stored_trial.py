"""What a study's storage knows of a trial: its settings, its result, and whether its process lives."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from growthlab.core.errors import ConfigError, one_line, quoted
from growthlab.search.trial import FinishedTrial, TrialResult
from growthlab.tracking.process_identity import is_alive, runs_on_this_host, this_process

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

SILENCE_SECONDS = (
    300.0  # without a heartbeat, after which a process of another machine counts as dead
)


def finished_trial(trial: FrozenTrial) -> FinishedTrial:
    """A stored trial that ended."""
    attributes = trial.user_attrs
    try:
        began, ended = (float(attributes.get(name, 0)) for name in ("began", "ended"))
    except (TypeError, ValueError) as error:
        raise ConfigError(f"the times of trial {trial.number} cannot be read") from error
    overrides = attributes.get("overrides", {})
    if not isinstance(overrides, Mapping):
        raise ConfigError(f"the settings of trial {trial.number} are no mapping")
    return FinishedTrial(trial.number, overrides, result_of(trial), began, ended)


def result_of(trial: FrozenTrial) -> TrialResult:
    """The result of a trial that ended."""
    text = trial.user_attrs.get("result")
    try:
        return TrialResult("interrupted") if text is None else TrialResult.from_json(text)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ConfigError(
            f"the result of trial {trial.number} cannot be read: something else wrote to the "
            f"storage ({quoted(one_line(error))})"
        ) from error


def overrides_of(trial: FrozenTrial) -> Mapping[str, Any]:
    """The settings of a trial, including one that waits or has just begun."""
    fixed = trial.system_attrs.get("fixed_params", trial.params)
    overrides: Mapping[str, Any] = trial.user_attrs.get("overrides", fixed)
    return overrides


def counts_for_budget(trial: FrozenTrial) -> bool:
    """Whether a trial counts against the budget: it has begun, and was not interrupted."""
    if trial.state.name == "WAITING":
        return False
    return not (trial.state.is_finished() and result_of(trial).state == "interrupted")


def is_process_alive(trial: FrozenTrial, now: float) -> bool:
    """Whether the process of a running trial lives, as far as this machine can tell."""
    process = trial.user_attrs.get("process", "")
    if process in ("", this_process()):
        return False  # killed while it asked for settings, or an earlier search of this process
    if runs_on_this_host(process):
        return is_alive(process)
    last_seen = trial.user_attrs.get("seen", trial.user_attrs.get("began", now))
    return bool(now - last_seen < SILENCE_SECONDS)


def seconds_covered(trials: Iterable[FrozenTrial], now: float) -> float:
    """Seconds during which at least one of the trials ran; a running trial counts until `now`."""
    return union_length(
        (t.user_attrs["began"], float(t.user_attrs.get("ended", now))) for t in trials
    )


def union_length(spans: Iterable[tuple[float, float]]) -> float:
    """The length of the union of spans.

    >>> union_length([(0.0, 10.0), (5.0, 12.0), (20.0, 21.0)])
    13.0
    """
    total, reach = 0.0, float("-inf")
    for start, end in sorted(spans):
        total += max(0.0, end - max(start, reach))
        reach = max(reach, end)
    return total
