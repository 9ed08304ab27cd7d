"""Requests for lists by what they are about: a stored customer, a history, a basket, an item or nobody."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from growthlab.bundle.answers import RecommendRequest
from growthlab.core.errors import BundleError, near_matches
from growthlab.core.histories import UNKNOWN, Catalogue, Histories
from growthlab.ranking.candidates import SEEN_EVENTS

RequestKind = Literal["known", "history", "basket", "item", "nobody"]


@dataclass(frozen=True)
class RequestGroup:
    """Requests of one kind, which are answered together."""

    kind: RequestKind
    requests: list[RecommendRequest]
    histories: Histories  # what each request is about; empty for nobody
    n_unknown: np.ndarray  # items of each request that are not in the catalogue

    def select(self, rows: np.ndarray) -> RequestGroup:
        """Some of the requests."""
        requests = [self.requests[row] for row in rows]
        return RequestGroup(self.kind, requests, self.histories.select(rows), self.n_unknown[rows])


def group_of(
    kind: RequestKind,
    requests: Sequence[RecommendRequest],
    places: np.ndarray,
    catalogue: Catalogue,
    state: Histories | None,
) -> RequestGroup:
    """Requests of one kind as a group; `places` are the rows of known customers in the state."""
    if kind == "known":
        assert state is not None
        histories, n_unknown = state.select(places), np.zeros(len(requests), dtype=int)
    else:
        item_ids = [_item_ids(kind, request) for request in requests]
        histories = Histories.from_lists(catalogue, item_ids, as_baskets=kind == "basket")
        n_unknown = np.array([len(ids) for ids in item_ids], dtype=int) - histories.lengths
    personal = kind in ("known", "history")
    user_ids = np.array([(r.user_id or "") if personal else "" for r in requests], dtype=str)
    # the ids of the model's data set, which order ties
    return RequestGroup(kind, list(requests), replace(histories, user_ids=user_ids), n_unknown)


def request_kind(request: RecommendRequest, place: int) -> RequestKind:
    """What decides on the list; see `RecommendRequest`. `place` is the user's row of the state."""
    if request.item is not None:
        return "item"
    if not request.personalised:
        return "nobody"
    if request.basket is not None:
        return "basket"
    return "known" if request.history is None and place != UNKNOWN else "history"


def needs_profile(request: RecommendRequest) -> bool:
    """Whether a stored customer may have to be looked up to answer."""
    return request_kind(request, 0) == "known"


def check_policies(requests: Sequence[RecommendRequest]) -> None:
    """Raise a `BundleError` where a request has an unknown `filter_seen`."""
    for policy in {r.filter_seen for r in requests} - {None}:
        if policy not in SEEN_EVENTS:
            raise BundleError(f"filter_seen={policy}: {near_matches(str(policy), SEEN_EVENTS)}")


def _item_ids(kind: RequestKind, request: RecommendRequest) -> list[str]:
    """The items that a request of this kind is about."""
    if kind == "item":
        return [request.item or ""]
    if kind == "nobody":
        return []
    return list((request.basket if kind == "basket" else request.history) or ())
