"""The tutorials run on small data from the first cell to the last, and what they end with shows itself."""

from __future__ import annotations

import ast
import json
from pathlib import Path
from typing import Any

import matplotlib
import pytest

FOLDER = Path(__file__).parents[2] / "notebooks" / "tutorials"
TUTORIALS = sorted(FOLDER.glob("*.ipynb"))


def code_of(path: Path) -> list[str]:
    """The cells of code."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    assert all(not cell.get("outputs") for cell in cells), "stored without outputs"
    return ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]


def shown_by(source: str, names: dict[str, Any]) -> Any:
    """The value of the last line of a cell, as a notebook shows it; None where it is a statement."""
    tree = ast.parse(source)
    last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, "cell", "exec"), names)
    if last is None:
        return None
    return eval(compile(ast.Expression(last.value), "cell", "eval"), names)


def test_there_are_ten() -> None:
    assert len(TUTORIALS) == 10


@pytest.mark.parametrize("path", TUTORIALS, ids=lambda path: path.stem)
def test_it_runs_from_the_first_cell_to_the_last(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    matplotlib.use("Agg")
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    shown = [shown_by(source, names) for source in code_of(path)]
    forms = [value._repr_html_() for value in shown if hasattr(value, "_repr_html_")]
    assert any(forms) or "result" in names
