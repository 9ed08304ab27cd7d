"""Rebuilds the tables and figures of this study's README from its CSV files."""

from __future__ import annotations

import sys
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

sys.path.append(str(Path(__file__).resolve().parents[1]))

from readme_tables import OBJECTIVE, Table, by_cutoff, chosen_by_cutoff, leaderboard, write_tables

HERE = Path(__file__).resolve().parent

DATA = ("simulated_shop", "online_retail")
SHOWN = {
    "churn": ["average_precision", "lift_at_10", "brier_skill", "calibration_error", "empc"],
    "value": ["spearman", "mae", "rmse", "total_bias", "decile_mape", "top_decile_capture"],
}
READ = {  # the tables and columns of the README; all of them are in tables/
    ("churn", "simulated_shop"): ("roc_auc", "calibration_error"),
    ("churn", "online_retail"): ("roc_auc", "calibration_error"),
    ("value", "simulated_shop"): ("normalised_gini", "total_bias"),
}
BEFORE_AFTER = ("brier", "log_loss", "calibration_error")


def newest(results: pd.DataFrame, task: str, data: str) -> pd.DataFrame:
    """The rows of the models of a task on a data set at its newest cutoff."""
    rows = results[(results["task"] == task) & (results["data"] == data)]
    return rows[(rows["protocol"] == rows["protocol"].max()) & (rows["model"] != "oracle")]


def calibrations(results: pd.DataFrame, data: str) -> Table:
    """What calibration changed on the test window of every cutoff, mean over seeds."""
    rows = results[(results["task"] == "churn") & (results["data"] == data)]
    wide = rows.pivot_table(index=["model", "protocol"], columns="metric", values="value")
    names = [n for n in BEFORE_AFTER if f"test/{n}_uncalibrated" in wide]
    wide = wide.dropna(subset=[f"test/{n}_uncalibrated" for n in names])
    head = ["model", "cutoff", *(f"{n} {when}" for n in names for when in ("before", "after"))]
    cells = [
        [
            model,
            protocol.removeprefix("cutoff "),
            *(f"{v[f'test/{n}{end}']:.4f}" for n in names for end in ("_uncalibrated", "")),
        ]
        for (model, protocol), v in wide.iterrows()
    ]
    return Table(head, cells)


def totals(results: pd.DataFrame, data: str) -> Table:
    """Predicted over real total, less 1, after every cutoff, mean over seeds; the smallest is bold."""
    kept = (results["data"] == data) & (results["metric"] == "test/total_bias")
    wide = results[kept].pivot_table(index="model", columns="protocol", values="value")
    wide = wide.loc[wide.abs().mean(axis=1).sort_values().index]
    best = wide.drop(index="oracle", errors="ignore").abs().idxmin()
    rows = [
        [name, *(f"**{v:+.1%}**" if best[c] == name else f"{v:+.1%}" for c, v in values.items())]
        for name, values in wide.iterrows()
    ]
    return Table(["model", *wide.columns], rows)


def truths(results: pd.DataFrame, task: str) -> Table:
    """How far each model is from the truth of the shop, mean over seeds and cutoffs."""
    rows = results[(results["task"] == task) & results["metric"].str.startswith("truth/")]
    wide = rows.pivot_table(index="model", columns="metric", values="value")
    wide = wide.sort_values("truth/mean_error")
    cells = [
        [m, f"{v['truth/mean_error']:.4f}", f"{v.get('truth/correlation', float('nan')):.4f}"]
        for m, v in wide.iterrows()
    ]
    return Table(["model", "mean error", "correlation"], cells)


def reliability() -> Figure:
    """Stated against real, a panel a data set, before (grey) and after (blue), the newest cutoff."""
    rows = pd.read_csv(HERE / "reliability.csv")
    models = sorted(rows["model"].unique())
    figure = Figure(figsize=(2.3 * len(models), 2.4 * len(DATA)), layout="constrained")
    panels = figure.subplots(len(DATA), len(models), squeeze=False)
    for line, data in zip(panels, DATA, strict=True):
        part = rows[rows["data"] == data]
        part = part[part["cutoff"] == part["cutoff"].max()]
        for axes, model in zip(line, models, strict=True):
            axes.plot([0, 1], [0, 1], color="#bbbbbb", linewidth=1, linestyle="--")
            for when, colour in (("before", "#999999"), ("after", "#0072B2")):
                own = part[(part["model"] == model) & (part["when"] == when)]
                axes.plot(own["stated"], own["share"], "o-", color=colour, markersize=3, label=when)
            axes.set_title(f"{model}\n{data}", fontsize=8, loc="left")
            axes.tick_params(labelsize=7)
            axes.spines[["top", "right"]].set_visible(False)
    panels[0, 0].legend(frameon=False, fontsize=7)
    figure.supxlabel("stated probability of no purchase", fontsize=9)
    figure.supylabel("share that bought nothing", fontsize=9)
    return figure


def main() -> None:
    """Write the tables and the figure."""
    results = pd.read_csv(HERE / "results.csv")
    boards, files = {}, {}
    for data in DATA:
        for task in SHOWN:
            objective = OBJECTIVE[task]
            rows = results[(results["task"] == task) & (results["data"] == data)]
            board = leaderboard(newest(results, task, data), objective, SHOWN[task])
            if (task, data) in READ:
                boards[f"leaderboard:{task}:{data}"] = board.only("model", *READ[task, data])
            files[f"leaderboard_{task}_{data}"] = board
            files[f"by_cutoff_{task}_{data}"] = by_cutoff(rows, objective)
            files[f"chosen_by_cutoff_{task}_{data}"] = chosen_by_cutoff(rows, objective)
        files[f"totals_{data}"] = totals(results, data)
        files[f"calibration_{data}"] = calibrations(results, data)
    for task in SHOWN:
        files[f"truth_{task}"] = truths(results, task)
    write_tables(HERE, readme=boards, files=files)
    (HERE / "figures").mkdir(exist_ok=True)
    reliability().savefig(HERE / "figures" / "reliability.png", dpi=130)


if __name__ == "__main__":
    main()
