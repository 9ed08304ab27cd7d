"""Names from elsewhere that become names of files and folders."""

from __future__ import annotations

LONGEST = 150  # characters; file systems take 255 bytes, and endings are added


def is_path_name(name: object) -> bool:
    """Whether a value can be the name of a file or folder, and of nothing outside its folder.

    >>> is_path_name("simulated_shop"), is_path_name("../shop"), is_path_name("a/b")
    (True, False, False)
    """
    if not isinstance(name, str) or not name or len(name) > LONGEST or not name.isprintable():
        return False
    return name not in (".", "..") and not {"/", "\\"} & set(name)
