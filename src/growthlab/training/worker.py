"""The main module of a process that trains a share of each batch; `processes` starts it."""

from __future__ import annotations

import json
import logging
import os
import queue
import sys
import threading
import traceback
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace
from typing import Any, BinaryIO

import numpy as np
import torch
import torch.distributed

from growthlab.core.errors import GrowthlabError, one_line
from growthlab.core.process import prepare_process
from growthlab.training.fit_options import EpochVerdict
from growthlab.training.packing import unpacked
from growthlab.training.processes import ERRORS, WEIGHTS, TrainingJob
from growthlab.training.ranks import Ranks

FOR_EVER = timedelta(days=365)  # a slow process is waited for; a lost one ends the others otherwise
REPORTS = 100  # of an epoch at most


def main() -> None:
    """Read the job from standard input, train, and say on standard output what became of it."""
    voice = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints belongs to the log
    prepare_process()
    rank, n_ranks = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    job = unpacked(_content(sys.stdin.buffer))
    conversation = _Conversation(job, voice, rank)
    if rank == 0:
        logging.getLogger("growthlab").addHandler(_Reports(conversation))
    status = 0
    try:
        _train(job, conversation, rank, n_ranks)
    except GrowthlabError as error:
        kind = type(error).__name__
        conversation.say(
            {"error": kind if kind in ERRORS else "ConfigError", "text": one_line(error)}
        )
    except BaseException:  # the connection to a process that was killed, most often
        traceback.print_exc()
        status = 1
    sys.stderr.flush()
    os._exit(status)  # without what torch takes apart at the end, where a lost connection aborts it


def _train(job: TrainingJob, conversation: _Conversation, rank: int, n_ranks: int) -> None:
    """Join the others, and train."""
    device = job.device
    if device == "cuda":
        device = f"cuda:{rank}"
        torch.cuda.set_device(rank)
    torch.distributed.init_process_group(
        "nccl" if job.device == "cuda" else "gloo",
        store=torch.distributed.FileStore(str(job.folder / "meeting"), n_ranks),
        rank=rank,
        world_size=n_ranks,
        timeout=FOR_EVER,
    )
    judge = conversation.verdict if job.is_judged else None
    options = replace(job.options, device=device, on_epoch=judge)
    model = SimpleNamespace(losses_=[])
    ranks = Ranks(rank, n_ranks, conversation.report)
    job.trainer.train(job.network, job.batches, job.loss, options, model, ranks)
    if rank == 0:
        conversation.write_weights()
        conversation.say({"losses": model.losses_})
    ranks.agree(len(model.losses_))  # nobody leaves before all have finished


class _Conversation:
    """What this process says to the one of the fit, and what it hears from it."""

    def __init__(self, job: TrainingJob, voice: BinaryIO, rank: int) -> None:
        self._job, self._voice, self._rank = job, voice, rank
        self._heard: queue.Queue[bytes] = queue.Queue()
        threading.Thread(target=self._hear, daemon=True).start()

    def say(self, message: Mapping[str, Any]) -> None:
        """One line of JSON."""
        self._voice.write(json.dumps(message).encode() + b"\n")
        self._voice.flush()

    def report(self, label: str, done: int, total: int) -> None:
        """How far the epoch is; not at each of many batches."""
        if done % max(1, total // REPORTS) == 0:
            self.say({"batch": [label, done, total]})

    def verdict(self, epoch: int, model: Any) -> EpochVerdict:
        """Hand the weights over, and wait for the verdict on them."""
        if self._rank == 0:
            self.write_weights()
            self.say({"epoch": epoch, "losses": model.losses_})
        return EpochVerdict(**json.loads(self._heard.get()))

    def write_weights(self) -> None:
        """Write the network's present state for the process of the fit."""
        state = self._job.network.state_dict()
        arrays = {name: tensor.detach().cpu().numpy() for name, tensor in state.items()}
        np.savez(self._job.folder / WEIGHTS, **arrays)

    def _hear(self) -> None:
        """In a thread: keep each line; end this process with the one of the fit."""
        for line in sys.stdin.buffer:
            self._heard.put(line)
        os._exit(1)


class _Reports(logging.Handler):
    """Lines of the log, which the process of the fit writes."""

    def __init__(self, conversation: _Conversation) -> None:
        super().__init__(logging.INFO)
        self._conversation = conversation

    def emit(self, record: logging.LogRecord) -> None:
        self._conversation.say({"log": record.getMessage(), "level": record.levelno})


def _content(stream: BinaryIO) -> bytes:
    """The packed job; its length comes first."""
    n_bytes = int.from_bytes(stream.read(8), "big")
    return stream.read(n_bytes)


if __name__ == "__main__":
    main()
