"""Write the reference of a bundle: its answers to its known customers, and the inputs of these."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np

from growthlab.bundle.answers import RecommendRequest
from growthlab.bundle.bundle import Bundle
from growthlab.bundle.list_maker import ListMaker
from growthlab.bundle.manifest import checksums_of
from growthlab.bundle.predictor import Predictor
from growthlab.bundle.reference import FEATURE, KNOWN, REFERENCE, SCORE, Bins, K, Reference
from growthlab.bundle.signing import sign
from growthlab.core.histories import UNKNOWN
from growthlab.core.seeding import random_stream

LISTS = 500  # of known users; fewer if a large catalogue would make them slow
CUSTOMERS = 20_000
MOST_SCORES = 100_000_000  # computed for the lists


def write_reference(bundle: Bundle) -> None:
    """Add the reference to a newly written bundle, its manifest and its signature."""
    np.savez_compressed(bundle.folder / REFERENCE, **reference_of(bundle).to_arrays())  # type: ignore[arg-type]
    replace(bundle.manifest, files=checksums_of(bundle.folder)).write(bundle.folder)
    sign(bundle.folder)


def reference_of(bundle: Bundle) -> Reference:
    """The bundle's answers to its known customers, and the inputs of these answers."""
    if bundle.list_maker is not None:
        return _of_lists(bundle.list_maker)
    assert bundle.predictor is not None
    return _of_customers(bundle.predictor)


def _of_lists(maker: ListMaker) -> Reference:
    n_items, state = len(maker.catalogue), maker.state
    if state is None or not state.n_users:
        return Reference({}, {})
    most = min(LISTS, max(50, MOST_SCORES // max(n_items, 1)))
    rows = _sample(state.n_users, most)
    requests = [RecommendRequest(user_id=str(user)) for user in state.user_ids[rows]]
    answers = maker.lists(requests, rows, K)
    listed = np.full((len(rows), K), UNKNOWN, dtype=np.int32)
    for row, answer in enumerate(answers):
        codes = maker.catalogue.codes([item.item for item in answer.items])
        listed[row, : len(codes)] = codes
    first = [a.items[0].score for a in answers if a.items and str(a.served) == KNOWN]
    return Reference(
        {SCORE: Bins.of(np.array(first, dtype=float))},
        Counter(str(answer.served) for answer in answers),
        np.bincount(state.items, minlength=n_items),
        listed,
    )


def _of_customers(predictor: Predictor) -> Reference:
    table = predictor.table or {}
    n_users = len(next(iter(table.values()))) if table else 0
    if not n_users:
        return Reference({}, {})
    rows = _sample(n_users, CUSTOMERS)
    columns = {name: values[rows] for name, values in table.items()}
    bins = {FEATURE + name: Bins.of(values) for name, values in columns.items()}
    scores = Bins.of(predictor.scorer.predict(columns))
    return Reference(bins | {SCORE: scores}, {KNOWN: len(rows)})


def _sample(n: int, most: int) -> np.ndarray:
    """At most `most` of `n` rows, the same ones in every call."""
    if n <= most:
        return np.arange(n)
    return np.sort(random_stream(0, "reference").choice(n, most, replace=False))
