from __future__ import annotations

import numpy as np
import pytest

from growthlab.core.array_schema import ArraySchema
from growthlab.core.errors import BundleError
from growthlab.core.histories import Catalogue, Histories
from growthlab.scorers.load import load_scorer, scorer_class, scorer_kinds
from growthlab.scorers.popularity_scorer import PopularityScorer


def test_a_scorer_comes_back_by_its_kind() -> None:
    scorer = load_scorer("popularity", {"item_scores": np.array([2.0, 1.0], dtype=np.float32)}, {})
    assert isinstance(scorer, PopularityScorer)
    asked = Histories.from_lists(Catalogue(np.array(["a", "b"])), [["a"], []])
    assert scorer.score(asked).tolist() == [[2, 1], [2, 1]]


def test_every_kind_is_listed_once_and_found() -> None:
    kinds = scorer_kinds()
    assert len(kinds) == len(set(kinds))
    assert {"popularity", "item_weights", "user_neighbours"} <= set(kinds)
    assert all(scorer_class(kind).kind == kind for kind in kinds)


def test_every_kind_says_what_its_arrays_must_be() -> None:
    for kind in scorer_kinds():
        schema = scorer_class(kind).schema
        assert schema
        assert all(isinstance(each, ArraySchema) for each in schema.values())


@pytest.mark.parametrize("kind", ["popularty", "os.system", "load", "", "base"])
def test_a_kind_outside_this_room_is_refused(kind: str) -> None:
    with pytest.raises(BundleError, match=f"no scorer of the kind '{kind}': "):
        load_scorer(kind, {}, {})


def test_a_near_kind_is_proposed() -> None:
    with pytest.raises(BundleError, match="did you mean popularity"):
        load_scorer("popularty", {}, {})


def test_a_missing_array_is_named() -> None:
    with pytest.raises(BundleError, match="'popularity' needs 'item_scores', which is missing"):
        load_scorer("popularity", {}, {})
