"""growthlab grow: from a log to a campaign, by the commands that are also typed one by one."""

from __future__ import annotations

import time
from pathlib import Path

from growthlab.bundle.manifest import Manifest
from growthlab.cli.main import main
from growthlab.config.compose import Command
from growthlab.tracking.run_links import look_lines
from growthlab.workbench.grow_call import GrowCall
from growthlab.workbench.grow_steps import (
    Step,
    campaign_steps,
    challenger_folder,
    champion_folder,
    champion_steps,
    model_steps,
    promotion_step,
)


class StepFailedError(Exception):
    """A step failed, and has said why."""


def run(command: Command) -> int:
    """Run the steps that are not done yet; one that fails ends the call with its exit status."""
    campaign_steps(command, [])  # raises before any work
    steps = model_steps(command)
    call = GrowCall.begin(command)
    bundles: list[Path] = []
    try:
        for task in command.config.models:
            _do(call, *(step for step in steps if step.task == task))
            manifest = Manifest.read(challenger_folder(command, task))
            _do(call, promotion_step(command, task, str(manifest.run_id)))
            of_champion = champion_steps(command, call.store, task)
            _do(call, *of_champion)
            bundles += [champion_folder(command, task)] if of_champion else []
        _do(call, *campaign_steps(command, bundles))
    except StepFailedError as failure:
        (status,) = failure.args
        call.stop(status)
        return int(status)
    page = call.end(bundles)
    look = look_lines(call.store, call.lineage.experiment, call.progress.run_id)
    print("\n".join([f"\npage: {page}", *look]))
    return 0


def _do(call: GrowCall, *steps: Step) -> None:
    """Run the steps that are not done yet."""
    for step in steps:
        if call.progress.skips(step):
            print(f"{step.name}: done by an earlier call")
            continue
        print(f"\n{step.name}", flush=True)
        started = time.monotonic()
        status = main(step.words)
        if status not in step.passes:
            raise StepFailedError(status)
        call.progress.add(step, status, time.monotonic() - started)
