"""The settings of the gate: what a challenger must show, and the guards of a task."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from growthlab.core.errors import ConfigError, near_matches

GUARD_KEYS = ("limit", "worse_by")
CHANGE_KEYS = ("share", "amount")
ALL_TASKS = "all_tasks"  # guards that hold for all tasks
BEST_BASELINE, WINNER = "best_baseline", "winner"
RIVALS = (BEST_BASELINE, WINNER)


@dataclass(frozen=True, kw_only=True)
class Guard:
    """How bad a measure may be: a number (`limit`), or a share of the champion's value (`worse_by`).

    `setting` is its place in the config, by which a refusal names it.
    """

    limit: float | None = None
    worse_by: float | None = None
    setting: str = ""


@dataclass(frozen=True, kw_only=True)
class Gate:
    """What a challenger must show.

    Parameters
    ----------
    min_rel_gain : relative gain that a superior challenger must exceed
    alpha : chance of promoting an equal model as superior; half of it for non-inferiority
    margin : what a cheaper challenger may lose, as a share of the champion's value; and how far a
        first champion may lie below those of `first_against` on the validation window
    first_against : whom the first champion may not be worse than: the ``best_baseline`` and the
        ``winner`` by validation of all models evaluated on the same window; see `decide`
    cheaper : cost -> the smallest change that matters, as ``share`` and as ``amount``; a change must
        reach both. A challenger is cheaper if at least one cost falls, and none rises by this much
    guards : family of metrics (or ``all_tasks``) -> measure -> its `Guard` as a mapping
    segment_customers : the guard ``smallest_segment`` ignores segments with fewer customers
    new_objective : whether the objective may differ from the one the champion was promoted by
    """

    min_rel_gain: float = 0.05
    alpha: float = 0.05
    margin: float = 0.02
    first_against: Sequence[str] = RIVALS
    cheaper: Mapping[str, Mapping[str, float] | None] = field(default_factory=dict)
    guards: Mapping[str, Mapping[str, Mapping[str, float | None] | None]] = field(
        default_factory=dict
    )
    segment_customers: int = 100
    new_objective: bool = False

    def __post_init__(self) -> None:
        if not 0 < self.alpha < 1:
            raise ConfigError(f"gate.alpha must lie between 0 and 1, got {self.alpha}")
        at_least_0 = {
            "min_rel_gain": self.min_rel_gain,
            "segment_customers": self.segment_customers,
        }
        for name, value in at_least_0.items():
            if not value >= 0:
                raise ConfigError(f"gate.{name} must be 0 or more, got {value}")
        for name in self.first_against:
            if name not in RIVALS:
                raise ConfigError(f"gate.first_against: {name}: {near_matches(str(name), RIVALS)}")
        for cost, change in self.cheaper.items():
            _check_change(f"gate.cheaper.{cost}", change)
        if not 0 <= self.margin < 1:
            raise ConfigError(f"gate.margin must be 0 or more and below 1, got {self.margin}")
        for family, guards in self.guards.items():
            for name, limits in guards.items():
                _check_limits(f"gate.guards.{family}.{name}", limits)

    def require_objective(self, objective: str, before: str) -> None:
        """Raise a `ConfigError` if it differs from the champion's, `before`, without `new_objective`."""
        if objective != before and not self.new_objective:
            raise ConfigError(
                f"task.objective={objective}: the champion was promoted by {before}, so "
                f"task.objective={before} decides; gate.new_objective=true changes it, and then "
                "every measured metric counts as a test"
            )

    def guards_of(self, family: str, measured: Collection[str]) -> dict[str, Guard]:
        """The guards of a task whose metrics are of `family`, without those that are null.

        Raises
        ------
        ConfigError
            A guard names something that was not measured.
        """
        guards: dict[str, Guard] = {}
        for part in (family, ALL_TASKS):
            for name, limits in self.guards.get(part, {}).items():
                if limits is None:
                    continue
                if name not in measured:
                    where = f"gate.guards.{part}.{name}"
                    raise ConfigError(
                        f"{where}: nothing of this name was measured: "
                        f"{near_matches(name, measured)}; {where}=null leaves it out"
                    )
                guards[name] = Guard(**limits, setting=f"gate.guards.{part}.{name}")
        return guards


def settings_of(gate: Gate) -> dict[str, str]:
    """Every setting of the gate by its dotted name, as it is written in a command."""
    return dict(_flat(asdict(gate), ""))


def _flat(settings: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, str]]:
    for name, value in settings.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{prefix}{name}.")
        elif isinstance(value, Mapping):
            yield f"{prefix}{name}", "{}"
        elif isinstance(value, (list, tuple)):
            yield f"{prefix}{name}", f"[{','.join(map(str, value))}]"
        else:
            yield f"{prefix}{name}", "null" if value is None else str(value).lower()


def _check_change(where: str, change: Mapping[str, float] | None) -> None:
    """Refuse a change that matters without a positive share or amount: noise would be a saving."""
    for key, value in (change or {}).items():
        if key not in CHANGE_KEYS:
            raise ConfigError(f"{where}.{key}: {near_matches(key, CHANGE_KEYS)}")
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not value >= 0:
            raise ConfigError(f"{where}.{key} must be 0 or more, got {value!r}")
    if change is not None and not any(change.values()):
        raise ConfigError(f"{where} must have a share or an amount above 0: noise is no saving")


def _check_limits(where: str, limits: Mapping[str, float | None] | None) -> None:
    if limits is None:
        return
    for key, value in limits.items():
        if key not in GUARD_KEYS:
            raise ConfigError(f"{where}.{key}: {near_matches(key, GUARD_KEYS)}")
        if value is not None and (isinstance(value, bool) or not isinstance(value, (int, float))):
            raise ConfigError(f"{where}.{key} must be a number, got {value!r}")
        if key == "worse_by" and value is not None and not value >= 0:
            raise ConfigError(f"{where}.worse_by must be 0 or more, got {value}")
