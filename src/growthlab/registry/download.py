"""Downloads the bundle of a registered version into a folder that a service watches."""

from __future__ import annotations

import logging
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from growthlab.bundle.bundle import Bundle
from growthlab.bundle.bundle_files import file_names
from growthlab.bundle.manifest import MANIFEST, Manifest
from growthlab.bundle.signing import KEY_FILE_VARIABLE, KEY_VARIABLE, is_signed, signing_key
from growthlab.core.atomic_write import swap_folder
from growthlab.core.errors import BundleError, ConfigError, near_matches
from growthlab.core.owned_folder import owned_folder
from growthlab.core.storage_faults import raise_if_storage_failed
from growthlab.registry.global_store import global_store

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

log = logging.getLogger(__name__)

FOLDERS = 6  # a bundle lies two folders below the model that it is stored with
MODEL = re.compile(r"models:/(?P<name>[^/@]+)(@(?P<alias>[^/@]+)|/(?P<version>\d+))")


@dataclass(frozen=True)
class Fetched:
    """The bundle in the folder now; `before` is the version of the bundle that was there, if any.

    `changed` is False where the model was there already: then nothing was written, and `as_exported`
    is False where its state is not the registered one, such as after a refresh.
    """

    manifest: Manifest
    registered: str  # <name> version <number>
    before: str | None
    changed: bool
    as_exported: bool = True


def fetch(
    model_uri: str,
    folder: str | Path,
    *,
    uri: str,
    client: MlflowClient | None = None,
    overwrite: bool = False,
) -> Fetched:
    """Put the bundle of `model_uri` (``models:/NAME@alias`` or ``models:/NAME/3``) into `folder`.

    It is downloaded next to the folder, checked with its signature where a signing key is set, and
    swapped in within one step, so that a running service finds the old or the new bundle. A model
    that is already there with newer histories (`growthlab refresh`) is kept; with `overwrite` its
    histories become those of the export again.

    Raises
    ------
    ConfigError
        No such model, alias or version, or the folder cannot be written.
    BundleError
        The bundle is broken or not signed, is not the registered one, or answers another task than
        the one in the folder; its known customers cannot be looked up with the pseudonym key here,
        while those of the folder can; or the folder holds something else. Nothing is changed then.
    """
    from mlflow import MlflowClient

    folder = Path(folder)
    client = client or MlflowClient(tracking_uri=uri, registry_uri=uri)
    version = _version(client, model_uri)
    registered = f"{version.name} version {version.version}"
    old = _bundle_in(folder)
    present = None if old is None else old.manifest
    promised = (version.tags or {}).get("bundle_version")
    if present is not None and present.version == promised:
        return Fetched(present, registered, present.version, changed=False)
    try:
        with owned_folder(folder.parent, folder.name) as work:
            new = bundle_of(version, work, uri=uri, to=folder)
            manifest = new.manifest
            if present is not None and present.task != manifest.task:
                raise BundleError(
                    f"{registered} answers {manifest.task}, and {folder} {present.task}: "
                    "give another to=..."
                )
            before = None if present is None else present.version
            same = present is not None and _model_files(present) == _model_files(manifest)
            if present is not None and same and not overwrite:
                as_exported = present.version == manifest.version
                return Fetched(present, registered, before, changed=False, as_exported=as_exported)
            if old is not None:
                _require_look_up(old, new, registered)
            swap_folder(new.folder, folder)
    except OSError as error:
        raise ConfigError(f"to={folder} cannot be written ({error.strerror})") from error
    log.info("%s is in %s", registered, folder)
    if new.no_lookup:
        log.warning("%s", new.no_lookup)
    return Fetched(manifest, registered, before, changed=True)


def bundle_of(
    version: ModelVersion, folder: Path, *, uri: str, to: str | Path = "FOLDER"
) -> Bundle:
    """The bundle of a registered version, downloaded to a new folder below `folder`.

    Where its known users cannot be looked up, its `no_lookup` says so without a warning. `to` is the
    folder that the error for an unsigned bundle names in its way out.

    Raises
    ------
    BundleError
        It is broken, not signed where a signing key is set, or not the registered one.
    """
    bundle = _downloaded(version, folder, uri)
    if signing_key() is not None and not is_signed(bundle):
        raise BundleError(
            f"the bundle of {version.name} version {version.version} is refused: it is not signed, "
            "and a signing key is set here: export and promote it again with the key, or vouch for "
            f"it: without {KEY_VARIABLE} and {KEY_FILE_VARIABLE} run growthlab fetch "
            f"model_uri=models:/{version.name}/{version.version} to={to}, then with the key "
            f"growthlab sign bundle={to}"
        )
    promised = (version.tags or {}).get("bundle_version")
    return _checked(bundle, promised, f"{version.name} version {version.version}")


def _version(client: MlflowClient, model_uri: str) -> ModelVersion:
    """The version that `model_uri` names."""
    from mlflow.exceptions import MlflowException

    match = MODEL.fullmatch(model_uri)
    if match is None:
        raise ConfigError(f"model_uri={model_uri}: write models:/NAME@champion or models:/NAME/3")
    name, alias = match["name"], match["alias"]
    try:
        if alias is None:
            return client.get_model_version(name, match["version"])
        return client.get_model_version_by_alias(name, alias)
    except MlflowException as error:
        known = {m.name: m.aliases for m in client.search_registered_models(max_results=1000)}
        if name not in known:
            raise ConfigError(f"model_uri={model_uri}: {near_matches(name, known)}") from error
        what = f"the alias {alias}" if alias else f"a version {match['version']}"
        aliases = ", ".join(f"@{a}" for a in sorted(known[name])) or "none"
        raise ConfigError(
            f"model_uri={model_uri}: {name} does not have {what}; its aliases: {aliases}"
        ) from error


def _bundle_in(folder: Path) -> Bundle | None:
    """The bundle in the folder; None where there is none, or a broken one to be replaced."""
    if not folder.exists():
        return None
    if not (folder / MANIFEST).is_file():
        raise BundleError(f"{folder} is no bundle and is not overwritten: give another to=...")
    try:
        return Bundle.load(folder, quiet=True)
    except BundleError:
        return None


def _downloaded(version: ModelVersion, folder: Path, uri: str) -> Path:
    """The version's bundle, in a new folder below `folder`; links and devices in it are refused."""
    from mlflow.artifacts import download_artifacts
    from mlflow.exceptions import MlflowException
    from mlflow.models import Model

    source = f"models:/{version.name}/{version.version}"
    try:
        with global_store(uri):
            path = Path(download_artifacts(artifact_uri=source, dst_path=str(folder / "model")))
        file_names(path, FOLDERS)
        parts = Model.load(str(path)).flavors["python_function"]["artifacts"]
        bundle, stored = folder / "bundle", path / parts["bundle"]["path"]
        if not stored.resolve().is_relative_to(path.resolve()):
            raise BundleError(f"{source} is refused: its bundle is outside of the model")
        shutil.move(stored, bundle)
    except (MlflowException, FileNotFoundError, KeyError, TypeError) as error:
        raise_if_storage_failed(error)
        reason = str(error).partition("\n")[0]
        raise BundleError(f"{source} holds no bundle of growthlab: {reason}") from error
    return bundle


def _checked(folder: Path, promised: str | None, registered: str) -> Bundle:
    """The bundle, after a check that it is whole, signed where a key is set, and the registered one."""
    try:
        bundle = Bundle.load(folder, quiet=True)
    except BundleError as error:
        reason = str(error).replace(str(folder), "it")
        raise BundleError(f"the bundle of {registered} is refused: {reason}") from error
    version = bundle.manifest.version
    if promised is not None and version != promised:
        raise BundleError(
            f"the bundle of {registered} is refused: it is {version}, and {promised} was "
            "registered; the stored files were changed"
        )
    return bundle


def _require_look_up(old: Bundle, new: Bundle, registered: str) -> None:
    """Raise a `BundleError` where customers who can be looked up now no longer could be afterwards."""
    if len(old.known_users) and not old.no_lookup and new.no_lookup:
        raise BundleError(
            f"{registered} does not replace {old.folder}, whose customers are known here: "
            f"for the new bundle, {new.no_lookup}"
        )


def _model_files(manifest: Manifest) -> dict[str, str]:
    """Checksums of the files that a refresh does not change."""
    kept = {n: f for n, f in manifest.files.items() if not n.startswith("state/")}
    return {n: str(f["sha256"]) for n, f in kept.items() if n != "model_card.md"}
