"""growthlab config: every value that a command would run with, and where it comes from."""

from __future__ import annotations

from growthlab.cli.commands import commands, split_command
from growthlab.config.compose import Command, compose
from growthlab.config.value_origins import value_origins
from growthlab.core.errors import ConfigError, near_matches

WIDEST = 60  # characters of a setting with its value, behind which its origin stands


def run(command: Command) -> int:
    """Print a line a setting: its name, its value, and its origin."""
    words = [str(word) for word in command.config.words]
    if not words:
        raise ConfigError("config needs a command: growthlab config compare task=churn")
    name, rest = split_command(words)
    if name not in commands():
        raise ConfigError(f"unknown command {name}: {near_matches(name, commands())}")
    for key, value, origin in value_origins(compose(commands()[name].file, rest)):
        print(f"{f'{key}={value}':<{WIDEST}}  # {origin}")
    return 0
