"""A section is one file and one yaml of the same name."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
YAMLS = sorted((ROOT / "conf" / "section").glob("*.yaml"))
FILES = sorted((ROOT / "src" / "growthlab" / "insight" / "sections").glob("[!_]*.py"))


@pytest.mark.parametrize("path", YAMLS, ids=lambda path: path.stem)
def test_a_section_lives_in_the_file_named_as_its_yaml(path: Path) -> None:
    module, _, name = yaml.safe_load(path.read_text())["_target_"].rpartition(".")
    assert module == f"growthlab.insight.sections.{path.stem}"
    source = ROOT / "src" / f"{module.replace('.', '/')}.py"
    assert f"\nclass {name}:" in source.read_text()


def test_every_file_of_the_folder_is_a_section() -> None:
    assert [path.stem for path in FILES] == [path.stem for path in YAMLS]
