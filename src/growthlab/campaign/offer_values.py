"""What an offer is worth to a customer, and what may be claimed of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from growthlab.campaign.campaign_tables import CampaignTables
from growthlab.campaign.table_columns import CampaignColumn, read_table
from growthlab.core.errors import ConfigError, DataError, near_matches

INCREMENTAL, HEURISTIC = "incremental_value", "expected_value_heuristic"
CLAIMS = (INCREMENTAL, HEURISTIC)


@dataclass(frozen=True)
class OfferValues:
    """Values of one claim, never mixed, before any cost: shape ``(n_customers, n_types)`` each.

    An `incremental_value` is the margin that a message causes, in currency. An
    `expected_value_heuristic` is what a customer is expected to spend anyway: it gives an order, and
    is an amount only times the response multipliers of the channels, where these are set. NaN: no
    value is known.
    `buys` is the probability that a customer who gets the message buys, and so takes the discount, and
    `spread` the standard deviation of a value; None: not known. `notes` say on what the values rest.
    """

    claim: str
    value: np.ndarray
    buys: np.ndarray
    models: str
    spread: np.ndarray | None = None
    notes: tuple[str, ...] = ()

    @classmethod
    def read(cls, folder: Path, tables: CampaignTables) -> OfferValues:
        """The table ``values``: customer, offer, channel (empty: all), one claim, ``buys``, ``spread``.

        Raises
        ------
        ConfigError, DataError
            The table names no claim or both, knows none of a customer, offer or channel, or has a value
            twice.
        """
        columns = {
            "customer": CampaignColumn("text"),
            "offer": CampaignColumn("text"),
            "channel": CampaignColumn("text", default=""),
            INCREMENTAL: CampaignColumn("number", default=np.nan),
            HEURISTIC: CampaignColumn("number", default=np.nan, low=0.0),
            "buys": CampaignColumn("number", default=1.0, low=0.0, high=1.0),
            "spread": CampaignColumn("number", default=np.nan, low=0.0),
            "model": CampaignColumn("text", default=""),
        }
        table = read_table(folder, "values", columns)
        where = folder / "values"
        claims = [claim for claim in CLAIMS if table[claim].notna().any()]
        if len(claims) != 1:
            given = "both of" if claims else "none of"
            raise DataError(
                f"{where} has {given} {' and '.join(CLAIMS)}: a plan adds up values of one claim"
            )
        customer = _places(table["customer"], tables.customers["customer"], f"{where}: customer")
        offer = _places(table["offer"], tables.offers["offer"], f"{where}: offer")
        shape = (len(tables.customers), len(tables.channels), len(tables.offers))
        named = (table["channel"] != "").to_numpy()
        known = tables.channels["channel"]
        channel = _places(table["channel"][named], known, f"{where}: channel")
        if table.duplicated(["customer", "offer", "channel"]).any():
            n = int(table.duplicated(["customer", "offer", "channel"]).sum())
            raise DataError(f"{where} gives {n} values twice")

        def spread_out(column: str, otherwise: float) -> np.ndarray:
            """By customer and message type; a row of one channel goes before that of all."""
            cells = np.full(shape, otherwise)
            given = table[column].to_numpy(dtype=float)
            cells[customer[~named], :, offer[~named]] = given[~named, None]
            cells[customer[named], channel, offer[named]] = given[named]
            return cells.reshape(shape[0], -1)

        models = "; ".join(sorted({name for name in table["model"] if name}))
        spread = spread_out("spread", np.nan) if table["spread"].notna().any() else None
        return cls(
            claims[0],
            spread_out(claims[0], np.nan),
            spread_out("buys", 1.0),
            models or "table of values",
            spread,
        )

    def in_currency(self, multipliers: np.ndarray) -> bool:
        """Whether values are amounts: incremental ones, or with a response multiplier for each channel.

        Raises
        ------
        ConfigError
            Only some channels have a multiplier.
        """
        if self.claim == INCREMENTAL:
            return True
        known = np.isfinite(multipliers)
        if known.any() and not known.all():
            raise ConfigError(
                "channels: response_multiplier is set for some channels only; set it for all, or for "
                f"none, and the {HEURISTIC} gives an order without currency"
            )
        return bool(known.all())


def _places(names: pd.Series, known: pd.Series, where: str) -> np.ndarray:
    """The position of each name among the known ones."""
    places = pd.Index(known).get_indexer(pd.Index(names))
    if (places < 0).any():
        name = str(names[places < 0].iloc[0])
        n = int((places < 0).sum())
        possible = near_matches(name, known.tolist(), 5)
        raise DataError(f"{where} {name} is not known ({n} rows): {possible}")
    return places
