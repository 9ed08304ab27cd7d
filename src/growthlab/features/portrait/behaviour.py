"""Behaviour: how much, how often, how recently, when, where and in what baskets."""

from __future__ import annotations

from growthlab.features.portrait.tag import Kind, Tag

WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
COUNTED = {
    "view": "views",
    "search": "searches",
    "favourite": "favourites",
    "cart": "carts",
    "return": "returns",
    "review": "reviews",
}


def _counted(event_type: str, name: str) -> Tag:
    """How many events of a type there are."""
    return Tag(
        name=name,
        part="behaviour",
        kind="count",
        rule=f"number of events of the type {event_type}",
        over="acts",
        sql=f"count(*) FILTER (WHERE event_type = '{event_type}')",
        needs=(f"event:{event_type}",),
        low=0,
    )


def _of_orders(
    name: str, kind: Kind, rule: str, sql: str, *needs: str, low: float | None = 0, unit: str = ""
) -> Tag:
    """A tag that sums up a customer's orders."""
    return Tag(
        name=name,
        part="behaviour",
        kind=kind,
        rule=rule,
        over="orders",
        sql=sql,
        needs=("event:purchase", *needs),
        low=low,
        unit=unit,
    )


TAGS = (
    *(_counted(event_type, name) for event_type, name in COUNTED.items()),
    Tag(
        name="days_since_activity",
        part="behaviour",
        kind="number",
        rule="days from the newest event of the customer's own (messages are not) to the cutoff",
        over="acts",
        sql="min(age)",
        low=0,
        unit="days",
    ),
    _of_orders("orders", "count", "number of orders; rows of one order id, else of one time, are "
               "one order", "count(*)"),
    _of_orders("recent_orders", "count", "orders in the `recent_days` before the cutoff",
               "count(*) FILTER (WHERE age <= {recent_days})"),
    _of_orders("days_since_last", "number", "days from the newest order to the cutoff", "min(age)",
               unit="days"),
    _of_orders("tenure_days", "number", "days from the first order to the cutoff", "max(age)",
               unit="days"),
    _of_orders("spend", "amount", "money of all purchases (units x unit price), returns not taken "
               "off", "sum(spend)", "unit_price", unit="of the log's currency"),
    _of_orders("recent_spend", "amount", "the same in the `recent_days` before the cutoff",
               "coalesce(sum(spend) FILTER (WHERE age <= {recent_days}), 0)", "unit_price",
               unit="of the log's currency"),
    _of_orders("units", "amount", "pieces bought, returns not taken off", "sum(units)", "quantity",
               unit="pieces"),
    _of_orders("basket_items", "number", "mean number of different items in an order",
               "avg(items)", "item_id", low=1, unit="items"),
    _of_orders("basket_value", "number", "mean money of an order", "avg(spend)", "unit_price",
               unit="of the log's currency"),
    _of_orders("discount_share", "share", "share of orders with a line at a discount",
               "avg(discounted)", "discount"),
    Tag(
        name="days_between_orders",
        part="behaviour",
        kind="number",
        rule="median of the days between neighbouring days with a purchase; unknown below two gaps",
        over="gaps",
        sql="CASE WHEN count(gap) >= 2 THEN median(gap) END",
        needs=("event:purchase",),
        low=1,
        unit="days",
    ),
    Tag(
        name="preferred_hour",
        part="behaviour",
        kind="number",
        rule="the hour of the shop's calendar (`report.timezone`) in which most visits begin, the "
        "earlier of equals; a visit is a "
        "session, else an order, else a moment, and counts once",
        over="hours",
        sql="first(hour ORDER BY n DESC, hour)",
        low=0,
        high=23,
        unit="o'clock",
    ),
    Tag(
        name="preferred_weekday",
        part="behaviour",
        kind="text",
        rule="the day of the week, by that calendar, on which most visits begin, the earlier of equals "
        "(from `report.week_start`)",
        over="weekdays",
        sql="first(weekday ORDER BY n DESC, number)",
        choices=WEEKDAYS,
    ),
    Tag(
        name="weekend_share",
        part="behaviour",
        kind="share",
        rule="share of visits that begin on a Saturday or Sunday, by that calendar",
        over="visits",
        sql="avg((isodow(time) >= 6)::INT)",
    ),
    Tag(
        name="preferred_channel",
        part="behaviour",
        kind="text",
        rule="the channel of most visits, the first by the alphabet of equals",
        over="channels",
        sql="first(channel ORDER BY n DESC, channel)",
        needs=("channel",),
    ),
    Tag(
        name="channel_share",
        part="behaviour",
        kind="share",
        rule="share of the preferred channel among the visits whose channel is known",
        over="channels",
        sql="max(n) / sum(n)",
        needs=("channel",),
    ),
)  # fmt: skip
