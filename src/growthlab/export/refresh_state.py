"""A bundle's state as of a later cutoff: the same model, what is known of customers and stock anew."""

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
from growthlab.bundle.manifest import MOST_EARLIER, Manifest, checksums_of
from growthlab.bundle.signature import sign
from growthlab.core.atomic_write import atomic_folder
from growthlab.core.errors import BundleError, DataError
from growthlab.core.histories import UNKNOWN, Catalogue, codes_of
from growthlab.core.pseudonyms import PseudonymKey, find_key
from growthlab.data.as_of import known_at, recorded_at
from growthlab.data.cleaning import Cleaning
from growthlab.data.event_log import EventLog
from growthlab.export.model_card import model_card
from growthlab.export.same_data import check_same_data
from growthlab.export.write_bundle import keyed_histories, keyed_rows, plain_column, save_arrays
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
    """Write the state of the bundle in `folder` anew from `events` before `cutoff`; its manifest.

    Recommenders get new histories, prices and stock; churn and value models new customer rows, with
    the features of `task`. Customers without events are no longer known. The files of the model stay
    as they are; the manifest holds the model's cutoff and the state's, and the versions of the
    states before with theirs, so that answers in a request log are still known as this model's. The
    new bundle takes the place of the old one in one step, so that a service never loads half a state.

    Parameters
    ----------
    data : the name of the data set, which must be the bundle's
    cutoff : naive UTC; None: just after the newest event, and all events of a log without times
    cleaning : of the data set; its least numbers of events hold in what is known at a cutoff
    same_data : False leaves out `check_same_data`, for a log that lost its old events

    Raises
    ------
    BundleError
        The bundle is broken, of another data set, or its pseudonym key is not here.
    DataError
        No event of the kinds that the model reads, or a feature that the data does not give; the
        cutoff is before the first event or before that of the bundle's state, or the events do not
        look like those that the bundle was made of.
    """
    folder = Path(folder)
    bundle = Bundle.load(folder)
    manifest = bundle.manifest
    if data != manifest.data:
        raise BundleError(
            f"{folder} is of the data set {manifest.data}, not of {data}: say data={manifest.data}"
        )
    key = _key_of(manifest, folder)
    cutoff = _cutoff(manifest, events, cutoff)
    if same_data:
        check_same_data(bundle, events, cleaning)
    restrict = cleaning.restrict if cleaning is not None else _all
    if manifest.answer.kind.is_list:
        past = restrict(events if cutoff is None else known_at(events, cutoff))
        state = _histories(bundle, past, key)
        counts = {
            "n_known_users": len(state[HISTORIES]["user_ids"]),
            "n_events": len(state[HISTORIES]["items"]),
        }
    else:
        state = {CUSTOMERS: _customers(bundle, events, cutoff, task, key, restrict)}
        counts = {"n_known_users": len(state[CUSTOMERS]["user_ids"])}
    return _replace(
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


def _all(past: EventLog) -> EventLog:
    return past


def _cutoff(manifest: Manifest, events: EventLog, cutoff: datetime | None) -> datetime | None:
    """The cutoff of the new state: after the first event, and not before that of the present state."""
    if events.ordered_by != "timestamp":
        return cutoff
    first, newest = events.span()
    assert isinstance(first, datetime)
    assert isinstance(newest, datetime)
    if cutoff is not None and cutoff <= first:
        raise DataError(f"no event before cutoff={cutoff}; the first is of {first}")
    known = manifest.states[manifest.version]
    wanted = cutoff or newest.replace(microsecond=0) + timedelta(seconds=1)
    if known is not None and wanted < datetime.fromisoformat(known):
        what = f"the newest event is of {newest}" if cutoff is None else f"cutoff={cutoff}"
        raise DataError(
            f"{what}, and the bundle knows its customers as of {known} already: a refresh does not "
            "go back in time, give newer data or a later cutoff"
        )
    return wanted


def _key_of(manifest: Manifest, folder: Path) -> PseudonymKey:
    """The key that the bundle was written with."""
    key = find_key()
    if key is None or key.fingerprint != manifest.key_fingerprint:
        found = "there is none here" if key is None else f"the one here is {key.fingerprint}"
        raise BundleError(
            f"{folder} is refreshed with its own pseudonym key {manifest.key_fingerprint}, {found}: "
            "set GROWTHLAB_PSEUDONYM_KEY or GROWTHLAB_KEY_FILE"
        )
    return key


def _histories(bundle: Bundle, past: EventLog, key: PseudonymKey) -> State:
    """Histories over the bundle's catalogue, and what its items cost and whether they are there."""
    assert bundle.list_maker is not None
    catalogue, manifest = bundle.list_maker.catalogue, bundle.manifest
    kinds = manifest.history_events or ("purchase",)
    found = keyed_histories(histories_of(past, kinds, catalogue), key, manifest.namespace)
    if not found.n_events:
        raise DataError(f"no event before the cutoff is of an item of {bundle.folder}")
    codes = np.full(found.n_users, UNKNOWN, dtype=np.int32)
    before = bundle.list_maker.state
    if before is not None:  # a model that knows users by code knows those of its fit
        places = codes_of(found.user_ids, before.user_ids)
        codes[places != UNKNOWN] = before.user_codes[places[places != UNKNOWN]]
    state: State = {HISTORIES: replace(found, user_codes=codes).to_arrays()}
    now = catalogue_of(past)
    n_new = int((catalogue.codes(now.item_ids) == UNKNOWN).sum())
    if n_new:
        log.info("%d new items are not in the catalogue of the model: export a new one", n_new)
    if facts := _facts(catalogue, now):
        state[ITEMS] = facts
    return state


def _facts(catalogue: Catalogue, now: Catalogue) -> dict[str, np.ndarray]:
    """Price and stock of the catalogue's items as they are now."""
    places = now.codes(catalogue.item_ids)
    there, facts = places != UNKNOWN, {}
    for name, absent in (("price", np.nan), ("in_stock", False)):
        values = getattr(now, name)
        if values is not None:
            out = np.full(len(catalogue), absent, dtype=values.dtype)
            out[there] = values[places[there]]
            facts[name] = out
    return facts


def _customers(
    bundle: Bundle,
    events: EventLog,
    cutoff: datetime | None,
    task: Any,
    key: PseudonymKey,
    restrict: Callable[[EventLog], EventLog],
) -> dict[str, np.ndarray]:
    """The features of all customers with a purchase before the cutoff."""
    assert bundle.predictor is not None
    manifest = bundle.manifest
    if cutoff is None or manifest.horizon_days is None:
        raise DataError(f"{bundle.folder} reads features as of a time, and this data has no times")
    record, nothing = recorded_at(events, cutoff), events.where("false")
    horizon = timedelta(days=manifest.horizon_days)
    fold = Fold(known_at(events, cutoff), nothing, cutoff, horizon, record=record)
    present = replace(task, snapshots=1).data(fold.with_past(restrict)).train.present
    table = {}
    for column in bundle.predictor.scorer.columns:
        try:
            table[column] = plain_column(present.column(column))
        except ValueError:
            raise DataError(
                f"{bundle.folder} reads the feature {column}, which this data or task= no longer "
                "gives: refresh with the settings of the export, or export a new model"
            ) from None
    return keyed_rows(present.user_ids, table, key, manifest.namespace)


def _replace(folder: Path, manifest: Manifest, state: State) -> Manifest:
    """The same bundle with another state, checked, in the place of the old one."""
    with atomic_folder(folder) as new:
        for name in manifest.files:
            if not name.startswith("state/") and name != CARD:
                _same_file(folder / name, new / name)
        for name, arrays in state.items():
            save_arrays(new / name, arrays)
        (new / CARD).write_text(model_card(manifest), encoding="utf-8")
        manifest = replace(manifest, files=checksums_of(new))
        manifest.write(new)
        sign(new)
        Bundle.load(new)
        new.chmod(0o755)
    return manifest


def _same_file(source: Path, target: Path) -> None:
    """The same file under another name: a link, or a copy where there are no links."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
