"""growthlab completion: what lets bash and zsh complete commands, settings and choices."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from growthlab.cli.commands import commands, split_command
from growthlab.config.conf_tree import choices
from growthlab.config.defaults_list import composed_groups
from growthlab.config.shown_settings import setting_names
from growthlab.core.errors import ConfigError, near_matches

if TYPE_CHECKING:
    from growthlab.config.compose import Command

OPTIONS = ("--help", "--quiet", "--verbose", "--cfg", "-m")
SCRIPTS = {
    "bash": """_growthlab() {
  local line="${COMP_LINE:0:COMP_POINT}" typed
  read -ra typed <<< "$line"
  [[ $line == *" " ]] && typed+=("")
  mapfile -t COMPREPLY < <("${typed[0]}" --complete "${typed[@]:1}" 2>/dev/null)
  [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == *= ]] && compopt -o nospace 2>/dev/null
  if [[ ${typed[-1]} == *=* && $COMP_WORDBREAKS == *=* ]]; then
    COMPREPLY=("${COMPREPLY[@]#*=}")
  fi
}
complete -o default -F _growthlab growthlab
""",
    "zsh": """_growthlab() {
  local -a found
  found=("${(@f)$(growthlab --complete "${(@)words[2,CURRENT]}" 2>/dev/null)}")
  compadd -S '' -- "${(@)found:#*=}" || true
  compadd -S '' -- "${(M@)found:#*=}"
}
(( $+functions[compdef] )) || { autoload -Uz compinit && compinit; }
compdef _growthlab growthlab
""",
}


def run(command: Command) -> int:
    """Print the script of a shell."""
    shells = [str(shell) for shell in command.config.shell]
    if len(shells) != 1 or shells[0] not in SCRIPTS:
        given = " ".join(shells) or "nothing"
        raise ConfigError(f"completion of {given}: {near_matches(given, SCRIPTS)}")
    print(SCRIPTS[shells[0]], end="")
    return 0


def candidates(typed: list[str]) -> list[str]:
    """What the last of the words after ``growthlab`` may become; imports nothing heavy."""
    *before, last = typed or [""]
    if not before:
        return _starting(last, [name.partition(" ")[0] for name in commands()])
    name, _ = split_command(before)
    if name not in commands():
        return []
    key, equals, begun = last.partition("=")
    groups = composed_groups(commands()[name].file)
    if equals:
        return [
            f"{key}={choice}" for choice in _starting(begun, choices(key) if key in groups else [])
        ]
    if last.startswith("-"):
        return _starting(last, OPTIONS)
    second = [n.split()[1] for n in commands() if " " in n and before == [n.split()[0]]]
    names = [f"{n}=" for n in [*groups, *setting_names(commands()[name].file)]]
    return _starting(last, [*second, *names])


def _starting(begun: str, names: Iterable[str]) -> list[str]:
    return sorted({name for name in names if name.startswith(begun)})
