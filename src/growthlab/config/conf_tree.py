"""The config tree on disk: which groups there are and what can be chosen in each; no heavy import."""

from __future__ import annotations

from pathlib import Path

CONF = Path(__file__).parents[1] / "conf"


def search_path() -> list[Path]:
    """Where configs are looked for: the package's tree, and ``conf`` in the working folder, if any."""
    beside = Path("conf").resolve()
    return [CONF] if not beside.is_dir() or beside == CONF.resolve() else [CONF, beside]


def groups() -> list[str]:
    """The config groups, in the order of the tree."""
    names = {p.name for root in search_path() for p in root.iterdir() if p.is_dir()}
    return sorted(names - {"local"})


def choices(group: str) -> list[str]:
    """What can be chosen in a group, such as ``recommend/item_knn`` in ``model``."""
    names: set[str] = set()
    for root in search_path():
        folder = root / group
        names |= {str(p.relative_to(folder).with_suffix("")) for p in folder.rglob("*.yaml")}
    return sorted(names)
