"""From the results of a comparison to the contents of its page."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from growthlab.config.compose import compose_choice
from growthlab.config.model_node import model_node
from growthlab.core.atomic_write import atomic_file
from growthlab.core.errors import ConfigError, DataError
from growthlab.core.pseudonyms import NAMES_IN_DATA, find_or_create_key
from growthlab.data.event_log import EventLog
from growthlab.evaluation.comparison import Comparison
from growthlab.evaluation.largest_mistakes import MISTAKES
from growthlab.evaluation.outcome import Outcome
from growthlab.evaluation.segment_differences import Segments
from growthlab.insight.sections.life_cycle import LifeCycle
from growthlab.pages.page import Badge
from growthlab.review.customer_cases import LISTS, TRUTH, CaseReader
from growthlab.review.review_contents import (
    CaseGroup,
    ReviewContents,
    SearchCourse,
    SettingsOfModel,
    WrongPrediction,
)
from growthlab.review.review_page import review_html
from growthlab.review.wrong_predictions import wrong_predictions
from growthlab.search.search_results import SearchResults
from growthlab.split.fold import Fold, TableFold
from growthlab.tasks.entry import Contender, label_of
from growthlab.tracking.code_version import code_version
from growthlab.tracking.comparison_before import comparison_before
from growthlab.tracking.comparison_notes import PAGE
from growthlab.tracking.comparison_run import ComparisonRun
from growthlab.tracking.run_files import flattened, read_tables
from growthlab.tracking.run_links import look_lines, run_address
from growthlab.tracking.saved_views import COMPARISONS
from growthlab.tracking.who_runs import current_user
from growthlab.workbench.contenders import possible_models
from growthlab.workbench.workbench import Workbench

TABLES_SHOWN = (LISTS, TRUTH, MISTAKES)  # of the outcomes, besides the predictions
SHORT = 12  # digits of a digest or a pseudonym that are shown


def review_contents(
    bench: Workbench,
    contenders: Sequence[Contender],
    comparison: Comparison,
    recorder: ComparisonRun,
    search: SearchResults | None = None,
) -> ReviewContents:
    """The contents of the page of a comparison that was just run."""
    comparison = _with_tables(comparison, recorder)
    run = run_address(recorder.store, recorder.experiment_id, recorder.run_id)
    return replace(
        customer_contents(bench, comparison, bench.config.pictures),
        badges=[*badges_of(bench), Badge("run", recorder.run_id[:SHORT], run)],
        earlier=comparison_before(recorder, comparison.objective),
        settings=[changed_settings(bench, c.name, c.name, c.settings) for c in contenders],
        search=None if search is None else search.table,
        courses=[] if search is None else _courses(search),
    )


def log_page(
    bench: Workbench,
    contenders: Sequence[Contender],
    comparison: Comparison,
    recorder: ComparisonRun,
    search: SearchResults | None = None,
) -> list[str]:
    """Write the page of a comparison, and keep it on the parent run; the lines that say where it is."""
    page = review_html(review_contents(bench, contenders, comparison, recorder, search))
    bench.store.client.log_text(recorder.run_id, page, PAGE)
    lineage, output = bench.lineage, str(bench.config.output)
    path = save_page(page, output, lineage.data, f"comparison-{lineage.task}")
    look = look_lines(bench.store, lineage.experiment, recorder.run_id, COMPARISONS, PAGE)
    return [f"page: {path}", *look]


def _courses(search: SearchResults) -> list[SearchCourse]:
    """The course of each model's search."""
    return [
        SearchCourse(model, values, search.importance.get(model, {}))
        for model, values in search.courses.items()
    ]


def _with_tables(comparison: Comparison, recorder: ComparisonRun) -> Comparison:
    """The comparison with the tables of the models that an interrupted call had finished."""

    def whole(outcome: Outcome) -> Outcome:
        run_id = recorder.runs.get(label_of(outcome.name, outcome.seed))
        if outcome.model is not None or run_id is None:  # fitted by this call
            return outcome
        tables = read_tables(recorder.store.client, run_id, TABLES_SHOWN)
        return replace(outcome, tables=outcome.tables | tables)

    before = comparison.outcomes[0]
    newest = [whole(outcome) for outcome in before]
    if all(new is old for new, old in zip(newest, before, strict=True)):
        return comparison
    return replace(comparison, outcomes={**comparison.outcomes, 0: newest})


def customer_contents(
    bench: Workbench, comparison: Comparison, pictures: str | None = None
) -> ReviewContents:
    """The part of the contents that is about data and customers; `pictures` is a folder of those of items."""
    users = np.asarray(comparison.outcomes[0][0].per_user["user_id"].astype(str))
    traits = customer_traits(bench, users)
    missing: dict[str, str] = {}
    cases = _cases(bench, comparison, pictures, missing)
    return ReviewContents(
        comparison=comparison,
        traits=traits,
        segments=None if traits is None else segments_of(traits),
        cases=cases,
        wrong=_wrong(bench, comparison),
        cleaning=bench.folds[0].past.cleaning,
        missing=missing,
    )


def customer_traits(bench: Workbench, user_ids: np.ndarray) -> pd.DataFrame | None:
    """``user_id`` and what is known of each customer before the cutoff; None where nothing is.

    Of a log: events, items and, with times, life-cycle stage, orders, spend and days since the last
    order; of a table its columns, for the first row of a customer.
    """
    fold = bench.folds[0]
    if isinstance(fold, TableFold):
        rows = fold.future.features.assign(user_id=fold.future.user_ids)
        known = rows.drop_duplicates("user_id").set_index("user_id")
    elif isinstance(fold, Fold):
        known = fold.past.query(
            "SELECT user_id, count(*) AS events, count(DISTINCT item_id) AS items "
            "FROM events GROUP BY user_id"
        ).set_index("user_id")
        buyers = _buyers(fold)
        if buyers is not None:
            known = known.join(buyers, how="left")
    found: pd.DataFrame = known.reindex(user_ids).dropna(axis="columns", how="all")
    return found.rename_axis("user_id").reset_index() if len(found.columns) else None


def _buyers(fold: Fold) -> pd.DataFrame | None:
    """Life-cycle stage and spend of those who had bought; None where they cannot be told."""
    if fold.cutoff is None:
        return None
    try:
        return LifeCycle().customers(fold.past, fold.cutoff)
    except DataError:
        return None


def segments_of(traits: pd.DataFrame) -> Segments:
    """Life-cycle stages, and thirds of the spend, where they are known."""
    masks: dict[str, np.ndarray] = {}
    if "stage" in traits:
        stages = traits["stage"].astype("string").fillna("never bought")
        for stage in stages.unique():
            masks[f"life cycle: {stage}"] = (stages == stage).to_numpy(dtype=bool)
    if "spend" in traits and traits["spend"].nunique() > 2:
        spend = traits["spend"].to_numpy(dtype=float)
        low, high = np.nanquantile(spend, [1 / 3, 2 / 3])
        masks["value: lowest third"] = spend <= low
        masks["value: middle third"] = (spend > low) & (spend <= high)
        masks["value: highest third"] = spend > high
    return Segments(traits["user_id"].to_numpy(), masks)


def badges_of(bench: Workbench) -> list[Badge]:
    """Data, cutoff, code, leakage, and who made the page."""
    lineage, leakage = bench.lineage, bench.leakage(0)
    clean = "none found" if leakage.get("clean") and not leakage.get("warning") else "look below"
    return [
        Badge("data", f"{lineage.data} {lineage.digest[:SHORT]}"),
        Badge("cutoff", lineage.cutoff or f"none: split {lineage.split}"),
        Badge("code", code_version()),
        Badge("leakage", clean),
        Badge("by", current_user()),
    ]


def pseudonym_of(bench: Workbench) -> Callable[[str], str]:
    """How a customer is called on a page: by the pseudonym of the data, or by one of this machine's key."""
    if bench.data.key_fingerprint is not None:
        return str
    key = find_or_create_key()
    return lambda user: key.pseudonym(NAMES_IN_DATA, user)[:SHORT]


def _cases(
    bench: Workbench, comparison: Comparison, pictures: str | None, missing: dict[str, str]
) -> Sequence[CaseGroup]:
    """Customers with their lists; none for a task without lists, or where the lists were not kept."""
    tables = [seeds[0].tables for seeds in comparison.models.values()]
    past = bench.folds[0].past
    kept = all(LISTS in each and TRUTH in each for each in tables)
    if not kept or not isinstance(past, EventLog):
        return []
    contents = ReviewContents(comparison=comparison)
    if contents.rival is None:
        return []
    if any(comparison.objective not in o.per_user for o in comparison.outcomes[0]):
        missing["errors"] = (
            "The objective is one number of all lists, by which no customer stands out."
        )
        return []
    reader = CaseReader(comparison, past, pseudonym_of(bench), pictures)
    return reader.groups(contents.reference, contents.rival)


def _wrong(bench: Workbench, comparison: Comparison) -> Mapping[str, list[WrongPrediction]]:
    """The most wrong predictions of the winner and of its rival."""
    contents = ReviewContents(comparison=comparison)
    pair = [name for name in (contents.reference, contents.rival) if name is not None]
    pseudonym = pseudonym_of(bench)
    return {
        name: wrong_predictions(comparison, name, [n for n in pair if n != name], pseudonym)
        for name in pair
    }


def changed_settings(
    bench: Workbench, label: str, model: str, settings: Mapping[str, Any]
) -> SettingsOfModel:
    """The settings of a model, shown as `label`, that are not as in the model's own file."""
    default = {}  # of a model of one's own
    if model in possible_models(bench.task):
        config = compose_choice(f"model={bench.task.models}/{model}")
        default = flattened(model_node(config))
    here = flattened(settings)
    changed = [
        (name, here.get(name, "not there"), default.get(name, "not there"))
        for name in dict.fromkeys([*here, *default])
        if here.get(name) != default.get(name)
    ]
    return SettingsOfModel(label, changed)


def save_page(page: str, output: str, data: str, name: str) -> Path:
    """Write a page to ``<output>/<data>/<name>.html``, and return its path.

    Raises
    ------
    ConfigError
        It cannot be written.
    """
    return write_page(page, Path(output) / data / f"{name}.html", f"output={output}")


def write_page(page: str, path: Path, given: str = "") -> Path:
    """Write a page to a file; a `ConfigError` names what was `given`, by default the path."""
    try:
        with atomic_file(path) as file:
            file.write(page.encode())
    except OSError as error:
        why = f"{given or path} cannot be written ({error.strerror})"
        raise ConfigError(f"{why}: choose another folder") from error
    return path
