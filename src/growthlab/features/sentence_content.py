"""Item content as sentence embeddings by an installed language model."""

from __future__ import annotations

import hashlib
import json
import logging
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from growthlab.core.errors import ConfigError, LackingDataError, one_line, quoted
from growthlab.core.file_settings import INPUT_FILE
from growthlab.core.histories import Catalogue
from growthlab.features.term_content import FIELDS, ContentVectors, unit_rows

log = logging.getLogger(__name__)

PARTS = tuple(
    f"sentence_transformers.models.{part}"
    for part in ("Transformer", "Pooling", "Normalize", "Dense")
)
SUFFIXES_OF_CODE = (".py", ".pyc", ".so", ".pkl", ".pickle")


@dataclass(frozen=True, kw_only=True)
class SentenceContent:
    """Vectors of length 1 from text, category path and attributes, embedded as one sentence.

    Reimers & Gurevych, "Sentence-BERT: Sentence Embeddings using Siamese BERT-Networks", EMNLP
    2019. `model` is a folder, or the name of a model of the package sentence-transformers that is
    stored on this machine, with ``@revision`` where one of several is meant; nothing is downloaded.
    """

    lasting: ClassVar[bool] = True

    model: str = field(metadata=INPUT_FILE)

    def __post_init__(self) -> None:
        if not self.model:
            raise ConfigError(
                "model.content.model is empty: name a folder, or a model that is installed"
            )

    def vectors(self, catalogue: Catalogue) -> ContentVectors:
        """Dense vectors; their `source` names the model and its revision.

        Raises
        ------
        ConfigError
            The package is not installed, or the model not on this machine.
        DataError
            No item has any content.
        """
        sentences = _sentences(catalogue)
        if not any(sentences):
            raise LackingDataError(
                f"content needs items with text, category or attributes, this catalogue of "
                f"{len(catalogue)} items has none: give the data an items table"
            )
        matrix, revision = _encoded(self.model, tuple(sentences))
        source = f"sentence embedding by {self.model.partition('@')[0]}@{revision}"
        log.info("item content: %s, %d dimensions", source, matrix.shape[1])
        return ContentVectors(matrix, source)


def _sentences(catalogue: Catalogue) -> list[str]:
    """One sentence an item: its text, category and attributes; empty without content."""
    columns = [getattr(catalogue, name) for name in FIELDS if getattr(catalogue, name) is not None]
    rows = zip(*columns, strict=True) if columns else [()] * len(catalogue)
    spaced = str.maketrans({"|": ", ", "=": " ", ">": ","})
    return [
        ". ".join(part for part in (str(value).translate(spaced).strip() for value in row) if part)
        for row in rows
    ]


@lru_cache(maxsize=2)  # inner fold, refit and all trials of a search embed the same items
def _encoded(name: str, sentences: tuple[str, ...]) -> tuple[np.ndarray, str]:
    """Vectors of the sentences, zero for an empty one, and the revision of the model."""
    model, revision = _installed(name)
    known = np.array([bool(s) for s in sentences])
    embeddings = model.encode(
        [s for s in sentences if s], show_progress_bar=False, convert_to_numpy=True
    )
    matrix = np.zeros((len(sentences), embeddings.shape[1]), dtype=np.float32)
    matrix[known] = embeddings
    matrix = unit_rows(matrix)
    matrix.flags.writeable = False
    return matrix, revision


def _installed(name: str) -> tuple[Any, str]:
    """The model of that name and its revision, without asking the network for it."""
    try:
        from sentence_transformers import SentenceTransformer
    except ImportError as error:
        raise ConfigError(
            f"model.content.model={name} needs the package sentence-transformers: "
            "pip install 'growthlab[text]', or choose content@model.content=tf_idf"
        ) from error
    address, _, revision = name.partition("@")
    folder = Path(address).expanduser()
    if folder.is_dir():
        _refuse_code(folder)
        return SentenceTransformer(str(folder), local_files_only=True), _digest(folder)
    try:
        model = SentenceTransformer(address, revision=revision or None, local_files_only=True)
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"model.content.model={name} is neither a folder nor a model stored on this machine: fetch "
            f"it first, or give its folder ({one_line(error)})"
        ) from error
    return model, revision or _commit(model)


def _refuse_code(folder: Path) -> None:
    """Raise a `ConfigError` for a folder whose parts are not the package's own, or that holds code.

    The package imports the classes that ``modules.json`` names, and runs Python files beside it.
    """
    for path in sorted(folder.rglob("*")):
        if path.suffix in SUFFIXES_OF_CODE:
            raise ConfigError(
                f"model.content.model={folder} holds {path.relative_to(folder)}, which loading would "
                "run: only folders with settings, vocabulary and weights are read"
            )
        if path.suffix == ".json" and path.is_file():
            _refuse_named_code(path, folder)


def _refuse_named_code(path: Path, folder: Path) -> None:
    """Raise a `ConfigError` for a settings file that names classes of other packages."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"model.content.model={folder}: {path.name} cannot be read") from error
    settings = content if isinstance(content, dict) else {}
    named = [key for key in ("auto_map", "types", "structure") if key in settings]
    activation = str(settings.get("activation_function", "torch.nn."))
    if not activation.startswith("torch.nn."):
        named.append(activation)
    if path.name == "modules.json":
        modules = [m.get("type") if isinstance(m, dict) else None for m in content or [None]]
        named += [str(m) for m in modules if m not in PARTS]
    for name in named:
        raise ConfigError(
            f"model.content.model={folder}: {path.name} names {quoted(name)}, whose code would run: "
            f"possible are {', '.join(PARTS)}"
        )


def _commit(model: Any) -> str:
    """The commit of the stored model, if known."""
    inner = getattr(model[0], "auto_model", None)
    return str(getattr(getattr(inner, "config", None), "_commit_hash", None) or "unknown")


def _digest(folder: Path) -> str:
    """The first 12 digits of the SHA-256 of the folder's files and their names."""
    digest = hashlib.sha256()
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        with path.open("rb") as file:
            content = hashlib.file_digest(file, "sha256").hexdigest()
        digest.update(f"{path.relative_to(folder).as_posix()}\0{content}\n".encode())
    return digest.hexdigest()[:12]
