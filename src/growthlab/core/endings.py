"""What is left to do at the end of a command, such as to send what could not be sent before."""

from __future__ import annotations

from collections.abc import Callable

_steps: list[Callable[[], None]] = []


def at_end(step: Callable[[], None]) -> None:
    """Run `step` once at the end of the command."""
    _steps.append(step)


def end_command() -> None:
    """Run the steps; the first error is raised after all have run."""
    failed: Exception | None = None
    while _steps:
        try:
            _steps.pop(0)()
        except Exception as error:
            failed = failed or error
    if failed is not None:
        raise failed
