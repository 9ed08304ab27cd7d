"""The gate: whether the evidence lets a challenger take the champion's place. Pure; changes nothing.

Which window decides what:

- *The validation window chooses.* A challenger whose validation objective is not better than the
  champion's (for the second way in: lower by more than the margin) is refused, whatever it does
  after the cutoff.
- *The window after the cutoff confirms, and can only veto.* Early stopping, settings and seeds were
  picked by the validation window, whose values therefore flatter whoever was tuned the longest; and
  what is exported is fitted again after that choice. So the paired test, the gain and the guards are
  of the window after the cutoff, which no choice has seen.
- *Every evaluation on that window counts.* Each was logged as a run. The p values are corrected by
  Holm's method for all of them: runs of the same task, data, split and cutoff, in whatever experiment,
  deleted or failed ones too, if their metrics after the cutoff were logged and they answered for the
  same customers; the same values twice are one evaluation. So trying twenty models and bringing the
  luckiest does not raise the chance of a false alarm above alpha.
- *The champion's objective decides.* Whoever may choose the objective with the results in hand finds
  one that passes. Another one is a choice of `new_objective`, and each metric that was measured is
  then counted as if it had been tested for every evaluation.

Two ways in: *superior* (p one-sided at alpha, and a relative gain above `min_rel_gain`), or
*non-inferior and cheaper* (p one-sided at alpha / 2 against a loss of the margin, the convention of
ICH E9: the lower end of the 95 % interval lies above it). Where there is no champion yet, there is
nobody to beat: guards with a limit of their own, leakage and parity decide. So it is for the
champion's own run that was exported again (signed by now, or with an index): it is the same model.
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

SUPERIOR, NON_INFERIOR, FIRST, AGAIN = "superior", "non_inferior", "first", "again"
LIMITS = ("limit", "worse_by")
MATTERS = ("share", "amount")
EVERY_TASK = "every"  # guards that hold whatever the task
ROUTES = {
    SUPERIOR: "better than the champion",
    NON_INFERIOR: "not worse than the champion, and cheaper",
    FIRST: "the first champion: there was nobody to beat",
    AGAIN: "the same run, exported again",
}


@dataclass(frozen=True, kw_only=True)
class Guard:
    """How bad a measure may be: `limit` as a number, `worse_by` as a share of the champion's value."""

    limit: float | None = None
    worse_by: float | None = None


@dataclass(frozen=True, kw_only=True)
class Gate:
    """What evidence must show.

    Parameters
    ----------
    min_rel_gain : relative gain that a superior challenger must exceed
    alpha : chance of promoting an equal model as superior; half of it for non-inferiority
    margin : what a cheaper challenger may lose, as a share of the champion's value
    cheaper : cost -> ``share`` and ``amount`` from which a change of it matters, both of them. A
        challenger is cheaper if one cost falls by that much and none rises by it
    guards : family of metrics (or ``every``) -> measure -> its `Guard` as a mapping
    segment_customers : smaller segments are not looked at by the guard ``smallest_segment``
    new_objective : whether the objective may be another than the champion was promoted by
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
        for cost, least in self.cheaper.items():
            _check_least(f"gate.cheaper.{cost}", least)
        if not 0 <= self.margin < 1:
            raise ConfigError(f"gate.margin must be 0 or more and below 1, got {self.margin}")
        for family, guards in self.guards.items():
            for name, limits in guards.items():
                _check_limits(f"gate.guards.{family}.{name}", limits)

    def require_objective(self, objective: str, before: str) -> None:
        """Raise a `ConfigError` if it is not the champion's, `before`, unless that is asked for."""
        if objective != before and not self.new_objective:
            raise ConfigError(
                f"task.objective={objective}: the champion was promoted by {before}, so that "
                f"task.objective={before} decides; gate.new_objective=true changes it, and then "
                "counts every metric that was measured as a try"
            )

    def guards_of(self, family: str, measured: Collection[str]) -> dict[str, Guard]:
        """The guards of a task whose metrics are of `family`; one that is null is left out.

        Raises
        ------
        ConfigError
            A guard is on something that was not measured.
        """
        found: dict[str, Guard] = {}
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
                found[name] = Guard(**limits)
        return found


def _check_least(where: str, least: Mapping[str, float] | None) -> None:
    """A share and an amount, of which at least one is above 0: else any noise would be a saving."""
    for key, value in (least or {}).items():
        if key not in MATTERS:
            raise ConfigError(f"{where}.{key}: {near_matches(key, MATTERS)}")
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not value >= 0:
            raise ConfigError(f"{where}.{key} must be 0 or more, got {value!r}")
    if least is not None and not any(least.values()):
        raise ConfigError(f"{where} must have a share or an amount above 0: noise is no saving")


def _check_limits(where: str, limits: Mapping[str, float | None] | None) -> None:
    if limits is None:
        return
    for key, value in limits.items():
        if key not in LIMITS:
            raise ConfigError(f"{where}.{key}: {near_matches(key, LIMITS)}")
        if value is not None and (isinstance(value, bool) or not isinstance(value, (int, float))):
            raise ConfigError(f"{where}.{key} must be a number, got {value!r}")
        if key == "worse_by" and value is not None and not value >= 0:
            raise ConfigError(f"{where}.worse_by must be 0 or more, got {value}")


@dataclass(frozen=True, kw_only=True)
class Measure:
    """A number of both models, in the same unit; None: there is no champion. NaN: not defined.

    `about` says in a few words what it was measured on; `measured` is False where the challenger's
    run did not ask for it.
    """

    challenger: float
    champion: float | None = None
    larger_is_better: bool = False
    about: str = ""
    measured: bool = True


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """All that the gate looks at; `paired` and `valid_champion` are None where nobody is to beat.

    `objective_before` is the champion's objective, None without one; where it is another,
    `n_objectives` metrics were to choose from. With a champion and nobody to beat, the challenger is
    the champion's own run, exported again.
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
    """One line of a decision."""

    name: str
    passed: bool
    found: str
    wanted: str


@dataclass(frozen=True)
class Decision:
    """Whether the challenger is promoted, by which of the `ROUTES` (empty: refused), and why.

    `ways` are the checks of each way in, of which one must pass as a whole; all `required` must.
    """

    route: str
    ways: Mapping[str, tuple[Check, ...]]
    required: tuple[Check, ...]

    @property
    def promote(self) -> bool:
        """Whether the alias may move."""
        return bool(self.route)

    @property
    def reason(self) -> str:
        """One line: the way in, or everything that failed."""
        if self.promote:
            return ROUTES[self.route]
        failed = [f"{c.name}: {c.found}, wanted {c.wanted}" for c in self.required if not c.passed]
        if not any(all(c.passed for c in checks) for checks in self.ways.values()):
            for way, checks in self.ways.items():
                words = (f"{c.name} {c.found}, wanted {c.wanted}" for c in checks if not c.passed)
                failed.append(f"not {way.replace('_', '-')} ({'; '.join(words)})")
        return "; ".join(failed)


def decide(evidence: Evidence, gate: Gate) -> Decision:
    """What the gate says to the evidence; see the module for what is tested on which window.

    Raises
    ------
    ConfigError
        A guard, or a cost of ``cheaper``, is on something that was not measured.
    """
    ways: dict[str, tuple[Check, ...]] = {FIRST if evidence.objective_before is None else AGAIN: ()}
    if evidence.paired is not None:
        ways = {
            SUPERIOR: tuple(_superior(evidence, evidence.paired, gate)),
            NON_INFERIOR: tuple(_non_inferior(evidence, evidence.paired, gate)),
        }
    required = (_leakage(evidence.leakage), _parity(evidence.parity), *_guards(evidence, gate))
    open_ways = [way for way, checks in ways.items() if all(c.passed for c in checks)]
    passed = all(c.passed for c in required)
    return Decision(open_ways[0] if open_ways and passed else "", ways, required)


def _superior(evidence: Evidence, paired: SuperiorityResult, gate: Gate) -> Iterator[Check]:
    yield _chosen(evidence, 0.0)
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
    yield _chosen(evidence, gate.margin)
    yield Check(
        f"p of a loss of {100 * gate.margin:g} % (Holm)",
        paired.p_margin_holm <= gate.alpha / 2,
        format_p_value(paired.p_margin_holm),
        f"at most {gate.alpha / 2:g}",
    )
    yield _cheaper(evidence, gate)


def _chosen(evidence: Evidence, margin: float) -> Check:
    """On the validation window; with a margin of 0 strictly better."""
    champion = math.nan if evidence.valid_champion is None else evidence.valid_champion
    gain = (evidence.valid - champion) * (1 if evidence.maximise else -1)
    passed = gain >= -margin * abs(champion) if margin else gain > 0
    direction = "above" if evidence.maximise else "below"
    less = f"{100 * margin:g} % worse than " if margin else f"{direction} "
    return Check(
        f"{evidence.objective} on the validation window",
        passed,
        format_number(evidence.valid),
        f"{'at most ' if margin else ''}{less}the champion's {format_number(champion)}",
    )


def _cheaper(evidence: Evidence, gate: Gate) -> Check:
    falls, found = [], []
    for cost, least in gate.cheaper.items():
        if least is None:
            continue
        if cost not in evidence.measures:
            raise ConfigError(
                f"gate.cheaper.{cost}: nothing of this name was measured: "
                f"{near_matches(cost, evidence.measures)}"
            )
        new, old = evidence.measures[cost].challenger, evidence.measures[cost].champion
        old = math.nan if old is None else old
        matters = max(least.get("share", 0.0) * old, least.get("amount", 0.0))
        rises = math.isnan(new) or new - old >= matters  # what was not measured is no saving
        falls.append((old - new >= matters) - rises)  # 1, 0 or -1
        found.append(f"{cost} {format_number(old, 3)} to {format_number(new, 3)}")
    return Check(
        "cheaper",
        1 in falls and -1 not in falls,
        ", ".join(found) or "no cost is named",
        "one falls by what matters, none rises by it",
    )


def _leakage(report: Mapping[str, Any]) -> Check:
    """Clean, and without a warning: a split without a clock leaks by its nature."""
    if not report:
        return Check("leakage report", False, "the run has none", "clean")
    clean, warning = report.get("clean") is True, report.get("warning")
    found = "clean" if clean else "not clean: the past goes on after the future begins"
    return Check("leakage report", clean and not warning, str(warning or found), "clean")


def _parity(parity: Parity) -> Check:
    same = f"{parity.n_same:,} of {parity.n_compared:,} answers"
    found = parity.why_not or f"{same}, scores within {parity.largest:.1e}"
    passed = not parity.why_not and parity.n_same == parity.n_compared > 0
    return Check("export parity", passed, found, "all as evaluated")


def _guards(evidence: Evidence, gate: Gate) -> Iterator[Check]:
    for name, guard in gate.guards_of(evidence.family, evidence.measures).items():
        yield _guarded(name, guard, evidence.measures[name])


def _guarded(name: str, guard: Guard, measure: Measure) -> Check:
    """One measure against its limits; where it is defined for neither model, it says nothing."""
    found, champion = measure.challenger, measure.champion
    name = f"{name} ({measure.about})" if measure.about else name
    up = measure.larger_is_better
    word = "at least" if up else "at most"
    if guard.limit is None and champion is None:
        return Check(
            name, True, format_number(found), "no worse than a champion: nobody is to beat"
        )
    if not measure.measured:
        return Check(name, False, "not measured", "train it with all metrics")
    if math.isnan(found) and (champion is None or math.isnan(champion)):
        return Check(name, True, "not defined on this data", "-")
    wanted, passed = [], not math.isnan(found)
    if guard.limit is not None:
        passed &= found >= guard.limit if up else found <= guard.limit
        wanted.append(f"{word} {format_number(guard.limit)}")
    if guard.worse_by is not None and champion is not None and not math.isnan(champion):
        limit = champion + (-1 if up else 1) * guard.worse_by * abs(champion)
        passed &= found >= limit if up else found <= limit
        wanted.append(f"{word} {format_number(limit)} (champion {format_number(champion)})")
    return Check(name, passed, format_number(found), " and ".join(wanted) or "-")


def _percent(share: float) -> str:
    return "-" if math.isnan(share) else f"{100 * share:+.1f} %"
