"""What was found as tables of words, for the console and the page, and as numbers, for MLflow."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from growthlab.bundle.reference import K
from growthlab.monitoring.agreement import Agreed
from growthlab.monitoring.alerts import Alert, Limits
from growthlab.monitoring.delayed import Delayed
from growthlab.monitoring.log_reader import EVENTS
from growthlab.monitoring.log_summary import LogSummary, Who
from growthlab.monitoring.proportions import Share, difference
from growthlab.monitoring.stability import FEWEST, Drift
from growthlab.monitoring.tally import FOLLOWS, Tally
from growthlab.pages.text_table import interval, label, number, plain_table

RATES = {"impression": "seen", "click": "clicked", "order": "ordered"}
PERCENTILES = (0.5, 0.95, 0.99)
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
MOST_ROWS = 12  # of a table on the console


@dataclass(frozen=True)
class MonitoringTable:
    """Rows of words; `note` says how to read them."""

    title: str
    note: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True)
class MonitoringReport:
    """What was found, and what of it is out of its limits."""

    found: LogSummary
    limits: Limits
    alerts: Sequence[Alert]
    judged: Delayed | None = None

    @classmethod
    def of(
        cls, found: LogSummary, limits: Limits, judged: Delayed | None = None
    ) -> MonitoringReport:
        """The report with the alerts of these limits."""
        return cls(found, limits, limits.alerts(found, judged), judged)

    @property
    def title(self) -> str:
        """Which bundle it is about."""
        manifest = self.found.manifest
        return f"{manifest.data}: {manifest.task} by {manifest.model} {manifest.version}"

    @property
    def facts(self) -> list[str]:
        """What was read, and what was left out of account."""
        found, reading = self.found, self.found.reading
        facts = [
            f"{found.own.n:,} answers of this bundle, {_time(reading.first)} to "
            f"{_time(reading.last)} UTC, in {reading.n_lines:,} lines"
        ]
        if found.n_states > 1:
            facts.append(
                f"they are of {found.n_states} states of one model: it was refreshed meanwhile"
            )
        for n, what in (
            (
                found.own.n_failed,
                "more requests failed inside the service; they count as errors only",
            ),
            (reading.n_broken, "lines were no lines of a request log"),
            (reading.n_outside, "answers were outside since and until"),
            (found.n_feedback_without_answer, "events of feedback had no answer in the period"),
        ):
            facts += [f"{n:,} {what}"] if n else []
        if found.own.n + found.own.n_failed < FEWEST:
            facts.append(f"fewer than {FEWEST} answers are too few for an alert")
        if self.judged is not None and self.judged.n_not_over:
            facts.append(
                f"{self.judged.n:,} predictions are judged; of {self.judged.n_not_over:,} more the "
                "horizon is not over in the newer events"
            )
        if found.reference is None:
            facts.append("the bundle holds no reference: export it again to have drift watched")
        return facts

    @property
    def tables(self) -> list[MonitoringTable]:
        """Every table, those without rows left out."""
        made = [self._drifts(), self._ways(), self._lists(), self._variants(), self._shadows()]
        made += [self._rates(), self._judged()]
        return [table for table in made if table.rows]

    def as_text(self) -> str:
        """For the console."""
        lines = [self.title, *self.facts, ""]
        lines += [f"{a.severity.upper()}: {a.text}" for a in self.alerts] or ["no alerts"]
        for table in self.tables:
            lines += ["", table.title, *plain_table(table.header, table.rows[:MOST_ROWS])]
            more = len(table.rows) - MOST_ROWS
            lines += [f"and {more} more, on the page"] if more > 0 else []
        return "\n".join(lines)

    def metrics(self) -> dict[str, float]:
        """Numbers by name, NaN where not defined."""
        found, own = self.found, self.found.own
        values = {
            "answers": own.n,
            "alerts": len(self.alerts),
            "alerts/grave": sum(a.severity == "grave" for a in self.alerts),
            "broken_lines": found.reading.n_broken,
            "share/fallback": own.fallbacks.value,
            "share/opted_out": own.opted_out.value,
            "share/unknown_items": own.unknown_items.value,
            "share/errors": own.errors.value,
            "share/new_items": found.new_items.value,
        }
        values |= self._shadow_metrics()
        values |= {f"level/{level}": n / own.n for level, n in sorted(own.levels.items())}
        values |= {f"latency/p{round(p * 100)}_ms": own.latency(p) for p in PERCENTILES}
        for drift in found.drifts:
            name = drift.name.replace(" ", "_")
            values |= {f"psi/{name}": drift.psi, f"psi_by_chance/{name}": drift.expected}
            values |= {f"missing/{name}": share for share in drift.missing[1:]}
        if found.spread is not None:
            values |= {f"lists/{n}": v for n, v in vars(found.spread).items()}
        if found.popularity is not None:
            values |= {
                "lists/popularity": found.popularity.own,
                "lists/shown_popularity": found.popularity.shown,
                "lists/reference_popularity": found.popularity.reference,
            }
        if self.judged is not None:
            values |= {f"delayed/{n}": e.value for n, e in self.judged.now.items()}
            values["delayed/customers"] = self.judged.n
            values["delayed/horizon_not_over"] = self.judged.n_not_over
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
        """The farthest first."""
        drifts = sorted(self.found.drifts, key=lambda d: -d.psi)
        rows = []
        for d in drifts:
            bin_, then, now = d.largest_change
            rows.append(
                [
                    d.name,
                    d.level(self.limits.psi_moved, self.limits.psi_far),
                    number(d.psi, 4),
                    number(d.expected, 4),
                    f"{d.n_current:,}",
                    _missing(d),
                    f"{bin_}: {then:.1%} to {now:.1%}",
                ]
            )
        note = (
            "PSI compares shares of the reference's bins. It counts as moved above "
            f"{self.limits.psi_moved:g} and far above {self.limits.psi_far:g}, and only where chance "
            "does not explain it: above three times what chance gives on average, above what it gives in "
            "one of twenty such reports, and with half a value in a bin that is empty. Known customers "
            "count once each. Items are compared in ten groups that hold a "
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

    def _ways(self) -> MonitoringTable:
        own, reference = self.found.own, self.found.reference
        then = {} if reference is None else reference.served
        names = sorted({*own.served, *then}, key=lambda n: -own.served[n])
        n_then = sum(then.values())
        rows = [
            (
                name,
                f"{own.served[name]:,}",
                _percent(own.served[name], own.n),
                _percent(then.get(name, 0), n_then),
            )
            for name in names
        ]
        levels = ", ".join(f"{k}: {v / own.n:.1%}" for k, v in sorted(own.levels.items()))
        note = (
            f"Levels of the ladder: {levels}. Fallbacks {share_text(own.fallbacks)} of those who did "
            f"not opt out ({own.n_opted_out:,} did); {own.n_nameless:,} of the fallbacks named neither "
            "a customer nor an item. Items unknown to the model: "
            f"{share_text(own.unknown_items)} of those that requests named. The reference is of "
            "customers whom the bundle knows, so that it holds no new visitors: see "
            "limits.fallback_rise."
        )
        return MonitoringTable(
            "How answers were served", note, ["served", "answers", "now", "at export"], rows
        )

    def _lists(self) -> MonitoringTable:
        spread, new = self.found.spread, self.found.new_items
        if spread is None or self.found.popularity is None:
            return MonitoringTable("", "", [], [])
        popularity = [number(mean, 5) for mean in self.found.popularity]
        coverage = (spread.coverage, spread.shown_coverage, spread.reference_coverage)
        gini = (spread.gini, spread.shown_gini, spread.reference_gini)
        rows = [
            [f"coverage@{K}", *map(number, coverage)],
            [f"Gini index@{K}", *map(number, gini)],
            [f"mean popularity@{K}", *popularity],
            ["items without an event before", "-", share_text(new), "-"],
        ]
        note = (
            f"The first {K} places of each list; coverage and Gini index of {spread.n_places:,} places "
            "on each side. The model's own lists, one of each known customer and before the shop's rules, "
            "compare with those at export; what was shown is after the rules and holds the lists of "
            "fallbacks and of those who asked again too. "
            "Popularity is an item's share of all events before the export, the mean over places."
        )
        header = ["", "the model's own", "all that was shown", "at export"]
        return MonitoringTable("What the lists showed", note, header, rows)

    def _variants(self) -> MonitoringTable:
        rows = []
        for (variant, model, version), tally in self._ordered():
            times = [number(tally.latency(p), 1) for p in PERCENTILES]
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
        note = "Shadows answer when nobody waits: their latency is not that of a request."
        return MonitoringTable("Who answered", note, header, rows)

    def _shadows(self) -> MonitoringTable:
        """The champion and the shadow of each row answered the same requests."""
        rows = []
        for (champion, shadow), found in sorted(self.found.agreement.pairs.items()):
            for which, agreed in (("all", found.every), ("by both models", found.personal)):
                if agreed.n:
                    rows.append([" ".join(shadow), " ".join(champion), which, *_agreement(agreed)])
        lists = self.found.manifest.answer.kind.is_list
        alone = self.found.agreement.n_alone
        note = LISTS_AGREE if lists else VALUES_AGREE
        note += f" {alone:,} answers of shadows had no answer of a champion near." if alone else ""
        measures = [f"overlap@{K}", "same first item"]
        if not lists:
            measures = ["Spearman", "mean absolute difference", "mean difference"]
        header = ["shadow", "champion", "answers", "pairs", *measures]
        return MonitoringTable("Shadow beside the champion", note, header, rows)

    def _shadow_metrics(self) -> dict[str, float]:
        """Of the pair of this bundle that has most answers."""
        manifest = self.found.manifest
        own = (manifest.model, manifest.version)
        found = [pair for who, pair in self.found.agreement.pairs.items() if own in who]
        if not found:
            return {}
        most = max(found, key=lambda pair: pair.every.n)
        values: dict[str, float] = {}
        for name, agreed in (("shadow", most.every), ("shadow/by_both_models", most.personal)):
            values |= {f"{name}/{n}": v for n, v in agreed.metrics().items()}
        return values

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
                d, low, high = difference(tally.rate("click"), champions[0].rate("click"))
                gain = f"{d:+.2%} [{low:+.2%}, {high:+.2%}]"
            rows.append([variant, f"{model} {version}", f"{tally.n:,}", *rates, gain])
        note = (
            "Share of answers with that feedback and its 95 % interval (Wilson); the difference to the "
            "champion with Newcombe's. CTR: clicked of those reported as seen; CVR: ordered of those "
            "clicked. Answers to one customer are alike, so that true intervals are "
            "wider: decide by an experiment on customers."
        )
        header = ["variant", "model", "answers", *RATES.values(), "CTR", "CVR"]
        header.append("clicked, less champion")
        return MonitoringTable("What became of the answers", note, header, rows)

    def _judged(self) -> MonitoringTable:
        if self.judged is None:
            return MonitoringTable("", "", [], [])
        nan, rows = math.nan, []
        for name, now in self.judged.now.items():
            then = {k: nan if v is None else v for k, v in self.judged.then.get(name, {}).items()}
            bounds = then.get("value", nan), then.get("low", nan), then.get("high", nan)
            rows.append([label(name), interval(*now), interval(*bounds)])
        note = (
            f"Predictions for {self.judged.n:,} customers whom the bundle knows, one each, by what they "
            "did in the horizon after the cutoff of the state that answered; "
            f"{self.judged.n_without_events:,} are not in the newer events, and of "
            f"{self.judged.n_not_over:,} more the horizon is not over there. "
            "Brackets hold 95 % bootstrap bounds over customers."
        )
        return MonitoringTable("What came of the predictions", note, ["", "now", "at export"], rows)

    def _ordered(self) -> Iterator[tuple[Who, Tally]]:
        yield from sorted(self.found.variants.items())


def share_text(share: Share) -> str:
    """``2.0 % [1.1 %, 3.5 %]``; a dash of no cases."""
    if not share.n:
        return "-"
    low, high = share.bounds
    return f"{share.value:.2%} [{low:.2%}, {high:.2%}]"


def _agreement(agreed: Agreed) -> list[str]:
    """The cells of a row of the shadow's table from the number of pairs on."""
    cells = [f"{agreed.n:,}"]
    if agreed.overlap.n:
        low, high = agreed.overlap.bounds(0, 1)
        shown = f"{agreed.overlap.value:.1%}"
        shown += "" if math.isnan(low) else f" [{low:.1%}, {high:.1%}]"
        return [*cells, shown, share_text(agreed.equal_first)]
    means = (
        interval(m.value, *m.bounds(least))
        for m, least in ((agreed.size, 0.0), (agreed.difference, -math.inf))
    )
    return [*cells, number(agreed.spearman), *means]


def _missing(drift: Drift) -> str:
    """``2.0% to 3.1%``; a dash where nothing can be missing."""
    return " to ".join(f"{share:.1%}" for share in drift.missing) or "-"


def _percent(n: int, total: int) -> str:
    return f"{n / total:.1%}" if total else "-"


def _time(time: object) -> str:
    return "-" if time is None else f"{time:%Y-%m-%d %H:%M}"


def finite(values: dict[str, float]) -> dict[str, float]:
    """Those that are defined."""
    return {name: value for name, value in values.items() if math.isfinite(value)}
