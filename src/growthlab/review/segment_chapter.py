"""Where models win and lose: kinds of items, segments of customers, and slices found by search."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import pandas as pd

from growthlab.evaluation.segment_differences import (
    LEVEL,
    SMALLEST,
    Segments,
    find_slices,
    gains_by_customer,
    segment_differences,
)
from growthlab.pages.page import Chapter, DataBlock, ListBlock, PageTable
from growthlab.pages.text_table import format_number, format_p_value, metric_label
from growthlab.review.number_texts import interval_text
from growthlab.review.review_contents import ReviewContents

MOST_SLICES = 8
WORDS = {
    "warm": "items and customers with a past",
    "head": "popular items",
    "tail": "rare items",
    "cold_item": "items nobody had before",
    "cold_user": "customers without a history",
    "repeat": "items bought again",
    "new": "items new to the customer",
}


def segment_chapter(contents: ReviewContents) -> Chapter:
    """Every model against the winner by segment, as a table and sentences, and the slices."""
    comparison, reference = contents.comparison, contents.reference
    segments = contents.segments or Segments(user_ids=pd.Index([]).to_numpy(), masks={})
    table = segment_differences(comparison, reference, segments)
    blocks: list[Any] = []
    if len(table):
        sentences = _sentences(table, reference, maximise=comparison.maximise)
        if sentences:
            blocks.append(ListBlock(dict(sentences)))
        blocks.append(_matrix(table, contents))
    blocks += _slices(contents)
    note = contents.missing.get("segments", "")
    return Chapter("Segments", blocks, notes=[note] if note else [])


def _sentences(table: pd.DataFrame, reference: str, *, maximise: bool) -> list[tuple[str, str]]:
    """Who beats the reference where, the surest first."""
    sure = table[(table["p_holm"] < LEVEL)].sort_values("p_holm")
    sentences = []
    for row in sure.to_dict("records"):
        if (row["difference"] > 0) == maximise:
            what = interval_text(row["difference"], row["low"], row["high"])
            words = WORDS.get(row["segment"], metric_label(row["segment"]))
            p = format_p_value(row["p_holm"])
            sentences.append((f"{row['model']} beats {reference} on {words}", f"{what}, p {p}"))
    return sentences


def _matrix(table: pd.DataFrame, contents: ReviewContents) -> DataBlock:
    """A row a segment, a column a model: win, tie or loss with the difference."""
    comparison = contents.comparison
    models = [name for name in comparison.models if name != contents.reference]
    cells = {(r["segment"], r["model"]): r for r in table.to_dict("records")}
    rows = []
    for segment in dict.fromkeys(table["segment"]):
        of_segment = [cells[segment, name] for name in models]
        n = max(row["n_users"] for row in of_segment)
        texts = [_cell(row, maximise=comparison.maximise) for row in of_segment]
        rows.append([metric_label(segment), f"{n:,}", *texts])
    headers = ["segment", "customers", *models]
    return DataBlock(
        title=f"{metric_label(comparison.objective)} of each model less that of {contents.reference}",
        table=PageTable.of_texts(headers, rows),
        notes=[
            f"Win and loss: the model is better or worse than {contents.reference} there, with a p of "
            f"Student's t below {LEVEL} after Holm's correction over the whole table; tie: neither is "
            f"shown. Nothing is said of segments with fewer than {SMALLEST} customers."
        ],
        definitions={
            metric_label(name): WORDS[name] for name in WORDS if name in set(table["segment"])
        },
    )


def _cell(row: Mapping[Hashable, Any], *, maximise: bool) -> str:
    if row["difference"] == row["low"] == row["high"] == 0:
        return "the same"
    text = interval_text(row["difference"], row["low"], row["high"])
    if math.isnan(row["p_holm"]):
        return text
    is_better = (row["difference"] > 0) == maximise
    verdict = "tie" if row["p_holm"] >= LEVEL else "win" if is_better else "loss"
    return f"{verdict} {text}"


def _slices(contents: ReviewContents) -> Sequence[DataBlock]:
    """Slices in which the reference is better or worse than its rival."""
    rival, traits = contents.rival, contents.traits
    if rival is None or traits is None or len(traits.columns) < 2:
        return []
    gains = gains_by_customer(contents.comparison, contents.reference, rival)
    title = (
        f"Slices in which the gain of {contents.reference} over {rival} is another than elsewhere"
    )
    if not len(gains):
        why = "Not searched: one of the two gives scores that are no probabilities."
        return [DataBlock(title=title, notes=[why])]
    found, n_tried = find_slices(gains, traits)
    note = (
        f"{n_tried} slices of at least {SMALLEST} customers by one trait or two were tried; shown are those "
        f"in which the gain is another than among the other customers, with a p of Welch's test below "
        f"{LEVEL} after Holm's correction for all of them. A gain below 0 is a loss."
    )
    if found.empty:
        return [DataBlock(title=title, notes=[f"{note} There is none."])]
    shown = pd.concat([found.head(MOST_SLICES), found.tail(MOST_SLICES)]).drop_duplicates()
    rows = [
        (
            r["segment"],
            f"{r['n_users']:,}",
            interval_text(r["difference"], r["low"], r["high"]),
            format_number(r["elsewhere"], signed=True),
            format_p_value(r["p_holm"]),
        )
        for r in shown.to_dict("records")
    ]
    headers = ["slice", "customers", "gain there", "elsewhere", "p, corrected"]
    return [DataBlock(title=title, table=PageTable.of_texts(headers, rows), notes=[note])]
