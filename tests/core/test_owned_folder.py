"""A temporary folder is removed at its end, and after a kill by the next process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from tests.patience import PATIENCE

from growthlab.core.atomic_write import atomic_file, atomic_folder
from growthlab.core.owned_folder import owned_folder, scratch_folder

HOLDER = """
import sys, tempfile
from pathlib import Path
from growthlab.core.owned_folder import owned_folder, scratch_folder
with owned_folder(Path(sys.argv[1]), "bundle") as folder, scratch_folder():
    (folder / "half").touch()
    tempfile.NamedTemporaryFile(delete=False)
    print(folder.name, flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def holder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> subprocess.Popen[str]:
    """A process that holds a folder for the bundle, and a scratch folder, both below the folder."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    environment = os.environ | {"TMPDIR": str(tmp_path)}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "env": environment}
    process = subprocess.Popen([sys.executable, "-c", HOLDER, str(tmp_path)], **pipes)
    assert process.stdout is not None
    assert process.stdout.readline().startswith(".bundle.partial-")
    return process


def names(folder: Path) -> set[str]:
    return {path.name.partition("-")[0] for path in folder.iterdir()}


def test_folders_of_a_live_process_stay_and_those_of_a_killed_one_go(
    tmp_path: Path, holder: subprocess.Popen[str]
) -> None:
    with owned_folder(tmp_path, "bundle") as own, scratch_folder():
        assert len(list(tmp_path.glob(".bundle.*"))) == 2
        assert len(list(tmp_path.glob(".growthlab-*"))) == 2
    assert not own.exists()
    assert names(tmp_path) == {".bundle.partial", ".growthlab"}
    holder.send_signal(signal.SIGKILL)
    holder.communicate(timeout=PATIENCE)
    assert len(list(tmp_path.iterdir())) == 2  # nobody was there to remove them
    with owned_folder(tmp_path, "bundle"), scratch_folder():
        assert len(list(tmp_path.iterdir())) == 2  # one each, of this process
    assert list(tmp_path.iterdir()) == []


def test_only_folders_of_the_same_name_are_removed(tmp_path: Path) -> None:
    for name in (".bundle.partial-1", ".bundle.blocks", ".other.partial-1", "bundle.partial-1"):
        (tmp_path / name).mkdir()
    with owned_folder(tmp_path, "bundle"):
        pass
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {".bundle.blocks", ".other.partial-1", "bundle.partial-1"}


def test_signs_of_patterns_in_a_name_are_only_signs(tmp_path: Path) -> None:
    (tmp_path / ".other.partial-1").mkdir()
    with owned_folder(tmp_path, "*"), owned_folder(tmp_path, "[a]"):
        pass
    assert [path.name for path in tmp_path.iterdir()] == [".other.partial-1"]


def test_files_and_folders_of_a_killed_writer_are_removed_by_the_next(tmp_path: Path) -> None:
    for name in (".bundle.partial-1", ".report.html.partial-2"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "half").touch()
    with atomic_folder(tmp_path / "bundle"), atomic_file(tmp_path / "report.html") as file:
        file.write(b"whole")
    assert names(tmp_path) == {"bundle", "report.html"}


def test_temporary_files_go_to_the_scratch_folder_and_are_private(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with scratch_folder():
        made = Path(tempfile.mkdtemp())
        assert made.parent.parent == tmp_path
        assert made.parent.stat().st_mode & 0o777 == 0o700
    assert tempfile.gettempdir() == str(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_without_a_place_for_it_there_is_no_scratch_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "file"))
    with scratch_folder():
        assert tempfile.gettempdir() == str(tmp_path / "file")
