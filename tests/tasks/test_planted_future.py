"""A future planted after the cutoff moves nothing that was made before it, by not a single bit.

Two files of the same shop: one as it is, and one with everything that could come later. Each is read,
cleaned, cut, turned into features and learned from by every model of every task.
"""

from __future__ import annotations

import tempfile
from contextlib import closing
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from omegaconf import open_dict

from growthlab.api.model_functions import _NoRecorder
from growthlab.config.compose import compose
from growthlab.config.conf_tree import choices
from growthlab.core.build import build
from growthlab.data.simulated_shop import SimulatedShop
from growthlab.models.table_estimator import wrap_estimator
from growthlab.search.study_store import StudyStore
from growthlab.tasks.base import Calibrates
from growthlab.tasks.fold_evaluation import FoldEvaluation, choose_fit
from growthlab.training.fit_options import FitOptions
from growthlab.workbench.searches import planned_searches
from growthlab.workbench.set_up import build_parts, load_workbench
from growthlab.workbench.workbench import Workbench

START, CUTOFF = datetime(2025, 1, 1), datetime(2025, 3, 12)
HORIZON, LATER = 14, pd.Timestamp("2025-03-14")
RULES = (
    "data.cleaning.cancellations=match",
    "data.cleaning.bot_events_a_day=60",
    "data.cleaning.min_user_events=2",
    "data.cleaning.min_item_events=3",
    "data.cleaning.min_rating=2",
    "data.cleaning.until=2026-01-01",
    "data.cleaning.non_goods=['post.*']",
)
CUSTOMERS = ("task.portrait=all", "task.attributes=[gender,tier]", "task.snapshots=2")
TASKS = {
    "top_n": (),
    "churn": (*CUSTOMERS, "task.calibration=platt"),
    "value": CUSTOMERS,
}
FAMILY = {"top_n": "recommend", "churn": "churn", "value": "value"}
MODELS = [
    (task, choice.partition("/")[2])
    for task, family in FAMILY.items()
    for choice in choices("model")
    if choice.startswith(f"{family}/")
]


@cache
def folder() -> Path:
    """Where the two files are, for all tests of the process."""
    kept = tempfile.TemporaryDirectory()
    _KEPT.append(kept)
    plain = _shop()
    planted = tuple(
        pd.concat([table, more], ignore_index=True)
        for table, more in zip(plain, _future(*plain), strict=True)
    )
    for name, tables in (("plain", plain), ("planted", planted)):
        for table, frame in zip(("events", "items", "users"), tables, strict=True):
            frame.to_parquet(Path(kept.name) / f"{name}_{table}.parquet", index=False)
    return Path(kept.name)


_KEPT: list[Any] = []


def _shop() -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """A shop that ends some days after the cutoff, with tiers that were known from the start."""
    log = SimulatedShop(users=260, items=60, days=90).read()
    assert log.items is not None
    assert log.users is not None
    events = log.to_pandas()
    events["ingested_at"] = events["timestamp"]
    users = log.users.assign(tier="bronze")
    return events.drop(columns="cancelled_at", errors="ignore"), log.items, users


def _future(
    events: pd.DataFrame, items: pd.DataFrame, users: pd.DataFrame
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """What could come after the cutoff: of events, items and users."""
    customers = events.loc[events["event_type"] == "purchase", "user_id"].drop_duplicates()
    goods = items["item_id"].iloc[:5]

    def rows(user_ids: Any, item_ids: Any, kind: str, **more: Any) -> pd.DataFrame:
        grid = pd.merge(
            pd.DataFrame({"user_id": list(user_ids)}),
            pd.DataFrame({"item_id": list(item_ids)}),
            how="cross",
        )
        frame = grid.assign(event_type=kind, timestamp=LATER, ingested_at=LATER, **more)
        if kind == "purchase":
            frame = frame.assign(**{"quantity": 1.0, "unit_price": 9.0, **more})
        return frame

    # whole purchases of the past, brought back after the cutoff
    bought = events[(events["event_type"] == "purchase") & (events["timestamp"] < CUTOFF)]
    returned = bought.drop_duplicates(["user_id", "item_id"], keep=False).iloc[::7]
    returns = returned.assign(event_type="return", timestamp=LATER, ingested_at=LATER)
    # events of the past that are only recorded after the cutoff
    late = bought.iloc[::11].assign(ingested_at=LATER, order_id="late", quantity=50.0)
    busy = pd.concat(
        [
            rows(customers.iloc[:20], ["hot"], "view").assign(
                timestamp=LATER + pd.Timedelta(minutes=n), query=f"word{n}"
            )
            for n in range(70)
        ]
    )
    more_events = [
        busy,  # bots, but not before the cutoff
        rows(customers, ["hot", "post office"], "purchase", discount=0.5, channel="app"),
        rows(customers, goods, "review", rating=5.0),
        rows([f"new{n}" for n in range(40)], [*goods, "hot"], "purchase", rating=1.0),
        rows(customers, goods, "favourite", session_id="later"),
        returns,
        late,
    ]
    renamed = items.assign(
        known_from=LATER, text="rewritten later", category="moved", price=items["price"] * 3
    )
    hot = pd.DataFrame(
        {"item_id": ["hot"], "text": ["hot"], "price": [1.0], "known_from": [LATER]}
    ).assign(available_from=LATER)
    left = users.assign(known_from=LATER, tier="lost", gender="unknown")
    new = left.iloc[:40].assign(user_id=[f"new{n}" for n in range(40)])
    return pd.concat(more_events), pd.concat([renamed, hot]), pd.concat([left, new])


@cache
def bench(command: str, task: str, which: str, *words: str) -> Workbench:
    """The workbench of a command on one of the two files."""
    path = folder() / which
    given = [
        "data=tabular_file",
        "data.label=shop",
        *(f"data.{key}={path}_{table}.parquet" for key, table in _PATHS),
        f"task={task}",
        *TASKS[task],
        *RULES,
        f"split.cutoff={CUTOFF}",
        f"split.horizon_days={HORIZON}",
        "data.history_events=[view,purchase]",
        f"cache={folder()}/cache",
        f"tracking.uri=sqlite:///{folder()}/mlflow.db",
        *words,
    ]
    return load_workbench(build_parts(compose(command, given)))


_PATHS = (("path", "events"), ("items_path", "items"), ("users_path", "users"))


def bench_of(task: str, which: str) -> Workbench:
    """The workbench of a comparison, of one model: the tests build each model themselves."""
    one_model = next(name for of, name in MODELS if of == task)
    return bench("compare", task, which, f"models=[{one_model}]")


@cache
def evaluation(task: str, which: str) -> FoldEvaluation:
    """The task on the newest fold of one of the two files."""
    of = bench_of(task, which)
    return FoldEvaluation(of.task, of.folds[0], of.metrics)


def scores_of(task: str, name: str, which: str) -> dict[str, Any]:
    """What a model chosen on the validation window, calibrated and fitted again says of the past."""
    both = evaluation(task, which)
    node = compose("train", [f"task={task}", f"model={FAMILY[task]}/{name}"]).config.model
    if "trainer" in node:
        with open_dict(node):
            node.trainer.epochs, node.trainer.threads = 2, 1

    def factory() -> Any:
        return build(node, both.task.model_type, "model")

    chosen = choose_fit(both, factory, device="cpu")
    options = FitOptions(seed=0, device="cpu", epochs=chosen.epochs)
    model = both.task.fit(factory(), both.test_data, options)
    if chosen.calibration is not None and isinstance(both.task, Calibrates):
        model = both.task.calibrated(model, chosen.calibration)
    data = both.test_data
    customers = wrap_estimator(model).predict if task != "top_n" else None
    return {
        "valid": chosen.valid,
        "epochs": chosen.epochs,
        "calibration": chosen.calibration,
        "scores": model.score(data.past) if customers is None else customers(data.evaluated),
    }


@pytest.mark.parametrize(("task", "name"), MODELS)
def test_no_score_of_any_model_moves(task: str, name: str) -> None:
    plain, planted = (scores_of(task, name, which) for which in ("plain", "planted"))
    assert planted["valid"] == pytest.approx(plain["valid"], rel=0, abs=0, nan_ok=True)
    assert (planted["epochs"], planted["calibration"]) == (plain["epochs"], plain["calibration"])
    np.testing.assert_array_equal(planted["scores"], plain["scores"])


@pytest.mark.parametrize("task", ["churn", "value"])
def test_no_feature_and_no_label_of_training_moves(task: str) -> None:
    plain, planted = (evaluation(task, which) for which in ("plain", "planted"))
    for part in ("selection_data", "test_data"):
        one, other = getattr(plain, part), getattr(planted, part)
        for now, then in ((other.train, one.train), (other.evaluated, one.evaluated)):
            pd.testing.assert_frame_equal(now.table, then.table, check_exact=True)
            np.testing.assert_array_equal(now.user_ids, then.user_ids)
            np.testing.assert_array_equal(now.steps, then.steps)
        np.testing.assert_array_equal(other.train.target, one.train.target)
    # the test window itself is another one: the customers of the planted future all came back
    assert not np.array_equal(planted.test_data.evaluated.target, plain.test_data.evaluated.target)


def test_no_vocabulary_and_no_catalogue_moves() -> None:
    plain, planted = (evaluation("top_n", which).test_data.past for which in ("plain", "planted"))
    for name, array in plain.to_arrays().items():
        np.testing.assert_array_equal(planted.to_arrays()[name], array)
    for name, array in plain.catalogue.to_arrays().items():
        np.testing.assert_array_equal(planted.catalogue.to_arrays()[name], array)


def test_the_rules_drop_the_same_of_the_past() -> None:
    plain, planted = (bench_of("top_n", which).folds[0] for which in ("plain", "planted"))
    for one, other in ((plain, planted), (plain.for_choosing(), planted.for_choosing())):
        assert other.past.digest == one.past.digest
    assert planted.valid.digest == plain.valid.digest
    kept = planted.past.query("SELECT count(DISTINCT user_id) AS n FROM events")["n"].item()
    assert kept == plain.past.n_users  # nobody is a bot for what was done after the cutoff
    assert planted.future.n_users > plain.future.n_users


@pytest.mark.parametrize(("task", "model"), [("top_n", "item_knn"), ("churn", "logistic")])
def test_no_trial_of_a_search_moves(task: str, model: str) -> None:
    found = []
    for which in ("plain", "planted"):
        words = (f"models=[{model}]", "budget.trials=4", f"study={which}")
        with closing(StudyStore(None, folder() / f"{task}-{which}.journal")) as store:
            (planned,) = planned_searches(bench("tune", task, which, *words), store)
            planned.search.evaluation.prepare()
            planned.search.loop(_NoRecorder()).run()
            trials = planned.search.study.finished()
        found.append([(t.overrides, t.result.values) for t in trials])
    assert len(found[0]) > 1
    assert found[1] == found[0]
