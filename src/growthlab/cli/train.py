"""growthlab train: one run of one model, or an earlier run again."""

from __future__ import annotations

import logging
import tempfile
from pathlib import Path

import yaml

from growthlab.cli.earlier import earlier_run, warm_start
from growthlab.cli.setting import Setting, as_composed
from growthlab.config.compose import Command
from growthlab.core.build import build
from growthlab.core.errors import ConfigError, GrowthlabError, one_line
from growthlab.evaluation.comparison import outcome_lines
from growthlab.tasks.run_comparison import run_comparison
from growthlab.tracking.store import Store, code_version

log = logging.getLogger(__name__)

STILL_OPEN = ("rerun=", "tracking", "cache=")


def run(found: Command) -> int:
    """Fit, judge and log the model of the config; the status is 1 if it failed."""
    if found.config.rerun:
        found = _logged(found)
    setting = Setting(found)
    setting.check()
    contender = setting.contender()
    warm = warm_start(setting, contender)
    recorder = setting.recorder([contender], parent=False)
    config = setting.config
    recorder.open()
    try:
        results = run_comparison(
            setting.task,
            setting.folds,
            [contender],
            setting.metrics,
            seed=config.seed,
            device=config.device,
            refit=config.refit,
            recorder=recorder,
            warm=warm,
        )
    except BaseException as error:
        recorder.close("KILLED" if isinstance(error, KeyboardInterrupt) else "FAILED")
        raise
    where = f"run {recorder.run_id} in {setting.lineage.experiment}"
    for failure in results.errors.values():
        if isinstance(failure, GrowthlabError):
            raise failure
        log.error("%s: error.txt of %s says where", one_line(failure), where)
        return 1
    outcome = results.outcomes[0][0]
    print("\n".join(outcome_lines(outcome, setting.task.objective, setting.metric_columns)))
    print(f"{where}; look: {setting.store.how_to_look}")
    return 0


def _logged(found: Command) -> Command:
    """The config that an earlier run logged; other code or data than then is pointed out.

    Raises
    ------
    ConfigError
        There is no such run, it logged no config of one model, or other settings are given.
    """
    run_id, store = str(found.config.rerun), build(found.config.tracking)
    assert isinstance(store, Store)
    for word in found.given:
        if not word.startswith(STILL_OPEN):
            raise ConfigError(f"{word}: rerun={run_id} has all its settings from the logged config")
    tags = earlier_run(store, f"rerun={run_id}").data.tags
    with tempfile.TemporaryDirectory() as folder:
        path = store.client.download_artifacts(run_id, "config.yaml", folder)
        again = as_composed(yaml.safe_load(Path(path).read_text()), found)
    before, now = tags.get("code_version", "unknown"), code_version()
    if before != now:
        log.warning("the run was made by code %s, this is %s: results may differ", before, now)
    digest = Setting(again).log.digest
    if tags.get("data_digest") != digest:
        log.warning("the data is not that of the run: its content has changed since")
    return again
