"""A comparison or a single outcome as plain text for the terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd

from growthlab.core.visible_text import visible_text
from growthlab.evaluation.choice import default_words
from growthlab.evaluation.intervals import ENOUGH_CUSTOMERS, ENOUGH_EFFECTIVE
from growthlab.evaluation.leaderboard_columns import MetricColumn
from growthlab.evaluation.outcome import Outcome
from growthlab.evaluation.standings import NOTHING_CHOSEN, OriginResult, Standings
from growthlab.pages.text_table import (
    decimals_for,
    format_change,
    format_column,
    format_interval,
    format_number,
    format_p_value,
    metric_label,
    plain_table,
)

WIDTH = 120
RESULT_COLUMNS = ("metric", "valid", "test", "95 % bounds")


def leaderboard_text(standings: Standings) -> str:
    """The leaderboard, at most 120 characters wide, with the notes needed to read it."""
    columns = shown_columns(standings)
    lines = _lines(columns)
    while max(map(len, lines)) > WIDTH and len(columns) > 3:
        columns.pop()
        lines = _lines(columns)
    subtitle = [standings.subtitle] if standings.subtitle else []
    lines = ["", standings.title, *subtitle, "", *lines, "", *standing_notes(standings), ""]
    return "\n".join(map(visible_text, lines))


def model_result_lines(
    outcome: Outcome, objective: str, columns: Sequence[MetricColumn]
) -> list[str]:
    """Every metric of one outcome with its bounds, and the seconds of fit and scoring.

    The objective comes first, then the columns of the leaderboard, then the other metrics.
    """
    rows = result_rows(outcome, objective, columns)
    why_not = outcome.why_not_exportable
    epochs = "" if outcome.epochs is None else f" ({outcome.epochs} epochs)"
    return [
        "",
        f"{outcome.name}, seed {outcome.seed}: fitted in {outcome.fit_seconds:.1f} s{epochs}, "
        f"scored in {outcome.score_seconds:.1f} s, covers {100 * outcome.coverage:.0f} %",
        "",
        *plain_table(RESULT_COLUMNS, rows),
        "",
        *([f"not exportable: {visible_text(why_not)}", ""] if why_not else []),
    ]


def result_rows(
    outcome: Outcome, objective: str, columns: Sequence[MetricColumn]
) -> list[list[str]]:
    """The cells of `RESULT_COLUMNS`, a row a metric; see `model_result_lines` for their order."""
    shown = {column.metric for column in columns}
    order = sorted(outcome.test, key=lambda name: (name != objective, name not in shown))
    rows = []
    for name in order:
        value, low, high = outcome.test[name]
        digits = decimals_for([value])
        interval = ""
        if not np.isnan(low):
            interval = f"[{format_number(low, digits)}, {format_number(high, digits)}]"
            interval += " rough" * (name in outcome.rough)
        valid = format_number(outcome.valid.get(name, np.nan), digits)
        rows.append([metric_label(name), valid, format_number(value, digits), interval])
    return rows


def power_notes(standings: Standings) -> Iterator[str]:
    """A warning if the comparison has too few customers to detect small differences."""
    compared = standings.differences
    weak = compared[compared["underpowered"].astype(bool)]
    if len(weak):
        yield (
            f"underpowered: with {int(weak['n_users'].min())} customers, differences below "
            f"{format_number(float(weak['minimum_detectable'].max()))} are likely missed"
        )


def not_exportable(standings: Standings) -> Iterator[str]:
    """Which models cannot be exported, and why; they cannot be promoted either."""
    table = standings.table
    for name, why_not in zip(table["model"], table["not_exportable"], strict=True):
        if why_not:
            yield f"not exportable: {name}: {why_not}"


def left_out_notes(standings: Standings) -> Iterator[str]:
    """Which models of the task took no part, a line a reason."""
    for reason in dict.fromkeys(standings.left_out.values()):
        names = [name for name, why in standings.left_out.items() if why == reason]
        yield f"left out, as {reason}: {', '.join(names)}"


def marked_model_names(standings: Standings) -> list[str]:
    """The models' names, best test objective first: ``*`` the winner, ``b`` a baseline."""
    rows = standings.table[["model", "winner", "baseline"]].itertuples(index=False)
    return [name + " *" * winner + " b" * baseline for name, winner, baseline in rows]


def objective_intervals(standings: Standings) -> list[str]:
    """The objective of each model on the test window with its bounds."""
    table = standings.table
    digits = decimals_for(table[standings.objective].tolist())
    columns = (table[c].tolist() for c in (standings.objective, "low", "high"))
    return [format_interval(v, low, high, digits) for v, low, high in zip(*columns, strict=True)]


def shown_columns(standings: Standings) -> list[tuple[str, list[str]]]:
    """Headers and cells of the columns that hold anything, the most important first."""
    return [column for column in _columns(standings) if any(cell != "-" for cell in column[1])]


def _columns(standings: Standings) -> Iterator[tuple[str, list[str]]]:
    table, objective = standings.table, standings.objective
    digits = decimals_for(table[objective].tolist())
    yield "#", [str(rank) for rank in table["rank"]]
    yield "model", marked_model_names(standings)
    yield metric_label(objective), objective_intervals(standings)
    yield (
        f"vs {standings.baseline}",
        [
            format_change(d, percent, digits)
            for d, percent in zip(table["difference"], table["relative_percent"], strict=True)
        ],
    )
    yield "p Holm", [format_p_value(p) for p in table["p_holm"]]
    yield "fit s", [format_number(v, 1) for v in table["fit_seconds"]]
    yield "score s", [format_number(v, 1) for v in table["score_seconds"]]
    yield "MB", [format_number(v, 2) for v in table["bundle_mb"]]
    yield "covers", [f"{format_number(100 * v, 0)} %" for v in table["coverage"]]
    for name in standings.headline:
        yield metric_label(name), format_column(table[name].tolist())


def _lines(columns: list[tuple[str, list[str]]]) -> list[str]:
    rows = list(zip(*(cells for _, cells in columns), strict=True))
    return plain_table([name for name, _ in columns], rows, left=2)


def standing_notes(standings: Standings) -> Iterator[str]:
    """What is needed to read the leaderboard, a line each."""
    table = standings.table
    n_seeds = int(table["seeds"].max())
    seeds = f"; means over {n_seeds} seeds where a model has several" if n_seeds > 1 else ""
    yield f"{how_chosen(standings)}; b baseline{seeds}"
    if pd.notna(table["low"]).any():
        yield f"[...] {bounds_text(standings)}"
    yield from power_notes(standings)
    if len(standings.outcomes) > 1:
        yield origins_verdict(standings.origins())
    yield from not_exportable(standings)
    yield from left_out_notes(standings)
    yield from (f"FAILED {name}: {error}" for name, error in standings.errors.items())


def how_chosen(standings: Standings) -> str:
    """What the mark of the winner means."""
    if not standings.chosen:
        return NOTHING_CHOSEN
    if standings.by_default:
        return f"* winner by default: {default_words(standings.n_deciding, standings.min_deciding)}"
    return "* winner, chosen on the validation window"


def is_rough_over(seeds: Sequence[Outcome], metric: str) -> bool:
    """Whether the bounds of a metric are rough for one of the seeds."""
    return any(metric in outcome.rough for outcome in seeds)


def bounds_text(standings: Standings) -> str:
    """What the brackets of the objective hold, and for which models they are rough, and why."""
    n_customers = int(standings.table["n_users"].max())
    text = f"95 % bounds over {n_customers:,} customers"
    if n_customers < ENOUGH_CUSTOMERS:
        return f"{text}: rough, as these are fewer than {ENOUGH_CUSTOMERS}"
    rough = [
        name
        for name, seeds in standings.models.items()
        if is_rough_over(seeds, standings.objective)
    ]
    if not rough:
        return text
    whose = "" if len(rough) == len(standings.models) else f" for {', '.join(rough)}"
    return f"{text}: rough{whose}, as fewer than {ENOUGH_EFFECTIVE} of them decide by their weight"


def origins_verdict(origins: Sequence[OriginResult]) -> str:
    """How often the model chosen by validation is ahead, over the windows that are independent."""
    counted = [o.wins for o in origins if o.counts]
    windows = "independent window" if len(counted) == 1 else "independent windows"
    return (
        f"the model chosen by validation is ahead on {sum(counted)} of {len(counted)} {windows} "
        f"({len(origins)} cutoffs)"
    )
