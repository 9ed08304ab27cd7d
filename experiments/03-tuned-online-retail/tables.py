"""Rebuilds the tables and figures of this study's README from results.csv and search.csv."""

from __future__ import annotations

import sys
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

sys.path.append(str(Path(__file__).resolve().parents[1]))

from leaderboard import OBJECTIVE, between, leaderboard, newest

HERE = Path(__file__).parent
OTHERS = ["recall_at_20", "coverage_at_10", "novelty_at_10"]


def found(search: pd.DataFrame) -> str:
    """What each search used, and how far it came from the model's own settings."""
    lines = [
        "| model | complete | pruned | failed | minutes | own settings | best | on the border of its range |",
        "| --- |" + " ---: |" * 6 + " --- |",
    ]
    for row in search.itertuples(index=False):
        model, complete, pruned, failed, minutes, own, best, remarks = row
        values = [f"{v:.4f}" if v == v else "-" for v in (own, best)]
        remark = "" if remarks != remarks else str(remarks).removeprefix("on a border: ")
        cells = [model, str(complete), str(pruned), str(failed), f"{minutes:.1f}", *values, remark]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


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
    """Put both tables between their marks, and draw the figure."""
    results, search = pd.read_csv(HERE / "results.csv"), pd.read_csv(HERE / "search.csv")
    text = (HERE / "README.md").read_text()
    text = between(text, "search", found(search))
    board = leaderboard(newest(results, "top_n"), OBJECTIVE["top_n"], OTHERS)
    text = between(text, "leaderboard", board)
    (HERE / "README.md").write_text(text)
    (HERE / "figures").mkdir(exist_ok=True)
    gains(search).savefig(HERE / "figures" / "gains.png", dpi=130)


if __name__ == "__main__":
    main()
