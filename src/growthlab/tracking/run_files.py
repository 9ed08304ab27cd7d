"""Outcomes written to and read from MLflow runs: metrics with bounds, tables as Parquet, plots."""

from __future__ import annotations

import csv
import json
import math
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from growthlab.evaluation.outcome import Estimate, Outcome
from growthlab.pages.csv_table import csv_of_table, table_of_csv
from growthlab.tracking.run_clock import CLOCK
from growthlab.tracking.server_faults import waiting
from growthlab.training.learned_state import WarmStart, read_state, write_state

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from mlflow import MlflowClient
    from mlflow.entities import Run

MAX_PARAM_LENGTH = 6000
N_DECIDING = "deciding_customers"  # metric: who decided on the validation window
ROUGH = "rough_bounds"  # tag: the metrics whose bounds are rough
PREDICTIONS = "predictions"  # table
PARAMETERS = "parameters"  # table
MOST_METRICS = (
    36  # of an outcome; size and curves come to them, and MLflow's tables are slow with more
)
MORE_METRICS = "growthlab.more_metrics"  # tag: the file with the values that are no metrics
METRICS_FILE = "metrics.csv"
FITTED = "fitted/"
BOUND_SUFFIXES = ("/low", "/high")
STATE_FOLDER = "state"
STATE_FILES = ("choosing", "judged")
COSTS = (
    "fit_seconds",
    "fit_cpu_seconds",
    "score_seconds",
    "peak_memory_mb",
    "coverage",
    "epochs",
)


@contextmanager
def artifact_folder(client: MlflowClient, run_id: str) -> Iterator[Path]:
    """A temporary folder whose files become artifacts of the run when the block ends."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)
        client.log_artifacts(run_id, folder)


def download_artifact(client: MlflowClient, run_id: str, name: str, folder: str | Path) -> Path:
    """An artifact of the run, a file or a folder, downloaded into the folder.

    Unlike the client's own method this one raises the error of the disk or the server, not always
    one of a wrong path.
    """
    from mlflow.artifacts import download_artifacts

    uri = f"{client.get_run(run_id).info.artifact_uri}/{name}"
    place = {"dst_path": str(folder), "tracking_uri": client.tracking_uri}
    return Path(waiting(client, lambda: download_artifacts(artifact_uri=uri, **place)))


def log_metrics(
    client: MlflowClient, run_id: str, values: Mapping[str, float], step: int = 0
) -> None:
    """Log the finite `values`; MLflow does not keep NaN."""
    from mlflow.entities import Metric

    now = CLOCK.milliseconds()
    metrics = [Metric(k, float(v), now, step) for k, v in values.items() if math.isfinite(v)]
    client.log_batch(run_id, metrics=metrics)


def log_params(client: MlflowClient, run_id: str, settings: Mapping[str, Any]) -> None:
    """Log nested settings as parameters with dotted names."""
    from mlflow.entities import Param

    params = [Param(k, v[:MAX_PARAM_LENGTH]) for k, v in flattened(settings).items()]
    client.log_batch(run_id, params=params)


def log_curves(
    client: MlflowClient, run_id: str, curves: Mapping[str, Sequence[float]], *, gaps: bool = False
) -> None:
    """Log each curve as a metric with one step a value, from 1; with `gaps` only finite values."""
    from mlflow.entities import Metric

    now = CLOCK.milliseconds()
    points = [
        Metric(name, float(value), now, step)
        for name, values in curves.items()
        for step, value in enumerate(values, start=1)
        if not gaps or math.isfinite(value)
    ]
    client.log_batch(run_id, metrics=points)


def log_outcome(
    client: MlflowClient, run_id: str, outcome: Outcome, first: Sequence[str] = ()
) -> None:
    """Log an outcome, except its plots and its bundle.

    At most `MOST_METRICS` values are metrics of the run, those of the metrics `first` before others;
    where there are more, a file has all, see `logged_values`.

    The tables come first: where numbers after the cutoff are logged, so are the values that they were
    computed from, also if the process is killed in between. By these the gate recognises a repetition.
    """
    values = _values_of(outcome)
    shown = _shown_first(values, first)
    with artifact_folder(client, run_id) as folder:
        if len(shown) > MOST_METRICS:
            table = pd.DataFrame({"metric": shown, "value": [values[name] for name in shown]})
            (folder / METRICS_FILE).write_text(csv_of_table(table), encoding="utf-8")
        if PREDICTIONS not in outcome.tables:
            outcome.per_user.to_parquet(folder / "per_user.parquet", index=False)
        if len(outcome.strata):
            (folder / "strata.csv").write_text(csv_of_table(outcome.strata), encoding="utf-8")
        for name, table in outcome.tables.items():
            table.to_parquet(folder / f"{name}.parquet", index=False)
        if outcome.learned is not None:
            for name in STATE_FILES:
                write_state(getattr(outcome.learned, name), folder / STATE_FOLDER / f"{name}.npz")
    undefined = [n for n, v in values.items() if math.isnan(v) and not n.endswith(BOUND_SUFFIXES)]
    if undefined:  # MLflow does not keep NaN
        client.set_tag(run_id, "undefined", ",".join(undefined))
    if outcome.rough:
        client.set_tag(run_id, ROUGH, ",".join(sorted(outcome.rough)))
    if len(shown) > MOST_METRICS:
        client.set_tag(run_id, MORE_METRICS, METRICS_FILE)
    log_metrics(client, run_id, {name: values[name] for name in shown[:MOST_METRICS]})
    log_curves(client, run_id, {f"epoch/{n}": values for n, values in outcome.curves.items()})
    client.set_tag(
        run_id, "exportable", "yes" if outcome.scorer is not None else outcome.why_not_exportable
    )


def _values_of(outcome: Outcome) -> dict[str, float]:
    """Everything that was measured, and the fitted parameters, by name; NaN where undefined."""
    values = {f"valid/{n}": v for n, v in outcome.valid.items()}
    if math.isfinite(outcome.n_deciding):
        values[N_DECIDING] = outcome.n_deciding
    for name, estimate in outcome.test.items():
        values[f"test/{name}"] = estimate.value
        values[f"test/{name}/low"] = estimate.low
        values[f"test/{name}/high"] = estimate.high
    for name in COSTS:
        value = getattr(outcome, name)
        if value is not None:
            values[name] = float(value)
    return values | _fitted_parameters(outcome.tables)


def _shown_first(values: Mapping[str, float], first: Sequence[str]) -> list[str]:
    """The names of the finite values, those that MLflow's tables show best first.

    That are the first of the metrics `first` with its bounds, costs, fitted parameters, and the other
    metrics of `first`.
    """
    objective = [f"test/{n}{end}" for n in first[:1] for end in ("", *BOUND_SUFFIXES)]
    objective += [f"valid/{n}" for n in first[:1]]
    others = [f"{window}/{n}" for window in ("test", "valid") for n in first[1:]]
    fitted = [n for n in values if n.startswith(FITTED)]
    order = dict.fromkeys([*objective, N_DECIDING, *COSTS, *fitted, *others, *values])
    return [n for n in order if math.isfinite(values.get(n, math.nan))]


def logged_values(client: MlflowClient, run: Run) -> dict[str, float]:
    """Every finite value of a run by name: its metrics, and those that are in a file alone."""
    with tempfile.TemporaryDirectory() as folder:
        return values_of_run(
            run, lambda name: download_artifact(client, run.info.run_id, name, folder)
        )


def values_of_run(run: Run, file: Callable[[str], Path]) -> dict[str, float]:
    """The same; `file` gives the path of an artifact, and is asked only where the run has such a file."""
    metrics = dict(run.data.metrics)
    if MORE_METRICS not in run.data.tags:  # all are metrics, as in runs of earlier versions
        return metrics
    with file(METRICS_FILE).open(encoding="utf-8", newline="") as lines:
        values = {row["metric"]: float(row["value"]) for row in csv.DictReader(lines)}
    return values | metrics


def _fitted_parameters(tables: Mapping[str, pd.DataFrame]) -> dict[str, float]:
    """Fitted parameters and their standard errors as metrics; empty without their table."""
    if PARAMETERS not in tables:
        return {}
    table = tables[PARAMETERS]
    names = FITTED + table["model"] + "/" + table["parameter"]
    errors = zip(names + "/standard_error", table["standard_error"], strict=True)
    return dict(zip(names, table["value"], strict=True)) | dict(errors)


def log_figures(client: MlflowClient, run_id: str, figures: Mapping[str, Figure]) -> None:
    """Log plots as PNG under ``plots/``."""
    with artifact_folder(client, run_id) as folder:
        (folder / "plots").mkdir()
        for name, figure in figures.items():
            figure.savefig(folder / "plots" / f"{name}.png", dpi=140)


def read_outcome(client: MlflowClient, run: Run) -> Outcome:
    """The outcome that `log_outcome` wrote, without the fitted model."""
    data, run_id = run.data, run.info.run_id
    names = {a.path for a in client.list_artifacts(run_id)}
    with tempfile.TemporaryDirectory() as folder:

        def stored(name: str) -> Path:
            return download_artifact(client, run_id, name, folder)

        tables = {}
        if f"{PREDICTIONS}.parquet" in names:
            per_user = tables[PREDICTIONS] = pd.read_parquet(stored(f"{PREDICTIONS}.parquet"))
        else:
            per_user = pd.read_parquet(stored("per_user.parquet"))
        strata = table_of_csv(stored("strata.csv")) if "strata.csv" in names else pd.DataFrame()
    logged = logged_values(client, run)
    costs: dict[str, Any] = {n: logged.get(n) for n in COSTS}
    epochs = costs.pop("epochs")
    exportable = data.tags.get("exportable", "")
    undefined = filter(None, data.tags.get("undefined", "").split(","))
    metrics = {**dict.fromkeys(undefined, math.nan), **logged}
    return Outcome(
        model=None,
        name=data.tags["model"],
        seed=int(data.tags["seed"]),
        valid=_with_prefix(metrics, "valid/"),
        test=_estimates(_with_prefix(metrics, "test/")),
        per_user=per_user,
        strata=strata,
        tables=tables,
        curves=_read_curves(client, run),
        rough=frozenset(filter(None, data.tags.get(ROUGH, "").split(","))),
        n_deciding=logged.get(N_DECIDING, math.nan),
        epochs=None if epochs is None else int(epochs),
        why_not_exportable="" if exportable == "yes" else exportable,
        **costs,
    )


def read_tables(client: MlflowClient, run_id: str, names: Sequence[str]) -> dict[str, pd.DataFrame]:
    """The tables of these names that `log_outcome` wrote, as far as the run has them."""
    files = {a.path for a in client.list_artifacts(run_id)}
    with tempfile.TemporaryDirectory() as folder:
        return {
            name: pd.read_parquet(download_artifact(client, run_id, f"{name}.parquet", folder))
            for name in names
            if f"{name}.parquet" in files
        }


def load_warm_start(client: MlflowClient, run_id: str, folder: Path) -> WarmStart | None:
    """The learned state of a run, from which a later run can continue; None if it has none.

    It is downloaded to `folder`.
    """
    if STATE_FOLDER not in {a.path for a in client.list_artifacts(run_id)}:
        return None
    stored = download_artifact(client, run_id, STATE_FOLDER, folder)
    return WarmStart(*(read_state(stored / f"{name}.npz") for name in STATE_FILES))


def _read_curves(client: MlflowClient, run: Run) -> dict[str, list[float]]:
    """The curves that `log_curves` wrote."""
    curves = {}
    for name in _with_prefix(run.data.metrics, "epoch/"):
        points = client.get_metric_history(run.info.run_id, f"epoch/{name}")
        curves[name] = [p.value for p in sorted(points, key=lambda p: p.step)]
    return curves


def _with_prefix(metrics: Mapping[str, float], prefix: str) -> dict[str, float]:
    """The metrics whose name starts with `prefix`, by the rest of the name."""
    return {n.removeprefix(prefix): v for n, v in metrics.items() if n.startswith(prefix)}


def _estimates(values: Mapping[str, float]) -> dict[str, Estimate]:
    """Estimates from values and their bounds."""
    names = [n for n in values if not n.endswith(BOUND_SUFFIXES)]
    nan = math.nan
    return {
        n: Estimate(values[n], values.get(f"{n}/low", nan), values.get(f"{n}/high", nan))
        for n in names
    }


def flattened(settings: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Nested settings as text by dotted name; lists as JSON."""
    flat: dict[str, str] = {}
    for key, value in settings.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping):
            flat.update(flattened(value, f"{name}."))
        elif isinstance(value, (list, tuple)):
            flat[name] = json.dumps(list(value))
        else:
            flat[name] = str(value)
    return flat
