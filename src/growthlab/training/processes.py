"""One fit trained by several processes of this machine, which the process of the fit starts and ends."""

from __future__ import annotations

import json
import logging
import os
import queue
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from growthlab.core.errors import ConfigError, DataError, GrowthlabError, one_line
from growthlab.core.processors import THREAD_VARIABLES, n_threads
from growthlab.core.progress import bar
from growthlab.training.fit_options import FitOptions
from growthlab.training.packing import packed

log = logging.getLogger(__name__)

WEIGHTS = "weights.npz"  # of the leading process, after an epoch and at the end
ERRORS = {"ConfigError": ConfigError, "DataError": DataError}
KILLING = (signal.SIGKILL, signal.SIGTERM)
LAST_MOMENTS = 2.0  # seconds in which a process ends whose connection is lost
SOCKET_VARIABLES = ("GLOO_SOCKET_IFNAME", "NCCL_SOCKET_IFNAME")


class LostProcessError(GrowthlabError, RuntimeError):
    """A process of a training was killed, or ended before its time."""


@dataclass(frozen=True)
class TrainingJob:
    """What each process gets: how to train (a `Trainer`), what, on which batches."""

    trainer: Any
    network: nn.Module
    batches: Any
    loss: Any
    options: FitOptions  # without what belongs to the process of the fit
    is_judged: bool  # whether a verdict follows each epoch
    folder: Path  # private to this training
    device: str  # cpu or cuda


def train_in_processes(
    job: TrainingJob, n_ranks: int, options: FitOptions, model: Any, device: torch.device
) -> None:
    """Train the network of `job` in place in `n_ranks` processes; see `Trainer.run`.

    Each gets the same job through a pipe, and its share of the threads or one GPU. The evaluation after
    an epoch stays in this process, which gives the verdict to all of them. If one of them ends early, by
    whatever cause, the others are ended too; if this process ends, they end themselves.

    Raises
    ------
    LostProcessError
        A process was killed, or ended with an error that is nobody's mistake.
    ConfigError, DataError
        As in one process; also if there are fewer GPUs than processes.
    """
    check_devices(device, n_ranks)
    network = job.network.cpu()
    network.eval()
    if isinstance(job.loss, nn.Module):
        job.loss.cpu()
    content = packed(job, job.folder)
    network.to(device)
    workers = _Workers(content, n_ranks, job.folder)
    try:
        _follow(workers, job, options, model)
    finally:
        workers.end()
    _load_weights(network, job.folder)
    network.eval()


def check_devices(device: torch.device, n_ranks: int) -> None:
    """Raise a `ConfigError` unless each process can have a GPU of its own, or `device` is the CPU."""
    if device.type != "cuda":
        return
    if device.index is not None:
        raise ConfigError(
            f"device={device} is one GPU, and trainer.processes={n_ranks} needs one each: device=cuda"
        )
    found = torch.cuda.device_count()
    if found < n_ranks:
        raise ConfigError(
            f"trainer.processes={n_ranks} needs as many GPUs, here are {found}: "
            f"trainer.processes={found}, or device=cpu"
        )


def training_folder() -> tempfile.TemporaryDirectory[str]:
    """A folder for one training that its user alone can read and write."""
    return tempfile.TemporaryDirectory(prefix="growthlab-training-")  # mkdtemp: mode 0700


def _follow(workers: _Workers, job: TrainingJob, options: FitOptions, model: Any) -> None:
    """Record losses, evaluate and answer until all processes have ended."""
    with _EpochBar() as epoch_bar:
        while workers.n_running:
            said = workers.next_message()
            if "log" in said:
                log.log(said["level"], "%s", said["log"])
            if "batch" in said:
                epoch_bar.show(*said["batch"])
            if "error" in said:
                raise ERRORS[said["error"]](said["text"])
            if "losses" in said:
                epoch_bar.close()
                model.losses_[:] = said["losses"]
            if "epoch" in said and options.on_epoch is not None:
                _load_weights(job.network, job.folder)
                job.network.eval()
                workers.tell(options.on_epoch(said["epoch"], model)._asdict())


def _load_weights(network: nn.Module, folder: Path) -> None:
    with np.load(folder / WEIGHTS, allow_pickle=False) as arrays:
        network.load_state_dict({name: torch.from_numpy(arrays[name]) for name in arrays.files})


class _Workers:
    """The processes of a training, what they say, and how they end."""

    def __init__(self, content: bytes, n_ranks: int, folder: Path) -> None:
        self._messages: queue.Queue[tuple[int, Mapping[str, Any] | None]] = queue.Queue()
        self._processes: list[subprocess.Popen[bytes]] = []
        self._folder = folder
        self.n_running = n_ranks
        try:
            for rank in range(n_ranks):
                self._processes.append(_started(rank, n_ranks, folder))
        except BaseException:
            self.end()
            raise
        self._threads = [
            threading.Thread(target=self._listen, args=(rank, content), daemon=True)
            for rank in range(n_ranks)
        ]
        for thread in self._threads:
            thread.start()

    def next_message(self) -> Mapping[str, Any]:
        """What a process says next; empty where one ended well. LostProcessError where one did not."""
        rank, message = self._messages.get()
        if message is not None:
            return message
        if self._processes[rank].returncode != 0:
            raise LostProcessError(self._loss(rank))
        self.n_running -= 1
        return {}

    def tell(self, message: Mapping[str, Any]) -> None:
        """One line to every process."""
        line = json.dumps(message).encode() + b"\n"
        for process in self._processes:
            assert process.stdin is not None
            with suppress(BrokenPipeError):  # its end is a message of its own
                process.stdin.write(line)
                process.stdin.flush()

    def end(self) -> None:
        """End all that still run; a checkpoint is whole at any moment."""
        for process in self._processes:
            process.kill()
        for process in self._processes:
            process.wait()
        for thread in getattr(self, "_threads", []):
            thread.join()
        for process in self._processes:
            for pipe in (process.stdin, process.stdout):
                assert pipe is not None
                with suppress(BrokenPipeError):
                    pipe.close()

    def _listen(self, rank: int, content: bytes) -> None:
        """In a thread: hand the job over, pass on what the process says, and then that it ended."""
        process = self._processes[rank]
        assert process.stdin is not None
        assert process.stdout is not None
        with suppress(BrokenPipeError, ConnectionError):
            process.stdin.write(len(content).to_bytes(8, "big") + content)
            process.stdin.flush()
        for line in process.stdout:
            with suppress(ValueError):  # the half line of one that was killed
                self._messages.put((rank, json.loads(line)))
        process.wait()
        self._messages.put((rank, None))

    def _loss(self, rank: int) -> str:
        """Which process ended first, and why: the others lose their connection to it."""
        if self._processes[rank].returncode > 0:  # perhaps as it lost one that is just ending
            for process in self._processes:
                with suppress(subprocess.TimeoutExpired):
                    process.wait(LAST_MOMENTS)
        states = [process.poll() for process in self._processes]
        ended = {other: state for other, state in enumerate(states) if state}
        killed = [other for other, state in ended.items() if -state in KILLING]
        crashed = [other for other, state in ended.items() if state < 0]
        rank = next(iter([*killed, *crashed, rank]))
        status = states[rank] or 0
        why = f"ended with status {status}: {_last_line(_log_of(self._folder, rank))}"
        if status < 0:
            memory = ", perhaps for lack of memory" if -status == signal.SIGKILL else ""
            why = f"was killed by {signal.Signals(-status).name}{memory}"
        return (
            f"process {rank + 1} of {len(states)} of the training {why}: the others were ended; "
            "the same command goes on after the last finished epoch"
        )


class _EpochBar(ExitStack):
    """A bar of the batches of an epoch, of which the leading process reports."""

    label = ""

    def show(self, label: str, done: int, total: int) -> None:
        """Draw the bar of the epoch `label`."""
        if label != self.label:
            self.close()
            self._update: Callable[[int, str], None] = self.enter_context(bar(label, total))
            self.label = label
        self._update(done, "")


def _started(rank: int, n_ranks: int, folder: Path) -> subprocess.Popen[bytes]:
    """A process that waits for its job; what it writes to standard error is kept in a file."""
    with _log_of(folder, rank).open("wb") as errors:
        return subprocess.Popen(
            [sys.executable, "-P", "-m", "growthlab.training.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            env=_environment(rank, n_ranks),
            start_new_session=True,  # Ctrl-C is for the process of the fit
        )


def _environment(rank: int, n_ranks: int) -> dict[str, str]:
    """The names of torchrun for a process and its number, its threads, and sockets of this machine only."""
    threads = str(max(1, n_threads() // n_ranks))
    own = {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(n_ranks)}
    local = {name: os.environ.get(name, _loopback()) for name in SOCKET_VARIABLES}
    return (
        os.environ
        | dict.fromkeys(THREAD_VARIABLES, threads)
        | {name: value for name, value in local.items() if value}
        | own
        | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    )


def _loopback() -> str:
    """The name of the network interface of this machine alone; empty if it has another name."""
    names = [name for _, name in socket.if_nameindex()] if hasattr(socket, "if_nameindex") else []
    return next((name for name in names if name in ("lo", "lo0")), "")


def _log_of(folder: Path, rank: int) -> Path:
    return folder / f"process-{rank}.log"


def _last_line(path: Path) -> str:
    """The end of what a process wrote, which names its error."""
    lines = path.read_text(encoding="utf-8", errors="replace").split("\n")
    named = [line for line in lines if line.strip() and not line.startswith((" ", "\t"))]
    return one_line(RuntimeError(named[-1]))[:300] if named else "it wrote nothing"
