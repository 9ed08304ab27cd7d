"""Rebuilds the tables of this study's README and its figure from results.csv."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import yaml
from matplotlib.figure import Figure
from scipy.stats import beta, t

from growthlab.evaluation.plots import BLUE, INK, ORANGE, QUIET

sys.path.append(str(Path(__file__).resolve().parents[1]))

from readme_tables import Table, write_tables

STUDY = Path(__file__).resolve().parent
NOBODY, ORACLE = "nobody", "oracle"
PLANNERS = {"planner_heuristic": "heuristic values", "planner_learner": "learns"}


def mean_with_bounds(values: pd.Series, digits: int = 0) -> str:
    """The mean over the markets, with 95 % bounds of Student's t."""
    n, mean = len(values), values.mean()
    if n < 2:
        return f"{mean:,.{digits}f}"
    half = t.ppf(0.975, n - 1) * values.std(ddof=1) / np.sqrt(n)
    return f"{mean:,.{digits}f} [{mean - half:,.{digits}f}, {mean + half:,.{digits}f}]"


def whole(results: pd.DataFrame) -> pd.DataFrame:
    """The markets in which every policy has run."""
    counts = results.groupby("seed")["model"].nunique()
    return results[results["seed"].isin(counts[counts == counts.max()].index)]


def totals(results: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Sums over the months, a row a market and a column a policy."""
    rows = results[results["metric"] == metric]
    return rows.pivot_table(index="seed", columns="model", values="value", aggfunc="sum")


def profits(results: pd.DataFrame) -> Iterator[list[str]]:
    """Each policy: what it adds to the profit, its share of the oracle's, messages, opt-outs, customers."""
    yield [
        "policy",
        "profit added",
        "% of profit",
        "% of the oracle's",
        "messages a month",
        "opt-outs of 1,000 messages",
        "customers kept",
    ]
    profit, messages = totals(results, "profit"), totals(results, "messages")
    closed = totals(results, "opt_outs")
    last = results[(results["metric"] == "here") & (results["protocol"] == last_month(results))]
    here = last.pivot_table(index="seed", columns="model", values="value")
    gained = profit.sub(profit[NOBODY], axis=0)
    for name in gained.mean().sort_values(ascending=False).index:
        sent = messages[name].mean()
        share = gained[name] / gained[ORACLE]
        yield [
            name,
            "" if name == NOBODY else mean_with_bounds(gained[name]),
            "" if name == NOBODY else f"{100 * gained[name].mean() / profit[NOBODY].mean():.1f}",
            "" if name in (NOBODY, ORACLE) else mean_with_bounds(100 * share),
            f"{sent / results_months(results):,.0f}",
            f"{1000 * closed[name].mean() / sent:.1f}" if sent else "",
            mean_with_bounds(here[name] - here[NOBODY]) if name != NOBODY else "",
        ]


def last_month(results: pd.DataFrame) -> str:
    """The protocol of the last month."""
    return f"month {results_months(results)}"


def results_months(results: pd.DataFrame) -> int:
    """How many months were run."""
    months = results["protocol"].str.extract(r"month (\d+)")[0].dropna().astype(int)
    return int(months.max())


def statements(results: pd.DataFrame) -> Iterator[list[str]]:
    """How often the intervals of ab and ope hold the truth."""
    yield [
        "statement",
        "policy",
        "statements",
        "hold the truth",
        "%",
        "bounds of the %",
        "say more than 0",
        "refused",
    ]
    rows = results.set_index(["seed", "model", "protocol", "metric"])
    for kind, name in (("ab_effect", "ab_truth"), ("ope_value", "ope_truth")):
        for planner, words in PLANNERS.items():
            said = results[(results["metric"] == kind) & (results["model"] == planner)]
            refused = results[(results["metric"] == "ope_refused") & (results["model"] == planner)]
            if said.empty:
                yield [kind, words, "0", "", "", "", "", str(len(refused))]
                continue
            keys = [
                (*key, name)
                for key in zip(said["seed"], said["model"], said["protocol"], strict=True)
            ]
            truth = rows.loc[keys, "value"].to_numpy()
            held = int(((said["low"] <= truth) & (truth <= said["high"])).sum())
            n = len(said)
            low, high = beta.ppf(0.025, held, n - held + 1), beta.ppf(0.975, held + 1, n - held)
            above = int((said["low"] > 0).sum()) if kind == "ab_effect" else None
            yield [
                kind,
                words,
                str(n),
                str(held),
                f"{100 * held / n:.1f}",
                f"{100 * low:.1f} to {100 * (1 if held == n else high):.1f}",
                "" if above is None else str(above),
                str(len(refused)) if kind == "ope_value" else "",
            ]


def costs(results: pd.DataFrame) -> Iterator[list[str]]:
    """What control and exploration cost, by the true effects, and offers whose order was shown."""
    yield [
        "planner",
        "exploration",
        "control",
        "the plan itself earns",
        "months in which an offer has skill",
    ]
    for planner, words in PLANNERS.items():
        of_planner = results[results["model"] == planner]
        sums = {
            metric: totals(of_planner, metric)[planner]
            for metric in ("cost_of_exploration", "cost_of_control", "planned_total")
        }
        skilled = of_planner[of_planner["metric"] == "offers_with_skill"]["value"]
        yield [
            words,
            mean_with_bounds(sums["cost_of_exploration"]),
            mean_with_bounds(sums["cost_of_control"]),
            mean_with_bounds(sums["planned_total"]),
            f"{int((skilled > 0).sum())} of {len(skilled)}" if len(skilled) else "",
        ]


def fairness(results: pd.DataFrame) -> Iterator[list[str]]:
    """Discounts a customer, by third of earlier profit, and the widest gap between age bands."""
    yield ["policy", "lowest third", "middle", "highest", "age bands, lowest to highest"]
    rows = results[results["metric"].str.startswith("discounts, ")]
    means = rows.pivot_table(index="model", columns="metric", values="value")
    ages = means[[c for c in means if "age" in c]]
    for name in means.index:
        if means.loc[name].max() == 0:
            continue
        yield [
            name,
            *(f"{means.loc[name, f'discounts, third {k}']:.2f}" for k in range(3)),
            f"{ages.loc[name].min():.2f} to {ages.loc[name].max():.2f}",
        ]


def by_month(results: pd.DataFrame) -> Figure:
    """What each policy has added to the profit up to each month, mean of the markets."""
    rows = results[results["metric"] == "profit"].copy()
    rows["month"] = rows["protocol"].str.removeprefix("month ").astype(int)
    profit = rows.pivot_table(index=["seed", "month"], columns="model", values="value")
    gained = profit.sub(profit[NOBODY], axis=0).groupby("seed").cumsum().groupby("month").mean()
    figure = Figure(figsize=(8, 4.6), layout="constrained")
    axes = figure.subplots()
    colours = {ORACLE: INK, "planner_learner": BLUE, "planner_heuristic": ORANGE}
    last = gained.drop(columns=NOBODY).iloc[-1].sort_values()
    apart = 0.045 * np.ptp(last)  # of two labels
    places = np.maximum.accumulate(last - apart * np.arange(len(last))) + apart * np.arange(
        len(last)
    )
    for name, place in zip(last.index, places, strict=True):
        colour = colours.get(name, QUIET)
        axes.plot(gained.index, gained[name], color=colour, lw=2 if name in colours else 1)
        axes.text(gained.index[-1] + 0.15, place, name, fontsize=8, va="center", color=colour)
    axes.axhline(0, color=QUIET, lw=0.8)
    axes.set_xlabel("month")
    axes.set_xticks(gained.index)
    axes.set_title(
        "Profit added since the first month, over nobody",
        loc="left",
        fontsize=11,
        fontweight="bold",
    )
    axes.spines[["top", "right"]].set_visible(False)
    axes.margins(x=0.02)
    axes.set_xlim(1, gained.index[-1] * 1.25)
    return figure


def table(rows: Iterator[list[str]], left: int = 1) -> Table:
    """A table of a head and rows."""
    head, *body = rows
    return Table(head, body, left)


def main() -> None:
    """Write the tables and the figure."""
    results = whole(pd.read_csv(STUDY / "results.csv"))
    planned = yaml.safe_load((STUDY / "plan.yaml").read_text())["parts"]["markets"]["rows"]
    tables = {
        "profits": table(profits(results)),
        "statements": table(statements(results), left=2),
        "costs": table(costs(results)),
        "fairness": table(fairness(results)),
    }
    write_tables(STUDY, readme=tables)
    (STUDY / "figures").mkdir(exist_ok=True)
    by_month(results).savefig(STUDY / "figures" / "by_month.png", dpi=130)
    print(f"{results['seed'].nunique()} of {len(planned)} markets")


if __name__ == "__main__":
    main()
