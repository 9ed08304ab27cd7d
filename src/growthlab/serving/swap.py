"""The models in use: champions, challengers and shadows by task, replaced while the service runs."""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from growthlab.bundle.bundle import Bundle
from growthlab.bundle.manifest import Manifest, bundle_folders
from growthlab.core.errors import BundleError, ConfigError, one_line
from growthlab.serving.bundle_loader import BundleLoader
from growthlab.serving.served_model import ServedModel, Variant
from growthlab.serving.service_options import ServiceOptions

log = logging.getLogger(__name__)

Fingerprint = tuple[tuple[str, int, int, int], ...]  # path, size, change time, inode of each file


@dataclass(frozen=True)
class LoadedFolder:
    """A loaded model with its folder as it was configured, and the folder's files as they were then."""

    variant: Variant
    folder: Path
    fingerprint: Fingerprint
    model: ServedModel


class ServedModels:
    """The models in use; `newer` checks the configured folders for changes.

    Raises
    ------
    BundleError
        At the start: there is no bundle, one is broken, or two answer the same task.
    ConfigError
        A challenger or shadow has no champion of its task.
    """

    def __init__(self, options: ServiceOptions, loader: BundleLoader) -> None:
        self._options = options
        named = {"champion": options.bundle, "challenger": options.challenger}
        named["shadow"] = options.shadow
        self._paths: dict[Variant, Path] = {v: Path(p) for v, p in named.items() if p}  # type: ignore[misc]
        self._loaded_folders: dict[tuple[Variant, str], LoadedFolder] = {}
        self._known_bad: dict[Path, Fingerprint] = {}
        self.refused: dict[str, str] = {}  # folder -> why its present content is not used
        self.swaps = 0
        self._salt = options.challenger_salt.encode()[:64]
        self._loader = loader
        for variant, path in self._paths.items():
            for folder in bundle_folders(path):
                self._put(self._load(variant, folder, _fingerprint(folder), self._loader.first))
        alone = [
            f"{v} of {t}"
            for v, t in self._loaded_folders
            if ("champion", t) not in self._loaded_folders
        ]
        if alone:
            raise ConfigError(f"there is no champion for the {alone[0]}: bundle=... needs one")

    @property
    def tasks(self) -> list[str]:
        """The tasks that are answered."""
        return [task for variant, task in self._loaded_folders if variant == "champion"]

    def __iter__(self) -> Iterator[tuple[Variant, str, ServedModel]]:
        """Each variant and task with its model."""
        for (variant, task), loaded in list(self._loaded_folders.items()):
            yield variant, task, loaded.model

    def of(self, variant: Variant, task: str) -> ServedModel | None:
        """The model, or None where there is none."""
        loaded = self._loaded_folders.get((variant, task))
        return loaded.model if loaded else None

    def model_for(self, task: str, customer: str) -> tuple[Variant, ServedModel] | None:
        """The model that answers a customer, always the same for a salt; None where the task has none."""
        champion = self.of("champion", task)
        if champion is None:
            return None
        challenger = self.of("challenger", task)
        if (
            challenger is not None
            and share_of(customer, self._salt) < self._options.challenger_share
        ):
            return "challenger", challenger
        return "champion", champion

    def newer(self) -> list[LoadedFolder]:
        """Changed bundles in the folders, tested and loaded; slow, and without effect on those in use.

        A folder with a broken bundle is listed in `refused` and tried again once its files change.
        """
        loaded: list[LoadedFolder] = []
        for variant, path in self._paths.items():
            for folder in self._present(variant, path):
                if self._loader.is_stopped:
                    return loaded
                newer = self._newer_in(variant, folder)
                if newer is not None:
                    loaded.append(newer)
        return loaded

    def put(self, newer: Sequence[LoadedFolder]) -> None:
        """Use these from now on; requests in flight end with the models they began with."""
        for loaded in newer:
            try:
                old = self._put(loaded)
            except BundleError as error:  # of two that arrived together the first is used
                self._refuse(loaded.folder, one_line(error))
                self._known_bad[loaded.folder] = loaded.fingerprint
                loaded.model.close()
                continue
            self.swaps += 1
            manifest = loaded.model.bundle.manifest
            log.info(
                "%s of %s is now %s, version %s",
                loaded.variant,
                manifest.task,
                manifest.model,
                manifest.version,
            )
            if old is not None:
                old.model.close()

    def close(self) -> None:
        """End the models' threads, and a test in progress."""
        self._loader.stop()
        for _, _, model in self:
            model.close()

    def _present(self, variant: Variant, path: Path) -> list[Path]:
        """The folders at `path`; models whose folder is gone are reported, and stay in use."""
        used = {p.folder for (v, _), p in self._loaded_folders.items() if v == variant}
        try:
            there = bundle_folders(path)
        except BundleError:
            there = []
        for folder in used - {f for f in there if f.is_dir()}:
            self._refuse(folder, "it is gone; the model that was loaded from it stays in use")
        return [f for f in there if f.is_dir()]

    def _newer_in(self, variant: Variant, folder: Path) -> LoadedFolder | None:
        """The model in `folder`, if it is another than the one in use and can replace it."""
        used = [
            p for (v, _), p in self._loaded_folders.items() if v == variant and p.folder == folder
        ]
        fingerprint: Fingerprint = ()
        try:
            fingerprint = _fingerprint(folder)
            if self._known_bad.get(folder) == fingerprint:
                return None
            if used and (
                fingerprint == used[0].fingerprint or _version(folder) == used[0].model.info.version
            ):
                self.refused.pop(str(folder), None)
                return None
            loaded = self._load(variant, folder, fingerprint, self._loader.next)
            task = loaded.model.task
            if used and used[0].model.task != task:
                raise BundleError(f"it answers {task}, and this folder {used[0].model.task}")
            if variant != "champion" and task not in self.tasks:
                raise BundleError(f"it answers {task}, which no champion does")
            if used and loaded.model.bundle.no_lookup and not used[0].model.bundle.no_lookup:
                raise BundleError(loaded.model.bundle.no_lookup)
            self._refuse_conflict(loaded)
        except Exception as error:  # whatever is wrong with it, the model in use stays
            if self._loader.is_stopped:
                return None
            self._refuse(folder, one_line(error))
            self._known_bad[folder] = fingerprint
            return None
        self.refused.pop(str(folder), None)
        return loaded

    def _refuse(self, folder: Path, why: str) -> None:
        if self.refused.get(str(folder)) != why:
            log.warning("%s is not used: %s", folder, why)
        self.refused[str(folder)] = why

    def _load(
        self,
        variant: Variant,
        folder: Path,
        fingerprint: Fingerprint,
        load: Callable[[Path], Bundle],
    ) -> LoadedFolder:
        """The model of a folder; a link is resolved once, so that all files are of one bundle."""
        at = folder.resolve() if folder.is_symlink() else folder
        return LoadedFolder(variant, folder, fingerprint, ServedModel(load(at), self._options))

    def _put(self, loaded: LoadedFolder) -> LoadedFolder | None:
        """Use a model from now on; the one that it replaces."""
        self._refuse_conflict(loaded)
        key = (loaded.variant, loaded.model.task)
        old = self._loaded_folders.get(key)
        self._loaded_folders[key] = loaded
        return old

    def _refuse_conflict(self, loaded: LoadedFolder) -> None:
        other = self._loaded_folders.get((loaded.variant, loaded.model.task))
        if other is not None and other.folder != loaded.folder:
            raise BundleError(
                f"{other.folder} and {loaded.folder} both answer {loaded.model.task}: "
                "name one of them"
            )
        names = {endpoint.name for endpoint in loaded.model.endpoints}
        for (variant, task), other in self._loaded_folders.items():
            taken = names & {endpoint.name for endpoint in other.model.endpoints}
            if variant == loaded.variant and task != loaded.model.task and taken:
                raise BundleError(
                    f"{other.folder} and {loaded.folder} would both be served at /{min(taken)}: "
                    "name one of them"
                )


def _version(folder: Path) -> str:
    return Manifest.read(folder).version


def share_of(customer: str, salt: bytes) -> float:
    """A number in [0, 1), always the same for a customer and evenly spread over customers."""
    digest = hashlib.blake2b(customer.encode(), digest_size=8, key=salt).digest()
    return int.from_bytes(digest, "big") / 2**64


def _fingerprint(folder: Path) -> Fingerprint:
    """Path, size, change time and inode of each file, which a change of the folder changes."""
    files = []
    for root, _, names in os.walk(folder.resolve()):
        for name in names:
            path = os.path.join(root, name)
            seen = os.lstat(path)
            files.append((path, seen.st_size, seen.st_mtime_ns, seen.st_ino))
    return tuple(sorted(files))
