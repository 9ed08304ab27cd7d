"""What may be listed: the seen filter by policy, and the fallback."""

import numpy as np
import pytest

from growthlab.core.errors import ConfigError
from growthlab.core.histories import EVENT_CODE, Catalogue, Histories
from growthlab.ranking.candidates import hide_seen, seen_items
from growthlab.ranking.fallback import fill_unscored


@pytest.fixture
def histories() -> Histories:
    """u0 bought item 0, viewed item 1 and was shown item 2; u1 has no events."""
    catalogue = Catalogue(np.array(["a", "b", "c", "d"]))
    types = np.array([EVENT_CODE[t] for t in ("purchase", "view", "impression")])
    return Histories.from_events(
        catalogue,
        np.array(["u0", "u1"]),
        np.zeros(3, dtype=int),
        np.array([0, 1, 2]),
        np.array([5, 6, 7]),
        event_types=types,
    )


@pytest.mark.parametrize(
    ("filter_seen", "hidden"), [("none", []), ("purchased", [0]), ("interacted", [0, 1])]
)
def test_the_policy_hides_what_the_user_did_never_what_was_done_to_them(
    histories, filter_seen, hidden
):
    masked = np.zeros((2, 4))
    hide_seen(masked, seen_items(histories, filter_seen))
    assert np.flatnonzero(masked[0] == -np.inf).tolist() == hidden
    assert (masked[1] == 0).all()


def test_an_unknown_policy_names_the_near_ones(histories):
    with pytest.raises(ConfigError, match=r"filter_seen='purchase' .* did you mean purchased"):
        seen_items(histories, "purchase")


def test_only_users_without_any_score_get_the_fallback():
    scores = np.array([[1.0, -np.inf], [np.nan, np.nan]])
    filled, fallback = fill_unscored(scores, np.array([7.0, 8.0]))
    assert filled.tolist() == [[1.0, -np.inf], [7.0, 8.0]]
    assert fallback.tolist() == [False, True]
    assert np.isnan(scores[1]).all()


def test_a_row_with_some_nan_fails_the_run():
    with pytest.raises(ValueError, match="model output: 1 of 2 users have NaN for some items"):
        fill_unscored(np.array([[1.0, np.nan], [0.0, 0.0]]), np.zeros(2))


def test_an_infinite_score_fails_the_run():
    with pytest.raises(ValueError, match=r"model output: 1 scores are \+inf"):
        fill_unscored(np.array([[1.0, np.inf]]), np.zeros(2))
