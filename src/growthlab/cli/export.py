"""growthlab export: write the winner by validation, or a run, to a bundle folder and the registry."""

from __future__ import annotations

from pathlib import Path

from growthlab.config.compose import Command
from growthlab.core.build import build
from growthlab.core.errors import ExportError, quoted
from growthlab.core.path_names import is_path_name
from growthlab.registry.model_registry import (
    RegisteredVersion,
    champion_of,
    register_bundle,
    set_challenger_alias,
)
from growthlab.registry.unfinished_versions import finish_version
from growthlab.tasks.base import Task, choice_rule
from growthlab.tasks.data_defaults import with_data_defaults
from growthlab.tracking.find_run import find_exportable_run
from growthlab.tracking.run_links import model_address
from growthlab.tracking.store import Store
from growthlab.tracking.winner import winner_of
from growthlab.workbench.challenge import rule_on_first_champion
from growthlab.workbench.place_bundle import place_bundle, require_replaceable
from growthlab.workbench.set_up import data_source, tracking_store


def run(command: Command) -> int:
    """Download the run's bundle, check it, put it into its folder and register it."""
    config, store = command.config, tracking_store(command.config)
    task = with_data_defaults(build(config.task, Task), data_source(config))
    store.require_exists("nothing to export: run growthlab compare first")
    if config.run:
        winner = find_exportable_run(store, f"run={config.run}")
    else:
        experiment = f"{command.choice('data')}/{command.choice('task')}"
        winner = winner_of(store, experiment, task.objective, choice_rule(task))
    run_id, tags = str(winner.info.run_id), winner.data.tags
    name = f"{tags['data']}-{tags['task']}"
    if config.to is None and not is_path_name(name):
        raise ExportError(f"the run's tags name no folder ({quoted(name)}): give to=FOLDER")
    folder = Path(str(config.to or f"bundles/{name}"))
    overwrite = bool(config.overwrite)
    require_replaceable(folder, run_id, overwrite=overwrite)
    place_bundle(store, run_id, folder, config.index_above, overwrite=overwrite)
    print(f"{tags['model']} of run {run_id} in {folder}")
    if config.register:
        client = store.client
        registered = register_bundle(
            folder, uri=store.address, run_id=run_id, client=client, repeat=overwrite
        )
        words = f"registered as {registered.name} version {registered.version}"
        champion = champion_of(client, registered.name)
        if champion is not None and str(champion.version) == registered.version:
            print(f"{words} (champion): models:/{registered.name}@champion")
        elif champion is not None:
            set_challenger_alias(client, registered)
            print(f"{words} (challenger): {registered.uri}")
            print(f"next: growthlab promote task={tags['task']} challenger={run_id}")
        else:
            set_challenger_alias(client, registered)
            print(f"{words} ({_first_champion(command, store, run_id, registered)}")
        finish_version(client, registered.name, registered.version)
        print(f"look: {model_address(store, registered.name)}")
    print(f"next: growthlab serve bundle={folder}")
    return 0


def _first_champion(
    command: Command, store: Store, run_id: str, registered: RegisteredVersion
) -> str:
    """Let the gate rule on a model that has no champion yet, and return the result in words."""
    try:
        ruling = rule_on_first_champion(command, store, run_id, registered.version)
    except ExportError as error:  # another process was first, or the run left no bundle
        return f"challenger: {error}): {registered.uri}"
    if ruling.decision.promote:
        return f"champion: there was none): models:/{registered.name}@champion"
    return f"challenger, and no champion: {ruling.decision.reason}): {registered.uri}"
