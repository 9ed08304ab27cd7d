"""Which code and packages a process has: results of processes that differ cannot be compared."""

from __future__ import annotations

import hashlib
import os
import platform
import re
from collections.abc import Mapping
from functools import cache
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

PACKAGE_NAME = re.compile(r"[\w.-]+")
LABORATORY = "lab"  # the extra whose packages change results
N_SHOWN = 5


@cache
def code_versions() -> Mapping[str, str]:
    """The version of Python, of our code and of every package of the laboratory, by name.

    Our code is a hash of its Python files, or ``GROWTHLAB_CODE_VERSION`` where that is set, as in an image.
    """
    versions = {"python": platform.python_version(), "growthlab": _code()}
    for requirement in requires("growthlab") or ():
        name, _, marker = requirement.partition(";")
        match = PACKAGE_NAME.match(name)
        if match is None or ("extra" in marker and LABORATORY not in marker):
            continue
        if match[0] in versions:  # an extra names the package itself
            continue
        try:
            versions[match[0]] = version(match[0])
        except PackageNotFoundError:
            versions[match[0]] = "none"
    return versions


def difference(here: Mapping[str, str], there: Mapping[str, str]) -> str:
    """What differs, in one line; empty where nothing does.

    >>> difference({"numpy": "2.4.6", "scipy": "1.17"}, {"numpy": "2.3.0", "scipy": "1.17"})
    'numpy 2.3.0 and not 2.4.6'
    """
    names = [n for n in sorted({*here, *there}) if here.get(n) != there.get(n)]
    shown = [f"{n} {there.get(n, 'none')} and not {here.get(n, 'none')}" for n in names[:N_SHOWN]]
    more = [f"{len(names) - N_SHOWN} more"] if len(names) > N_SHOWN else []
    return ", ".join([*shown, *more])


def _code() -> str:
    if of_image := os.environ.get("GROWTHLAB_CODE_VERSION"):
        return of_image
    folder, content = Path(__file__).parents[1], hashlib.sha256()
    for path in sorted(folder.rglob("*.py")):
        content.update(f"{path.relative_to(folder)}\0".encode() + path.read_bytes())
    return content.hexdigest()[:12]
