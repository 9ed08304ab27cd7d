"""Settings that were typed and that nothing in the run reads: a line each says so, and why."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from omegaconf import OmegaConf

from growthlab.config import mistakes
from growthlab.config.compose import Command
from growthlab.config.conf_tree import search_path
from growthlab.config.local_settings import key_of
from growthlab.config.space_from_config import conditions_of
from growthlab.core.plain_yaml import read_plain_yaml
from growthlab.data.privacy import PSEUDONYM
from growthlab.models.base import trains_network
from growthlab.models.table_estimator import is_stochastic
from growthlab.search.search_space import Condition
from growthlab.tasks.base import Task
from growthlab.tasks.entry import Contender

log = logging.getLogger(__name__)

MODEL = "model."


def warn_of_unused_settings(
    command: Command, contenders: Sequence[Contender], task: Task, user_ids: str
) -> None:
    """Log a line for each typed setting that this run does not read; `user_ids` is the data's own."""
    if contenders:
        for word, why in _unused(command, contenders, task, user_ids):
            log.warning("%s is not used: %s", word, why)


def _unused(
    command: Command, contenders: Sequence[Contender], task: Task, user_ids: str
) -> Iterator[tuple[str, str]]:
    """The words that no part of the run reads, the last one of a key, and the reasons."""
    names, config = ", ".join(c.name for c in contenders), command.config
    typed = {key_of(word): word for word in command.words}
    device = typed.get("device", "")
    if device.startswith("device=cuda") and not any(
        trains_network(c.factory()) for c in contenders
    ):
        yield device, f"only networks choose a device, and {names} is none"
    if (
        "seeds" in typed
        and int(config.get("seeds", 1)) > 1
        and not any(is_stochastic(c.factory()) for c in contenders)
    ):
        yield (
            typed["seeds"],
            f"another seed gives the same model, and each of {names} is fitted once",
        )
    if "privacy.keep_ids" in typed and (config.privacy.user_ids or user_ids) != PSEUDONYM:
        yield (
            typed["privacy.keep_ids"],
            "customers keep their raw ids without privacy.user_ids=pseudonym",
        )
    for key, word in typed.items():
        if key.startswith(MODEL):
            yield from _unused_by_models(key.removeprefix(MODEL), word, contenders, task.models)


def _unused_by_models(
    key: str, word: str, contenders: Sequence[Contender], family: str
) -> Iterator[tuple[str, str]]:
    """The word if every model that has the setting reads it only with another value of a second one."""
    settings = {c.name: OmegaConf.create({"model": dict(c.settings)}) for c in contenders}
    conditions = [
        (_conditions(family, name, node.model).get(key), node)
        for name, node in settings.items()
        if mistakes.has_setting(node.model, key)
    ]
    unmet = [
        condition
        for condition, node in conditions
        if condition and not condition.holds({condition.of: OmegaConf.select(node, condition.of)})
    ]
    if unmet and len(unmet) == len(conditions):
        values = " or ".join(str(value) for value in unmet[0].values)
        yield word, f"it is read only with {unmet[0].of}={values}"


def _conditions(family: str, name: str, model: Any) -> Mapping[str, Condition]:
    """The settings of a model that it reads only with some value of another, as its search space says."""
    paths = [root / "search" / family / f"{name}.yaml" for root in search_path()]
    found = [path for path in paths if path.is_file()]
    return conditions_of(read_plain_yaml(found[-1]), model) if found else {}
