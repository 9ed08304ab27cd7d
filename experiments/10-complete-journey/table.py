"""Rebuilds the tables of this study's README and its figure from results.csv and refusals.csv."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import yaml
from matplotlib.figure import Figure

from growthlab.evaluation.plots import BLUE, ORANGE, QUIET

sys.path.append(str(Path(__file__).resolve().parents[1]))

from readme_tables import Table, write_tables

STUDY = Path(__file__).resolve().parent
ADJUSTED = {
    "none": "nothing",
    "change": "own change",
    "spend before": "spend before",
    "all known": "all known",
}
WINDOWS = {"after": "after the start", "before": "before the start (placebo)"}
OTHERS, GOT = "none", "campaign"
SHOWN_METRICS = ("average_precision", "roc_auc", "normalised_gini")
LEFT_OUT = (
    ", so nothing can be said",
    ": possible:",
    " WATCH:",
)  # what follows, but in the first line


def value(rows: pd.DataFrame, protocol: str, model: str, metric: str) -> pd.Series:
    """The row of a metric."""
    found = rows[
        (rows["protocol"] == protocol) & (rows["model"] == model) & (rows["metric"] == metric)
    ]
    row: pd.Series = found.iloc[0]
    return row


def campaigns(results: pd.DataFrame) -> list[str]:
    """The protocols of the campaigns, in their order."""
    rows = results[results["task"] == "difference"]["protocol"].unique()
    return sorted(rows, key=lambda protocol: int(protocol.removeprefix("campaign ")))


def bounded(row: pd.Series, digits: int = 1, sign: str = "+") -> str:
    """A value with its bounds."""
    low, high = (f"{row[k]:.{digits}f}" for k in ("low", "high"))
    return f"{row['value']:{sign}.{digits}f} [{low}, {high}]"


def groups(results: pd.DataFrame) -> Iterator[list[str]]:
    """Who got each campaign and who did not."""
    yield [
        "campaign",
        "group",
        "households",
        "spend after",
        "spend before",
        "another campaign open, %",
        "redeem, %",
    ]
    for protocol in campaigns(results):
        for group, words in ((GOT, "got it"), (OTHERS, "did not")):
            facts = {
                name: value(results, protocol, "facts", f"{name} {group}")["value"]
                for name in ("households", "another campaign open")
            }
            spend = [value(results, protocol, group, f"spend {w}")["value"] for w in WINDOWS]
            redeem = 100 * value(results, protocol, "facts", "redeem")["value"]
            yield [
                protocol.removeprefix("campaign "),
                words,
                f"{facts['households']:,.0f}",
                *(f"{each:.2f}" for each in spend),
                f"{100 * facts['another campaign open']:.0f}",
                f"{redeem:.0f}" if group == GOT else "",
            ]


def differences(results: pd.DataFrame) -> Iterator[list[str]]:
    """The difference after the start beside that before it, by what it is adjusted."""
    yield ["campaign", "adjusted by", *WINDOWS.values()]
    for protocol in campaigns(results):
        for model, words in ADJUSTED.items():
            cells = [bounded(value(results, protocol, model, f"difference {w}")) for w in WINDOWS]
            yield [protocol.removeprefix("campaign "), words, *cells]


def balance(results: pd.DataFrame, plan: dict[str, Any]) -> Iterator[list[str]]:
    """Means of some columns at the last start, and their standardised differences at every start."""
    protocols = campaigns(results)
    last = protocols[-1]
    numbers = [protocol.removeprefix("campaign ") for protocol in protocols]
    yield ["column", "did not get it", "got it", *numbers]
    for name in plan["shown"]:
        means = [value(results, last, group, f"mean {name}")["value"] for group in (OTHERS, GOT)]
        metric = f"standardised difference of {name}"
        cells = [value(results, p, "balance", metric)["value"] for p in protocols]
        yield [name, *(f"{m:.2f}" for m in means), *(f"{cell:+.2f}" for cell in cells)]
    far = [value(results, p, "facts", "columns far apart")["value"] for p in protocols]
    of_all = [value(results, p, "facts", "columns")["value"] for p in protocols]
    shares = [f"{n:.0f} of {m:.0f}" for n, m in zip(far, of_all, strict=True)]
    yield ["columns further apart than 0.1", "", "", *shares]
    aucs = [
        value(results, p, "facts", "roc_auc of spend for who got it")["value"] for p in protocols
    ]
    yield ["ROC AUC of spend so far for who got it", "", "", *(f"{auc:.3f}" for auc in aucs)]


def history(results: pd.DataFrame) -> Iterator[list[str]]:
    """Each metric with purchases alone, and what changes with response history."""
    yield ["predicted", "model", "metric", "purchases", "with history too", "history alone"]
    rows = results[results["model"].str.endswith(", purchases")]
    for row in rows.itertuples():
        model = row.model.removesuffix(", purchases")
        own = results[results["task"] == row.task]
        cells = [
            bounded(value(own, row.protocol, f"{model}, {f}", f"difference of {row.metric}"), 3)
            for f in ("purchases and history", "history")
        ]
        yield [row.task, model, row.metric, f"{row.value:.3f}", *cells]


def refusals(results: pd.DataFrame, said: pd.DataFrame) -> Iterator[list[str]]:
    """What each command says to the last campaign, with its exit status."""
    yield ["command", "exit status", "what it says"]
    status = results[results["task"] == "refusal"].set_index("model")["value"]
    for place, row in enumerate(said.itertuples()):
        line = row.said.removeprefix("growthlab: ")
        for words in LEFT_OUT if place else ():
            line = line.split(words)[0] + " …" if words in line else line
        yield [row.step, f"{status[row.step]:.0f}", line]


def figure(results: pd.DataFrame) -> Figure:
    """The differences after the start and before it, with their bounds."""
    drawn = Figure(figsize=(8, 4.2), layout="constrained")
    axes = drawn.subplots(1, 3, sharex=True, sharey=True)
    for panel, protocol in zip(axes, campaigns(results), strict=True):
        for shift, (window, colour) in zip(
            (-0.12, 0.12), zip(WINDOWS, (BLUE, ORANGE), strict=True), strict=True
        ):
            rows = pd.DataFrame(
                [value(results, protocol, model, f"difference {window}") for model in ADJUSTED]
            )
            places = [place + shift for place in range(len(rows))]
            errors = [rows["value"] - rows["low"], rows["high"] - rows["value"]]
            panel.errorbar(
                rows["value"],
                places,
                xerr=errors,
                fmt="o",
                ms=4,
                color=colour,
                label=WINDOWS[window],
            )
        panel.axvline(0, color=QUIET, lw=0.8)
        panel.set_title(protocol, loc="left", fontsize=10, fontweight="bold")
        panel.spines[["top", "right"]].set_visible(False)
    labels = [f"adjusted by\n{words}" for words in ADJUSTED.values()]
    axes[0].set_yticks(range(len(labels)), labels, fontsize=8)
    axes[0].invert_yaxis()
    axes[1].set_xlabel("difference in spend, dollars of the sample a household")
    handles, names = axes[0].get_legend_handles_labels()
    drawn.legend(handles, names, loc="outside upper right", ncols=2, frameon=False, fontsize=9)
    return drawn


def table(rows: Iterator[list[str]], left: int = 1) -> Table:
    """A table of a head and rows."""
    head, *body = rows
    return Table(head, body, left)


def main() -> None:
    """Write the tables and the figure."""
    results = pd.read_csv(STUDY / "results.csv")
    plan = yaml.safe_load((STUDY / "plan.yaml").read_text())
    of_history = table(history(results), left=3)
    shown = [row for row in of_history.rows if row[2] in SHOWN_METRICS]
    tables = {
        "groups": table(groups(results), left=2),
        "differences": table(differences(results), left=2),
        "balance": table(balance(results, plan)),
        "history": of_history._replace(rows=shown),
        "refusals": table(refusals(results, pd.read_csv(STUDY / "refusals.csv")), left=3),
    }
    write_tables(STUDY, readme=tables, files={"history": of_history})
    (STUDY / "figures").mkdir(exist_ok=True)
    figure(results).savefig(STUDY / "figures" / "differences.png", dpi=130)


if __name__ == "__main__":
    main()
