"""The command line: runs a command or prints its help; a mistake is one line and exit status 2."""

from __future__ import annotations

import atexit
import importlib
import logging
import os
import sys
from collections.abc import Sequence
from types import ModuleType
from typing import Any

from growthlab.cli.commands import commands, help_of, overview, split_command
from growthlab.cli.terminal_output import visible_output
from growthlab.core.credentials import without_passwords
from growthlab.core.endings import end_command
from growthlab.core.errors import GrowthlabError, near_matches, one_line
from growthlab.core.interrupts import interruptible, raise_if_interrupted
from growthlab.core.owned_folder import scratch_folder
from growthlab.core.private_files import private_files
from growthlab.core.process import prepare_process
from growthlab.core.running_command import running
from growthlab.core.storage_faults import storage_fault
from growthlab.core.visible_text import visible_text

log = logging.getLogger("growthlab.cli")  # also where this module runs as __main__

TORCHRUN = "TORCHELASTIC_RUN_ID"  # which torchrun gives every process that it starts
STORE_MODULES = ("mlflow.", "sqlalchemy.")  # their errors usually mean a full disk or a lost server


def process() -> int:
    """Run `main` and skip the interpreter's teardown, which takes a quarter of a short run.

    Threads are joined and exit handlers run as usual.
    """
    statuses: list[int] = []
    atexit.register(_exit_now, statuses)  # registered first, so that it runs last
    try:
        statuses.append(main())
    except BrokenPipeError:  # the reader of our output, such as head, has closed it
        os._exit(1)
    return statuses[0]


def _exit_now(statuses: Sequence[int]) -> None:
    """Exit at once with the status of `main`; not if it raised, or if output could not be written."""
    try:
        logging.shutdown()
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:  # None if the process was started without one
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
    if words[0] == "--complete":  # of the scripts that growthlab completion prints
        from growthlab.cli.completion import candidates

        print("\n".join(candidates(words[1:])))
        return 0
    if words[0] == "--version":
        from importlib.metadata import version

        print(version("growthlab"))
        return 0
    with interruptible(), visible_output():
        try:
            with running(words):
                return _run(*split_command(words))
        except GrowthlabError as error:
            return _mistake(error)
        except KeyboardInterrupt:
            return _interrupted()
        except Exception as error:
            return _failure(error)


def _mistake(error: Exception) -> int:
    print(f"growthlab: {visible_text(one_line(error))}", file=sys.stderr)
    return 2


def _failure(error: Exception) -> int:
    """The exit status of an error outside the program; any other error is raised again."""
    if (fault := storage_fault(error)) is not None:
        print(f"growthlab: {visible_text(fault)}", file=sys.stderr)
        return 1
    try:
        raise_if_interrupted()
    except KeyboardInterrupt:
        return _interrupted()
    known = isinstance(error, OSError) or type(error).__module__.startswith(STORE_MODULES)
    if not known or isinstance(error, BrokenPipeError):
        raise error
    line = visible_text(one_line(error)[:300])
    print(f"growthlab: {type(error).__name__}: {line}", file=sys.stderr)
    return 1


def _interrupted() -> int:
    print("growthlab: interrupted; finished work is kept", file=sys.stderr)
    return 130


def _run(name: str, words: list[str]) -> int:
    """Run the command's module, once for each point of a grid."""
    if name not in commands():
        raise GrowthlabError(f"unknown command {name}: {near_matches(name, commands())}")
    if any(w in ("-h", "--help") for w in words):
        print(help_of(name))
        return 0
    if os.environ.get(TORCHRUN):
        if os.environ.get("LOCAL_RANK", "0") != "0":
            return 0  # the first says what follows, once
        raise GrowthlabError(
            "torchrun would run the whole command in each process: start it without, and a network is "
            "trained in as many processes as model.trainer.processes=2 says"
        )
    prepare_process(_log_level(words))
    begun = without_passwords(" ".join([name, *words]))
    log.info("growthlab %s", begun)  # before what takes seconds to import
    try:
        from growthlab.config.compose import compose, sweep
        from growthlab.config.typed_words import all_gathered, gathered
    except ModuleNotFoundError as error:
        return _without_laboratory(name, words, error)

    show_config = _take_cfg(words)
    is_grid = _take(words, "-m") or _take(words, "--multirun")
    setting, every, file = (
        commands()[name].words_are,
        commands()[name].all_words_are,
        commands()[name].file,
    )
    unknown = [w for w in words if w.startswith("-")]
    if unknown:
        raise GrowthlabError(
            f"unknown option {unknown[0]}: possible are --help, --quiet, --verbose, --cfg job and -m"
        )
    if every is not None:
        words = all_gathered(words, every)
    elif setting is not None:
        words = gathered(words, setting)
    grid = [compose(file, overrides) for overrides in (sweep(words) if is_grid else [words])]
    if show_config:
        from omegaconf import OmegaConf

        print("---\n".join(OmegaConf.to_yaml(command.config) for command in grid), end="")
        return 0
    module = importlib.import_module(f"growthlab.cli.{file}")
    with scratch_folder(), private_files():
        if len(grid) == 1:
            status = int(module.run(grid[0]))
        else:
            status = max(_run_point(module, command) for command in grid)
        end_command()
    return status


def _without_laboratory(name: str, words: list[str], missing: ModuleNotFoundError) -> int:
    """Serve with the plain install; every other command says what to install."""
    if (missing.name or "").partition(".")[0] == "growthlab":
        raise missing
    if name != "serve":
        raise GrowthlabError(
            f"{name} needs the laboratory ({missing.name} is not installed): "
            "pip install 'growthlab[lab]'"
        ) from missing
    from growthlab.serving.__main__ import main as serve

    return serve(words)


def _run_point(module: ModuleType, command: Any) -> int:
    """One point of a grid: a mistake in it does not stop the others."""
    print(f"growthlab {command.name} {without_passwords(' '.join(command.words))}", file=sys.stderr)
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


def _log_level(words: list[str]) -> int:
    """How much is logged: with --quiet only warnings, with --verbose everything."""
    quiet, verbose = _take(words, "--quiet"), _take(words, "--verbose")
    if quiet and verbose:
        raise GrowthlabError("--quiet and --verbose: give one of them")
    return logging.WARNING if quiet else logging.DEBUG if verbose else logging.INFO


def _take(words: list[str], option: str) -> bool:
    """Whether the option is among the words, from which it is removed."""
    if option not in words:
        return False
    words.remove(option)
    return True


if __name__ == "__main__":
    sys.exit(process())
