"""Interests: affinities to categories, brands and price bands, and the words of what was looked at."""

from __future__ import annotations

from growthlab.features.portrait.tag import Tag

BANDS = ("low", "middle", "high")
DECAYED = "its weight by type (`event_weights`) halves every `half_life_days`"


def _affinity(
    over: str,
    one: str,
    many: str,
    *needs: str,
    choices: tuple[str, ...] = (),
    reads: tuple[str, ...] = (),
) -> list[Tag]:
    """The first of a kind with its share, the `top` of them with theirs, and how broad they are."""
    by = f"ORDER BY share DESC, {one}"
    weight = f"share of the customer's weighted events with items of a known {one}"
    drawn = "drawn towards the share among all customers by a weight of `shrinkage`"

    def tag(name: str, **more: object) -> Tag:
        return Tag(name=name, part="interest", over=over, needs=needs, reads=reads, **more)  # type: ignore[arg-type]

    tags = [
        tag(
            f"top_{one}",
            kind="text",
            rule=f"the {one} of the largest {weight}, {drawn}; {DECAYED}",
            sql=f"first({one} {by})",
            choices=choices,
        ),
        tag(
            f"top_{one}_share",
            kind="share",
            rule=f"the {weight} that has its top {one}, so drawn",
            sql="max(share)",
        ),
    ]
    if choices:
        return tags
    return [
        *tags,
        tag(
            many,
            kind="list",
            rule=f"the `top` {many} by that share, largest first",
            sql=f"list({one} {by})[1:{{top}}]",
            unit="text",
        ),
        tag(
            f"{one}_affinities",
            kind="list",
            rule=f"their shares, in the order of `{many}`",
            sql=f"list(share {by})[1:{{top}}]",
        ),
        tag(
            f"{one}_breadth",
            kind="number",
            rule=f"effective number of {many}: exp of the entropy of the customer's own shares",
            sql="exp(abs(sum(own * ln(own))))",
            low=1,
            unit=many,
        ),
    ]


TAGS = (
    *_affinity("categories", "category", "categories", "item_id", "items.category"),
    *_affinity("brands", "brand", "brands", "item_id", "items.brand"),
    *_affinity(
        "bands",
        "price_band",
        "price_bands",
        "item_id",
        "items.price|unit_price",
        choices=BANDS,
        reads=("items.category",),
    ),
    Tag(
        name="price_level",
        part="interest",
        kind="share",
        rule="weighted mean of the items' places among the prices of their category (of the "
        f"catalogue without one): 0 the cheapest, 1 the dearest; of an event {DECAYED}",
        over="priced",
        sql="sum(w * price_rank) / sum(w)",
        needs=("item_id", "items.price|unit_price"),
        reads=("items.category",),
    ),
    Tag(
        name="top_terms",
        part="interest",
        kind="list",
        rule="the `top_terms` words (three letters or more, or a Han character) of searches and of "
        "the texts of items with the largest weight x rarity, ln((1 + items) / (1 + items with the "
        f"word)); of an event {DECAYED}",
        over="terms",
        sql="list(term ORDER BY w DESC, term)[1:{top_terms}]",
        needs=("items.text|query",),
        unit="text",
    ),
)
