"""The result of a comparison on its parent run: verdict, leaderboard, plots, description."""

from __future__ import annotations

import json

from growthlab.evaluation.comparison import Comparison
from growthlab.evaluation.verdict import Verdict
from growthlab.pages.csv_table import csv_of_table
from growthlab.tracking.comparison_notes import PAGE, note_of_comparison, note_of_experiment
from growthlab.tracking.comparison_run import ComparisonRun
from growthlab.tracking.run_files import artifact_folder, log_figures, log_metrics
from growthlab.tracking.run_notes import NOTE

SHOWN_TABLES = [{"path": "leaderboard.json", "type": "table"}]  # by MLflow's page as tables
FILES = {
    PAGE: "everything on one page: differences, segments, errors, settings, data",
    "report.md": "the whole comparison as text",
    "leaderboard.csv": "the leaderboard as a table",
    "config.yaml": "every setting",
}


def log_leaderboard(recorder: ComparisonRun, comparison: Comparison) -> str:
    """Log the comparison's result on the parent run, and return where it is."""
    client, run_id = recorder.store.client, recorder.run_id
    table = comparison.leaderboard()
    with artifact_folder(client, run_id) as folder:
        table.to_json(folder / "leaderboard.json", orient="split", index=False, date_format="iso")
        (folder / "leaderboard.csv").write_text(csv_of_table(table), encoding="utf-8")
        (folder / "report.md").write_text(comparison.as_markdown())
    client.set_tag(run_id, "mlflow.loggedArtifacts", json.dumps(SHOWN_TABLES))
    log_figures(client, run_id, comparison.figures())
    log_metrics(client, run_id, Verdict(comparison).metrics())
    client.set_tag(run_id, "objective", comparison.objective)
    if comparison.baseline is not None:
        client.set_tag(run_id, "baseline", comparison.baseline)
    if comparison.chosen:
        winner = comparison.winner()
        client.set_tag(run_id, "winner", winner.name)
        log_metrics(
            client, run_id, {f"valid/{comparison.objective}": winner.valid[comparison.objective]}
        )
    _describe(recorder, comparison)
    return f"comparison {run_id} in {recorder.lineage.experiment}"


def _describe(recorder: ComparisonRun, comparison: Comparison) -> None:
    """Set the descriptions of the run and of its experiment."""
    client, experiment, run_id = recorder.store.client, recorder.experiment_id, recorder.run_id
    note = note_of_comparison(comparison, experiment, run_id, recorder.runs, FILES)
    client.set_tag(run_id, NOTE, note)
    note = note_of_experiment(comparison, experiment, run_id)
    client.set_experiment_tag(experiment, NOTE, note)
