"""growthlab data list: the published data sets, their licences, and what is there already."""

from __future__ import annotations

from pathlib import Path

from growthlab.config.compose import Command
from growthlab.workbench.published import published_data


def run(command: Command) -> int:
    """Print a block a data set."""
    to = Path(str(command.config.to))
    for data in published_data():
        state = "to be made by hand" if not data.files else f"growthlab data fetch {data.name}"
        if data.is_there(to):
            state = f"in {data.folder(to)}"
        print(f"{data.name:<24} {data.title}")
        print(f"{'':<24} {data.page}")
        print(f"{'':<24} licence: {data.licence}; {state}")
    return 0
