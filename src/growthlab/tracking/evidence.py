"""What two judged runs left in the store, as evidence for the gate of promotion."""

from __future__ import annotations

import hashlib
import json
import logging
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from growthlab.core.errors import ConfigError, ExportError, one_line
from growthlab.core.progress import progress
from growthlab.evaluation.superiority import Contest, Paired, paired_predictions, paired_values
from growthlab.export.bundle import Bundle
from growthlab.export.parity import ASKED, N_TIMED, latency_of, parity_of, some_of
from growthlab.export.promotion import Evidence, Gate, Measure
from growthlab.export.signature import is_signed, sign
from growthlab.tasks.base import Task
from growthlab.tasks.objective import names_of, objective_metric
from growthlab.tracking.run_files import COSTS, PREDICTIONS
from growthlab.tracking.store import Store

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

log = logging.getLogger(__name__)

SAME = ("data_digest", "split", "cutoff", "filter_seen")  # tags that two runs must share
WINDOW = ("task", "data_digest", "split", "cutoff")  # of the evaluations that count together
LARGER = ("coverage",)  # of the costs; less of the others is better
MOST_NAMED = 8
SEGMENT = "smallest_segment"


@dataclass(frozen=True)
class JudgedRun:
    """A finished run of one model and its artifacts, downloaded to `folder` as they are asked for."""

    store: Store
    run: Run
    folder: Path

    @classmethod
    def named(cls, store: Store, word: str, task: str, folder: Path) -> JudgedRun:
        """The run that a word such as ``challenger=ID`` names.

        Raises
        ------
        ConfigError
            There is no such run, or it is of another task, or no finished run of one model.
        ExportError
            Its model is of a kind that cannot be exported.
        """
        try:
            run = store.client.get_run(word.partition("=")[2])
        except Exception as error:
            raise ConfigError(f"{word} in {store.uri}: {one_line(error)}") from error
        tags = run.data.tags
        if tags.get("kind") != "model" or run.info.status != "FINISHED":
            raise ConfigError(
                f"{word} is no finished run of one model: {_instead(store.client, run)}"
            )
        if tags.get("task") != task:
            raise ConfigError(f"{word} is a run of task={tags.get('task')}, not of task={task}")
        if tags.get("origin", "0") != "0":
            raise ConfigError(f"{word} was judged at an earlier origin: name a run of origin 0")
        if tags.get("exportable") != "yes":
            raise ExportError(
                f"{word} cannot be promoted: not exportable: {tags.get('exportable')}"
            )
        return cls(store, run, folder / run.info.run_id)

    @property
    def id(self) -> str:
        """The run's id."""
        return str(self.run.info.run_id)

    @property
    def tags(self) -> dict[str, str]:
        """The run's tags."""
        return dict(self.run.data.tags)

    @cached_property
    def files(self) -> frozenset[str]:
        """The names of its artifacts, those in folders left out."""
        return frozenset(a.path for a in self.store.client.list_artifacts(self.id))

    def file(self, name: str) -> Path:
        """An artifact, downloaded once.

        Raises
        ------
        ExportError
            The run has none of this name, or it cannot be read.
        """
        path = self.folder / name
        if path.exists():
            return path
        self.folder.mkdir(parents=True, exist_ok=True)
        try:
            return Path(self.store.client.download_artifacts(self.id, name, str(self.folder)))
        except Exception as error:
            raise ExportError(f"run {self.id} has no artifact {name}: {one_line(error)}") from error

    def table(self, name: str, columns: list[str] | None = None) -> pd.DataFrame:
        """A Parquet artifact."""
        return pd.read_parquet(self.file(f"{name}.parquet"), columns=columns)

    @cached_property
    def bundle(self) -> Bundle:
        """The exported bundle; the copy of one that was written without a signature is signed."""
        folder = self.file("bundle")
        if not is_signed(folder):
            sign(folder)
        return Bundle.load(folder)

    @cached_property
    def leakage(self) -> dict[str, Any]:
        """The leakage report; empty where the run has none."""
        if "leakage.json" not in self.files:
            return {}
        return dict(json.loads(self.file("leakage.json").read_text()))

    @cached_property
    def truth(self) -> pd.DataFrame:
        """What was to be foretold: the same for all models that answered the same question."""
        if f"{PREDICTIONS}.parquet" in self.files:
            return self.table(PREDICTIONS, ["user_id", "label"])
        return self.table("truth")

    def answers(self) -> dict[str, pd.DataFrame]:
        """The lists, or the predictions."""
        name = PREDICTIONS if f"{PREDICTIONS}.parquet" in self.files else "recommendations"
        return {name: self.table(name)}

    def asked(self) -> dict[str, np.ndarray] | None:
        """The histories that were asked about, of a task whose rows are steps."""
        if ASKED not in self.files:
            return None
        with np.load(self.file(ASKED), allow_pickle=False) as stored:
            return {name: stored[name] for name in stored.files}

    @cached_property
    def measured(self) -> frozenset[str]:
        """The names of what was measured, that which was undefined too."""
        return frozenset((*self.run.data.metrics, *self.tags.get("undefined", "").split(",")))

    def metric(self, name: str) -> float:
        """A logged metric; NaN where it was undefined."""
        return float(self.run.data.metrics.get(name, math.nan))


def _instead(client: MlflowClient, run: Run) -> str:
    """What to name in place of a run that is none of one model."""
    tag, experiment = "mlflow.parentRunId", run.info.experiment_id
    query = f"tags.`{tag}` = '{run.info.run_id}' AND tags.kind = 'model'"
    children = client.search_runs([experiment], f"{query} AND attributes.status = 'FINISHED'")
    if not children:
        return "name one of growthlab train, or a child run of growthlab compare"
    named = sorted(f"{c.data.tags.get('model')} {c.info.run_id}" for c in children)
    return f"name one of its children: {', '.join(named[:MOST_NAMED])}"


def evidence_of(
    challenger: JudgedRun,
    champion: JudgedRun | None,
    task: Task,
    metrics: Mapping[str, Any],
    gate: Gate,
) -> Evidence:
    """Everything that the gate looks at; `champion` is None where there is none yet.

    Raises
    ------
    ConfigError
        The objective was not measured, or the two were not asked the same question: other data,
        split, cutoff, filter, or other customers or truth.
    """
    objective = task.objective
    sides = {"challenger": challenger} | ({} if champion is None else {"champion": champion})
    for side, judged in sides.items():
        if math.isnan(judged.metric(f"valid/{objective}")):
            raise ConfigError(
                f"the {side}, run {judged.id}, has no valid/{objective}: give task.objective=..."
            )
    if champion is not None:
        refuse_other_question(challenger, champion)
    return Evidence(
        objective=objective,
        maximise=task.maximise,
        valid=challenger.metric(f"valid/{objective}"),
        valid_champion=None if champion is None else champion.metric(f"valid/{objective}"),
        paired=None if champion is None else _paired(challenger, champion, task, metrics, gate),
        measures=_measures(challenger, champion, task, metrics, gate),
        leakage=challenger.leakage,
        parity=parity_of(challenger.bundle, challenger.answers(), challenger.asked()),
        family=task.metrics,
    )


def refuse_other_question(challenger: JudgedRun, champion: JudgedRun) -> None:
    """Raise a `ConfigError` where the two were not judged by the same truth."""
    for tag in SAME:
        own, other = challenger.tags.get(tag, ""), champion.tags.get(tag, "")
        if own != other:
            own, other = (v[:12] if tag == "data_digest" else v for v in (own, other))
            raise ConfigError(
                f"the challenger was judged with {tag} {own or 'none'}, the champion (run "
                f"{champion.id}) with {other or 'none'}: train the champion's model on the "
                "challenger's data and split, and name that run with champion=RUN"
            )
    if not challenger.truth.equals(champion.truth):
        raise ConfigError(
            f"the challenger and the champion (run {champion.id}) were asked for other customers "
            "or another truth: train both with the same task settings"
        )


def _paired(
    challenger: JudgedRun, champion: JudgedRun, task: Task, metrics: Mapping[str, Any], gate: Gate
) -> Paired:
    """The tests, over all evaluations that were made on the same window."""
    of_predictions = f"{PREDICTIONS}.parquet" in challenger.files
    column = "prediction" if of_predictions else task.objective
    first = _values(champion, task.objective, of_predictions)
    columns = {champion.id: first[column].to_numpy(dtype=float)}
    seen = {_digest(columns[champion.id])}
    others = list(_others(challenger, champion))
    n_unread = 0
    for judged in progress((challenger, *others), "reading evaluations", 1 + len(others)):
        try:
            table = _values(judged, task.objective, of_predictions)
        except (ExportError, KeyError, ValueError, OSError):
            if judged is challenger:
                raise
            n_unread += 1
            continue
        if not table["user_id"].equals(first["user_id"]):
            continue  # another question, asked of other customers
        values = table[column].to_numpy(dtype=float)
        digest = _digest(values)
        if judged is challenger or digest not in seen:
            columns[judged.id] = values
        seen.add(digest)
    n_tests = len(columns) - 1 + n_unread
    log.info("evaluations on this window, the champion's not counted: %d", n_tests)
    contest = Contest(
        champion=champion.id,
        challenger=challenger.id,
        maximise=task.maximise,
        margin=gate.margin,
        alpha=gate.alpha,
        n_unread=n_unread,
    )
    if of_predictions:
        (metric,) = objective_metric(task, metrics).values()
        label = first["label"].to_numpy(dtype=float)
        return paired_predictions(pd.DataFrame(columns), label, metric, contest)
    return paired_values(pd.DataFrame(columns), contest)


def _digest(values: np.ndarray) -> bytes:
    """The same for the same values: then it is one evaluation, however often it was made."""
    return hashlib.sha256(values.tobytes()).digest()


def _values(judged: JudgedRun, objective: str, of_predictions: bool) -> pd.DataFrame:
    """A row a customer, sorted by id."""
    if of_predictions:
        table = judged.table(PREDICTIONS, ["user_id", "label", "prediction"])
    else:
        table = judged.table("per_user", ["user_id", objective])
    return table.assign(user_id=table["user_id"].astype(str)).sort_values(
        "user_id", kind="stable", ignore_index=True
    )


def _others(challenger: JudgedRun, champion: JudgedRun) -> Iterator[JudgedRun]:
    """Every other run of one model whose metrics on the same window were seen.

    Whatever its experiment is called, for the same data may have another name; also one that failed
    or was stopped after its metrics were logged, and one that was deleted.
    """
    from mlflow.entities import ViewType

    client, every = challenger.store.client, ViewType.ALL
    same = (f"tags.{tag} = '{challenger.tags.get(tag, '')}'" for tag in WINDOW)
    query = " AND ".join(("tags.kind = 'model'", *same))
    experiments = [
        e.experiment_id for e in _pages(partial(client.search_experiments, view_type=every))
    ]
    for run in _pages(partial(client.search_runs, experiments, query, run_view_type=every)):
        if run.info.run_id in (challenger.id, champion.id):
            continue
        judged = JudgedRun(challenger.store, run, challenger.folder.parent / run.info.run_id)
        if any(name.startswith("test/") for name in judged.measured):
            yield judged


def _pages(search: Callable[..., Any]) -> Iterator[Any]:
    """All that a search of MLflow finds."""
    token = None
    while True:
        page = search(page_token=token)
        yield from page
        token = page.token
        if not token:
            return


def _measures(
    challenger: JudgedRun,
    champion: JudgedRun | None,
    task: Task,
    metrics: Mapping[str, Any],
    gate: Gate,
) -> dict[str, Measure]:
    """Everything that a guard or ``cheaper`` can name, with its direction."""
    names = {n: m.larger_is_better for key, m in metrics.items() for n in names_of(m, key)}
    logged = {n: (f"test/{n}", larger) for n, larger in names.items()}
    logged |= {n: (n, n in LARGER) for n in (*COSTS, "bundle_mb") if n != "epochs"}

    def measure(name: str, larger: bool) -> Measure:
        return Measure(
            challenger=challenger.metric(name),
            champion=None if champion is None else champion.metric(name),
            larger_is_better=larger,
            measured=name in challenger.measured,
        )

    found = {n: measure(*about) for n, about in logged.items()}
    users = some_of(challenger.truth["user_id"].to_numpy(), N_TIMED)
    own = latency_of(challenger.bundle, users)
    other = {} if champion is None else _latency(champion, users)
    found |= {n: Measure(challenger=v, champion=other.get(n)) for n, v in own.items()}
    return {**found, SEGMENT: _smallest_segment(challenger, champion, task, gate)}


def _latency(champion: JudgedRun, users: np.ndarray) -> dict[str, float]:
    """The champion's, measured right after the challenger's; empty where its bundle is gone."""
    try:
        return latency_of(champion.bundle, users)
    except ExportError as error:
        log.warning("the champion's latency is not known: %s", error)
        return {}


def _smallest_segment(
    challenger: JudgedRun, champion: JudgedRun | None, task: Task, gate: Gate
) -> Measure:
    """The objective in the smallest segment with enough customers in which it is defined.

    Of the strata of the run's evaluation; those that hold other numbers of customers for the two
    models are the models' own, and not looked at. NaN where no segment is large enough.
    """
    nowhere = None if champion is None else math.nan
    nothing = Measure(
        challenger=math.nan,
        champion=nowhere,
        larger_is_better=task.maximise,
        about=f"none of {gate.segment_customers:,} customers or more",
    )
    own = _segments(challenger, task.objective)
    other = own if champion is None else _segments(champion, task.objective)
    both = own.join(other.add_suffix("_champion"), how="inner")
    if both.empty:
        return nothing
    same = both["n_users"] == both["n_users_champion"]
    enough = both["n_users"] >= gate.segment_customers
    both = both[same & enough & both["value_champion"].notna()].sort_values(
        "n_users", kind="stable"
    )
    if both.empty:
        return nothing
    row = both.iloc[0]
    log.info("smallest segment: %s, %d customers", both.index[0], row["n_users"])
    return Measure(
        challenger=float(row["value"]),
        champion=None if champion is None else float(row["value_champion"]),
        larger_is_better=task.maximise,
        about=f"{both.index[0]}, {int(row['n_users']):,} customers",
    )


def _segments(judged: JudgedRun, objective: str) -> pd.DataFrame:
    """Value and number of customers by stratum."""
    if "strata.csv" not in judged.files:
        return pd.DataFrame(columns=["value", "n_users"])
    table = pd.read_csv(judged.file("strata.csv"))
    return table[table["metric"] == objective].set_index("stratum")[["value", "n_users"]]
