"""Builds the approximate index of a bundle's items with faiss, and measures its recall."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from growthlab.bundle.bundle import Bundle
from growthlab.bundle.item_index import INDEX
from growthlab.bundle.manifest import checksums_of
from growthlab.bundle.signing import sign
from growthlab.core.histories import Histories
from growthlab.core.seeding import random_stream
from growthlab.ranking.ties import TieBreak
from growthlab.ranking.top_k import top_k
from growthlab.scorers.base import Factored

log = logging.getLogger(__name__)

K = 10  # items of each list that the recall is measured on
QUERIES = 500
RECALL = 0.95  # wanted; more lists are searched until it is reached
VECTORS_A_LIST = 40  # from which the centre of a list is learned


def add_index(bundle: Bundle, above: int, recall: float = RECALL) -> Mapping[str, Any] | None:
    """Write an index into the bundle if it has more than `above` items; its entry in the manifest.

    None, with a line in the log, where the catalogue is smaller, the model's scores are no product of
    vectors, or faiss is not installed: lists are exact then. The recall is measured against the first
    ten items of the exact lists, for customers of the state.
    """
    maker = bundle.list_maker
    if maker is None or len(maker.catalogue) <= above:
        return None
    scorer = maker.scorer
    if not isinstance(scorer, Factored):
        log.info("no index: the scores of %s are no product of vectors", bundle.manifest.kind)
        return None
    try:
        import faiss
    except ImportError:
        log.warning("no index of %s items: pip install 'growthlab[ann]'", len(maker.catalogue))
        return None
    vectors = np.ascontiguousarray(scorer.item_vectors(), dtype=np.float32)
    users = scorer.embed(_query_histories(maker.state, maker.catalogue))
    users = np.ascontiguousarray(users[~np.isnan(users[:, 0])], dtype=np.float32)
    if not len(users):
        log.warning(
            "no index: the model can score none of the known users, so its recall has no measure"
        )
        return None
    index = _inverted_file(faiss, vectors)
    exact, reached = _exact_lists(vectors, users), 0.0
    while True:
        listed = index.search(users, K)[1]
        same = [len(set(f) & set(e)) for f, e in zip(listed.tolist(), exact.tolist(), strict=True)]
        reached = float(np.sum(same) / exact.size)
        if reached >= recall or index.nprobe >= index.nlist:
            break
        index.nprobe = min(2 * index.nprobe, index.nlist)
    faiss.write_index(index, str(bundle.folder / INDEX))
    entry = {
        "library": f"faiss {faiss.__version__}",
        "kind": "inverted file, inner product",
        "lists": int(index.nlist),
        "probes": int(index.nprobe),
        "recall_at_10": round(reached, 4),
        "queries": len(users),
        "above": above,
    }
    files = checksums_of(bundle.folder)
    replace(bundle.manifest, files=files, index=entry).write(bundle.folder)
    sign(bundle.folder)
    log.info("index: recall@10 %.3f with %d of %d lists", reached, index.nprobe, index.nlist)
    return entry


def _inverted_file(faiss: Any, vectors: np.ndarray) -> Any:
    """An inverted file whose centres are learned from a sample of the vectors."""
    n, width = vectors.shape
    n_lists = max(1, int(4 * np.sqrt(n)))
    index = faiss.IndexIVFFlat(faiss.IndexFlatIP(width), width, n_lists, faiss.METRIC_INNER_PRODUCT)
    index.own_fields = False
    index.cp.seed = 0
    sample = random_stream(0, "item index").permutation(n)[: VECTORS_A_LIST * n_lists]
    index.cp.min_points_per_centroid = 1
    index.train(vectors[np.sort(sample)])
    index.add(vectors)
    index.nprobe = max(1, n_lists // 64)
    return index


def _query_histories(state: Histories | None, catalogue: Any) -> Histories:
    """Histories of some known users; without a state, of one item each."""
    draws = random_stream(0, "index queries")
    if state is not None and state.n_users:
        n = min(QUERIES, state.n_users)
        return state.select(np.sort(draws.choice(state.n_users, n, replace=False)))
    items = draws.choice(len(catalogue), min(QUERIES, len(catalogue)), replace=False)
    return Histories.from_lists(catalogue, [[str(catalogue.item_ids[i])] for i in items])


def _exact_lists(vectors: np.ndarray, users: np.ndarray) -> np.ndarray:
    """The first `K` items of each user, ``(n_users, K)``."""
    n_items, k = len(vectors), min(K, len(vectors))
    ids = np.arange(n_items).astype(np.uint64)
    rows = [
        top_k(users[at : at + 8] @ vectors.T, k, TieBreak(ids[: len(users[at : at + 8])], ids))[0]
        for at in range(0, len(users), 8)
    ]
    return np.concatenate(rows)
