"""The gate: whether the evidence allows a challenger to replace the champion. Changes nothing.

What each window decides:

- *The validation window chooses.* A challenger is refused if its validation objective is not better
  than the champion's (on the second route: if it is lower by more than the margin), whatever it
  scores after the cutoff.
- *The window after the cutoff confirms, and can only veto.* Early stopping, settings and seeds were
  chosen on the validation window, so its values flatter the model that was tuned the longest; and
  the exported model is refitted after that choice. The paired test, the gain and the guards are
  therefore computed on the window after the cutoff, which no choice has seen.
- *Every evaluation on that window counts.* Each was logged as a run. Holm's method corrects the p
  values for all runs of the same task, data, split and cutoff: in any experiment, deleted and failed
  runs included, if their metrics after the cutoff were logged and they answered for the same
  customers; equal values count as one evaluation. Trying twenty models and submitting the luckiest
  therefore does not raise the chance of a false positive above alpha.
- *The champion's objective decides.* If the objective could be chosen after the results are known,
  some objective would pass. `new_objective` allows another one, and each measured metric then counts
  as a test of every evaluation.

Two routes: *superior* (one-sided p at alpha, and a relative gain above `min_rel_gain`), or
*non-inferior and cheaper* (one-sided p at alpha / 2 against a loss of the margin, the convention of
ICH E9: the lower end of the 95 % interval lies above it). Without a champion there is no model to
beat, and the guards with a limit of their own, leakage and parity decide. The same holds for the
champion's own run exported again (signed this time, or with an index): it is the same model.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from growthlab.core.errors import ConfigError, near_matches
from growthlab.evaluation.superiority import SuperiorityResult
from growthlab.export.parity import Parity
from growthlab.pages.text_table import format_number, format_p_value

SUPERIOR, NON_INFERIOR, FIRST, EXPORTED_AGAIN = "superior", "non_inferior", "first", "again"
GUARD_KEYS = ("limit", "worse_by")
CHANGE_KEYS = ("share", "amount")
EVERY_TASK = "every"  # guards that hold for all tasks
ROUTES = {
    SUPERIOR: "better than the champion",
    NON_INFERIOR: "not worse than the champion, and cheaper",
    FIRST: "the first champion: there was none to beat",
    EXPORTED_AGAIN: "the same run, exported again",
}


@dataclass(frozen=True, kw_only=True)
class Guard:
    """How bad a measure may be: a number (`limit`), or a share of the champion's value (`worse_by`)."""

    limit: float | None = None
    worse_by: float | None = None


@dataclass(frozen=True, kw_only=True)
class Gate:
    """What a challenger must show.

    Parameters
    ----------
    min_rel_gain : relative gain that a superior challenger must exceed
    alpha : chance of promoting an equal model as superior; half of it for non-inferiority
    margin : what a cheaper challenger may lose, as a share of the champion's value
    cheaper : cost -> the smallest change that matters, as ``share`` and as ``amount``; a change must
        reach both. A challenger is cheaper if at least one cost falls, and none rises by this much
    guards : family of metrics (or ``every``) -> measure -> its `Guard` as a mapping
    segment_customers : the guard ``smallest_segment`` ignores segments with fewer customers
    new_objective : whether the objective may differ from the one the champion was promoted by
    """

    min_rel_gain: float = 0.05
    alpha: float = 0.05
    margin: float = 0.02
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
        for part in (family, EVERY_TASK):
            for name, limits in self.guards.get(part, {}).items():
                if limits is None:
                    continue
                if name not in measured:
                    where = f"gate.guards.{part}.{name}"
                    raise ConfigError(
                        f"{where}: nothing of this name was measured: "
                        f"{near_matches(name, measured)}; {where}=null leaves it out"
                    )
                guards[name] = Guard(**limits)
        return guards


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


@dataclass(frozen=True, kw_only=True)
class Measure:
    """One quantity of both models, in the same unit; NaN: not defined. `champion` may be None.

    `about` says in a few words what it was measured on; `measured` is False where the challenger's
    run did not compute it.
    """

    challenger: float
    champion: float | None = None
    larger_is_better: bool = False
    about: str = ""
    measured: bool = True


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """Everything that the gate looks at.

    `paired` and `valid_champion` are None where there is no model to beat. `objective_before` is the
    champion's objective, None without a champion; where it differs, `n_objectives` metrics could have
    been chosen. With a champion but no model to beat, the challenger is the champion's own run,
    exported again.
    """

    objective: str
    maximise: bool
    valid: float
    valid_champion: float | None
    paired: SuperiorityResult | None
    measures: Mapping[str, Measure]
    leakage: Mapping[str, Any]
    parity: Parity
    family: str = ""
    objective_before: str | None = None
    n_objectives: int = 1


class Check(NamedTuple):
    """One line of a decision: the value that was measured, and what is required."""

    name: str
    passed: bool
    value: str
    required: str


@dataclass(frozen=True)
class Decision:
    """Whether the challenger is promoted, by which of the `ROUTES` (empty: refused), and why.

    `routes` holds the checks of each route: all checks of at least one route must pass, and all that
    are `required` of every challenger.
    """

    route: str
    routes: Mapping[str, tuple[Check, ...]]
    required: tuple[Check, ...]

    @property
    def promote(self) -> bool:
        """Whether the alias may move."""
        return bool(self.route)

    @property
    def reason(self) -> str:
        """One line: the route that passed, or everything that failed."""
        if self.promote:
            return ROUTES[self.route]
        failed = [
            f"{c.name}: {c.value}, required: {c.required}" for c in self.required if not c.passed
        ]
        if not any(all(c.passed for c in checks) for checks in self.routes.values()):
            for route, checks in self.routes.items():
                reasons = (
                    f"{c.name} {c.value}, required: {c.required}" for c in checks if not c.passed
                )
                failed.append(f"not {route.replace('_', '-')} ({'; '.join(reasons)})")
        return "; ".join(failed)


def decide(evidence: Evidence, gate: Gate) -> Decision:
    """The gate's decision on the evidence; the module says what is tested on which window.

    Raises
    ------
    ConfigError
        A guard, or a cost of ``cheaper``, names something that was not measured.
    """
    routes: dict[str, tuple[Check, ...]]
    if evidence.paired is not None:
        routes = {
            SUPERIOR: tuple(_superior(evidence, evidence.paired, gate)),
            NON_INFERIOR: tuple(_non_inferior(evidence, evidence.paired, gate)),
        }
    else:
        routes = {FIRST if evidence.objective_before is None else EXPORTED_AGAIN: ()}
    required = (_leakage(evidence.leakage), _parity(evidence.parity), *_guards(evidence, gate))
    open_routes = [route for route, checks in routes.items() if all(c.passed for c in checks)]
    passed = all(c.passed for c in required)
    return Decision(open_routes[0] if open_routes and passed else "", routes, required)


def _superior(evidence: Evidence, paired: SuperiorityResult, gate: Gate) -> Iterator[Check]:
    yield _better_on_validation(evidence, 0.0)
    yield Check(
        "relative gain",
        paired.relative > gate.min_rel_gain and paired.gain > 0,
        _percent(paired.relative),
        f"above {_percent(gate.min_rel_gain)}",
    )
    yield Check(
        "p (Holm)",
        paired.p_holm <= gate.alpha,
        format_p_value(paired.p_holm),
        f"at most {gate.alpha:g}",
    )


def _non_inferior(evidence: Evidence, paired: SuperiorityResult, gate: Gate) -> Iterator[Check]:
    yield _better_on_validation(evidence, gate.margin)
    yield Check(
        f"p of a loss of {100 * gate.margin:g} % (Holm)",
        paired.p_margin_holm <= gate.alpha / 2,
        format_p_value(paired.p_margin_holm),
        f"at most {gate.alpha / 2:g}",
    )
    yield _cheaper(evidence, gate)


def _better_on_validation(evidence: Evidence, margin: float) -> Check:
    """Better than the champion on the validation window, or not worse by more than a margin above 0."""
    champion = math.nan if evidence.valid_champion is None else evidence.valid_champion
    gain = (evidence.valid - champion) * (1 if evidence.maximise else -1)
    passed = gain >= -margin * abs(champion) if margin else gain > 0
    direction = "above" if evidence.maximise else "below"
    comparison = f"at most {100 * margin:g} % worse than" if margin else direction
    return Check(
        f"{evidence.objective} on the validation window",
        passed,
        format_number(evidence.valid),
        f"{comparison} the champion's {format_number(champion)}",
    )


def _cheaper(evidence: Evidence, gate: Gate) -> Check:
    changes, shown = set(), []
    for cost, change in gate.cheaper.items():
        if change is None:
            continue
        if cost not in evidence.measures:
            raise ConfigError(
                f"gate.cheaper.{cost}: nothing of this name was measured: "
                f"{near_matches(cost, evidence.measures)}"
            )
        new, old = evidence.measures[cost].challenger, evidence.measures[cost].champion
        old = math.nan if old is None else old
        matters = max(change.get("share", 0.0) * old, change.get("amount", 0.0))
        rises = math.isnan(new) or new - old >= matters  # an unmeasured cost is no saving
        falls = old - new >= matters
        if rises != falls:
            changes.add("rises" if rises else "falls")
        shown.append(f"{cost} {format_number(old, 3)} to {format_number(new, 3)}")
    return Check(
        "cheaper",
        "falls" in changes and "rises" not in changes,
        ", ".join(shown) or "no cost is named",
        "at least one falls, and none rises, by what matters",
    )


def _leakage(report: Mapping[str, Any]) -> Check:
    """Clean, and without a warning: a split without a common cutoff leaks by its nature."""
    if not report:
        return Check("leakage report", False, "the run has none", "clean")
    clean, warning = report.get("clean") is True, report.get("warning")
    state = "clean" if clean else "not clean: the past goes on after the future begins"
    return Check("leakage report", clean and not warning, str(warning or state), "clean")


def _parity(parity: Parity) -> Check:
    same = f"{parity.n_same:,} of {parity.n_compared:,} answers"
    result = parity.why_not or f"{same}, scores within {parity.largest:.1e}"
    passed = not parity.why_not and parity.n_same == parity.n_compared > 0
    return Check("export parity", passed, result, "all as evaluated")


def _guards(evidence: Evidence, gate: Gate) -> Iterator[Check]:
    for name, guard in gate.guards_of(evidence.family, evidence.measures).items():
        yield _check_guard(name, guard, evidence.measures[name])


def _check_guard(name: str, guard: Guard, measure: Measure) -> Check:
    """One measure against its limits; it passes where it is defined for neither model."""
    value, champion = measure.challenger, measure.champion
    name = f"{name} ({measure.about})" if measure.about else name
    up = measure.larger_is_better
    word = "at least" if up else "at most"
    if guard.limit is None and champion is None:
        return Check(
            name, True, format_number(value), "no worse than the champion: there is none to beat"
        )
    if not measure.measured:
        return Check(name, False, "not measured", "a run trained with all metrics")
    if math.isnan(value) and (champion is None or math.isnan(champion)):
        return Check(name, True, "not defined on this data", "-")
    limits, passed = [], not math.isnan(value)
    if guard.limit is not None:
        passed &= value >= guard.limit if up else value <= guard.limit
        limits.append(f"{word} {format_number(guard.limit)}")
    if guard.worse_by is not None and champion is not None and not math.isnan(champion):
        limit = champion + (-1 if up else 1) * guard.worse_by * abs(champion)
        passed &= value >= limit if up else value <= limit
        limits.append(f"{word} {format_number(limit)} (champion {format_number(champion)})")
    return Check(name, passed, format_number(value), " and ".join(limits) or "-")


def _percent(share: float) -> str:
    return "-" if math.isnan(share) else f"{100 * share:+.1f} %"
