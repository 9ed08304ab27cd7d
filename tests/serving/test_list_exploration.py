"""A service that explores: what is swapped, with which propensity, and what growthlab ope makes of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from tests.patience import wait_until

from growthlab.bundle.answers import PredictRequest, RankedItem, Recommendation, RecommendRequest
from growthlab.cli.main import main
from growthlab.core.errors import ConfigError
from growthlab.ranking.rules import Rules
from growthlab.serving.list_exploration import ListExploration
from growthlab.serving.service_options import ServiceOptions

LIST = Recommendation([RankedItem(c, 1.0 / n, n) for n, c in enumerate("abcde", 1)], "known")
GOLDEN = (5**0.5 - 1) / 2  # its multiples are spread evenly between whole numbers
CUSTOMER = RecommendRequest(user_id="anna")


def exploration(share: float, rules: Rules | None = None) -> ListExploration:
    return ListExploration(share, b"salt", rules or Rules())


def test_a_position_shows_its_own_item_or_the_one_that_is_k_places_below() -> None:
    seen: list[tuple[str, ...]] = []
    for n in range(2000):
        shown, propensities = exploration(0.2).explored(LIST, CUSTOMER, 3, f"{n:032x}")
        items = tuple(item.item for item in shown.items)
        assert items[0] in "ad"
        assert items[1] in "be"
        assert items[2] == "c"  # nothing is three places below it
        assert [item.rank for item in shown.items] == [1, 2, 3]
        expected = [0.8 if item in "abc" else 0.2 for item in items[:2]]
        assert list(propensities) == [*expected, 1.0]
        seen.append(items)
    # shares of 2,000 draws have the standard deviation 0.9 %; both positions are independent
    first, second = ([items[i] in "de" for items in seen] for i in (0, 1))
    assert sum(first) / 2000 == pytest.approx(0.2, abs=0.04)
    both = sum(a and b for a, b in zip(first, second, strict=True))
    assert both / 2000 == pytest.approx(0.04, abs=0.02)


def test_the_draw_is_that_of_the_request() -> None:
    one, other = (exploration(0.5).explored(LIST, CUSTOMER, 2, "f" * 32) for _ in range(2))
    assert one == other


def test_what_rules_arrange_and_what_is_no_list_is_left_as_it_is() -> None:
    pinned = RecommendRequest(user_id="anna", rules=Rules(pinned=("e",)))
    assert exploration(0.5).asked_length(pinned, 3) == 3
    assert exploration(0.5).explored(LIST, pinned, 5, "0" * 32) == (LIST, (1.0,) * 5)
    assert exploration(0.5, Rules(max_per_category=1)).asked_length(CUSTOMER, 3) == 3
    assert exploration(0.5).asked_length(PredictRequest(), 0) == 0
    assert exploration(0.0).asked_length(CUSTOMER, 3) == 3
    assert exploration(0.5).asked_length(CUSTOMER, 3) == 6


@pytest.mark.parametrize(
    ("options", "line"),
    [({"explore": 0.6}, r"explore must lie in 0 \.\.\. 0.5"), ({"explore": 0.1}, "add log=FILE")],
)
def test_a_share_out_of_range_and_a_missing_log_are_refused(
    options: dict[str, Any], line: str
) -> None:
    with pytest.raises(ConfigError, match=line):
        ServiceOptions(bundle="b", **options)


def test_propensities_are_logged_and_tell_what_a_bundle_would_have_earned(
    served: Callable[..., Any],
    bundles_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    path, shop = tmp_path / "requests.jsonl", bundles_folder / "top_n"
    # evenly spread draws in place of those of random ids: the same shares in every run
    draws = count()
    monkeypatch.setattr(ListExploration, "_draw", lambda *_: next(draws) * GOLDEN % 1)
    client = served(shop, log=str(path), explore=0.3).client
    asked = [{"user_id": user, "k": 1} for user in ("anna", "bert", "carl") for _ in range(150)]
    answers = client.post("/batch", json={"recommend": asked[:100]}).json()["recommend"]
    for start in range(100, 450, 50):
        more = {"recommend": asked[start : start + 50]}
        answers += client.post("/batch", json=more).json()["recommend"]
    # everybody clicks on what is shown in every other answer
    clicked = [a for a in answers[::2] if a["items"]]
    for answer in clicked:
        items = [item["item"] for item in answer["items"]]
        body = {"request_id": answer["request_id"], "event": "click", "items": items}
        assert client.post("/feedback", json=body).is_success
    wait_until(lambda: path.read_text().count("\n") == len(answers) + len(clicked))
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    chances = [p for line in lines for p in line.get("propensities") or []]
    assert set(chances) <= {0.3, 0.7, 1.0}
    swapped = [p for p in chances if p < 1]
    assert sum(p == 0.3 for p in swapped) / len(swapped) == pytest.approx(0.3, abs=0.1)
    words = ["ope", f"log={path}", f"policy={shop}", "name=shop"]
    assert main(words) == 0
    content = json.loads((tmp_path / "reports/shop/ope.json").read_text())
    assert content["assumption"] == "independent"
    assert content["weights"]["mean"] == pytest.approx(1, abs=0.15)
    assert content["estimates"]["SNIPS"]["value"] == pytest.approx(0.5, abs=0.1)
    for wrong, line in (
        (["log_event=buy"], "log_event must be one of"),
        (["actions.path=a.csv"], "give the log as a table"),
        (["assumption=cascade"], "positions of a request log are independent"),
    ):
        capsys.readouterr()
        assert main([*words, *wrong]) == 2
        assert line in capsys.readouterr().err
    assert main(["ope", f"log={path}", f"policy={bundles_folder / 'churn'}"]) == 2
    assert "name a bundle that makes lists" in capsys.readouterr().err


def test_a_log_without_exploration_is_refused(
    served: Callable[..., Any],
    bundles_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    path, shop = tmp_path / "requests.jsonl", bundles_folder / "top_n"
    client = served(shop, log=str(path)).client
    assert client.post("/recommend", json={"user_id": "anna"}).is_success
    wait_until(lambda: path.exists() and path.read_text().count("\n") == 1)
    assert json.loads(path.read_text())["propensities"] is None
    assert main(["ope", f"log={path}", f"policy={shop}"]) == 2
    assert "let the service explore, with explore=0.05" in capsys.readouterr().err
