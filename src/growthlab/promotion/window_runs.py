"""The runs of one model that were evaluated on the same window as a challenger."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from growthlab.promotion.model_run import ModelRun
from growthlab.tracking.comparison_run import KEY_TAG

TAGS_OF_A_WINDOW = ("task", "data_digest", "split", "cutoff")  # evaluations that count together
FINISHED = "FINISHED"


def window_runs(challenger: ModelRun) -> list[ModelRun]:
    """Every run of one model whose metrics on the window were logged, the challenger's included.

    In any experiment, as the same data may have another name; runs that failed or were stopped after
    their metrics were logged, and deleted runs, are included.
    """
    from mlflow.entities import ViewType

    client, everything = challenger.store.client, ViewType.ALL
    same = (f"tags.{tag} = '{challenger.tags.get(tag, '')}'" for tag in TAGS_OF_A_WINDOW)
    query = " AND ".join(("tags.kind = 'model'", *same))
    experiments = [
        e.experiment_id for e in _pages(partial(client.search_experiments, view_type=everything))
    ]
    runs = _pages(partial(client.search_runs, experiments, query, run_view_type=everything))
    folder = challenger.folder.parent
    judged = (ModelRun(challenger.store, run, folder / run.info.run_id) for run in runs)
    return [each for each in judged if each.was_evaluated]


def other_evaluations(
    runs: list[ModelRun], challenger: ModelRun, champion: ModelRun
) -> list[ModelRun]:
    """The evaluations for which the test is corrected, besides those of the two.

    A run that was killed or failed, and was repeated to its end with the same settings, data and code,
    is no evaluation of its own: only its repetition was looked at.
    """
    finished = {_work_of(each) for each in runs if each.run.info.status == FINISHED}
    return [
        each
        for each in runs
        if each.id not in (challenger.id, champion.id)
        and (each.run.info.status == FINISHED or _work_of(each) not in finished)
    ]


def different_settings(one: ModelRun, other: ModelRun) -> Iterator[tuple[str, Any, Any]]:
    """What differs between the models of two runs: its name, that of `one`, and that of `other`."""
    params, others = one.run.data.params, other.run.data.params
    own = sorted(name for name in {*params, *others} if name.startswith("model."))
    for name in ("model", "seed", *own):
        values = params.get(name, one.tags.get(name)), others.get(name, other.tags.get(name))
        if values[0] != values[1]:
            yield name, *values


def _work_of(judged: ModelRun) -> tuple[str, str]:
    """What a run does: the key of its settings, data and code, and its model and seed.

    A run without a key is a work of its own.
    """
    key = judged.tags.get(KEY_TAG) or judged.id
    return key, judged.tags.get("entry", "")


def _pages(search: Callable[..., Any]) -> Iterator[Any]:
    """The results of a paged search of MLflow, one by one."""
    token = None
    while True:
        page = search(page_token=token)
        yield from page
        token = page.token
        if not token:
            return
