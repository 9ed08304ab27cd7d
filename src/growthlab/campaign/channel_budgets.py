"""One budget over channels, by concave response curves: each gets what its last unit is worth."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from growthlab.campaign.campaign_tables import CampaignTables
from growthlab.campaign.table_columns import CampaignColumn, read_table, table_path
from growthlab.core.errors import ConfigError, DataError, near_matches

CURVES = "response_curves"
COLUMNS = {
    "channel": CampaignColumn("text"),
    "spend": CampaignColumn("number", low=0.0),
    "response": CampaignColumn("number", low=0.0),
    "draw": CampaignColumn("whole", default=0.0, low=0.0),
}
NEAR = 1e-9  # of a slope


@dataclass(frozen=True)
class ResponseCurve:
    """A concave, piecewise linear response to spend, from nothing at no spend; flat after its last point."""

    spend: np.ndarray
    response: np.ndarray

    @classmethod
    def of_points(cls, spend: np.ndarray, response: np.ndarray, where: str) -> ResponseCurve:
        """The curve through points in any order.

        Raises
        ------
        DataError
            A spend is there twice, the response falls, or its slope rises: no concave curve.
        """
        order = np.argsort(spend)
        spend, response = spend[order], response[order]
        if not len(spend) or spend[0] > 0:
            spend, response = np.append(0.0, spend), np.append(0.0, response)
        if (np.diff(spend) <= 0).any():
            raise DataError(f"{where} has a spend twice")
        slopes = np.diff(response) / np.diff(spend)
        if (
            response[0] != 0
            or (slopes < 0).any()
            or (np.diff(slopes) > NEAR * slopes.max(initial=0)).any()
        ):
            raise DataError(
                f"{where} is no concave curve from 0: the response must rise less and less with the spend"
            )
        return cls(spend, response)

    def at(self, spend: float) -> float:
        """The response to a spend."""
        return float(np.interp(spend, self.spend, self.response))


def allocate(
    curves: dict[str, ResponseCurve], total: float, most: dict[str, float]
) -> tuple[dict[str, float], float]:
    """The spend of each channel with the largest sum of responses, and what one more unit would bring.

    The pieces of the curves are filled from the steepest on: for concave curves this is the optimum of the
    linear programme, in which the marginal returns of all channels are equal, but for limits of their own.
    """
    pieces = sorted(
        (-(top - bottom) / (end - begin), channel, begin, min(end, most[channel]))
        for channel, curve in curves.items()
        for begin, end, bottom, top in zip(
            curve.spend[:-1], curve.spend[1:], curve.response[:-1], curve.response[1:], strict=True
        )
        if begin < most[channel] and top > bottom
    )
    spend, left, price = dict.fromkeys(curves, 0.0), total, 0.0
    for slope, channel, begin, end in pieces:
        taken = min(float(end - begin), left)
        spend[channel] += taken
        left -= taken
        if left <= 0:
            price = -slope
            break
    return spend, float(price)


@dataclass(frozen=True)
class ChannelBudgets:
    """How a budget is spread over the channels: by the curves as estimated, and in draws of them."""

    spend: dict[str, float]
    price: float
    draws: list[dict[str, float]]

    def limit(self, tables: CampaignTables) -> CampaignTables:
        """The tables with these budgets of the channels."""
        budgets = tables.channels["channel"].map(self.spend)
        return replace(tables, channels=tables.channels.assign(budget=budgets.astype(float)))


def channel_budgets(
    folder: Path, tables: CampaignTables, budget: float | None
) -> ChannelBudgets | None:
    """The budgets by the table ``response_curves`` of the folder; None without one.

    Points have a channel, a spend and a response; those with a `draw` above 0 are draws of the curves, such
    as bootstrap ones. A channel gets no more than its own budget.

    Raises
    ------
    ConfigError, DataError
        There is no budget, a channel is unknown or has no curve, or a curve is not concave.
    """
    if table_path(folder, CURVES) is None:
        return None
    if budget is None:
        raise ConfigError(f"budget must be set where {folder / CURVES} spreads it over channels")
    table = read_table(folder, CURVES, COLUMNS)
    channels = tables.channels["channel"].tolist()
    unknown = table[~table["channel"].isin(channels)]
    if len(unknown):
        name = str(unknown["channel"].iloc[0])
        possible = near_matches(name, channels)
        raise DataError(f"{folder / CURVES}: channel {name} is not known: {possible}")
    most = dict(zip(channels, tables.channels["budget"].astype(float).tolist(), strict=True))
    spreads = [
        allocate(_curves(points, channels, f"{folder / CURVES}, draw {draw:g}"), budget, most)
        for draw, points in table.groupby("draw")
    ]
    if 0 not in set(table["draw"]):
        raise DataError(f"{folder / CURVES} has no estimate: rows with draw 0, or without draw")
    (spend, price), *draws = spreads
    return ChannelBudgets(spend, price, [drawn for drawn, _ in draws])


def _curves(points: pd.DataFrame, channels: list[str], where: str) -> dict[str, ResponseCurve]:
    curves = {}
    for channel in channels:
        own = points[points["channel"] == channel]
        if own.empty:
            raise DataError(f"{where}: channel {channel} has no curve")
        curves[channel] = ResponseCurve.of_points(
            own["spend"].to_numpy(dtype=float),
            own["response"].to_numpy(dtype=float),
            f"{where}: the curve of {channel}",
        )
    return curves
