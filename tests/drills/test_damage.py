"""A bundle in which any file was changed, truncated or removed is refused in one line."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from growthlab.bundle.bundle import Bundle
from growthlab.core.errors import BundleError

pytestmark = pytest.mark.drill

Damage = Callable[[Path], None]
TASKS = ("top_n", "churn", "value")


def flipped(place: float, bit: int) -> Damage:
    """Flip one bit at a position from 0 (the first byte) to 1 (the last)."""

    def damage(path: Path) -> None:
        content = bytearray(path.read_bytes())
        content[round(place * (len(content) - 1))] ^= 1 << bit
        path.write_bytes(content)

    return damage


def cut(share: float) -> Damage:
    """Keep only a share of the file."""

    def damage(path: Path) -> None:
        content = path.read_bytes()
        path.write_bytes(content[: int(share * len(content))])

    return damage


def damages() -> Iterator[tuple[str, Damage]]:
    """Names and functions: flipped bits at both ends and at random, truncations, and removal."""
    rng = random.Random(20)
    for place in (0.0, 1.0, *(rng.random() for _ in range(6))):
        bit = rng.randrange(8)
        yield f"bit {bit} flipped at {place:.3f}", flipped(place, bit)
    for share in (0.0, 0.01, 0.5, 0.99):
        yield f"cut to {share}", cut(share)
    yield "removed", Path.unlink


def refusal(folder: Path, *, verify: bool = True) -> str | None:
    """The line with which a folder is refused; None if it is loaded."""
    try:
        Bundle.load(folder, verify=verify)
    except BundleError as error:
        return str(error)
    return None


@pytest.mark.parametrize("task", TASKS)
def test_every_damage_to_every_file_is_refused_in_one_line(
    bundles: dict[str, Path], task: str, tmp_path: Path
) -> None:
    whole, copy = bundles[task], tmp_path / "copy"
    names = sorted(p.relative_to(whole).as_posix() for p in whole.rglob("*") if p.is_file())
    assert "manifest.json" in names
    for name in names:
        for what, damage in damages():
            shutil.copytree(whole, copy)
            damage(copy / name)
            line = refusal(copy)
            assert line, f"{name} {what} is not seen"
            assert "\n" not in line
            shutil.rmtree(copy)


@pytest.mark.parametrize("task", TASKS)
def test_without_checksums_damage_is_refused_in_one_line_or_harmless(
    bundles: dict[str, Path], task: str, tmp_path: Path
) -> None:
    # files that onnxruntime and LightGBM read are left out: only checksums protect them
    whole, copy = bundles[task], tmp_path / "copy"
    for path in sorted(p for p in whole.rglob("*") if p.suffix in (".npz", ".json", ".md")):
        for _, damage in damages():
            shutil.copytree(whole, copy)
            damage(copy / path.relative_to(whole))
            assert "\n" not in (refusal(copy, verify=False) or "")
            shutil.rmtree(copy)


def test_an_undamaged_bundle_is_loaded(bundles: dict[str, Path]) -> None:
    for task, folder in bundles.items():
        assert Bundle.load(folder).manifest.task == task
