"""Published data sets: where they are, under which licence, and the checksums of their files."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from growthlab.core.errors import ConfigError, DataError, quoted
from growthlab.core.path_names import is_path_name
from growthlab.data.fetched_files import fetch_files


@dataclass(frozen=True)
class PublishedFile:
    """A file of a data set: its name here, its address, and the SHA-256 of its content."""

    name: str
    url: str
    sha256: str

    def is_whole(self, path: Path) -> bool:
        """Whether the file lies there with the content that was published."""
        if not path.is_file():
            return False
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == self.sha256


@dataclass(frozen=True)
class PublishedData:
    """A data set by its name in ``conf/data``; without `files` it must be made from what `page` offers."""

    name: str
    title: str
    page: str
    licence: str
    files: tuple[PublishedFile, ...] = ()

    @classmethod
    def of(cls, name: str, node: Mapping[str, Any]) -> Self:
        """The data set of a file of ``conf/published``; ConfigError where it is none."""
        try:
            files = tuple(
                PublishedFile(str(file), str(about["url"]), str(about["sha256"]))
                for file, about in (node["files"] or {}).items()
            )
            return cls(name, str(node["title"]), str(node["page"]), str(node["licence"]), files)
        except (KeyError, TypeError, AttributeError) as error:
            raise ConfigError(f"conf/published/{name}.yaml has no {quoted(str(error))}") from None

    def folder(self, to: Path) -> Path:
        """Where its files are."""
        return to / self.name

    def is_there(self, to: Path) -> bool:
        """Whether all files are there, whole."""
        folder = self.folder(to)
        return bool(self.files) and all(f.is_whole(folder / f.name) for f in self.files)

    def fetch(self, to: Path) -> list[Path]:
        """The paths of its files, each fetched unless it is there.

        Raises
        ------
        ConfigError
            It cannot be fetched, since its files have to be made first, or the folder cannot be written.
        DataError
            An address cannot be read, or gives another file; the line says where to put it by hand.
        """
        if not self.files:
            raise ConfigError(
                f"{self.name} cannot be fetched: take it from {self.page}, and name your file with "
                f"data={self.name} data.path=FILE; growthlab prepare data={self.name} says what it reads"
            )
        return [self._fetched(file, self.folder(to) / file.name) for file in self.files]

    def _fetched(self, file: PublishedFile, path: Path) -> Path:
        if not is_path_name(file.name):
            raise ConfigError(f"{self.name}: {quoted(file.name)} is no name of a file")
        if file.is_whole(path):
            return path
        if not file.url.startswith(("https://", "http://")):
            raise ConfigError(
                f"{self.name}: {quoted(file.url)} must begin with https:// or http://"
            )
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=path.parent) as scratch:
                new = fetch_files(file.url, Path(scratch))
                if not file.is_whole(new):
                    raise DataError(f"{file.url} is not the file that was published (SHA-256)")
                new.replace(path)
        except DataError as error:
            raise DataError(f"{error}: put the file of {file.url} at {path} yourself") from None
        except OSError as error:
            raise ConfigError(f"to={path.parent} cannot be written ({error.strerror})") from error
        return path
