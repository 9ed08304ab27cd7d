"""Files as somebody else made them: what kind each is by its content, and its bytes unpacked."""

from __future__ import annotations

import bz2
import gzip
import lzma
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO, Literal, cast

from growthlab.core.errors import DataError

Kind = Literal["parquet", "excel", "json", "text"]

BEGINNING = 1 << 20  # bytes of a file that its kind, encoding and dialect are told from
_KINDS = (
    (b"PAR1", "parquet"),
    (b"\xd0\xcf\x11\xe0", "an Excel workbook of before 2007: save it as .xlsx or .csv"),
    (b"SQLite format 3", "an SQLite database: export its table as .csv or .parquet"),
    (b"%PDF", "a PDF: give the table itself, as .csv or .parquet"),
    (b"ARROW1", "an Arrow file: save it as .parquet"),
    (b"Obj\x01", "an Avro file: save it as .parquet"),
    (b"ORC", "an ORC file: save it as .parquet"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive: unpack it"),
    (b"Rar!", "a RAR archive: unpack it"),
)
_PACKINGS = {
    b"\x1f\x8b": "gzip",
    b"\xfd7zXZ\x00": "xz",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"BZh": "bzip2",
    b"PK\x03\x04": "zip",
    b"PK\x05\x06": "zip",
}
_NAMES = {".gz": "gzip", ".xz": "xz", ".zst": "zstd", ".bz2": "bzip2", ".zip": "zip"}
_NAMED_KINDS: dict[str, Kind] = {".parquet": "parquet", ".pq": "parquet", ".xlsx": "excel"}
_MISNAMED = (
    "by its name it is a {} file, and by its content it is not: give it the right name, or make the "
    "file again"
)
_DAMAGES = (EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile, OSError, RuntimeError)


def kind_of(path: Path) -> Kind:
    """The kind of a file by its first bytes, whatever its name says.

    Raises
    ------
    DataError
        It is of a kind that is not read; the line says which, and what to do.
    """
    first, _ = beginning_of(path, 4096)
    kind = _kind(first, path)
    named = _NAMED_KINDS.get(path.suffix.lower(), kind)
    if kind != named:
        raise DataError(f"{path} cannot be read: {_MISNAMED.format(named)}")
    return kind


def _kind(first: bytes, path: Path) -> Kind:
    for beginning, kind in _KINDS:
        if first.startswith(beginning):
            if kind == "parquet":
                return "parquet"
            raise DataError(f"{path} cannot be read: it is {kind}")
    if first.startswith(b"PK\x03\x04"):
        return "excel"
    return "json" if first.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] in (b"{", b"[") else "text"


def beginning_of(path: Path, n_bytes: int = BEGINNING) -> tuple[bytes, bool]:
    """The first bytes of a file, unpacked, and whether they are all of it."""
    with unpacked(path) as file:
        parts, n_left = [], n_bytes + 1
        while n_left and (part := file.read(n_left)):
            parts.append(part)
            n_left -= len(part)
    return b"".join(parts)[:n_bytes], n_left > 0


@contextmanager
def unpacked(path: Path) -> Iterator[BinaryIO]:
    """The bytes of a file, or of the only file in an archive; a workbook is left as it is.

    Raises
    ------
    DataError
        The file is cut off or damaged, or an archive that does not hold exactly one file. Reading raises
        it too, within the block.
    """
    with ExitStack() as opened:
        raw = opened.enter_context(path.open("rb"))
        first = raw.read(8)
        raw.seek(0)
        packing = next((p for b, p in _PACKINGS.items() if first.startswith(b)), None)
        named = _NAMES.get(path.suffix.lower())
        if named is not None and packing != named:
            raise DataError(f"{path} cannot be read: {_MISNAMED.format(named)}")
        try:
            yield opened.enter_context(_opened(raw, path, packing)) if packing else raw
        except _DAMAGES as error:
            if packing is None:
                raise
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            raise DataError(
                f"{path} cannot be read: it is cut off or damaged as a {packing} file ({reason})"
            ) from error


def _opened(raw: BinaryIO, path: Path, packing: str) -> BinaryIO:
    if packing == "gzip":
        return cast(BinaryIO, gzip.open(raw))
    if packing == "xz":
        return cast(BinaryIO, lzma.open(raw))
    if packing == "bzip2":
        return cast(BinaryIO, bz2.open(raw))
    if packing == "zstd":
        from pyarrow import CompressedInputStream, PythonFile

        return cast(BinaryIO, CompressedInputStream(PythonFile(raw, mode="r"), "zstd"))
    archive = zipfile.ZipFile(raw)
    names = [entry.filename for entry in archive.infolist() if not entry.is_dir()]
    if "[Content_Types].xml" in names:
        raw.seek(0)
        return raw
    tables = [name for name in names if not _is_litter(name)]
    if len(tables) != 1:
        listed = ", ".join(sorted(tables)[:5]) or "none"
        raise DataError(
            f"{path} is an archive of {len(tables)} files ({listed}): unpack it, and give a file or a list"
        )
    return cast(BinaryIO, archive.open(tables[0]))


def _is_litter(name: str) -> bool:
    """Whether a file in an archive is the operating system's, not the author's."""
    parts = name.split("/")
    return parts[0] == "__MACOSX" or parts[-1].startswith(".") or parts[-1] == "Thumbs.db"
