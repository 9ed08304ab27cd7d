"""growthlab export: the winner by validation, or one run, to a bundle folder and the model registry."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from growthlab.bundle.manifest import MANIFEST
from growthlab.cli.promote import carry_out, ruled, whoever
from growthlab.cli.setting import Setting
from growthlab.config.compose import Command, compose
from growthlab.core.errors import ExportError
from growthlab.core.swap_folder import swap_folder
from growthlab.export.sign_and_index import sign_and_index
from growthlab.promotion.judged_run import JudgedRun
from growthlab.registry.model_registry import Registered, champion_of, make_challenger, register
from growthlab.tracking.store import Store
from growthlab.tracking.winner import fetched_bundle, run_of, winner_of

if TYPE_CHECKING:
    from mlflow.entities import Run


def run(found: Command) -> int:
    """Fetch the run's bundle, check it, put it in its place, register it."""
    config, setting = found.config, Setting(found)
    task, store = setting.task, setting.store
    experiment = f"{found.name('data')}/{found.name('task')}"
    store.require("nothing to export: run growthlab compare first")
    if config.run:
        chosen = run_of(store, str(config.run))
    else:
        chosen = winner_of(store, experiment, task.objective, task.maximise)
    tags = chosen.data.tags
    folder = Path(str(config.to or f"bundles/{tags['data']}-{tags['task']}"))
    _refuse_to_lose(folder, overwrite=config.overwrite)
    _place(store, chosen, folder, config.index_above)
    print(f"{tags['model']} of run {chosen.info.run_id} in {folder}")
    if config.register:
        run_id = str(chosen.info.run_id)
        registered = register(folder, uri=store.address, run_id=run_id, client=store.client)
        make_challenger(store.client, registered)
        words = f"registered as {registered.name} version {registered.version}"
        if champion_of(store.client, registered.name) is None:
            print(f"{words} ({_first_champion(found, store, run_id, registered)}")
        else:
            print(f"{words} (challenger): {registered.uri}")
            print(f"next: growthlab promote task={tags['task']} challenger={run_id}")
    print(f"next: growthlab serve bundle={folder}")
    return 0


def _first_champion(found: Command, store: Store, run_id: str, registered: Registered) -> str:
    """Let the gate decide on a model that has no champion yet; what became of it, in words.

    There is nobody to beat: clean leakage report, export parity and the guards' own limits decide.
    """
    run = store.client.get_run(run_id)
    task = run.data.tags["task"]
    same = found if task == found.name("task") else compose("export", [f"task={task}"])
    with tempfile.TemporaryDirectory(prefix="growthlab-export-") as scratch:
        above = same.config.index_above
        challenger = replace(
            JudgedRun.named(store, f"run={run_id}", task, Path(scratch), index_above=above),
            version=registered.version,
        )
        ruling = ruled(same, challenger, whoever())
        try:
            carry_out(ruling, challenger)
        except ExportError as error:  # another process was quicker
            return f"challenger: {error}): {registered.uri}"
    if ruling.decision.promote:
        return f"champion: there was none): models:/{registered.name}@champion"
    return f"challenger, and no champion: {ruling.decision.reason}): {registered.uri}"


def _place(store: Store, chosen: Run, folder: Path, index_above: int) -> None:
    """The run's bundle, checked, in the place of what was there; nothing changes if it is broken.

    It is signed and indexed as `sign_and_index` says.

    Raises
    ------
    ExportError
        The folder cannot be written.
    BundleError
        The run's bundle is damaged.
    """
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".export-") as beside:
            bundle = fetched_bundle(store, chosen, Path(beside))
            sign_and_index(bundle, index_above)
            swap_folder(bundle, folder)
    except OSError as error:
        raise ExportError(f"to={folder} cannot be written ({error.strerror})") from error


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
