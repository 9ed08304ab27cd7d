"""Values: price sensitivity, loyalty, novelty, repeats, returns and satisfaction."""

from __future__ import annotations

from growthlab.features.portrait.tag import Kind, Tag


def _value(
    name: str, kind: Kind, rule: str, over: str, sql: str, *needs: str, **more: object
) -> Tag:
    """A tag of the part."""
    return Tag(
        name=name, part="value", kind=kind, rule=rule, over=over, sql=sql, needs=needs, **more  # type: ignore[arg-type]
    )  # fmt: skip


TAGS = (
    _value(
        "price_sensitivity",
        "share",
        "share of bought lines at a bargain: the price paid is at least `bargain` below the item's "
        "median price paid by everybody before the cutoff",
        "lines",
        "avg((unit_price <= (1 - {bargain}) * usual_price)::INT)",
        "event:purchase",
        "item_id",
        "unit_price",
    ),
    _value(
        "discount_depth",
        "share",
        "mean discount of the bought lines, those without one being 0",
        "lines",
        "avg(coalesce(discount, 0))",
        "event:purchase",
        "discount",
    ),
    _value(
        "bought_price_level",
        "share",
        "mean place of the bought items among the prices of their category (of the catalogue "
        "without one): 0 the cheapest, 1 the dearest",
        "lines",
        "avg(price_rank)",
        "event:purchase",
        "item_id",
        "items.price|unit_price",
        reads=("items.category",),
    ),
    _value(
        "brand_loyalty",
        "share",
        "1 - the entropy of the brands of the bought lines / ln(number of these brands): 1 where all "
        "are of one brand, 0 where all brands are bought alike; unknown below two lines",
        "bought_brands",
        "CASE WHEN sum(n) < 2 THEN NULL WHEN count(*) = 1 THEN 1 "
        "ELSE greatest(0, 1 - (ln(sum(n)) - sum(n * ln(n)) / sum(n)) / ln(count(*))) END",
        "event:purchase",
        "item_id",
        "items.brand",
    ),
    _value(
        "novelty_seeking",
        "share",
        "share of bought lines of items that had come on sale in the `new_days` before; an item "
        "without a launch comes with its first event, and the first `new_days` of the log do not "
        "count",
        "lines",
        "avg(novel::INT)",
        "event:purchase",
        "item_id",
    ),
    _value(
        "repeat_share",
        "share",
        "share of bought lines of items that the customer had bought on an earlier day",
        "lines",
        "avg(repeated::INT)",
        "event:purchase",
        "item_id",
    ),
    _value(
        "return_rate",
        "number",
        "returned pieces over bought pieces; unknown without a purchase",
        "acts",
        "coalesce(sum(units) FILTER (WHERE event_type = 'return'), 0) "
        "/ nullif(sum(units) FILTER (WHERE event_type = 'purchase'), 0)",
        "event:purchase",
        "event:return",
        low=0,
    ),
    _value(
        "returned_spend",
        "amount",
        "money of all returns",
        "acts",
        "coalesce(sum(spend) FILTER (WHERE event_type = 'return'), 0)",
        "event:return",
        "unit_price",
        low=0,
        unit="of the log's currency",
    ),
    _value(
        "cancelled_share",
        "share",
        "share of the bought pieces whose purchase had been cancelled by the cutoff; such purchases "
        "count in no other tag",
        "purchases",
        "coalesce(sum(units) FILTER (WHERE cancelled), 0) / nullif(sum(units), 0)",
        "event:purchase",
        "cancelled_at",
    ),
    _value(
        "satisfaction",
        "number",
        "mean of the ratings that the customer gave, on the scale of the log",
        "acts",
        "avg(rating)",
        "rating",
        low=0,
        unit="of the log's scale",
    ),
    _value(
        "low_rating_share",
        "share",
        "share of the customer's ratings in the lower half of the scale, which goes from the "
        "lowest to the highest rating in the log before the cutoff",
        "acts",
        "avg((rating < middle)::INT) FILTER (WHERE rating IS NOT NULL)",
        "rating",
    ),
)
