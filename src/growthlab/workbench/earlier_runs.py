"""Earlier runs of one model: rerun with their logged config, or continued by a warm start."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from growthlab.config.compose import Command, compose, compose_choice
from growthlab.config.model_node import model_node
from growthlab.core.build import build
from growthlab.core.errors import ConfigError, quoted
from growthlab.core.file_settings import (
    ADDRESS,
    INPUT_FILE,
    OUTPUT_FOLDER,
    is_inside,
    marked_settings,
)
from growthlab.models.base import ContinuesFit
from growthlab.tasks.base import Task
from growthlab.tasks.entry import Contender
from growthlab.tracking.code_version import code_version
from growthlab.tracking.find_run import find_model_run
from growthlab.tracking.run_files import download_artifact, load_warm_start
from growthlab.tracking.store import Store
from growthlab.training.learned_state import WarmStart
from growthlab.workbench.contenders import contender_for, possible_models
from growthlab.workbench.logged_config import checked_logged_config, command_from_logged
from growthlab.workbench.set_up import data_source, prepared_data, tracking_store
from growthlab.workbench.workbench import Workbench

log = logging.getLogger(__name__)

WORDS_WITH_RERUN = ("rerun=", "tracking", "cache=", "memory_gb=")


def refuse_run_of_one_model(config: Any) -> None:
    """Raise a `ConfigError` if a command on several models names a run of one."""
    for key in ("rerun", "warm"):
        if config.get(key):
            word = f"{key}={config[key]}"
            raise ConfigError(f"{word} is about one run of one model: growthlab train {word}")


def command_of_run(command: Command) -> Command:
    """The logged command of the run named by ``rerun``; changed code or data gives a warning.

    Raises
    ------
    ConfigError
        There is no such run of one model, or other settings are given.
    """
    word, store = f"rerun={command.config.rerun}", tracking_store(command.config)
    for other in command.words:
        if not other.startswith(WORDS_WITH_RERUN):
            raise ConfigError(f"{other}: {word} has all its settings from the logged config")
    run = find_model_run(store, word)
    tags = run.data.tags
    again = command_of_logged(store, str(run.info.run_id), word, command)
    source = data_source(again.config)
    before, now = tags.get("code_version", "unknown"), code_version()
    if before != now:
        log.warning("the run was made by code %s, this is %s: results may differ", before, now)
    events = prepared_data(source, again.config, again.choice("data"))
    if tags.get("data_digest") != events.digest:
        log.warning("the data is not that of the run: its content has changed since")
    return again


def command_of_logged(store: Store, run_id: str, word: str, command: Command) -> Command:
    """The command that a run logged, after a check of where it reads and writes; `word` names the run.

    Raises
    ------
    ConfigError
        The logged config is not what this project logs, or would write outside the working folder.
    """
    again = command_from_logged(logged_config_of(store, run_id), command)
    source, task = data_source(again.config), build(again.config.task, Task)
    _say_files(word, {"data": source, "model": contender_for(again, task).factory()})
    return again


def warm_start(bench: Workbench, contender: Contender) -> WarmStart | None:
    """The learned state of the run named by ``warm``; None if none is named.

    Raises
    ------
    ConfigError
        There is no such run, it is of another model or left no state, or the model cannot continue a
        run.
    """
    if not bench.config.get("warm"):
        return None
    word, model = f"warm={bench.config.warm}", contender.factory()
    if not isinstance(model, ContinuesFit):
        able = ", ".join(_models_that_continue(bench))
        raise ConfigError(
            f"{word}: {contender.name} is computed anew from every log and cannot continue a run; "
            f"these can: {able or 'none of this task'}"
        )
    run = find_model_run(bench.store, word)
    run_id, before = str(run.info.run_id), run.data.tags.get("model_class", "")
    if before.rpartition(".")[2] != type(model).__name__:
        name = run.data.tags.get("model", "another model")
        raise ConfigError(
            f"{word} is a run of {name}, and this is {contender.name}: "
            f"model={bench.task.models}/{name}"
        )
    with tempfile.TemporaryDirectory() as folder:
        warm = load_warm_start(bench.store.client, run_id, Path(folder))
    if warm is None:
        raise ConfigError(
            f"{word} left no state to continue from: it did not finish, or is too old"
        )
    if not warm.judged.until:
        _require_same_split(bench, run_id, word)
    return warm


def logged_config_of(store: Store, run_id: str) -> dict[str, Any]:
    """The config that a run logged; ConfigError if it is not what this project logs."""
    with tempfile.TemporaryDirectory() as folder:
        path = download_artifact(store.client, run_id, "config.yaml", folder)
        try:
            return checked_logged_config(path, compose("train", []))
        except ConfigError as error:
            raise ConfigError(f"the logged config of run {run_id}: {error}") from error


def _say_files(word: str, parts: Mapping[str, Any]) -> None:
    """Log which files and addresses a logged config reads; refuse folders outside the working folder.

    Raises
    ------
    ConfigError
        A folder to which the run would write.
    """
    for name, path in marked_settings(parts, OUTPUT_FOLDER):
        if not is_inside(path, Path.cwd()):
            raise ConfigError(
                f"{word} would write to {name}={quoted(path)}, outside this folder: train with "
                "the settings of the run instead"
            )
    for name, path in marked_settings(parts, INPUT_FILE):
        log.info("%s reads %s=%s", word, name, quoted(path))
    if not any(name == "data.path" for name, _ in marked_settings(parts, INPUT_FILE)):
        for name, address in marked_settings(parts, ADDRESS):
            log.info("%s downloads, unless it did before, %s=%s", word, name, quoted(address))


def _require_same_split(bench: Workbench, run_id: str, word: str) -> None:
    """Refuse a split other than the run's: without a cutoff, only that keeps past and test apart."""
    before = logged_config_of(bench.store, run_id)["split"]
    now: Any = OmegaConf.to_container(bench.config.split, resolve=True)
    for key in sorted({*before, *now}):
        if before.get(key) != now.get(key):
            was = f"split.{key}={before.get(key)}, and this one has {now.get(key)}"
            raise ConfigError(
                f"{word} has {was}: its model may have seen what this one is evaluated on"
            )


def _models_that_continue(bench: Workbench) -> list[str]:
    """The models of the task whose fit can continue an earlier one."""
    family = bench.task.models
    nodes = {
        name: model_node(compose_choice(f"model={family}/{name}"))
        for name in possible_models(bench.task)
    }
    models = {n: build(node, bench.task.model_type, "model") for n, node in nodes.items()}
    return [name for name, model in models.items() if isinstance(model, ContinuesFit)]
