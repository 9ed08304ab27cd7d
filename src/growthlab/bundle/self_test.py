"""A bundle's self-test: it answers every kind of request that it takes, within limits.

``python -m growthlab.bundle.self_test FOLDER`` runs it in a process of its own, which may end in any
way without harm: the service asks it about a bundle before it believes the bundle.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import math
import os
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from growthlab.bundle.answer_kinds import AnswerKind
from growthlab.bundle.answers import PredictRequest, Recommendation, RecommendRequest
from growthlab.bundle.bundle import Bundle
from growthlab.bundle.list_maker import ListMaker
from growthlab.bundle.predictor import Predictor
from growthlab.bundle.reference import Reference
from growthlab.core.errors import BundleError, one_line
from growthlab.core.histories import UNKNOWN
from growthlab.ranking.candidates import SEEN_EVENTS

SLOWEST_ANSWER = 5.0  # seconds of processor time for one request, once the model is warm
K = 10  # items of a list
MOST_CUSTOMERS = 32  # stored customers whose lists are made, fewer for a large catalogue
MOST_ROWS = 1_000  # stored customers whose numbers are predicted
LARGE = 100_000  # items of a catalogue from which fewer of them are asked about
SCORES_AT_MOST = 4_000_000  # for the lists of stored customers
LONGEST_LINE = 500  # characters of a refusal
PARENT_DEATH = 1  # PR_SET_PDEATHSIG of prctl(2)


def self_test(bundle: Bundle) -> None:
    """Ask the bundle for its example, stored customers, nobody and what else it answers.

    Raises
    ------
    BundleError
        It fails, answers with what is not finite or no probability, or takes too long.
    """
    Reference.read(bundle.folder)
    if bundle.list_maker is not None:
        _test_lists(bundle, bundle.list_maker)
    else:
        assert bundle.predictor is not None
        _test_numbers(bundle, bundle.predictor)


def _test_lists(bundle: Bundle, maker: ListMaker) -> None:
    example, k = bundle.example
    assert isinstance(example, RecommendRequest)
    asked: list[tuple[str, list[RecommendRequest]]] = [
        ("its own example", [example]),
        ("a request of nobody", [RecommendRequest(), RecommendRequest(personalised=False)]),
        ("a basket", [RecommendRequest(basket=example.history), RecommendRequest(basket=[])]),
        ("an unknown item", [RecommendRequest(item=""), RecommendRequest(history=["", ""])]),
    ]
    item_ids = maker.catalogue.item_ids
    popular = int(np.argmax(maker.fallback))
    codes = (0, popular, len(item_ids) - 1) if len(item_ids) < LARGE else (popular,)
    for code in dict.fromkeys(codes):
        page = RecommendRequest(item=str(item_ids[code]))
        asked.append(("the page of an item", [page]))
        asked.append(("a history", [RecommendRequest(history=[str(item_ids[code])])]))
    with _named("its own example"):
        for _ in range(2):  # the first answer prepares what the next ones use
            started = time.process_time()
            bundle.recommend([example], k)
        _require_quick(time.process_time() - started)
    for what, requests in asked:
        with _named(what):
            _check_lists(bundle.recommend(requests, max(k, K)), max(k, K))
    with _named("a stored customer"):
        rows = _rows_of(maker)
        users = [] if maker.state is None else maker.state.user_ids[rows].tolist()
        requests = [RecommendRequest(user) for user in users]
        _check_lists(maker.lists(requests, rows, K), K)
        for policy in SEEN_EVENTS if len(rows) else ():
            filtered = [RecommendRequest(users[0], filter_seen=policy)]
            started = time.process_time()
            _check_lists(maker.lists(filtered, rows[:1], K), K)
            _require_quick(time.process_time() - started)


def _rows_of(maker: ListMaker) -> np.ndarray:
    """Some rows of the state: the first, the last, the extremes, and others in between."""
    state = maker.state
    if state is None or not state.n_users:
        return np.zeros(0, dtype=np.int64)
    n = max(2, min(MOST_CUSTOMERS, SCORES_AT_MOST // len(maker.catalogue)))
    even = np.linspace(0, state.n_users - 1, n).astype(np.int64)
    extremes = [f(v) for f in (np.argmax, np.argmin) for v in (state.lengths, state.user_codes)]
    return np.unique(np.concatenate([even, np.array(extremes, dtype=np.int64)]))


def _check_lists(answers: Sequence[Recommendation], k: int) -> None:
    for answer in answers:
        names = [item.item for item in answer.items]
        if len(names) > k or len(set(names)) < len(names):
            raise BundleError(f"a list has {len(names)} items, {len(set(names))} of them distinct")
        if any(item.score is not None and not math.isfinite(item.score) for item in answer.items):
            raise BundleError("a score is not finite")


def _test_numbers(bundle: Bundle, predictor: Predictor) -> None:
    example, _ = bundle.example
    assert isinstance(example, PredictRequest)
    with _named("its own example"):
        for _ in range(2):
            started = time.process_time()
            _check_numbers(bundle, [example], np.array([UNKNOWN]))
        _require_quick(time.process_time() - started)
    unknown: dict[str, float | str | None] = dict.fromkeys(predictor.scorer.columns)
    odd = {c: "?" if c in predictor.texts else 0.0 for c in predictor.scorer.columns}
    asked = [PredictRequest(), PredictRequest(features=unknown), PredictRequest(features=odd)]
    with _named("a request of nobody"):
        _check_numbers(bundle, asked, np.full(len(asked), UNKNOWN))
    n_users = len(bundle.known_users)
    with _named("a stored customer"):
        rows = np.unique(np.linspace(0, n_users - 1, min(MOST_ROWS, n_users)).astype(np.int64))
        _check_numbers(bundle, [PredictRequest("")] * len(rows), rows)


def _check_numbers(bundle: Bundle, requests: Sequence[PredictRequest], places: np.ndarray) -> None:
    assert bundle.predictor is not None
    values = [answer.value for answer in bundle.predictor.predictions(requests, places)]
    if not all(map(math.isfinite, values)):
        raise BundleError("a number is not finite")
    is_probability = bundle.manifest.answer.kind is AnswerKind.PROBABILITY
    wrong = [value for value in values if is_probability and not -1e-9 <= value <= 1 + 1e-9]
    if wrong:
        raise BundleError(f"{wrong[0]:g} is no probability")


def _require_quick(seconds: float) -> None:
    if seconds > SLOWEST_ANSWER:
        raise BundleError(
            f"it takes {seconds:.1f} s of processor time, at most {SLOWEST_ANSWER:g} are allowed"
        )


@contextlib.contextmanager
def _named(what: str) -> Iterator[None]:
    """Inside, every error says which request was not answered."""
    try:
        yield
    except ModuleNotFoundError as error:
        missing = f"it needs {error.name}, which is not installed"
        raise BundleError(f"{missing}: pip install {error.name}") from error
    except Exception as error:  # whatever a model does
        raise BundleError(f"it does not answer {what}: {one_line(error)}") from error


def main(words: Sequence[str]) -> int:
    """Test the bundle in a folder; the verdict is one line of JSON on standard output.

    `words`: the folder, the most seconds of processor time, the most MB of memory, how far the process
    steps back behind others (see nice(2)), the process that started it, with which it ends, and whether
    it verifies the checksums (1) or that process does (0).
    """
    folder, seconds, megabytes, nice, parent, verify = words
    verdict_file = os.dup(1)
    silent = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silent, 1)  # libraries print what they think
    os.dup2(silent, 2)
    _confine(int(seconds), int(megabytes), int(nice))
    if os.getppid() != int(parent):  # it ended before this one could ask to be told
        return 1
    try:
        bundle = Bundle.load(folder, verify=verify == "1", quiet=True, mapped=True)
        self_test(bundle)
        verdict = {"passed": bundle.manifest.digest}
    except MemoryError:
        verdict = {"refused": f"{folder} needs more than {megabytes} MB of memory"}
    except Exception as error:
        line = one_line(error)
        at = "" if str(folder) in line else f"{folder}: "
        verdict = {"refused": f"{at}{line}"[:LONGEST_LINE]}
    os.write(verdict_file, json.dumps(verdict).encode())
    return 0


def _confine(seconds: int, megabytes: int, nice: int) -> None:
    """Limit this process, and end it together with the one that started it."""
    import resource

    hard = {
        resource.RLIMIT_CPU: (seconds, seconds + 1),
        resource.RLIMIT_AS: (megabytes * 2**20,) * 2,
        resource.RLIMIT_FSIZE: (0, 0),  # it writes no file
        resource.RLIMIT_CORE: (0, 0),
    }
    for what, limits in hard.items():
        with contextlib.suppress(ValueError, OSError):  # the limits here are lower already
            resource.setrlimit(what, limits)
    with contextlib.suppress(OSError, AttributeError):
        os.nice(nice)
    with contextlib.suppress(OSError):  # rather this process than the service
        Path("/proc/self/oom_score_adj").write_text("1000")
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(PARENT_DEATH, int(signal.SIGKILL))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
