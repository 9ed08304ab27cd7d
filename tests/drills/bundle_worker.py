"""Loads each bundle that is named on standard input, tests it, asks it more, and says how it went.

A process of its own, so that a bundle that ends it is seen.
"""

from __future__ import annotations

import json
import math
import os
import sys
from pathlib import Path

import numpy as np

from growthlab.bundle.answers import PredictRequest, RecommendRequest
from growthlab.bundle.bundle import Bundle
from growthlab.bundle.self_test import self_test
from growthlab.core.errors import AnswerError, BundleError, GrowthlabError

MOST_ITEMS, MOST_CUSTOMERS = 60, 200


def ask_for_lists(bundle: Bundle) -> None:
    """Pages of all items, histories, baskets and stored customers: every answer is a proper list."""
    maker = bundle.list_maker
    assert maker is not None
    item_ids = maker.catalogue.item_ids[:MOST_ITEMS].tolist()
    requests = [RecommendRequest(item=item) for item in item_ids]
    requests += [RecommendRequest(history=item_ids[:n]) for n in range(6)]
    requests += [RecommendRequest(basket=item_ids[-n:]) for n in range(1, 4)]
    places = np.full(len(requests), -1)
    if maker.state is not None:
        rows = np.arange(min(maker.state.n_users, MOST_CUSTOMERS))
        requests += [RecommendRequest(user) for user in maker.state.user_ids[rows].tolist()]
        places = np.concatenate([places, rows])
    known = set(maker.catalogue.item_ids.tolist())
    for answer in maker.lists(requests, places, 10):
        names = [item.item for item in answer.items]
        scores = [item.score for item in answer.items if item.score is not None]
        assert len(names) == len(set(names)) == min(10, len(names)), names
        assert set(names) <= known, names
        assert all(map(math.isfinite, scores)), scores


def ask_for_numbers(bundle: Bundle) -> None:
    """Stored customers, features at their extremes, nobody: every answer is a finite number."""
    predictor = bundle.predictor
    assert predictor is not None
    columns = predictor.scorer.columns
    requests = [PredictRequest()]
    for value in (0.0, -1.0, 1e6, -1e6, 0.5):
        requests.append(
            PredictRequest(features={c: "web" if c in predictor.texts else value for c in columns})
        )
    rows = np.arange(min(len(bundle.known_users), MOST_CUSTOMERS))
    places = np.concatenate([np.full(len(requests), -1), rows])
    requests += [PredictRequest("")] * len(rows)
    values = [answer.value for answer in predictor.predictions(requests, places)]
    assert all(map(math.isfinite, values)), values
    if bundle.manifest.answer.kind == "probability":
        assert all(-1e-9 <= value <= 1 + 1e-9 for value in values), values


def outcome_of(folder: Path) -> dict[str, str]:
    """How a bundle ends: refused, answers, fails (a request, in one line), or broken."""
    try:
        bundle = Bundle.load(folder, quiet=True)
        self_test(bundle)
    except BundleError as error:
        line = str(error)
        return {"outcome": "refused" if line and "\n" not in line else "broken", "line": line}
    except Exception as error:
        return {"outcome": "broken", "line": f"at the load: {error!r}"}
    try:
        (ask_for_lists if bundle.list_maker is not None else ask_for_numbers)(bundle)
    except (AnswerError, BundleError) as error:
        return {"outcome": "fails", "line": str(error)}
    except GrowthlabError as error:
        return {"outcome": "broken", "line": f"of another kind: {error!r}"}
    except Exception as error:
        return {"outcome": "broken", "line": f"at a request: {error!r}"}
    return {"outcome": "answers", "line": ""}


def main() -> None:
    """One line of JSON for each line of input."""
    np.seterr(all="ignore")
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # libraries print what they think
    for line in sys.stdin:
        answers.write(json.dumps(outcome_of(Path(line.rstrip("\n")))) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
