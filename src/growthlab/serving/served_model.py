"""A bundle in use: loaded, warmed up, tried on its own example, and asked in batches."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from growthlab.bundle.bundle import Bundle
from growthlab.bundle.manifest import Manifest
from growthlab.core.errors import BundleError, one_line
from growthlab.ranking.rules import Rules
from growthlab.serving.batcher import Batcher
from growthlab.serving.endpoints import endpoints_of
from growthlab.serving.schemas import Answer, ModelInfo
from growthlab.serving.service_options import ServiceOptions

N_WARM_UPS = 5
Variant = Literal["champion", "challenger", "shadow"]


class ServedModel:
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
    def load(cls, folder: Path, options: ServiceOptions) -> ServedModel:
        """The verified bundle in `folder`, ready to answer; BundleError where it is not."""
        return cls(Bundle.load(folder).filtering(options.filter_seen), options)

    @property
    def number_answer(self) -> type[Answer]:
        """The schema of its answers, where they are numbers."""
        return self.endpoints[0].answer

    @property
    def waiting(self) -> int:
        """How many requests are waiting for it."""
        return self._batcher.waiting

    def require_room(self, n: int) -> None:
        """Raise `Overloaded` where `n` more requests would wait too long."""
        self._batcher.require_room(n)

    def ask(self, requests: Sequence[tuple[Any, int]]) -> list[asyncio.Future[Any]]:
        """A future answer for each request and its `k` (0: no list); either all are taken or none.

        The answers are those of `Bundle.answer`, or its errors.

        Raises
        ------
        Overloaded
            They would wait too long.
        """
        return self._batcher.ask(requests)

    def close(self) -> None:
        """Stop; waiting requests are still answered."""
        self._batcher.close()

    def _work(self, requests: list[Any], k: int) -> Sequence[Any]:
        return self.bundle.answer(requests, k, self._rules)

    def _warm_up(self) -> float:
        """Answer the bundle's example and an empty request a few times; the seconds that one takes.

        Raises
        ------
        BundleError
            It cannot answer its own example.
        """
        try:
            example, k = self.bundle.example()
            seconds = []
            for _ in range(N_WARM_UPS):
                started = time.perf_counter()
                self._work([example], k)
                seconds.append(time.perf_counter() - started)
            self._work([type(example)(), example], k)
        except ModuleNotFoundError as error:
            missing = f"{self.bundle.folder} needs {error.name}, which is not installed"
            raise BundleError(f"{missing}: pip install {error.name}") from error
        except Exception as error:
            folder = self.bundle.folder
            raise BundleError(
                f"{folder} does not answer its own example: {one_line(error)}"
            ) from error
        return min(seconds)  # the others shared the processor, or waited for it


def _info(manifest: Manifest) -> ModelInfo:
    """What an answer says about its model."""
    return ModelInfo(
        name=manifest.model,
        task=manifest.task,
        data=manifest.data,
        version=manifest.version,
        run_id=manifest.run_id,
        data_cut=manifest.cutoff,
    )
