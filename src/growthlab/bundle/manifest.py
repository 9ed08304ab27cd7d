"""Manifest: what a bundle says about itself, and the checksums of its files."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, fields
from importlib.metadata import version
from pathlib import Path
from typing import Any, Self

from growthlab.bundle.answer_kinds import AnswerKind, TaskAnswer
from growthlab.bundle.bundle_files import (
    LARGEST_JSON,
    file_names,
    read_file,
    read_json,
    sha256_of,
)
from growthlab.bundle.manifest_schema import MANIFEST_VALUES, required_names, wrong_value
from growthlab.core.errors import BundleError, quoted
from growthlab.core.path_names import is_path_name
from growthlab.core.pseudonyms import PLAIN

SCHEMA_VERSION = 3  # 1: without `answer`; 2: without `user_ids`
MANIFEST = "manifest.json"
SIGNATURE = "manifest.sig"  # of the manifest, in the same folder
MOST_EARLIER = 400  # earlier versions that a manifest keeps: more than a year of nightly refreshes
READERS = 4  # files whose checksums are computed in parallel
SEAL = "seal"  # the checksum of everything else in the manifest
# The only tasks that there were when manifests did not say what they answer.
SCHEMA_1_ANSWERS: Mapping[str, TaskAnswer] = {
    "top_n": TaskAnswer(
        kind=AnswerKind.LIST,
        endpoint="recommend",
        item_endpoint="similar",
        summary="A list of items for a known user, a history, a basket, or nobody.",
        intended_use=(
            "Ranks the catalogue for one customer: recommendations on pages and in messages."
        ),
        caveat="Scores are comparable within one list only; they are no probabilities of a purchase.",
    ),
    "churn": TaskAnswer(
        kind=AnswerKind.PROBABILITY,
        endpoint="churn",
        field="churn_probability",
        summary="The probability that a customer buys nothing within the horizon.",
        intended_use="Gives the probability that a customer buys nothing within the horizon.",
        caveat="It says who may leave, not whom a contact would keep: that needs an experiment.",
    ),
    "value": TaskAnswer(
        kind=AnswerKind.AMOUNT,
        endpoint="value",
        field="expected_value",
        summary="The revenue expected of a customer within the horizon.",
        intended_use="Gives the revenue expected of a customer within the horizon.",
        caveat=(
            "It is neither a margin nor a credit score, and says nothing of a single customer's luck."
        ),
    ),
}


NAMES_OF_FOLDERS = ("task", "model", "data")  # reports and runs are kept under them


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """Where an exported model comes from, and what it answers.

    `metrics` are those after the cutoff, each with value, low and high (None where there is none),
    `valid` those on the validation window, `baselines` the values of simple models. `seed` is the
    seed of the fit, `tie_seed` that of the key that breaks ties. `cutoff` is in ISO form, naive UTC.
    `user_ids` says what the data set named its customers by: ``plain`` for raw ids, or ``pseudonym``.
    """

    task: str
    answer: TaskAnswer
    model: str  # its yaml name without the family
    data: str
    data_digest: str
    split: str
    seed: int = 0
    tie_seed: int = 0
    run_id: str | None = None
    cutoff: str | None = None
    horizon_days: float | None = None
    filter_seen: str = "none"
    filter_seen_reason: str = ""
    history_events: tuple[str, ...] = ()
    target_events: tuple[str, ...] = ()
    metrics: Mapping[str, Mapping[str, float | None]] = field(default_factory=dict)
    valid: Mapping[str, float | None] = field(default_factory=dict)
    baselines: Mapping[str, Mapping[str, float | None]] = field(default_factory=dict)
    code_version: str = ""
    user_ids: str = PLAIN


@dataclass(frozen=True, kw_only=True)
class Manifest(Provenance):
    """The provenance, and what the bundle holds.

    `kind` names the scorer; `files` holds SHA-256 and size of every other file; `key_fingerprint`
    identifies the key that made the state's pseudonyms, within `namespace`; `counts` are sizes such
    as n_items. The model has seen events up to `cutoff`, the state of known users up to
    `state_cutoff` where it was `refreshed`; `earlier` are the versions before the refreshes, the
    oldest first, each with the cutoff of its state.
    """

    kind: str
    created: str
    namespace: str
    key_fingerprint: str
    versions: Mapping[str, str]
    counts: Mapping[str, int]
    files: Mapping[str, Mapping[str, Any]]
    schema_version: int = SCHEMA_VERSION
    state_cutoff: str | None = None  # of the refreshed state; in the form of `cutoff`
    refreshed: str | None = None
    index: Mapping[str, Any] | None = None  # of the item vectors: library, probes, recall
    earlier: Mapping[str, str | None] = field(default_factory=dict)

    @property
    def version(self) -> str:
        """A name for exactly these files: 12 hex digits."""
        sums = "\n".join(f"{name} {self.files[name]['sha256']}" for name in sorted(self.files))
        return hashlib.sha256(sums.encode()).hexdigest()[:12]

    @property
    def digest(self) -> str:
        """A name for exactly this manifest, and so for all files: 64 hex digits, in one release only."""
        return hashlib.sha256(repr(self).encode()).hexdigest()

    @property
    def states(self) -> dict[str, str | None]:
        """The cutoff of each state of the model by version: the `earlier` ones, then the present one.

        None: the state has no cutoff, since its events have no times.
        """
        earlier = {name: cutoff for name, cutoff in self.earlier.items() if name != self.version}
        return {**earlier, self.version: self.state_cutoff or self.cutoff}

    def write(self, folder: Path) -> None:
        """Write ``manifest.json`` with a checksum of itself; NaN becomes null."""
        text = manifest_text(_without_nan(asdict(self)))
        (folder / MANIFEST).write_text(text, encoding="utf-8")

    @classmethod
    def read(cls, folder: Path) -> Self:
        """The manifest of the bundle in `folder`.

        Raises
        ------
        BundleError
            There is no bundle, the manifest was changed or cannot be read, or its schema is newer.
        """
        path = folder / MANIFEST
        if not path.is_file():
            raise BundleError(f"{folder} is no bundle: it has no {MANIFEST}")
        content = read_json(path)
        schema = content.get("schema_version") if isinstance(content, dict) else None
        if type(schema) is not int:
            raise BundleError(f"{path} is corrupted: it has no schema_version; export it again")
        if schema > SCHEMA_VERSION:
            raise BundleError(
                f"{folder} is a bundle of schema {schema}, growthlab {version('growthlab')} reads "
                f"up to {SCHEMA_VERSION}: upgrade growthlab, or export the model with this version"
            )
        try:
            text = read_file(path, LARGEST_JSON).decode()
            if content.get(SEAL) != seal_of(content) or text != manifest_text(content):
                raise ValueError("it was changed after it was written")
            content.pop(SEAL)
            if schema < 2:
                content = _with_answer(content)
            if wrong := wrong_value(content, MANIFEST_VALUES, required_names(fields(cls))):
                raise ValueError(wrong)
            for name in NAMES_OF_FOLDERS:
                if not is_path_name(content[name]):
                    raise ValueError(f"{name} is {quoted(content[name])}, not a name")
            content["answer"] = TaskAnswer(**content["answer"])
            content["schema_version"] = SCHEMA_VERSION
            return cls(**{n: _frozen(v) for n, v in content.items()})
        except (TypeError, KeyError, ValueError, OSError) as error:
            raise BundleError(f"{path} is corrupted: {error}; export the model again") from error

    def verify(self, folder: Path, *, checksums: bool = True) -> None:
        """Check that `folder` holds exactly the files of the manifest, unchanged.

        Raises
        ------
        BundleError
            A file is missing, extra, no regular one, or of another size or (with `checksums`)
            content.
        """
        present = file_names(folder) - {MANIFEST, SIGNATURE}
        for wrong, names in (
            ("is missing from", sorted(set(self.files) - present)),
            ("does not belong to", sorted(present - set(self.files))),
        ):
            if names:
                raise BundleError(f"{names[0]} {wrong} the bundle {folder}: export the model again")
        paths = [folder / name for name in self.files]
        try:
            sizes = [path.stat().st_size for path in paths]
            sums = _sums(paths) if checksums else [None] * len(paths)
        except OSError as error:  # such as a file that is being replaced
            raise BundleError(f"{error.filename} cannot be read: {error.strerror}") from error
        for path, size, checksum, known in zip(
            paths, sizes, sums, self.files.values(), strict=True
        ):
            same = isinstance(known, dict) and known.get("size") == size
            if not same or (checksums and known.get("sha256") != checksum):
                raise BundleError(
                    f"{path} is corrupted: its checksum is not that of the manifest; "
                    "copy the bundle again, or export the model again"
                )


def _with_answer(content: Mapping[str, Any]) -> dict[str, Any]:
    """The content of a manifest of schema 1 with what it lacks."""
    answer = SCHEMA_1_ANSWERS.get(str(content.get("task")))
    if answer is None:
        possible = ", ".join(SCHEMA_1_ANSWERS)
        raise ValueError(f"schema 1 has no task {content.get('task')!r}, only {possible}")
    return {**content, "answer": asdict(answer)}


def bundle_folders(path: Path) -> list[Path]:
    """The bundle folders at or directly under `path`; a path that is no folder is returned.

    Raises
    ------
    BundleError
        There is none.
    """
    if (path / MANIFEST).is_file() or not path.is_dir():
        return [path]
    folders = sorted(
        p.parent for p in path.glob(f"*/{MANIFEST}") if not p.parent.name.startswith(".")
    )
    if not folders:
        raise BundleError(f"{path} is no bundle, and no folder of bundles: it has no {MANIFEST}")
    return folders


def checksums_of(folder: Path) -> dict[str, dict[str, Any]]:
    """SHA-256 and size of every file under `folder` but the manifest and its signature, by name."""
    paths = [folder / name for name in sorted(file_names(folder) - {MANIFEST, SIGNATURE})]
    return {
        p.relative_to(folder).as_posix(): {"sha256": checksum, "size": p.stat().st_size}
        for p, checksum in zip(paths, _sums(paths), strict=True)
    }


def _sums(paths: Iterable[Path]) -> list[str]:
    """The SHA-256 of each file, read in parallel."""
    with ThreadPoolExecutor(READERS) as pool:
        return list(pool.map(sha256_of, paths))


def manifest_text(content: Mapping[str, Any]) -> str:
    """The manifest's file with these values and their seal: the only layout that is read."""
    sealed = {**content, SEAL: seal_of(content)}
    return json.dumps(sealed, indent=2, ensure_ascii=False) + "\n"


def seal_of(content: Mapping[str, Any]) -> str:
    """SHA-256 of a manifest's content, whatever its layout and without the seal itself."""
    sealed = {name: value for name, value in content.items() if name != SEAL}
    return hashlib.sha256(json.dumps(sealed, sort_keys=True).encode()).hexdigest()


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _without_nan(value: Any) -> Any:
    """The same nested value, None for every number that JSON cannot hold."""
    if isinstance(value, Mapping):
        return {k: _without_nan(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_without_nan(v) for v in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
