"""A bundle in use: loaded, warmed up, tried on its own example, and asked in batches."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Any, Literal

from growthlab.bundle.answers import PredictRequest, Recommendation, RecommendRequest
from growthlab.bundle.bundle import Bundle
from growthlab.bundle.manifest import Manifest
from growthlab.core.errors import BundleError, one_line
from growthlab.ranking.rules import Rules
from growthlab.serving.batcher import Batcher
from growthlab.serving.endpoints import endpoints_of
from growthlab.serving.schemas import Answer, ModelInfo
from growthlab.serving.service_options import ServiceOptions

N_WARM_UPS = 5
LARGE = 300  # ids, features and places: above it an answer may take over 5 ms
LARGE_SECONDS = 0.02  # that a large request takes, until some were measured
Variant = Literal["champion", "challenger", "shadow"]


class ServedModel:
    """A bundle that answers requests, a batch at a time; see `Batcher`.

    Raises
    ------
    BundleError
        It cannot answer its own example under the rules of the options.
    """

    def __init__(self, bundle: Bundle, options: ServiceOptions) -> None:
        self.bundle = bundle.filtering(options.filter_seen)
        self.task = bundle.manifest.task
        self.info = _info(bundle.manifest)
        self.endpoints = endpoints_of(self.task, bundle.manifest.answer)
        self._rules = Rules.of(options.rules)
        limits = options.max_in_flight, options.max_wait_ms / 1000
        self._batcher = Batcher(self._work, self._warm_up(), *limits)
        self._large = Batcher(self._work, LARGE_SECONDS, *limits)

    @property
    def number_answer(self) -> type[Answer]:
        """The schema of its answers, where they are numbers."""
        return self.endpoints[0].answer

    @property
    def waiting(self) -> int:
        """How many requests are waiting for it."""
        return self._batcher.waiting + self._large.waiting

    def require_room(self, requests: Sequence[tuple[Any, int]]) -> None:
        """Raise `Overloaded` where these requests and their `k` would wait too long."""
        self._batcher_for(requests).require_room(len(requests))

    def ask(self, requests: Sequence[tuple[Any, int]]) -> list[asyncio.Future[Any]]:
        """A future answer for each request and its `k` (0: no list); either all are taken or none.

        The answers are those of `Bundle.answer`, or its errors. Requests that are large together are
        answered in a thread of their own, beside the others.

        Raises
        ------
        Overloaded
            They would wait too long.
        """
        return self._batcher_for(requests).ask(requests)

    def _batcher_for(self, requests: Sequence[tuple[Any, int]]) -> Batcher:
        size = 0
        for request, k in requests:
            size += size_of(request, k)
        return self._large if size > LARGE else self._batcher

    def close(self) -> None:
        """Stop; waiting requests are still answered."""
        self._batcher.close()
        self._large.close()

    def _work(self, requests: list[Any], ks: list[int]) -> Sequence[Any]:
        """Answers to requests whose lists are made together and then cut to the `k` of each."""
        answers = self.bundle.answer(requests, max(ks), self._rules)
        return [
            answer.first(k) if isinstance(answer, Recommendation) else answer
            for answer, k in zip(answers, ks, strict=True)
        ]

    def _warm_up(self) -> float:
        """Answer the bundle's example and an empty request a few times; the seconds that one takes.

        Raises
        ------
        BundleError
            It cannot answer its own example.
        """
        try:
            example, k = self.bundle.example
            seconds = []
            for _ in range(N_WARM_UPS):
                started = time.perf_counter()
                self._work([example], [k])
                seconds.append(time.perf_counter() - started)
            self._work([type(example)(), example], [k, k])
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


def size_of(request: RecommendRequest | PredictRequest, k: int) -> int:
    """How much a request says and asks for: its ids or features, and the places of its list."""
    if isinstance(request, PredictRequest):
        return len(request.features or ())
    rules = request.rules
    size = k + len(request.exclude) + len(rules.deny) + len(rules.categories) + len(rules.pinned)
    for ids in (request.history, request.basket, rules.allow):
        if ids is not None:
            size += len(ids)
    return size
