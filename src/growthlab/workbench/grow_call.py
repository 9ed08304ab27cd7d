"""One call of growthlab grow: its data, its run in MLflow, and what was done of it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import pandas as pd

from growthlab.bundle.manifest import Manifest
from growthlab.campaign.plan_files import PAGE, PLAN
from growthlab.config.compose import Command, compose
from growthlab.core.build import build
from growthlab.pages.page import Badge
from growthlab.tasks.base import Task
from growthlab.tracking.lineage import Lineage
from growthlab.tracking.run_clock import end_run, new_run
from growthlab.tracking.run_files import artifact_folder, log_metrics, log_params
from growthlab.tracking.store import Store
from growthlab.workbench.grow_page import Champion, grow_page
from growthlab.workbench.grow_steps import GrowProgress, progress_key, settings_logged
from growthlab.workbench.logged_config import plain_config
from growthlab.workbench.review_inputs import save_page
from growthlab.workbench.set_up import cache_folder, event_source, prepared_data, tracking_store

INTERRUPTED = 130  # exit status


@dataclass
class GrowCall:
    """A call that began, or goes on."""

    command: Command
    store: Store
    lineage: Lineage
    progress: GrowProgress

    @classmethod
    def begin(cls, command: Command) -> Self:
        """Prepare the data, and open the call's run, or that of the same call which was stopped.

        Raises
        ------
        ConfigError, DataError
            The data cannot be read.
        """
        config, name = command.config, command.choice("data")
        source, store = event_source(config), tracking_store(config)
        log = prepared_data(source, config, name)
        lineage = Lineage.of_data(log, source, data=name, task="grow")
        path = cache_folder(config) / "grow" / f"{name}.json"
        key = progress_key(log.digest)
        progress = GrowProgress.open(path, key)
        if progress is None:
            experiment = store.experiment(lineage.experiment)
            tags = {**lineage.tags(), "kind": "grow"}
            run_id = new_run(store.client, experiment, f"from log to campaign: {name}", tags)
            log_params(store.client, run_id, settings_logged(plain_config(command)))
            store.client.log_inputs(run_id, datasets=[lineage.dataset()])
            progress = GrowProgress(path, key, run_id)
            progress.save()
        else:
            store.client.update_run(progress.run_id, status="RUNNING")
        return cls(command, store, lineage, progress)

    def stop(self, status: int) -> None:
        """End the run after a step that failed; what is done stays done."""
        ended = "KILLED" if status == INTERRUPTED else "FAILED"
        end_run(self.store.client, self.store.client.get_run(self.progress.run_id), ended)

    def end(self, bundles: Sequence[Path]) -> Path:
        """Write the page, log it with the figures of the plan, and end the run; the path of the page."""
        config, data = self.command.config, self.lineage.data
        output = Path(str(config.output))
        plan_folder = Path("plans") / str(config.campaign)
        plan = pd.read_parquet(plan_folder / f"{PLAN}.parquet")
        champions = {
            manifest.task: Champion(manifest, objective_of(manifest.task))
            for manifest in map(Manifest.read, bundles)
        }
        folder = output / data
        pages = {("comparison", t): folder / f"comparison-{t}.html" for t in config.models}
        pages["plan", str(config.campaign)] = plan_folder / PAGE
        links = [Badge(*name, os.path.relpath(path, folder)) for name, path in pages.items()]
        page = grow_page(data, champions, plan, self.progress.done, links)
        path = save_page(page, str(output), data, "grow")
        client, run_id = self.store.client, self.progress.run_id
        with artifact_folder(client, run_id) as logged:
            (logged / "grow.html").write_text(page, encoding="utf-8")
            shutil.copy2(plan_folder / PAGE, logged / PAGE)
        for task, (manifest, _) in champions.items():
            client.set_tag(run_id, f"champion.{task}", f"{manifest.model} {manifest.run_id}")
        sent = plan[plan["offer"].notna()]
        figures = {"messages": len(sent), "cost": sent["cost"].sum()}
        figures |= sent.groupby("claim")["value"].sum()
        log_metrics(client, run_id, {f"plan/{name}": value for name, value in figures.items()})
        end_run(client, client.get_run(run_id), "FINISHED")
        self.progress.close()
        return path


def objective_of(task: str) -> str:
    """The metric by which a task chooses."""
    return build(compose("train", [f"task={task}"]).config.task, Task).objective
