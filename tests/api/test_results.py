"""Results show themselves, and lead to a bundle, a page, a run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from tests.api.conftest import FAST

import growthlab as gl
from growthlab.api.model_results import Compared
from growthlab.core.errors import BundleError, ConfigError, ExportError
from growthlab.workbench.own_log import OwnLog


@pytest.fixture(scope="module")
def board(log: OwnLog) -> Compared:
    """A comparison of two models."""
    return gl.compare(log, ["popularity", "item_knn"], overrides=FAST)


def test_a_comparison_shows_leaderboard_verdict_and_plot(board: Compared) -> None:
    html = board._repr_html_()
    assert "Winner by the validation window" in html
    assert ">item_knn" in html
    assert 'src="data:image/png;base64,' in html
    assert repr(board) == board.as_text()


def test_the_page_of_a_comparison_is_a_file(board: Compared, folder: Path) -> None:
    assert board.save(folder / "page.html").read_text().startswith("<!DOCTYPE html>")
    with pytest.raises(ConfigError, match="cannot be written"):
        board.save(folder)


def test_the_winner_is_exported_unless_a_model_is_named(board: Compared) -> None:
    assert gl.load(gl.export(board, "one")).bundle.manifest.model == board.winner().name
    named = gl.load(gl.export(board, "two", model="popularity"))
    assert named.bundle.manifest.model == "popularity"
    assert "popularity for top_n on orders" in repr(named)


def test_an_export_that_cannot_be_is_refused(board: Compared, folder: Path) -> None:
    gl.export(board, "there")
    with pytest.raises(ExportError, match="exists already"):
        gl.export(board, "there")
    gl.export(board, "there", overwrite=True)
    with pytest.raises(ConfigError, match="model=item_kn: did you mean item_knn"):
        gl.export(board, "other", model="item_kn")
    (folder / "mine").mkdir()
    with pytest.raises(ExportError, match="no bundle"):
        gl.export(board, "mine", overwrite=True)


def test_a_bundle_answers_for_one_for_several_and_for_frames(board: Compared) -> None:
    bundle = gl.load(gl.export(board, "lists"))
    one = bundle.recommend("c1", k=3)
    assert one["rank"].tolist() == [1, 2, 3]
    several = bundle.recommend(["c1", "nobody"], k=2)
    assert several["row"].tolist() == [0, 0, 1, 1]
    frame = bundle.recommend(pd.DataFrame({"user_id": ["c1"]}), k=3)
    pd.testing.assert_frame_equal(frame, one)
    basket = bundle.recommend(basket=["tea"], k=2)
    assert "tea" not in set(basket["item_id"])


def test_a_wrong_question_to_a_bundle_is_one_line(board: Compared) -> None:
    bundle = gl.load(gl.export(board, "asked"))
    with pytest.raises(ConfigError, match="k must be a whole number"):
        bundle.recommend("c1", k=0)
    with pytest.raises(ConfigError, match="history is of one request"):
        bundle.recommend(["c1", "c2"], history=["tea"])
    with pytest.raises(ConfigError, match=r"none of user_id, history.*did you mean userid"):
        bundle.recommend(pd.DataFrame({"userid": ["c1"]}))
    with pytest.raises(BundleError, match="answers top_n with lists"):
        bundle.score("c1")


def test_a_tracked_comparison_leads_to_its_run_its_page_and_the_gate(
    log: OwnLog, folder: Path
) -> None:
    board = gl.compare(log, ["popularity", "item_knn"], track=True, overrides=FAST)
    assert (folder / "reports/orders/comparison-top_n.html").exists()
    assert '<a href="http' in board._repr_html_()
    ruling = gl.promote(board, dry_run=True)
    assert ruling.case.challenger_run == board.logged.run_of(board.winner())


def test_a_name_that_is_no_folder_is_refused_where_something_is_written(log: OwnLog) -> None:
    odd = gl.read(log.to_pandas(), name="../elsewhere")
    with pytest.raises(ConfigError, match="cannot be the name of a folder"):
        gl.compare(odd, ["popularity"], track=True)


def test_a_model_of_an_interrupted_call_is_exported_from_its_run(board: Compared) -> None:
    read = [replace(outcome, model=None) for outcome in board.outcomes[0]]
    with pytest.raises(ExportError, match="was fitted by an earlier call: growthlab export run="):
        gl.export(replace(board, outcomes={0: read}), "earlier")


def test_an_untracked_result_cannot_be_promoted(board: Compared) -> None:
    with pytest.raises(ExportError, match="track=True"):
        gl.promote(board)


def test_customers_get_tags_and_segments(log: OwnLog) -> None:
    tags = gl.portrait(log)
    assert len(tags.frame) == log.n_users
    assert "<table" in tags._repr_html_()
    tables = gl.segment(log, sections=["rfm"])
    assert list(tables.tables) == ["rfm"]
    assert "rfm: " in tables._repr_html_()


def test_a_report_shows_its_page(log: OwnLog) -> None:
    words = ["section=[sales]", "privacy.min_group=10"]
    html = gl.describe(log, overrides=words)._repr_html_()
    assert html.startswith("<iframe ")
    assert "&lt;script" not in html or 'sandbox=""' in html


def test_a_search_shows_its_trials(log: OwnLog) -> None:
    found = gl.tune(log, "item_knn", trials=2, overrides=["metrics=[ranking/ndcg]"])
    assert "best of 2 trials of item_knn" in found._repr_html_()


def test_a_search_in_several_processes_is_refused_with_the_command_that_can(log: OwnLog) -> None:
    with pytest.raises(ConfigError, match=r"^n_jobs=2: .* use the command growthlab tune$"):
        gl.tune(log, "item_knn", overrides=["n_jobs=2"])


def test_an_experiment_and_a_policy_are_judged_from_frames() -> None:
    random = np.random.default_rng(0)
    given = random.random(1000) < 0.5
    customers = pd.DataFrame(
        {
            "who": range(1000),
            "group": np.where(given, "mail", "control"),
            "spend": given + random.random(1000),
        }
    )
    result = gl.ab(customers, ["spend"], {"user_id": "who", "arm": "group"})
    assert result.effects.iloc[0]["low"] > 0  # everybody with a mail spends 1 more
    shown = pd.DataFrame({"reward": [0, 1] * 500, "action": ["a", "b"] * 500, "propensity": 0.5})
    always_b = shown.assign(new=[0.0, 1.0] * 500)  # b is what earns: 1 a row
    assert "SNIPS" in repr(gl.ope(always_b, columns={"target": "new"}))
