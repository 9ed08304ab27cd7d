"""The leaderboard on a comparison's parent run: table, PNG, CSV and Markdown report."""

from __future__ import annotations

from growthlab.evaluation.comparison import Comparison
from growthlab.pages.csv_table import csv_of_table
from growthlab.tracking.comparison_run import ComparisonRun
from growthlab.tracking.run_files import artifact_folder, log_figures, log_metrics


def log_leaderboard(recorder: ComparisonRun, comparison: Comparison) -> str:
    """Log the comparison's result on the parent run, and return where it is."""
    client, run_id = recorder.store.client, recorder.run_id
    table = comparison.leaderboard()
    client.log_table(run_id, table, "leaderboard.json")
    with artifact_folder(client, run_id) as folder:
        (folder / "leaderboard.csv").write_text(csv_of_table(table), encoding="utf-8")
        (folder / "report.md").write_text(comparison.as_markdown())
    log_figures(client, run_id, comparison.figures())
    client.set_tag(run_id, "objective", comparison.objective)
    if comparison.chosen:
        winner = comparison.winner()
        client.set_tag(run_id, "winner", winner.name)
        log_metrics(
            client, run_id, {f"valid/{comparison.objective}": winner.valid[comparison.objective]}
        )
    return f"comparison {run_id} in {recorder.lineage.experiment}"
