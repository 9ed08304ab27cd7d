"""growthlab's side: its own models, batches, training loop and evaluation, as its commands use them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from protocol import (
    Experiment,
    Question,
    Stopwatch,
    answer,
    bg_nbd_log_likelihood,
    cost_of,
    customers,
    n_targets,
    ndcg_at_10,
    seconds_of,
)

from growthlab.config.compose import compose
from growthlab.core.build import build
from growthlab.training.fit_options import EpochVerdict, FitOptions
from growthlab.workbench.set_up import set_up
from growthlab.workbench.workbench import Workbench

NETWORKS = {
    "gru4rec": ("width", "state", "dropout", "length"),
    "sasrec": ("width", "blocks", "heads", "dropout", "length"),
}


def bench_of(question: Question, model: str, *words: str) -> Workbench:
    """The compose train command on the data of the question."""
    common = [
        f"model=recommend/{model}",
        "data=movielens_1m",
        f"data.path={question.data}",
        "split=leave_last_out",
        f"cache={question.scratch}/growthlab",
        "device=cpu",
    ]
    return set_up(compose("train", [*common, *words]))


def network(question: Question, name: str) -> Workbench:
    """The bench of a network with the settings of the question."""
    words = [f"model.{key}={question.settings[key]}" for key in NETWORKS[name]]
    second = {"gru4rec": "output_dropout", "sasrec": "block_dropout"}[name]
    words += [
        f"model.{second}={question.dropout}",
        "model.event_types=false",
        f"model.trainer.batch={question.batch}",
        f"model.trainer.lr={question.lr}",
    ]
    return bench_of(question, name, *words)


def trained(question: Question) -> dict[str, Any]:
    """Seconds of a fit of one epoch, its batches included, after a fit on a few customers."""
    bench = network(question, question.measure)
    task, data = bench.task, bench.task.data(bench.folds[0])
    options = FitOptions(seed=0, device="cpu", epochs=1)
    build(bench.config.model, bench.task.model_type).fit(data.past.select(range(100)), options)
    model = build(bench.config.model, bench.task.model_type)
    _, seconds = seconds_of(lambda: task.fit(model, data, options))
    targets = n_targets(question.past)  # longer histories in windows
    values = {"epoch_seconds": seconds, "targets_a_second": targets / seconds}
    if question.measure == "gru4rec":
        return {**values, "note": f"{targets:,} targets"}
    metrics = bench.metrics
    _, judged = seconds_of(lambda: task.evaluate(model, data, metrics, seed=0, intervals=False))
    return {**values, "evaluate_seconds": judged, "note": f"{len(metrics)} kinds of metrics"}


def classic(question: Question) -> dict[str, Any]:
    """Fit and the best `k` unseen items of everyone, after a fit on a few customers that imports all."""
    name = question.measure.removesuffix("_bm25")
    words = {
        "ease": ["l2"],
        "item_knn": ["neighbours", "weighting"],
        "als": ["width", "epochs", "l2", "unseen"],
    }[name]
    given = [f"model.{w}={question.settings[w]}" for w in words]
    shrinkage = ["model.shrinkage=0"] if name == "item_knn" else []
    k = f"task.list_length={question.k}"
    bench = bench_of(question, name, *given, *shrinkage, k)
    task, data = bench.task, bench.task.data(bench.folds[0])
    model = build(bench.config.model, bench.task.model_type)
    options = FitOptions(seed=0, device="cpu")
    build(bench.config.model, bench.task.model_type).fit(data.past.select(range(100)), options)
    _, fit_seconds = seconds_of(lambda: task.fit(model, data, options))
    _, top_seconds = seconds_of(lambda: task.lists(model, data))
    return {"fit_seconds": fit_seconds, "top_10_seconds": top_seconds}


def bg_nbd(question: Question) -> dict[str, Any]:
    """A whole fit with its standard errors, and the purchases that everyone is expected to make."""
    from growthlab.models.btyd.fit import fit_purchases
    from growthlab.models.btyd.purchase_summary import PurchaseSummary

    who = customers(question)
    fit_purchases("bg_nbd", PurchaseSummary.of(*(column[:1000] for column in who)))
    fit, fit_seconds = seconds_of(lambda: fit_purchases("bg_nbd", PurchaseSummary.of(*who)))
    found, predict_seconds = seconds_of(lambda: fit.model.purchases(*who, question.horizon))
    return {
        "fit_seconds": fit_seconds,
        "predict_seconds": predict_seconds,
        "log_likelihood": bg_nbd_log_likelihood(fit.model, *who),
        "note": f"{fit.model}, {found.sum():,.0f} purchases expected",
    }


def dr_learner(question: Question) -> dict[str, Any]:
    """The DR learner of conf/model/uplift with these trees: five folds, then effects of everybody."""
    import numpy as np
    import pandas as pd
    from lightgbm import LGBMRegressor

    from growthlab.features.examples import Examples
    from growthlab.features.experiment_table import ExperimentTable
    from growthlab.models.uplift.dr_learner import DRLearner

    drawn, n = Experiment.of(question), question.rows
    names = [f"feature_{i}" for i in range(question.features)]
    customers = Examples(
        pd.DataFrame(drawn.features, columns=names, copy=False),
        np.arange(n).astype(str),
        np.full(n, np.datetime64("NaT", "us")),
        horizon_days=float("nan"),
        target=drawn.outcome,
    )
    experiment = ExperimentTable.of(customers, drawn.treated, np.full(n, 0.5))

    def effects() -> np.ndarray:
        trees = LGBMRegressor(**question.trees, n_jobs=question.threads, verbosity=-1)
        return DRLearner(trees, trees).fit(experiment, FitOptions(seed=0)).predict(customers)

    return cost_of(effects, drawn)


def quality(question: Question) -> dict[str, Any]:
    """Training until the validation NDCG@10 is reached."""
    bench = network(question, "gru4rec")
    task, data = bench.task, bench.task.data(bench.folds[0].for_choosing())
    codes = data.past.catalogue.item_ids.astype(int)  # of the file, from codes in its own order
    raw = question.raw_items
    places = raw.searchsorted(codes)
    order = question.raw_users.searchsorted(data.past.user_ids.astype(int))
    target = question.second_last["item"].to_numpy()
    watch = Stopwatch(question.until, question.minutes)

    def scores(model: Any) -> Any:
        import numpy as np

        dense = np.full((len(target), len(raw)), -np.inf, dtype=np.float32)
        dense[order[:, None], places] = model.score(data.past)
        return dense

    def on_epoch(epoch: int, model: Any) -> EpochVerdict:
        done = watch.judged(lambda: ndcg_at_10(scores(model), question.inner, target))
        return EpochVerdict(improved=True, stop=done)

    model = build(bench.config.model, bench.task.model_type)
    task.fit(model, data, FitOptions(seed=0, device="cpu", epochs=1000, on_epoch=on_epoch))
    return watch.answer()


if __name__ == "__main__":
    question = Question.asked()
    if question.measure in (*NETWORKS, "quality"):
        import torch

        torch.set_num_threads(question.threads)
    measures = {
        "gru4rec": trained,
        "sasrec": trained,
        "quality": quality,
        "bg_nbd": bg_nbd,
        "bg_nbd_weekly": bg_nbd,
        "dr_learner": dr_learner,
    }
    answer(measures.get(question.measure, classic)(question))
