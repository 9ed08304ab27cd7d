"""A bundle's state as of a later cutoff: the same model with new histories, customers and stock."""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from growthlab.bundle.bundle import CUSTOMERS, HISTORIES, ITEMS, Bundle
from growthlab.bundle.customer_names import CustomerNames
from growthlab.bundle.manifest import MOST_EARLIER, Manifest, checksums_of
from growthlab.bundle.signing import sign
from growthlab.core.atomic_write import atomic_folder
from growthlab.core.errors import BundleError, DataError
from growthlab.core.histories import UNKNOWN, Catalogue, codes_of
from growthlab.core.pseudonyms import find_key
from growthlab.data.as_of import known_at, recorded_at, tables_at
from growthlab.data.cleaning import Cleaning
from growthlab.data.event_log import EventLog
from growthlab.export.model_card import model_card
from growthlab.export.same_data import check_same_data, require_same_names
from growthlab.export.save_arrays import save_arrays
from growthlab.export.write_bundle import (
    exportable_column,
    histories_of_state,
    rows_of_state,
)
from growthlab.features.build_histories import catalogue_of, histories_of
from growthlab.split.fold import Fold
from growthlab.tasks.base import Task

log = logging.getLogger(__name__)

CARD = "model_card.md"
State = dict[str, Mapping[str, np.ndarray]]


def refresh(
    folder: str | Path,
    events: EventLog,
    data: str,
    *,
    task: Task,
    cutoff: datetime | None = None,
    cleaning: Cleaning | None = None,
    same_data: bool = True,
) -> Manifest:
    """Rewrite the state of the bundle in `folder` from `events` before `cutoff`; its new manifest.

    A bundle of lists gets new histories, prices and stock; one of numbers new customer rows, with the
    features of `task`. Customers without events are no longer known. The files of the model do not
    change. The manifest has the cutoffs of the model and of the state, and the versions and cutoffs
    of earlier states, so that their answers in a request log are still counted as this model's. The
    new bundle replaces the old one in one step: a service never loads half a state.

    Parameters
    ----------
    data : name of the data set, which must be the bundle's
    cutoff : naive UTC; None: just after the newest event, and all events of a log without times
    cleaning : that of the data set; its least numbers of events apply to what is known at the cutoff
    same_data : False skips `check_same_data`, for a log that lost its old events

    Raises
    ------
    BundleError
        The bundle is broken, of another data set, or its pseudonym key is not here.
    DataError
        No event of the types that the model reads, or a feature that the data does not have; the
        cutoff is before the first event or before that of the bundle's state, or the events are
        unlike those that the bundle was made from.
    """
    folder = Path(folder)
    bundle = Bundle.load(folder)
    manifest = bundle.manifest
    if data != manifest.data:
        raise BundleError(
            f"{folder} is of the data set {manifest.data}, not of {data}: set data={manifest.data}"
        )
    names = names_of(manifest, folder)
    require_same_names(manifest, events.key_fingerprint, folder)
    cutoff = _cutoff(manifest, events, cutoff)
    if same_data:
        check_same_data(bundle, events, cleaning)
    if cleaning is not None:
        events = cleaning.without_bots(events, cutoff)
    restrict = cleaning.restrict if cleaning is not None else _unchanged
    if manifest.answer.kind.is_list:
        past = restrict(tables_at(events, None) if cutoff is None else known_at(events, cutoff))
        state = _histories(bundle, past, names)
        counts = {
            "n_known_users": len(state[HISTORIES]["user_ids"]),
            "n_events": len(state[HISTORIES]["items"]),
        }
    else:
        state = {CUSTOMERS: _customers(bundle, events, cutoff, task, names, restrict)}
        counts = {"n_known_users": len(state[CUSTOMERS]["user_ids"])}
    return write_state(
        folder,
        replace(
            manifest,
            counts={**manifest.counts, **counts},
            state_cutoff=cutoff.isoformat() if cutoff else None,
            refreshed=datetime.now(UTC).isoformat(timespec="seconds"),
            earlier=dict(list(manifest.states.items())[-MOST_EARLIER:]),
        ),
        state,
    )


def _unchanged(past: EventLog) -> EventLog:
    return past


def _cutoff(manifest: Manifest, events: EventLog, cutoff: datetime | None) -> datetime | None:
    """The cutoff of the new state: after the first event, not before the present state's."""
    if events.ordered_by != "timestamp":
        return cutoff
    first, newest = events.span()
    assert isinstance(first, datetime)
    assert isinstance(newest, datetime)
    if cutoff is not None and cutoff <= first:
        raise DataError(f"no event before cutoff={cutoff}; the first is of {first}")
    known = manifest.states[manifest.version]
    new = cutoff or newest.replace(microsecond=0) + timedelta(seconds=1)
    if known is not None and new < datetime.fromisoformat(known):
        what = f"the newest event is of {newest}" if cutoff is None else f"cutoff={cutoff}"
        raise DataError(
            f"{what}, and the bundle already knows its customers as of {known}: a refresh does not "
            "go back in time, give newer data or a later cutoff"
        )
    return new


def names_of(manifest: Manifest, folder: Path) -> CustomerNames:
    """The names of the bundle's customers, by the key that it was written with."""
    key = find_key()
    if key is None or key.fingerprint != manifest.key_fingerprint:
        present = "there is none here" if key is None else f"the one here is {key.fingerprint}"
        raise BundleError(
            f"{folder} can only be refreshed with its pseudonym key {manifest.key_fingerprint}, {present}: "
            "set GROWTHLAB_PSEUDONYM_KEY or GROWTHLAB_KEY_FILE"
        )
    return CustomerNames(key, manifest.namespace, manifest.user_ids)


def _histories(bundle: Bundle, past: EventLog, names: CustomerNames) -> State:
    """Histories over the bundle's catalogue, and the prices and stock of its items."""
    assert bundle.list_maker is not None
    catalogue = bundle.list_maker.catalogue
    kinds = bundle.manifest.history_events or ("purchase",)
    histories = histories_of_state(histories_of(past, kinds, catalogue), names)
    if not histories.n_events:
        raise DataError(f"no event before the cutoff is of an item of {bundle.folder}")
    codes = np.full(histories.n_users, UNKNOWN, dtype=np.int32)
    before = bundle.list_maker.state
    if before is not None:  # models with user codes know the users of their fit
        places = codes_of(histories.user_ids, before.user_ids)
        codes[places != UNKNOWN] = before.user_codes[places[places != UNKNOWN]]
    state: State = {HISTORIES: replace(histories, user_codes=codes).to_arrays()}
    now = catalogue_of(past)
    n_new = int((catalogue.codes(now.item_ids) == UNKNOWN).sum())
    if n_new:
        log.info("%d new items are not in the catalogue of the model: export a new one", n_new)
    if facts := _facts(catalogue, now):
        state[ITEMS] = facts
    return state


def _facts(catalogue: Catalogue, now: Catalogue) -> dict[str, np.ndarray]:
    """Present price and stock of the catalogue's items."""
    places = now.codes(catalogue.item_ids)
    is_sold, facts = places != UNKNOWN, {}
    for name, absent in (("price", np.nan), ("in_stock", False)):
        values = getattr(now, name)
        if values is not None:
            out = np.full(len(catalogue), absent, dtype=values.dtype)
            out[is_sold] = values[places[is_sold]]
            facts[name] = out
    return facts


def _customers(
    bundle: Bundle,
    events: EventLog,
    cutoff: datetime | None,
    task: Any,
    names: CustomerNames,
    restrict: Callable[[EventLog], EventLog],
) -> dict[str, np.ndarray]:
    """The features of all customers with a purchase before the cutoff."""
    assert bundle.predictor is not None
    manifest = bundle.manifest
    if cutoff is None or manifest.horizon_days is None:
        raise DataError(f"{bundle.folder} reads features as of a time, but this data has no times")
    record, no_events = recorded_at(events, cutoff), events.where("false")
    horizon = timedelta(days=manifest.horizon_days)
    fold = Fold(known_at(events, cutoff), no_events, cutoff, horizon, record=record)
    present = replace(task, snapshots=1).data(fold.with_past(restrict)).train.present
    table = {}
    for column in bundle.predictor.scorer.columns:
        try:
            table[column] = exportable_column(present.column(column))
        except ValueError:
            raise DataError(
                f"{bundle.folder} reads the feature {column}, which this data or task= no longer "
                "has: refresh with the settings of the export, or export a new model"
            ) from None
    return rows_of_state(names.of_data(present.user_ids), table)


def write_state(folder: Path, manifest: Manifest, state: State) -> Manifest:
    """Write the bundle in `folder` with its new state, check it, and swap it for the old one."""
    with atomic_folder(folder) as new:
        for name in manifest.files:
            if not name.startswith("state/") and name != CARD:
                _link_or_copy(folder / name, new / name)
        for name, arrays in state.items():
            save_arrays(new / name, arrays)
        (new / CARD).write_text(model_card(manifest), encoding="utf-8")
        manifest = replace(manifest, files=checksums_of(new))
        manifest.write(new)
        sign(new)
        Bundle.load(new)
    return manifest


def _link_or_copy(source: Path, target: Path) -> None:
    """The file under another name: a hard link, or a copy where there are no links."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
