"""Rebuilds the tables of this study's README, its tables/ and its figure from results.csv."""

from __future__ import annotations

import sys
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from growthlab.evaluation.plots import BLUE, GREEN, ORANGE, QUIET

sys.path.append(str(Path(__file__).resolve().parents[1]))

from readme_tables import Table, write_tables

STUDY = Path(__file__).resolve().parent
SHOPS = {
    "simulated_shop": "the default shop",
    "simulated_shop_markov": "the next item follows from the last",
    "simulated_shop_iid": "order tells nothing",
}
SEQUENTIAL = ["markov", "gru4rec", "caser"]
DIFFERENCE = "ndcg_at_10 minus item_knn's"


def read() -> pd.DataFrame:
    """results.csv with the seed of the generator as a column."""
    results = pd.read_csv(STUDY / "results.csv")
    seed = results["protocol"].str.extract(r"data\.seed=(\d+)")[0]
    return results.assign(shop_seed=seed.astype(int))


def gap_table(results: pd.DataFrame, data: str) -> Table:
    """NDCG@10 and the share of the gap closed, a row a model, best first."""
    here = results[results["data"] == data]
    ndcg = here[here["metric"] == "test/ndcg_at_10"].groupby("model")["value"].mean()
    closed = here[here["metric"] == "gap_closed"]
    seeds = sorted(closed["shop_seed"].unique())
    rows = []
    for model in ndcg.sort_values(ascending=False).index:
        own = closed[closed["model"] == model].set_index("shop_seed")
        mean = f"{own['value'].mean():.0%}" if len(own) else "100%"
        cells = [bounded(own.loc[s], "{:.0%}") if s in own.index else "" for s in seeds]
        rows.append([model, f"{ndcg[model]:.3f}", mean, *cells])
    return Table(["model", "NDCG@10", "share of the gap", *(f"seed {s}" for s in seeds)], rows)


def difference_table(results: pd.DataFrame) -> Table:
    """NDCG@10 of the sequence models minus item_knn's on each shop."""
    rows = results[(results["metric"] == DIFFERENCE) & results["model"].isin(SEQUENTIAL)]
    seeds = sorted(rows["shop_seed"].unique())
    lines = []
    for data in SHOPS:
        for model in SEQUENTIAL:
            own = rows[(rows["data"] == data) & (rows["model"] == model)].set_index("shop_seed")
            cells = [bounded(own.loc[s], "{:+.3f}") if s in own.index else "" for s in seeds]
            lines.append([data, model, *cells])
    return Table(["shop", "model", *(f"seed {s}" for s in seeds)], lines, left=2)


def bounded(row: pd.Series, form: str) -> str:
    """A value with its bounds."""
    value, low, high = (form.format(row[c]) for c in ("value", "low", "high"))
    return f"{value} [{low}, {high}]"


def figure(results: pd.DataFrame) -> Figure:
    """Share of the gap closed by model, a point a shop, a panel a kind of shop."""
    closed = results[results["metric"] == "gap_closed"]
    shown = closed[~closed["model"].isin(["random", "popularity"])]
    order = shown.groupby("model")["value"].mean().sort_values().index
    canvas = Figure(figsize=(11, 4.2), layout="constrained")
    panels = canvas.subplots(1, len(SHOPS), sharex=True, sharey=True)
    for axes, (data, title) in zip(panels, SHOPS.items(), strict=True):
        own = shown[shown["data"] == data]
        for model in order:
            values = own[own["model"] == model]["value"]
            colour = ORANGE if model in SEQUENTIAL else BLUE
            axes.plot(
                [values.min(), values.max()], [model] * 2, color=colour, alpha=0.35, linewidth=3
            )
            axes.plot(values, [model] * len(values), "o", color=colour, markersize=6)
        axes.axvline(0, color=QUIET, linestyle="--", linewidth=1)
        axes.axvline(1, color=GREEN, linestyle="--", linewidth=1)
        axes.set_title(f"{data}\n{title}", fontsize=10, loc="left")
        axes.spines[["top", "right"]].set_visible(False)
        axes.xaxis.set_major_formatter(PercentFormatter(1))
    canvas.supxlabel(
        "share of the gap closed, popularity (0) to oracle (1); a point a shop", fontsize=10
    )
    panels[0].text(
        0.95, order[0], "orange: learns from order", color=ORANGE, ha="right", fontsize=9
    )
    return canvas


def main() -> None:
    """Write the tables and the figure."""
    results = read()
    shop, *others = SHOPS
    write_tables(
        STUDY,
        readme={shop: gap_table(results, shop), "differences": difference_table(results)},
        files={other: gap_table(results, other) for other in others},
    )
    (STUDY / "figures").mkdir(exist_ok=True)
    figure(results).savefig(STUDY / "figures" / "gap_closed.png", dpi=140)


if __name__ == "__main__":
    main()
