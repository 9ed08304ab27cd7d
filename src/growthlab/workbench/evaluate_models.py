"""The models of a workbench evaluated side by side and logged to MLflow, and their comparison."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from growthlab.config.model_settings import describe_settings
from growthlab.core.errors import DataError, GrowthlabError, one_line
from growthlab.data.labelled_table import LabelledTable
from growthlab.evaluation.comparison import Comparison
from growthlab.evaluation.resamples import N_RESAMPLES
from growthlab.split.origin_windows import fold_windows
from growthlab.tasks.entry import Contender, Entry
from growthlab.tasks.run_comparison import ComparisonResults, run_comparison
from growthlab.tracking.comparison_run import ComparisonRun
from growthlab.training.learned_state import WarmStart
from growthlab.workbench.contenders import left_out
from growthlab.workbench.logged_config import command_config, entry_config
from growthlab.workbench.provenance import provenance_of
from growthlab.workbench.set_up import cache_folder
from growthlab.workbench.workbench import Workbench


def evaluate_models(
    bench: Workbench,
    contenders: Sequence[Contender],
    recorder: ComparisonRun | None = None,
    warm: WarmStart | None = None,
) -> ComparisonResults:
    """Fit and evaluate each contender on each fold; without a `recorder` nothing is written."""
    config = bench.config
    return run_comparison(
        bench.task,
        bench.folds,
        contenders,
        bench.metrics,
        seed=config.seed,
        seeds=config.get("seeds", 1),
        device=config.device,
        refit=config.refit,
        n_resamples=n_resamples_of(config),
        recorder=recorder,
        warm=warm,
        leave_out=config.get("models") == "all",
        executor=bench.cluster,
    )


def n_resamples_of(config: DictConfig) -> int:
    """The setting ``intervals.resamples``; its default in a config logged before there was one."""
    return int(OmegaConf.select(config, "intervals.resamples", default=N_RESAMPLES))


def comparison_of(
    bench: Workbench, results: ComparisonResults, bundle_mb: Mapping[str, float] | None = None
) -> Comparison:
    """The comparison of the results; `bundle_mb` are the sizes of bundles by model."""
    task, command = bench.task, bench.command
    models = [outcome.name for outcome in results.outcomes[0]]
    experiment = command.choice("experiment")
    return Comparison(
        outcomes=results.outcomes,
        objective=task.objective,
        maximise=task.maximise,
        baselines=task.baselines,
        min_deciding=task.min_deciding,
        title=f"{bench.data_name}: {command.choice('task')}",
        subtitle=describe_settings(bench.config, models, experiment, command.model_words),
        leakage=bench.leakage(0),
        left_out=_without_events(bench) | results.left_out,
        metrics=bench.metrics,
        columns=bench.columns,
        n_resamples=n_resamples_of(bench.config),
        errors={label: one_line(error) for label, error in results.errors.items()},
        bundle_mb=bundle_mb or {},
        windows=[w for w in map(fold_windows, bench.folds) if w is not None],
    )


def _without_events(bench: Workbench) -> dict[str, str]:
    """The models that read events, where a command compares all that can read a table without."""
    is_table = isinstance(bench.data, LabelledTable)
    if not (is_table and bench.given is None and bench.config.get("models") == "all"):
        return {}
    return dict.fromkeys(left_out(bench.task), "the data has no events to read")


def first_failure(results: ComparisonResults) -> tuple[str, Exception] | None:
    """The entry that failed first, and its error, where no model succeeded; else None.

    Raises
    ------
    GrowthlabError
        That error is a mistake in the input.
    """
    if results.outcomes[0]:
        return None
    if not results.errors:
        raise DataError(f"no model is left: {next(iter(results.left_out.values()))}")
    label, error = next(iter(results.errors.items()))
    if isinstance(error, GrowthlabError):
        raise error
    return label, error


def recorder_for(
    bench: Workbench, contenders: Sequence[Contender], *, parent: bool
) -> ComparisonRun:
    """The MLflow runs of a command: a child a model and seed, with a `parent` run or without."""
    from growthlab.export.parity import write_histories_for_parity
    from growthlab.export.write_bundle import write_bundle

    def bundle(entry: Entry, evaluation: Any, outcome: Any, folder: Path) -> Any:
        provenance = provenance_of(bench, entry, outcome, recorder.runs[entry.label])
        write_histories_for_parity(folder.parent, evaluation.test_data)
        return write_bundle(folder, evaluation.test_data, outcome, provenance)

    recorder = ComparisonRun(
        store=bench.store,
        lineage=bench.lineage,
        config=command_config(bench, contenders),
        child_config=lambda entry: entry_config(bench, entry),
        reports=lambda origin: {
            "leakage": bench.leakage(origin),
            "cleaning": bench.folds[origin].past.cleaning,
        },
        bundle=bundle,
        figures=lambda outcome: bench.task.figures(outcome, bench.columns),
        checkpoints=cache_folder(bench.config) / "checkpoints",
        columns=[column.metric for column in bench.columns],
        parent=parent,
    )
    return recorder
