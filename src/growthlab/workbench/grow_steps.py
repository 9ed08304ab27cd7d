"""The steps of growthlab grow: the commands from a log to a campaign, and which of them are done."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from growthlab.config.compose import Command
from growthlab.core.atomic_write import write_json
from growthlab.core.errors import ConfigError
from growthlab.core.plain_values import plain_values
from growthlab.registry.model_registry import champion_of
from growthlab.search.override_words import override_words
from growthlab.tracking.code_version import code_version
from growthlab.tracking.store import Store

if TYPE_CHECKING:
    from omegaconf import DictConfig

log = logging.getLogger(__name__)

BUNDLES, CHALLENGERS = Path("bundles"), Path("challengers")
# the beginnings of words of the call that other commands take, too
DATA = ("data=", "data.")
STORED = (*DATA, "cache=", "memory_gb=", "privacy.")
TRACKING = ("tracking=", "tracking.")
# what exit statuses mean after which the next step follows
DONE = {0: "done"}
PARTLY = DONE | {1: "done without the models that failed"}
RULED = DONE | {1: "refused: the champion stays"}


@dataclass(frozen=True)
class Step:
    """A command, what the exit statuses mean after which the next step follows, and its task."""

    words: tuple[str, ...]
    passes: Mapping[int, str] = field(default_factory=lambda: DONE)
    task: str = ""

    @property
    def name(self) -> str:
        """The command and its task."""
        return f"{self.words[0]} {self.task}".strip()

    @property
    def digest(self) -> str:
        """A name for its words, which may hold a password."""
        return hashlib.sha256(json.dumps(self.words).encode()).hexdigest()[:16]


class DoneStep(NamedTuple):
    """A step that is done: its name, the digest of its words, what came of it, and its seconds."""

    name: str
    digest: str
    result: str
    seconds: float


@dataclass
class GrowProgress:
    """The finished steps of a call, in a file: a call with the same steps goes on after them.

    `key` stands for the content of the data and the version of the code.
    """

    path: Path
    key: str
    run_id: str
    done: list[DoneStep] = field(default_factory=list)
    _place: int = 0  # of the next step among those that are done

    @classmethod
    def open(cls, path: Path, key: str) -> Self | None:
        """The progress of an earlier call with the same key that did not end; None without one."""
        try:
            kept = json.loads(path.read_text(encoding="utf-8"))
            if kept["key"] != key:
                return None
            done = [DoneStep(str(n), str(d), str(r), float(t)) for n, d, r, t in kept["done"]]
            return cls(path, key, str(kept["run_id"]), done)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError) as error:
            log.warning("%s cannot be read and is begun anew: %s", path, error)
            return None

    def skips(self, step: Step) -> bool:
        """Whether the next step is done with the same words; if not, those after it are not, either."""
        if self._place < len(self.done) and self.done[self._place].digest == step.digest:
            self._place += 1
            return True
        del self.done[self._place :]
        return False

    def add(self, step: Step, status: int, seconds: float) -> None:
        """Write down that the next step is done."""
        self.done.append(DoneStep(step.name, step.digest, step.passes[status], round(seconds, 1)))
        self._place = len(self.done)
        self.save()

    def save(self) -> None:
        """Write the file."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        write_json(self.path, {"key": self.key, "run_id": self.run_id, "done": self.done})

    def close(self) -> None:
        """Forget the steps: the next call begins anew."""
        self.path.unlink(missing_ok=True)


def progress_key(digest: str) -> str:
    """A name for the content of data and the version of the code."""
    return hashlib.sha256(f"{digest} {code_version()}".encode()).hexdigest()[:32]


def model_steps(command: Command) -> list[Step]:
    """Compare, export and promote for each task; the gate may refuse, and a model may fail.

    Raises
    ------
    ConfigError
        No task is named, or `models` says neither all nor a list.
    """
    config = command.config
    if not config.models:
        raise ConfigError("models names no task: models.churn=all, for example")
    tracking = _words(command, TRACKING)
    steps = []
    for task, models in config.models.items():
        listed = models if isinstance(models, str) else f"[{','.join(map(str, models))}]"
        compared = (f"models={listed}", f"output={config.output}", *_settings(config.compare))
        to = (f"to={challenger_folder(command, task)}", "overwrite=true")
        compare = ("compare", f"task={task}", *_words(command, STORED), *tracking, *compared)
        export = ("export", f"task={task}", *_words(command, DATA), *tracking, *to)
        steps += [
            Step(compare, PARTLY, task),
            Step(export, task=task),
        ]
    return steps


def promotion_step(command: Command, task: str, run_id: str) -> Step:
    """The gate's ruling on the exported run, which it may refuse."""
    words = ("promote", f"task={task}", f"challenger={run_id}", *_words(command, TRACKING))
    return Step(words, RULED, task)


def champion_steps(command: Command, store: Store, task: str) -> list[Step]:
    """Fetch the champion and make it know all customers as of today; none where there is no champion."""
    name = f"{command.choice('data')}-{task}"
    if champion_of(store.client, name) is None:
        log.warning("%s has no champion: the campaign is planned without it", name)
        return []
    folder, tracking = champion_folder(command, task), _words(command, TRACKING)
    fetch = ("fetch", f"model_uri=models:/{name}@champion", f"to={folder}", *tracking)
    refresh = ("refresh", f"bundle={folder}", *_words(command, STORED))
    return [Step((*fetch, "overwrite=true"), task=task), Step(refresh, task=task)]


def champion_folder(command: Command, task: str) -> Path:
    """Where the bundle of a task's champion lies."""
    return BUNDLES / f"{command.choice('data')}-{task}"


def challenger_folder(command: Command, task: str) -> Path:
    """Where the bundle of the newest comparison's winner lies."""
    return CHALLENGERS / f"{command.choice('data')}-{task}"


def campaign_steps(command: Command, bundles: Sequence[Path]) -> list[Step]:
    """The example tables, where they are asked for and not there, and the plan.

    Raises
    ------
    ConfigError
        There are no tables.
    """
    config, tables = command.config, Path(str(command.config.tables))
    tracking = _words(command, TRACKING)
    steps = []
    if not tables.is_dir():
        if not config.example:
            raise ConfigError(
                f"{tables} is not there: name the folder of your campaign's tables with tables=, or see what "
                "they look like with example=true"
            )
        example = ("plan", f"tables={tables}", "example=true", *_words(command, STORED))
        steps.append(Step(example, task="example"))
    budget = () if config.budget is None else (f"budget={config.budget}",)
    listed = f"bundles=[{','.join(map(str, bundles))}]"
    named = (f"tables={tables}", f"campaign={config.campaign}", listed)
    return [*steps, Step(("plan", *named, *budget, *_settings(config.plan), *tracking))]


def settings_logged(config: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of a call that say something of its result."""
    left_out = ("tracking", "output", "cache", "memory_gb")
    return {name: value for name, value in config.items() if name not in left_out}


def _settings(settings: DictConfig) -> list[str]:
    """The words of the command line for settings."""
    return override_words(plain_values(settings))


def _words(command: Command, beginnings: tuple[str, ...]) -> tuple[str, ...]:
    """The words of the call that begin so."""
    return tuple(word for word in command.words if word.startswith(beginnings))
