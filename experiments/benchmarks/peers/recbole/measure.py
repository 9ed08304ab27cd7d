"""RecBole's side: GRU4Rec through its own data loader and training loop, EASE, ItemKNN."""

from __future__ import annotations

import sys
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from protocol import Question, Stopwatch, answer, ndcg_at_10, seconds_of

warnings.filterwarnings("ignore")

QUIET = {
    "use_gpu": False,
    "show_progress": False,
    "state": "CRITICAL",
    "reproducibility": False,
    "seed": 0,
    "USER_ID_FIELD": "user_id",
    "ITEM_ID_FIELD": "item_id",
    "TIME_FIELD": "timestamp",
    "load_col": {"inter": ["user_id", "item_id", "timestamp"]},
    "metrics": ["NDCG", "Hit"],
    "topk": [10],
    "valid_metric": "NDCG@10",
}


def prepared(question: Question, name: str, settings: dict[str, Any]) -> tuple[Any, Any, list[Any]]:
    """RecBole's config, data set and loaders (training, validation, test)."""
    from recbole.config import Config
    from recbole.data import create_dataset, data_preparation

    folder = Path(question.scratch) / "recbole" / "sequences"
    file = folder / "sequences.inter"
    if not file.exists():
        folder.mkdir(parents=True, exist_ok=True)
        names = ["user_id:token", "item_id:token", "timestamp:float"]
        table = question.events.set_axis(names, axis=1)
        table.to_csv(file, sep="\t", index=False)
    own = {
        "data_path": str(folder.parent),
        "checkpoint_dir": str(folder.parent / "saved"),
        "eval_args": {
            "split": {"LS": "valid_and_test"},
            "order": "TO",
            "group_by": "user",
            "mode": "full",
        },
    }
    config = Config(name, "sequences", config_dict={**QUIET, **own, **settings})
    dataset = create_dataset(config)
    return config, dataset, list(data_preparation(config, dataset))


class Sample:
    """The first batches of a loader, with the moment each was asked for."""

    def __init__(self, loader: Any, n_batches: int) -> None:
        self.loader, self.n_batches = loader, n_batches
        self.shuffle = getattr(loader, "shuffle", False)
        self.moments: list[float] = []

    def __iter__(self) -> Iterator[Any]:
        for n, batch in enumerate(self.loader):
            self.moments.append(time.perf_counter())
            if n == self.n_batches:
                return
            yield batch

    def __len__(self) -> int:
        return self.n_batches


def gru_settings(question: Question) -> dict[str, Any]:
    """GRU4Rec with cross-entropy over all items."""
    return {
        "embedding_size": question.width,
        "hidden_size": question.state,
        "num_layers": 1,
        "dropout_prob": question.dropout,
        "loss_type": "CE",
        "train_neg_sample_args": None,
        "MAX_ITEM_LIST_LENGTH": question.length,
        "train_batch_size": question.batch,
        "learning_rate": question.lr,
    }


def gru4rec(question: Question) -> dict[str, Any]:
    """Targets a second of a sample of batches, the first left out; the epoch follows from it."""
    from recbole.trainer import Trainer
    from recbole.utils import get_model

    config, _, (train, _, _) = prepared(question, "GRU4Rec", gru_settings(question))
    trainer = Trainer(config, get_model("GRU4Rec")(config, train.dataset))
    n_measured = max(2, round(question.settings.get("share", 1.0) * len(train)))
    sample = Sample(train, min(n_measured + 1, len(train) - 1))
    trainer._train_epoch(sample, 0)
    moments = sample.moments  # of the batches, and of the one after them
    rate = question.batch * (len(moments) - 2) / (moments[-1] - moments[1])
    n_targets = len(train.dataset.inter_feat)
    return {
        "targets_a_second": rate,
        "epoch_seconds": n_targets / rate,
        "note": f"{len(moments) - 2} of {len(train)} batches of {n_targets:,} targets",
    }


def classic(question: Question) -> dict[str, Any]:
    """Its closed-form models fit where they are made; lists as its trainer's evaluation makes them."""
    from recbole.trainer import Trainer
    from recbole.utils import get_model

    name, settings = {
        "ease": ("EASE", {"reg_weight": question.settings.get("l2")}),
        "item_knn": ("ItemKNN", {"k": question.settings.get("neighbours"), "shrink": 0.0}),
    }[question.measure]
    config, _, (train, _, test) = prepared(question, name, settings)
    model, fit_seconds = seconds_of(lambda: get_model(name)(config, train.dataset))
    trainer = Trainer(config, model)
    _, top_seconds = seconds_of(lambda: trainer.evaluate(test, load_best_model=False))
    return {
        "fit_seconds": fit_seconds,
        "top_10_seconds": top_seconds,
        "note": "top_10: its trainer's evaluation with two metrics",
    }


def quality(question: Question) -> dict[str, Any]:
    """Training until the validation NDCG@10 is reached."""
    import torch
    from recbole.trainer import Trainer
    from recbole.utils import get_model

    config, dataset, (train, valid, _) = prepared(question, "GRU4Rec", gru_settings(question))
    model = get_model("GRU4Rec")(config, train.dataset)
    trainer, watch = Trainer(config, model), Stopwatch(question.until, question.minutes)
    items = dataset.field2id_token["item_id"][1:].astype(int)  # 0 is its padding
    users = dataset.field2id_token["user_id"].copy()
    users[0] = -1
    target = question.second_last["item"].to_numpy()
    n_items = int(question.events["item"].max()) + 1

    def scores() -> np.ndarray:
        dense = np.full((len(target), n_items), -np.inf, dtype=np.float32)
        model.eval()
        with torch.no_grad():
            for interaction, *_ in valid:
                rows = users[interaction["user_id"].numpy()].astype(int)
                given = model.full_sort_predict(interaction).view(len(rows), -1)[:, 1:].numpy()
                dense[rows[:, None], items] = given
        return dense

    epoch = 0
    while True:
        trainer._train_epoch(train, epoch)
        epoch += 1
        if watch.judged(lambda: ndcg_at_10(scores(), question.inner, target)):
            return watch.answer()


if __name__ == "__main__":
    import torch

    question = Question.asked()
    torch.set_num_threads(question.threads)
    torch.manual_seed(0)
    measures = {"gru4rec": gru4rec, "quality": quality}
    answer(measures.get(question.measure, classic)(question))
