"""Tables of a monitoring report on shadows: how far they agree with the champion, and what they left."""

from __future__ import annotations

import math
from collections import Counter

from growthlab.bundle.reference import K
from growthlab.monitoring.log_summary import LogSummary
from growthlab.monitoring.monitoring_table import MonitoringTable, percent_text, share_text
from growthlab.monitoring.shadow_agreement import PairedAnswers
from growthlab.pages.text_table import format_interval, format_number

LISTS_AGREE = (
    "Answers to the same requests. overlap@10 is the share of the first ten items of the champion's list "
    "that are among the first ten of the shadow's, the mean with its 95 % interval (Student's t over "
    "requests; Wilson for the first item). Where both fall back to popular items they agree for that "
    "reason alone: see the answers by both models."
)
VALUES_AGREE = (
    "Answers to the same requests. Spearman correlates the ranks of both predictions; differences are "
    "the shadow's less the champion's, with 95 % intervals (Student's t over requests). A customer of "
    "whom nothing is known gets the mean of all from each model: see the answers by both models."
)
WHY_UNANSWERED = {
    "dropped": "no time: too many requests waited",
    "refused": "refused as a mistake of the client, which the champion answered",
    "failed": "failed inside the shadow",
}


def agreement_table(summary: LogSummary) -> MonitoringTable:
    """Champions and shadows that answered the same requests, a pair of models a row."""
    rows = []
    for (champion, shadow), pair in sorted(summary.agreement.pairs.items()):
        for which, pairs in (("all", pair.every), ("by both models", pair.personal)):
            if pairs.n:
                rows.append([" ".join(shadow), " ".join(champion), which, *_agreement_cells(pairs)])
    lists = summary.manifest.answer.kind.is_list
    alone = summary.agreement.n_alone
    note = LISTS_AGREE if lists else VALUES_AGREE
    note += (
        f" {alone:,} answers of shadows had no champion's answer near them in the log."
        if alone
        else ""
    )
    measures = [f"overlap@{K}", "same first item"]
    if not lists:
        measures = ["Spearman", "mean absolute difference", "mean difference"]
    header = ["shadow", "champion", "answers", "pairs", *measures]
    return MonitoringTable("Shadow and champion", note, header, rows)


def unanswered_table(summary: LogSummary) -> MonitoringTable:
    """What shadows did not answer, a reason a row."""
    answered = {
        who[1:]: tally.n for who, tally in sorted(summary.variants.items()) if who[0] == "shadow"
    }
    unanswered = summary.agreement.unanswered
    totals = Counter(answered)
    for (version, _), n in unanswered.items():
        totals[version] += n
    rows = [
        [
            " ".join(version),
            WHY_UNANSWERED.get(reason, reason),
            f"{n:,}",
            percent_text(n, totals[version]),
        ]
        for (version, reason), n in sorted(unanswered.items())
    ]
    note = (
        "Requests that reached a shadow's queue or were turned away from it, and that it did not "
        "answer. They are not among its answers above: a comparison of the two models is about "
        "the others."
    )
    header = ["shadow", "why not", "requests", "of all for it"]
    return MonitoringTable("What shadows did not answer", note, header, rows)


def agreement_metrics(summary: LogSummary) -> dict[str, float]:
    """The measures of this bundle's pair with the most answers."""
    manifest = summary.manifest
    own = (manifest.model, manifest.version)
    own_pairs = [pair for key, pair in summary.agreement.pairs.items() if own in key]
    if not own_pairs:
        return {}
    most = max(own_pairs, key=lambda pair: pair.every.n)
    values: dict[str, float] = {}
    for name, pairs in (("shadow", most.every), ("shadow/by_both_models", most.personal)):
        values |= {f"{name}/{n}": v for n, v in pairs.metrics().items()}
    return values


def unanswered_metrics(summary: LogSummary) -> dict[str, float]:
    """How many requests shadows did not answer, by reason; empty without any."""
    counts: Counter[str] = Counter()
    for (_, reason), n in summary.agreement.unanswered.items():
        counts[f"shadow/{reason if reason in WHY_UNANSWERED else 'other'}"] += n
    return {name: float(n) for name, n in counts.items()}


def _agreement_cells(pairs: PairedAnswers) -> list[str]:
    """The cells of a row of the shadow table, from the number of pairs on."""
    cells = [f"{pairs.n:,}"]
    if pairs.overlap.n:
        low, high = pairs.overlap.bounds(0, 1)
        shown = f"{pairs.overlap.value:.1%}"
        shown += "" if math.isnan(low) else f" [{low:.1%}, {high:.1%}]"
        return [*cells, shown, share_text(pairs.equal_first)]
    means = (
        format_interval(m.value, *m.bounds(least))
        for m, least in ((pairs.size, 0.0), (pairs.difference, -math.inf))
    )
    return [*cells, format_number(pairs.spearman), *means]
