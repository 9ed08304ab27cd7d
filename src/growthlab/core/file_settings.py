"""Settings that name files, folders or addresses, marked where they are defined."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

# The mark of a setting that names a file that is read, as in
# path: str | None = field(default=None, metadata=INPUT_FILE)
INPUT_FILE = {"input_file": True}
# The mark of a setting that names a folder that is written to.
OUTPUT_FOLDER = {"output_folder": True}
# The mark of a setting that names an address from which something is downloaded.
ADDRESS = {"address": True}


def marked_settings(
    settings: Any, mark: Mapping[str, bool], where: str = ""
) -> Iterator[tuple[str, str]]:
    """Dotted name and value of each marked setting that is set, in dataclasses inside others too.

    A list of files gives one pair a file, and a mapping of names to files too.
    """
    if isinstance(settings, Mapping):
        for key, value in settings.items():
            yield from marked_settings(value, mark, f"{where}.{key}" if where else str(key))
    if not is_dataclass(settings):
        return
    for each in fields(settings):
        value, name = (
            getattr(settings, each.name, None),
            f"{where}.{each.name}" if where else each.name,
        )
        if each.metadata == mark:
            values = value.values() if isinstance(value, Mapping) else [value]
            for one in values:
                paths = one if isinstance(one, (list, tuple)) else [one]
                yield from ((name, str(path)) for path in paths if path is not None)
        else:
            yield from marked_settings(value, mark, name)


def is_inside(path: str, folder: Path) -> bool:
    """Whether a path, links followed, lies in a folder."""
    return (folder / Path(path).expanduser()).resolve().is_relative_to(folder.resolve())
