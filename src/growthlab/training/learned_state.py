"""What a fit has learned, by raw ids, and how a later fit continues from it (a warm start)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self
from zipfile import ZIP_STORED, BadZipFile

import numpy as np

from growthlab.core.atomic_write import atomic_file
from growthlab.core.errors import ConfigError, one_line
from growthlab.core.histories import UNKNOWN, Histories, codes_of

if TYPE_CHECKING:
    from torch import nn

OWNERS = ("items", "users")


@dataclass(frozen=True)
class LearnedState:
    """The weights of a fitted model, with the ids that their rows belong to.

    `rows_of` says of an array whether it has a row an item (``items``) or a row a user (``users``);
    other arrays are copied. `until` is the cutoff of the past that was learned from, in ISO form;
    empty if the split has no clock.
    """

    model: str  # the class
    arrays: Mapping[str, np.ndarray]
    rows_of: Mapping[str, str]
    item_ids: np.ndarray  # (n_items,) str
    user_ids: np.ndarray  # (n_users,) str, by user code; empty where no array has rows of users
    until: str = ""

    @classmethod
    def of(
        cls,
        model: Any,
        arrays: Mapping[str, np.ndarray],
        rows_of: Mapping[str, str],
        past: Histories,
    ) -> Self:
        """The state of a model that was fitted to `past`."""
        users = _ids_by_code(past) if "users" in rows_of.values() else np.zeros(0, dtype="<U1")
        return cls(type(model).__name__, arrays, rows_of, past.catalogue.item_ids, users)

    def remapped(self, name: str, fresh: np.ndarray, past: Histories) -> np.ndarray:
        """The array `name` for the items and users of `past`, in the shape of `fresh`.

        New ids get the mean of the known rows: a new item then scores like the average one and hardly
        changes the predictions of the others, where a random row might score above all of them
        (Hewitt, "Initializing New Word Embeddings for Pretrained Language Models", 2021).

        Raises
        ------
        ConfigError
            The array is missing, or of another shape.
        """
        known, rows = self.arrays.get(name), self.rows_of.get(name)
        first = 0 if rows is None else 1
        if known is None or known.ndim != fresh.ndim or known.shape[first:] != fresh.shape[first:]:
            was = "missing" if known is None else f"of the shape {known.shape[first:]}"
            raise ConfigError(
                f"the run to go on from has another {self.model}: its {name} is {was}, here it is "
                f"{fresh.shape[first:]}: give the settings of that run, such as its width"
            )
        if rows is None:
            return known
        ids = (self.item_ids, past.catalogue.item_ids)
        before, now = ids if rows == "items" else (self.user_ids, _ids_by_code(past))
        out = np.repeat(known.mean(axis=0, keepdims=True), len(fresh), axis=0)
        places = _places(now, before)
        out[places != UNKNOWN] = known[places[places != UNKNOWN]]
        return out.astype(fresh.dtype)

    def with_cutoff(self, until: str) -> LearnedState:
        """The same state, with the cutoff of the past that it was learned from."""
        return replace(self, until=until)

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Everything as arrays that can be saved without pickle."""
        named = {
            f"rows_of_{owner}": np.array([n for n, o in self.rows_of.items() if o == owner], str)
            for owner in OWNERS
        }
        return {
            **{f"weights/{name}": array for name, array in self.arrays.items()},
            **named,
            "model": np.array(self.model),
            "item_ids": np.asarray(self.item_ids, dtype=str),
            "user_ids": np.asarray(self.user_ids, dtype=str),
            "until": np.array(self.until),
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> Self:
        """The state that `to_arrays` wrote."""
        weights = {n.partition("/")[2]: a for n, a in arrays.items() if n.startswith("weights/")}
        rows_of = {str(n): owner for owner in OWNERS for n in arrays[f"rows_of_{owner}"].tolist()}
        return cls(
            str(arrays["model"]),
            weights,
            rows_of,
            arrays["item_ids"],
            arrays["user_ids"],
            str(arrays["until"]),
        )


@dataclass(frozen=True)
class WarmStart:
    """The two states of an earlier run: of the fit for choosing, and of the fit evaluated on test.

    Each later fit continues from its counterpart. The former had learned from nothing after the start
    of the validation window, the latter from nothing after the cutoff: no choice rests on events that
    the model has seen.
    """

    choosing: LearnedState
    judged: LearnedState


def learned_state_of(model: Any, network: nn.Module, past: Histories) -> LearnedState:
    """The parameters of a network, whose ``rows_of`` says which of them have a row an id."""
    arrays = {n: p.detach().cpu().numpy().copy() for n, p in network.named_parameters()}
    return LearnedState.of(model, arrays, network.rows_of, past)  # type: ignore[arg-type]


def load_learned_state(state: LearnedState | None, network: nn.Module, past: Histories) -> None:
    """Copy a learned state into a fresh network for `past`, in place; None changes nothing.

    Raises
    ------
    ConfigError
        The network has other shapes, or lacks some of the learned arrays.
    """
    import torch

    if state is None:
        return
    more = sorted({*state.arrays} - {name for name, _ in network.named_parameters()})
    if more:
        raise ConfigError(
            f"the run to go on from has another {state.model}: it has a {more[0]}, and here is "
            "none: give the settings of that run, such as its content or its layers"
        )
    for name, parameter in network.named_parameters():
        fresh = parameter.detach().cpu().numpy()
        with torch.no_grad():
            parameter.copy_(torch.tensor(state.remapped(name, fresh, past)))


def _ids_by_code(past: Histories) -> np.ndarray:
    """The raw id of each user code, empty for a code that no user has."""
    coded = past.user_codes >= 0
    n_codes = int(past.user_codes.max(initial=0)) + 1
    ids = np.zeros(n_codes, dtype=np.asarray(past.user_ids).dtype)
    ids[past.user_codes[coded]] = past.user_ids[coded]
    return ids


def _places(ids: np.ndarray, known: np.ndarray) -> np.ndarray:
    """The index of each id in `known`, `UNKNOWN` if it is empty or not there."""
    order = np.argsort(known, kind="stable")
    places = codes_of(ids, np.asarray(known, dtype=str)[order])
    is_known = (places != UNKNOWN) & (np.asarray(ids, dtype=str) != "")
    return np.where(is_known, order[places], UNKNOWN)


def write_state(state: LearnedState, path: Path) -> None:
    """Write one file of plain arrays, in one step."""
    with atomic_file(path) as file:
        np.savez(file, **state.to_arrays())  # type: ignore[arg-type]


def read_state(path: Path) -> LearnedState:
    """The state that `write_state` wrote.

    Raises
    ------
    ConfigError
        A file of something else, or with numbers that are not finite.
    """
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            if any(member.compress_type != ZIP_STORED for member in arrays.zip.infolist()):
                raise ValueError("its arrays are compressed, and could become any size")
            state = LearnedState.from_arrays(dict(arrays))
    except (OSError, ValueError, KeyError, EOFError, MemoryError, BadZipFile) as error:
        raise ConfigError(f"the learned state {path.name} is damaged: {one_line(error)}") from error
    _check_state(state, path.name)
    return state


def _check_state(state: LearnedState, file: str) -> None:
    """Raise a `ConfigError` for numbers that are not finite, or rows that have no ids."""
    ids = {"items": state.item_ids, "users": state.user_ids}
    for owner, own in ids.items():
        if own.ndim != 1 or own.dtype.kind != "U":
            raise ConfigError(f"the learned state {file} has no list of the ids of {owner}")
    for name, array in state.arrays.items():
        if array.dtype.kind not in "fiub" or not np.isfinite(array).all():
            raise ConfigError(
                f"the learned state {file} has {name} with values that are no numbers"
            )
        rows = state.rows_of.get(name)
        if rows is not None and (array.ndim == 0 or len(array) < len(ids[rows])):
            raise ConfigError(f"the learned state {file} has fewer rows of {name} than {rows}")
