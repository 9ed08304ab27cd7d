"""Small pictures of items, from a folder with a file an item, to be embedded in a page."""

from __future__ import annotations

import base64
import io
import logging
from collections.abc import Iterable
from pathlib import Path

from growthlab.core.errors import DataError, quoted

log = logging.getLogger(__name__)

FORMATS = {".jpg": "JPEG", ".jpeg": "JPEG", ".png": "PNG", ".webp": "WEBP", ".gif": "GIF"}
SIDE = 48  # pixels
QUALITY = 70  # of a JPEG: about 1.5 kB
MOST_BYTES = 20_000_000  # of a file
MOST_PIXELS = 25_000_000
MOST_EMBEDDED = 1_000_000  # characters of all pictures of a page


def item_pictures(folder: str | Path, items: Iterable[str]) -> dict[str, str]:
    """A picture of each item that has one, as an address that holds it (``data:image/jpeg;base64,...``).

    A picture is a file of the folder itself that is named after the item's id, such as ``p12.jpg``. JPEG,
    PNG, WebP and GIF are read, and drawn anew in a small size, so nothing else of a file gets into the
    page. What cannot be read, is too large, or is a link is left out, and a line says how many were.

    Parameters
    ----------
    folder : with the pictures
    items : raw ids, the most important first: what `MOST_EMBEDDED` leaves no room for has none

    Raises
    ------
    DataError
        There is no such folder.
    """
    root = picture_folder(folder)
    files = {p.stem: p for p in sorted(root.iterdir()) if p.suffix.lower() in FORMATS}
    pictures: dict[str, str] = {}
    refused: list[str] = []
    left = MOST_EMBEDDED
    for item in dict.fromkeys(items):
        if item not in files:
            continue
        picture = _small(files[item])
        if picture is None:
            refused.append(files[item].name)
        elif len(picture) <= left:
            pictures[item] = picture
            left -= len(picture)
    if refused:
        log.warning(
            "%d of the pictures in %s are left out, such as %s: they are links, too large, or no pictures",
            len(refused), root, quoted(refused[0]),
        )  # fmt: skip
    return pictures


def picture_folder(folder: str | Path) -> Path:
    """The folder of the setting ``pictures``; DataError where there is none."""
    root = Path(folder)
    if not root.is_dir():
        raise DataError(
            f"pictures={quoted(str(folder))}: there is no such folder; it holds a picture an item, "
            "named ITEM_ID.jpg, .png, .webp or .gif"
        )
    return root


def _small(path: Path) -> str | None:
    """The picture in small; None where the file is not one that is read."""
    from PIL import Image

    if path.is_symlink() or not path.is_file() or path.stat().st_size > MOST_BYTES:
        return None
    try:
        with Image.open(path, formats=[FORMATS[path.suffix.lower()]]) as whole:
            if whole.width * whole.height > MOST_PIXELS:
                return None
            whole.thumbnail((SIDE, SIDE))
            seen = whole.convert("RGBA")
    except (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError):
        return None
    small = Image.new("RGB", seen.size, "white")
    small.paste(seen, mask=seen.getchannel("A"))
    file = io.BytesIO()
    small.save(file, "JPEG", quality=QUALITY)
    return f"data:image/jpeg;base64,{base64.b64encode(file.getvalue()).decode()}"
