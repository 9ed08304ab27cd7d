"""What a shop records of a month: events of visits, orders, returns and messages."""

from __future__ import annotations

from datetime import datetime

import numpy as np
import pandas as pd

from growthlab.data.market.market_items import DAYS, WEEK
from growthlab.data.market.month import ANSWER, Month
from growthlab.data.market.rates import MonthRates
from growthlab.data.market.state import MarketWorld
from growthlab.data.shop_world import HOUR_PROFILE

DAY, HOUR = 86_400, 3_600  # seconds
OPEN, CLOSED = 9, 20  # hours of the store
COLUMNS = (
    "user_id", "item_id", "event_type", "timestamp", "ingested_at", "quantity", "unit_price",
    "discount", "order_id", "session_id", "channel",
)  # fmt: skip


def month_events(world: MarketWorld, rates: MonthRates, month: Month) -> pd.DataFrame:
    """The events of a month, not sorted; returns may lie after its end, and are recorded later still."""
    visits = _visit_table(world, rates, month)
    parts = [_orders(world, month, visits), _returns(world, month, visits)]
    parts += _views(world, rates, visits)
    parts += _messages(world, month)
    events = pd.concat([part for part in parts if len(part)] or [pd.DataFrame(columns=["second"])])
    return _typed(world, rates.first_day, events)


def _visit_table(world: MarketWorld, rates: MonthRates, month: Month) -> pd.DataFrame:
    """Each visit with its second of the month, its channel and its session."""
    visits = month.visits
    time = rates.state.month * DAYS + visits.day
    rows = np.asarray(time * 2 + visits.reason, dtype=np.int64)
    uniform = world.draws.uniform("when", 0, 4, rows * 10_000_000 + visits.customer)
    answers = visits.reason == ANSWER
    online = uniform[:, 2] < world.customers.online[visits.customer]
    by_hour = np.cumsum(HOUR_PROFILE) / np.sum(HOUR_PROFILE)
    hour = np.searchsorted(by_hour, uniform[:, 0], side="right").astype(float)
    hour = np.where(online, hour, OPEN + np.floor(uniform[:, 0] * (CLOSED - OPEN)))
    hour = np.where(answers, np.nan_to_num(visits.hour) + 2 * uniform[:, 0], hour)
    second = visits.day * DAY + (hour * HOUR).astype(np.int64)
    second += np.where(answers, 60, (uniform[:, 1] * (HOUR - 900)).astype(np.int64))
    app = uniform[:, 3] < world.parameters.customers["app"]
    names = [
        f"{c}-{t}{'m' * int(a)}" for c, t, a in zip(visits.customer, time, answers, strict=True)
    ]
    return pd.DataFrame(
        {
            "customer": visits.customer,
            "second": second,
            "row": rows,
            "week": visits.day // WEEK,
            "online": online,
            "channel": np.where(online, np.where(app, "app", "web"), "store"),
            "session_id": pd.Series(names, dtype="str"),
        }
    )


def _orders(world: MarketWorld, month: Month, visits: pd.DataFrame) -> pd.DataFrame:
    """A purchase an item of an order, online after a view and a cart."""
    lines = month.lines
    table = pd.DataFrame(
        {
            "visit": lines.visit,
            "item": lines.item,
            "quantity": lines.pieces.astype(float),
            "unit_price": np.round(lines.paid.astype(float), 2),
            "discount": np.round(lines.discount.astype(float), 4),
        }
    )
    # lines of one item are one event: all are bought at one price
    by = ["visit", "item", "unit_price", "discount"]
    table = table.groupby(by)["quantity"].sum().reset_index()
    at = visits.iloc[table["visit"]].reset_index(drop=True)
    place = table.groupby("visit").cumcount()
    common = at[["customer", "channel", "session_id"]]
    bought = pd.concat([table.drop(columns="visit"), common], axis=1)
    bought = bought.assign(
        event_type="purchase", second=at["second"] + 600, order_id="o" + at["session_id"]
    )
    online = at["online"].to_numpy()
    before = bought.loc[online, ["item", "customer", "channel", "session_id"]]
    steps = [
        before.assign(event_type=kind, second=at["second"][online] + 20 * place[online] + later)
        for kind, later in (("view", 150), ("cart", 160))
    ]
    return pd.concat([bought, *steps])


def _returns(world: MarketWorld, month: Month, visits: pd.DataFrame) -> pd.DataFrame:
    """A return a returned item of an order."""
    lines = month.lines
    rows = np.flatnonzero(lines.returned)
    delays = lines.delays.reshape(-1, 2)[rows]
    at = visits.iloc[lines.visit[rows]].reset_index(drop=True)
    (early, late), (first, last) = (world.parameters.returns[name] for name in ("days", "booked"))
    back = early + (late - early) * delays[:, 0]
    booked = first + (last - first) * delays[:, 1]
    second = at["second"] + 600 + (back * DAY).astype(np.int64)
    table = pd.DataFrame(
        {
            "customer": at["customer"],
            "item": lines.item[rows],
            "event_type": "return",
            "second": second,
            "ingested": second + (booked * DAY).astype(np.int64),
            "quantity": lines.pieces[rows].astype(float),
            "unit_price": np.round(lines.paid[rows].astype(float), 2),
            "discount": np.round(lines.discount[rows].astype(float), 4),
            "order_id": "o" + at["session_id"],
            "channel": at["channel"],
        }
    )
    return table.drop_duplicates(["order_id", "item"])


def _views(world: MarketWorld, rates: MonthRates, visits: pd.DataFrame) -> list[pd.DataFrame]:
    """What is viewed online beside what is bought, and what of it is put aside."""
    own = world.parameters.visits
    online = visits[visits["online"]].reset_index(drop=True)
    most = int(own["most_views"])
    rows = online["row"].to_numpy() * 10_000_000 + online["customer"].to_numpy()
    uniform = world.draws.uniform("views", 0, 1 + 4 * most, rows)
    n_views = sum((uniform[:, 0] < own["views"] ** n).astype(int) for n in range(1, most + 1))
    visit, place = np.nonzero(np.arange(most) < np.reshape(n_views, (-1, 1)))
    of_view = uniform[:, 1:].reshape(len(online), most, 4)[visit, place]
    who, week = online["customer"].to_numpy()[visit], online["week"].to_numpy()[visit]
    wanted = np.cumsum(rates.need[who, week] + 0.02, axis=1)  # a little of everything is looked at
    category = (wanted <= of_view[:, :1] * wanted[:, -1:]).sum(axis=1)
    category = np.minimum(category, wanted.shape[1] - 1)
    item = np.zeros(len(visit), dtype=np.int64)
    for w, choice in enumerate(rates.choices):
        at = np.flatnonzero(week == w)
        item[at] = choice.draw(who[at], category[at], of_view[at, 1])
    table = online.iloc[visit].reset_index(drop=True)[["customer", "channel", "session_id"]]
    second = online["second"].to_numpy()[visit] + 20 * place
    views = table.assign(item=item, event_type="view", second=second)
    cart, favourite = (of_view[:, k] < own[name] for k, name in ((2, "cart"), (3, "favourite")))
    return [
        views,
        views[cart].assign(event_type="cart", second=second[cart] + 5),
        views[favourite].assign(event_type="favourite", second=second[favourite] + 8),
    ]


def _messages(world: MarketWorld, month: Month) -> list[pd.DataFrame]:
    """Each message, and a click where it was followed by a visit and can be clicked on."""
    sent, channels = month.sent, world.parameters.channels
    second = sent.day * DAY + (sent.hour * HOUR).astype(np.int64)
    table = pd.DataFrame(
        {
            "customer": sent.customer,
            "event_type": "message",
            "second": second,
            "channel": np.array(list(channels))[sent.channel],
        }
    )
    can_click = np.array([bool(channel["clicks"]) for channel in channels.values()])
    clicked = sent.answered.astype(bool) & can_click[sent.channel]
    return [table, table[clicked].assign(event_type="click", second=second[clicked] + 30)]


def _typed(world: MarketWorld, first_day: datetime, events: pd.DataFrame) -> pd.DataFrame:
    """The events with raw ids and moments, in the columns of an `EventLog`."""
    events = events.reset_index(drop=True)
    origin = np.datetime64(first_day, "us")

    def moments(seconds: pd.Series) -> np.ndarray:
        return origin + (seconds.to_numpy(dtype=np.int64) * 1_000_000).astype("timedelta64[us]")

    for column in ("item", "ingested", *COLUMNS):
        if column not in events:
            events[column] = np.nan
    item = events["item"].fillna(-1).to_numpy(dtype=np.int64)
    ids = np.array([*world.items.item_ids, None], dtype=object)
    events = events.assign(
        user_id=world.customers.user_ids[events["customer"].to_numpy(dtype=np.int64)],
        item_id=pd.Series(ids[item], dtype="str"),
        timestamp=moments(events["second"]),
        ingested_at=moments(events["ingested"].fillna(events["second"])),
    )
    texts = ("user_id", "event_type", "order_id", "session_id", "channel")
    return events.assign(**{column: events[column].astype("str") for column in texts})[
        list(COLUMNS)
    ]
