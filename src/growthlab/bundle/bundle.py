"""Bundle: an exported model as it is loaded and answers requests."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np

from growthlab.bundle.answers import (
    Prediction,
    PredictRequest,
    Recommendation,
    RecommendRequest,
)
from growthlab.bundle.bundle_files import read_arrays, read_file
from growthlab.bundle.customer_names import CustomerNames
from growthlab.bundle.example_request import read_example
from growthlab.bundle.item_index import open_index
from growthlab.bundle.list_maker import NO_NAMES, NO_RULES, ListMaker
from growthlab.bundle.manifest import MANIFEST, Manifest
from growthlab.bundle.predictor import Predictor
from growthlab.bundle.request_groups import needs_profile
from growthlab.bundle.signing import check_signature
from growthlab.core.array_schema import FLOAT, ArraySchema, Schema, check_arrays
from growthlab.core.errors import AnswerError, BundleError, GrowthlabError, one_line
from growthlab.core.histories import UNKNOWN, Catalogue, Histories, codes_of
from growthlab.core.histories_schema import CATALOGUE_SCHEMA, HISTORIES_SCHEMA
from growthlab.core.pseudonyms import PseudonymKey, find_key
from growthlab.ranking.rules import Rules
from growthlab.scorers.base import Factored
from growthlab.scorers.content_profile import ContentProfile
from growthlab.scorers.dense_content_profile import DenseContentProfile
from growthlab.scorers.load import load_scorer

log = logging.getLogger(__name__)

MODEL = "model.npz"
EXAMPLE = "request.json"
CATALOGUE = "catalogue.npz"
CONTENT = "content.npz"  # content vectors of the items, where the model has none itself
FALLBACK = "fallback.npz"
HISTORIES = "state/histories.npz"
CUSTOMERS = "state/customers.npz"
ITEMS = "state/items.npz"  # price and stock at the last refresh
RELOADS = 5
LARGEST_MODEL_FILE = 2**30  # bytes of a network or of trees
LONGEST_REASON = 300  # characters of a library's message
FEATURE = "feature."  # prefix of a customer table's columns
FACTS: Schema = {name: CATALOGUE_SCHEMA[name] for name in ("price", "in_stock")}
CUSTOMER_ROWS: Schema = {
    "user_ids": ArraySchema(dtypes=("text",), shape=("n_users",), order="increasing"),
    f"{FEATURE}*": ArraySchema(dtypes=(*FLOAT, "text"), shape=("n_users",), nan=True),
}


@dataclass(frozen=True)
class Bundle:
    """An exported model with all that it needs to answer.

    The state of known users is stored under pseudonyms and can only be looked up with the key it was
    written with. `no_lookup` says in one line why that is impossible here; empty where it is not.
    """

    manifest: Manifest
    folder: Path
    known_users: np.ndarray  # (n_known,) pseudonyms, sorted
    key: PseudonymKey | None
    no_lookup: str
    example: tuple[RecommendRequest | PredictRequest, int]  # the exported request; 0: no list
    list_maker: ListMaker | None = None
    predictor: Predictor | None = None
    by_data_ids: bool = False  # requests name customers as the data set does, not by raw ids

    @classmethod
    def load(
        cls, folder: str | Path, *, verify: bool = True, quiet: bool = False, mapped: bool = False
    ) -> Self:
        """The bundle in `folder`; without `verify` only names and sizes of its files are checked.

        A warning says where known users cannot be looked up, unless `quiet`. With `mapped` the model's
        large arrays and the index stay in their files; see `read_arrays`.

        Raises
        ------
        BundleError
            No bundle, a corrupted, missing or extra file, a newer schema, an unknown kind of model;
            where a signing key is set, no signature or a wrong one.
        """
        folder = Path(folder)
        for last in (*[False] * RELOADS, True):
            before = _manifest_bytes(folder)
            try:
                loaded = cls._load(folder, verify, mapped)
            except BundleError:
                if last or _manifest_bytes(folder) == before:
                    raise
            else:
                if last or _manifest_bytes(folder) == before:
                    if loaded.no_lookup and not quiet:
                        log.warning("%s", loaded.no_lookup)
                    return loaded
            # a refresh or an export replaced the bundle meanwhile: some parts may be the old ones
        raise AssertionError("the last attempt returns or raises")

    @classmethod
    def _load(cls, folder: Path, verify: bool, mapped: bool) -> Self:
        manifest = Manifest.read(folder)
        check_signature(folder)
        manifest.verify(folder, checksums=verify)
        try:
            return cls._read(folder, manifest, mapped)
        except BundleError:
            raise
        except Exception as error:  # whatever a library says of foreign bytes
            reason = one_line(error)[:LONGEST_REASON]
            raise BundleError(f"{folder} cannot be read: {reason}; export it again") from error

    @classmethod
    def _read(cls, folder: Path, manifest: Manifest, mapped: bool) -> Self:
        """The checked bundle's parts."""
        files = {
            name: read_file(folder / name, LARGEST_MODEL_FILE)
            for name in manifest.files
            if "/" not in name and Path(name).suffix in (".onnx", ".txt")
        }
        key, no_lookup = _key_for(manifest)
        maker = predictor = None
        if manifest.answer.kind.is_list:
            known, maker = _list_maker(folder, manifest, files, mapped)
        else:
            known, predictor = _predictor(folder, manifest, files)
        columns = None if predictor is None else predictor.scorer.columns
        example = read_example(folder / EXAMPLE, columns)
        return cls(manifest, folder, known, key, no_lookup, example, maker, predictor)

    def filtering(self, filter_seen: str | None) -> Self:
        """The same bundle with another policy for seen items; None: the one it was evaluated with."""
        if filter_seen is None or self.list_maker is None:
            return self
        return replace(self, list_maker=replace(self.list_maker, filter_seen=filter_seen))

    def recommend(
        self, requests: Sequence[RecommendRequest], k: int = 10, rules: Rules = NO_RULES
    ) -> list[Recommendation]:
        """A list of at most `k` items for each request, in the order of the requests.

        `rules` hold for all of them, together with each request's own. The state is read only for
        requests about a stored customer.

        Raises
        ------
        BundleError
            The bundle answers with a number, `k` is below 1, a `filter_seen` is unknown, or a rule
            needs what the catalogue does not have.
        AnswerError
            The model fails, or a score is not finite.
        """
        if self.list_maker is None:
            raise self._wrong_kind("lists of items")
        users = [r.user_id if needs_profile(r) else None for r in requests]
        with self._answering():
            return self.list_maker.lists(self._as_in_data(requests), self.places(users), k, rules)

    def _as_in_data(self, requests: Sequence[RecommendRequest]) -> Sequence[RecommendRequest]:
        """The requests with the ids of the model's data set, which order ties."""
        if self.by_data_ids or self.names is None or not self.names.are_those_of_the_data:
            return requests
        users = self.names.of_raw(r.user_id or "" for r in requests)
        named = zip(requests, users, strict=True)
        return [replace(r, user_id=str(u)) if r.user_id is not None else r for r, u in named]

    def answer(
        self,
        requests: Sequence[RecommendRequest] | Sequence[PredictRequest],
        k: int = 10,
        rules: Rules = NO_RULES,
    ) -> list[Recommendation] | list[Prediction]:
        """What `recommend` or `predict` answers, by the bundle's kind of answer."""
        if self.list_maker is None:
            return self.predict(requests)  # type: ignore[arg-type]
        return self.recommend(requests, k, rules)  # type: ignore[arg-type]

    def predict(self, requests: Sequence[PredictRequest]) -> list[Prediction]:
        """The task's number for each request, in order.

        Raises
        ------
        BundleError
            The bundle answers with lists, or a feature is unknown or of a wrong type.
        AnswerError
            The model fails, or its number is not finite.
        """
        if self.predictor is None:
            raise self._wrong_kind("a number for each customer")
        with self._answering():
            return self.predictor.predictions(requests, self.places([r.user_id for r in requests]))

    @contextmanager
    def _answering(self) -> Iterator[None]:
        """Inside, whatever the model raises is an `AnswerError`."""
        try:
            yield
        except GrowthlabError:
            raise
        except ModuleNotFoundError as error:
            missing = f"{self.folder} needs {error.name}, which is not installed"
            raise BundleError(f"{missing}: pip install {error.name}") from error
        except Exception as error:
            raise AnswerError(
                f"{self.folder} fails to answer: {one_line(error)[:LONGEST_REASON]}"
            ) from error

    def customer_request(self, user_id: str) -> RecommendRequest | PredictRequest:
        """The request for one customer, of the kind that the bundle answers."""
        return PredictRequest(user_id) if self.list_maker is None else RecommendRequest(user_id)

    def _wrong_kind(self, wanted: str) -> BundleError:
        """The error for a request of another kind than the bundle answers."""
        manifest = self.manifest
        return BundleError(
            f"{self.folder} answers {manifest.task} with {manifest.answer.kind.noun}, not {wanted}"
        )

    @property
    def names(self) -> CustomerNames | None:
        """How customers are named; None without the key."""
        if self.key is None:
            return None
        return CustomerNames(self.key, self.manifest.namespace, self.manifest.user_ids)

    def asked_by_data_ids(self) -> Self:
        """The same bundle for requests that name customers as the model's data set does."""
        return replace(self, by_data_ids=True)

    def stored_names(self, user_ids: Sequence[str | None]) -> list[str | None] | None:
        """The name of each customer in the state, None for None; None without the key."""
        if self.names is None:
            return None
        given = [i for i in user_ids if i is not None]
        names = self.names.of_data(given) if self.by_data_ids else self.names.of_raw(given)
        left = iter(names.tolist())
        return [None if i is None else next(left) for i in user_ids]

    def places(self, user_ids: Sequence[str | None]) -> np.ndarray:
        """The state's row of each user id, ``(n,)``; `UNKNOWN` for an unknown id or None."""
        names = self.stored_names(user_ids) if len(self.known_users) else None
        if names is None:
            return np.full(len(user_ids), UNKNOWN, dtype=np.int32)
        return codes_of([name or "" for name in names], self.known_users)


def _manifest_bytes(folder: Path) -> bytes | None:
    """The manifest's bytes; None where there is none."""
    try:
        return (folder / MANIFEST).read_bytes()
    except OSError:
        return None


def _list_maker(
    folder: Path, manifest: Manifest, files: Mapping[str, bytes], mapped: bool
) -> tuple[np.ndarray, ListMaker]:
    """The pseudonyms of known users, and the list maker with their histories."""
    sizes: dict[str, int] = {}
    catalogue = Catalogue.from_arrays(_checked(folder / CATALOGUE, CATALOGUE_SCHEMA, sizes))
    if not len(catalogue):
        raise BundleError(f"{folder / CATALOGUE} has no items")
    if ITEMS in manifest.files:
        catalogue = replace(catalogue, **_checked(folder / ITEMS, FACTS, sizes))
    state = None
    if HISTORIES in manifest.files:
        stored = _checked(folder / HISTORIES, HISTORIES_SCHEMA, dict(sizes))
        state = Histories.from_arrays(stored, catalogue)
        if not state.is_oldest_first:
            raise BundleError(f"{folder / HISTORIES} has events that are not sorted by time")
    arrays = read_arrays(folder / MODEL, mapped=mapped)
    scorer: Any = load_scorer(manifest.kind, arrays, files, sizes)
    _require_ability(folder, manifest, scorer, "score")
    content: Any = scorer if isinstance(scorer, (ContentProfile, DenseContentProfile)) else None
    if CONTENT in manifest.files:
        content = load_scorer(ContentProfile.kind, read_arrays(folder / CONTENT), {}, sizes)
    fallback = _checked(folder / FALLBACK, ListMaker.fallback_schema, sizes)["scores"]
    index = None
    if manifest.index is not None:
        if not isinstance(scorer, Factored):
            raise BundleError(f"{folder} has an index, but its scores are no product of vectors")
        width = scorer.item_vectors().shape[1]
        index = open_index(folder, manifest.index, len(catalogue), width, mapped)
    seed, policy = manifest.tie_seed, manifest.filter_seen
    maker = ListMaker.of(scorer, catalogue, fallback, seed, policy, state, content, index)
    return NO_NAMES if state is None else state.user_ids, maker


def _predictor(
    folder: Path, manifest: Manifest, files: Mapping[str, bytes]
) -> tuple[np.ndarray, Predictor]:
    """The pseudonyms of known customers, and the predictor with their features."""
    scorer: Any = load_scorer(manifest.kind, read_arrays(folder / MODEL), files)
    ability = "effects" if manifest.answer.kind.names_arm else "predict"
    _require_ability(folder, manifest, scorer, ability)
    known, table = NO_NAMES, None
    if CUSTOMERS in manifest.files:
        stored = _checked(folder / CUSTOMERS, CUSTOMER_ROWS, {})
        known = stored["user_ids"]
        table = {n.removeprefix(FEATURE): v for n, v in stored.items() if n != "user_ids"}
    fallback = _checked(folder / FALLBACK, Predictor.fallback_schema, {})
    texts = frozenset(fallback["texts"].tolist())
    for name in scorer.columns if table is not None else ():
        column = table.get(name) if table is not None else None
        if column is None or (column.dtype.kind == "U") != (name in texts):
            what = "missing" if column is None else "of another type than the model reads"
            raise BundleError(f"{folder / CUSTOMERS}: the feature {name} is {what}")
    return known, Predictor(scorer, float(fallback["base"]), table, texts)


def _require_ability(folder: Path, manifest: Manifest, scorer: object, ability: str) -> None:
    """Raise a `BundleError` where a scorer cannot give the answers that the manifest promises."""
    if not hasattr(scorer, ability):
        noun = manifest.answer.kind.noun
        raise BundleError(f"{folder}: a model of the kind {manifest.kind} does not give {noun}")


def _checked(path: Path, schema: Schema, sizes: dict[str, int]) -> dict[str, np.ndarray]:
    """The arrays of a file, which are as its schema says."""
    arrays = read_arrays(path)
    check_arrays(schema, arrays, sizes, str(path))
    return arrays


def _key_for(manifest: Manifest) -> tuple[PseudonymKey | None, str]:
    """The key that made the bundle's pseudonyms, or None and the reason for no look-up."""
    key = find_key()
    if key is not None and key.fingerprint == manifest.key_fingerprint:
        return key, ""
    present = (
        "there is no pseudonym key here" if key is None else f"the key here is {key.fingerprint}"
    )
    why = (
        f"known users cannot be looked up: {present}, and the bundle was written with the key "
        f"{manifest.key_fingerprint}; set GROWTHLAB_PSEUDONYM_KEY or GROWTHLAB_KEY_FILE to that one"
    )
    return None, why
