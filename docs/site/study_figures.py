"""What the studies of experiments/ measured of each model, read from their results.csv."""

from __future__ import annotations

import csv
from collections import defaultdict
from functools import cache
from pathlib import Path
from statistics import fmean
from typing import NamedTuple

import yaml

from growthlab.config.conf_tree import CONF

ROOT = Path(__file__).parents[2]
EXPERIMENTS = ROOT / "experiments"


class Place(NamedTuple):
    """What was compared: models in a row of this place were measured on the same customers."""

    study: str  # its folder
    task: str
    data: str
    protocol: str
    split: str


@cache
def studies() -> dict[str, str]:
    """The title of each study by the name of its folder."""
    readmes = sorted(EXPERIMENTS.glob("[0-9]*/README.md"))
    return {path.parent.name: _first_line(path).lstrip("# ") for path in readmes}


def page_of(study: str) -> str:
    """The page of a study on the site."""
    return f"studies/{study}.md"


def studies_table(task: str, family: str, model: str) -> str:
    """The objective of the task in every study that has the model, beside the best model there.

    A study that measured something else of it is named below the table.
    """
    measured, named = _measured()
    models = {path.stem for path in (CONF / "model" / family).glob("*.yaml")}
    rows = []
    for place, values in measured.items():
        if place.task != task or model not in values:
            continue
        means = {name: fmean(found) for name, found in values.items() if name in models}
        best = max(means, key=means.__getitem__)
        where = ", ".join(part for part in (place.data, place.protocol) if part)
        rest = "this one" if best == model else f"{best}, {means[best]:.4f}"
        rows.append(f"| {_link(place.study)} | {where} | {means[model]:.4f} | {rest} |")
    lines = [] if rows else ["No study has it."]
    if rows:
        lines = [
            "Means over seeds or folds, on the test window, from each study's `results.csv`.",
            "",
            f"| study | data | {objective_of(task)} | best model there |",
        ]
        lines += ["| --- | --- | ---: | --- |", *rows]
    told = {place.study for place, values in measured.items() if model in values}
    others = sorted({study for study, own, name in named if (own, name) == (task, model)} - told)
    if others:
        listed = "; ".join(map(_link, others))
        lines = (
            [*lines, "", f"Other figures of it: {listed}."]
            if rows
            else [f"Figures of it: {listed}."]
        )
    return "\n".join(lines)


@cache
def objective_of(task: str) -> str:
    """The metric that chooses among the models of a task."""
    node = yaml.safe_load((CONF / "task" / f"{task}.yaml").read_text(encoding="utf-8"))
    return str(node["task"]["objective"])


@cache
def _measured() -> tuple[dict[Place, dict[str, list[float]]], set[tuple[str, str, str]]]:
    """The values of the objective by place and model, and all (study, task, model) of any metric."""
    values: dict[Place, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    named = set()
    tasks = {path.stem for path in (CONF / "task").glob("*.yaml")}
    for study in studies():
        with (EXPERIMENTS / study / "results.csv").open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                task, model = row["task"], row["model"]
                if task not in tasks:
                    continue
                named.add((study, task, model))
                objective = objective_of(task)
                if row["metric"] in (objective, f"test/{objective}") and row["value"]:
                    place = Place(study, task, row["data"], row["protocol"], row["split"])
                    values[place][model].append(float(row["value"]))
    return dict(sorted(values.items())), named


def _link(study: str) -> str:
    return f"[{studies()[study].partition(':')[0]}](../../{page_of(study)})"


def _first_line(path: Path) -> str:
    return path.read_text(encoding="utf-8").partition("\n")[0]
