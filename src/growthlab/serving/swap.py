"""The models in use: champions, challengers and shadows by task, and newer ones put in their places."""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from growthlab.bundle.manifest import Manifest, bundle_folders
from growthlab.core.errors import BundleError, ConfigError, one_line
from growthlab.serving.served_model import Model
from growthlab.serving.service_options import ServiceOptions

log = logging.getLogger(__name__)

Variant = Literal["champion", "challenger", "shadow"]
Mark = tuple[tuple[str, int, int, int], ...]  # name, size, time of change and inode of each file


@dataclass(frozen=True)
class Place:
    """Where a model came from: a folder as it was named, and how its files looked when read."""

    variant: Variant
    folder: Path
    mark: Mark
    model: Model


class Models:
    """The models in use. What the configured folders hold is looked at again by `newer`.

    Raises
    ------
    BundleError
        At the start: no bundle is there, one is broken, or two answer the same task.
    ConfigError
        A challenger or shadow has no champion beside it.
    """

    def __init__(self, options: ServiceOptions) -> None:
        self._options = options
        named = {"champion": options.bundle, "challenger": options.challenger}
        named["shadow"] = options.shadow
        self._paths: dict[Variant, Path] = {v: Path(p) for v, p in named.items() if p}  # type: ignore[misc]
        self._places: dict[tuple[Variant, str], Place] = {}
        self._given_up: dict[Path, Mark] = {}
        self.refused: dict[str, str] = {}  # folder -> why what lies there now is not used
        self.swaps = 0
        self._salt = options.challenger_salt.encode()[:64]
        for variant, path in self._paths.items():
            for folder in bundle_folders(path):
                self._put(self._loaded(variant, folder, _mark(folder)))
        alone = [f"{v} of {t}" for v, t in self._places if ("champion", t) not in self._places]
        if alone:
            raise ConfigError(f"no champion beside the {alone[0]}: bundle=... needs one")

    @property
    def tasks(self) -> list[str]:
        """The tasks that are answered."""
        return [task for variant, task in self._places if variant == "champion"]

    def __iter__(self) -> Iterator[tuple[Variant, str, Model]]:
        """Each variant and task with its model."""
        for (variant, task), place in list(self._places.items()):
            yield variant, task, place.model

    def of(self, variant: Variant, task: str) -> Model | None:
        """The model, or None where there is none."""
        place = self._places.get((variant, task))
        return place.model if place else None

    def for_whom(self, task: str, who: str) -> tuple[Variant, Model] | None:
        """Who answers `who`, always the same for the same salt; None where nobody does the task."""
        champion = self.of("champion", task)
        if champion is None:
            return None
        challenger = self.of("challenger", task)
        if challenger is not None and share_of(who, self._salt) < self._options.challenger_share:
            return "challenger", challenger
        return "champion", champion

    def newer(self) -> list[Place]:
        """What lies changed in the folders, loaded and proved; takes its time, changes nothing in use.

        A folder with something broken is told in `refused` and tried again once its files change.
        """
        found = []
        for variant, path in self._paths.items():
            for folder in self._present(variant, path):
                place = self._newer_in(variant, folder)
                if place is not None:
                    found.append(place)
        return found

    def put(self, places: Sequence[Place]) -> None:
        """Use these from now on; requests that are under way end with the models they began with."""
        for place in places:
            try:
                old = self._put(place)
            except BundleError as error:  # of two that came together the first is used
                self._refuse(place.folder, one_line(error))
                self._given_up[place.folder] = place.mark
                place.model.close()
                continue
            self.swaps += 1
            manifest = place.model.bundle.manifest
            log.info(
                "%s of %s is now %s, version %s",
                place.variant,
                manifest.task,
                manifest.model,
                manifest.version,
            )
            if old is not None:
                old.model.close()

    def close(self) -> None:
        """Let the models' threads end."""
        for _, _, model in self:
            model.close()

    def _present(self, variant: Variant, path: Path) -> list[Path]:
        """The folders at `path`; those in use that are gone are told, and stay in use."""
        used = {p.folder for (v, _), p in self._places.items() if v == variant}
        try:
            there = bundle_folders(path)
        except BundleError:
            there = []
        for folder in used - {f for f in there if f.is_dir()}:
            self._refuse(folder, "it is gone; the model that was loaded from it stays")
        return [f for f in there if f.is_dir()]

    def _newer_in(self, variant: Variant, folder: Path) -> Place | None:
        """The model in `folder` where it is another than the one in use, and a good one."""
        used = [p for (v, _), p in self._places.items() if v == variant and p.folder == folder]
        mark: Mark = ()
        try:
            mark = _mark(folder)
            if self._given_up.get(folder) == mark:
                return None
            if used and (mark == used[0].mark or _version(folder) == used[0].model.info.version):
                self.refused.pop(str(folder), None)
                return None
            place = self._loaded(variant, folder, mark)
            task = place.model.task
            if used and used[0].model.task != task:
                raise BundleError(f"it answers {task}, and this folder {used[0].model.task}")
            if variant != "champion" and task not in self.tasks:
                raise BundleError(f"it answers {task}, which no champion does")
            if used and place.model.bundle.no_lookup and not used[0].model.bundle.no_lookup:
                raise BundleError(place.model.bundle.no_lookup)
            self._refuse_two(place)
        except Exception as error:  # whatever is wrong with it: the one in use stays
            self._refuse(folder, one_line(error))
            self._given_up[folder] = mark
            return None
        self.refused.pop(str(folder), None)
        return place

    def _refuse(self, folder: Path, why: str) -> None:
        if self.refused.get(str(folder)) != why:
            log.warning("%s is not used: %s", folder, why)
        self.refused[str(folder)] = why

    def _loaded(self, variant: Variant, folder: Path, mark: Mark) -> Place:
        """The model of a folder; of a link, where it leads to now: one bundle as a whole."""
        at = folder.resolve() if folder.is_symlink() else folder
        return Place(variant, folder, mark, Model.load(at, self._options))

    def _put(self, place: Place) -> Place | None:
        """Put a model in its place; what was there before."""
        self._refuse_two(place)
        key = (place.variant, place.model.task)
        old = self._places.get(key)
        self._places[key] = place
        return old

    def _refuse_two(self, place: Place) -> None:
        other = self._places.get((place.variant, place.model.task))
        if other is not None and other.folder != place.folder:
            raise BundleError(
                f"{other.folder} and {place.folder} both answer {place.model.task}: "
                "name one of them"
            )
        names = {endpoint.name for endpoint in place.model.endpoints}
        for (variant, task), other in self._places.items():
            taken = names & {endpoint.name for endpoint in other.model.endpoints}
            if variant == place.variant and task != place.model.task and taken:
                raise BundleError(
                    f"{other.folder} and {place.folder} would both be served at /{min(taken)}: "
                    "name one of them"
                )


def _version(folder: Path) -> str:
    return Manifest.read(folder).version


def share_of(who: str, salt: bytes) -> float:
    """A number in [0, 1) that is always the same for `who`, and evenly spread over people."""
    digest = hashlib.blake2b(who.encode(), digest_size=8, key=salt).digest()
    return int.from_bytes(digest, "big") / 2**64


def _mark(folder: Path) -> Mark:
    """How the files of a folder look from outside."""
    found = []
    for root, _, names in os.walk(folder.resolve()):
        for name in names:
            path = os.path.join(root, name)
            seen = os.stat(path)
            found.append((path, seen.st_size, seen.st_mtime_ns, seen.st_ino))
    return tuple(sorted(found))
