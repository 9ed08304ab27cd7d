"""Counts of answers in bounded memory: how they were served, latency, scores, features, items."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from growthlab.bundle.reference import FEATURE, KNOWN, SCORE, K, Reference
from growthlab.core.histories import UNKNOWN, Catalogue, codes_of
from growthlab.monitoring.log_reader import Line
from growthlab.monitoring.proportions import Proportion

FALLBACK_LEVEL = 3  # from this level on popularity answers, without anything about the customer
FALLBACK = "_fallback"  # the end of `served` for such answers
BY_THE_MODEL = (KNOWN, "folded_in")
FOLLOWS = {"click": "impression", "order": "click"}
STEP = 0.02  # latencies are counted in bins of 2 %
FASTEST = 0.01  # ms
N_LATENCIES = 1000


@dataclass
class Tally:
    """Counts of a model's answers in one variant, added block by block; failed requests are no answers.

    `item_endpoint` names the kind of lines that are about one item.
    """

    item_endpoint: str = ""
    n: int = 0
    n_failed: int = 0
    served: Counter[str] = field(default_factory=Counter)
    levels: Counter[int] = field(default_factory=Counter)
    n_opted_out: int = 0  # with personalised=false
    n_fallbacks: int = 0  # to customers who did not opt out
    n_anonymous: int = 0  # fallbacks for requests that named neither a customer nor an item
    n_unknown: int = 0
    n_named: int = 0  # items that requests named
    events: Counter[str] = field(default_factory=Counter)
    both: Counter[str] = field(default_factory=Counter)  # with the event and the one before it
    latencies: np.ndarray = field(default_factory=lambda: np.zeros(N_LATENCIES, dtype=np.int64))

    def add(self, lines: Sequence[Line], events: Mapping[str, np.ndarray]) -> None:
        """Count a block of answers; `events` say which requests had feedback."""
        self.n += len(lines)
        for event, had in events.items():
            self.events[event] += int(had.sum())
        for event, before in FOLLOWS.items():
            self.both[event] += int((events[event] & events[before]).sum())
        took = np.array([_share_of_time(line) for line in lines])
        with np.errstate(invalid="ignore"):
            places = np.log(np.maximum(took, FASTEST) / FASTEST) / math.log1p(STEP)
        places = np.clip(places[np.isfinite(places)], 0, N_LATENCIES - 1).astype(int)
        self.latencies += np.bincount(places, minlength=N_LATENCIES)
        for line in lines:
            self._add_line(line)

    def _add_line(self, line: Line) -> None:
        """Count how one answer was served, and its unknown items."""
        served = str(line.get("served"))
        level = fallback_level_of(line)
        self.served[served] += 1
        self.levels[level] += 1
        if line.get("personalised") is False:  # nothing in the request was read
            self.n_opted_out += 1
            return
        if is_fallback(served, level):
            self.n_fallbacks += 1
            self.n_anonymous += not (
                line.get("user") or line.get("n_history") or items_of(line, "asked")
            )
        unknown = _whole(line.get("n_unknown_items"), 0)
        self.n_unknown += unknown
        self.n_named += max(
            _whole(line.get("n_history"), int(line["kind"] == self.item_endpoint)), unknown
        )

    @property
    def fallbacks(self) -> Proportion:
        """The share of answers without anything about the customer, among those who did not opt out."""
        return Proportion(self.n_fallbacks, self.n - self.n_opted_out)

    @property
    def opted_out(self) -> Proportion:
        """The share of answers to customers who opted out of personal ones."""
        return Proportion(self.n_opted_out, self.n)

    @property
    def errors(self) -> Proportion:
        """The share of requests that failed inside the service."""
        return Proportion(self.n_failed, self.n + self.n_failed)

    @property
    def unknown_items(self) -> Proportion:
        """The share of items in requests that the model does not know."""
        return Proportion(self.n_unknown, self.n_named)

    def rate(self, event: str) -> Proportion:
        """The share of answers with that feedback."""
        return Proportion(self.events[event], self.n)

    def rate_after(self, event: str) -> Proportion:
        """The share with that feedback among answers with the event before it: CTR and CVR."""
        return Proportion(self.both[event], self.events[FOLLOWS[event]])

    def latency(self, share: float) -> float:
        """The latency in ms that this share of answers does not exceed, within 2 %; NaN without answers."""
        total = int(self.latencies.sum())
        if not total:
            return math.nan
        place = int(np.searchsorted(np.cumsum(self.latencies), math.ceil(share * total)))
        return FASTEST * (1 + STEP) ** (place + 1)


@dataclass
class ReferenceCounts:
    """Counts of the answers of one bundle in the bins of its reference.

    The reference has one answer a customer. So only the latest answer of a known customer counts for
    features, scores and listed items: a hundred requests of one customer are not a hundred customers,
    and after a refresh the newer state is monitored. The reference has no shop rules either: lists
    are counted as they were before them.
    """

    reference: Reference
    catalogue: Catalogue | None  # None: the answers are numbers
    endpoint: str  # the kind of lines that answer for a customer
    known_users: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=str))  # sorted
    shown: np.ndarray = field(init=False)  # (n_items + 1,) answers; the last: not in the catalogue
    named: np.ndarray = field(init=False)  # (n_items + 1,) items that requests named
    n_requests_with_items: int = 0  # requests that named items
    _unknown: dict[str, np.ndarray] = field(
        default_factory=dict
    )  # counts of unknown customers by bin
    _bins: dict[str, np.ndarray] = field(
        default_factory=dict
    )  # (n_known,) bin of the latest answer
    _lists: np.ndarray = field(init=False)  # (n_known, K) places in `shown`, then `UNKNOWN`
    _listed: np.ndarray = field(init=False)  # (n_items + 1,) by lists of unknown customers
    _lengths: np.ndarray = field(default_factory=lambda: np.zeros(K + 1, dtype=np.int64))
    _forgotten: set[str] = field(default_factory=set)  # customers of earlier states only

    def __post_init__(self) -> None:
        n_users, n_items = len(self.known_users), 0
        if self.catalogue is not None:
            n_items = len(self.catalogue)
        self.shown = np.zeros(n_items + 1, dtype=np.int64)
        self.named, self._listed = self.shown.copy(), self.shown.copy()
        n_lists = 0 if self.catalogue is None else n_users
        self._lists = np.full((n_lists, K), UNKNOWN, dtype=np.int32)
        for name, bins in self.reference.bins.items():
            self._unknown[name] = np.zeros(len(bins.counts), dtype=np.int64)
            self._bins[name] = np.full(n_users, UNKNOWN, dtype=np.int16)

    def add(self, lines: Sequence[Line]) -> None:
        """Count a block of answers of this bundle, in the order of the log."""
        latest, unknown = self._latest_and_unknown(lines)
        codes = np.array(list(latest), dtype=np.int64)
        for name in self._bins:
            places = self._binned(name, list(latest.values()))
            self._bins[name][codes[places != UNKNOWN]] = places[places != UNKNOWN]
            places = self._binned(name, unknown)
            n_bins = len(self._unknown[name])
            self._unknown[name] += np.bincount(places[places != UNKNOWN], minlength=n_bins)
        if self.catalogue is None:
            return
        own = [(code, line) for code, line in latest.items() if self._is_own_list(line)]
        self._lists[[code for code, _ in own]] = self._rows([line for _, line in own])
        rows = self._rows([line for line in unknown if self._is_own_list(line)])
        self._listed += _counted(rows, len(self._listed))
        self._lengths += _lengths_of(rows)
        shown = [items_of(line)[:K] for line in lines if line["kind"] == self.endpoint]
        named = [items for line in lines if (items := items_of(line, "asked"))]
        self.shown += self._counts([item for items in shown for item in items])
        self.named += self._counts([item for items in named for item in items])
        self.n_requests_with_items += len(named)

    def _latest_and_unknown(self, lines: Sequence[Line]) -> tuple[dict[int, Line], list[Line]]:
        """The latest line of each known customer by their code, and the lines of unknown customers.

        Of a customer whom only an earlier state knew, the first line counts as unknown.
        """
        users = [str(line.get("user")) if line.get("served") == KNOWN else "" for line in lines]
        latest, unknown = {}, []
        for line, code in zip(lines, codes_of(users, self.known_users).tolist(), strict=True):
            if code != UNKNOWN:
                latest[code] = line
                continue
            user = line.get("user")
            if line.get("served") == KNOWN and isinstance(user, str):
                if user in self._forgotten:
                    continue
                self._forgotten.add(user)
            unknown.append(line)
        return latest, unknown

    def _binned(self, name: str, lines: Sequence[Line]) -> np.ndarray:
        """The reference's bin of each line's score or feature; `UNKNOWN` where it holds none."""
        if name == SCORE:
            values = [self._score(line) for line in lines]
            there = np.array([value is not None for value in values], dtype=bool)
        else:
            rows = [line.get("features") for line in lines]
            there = np.array([isinstance(row, dict) for row in rows], dtype=bool)
            feature = name.removeprefix(FEATURE)
            values = [row.get(feature) if isinstance(row, dict) else None for row in rows]
        return np.where(there, self.reference.bins[name].places(values), UNKNOWN)

    def _score(self, line: Line) -> float | None:
        """What the reference's bins hold: the number, or the first score of a known customer's list.

        Where the shop's rules took the model's first item away, its score is not in the log: None.
        """
        if self.catalogue is None:
            value = None if str(line.get("served")).endswith(FALLBACK) else line.get("value")
        else:
            scores = line.get("scores")
            known = line["kind"] == self.endpoint and line.get("served") == KNOWN
            left = items_of(line, "before_rules")[:1] in ([], items_of(line)[:1])
            value = scores[0] if known and left and isinstance(scores, list) and scores else None
        return float(value) if isinstance(value, (int, float)) else None

    def _is_own_list(self, line: Line) -> bool:
        """Whether the line is a list that the model made for a customer."""
        return line["kind"] == self.endpoint and line.get("served") in BY_THE_MODEL

    def _places(self, items: list[str]) -> np.ndarray:
        """Each item's place in the catalogue; one behind the last for an item outside of it."""
        assert self.catalogue is not None
        codes = self.catalogue.codes(items)
        return np.where(codes == UNKNOWN, len(self.catalogue), codes)

    def _counts(self, items: list[str]) -> np.ndarray:
        """How often each item of the catalogue occurs; the last: items outside of it."""
        return np.bincount(self._places(items), minlength=len(self.shown))

    def _rows(self, lines: Sequence[Line]) -> np.ndarray:
        """The lists before the shop's rules, as places in the catalogue, ``(n, K)``."""
        lists = [(items_of(line, "before_rules") or items_of(line))[:K] for line in lines]
        rows = np.full((len(lists), K), UNKNOWN, dtype=np.int32)
        filled = np.arange(K) < np.array([len(items) for items in lists], dtype=int)[:, None]
        rows[filled] = self._places([item for items in lists for item in items])
        return rows

    @property
    def counts(self) -> dict[str, np.ndarray]:
        """Answers in each bin of the reference, by name."""
        return {
            name: counts + np.bincount(known[known != UNKNOWN], minlength=len(counts))
            for (name, counts), known in zip(
                self._unknown.items(), self._bins.values(), strict=True
            )
        }

    @property
    def listed(self) -> np.ndarray:
        """How often the model's own lists have each item, ``(n_items + 1,)``; the last: unknown items."""
        return self._listed + _counted(self._lists, len(self._listed))

    @property
    def lengths(self) -> np.ndarray:
        """How many of the model's own lists have each length, ``(K + 1,)``; 0 also counts no list."""
        return self._lengths + _lengths_of(self._lists)

    @property
    def n_lists(self) -> int:
        """Lists of the model with at least one item."""
        return int(self.lengths[1:].sum())


def _counted(rows: np.ndarray, n: int) -> np.ndarray:
    return np.bincount(rows[rows != UNKNOWN], minlength=n)


def _lengths_of(rows: np.ndarray) -> np.ndarray:
    return np.bincount((rows != UNKNOWN).sum(axis=1), minlength=K + 1)


def is_fallback(served: str, level: int) -> bool:
    """Whether such an answer uses nothing about the customer."""
    return level >= FALLBACK_LEVEL or served.endswith(FALLBACK)


def fallback_level_of(line: Line) -> int:
    """The fallback level of an answer."""
    return _whole(line.get("level"), 0)


def items_of(line: Line, name: str = "items") -> list[str]:
    """The item ids under that name of a line; empty where it has no list."""
    items = line.get(name)
    return [str(item) for item in items] if isinstance(items, list) else []


def _whole(value: Any, otherwise: int) -> int:
    """The value where it is a count, else the other one."""
    whole = isinstance(value, int) and not isinstance(value, bool) and value >= 0
    return value if whole else otherwise


def _share_of_time(line: Line) -> float:
    """The milliseconds of an answer: an entry of a batch has its part of the time of all of them."""
    return _positive(line.get("latency_ms")) / max(_whole(line.get("n_in_request"), 1), 1)


def _positive(value: Any) -> float:
    return float(value) if isinstance(value, (int, float)) and value >= 0 else math.nan
