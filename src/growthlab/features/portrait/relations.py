"""The relations that tags sum up: SQL over the events, items and users known at a cutoff."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from growthlab.data.as_of import events_recorded_before, known_at
from growthlab.data.event_log import EventLog
from growthlab.data.event_sql import DAY, OWN_EVENTS, days_before, spend_of, sql_time, units_of
from growthlab.features.portrait.attributes import SOURCES, age_band
from growthlab.features.portrait.interests import BANDS

# a letter of a script with blanks between its words, or a Han character, which is a word of its own
WORD = r"\p{Han}|[\p{Latin}\p{Greek}\p{Cyrillic}\p{Arabic}\p{Hebrew}\p{Hangul}\p{Thai}]+"
BRAND = r"(?:^|\|)brand="  # followed by the brand


def undone_purchases(log: EventLog, cutoff: datetime) -> dict[str, str]:
    """`purchases`: all that were made, with whether they were cancelled by the cutoff.

    Unlike the other relations, over all events recorded before the cutoff, cancelled purchases included.
    """
    cancelled = f"cancelled_at < {sql_time(cutoff)}" if "cancelled_at" in log.columns else "false"
    made = f"user_id, {units_of(log)} AS units, coalesce({cancelled}, false) AS cancelled"
    return {"purchases": f"SELECT {made} FROM events WHERE event_type = 'purchase'"}


def relations(log: EventLog, cutoff: datetime, settings: Mapping[str, object]) -> dict[str, str]:
    """Name -> SQL, each using those before it; rows have a ``user_id`` and ages are in days."""
    return {
        **_of_items(log),
        **_of_events(log, cutoff, settings),
        **_of_orders(),
        **_of_visits(log.calendar.first_weekday),
        **_of_interests(cutoff, settings),
        **_of_words(log, cutoff, settings),
        "people": _people(log),
    }


def known_facts(log: EventLog, cutoff: datetime) -> frozenset[str]:
    """What was known at a cutoff: event columns, ``event:view``, ``items.category``, ``users.age``.

    ``cancelled_at`` where a purchase had been cancelled by then.
    """
    recorded = events_recorded_before(log, cutoff)
    cancelled = undone_purchases(recorded, cutoff)["purchases"]
    n_cancelled = recorded.query(f"SELECT sum(cancelled::INT) AS n FROM ({cancelled})")
    log = known_at(log, cutoff)
    columns = [c for c in log.columns if c not in ("user_id", "event_type", "cancelled_at")]
    counts = "".join(f", count({c}) AS {c}" for c in columns)
    counted = log.query(f"SELECT event_type{counts} FROM events GROUP BY event_type")
    facts = {f"event:{kind}" for kind in counted["event_type"]}
    facts |= {c for c in columns if counted[c].sum() > 0}
    facts |= {"cancelled_at"} if n_cancelled["n"].fillna(0).iloc[0] > 0 else set()
    for name, table in (("items", log.items), ("users", log.users)):
        if table is not None:
            facts |= {f"{name}.{c}" for c in table if table[c].notna().any()}
    if "items.attributes" in facts:
        assert log.items is not None
        branded = log.items["attributes"].astype("str").str.contains(rf"{BRAND}[^|]")
        facts |= {"items.brand"} if branded.any() else set()
    return frozenset(facts)


def _of_items(log: EventLog) -> dict[str, str]:
    """`goods`: what is known of each item, with its place among the prices of its category."""
    has = set() if log.items is None else {str(c) for c in log.items}

    def column(name: str, kind: str, sql: str = "") -> str:
        return f"{sql or name} AS {name}" if name in has else f"NULL::{kind} AS {name}"

    brand = f"nullif(regexp_extract(attributes, '{BRAND}([^|]+)', 1), '')"
    listed = f"""
        SELECT item_id, {column("category", "VARCHAR")}, {column("price", "DOUBLE")},
            {column("available_from", "TIMESTAMP")}, {column("text", "VARCHAR")},
            {brand if "attributes" in has else "NULL::VARCHAR"} AS brand
        FROM {"items" if has else "(SELECT NULL::VARCHAR AS item_id) WHERE false"}
    """
    used = """
        SELECT item_id, min(timestamp) AS first_event, median(unit_price)
            FILTER (WHERE event_type = 'purchase') AS usual_price
        FROM events WHERE item_id IS NOT NULL GROUP BY item_id
    """
    joined = """
        SELECT item_id, category, brand, text, usual_price,
            coalesce(available_from, first_event) AS launched, coalesce(price, usual_price) AS price
        FROM listed FULL JOIN used USING (item_id)
    """
    placed = """
        SELECT *, CASE WHEN price IS NOT NULL AND count(price) OVER one > 1
            AND max(price) OVER one > min(price) OVER one
            THEN (rank() OVER (PARTITION BY category ORDER BY price NULLS LAST) - 1)
                / (count(price) OVER one - 1) END AS price_rank
        FROM joined WINDOW one AS (PARTITION BY category)
    """
    return {"listed": listed, "used": used, "joined": joined, "goods": placed}


def _of_events(log: EventLog, cutoff: datetime, settings: Mapping[str, object]) -> dict[str, str]:
    """`acts`: a customer's own events; `lines`: the bought ones with what is known of the item."""
    acts = f"""
        SELECT user_id, event_type, item_id, timestamp AS time, {DAY} AS day, session_id, channel,
            order_id, {days_before(cutoff, "timestamp")} AS age, {units_of(log)} AS units,
            {spend_of(log)} AS spend, unit_price, discount, rating,
            (min(rating) OVER () + max(rating) OVER ()) / 2 AS middle
        FROM events WHERE event_type IN ({OWN_EVENTS})
    """
    new = f"INTERVAL ({settings['new_days']}) DAY"
    lines = f"""
        SELECT acts.*, category, brand, price_rank, usual_price,
            coalesce(order_id, time::VARCHAR) AS order_key,
            CASE WHEN time >= (SELECT min(timestamp) FROM events) + {new}
                THEN time < launched + {new} END AS novel,
            day > min(day) OVER (PARTITION BY user_id, item_id) AS repeated
        FROM acts LEFT JOIN goods USING (item_id) WHERE event_type = 'purchase'
    """
    return {"acts": acts, "lines": lines}


def _of_orders() -> dict[str, str]:
    """`orders`, the `gaps` between days with one, and how often each brand was bought."""
    return {
        "orders": """
            SELECT user_id, order_key, max(age) AS age, count(DISTINCT item_id) AS items,
                sum(units) AS units, sum(spend) AS spend,
                max((coalesce(discount, 0) > 0)::INT) AS discounted
            FROM lines GROUP BY user_id, order_key
        """,
        "gaps": """
            SELECT user_id, date_diff('day', lag(day) OVER one, day) AS gap
            FROM (SELECT DISTINCT user_id, day FROM lines)
            WINDOW one AS (PARTITION BY user_id ORDER BY day)
        """,
        "bought_brands": """
            SELECT user_id, brand, count(*) AS n FROM lines WHERE brand IS NOT NULL GROUP BY ALL
        """,
    }


def _of_visits(first_weekday: int) -> dict[str, str]:
    """`visits`: when each began and through which channel; how many of each hour, day, channel."""
    visit = "coalesce(session_id, order_id, time::VARCHAR)"
    counted = "SELECT user_id, {what}, count(*) AS n FROM visits {only} GROUP BY ALL"
    days = f"dayname(time) AS weekday, (isodow(time) + 6 - {first_weekday}) % 7 AS number"
    known = "WHERE channel IS NOT NULL"
    return {
        "visits": f"""
            SELECT user_id, {visit} AS visit, min(time) AS time, min(channel) AS channel
            FROM acts GROUP BY user_id, visit
        """,
        "hours": counted.format(what="hour(time) AS hour", only=""),
        "weekdays": counted.format(what=days, only=""),
        "channels": counted.format(what="channel", only=known),
    }


def _of_interests(cutoff: datetime, settings: Mapping[str, object]) -> dict[str, str]:
    """`interest`: decayed weights of a customer's items; shares of categories, brands and bands."""
    low, middle, high = BANDS
    band = (
        f"CASE WHEN price_rank < 1 / 3 THEN '{low}' WHEN price_rank < 2 / 3 THEN '{middle}' "
        f"WHEN price_rank IS NOT NULL THEN '{high}' END"
    )
    # own: of the customer alone; share: drawn towards that of all customers by the weight kappa
    kappa = settings["shrinkage"]
    shares = f"""
        SELECT user_id, {{what}} AS {{name}}, sum(w) / sum(sum(w)) OVER one AS own,
            round((sum(w) + {kappa} * sum(sum(w)) OVER (PARTITION BY {{what}}) / sum(sum(w)) OVER ())
                / (sum(sum(w)) OVER one + {kappa}), 6) AS share
        FROM priced WHERE {{what}} IS NOT NULL GROUP BY user_id, {{what}}
        WINDOW one AS (PARTITION BY user_id)
    """
    return {
        "interest": f"""
            SELECT user_id, item_id, sum({_weight(cutoff, settings)}) AS w FROM events
            WHERE item_id IS NOT NULL AND {_weighted(settings)} GROUP BY user_id, item_id
        """,
        "priced": f"SELECT *, {band} AS price_band FROM interest JOIN goods USING (item_id)",
        "categories": shares.format(what="category", name="category"),
        "brands": shares.format(what="brand", name="brand"),
        "bands": shares.format(what="price_band", name="price_band"),
    }


def _of_words(log: EventLog, cutoff: datetime, settings: Mapping[str, object]) -> dict[str, str]:
    """`terms`: weight x rarity of the words of a customer's items and searches."""
    of_items, of_queries = (
        f"unnest(list_distinct(regexp_extract_all(lower({text}), '{WORD}')))"
        for text in ("text", "query")
    )
    long = r"length(term) > 2 OR regexp_matches(term, '\p{Han}')"
    searched = "query IS NOT NULL" if "query" in log.columns else "false"
    return {
        "words": f"""
            SELECT * FROM (SELECT item_id, {of_items} AS term FROM goods)
            WHERE {long}
        """,
        "rarity": """
            SELECT term, ln((1 + (SELECT count(DISTINCT item_id) FROM words)) / (1 + count(*)))
                AS idf FROM words GROUP BY term
        """,
        "uttered": f"""
            SELECT * FROM (
                SELECT user_id, {of_queries} AS term, {_weight(cutoff, settings)}
                    AS w FROM events WHERE {searched} AND {_weighted(settings)})
            WHERE {long}
        """,
        "terms": """
            SELECT user_id, term, round(sum(w) * any_value(coalesce(idf, 1)), 6) AS w
            FROM (SELECT user_id, term, w FROM interest JOIN words USING (item_id)
                UNION ALL SELECT user_id, term, w FROM uttered) LEFT JOIN rarity USING (term)
            GROUP BY user_id, term
        """,
    }


def _weight(cutoff: datetime, settings: Mapping[str, object]) -> str:
    """SQL for what an event weighs: by its type, halved every half-life."""
    weights = settings["event_weights"]
    assert isinstance(weights, Mapping)
    by_type = " ".join(f"WHEN '{kind}' THEN {float(w)!r}" for kind, w in weights.items())
    age = days_before(cutoff, "timestamp")
    return f"CASE event_type {by_type} END * pow(0.5, {age} / {settings['half_life_days']})"


def _weighted(settings: Mapping[str, object]) -> str:
    """SQL for the types that have a weight."""
    weights = settings["event_weights"]
    assert isinstance(weights, Mapping)
    kinds = ", ".join(f"'{kind}'" for kind, weight in weights.items() if weight > 0)
    return f"event_type IN ({kinds})"


def _people(log: EventLog) -> str:
    """Attributes under our names, the first column that is there of each."""
    has = set() if log.users is None else {str(c) for c in log.users}
    columns = []
    for name, sources in SOURCES.items():
        column = next((source for source in sources if source in has), None)
        sql = "NULL::VARCHAR" if column is None else f'"{column}"::VARCHAR'
        if column == "age":
            age = f'try_cast("{column}" AS DOUBLE)'
            sql = f"coalesce({age_band(age)}, {sql})"
        columns.append(f"{sql} AS {name}")
    table = "users" if has else "(SELECT NULL::VARCHAR AS user_id) WHERE false"
    return f"SELECT user_id, {', '.join(columns)} FROM {table}"
