"""Pictures of items in a page: small, drawn anew, from one folder, and never more than there is room for."""

from __future__ import annotations

import base64
import io
import struct
import zlib
from pathlib import Path

import pytest
from PIL import Image
from tests.pages.page_reader import PICTURE

from growthlab.core.errors import DataError
from growthlab.review import item_pictures as module
from growthlab.review.item_pictures import item_pictures


def draw(path: Path, size: tuple[int, int] = (300, 200), mode: str = "RGB") -> None:
    Image.new(mode, size, "red").save(path)


def seen(picture: str) -> Image.Image:
    assert PICTURE.fullmatch(picture)
    return Image.open(io.BytesIO(base64.b64decode(picture.partition(",")[2])))


def test_each_item_with_a_file_has_a_small_picture(tmp_path: Path) -> None:
    for name in ("tea.jpg", "cup.PNG", "pan.webp", "mug.gif"):
        draw(tmp_path / name)
    pictures = item_pictures(tmp_path, ["tea", "cup", "pan", "mug", "tea", "unknown"])
    assert list(pictures) == ["tea", "cup", "pan", "mug"]
    assert all(seen(each).size == (48, 32) for each in pictures.values())
    assert all(len(each) < 3_000 for each in pictures.values())


def test_what_is_transparent_becomes_white(tmp_path: Path) -> None:
    Image.new("RGBA", (20, 20), (0, 0, 0, 0)).save(tmp_path / "tea.png")
    assert seen(item_pictures(tmp_path, ["tea"])["tea"]).getpixel((5, 5)) == (255, 255, 255)


def test_hostile_files_are_left_out_with_one_line(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    draw(tmp_path / "outside.png")
    (folder / "link.png").symlink_to(tmp_path / "outside.png")
    (folder / "drawing.png").write_text("<svg xmlns='http://www.w3.org/2000/svg'><script/></svg>")
    (folder / "folder.png").mkdir()
    header = b"IHDR" + struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    chunk = struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))
    (folder / "huge.png").write_bytes(b"\x89PNG\r\n\x1a\n" + chunk)
    draw(folder / "whole.jpg")
    (folder / "cut.jpg").write_bytes((folder / "whole.jpg").read_bytes()[:300])
    (folder / "vector.svg").write_text("<svg xmlns='http://www.w3.org/2000/svg'/>")
    wanted = ["../outside", "link", "drawing", "folder", "huge", "cut", "vector", "whole"]
    assert list(item_pictures(folder, wanted)) == ["whole"]
    assert "5 of the pictures" in caplog.text
    assert len(caplog.records) == 1


def test_a_page_gets_only_so_many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a", "b", "c"):
        draw(tmp_path / f"{name}.jpg")
    one = len(item_pictures(tmp_path, ["a"])["a"])
    monkeypatch.setattr(module, "MOST_EMBEDDED", 2 * one)
    assert list(item_pictures(tmp_path, ["c", "b", "a"])) == ["c", "b"]


def test_a_folder_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"pictures=.*there is no such folder; it holds a picture"):
        item_pictures(tmp_path / "nowhere", ["a"])
