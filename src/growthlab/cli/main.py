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

from growthlab.cli.commands import commands, help_of, overview
from growthlab.core.errors import GrowthlabError, near_matches, one_line
from growthlab.core.interrupts import interruptible, raise_if_interrupted
from growthlab.core.process import prepare_process

STORES = ("mlflow.", "sqlalchemy.")  # whose errors say that a disk or a server is gone


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
        print(overview())
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
    if command not in commands():
        raise GrowthlabError(f"unknown command {command}: {near_matches(command, commands())}")
    if any(w in ("-h", "--help") for w in words):
        print(help_of(command))
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
        raise GrowthlabError("--cfg shows the composed config: write --cfg job")
    del words[place : place + 2]
    return True


def _take(words: list[str], option: str) -> bool:
    """Whether the option is among the words, from which it is removed."""
    if option not in words:
        return False
    words.remove(option)
    return True


if __name__ == "__main__":
    sys.exit(process())
