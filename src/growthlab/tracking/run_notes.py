"""The description of a model's run, which MLflow's web page shows as Markdown."""

from __future__ import annotations

from growthlab.pages.text_table import markdown_text
from growthlab.tracking.run_links import run_place

NOTE = "mlflow.note.content"  # tag of a run and of an experiment


def note_of_model(label: str, experiment_id: str, parent: str) -> str:
    """What the run of a model is, and the link to its comparison; `parent` is empty without one."""
    what = f"One fit of a model, evaluated on the test window: {markdown_text(label)}."
    if not parent:
        return what
    return f"{what} Part of [this comparison]({run_place(experiment_id, parent)})."
