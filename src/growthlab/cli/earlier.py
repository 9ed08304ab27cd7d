"""Earlier runs of one model in the store, and what they left for a later one."""

from __future__ import annotations

import importlib
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from omegaconf import OmegaConf

from growthlab.cli.setting import Setting
from growthlab.config.compose import compose
from growthlab.config.conf_tree import choices
from growthlab.core.errors import ConfigError, one_line
from growthlab.tasks.run_comparison import Contender
from growthlab.tracking.run_files import learned_of
from growthlab.tracking.store import Store
from growthlab.training.warm import WarmStart

if TYPE_CHECKING:
    from mlflow.entities import Run


def earlier_run(store: Store, word: str) -> Run:
    """The run that a word such as ``rerun=ID`` names.

    Raises
    ------
    ConfigError
        There is no such run of one model.
    """
    store.require(word)
    try:
        run = store.client.get_run(word.partition("=")[2])
    except Exception as error:
        raise ConfigError(f"{word} in {store.uri}: {one_line(error)}") from error
    kind = run.data.tags.get("kind")
    if kind == "comparison":
        raise ConfigError(f"{word} is a whole comparison: name one of its child runs")
    if kind != "model":
        raise ConfigError(f"{word} is no run of one model that growthlab logged")
    return run


def refuse_earlier_run(config: Any) -> None:
    """Raise a `ConfigError` where a command on several models is given a run of one."""
    for key in ("rerun", "warm"):
        if config.get(key):
            word = f"{key}={config[key]}"
            raise ConfigError(f"{word} is about one run of one model: growthlab train {word}")


def warm_start(setting: Setting, contender: Contender) -> WarmStart | None:
    """What the run of the setting ``warm`` learned; None where none is named.

    Raises
    ------
    ConfigError
        There is no such run, it is of another model or left nothing, or the model knows no warm start.
    """
    run_id = setting.config.get("warm")
    if not run_id:
        return None
    word, model = f"warm={run_id}", contender.factory()
    if not hasattr(model, "learned"):
        can = ", ".join(_that_can(setting.task.models))
        raise ConfigError(
            f"{word}: {contender.name} is computed anew from every log and cannot go on from a run; "
            f"these can: {can or 'none of this task'}"
        )
    run = earlier_run(setting.store, word)
    was = run.data.tags.get("model_class", "")
    if was.rpartition(".")[2] != type(model).__name__:
        name = run.data.tags.get("model", "another model")
        raise ConfigError(
            f"{word} is a run of {name}, and this is {contender.name}: "
            f"model={setting.task.models}/{name}"
        )
    with tempfile.TemporaryDirectory() as folder:
        warm = learned_of(setting.store.client, run_id, Path(folder))
    if warm is None:
        raise ConfigError(f"{word} left no state to go on from: it did not finish, or is too old")
    if not warm.judged.until:
        _check_split(setting, run_id, word)
    return warm


def _check_split(setting: Setting, run_id: str, word: str) -> None:
    """Without a clock only the same split keeps apart what was learned and what is judged."""
    with tempfile.TemporaryDirectory() as folder:
        path = setting.store.client.download_artifacts(run_id, "config.yaml", folder)
        before: dict[str, Any] = yaml.safe_load(Path(path).read_text())["split"]
    now: Any = OmegaConf.to_container(setting.config.split, resolve=True)
    for key in sorted({*before, *now}):
        if before.get(key) != now.get(key):
            was = f"split.{key}={before.get(key)}, and this one has {now.get(key)}"
            raise ConfigError(
                f"{word} has {was}: what it has seen may be what this one is judged by"
            )


def _that_can(family: str) -> list[str]:
    """The models of a family whose fit can go on from an earlier one."""
    found = []
    for choice in choices("model"):
        if choice.startswith(f"{family}/"):
            target = str(compose("train", [f"model={choice}"]).config.model._target_)
            module, _, name = target.rpartition(".")
            if hasattr(getattr(importlib.import_module(module), name), "learned"):
                found.append(choice.partition("/")[2])
    return found
