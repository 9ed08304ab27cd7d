"""The command line: which command, its help, and how mistakes end (one line, exit status 2)."""

from __future__ import annotations

import atexit
import importlib
import logging
import os
import sys
from collections.abc import Sequence
from types import ModuleType
from typing import Any

from growthlab.config.conf_tree import CONF, choices, groups
from growthlab.core.errors import GrowthlabError, near_matches, one_line
from growthlab.core.interrupts import interruptible, raise_if_interrupted
from growthlab.core.process import prepare_process

COMMANDS = {
    "prepare": "ingest, clean and cache a data set; the cleaning report",
    "describe": "growth, cohorts, baskets, channels and goals of a data set as a report",
    "train": "one run of one model, or a grid of runs with -m",
    "compare": "every model of a task in one even comparison, with a leaderboard",
    "tune": "search of a model's settings on the validation window",
    "export": "the winner by validation to a bundle and the model registry",
    "promote": "a challenger to champion of the registry, if the evidence lets it",
    "rollback": "the champion before this one, back in its place",
    "recommend": "recommendations for a file of customers, from a bundle",
    "portrait": "a row of tags for every customer as of a cutoff, and the dictionary of tags",
    "segment": "segments, tiers, triggers and lookalikes as of a date, a row a customer each",
    "score": "churn probability or value for a file of customers, from a bundle",
    "fetch": "a registered model, such as the champion, to a folder that a service watches",
    "sign": "sign a bundle with the signing key of this machine",
    "refresh": "newer histories, customer rows and stock for a bundle, without a new model",
    "serve": "HTTP service of bundles",
    "monitor": "what the service's request log says: drift, fallbacks, rates, latency, with alerts",
}
STORES = ("mlflow.", "sqlalchemy.")  # whose errors say that a disk or a server is gone
GREETING = (
    "growthlab: one customer timeline; what will they want, will they leave, what are they worth?"
)


def process() -> int:
    """`main` as all that a process does: it ends without taking its thousands of modules apart.

    That would be a quarter of a short run. Threads are waited for and exit handlers run as ever.
    """
    statuses: list[int] = []
    atexit.register(_end, statuses)  # the first to be registered is the last to run
    try:
        statuses.append(main())
    except BrokenPipeError:  # who read our words, such as head, has gone
        os._exit(1)
    return statuses[0]


def _end(statuses: Sequence[int]) -> None:
    """End the process at once; not after an error of our own, nor where its last words got lost."""
    try:
        logging.shutdown()
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:  # as it is where the process was started without one
                stream.flush()
    except BrokenPipeError:
        os._exit(1)
    except (OSError, ValueError):
        return
    if statuses:
        os._exit(statuses[0])


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
    with interruptible():
        try:
            return _run(words[0], words[1:])
        except GrowthlabError as error:
            return _mistake(error)
        except KeyboardInterrupt:
            return _interrupted()
        except Exception as error:
            return _failure(error)


def _mistake(error: Exception) -> int:
    print(f"growthlab: {one_line(error)}", file=sys.stderr)
    return 2


def _failure(error: Exception) -> int:
    """The status of an error that is no mistake in the input; one of our own is raised again."""
    try:
        raise_if_interrupted()
    except KeyboardInterrupt:
        return _interrupted()
    known = isinstance(error, OSError) or type(error).__module__.startswith(STORES)
    if not known or isinstance(error, BrokenPipeError):
        raise error
    print(f"growthlab: {type(error).__name__}: {one_line(error)[:300]}", file=sys.stderr)
    return 1


def _interrupted() -> int:
    print("growthlab: interrupted; what was finished is kept", file=sys.stderr)
    return 130


def _run(command: str, words: list[str]) -> int:
    """Dispatch to the command's module, once for each point of a grid."""
    if command not in COMMANDS:
        raise GrowthlabError(f"unknown command {command}: {near_matches(command, COMMANDS)}")
    if any(w in ("-h", "--help") for w in words):
        print(_command_help(command))
        return 0
    prepare_process()
    try:
        from growthlab.config.compose import compose, sweep
    except ModuleNotFoundError as error:
        return _without_laboratory(command, words, error)

    show = _take_cfg(words)
    many = _take(words, "-m") or _take(words, "--multirun")
    unknown = [w for w in words if w.startswith("-")]
    if unknown:
        raise GrowthlabError(f"unknown option {unknown[0]}: possible are --help, --cfg job and -m")
    grid = [compose(command, overrides) for overrides in (sweep(words) if many else [words])]
    if show:
        from omegaconf import OmegaConf

        print("---\n".join(OmegaConf.to_yaml(command.config) for command in grid), end="")
        return 0
    module = importlib.import_module(f"growthlab.cli.{command}")
    if len(grid) == 1:
        return int(module.run(grid[0]))
    return max(_point(module, command) for command in grid)


def _without_laboratory(command: str, words: list[str], missing: ModuleNotFoundError) -> int:
    """What the plain install can do: serve; for all else it is said what to install."""
    if (missing.name or "").partition(".")[0] == "growthlab":
        raise missing
    if command != "serve":
        raise GrowthlabError(
            f"{command} needs the laboratory ({missing.name} is not installed): "
            "pip install 'growthlab[lab]'"
        ) from missing
    from growthlab.serving.__main__ import main as serve

    return serve(words)


def _point(module: ModuleType, command: Any) -> int:
    """One point of a grid: a mistake in it does not stop the others."""
    print(f"growthlab {command.name} {' '.join(command.words)}", file=sys.stderr)
    try:
        return int(module.run(command))
    except GrowthlabError as error:
        return _mistake(error)


def _take_cfg(words: list[str]) -> bool:
    """Whether ``--cfg job`` is among the words, from which it is removed."""
    if _take(words, "--cfg=job"):
        return True
    if "--cfg" not in words:
        return False
    place = words.index("--cfg")
    if words[place + 1 : place + 2] != ["job"]:
        raise GrowthlabError("--cfg shows the compose config: write --cfg job")
    del words[place : place + 2]
    return True


def _take(words: list[str], option: str) -> bool:
    """Whether the option is among the words, from which it is removed."""
    if option not in words:
        return False
    words.remove(option)
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
    fits = "- model:" in text or "- train" in text  # then the groups inside a model count too
    composed_groups = [g for g in groups() if f"- {g}:" in text or fits]
    lines = [f"growthlab {command}: {COMMANDS[command]}", "", text, "", "groups:"]
    shown = [_choices_line(g) for g in composed_groups if g not in ("metrics", "search")]
    return "\n".join(lines + shown if shown else lines[:-2])


def _choices_line(group: str) -> str:
    """A group and what can be chosen in it."""
    import textwrap

    found = ", ".join(choices(group)) or "(none yet)"
    return textwrap.fill(found, 110, initial_indent=f"  {group:<10} ", subsequent_indent=" " * 13)


if __name__ == "__main__":
    sys.exit(process())
