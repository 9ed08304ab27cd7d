"""A service's request log, summarised against the reference of the bundle that answered."""

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
from growthlab.core.seeding import random_stream
from growthlab.monitoring.log_reader import (
    EVENTS,
    Feedback,
    Line,
    LogPeriod,
    LogReading,
    answer_blocks,
    is_answer,
    is_failed,
    log_files,
)
from growthlab.monitoring.proportions import Proportion, rarefied_coverage_and_gini
from growthlab.monitoring.shadow_agreement import ShadowAgreement
from growthlab.monitoring.stability import Drift, equal_parts
from growthlab.monitoring.tally import ReferenceCounts, Tally

PARTS = 10  # groups of items by popularity
VariantKey = tuple[str, str, str]  # variant, model, version


@dataclass(frozen=True)
class ListSpread:
    """How widely lists spread over the catalogue, each side thinned to the same number of places.

    The model's own lists (the latest of each known customer) are comparable to the reference's. Shown
    lists also hold fallbacks and repeated requests, which narrow them.
    """

    coverage: float
    gini: float
    shown_coverage: float
    shown_gini: float
    reference_coverage: float
    reference_gini: float
    n_places: int


class PopularityDrift(NamedTuple):
    """The mean share of all events before the export that a listed item has."""

    own: float
    shown: float
    reference: float


class ServedPrediction(NamedTuple):
    """The number served for a known customer, and the version of the bundle that gave it."""

    value: float
    version: str


@dataclass(frozen=True)
class LogSummary:
    """What a log says about a bundle.

    `variants` are all models that answered this task, `own` the answers of this bundle alone, in
    whichever variant; versions from before a refresh are counted as the present one. `drifts` compare
    its answers with the reference; empty where the bundle has none.
    """

    manifest: Manifest
    reading: LogReading
    variants: Mapping[VariantKey, Tally]
    own: Tally
    reference: Reference | None
    drifts: list[Drift] = field(default_factory=list)
    spread: ListSpread | None = None
    new_items: Proportion = field(default_factory=lambda: Proportion(0, 0))
    popularity: PopularityDrift | None = None
    agreement: ShadowAgreement = field(
        default_factory=ShadowAgreement
    )  # of all shadows of the task
    # the first prediction of each known customer, by pseudonym
    predictions: Mapping[str, ServedPrediction] = field(default_factory=dict)
    n_feedback: int = 0
    n_feedback_without_answer: int = 0

    @property
    def n_states(self) -> int:
        """How many states of the bundle answered; more than one where it was refreshed meanwhile."""
        manifest = self.manifest
        names = {(manifest.task, manifest.model, version) for version in manifest.states}
        return len(names & self.reading.served_by.keys())


def summarise_log(bundle: Bundle, path: Path, period: LogPeriod) -> LogSummary:
    """Read the log at `path` with its older parts, once for the feedback and once for the answers.

    Raises
    ------
    DataError
        There is no log, it is empty, none of its lines is of a request log, or no answer in the
        period is of this bundle.
    """
    files = log_files(path)
    feedback, reading = Feedback(files), LogReading()
    reference = Reference.read(bundle.folder)
    catalogue = None if bundle.list_maker is None else bundle.list_maker.catalogue
    answer = bundle.manifest.answer
    compared = ReferenceCounts(
        reference or Reference({}, {}), catalogue, answer.endpoint, bundle.known_users
    )
    variants: dict[VariantKey, Tally] = {}
    own = Tally(answer.item_endpoint)
    predictions: dict[str, ServedPrediction] = {}
    manifest, states = bundle.manifest, bundle.manifest.states
    agreement = ShadowAgreement(of_lists=answer.kind.is_list)
    for block in answer_blocks(files, period, reading):
        of_task = [
            _as_present_version(line, manifest, states)
            for line in block
            if _is_about(line, manifest)
        ]
        others = [line for line in block if not _is_about(line, manifest)]
        feedback.of([line["request_id"] for line in others])  # feedback on them has its answer
        agreement.add(of_task)
        for key, all_lines in _by_variant(of_task).items():
            lines = [line for line in all_lines if is_answer(line)]
            had = feedback.of([line["request_id"] for line in lines])
            if key[0] == "shadow":  # no customer saw these answers
                had = {event: np.zeros(len(lines), dtype=bool) for event in EVENTS}
            is_own = key[1:] == (manifest.model, manifest.version)
            for tally in (
                variants.setdefault(key, Tally(answer.item_endpoint)),
                *([own] if is_own else []),
            ):
                tally.add(lines, had)
                tally.n_failed += sum(map(is_failed, all_lines))
            if is_own:
                compared.add(lines)
                _add_first(predictions, lines)
    _require_own_answers(bundle, path, reading, own)
    if reference is None:
        summary = LogSummary(manifest, reading, variants, own, None)
    else:
        summary = _compared_with_reference(manifest, reading, variants, own, compared)
    return replace(
        summary,
        agreement=agreement,
        predictions=predictions,
        n_feedback=len(feedback),
        n_feedback_without_answer=feedback.n_without_answer,
    )


def _is_about(line: Line, manifest: Manifest) -> bool:
    """Whether the line is an answer of the bundle's task."""
    kinds = (manifest.answer.endpoint, manifest.answer.item_endpoint)
    return bool(line.get("task") == manifest.task and line["kind"] in kinds)


def _as_present_version(line: Line, manifest: Manifest, states: Container[str]) -> Line:
    """A line of an earlier state under the bundle's present version; ``state`` keeps the earlier one."""
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


def _by_variant(lines: list[Line]) -> dict[VariantKey, list[Line]]:
    """The lines by the model that answered."""
    by_variant: dict[VariantKey, list[Line]] = {}
    for line in lines:
        by_variant.setdefault((line["variant"], line["model"], line["version"]), []).append(line)
    return by_variant


def _require_own_answers(bundle: Bundle, path: Path, reading: LogReading, own: Tally) -> None:
    """Raise a `DataError` where the log has no answer of this bundle."""
    if own.n or own.n_failed:
        return
    if reading.n_broken == reading.n_lines:
        raise DataError(f"log={path}: none of its {reading.n_lines:,} lines is of a request log")
    manifest = bundle.manifest
    most = sorted(
        reading.served_by.items(), key=lambda entry: (entry[0][0] != manifest.task, -entry[1])
    )
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


def _compared_with_reference(
    manifest: Manifest,
    reading: LogReading,
    variants: Mapping[VariantKey, Tally],
    own: Tally,
    compared: ReferenceCounts,
) -> LogSummary:
    """The summary with its comparisons to the reference."""
    reference, bin_counts = compared.reference, compared.counts
    drifts = [
        Drift(n, b.labels, b.counts, now, int(b.counts.sum()), int(now.sum()))
        for n, b in reference.bins.items()
        if (now := bin_counts[n]).any()
    ]
    if not len(reference.item_counts):
        return LogSummary(manifest, reading, variants, own, reference, _in_one_report(drifts))
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
    if compared.n_requests_with_items:
        sides = grouped(np.append(counts, 0)), grouped(compared.named)
        n_events = int(counts.sum())
        drifts.append(
            Drift(
                "items named in requests", labels, *sides, n_events, compared.n_requests_with_items
            )
        )
    shown = compared.shown[:-1]
    never = int(shown[counts == 0].sum() + compared.shown[-1])
    share = np.append(counts, 0) / max(int(counts.sum()), 1)
    return LogSummary(
        manifest,
        reading,
        variants,
        own,
        reference,
        _in_one_report(drifts),
        _spread(compared, reference),
        Proportion(never, int(compared.shown.sum())),
        PopularityDrift(*(_mean(share, side) for side in (compared.listed, compared.shown, then))),
    )


def _in_one_report(drifts: list[Drift]) -> list[Drift]:
    """Distributions that know how many are compared: with more of them, chance moves more."""
    return [replace(drift, n_compared=len(drifts)) for drift in drifts]


def _listed(lists: np.ndarray, n_items: int, lengths: np.ndarray) -> np.ndarray:
    """How often the reference lists each item, with each place weighted as it occurs in the log.

    Lists in the log may be shorter, and later places hold other items than the first.
    """
    weights = np.cumsum(lengths[::-1])[::-1][1:]  # lists that have a 1st, 2nd, ... place
    weights = weights if weights.any() else np.ones(K)
    total = np.zeros(n_items + 1)
    for place in range(K):
        codes = lists[:, place]
        total += weights[place] * np.bincount(codes[codes != UNKNOWN], minlength=n_items + 1)
    return total


def _spread(compared: ReferenceCounts, reference: Reference) -> ListSpread | None:
    """Coverage and Gini of equally many places a side; the reference's lists cut to the log's length."""
    longest = int(np.flatnonzero(compared.lengths).max(initial=0))
    codes = reference.listed[:, :longest]
    own, shown = compared.listed[:-1], compared.shown[:-1]
    then = np.bincount(codes[codes != UNKNOWN], minlength=len(own))
    n_places = min(int(own.sum()), int(then.sum()))
    if not n_places:
        return None
    rng = random_stream(0, "spread")
    of_own, of_shown, of_then = (
        rarefied_coverage_and_gini(side, n_places, rng) for side in (own, shown, then)
    )
    return ListSpread(*of_own, *of_shown, *of_then, n_places)


def _mean(share: np.ndarray, places: np.ndarray) -> float:
    return float((share * places).sum() / places.sum()) if places.any() else float("nan")
