"""growthlab export: the winner by validation, or one run, to a bundle folder and the model registry."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from growthlab.cli.compose import Composed
from growthlab.cli.setting import Setting
from growthlab.core.errors import ExportError
from growthlab.export.bundle import Bundle
from growthlab.export.manifest import MANIFEST
from growthlab.export.registry import register
from growthlab.tracking.winner import fetched_bundle, run_of, winner_of


def run(found: Composed) -> int:
    """Fetch the run's bundle, check it, put it in its place, register it."""
    config, setting = found.config, Setting(found)
    data, task, store = found.name("data"), setting.task, setting.store
    folder = Path(config.to or f"bundles/{data}-{found.name('task')}")
    _refuse_to_lose(folder, overwrite=bool(config.overwrite))
    if config.run:
        chosen = run_of(store, str(config.run))
    else:
        experiment = f"{data}/{found.name('task')}"
        chosen = winner_of(store, experiment, task.objective, task.maximise)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".export-") as beside:
        bundle = fetched_bundle(store, chosen, Path(beside))
        Bundle.load(bundle)
        if folder.exists():
            shutil.rmtree(folder)
        bundle.rename(folder)
    print(f"{chosen.data.tags['model']} of run {chosen.info.run_id} in {folder}")
    if config.register:
        registered = register(folder, uri=store.uri, run_id=chosen.info.run_id, client=store.client)
        what = "champion: there was none" if registered.champion else "challenger"
        print(
            f"registered as {registered.name} version {registered.version} ({what}): {registered.uri}"
        )
    print(f"next: growthlab serve bundle={folder}")
    return 0


def _refuse_to_lose(folder: Path, *, overwrite: bool) -> None:
    """Only a bundle is overwritten, and only when asked.

    Raises
    ------
    ExportError
        Something is in the way.
    """
    if not folder.exists():
        return
    if not (folder / MANIFEST).is_file():
        raise ExportError(f"{folder} is no bundle and is not overwritten: give another to=...")
    if not overwrite:
        raise ExportError(f"{folder} exists already: give another to=..., or overwrite=true")
