"""Rebuilds the tables of this study's README and its figure from results.csv and plan.yaml.

python experiments/02-published-numbers/table.py
"""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd
import yaml
from matplotlib.figure import Figure

from growthlab.evaluation.plots import BLUE, ORANGE

STUDY = Path(__file__).resolve().parent
METRICS = ("test/hit_rate_at_10", "test/ndcg_at_10")
DATA = {"ml1m_99_negatives": "movielens_1m", "beauty": "amazon_2014_beauty"}


def compared(results: pd.DataFrame, plan: dict) -> pd.DataFrame:
    """One row a protocol and model: reached (mean over draws), published, fit seconds."""
    rows = []
    for protocol, models in plan.items():
        here = results[results["data"] == DATA[protocol]]
        for model, entry in models.items():
            own = here[here["model"] == model]
            reached = own.groupby("metric")["value"].mean()
            rows.append(
                {
                    "protocol": protocol,
                    "model": model,
                    "settings": " ".join(entry["settings"]) or "none",
                    "how": "chosen here" if entry.get("chosen") else "of the source",
                    "published": entry["published"],
                    "reached": [reached.get(m) for m in METRICS],
                    "fit_seconds": own["fit_seconds"].mean(),
                }
            )
    return pd.DataFrame(rows)


def markdown(table: pd.DataFrame) -> str:
    """HR@10 / NDCG@10 reached beside the published ones."""
    lines = [
        "| model | settings | published HR@10 / NDCG@10 | reached | difference | fit |",
        "|---|---|---|---|---|---|",
    ]
    for row in table.itertuples():
        published = " / ".join(f"{v:.4f}" for v in row.published)
        reached, difference, seconds = "not yet run", "", ""
        if None not in row.reached:
            reached = " / ".join(f"{v:.4f}" for v in row.reached)
            pairs = zip(row.reached, row.published, strict=True)
            difference = " / ".join(f"{ours - theirs:+.4f}" for ours, theirs in pairs)
            seconds = f"{row.fit_seconds:.0f} s"
        settings = f"{row.settings} ({row.how})"
        lines.append(
            f"| {row.model} | {settings} | {published} | {reached} | {difference} | {seconds} |"
        )
    return "\n".join(lines)


def figure(table: pd.DataFrame) -> Figure:
    """NDCG@10 reached and published, a panel a protocol."""
    canvas = Figure(figsize=(9, 3.4), layout="constrained")
    panels = canvas.subplots(1, len(DATA))
    for axes, protocol in zip(panels, DATA, strict=True):
        own = table[table["protocol"] == protocol]
        own = own[[None not in reached for reached in own["reached"]]]
        names = own["model"].tolist()[::-1]
        published = [p[1] for p in own["published"]][::-1]
        reached = [r[1] for r in own["reached"]][::-1]
        axes.plot(published, names, "o", color=ORANGE, fillstyle="none", label="published")
        axes.plot(reached, names, "o", color=BLUE, markersize=4, label="reached")
        axes.set_title(protocol, fontsize=10, loc="left")
        axes.spines[["top", "right"]].set_visible(False)
        axes.set_xlabel("NDCG@10")
    panels[0].legend(frameon=False, fontsize=9)
    return canvas


def main() -> None:
    """Write the tables between their marks in README.md, and the figure."""
    results = pd.read_csv(STUDY / "results.csv")
    plan = yaml.safe_load((STUDY / "plan.yaml").read_text())
    table, readme = compared(results, plan), STUDY / "README.md"
    text = readme.read_text()
    for protocol in plan:
        block = markdown(table[table["protocol"] == protocol])
        block = f"<!-- {protocol} -->\n{block}\n<!-- /{protocol} -->"
        text = re.sub(
            rf"<!-- {protocol} -->.*?<!-- /{protocol} -->",
            lambda _, b=block: b,
            text,
            flags=re.DOTALL,
        )
    readme.write_text(text)
    (STUDY / "figures").mkdir(exist_ok=True)
    figure(table).savefig(STUDY / "figures" / "ndcg.png", dpi=140)


if __name__ == "__main__":
    main()
