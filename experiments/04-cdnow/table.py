"""Rebuilds the tables of this study's README, its tables/ and its figures from results.csv and plan.yaml."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import yaml
from matplotlib.figure import Figure

from growthlab.evaluation.plots import BLUE, GREEN, INK, ORANGE, QUIET

sys.path.append(str(Path(__file__).resolve().parents[1]))

from readme_tables import Table, write_tables

STUDY = Path(__file__).resolve().parent
COLOURS = {"bg_nbd": BLUE, "mbg_nbd": ORANGE, "pareto_nbd": GREEN}
PREDICTORS = ("actual", *COLOURS, "past_pace", "past_spend", "mean")
ONLY_IN_FILES = ("standard error", "95 % (bootstrap)", "rmse")
JUDGED = ("mae", "rmse", "spearman", "normalised_gini")


def parameters(results: pd.DataFrame) -> Iterator[list[str]]:
    """Each parameter and log-likelihood beside the published one."""
    yield [
        "model",
        "parameter",
        "published",
        "here",
        "difference",
        "standard error",
        "95 % (bootstrap)",
    ]
    rows = results[results["protocol"] == "weeks 1-39"].set_index(["model", "metric"])
    plan = yaml.safe_load((STUDY / "plan.yaml").read_text())
    for model, published in plan["parts"]["sample"]["published"].items():
        of_model = rows.loc[model]
        names = [m.removeprefix("fitted/") for m in of_model.index if m.count("/") == 1]
        for name in sorted(names, key=[*published, "log_likelihood"].index):
            row, given = of_model.loc[f"fitted/{name}"], published.get(name)
            digits = 2 if name == "log_likelihood" else 4
            difference = ""
            if given is not None:
                far = row["value"] - given
                difference = f"{far:+.3f}" if digits == 2 else f"{far / given:+.2%}"
            error = of_model["value"].get(f"fitted/{name}/standard_error")
            yield [
                model,
                name,
                "" if given is None else f"{given:g}",
                f"{row['value']:.{digits}f}",
                difference,
                "" if error is None else f"{error:.3f}",
                "" if pd.isna(row["low"]) else f"{row['low']:.3f} to {row['high']:.3f}",
            ]


def holdout(results: pd.DataFrame, what: str) -> Iterator[list[str]]:
    """Each predictor of the purchases or the revenue of weeks 40-78."""
    here = results[results["protocol"] == "weeks 40-78"]
    values = here.pivot_table(index="model", columns="metric", values="value")
    bounds = here[here["metric"] == f"{what}/total"].set_index("model")
    yield [what, "total", "total against actual", *JUDGED]
    actual = values.loc["actual", f"{what}/total"]
    for model in (p for p in PREDICTORS if p in bounds.index):
        row, limits = values.loc[model], bounds.loc[model]
        known = "" if pd.isna(limits["low"]) else f" [{limits['low']:,.0f}, {limits['high']:,.0f}]"
        total = row[f"{what}/total"]
        judged = [row.get(f"{what}/{m}", np.nan) for m in JUDGED]
        yield [
            model,
            f"{total:,.0f}{known}",
            "" if model == "actual" else f"{total / actual - 1:+.1%}",
            *("" if pd.isna(v) else f"{v:.3f}" for v in judged),
        ]


def scores(results: pd.DataFrame) -> Iterator[list[str]]:
    """How well P(alive) and P(a purchase) tell who buys in weeks 40-78."""
    here = results[results["task"] == "churn"].set_index(["model", "metric"])
    yield ["model", "score", "ROC AUC", "Brier score"]
    for model in COLOURS:
        for score in ("p_alive", "p_purchase"):
            if (model, f"{score}/roc_auc") in here.index:
                auc, brier = (here.loc[(model, f"{score}/{m}")] for m in ("roc_auc", "brier"))
                span = f"{auc['value']:.3f} [{auc['low']:.3f}, {auc['high']:.3f}]"
                yield [model, score, span, f"{brier['value']:.3f}"]


def table(rows: Iterator[list[str]], left: int = 1) -> Table:
    """A table of a head and rows."""
    head, *body = rows
    return Table(head, body, left)


def lines(results: pd.DataFrame) -> pd.DataFrame:
    """Cumulative repeat purchases, a row a week, a column a line."""
    here = results[results["protocol"] == "weeks 1-78"]
    table = here.pivot_table(index="metric", columns="model", values="value")
    return table.sort_index().reset_index(drop=True).rename(index=lambda i: i + 1)


def tracking(results: pd.DataFrame) -> Figure:
    """Forecast against actual: cumulative repeat purchases, and those of each week."""
    figure = Figure(figsize=(11, 4.4), layout="constrained")
    cumulative = lines(results)
    weekly = cumulative.diff().fillna(cumulative.iloc[:1])
    titles = "Cumulative repeat purchases", "Repeat purchases a week"
    for axes, table, title in zip(figure.subplots(1, 2), (cumulative, weekly), titles, strict=True):
        axes.axvline(39, color=QUIET, linewidth=1, linestyle=(0, (4, 3)))
        axes.plot(table.index, table["actual"], color=INK, linewidth=1.8, label="actual")
        for model, colour in COLOURS.items():
            axes.plot(table.index, table[model], color=colour, linewidth=1.6, label=model)
        axes.set_title(title, loc="left", fontsize=11, fontweight="bold")
        axes.set_xlabel("week of 1997 and 1998; the models know weeks 1 to 39")
        axes.set_xlim(1, 78)
        axes.set_ylim(bottom=0)
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False, fontsize=9)
    return figure


def by_repeats(results: pd.DataFrame) -> Figure:
    """Purchases of weeks 40-78 by how often a customer had bought again before."""
    figure = Figure(figsize=(7.2, 4.2), layout="constrained")
    axes = figure.subplots()
    here = results[results["metric"].str.startswith("purchases/after_")]
    table = here.pivot_table(index="metric", columns="model", values="value").sort_index()
    places = range(len(table))
    axes.plot(places, table["actual"], color=INK, marker="o", linewidth=1.8, label="actual")
    for model, colour in COLOURS.items():
        axes.plot(places, table[model], color=colour, marker="o", ms=4, linewidth=1.4, label=model)
    axes.plot(places, table["past_pace"], color=QUIET, linestyle=":", label="past_pace")
    axes.set_xticks(places, [*map(str, places[:-1]), f"{places[-1]} or more"])
    axes.set_xlabel("repeat purchases in weeks 1-39")
    axes.set_title("Mean purchases in weeks 40-78", loc="left", fontsize=11, fontweight="bold")
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_ylim(bottom=0)
    axes.legend(frameon=False, fontsize=9)
    return figure


def main() -> None:
    """Write the tables and the figures."""
    results = pd.read_csv(STUDY / "results.csv")
    tables = {
        "parameters": table(parameters(results), left=2),
        "purchases": table(holdout(results, "purchases")),
        "revenue": table(holdout(results, "revenue")),
        "scores": table(scores(results), left=2),
    }
    readme = {
        name: whole.only(*(column for column in whole.head if column not in ONLY_IN_FILES))
        for name, whole in tables.items()
    }
    write_tables(STUDY, readme=readme, files=tables)
    (STUDY / "figures").mkdir(exist_ok=True)
    tracking(results).savefig(STUDY / "figures" / "tracking.png", dpi=130)
    by_repeats(results).savefig(STUDY / "figures" / "by_repeats.png", dpi=130)


if __name__ == "__main__":
    main()
