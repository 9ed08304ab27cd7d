"""Tables of a study's README from its results.csv."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

OBJECTIVE = {"churn": "roc_auc", "value": "normalised_gini", "top_n": "ndcg_at_10"}


def newest(results: pd.DataFrame, task: str) -> pd.DataFrame:
    """The rows of a task at its newest cutoff."""
    rows = results[results["task"] == task]
    return rows[rows["protocol"] == rows["protocol"].max()]


def leaderboard(rows: pd.DataFrame, objective: str, others: Sequence[str]) -> str:
    """Means over seeds and bounds of the objective, best first; the winner by validation is marked."""
    mean = rows.pivot_table(index="model", columns="metric", values="value")
    valid = mean[f"valid/{objective}"]
    main = rows[rows["metric"] == f"test/{objective}"].groupby("model")
    bounds, sd, n_seeds = main[["low", "high"]].mean(), main["value"].std(), main["seed"].nunique()
    names = mean[f"test/{objective}"].sort_values(ascending=False).index
    head = ["model", "seeds", objective, "seed sd", f"valid {objective}", *others, "fit s"]
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" + " ---: |" * (len(head) - 1)]
    for name in names:
        low, high = bounds.loc[name]
        mark = " *" if name == valid.idxmax() else ""
        cells = [
            name + mark,
            str(n_seeds[name]),
            f"{mean.loc[name, f'test/{objective}']:.4f} [{low:.4f}, {high:.4f}]",
            f"{sd[name]:.4f}" if n_seeds[name] > 1 else "-",
            f"{valid[name]:.4f}",
            *(_number(mean.loc[name, f"test/{m}"]) for m in others),
            f"{rows[rows['model'] == name]['fit_seconds'].mean():.1f}",
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _number(value: float) -> str:
    """Short, and n/a where there is none."""
    if pd.isna(value):
        return "n/a"
    return f"{value:,.1f}" if abs(value) >= 100 else f"{value:.4f}"


def between(text: str, mark: str, table: str) -> str:
    """The text with the table between ``<!-- mark -->`` and ``<!-- /mark -->``."""
    start, end = f"<!-- {mark} -->", f"<!-- /{mark} -->"
    head, _, rest = text.partition(start)
    _, _, tail = rest.partition(end)
    return f"{head}{start}\n{table}\n{end}{tail}"
