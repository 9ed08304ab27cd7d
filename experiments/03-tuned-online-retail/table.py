"""Rebuilds the tables and figures of this study's README from results.csv and search.csv."""

from __future__ import annotations

import sys
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

sys.path.append(str(Path(__file__).resolve().parents[1]))

from readme_tables import OBJECTIVE, Table, leaderboard, newest, write_tables

HERE = Path(__file__).parent
OTHERS = ["recall_at_20", "coverage_at_10", "novelty_at_10"]


def searches(search: pd.DataFrame) -> Table:
    """What each search used, and how far it came from the model's own settings."""
    lines = []
    for row in search.itertuples(index=False):
        model, complete, pruned, failed, minutes, own, best, remarks = row
        values = [f"{v:.4f}" if v == v else "-" for v in (own, best)]
        remark = "" if remarks != remarks else str(remarks).removeprefix("on a border: ")
        lines.append(
            [model, str(complete), str(pruned), str(failed), f"{minutes:.1f}", *values, remark]
        )
    head = ["model", "complete", "pruned", "failed", "minutes", "own settings", "best"]
    return Table([*head, "on the border of its range"], lines)


def gains(search: pd.DataFrame) -> Figure:
    """From the model's own settings to the best found, on the validation window."""
    table = search.dropna(subset=["own valid", "best valid"]).sort_values("best valid")
    figure = Figure(figsize=(8, 0.5 + 0.28 * len(table)), layout="constrained")
    axes = figure.subplots()
    axes.hlines(table["model"], table["own valid"], table["best valid"], color="#999999")
    axes.plot(table["own valid"], table["model"], "o", color="#e69f00", label="own settings")
    axes.plot(table["best valid"], table["model"], "o", color="#0072b2", label="best found")
    axes.set_xlabel("NDCG@10 on the validation window")
    axes.legend(frameon=False, loc="lower right")
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="x", color="#e6e6e6")
    return figure


def main() -> None:
    """Write the tables and the figure."""
    results, search = pd.read_csv(HERE / "results.csv"), pd.read_csv(HERE / "search.csv")
    board = leaderboard(newest(results, "top_n"), OBJECTIVE["top_n"], OTHERS)
    write_tables(HERE, readme={"leaderboard": board}, files={"searches": searches(search)})
    (HERE / "figures").mkdir(exist_ok=True)
    gains(search).savefig(HERE / "figures" / "gains.png", dpi=130)


if __name__ == "__main__":
    main()
