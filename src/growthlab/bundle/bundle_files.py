"""The files of a bundle, read without trust: only regular files, of bounded size, without pickle."""

from __future__ import annotations

import hashlib
import json
import os
import stat
import struct
import zipfile
from collections.abc import Iterator
from io import BufferedReader, BytesIO
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from growthlab.core.errors import BundleError

DEEPEST = 3  # folders within a bundle
MOST_FILES = 1_000
LARGEST_JSON = 16 * 2**20
LARGEST_INFLATED = 2**30  # bytes of a compressed file's arrays that are read in any case, and
READ_AT_ONCE = 2**20  # bytes of an array from which it is read past the zip file's own checksum
LONGEST_HEADER = 2**14  # bytes of an array's header
ALIGNMENT = 64  # of arrays in a file, in bytes: a mapped one that is not aligned would be copied
LOCAL_HEADER = 30  # bytes of a zip file's header of a member, before its name
MOST_INFLATED = 50  # times its size: a small file does not become more than that


def file_names(folder: Path, deepest: int = DEEPEST) -> set[str]:
    """The names of all files at and below `folder`, with ``/`` between folders.

    Raises
    ------
    BundleError
        There is a link, a pipe, a socket or a device; there are too many files, or they lie too deep.
    """
    names: set[str] = set()
    for entry in _entries(folder, deepest):
        name = Path(entry.path).relative_to(folder).as_posix()
        if entry.is_symlink() or not entry.is_file(follow_symlinks=False):
            raise BundleError(
                f"{name} in {folder} is no regular file: links and devices are refused"
            )
        names.add(name)
        if len(names) > MOST_FILES:
            raise BundleError(f"{folder} has more than {MOST_FILES} files")
    return names


def open_file(path: Path) -> BufferedReader:
    """A regular file, opened for reading; never waits, as for a pipe that nobody writes to.

    Raises
    ------
    OSError
        It cannot be opened.
    BundleError
        It is a link or no regular file.
    """
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    if path.is_symlink():
        raise BundleError(f"{path} is a link: only regular files are read")
    file = os.fdopen(os.open(path, flags | getattr(os, "O_BINARY", 0)), "rb")
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise BundleError(f"{path} is no regular file")
    return file


def read_file(path: Path, largest: int) -> bytes:
    """The bytes of a regular file of at most `largest`; for the errors see `open_file`."""
    with open_file(path) as file:
        content = file.read(largest + 1)
    if len(content) > largest:
        raise BundleError(f"{path} is larger than {largest:,} bytes")
    return content


def read_json(path: Path, largest: int = LARGEST_JSON) -> Any:
    """The value in a JSON file.

    Raises
    ------
    BundleError
        The file cannot be read, or is no JSON: NaN, a key twice, or too deep nesting.
    """
    try:
        text = read_file(path, largest).decode()
        return json.loads(text, parse_constant=_refuse_constant, object_pairs_hook=_distinct)
    except (OSError, ValueError, RecursionError) as error:
        if isinstance(error, BundleError):
            raise
        reason = "it is nested too deep" if isinstance(error, RecursionError) else repr(error)
        raise BundleError(f"{path} is corrupted: {reason}; export the model again") from error


def read_arrays(path: Path, *, mapped: bool = False) -> dict[str, np.ndarray]:
    """The arrays of an npz file, read without pickle; BundleError where that is impossible.

    With `mapped`, large ones stay in the file, which `save_arrays` has aligned for that, and take no
    memory. A process that does not end when somebody shortens the file must not use it.
    """
    try:
        with open_file(path) as file:
            size = os.fstat(file.fileno()).st_size
            with zipfile.ZipFile(file) as archive:
                members = archive.infolist()
                inflated = sum(member.file_size for member in members)
                if inflated > max(LARGEST_INFLATED, MOST_INFLATED * size):
                    raise BundleError(f"its {size:,} bytes would become {inflated:,}")
                names = [member.filename.removesuffix(".npy") for member in members]
                if len(set(names)) < len(names):
                    raise BundleError("it has two arrays of the same name")
                arrays = [_array(file, archive, member, mapped) for member in members]
            return dict(zip(names, arrays, strict=True))
    except Exception as error:  # zipfile, zlib and numpy raise many types on damaged bytes
        reason = str(error).partition("\n")[0]
        raise BundleError(f"{path} cannot be read: {reason}; export the model again") from error


def _array(
    file: BufferedReader, archive: zipfile.ZipFile, member: zipfile.ZipInfo, mapped: bool
) -> np.ndarray:
    """One array of an npz file; a large one that is stored as it is is read at once.

    That leaves out the checksum of its zip file: `Manifest.verify` has a better one of the whole.
    """
    with archive.open(member) as part:
        if member.compress_type != zipfile.ZIP_STORED or member.file_size < READ_AT_ONCE:
            return np.lib.format.read_array(part, allow_pickle=False)
        beginning = part.read(LONGEST_HEADER)
    header = BytesIO(beginning)
    version = np.lib.format.read_magic(header)
    if version != (1, 0):
        with archive.open(member) as part:
            return np.lib.format.read_array(part, allow_pickle=False)
    shape, fortran_order, dtype = np.lib.format.read_array_header_1_0(header)
    count = int(np.prod(shape, dtype=object))
    if dtype.hasobject or count * dtype.itemsize + header.tell() != member.file_size:
        raise BundleError(f"its {member.filename} has another size than it says")
    file.seek(member.header_offset)
    names = struct.unpack("<26xHH", file.read(LOCAL_HEADER))  # the name, and what zip adds to it
    start = member.header_offset + LOCAL_HEADER + sum(names) + header.tell()
    if mapped and start % ALIGNMENT == 0:
        array = np.memmap(file, dtype, mode="c", offset=start, shape=(count,)).view(np.ndarray)
    else:
        file.seek(start)
        array = np.fromfile(file, dtype=dtype, count=count)
    if len(array) != count:
        raise BundleError(f"its {member.filename} ends too early")
    if fortran_order:
        return array.reshape(shape[::-1]).transpose()
    return array.reshape(shape)


def sha256_of(path: Path) -> str:
    """SHA-256 of a regular file, 64 hex digits."""
    with open_file(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _entries(folder: Path, depth: int) -> Iterator[os.DirEntry[str]]:
    """What is at and below `folder`, but for folders."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if not entry.is_dir(follow_symlinks=False):
                yield entry
            elif depth <= 1:
                raise BundleError(f"{entry.path} lies deeper than the folders of a bundle")
            else:
                yield from _entries(Path(entry.path), depth - 1)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        raise ValueError("it has a key twice")
    return values
