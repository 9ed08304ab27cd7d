"""Counts of answers that do not grow with the log: ways of serving, latency, scores, features, items."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from growthlab.core.histories import UNKNOWN, Catalogue, codes_of
from growthlab.export.reference import FEATURE, KNOWN, SCORE, K, Reference
from growthlab.monitoring.proportions import Share
from growthlab.monitoring.request_log import Line

FALLBACK_LEVEL = 3  # of the ladder: from here on popularity answers, nothing of the customer
FALLBACK = "_fallback"  # how the names of such ways end
BY_THE_MODEL = (KNOWN, "folded_in")
FOLLOWS = {"click": "impression", "order": "click"}
STEP = 0.02  # latencies are counted in bins of 2 %
FASTEST = 0.01  # ms
N_LATENCIES = 1000


@dataclass
class Tally:
    """What a variant's model answered; filled block by block. Requests that failed are no answers."""

    n: int = 0
    n_failed: int = 0
    served: Counter[str] = field(default_factory=Counter)
    levels: Counter[int] = field(default_factory=Counter)
    n_opted_out: int = 0  # personalised=false
    n_fallbacks: int = 0  # of those who did not opt out
    n_nameless: int = 0  # fallbacks of requests that named neither a customer nor an item
    n_unknown: int = 0
    n_given: int = 0  # items that requests named
    events: Counter[str] = field(default_factory=Counter)
    both: Counter[str] = field(default_factory=Counter)  # with the event and the one it follows
    latencies: np.ndarray = field(default_factory=lambda: np.zeros(N_LATENCIES, dtype=np.int64))

    def add(self, lines: Sequence[Line], events: Mapping[str, np.ndarray]) -> None:
        """Count a block of answers; `events` say which of the requests had feedback."""
        self.n += len(lines)
        for event, had in events.items():
            self.events[event] += int(had.sum())
        for event, before in FOLLOWS.items():
            self.both[event] += int((events[event] & events[before]).sum())
        took = np.array([_positive(line.get("latency_ms")) for line in lines])
        with np.errstate(invalid="ignore"):
            places = np.log(np.maximum(took, FASTEST) / FASTEST) / math.log1p(STEP)
        places = np.clip(places[np.isfinite(places)], 0, N_LATENCIES - 1).astype(int)
        self.latencies += np.bincount(places, minlength=N_LATENCIES)
        for line in lines:
            self._add_way(line)

    def _add_way(self, line: Line) -> None:
        """The rung of the ladder, and unknown items."""
        served = str(line.get("served"))
        level = level_of(line)
        self.served[served] += 1
        self.levels[level] += 1
        if line.get("personalised") is False:  # nothing that the request names was looked at
            self.n_opted_out += 1
            return
        if is_fallback(served, level):
            self.n_fallbacks += 1
            self.n_nameless += not (
                line.get("user") or line.get("n_history") or items_of(line, "asked")
            )
        unknown = _whole(line.get("n_unknown_items"), 0)
        self.n_unknown += unknown
        self.n_given += max(_whole(line.get("n_history"), int(line["kind"] == "similar")), unknown)

    @property
    def fallbacks(self) -> Share:
        """Answers without anything of the customer, of those to customers who did not opt out."""
        return Share(self.n_fallbacks, self.n - self.n_opted_out)

    @property
    def opted_out(self) -> Share:
        """Answers to customers who want no personal one."""
        return Share(self.n_opted_out, self.n)

    @property
    def errors(self) -> Share:
        """Requests that failed inside the service."""
        return Share(self.n_failed, self.n + self.n_failed)

    @property
    def unknown_items(self) -> Share:
        """Items named by requests that the model does not know."""
        return Share(self.n_unknown, self.n_given)

    def rate(self, event: str) -> Share:
        """Answers with that feedback."""
        return Share(self.events[event], self.n)

    def rate_after(self, event: str) -> Share:
        """Answers with that feedback of those with the one that it follows: CTR and CVR."""
        return Share(self.both[event], self.events[FOLLOWS[event]])

    def latency(self, share: float) -> float:
        """The latency in ms that this share of the answers does not exceed, within 2 %; NaN of none."""
        total = int(self.latencies.sum())
        if not total:
            return math.nan
        place = int(np.searchsorted(np.cumsum(self.latencies), math.ceil(share * total)))
        return FASTEST * (1 + STEP) ** (place + 1)


@dataclass
class Compared:
    """Counts of the answers of one bundle version in the bins of its reference.

    The reference has one answer a customer. So a known customer's first answer counts here, for
    features, scores and the items listed, and a later one does not: whoever asks a hundred times is
    no hundred customers. Nor has the reference the shop's rules: the lists are those before them.
    """

    reference: Reference
    catalogue: Catalogue | None
    known_users: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=str))  # sorted
    counts: dict[str, np.ndarray] = field(default_factory=dict)  # like the reference's bins
    shown: np.ndarray = field(init=False)  # (n_items + 1,), the last: not in the catalogue
    listed: np.ndarray = field(init=False)  # (n_items + 1,) of it what the model listed itself
    met: np.ndarray = field(init=False)  # (n_known,) bool, the customers who were answered
    asked: np.ndarray = field(init=False)  # (n_items + 1,) items that requests named
    n_asked: int = 0  # requests that named some
    lengths: np.ndarray = field(
        default_factory=lambda: np.zeros(K + 1, dtype=np.int64)
    )  # of listed

    def __post_init__(self) -> None:
        self.met = np.zeros(len(self.known_users), dtype=bool)
        n_items = 0 if self.catalogue is None else len(self.catalogue)
        self.shown = np.zeros(n_items + 1, dtype=np.int64)
        self.listed = np.zeros(n_items + 1, dtype=np.int64)
        self.asked = np.zeros(n_items + 1, dtype=np.int64)
        for name, bins in self.reference.bins.items():
            self.counts[name] = np.zeros(len(bins.counts), dtype=np.int64)

    def add(self, lines: Sequence[Line]) -> None:
        """Count a block of answers of this version."""
        first = self._first_of_each(lines)
        self._count(SCORE, [s for line in first if (s := _score(line)) is not None])
        rows = [f for line in first if isinstance(f := line.get("features"), dict)]
        for name in self.counts:
            if rows and name.startswith(FEATURE):
                self._count(name, [row.get(name.removeprefix(FEATURE)) for row in rows])
        if self.catalogue is None:
            return
        shown = [line for line in lines if line["kind"] == "recommend"]
        self.shown += self._places([i for line in shown for i in items_of(line)[:K]])
        own = (x for x in first if x["kind"] == "recommend" and x.get("served") in BY_THE_MODEL)
        lists = [(items_of(line, "before_rules") or items_of(line))[:K] for line in own]
        self.listed += self._places([item for items in lists for item in items])
        self.lengths += np.bincount([len(items) for items in lists], minlength=K + 1)
        asked = [items for line in lines if (items := items_of(line, "asked"))]
        self.asked += self._places([item for items in asked for item in items])
        self.n_asked += len(asked)

    def _first_of_each(self, lines: Sequence[Line]) -> list[Line]:
        """The lines without those that answer a known customer again."""
        users = [str(line.get("user")) if line.get("served") == KNOWN else "" for line in lines]
        first = []
        for line, code in zip(lines, codes_of(users, self.known_users).tolist(), strict=True):
            if code == UNKNOWN or not self.met[code]:
                first.append(line)
            if code != UNKNOWN:
                self.met[code] = True
        return first

    def _count(self, name: str, values: Sequence[Any]) -> None:
        if name in self.counts and values:
            self.counts[name] += self.reference.bins[name].tally(values)

    def _places(self, items: list[str]) -> np.ndarray:
        """How often each item of the catalogue is among the items; the last: none of it."""
        assert self.catalogue is not None
        codes = self.catalogue.codes(items)
        codes = np.where(codes == UNKNOWN, len(self.catalogue), codes)
        return np.bincount(codes, minlength=len(self.catalogue) + 1)

    @property
    def n_lists(self) -> int:
        """Lists of the model with at least one item."""
        return int(self.lengths[1:].sum())


def is_fallback(served: str, level: int) -> bool:
    """Whether such an answer knows nothing of the customer."""
    return level >= FALLBACK_LEVEL or served.endswith(FALLBACK)


def level_of(line: Line) -> int:
    """The rung of the ladder of fallbacks."""
    return _whole(line.get("level"), 0)


def _score(line: Line) -> float | None:
    """What the reference's bins hold: the prediction, or the first score of a known customer's list.

    Where the shop's rules took the model's first item away, its score is not in the log: None.
    """
    if line["kind"] in ("churn", "value"):
        value = None if str(line.get("served")).endswith(FALLBACK) else line.get("value")
    else:
        scores = line.get("scores")
        known = line["kind"] == "recommend" and line.get("served") == KNOWN
        left = items_of(line, "before_rules")[:1] in ([], items_of(line)[:1])
        value = scores[0] if known and left and isinstance(scores, list) and scores else None
    return float(value) if isinstance(value, (int, float)) else None


def items_of(line: Line, name: str = "items") -> list[str]:
    """The ids that a line holds under the name; none where it holds no list."""
    found = line.get(name)
    return [str(item) for item in found] if isinstance(found, list) else []


def _whole(value: Any, otherwise: int) -> int:
    """The value where it is a count."""
    whole = isinstance(value, int) and not isinstance(value, bool) and value >= 0
    return value if whole else otherwise


def _positive(value: Any) -> float:
    return float(value) if isinstance(value, (int, float)) and value >= 0 else math.nan
