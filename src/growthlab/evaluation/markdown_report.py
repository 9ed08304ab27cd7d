"""A comparison as a Markdown report: winner, differences, metrics, strata, origins, cost."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from growthlab.evaluation.standings import Standings, mean_estimate, mean_strata
from growthlab.evaluation.strata import STRATA
from growthlab.evaluation.text_report import (
    bounds_text,
    how_chosen,
    is_rough_over,
    left_out_notes,
    marked_model_names,
    not_exportable,
    objective_intervals,
    origins_verdict,
    power_notes,
)
from growthlab.evaluation.verdict import Verdict
from growthlab.pages.text_table import (
    decimals_for,
    format_column,
    format_interval,
    format_number,
    format_p_value,
    markdown_table,
    markdown_text,
    metric_label,
)

HOW_TO_READ = (
    "- The winner is chosen on the validation window alone. The table is ordered by the test "
    "objective, by which nothing was chosen: where the two disagree, the winner is not in row 1.",
    "- Brackets hold 95 % bounds over customers: how much the number could change with "
    "another sample of customers. Another season can change it more, which rolling origins show.",
    "- Differences to the best baseline (by validation) are paired by customer. p is corrected by "
    "Holm's method for all models compared. A small p means that there is a difference, not that it "
    "matters: offline gains below 5 % rarely survive online.",
    "- Coverage is the share of customers whom the model itself could score; among "
    "recommenders the rest got the popularity list and count in every metric.",
    "- Every model had the same past, candidates, seen filter, tie rule, cutoff and horizon.",
)
STRATA_EXPLAINED = (
    "The objective for a part of the relevant items; customers without such items are left out. "
    "Warm: both customer and item have a past. Head: the most popular items, which together have "
    "four fifths of the past interactions; tail: the other items with a past. Cold item: nobody had "
    "it before the cutoff. Cold user: no history. Repeat: the customer had it before; new: not."
)


def leaderboard_markdown(standings: Standings) -> str:
    """The whole report; empty sections are left out."""
    subtitle = [markdown_text(standings.subtitle), ""] if standings.subtitle else []
    sections = [
        (f"# {markdown_text(standings.title or 'Comparison')}", [*subtitle, _verdict(standings)]),
        ("## Leaderboard", _leaderboard(standings)),
        (
            f"## Difference to the best baseline, {markdown_text(str(standings.baseline))}",
            _differences(standings),
        ),
        ("## Metrics on the test window, with bounds", _metrics(standings)),
        ("## Kinds of customers and items", _strata(standings)),
        ("## Rolling origins", _origins(standings)),
        ("## Cost", _cost(standings)),
        ("## Leakage", [_point(name, value) for name, value in flat_entries(standings.leakage)]),
        ("## Left out", [markdown_text(note) for note in left_out_notes(standings)]),
        ("## What failed", [_point(name, error) for name, error in standings.errors.items()]),
        ("## How to read this", list(HOW_TO_READ)),
    ]
    lines = [line for title, body in sections if body for line in (title, "", *body, "")]
    return "\n".join(lines)


def _point(name: str, value: object) -> str:
    """A line of a list."""
    return f"- {markdown_text(f'{name}: {value}')}"


def _verdict(standings: Standings) -> str:
    return " ".join(Verdict(standings).sentences(lambda name: f"**{markdown_text(name)}**"))


def _leaderboard(standings: Standings) -> list[str]:
    table, objective = standings.table, standings.objective
    digits = decimals_for(table[objective].tolist())
    columns = [
        ("#", [str(rank) for rank in table["rank"]]),
        ("model", marked_model_names(standings)),
        ("seeds", [str(n) for n in table["seeds"]]),
        (metric_label(objective), objective_intervals(standings)),
        ("seed sd", [format_number(v, digits) for v in table["seed_sd"]]),
        (
            f"valid {metric_label(objective)}",
            [format_number(v, digits) for v in table[f"valid_{objective}"]],
        ),
        *((metric_label(name), format_column(table[name].tolist())) for name in standings.headline),
    ]
    rows = list(zip(*(cells for _, cells in columns), strict=True))
    lines = markdown_table([name for name, _ in columns], rows, n_left=2)
    legend = f"{markdown_text(how_chosen(standings))}; `b` baseline; brackets:"
    return [*lines, "", f"{legend} {markdown_text(bounds_text(standings))}."]


def _differences(standings: Standings) -> list[str]:
    compared = standings.differences.set_index("model")
    if compared.empty:
        return []
    digits = decimals_for(compared[["low", "high"]].to_numpy().ravel().tolist())
    rows = []
    for name in (n for n in standings.models if n != standings.baseline):
        row = compared.loc[name].to_dict()
        bounds = format_interval(row["difference"], row["low"], row["high"], digits)
        relative = f"{row['relative_percent']:+.1f} %"
        p_values = (format_p_value(row["p"]), format_p_value(row["p_holm"]))
        detectable = format_number(row["minimum_detectable"], digits)
        rows.append([name, bounds, relative, *p_values, f"{row['n_users']:,}", detectable])
    header = ["model", "difference", "relative", "p", "p Holm", "customers", "detectable"]
    notes = [line for note in power_notes(standings) for line in ("", note)]
    return [*markdown_table(header, rows), *notes]


def _metrics(standings: Standings) -> list[str]:
    shown = [standings.objective, *standings.headline]
    cells = {}
    for metric in shown:
        estimates = [mean_estimate(seeds, metric) for seeds in standings.models.values()]
        digits = decimals_for([e.value for e in estimates])
        cells[metric] = [
            format_interval(*e, digits) + " rough" * is_rough_over(seeds, metric)
            for e, seeds in zip(estimates, standings.models.values(), strict=True)
        ]
    rows = list(zip(standings.models, *cells.values(), strict=True))
    return markdown_table(["model", *map(metric_label, shown)], rows)


def _strata(standings: Standings) -> list[str]:
    cells: dict[str, dict[str, str]] = {}
    n_users: dict[str, str] = {}
    objective = standings.objective
    digits = decimals_for(standings.table[objective].tolist())
    for name, seeds in standings.models.items():
        table = mean_strata(seeds)
        for row in table[table["metric"] == objective].to_dict("records"):
            value = format_interval(row["value"], row["low"], row["high"], digits)
            cells.setdefault(name, {})[row["stratum"]] = value
            n_users[row["stratum"]] = f"{int(row['n_users']):,}"
    if not n_users:
        return []
    rows = [[name, *(own.get(s, "-") for s in n_users)] for name, own in cells.items()]
    counts = ["customers", *n_users.values()]
    explained = [STRATA_EXPLAINED, ""] if set(STRATA) <= set(n_users) else []
    return [*explained, *markdown_table(["model", *map(metric_label, n_users)], [counts, *rows])]


def _origins(standings: Standings) -> list[str]:
    if len(standings.outcomes) < 2:
        return []
    origins = standings.origins()
    digits = decimals_for([o.value for o in origins])
    rows = [
        [
            str(o.cutoff or o.origin),
            o.winner,
            format_number(o.value, digits),
            o.best_other,
            format_number(o.value_of_other, digits),
            "yes" if o.wins else "no",
            "yes" if o.counts else "no",
        ]
        for o in origins
    ]
    header = ["cutoff", "chosen", "its value", "best other", "its value", "ahead", "counts"]
    note = (
        f"{metric_label(standings.objective)} on test of the model that each cutoff's own validation "
        "window chose. A test window that chose the winner at a newer cutoff does not count."
    )
    verdict = f"{origins_verdict(origins).capitalize()}."
    return [f"{note} {verdict}", "", *markdown_table(header, rows)]


def _cost(standings: Standings) -> list[str]:
    names = ("fit_seconds", "score_seconds", "peak_memory_mb", "bundle_mb")
    table = standings.table
    shown = [n for n in names if table[n].notna().any()]
    rows = [
        [
            str(row["model"]),
            f"{100 * row['coverage']:.1f} %",
            *(format_number(row[n], 2) for n in shown),
        ]
        for _, row in table.iterrows()
    ]
    lines = markdown_table(["model", "coverage", *map(metric_label, shown)], rows)
    notes = (line for note in not_exportable(standings) for line in ("", markdown_text(note)))
    return [*lines, *notes]


def flat_entries(report: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """The entries of nested mappings, with their path as the name."""
    for name, value in report.items():
        if isinstance(value, Mapping):
            yield from flat_entries(value, f"{prefix}{name}: ".replace("_", " "))
        elif value is not None:
            shown = f"{value:.4g}" if isinstance(value, float) else value
            yield f"{prefix}{name}".replace("_", " "), shown
