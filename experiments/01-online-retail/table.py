"""Rebuilds the tables and figures of this study's README from results.csv."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from growthlab.evaluation.plots import BLUE, COLOURS

sys.path.append(str(Path(__file__).resolve().parents[1]))

from readme_tables import OBJECTIVE, by_cutoff, chosen_by_cutoff, leaderboard, newest, write_tables

HERE = Path(__file__).parent
LABEL = 0.035  # height of a name, as a share of the axis
SHOWN = {
    "churn": ["roc_auc", "average_precision", "lift_at_10", "brier", "calibration_error"],
    "value": ["normalised_gini", "spearman", "mae", "total_bias", "decile_mape"],
    "top_n": ["ndcg_at_10", "recall_at_20", "hit_rate_at_10", "coverage_at_10", "novelty_at_10"],
}
READ = {  # what the README shows of them; all columns are in tables/
    "churn": ["calibration_error"],
    "value": ["mae", "total_bias"],
    "top_n": ["recall_at_20", "coverage_at_10"],
}


def points(results: pd.DataFrame) -> Figure:
    """The objective of each task with its interval, a panel a task; models far below are left out."""
    figure = Figure(figsize=(11, 4.2), layout="constrained")
    for axes, task in zip(figure.subplots(1, 3), OBJECTIVE, strict=True):
        rows = newest(results, task)
        main = rows[rows["metric"] == f"test/{OBJECTIVE[task]}"]
        means = main.groupby("model")[["value", "low", "high"]].mean().sort_values("value")
        means = means[means["value"] > means["value"].max() / 4]
        spread = [means["value"] - means["low"], means["high"] - means["value"]]
        axes.errorbar(means["value"], means.index, xerr=spread, fmt="o", color=BLUE)
        axes.set_title(f"{task}: {OBJECTIVE[task]}", loc="left", fontsize=11, fontweight="bold")
        axes.spines[["top", "right", "left"]].set_visible(False)
        axes.tick_params(axis="y", length=0, labelsize=9)
        axes.grid(axis="x", color="#e6e6e6")
        axes.set_axisbelow(True)
    return figure


def over_time(results: pd.DataFrame) -> Figure:
    """The objective at each cutoff, a line a model; models far below the best are left out."""
    figure = Figure(figsize=(11, 4.2), layout="constrained")
    for axes, task in zip(figure.subplots(1, 3), OBJECTIVE, strict=True):
        rows = results[(results["task"] == task) & (results["metric"] == f"test/{OBJECTIVE[task]}")]
        table = rows.pivot_table(index="protocol", columns="model", values="value").dropna(axis=1)
        table = table.loc[:, table.max() > table.to_numpy().max() / 4]
        table.index = [p.removeprefix("cutoff ") for p in table.index]
        styles = [{"color": c, "linestyle": s} for s in ("-", "--") for c in COLOURS]
        lines = {
            name: axes.plot(table.index, table[name], marker="o", linewidth=1.8, **style)[0]
            for name, style in zip(table, styles, strict=False)
        }
        low, high = axes.get_ylim()
        above = np.inf
        for name, value in table.iloc[-1].sort_values(ascending=False).items():
            above = min(value, above - (high - low) * LABEL)  # names that do not lie on each other
            colour = lines[name].get_color()
            axes.text(len(table) - 0.93, above, name, color=colour, fontsize=8, va="center")
        axes.set_xlim(right=len(table) - 0.1)
        axes.set_title(f"{task}: {OBJECTIVE[task]}", loc="left", fontsize=11, fontweight="bold")
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(axis="y", color="#e6e6e6")
        axes.tick_params(labelsize=8)
    return figure


def main() -> None:
    """Write the tables and the figures."""
    results = pd.read_csv(HERE / "results.csv")
    boards, files = {}, {}
    for task, objective in OBJECTIVE.items():
        board = leaderboard(newest(results, task), objective, SHOWN[task][1:])
        read = ["model", objective, f"valid {objective}", *READ[task], "fit s"]
        boards[f"leaderboard:{task}"] = board.only(*read)
        files[f"leaderboard_{task}"] = board
        rows = results[results["task"] == task]
        files[f"by_cutoff_{task}"] = by_cutoff(rows, objective)
        files[f"chosen_by_cutoff_{task}"] = chosen_by_cutoff(rows, objective)
    write_tables(HERE, readme=boards, files=files)
    (HERE / "figures").mkdir(exist_ok=True)
    points(results).savefig(HERE / "figures" / "objectives.png", dpi=130)
    over_time(results).savefig(HERE / "figures" / "origins.png", dpi=130)


if __name__ == "__main__":
    main()
