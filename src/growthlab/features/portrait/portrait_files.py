"""The files of a portrait: a Parquet row a customer, and the tags as a page of Markdown."""

from __future__ import annotations

from pathlib import Path

from growthlab.core.atomic_write import atomic_file
from growthlab.core.errors import ConfigError, DataError
from growthlab.features.portrait.dictionary import as_markdown
from growthlab.features.portrait.portrait import PortraitTable


def output_path(value: object, setting: str, suffix: str = "") -> Path:
    """Where to write; ConfigError for a folder, or for a file of another kind than `suffix`."""
    path = Path(str(value))
    if path.is_dir() or (suffix and path.suffix != suffix):
        kind = (
            f"a {suffix.removeprefix('.')} file, such as portrait{suffix}" if suffix else "a file"
        )
        raise ConfigError(f"{setting}={value}: give {kind}")
    return path


def write_customer_portraits(table: PortraitTable, path: Path) -> None:
    """Write the rows to `path`, and their tags next to it as ``<name>_tags.md``.

    Raises
    ------
    DataError
        A file cannot be written.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = pa.Table.from_pandas(table.frame, preserve_index=False)
    try:
        with atomic_file(path) as file:
            pq.write_table(rows, file)
    except OSError as error:
        raise DataError(f"{path} cannot be written: {error.strerror}") from error
    _write_text(path.with_name(f"{path.stem}_tags.md"), as_markdown(table.tags))


def write_dictionary(path: Path) -> None:
    """Write the page of all tags; DataError where it cannot be written."""
    _write_text(path, as_markdown())


def _write_text(path: Path, text: str) -> None:
    try:
        with atomic_file(path) as file:
            file.write(text.encode())
    except OSError as error:
        raise DataError(f"{path} cannot be written: {error.strerror}") from error
