"""Where the microseconds of a request go: processor time of its parts, without a socket.

    python experiments/benchmarks/serving_profile.py [--rounds 7]

The catalogue of 10,000 items of ``serving.py``; the least of some rounds, as the others share their
processor's cache with whatever else runs.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from serving import SMALL, bundle_of

from growthlab.bundle.answers import RecommendRequest
from growthlab.serving.app import create_app
from growthlab.serving.request_reader import RequestReader
from growthlab.serving.schemas import RecommendBody
from growthlab.serving.service import Service
from growthlab.serving.service_options import ServiceOptions

AT_ONCE = (1, 4, 16, 32)
N = 192  # requests a round
PAUSE = 0.005  # seconds
PATIENT = {"max_wait_ms": 1e6, "reload_seconds": 1e6, "log_mb": 100}


def main() -> None:
    """Print a line a part."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=7)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as folder:
        os.environ["GROWTHLAB_KEY_FILE"] = str(Path(folder) / "pseudonym.key")
        bundle = bundle_of(Path(folder), SMALL)
        print("| part | µs of processor time a request |\n| --- | --- |")
        for log in (None, f"{folder}/log.jsonl"):
            service = Service(ServiceOptions(bundle=str(bundle), log=log, **PATIENT))
            asyncio.run(of_service(service, rounds, "with" if log else "without"))


async def of_service(service: Service, rounds: int, which: str) -> None:
    """The whole of a request, many at once, and its parts."""
    app = create_app(service)
    service.start()
    for at_once in AT_ONCE:
        each = await least(lambda n=at_once: through(app, n), rounds)
        print(f"| whole request, {at_once} at once, {which} a request log | {each:.0f} |")
    apart = await least(lambda: one_by_one(app), rounds)
    print(f"| whole request, {PAUSE * 1000:.0f} ms apart, {which} a request log | {apart:.0f} |")
    if service.log is None:
        found = service.models.model_for("top_n", "")
        assert found is not None
        for at_once in AT_ONCE:
            each = await least(lambda n=at_once: scored(found[1].bundle, n), rounds)
            print(f"| of it the list: pseudonym, scores, top-k, {at_once} at once | {each:.0f} |")
        print(f"| of it reading and checking the JSON | {await least(read, rounds):.1f} |")
        answer = await service.answer("recommend", RecommendBody(user_id="u000001"))

        async def write() -> None:
            for _ in range(N):
                answer.__pydantic_serializer__.to_json(answer)

        print(f"| of it writing the JSON | {await least(write, rounds):.1f} |")
    await service.stop()


async def least(work: Callable[[], Awaitable[None]], rounds: int) -> float:
    """Microseconds of processor time a request, of the best round."""
    await work()
    found = []
    for _ in range(rounds):
        started = time.process_time()
        await work()
        found.append((time.process_time() - started) / N * 1e6)
    return min(found)


async def through(app: Any, at_once: int) -> None:
    """Requests through the app, so many at a time."""
    for first in range(0, N, at_once):
        await asyncio.gather(*(ask(app, first + i) for i in range(at_once)))


async def one_by_one(app: Any) -> None:
    """Requests as they come at a quiet hour: each finds the processor's caches cold."""
    for number in range(N):
        await ask(app, number)
        await asyncio.sleep(PAUSE)


async def ask(app: Any, number: int) -> None:
    """One request of a known user."""
    body = b'{"user_id":"u%06d"}' % number
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    scope = {"type": "http", "method": "POST", "path": "/recommend", "headers": headers}

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        assert message.get("status", 200) == 200

    await app(scope, receive, send)


async def scored(bundle: Any, at_once: int) -> None:
    """The lists alone."""
    for first in range(0, N, at_once):
        asked = [RecommendRequest(user_id=f"u{first + i:06d}") for i in range(at_once)]
        bundle.recommend(asked, 10)


async def read() -> None:
    """The bodies alone."""
    read_body = RequestReader(RecommendBody)
    for number in range(N):
        read_body(b'{"user_id":"u%06d"}' % number).request(True)


if __name__ == "__main__":
    main()
