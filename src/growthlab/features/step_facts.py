"""What is known of each of a customer's latest active days, and the names of these facts."""

from __future__ import annotations

N_STEPS = 32
FACTS = ("ago", "bought", "spent", "browsed", "returned")
NAMES = tuple(f"step{place:02d}_{fact}" for place in range(1, N_STEPS + 1) for fact in FACTS)
