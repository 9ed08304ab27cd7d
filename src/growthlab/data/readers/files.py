"""The files that a setting names."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from growthlab.core.errors import DataError, near_matches

NOT_DATA = (("proc",), ("sys",), ("dev",))  # environment variables stand there
PATTERN = frozenset("*?[")


def existing_file(path: str | Path, option: str = "data.path") -> Path:
    """The path of an existing file; DataError names the option and similar files that exist."""
    path = _expanded(path)
    if path.resolve().parts[1:2] in NOT_DATA:
        raise DataError(f"{option}={path} is no file of data: it shows the machine's own state")
    if path.is_file():
        return path
    if path.is_dir():
        raise DataError(f"{option}={path} is a folder: give the file in it")
    if not path.parent.is_dir():
        raise DataError(f"{option}={path}: there is no file, nor a folder {path.parent}")
    neighbours = near_matches(path.name, [p.name for p in path.parent.iterdir() if p.is_file()])
    raise DataError(f"{option}={path}: there is no such file: {neighbours}")


def files_of_setting(given: str | Path | Sequence[str] | None, option: str) -> list[Path]:
    """All files that a setting names: those of a path, or of each of a list of them."""
    paths = [given] if isinstance(given, (str, Path)) else given or []
    return [file for path in paths for file in existing_files(path, option)]


def existing_files(path: str | Path, option: str = "data.path") -> list[Path]:
    """The files of a path: itself, all in a folder, or those of a pattern such as ``days/*.csv``, sorted.

    Raises
    ------
    DataError
        There is none.
    """
    given = _expanded(path)
    if given.is_dir():
        files = _tables_in(given)
        if not files:
            raise DataError(f"{option}={given} is a folder without a file in it")
        return [existing_file(file, option) for file in files]
    if given.exists() or not PATTERN & set(str(path)):
        return [existing_file(given, option)]
    root = Path(given.anchor) if given.is_absolute() else Path()
    pattern = str(given.relative_to(given.anchor)) if given.is_absolute() else str(given)
    try:
        files = sorted(file for file in root.glob(pattern) if file.is_file())
    except (ValueError, NotImplementedError) as error:
        raise DataError(f"{option}={path} is no pattern of files: {error}") from None
    if not files:
        raise DataError(f"{option}={path}: there is no such file")
    return [existing_file(file, option) for file in files]


def _tables_in(folder: Path) -> list[Path]:
    """The files of a folder and its folders, without those that a program hides or marks with (_SUCCESS)."""
    files = (file for file in folder.rglob("*") if file.is_file())
    return sorted(
        file
        for file in files
        if not any(part.startswith((".", "_")) for part in file.relative_to(folder).parts)
    )


def _expanded(path: str | Path) -> Path:
    """The path with the home folder in place of ~, where there is such a home."""
    try:
        return Path(path).expanduser()
    except RuntimeError:  # ~t.csv is a file
        return Path(path)
