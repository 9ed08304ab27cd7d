"""The words of the simulated shop: its categories, brands, styles and regions."""

from __future__ import annotations

from typing import NamedTuple


class Category(NamedTuple):
    """A category of items: `price` is the median, `companion` the category bought after it."""

    name: str
    words: str  # of item names, separated by spaces
    consumable: bool
    price: float
    share: float  # of the assortment
    returned: float  # share of order lines that are returned
    companion: int


CATEGORIES = (
    Category("coffee", "coffee beans espresso roast ground arabica", True, 9, 0.09, 0.01, 6),
    Category("pantry", "pasta sauce snack biscuits spice tea", True, 5, 0.13, 0.01, 0),
    Category("beauty", "cream shampoo serum soap balm lotion", True, 14, 0.12, 0.03, 4),
    Category("household", "detergent towels tabs cleaner bags sponge", True, 8, 0.09, 0.01, 1),
    Category("fashion", "shirt dress jacket scarf jeans knit", False, 34, 0.15, 0.18, 5),
    Category("sport", "shoes mat bottle shorts backpack gloves", False, 38, 0.09, 0.10, 2),
    Category("kitchen", "pan kettle grinder knife mug bowl", False, 27, 0.10, 0.05, 3),
    Category("decor", "lamp cushion vase frame candle rug", False, 24, 0.10, 0.06, 6),
    Category("electronics", "earbuds charger speaker cable tracker lens", False, 79, 0.07, 0.08, 5),
    Category("toys", "puzzle blocks plush game train crayons", False, 19, 0.06, 0.04, 7),
)  # fmt: skip

STYLES = (
    ("classic", ("classic", "plain", "timeless")),
    ("organic", ("organic", "natural", "fairtrade")),
    ("luxury", ("luxury", "premium", "gold")),
    ("sporty", ("sporty", "light", "active")),
    ("vintage", ("vintage", "retro", "antique")),
    ("playful", ("playful", "bright", "cartoon")),
    ("nordic", ("nordic", "minimal", "birch")),
    ("travel", ("travel", "compact", "folding")),
)

BRANDS = (
    "alto", "belka", "corvin", "dorsa", "elmund", "fjara", "gantry", "hollin",
    "isolde", "jarrow", "kestrel", "lumen", "marlo", "norrin", "orla", "pasco",
    "quill", "rovan", "sennet", "tamsin", "ursel", "vanter", "wexley", "zephra",
)  # fmt: skip

COLOURS = ("black", "white", "blue", "green", "red", "grey")
FILLERS = ("set", "large", "small", "pack", "new", "double", "original", "gift")
REGIONS = ("north", "south", "east", "west", "centre")
AGE_BANDS = ("18-24", "25-34", "35-49", "50-64", "65+")
GENDERS = ("female", "male", "unstated")
ACQUISITION = ("organic_search", "paid_search", "paid_social", "referral", "direct")
PURPOSES = ("personalisation", "email", "sms", "push", "analytics")
