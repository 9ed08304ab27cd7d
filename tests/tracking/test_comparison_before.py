"""What the page of a comparison says was different in the one before."""

from __future__ import annotations

from growthlab.tracking.comparison_before import MOST_CHANGES, settings_that_changed

KNN = {"_target_": "growthlab.models.recommend.item_knn.ItemKNN", "neighbours": 100}
POPULAR = {"_target_": "growthlab.models.recommend.popularity.Popularity"}


def test_a_model_that_is_new_or_left_out_is_one_line() -> None:
    before = {"models": {"item_knn": KNN}, "split": {"cutoff": "2025-07-24"}}
    now = {"models": {"popularity": POPULAR}, "split": {"cutoff": None}}
    assert settings_that_changed(before, now) == [
        "popularity is new",
        "item_knn is left out now",
        "split.cutoff 2025-07-24 then, null now",
    ]


def test_a_setting_of_a_model_in_both_has_both_values() -> None:
    before, now = {"models": {"item_knn": KNN}}, {"models": {"item_knn": {**KNN, "neighbours": 5}}}
    assert settings_that_changed(before, now) == ["models.item_knn.neighbours 100 then, 5 now"]


def test_of_many_the_first_are_named_and_the_others_counted() -> None:
    found = settings_that_changed({}, {f"own_{n}": n for n in range(MOST_CHANGES + 3)})
    assert found[0] == "own_0 not there then, 0 now"
    assert found[MOST_CHANGES:] == ["and 3 more"]


def test_a_config_that_holds_something_else_as_its_models_is_read() -> None:
    assert settings_that_changed({"models": [["a"], "b"]}, {"models": "all"}) == [
        'models [["a"], "b"] then, all now'
    ]
