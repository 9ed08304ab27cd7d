"""Rebuilds the tables of this study's README and its figure from results.csv and differences.csv."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from growthlab.evaluation.plots import BLUE, INK, ORANGE, QUIET

sys.path.append(str(Path(__file__).resolve().parents[1]))

from readme_tables import Table, write_tables

STUDY = Path(__file__).resolve().parent
ARMS = ("womens", "mens")
QINI, RATE = "test/qini_sklift", "test/rate_qini"
REFERENCE = "response"


def effects(results: pd.DataFrame) -> Iterator[list[str]]:
    """The average effect of each arm on each outcome."""
    yield ["outcome, e-mail", "customers", "average effect", "p of the sizes"]
    rows = results[results["model"] == "difference of means"].set_index(["protocol", "metric"])
    for protocol in sorted(rows.index.unique("protocol"), reverse=True):
        effect = rows.loc[(protocol, "average_effect")]
        yield [
            protocol,
            f"{rows.loc[(protocol, 'customers')]['value']:,.0f}",
            f"{effect['value']:.4f} [{effect['low']:.4f}, {effect['high']:.4f}]",
            f"{rows.loc[(protocol, 'p_sample_ratio')]['value']:.3f}",
        ]


def models(
    results: pd.DataFrame, differences: pd.DataFrame, outcome: str, metric: str
) -> Iterator[list[str]]:
    """Each model on both arms: mean and spread over folds, paired difference, folds with skill."""
    yield [
        "model",
        *(f"{arm} {what}" for arm in ARMS for what in ("mean", "against response", "skill")),
    ]
    of_outcome = results[results["protocol"].str.startswith(f"{outcome}, ")]
    digits = 3 if metric == QINI else 4
    means = of_outcome[of_outcome["metric"] == metric].groupby(["model", "protocol"])["value"]
    first = means.mean().unstack()[f"{outcome}, {ARMS[0]}"]
    for model in first.sort_values(ascending=False).index:
        cells = [model]
        for arm in ARMS:
            protocol = f"{outcome}, {arm}"
            values = means.get_group((model, protocol))
            own = of_outcome[(of_outcome["model"] == model) & (of_outcome["protocol"] == protocol)]
            skill = own[own["metric"] == "test/skill"]["value"]
            cells += [
                f"{values.mean():.{digits}f} ± {values.std():.{digits}f}",
                against_response(differences, protocol, model, digits),
                f"{int(skill.sum())} of {len(skill)}",
            ]
        yield cells


def against_response(differences: pd.DataFrame, protocol: str, model: str, digits: int) -> str:
    """The paired difference: its mean over the repeats, and the widest of their bounds."""
    if model == REFERENCE:
        return ""
    of_repeats = differences[differences["fold"].isna()]
    rows = of_repeats[(of_repeats["protocol"] == protocol) & (of_repeats["model"] == model)]
    low, high, mean = rows["low"].min(), rows["high"].max(), rows["difference"].mean()
    return f"{mean:+.{digits}f} [{low:+.{digits}f}, {high:+.{digits}f}]"


def spread(results: pd.DataFrame) -> Figure:
    """The Qini of every fold, a row a model, for both arms."""
    figure = Figure(figsize=(9.5, 4.6), layout="constrained")
    for axes, arm, colour in zip(figure.subplots(1, 2), ARMS, (BLUE, ORANGE), strict=True):
        here = results[(results["protocol"] == f"visit, {arm}") & (results["metric"] == QINI)]
        order = here.groupby("model")["value"].mean().sort_values()
        for place, model in enumerate(order.index):
            values = here[here["model"] == model]["value"]
            axes.plot(values, [place] * len(values), "o", color=colour, alpha=0.45, ms=5)
            axes.plot([values.mean()], [place], "|", color=INK, ms=14, mew=2)
        axes.axvline(0, color=QUIET, linewidth=1)
        axes.set_yticks(range(len(order)), order.index)
        axes.set_title(f"{arm}: Qini of each fold", loc="left", fontsize=11, fontweight="bold")
        axes.spines[["top", "right"]].set_visible(False)
    return figure


def table(rows: Iterator[list[str]]) -> Table:
    """A table of a head and rows."""
    head, *body = rows
    return Table(head, body)


def main() -> None:
    """Write the tables and the figure."""
    results = pd.read_csv(STUDY / "results.csv")
    differences = pd.read_csv(STUDY / "differences.csv")
    tables = {
        "effects": table(effects(results)),
        "visit": table(models(results, differences, "visit", QINI)),
        "spend": table(models(results, differences, "spend", RATE)),
    }
    write_tables(STUDY, readme=tables)
    (STUDY / "figures").mkdir(exist_ok=True)
    spread(results).savefig(STUDY / "figures" / "spread.png", dpi=130)


if __name__ == "__main__":
    main()
