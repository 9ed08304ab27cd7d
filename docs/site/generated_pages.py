"""Pages of the documentation site that are made from the config files, the docstrings and the demo."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from inspect import cleandoc
from pathlib import Path
from typing import Any, NamedTuple

from study_figures import studies_table

from growthlab.cli.commands import commands, help_of
from growthlab.config.conf_tree import CONF

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src"
USE = "Use: "  # in the head of a model's file: when to take it
SETTING = re.compile(r"^(?P<key>\w+):\s*(?P<value>.*?)(?:\s+#\s*(?P<note>.*))?$")
DEMO = re.compile(r"<!-- demo -->\n```\n(.*?)```\n<!-- /demo -->", re.DOTALL)


class ConfigFile(NamedTuple):
    """A file of the config tree: what its head says, its class, and its settings with their notes."""

    path: Path
    head: str
    use: str
    target: str
    rows: list[tuple[str, str, str]]

    @property
    def name(self) -> str:
        """The choice, such as ``item_knn``."""
        return self.path.stem


def read_config(path: Path) -> ConfigFile:
    """A file of the config tree, line by line: comments are part of it."""
    head, rows, target = [], [], ""
    inside = False
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("#") and not rows and not target:
            head += [] if line.startswith("# @package") else [line.lstrip("# ")]
            continue
        if line.startswith("defaults:"):
            inside = True
            continue
        inside = inside and line.startswith((" ", "-"))
        found = None if inside else SETTING.match(line)
        if found is None:
            continue
        if found["key"] == "_target_":
            target = found["value"]
        else:
            rows.append((found["key"], found["value"], found["note"] or ""))
    use = next((line.removeprefix(USE) for line in head if line.startswith(USE)), "")
    said = " ".join(line for line in head if not line.startswith(USE))
    return ConfigFile(path, said, use, target, rows)


@cache
def docstring_of(target: str) -> str:
    """The docstring of a class of ours, without importing it; a line on its home for one of a library."""
    module, _, name = target.rpartition(".")
    path = SOURCE / f"{module.replace('.', '/')}.py"
    if not path.is_file():
        return f"`{target}`, see the documentation of its library."
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ClassDef) and node.name == name:
            return cleandoc(ast.get_docstring(node) or "")
    return ""


def as_markdown(docstring: str) -> str:
    """A numpydoc docstring as Markdown: its sections become headings of their own, its examples code."""
    return "\n\n".join(_paragraph(text) for text in re.split(r"\n\n+", docstring))


def _paragraph(text: str) -> str:
    if text.startswith(">>> "):
        return f"```pycon\n{text}\n```"
    text = re.sub(r"^(\w[\w ,]*)\n-{3,}$", r"**\1**\n", text, flags=re.MULTILINE)
    text = text.replace("``", "`").replace("::\n", ":\n")
    return re.sub(r"(?<!\\)<(?=\w)", r"\\<", text)


def settings_table(config: ConfigFile, prefix: str) -> str:
    """The settings of a file as a table."""
    if not config.rows:
        return "It has no settings."
    rows = [
        f"| `{prefix}{key}` | {_code(value)} | {_cell(note)} |" for key, value, note in config.rows
    ]
    return "\n".join(["| setting | default | |", "| --- | --- | --- |", *rows])


@cache
def demo_costs() -> dict[tuple[str, str], str]:
    """What each model cost in the demo of the README, by task and model."""
    found = DEMO.search((ROOT / "README.md").read_text(encoding="utf-8"))
    costs: dict[tuple[str, str], str] = {}
    task, header = "", []
    for line in found[1].splitlines() if found else []:
        if match := re.match(r"^\w+: (\w+)$", line):
            task = match[1]
        cells = re.split(r"\s{2,}", line.strip())
        if cells[0] == "#":
            header = cells[1:]
        elif cells[0].isdigit() and len(cells) > 4:
            row = dict(zip(header[::-1], cells[::-1], strict=False))
            named = {"fit s": "{} s to fit", "score s": "{} s to score", "MB": "a bundle of {} MB"}
            model = cells[1].split()[0]
            costs[task, model] = ", ".join(
                text.format(row[key]) for key, text in named.items() if key in row
            )
    return costs


@cache
def task_of_family() -> dict[str, str]:
    """The task whose models are in a folder of ``conf/model``, by that folder."""
    tasks = {}
    for path in sorted((CONF / "task").glob("*.yaml")):
        chosen = re.search(r"override /model: (\w+)/", path.read_text(encoding="utf-8"))
        if chosen is not None:
            tasks[chosen[1]] = path.stem
    return dict(sorted(tasks.items()))


def model_pages() -> Iterator[tuple[str, str]]:
    """Path and text of a page a model, and of their list."""
    listed = ["# Models", "", "Every file of `conf/model`, by what it answers.", ""]
    for family in task_of_family():
        listed += [f"## {family}", "", "| model | when to use it |", "| --- | --- |"]
        for path in sorted((CONF / "model" / family).glob("*.yaml")):
            config = read_config(path)
            listed.append(f"| [{path.stem}]({family}/{path.stem}.md) | {_cell(config.use)} |")
            yield f"models/{family}/{path.stem}.md", _model_page(family, config)
        listed.append("")
    yield "models/index.md", "\n".join(listed)


def _model_page(family: str, config: ConfigFile) -> str:
    """The page of one model."""
    name, use = config.name, f"*When to use it:* {config.use}." if config.use else ""
    task = task_of_family()[family]
    cost = demo_costs().get((task, name))
    spent = f"In the demo of the README: {cost}." if cost else "It is not part of the demo."
    space = CONF / "search" / family / f"{name}.yaml"
    searched = read_config(space).rows if space.is_file() else []
    ranges = [f"| `{key}` | {_code(value)} |" for key, value, _ in searched if key != "when"]
    table = (
        ["| setting | range |", "| --- | --- |", *ranges] if ranges else ["It has no search space."]
    )
    return "\n".join(
        [
            f"# {name}",
            "",
            use,
            "",
            f"    growthlab train task={task} model={family}/{name}",
            "",
            "## What it does",
            "",
            as_markdown(docstring_of(config.target)),
            "",
            "## Settings",
            "",
            settings_table(config, "model."),
            "",
            "## Search space",
            "",
            *table,
            "",
            "## Cost",
            "",
            spent,
            "",
            "## In the studies",
            "",
            studies_table(task, family, name),
            "",
        ]
    )


def metric_page() -> str:
    """Every metric with its formula, its settings and its place on the leaderboard."""
    lines = [
        "# Metrics",
        "",
        "Every file of `conf/metrics`. Formulas and papers stand in the code; tests run the examples.",
        "",
    ]
    for family in sorted(path for path in (CONF / "metrics").iterdir() if path.is_dir()):
        lines += [f"## {family.name}", ""]
        for path in sorted(family.glob("*.yaml")):
            config = read_config(path)
            lines += [f"### {path.stem}", "", _with_imports(config.target), ""]
            if config.rows:
                lines += [settings_table(config, f"metrics.{path.stem}."), ""]
    return "\n".join(lines)


def _with_imports(target: str) -> str:
    """The docstring of a metric, its example with what it has imported where it stands in the code."""
    module, _, name = target.rpartition(".")
    text = as_markdown(docstring_of(target))
    imports = "" if ">>> import numpy as np\n" in text else ">>> import numpy as np\n"
    imports += f">>> from {module} import {name}\n"
    return text.replace("```pycon\n", f"```pycon\n{imports}", 1)


def command_page() -> str:
    """The help of every command."""
    lines = ["# Commands", "", "What `growthlab COMMAND --help` prints.", ""]
    for name in commands():
        lines += [f"## {name}", "", "```", help_of(name), "```", ""]
    return "\n".join(lines)


def config_page() -> str:
    """Every choice of every group with its settings; models and metrics have pages of their own."""
    lines = [
        "# Settings",
        "",
        "Every group of the config tree, its choices and their settings.",
        "",
    ]
    for group in sorted(path for path in CONF.iterdir() if path.is_dir()):
        if group.name in ("model", "metrics", "local", "search"):
            continue
        lines += [f"## {group.name}", ""]
        for path in sorted(group.rglob("*.yaml")):
            choice = path.relative_to(group).with_suffix("")
            config = read_config(path)
            lines += [f"### {group.name}={choice}", ""]
            lines += [_cell(config.head), ""] if config.head else []
            lines += [settings_table(config, f"{group.name}."), ""]
    return "\n".join(lines)


def pages() -> Iterator[tuple[str, str]]:
    """Path and text of every page that is made."""
    yield from model_pages()
    yield "metrics.md", metric_page()
    yield "reference/commands.md", command_page()
    yield "reference/config.md", config_page()
    names: dict[str, Any] = {
        "Own data": "own_data",
        "Models": "model_functions",
        "Results": "model_results",
        "Customers": "customer_functions",
        "Bundles and the gate": "handover",
        "Experiments": "effect_functions",
    }
    blocks = [f"## {title}\n\n::: growthlab.api.{module}\n" for title, module in names.items()]
    yield "reference/python.md", "\n".join(["# Python", "", *blocks])


def _code(value: str) -> str:
    """A value in a cell of a table."""
    return f"`{value.replace('|', chr(92) + '|')}`" if value else "nested"


def _cell(text: str) -> str:
    """A text in a cell of a table."""
    return re.sub(r"<(?=\w)", r"\\<", text.replace("|", r"\|"))
