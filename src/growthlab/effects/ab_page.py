"""The page of an experiment: verdict, effects, checks, segments, days, and what may not be concluded."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from growthlab.core.claims import Claim
from growthlab.effects.ab_analysis import AbAnalysis, ArmAnalysis
from growthlab.effects.ab_report import summary_line
from growthlab.effects.ab_statement import (
    alerts,
    not_to_conclude,
    p_text,
    percent,
    relative_text,
    signed_percent,
    value_text,
    verdict,
)
from growthlab.effects.effect import Effect
from growthlab.pages.charts import LineChart
from growthlab.pages.page import (
    AlertBlock,
    Block,
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
from growthlab.pages.text_table import format_number, format_p_value

WORDS = frozenset({"outcome", "arm", "method", "column", "level", "standing", "covariate"})
MOST_BALANCE_ROWS = 15
SEGMENTS = (
    "The first outcome in each segment. p values are corrected for the number of segments "
    "(Benjamini and "
    "Hochberg); these figures are suggestions for a next experiment, no findings."
)
STANDINGS = {"held": "held", "open": "not shown", "broken": "broken"}


def ab_html(analysis: AbAnalysis) -> str:
    """The page as one HTML document."""
    opening = AlertBlock(
        [("fine" if analysis.has_verdict else "grave", verdict(analysis)), *alerts(analysis)]
    )
    chapters = [Chapter("Verdict", [opening], notes=list(analysis.facts))]
    if analysis.arms:
        chapters.append(_effects(analysis))
        chapters += list(_optional_chapters(analysis))
    chapters += [
        _checks(analysis),
        Chapter("What may not be concluded", [ListBlock(not_to_conclude(analysis))]),
    ]
    counts = ", ".join(f"{arm} {n:,}" for arm, n in analysis.counts.items())
    facts = [f"claim: {Claim.EXPERIMENT}", f"control: {analysis.control}", f"customers: {counts}"]
    return render_page(Page(f"Experiment {analysis.name}", chapters, facts, navigation="links"))


def _effects(analysis: AbAnalysis) -> Chapter:
    """Every outcome, and the same effects in other ways."""
    level = f"{100 * analysis.settings.level:g} %"
    main = [e for arm in analysis.arms for e in (arm.primary, *arm.secondary)]
    notes = [
        f"Every change is an {Claim.EXPERIMENT}: of the arm against the control, with its "
        f"{level} interval. The first outcome decides; p values of the others are corrected for "
        "their number (Holm)."
    ]
    notes += [f"{arm.arm}: {line}" for arm in analysis.arms if (line := summary_line(arm))]
    blocks: list[Block] = [DataBlock("Effects", Claim.EXPERIMENT, table=_table(main), notes=notes)]
    other = [e for arm in analysis.arms for e in arm.sensitivity]
    note = "The same effects where large values count less, from resamples, and at quantiles."
    blocks.append(DataBlock("In other ways", table=_table(other), notes=[note]))
    return Chapter("Effects", blocks)


def _optional_chapters(analysis: AbAnalysis) -> Iterator[Chapter]:
    """What was asked for: guardrails, adjustments, return, segments, days."""
    for title, make in (
        ("Guardrails", _guardrails),
        ("Adjusted effects", _adjusted),
        ("Looking early", _always_valid),
        ("Return", _roi),
        ("Segments", _segments),
        ("Days", _days),
    ):
        blocks = [block for arm in analysis.arms for block in make(arm)]
        if blocks:
            yield Chapter(title, blocks, notes=[SEGMENTS] if make is _segments else [])


def _guardrails(arm: ArmAnalysis) -> Iterator[Block]:
    if not arm.guardrails:
        return
    rows = [
        PageRow(
            [
                Cell(g.effect.outcome),
                _change(g.effect),
                Cell(signed_percent(g.tolerated)),
                Cell(STANDINGS[g.standing]),
            ]
        )
        for g in arm.guardrails
    ]
    note = "Held: the whole interval is better than the tolerated change; broken: it is all worse."
    yield DataBlock(
        arm.arm,
        table=PageTable(["outcome", "change", "tolerated", "standing"], rows, WORDS),
        notes=[note],
    )


def _adjusted(arm: ArmAnalysis) -> Iterator[Block]:
    if not arm.adjustments:
        return
    rows = [
        PageRow(
            [
                *(
                    Cell(a.effect.outcome),
                    Cell(a.covariate),
                    _change(a.effect),
                    Cell(format_p_value(a.effect.p)),
                ),
                *(
                    Cell(f"{a.correlation:.2f}"),
                    Cell(percent(a.variance_left)),
                    Cell(format_p_value(a.p_before)),
                ),
            ]
        )
        for a in arm.adjustments
    ]
    header = ["outcome", "covariate", "change", "p", "correlation", "variance left", "p before"]
    note = (
        "What was known before the exposure takes noise from the outcome (CUPED, CUPAC). "
        "Variance left: of the effect, where 100 % is no gain. p before: that the arms were "
        "alike already."
    )
    yield DataBlock(arm.arm, table=PageTable(header, rows, WORDS), notes=[note])


def _always_valid(arm: ArmAnalysis) -> Iterator[Block]:
    if arm.always_valid is None:
        return
    valid = {name: float(value) for name, value in arm.always_valid._asdict().items()}
    rows = [
        PageRow(
            [
                Cell(arm.primary.outcome),
                Cell(
                    format_number(arm.primary.difference, 4, signed=True),
                    _bounds(valid["low"], valid["high"]),
                ),
                Cell(format_p_value(valid["p"])),
            ]
        )
    ]
    note = (
        "This interval and p value hold on every day on which somebody looks, and are wider for it."
    )
    yield DataBlock(
        arm.arm, table=PageTable(["outcome", "difference", "p"], rows, WORDS), notes=[note]
    )


def _roi(arm: ArmAnalysis) -> Iterator[Block]:
    if arm.roi is None:
        return
    roi = arm.roi
    row = PageRow(
        [
            *(Cell(format_number(roi.margin, 4)), Cell(format_number(roi.cost, 4))),
            Cell(signed_percent(round(roi.roi, 3)), _bounds(100 * roi.low, 100 * roi.high, 0)),
        ]
    )
    note = "(margin more - cost) / cost, a customer of the arm; the interval is from resamples of customers."
    yield DataBlock(
        arm.arm, table=PageTable(["margin more", "cost", "return"], [row]), notes=[note]
    )


def _segments(arm: ArmAnalysis) -> Iterator[Block]:
    for segment in arm.segments:
        rows = [
            PageRow(
                [
                    *(Cell(level), Cell(f"{e.n_control + e.n_treatment:,}")),
                    *(_change(e), Cell(format_p_value(e.p_adjusted))),
                ]
            )
            for level, e in segment.levels
        ]
        notes = [f"That the levels differ at all: {p_text(segment.p_differ)}."]
        if segment.n_small:
            notes.append(f"{segment.n_small} levels have too few customers for a figure.")
        table = PageTable(["level", "customers", "change", "p"], rows, WORDS)
        yield DataBlock(f"{arm.arm} by {segment.column}", table=table, notes=notes)


def _days(arm: ArmAnalysis) -> Iterator[Block]:
    course = arm.course
    if course is None:
        return
    days = range(1, len(course.by_day.difference) + 1)
    figures = [
        Figure("effect of each day", _lines(days, course.by_day, "day since the exposure")),
        Figure("effect of all days up to it", _lines(days, course.up_to, "day since the exposure")),
    ]
    said = {
        "fades": "The effect fades: part of it is novelty.",
        "grows": "The effect grows with the days.",
        "steady": "No trend over the days is shown.",
        "unknown": "Whether there is a trend cannot be told.",
    }[course.trend]
    notes = [
        f"{said} ({p_text(course.p_trend)} that a day's effect has no slope; "
        f"{course.n_customers:,} customers who were observed on all these days; in the outcome's "
        "unit a customer)"
    ]
    yield DataBlock(arm.arm, figures=figures, notes=notes)


def _lines(days: Sequence[int], test: object, label: str) -> LineChart:
    """The difference with its bounds."""
    lines = {
        name: [(float(day), float(y)) for day, y in zip(days, getattr(test, part), strict=True)]
        for name, part in (
            ("effect", "difference"),
            ("lower bound", "low"),
            ("upper bound", "high"),
        )
    }
    return LineChart(lines, _short, x_label=label)


def _short(value: float) -> str:
    return f"{value:.3g}"


def _checks(analysis: AbAnalysis) -> Chapter:
    """The sizes of the arms, and what customers were before."""
    total = sum(analysis.counts.values())
    pairs = {arm.arm: format_p_value(arm.pair_p) for arm in analysis.arms}
    rows = [
        PageRow(
            [
                Cell(arm),
                Cell(f"{n:,}"),
                Cell(percent(n / total)),
                Cell(percent(analysis.shares[arm])),
                Cell(pairs.get(arm, "")),
            ]
        )
        for arm, n in analysis.counts.items()
    ]
    note = (
        f"Sample ratio of all arms: chi-square {analysis.ratio.chi_square:.2f}, p "
        f"{analysis.ratio.p:.3g}. Below 0.001 no effect is shown. The last column is the p value "
        "of the arm and the control alone."
    )
    header = ["arm", "customers", "share", "intended", "p with control"]
    blocks: list[Block] = [
        DataBlock("Sample ratio", table=PageTable(header, rows, WORDS), notes=[note])
    ]
    for arm, found in analysis.balances.items():
        first = found.columns.head(MOST_BALANCE_ROWS)
        numbers = first[["control", "arm", "difference"]].to_numpy(dtype=float)
        rows = [
            PageRow([Cell(str(column)), *(Cell(format_number(v, 3)) for v in values.tolist())])
            for column, values in zip(first["column"], numbers, strict=True)
        ]
        said = [
            f"That nothing differs: {p_text(found.p)}. The difference is in standard deviations; "
            "above 0.1 it is large."
        ]
        if len(found.columns) > len(first):
            said.append(
                f"{len(found.columns) - len(first)} columns with smaller differences are not shown."
            )
        table = PageTable(["column", "control", "mean", "difference"], rows, WORDS)
        blocks.append(DataBlock(f"Balance of {arm}", table=table, notes=said))
    return Chapter("Checks", blocks)


def _table(effects: Sequence[Effect]) -> PageTable:
    """The change first, which a phone shows without scrolling; the arm where there are several."""
    several = len({effect.arm for effect in effects}) > 1
    rows = []
    for e in effects:
        values = (value_text(e, e.control), value_text(e, e.treatment))
        p = (format_p_value(e.p), format_p_value(e.p_adjusted))
        start = [Cell(e.outcome), *([Cell(e.arm)] if several else [])]
        rows.append(PageRow([*start, _change(e), *map(Cell, (*values, *p, e.method))]))
    arm = ["arm"] if several else []
    header = ["outcome", *arm, "change", "control", "treated", "p", "p (Holm)", "method"]
    return PageTable(header, rows, WORDS)


def _change(effect: Effect) -> Cell:
    """The relative change with its bounds on a line of their own where there is little room."""
    value, _, bounds = relative_text(effect).partition(" [")
    return Cell(value, f"[{bounds}")


def _bounds(low: float, high: float, decimals: int = 4) -> str:
    texts = [format_number(v, decimals) if np.isfinite(v) else "-" for v in (low, high)]
    return f"[{texts[0]}, {texts[1]}]"
