"""The config tree on disk: its groups and the choices in each; imports nothing heavy."""

from __future__ import annotations

from pathlib import Path

CONF = Path(__file__).parents[1] / "conf"


def search_path() -> list[Path]:
    """The folders that hold configs: the package's tree, and ``conf`` in the working folder, if any."""
    own = Path("conf").resolve()
    return [CONF] if not own.is_dir() or own == CONF.resolve() else [CONF, own]


def groups() -> list[str]:
    """The config groups, in the order of the tree."""
    names = {p.name for root in search_path() for p in root.iterdir() if p.is_dir()}
    return sorted(names - {"local"})


def choices(group: str) -> list[str]:
    """The choices in a group, such as ``recommend/item_knn`` in ``model``."""
    names: set[str] = set()
    for root in search_path():
        folder = root / group
        names |= {str(p.relative_to(folder).with_suffix("")) for p in folder.rglob("*.yaml")}
    return sorted(names)
