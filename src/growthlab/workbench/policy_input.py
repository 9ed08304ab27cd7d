"""From a config of ``ope`` to the value of another policy."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from growthlab.core.errors import ConfigError
from growthlab.core.plain_types import argument_types, type_mismatch
from growthlab.core.plain_values import plain_values
from growthlab.effects.logged_actions import ActionTable, LoggedActions
from growthlab.effects.off_policy_value import OffPolicyValue, off_policy_value
from growthlab.effects.served_policy import ServedPolicyInput


class JudgedPolicy(NamedTuple):
    """The estimates, the logged actions behind them, their file, and notes on what was left out."""

    value: OffPolicyValue
    actions: LoggedActions
    source: Path
    notes: list[str]


def judged_policy(config: Any) -> JudgedPolicy:
    """What another policy would have earned by the log that the config names.

    Raises
    ------
    ConfigError, DataError
        Inputs that are missing or exclude each other, and a log from which nothing may be estimated.
    """
    if config.assumption not in (None, "independent", "cascade"):
        raise ConfigError(f"assumption must be independent or cascade, got {config.assumption}")
    if not 0 < config.alpha < 0.5:
        raise ConfigError(f"alpha must lie between 0 and 0.5, got {config.alpha:g}")
    source, actions, notes = _read(config)
    value = off_policy_value(
        actions,
        switch_at=config.switch_at,
        shrinkage=config.shrinkage,
        level=1 - config.alpha,
        seed=config.seed,
    )
    return JudgedPolicy(value, actions, source, notes)


def _read(config: Any) -> tuple[Path, LoggedActions, list[str]]:
    """The file of the log, its actions beside the policy, and notes on what was left out."""
    table = _action_table(plain_values(config.actions))
    policy = None if config.policy is None else str(config.policy)
    if (config.log is None) == (table.path is None):
        raise ConfigError(
            "give the log as a table (actions.path), or a service's request log (log=)"
        )
    if config.log is None:
        return Path(str(table.path)), table.read(policy, config.assumption, config.seed), []
    if policy is None:
        raise ConfigError("log= needs policy=: the folder of the bundle whose lists are compared")
    if config.assumption == "cascade":
        raise ConfigError(
            "assumption=cascade needs actions.path: positions of a request log are independent"
        )
    served = ServedPolicyInput(
        log=str(config.log),
        bundle=policy,
        event=str(config.log_event),
        since=None if config.log_since is None else str(config.log_since),
        until=None if config.log_until is None else str(config.log_until),
    )
    return Path(str(config.log)), *served.read()


def _action_table(settings: dict[str, object]) -> ActionTable:
    """The table of a config; ConfigError for a setting of a wrong type."""
    for name, annotation in argument_types(ActionTable).items():
        if name in settings and (wrong := type_mismatch(settings[name], annotation)):
            raise ConfigError(f"actions.{name} must be {wrong}, got {settings[name]!r}")
    return ActionTable(**settings)  # type: ignore[arg-type]
