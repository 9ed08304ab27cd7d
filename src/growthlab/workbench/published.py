"""The published data sets of the config tree."""

from __future__ import annotations

from collections.abc import Sequence

from growthlab.config.conf_tree import choices, search_path
from growthlab.core.errors import ConfigError, near_matches
from growthlab.core.plain_yaml import read_plain_yaml
from growthlab.data.published_data import PublishedData

GROUP = "published"


def published_data(names: Sequence[str] | None = None) -> list[PublishedData]:
    """The data sets of these names, or all; ConfigError for a name that there is not."""
    known = choices(GROUP)
    for name in names or ():
        if name not in known:
            raise ConfigError(f"data set {name}: {near_matches(name, known)}")
    return [_read(name) for name in (known if names is None else names)]


def _read(name: str) -> PublishedData:
    path = next(
        path
        for root in reversed(search_path())
        if (path := root / GROUP / f"{name}.yaml").is_file()
    )
    return PublishedData.of(name, read_plain_yaml(path) or {})
