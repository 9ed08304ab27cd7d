"""The page of growthlab grow: the champions, the plan, and what each step took."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import pandas as pd

from growthlab.bundle.manifest import Manifest
from growthlab.pages.page import (
    Badge,
    BadgeBlock,
    Chapter,
    DataBlock,
    Page,
    PageTable,
    Tile,
    TileBlock,
    render_page,
)
from growthlab.pages.text_table import metric_label
from growthlab.workbench.grow_steps import DoneStep


class Champion(NamedTuple):
    """The bundle that answers a task, and the metric by which the task chooses."""

    manifest: Manifest
    objective: str


def grow_page(
    data: str,
    champions: Mapping[str, Champion],
    plan: pd.DataFrame,
    steps: Sequence[DoneStep],
    links: Sequence[Badge],
) -> str:
    """One HTML document.

    Parameters
    ----------
    champions : by task
    plan : the rows of ``plan.parquet``
    links : the other pages
    """
    sent = plan[plan["offer"].notna()]
    claim = str(plan["claim"].iloc[0]).replace("_", " ") if len(plan) else "value"
    tiles = [
        *(_tile(task, champion) for task, champion in champions.items()),
        Tile("messages", f"{len(sent):,}", [f"to {sent['customer'].nunique():,} customers"]),
        Tile(claim, f"{sent['value'].sum():,.0f}", [f"at a cost of {sent['cost'].sum():,.2f}"]),
    ]
    rows = [[step.name, step.result, f"{step.seconds:,.1f}"] for step in steps]
    table = PageTable.of_texts(["step", "result", "seconds"], rows, "result")
    chapters = [
        Chapter("Overview", [TileBlock(tiles), BadgeBlock(links)]),
        Chapter("Steps", [DataBlock(table=table)]),
    ]
    return render_page(Page(f"From the log of {data} to a campaign", chapters, navigation="links"))


def _tile(task: str, champion: Champion) -> Tile:
    """The model that answers a task, with its objective on the test window."""
    manifest, objective = champion
    value = manifest.metrics.get(objective, {})
    known = {name: value.get(name) for name in ("value", "low", "high")}
    texts = {n: f"{v:.3f}" for n, v in known.items() if v is not None and math.isfinite(v)}
    bounds = f" [{texts['low']}, {texts['high']}]" if {"low", "high"} <= set(texts) else ""
    figure = f"{metric_label(objective)} {texts.get('value', 'unknown')}{bounds}"
    return Tile(f"{task.replace('_', ' ')} by", manifest.model, [figure])
