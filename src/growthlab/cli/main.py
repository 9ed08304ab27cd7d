"""The command line: which command, its help, and how mistakes end (one line, exit status 2)."""

from __future__ import annotations

import importlib
import logging
import os
import signal
import sys
from collections.abc import Sequence

from growthlab.cli.conf_tree import CONF, choices, groups
from growthlab.core.errors import GrowthlabError, near_matches

COMMANDS = {
    "prepare": "ingest, clean and cache a data set; the cleaning report",
    "train": "one run of one model, or a grid of runs with -m",
    "compare": "every model of a task in one even comparison, with a leaderboard",
    "tune": "search of a model's settings on the validation window",
    "export": "the winner by validation to a bundle and the model registry",
    "recommend": "recommendations for a file of customers, from a bundle",
    "score": "churn probability or value for a file of customers, from a bundle",
    "serve": "HTTP service of bundles",
}
GREETING = (
    "growthlab: one customer timeline; what will they want, will they leave, what are they worth?"
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; 0: done, 1: something failed, 2: a mistake in the input, 130: interrupted."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    if not words or words[0] in ("-h", "--help", "help"):
        print(_help())
        return 0
    if words[0] == "--version":
        from importlib.metadata import version

        print(version("growthlab"))
        return 0
    try:
        return _run(words[0], words[1:])
    except GrowthlabError as error:
        print(f"growthlab: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("growthlab: interrupted; what was finished is kept", file=sys.stderr)
        return 130


def _run(command: str, words: list[str]) -> int:
    """Dispatch to the command's module."""
    if command not in COMMANDS:
        raise GrowthlabError(f"unknown command {command}: {near_matches(command, COMMANDS)}")
    if any(w in ("-h", "--help") for w in words):
        print(_command_help(command))
        return 0
    _prepare_process()
    from growthlab.cli.compose import composed, sweep

    show = _take(words, "--cfg", has_value=True)
    many = _take(words, "-m") or _take(words, "--multirun")
    unknown = [w for w in words if w.startswith("-")]
    if unknown:
        raise GrowthlabError(f"unknown option {unknown[0]}: possible are --help, --cfg job and -m")
    module = importlib.import_module(f"growthlab.cli.{command}")
    status = 0
    for overrides in sweep(words) if many else [words]:
        found = composed(command, overrides)
        if show:
            from omegaconf import OmegaConf

            print(OmegaConf.to_yaml(found.config), end="")
            continue
        status = max(status, module.run(found))
    return status


def _prepare_process() -> None:
    """Quiet third parties, logging to standard error, and SIGTERM that ends like Ctrl-C."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    logging.getLogger("growthlab").setLevel(logging.INFO)

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, interrupt)


def _take(words: list[str], option: str, *, has_value: bool = False) -> bool:
    """Whether the option is among the words, from which it is removed."""
    if option not in words:
        return False
    place = words.index(option)
    del words[place : place + (2 if has_value else 1)]
    return True


def _help() -> str:
    """The commands and the groups with their choices."""
    lines = [
        GREETING,
        "",
        "usage: growthlab COMMAND [group=choice] [key=value] [-m] [--cfg job]",
        "",
    ]
    lines += [f"  {name:<10} {what}" for name, what in COMMANDS.items()]
    lines += ["", "groups:"]
    lines += [_choices_line(g) for g in groups() if g not in ("metrics", "search")]
    return "\n".join([*lines, "", "growthlab COMMAND --help shows a command's settings."])


def _command_help(command: str) -> str:
    """What a command does, its settings as they stand in its config file, and the groups it composes."""
    text = (CONF / f"{command}.yaml").read_text().rstrip()
    composed_groups = [g for g in groups() if f"- {g}:" in text or "- train" in text]
    lines = [f"growthlab {command}: {COMMANDS[command]}", "", text, "", "groups:"]
    shown = [_choices_line(g) for g in composed_groups if g not in ("metrics", "search")]
    return "\n".join(lines + shown if shown else lines[:-2])


def _choices_line(group: str) -> str:
    """A group and what can be chosen in it."""
    import textwrap

    found = ", ".join(choices(group)) or "(none yet)"
    return textwrap.fill(found, 110, initial_indent=f"  {group:<10} ", subsequent_indent=" " * 13)


if __name__ == "__main__":
    sys.exit(main())
