"""What the names of folders say of the files in them."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote

NO_VALUE = "__HIVE_DEFAULT_PARTITION__"


def folder_values(path: Path) -> dict[str, str | None]:
    """What folders such as ``day=2024-05-01`` say of the rows of a file, by name; null where they say so.

    >>> folder_values(Path("sales/day=2024-05-01/country=de/part.csv"))
    {'day': '2024-05-01', 'country': 'de'}
    """
    values: dict[str, str | None] = {}
    for part in path.parent.parts:
        name, equals, value = part.partition("=")
        if equals and name.isidentifier():
            values[name] = None if value == NO_VALUE else unquote(value)
    return values
