"""The folder of a report: named after what it is of, and written file by file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from growthlab.core.atomic_write import atomic_file
from growthlab.core.errors import ConfigError, quoted
from growthlab.core.path_names import is_path_name


def report_folder(output: object, name: object) -> Path:
    """``<output>/<name>``; ConfigError where a folder cannot be called so."""
    if not is_path_name(str(name)):
        raise ConfigError(
            f"name={quoted(str(name))} cannot name a folder: use letters, digits, - and _"
        )
    return Path(str(output)) / str(name)


def write_files(folder: Path, texts: Mapping[str, str | None]) -> list[Path]:
    """Write each text to its file, and remove a file of an earlier report where it is None.

    Raises
    ------
    ConfigError
        They cannot be written.
    """
    written = []
    try:
        for name, text in texts.items():
            if text is None:
                (folder / name).unlink(missing_ok=True)
                continue
            with atomic_file(folder / name) as file:
                file.write(text.encode())
            written.append(folder / name)
    except OSError as error:
        raise ConfigError(
            f"output={folder.parent} cannot be written ({error.strerror}): choose another folder"
        ) from error
    return written
