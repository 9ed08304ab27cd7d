"""Answers to every kind of request, on every fallback level, and under the rules of the shop."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from growthlab.bundle.answers import LEVELS, RecommendRequest, RecommendServed
from growthlab.bundle.bundle import Bundle
from growthlab.bundle.manifest import Provenance
from growthlab.core.errors import AnswerError, BundleError
from growthlab.core.histories import Catalogue, Histories
from growthlab.core.pseudonyms import PseudonymKey
from growthlab.export.write_bundle import write_recommender
from growthlab.models.recommend.item_knn import ItemKNN
from growthlab.models.recommend.popularity import Popularity
from growthlab.ranking.rules import Rules
from growthlab.training.fit_options import FitOptions

ANNA = "anna.schmidt@example.org"


@pytest.fixture
def furnished(corner_shop: Histories) -> Histories:
    """The shop with what its items are: the vase and the cup are ceramics, coffee is sold out."""
    # coffee, cup, filter, lemon, tea, vase
    words = ["roasted coffee", "white ceramic cup", "paper", "", "green tea", "white ceramic vase"]
    category = ["drinks", "home > table", "drinks", "", "drinks", "home > deco"]
    catalogue = replace(
        corner_shop.catalogue,
        text=np.array(words),
        category=np.array(category),
        price=np.array([8.0, 5.0, 2.0, np.nan, 6.0, 20.0], dtype=np.float32),
        in_stock=np.array([False, True, True, True, True, True]),
    )
    return replace(corner_shop, catalogue=catalogue)


@pytest.fixture
def bundle(
    tmp_path: Path, furnished: Histories, popularity: np.ndarray, provenance: Provenance
) -> Bundle:
    """A bundle of item_knn on it."""
    model = ItemKNN(neighbours=3).fit(furnished, FitOptions())
    return Bundle.load(
        write_recommender(
            tmp_path / "furnished",
            model.scorer(),
            provenance,
            histories=furnished,
            fallback=popularity,
        )
    )


@pytest.fixture
def popular(
    tmp_path: Path, furnished: Histories, popularity: np.ndarray, provenance: Provenance
) -> Bundle:
    """A bundle of popularity, which knows nothing about items but their sales."""
    model = Popularity().fit(furnished, FitOptions())
    folder = tmp_path / "popular"
    write_recommender(folder, model.scorer(), provenance, histories=furnished, fallback=popularity)
    return Bundle.load(folder)


def listed(bundle: Bundle, k: int = 10, **asked: object) -> list[str]:
    (answer,) = bundle.recommend([RecommendRequest(**asked)], k)  # type: ignore[arg-type]
    return [item.item for item in answer.items]


@pytest.mark.parametrize(
    ("asked", "served", "first"),
    [
        (RecommendRequest(ANNA, filter_seen="purchased"), "known", "cup"),
        (RecommendRequest(history=["coffee"], filter_seen="purchased"), "folded_in", "filter"),
        (RecommendRequest(item="coffee"), "similar_items", "filter"),
        (RecommendRequest(basket=["tea"]), "basket", "lemon"),
        (RecommendRequest(item="vase"), "content", "cup"),  # never sold; "white ceramic" as the cup
        (RecommendRequest(history=["vase"], filter_seen="purchased"), "content", "cup"),
        (RecommendRequest(basket=["vase"]), "content", "cup"),
        (RecommendRequest(), "popularity_fallback", "tea"),
        (RecommendRequest("stranger"), "popularity_fallback", "tea"),
        (RecommendRequest(item="no such item"), "popularity_fallback", "tea"),
        (RecommendRequest(basket=[]), "popularity_fallback", "tea"),
        (RecommendRequest(ANNA, personalised=False), "not_personalised", "tea"),
    ],
)
def test_each_kind_of_request_is_served_by_the_first_level_that_can(
    bundle: Bundle, asked: RecommendRequest, served: RecommendServed, first: str
) -> None:
    (answer,) = bundle.recommend([asked], 3)
    assert (answer.served, answer.items[0].item) == (served, first)
    assert answer.level == LEVELS[served]


def test_an_item_without_a_model_s_word_or_content_leads_to_its_category(popular: Bundle) -> None:
    (answer,) = popular.recommend([RecommendRequest(item="coffee")], 2)
    # no word is shared with coffee, but its category is a term too: tea and the filter
    assert answer.served == "content"
    bare = replace(popular, list_maker=replace(popular.list_maker, content=None))
    (answer,) = bare.recommend([RecommendRequest(item="coffee")], 3)
    assert (answer.served, answer.level) == ("category_popularity", 3)
    # tea has 3 buyers, the filter 2; then one of those with 2 from elsewhere
    assert [i.item for i in answer.items][:2] == ["tea", "filter"]


def test_neither_the_item_of_the_page_nor_the_basket_is_listed(bundle: Bundle) -> None:
    everything = set(bundle.list_maker.catalogue.item_ids.tolist())  # type: ignore[union-attr]
    assert set(listed(bundle, item="tea")) == everything - {"tea"}
    assert set(listed(bundle, basket=["tea", "cup"])) == everything - {"tea", "cup"}


def test_the_page_of_an_item_is_the_same_for_all_customers(bundle: Bundle) -> None:
    asked = [RecommendRequest(user, item="tea") for user in (None, ANNA, "stranger")]
    first, *others = bundle.recommend(asked, 5)
    assert others == [first, first]


def test_what_goes_with_a_basket_does_not_depend_on_its_order(bundle: Bundle) -> None:
    one = bundle.recommend([RecommendRequest(basket=["tea", "coffee"])], 5)
    assert one == bundle.recommend([RecommendRequest(basket=["coffee", "tea"])], 5)


def test_without_personalisation_neither_profile_nor_history_nor_id_is_read(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read(*args: object, **named: object) -> None:
        raise AssertionError("the profile was read")

    nobody = bundle.recommend([RecommendRequest(personalised=False)], 6)
    monkeypatch.setattr(PseudonymKey, "pseudonym", read)
    monkeypatch.setattr(Histories, "select", read)
    asked = [
        RecommendRequest(ANNA, personalised=False),
        RecommendRequest(ANNA, history=["coffee"], personalised=False),
        RecommendRequest(ANNA, basket=["coffee"], filter_seen="purchased", personalised=False),
    ]
    assert [bundle.recommend([r], 6) for r in asked] == [nobody] * 3
    with pytest.raises(AnswerError, match="the profile was read"):
        bundle.recommend([RecommendRequest(ANNA)], 6)


def test_reasons_name_the_item_of_the_history_that_contributes_most(bundle: Bundle) -> None:
    asked = RecommendRequest(history=["coffee", "tea"], filter_seen="purchased")
    (answer,) = bundle.recommend([asked], 6)
    reasons = {i.item: i.reason for i in answer.items}
    assert reasons["filter"] == "because of coffee"
    assert reasons["lemon"] == "because of tea"
    assert reasons["vase"] is None  # nothing leads there
    (page,) = bundle.recommend([RecommendRequest(item="vase")], 1)
    assert page.items[0].reason == "because of vase"


def test_popular_items_behind_what_is_like_the_item_of_a_page_are_not_there_because_of_it(
    bundle: Bundle,
) -> None:
    (page,) = bundle.recommend([RecommendRequest(item="lemon")], 6)
    reasons = {i.item: i.reason for i in page.items}
    assert reasons["tea"] == "because of lemon"
    assert reasons["coffee"] is None  # nobody had both


def test_a_model_that_knows_no_reasons_gives_none(popular: Bundle) -> None:
    (answer,) = popular.recommend([RecommendRequest(ANNA)], 3)
    assert [i.reason for i in answer.items] == [None] * 3


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        (Rules(allow=["tea", "cup", "?"]), {"tea", "cup"}),
        (Rules(deny=["tea", "cup", "filter", "?"]), {"coffee", "lemon", "vase"}),
        (Rules(categories=["home"]), {"cup", "vase"}),
        (Rules(categories=["home > deco", "drinks"]), {"vase", "coffee", "filter", "tea"}),
        (Rules(in_stock=True, categories=["drinks"]), {"filter", "tea"}),
        (Rules(price_min=5), {"cup", "coffee", "tea", "vase"}),  # the lemon's is not known
        (Rules(price_min=5, price_max=6), {"cup", "tea"}),
        (Rules(max_per_category=1, in_stock=True), {"tea", "cup", "lemon", "vase"}),
        (Rules(allow=[]), set()),
    ],
)
def test_rules_leave_in_what_they_allow(bundle: Bundle, rules: Rules, expected: set[str]) -> None:
    for asked in (RecommendRequest(rules=rules), RecommendRequest(item="?", rules=rules)):
        (answer,) = bundle.recommend([asked], 6)
        assert {i.item for i in answer.items} == expected
        assert len(answer.items) == len(expected)
    (by_service,) = bundle.recommend([RecommendRequest()], 6, rules)
    assert {i.item for i in by_service.items} == expected


def test_the_service_s_rules_and_the_request_s_hold_together(bundle: Bundle) -> None:
    asked = RecommendRequest(rules=Rules(deny=["tea"], pinned=["filter"]))
    (answer,) = bundle.recommend([asked], 6, Rules(in_stock=True, pinned=["vase"]))
    assert [i.item for i in answer.items][:2] == ["vase", "filter"]
    assert {i.item for i in answer.items} == {"vase", "filter", "cup", "lemon"}


def test_pinned_items_stand_first_unless_they_may_not_be_listed(bundle: Bundle) -> None:
    rules = Rules(pinned=["vase", "coffee", "tea", "?"], in_stock=True)
    asked = RecommendRequest(ANNA, filter_seen="purchased", rules=rules)
    (answer,) = bundle.recommend([asked], 3)
    # coffee is sold out, Anna has tea
    assert [i.item for i in answer.items][:2] == ["vase", "cup"]
    assert [i.reason for i in answer.items][:2] == ["pinned", "because of lemon"]
    assert [i.rank for i in answer.items] == [1, 2, 3]


def test_an_answer_also_has_the_list_before_the_rules(bundle: Bundle) -> None:
    rules = Rules(deny=["tea"], pinned=["vase"])
    with_rules, without = bundle.recommend([RecommendRequest(rules=rules), RecommendRequest()], 3)
    assert with_rules.before_rules == tuple(i.item for i in without.items)
    assert without.before_rules == ()


def test_rules_that_the_catalogue_cannot_follow_are_one_line(bundle: Bundle, folder: Path) -> None:
    with pytest.raises(BundleError, match=r"no item is of 'drink': did you mean drinks\?"):
        listed(bundle, rules=Rules(categories=["drink"]))
    bare = Bundle.load(folder)
    for rule, column in (
        (Rules(in_stock=True), "in_stock"),
        (Rules(price_max=3), "price"),
        (Rules(categories=["drinks"]), "category"),
        (Rules(max_per_category=2), "category"),
    ):
        with pytest.raises(BundleError, match=f"this catalogue has no column {column}") as caught:
            listed(bare, rules=rule)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "asked",
    [
        {"user_id": ANNA},
        {"history": ["tea", "?"]},
        {"item": "cup"},
        {"basket": ["coffee"]},
        {},
        {"user_id": ANNA, "personalised": False},
    ],
)
@pytest.mark.parametrize(
    "rules", [Rules(), Rules(deny=["cup"], max_per_category=2, pinned=["vase"])]
)
def test_every_list_is_full_distinct_free_of_the_excluded_and_stable(
    bundle: Bundle, asked: dict[str, object], rules: Rules
) -> None:
    n_items = len(bundle.list_maker.catalogue)  # type: ignore[union-attr]
    for k in (1, 2, 3, 10):
        names = listed(bundle, k, exclude=["lemon"], rules=rules, **asked)
        assert len(names) == len(set(names))
        assert not {"lemon", *rules.deny} & set(names)
        assert names == listed(bundle, k, exclude=["lemon"], rules=rules, **asked)
        if not rules:
            hidden = {"lemon", asked.get("item"), *asked.get("basket", [])} - {None}  # type: ignore[misc]
            assert len(names) == min(k, n_items - len(hidden))


def test_answers_of_all_ways_stand_in_the_order_of_the_requests(bundle: Bundle) -> None:
    asked = [
        RecommendRequest(item="tea"),
        RecommendRequest(ANNA),
        RecommendRequest(basket=["vase"]),
        RecommendRequest(personalised=False),
        RecommendRequest(history=["coffee"], rules=Rules(pinned=["vase"])),
        RecommendRequest(item="vase"),
    ]
    together = bundle.recommend(asked, 4)
    assert together == [bundle.recommend([r], 4)[0] for r in asked]


def test_a_pinned_item_that_the_model_cannot_score_has_no_score(bundle: Bundle) -> None:
    maker = bundle.list_maker
    assert maker is not None
    scores = np.array([[-np.inf, 1.0, -np.inf, 0.5, 0.2, 0.1]], dtype=np.float32)

    class Fixed:
        def score(self, histories: Histories, items: np.ndarray | None = None) -> np.ndarray:
            return scores.copy()

    fixed = replace(bundle, list_maker=replace(maker, scorer=Fixed()))  # type: ignore[arg-type]
    asked = RecommendRequest(history=["tea"], rules=Rules(pinned=["filter"]))
    (answer,) = fixed.recommend([asked], 6)
    assert [(i.item, i.score) for i in answer.items][:2] == [("filter", None), ("cup", 1.0)]
    assert "coffee" not in {i.item for i in answer.items}  # not pinned: not scored, not listed


def test_a_catalogue_keeps_its_stock_in_a_bundle(bundle: Bundle) -> None:
    catalogue = bundle.list_maker.catalogue  # type: ignore[union-attr]
    assert catalogue.in_stock is not None
    assert Catalogue.from_arrays(catalogue.to_arrays()).in_stock.tolist() == [False] + [True] * 5  # type: ignore[union-attr]
