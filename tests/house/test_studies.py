"""Each study holds its question, its results in the common columns, and tables that are those results."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

ROOT = Path(__file__).parents[2]
STUDIES = sorted(path.parent for path in (ROOT / "experiments").glob("*/results.csv"))
COLUMNS = "task data protocol split model seed metric value low high fit_seconds device code_version run_id"
each_study = pytest.mark.parametrize("study", STUDIES, ids=lambda p: p.name)


@each_study
def test_it_has_a_question_results_and_figures(study: Path) -> None:
    results = pd.read_csv(study / "results.csv")
    assert list(results.columns) == COLUMNS.split()
    assert not results.duplicated(["task", "data", "protocol", "model", "seed", "metric"]).any()
    assert results["value"].notna().all()
    outside = (results["low"] - results["value"]).clip(0) + (
        results["value"] - results["high"]
    ).clip(0)
    assert (outside.fillna(0) < 1e-6).all()  # values are rounded to six digits
    assert "Question" in (study / "README.md").read_text()
    assert list((study / "figures").glob("*.png"))


@each_study
def test_its_tables_are_rebuilt_from_its_results(study: Path, tmp_path: Path) -> None:
    copy = tmp_path / "experiments" / study.name
    shutil.copytree(study, copy)
    for shared in study.parent.glob("*.py"):
        shutil.copy(shared, copy.parent)
    (script,) = copy.glob("table*.py")
    subprocess.run([sys.executable, str(script)], check=True, cwd=tmp_path)
    assert (copy / "README.md").read_text() == (study / "README.md").read_text()
