"""Rebuilds the tables of this study's README and its figure from results.csv and plan.yaml.

python experiments/02-published-numbers/table.py
"""

from __future__ import annotations

import re
from typing import Any

import pandas as pd
from matplotlib.figure import Figure
from plan import STUDY, is_current, protocol_of, sections, settings_of

from growthlab.evaluation.plots import BLUE, ORANGE

SHOWN = {"HR@10": "test/hit_rate_at_10", "NDCG@10": "test/ndcg_at_10"}


def compared(results: pd.DataFrame, section: str, part: dict[str, Any]) -> pd.DataFrame:
    """One row a model: reached (mean over seeds or draws), published, fit seconds, device."""
    rows = []
    for row in part["rows"]:
        protocol = protocol_of(section, part, row)
        own = results[(results["protocol"] == protocol) & (results["model"] == row["model"])]
        own = own if is_current(protocol, row) else own[:0]
        reached = own.groupby("metric")["value"].mean()
        rows.append(
            {
                "model": " ".join(
                    [row["model"], f"({row['name']})" if "name" in row else ""]
                ).strip(),
                "settings": " ".join(settings_of(row)).replace("model.", "") or "defaults",
                "how": "chosen here" if row.get("chosen") else "",
                "published": row.get("published"),
                "reached": [reached.get(m) for m in part.get("shown", SHOWN).values()],
                "fit_seconds": own["fit_seconds"].mean(),
                "device": own["device"].iloc[0] if len(own) else "",
            }
        )
    return pd.DataFrame(rows)


def joined(values: Any, form: str = ".4f") -> str:
    """``0.1234 / 0.1234``."""
    return " / ".join(f"{v:{form}}" for v in values)


def markdown(table: pd.DataFrame, part: dict[str, Any]) -> str:
    """What was reached beside what was published."""
    shown = " / ".join(part.get("shown", SHOWN))
    lines = [
        f"| model | settings | published {shown} | reached | difference | fit | on |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in table.itertuples():
        published = joined(row.published) if row.published else "none"
        reached, difference, seconds = "not run", "", ""
        if None not in row.reached:
            reached, seconds = joined(row.reached), f"{row.fit_seconds:,.0f} s"
        if None not in row.reached and row.published:
            pairs = zip(row.reached, row.published, strict=True)
            difference = joined([ours - theirs for ours, theirs in pairs], "+.4f")
        settings = f"{row.settings} ({row.how})" if row.how else row.settings
        cells = [row.model, settings, published, reached, difference, seconds, row.device]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def figure(tables: dict[str, pd.DataFrame]) -> Figure:
    """NDCG@10 reached and published, a panel a section."""
    height = max(len(t) for t in tables.values())
    canvas = Figure(figsize=(4.2 * len(tables), 1.2 + 0.32 * height), layout="constrained")
    panels = canvas.subplots(1, len(tables), squeeze=False)[0]
    for axes, (title, table) in zip(panels, tables.items(), strict=True):
        own = table[table["reached"].map(lambda r: None not in r).astype(bool)][::-1]
        with_source = own[own["published"].notna()]
        axes.plot(
            [r[1] for r in own["reached"]], own["model"], "o", color=BLUE, ms=4, label="reached"
        )
        published = [p[1] for p in with_source["published"]]
        axes.plot(published, with_source["model"], "o", color=ORANGE, mfc="none", label="published")
        axes.set_title(title, fontsize=10, loc="left")
        axes.spines[["top", "right"]].set_visible(False)
        axes.set_xlabel("NDCG@10")
    panels[0].legend(frameon=False, fontsize=9)
    return canvas


def main() -> None:
    """Write the tables between their marks in README.md, and the figure."""
    results = pd.read_csv(STUDY / "results.csv")
    plan, readme = sections(), STUDY / "README.md"
    tables = {section: compared(results, section, part) for section, part in plan.items()}
    text = readme.read_text()
    for section, table in tables.items():
        block = f"<!-- {section} -->\n{markdown(table, plan[section])}\n<!-- /{section} -->"
        mark = rf"<!-- {section} -->.*?<!-- /{section} -->"
        text = re.sub(mark, lambda _, b=block: b, text, flags=re.DOTALL)
    readme.write_text(text)
    (STUDY / "figures").mkdir(exist_ok=True)
    alike = [section for section, part in plan.items() if "shown" not in part]
    named = {plan[section]["title"]: tables[section] for section in alike}
    figure(named).savefig(STUDY / "figures" / "ndcg.png", dpi=140)


if __name__ == "__main__":
    main()
