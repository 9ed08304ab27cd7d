"""The monitoring report: tables of text for the console and the page, numbers for MLflow."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from growthlab.bundle.reference import K
from growthlab.core.visible_text import visible_text
from growthlab.monitoring.alerts import Alert, AlertLimits
from growthlab.monitoring.delayed import DelayedEvaluation
from growthlab.monitoring.log_reader import EVENTS
from growthlab.monitoring.log_summary import LogSummary, VariantKey
from growthlab.monitoring.monitoring_table import MonitoringTable, percent_text, share_text
from growthlab.monitoring.proportions import difference_of_proportions
from growthlab.monitoring.shadow_tables import (
    agreement_metrics,
    agreement_table,
    unanswered_metrics,
    unanswered_table,
)
from growthlab.monitoring.stability import FEWEST, Drift
from growthlab.monitoring.tally import FOLLOWS, Tally
from growthlab.pages.text_table import format_interval, format_number, metric_label, plain_table

RATES = {"impression": "seen", "click": "clicked", "order": "ordered"}
PERCENTILES = (0.5, 0.95, 0.99)
MOST_ROWS = 12  # of a table on the console


@dataclass(frozen=True)
class MonitoringReport:
    """The summary of a log, its alerts, and what came of the predictions."""

    summary: LogSummary
    limits: AlertLimits
    alerts: Sequence[Alert]
    delayed: DelayedEvaluation | None = None

    @classmethod
    def of(
        cls, summary: LogSummary, limits: AlertLimits, delayed: DelayedEvaluation | None = None
    ) -> MonitoringReport:
        """The report with the alerts of these limits."""
        return cls(summary, limits, limits.alerts(summary, delayed), delayed)

    @property
    def title(self) -> str:
        """The bundle that the report is about."""
        manifest = self.summary.manifest
        return f"{manifest.data}: {manifest.task} by {manifest.model} {manifest.version}"

    @property
    def facts(self) -> list[str]:
        """What was read, and what was left out."""
        summary, reading = self.summary, self.summary.reading
        facts = [
            f"{summary.own.n:,} answers of this bundle, {_time(reading.first)} to "
            f"{_time(reading.last)} UTC, in {reading.n_lines:,} lines"
        ]
        if summary.n_states > 1:
            facts.append(
                f"they are of {summary.n_states} states of one model: it was refreshed meanwhile"
            )
        for n, what in (
            (
                summary.own.n_failed,
                "more requests failed inside the service; they count as errors only",
            ),
            (reading.n_broken, "lines were no lines of a request log"),
            (reading.n_outside, "answers were outside since and until"),
            (summary.n_feedback_without_answer, "events of feedback had no answer in the period"),
        ):
            facts += [f"{n:,} {what}"] if n else []
        if summary.own.n + summary.own.n_failed < FEWEST:
            facts.append(f"fewer than {FEWEST} answers are too few for an alert")
        if self.delayed is not None and self.delayed.n_not_over:
            facts.append(
                f"{self.delayed.n:,} predictions are evaluated; for {self.delayed.n_not_over:,} more the "
                "horizon is not over in the newer events"
            )
        if summary.reference is None:
            facts.append("the bundle has no reference: export it again to monitor drift")
        return facts

    @property
    def tables(self) -> list[MonitoringTable]:
        """All tables that have rows."""
        tables = [
            self._drifts(),
            self._served(),
            self._lists(),
            self._variants(),
            agreement_table(self.summary),
        ]
        tables += [unanswered_table(self.summary), self._rates(), self._delayed()]
        return [table for table in tables if table.rows]

    def as_text(self) -> str:
        """The report for the console."""
        lines = [self.title, *self.facts, ""]
        lines += [f"{a.severity.upper()}: {a.text}" for a in self.alerts] or ["no alerts"]
        lines = [visible_text(line) for line in lines]
        for table in self.tables:
            lines += ["", table.title, *plain_table(table.header, table.rows[:MOST_ROWS])]
            more = len(table.rows) - MOST_ROWS
            lines += [f"and {more} more, on the page"] if more > 0 else []
        return "\n".join(lines)

    def metrics(self) -> dict[str, float]:
        """Measures by name, NaN where not defined."""
        summary, own = self.summary, self.summary.own
        values = {
            "answers": own.n,
            "alerts": len(self.alerts),
            "alerts/grave": sum(a.severity == "grave" for a in self.alerts),
            "broken_lines": summary.reading.n_broken,
            "share/fallback": own.fallbacks.value,
            "share/opted_out": own.opted_out.value,
            "share/unknown_items": own.unknown_items.value,
            "share/errors": own.errors.value,
            "share/new_items": summary.new_items.value,
        }
        values |= agreement_metrics(self.summary) | unanswered_metrics(self.summary)
        values |= {f"level/{level}": n / own.n for level, n in sorted(own.levels.items())}
        values |= {f"latency/p{round(p * 100)}_ms": own.latency(p) for p in PERCENTILES}
        for drift in summary.drifts:
            name = drift.name.replace(" ", "_")
            values |= {f"psi/{name}": drift.psi, f"psi_by_chance/{name}": drift.expected}
            values |= {f"missing/{name}": share for share in drift.missing[1:]}
        if summary.spread is not None:
            values |= {f"lists/{n}": v for n, v in vars(summary.spread).items()}
        if summary.popularity is not None:
            values |= {
                "lists/popularity": summary.popularity.own,
                "lists/shown_popularity": summary.popularity.shown,
                "lists/reference_popularity": summary.popularity.reference,
            }
        if self.delayed is not None:
            values |= {f"delayed/{n}": e.value for n, e in self.delayed.now.items()}
            values["delayed/customers"] = self.delayed.n
            values["delayed/horizon_not_over"] = self.delayed.n_not_over
        for event in EVENTS:
            share = own.rate(event)
            low, high = share.bounds
            values |= {f"rate/{event}": share.value}
            values |= {f"rate/{event}/low": low, f"rate/{event}/high": high}
        for event, name in (("click", "ctr"), ("order", "cvr")):
            low, high = (share := own.rate_after(event)).bounds
            values |= {f"rate/{name}": share.value}
            values |= {f"rate/{name}/low": low, f"rate/{name}/high": high}
        return {name: float(value) for name, value in values.items()}

    def _drifts(self) -> MonitoringTable:
        """The distributions that moved most first."""
        drifts = sorted(self.summary.drifts, key=lambda d: -d.psi)
        rows = []
        for d in drifts:
            bin_, then, now = d.largest_change
            rows.append(
                [
                    d.name,
                    d.level(self.limits.psi_moved, self.limits.psi_far),
                    format_number(d.psi, 4),
                    format_number(d.expected, 4),
                    f"{d.n_current:,}",
                    _missing(d),
                    f"{bin_}: {then:.1%} to {now:.1%}",
                ]
            )
        note = (
            "PSI compares the shares of the reference's bins. A distribution has moved above "
            f"{self.limits.psi_moved:g} and moved far above {self.limits.psi_far:g}, and only where chance "
            "does not explain it: above three times what chance gives on average, above what it gives in "
            "one of twenty such reports, and with half a value in an empty bin. Known customers "
            "count once each. Items are compared in ten groups with a "
            "tenth of the events each; lists count once, not each of their places."
        )
        header = [
            "distribution",
            "level",
            "PSI",
            "by chance",
            "values",
            "missing",
            "largest change",
        ]
        return MonitoringTable("Drift against the reference in the bundle", note, header, rows)

    def _served(self) -> MonitoringTable:
        own, reference = self.summary.own, self.summary.reference
        then = {} if reference is None else reference.served
        names = sorted({*own.served, *then}, key=lambda n: -own.served[n])
        n_then = sum(then.values())
        rows = [
            (
                name,
                f"{own.served[name]:,}",
                percent_text(own.served[name], own.n),
                percent_text(then.get(name, 0), n_then),
            )
            for name in names
        ]
        levels = ", ".join(f"{k}: {v / own.n:.1%}" for k, v in sorted(own.levels.items()))
        note = (
            f"Fallback levels: {levels}. Fallbacks: {share_text(own.fallbacks)} of customers who did "
            f"not opt out ({own.n_opted_out:,} did); {own.n_anonymous:,} of the fallbacks named neither "
            "a customer nor an item. Items unknown to the model: "
            f"{share_text(own.unknown_items)} of those in requests. The reference has only "
            "customers whom the bundle knows, and no new visitors: see "
            "limits.fallback_rise."
        )
        return MonitoringTable(
            "How answers were served", note, ["served", "answers", "now", "at export"], rows
        )

    def _lists(self) -> MonitoringTable:
        spread, new = self.summary.spread, self.summary.new_items
        if spread is None or self.summary.popularity is None:
            return MonitoringTable("", "", [], [])
        popularity = [format_number(mean, 5) for mean in self.summary.popularity]
        coverage = (spread.coverage, spread.shown_coverage, spread.reference_coverage)
        gini = (spread.gini, spread.shown_gini, spread.reference_gini)
        rows = [
            [f"coverage@{K}", *map(format_number, coverage)],
            [f"Gini index@{K}", *map(format_number, gini)],
            [f"mean popularity@{K}", *popularity],
            ["items without an event before", "-", share_text(new), "-"],
        ]
        note = (
            f"The first {K} places of each list; coverage and Gini index of {spread.n_places:,} places "
            "on each side. The model's own lists, one for each known customer and before the shop's "
            "rules, compare with those at export; lists as shown are after the rules and include "
            "fallbacks and repeated requests. "
            "Popularity is an item's share of all events before the export, the mean over places."
        )
        header = ["", "the model's own", "all that was shown", "at export"]
        return MonitoringTable("What the lists showed", note, header, rows)

    def _variants(self) -> MonitoringTable:
        rows = []
        for (variant, model, version), tally in self._ordered():
            times = [format_number(tally.latency(p), 1) for p in PERCENTILES]
            shares = [share_text(tally.fallbacks), share_text(tally.errors)]
            rows.append([variant, f"{model} {version}", f"{tally.n:,}", *shares, *times])
        header = [
            "variant",
            "model",
            "answers",
            "fallbacks",
            "errors",
            "p50 ms",
            "p95 ms",
            "p99 ms",
        ]
        note = (
            "An entry of a batch has its part of the batch's time. Shadows answer when no request "
            "waits: their latency is not that of a request."
        )
        return MonitoringTable("Which model answered", note, header, rows)

    def _rates(self) -> MonitoringTable:
        shown = [(who, tally) for who, tally in self._ordered() if who[0] != "shadow"]
        if not any(tally.events.total() for _, tally in shown):
            return MonitoringTable("", "", [], [])
        rows = []
        champions = [tally for who, tally in shown if who[0] == "champion"]
        for (variant, model, version), tally in shown:
            rates = [share_text(tally.rate(event)) for event in EVENTS]
            rates += [share_text(tally.rate_after(event)) for event in FOLLOWS]
            gain = "-"
            if variant == "challenger" and len(champions) == 1:
                d, low, high = difference_of_proportions(
                    tally.rate("click"), champions[0].rate("click")
                )
                gain = f"{d:+.2%} [{low:+.2%}, {high:+.2%}]"
            rows.append([variant, f"{model} {version}", f"{tally.n:,}", *rates, gain])
        note = (
            "Share of answers with that feedback and its 95 % interval (Wilson); the difference to the "
            "champion with Newcombe's. CTR: clicked of those reported as seen; CVR: ordered of those "
            "clicked. Answers to one customer are similar, so that true intervals are "
            "wider: decide by an experiment on customers."
        )
        header = ["variant", "model", "answers", *RATES.values(), "CTR", "CVR"]
        header.append("clicked, less champion")
        return MonitoringTable("What became of the answers", note, header, rows)

    def _delayed(self) -> MonitoringTable:
        if self.delayed is None:
            return MonitoringTable("", "", [], [])
        nan, rows = math.nan, []
        for name, now in self.delayed.now.items():
            then = {k: nan if v is None else v for k, v in self.delayed.then.get(name, {}).items()}
            bounds = then.get("value", nan), then.get("low", nan), then.get("high", nan)
            rows.append([metric_label(name), format_interval(*now), format_interval(*bounds)])
        note = (
            f"Predictions for {self.delayed.n:,} customers whom the bundle knows, one each, against what "
            "they did in the horizon after the cutoff of the state that answered; "
            f"{self.delayed.n_without_events:,} are not in the newer events, and for "
            f"{self.delayed.n_not_over:,} more the horizon is not over there. "
            "Brackets hold 95 % bounds over customers."
        )
        return MonitoringTable("What came of the predictions", note, ["", "now", "at export"], rows)

    def _ordered(self) -> Iterator[tuple[VariantKey, Tally]]:
        yield from sorted(self.summary.variants.items())


def _missing(drift: Drift) -> str:
    """``2.0% to 3.1%``; a dash where no value can be missing."""
    return " to ".join(f"{share:.1%}" for share in drift.missing) or "-"


def _time(time: object) -> str:
    return "-" if time is None else f"{time:%Y-%m-%d %H:%M}"


def finite(values: dict[str, float]) -> dict[str, float]:
    """The values that are finite."""
    return {name: value for name, value in values.items() if math.isfinite(value)}
