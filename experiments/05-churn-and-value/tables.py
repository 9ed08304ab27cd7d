"""Rebuilds the tables and figures of this study's README from its CSV files."""

from __future__ import annotations

import sys
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from leaderboard import OBJECTIVE, between, leaderboard  # noqa: E402

DATA = ("simulated_shop", "online_retail")
SHOWN = {
    "churn": ["average_precision", "lift_at_10", "brier_skill", "calibration_error", "empc"],
    "value": ["spearman", "mae", "rmse", "total_bias", "decile_mape", "top_decile_capture"],
}
BEFORE_AFTER = ("brier", "log_loss", "calibration_error")


def newest(results: pd.DataFrame, task: str, data: str) -> pd.DataFrame:
    """The rows of the models of a task on a data set at its newest cutoff."""
    rows = results[(results["task"] == task) & (results["data"] == data)]
    return rows[(rows["protocol"] == rows["protocol"].max()) & (rows["model"] != "oracle")]


def table(head: list[str], rows: list[list[str]]) -> str:
    """A Markdown table, all columns but the first to the right."""
    lines = ["| " + " | ".join(head) + " |", "| --- |" + " ---: |" * (len(head) - 1)]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows)])


def origins(results: pd.DataFrame, task: str, data: str) -> str:
    """The objective on the test window of every cutoff, mean over seeds; the best is bold."""
    metric = f"test/{OBJECTIVE[task]}"
    kept = (results["task"] == task) & (results["data"] == data) & (results["metric"] == metric)
    wide = results[kept].pivot_table(index="model", columns="protocol", values="value")
    wide = wide.sort_values(wide.columns[-1], ascending=False)
    best = wide.drop(index="oracle", errors="ignore").idxmax()
    rows = [
        [name, *(f"**{v:.4f}**" if best[c] == name else f"{v:.4f}" for c, v in values.items())]
        for name, values in wide.iterrows()
    ]
    return table(["model", *wide.columns], rows)


def differences(task: str, data: str) -> str:
    """The objective less that of BG/NBD at every cutoff; bold where Holm's p is below 0.05."""
    rows = pd.read_csv(HERE / "differences.csv")
    rows = rows[(rows["task"] == task) & (rows["data"] == data)]
    cutoffs = sorted(rows["cutoff"].unique())
    found = rows.set_index(["model", "cutoff"])
    order = rows[rows["cutoff"] == cutoffs[-1]].sort_values("difference", ascending=False)
    cells = []
    for model in order["model"]:
        row = [model]
        for cutoff in cutoffs:
            r = found.loc[(model, cutoff)]
            text = f"{r['difference']:+.4f} [{r['low']:+.4f}, {r['high']:+.4f}]"
            row.append(f"**{text}**" if r["p_holm"] < 0.05 else text)
        cells.append(row)
    return table(["model", *(f"cutoff {c}" for c in cutoffs)], cells)


def calibrations(results: pd.DataFrame, data: str) -> str:
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
    return table(head, cells)


def totals(results: pd.DataFrame, data: str) -> str:
    """Foretold over real total, less 1, after every cutoff, mean over seeds; the smallest is bold."""
    kept = (results["data"] == data) & (results["metric"] == "test/total_bias")
    wide = results[kept].pivot_table(index="model", columns="protocol", values="value")
    wide = wide.loc[wide.abs().mean(axis=1).sort_values().index]
    best = wide.drop(index="oracle", errors="ignore").abs().idxmin()
    rows = [
        [name, *(f"**{v:+.1%}**" if best[c] == name else f"{v:+.1%}" for c, v in values.items())]
        for name, values in wide.iterrows()
    ]
    return table(["model", *wide.columns], rows)


def truths(results: pd.DataFrame, task: str) -> str:
    """How far each model is from the truth of the shop, mean over seeds and cutoffs."""
    rows = results[(results["task"] == task) & results["metric"].str.startswith("truth/")]
    wide = rows.pivot_table(index="model", columns="metric", values="value")
    wide = wide.sort_values("truth/mean_error")
    cells = [
        [m, f"{v['truth/mean_error']:.4f}", f"{v.get('truth/correlation', float('nan')):.4f}"]
        for m, v in wide.iterrows()
    ]
    return table(["model", "mean error", "correlation"], cells)


def customers() -> str:
    """The common report."""
    rows = pd.read_csv(HERE / "customers.csv", dtype={"user_id": str})
    cells = [
        [r["user_id"], f"{r['churn']:.3f}", f"{r['value']:.2f}", r["recommended"]]
        for r in rows.to_dict("records")
    ]
    return table(["customer", "P(no purchase)", "expected value", "top of the list"], cells)


def portrait() -> str:
    """ROC AUC without and with the portrait's tags, and the paired difference with its bounds."""
    rows = pd.read_csv(HERE / "portrait.csv")
    cells = [
        [
            f"{r['data']}, {r['cutoff']}",
            r["model"],
            f"{r['without']:.4f}",
            f"{r['with']:.4f}",
            f"{r['difference']:+.4f} [{r['low']:+.4f}, {r['high']:+.4f}]",
            f"{r['p']:.3f}",
        ]
        for r in rows.to_dict("records")
    ]
    return table(["cutoff", "model", "without", "with", "difference", "p"], cells)


def reliability() -> Figure:
    """Stated against real, a panel a data set, before (grey) and after (blue), the newest cutoff."""
    rows = pd.read_csv(HERE / "reliability.csv")
    found = [d for d in DATA if d in set(rows["data"])]
    models = sorted(rows["model"].unique())
    figure = Figure(figsize=(2.3 * len(models), 2.4 * len(found)), layout="constrained")
    panels = figure.subplots(len(found), len(models), squeeze=False)
    for line, data in zip(panels, found, strict=True):
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
    """Put every table between its marks, and draw the figure."""
    results = pd.read_csv(HERE / "results.csv")
    text = (HERE / "README.md").read_text()
    for data in DATA:
        for task in ("churn", "value"):
            rows = newest(results, task, data)
            if len(rows):
                shown = leaderboard(rows, OBJECTIVE[task], SHOWN[task])
                text = between(text, f"leaderboard:{task}:{data}", shown)
                text = between(text, f"origins:{task}:{data}", origins(results, task, data))
                text = between(text, f"differences:{task}:{data}", differences(task, data))
        if len(newest(results, "value", data)):
            text = between(text, f"totals:{data}", totals(results, data))
        if len(newest(results, "churn", data)):
            text = between(text, f"calibration:{data}", calibrations(results, data))
    for task in ("churn", "value"):
        text = between(text, f"truth:{task}", truths(results, task))
    text = between(text, "customers", customers())
    text = between(text, "portrait", portrait())
    (HERE / "README.md").write_text(text)
    (HERE / "figures").mkdir(exist_ok=True)
    reliability().savefig(HERE / "figures" / "reliability.png", dpi=130)


if __name__ == "__main__":
    main()
