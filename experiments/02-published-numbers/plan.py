"""The plan of this study: which rows there are, and what each is called."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

STUDY = Path(__file__).resolve().parent


def sections() -> dict[str, Any]:
    """The parts of plan.yaml by name."""
    return yaml.safe_load((STUDY / "plan.yaml").read_text())


def protocol_of(section: str, part: dict[str, Any], row: dict[str, Any]) -> str:
    """What a row is called in results.csv: its section, and its own name where it has one."""
    named = f"{section}, {row['name']}" if "name" in row else section
    return part.get("protocol", named)


def settings_of(row: dict[str, Any]) -> list[str]:
    """The words of a row's settings."""
    return f"{row.get('settings', '')} {row.get('more', '')}".split()


def words_of(section: str, part: dict[str, Any], row: dict[str, Any]) -> list[str]:
    """The words of a row's run after ``growthlab``."""
    own = [f"model=recommend/{row['model']}", *settings_of(row)]
    return [*part["command"].split(), *own, f"+tags.protocol='{protocol_of(section, part, row)}'"]
