"""growthlab train: one run of one model, or an earlier run again."""

from __future__ import annotations

import logging
import tempfile
from pathlib import Path

import yaml

from growthlab.cli.compose import Composed
from growthlab.cli.setting import Setting, as_composed
from growthlab.core.build import build
from growthlab.core.errors import ConfigError
from growthlab.evaluation.report import outcome_lines
from growthlab.tasks.comparison import run_comparison
from growthlab.tracking.store import Store, code_version

log = logging.getLogger(__name__)


def run(found: Composed) -> int:
    """Fit, judge and log the model of the config; the status is 1 if it failed."""
    if found.config.rerun:
        found = _logged(build(found.config.tracking), str(found.config.rerun))
    setting = Setting(found)
    contender = setting.contender()
    recorder = setting.recorder(parent=False)
    recorder.open()
    config = setting.config
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
        )
    except KeyboardInterrupt:
        recorder.close("KILLED")
        raise
    for error in results.errors.values():
        raise error
    outcome = results.outcomes[0][0]
    print("\n".join(outcome_lines(outcome, setting.task.objective)))
    print(
        f"run {recorder.run_id} in {setting.lineage.experiment}; look: {setting.store.how_to_look}"
    )
    return 0


def _logged(store: Store, run_id: str) -> Composed:
    """The config that an earlier run logged; another code version is pointed out.

    Raises
    ------
    ConfigError
        There is no such run, or it logged no config.
    """
    try:
        earlier = store.client.get_run(run_id)
        with tempfile.TemporaryDirectory() as folder:
            path = store.client.download_artifacts(run_id, "config.yaml", folder)
            logged = yaml.safe_load(Path(path).read_text())
    except Exception as error:
        reason = str(error).splitlines()[0]
        raise ConfigError(f"rerun={run_id} in {store.uri}: {reason}") from error
    if "model" not in logged.get("chosen", {}) or "models" in logged:
        raise ConfigError(f"rerun={run_id} is a whole comparison: name one of its child runs")
    before, now = earlier.data.tags.get("code_version", "unknown"), code_version()
    if before != now:
        log.warning("the run was made by code %s, this is %s: results may differ", before, now)
    return as_composed(logged)
