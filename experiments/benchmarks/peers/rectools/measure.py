"""RecTools' side: SASRecModel, EASEModel, and its wrappers of implicit's models."""

from __future__ import annotations

import logging
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import pandas as pd
from threadpoolctl import threadpool_limits

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from protocol import Question, Stopwatch, answer, n_targets, ndcg_at_10, seconds_of
from rectools import Columns
from rectools.dataset import Dataset

warnings.filterwarnings("ignore")
logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)


def dataset_of(events: pd.DataFrame) -> Dataset:
    """The events as RecTools wants them: a day a position, so that order is kept."""
    names = {"user": Columns.User, "item": Columns.Item}
    times = pd.Timestamp("2000-01-01") + pd.to_timedelta(events["position"], unit="D")
    columns = {Columns.Weight: 1.0, Columns.Datetime: times}
    return Dataset.construct(events.rename(columns=names).assign(**columns))


def classic(question: Question) -> dict[str, Any]:
    """Fit and the best `k` unseen items of everyone."""
    from implicit.als import AlternatingLeastSquares
    from implicit.nearest_neighbours import CosineRecommender
    from rectools.models import EASEModel, ImplicitALSWrapperModel, ImplicitItemKNNWrapperModel

    threads = question.threads
    if question.measure == "ease":
        model = EASEModel(regularization=question.l2, recommend_n_threads=threads)
    elif question.measure == "als":
        inner = AlternatingLeastSquares(
            factors=question.width,
            iterations=question.epochs,
            alpha=question.alpha,
            regularization=question.l2 * question.alpha,
            num_threads=threads,
            random_state=0,
        )
        model = ImplicitALSWrapperModel(inner, recommend_n_threads=threads)
    else:
        inner = CosineRecommender(K=question.neighbours, num_threads=threads)
        model = ImplicitItemKNNWrapperModel(inner)
    data = dataset_of(question.past)
    with threadpool_limits(1 if question.measure == "als" else threads, "blas"):
        _, fit_seconds = seconds_of(lambda: model.fit(data))
        _, top_seconds = seconds_of(lambda: recommended(model, question, data))
    return {"fit_seconds": fit_seconds, "top_10_seconds": top_seconds}


def recommended(model: Any, question: Question, data: Dataset) -> pd.DataFrame:
    """The best `k` unseen items of everyone."""
    users = question.past["user"].unique()
    return model.recommend(users=users, dataset=data, k=question.k, filter_viewed=True)


def sasrec_model(question: Question, **trainer: Any) -> Any:
    """SASRecModel with the settings of the question and a Lightning trainer of ours."""
    from pytorch_lightning import Trainer
    from rectools.models import SASRecModel

    quiet = {
        "enable_progress_bar": False,
        "enable_model_summary": False,
        "logger": False,
        "enable_checkpointing": False,
        "accelerator": "cpu",
    }
    return SASRecModel(
        n_factors=question.width,
        n_blocks=question.blocks,
        n_heads=question.heads,
        session_max_len=question.length,
        dropout_rate=question.dropout,
        batch_size=question.batch,
        lr=question.lr,
        loss="softmax",
        recommend_torch_device="cpu",
        recommend_n_threads=question.threads,
        get_trainer_func=lambda: Trainer(**quiet, **trainer),
    )


def sasrec(question: Question) -> dict[str, Any]:
    """Seconds of an epoch, from a share of its batches after the first; lists and metrics."""
    from pytorch_lightning import Callback

    ends: list[float] = []  # RecTools trains with a copy of the trainer and of its callbacks

    class Times(Callback):
        """When each batch ended."""

        def on_train_batch_end(self, *_: Any) -> None:
            ends.append(time.perf_counter())

    data = dataset_of(question.past)
    n_batches = -(-question.past["user"].nunique() // question.batch)
    measured = max(2, round(question.settings.get("share", 1.0) * n_batches))
    trainer = {"max_epochs": 1, "limit_train_batches": min(measured + 1, n_batches)}
    model = sasrec_model(question, callbacks=[Times()], **trainer)
    model.fit(data)
    epoch = (ends[-1] - ends[0]) / (len(ends) - 1) * n_batches
    _, evaluate_seconds = seconds_of(lambda: evaluated(model, question, data))
    return {
        "epoch_seconds": epoch,
        "targets_a_second": n_targets(question.past, question.length) / epoch,
        "evaluate_seconds": evaluate_seconds,
        "note": f"{len(ends) - 1} of {n_batches} batches",
    }


def evaluated(model: Any, question: Question, data: Dataset) -> dict[str, float]:
    """Lists of everyone and their accuracy."""
    from rectools.metrics import MRR, NDCG, HitRate, Precision, Recall, calc_metrics

    lists = recommended(model, question, data)
    names = {"user": Columns.User, "item": Columns.Item}
    kinds = {"hr": HitRate, "precision": Precision, "recall": Recall, "mrr": MRR, "ndcg": NDCG}
    metrics = {f"{name}@{k}": kind(k=k) for name, kind in kinds.items() for k in (10, 20)}
    return calc_metrics(metrics, lists, question.last.rename(columns=names))


def quality(question: Question) -> dict[str, Any]:
    """Training until the validation NDCG@10 is reached."""
    import numpy as np
    import torch
    from pytorch_lightning import Callback

    watch = Stopwatch(question.until, question.minutes)
    data, target = dataset_of(question.inner), question.second_last["item"].to_numpy()
    n_users, n_items = len(target), int(question.events["item"].max()) + 1

    def scores(model: Any) -> np.ndarray:
        """All items of the split for all users; an item that the model does not know is last."""
        module = model.lightning_model
        loader = model.data_preparator.get_dataloader_recommend(
            model.data_preparator.transform_dataset_u2i(data, np.arange(n_users)), 256
        )
        users, items = module._get_user_item_embeddings(loader, "cpu")
        given = (users @ items.T).numpy()
        known = model.data_preparator.item_id_map.external_ids
        dense = np.full((n_users, n_items), -np.inf, dtype=np.float32)
        real = np.array([isinstance(x, (int, np.integer)) for x in known])
        dense[:, known[real].astype(int)] = given[:, real]
        module.train()
        return dense

    class Judge(Callback):
        """Judges after each epoch."""

        def on_train_epoch_end(self, trainer: Any, module: Any) -> None:
            with torch.no_grad():
                done = watch.judged(lambda: ndcg_at_10(scores(model), question.inner, target))
            trainer.should_stop = done

    model = sasrec_model(question, callbacks=[Judge()], max_epochs=1000)
    model.fit(data)
    return watch.answer()


if __name__ == "__main__":
    question = Question.asked()
    measures = {"sasrec": sasrec, "quality": quality}
    if question.measure in measures:
        import torch

        torch.set_num_threads(question.threads)
        torch.manual_seed(0)
    answer(measures.get(question.measure, classic)(question))
