"""What an experiment shows, in sentences: the verdict, the warnings, and what may not be concluded."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from growthlab.effects.ab_analysis import AbAnalysis, ArmAnalysis
from growthlab.effects.effect import Effect
from growthlab.effects.guardrails import Guardrail
from growthlab.evaluation.randomisation import STOP_BELOW
from growthlab.pages.page import AlertLevel
from growthlab.pages.text_table import format_number, format_p_value

SMALL_SHARE = 0.001  # percent with fewer digits would show 0


def verdict(analysis: AbAnalysis) -> str:
    """One sentence an arm: what changed, or that nothing may be said."""
    if analysis.ratio.is_broken:
        sizes = ", ".join(f"{arm} {n:,}" for arm, n in analysis.counts.items())
        return (
            f"No verdict: the arms do not have the sizes that were intended ({sizes}; sample "
            f"ratio p {analysis.ratio.p:.2g}, below {STOP_BELOW:g}), so customers were lost or "
            "counted unevenly, and no difference between the arms can be trusted."
        )
    return " ".join(_verdict_of(arm, analysis) for arm in analysis.arms)


def _verdict_of(arm: ArmAnalysis, analysis: AbAnalysis) -> str:
    effect, alpha = arm.primary, analysis.settings.alpha
    if not arm.was_alike:
        return (
            f"No verdict on {arm.arm}: its customers differed from the control before the exposure, "
            "more than chance allows, so no difference after it may be called an effect."
        )
    if not effect.p_to_judge < alpha:
        smallest = ""
        if arm.power is not None:
            smallest = (
                f"; an effect of {percent(arm.power.detectable)} would be seen four times of five"
            )
        return (
            f"{arm.arm} shows no effect on {effect.outcome}: {relative_text(effect)}, "
            f"{p_text(effect.p_to_judge)}{smallest}."
        )
    direction = "raised" if effect.difference > 0 else "lowered"
    broken = [g for g in arm.guardrails if g.standing == "broken"]
    but = f", but broke {_names(broken)}" if broken else ""
    return (
        f"{arm.arm} {direction} {effect.outcome}: {relative_text(effect)}, from "
        f"{value_text(effect, effect.control)} to {value_text(effect, effect.treatment)} "
        f"({p_text(effect.p_to_judge)}){but}."
    )


def alerts(analysis: AbAnalysis) -> list[tuple[AlertLevel, str]]:
    """The warnings of the analysis, the gravest first; one that all is well where there are none."""
    found: list[tuple[AlertLevel, str]] = []
    if analysis.ratio.is_broken:
        found.append(("grave", f"sample ratio: p {analysis.ratio.p:.2g} is below {STOP_BELOW:g}"))
    for arm, balanced in analysis.balances.items():
        if balanced.is_broken:
            far = ", ".join(balanced.far_apart) or "no single column by much"
            found.append(
                (
                    "grave",
                    f"{arm}: customers differed from the control before the exposure (p "
                    f"{balanced.p:.2g}; {far})",
                )
            )
    for each in analysis.arms:
        found += _alerts_of(each, analysis.settings.alpha)
    found.sort(key=lambda alert: alert[0] != "grave")
    checked = "Sizes of arms, balance" if analysis.balances else "Sizes of arms"
    return found or [("fine", f"{checked} and guardrails raise no alarm.")]


def _alerts_of(arm: ArmAnalysis, alpha: float) -> Iterator[tuple[AlertLevel, str]]:
    for guardrail in arm.guardrails:
        name, standing = guardrail.effect.outcome, guardrail.standing
        if standing == "broken":
            yield (
                "grave",
                f"{arm.arm} broke the guardrail {name}: {relative_text(guardrail.effect)}",
            )
        elif standing == "open":
            yield (
                "watch",
                f"{arm.arm}: that {name} keeps within {signed_percent(guardrail.tolerated)} is "
                f"not shown: {relative_text(guardrail.effect)}",
            )
    for adjustment in arm.adjustments:
        for warning in adjustment.warnings:
            yield "watch", f"{arm.arm}, {adjustment.effect.outcome}: {warning}"
    if arm.course is not None and arm.course.trend == "fades":
        yield "watch", f"{arm.arm}: the effect fades over the days: part of it is novelty"
    if not arm.primary.p_to_judge < alpha:
        return
    for effect in arm.sensitivity:
        winsorised = effect.outcome == arm.primary.outcome and effect.method.startswith(
            "winsorised"
        )
        if winsorised and not effect.p < alpha:
            yield (
                "watch",
                f"{arm.arm}: the effect on {effect.outcome} hangs on a few large values "
                f"({effect.method}: {p_text(effect.p)})",
            )


def not_to_conclude(analysis: AbAnalysis) -> dict[str, str]:
    """What may not be concluded from the experiment, a term and a sentence each."""
    if analysis.ratio.is_broken:
        return {
            "Anything": "Find out first why customers are missing: redirects, bots, crashes, "
            "filters that come after the exposure."
        }
    alpha = analysis.settings.alpha
    said = {
        "Whom it works for": "The effect is the mean over all customers of the experiment. Whom "
        "to address is a question to uplift models, and figures of segments are suggestions for "
        "a next experiment.",
        "Other times and customers": "The effect is that of these customers in these weeks: a "
        "season, a sale or other customers may change it.",
        "Interference": "Customers who share stock, budgets or recommendations change each "
        "other's outcomes; the comparison takes them to be independent.",
    }
    if not analysis.balances:
        said["That chance drew the arms"] = (
            "The sizes of the arms were checked, and nothing that was known of customers before: none "
            "was named (covariates, features, segments, window.before)."
        )
    unshown = [
        f"{e.outcome} ({arm.arm})"
        for arm in analysis.arms
        for e in arm.secondary
        if not e.p_to_judge < alpha
    ]
    if unshown:
        said["No effect"] = (
            f"For {', '.join(unshown)} no effect is shown after the correction for several "
            "outcomes; that is no proof that there is none: the interval says how large it may "
            "be."
        )
    if any(arm.primary.p_to_judge >= alpha for arm in analysis.arms):
        said["That nothing happened"] = (
            "An effect inside the interval is possible, and too small for this number of customers."
        )
    if not analysis.knows_days:
        said["That it lasts"] = (
            "The table holds totals without days, so novelty cannot be told from a lasting effect."
        )
    elif any(arm.course is None or arm.course.trend == "unknown" for arm in analysis.arms):
        said["That it lasts"] = (
            "Too few days have been observed to tell novelty from a lasting effect."
        )
    if analysis.settings.sequential is None:
        said["An earlier end"] = (
            "Intervals and p values hold for one look at the planned end. Whoever looked "
            "before, and would have stopped, needs sequential=msprt or confidence_sequence, "
            "declared before the start."
        )
    if all(arm.roi is None for arm in analysis.arms):
        said["That it paid"] = "No cost was given (roi.cost), so nothing is said of profit."
    return said


def relative_text(effect: Effect) -> str:
    """``+43 % [36, 50]``; in the outcome's unit where there are no relative figures."""
    if math.isnan(effect.relative):
        values = (effect.difference, effect.low, effect.high)
        first, low, high = (format_number(v, 4, signed=n == 0) for n, v in enumerate(values))
        return f"{first} [{low}, {high}]"
    shares = (effect.relative, effect.relative_low, effect.relative_high)
    digits = 1 if max(map(abs, shares)) < 0.1 else 0
    first, low, high = (format_number(100 * s, digits, signed=n == 0) for n, s in enumerate(shares))
    return f"{first} % [{low}, {high}]"


def value_text(effect: Effect, value: float) -> str:
    """A value of an arm: percent for shares."""
    if effect.is_share:
        return percent(value)
    return format_number(value, 4 if abs(value) < 10 else 2)


def percent(share: float) -> str:
    """A share in percent."""
    return f"{100 * share:.{2 if abs(share) < SMALL_SHARE * 10 else 1}f} %"


def signed_percent(share: float) -> str:
    """A change in percent with its sign."""
    return f"{100 * share:+g} %"


def p_text(p: float) -> str:
    """``p 0.012`` or ``p <0.001``."""
    return f"p {format_p_value(p)}"


def _names(guardrails: Sequence[Guardrail]) -> str:
    return " and ".join(f"the guardrail {g.effect.outcome}" for g in guardrails)
