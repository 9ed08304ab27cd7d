"""A bundle at work: loaded, warmed up, proved on its own example, and asked in batches."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from growthlab.bundle.bundle import Bundle
from growthlab.bundle.manifest import Manifest
from growthlab.core.errors import BundleError, one_line
from growthlab.ranking.rules import Rules
from growthlab.serving.batcher import Batcher
from growthlab.serving.endpoints import endpoints_of
from growthlab.serving.schemas import Answer, ModelInfo
from growthlab.serving.service_options import ServiceOptions

N_WARM_UPS = 5


class Model:
    """A bundle that answers requests, a batch at a time; see `Batcher`."""

    def __init__(self, bundle: Bundle, options: ServiceOptions) -> None:
        self.bundle = bundle
        self.task = bundle.manifest.task
        self.info = _info(bundle.manifest)
        self.endpoints = endpoints_of(self.task, bundle.manifest.answer)
        self._rules = Rules.of(options.rules)
        seconds = self._warm_up()
        self._batcher = Batcher(
            self._work, seconds, options.max_in_flight, options.max_wait_ms / 1000
        )

    @classmethod
    def load(cls, folder: Path, options: ServiceOptions) -> Model:
        """The verified bundle in `folder`, ready to answer; BundleError where it is not."""
        return cls(Bundle.load(folder).filtering(options.filter_seen), options)

    @property
    def number_answer(self) -> type[Answer]:
        """The schema of its answers, where they are numbers."""
        return self.endpoints[0].answer

    @property
    def waiting(self) -> int:
        """How many requests wait for it."""
        return self._batcher.waiting

    def require_room(self, n: int) -> None:
        """Raise `Overloaded` where `n` more requests would have to wait too long."""
        self._batcher.require_room(n)

    def ask(self, requests: Sequence[tuple[Any, int]]) -> list[asyncio.Future[Any]]:
        """A future answer for each request and its `k` (0 where there is none); all or none.

        The answers are those of `Bundle.recommend` or `Bundle.predict`, or their errors.

        Raises
        ------
        Overloaded
            They would have to wait too long.
        """
        return self._batcher.ask(requests)

    def close(self) -> None:
        """What waits is still answered."""
        self._batcher.close()

    def _work(self, requests: list[Any], k: int) -> Sequence[Any]:
        return self.bundle.answer(requests, k, self._rules)

    def _warm_up(self) -> float:
        """Answer the bundle's own example and nobody, some times; the seconds that a request takes.

        Raises
        ------
        BundleError
            It cannot.
        """
        try:
            example, k = self.bundle.example()
            took = []
            for _ in range(N_WARM_UPS):
                started = time.perf_counter()
                self._work([example], k)
                took.append(time.perf_counter() - started)
            self._work([type(example)(), example], k)
        except ModuleNotFoundError as error:
            needed = f"{self.bundle.folder} needs {error.name}, which is not installed"
            raise BundleError(f"{needed}: pip install {error.name}") from error
        except Exception as error:
            folder = self.bundle.folder
            raise BundleError(
                f"{folder} does not answer its own example: {one_line(error)}"
            ) from error
        return min(took)  # the others had to share the processor, or to wait for it


def _info(manifest: Manifest) -> ModelInfo:
    """What an answer says of its model."""
    return ModelInfo(
        name=manifest.model,
        task=manifest.task,
        data=manifest.data,
        version=manifest.version,
        run_id=manifest.run_id,
        data_cut=manifest.cutoff,
    )
