"""The tables of a study: those that are read stand in its README between marks, the others in its tables/."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from growthlab.split.origin_windows import OriginWindows, Window, independent_origins

OBJECTIVE = {"churn": "roc_auc", "value": "normalised_gini", "top_n": "ndcg_at_10"}


class Table(NamedTuple):
    """A head, rows of text as they are shown, and how many columns are aligned to the left."""

    head: list[str]
    rows: list[list[str]]
    left: int = 1

    def only(self, *columns: str) -> Table:
        """The named columns."""
        places = [self.head.index(name) for name in columns]
        return Table(list(columns), [[row[i] for i in places] for row in self.rows], self.left)

    def markdown(self) -> str:
        """The table as Markdown, names to the left and numbers to the right."""
        marks = ["---"] * self.left + ["---:"] * (len(self.head) - self.left)
        return "\n".join("| " + " | ".join(row) + " |" for row in [self.head, marks, *self.rows])

    def write_csv(self, path: Path) -> None:
        """The table as CSV, without the bold marks of Markdown."""
        path.parent.mkdir(exist_ok=True)
        with path.open("w", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(self.head)
            writer.writerows([cell.replace("**", "") for cell in row] for row in self.rows)


def write_tables(
    study: Path, *, readme: Mapping[str, Table], files: Mapping[str, Table] | None = None
) -> None:
    """Put each table of `readme` between its marks in README.md, and each of `files` in tables/NAME.csv.

    Raises
    ------
    ValueError
        README.md has no such pair of marks ``<!-- name -->`` and ``<!-- /name -->``.
    """
    path = study / "README.md"
    text = path.read_text()
    for name, table in readme.items():
        start, end = f"<!-- {name} -->", f"<!-- /{name} -->"
        if text.count(start) != 1 or text.count(end) != 1:
            raise ValueError(f"{path} must hold {start} and {end} once each")
        head, tail = text.split(start)[0], text.split(end)[1]
        text = f"{head}{start}\n{table.markdown()}\n{end}{tail}"
    path.write_text(text)
    for name, table in (files or {}).items():
        table.write_csv(study / "tables" / f"{name}.csv")


def newest(results: pd.DataFrame, task: str) -> pd.DataFrame:
    """The rows of a task at its newest cutoff."""
    rows = results[results["task"] == task]
    return rows[rows["protocol"] == rows["protocol"].max()]


def leaderboard(rows: pd.DataFrame, objective: str, others: Sequence[str]) -> Table:
    """Means over seeds and bounds of the objective, best first; the winner on validation is marked."""
    mean = rows.pivot_table(index="model", columns="metric", values="value")
    valid = mean[f"valid/{objective}"]
    main = rows[rows["metric"] == f"test/{objective}"].groupby("model")
    bounds, sd, n_seeds = main[["low", "high"]].mean(), main["value"].std(), main["seed"].nunique()
    lines = []
    for name in mean[f"test/{objective}"].sort_values(ascending=False).index:
        low, high = bounds.loc[name]
        mark = " *" if name == valid.idxmax() else ""
        cells = [
            name + mark,
            str(n_seeds[name]),
            f"{mean.loc[name, f'test/{objective}']:.4f}" + _bounds(low, high),
            f"{sd[name]:.4f}" if n_seeds[name] > 1 else "-",
            f"{valid[name]:.4f}",
            *(_number(mean.loc[name, f"test/{m}"]) for m in others),
            f"{rows[rows['model'] == name]['fit_seconds'].mean():.1f}",
        ]
        lines.append(cells)
    return Table(
        ["model", "seeds", objective, "seed sd", f"valid {objective}", *others, "fit s"], lines
    )


def _bounds(low: float, high: float) -> str:
    """The bounds of a value, nothing where it has none."""
    return "" if math.isnan(low) else f" [{low:.4f}, {high:.4f}]"


def by_cutoff(rows: pd.DataFrame, objective: str) -> Table:
    """The objective at every cutoff, mean over seeds; the best model of each is bold, the oracle apart."""
    main = rows[rows["metric"] == f"test/{objective}"]
    table = main.pivot_table(index="model", columns="protocol", values="value").dropna()
    table = table.sort_values(table.columns[-1], ascending=False)
    best = table.drop(index="oracle", errors="ignore").idxmax()
    cells = [
        [name, *(f"**{v:.4f}**" if best[c] == name else f"{v:.4f}" for c, v in values.items())]
        for name, values in table.iterrows()
    ]
    return Table(["model", *table.columns], cells)


def chosen_by_cutoff(rows: pd.DataFrame, objective: str) -> Table:
    """The model that each cutoff's own validation window chose, and whether it was best on its test.

    Cutoffs are a horizon apart: a test window that chose the winner at a newer cutoff does not count.
    The oracle takes no part, nor a model that did not run at every cutoff.
    """
    means = {
        part: rows[rows["metric"] == f"{part}/{objective}"]
        .pivot_table(index="protocol", columns="model", values="value")
        .drop(columns="oracle", errors="ignore")
        .dropna(axis="columns")
        for part in ("valid", "test")
    }
    cutoffs = pd.to_datetime(means["test"].index.str.removeprefix("cutoff "))
    newest_first = sorted(cutoffs, reverse=True)
    horizon = newest_first[0] - newest_first[1]
    windows = [OriginWindows(Window(c - horizon, c), Window(c, c + horizon)) for c in newest_first]
    independent = independent_origins(windows)
    lines = []
    for origin, cutoff in enumerate(newest_first):
        valid, test = (means[part].iloc[list(cutoffs).index(cutoff)] for part in ("valid", "test"))
        chosen, others = str(valid.idxmax()), test.drop(valid.idxmax())
        ahead, counts = test[chosen] >= others.max(), origin in independent
        values = [chosen, f"{test[chosen]:.4f}", str(others.idxmax()), f"{others.max():.4f}"]
        lines.append(
            [str(cutoff.date()), *values, *("yes" if x else "no" for x in (ahead, counts))]
        )
    return Table(
        ["cutoff", "chosen", "test value", "best other", "its test value", "ahead", "counts"], lines
    )


def _number(value: float) -> str:
    """Short, and n/a where there is none."""
    if pd.isna(value):
        return "n/a"
    return f"{value:,.1f}" if abs(value) >= 100 else f"{value:.4f}"
