"""Whether the evidence allows a challenger to become the champion. Changes nothing.

What each window decides:

- *The validation window chooses.* A challenger is refused if its validation objective is not better
  than the champion's (on the second route: if it is lower by more than the margin), whatever it
  scores after the cutoff.
- *The window after the cutoff confirms, and can only veto.* Early stopping, settings and seeds were
  chosen on the validation window, so its values flatter the model that was tuned the longest; and
  the exported model is refitted after that choice. The paired test, the gain and the guards are
  therefore computed on the window after the cutoff, which no choice has seen.
- *Every evaluation on that window counts.* Each was logged as a run. Holm's method corrects the p
  values for all runs of the same task, data, split and cutoff: in any experiment, deleted runs
  included, if their metrics after the cutoff were logged and they answered for the same customers;
  see `other_evaluations`. Trying twenty models and submitting the luckiest therefore does not raise
  the chance of a false positive above alpha.
- *The champion's objective decides.* If the objective could be chosen after the results are known,
  some objective would pass. `new_objective` allows another one, and each measured metric then counts
  as a test of every evaluation.

Two routes: *superior* (one-sided p at alpha, and a relative gain above `min_rel_gain`), or
*non-inferior and cheaper* (one-sided p at alpha / 2 against a loss of the margin, the convention of
ICH E9: the lower end of the 95 % interval lies above it).

Without a champion, the challenger is judged against what stands beside it: the best baseline and the
winner, both by validation, of all models that can be exported and were evaluated on the same window
(`Gate.first_against`). On the validation window it may lie below each by the margin at most, and after
the cutoff it may not be shown to be worse: the 95 % interval of the difference must reach 0. A model
that cannot be exported is shown and has no veto, since it could not be served in the challenger's place.
The champion's own run exported again (signed this time, or with an index) is the same model, and has
none to beat.

With ``evidence=ab`` an experiment decides in place of the two routes: a service shared its traffic between
the champion and the challenger, and ``growthlab ab`` on its request log says what the challenger changed.
The bundles that answered must be those that are judged, the sizes of the arms as intended, the first
outcome shown to rise, and every guardrail of the experiment held. Guards, leakage and parity are required
as ever.

A measure that was taken several times has a spread. It counts as worse only where its whole spread is:
a limit within the spread refuses nothing, so that no verdict hangs on one measurement.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from growthlab.core.errors import ConfigError, near_matches
from growthlab.core.visible_text import visible_text
from growthlab.evaluation.superiority import SuperiorityResult
from growthlab.export.parity import Parity
from growthlab.pages.text_table import format_interval, format_number, format_p_value
from growthlab.promotion.compared_measure import ComparedMeasure
from growthlab.promotion.gate import Gate, Guard
from growthlab.promotion.online_evidence import ONLINE, OnlineEvidence
from growthlab.promotion.rival import Rival, WindowRank
from growthlab.promotion.ruling_check import Check

SUPERIOR, NON_INFERIOR, FIRST, EXPORTED_AGAIN = "superior", "non_inferior", "first", "again"
ROUTES = {
    SUPERIOR: "better than the champion",
    NON_INFERIOR: "not worse than the champion, and cheaper",
    FIRST: "the first champion: there was none to beat",
    EXPORTED_AGAIN: "the same run, exported again",
    ONLINE: "better than the champion in an experiment on the request log",
}


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """Everything that the gate looks at.

    `paired` and `valid_champion` are None where there is no model to beat. `objective_before` is the
    champion's objective, None without a champion; where it differs, `n_objectives` metrics could have
    been chosen. With a champion but no model to beat, the challenger is the champion's own run,
    exported again. With `online` the experiment decides in place of the two routes by evaluations, which
    are logged beside it. `rivals` are what a first champion is judged against, empty otherwise.
    """

    objective: str
    maximise: bool
    valid: float
    valid_champion: float | None
    paired: SuperiorityResult | None
    measures: Mapping[str, ComparedMeasure]
    leakage: Mapping[str, Any]
    parity: Parity
    family: str = ""
    objective_before: str | None = None
    n_objectives: int = 1
    rivals: Sequence[Rival] = ()
    standing: WindowRank | None = None
    online: OnlineEvidence | None = None


@dataclass(frozen=True)
class Decision:
    """Whether the challenger is promoted, by which of the `ROUTES` (empty: refused), and why.

    `routes` holds the checks of each route: all checks of at least one route must pass, and all that
    are `required` of every challenger. `rivals` are those that a first champion was judged against,
    `left_out` those that `Gate.first_against` spares it.
    """

    route: str
    routes: Mapping[str, tuple[Check, ...]]
    required: tuple[Check, ...]
    rivals: Sequence[Rival] = ()
    left_out: Sequence[Rival] = ()

    @property
    def promote(self) -> bool:
        """Whether the alias may move."""
        return bool(self.route)

    @property
    def reason(self) -> str:
        """One line: the route that passed, or everything that failed."""
        if self.promote:
            beside, spared = (
                " and ".join(r.title for r in rivals) for rivals in (self.rivals, self.left_out)
            )
            reason = ROUTES[self.route] + (f", and it is not worse than {beside}" if beside else "")
            reason += f"; left out by gate.first_against: {spared}" if spared else ""
            return visible_text(reason)
        failed = [
            f"{c.name}: {c.value}, required: {c.requirement}" for c in self.required if not c.passed
        ]
        if not any(all(c.passed for c in checks) for checks in self.routes.values()):
            for route, checks in self.routes.items():
                reasons = (
                    f"{c.name} {c.value}, required: {c.requirement}" for c in checks if not c.passed
                )
                failed.append(f"not {route.replace('_', '-')} ({'; '.join(reasons)})")
        return visible_text("; ".join(failed))


def decide(evidence: Evidence, gate: Gate) -> Decision:
    """The gate's decision on the evidence; the module says what is tested on which window.

    Raises
    ------
    ConfigError
        A guard, or a cost of ``cheaper``, names something that was not measured.
    """
    routes: dict[str, tuple[Check, ...]]
    rivals: list[Rival] = []
    left_out: list[Rival] = []
    if evidence.online is not None:
        routes = {ONLINE: tuple(evidence.online.checks())}
    elif evidence.paired is not None:
        routes = {
            SUPERIOR: tuple(_superior(evidence, evidence.paired, gate)),
            NON_INFERIOR: tuple(_non_inferior(evidence, evidence.paired, gate)),
        }
    elif evidence.objective_before is None:
        for rival in evidence.rivals:
            is_judged = set(rival.roles) & set(gate.first_against)
            (rivals if is_judged else left_out if rival.roles else []).append(rival)
        routes = {FIRST: tuple(c for r in rivals for c in _not_worse(evidence, r, gate))}
    else:
        routes = {EXPORTED_AGAIN: ()}
    required = (_leakage(evidence.leakage), _parity(evidence.parity), *_guards(evidence, gate))
    open_routes = [route for route, checks in routes.items() if all(c.passed for c in checks)]
    passed = all(c.passed for c in required)
    route = open_routes[0] if open_routes and passed else ""
    return Decision(route, routes, required, rivals, left_out)


def _superior(evidence: Evidence, paired: SuperiorityResult, gate: Gate) -> Iterator[Check]:
    yield _better_on_validation(evidence, 0.0, SUPERIOR)
    yield Check(
        "relative gain",
        paired.relative > gate.min_rel_gain and paired.gain > 0,
        _percent(paired.relative),
        f"above {_percent(gate.min_rel_gain)}",
        "gate.min_rel_gain",
        f"{SUPERIOR}.relative_gain",
    )
    yield Check(
        "p (Holm)",
        paired.p_holm <= gate.alpha,
        format_p_value(paired.p_holm),
        f"at most {gate.alpha:g}",
        "gate.alpha",
        f"{SUPERIOR}.p_holm",
    )


def _non_inferior(evidence: Evidence, paired: SuperiorityResult, gate: Gate) -> Iterator[Check]:
    yield _better_on_validation(evidence, gate.margin, NON_INFERIOR)
    yield Check(
        f"p of a loss of {100 * gate.margin:g} % (Holm)",
        paired.p_margin_holm <= gate.alpha / 2,
        format_p_value(paired.p_margin_holm),
        f"at most {gate.alpha / 2:g}",
        "gate.alpha and gate.margin",
        f"{NON_INFERIOR}.p_margin_holm",
    )
    yield _cheaper(evidence, gate)


def _better_on_validation(evidence: Evidence, margin: float, route: str) -> Check:
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
        "gate.margin" if margin else "",
        f"{route}.validation",
    )


def _not_worse(evidence: Evidence, rival: Rival, gate: Gate) -> Iterator[Check]:
    """What a first champion must show beside a rival, on the validation window and after the cutoff."""
    gain = (evidence.valid - rival.valid) * (1 if evidence.maximise else -1)
    key = f"{FIRST}.{'_and_'.join(rival.roles)}"
    yield Check(
        f"{evidence.objective} on the validation window",
        gain >= -gate.margin * abs(rival.valid),
        format_number(evidence.valid),
        f"at most {100 * gate.margin:g} % worse than {format_number(rival.valid)} of {rival.title}",
        "gate.margin and gate.first_against",
        f"{key}.validation",
    )
    paired = rival.paired
    bounds = format_interval(paired.gain, paired.low, paired.high)
    yield Check(
        f"{evidence.objective} after the cutoff",
        not paired.high < 0,
        f"{format_number(paired.challenger)}, by {bounds} ({_percent(paired.relative)})",
        f"not shown to be worse than {format_number(paired.champion)} of {rival.title}",
        "gate.first_against",
        f"{key}.test",
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
        measure = evidence.measures[cost]
        if not measure.measured:
            shown.append(f"{cost} not measured")
            continue
        (low, high), (old_low, old_high) = measure.bounds, measure.champion_bounds
        old = math.nan if measure.champion is None else measure.champion
        matters = max(change.get("share", 0.0) * old, change.get("amount", 0.0))
        # an undefined cost is no saving; with a spread, the whole of it must have changed so
        rises = math.isnan(measure.challenger) or low - old_high >= matters
        falls = old_low - high >= matters
        if rises != falls:
            changes.add("rises" if rises else "falls")
        change_shown = f"{format_number(old, 3)} to {format_number(measure.challenger, 3)}"
        shown.append(f"{cost} {change_shown} ({format_number(matters, 3)} matters)")
    return Check(
        "cheaper",
        "falls" in changes and "rises" not in changes,
        ", ".join(shown) or "no cost is named",
        "at least one falls, and none rises, by what matters",
        "gate.cheaper",
        f"{NON_INFERIOR}.cheaper",
    )


def _leakage(report: Mapping[str, Any]) -> Check:
    """Clean, and without a warning: a split without a common cutoff leaks by its nature."""
    name, key = "leakage report", "leakage_report"
    if not report:
        return Check(name, False, "the run has none", "clean", key=key)
    clean, warning = report.get("clean") is True, report.get("warning")
    state = "clean" if clean else "not clean: the past goes on after the future begins"
    return Check(name, clean and not warning, str(warning or state), "clean", key=key)


def _parity(parity: Parity) -> Check:
    same = f"{parity.n_same:,} of {parity.n_compared:,} answers"
    result = parity.why_not or f"{same}, scores within {parity.largest:.1e}"
    passed = not parity.why_not and parity.n_same == parity.n_compared > 0
    return Check("export parity", passed, result, "all as evaluated", key="export_parity")


def _guards(evidence: Evidence, gate: Gate) -> Iterator[Check]:
    for name, guard in gate.guards_of(evidence.family, evidence.measures).items():
        yield _check_guard(name, guard, evidence.measures[name])


def _check_guard(name: str, guard: Guard, measure: ComparedMeasure) -> Check:
    """One measure against its limits; it passes where it is defined for neither model.

    Of a spread, the end counts that is in the challenger's favour, and of the champion's the other.
    """
    title = f"{name} ({measure.about})" if measure.about else name
    value, champion, up = measure.challenger, measure.champion, measure.larger_is_better
    if guard.limit is None and champion is None:
        why = "no worse than the champion: there is none to beat"
        return Check(title, True, measure.text, why, key=name)
    if not measure.measured:
        why = "a run trained with all metrics"
        return Check(title, False, "not measured", why, guard.setting, name)
    if math.isnan(value) and (champion is None or math.isnan(champion)):
        return Check(title, True, "not defined on this data", "-", key=name)
    best, worst_of_champion = measure.bounds[up], measure.champion_bounds[not up]
    limits: dict[str, tuple[float, str]] = {}
    if guard.limit is not None:
        limits["limit"] = guard.limit, ""
    if guard.worse_by is not None and champion is not None and not math.isnan(champion):
        worst = worst_of_champion + (-1 if up else 1) * guard.worse_by * abs(worst_of_champion)
        limits["worse_by"] = worst, f" (champion {format_number(champion)})"
    failed = {
        key for key, (limit, _) in limits.items() if not (best >= limit if up else best <= limit)
    }
    word = "at least" if up else "at most"
    required = [f"{word} {format_number(limit)}{more}" for limit, more in limits.values()]
    settings = [f"{guard.setting}.{key}" for key in limits if not failed or key in failed]
    passed = not failed and not math.isnan(value)
    if passed and not all(value >= x if up else value <= x for x, _ in limits.values()):
        required[-1] += ", which the spread reaches"
    return Check(
        title, passed, measure.text, " and ".join(required) or "-", " and ".join(settings), name
    )


def _percent(share: float) -> str:
    return "-" if math.isnan(share) else f"{100 * share:+.1f} %"
