"""Rebuilds the tables of this study's README and its figure from results.csv."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from growthlab.evaluation.plots import COLOURS, QUIET

sys.path.append(str(Path(__file__).resolve().parents[1]))

from readme_tables import Table, write_tables

STUDY = Path(__file__).resolve().parent
NEAR = "effects, "
SHOWN = ("s_learner", "x_learner", "dr_learner", "t_learner", "transformed_outcome", "t_logistic")


def rates(results: pd.DataFrame) -> Iterator[list[str]]:
    """How often intervals hold the truth, and how often skill is found where there is none."""
    yield ["what", "campaigns", "share", "error of the share"]
    effects = results[results["metric"] == "average_effect"]
    truth = effects.loc[effects["model"] == "truth", "value"].iloc[0]
    own = effects[effects["model"] != "truth"]
    holds = (own["low"] <= truth) & (own["high"] >= truth)
    yield _share("intervals of the average effect that hold the truth", holds)
    skill = results[results["metric"] == "skill"]
    for model, found in skill.groupby("model")["value"]:
        yield _share(f"skill of {model} where there is no effect", found == 1)


def _share(what: str, holds: pd.Series) -> list[str]:
    share = holds.mean()
    error = np.sqrt(share * (1 - share) / len(holds))
    return [what, f"{len(holds):,}", f"{100 * share:.1f} %", f"{100 * error:.1f} %"]


def near(results: pd.DataFrame, metric: str, digits: int) -> Iterator[list[str]]:
    """A metric against the truth: a row a model, a column a number of customers, best last."""
    rows = results[results["protocol"].str.startswith(NEAR) & (results["metric"] == metric)]
    means = rows.groupby(["model", "protocol"])["value"].agg(["mean", "std", "count"]).unstack()
    sizes = sorted(rows["protocol"].unique(), key=_customers)
    yield ["model", *(f"{_customers(size):,}" for size in sizes)]
    order = means[("mean", sizes[-1])].sort_values(ascending=metric == "rmse").index
    for model in order:
        yield [model, *(_cell(means.loc[model], size, digits) for size in sizes)]


def _cell(row: pd.Series, size: str, digits: int) -> str:
    """The mean over the campaigns of a size, and its spread where there are several."""
    mean, spread = row[("mean", size)], row[("std", size)]
    if np.isnan(mean):
        return ""
    return f"{mean:.{digits}f}" + ("" if np.isnan(spread) else f" ± {spread:.{digits}f}")


def _customers(protocol: str) -> int:
    """The number of customers in the name of a protocol."""
    return int(protocol.removeprefix(NEAR).removesuffix(" customers").replace(",", ""))


def nearness(results: pd.DataFrame) -> Figure:
    """The error of the effects by the number of customers, a line a model."""
    rows = results[results["protocol"].str.startswith(NEAR) & (results["metric"] == "rmse")]
    means = rows.assign(n=rows["protocol"].map(_customers)).groupby(["model", "n"])["value"].mean()
    figure = Figure(figsize=(7.2, 4.2), layout="constrained")
    axes = figure.subplots()
    for model, colour in zip(SHOWN, COLOURS, strict=True):
        line = means[model]
        axes.plot(line.index, line, "o-", color=colour, label=model)
    axes.axhline(means["everybody"].mean(), color=QUIET, linestyle="--", label="everybody")
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("customers")
    axes.set_title("Root mean squared error of the effects", loc="left", fontweight="bold")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=9)
    return figure


def table(rows: Iterator[list[str]]) -> Table:
    """A table of a head and rows."""
    head, *body = rows
    return Table(head, body)


def main() -> None:
    """Write the tables and the figure."""
    results = pd.read_csv(STUDY / "results.csv")
    tables = {
        "rates": table(rates(results)),
        "rmse": table(near(results, "rmse", 3)),
        "rank": table(near(results, "rank_correlation", 2)),
        "policy": table(near(results, "policy_share_of_oracle", 2)),
    }
    write_tables(STUDY, readme=tables)
    (STUDY / "figures").mkdir(exist_ok=True)
    nearness(results).savefig(STUDY / "figures" / "nearness.png", dpi=130)


if __name__ == "__main__":
    main()
