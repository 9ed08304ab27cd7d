"""Compares the simulated market with real shops: gaps, baskets, repeats, concentration, season.

    python experiments/benchmarks/market_marginals.py --data FOLDER

FOLDER holds online_retail_ii, complete_journey and cdnow. The table is printed, and written to
docs/simulated_market.md between its marks.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
import pandas as pd

from growthlab.data.market.market import Market, MarketSettings

sys.path.append(str(Path(__file__).resolve().parents[1]))

from readme_tables import Table

PAGE = Path(__file__).resolve().parents[2] / "docs" / "simulated_market.md"
MARK = "marginals"
NOT_GOODS = r"^(?:POST|DOT|M|D|S|C2|BANK CHARGES|AMAZONFEE|ADJUST.*|CRUK|PADS|B|TEST.*|GIFT.*)$"
SEEDS = (7, 8, 9)  # of markets, of which the means are shown


def market(seed: int) -> pd.DataFrame:
    """The purchases of a market of thirteen months."""
    events, _, _ = Market.start(MarketSettings(seed=seed, months=13)).tables()
    bought = events[events["event_type"] == "purchase"]
    return pd.DataFrame(
        {
            "customer": bought["user_id"],
            "order": bought["order_id"],
            "item": bought["item_id"],
            "time": bought["timestamp"],
            "amount": bought["quantity"] * bought["unit_price"],
        }
    )


def online_retail(folder: Path) -> pd.DataFrame:
    """Invoices of known customers, without cancellations, what is no goods, and rows that are there twice."""
    rows = pd.read_parquet(folder / "online_retail_ii" / "transactions.parquet")
    goods = ~rows["stock_code"].str.upper().str.match(NOT_GOODS)
    kept = rows["customer_id"].notna() & (rows["quantity"] > 0) & (rows["unit_price"] > 0) & goods
    rows = rows[kept & ~rows["in_overlap"].astype(bool)]
    return pd.DataFrame(
        {
            "customer": rows["customer_id"],
            "order": rows["invoice"],
            "item": rows["stock_code"],
            "time": rows["invoice_date"],
            "amount": rows["quantity"] * rows["unit_price"],
        }
    )


def complete_journey(folder: Path) -> pd.DataFrame:
    """One row of twenty of the baskets of a grocer: gaps and baskets cannot be told from it."""
    rows = pd.read_parquet(folder / "complete_journey" / "transactions_sample.parquet")
    return pd.DataFrame(
        {
            "customer": rows["household_id"],
            "order": rows["basket_id"],
            "item": rows["product_id"],
            "time": rows["transaction_timestamp"],
            "amount": rows["sales_value"],
        }
    )


def cdnow(folder: Path) -> pd.DataFrame:
    """Days with a purchase of customers who all began in one quarter; items are not known."""
    rows = pd.read_parquet(folder / "cdnow" / "master.parquet")
    rows = rows[rows["amount"] > 0]
    order = rows["customer_id"].astype(str) + " " + rows["date"].astype(str)
    return pd.DataFrame(
        {
            "customer": rows["customer_id"],
            "order": order,
            "item": None,
            "time": rows["date"],
            "amount": rows["amount"],
        }
    )


def marginals(rows: pd.DataFrame, *, whole: bool = True) -> dict[str, float]:
    """What can be compared; without `whole` baskets nothing that needs all lines of an order."""
    orders = rows.groupby("order").agg(
        customer=("customer", "first"),
        time=("time", "min"),
        lines=("item", "nunique"),
        amount=("amount", "sum"),
    )
    orders = orders.sort_values("time")
    gap = orders.groupby("customer")["time"].diff().dt.total_seconds().dropna() / 86_400
    gap = gap[gap >= 1]  # two orders of a day are one
    of_customer = orders.groupby("customer")["amount"].agg(["size", "sum"])
    months = rows.groupby((rows["time"] - rows["time"].min()).dt.days // 28)["amount"].sum()
    months = months[: (rows["time"].max() - rows["time"].min()).days // 28]
    found = {
        "customers": len(of_customer),
        "orders a customer, mean": of_customer["size"].mean(),
        "customers with a second order": (of_customer["size"] > 1).mean(),
        "spend of the best fifth of customers": top_share(of_customer["sum"], 0.2),
        "best 28 days / mean": months.max() / months.mean(),
    }
    if whole:
        found |= {f"days between orders, {name}": gap.quantile(q) for name, q in QUANTILES.items()}
        found |= {
            "days between orders, deviation / mean": gap.std() / gap.mean(),
            "order value, mean / median": orders["amount"].mean() / orders["amount"].median(),
        }
    if rows["item"].notna().all():
        lines = rows.sort_values("time").drop_duplicates(["order", "item"])
        found["Gini of items by lines"] = gini(lines.groupby("item").size())
        found["lines of the best fifth of items"] = top_share(lines.groupby("item").size(), 0.2)
        if whole:
            again = lines.duplicated(["customer", "item"])
            found["lines an order, mean"] = orders["lines"].mean()
            found["lines an order, median"] = orders["lines"].median()
            found["lines of an item bought before"] = again.mean()
    return found


QUANTILES = {"quarter": 0.25, "median": 0.5, "three quarters": 0.75}


def gini(values: pd.Series) -> float:
    """0: all are equal."""
    rising = np.sort(values.to_numpy(dtype=float))
    n = len(rising)
    return float((2 * np.arange(1, n + 1) - n - 1) @ rising / (n * rising.sum()))


def top_share(values: pd.Series, share: float) -> float:
    """The part of the sum that the largest have."""
    falling = np.sort(values.to_numpy(dtype=float))[::-1]
    return float(falling[: max(round(share * len(falling)), 1)].sum() / falling.sum())


def table(folder: Path) -> Table:
    """A row a marginal, a column a shop."""
    markets = pd.DataFrame([marginals(market(seed)) for seed in SEEDS]).mean()
    columns = {
        "simulated_market": markets.to_dict(),
        "Online Retail II": marginals(online_retail(folder)),
        "Complete Journey": marginals(complete_journey(folder), whole=False),
        "CDNOW": marginals(cdnow(folder)),
    }
    rows = [
        [name, *(shown(name, column.get(name)) for column in columns.values())]
        for name in markets.index
    ]
    return Table(["", *columns], rows)


def shown(name: str, value: float | None) -> str:
    """A number as it stands in the table."""
    if value is None:
        return "-"
    if name == "customers":
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def main() -> None:
    """Print the table and put it into the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, metavar="FOLDER")
    markdown = table(parser.parse_args().data).markdown()
    print(markdown)
    text = PAGE.read_text()
    head, rest = text.split(f"<!-- {MARK} -->\n")
    tail = rest.split(f"<!-- /{MARK} -->")[1]
    PAGE.write_text(f"{head}<!-- {MARK} -->\n{markdown}\n<!-- /{MARK} -->{tail}")


if __name__ == "__main__":
    main()
