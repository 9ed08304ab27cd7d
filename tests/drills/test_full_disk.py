"""On a full disk a command fails with a clear message, leaves no partial file, and goes on when run again."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from tests.cli.test_promote import LENIENT

from growthlab.bundle.bundle import Bundle
from growthlab.tasks.top_n import TopN

pytestmark = pytest.mark.drill

Desk = Any  # of conftest.py
Words = tuple[str, ...]
SHARES = (0.0, 0.2, 0.5, 0.9)  # of what a command writes in all, that are free when it begins
NDCG = ("task=top_n", "metrics=[ranking/ndcg]")
LIMIT = 8 * 1024  # bytes a file: less than the events of the shop, or the model of a bundle


def test_a_log_that_does_not_fit_is_not_cached(desk: Desk, shop_words: tuple[str, ...]) -> None:
    assert desk.run("prepare", *shop_words, limit=LIMIT) != 0
    assert "File too large" in desk.output.splitlines()[-1]
    assert list((desk.folder / ".growthlab").glob("*/log.json")) == []
    assert desk.run("prepare", *shop_words) == 0, desk.output


def test_answers_that_do_not_fit_leave_no_file(desk: Desk, bundles: dict[str, Path]) -> None:
    desk.folder.mkdir()
    users = pd.DataFrame({"user_id": [f"u{i}" for i in range(500)]})
    users.to_csv(desk.folder / "users.csv", index=False)
    for kind in ("csv", "parquet"):
        words = ("recommend", f"bundle={bundles['top_n']}", "input=users.csv", f"output=out.{kind}")
        assert desk.run(*words, limit=LIMIT) != 0
        assert reports_full_disk(desk.output)
        assert not list(desk.folder.glob(f"*out.{kind}*"))
        assert desk.run(*words) == 0, desk.output


def test_a_bundle_that_does_not_fit_leaves_no_folder(
    bundles: dict[str, Path], tmp_path: Path, desk: Desk
) -> None:
    import resource

    from growthlab.bundle.manifest import Manifest, Provenance
    from growthlab.export.write_bundle import write_recommender

    bundle = Bundle.load(bundles["top_n"])
    maker = bundle.list_maker
    assert maker is not None
    assert maker.state is not None
    about = Manifest.read(bundles["top_n"])
    provenance = Provenance(
        task="top_n",
        answer=TopN.answer,
        model=about.model,
        data=about.data,
        data_digest=about.data_digest,
        split="given",
    )
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (LIMIT, before[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            write_recommender(
                tmp_path / "out" / "bundle",
                maker.scorer,  # type: ignore[arg-type]
                provenance,
                histories=maker.state,
                fallback=maker.fallback,
            )
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert list((tmp_path / "out").iterdir()) == []


def reports_full_disk(output: str) -> bool:
    """Whether the output says that a file could not be written, without a traceback."""
    return (
        "cannot be written" in output and "File too large" in output and "Traceback" not in output
    )


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of its own, of 96 MB, with the folder of temporary files on it."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=96m", "tmpfs", str(folder)]
    if shutil.which("mount") is None or subprocess.run(command, check=False).returncode:
        pytest.skip("a disk of its own needs the right to mount one")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def free_bytes(disk: Path) -> int:
    state = os.statvfs(disk)
    return state.f_bavail * state.f_frsize


def files_of(folder: Path) -> set[str]:
    """The files below the folder that look temporary."""
    names = (path.relative_to(folder).as_posix() for path in folder.rglob("*"))
    return {name for name in names if "partial" in name or ".old." in name or "-journal" in name}


@pytest.fixture
def shop(
    disk: Path,
    new_desk: Callable[[Path], Desk],
    shop_words: Words,
    monkeypatch: pytest.MonkeyPatch,
) -> Desk:
    """A desk on the disk, with a comparison, a champion and a challenger."""
    desk = new_desk(disk / "desk")
    desk.folder.mkdir()
    (disk / "tmp").mkdir()
    monkeypatch.setenv("TMPDIR", str(disk / "tmp"))
    assert desk.run("compare", *NDCG, *shop_words, "models=[popularity,markov]") == 0, desk.output
    first = run_of(desk, "popularity")
    export = (
        "export",
        "task=top_n",
        f"run={first}",
        "to=served/first",
        *LENIENT,
        "gate.first_against=[]",
    )
    assert desk.run(*export) == 0, desk.output
    return desk


def run_of(desk: Desk, model: str) -> str:
    ((run_id,),) = desk.query(
        f"SELECT DISTINCT run_uuid FROM tags WHERE key = 'model' AND value = '{model}'"
    )
    return str(run_id)


COMMANDS: dict[str, Callable[[Desk], Words]] = {
    "prepare": lambda desk: ("prepare", "cache=other", "data.users=2000"),
    "compare": lambda desk: ("compare", *NDCG, "models=[popularity,item_knn]"),
    "train": lambda desk: ("train", *NDCG, "model=recommend/gru4rec", "model.trainer.epochs=2"),
    "tune": lambda desk: ("tune", *NDCG, "model=recommend/item_knn", "budget.trials=2"),
    "tune on sqlite": lambda desk: (
        *("tune", *NDCG, "model=recommend/item_knn", "budget.trials=2"),
        "storage=sqlite:///studies.db",
    ),
    "export": lambda desk: ("export", f"run={run_of(desk, 'markov')}", "to=served/second"),
    "promote": lambda desk: (
        *("promote", "task=top_n", f"challenger={run_of(desk, 'markov')}"),
        *LENIENT,
    ),
    "fetch": lambda desk: ("fetch", "model_uri=models:/simulated_shop-top_n/1", "to=live/top_n"),
    "refresh": lambda desk: ("refresh", "bundle=served/first", "same_data=false"),
    "describe": lambda desk: ("describe", "output=report"),
    "portrait": lambda desk: ("portrait", "output=portrait.parquet"),
    "segment": lambda desk: ("segment", "output=segments"),
}
WITHOUT_DATA = ("export", "promote", "fetch")  # they read no log


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_on_a_full_disk_says_so_in_a_line_and_goes_on_when_run_again(
    shop: Desk, disk: Path, tmp_path: Path, shop_words: Words, name: str
) -> None:
    words = COMMANDS[name](shop)
    if name not in WITHOUT_DATA:
        named = {word.partition("=")[0] for word in words}
        words = (*words, *(w for w in shop_words if w.partition("=")[0] not in named))
    saved, before = tmp_path / "saved", free_bytes(disk)
    shutil.copytree(shop.folder, saved)
    assert shop.run(*words) == 0, shop.output
    written = max(before - free_bytes(disk), 64 * 1024)
    failed = 0
    for share in SHARES:
        shutil.rmtree(shop.folder)
        shutil.copytree(saved, shop.folder)
        (shop.folder / "output.txt").unlink()
        filler = disk / "filler"
        with filler.open("wb") as file:
            file.write(b"\0" * max(0, free_bytes(disk) - round(share * written)))
        status = run_beside(shop, tmp_path / "output.txt", *words)
        filler.unlink()
        if status != 0:  # what is written only for a while may fit, or not
            failed += 1
            lines = shop.output.splitlines()
            assert "Traceback" not in shop.output, shop.output
            assert [line.startswith("growthlab: ") for line in lines].count(True) == 1, shop.output
            assert lines[-1].startswith("growthlab: "), shop.output
            assert "cannot be" in lines[-1], lines[-1]
        assert files_of(shop.folder) == set()
        assert shop.run(*words) == 0, (share, shop.output)
        assert files_of(shop.folder) == set()
        assert shop.query("PRAGMA integrity_check") == [("ok",)]
    assert failed >= 2


def run_beside(desk: Desk, output: Path, *words: str) -> int:
    """Run a command whose output goes to a file on another disk."""
    code = "import sys; from growthlab.cli.main import main; sys.exit(main())"
    with output.open("wb") as file:
        command = [sys.executable, "-c", code, *words]
        done = subprocess.run(command, cwd=desk.folder, stdout=file, stderr=file, check=False)
    desk.output = output.read_text()
    return done.returncode
