"""Values that Hydra's grammar cannot read are taken as they are typed."""

from __future__ import annotations

from typing import Any

import pytest

from growthlab.config.compose import compose, sweep
from growthlab.core.errors import ConfigError

READ = ("data=tabular_file", "data.event_type=purchase")


def data(*words: str) -> Any:
    return compose("prepare", [*READ, *words]).config.data


@pytest.mark.parametrize(
    "text",
    [
        "märz.csv", "订单.csv", "a#b.csv", "it's.csv", "[x].csv", "{y}.csv", "a=b.csv", "x (1).csv",
        "~t.csv", 'say "hi".csv', "both ' and \".csv", "C:\\data\\", "50%.csv", "a b.csv", "100€",
    ],
)  # fmt: skip
def test_a_text_is_taken_as_it_is_typed(text: str) -> None:
    assert data(f"data.path={text}").path == text


@pytest.mark.parametrize("separator", [";", "|", "^"])
def test_a_separator_needs_no_quotes(separator: str) -> None:
    assert data(f"data.separator={separator}").separator == separator


def test_lists_and_mappings_may_hold_any_letters() -> None:
    assert list(data("data.path=[märz.csv, 订单.csv, 2]").path) == ["märz.csv", "订单.csv", 2]
    words = data("data.event_types={浏览: view, 4: purchase, 点: null}").event_types
    assert dict(words) == {"浏览": "view", 4: "purchase", "点": None}
    assert dict(data("data.event_types={1: view, 4: purchase, page_view: null}").event_types) == {
        1: "view",
        4: "purchase",
        "page_view": None,
    }


def test_what_hydra_reads_is_read_as_before() -> None:
    assert data("data.max_bad_rows=3").max_bad_rows == 3
    assert data("data.path='a,b.csv'").path == "a,b.csv"
    assert list(sweep(["data.path=ä.csv", "seed=1,2"])) == [
        ["data.path='ä.csv'", "seed=1"],
        ["data.path='ä.csv'", "seed=2"],
    ]


@pytest.mark.parametrize(
    "word", ["data.event_types={浏览: [}", "data.event_types={浏览: !!python/none x}"]
)
def test_a_broken_mapping_is_one_line(word: str) -> None:
    with pytest.raises(ConfigError) as error:
        data(word)
    assert "\n" not in str(error.value)


def test_a_text_with_a_comma_is_answered_with_the_word_to_type() -> None:
    with pytest.raises(ConfigError, match=r"is a grid: add -m, or type .data"):
        data("data.path=a,b.csv")


def test_an_interpolation_among_odd_letters_is_still_refused() -> None:
    for word in ("data.label=ä${nope}", "data.event_types={浏览: '${oc.env:HOME}'}"):
        with pytest.raises(ConfigError):
            data(word)
