"""What is written is there as a whole, or the old is."""

from __future__ import annotations

from pathlib import Path

import pytest

from growthlab.core.atomic_write import atomic_folder, atomic_path, swap_folder, write_json


def test_values_are_written_into_a_folder_that_was_not_there(tmp_path: Path) -> None:
    write_json(tmp_path / "a" / "b.json", {"x": [1, 2]})
    assert (tmp_path / "a" / "b.json").read_text() == '{"x": [1, 2]}'
    assert [p.name for p in (tmp_path / "a").iterdir()] == ["b.json"]


def test_an_error_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "b.json"
    write_json(path, 1)
    with pytest.raises(TypeError, match="not JSON serializable"):
        write_json(path, object())  # the file beside it is open by then
    assert path.read_text() == "1"
    assert [p.name for p in tmp_path.iterdir()] == ["b.json"]


def test_writers_of_the_same_file_do_not_share_a_path(tmp_path: Path) -> None:
    path = tmp_path / "archive.zip"
    with atomic_path(path) as one, atomic_path(path) as other:
        assert one != other
        one.write_text("one")
        other.write_text("other")
    assert path.read_text() == "one"  # the last to end


def test_a_folder_is_replaced_with_all_that_was_in_it(tmp_path: Path) -> None:
    folder = tmp_path / "bundle"
    for name in ("old", "new"):
        with atomic_folder(folder) as new:
            (new / name).touch()
    assert [p.name for p in folder.iterdir()] == ["new"]
    assert [p.name for p in tmp_path.iterdir()] == ["bundle"]


def test_an_error_leaves_the_old_folder(tmp_path: Path) -> None:
    folder = tmp_path / "bundle"
    folder.mkdir()
    (folder / "old").touch()
    with pytest.raises(OSError, match="disk"), atomic_folder(folder):
        raise OSError("disk")
    assert [p.name for p in folder.iterdir()] == ["old"]
    assert [p.name for p in tmp_path.iterdir()] == ["bundle"]


def test_a_system_that_cannot_exchange_folders_replaces_them_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("growthlab.core.atomic_write._exchange", lambda one, other: False)
    for name in ("old", "new"):
        (tmp_path / name).mkdir()
        (tmp_path / name / name).touch()
    swap_folder(tmp_path / "new", tmp_path / "old")
    assert [p.name for p in (tmp_path / "old").iterdir()] == ["new"]
    assert [p.name for p in tmp_path.iterdir()] == ["old"]
