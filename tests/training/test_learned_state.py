"""Warm starts: what is carried over by raw id, what is new, and what cannot be."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from torch import nn

from growthlab.core.errors import ConfigError
from growthlab.core.histories import Catalogue, Histories
from growthlab.training.learned_state import (
    LearnedState,
    learned_state_of,
    load_learned_state,
    read_state,
    write_state,
)


class Small(nn.Module):
    """A row a user, a row an item, and one weight of nobody's."""

    rows_of: Mapping[str, str] = {"users.weight": "users", "items.weight": "items"}

    def __init__(self, n_users: int, n_items: int, width: int = 2) -> None:
        super().__init__()
        self.users = nn.Embedding(n_users, width)
        self.items = nn.Embedding(n_items, width)
        self.mix = nn.Linear(width, width, bias=False)


def histories(users: str, items: str) -> Histories:
    """One event of each user, with the first item."""
    rows = np.arange(len(users))
    names = np.array(list(users))
    return Histories.from_events(Catalogue(np.array(list(items))), names, rows, 0 * rows, 0 * rows)


def state() -> LearnedState:
    """Users p, q, r and items b, d, e."""
    network = Small(3, 3)
    rows = np.array([[1, 2], [3, 4], [8, 9]], dtype=np.float32)
    arrays = {"users.weight": rows, "items.weight": 10 * rows, "mix.weight": rows[:2]}
    result = learned_state_of(network, network, histories("pqr", "bde"))
    return replace(result, arrays=arrays)


def test_rows_are_found_by_id_and_the_new_ones_are_the_mean() -> None:
    network = Small(2, 5)
    load_learned_state(state(), network, histories("qz", "abcde"))
    # the mean of (1, 2), (3, 4) and (8, 9) is (4, 5)
    assert network.users.weight.tolist() == [[3, 4], [4, 5]]
    assert network.items.weight.tolist() == [[40, 50], [10, 20], [40, 50], [30, 40], [80, 90]]
    assert network.mix.weight.tolist() == [[1, 2], [3, 4]]


def test_users_are_identified_by_their_codes_not_by_their_rows() -> None:
    past = histories("pqr", "bde")
    other = replace(past.select(np.array([2, 0])), user_codes=np.array([0, 3], dtype=np.int32))
    network = Small(4, 3)
    load_learned_state(state(), network, other)
    # code 0 is r, code 3 is p; nobody has the codes between
    assert network.users.weight.tolist() == [[8, 9], [4, 5], [4, 5], [1, 2]]


def test_a_state_survives_saving_without_pickle() -> None:
    saved = io.BytesIO()
    np.savez(saved, allow_pickle=False, **state().with_cutoff("2025-03-01").to_arrays())
    saved.seek(0)
    again = LearnedState.from_arrays(dict(np.load(saved, allow_pickle=False)))
    assert (again.model, again.until, again.rows_of) == ("Small", "2025-03-01", Small.rows_of)
    assert again.item_ids.tolist() == list("bde")
    assert again.user_ids.tolist() == list("pqr")
    for name, array in state().arrays.items():
        np.testing.assert_array_equal(again.arrays[name], array)


def test_a_state_that_could_become_any_size_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "learned.npz"
    write_state(state(), path)
    assert read_state(path).item_ids.tolist() == state().item_ids.tolist()
    np.savez_compressed(path, **state().to_arrays())  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=r"learned.npz is damaged: its arrays are compressed"):
        read_state(path)


def test_other_shapes_are_one_line() -> None:
    message = (
        r"items.weight is of the shape \(2,\), here it is \(3,\): give the settings of that run"
    )
    with pytest.raises(ConfigError, match=message):
        LearnedState.remapped(state(), "items.weight", np.zeros((3, 3)), histories("p", "bde"))
    more = replace(state(), arrays={**state().arrays, "gate": np.zeros(3)})
    with pytest.raises(ConfigError, match="it has a gate, and here is none"):
        load_learned_state(more, Small(3, 3), histories("pqr", "bde"))
    with pytest.raises(ConfigError, match="its gate is missing"):
        state().remapped("gate", np.zeros(3), histories("p", "bde"))
