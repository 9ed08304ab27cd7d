"""Which events are a customer's own doing.

Messages and clicks are left out: a win-back mail is sent because of churn, and gives it away.
"""

from __future__ import annotations

# event type -> its column in the customer table
BEHAVIOURS = {
    "view": "views",
    "search": "searches",
    "favourite": "favourites",
    "cart": "carts",
    "review": "reviews",
}
OWN_EVENTS = ", ".join(f"'{kind}'" for kind in ("purchase", "return", *BEHAVIOURS))  # SQL list
