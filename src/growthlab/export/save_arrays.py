"""Writes the arrays of a bundle to npz files, from which large ones can be read without a copy."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from growthlab.bundle.bundle_files import ALIGNMENT, LOCAL_HEADER
from growthlab.core.errors import ExportError

SAMPLE_BYTES = 2**20
COMPRESSED_BELOW = 0.8  # of the size: else arrays are stored uncompressed
LARGE_FILE_FIELD = 20  # bytes that zipfile adds to a header for sizes over 4 GB
PADDING = b"\x47\x4c"  # the name of our own field, which readers skip
FIELD_HEAD = 4  # bytes of a field's name and length


def save_arrays(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write arrays to an npz file that can be read without pickle."""
    for name, values in arrays.items():
        if np.asarray(values).dtype.hasobject:
            raise ExportError(f"{path.name} cannot hold {name}: it is an array of Python objects")
    path.parent.mkdir(exist_ok=True)
    path.unlink(missing_ok=True)  # it may be a hard link to another bundle's file
    if _shrinks(arrays.values()):
        np.savez_compressed(path, **arrays)  # type: ignore[arg-type]
    else:
        _save_aligned(path, arrays)


def _save_aligned(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """As `np.savez`, but each array begins at a multiple of `ALIGNMENT` bytes."""
    with path.open("wb") as out, zipfile.ZipFile(out, "w") as archive:
        for name, values in arrays.items():
            member = zipfile.ZipInfo(f"{name}.npy")
            head = LOCAL_HEADER + len(member.filename.encode()) + LARGE_FILE_FIELD + FIELD_HEAD
            n_bytes = -(out.tell() + head) % ALIGNMENT  # numpy's own header is aligned
            member.extra = PADDING + n_bytes.to_bytes(2, "little") + bytes(n_bytes)
            with archive.open(member, "w", force_zip64=True) as file:
                np.lib.format.write_array(file, np.asarray(values), allow_pickle=False)


def _shrinks(arrays: Iterable[np.ndarray]) -> bool:
    """Whether compression saves enough to be undone at every load; judged by the largest array."""
    largest = max((np.asarray(a) for a in arrays), key=lambda a: a.nbytes, default=np.zeros(0))
    beginning = largest.ravel()[: SAMPLE_BYTES // largest.itemsize].tobytes()
    return len(zlib.compress(beginning, level=1)) < COMPRESSED_BELOW * len(beginning)
