"""What the tests of the house share: the repository's files, and a copy of its tree to add to."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LEFT_OUT = shutil.ignore_patterns("__pycache__", "*.egg-info", "local")


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what makes the package, and of the contract tests."""
    copy = tmp_path_factory.mktemp("tree")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, copy)
    for name in ("src", "conf"):
        shutil.copytree(ROOT / name, copy / name, symlinks=True, ignore=LEFT_OUT)
    (copy / "tests" / "models").mkdir(parents=True)
    shutil.copy(ROOT / "tests" / "models" / "test_contract.py", copy / "tests" / "models")
    return copy
