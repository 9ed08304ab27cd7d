"""The plan of this study: which rows there are, and what each is called."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

STUDY = Path(__file__).resolve().parent
RAN = STUDY / "ran.yaml"  # the settings with which each row of results.csv ran


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


def ran() -> dict[str, str]:
    """The settings of what is in results.csv, by protocol and model."""
    return yaml.safe_load(RAN.read_text()) if RAN.exists() else {}


def is_current(protocol: str, row: dict[str, Any]) -> bool:
    """Whether what is in results.csv ran with the settings of the plan."""
    return ran().get(f"{protocol}: {row['model']}") == " ".join(settings_of(row))


def note(protocol: str, row: dict[str, Any]) -> None:
    """Remember the settings with which a row ran."""
    known = {**ran(), f"{protocol}: {row['model']}": " ".join(settings_of(row))}
    RAN.write_text(yaml.safe_dump(known, width=1000))
