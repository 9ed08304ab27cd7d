"""growthlab train: train one model, or rerun an earlier run."""

from __future__ import annotations

import logging

from growthlab.config.compose import Command
from growthlab.core.errors import GrowthlabError, one_line
from growthlab.evaluation.text_report import model_result_lines
from growthlab.tracking.run_links import look_lines
from growthlab.tracking.saved_views import MODELS
from growthlab.workbench.earlier_runs import command_of_run, warm_start
from growthlab.workbench.evaluate_models import evaluate_models, recorder_for
from growthlab.workbench.set_up import set_up

log = logging.getLogger(__name__)


def run(command: Command) -> int:
    """Fit, evaluate and log the model of the config; the status is 1 if it failed."""
    if command.config.rerun:
        command = command_of_run(command)
    bench = set_up(command)
    (contender,) = bench.contenders
    warm = warm_start(bench, contender)
    with recorder_for(bench, bench.contenders, parent=False) as recorder:
        results = evaluate_models(bench, bench.contenders, recorder, warm)
    where = f"run {recorder.run_id} in {bench.lineage.experiment}"
    for error in results.errors.values():
        if isinstance(error, GrowthlabError):
            raise error
        log.error("%s: see error.txt of %s", one_line(error), where)
        return 1
    (outcome,) = results.outcomes[0]
    print("\n".join(model_result_lines(outcome, bench.task.objective, bench.columns)))
    look = look_lines(bench.store, bench.lineage.experiment, recorder.run_id, MODELS)
    print("\n".join([where, *look]))
    return 0
