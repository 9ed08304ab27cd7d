"""The summarise_log: a service's request log against the reference of the bundle that answered."""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from growthlab.bundle.bundle import Bundle
from growthlab.bundle.manifest import Manifest
from growthlab.bundle.reference import KNOWN, K, Reference
from growthlab.core.errors import DataError
from growthlab.core.histories import UNKNOWN
from growthlab.core.seeding import stream
from growthlab.monitoring.agreement import Agreement
from growthlab.monitoring.log_reader import (
    EVENTS,
    Feedback,
    Line,
    Period,
    Reading,
    answers,
    failed,
    files_of,
)
from growthlab.monitoring.proportions import Share, spread_of
from growthlab.monitoring.stability import Drift, equal_parts
from growthlab.monitoring.tally import Compared, Tally

PARTS = 10  # groups of items by popularity
Who = tuple[str, str, str]  # variant, model, version


@dataclass(frozen=True)
class Spread:
    """How widely lists spread over the catalogue; all sides cut to as many places.

    The model's own lists, a known customer's latest one, are like the reference's. What was shown
    holds lists of fallbacks too, and those that were asked for again: the more of them, the narrower.
    """

    coverage: float
    gini: float
    shown_coverage: float
    shown_gini: float
    reference_coverage: float
    reference_gini: float
    n_places: int


class PopularityDrift(NamedTuple):
    """The mean share that an item listed has of all events before the export."""

    own: float
    shown: float
    reference: float


class ServedPrediction(NamedTuple):
    """What was predicted for a known customer, and by which version of the bundle."""

    value: float
    version: str


@dataclass(frozen=True)
class LogSummary:
    """What a log says of a bundle.

    `variants` are all that answered this task, `own` the answers of this bundle alone, whichever variant it
    was; the versions that it had before a refresh are this bundle too, and stand under its own one;
    `drifts` compare those with the reference, none of them where the bundle has none.
    """

    manifest: Manifest
    reading: Reading
    variants: Mapping[Who, Tally]
    own: Tally
    reference: Reference | None
    drifts: list[Drift] = field(default_factory=list)
    spread: Spread | None = None
    new_items: Share = field(default_factory=lambda: Share(0, 0))
    popularity: PopularityDrift | None = None
    agreement: Agreement = field(
        default_factory=Agreement
    )  # of shadows, whichever bundle it is about
    predictions: Mapping[str, ServedPrediction] = field(
        default_factory=dict
    )  # a known customer's first
    n_feedback: int = 0
    n_feedback_without_answer: int = 0

    @property
    def n_states(self) -> int:
        """How many states of the bundle answered: one more than it was refreshed meanwhile."""
        manifest = self.manifest
        names = {(manifest.task, manifest.model, version) for version in manifest.states}
        return len(names & self.reading.served_by.keys())


def summarise_log(bundle: Bundle, path: Path, period: Period) -> LogSummary:
    """Read the log at `path`, with its older parts, twice: for the feedback, and for the answers.

    Raises
    ------
    DataError
        There is no log, it is empty, no line in it is of a request log, or no answer is of this
        bundle in the period.
    """
    files = files_of(path)
    feedback, reading = Feedback(files), Reading()
    reference = Reference.read(bundle.folder)
    catalogue = None if bundle.list_maker is None else bundle.list_maker.catalogue
    answer = bundle.manifest.answer
    compared = Compared(
        reference or Reference({}, {}), catalogue, answer.endpoint, bundle.known_users
    )
    variants: dict[Who, Tally] = {}
    own = Tally(answer.item_endpoint)
    predictions: dict[str, ServedPrediction] = {}
    manifest, states = bundle.manifest, bundle.manifest.states
    agreement = Agreement(of_lists=answer.kind.is_list)
    for block in answers(files, period, reading):
        of_task = [_under_one(line, manifest, states) for line in block if _asks(line, manifest)]
        others = [line for line in block if not _asks(line, manifest)]
        feedback.of([line["request_id"] for line in others])  # it is not without an answer
        agreement.add(of_task)
        for who, all_lines in _by_variant(of_task).items():
            lines = [line for line in all_lines if not failed(line)]
            had = feedback.of([line["request_id"] for line in lines])
            if who[0] == "shadow":  # nobody saw these answers
                had = {event: np.zeros(len(lines), dtype=bool) for event in EVENTS}
            mine = who[1:] == (manifest.model, manifest.version)
            for tally in (
                variants.setdefault(who, Tally(answer.item_endpoint)),
                *([own] if mine else []),
            ):
                tally.add(lines, had)
                tally.n_failed += len(all_lines) - len(lines)
            if mine:
                compared.add(lines)
                _add_first(predictions, lines)
    _refuse_another(bundle, path, reading, own)
    if reference is None:
        found = LogSummary(manifest, reading, variants, own, None)
    else:
        found = _against(manifest, reading, variants, own, compared)
    return replace(
        found,
        agreement=agreement,
        predictions=predictions,
        n_feedback=len(feedback),
        n_feedback_without_answer=feedback.n_without_answer,
    )


def _asks(line: Line, manifest: Manifest) -> bool:
    """Whether the line answers the bundle's question."""
    kinds = (manifest.answer.endpoint, manifest.answer.item_endpoint)
    return bool(line.get("task") == manifest.task and line["kind"] in kinds)


def _under_one(line: Line, manifest: Manifest, states: Container[str]) -> Line:
    """A line of an earlier state of the bundle as one of the bundle; `state` is the version itself."""
    version = line["version"]
    if version == manifest.version or line["model"] != manifest.model or version not in states:
        return line
    return {**line, "version": manifest.version, "state": version}


def _add_first(predictions: dict[str, ServedPrediction], lines: list[Line]) -> None:
    """Keep the first prediction of each known customer: at most as many as there are customers."""
    for line in lines:
        user, value = line.get("user"), line.get("value")
        if line.get("served") == KNOWN and isinstance(user, str) and isinstance(value, float):
            predictions.setdefault(
                user, ServedPrediction(value, line.get("state", line["version"]))
            )


def _by_variant(lines: list[Line]) -> dict[Who, list[Line]]:
    """The lines by who answered."""
    found: dict[Who, list[Line]] = {}
    for line in lines:
        found.setdefault((line["variant"], line["model"], line["version"]), []).append(line)
    return found


def _refuse_another(bundle: Bundle, path: Path, reading: Reading, own: Tally) -> None:
    """Raise a `DataError` where nothing in the log is of this bundle."""
    if own.n or own.n_failed:
        return
    if reading.n_broken == reading.n_lines:
        raise DataError(f"log={path}: none of its {reading.n_lines:,} lines is of a request log")
    manifest = bundle.manifest
    most = sorted(reading.served_by.items(), key=lambda who: (who[0][0] != manifest.task, -who[1]))
    others = ", ".join(
        f"{n:,} of {model} {version} ({task})" for (task, model, version), n in most[:3]
    )
    if not others:
        outside = f"{reading.n_outside:,} lie outside since and until" if reading.n_outside else ""
        raise DataError(f"log={path} has no answers: {outside or 'it holds feedback only'}")
    raise DataError(
        f"log={path} has no answer of {manifest.model} {manifest.version}, the bundle in "
        f"{bundle.folder}, but {others}: give the bundle that answered"
    )


def _against(
    manifest: Manifest,
    reading: Reading,
    variants: Mapping[Who, Tally],
    own: Tally,
    compared: Compared,
) -> LogSummary:
    """The comparison with the reference."""
    reference, found = compared.reference, compared.counts
    drifts = [
        Drift(n, b.labels, b.counts, now, int(b.counts.sum()), int(now.sum()))
        for n, b in reference.bins.items()
        if (now := found[n]).any()
    ]
    if not len(reference.item_counts):
        return LogSummary(manifest, reading, variants, own, reference, _together(drifts))
    counts, n_items = reference.item_counts, len(reference.item_counts)
    groups = np.append(equal_parts(counts, PARTS), PARTS + 1)  # the last: not in the catalogue
    labels = ["tenth 1 (popular)", *(f"tenth {n}" for n in range(2, PARTS)), "tenth 10 (rare)"]
    labels += ["(no event before)", "(unknown item)"]

    def grouped(places: np.ndarray) -> np.ndarray:
        return np.bincount(groups, weights=places, minlength=PARTS + 2)

    then = _listed(reference.listed, n_items, compared.lengths)
    if compared.n_lists:
        sides = grouped(then), grouped(compared.listed)
        drifts.append(
            Drift("items listed", labels, *sides, len(reference.listed), compared.n_lists)
        )
    if compared.n_asked:
        sides = grouped(np.append(counts, 0)), grouped(compared.asked)
        n_events = int(counts.sum())
        drifts.append(Drift("items named in requests", labels, *sides, n_events, compared.n_asked))
    shown = compared.shown[:-1]
    never = int(shown[counts == 0].sum() + compared.shown[-1])
    share = np.append(counts, 0) / max(int(counts.sum()), 1)
    return LogSummary(
        manifest,
        reading,
        variants,
        own,
        reference,
        _together(drifts),
        _spread(compared, reference),
        Share(never, int(compared.shown.sum())),
        PopularityDrift(*(_mean(share, of) for of in (compared.listed, compared.shown, then))),
    )


def _together(drifts: list[Drift]) -> list[Drift]:
    """As the distributions of one report: the more there are, the more of them chance moves."""
    return [replace(drift, n_compared=len(drifts)) for drift in drifts]


def _listed(lists: np.ndarray, n_items: int, lengths: np.ndarray) -> np.ndarray:
    """How often the reference's lists hold each item, if they were as long as those of the log.

    Later places hold other items than the first, so each place weighs as it occurs in the log.
    """
    weights = np.cumsum(lengths[::-1])[::-1][1:]  # lists that have a 1st, 2nd, ... place
    weights = weights if weights.any() else np.ones(K)
    total = np.zeros(n_items + 1)
    for place in range(K):
        codes = lists[:, place]
        total += weights[place] * np.bincount(codes[codes != UNKNOWN], minlength=n_items + 1)
    return total


def _spread(compared: Compared, reference: Reference) -> Spread | None:
    """Coverage and Gini of as many places of each side; the reference's lists as long as the log's."""
    longest = int(np.flatnonzero(compared.lengths).max(initial=0))
    codes = reference.listed[:, :longest]
    own, shown = compared.listed[:-1], compared.shown[:-1]
    then = np.bincount(codes[codes != UNKNOWN], minlength=len(own))
    n_places = min(int(own.sum()), int(then.sum()))
    if not n_places:
        return None
    rng = stream(0, "spread")
    of_own, of_shown, of_then = (spread_of(side, n_places, rng) for side in (own, shown, then))
    return Spread(*of_own, *of_shown, *of_then, n_places)


def _mean(share: np.ndarray, places: np.ndarray) -> float:
    return float((share * places).sum() / places.sum()) if places.any() else float("nan")
