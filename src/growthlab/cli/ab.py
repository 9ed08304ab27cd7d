"""growthlab ab: what an experiment changed."""

from __future__ import annotations

from growthlab.config.compose import Command
from growthlab.effects.ab_analysis import analyse
from growthlab.effects.ab_page import ab_html
from growthlab.effects.ab_report import ab_json, ab_table, ab_text, run_figures
from growthlab.effects.ab_settings import AbSettings
from growthlab.effects.ab_statement import verdict
from growthlab.effects.report_folder import report_folder, write_files
from growthlab.pages.csv_table import csv_of_table
from growthlab.tracking.lineage import Lineage
from growthlab.workbench.experiment_input import experiment_data
from growthlab.workbench.log_report import log_report
from growthlab.workbench.logged_config import plain_config
from growthlab.workbench.set_up import tracking_store

BROKEN_SPLIT = 3  # the exit status where no effect may be shown
KEYS_NOT_LOGGED = ("tracking", "output", "cache", "memory_gb")


def run(command: Command) -> int:
    """Print the verdict and the effects, write the report, and log it in MLflow."""
    config = command.config
    settings, name = AbSettings.of(plain_config(command)), str(config.name)
    folder, store = report_folder(config.output, name), tracking_store(config)
    data = experiment_data(command)
    analysis = analyse(data, settings, name)
    table = csv_of_table(ab_table(analysis)) if analysis.arms else None
    texts = {"ab.html": ab_html(analysis), "ab.json": ab_json(analysis), "effects.csv": table}
    files = write_files(folder, texts)
    lineage = Lineage(
        data=name,
        digest=data.digest,
        task="ab",
        split="",
        cutoff="",
        source=str(config.log or config.exposures.path or command.choice("data")),
        counts=data.counts,
        more={"claim": str(settings.claim), "verdict": verdict(analysis)},
    )
    look = log_report(
        command,
        store,
        lineage,
        files,
        run_figures(analysis),
        keys_not_logged=KEYS_NOT_LOGGED,
        where=str(files[0]),
    )
    print("\n".join([ab_text(analysis), "", *look]))
    return 0 if analysis.arms else BROKEN_SPLIT
