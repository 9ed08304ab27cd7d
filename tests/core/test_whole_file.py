"""What is written is there as a whole, or the old is."""

from __future__ import annotations

from pathlib import Path

import pytest

from growthlab.core.whole_file import write_json


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
