"""The page of a plan: what it costs and brings, what limits it, and who is left out by which rule."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from growthlab.campaign.channel_budgets import ChannelBudgets
from growthlab.campaign.holdout import PLAN
from growthlab.campaign.plan_analysis import changed_customers, value_by_budget
from growthlab.campaign.plan_figures import (
    REASONS,
    discounts_by_segment,
    shadow_prices,
    suppressed,
)
from growthlab.campaign.planning import CampaignPlan
from growthlab.campaign.send_times import SLOT_ARM
from growthlab.pages.charts import BarChart, LineChart
from growthlab.pages.page import (
    AlertBlock,
    AlertLevel,
    Cell,
    Chapter,
    DataBlock,
    Figure,
    Page,
    PageRow,
    PageTable,
    Tile,
    TileBlock,
    render_page,
)


def plan_page(
    plan: CampaignPlan, currency: str, n_draws: int, budgets: ChannelBudgets | None = None
) -> str:
    """The plan as one HTML document; `budgets` are those of the channels by their response curves."""
    options, settings = plan.options, plan.options.settings
    facts = [
        f"{len(options.customers):,} customers, {len(options.offers)} offers, "
        f"{len(options.channels)} channels, {len(options.slots)} slots from "
        f"{options.slots[0]:%Y-%m-%d %H:%M} to {options.slots[-1]:%Y-%m-%d %H:%M}",
        f"values: {options.values.claim}, by {options.values.models}",
        f"solved by {plan.solution.method}; no plan of these customers is better by more than "
        f"{plan.solution.gap:.4%}",
    ]
    chapters = [
        Chapter("Overview", [_tiles(plan, currency), _alerts(plan)]),
        Chapter("Budget", [_budget(plan, currency), *_over_channels(budgets, currency)]),
        Chapter("Limits", [_limits(plan)]),
        Chapter("Mix", [_mix(plan), _discounts(plan, currency)]),
        Chapter("Who is left out", [_left_out(plan)]),
        Chapter("Arms", [_arms(plan), *_send_times(plan)]),
        Chapter("Sensitivity", [_sensitivity(plan, n_draws)]),
    ]
    return render_page(Page(f"Plan of {settings.campaign}", chapters, facts, navigation="links"))


def _unit(plan: CampaignPlan, currency: str) -> str:
    return currency if plan.options.in_currency else "points"


def _money(name: str, currency: str) -> str:
    return f"{name}, {currency}" if currency else name


def _tiles(plan: CampaignPlan, currency: str) -> TileBlock:
    sent = plan.rows[plan.rows["offer"].notna()]
    budget = plan.options.settings.budget
    spent = f"{sent['cost'].sum():,.2f} {currency}".strip()
    tiles = [
        Tile("messages", f"{len(sent):,}", [f"to {sent['customer'].nunique():,} customers"]),
        Tile("cost", spent, ["no budget" if budget is None else f"of a budget of {budget:,.2f}"]),
        Tile(
            plan.options.values.claim.replace("_", " "),
            f"{sent['value'].sum():,.0f} {_unit(plan, currency)}".strip(),
            hint="Net of the cost."
            if plan.options.in_currency
            else "An order of customers and offers, no amount of money.",
        ),
    ]
    price = plan.solution.prices[0]
    tiles.append(
        Tile(
            "one more unit of budget",
            f"{price:,.2f} {_unit(plan, currency)}".strip(),
            hint="What the planned arm would gain with one more unit: the budget's shadow price.",
        )
    )
    return TileBlock(tiles=tiles)


def _alerts(plan: CampaignPlan) -> AlertBlock:
    alerts: list[tuple[AlertLevel, str]] = []
    if not plan.options.in_currency:
        alerts.append(
            (
                "watch",
                "Values are what customers are expected to spend anyway, not what a message causes: they "
                "give an order and no currency.",
            )
        )
    if not plan.rows["offer"].notna().any():
        consent = (plan.rows["reason"] == "no_consent").sum()
        nobody = " Nobody has consented." if consent and not plan.options.allowed.any() else ""
        alerts.append(("watch", f"The plan is empty: no message is sent.{nobody}"))
    if plan.exploration.share < 1:
        alerts.append(
            (
                "watch",
                f"Limits leave exploring customers a message with probability {plan.exploration.share:.3f} "
                "only.",
            )
        )
    alerts += [("watch", f"{note[0].upper()}{note[1:]}.") for note in plan.options.values.notes]
    alerts.append(("fine", "The written plan has passed the independent check of all constraints."))
    return AlertBlock(alerts)


def _budget(plan: CampaignPlan, currency: str) -> DataBlock:
    named = ", ".join(filter(None, ["value of the planned arm", _unit(plan, currency)]))
    chart = LineChart(
        {"value": value_by_budget(plan)}, "{:,.0f}".format, _money("budget", currency)
    )
    return DataBlock(
        title="Value by budget",
        figures=[Figure(named, chart)],
        notes=["What other budgets would bring, all else the same and without minima."],
    )


def _over_channels(budgets: ChannelBudgets | None, currency: str) -> list[DataBlock]:
    """What each channel gets, and between which amounts that lies in the draws of the curves."""
    if budgets is None:
        return []
    rows = []
    for channel, spend in budgets.spend.items():
        drawn = [draw[channel] for draw in budgets.draws]
        low, high = np.quantile(drawn, [0.05, 0.95]) if drawn else (np.nan, np.nan)
        rows.append([channel, f"{spend:,.2f}", f"{low:,.2f} to {high:,.2f}" if drawn else "–"])
    headers = ["channel", _money("budget", currency), "5 % to 95 % of the draws"]
    return [
        DataBlock(
            title="The budget over channels",
            table=_table(headers, rows, n_words=1),
            notes=[
                "By the response curves: each channel gets what its last unit is worth, and one more unit "
                f"of the budget brings {budgets.price:,.4g}."
            ],
        )
    ]


def _limits(plan: CampaignPlan) -> DataBlock:
    prices = shadow_prices(plan).sort_values("price", ascending=False)
    rows = [
        [kind, name, f"{limit:,.2f}", f"{used:,.2f}", f"{price:,.4f}"]
        for kind, name, limit, used, price in prices.itertuples(index=False)
    ]
    headers = ["limit", "name", "left by exploration", "used", "one more unit brings"]
    return DataBlock(
        title="What limits the plan",
        table=_table(headers, rows, n_words=2),
        notes=["A limit with a price of 0 does not bind."],
    )


def _mix(plan: CampaignPlan) -> DataBlock:
    sent = plan.rows[plan.rows["offer"].notna()]
    if sent.empty:
        return DataBlock(title="Messages by channel, segment, hour and offer", notes=["None."])
    hours = sent["slot"].dt.strftime("%H:00")
    figures = []
    for name, values in (
        ("channel", sent["channel"]), ("segment", sent["segment"]), ("hour", hours),
        ("offer", sent["offer"]),
    ):  # fmt: skip
        counts = values.value_counts().sort_index()
        chart = BarChart(
            [str(label) for label in counts.index],
            {"messages": counts.astype(float).tolist()},
            "{:,.0f}".format,
        )
        figures.append(Figure(f"messages by {name}", chart))
    return DataBlock(title="Messages by channel, segment, hour and offer", figures=figures)


def _discounts(plan: CampaignPlan, currency: str) -> DataBlock:
    """What each segment is offered in discounts."""
    headers = ["segment", "customers", "messages", _money("discount", currency), "a customer"]
    table = _table(headers, discounts_by_segment(plan), n_words=1)
    return DataBlock(title="Discounts by segment", table=table)


def _left_out(plan: CampaignPlan) -> DataBlock:
    table = suppressed(plan)
    rows = [[REASONS.get(reason, reason), f"{n:,}"] for reason, n in table.itertuples(index=False)]
    return DataBlock(
        title="Customers without a message",
        table=_table(["why", "customers"], rows, n_words=1),
        notes=[
            "The first rule that leaves a customer no message, in the order in which they apply."
        ],
    )


def _arms(plan: CampaignPlan) -> DataBlock:
    first = plan.rows.drop_duplicates("customer").set_index("customer")
    sent = plan.rows[plan.rows["offer"].notna()]
    rows = []
    for arm in plan.holdout.names:
        own = first[first["arm"] == arm]
        probability = own["arm_probability"].iloc[0] if len(own) else np.nan
        n_sent = int((sent["arm"] == arm).sum())
        rows.append([arm, f"{probability:.3f}", f"{len(own):,}", f"{n_sent:,}"])
    return DataBlock(
        title="Who is held out",
        table=_table(["arm", "probability", "customers", "messages"], rows, n_words=1),
        notes=[
            "Arms are drawn by a keyed hash of the customer. `plan.parquet` has the probability of every "
            f"assignment; only {PLAN} against control says what the campaign caused."
        ],
    )


def _send_times(plan: CampaignPlan) -> list[DataBlock]:
    """How the part of the week was chosen, where responses choose it."""
    if plan.times is None:
        return []
    rows = []
    for arm, own in plan.rows.groupby(SLOT_ARM):
        probability = own[f"{SLOT_ARM}_probability"].iloc[0]
        n_sent = int(own["offer"].notna().sum())
        rows.append(
            [str(arm), f"{probability:.3f}", f"{own['customer'].nunique():,}", f"{n_sent:,}"]
        )
    headers = ["part of the week", "probability", "planned customers", "messages"]
    return [
        DataBlock(
            title="When they are written to",
            table=_table(headers, rows, n_words=1),
            notes=[
                "Sampled: a part of the week as often as earlier responses say that it may be the best; the "
                f"segment's rate weighs as {plan.times.strength:,.0f} messages of the customer. Only the "
                "comparison with those drawn at random says whether it helps."
            ],
        )
    ]


def _sensitivity(plan: CampaignPlan, n_draws: int) -> DataBlock:
    title = "How much of the plan rests on uncertain values"
    spread = plan.options.spread
    if spread is None or n_draws == 0 or not plan.problem.n_customers:
        return DataBlock(title=title, notes=["The values have no column `spread`: not known."])
    shares = changed_customers(plan, spread, n_draws)
    low, middle, high = np.quantile(shares, [0.05, 0.5, 0.95])
    text = (
        f"In {n_draws} draws of the values within their spread, {middle:.1%} of the planned customers get "
        f"other offers or channels (5 % to 95 % of the draws: {low:.1%} to {high:.1%})."
    )
    return DataBlock(title=title, notes=[text])


def _table(headers: Sequence[str], rows: Sequence[Sequence[str]], n_words: int) -> PageTable:
    cells = [PageRow([Cell(text) for text in row]) for row in rows]
    return PageTable(list(headers), cells, frozenset(headers[:n_words]))


def summary(plan: CampaignPlan, currency: str) -> str:
    """The plan in a few lines of text."""
    sent = plan.rows[plan.rows["offer"].notna()]
    lines = [
        f"{len(sent):,} messages to {sent['customer'].nunique():,} of "
        f"{len(plan.options.customers):,} customers; cost {sent['cost'].sum():,.2f} {currency}".rstrip(),
        f"{plan.options.values.claim}: {sent['value'].sum():,.2f} {_unit(plan, currency)}".rstrip(),
        f"gap to the bound of all plans: {plan.solution.gap:.2e} ({plan.solution.method}); one more unit of "
        f"budget brings {plan.solution.prices[0]:.4g}",
    ]
    lines += [f"note: {note}" for note in plan.options.values.notes]
    reasons: pd.DataFrame = suppressed(plan)
    lines += [
        f"without a message: {n:,} ({reason})" for reason, n in reasons.itertuples(index=False)
    ]
    if sent.empty:
        lines.append("the plan is empty")
    return "\n".join(lines)
