"""Predictions that a service gave, evaluated by newer events of the data set of a command."""

from __future__ import annotations

from collections.abc import Mapping

from growthlab.bundle.bundle import Bundle
from growthlab.config.compose import Command, compose
from growthlab.core.build import build
from growthlab.export.same_data import check_same_data, require_same_names
from growthlab.monitoring.delayed import DelayedEvaluation
from growthlab.monitoring.log_summary import ServedPrediction
from growthlab.tasks.base import Task
from growthlab.tasks.delayed_outcomes import evaluate_delayed
from growthlab.workbench.set_up import event_source, read_or_open


def served_outcomes(
    command: Command, bundle: Bundle, served: Mapping[str, ServedPrediction]
) -> DelayedEvaluation | None:
    """The evaluation of the served predictions; None if the command has no ``data``.

    Raises
    ------
    ConfigError, DataError
        The data is not that of the bundle, or does not reach to the end of a horizon.
    """
    config = command.config
    if config.get("data") is None:
        return None
    source = event_source(config)
    events = read_or_open(source, config, bundle.manifest)
    require_same_names(bundle.manifest, events.key_fingerprint, bundle.folder)
    if config.same_data:
        check_same_data(bundle, events, source.cleaning)
    task = build(compose("train", [f"task={bundle.manifest.task}"]).config.task, Task)
    return evaluate_delayed(task, bundle, served, events)
