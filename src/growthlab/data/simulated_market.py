"""The simulated market: a shop with needs, prices, seasons and fads, which answers to messages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from growthlab.data.event_log import EventLog
from growthlab.data.market.market import NAME, Market, MarketSettings
from growthlab.data.market.parameters import FILE
from growthlab.data.source import Source


@dataclass(frozen=True, kw_only=True)
class SimulatedMarket(Source):
    """The first months of a market of about 1,800 customers and 450 items, in which nobody gets a message.

    `market` goes on from there, month by month, in reaction to a plan. What the market is like stands in
    ``market/parameters.yaml`` and is frozen: it was written before any model was tried. `users` counts all
    customers who ever come; those who arrive after the last month are not in the log.

    Raises
    ------
    ConfigError
        A setting out of its range.
    """

    name: ClassVar[str] = NAME
    filter_seen: str = "none"
    filter_seen_reason: str = "consumables are bought again when they are used up"
    horizon_days: float | None = 28.0
    activity_days: float | None = 90.0
    history_events: tuple[str, ...] = ("view", "favourite", "cart", "purchase")
    target_events: tuple[str, ...] = ("purchase",)
    seed: int = 7
    start: str = "2025-01-01"
    months: int = 9
    users: int = 2_300
    items: int = 500

    def __post_init__(self) -> None:
        super().__post_init__()
        assert self.market_settings is not None  # building them checks the settings

    @property
    def market_settings(self) -> MarketSettings:
        """The settings of the market."""
        return MarketSettings(
            seed=self.seed,
            start=self.start,
            months=self.months,
            users=self.users,
            items=self.items,
        )

    def key_settings(self) -> dict[str, Any]:
        """See `DataSource.key_settings`: with the parameters, which are no settings."""
        return {**super().key_settings(), "parameters": FILE.read_text()}

    def market(self) -> Market:
        """The market after these months."""
        return Market.start(self.market_settings)

    def read(self) -> EventLog:
        """Its log."""
        return self.market().log()
