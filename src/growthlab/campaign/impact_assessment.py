"""The impact assessment of a plan: what the run knows is filled in, what people must judge is left open."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pandas as pd

from growthlab.campaign.offer_values import INCREMENTAL
from growthlab.campaign.plan_figures import REASONS, discounts_by_segment, suppressed
from growthlab.campaign.planning import CampaignPlan
from growthlab.pages.text_table import markdown_table, markdown_text

OPEN = "_to be filled in by a person_"


def impact_assessment(plan: CampaignPlan, features: Sequence[str], currency: str) -> str:
    """The assessment as Markdown; `features` are the columns of what is known of a customer."""
    settings = plan.options.settings
    parts = [
        f"# Impact assessment of the plan {markdown_text(settings.campaign)}",
        "Filled from the run, for the records that GDPR Art. 35 and PIPL Art. 55 and 56 ask for. It is no "
        "legal advice, and holds no figure of a single customer.",
        "## What is decided about whom",
        *_decision(plan),
        "## On what it rests",
        *_grounds(plan, features),
        "## Different terms for different customers",
        *_terms(plan, currency),
        "## What protects customers",
        *_protection(plan),
        "## To be judged by a person",
        *(
            f"- {question}: {OPEN}"
            for question in (
                "purpose, and why less data would not do",
                "risks to customers, and who is hit hardest",
                "how a customer objects, and gets an explanation",
                "how long plan and features are kept",
                "decision, name and date",
            )
        ),
    ]
    return "\n\n".join(_joined(parts)) + "\n"


def _joined(parts: Sequence[str]) -> Iterator[str]:
    """The parts, points of a list as one."""
    points: list[str] = []
    for part in [*parts, ""]:
        if part.startswith("- "):
            points.append(part)
            continue
        if points:
            yield "\n".join(points)
            points = []
        if part:
            yield part


def _decision(plan: CampaignPlan) -> Iterator[str]:
    options, rows = plan.options, plan.rows
    sent = rows[rows["offer"].notna()]
    yield (
        f"Which of {len(options.customers):,} customers get which of {len(options.offers)} offers in which "
        f"of {len(options.channels)} channels and {len(options.slots)} slots, from "
        f"{options.slots[0]:%Y-%m-%d} to {options.slots[-1]:%Y-%m-%d}. It is decided by a program: "
        f"{len(sent):,} messages to {sent['customer'].nunique():,} customers."
    )
    counts = rows.drop_duplicates("customer")["arm"].value_counts()
    shares = rows.drop_duplicates("arm").set_index("arm")["arm_probability"]
    arms = plan.holdout.names
    table = [[arm, f"{shares.get(arm, 0):.3f}", f"{counts.get(arm, 0):,}"] for arm in arms]
    yield "\n".join(markdown_table(["arm, drawn at random", "probability", "customers"], table))
    why = [[REASONS.get(r, r), f"{n:,}"] for r, n in suppressed(plan).itertuples(index=False)]
    yield "\n".join(markdown_table(["without a message", "customers"], why))


def _grounds(plan: CampaignPlan, features: Sequence[str]) -> Iterator[str]:
    options = plan.options
    incremental = options.values.claim == INCREMENTAL
    yield f"- values: {options.values.claim}, by {markdown_text(options.values.models)}"
    yield (
        "- they say what a message causes, from a randomised experiment"
        if incremental
        else "- they say what customers are expected to spend, not what a message causes"
    )
    yield f"- features at the moment of decision: {markdown_text(', '.join(features)) or 'none'}"
    consent = options.tables.consent
    given = consent[consent["given"] & (consent["purpose"] == options.settings.purpose)]
    counts = given["channel"].value_counts()
    named = ", ".join(f"{c} {counts.get(c, 0):,}" for c in options.channels)
    yield f"- consent to {markdown_text(options.settings.purpose)}: {markdown_text(named)} customers"


def _terms(plan: CampaignPlan, currency: str) -> Iterator[str]:
    offers: pd.DataFrame = plan.options.tables.offers
    priced = offers[offers["changes_price"].astype(bool)]
    if priced.empty:
        yield "No offer changes the price for some customers."
    for offer, review in priced[["offer", "price_review"]].itertuples(index=False):
        said = markdown_text(review) if review else "not reviewed: it was sent to nobody"
        yield f"- {markdown_text(offer)} changes the price for some; price review: {said}"
    unit = f", {currency}" if currency else ""
    headers = ["segment", "customers", "messages", f"discount{unit}", "a customer"]
    yield "\n".join(markdown_table(headers, discounts_by_segment(plan)))


def _protection(plan: CampaignPlan) -> Iterator[str]:
    settings = plan.options.settings
    caps = ", ".join(
        f"{cap.most} in {cap.days} days{f' in {cap.channel}' if cap.channel else ''}"
        for cap in settings.caps
    )
    yield f"- at most one message a day; contact caps: {caps or 'none'}"
    yield "- no message without consent, and none in the quiet hours of a channel"
    yield f"- no message to segments of fewer than {settings.smallest_segment} customers"
    yield "- an independent program has checked every rule on the written plan"
