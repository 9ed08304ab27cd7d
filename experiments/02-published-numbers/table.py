"""Rebuilds the tables of this study's README, its tables/ and its figure from results.csv and plan.yaml."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pandas as pd
import yaml
from matplotlib.figure import Figure

from growthlab.evaluation.plots import BLUE, ORANGE

sys.path.append(str(Path(__file__).resolve().parents[1]))

from readme_tables import Table, write_tables
from study import Step, Study

SHOWN = {"HR@10": "test/hit_rate_at_10", "NDCG@10": "test/ndcg_at_10"}


def compared(results: pd.DataFrame, steps: list[Step], ran: dict[str, str]) -> pd.DataFrame:
    """One row a model: reached (mean over seeds or draws), published, fit seconds, device.

    A row whose settings in `ran` are not those of the plan counts as not run.
    """
    rows = []
    for step in steps:
        row, model = step.row, step.row["model"]
        own = results[(results["protocol"] == step.protocol) & (results["model"] == model)]
        own = own if ran.get(f"{step.protocol}: {model}") == step.settings else own[:0]
        reached = own.groupby("metric")["value"].mean()
        rows.append(
            {
                "model": f"{model} ({row['name']})" if "name" in row else model,
                "settings": step.settings.replace("model.", "") or "defaults",
                "settings_from": _settings_from(row),
                "source": row.get("source", step.plan.get("source")) if "published" in row else "",
                "published": row.get("published"),
                "reached": [reached.get(m) for m in step.plan.get("shown", SHOWN).values()],
                "fit_seconds": own["fit_seconds"].mean(),
                "device": own["device"].iloc[0] if len(own) else "",
            }
        )
    return pd.DataFrame(rows)


def _settings_from(row: dict[str, Any]) -> str:
    """Whose settings a row of the plan has, in a word or two."""
    origin = row.get("settings_from", "source" if "published" in row else "ours")
    return {"chosen": "chosen here"}.get(origin, origin)


def joined(values: Any, form: str = ".4f") -> str:
    """``0.1234 / 0.1234``."""
    return " / ".join(f"{v:{form}}" for v in values)


def table_of(rows: pd.DataFrame, part: dict[str, Any]) -> Table:
    """What was reached beside what was published."""
    shown = " / ".join(part.get("shown", SHOWN))
    lines = []
    for row in rows.itertuples():
        published = joined(row.published) if row.published else "none"
        reached, difference, seconds = "not run", "", ""
        if None not in row.reached:
            reached, seconds = joined(row.reached), f"{row.fit_seconds:,.0f} s"
        if None not in row.reached and row.published:
            pairs = zip(row.reached, row.published, strict=True)
            difference = joined([ours - theirs for ours, theirs in pairs], "+.4f")
        lines.append(
            [
                *(row.model, row.settings, row.settings_from, row.source, published),
                *(reached, difference, seconds, row.device),
            ]
        )
    head = [
        "model",
        "settings",
        "settings from",
        "published by",
        f"published {shown}",
        f"reached {shown}",
        "difference",
        "fit",
        "on",
    ]
    return Table(head, lines)


def for_readme(table: Table, part: dict[str, Any]) -> Table:
    """The columns that the README shows: without published figures, only what was reached."""
    shown = " / ".join(part.get("shown", SHOWN))
    if not any("published" in row for row in part["rows"]):
        return table.only("model", f"reached {shown}")
    words = ("model", "settings from")
    numbers = (f"published {shown}", f"reached {shown}", "difference")
    return table.only(*words, *numbers)._replace(left=len(words))


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
    """Write the tables and the figure."""
    study = Study(__file__)
    folder, parts = study.folder, study.plan["parts"]
    results = pd.read_csv(folder / "results.csv")
    ran = yaml.safe_load((folder / "ran.yaml").read_text())
    rows = {
        name: compared(results, [step for step in study.steps if step.part == name], ran)
        for name in parts
    }
    tables = {name: table_of(rows[name], part) for name, part in parts.items()}
    readme = {name: for_readme(tables[name], part) for name, part in parts.items()}
    write_tables(folder, readme=readme, files=tables)
    (folder / "figures").mkdir(exist_ok=True)
    titled = {part["title"]: rows[n] for n, part in parts.items() if "shown" not in part}
    figure(titled).savefig(folder / "figures" / "ndcg.png", dpi=140)


if __name__ == "__main__":
    main()
