"""growthlab data fetch: a published data set, checked by its checksum."""

from __future__ import annotations

from pathlib import Path

from growthlab.config.compose import Command
from growthlab.core.errors import ConfigError
from growthlab.workbench.published import published_data


def run(command: Command) -> int:
    """Fetch the files that are not there yet, and print how to read them."""
    names = [str(name) for name in command.config.names]
    if not names:
        raise ConfigError("data fetch needs a name: growthlab data list shows them")
    for data in published_data(names):
        first, *_ = data.fetch(Path(str(command.config.to)))
        print(f"{data.name}: {first}; licence: {data.licence}")
        print(f"next: growthlab prepare data={data.name} data.path={first}")
    return 0
