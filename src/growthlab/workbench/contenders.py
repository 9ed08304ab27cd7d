"""The models of a command: a composed config for each, and its factory."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import partial
from typing import Any

from growthlab.config import mistakes
from growthlab.config.compose import Command, compose_choice
from growthlab.config.conf_tree import choices
from growthlab.config.model_node import model_node, model_resources
from growthlab.config.model_settings import refuse_unknown_models
from growthlab.core.build import build
from growthlab.core.errors import ConfigError, near_matches
from growthlab.data.source import DataSource, Source
from growthlab.models.base import SaysReadsEvents
from growthlab.models.optional_package import why_missing
from growthlab.tasks.base import Task
from growthlab.tasks.entry import Contender

log = logging.getLogger(__name__)


def command_for_each_model(command: Command, task: Task, source: DataSource[Any]) -> list[Command]:
    """The command for each of its models: those of ``models``, or the one of ``model``.

    ``models=all`` are those that can read the data, see `reads_events`, and whose packages are installed;
    a line says which are not.

    Raises
    ------
    ConfigError
        A model that the task does not have, or a setting that none of the models has.
    """
    models = command.config.get("models")
    if models is None:
        return [command]
    refuse_unknown_models(command.config)
    names = possible_models(task) if models == "all" else _checked_names(models, task)
    commands = [command.with_model(f"{task.models}/{name}") for name in names]
    if models == "all":
        commands = [c for c in commands if _is_installed(contender_for(c, task))]
        if not isinstance(source, Source):
            commands = [c for c in commands if not reads_events(contender_for(c, task))]
    for word in command.model_words:
        if not any(word in c.model_words for c in commands):
            nodes = [c.config.model for c in commands]
            raise ConfigError(mistakes.unknown_model_setting(word, nodes))
    return commands


def contender_for(command: Command, task: Task) -> Contender:
    """The model of a config as a contender.

    Raises
    ------
    ConfigError
        It is a model of another task, or its settings are wrong.
    """
    choice = command.chosen.get("model", "")
    if choice.partition("/")[0] != task.models:
        raise ConfigError(
            f"model={choice} is not a model of task={command.choice('task')}: "
            f"it takes models of the family {task.models}"
        )
    node = model_node(command.config)
    build(node, task.model_type, "model")  # a mistake shows before any work is done
    factory = partial(build, node, task.model_type, "model")
    return Contender(command.choice("model"), factory, node, model_resources(command.config))


def _is_installed(contender: Contender) -> bool:
    """Whether the packages that a model needs are installed; a line where they are not."""
    why = why_missing(contender.factory())
    if why:
        log.warning("%s is left out: %s", contender.name, why)
    return not why


def require_packages(contenders: Sequence[Contender]) -> None:
    """Raise a `ConfigError` for a model whose package is not installed, before any work is done."""
    for contender in contenders:
        if why := why_missing(contender.factory()):
            raise ConfigError(f"model {contender.name}: {why}")


def reads_events(contender: Contender) -> bool:
    """Whether a model reads what customers did; without events it cannot run."""
    model = contender.factory()
    return isinstance(model, SaysReadsEvents) and model.reads_events


def require_events(contenders: Sequence[Contender], source: DataSource[Any], task: Task) -> None:
    """Raise a `ConfigError` if a model reads events and the data has none."""
    if isinstance(source, Source):
        return
    readers = [c.name for c in contenders if reads_events(c)]
    if readers:
        possible = ", ".join(sorted(set(possible_models(task)) - set(left_out(task))))
        raise ConfigError(
            f"{', '.join(readers)}: this model reads what customers did, and data={source.name} has no "
            f"events: possible are {possible}"
        )


def left_out(task: Task) -> list[str]:
    """The models of a task that read events: a comparison of all leaves them out where there are none."""
    nodes = ((name, _node_of(task, name)) for name in possible_models(task))
    built = (Contender(n, partial(build, node, task.model_type, "model"), {}) for n, node in nodes)
    return [contender.name for contender in built if reads_events(contender)]


def _node_of(task: Task, name: str) -> Any:
    """The config node of a model."""
    return model_node(compose_choice(f"model={task.models}/{name}"))


def possible_models(task: Task) -> list[str]:
    """The yaml names of a task's models, in the order of the config tree."""
    return [c.partition("/")[2] for c in choices("model") if c.startswith(f"{task.models}/")]


def _checked_names(models: str | Sequence[str], task: Task) -> list[str]:
    """The names without their family; each must be possible and named once."""
    possible = possible_models(task)
    if isinstance(models, str) or not all(isinstance(m, str) for m in models):
        raise ConfigError(f"models={models}: give all, or a list such as [{possible[0]}]")
    names = [m.removeprefix(f"{task.models}/") for m in models]
    for name in names:
        if name not in possible:
            what = f"models: {name} is not a model of {task.models}"
            raise ConfigError(f"{what}: {near_matches(name, possible)}")
        if names.count(name) > 1:
            raise ConfigError(f"models: {name} is named {names.count(name)} times")
    if not names:
        raise ConfigError(f"models=[] compares nothing: possible are {', '.join(possible)}")
    return names
