"""From a result to what serves: a bundle in a folder, its answers in Python, and the registry's gate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from growthlab.bundle.answer_table import (
    REQUEST_COLUMNS,
    RequestRows,
    columns_of_lists,
    columns_of_numbers,
    predictions,
    recommendations,
)
from growthlab.bundle.bundle import Bundle
from growthlab.core.errors import ConfigError, ExportError, near_matches
from growthlab.ranking.rules import Rules

if TYPE_CHECKING:
    import pandas as pd

    from growthlab.api.model_results import Compared, Trained
    from growthlab.promotion.ruling import Ruling


class LoadedBundle:
    """A bundle as Python asks it: one customer, several, or a frame of requests."""

    def __init__(self, bundle: Bundle) -> None:
        self.bundle = bundle

    @classmethod
    def load(cls, folder: str | Path) -> Self:
        """The bundle in a folder; BundleError where it is damaged."""
        return cls(Bundle.load(folder))

    def recommend(
        self,
        customers: str | Sequence[str] | pd.DataFrame | None = None,
        k: int = 10,
        *,
        history: Sequence[str] | None = None,
        item: str | None = None,
        basket: Sequence[str] | None = None,
        filter_seen: str | None = None,
        rules: Mapping[str, Any] | None = None,
    ) -> pd.DataFrame:
        """A row a listed item: row, user_id, item_id, score, rank, served, level, reason.

        Parameters
        ----------
        customers : one id, several, or a frame with the columns of ``growthlab recommend``; None: nobody
            in particular
        history, item, basket : item ids, in place of what is known of the one customer
        filter_seen : none, purchased or interacted; None: as evaluated
        rules : business rules, such as ``{"in_stock": True}``

        Raises
        ------
        BundleError, DataError, ConfigError
            The bundle answers with numbers, or a request that it cannot answer.
        """
        if not isinstance(k, int) or k < 1:
            raise ConfigError(f"k must be a whole number of at least 1, got {k}")
        rows = _rows(customers)
        asked = {"history": history, "item": item, "basket": basket}
        given = {name: [value] for name, value in asked.items() if value is not None}
        if given:
            if len(rows) != 1:
                raise ConfigError(
                    f"{next(iter(given))} is of one request: give one customer or none"
                )
            rows = replace(rows, columns={**rows.columns, **given})
        if len(rows) and not set(REQUEST_COLUMNS) & set(rows.columns):
            near = near_matches(REQUEST_COLUMNS[0], rows.columns)
            raise ConfigError(f"the frame has none of {', '.join(REQUEST_COLUMNS)}: {near}")
        lists = recommendations(self.bundle, rows, k, filter_seen, Rules.of(rules or {}))
        return _frame(columns_of_lists(rows, lists))

    def score(self, customers: str | Sequence[str] | pd.DataFrame) -> pd.DataFrame:
        """A row a customer: row, user_id, the number under its name, such as churn_probability, and served.

        Parameters
        ----------
        customers : one id, several, or a frame with ``user_id``, the features of the model, or both

        Raises
        ------
        BundleError, DataError
            The bundle answers with lists, or a feature of a wrong type.
        """
        rows = _rows(customers)
        numbers = predictions(self.bundle, rows)
        return _frame(columns_of_numbers(rows, numbers, self.bundle.manifest.answer.field))

    def __repr__(self) -> str:
        manifest = self.bundle.manifest
        counts = ", ".join(
            f"{n:,} {name.removeprefix('n_').replace('_', ' ')}"
            for name, n in manifest.counts.items()
        )
        return f"{manifest.model} for {manifest.task} on {manifest.data}, {counts}: {self.bundle.folder}"


def load(folder: str | Path) -> LoadedBundle:
    """A bundle that `export` or ``growthlab export`` wrote, to be asked with ``recommend`` or ``score``."""
    return LoadedBundle.load(folder)


def export(
    result: Compared | Trained,
    to: str | Path,
    *,
    model: str | None = None,
    overwrite: bool = False,
) -> Path:
    """Write a model of a result to a bundle folder, which ``growthlab serve bundle=...`` serves.

    Parameters
    ----------
    result : of `compare` or `train`
    to : the folder
    model : the name of a model of the comparison; None: the winner
    overwrite : whether another bundle in the folder is replaced

    Raises
    ------
    ExportError
        The model cannot be exported, or something else is in the folder.
    """
    from growthlab.config.compose import compose
    from growthlab.export.sign_and_index import sign_and_index
    from growthlab.export.write_bundle import write_bundle
    from growthlab.tasks.entry import Entry
    from growthlab.tasks.fold_evaluation import FoldEvaluation, scorer_of
    from growthlab.workbench.evaluate_models import n_resamples_of
    from growthlab.workbench.provenance import provenance_of

    bench, outcome = result.bench, result.outcome_of(model)
    run_id = result.logged.run_of(outcome)
    if outcome.model is None:  # read from the run of an interrupted call
        raise ExportError(
            f"{outcome.name} was fitted by an earlier call: growthlab export run={run_id}"
        )
    scorer, why_not = scorer_of(outcome.model)
    if scorer is None:
        raise ExportError(f"{outcome.name} cannot be exported: {why_not}: model=NAME takes another")
    contender = next(c for c in bench.contenders if c.name == outcome.name)
    entry = Entry(contender, outcome.seed)
    provenance = provenance_of(bench, entry, outcome, run_id)
    config = bench.config
    data = FoldEvaluation(
        bench.task, bench.folds[0], bench.metrics, config.refit, n_resamples_of(config)
    ).test_data
    folder = write_bundle(
        Path(to), data, replace(outcome, scorer=scorer), provenance, overwrite=overwrite
    )
    sign_and_index(folder, compose("export", []).config.index_above)
    return folder


def promote(
    challenger: str | Compared | Trained,
    *,
    task: str | None = None,
    dry_run: bool = False,
    overrides: Sequence[str] = (),
) -> Ruling:
    """The gate's ruling on a run that challenges the champion of the registry.

    Unless it is a dry run, it is carried out like the command: the alias moves if the gate allows it,
    and decision and evidence are kept with the version and the run.

    Parameters
    ----------
    challenger : id of a run of one model, or its first 8 characters or more; or a result of `compare` or
        `train` with ``track=True``, of which the winner challenges
    task : a file of ``conf/task``, such as ``churn``; None: that of the result, or the default of the command
    overrides : settings as on the command line, such as ``gate.min_rel_gain=0.01``

    Returns
    -------
    Ruling
        Has ``.decision.promote`` and ``.decision.reason``; ``.report`` is Markdown.

    Raises
    ------
    ConfigError, ExportError
        The mistakes that the command reports, in one line.
    """
    from growthlab.config.compose import compose
    from growthlab.workbench.challenge import rule_on_challenger

    if not isinstance(challenger, str):
        run_id = challenger.logged.run_of(challenger.outcome_of())
        if not run_id:
            raise ExportError("the result was not logged: compare or train again with track=True")
        task = task or challenger.bench.command.choice("task")
        challenger = run_id
    chosen = [] if task is None else [f"task={task}"]
    words = [*chosen, f"challenger={challenger}", f"dry_run={str(dry_run).lower()}"]
    return rule_on_challenger(compose("promote", [*words, *overrides]))


def _rows(customers: Any) -> RequestRows:
    """Requests: of nobody, of one customer, of several, or of the rows of a frame."""
    if customers is None:
        return RequestRows({"user_id": [None]}, 1)
    if hasattr(customers, "columns"):
        columns = {str(name): customers[name].tolist() for name in customers.columns}
        return RequestRows(columns, len(customers))
    ids = [customers] if isinstance(customers, (str, int)) else list(customers)
    return RequestRows({"user_id": ids}, len(ids))


def _frame(columns: Mapping[str, Any]) -> pd.DataFrame:
    try:
        import pandas as pd
    except ModuleNotFoundError as error:
        raise ConfigError(
            "answers in Python are pandas frames: pip install 'growthlab[lab]', or ask the service"
        ) from error
    return pd.DataFrame(dict(columns))
