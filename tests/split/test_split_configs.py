"""The config files of the splits."""

from __future__ import annotations

import inspect
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from growthlab.core.build import build
from growthlab.split.fold import Splitter, TableSplitter

FILES = sorted((Path(__file__).parents[2] / "conf" / "split").glob("*.yaml"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_file_holds_every_setting_with_its_default(path: Path) -> None:
    node = OmegaConf.load(path)
    split = build(node, Splitter | TableSplitter)
    settings = {k: p.default for k, p in inspect.signature(type(split)).parameters.items()}
    assert {k: v for k, v in node.items() if k != "_target_"} == settings
