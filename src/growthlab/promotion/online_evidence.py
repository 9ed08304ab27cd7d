"""What an experiment on the request log shows of a challenger: the report of growthlab ab as evidence."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from growthlab.pages.text_table import format_p_value
from growthlab.promotion.ruling_check import Check

ONLINE = "experiment"  # the route


@dataclass(frozen=True, kw_only=True)
class OnlineEvidence:
    """The experiment of a service that shared its traffic between champion and challenger.

    `effect` is that on the outcome that was named first, None where the split was broken. `balance_p`
    tests that the customers of both arms were alike before it, None where the report compares nothing of
    before. `served` are the versions of the bundles that answered, by arm; `expected` those of the two
    that are judged.
    """

    run_id: str
    name: str
    verdict: str
    alpha: float
    sequential_p: float | None
    sample_ratio_p: float
    balance_p: float | None = None
    is_balanced: bool = True
    effect: Mapping[str, Any] | None
    guardrails: Sequence[Mapping[str, Any]]
    served: Mapping[str, Sequence[str]]
    expected: Mapping[str, str]

    def checks(self) -> Iterator[Check]:
        """What the experiment must show: these bundles, sound sizes, a gain, and every guardrail held."""
        for side, version in self.expected.items():
            answered = list(self.served.get(side, []))
            yield Check(
                f"bundle of the {side} in the log",
                answered == [version],
                ", ".join(answered) or "none",
                f"{version} alone, which is judged",
                key=f"{ONLINE}.{side}",
            )
        yield Check(
            "sample ratio of the experiment",
            self.effect is not None,
            f"p {format_p_value(self.sample_ratio_p)}",
            "arms of the intended sizes",
            key=f"{ONLINE}.sample_ratio",
        )
        if self.balance_p is not None:
            yield Check(
                "balance of the experiment",
                self.is_balanced,
                f"p {format_p_value(self.balance_p)}",
                "customers who were alike in both arms before it",
                key=f"{ONLINE}.balance",
            )
        if self.effect is None:
            return
        yield self._gain(self.effect)
        for guardrail in self.guardrails:
            outcome = str(guardrail["outcome"])
            yield Check(
                f"guardrail {outcome} of the experiment",
                guardrail["standing"] == "held",
                f"{guardrail['standing']}, {_interval(guardrail)}",
                f"held: its interval within {float(guardrail['tolerated']):+.1%}",
                key=f"{ONLINE}.guardrail.{outcome}",
            )

    def _gain(self, effect: Mapping[str, Any]) -> Check:
        """A rise of the first outcome; by the sequential test where one was declared."""
        adjusted, p = effect.get("p_adjusted"), effect.get("p")
        judged = adjusted if adjusted is not None else p
        how = "p"
        if self.sequential_p is not None:
            judged, how = self.sequential_p, "always valid p"
        p_value = math.nan if judged is None else float(judged)
        rises = effect["difference"] is not None and effect["difference"] > 0
        return Check(
            f"{effect['outcome']} in the experiment",
            rises and p_value < self.alpha,
            f"{_interval(effect)}, {how} {format_p_value(p_value)}",
            f"a rise with {how} below {self.alpha:g}",
            key=f"{ONLINE}.gain",
        )


def _interval(effect: Mapping[str, Any]) -> str:
    """The relative effect with its bounds; in the outcome's unit where there is no relative one."""
    if effect.get("relative") is None:
        values, sign = [effect.get(n) for n in ("difference", "low", "high")], "+.4g"
    else:
        names = ("relative", "relative_low", "relative_high")
        values, sign = [effect.get(n) for n in names], "+.1%"
    first, low, high = ("unknown" if v is None else format(float(v), sign) for v in values)
    return f"{first} [{low}, {high}]"
