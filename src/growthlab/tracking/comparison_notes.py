"""Descriptions of comparisons and experiments, shown as Markdown by MLflow's web page, with links."""

from __future__ import annotations

from collections.abc import Mapping

from growthlab.evaluation.standings import Standings
from growthlab.evaluation.text_report import marked_model_names, objective_intervals
from growthlab.evaluation.verdict import Verdict
from growthlab.pages.text_table import markdown_table, markdown_text, metric_label
from growthlab.tasks.entry import label_of
from growthlab.tracking.run_links import run_place, view_place
from growthlab.tracking.saved_views import COMPARISONS, MODELS, NEWEST

PAGE = "comparison.html"  # of a comparison, on its run


def note_of_comparison(
    comparison: Standings,
    experiment_id: str,
    run_id: str,
    runs: Mapping[str, str],
    files: Mapping[str, str],
) -> str:
    """Verdict, a row a model with the link to its run, and what each file of the run is.

    `runs` are ids by the label of an entry.
    """
    rows = [
        (name, interval)
        for name, interval in zip(
            marked_model_names(comparison), objective_intervals(comparison), strict=True
        )
    ]
    header = ["model", f"{metric_label(comparison.objective)} on the test window"]
    links = [
        f"[{markdown_text(label)}]({run_place(experiment_id, run_id)})"
        for label, run_id in _newest_first_seeds(comparison, runs).items()
    ]
    return "\n".join(
        [
            verdict_note(comparison),
            "",
            *markdown_table(header, rows),
            "",
            f"Runs of the models: {', '.join(links)}.",
            "",
            *(f"- {_file(experiment_id, run_id, name)}: {what}" for name, what in files.items()),
        ]
    )


def _file(experiment_id: str, run_id: str, name: str) -> str:
    """The link to a file of a run."""
    return f"[{name}]({run_place(experiment_id, run_id, name)})"


def note_of_experiment(comparison: Standings, experiment_id: str, run_id: str) -> str:
    """What the runs of an experiment are, its saved views, and the newest verdict."""
    views = {
        COMPARISONS: "all comparisons",
        NEWEST: "models of the newest comparison",
        MODELS: "every run of one model",
    }
    links = [f"[{text}]({view_place(experiment_id, view)})" for view, text in views.items()]
    newest = f"[the newest comparison]({run_place(experiment_id, run_id, PAGE)})"
    title = markdown_text(comparison.title)
    return f"{title}. Look at {', '.join(links)}.\n\n{verdict_note(comparison)} See {newest}."


def verdict_note(comparison: Standings) -> str:
    """The verdict as Markdown."""
    sentences = Verdict(comparison).sentences(lambda name: f"**{markdown_text(name)}**")
    return " ".join(sentences)


def _newest_first_seeds(comparison: Standings, runs: Mapping[str, str]) -> dict[str, str]:
    """The runs of each model's first seed at the newest cutoff, by model."""
    labels = {name: label_of(name, seeds[0].seed) for name, seeds in comparison.models.items()}
    return {name: runs[label] for name, label in labels.items() if label in runs}
