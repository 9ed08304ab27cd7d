"""Whom models fail: lists of single customers side by side, or the most wrong predictions with reasons."""

from __future__ import annotations

from collections.abc import Sequence

from growthlab.pages.page import Article, Cell, Chapter, DataBlock, PageRow, PageTable
from growthlab.pages.text_table import format_number, metric_label
from growthlab.review.review_contents import (
    CustomerCase,
    ListedItem,
    ReviewContents,
    WrongPrediction,
)

HIT = "\N{CHECK MARK} "
LONGEST_TRUTH = 12


def error_chapter(contents: ReviewContents) -> Chapter | None:
    """A block a customer in groups, or a table a model; None without either."""
    label = metric_label(contents.comparison.objective)
    articles = [
        Article(group.title, [_case_block(c, label) for c in group.cases], side_by_side=True)
        for group in contents.cases
    ]
    blocks = [_wrong_block(model, wrong) for model, wrong in contents.wrong.items() if wrong]
    missing = contents.missing.get("errors", "")
    if not articles and not blocks and not missing:
        return None
    notes = [missing] if missing else []
    if articles:
        notes.append(
            f"{HIT}marks an item that the customer took after the cutoff. Customers are pseudonyms; "
            "of a history the last events are shown, the newest last."
        )
    return Chapter("Errors", blocks, articles, notes)


def _case_block(case: CustomerCase, label: str) -> DataBlock:
    models = list(case.lists)
    n_rows = max(map(len, case.lists.values()), default=0)
    rows = [
        PageRow([Cell(str(place + 1)), *(_place(case.lists[model], place) for model in models)])
        for place in range(n_rows)
    ]
    headers = ["rank", *(f"{m}: {label} {format_number(case.values[m])}" for m in models)]
    more = len(case.truth) - LONGEST_TRUTH
    truth = ", ".join(case.truth[:LONGEST_TRUTH]) + (f", and {more} more" if more > 0 else "")
    return DataBlock(
        title=f"Customer {case.customer}",
        table=PageTable(headers, rows, frozenset(headers), named_rows=True),
        definitions={
            "before the cutoff": ", ".join(case.history) or "nothing",
            "after the cutoff": truth or "nothing",
        },
    )


def _place(listed: Sequence[ListedItem], place: int) -> Cell:
    if place >= len(listed):
        return Cell("-")
    item = listed[place]
    return Cell(HIT + item.name if item.is_hit else item.name, picture=item.picture)


def _wrong_block(model: str, wrong: Sequence[WrongPrediction]) -> DataBlock:
    models = list(wrong[0].predictions)
    headers = ["customer", "outcome", *models, "what the model saw"]
    rows = [
        [
            each.customer,
            f"{each.label:,.4g}",
            *(f"{each.predictions[name]:,.3g}" for name in models),
            "; ".join(each.reasons) or "-",
        ]
        for each in wrong
    ]
    return DataBlock(
        title=f"The most wrong predictions of {model}",
        table=PageTable.of_texts(headers, rows, headers[-1]),
        notes=[
            "What the model saw: the features that matter most to it (by shuffling them), and how many in a "
            "hundred customers have a smaller value. Customers are pseudonyms."
        ],
    )
