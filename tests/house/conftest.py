"""What the tests of the house share: the repository's files, and a copy of its tree to add to."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CONTRACT_TESTS = (
    "tests/models/test_contract.py",
    "tests/data/test_source_contract.py",
    "tests/metrics/test_config.py",
    "tests/cli/test_help.py",
)
LEFT_OUT = shutil.ignore_patterns("__pycache__", "*.egg-info", "local")


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what makes the package, and of the contract tests."""
    copy = tmp_path_factory.mktemp("tree")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, copy)
    for name in ("src", "conf"):
        shutil.copytree(ROOT / name, copy / name, symlinks=True, ignore=LEFT_OUT)
    for name in CONTRACT_TESTS:
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, copy / name)
    shutil.copytree(ROOT / "tests" / "data" / "samples", copy / "tests" / "data" / "samples")
    return copy
