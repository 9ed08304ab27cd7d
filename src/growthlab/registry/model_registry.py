"""The MLflow model registry: a version for each export, one champion, and the history of champions."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from growthlab.bundle.manifest import Manifest
from growthlab.core.errors import ExportError
from growthlab.pages.text_table import markdown_text
from growthlab.registry.begun_change import (
    begin_change,
    change_begun,
    end_change,
    tags_replaced,
    take_back_change,
)
from growthlab.registry.global_store import global_store
from growthlab.registry.pyfunc import log_pyfunc
from growthlab.registry.registry_lock import locked_registry, was_left_locked
from growthlab.registry.unfinished_versions import (
    continue_version,
    decided_version,
    finish_version,
    logged_model_of,
    mark,
    remove_abandoned_models,
    remove_version,
)
from growthlab.tracking.who_runs import current_user

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion, RegisteredModel

log = logging.getLogger(__name__)

CHALLENGER = "challenger"
CHAMPION = "champion"
LONGEST = 5000  # characters of a description that every version of MLflow accepts
HISTORY = "champion."  # prefix of the registered model's tags, one numbered tag a change
FIRST, PROMOTION, ROLLBACK = "first", "promotion", "rollback"


class RegisteredVersion(NamedTuple):
    """A version in the registry, and its logged model."""

    name: str
    version: str
    model_id: str

    @property
    def uri(self) -> str:
        """The address for ``mlflow.pyfunc.load_model`` while this is the challenger."""
        return f"models:/{self.name}@{CHALLENGER}"


@dataclass(frozen=True)
class ChampionChange:
    """A change of the champion from version `before` (None: there was none) to `version`.

    `how` is ``first``, ``promotion`` or ``rollback``; `at` is in ISO form, UTC; `by` is who or what
    decided, `code` the commit, `why` the reason in one line.
    """

    version: str
    before: str | None
    how: str
    by: str
    at: str
    code: str
    why: str = ""


def register_bundle(
    bundle: str | Path,
    *,
    uri: str,
    run_id: str,
    client: MlflowClient | None = None,
    repeat: bool = True,
) -> RegisteredVersion:
    """Log the bundle as a pyfunc of the run and register it as a new version.

    The registered model is named ``<data>-<task>``. The version has no alias: whether it becomes
    challenger (`set_challenger_alias`) or champion (`move_champion`) is decided elsewhere; `finish_version`
    says that it was. A version of the same bundle whose process was killed before that is continued,
    other such versions are withdrawn. With `repeat` false a version of the same bundle that was
    decided is given back too.
    """
    from mlflow import MlflowClient

    client = client or MlflowClient(tracking_uri=uri, registry_uri=uri)
    manifest = Manifest.read(Path(bundle))
    name = f"{manifest.data}-{manifest.task}"
    _ensure(client, name, manifest)
    with locked_registry(client, name, current_user()):
        settle_interrupted_change(client, name)
        same = continue_version(
            client, name, run_id, manifest.version, lambda v: _was_champion(client, name, v)
        )
    if same is None and not repeat:
        same = decided_version(client, name, run_id, manifest.version)
    if same is not None:
        return RegisteredVersion(name, str(same.version), logged_model_of(same))
    remove_abandoned_models(client, name, run_id)
    info = log_pyfunc(bundle, uri=uri, run_id=run_id)
    with global_store(uri):  # MLflow looks the logged model up there, whatever the client
        version = client.create_model_version(
            name,
            source=info.model_uri,
            run_id=run_id,
            tags={**_tags(manifest), **mark()},
            description=_description(manifest),
            model_id=info.model_id,
        )
    log.info("registered run %s as %s version %s", run_id, name, version.version)
    return RegisteredVersion(name, str(version.version), str(info.model_id))


def set_challenger_alias(client: MlflowClient, registered: RegisteredVersion) -> None:
    """Give the version the alias challenger, which the previous challenger loses."""
    client.set_registered_model_alias(registered.name, CHALLENGER, registered.version)
    log.info("%s version %s is %s", registered.name, registered.version, CHALLENGER)


def withdraw_version(client: MlflowClient, registered: RegisteredVersion, by: str) -> None:
    """Undo `register_bundle`: delete the version and the run's logged model.

    Not where it has an alias or was champion by now: another process promoted the same run.
    """
    name, version = registered.name, registered.version
    with locked_registry(client, name, by):
        if _was_champion(client, name, version) or client.get_model_version(name, version).aliases:
            return
        remove_version(client, name, version, registered.model_id)


def note_refusal(
    client: MlflowClient, name: str, version: str, tags: Mapping[str, str], by: str
) -> None:
    """Write the tags of a refusal to the version, unless it is or was champion.

    The tags of such a version hold the evidence of its promotion, which a rollback relies on.
    """
    with locked_registry(client, name, by):
        if _was_champion(client, name, version):
            log.info("%s version %s keeps the evidence of its promotion", name, version)
            finish_version(client, name, version)
            return
        _write_decision(client, name, version, tags)
        finish_version(client, name, version)


def champion_of(client: MlflowClient, name: str) -> ModelVersion | None:
    """The champion's version; None where the model has no champion, or is not registered."""
    version = _aliased(client, name, CHAMPION)
    return None if version is None else client.get_model_version(name, version)


def require_champion(client: MlflowClient, name: str, expected: str | None) -> None:
    """Raise an `ExportError` where the champion is not the expected version (None: no champion).

    A challenger was judged against that version.
    """
    now = _aliased(client, name, CHAMPION)
    if now != expected:
        raise ExportError(_lost_race(name, expected, now, history_of(client, name)))


def move_champion(
    client: MlflowClient,
    name: str,
    change: ChampionChange,
    tags: Mapping[str, str] | None = None,
    described: str = "",
    record: Callable[[], None] = lambda: None,
) -> None:
    """Make ``change.version`` the champion if ``change.before`` still is; else change nothing.

    `tags` and the description go to the version, the change to the history of the model; the lock of
    `locked_registry` keeps other processes out meanwhile. The new champion is no longer challenger; a
    rollback is noted in the description of the version that it removes. `record` writes what else is
    to be known of the change; the alias, which makes it valid, is moved last. What a killed process
    began is taken back or completed by the next one, see `settle_interrupted_change`.

    Raises
    ------
    ExportError
        Another process changed the champion first, or holds the lock.
    """
    with locked_registry(client, name, change.by):
        settle_interrupted_change(client, name)
        require_champion(client, name, change.before)
        key = f"{HISTORY}{len(history_of(client, name)) + 1:04d}"
        begin_change(client, name, key, change, tags or {})
        try:
            if tags:
                _write_decision(client, name, change.version, tags)
            if described:
                client.update_model_version(name, change.version, described)
            client.set_registered_model_tag(name, key, json.dumps(asdict(change)))
            record()
            client.set_registered_model_alias(name, CHAMPION, change.version)
            _complete_change(client, name, change)
        except BaseException:
            with suppress(Exception):  # else the next process does it
                settle_interrupted_change(client, name)
            raise
    log.info("%s version %s is %s", name, change.version, CHAMPION)


def settle_interrupted(client: MlflowClient, name: str) -> None:
    """`settle_interrupted_change` under the lock, where a change has begun or the lock was left."""
    if change_begun(_registered(client, name)) is not None or was_left_locked(client, name):
        with locked_registry(client, name, current_user()):
            settle_interrupted_change(client, name)


def settle_interrupted_change(client: MlflowClient, name: str) -> None:
    """Complete or take back the change of a champion whose process was killed in the middle.

    It is complete once the alias is moved. The caller holds the lock, so that no other process is at it.
    """
    begun = change_begun(_registered(client, name))
    if begun is None:
        return
    change = ChampionChange(**begun.change)
    if _aliased(client, name, CHAMPION) == change.version:
        _complete_change(client, name, change)
    else:
        take_back_change(client, name, begun)
    log.info("%s: the interrupted change to version %s is settled", name, change.version)


def _complete_change(client: MlflowClient, name: str, change: ChampionChange) -> None:
    """What follows the move of the alias; nothing is done twice."""
    if _aliased(client, name, CHALLENGER) == change.version:
        client.delete_registered_model_alias(name, CHALLENGER)
    if change.how == ROLLBACK and change.before is not None:
        _note_rollback(client, name, change.before, change)
    finish_version(client, name, change.version)
    end_change(client, name)


def _write_decision(client: MlflowClient, name: str, version: str, tags: Mapping[str, str]) -> None:
    """Write the tags of a decision to a version, in place of those of an earlier decision."""
    for key in tags_replaced(client.get_model_version(name, version).tags, tags):
        client.delete_model_version_tag(name, version, key)
    for key, value in tags.items():
        client.set_model_version_tag(name, version, key, value)


def _note_rollback(client: MlflowClient, name: str, left: str, change: ChampionChange) -> None:
    """Add the rollback and its reason to the description of the version that was champion, once."""
    why = f": {change.why}" if change.why else ""
    description = client.get_model_version(name, left).description or ""
    note = markdown_text(f"rolled back {change.at} by {change.by}{why}")
    if note not in description:
        text = f"{description}; {note}" if description else note
        client.update_model_version(name, left, text[:LONGEST])


def history_of(client: MlflowClient, name: str) -> list[ChampionChange]:
    """Every change of the champion, the oldest first; empty where nothing is registered."""
    model = _registered(client, name)
    tags = {} if model is None else model.tags
    return [
        ChampionChange(**json.loads(tags[key])) for key in sorted(tags) if key.startswith(HISTORY)
    ]


def previous_champion(client: MlflowClient, name: str) -> tuple[str, str]:
    """The champion, and the version that a rollback would bring back.

    Each promotion adds a version to the stack, each rollback removes one; an alias that was moved by
    hand counts as a promotion.

    Raises
    ------
    ExportError
        There is no champion, or none before it.
    """
    now = _aliased(client, name, CHAMPION)
    if now is None:
        raise ExportError(f"{name} has no champion in the registry: growthlab export makes one")
    stack = champion_stack(history_of(client, name), now)
    if len(stack) < 2:
        raise ExportError(f"{name} has had no champion before version {now}: nothing to go back to")
    return now, stack[-2]


def champion_stack(history: Sequence[ChampionChange], now: str) -> list[str]:
    """The champions that rollbacks would bring back one by one, the present one last."""
    stack: list[str] = []
    for change in history:
        if change.before is not None and stack[-1:] != [change.before]:
            stack.append(change.before)  # moved by hand
        if change.how == ROLLBACK and stack[-2:-1] == [change.version]:
            stack.pop()
        else:
            stack.append(change.version)
    return stack if stack[-1:] == [now] else [*stack, now]


def _lost_race(
    name: str, expected: str | None, now: str | None, history: Sequence[ChampionChange]
) -> str:
    """The error for the process whose champion was replaced meanwhile."""
    before = "no champion" if expected is None else f"version {expected}"
    present = f"version {now}" if now is not None else "gone"
    last = history[-1] if history and history[-1].version == now else None
    who = "" if last is None else f" ({last.how} by {last.by} at {last.at})"
    return (
        f"the champion of {name} is now {present}{who}, and this was decided against {before}: "
        "nothing was changed; run the command again"
    )


def _was_champion(client: MlflowClient, name: str, version: str) -> bool:
    """Whether the version is or was the champion, also where it was set by hand."""
    champions = {v for change in history_of(client, name) for v in (change.version, change.before)}
    return version in champions | {_aliased(client, name, CHAMPION)}


def _registered(client: MlflowClient, name: str) -> RegisteredModel | None:
    """The registered model; None where there is none."""
    from mlflow.exceptions import MlflowException

    try:
        return client.get_registered_model(name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        return None


def _aliased(client: MlflowClient, name: str, alias: str) -> str | None:
    """The version with the alias; None where there is none."""
    model = _registered(client, name)
    version = None if model is None else model.aliases.get(alias)
    return None if version is None else str(version)


def _ensure(client: MlflowClient, name: str, manifest: Manifest) -> None:
    """Create the registered model unless it exists; another process may create it first."""
    from mlflow.exceptions import MlflowException

    try:
        client.create_registered_model(name, tags={"data": manifest.data, "task": manifest.task})
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise


def _tags(manifest: Manifest) -> dict[str, str]:
    """The lineage of a version as tags; its metrics are those of its run."""
    return {
        "model": manifest.model,
        "kind": manifest.kind,
        "data_digest": manifest.data_digest,
        "split": manifest.split,
        "cutoff": manifest.cutoff or "",
        "seed": str(manifest.seed),
        "code_version": manifest.code_version,
        "bundle_version": manifest.version,
        "schema_version": str(manifest.schema_version),
    }


def _description(manifest: Manifest) -> str:
    text = f"{manifest.model} for {manifest.task} on {manifest.data}, known up to {manifest.cutoff}"
    return markdown_text(text)  # which MLflow renders


def how_to_serve_champion(name: str, data: str, served_version: str | None) -> str:
    """What to type so that a service answers with the new champion.

    `served_version` is the version that it replaces, None if there was none.
    """
    fetch = f"next: growthlab fetch model_uri=models:/{name}@champion to=FOLDER"
    if served_version is None:
        return fetch
    return (
        f"a service that watches a fetched folder answers with version {served_version} until then\n"
        f"{fetch}\n"
        f"then, if that folder had been refreshed: growthlab refresh bundle=FOLDER data={data}"
    )
