"""A task is named in its own room and in conf: elsewhere no code goes by its name."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src" / "growthlab"
NAMES = {path.stem for path in (ROOT / "conf" / "task").glob("*.yaml")}
HOMES = ("tasks", "models", "metrics", "conf")
# the tasks that there were when manifests did not say what they answer
OLD_MANIFESTS = PACKAGE / "bundle" / "manifest.py"
# a word that is also the name of many columns: it names a task next to another task's name, or
# where it is compared with a task
ALSO_A_COLUMN = {"value"}


def strings(node: ast.AST) -> set[str]:
    """The texts directly in a tuple, list, set, dict or comparison."""
    if isinstance(node, ast.Dict):
        parts: list[ast.expr | None] = list(node.keys)
    elif isinstance(node, (ast.Tuple, ast.List, ast.Set)):
        parts = list(node.elts)
    elif isinstance(node, ast.Compare):
        parts = [node.left, *node.comparators]
    else:
        return set()
    return {p.value for p in parts if isinstance(p, ast.Constant) and isinstance(p.value, str)}


def is_about_a_task(node: ast.Compare) -> bool:
    """Whether one side of a comparison is called a task or the name of one."""
    sides = [ast.unparse(side) for side in (node.left, *node.comparators)]
    return any(side.rpartition(".")[2] in ("task", "task_name", "name") for side in sides)


def named(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Line and name of each task that code goes by."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and node.value in NAMES - ALSO_A_COLUMN:
            yield node.lineno, str(node.value)
        found = strings(node) & ALSO_A_COLUMN & NAMES
        if found and isinstance(node, ast.Compare) and is_about_a_task(node):
            yield node.lineno, min(found)


def test_no_code_outside_goes_by_the_name_of_a_task() -> None:
    assert {"top_n", "churn", "value"} <= NAMES
    found = [
        f"{path.relative_to(ROOT)}:{line} {name}"
        for path in sorted(PACKAGE.rglob("*.py"))
        if path.relative_to(PACKAGE).parts[0] not in HOMES and path != OLD_MANIFESTS
        for line, name in named(ast.parse(path.read_text()))
    ]
    assert found == []


def test_the_check_sees_what_it_looks_for() -> None:
    code = 'if manifest.task == "value": pass\nTASKS = ("churn", "value")\nrow["value"]\n'
    assert list(named(ast.parse(code))) == [(1, "value"), (2, "churn")]
