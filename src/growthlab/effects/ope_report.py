"""The report of an off-policy value: a sentence, a page, JSON, and numbers for a run."""

from __future__ import annotations

import json
import math
from itertools import pairwise

import numpy as np

from growthlab.core.claims import Claim
from growthlab.effects.logged_actions import LoggedActions
from growthlab.effects.off_policy_value import OffPolicyValue, PolicyValue
from growthlab.pages.charts import BarChart
from growthlab.pages.page import (
    AlertBlock,
    AlertLevel,
    Cell,
    Chapter,
    DataBlock,
    Figure,
    ListBlock,
    Page,
    PageRow,
    PageTable,
    render_page,
)
from growthlab.pages.text_table import format_interval, format_number, plain_table

BORDERS = (0.0, 0.1, 0.5, 1.0, 2.0, 5.0, 10.0, 50.0, math.inf)  # of the bars of weights
LARGE_SHARE = 0.1  # of the whole weight that one row should not have
ASSUMPTIONS = {
    "independent": "the reward of a position does not depend on what the other positions show",
    "cascade": "the reward of a position depends on this and the earlier positions, and on no "
    "later one",
}


def ope_sentence(value: OffPolicyValue) -> str:
    """What may be said in a sentence."""
    best, own = value.headline, value.on_policy
    compared = "which the interval does not tell apart from it"
    if best.low > own.value:
        compared = "less than that"
    elif best.high < own.value:
        compared = "more than that"
    return (
        f"The policy would have earned {_interval(best)} a row ({best.estimator}); the log's own "
        "policy earned "
        f"{_interval(own)}, {compared}."
    )


def ope_alerts(value: OffPolicyValue) -> list[tuple[AlertLevel, str]]:
    """What makes the estimate doubtful."""
    found: list[tuple[AlertLevel, str]] = []
    weights = value.weights
    if weights.largest > LARGE_SHARE * weights.mean * value.n_rows:
        found.append(
            (
                "watch",
                f"one row has {weights.largest / weights.mean / value.n_rows:.0%} of the whole "
                "weight",
            )
        )
    if weights.clipped:
        found.append(
            (
                "watch",
                f"{weights.clipped:.2%} of the rows have a weight that switch-DR does not trust",
            )
        )
    values = [estimate.value for estimate in value.estimates.values()]
    outside = [v for v in values if not value.headline.low <= v <= value.headline.high]
    if outside:
        found.append(
            ("watch", "the estimators disagree by more than the interval of the one that is quoted")
        )
    return found or [("fine", "Weights and estimators raise no alarm.")]


def ope_text(value: OffPolicyValue) -> str:
    """The sentence, the doubts and the table, for the terminal."""
    weights = value.weights
    rows = [[e.estimator, _interval(e)] for e in (*value.estimates.values(), value.on_policy)]
    lines = [ope_sentence(value), ""]
    lines += [f"{level.upper()}: {text}" for level, text in ope_alerts(value)]
    lines += ["", *plain_table(["estimator", str(Claim.OFF_POLICY)], rows)]
    lines.append(
        f"{value.n_rows:,} rows, effective {weights.effective_size:,.0f}; weights: largest "
        f"{weights.largest:.3g}, mean "
        f"{weights.mean:.3f}, {weights.clipped:.2%} above the limit"
    )
    return "\n".join(lines)


def ope_json(value: OffPolicyValue, actions: LoggedActions, name: str) -> str:
    """Every number as JSON, under its claim."""
    content = {
        "claim": Claim.OFF_POLICY,
        "policy": name,
        "sentence": ope_sentence(value),
        "assumption": actions.assumption,
        "alerts": [{"level": level, "text": text} for level, text in ope_alerts(value)],
        "not_to_conclude": not_to_conclude_of_policy(actions),
        "estimates": {key: estimate.as_dict() for key, estimate in value.estimates.items()},
        "on_policy": value.on_policy.as_dict(),
        "weights": value.weights._asdict(),
        "unsupported": actions.unsupported,
        "rows": value.n_rows,
    }
    return json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False)


def ope_figures(value: OffPolicyValue) -> dict[str, float]:
    """The numbers of a run."""
    found = {f"weights/{name}": float(number) for name, number in value.weights._asdict().items()}
    for estimate in (*value.estimates.values(), value.on_policy):
        start = f"{Claim.OFF_POLICY}/{estimate.estimator}"
        found |= {
            start: estimate.value,
            f"{start}/low": estimate.low,
            f"{start}/high": estimate.high,
        }
    return {name: number for name, number in found.items() if math.isfinite(number)}


def not_to_conclude_of_policy(actions: LoggedActions) -> dict[str, str]:
    """What may not be concluded, a term and a sentence each."""
    said = {
        "That it will be so": "The value is an estimate from what another policy showed. An "
        "experiment (growthlab ab) "
        "measures; this says which policy is worth one.",
        "The long run": "Customers who are shown other things come back in another mood: a log "
        "of single showings "
        "does not hold that.",
        "Actions never shown": "Nothing is known of an action that the log could not show.",
    }
    if actions.assumption is not None:
        said["Without the assumption"] = (
            f"The figures hold where {ASSUMPTIONS[actions.assumption]}."
        )
    return said


def ope_html(value: OffPolicyValue, actions: LoggedActions, name: str) -> str:
    """The page as one HTML document."""
    rows = [
        PageRow([Cell(e.estimator), Cell(*_value_and_bounds(e))])
        for e in (*value.estimates.values(), value.on_policy)
    ]
    table = PageTable(["estimator", "value"], rows, frozenset({"estimator"}))
    note = (
        f"Every value is an {Claim.OFF_POLICY}: the mean reward of a row, with its interval. The "
        "direct method "
        "has none: how far its reward model is off, the log does not show."
    )
    opening = AlertBlock([("fine", ope_sentence(value)), *ope_alerts(value)])
    chapters = [
        Chapter("Verdict", [opening]),
        Chapter(
            "Estimates",
            [DataBlock(name=str(Claim.OFF_POLICY), title="Estimators", table=table, notes=[note])],
        ),
        Chapter("Weights", [_weights(value, actions)]),
        Chapter("What may not be concluded", [ListBlock(not_to_conclude_of_policy(actions))]),
    ]
    facts = [f"claim: {Claim.OFF_POLICY}", f"rows: {value.n_rows:,}"]
    if actions.assumption is not None:
        facts.append(f"assumption: {ASSUMPTIONS[actions.assumption]}")
    return render_page(Page(f"Off-policy value of {name}", chapters, facts, navigation="links"))


def _weights(value: OffPolicyValue, actions: LoggedActions) -> DataBlock:
    """The figures of the weights, and how many rows have which."""
    weights = value.weights
    rows = [
        PageRow([Cell(name), Cell(text)])
        for name, text in (
            ("effective sample size", f"{weights.effective_size:,.0f}"),
            ("largest", format_number(weights.largest, 2)),
            ("mean", format_number(weights.mean, 3)),
            ("share above the limit of switch-DR", f"{weights.clipped:.2%}"),
            ("probability on actions never shown", f"{actions.unsupported:.2%}"),
        )
    ]
    counts = np.histogram(actions.weights, bins=[-math.inf, *BORDERS[1:]])[0]
    labels = [f"{low:g} to {high:g}" for low, high in pairwise(BORDERS[:-1])]
    chart = BarChart(
        [*labels, f"over {BORDERS[-2]:g}"],
        {"rows": (counts / value.n_rows).tolist()},
        "{:.1%}".format,
    )
    note = (
        "A weight says how much more often the policy would have shown the row's action than the "
        "log did. The mean "
        "should be 1; the effective sample size is the number of rows that would say as much "
        "without weights."
    )
    table = PageTable(["weights", "figure"], rows, frozenset({"weights"}))
    return DataBlock(
        figures=[Figure("share of the rows by weight", chart)], table=table, notes=[note]
    )


def _value_and_bounds(estimate: PolicyValue) -> tuple[str, str]:
    value, _, bounds = _interval(estimate).partition(" ")
    return value, bounds


def _interval(estimate: PolicyValue) -> str:
    """The value with its bounds; small ones with more digits."""
    size = max(abs(estimate.value), 1e-12)
    decimals = int(min(8, max(2, 2 - math.floor(math.log10(size)))))
    return format_interval(estimate.value, estimate.low, estimate.high, decimals)
