"""Every network goes on from what an earlier fit of it learned, on a larger log too."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from tests.models.test_contract import NAMES, config_of, new_model, shop

from growthlab.core.histories import Catalogue, Histories
from growthlab.training.fit_options import FitOptions


def larger(past: Histories) -> Histories:
    """The shop with one more item before all others, and one more user, who bought it."""
    items = np.concatenate([["a00"], past.catalogue.item_ids])
    more = {
        name: np.concatenate([array[:1], array])
        for name, array in past.catalogue.to_arrays().items()
        if name != "item_ids"
    }
    return Histories.from_events(
        Catalogue(items, **more),
        np.concatenate([past.user_ids, ["z"]]),
        np.concatenate([past.rows, [past.n_users]]),
        np.concatenate([past.items + 1, [0]]),
        np.concatenate([past.times, past.times[:1]]),
        event_types=np.concatenate([past.event_types, past.event_types[:1]]),
    )


def unmoved(name: str) -> Any:
    """A model whose training changes next to nothing."""
    model = new_model(name, epochs=1)
    model.trainer = replace(model.trainer, lr=1e-12, l2=0.0)  # type: ignore[attr-defined]
    return model


WARM = [name for name in NAMES if "trainer" in config_of(name)]


@pytest.mark.parametrize("name", WARM)
def test_a_network_goes_on_where_it_was(name: str) -> None:
    before = new_model(name).fit(shop(), FitOptions(device="cpu"))
    options = FitOptions(seed=1, device="cpu", warm=before.learned_state(shop()))  # type: ignore[attr-defined]
    known = before.score(shop())
    same = unmoved(name).fit(shop(), options).score(shop())
    np.testing.assert_allclose(same, known, rtol=1e-4, atol=1e-5)
    more = larger(shop())
    scores = unmoved(name).fit(more, options).score(more)
    np.testing.assert_allclose(scores[:40, 1:], known, rtol=1e-4, atol=1e-5)
    assert np.isfinite(scores[:39, 0]).all()  # the new item; the last of 40 has no history
    assert np.isfinite(scores[40]).all()  # the new user
