"""Rebuilds the tables of this study's README and its figure from results.csv."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from scipy.stats import t, ttest_1samp

from growthlab.evaluation.plots import BLUE, INK, ORANGE, QUIET
from growthlab.evaluation.significance import holm

sys.path.append(str(Path(__file__).resolve().parents[1]))

from readme_tables import Table, write_tables

STUDY = Path(__file__).resolve().parent
ALONE = "customer table"
GROUPS = {
    "with contacts": BLUE,
    "with lists": ORANGE,
    "with both": INK,
    "with both, permuted": QUIET,
}
TASKS = {
    "churn": "churn: ROC AUC",
    "value": "value: normalised Gini",
    "uplift": "effect, learned: rank correlation",
    "effect": "effect, shown: rank correlation",
}


def differences(results: pd.DataFrame) -> pd.DataFrame:
    """Each group less the customer table alone, paired by market: mean, 95 % bounds, p and Holm's p."""
    values = results.pivot_table(
        index=["task", "model", "seed"], columns="protocol", values="value"
    )
    rows = []
    for (task, model), own in values.groupby(level=["task", "model"]):
        for group in GROUPS:
            difference = (own[group] - own[ALONE]).to_numpy()
            n = len(difference)
            half = t.ppf(0.975, n - 1) * difference.std(ddof=1) / np.sqrt(n)
            rows.append(
                {
                    "task": task, "model": model, "group": group, "alone": own[ALONE].mean(),
                    "mean": difference.mean(), "half": half, "higher": int((difference > 0).sum()),
                    "markets": n, "p": ttest_1samp(difference, 0.0).pvalue,
                }
            )  # fmt: skip
    table = pd.DataFrame(rows)
    return table.assign(p_holm=holm(table["p"].to_numpy()))


def overview(found: pd.DataFrame) -> Iterator[list[str]]:
    """A row a task and model, a column a group; bold where Holm's p is below 0.05."""
    yield ["predicted", "model", ALONE, *GROUPS]
    for task, words in TASKS.items():
        for model, own in found[found["task"] == task].groupby("model"):
            by_group = own.set_index("group")
            cells = [_cell(by_group.loc[group]) for group in GROUPS]
            yield [words, str(model), f"{own['alone'].iloc[0]:.3f}", *cells]


def _cell(row: pd.Series) -> str:
    """The difference with its bounds."""
    low, high = row["mean"] - row["half"], row["mean"] + row["half"]
    text = f"{row['mean']:+.3f} [{low:+.3f}, {high:+.3f}]"
    return f"**{text}**" if row["p_holm"] < 0.05 else text


def tests(found: pd.DataFrame) -> Iterator[list[str]]:
    """Every difference with its p values."""
    yield ["task", "model", "group", "difference", "low", "high", "higher in", "p", "p Holm"]
    for row in found.itertuples():
        bounds = (row.mean, row.mean - row.half, row.mean + row.half)
        numbers = [f"{value:.4f}" for value in bounds]
        of = f"{row.higher} of {row.markets}"
        yield [row.task, row.model, row.group, *numbers, of, f"{row.p:.4f}", f"{row.p_holm:.4f}"]


def intervals(found: pd.DataFrame) -> Figure:
    """The differences, a panel a task."""
    figure = Figure(figsize=(10.5, 3.8), layout="constrained")
    panels = figure.subplots(1, len(TASKS))
    for axes, (task, words) in zip(panels, TASKS.items(), strict=True):
        own = found[found["task"] == task]
        models = sorted(own["model"].unique(), reverse=True)
        for place, (group, colour) in enumerate(GROUPS.items()):
            rows = own[own["group"] == group].set_index("model").loc[models]
            y = np.arange(len(models)) + 0.3 - 0.2 * place
            axes.errorbar(
                rows["mean"], y, xerr=rows["half"], fmt="o", color=colour, ms=4, label=group
            )
        axes.axvline(0, color=QUIET, lw=0.8)
        axes.set_yticks(range(len(models)), models)
        axes.set_title(words.replace(": ", "\n"), loc="left", fontsize=9)
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(labelsize=8)
    title = f"Difference to the {ALONE} alone, with 95 % bounds"
    figure.suptitle(title, x=0.01, ha="left", fontsize=11, fontweight="bold")
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4, frameon=False, fontsize=8)
    return figure


def table(rows: Iterator[list[str]], left: int) -> Table:
    """A table of a head and rows."""
    head, *body = rows
    return Table(head, body, left)


def main() -> None:
    """Write the tables and the figure."""
    found = differences(pd.read_csv(STUDY / "results.csv"))
    write_tables(
        STUDY,
        readme={"differences": table(overview(found), left=2)},
        files={"tests": table(tests(found), left=3)},
    )
    (STUDY / "figures").mkdir(exist_ok=True)
    intervals(found).savefig(STUDY / "figures" / "differences.png", dpi=130)


if __name__ == "__main__":
    main()
