"""Arrays in files: what was written is read, by copy or from the file itself."""

from __future__ import annotations

import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest

from growthlab.bundle.bundle_files import ALIGNMENT, READ_AT_ONCE, read_arrays
from growthlab.core.errors import BundleError
from growthlab.export.save_arrays import save_arrays

RANDOM = np.random.default_rng(0)
ARRAYS = {
    "few": np.arange(3, dtype=np.int64),
    "a_longer_name": RANDOM.random((READ_AT_ONCE // 8, 4), dtype=np.float32),
    "é": np.array("a text"),
    "by_columns": np.asfortranarray(RANDOM.random((READ_AT_ONCE // 8, 3))),
    "number": np.array(0.5),
}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "arrays.npz"
    save_arrays(path, ARRAYS)
    return path


@pytest.mark.parametrize("mapped", [False, True])
def test_what_was_written_is_read(file: Path, mapped: bool) -> None:
    arrays = read_arrays(file, mapped=mapped)
    assert list(arrays) == list(ARRAYS)
    for name, values in ARRAYS.items():
        np.testing.assert_array_equal(arrays[name], values)
        assert arrays[name].dtype == values.dtype
        assert arrays[name].flags.f_contiguous == values.flags.f_contiguous


def test_it_is_a_file_that_numpy_reads(file: Path) -> None:
    with np.load(file, allow_pickle=False) as arrays:
        for name, values in ARRAYS.items():
            np.testing.assert_array_equal(arrays[name], values)


def test_large_arrays_can_stay_in_the_file(file: Path) -> None:
    arrays = read_arrays(file, mapped=True)
    for name in ("a_longer_name", "by_columns"):
        assert arrays[name].ctypes.data % ALIGNMENT == 0
        assert not _owns_its_memory(arrays[name])
        assert _owns_its_memory(read_arrays(file)[name])
    arrays["a_longer_name"][:] = -1  # a scorer may change its arrays, but never the file
    np.testing.assert_array_equal(read_arrays(file)["a_longer_name"], ARRAYS["a_longer_name"])


def test_files_of_earlier_releases_are_read_as_before(tmp_path: Path) -> None:
    np.savez(tmp_path / "arrays.npz", **ARRAYS)
    for name, values in read_arrays(tmp_path / "arrays.npz", mapped=True).items():
        np.testing.assert_array_equal(values, ARRAYS[name])


@pytest.mark.parametrize("mapped", [False, True])
def test_an_array_that_goes_on_behind_its_file_is_refused(tmp_path: Path, mapped: bool) -> None:
    path, n = tmp_path / "arrays.npz", READ_AT_ONCE
    save_arrays(path, {"bytes": RANDOM.integers(0, 256, n, dtype=np.uint8)})
    with zipfile.ZipFile(path) as archive:
        size = archive.getinfo("bytes.npy").file_size
    content = path.read_bytes().replace(b"(1048576,)", b"(9048576,)")  # in numpy's header
    larger = size + 8_000_000
    content = content.replace(struct.pack("<II", size, size), struct.pack("<II", larger, larger))
    path.write_bytes(content)
    with pytest.raises(BundleError, match="cannot be read"):
        read_arrays(path, mapped=mapped)


def _owns_its_memory(array: np.ndarray) -> bool:
    owner: object = array
    while isinstance(owner, np.ndarray) and owner.base is not None:
        owner = owner.base
    return isinstance(owner, np.ndarray)
