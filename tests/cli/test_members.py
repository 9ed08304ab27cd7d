"""Hybrid models on the command line: named members, their settings, and mistakes in both."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from tests.cli.conftest import SHOP, Workspace

import growthlab
from growthlab.bundle.bundle import Bundle
from growthlab.config.compose import compose
from growthlab.core.build import build
from growthlab.core.errors import ConfigError
from growthlab.data.simulated_shop import SimulatedShop
from growthlab.models.base import Recommender
from growthlab.models.recommend.gru4rec import GRU4Rec

MEMBERS = "model.members=[item_knn,markov,personal_frequency]"


def members_of(*words: str) -> dict[str, object]:
    """A new model of each member of the blend."""
    model = build(compose("train", ["model=recommend/blend", *words]).config.model, Recommender)
    return {name: make() for name, make in model.members.items()}


def test_a_member_has_the_settings_of_its_own_config_file() -> None:
    alone = build(compose("train", ["model=recommend/gru4rec"]).config.model, Recommender)
    member = members_of("model.members=[gru4rec,markov]")["gru4rec"]
    assert isinstance(member, GRU4Rec)
    assert repr(member) == repr(alone)


def test_a_member_s_setting_is_given_under_its_name() -> None:
    words = ("model.members=[item_knn,gru4rec]", "model.members.gru4rec.trainer.epochs=3")
    members = members_of(*words, "model.members.item_knn.event_weights={view:0.5}")
    assert members["gru4rec"].trainer.epochs == 3  # type: ignore[attr-defined]
    assert members["item_knn"].event_weights == {"view": 0.5}  # type: ignore[attr-defined]


def test_a_model_file_may_give_settings_with_the_members_names(fresh: Workspace) -> None:
    own = fresh.folder / "conf" / "model" / "recommend" / "near.yaml"
    own.parent.mkdir(parents=True)
    own.write_text(
        "# @package model\n_target_: growthlab.models.recommend.blend.Blend\n"
        "members: [{item_knn: {neighbours: 3}}, gru4rec, {markov: {}}]\n"
    )
    shown = fresh.growthlab("train", "model=recommend/near", "--cfg", "job")
    assert shown.status == 0, shown.err
    members = yaml.safe_load(shown.out)["model"]["members"]
    assert members["item_knn"]["neighbours"] == 3
    assert members["item_knn"]["shrinkage"] == 20
    assert list(members) == ["item_knn", "gru4rec", "markov"]


def test_settings_may_be_given_in_the_list_of_members() -> None:
    members = members_of("model.members=[{item_knn:{neighbours:3}},markov]")
    assert members["item_knn"].neighbours == 3  # type: ignore[attr-defined]


def test_the_winner_of_a_search_keeps_its_members_and_their_settings(fresh: Workspace) -> None:
    words = ["model=recommend/blend", "model.members=[item_knn,markov]"]
    words += ["model.members.item_knn.neighbours=9", "metrics=[ranking/ndcg]", *SHOP]
    done = fresh.growthlab("tune", *words, "budget.trials=1", "study=mixed")
    assert done.status == 0, done.err
    written = yaml.safe_load((fresh.folder / "conf/experiment/mixed.yaml").read_text())
    assert written["model"]["members"] == [{"item_knn": {"neighbours": 9}}, "markov"]
    shown = fresh.growthlab("train", "experiment=mixed", "--cfg", "job")
    members = yaml.safe_load(shown.out)["model"]["members"]
    assert {n: own.get("neighbours") for n, own in members.items()} == {
        "item_knn": 9,
        "markov": None,
    }


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ("model.members=[[markov]]", "model.members=[['markov']]: give a list of models such as"),
        (
            "model.members=[item_knn,markof]",
            "markof is not a model of recommend: did you mean markov",
        ),
        ("model.members=[markov,markov]", "model.members: markov is named 2 times"),
        ("model.members=[markov,blend]", "model.members: blend would be inside itself"),
        ("model.members=[markov]", "model.members must name two models or more, got markov"),
        ("model.members=[]", "model.members must name two models or more, got none"),
        ("model.members=markov", "model.members=markov: give a list of models such as"),
        (
            "model.members.item_knn.neigbours=3",
            "unknown setting model.members.item_knn.neigbours: "
            "did you mean model.members.item_knn.neighbours?",
        ),
        ("model.members.caser.width=3", "unknown setting model.members.caser: possible:"),
        ("model.members.item_knn.neighbours=0", "model.members.item_knn: neighbours must be 1"),
        ("model.members.item_knn.neighbours=many", "item_knn.neighbours must be a whole number"),
        ("model.members.item_knn.neighbours=1,2", "neighbours=1,2 is a grid: add -m"),
    ],
)
def test_a_mistake_in_members_is_one_line(fresh: Workspace, words: str, line: str) -> None:
    assert line in fresh.growthlab("train", "model=recommend/blend", *words.split()).mistake


def test_a_hybrid_that_contains_itself_is_refused_in_one_line(fresh: Workspace) -> None:
    own = fresh.folder / "conf" / "model" / "recommend" / "round.yaml"
    own.parent.mkdir(parents=True)
    own.write_text(
        "# @package model\n_target_: growthlab.models.recommend.blend.Blend\n"
        "members: [markov, blend, round]\n"
    )
    line = fresh.growthlab("train", "model=recommend/round").mistake
    assert line == "model.members: round would be inside itself"
    words = ("model=recommend/blend", "model.members=[markov,round]")
    line = fresh.growthlab("train", *words).mistake
    assert line == "model.members: blend would be inside itself"


def test_a_model_without_members_has_no_settings_of_members(fresh: Workspace) -> None:
    line = fresh.growthlab("train", "model.members.item_knn.neighbours=3").mistake
    assert line.startswith("unknown setting model.members: ")


def test_a_grid_over_a_member_s_setting_runs_each(fresh: Workspace) -> None:
    words = ("model=recommend/blend", MEMBERS, "model.members.item_knn.neighbours=5,50", "-m")
    done = fresh.growthlab("train", *words, "--cfg", "job")
    shown = [yaml.safe_load(text) for text in done.out.split("---\n")]
    neighbours = [each["model"]["members"]["item_knn"]["neighbours"] for each in shown]
    assert neighbours == [5, 50]


def test_a_logged_hybrid_can_be_rerun_and_exported(fresh: Workspace, tmp_path: Path) -> None:
    words = ("model=recommend/two_stage", MEMBERS, "model.members.item_knn.neighbours=7")
    done = fresh.growthlab("train", *words, "metrics=[ranking/ndcg]", *SHOP)
    assert done.status == 0, done.err
    run_id = fresh.logged_by(done).info.run_id
    again = fresh.growthlab("train", f"rerun={run_id}")
    assert again.status == 0, again.err
    assert again.out.splitlines()[0] == done.out.splitlines()[0]
    params = fresh.client.get_run(run_id).data.params
    assert params["model.members.item_knn.neighbours"] == "7"
    exported = fresh.growthlab("export", f"run={run_id}", "to=bundle", "register=false")
    assert exported.status == 0, exported.err
    assert Bundle.load(fresh.folder / "bundle").manifest.kind == "two_stage"


def test_a_comparison_sets_the_members_of_every_hybrid(fresh: Workspace) -> None:
    words = ("models=[markov,blend,two_stage]", MEMBERS, "model.members.item_knn.neighbours=7")
    shown = fresh.growthlab("compare", *words, "metrics=[ranking/ndcg]", *SHOP)
    assert shown.status == 0, shown.err
    for name in ("blend", "two_stage"):
        (run,) = fresh.runs("top_n", model=name)
        assert run.data.params["model.members.item_knn.neighbours"] == "7"


def test_hybrids_are_compared_from_python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    log = SimulatedShop(users=150, items=60, days=150).read()
    words = [MEMBERS, "metrics=[ranking/ndcg]"]
    comparison = growthlab.compare(log, ["popularity", "blend", "two_stage"], overrides=words)
    assert set(comparison.leaderboard()["model"]) == {"popularity", "blend", "two_stage"}
    with pytest.raises(ConfigError, match=r"the model has no setting members\.caser\.width"):
        growthlab.compare(log, ["blend"], overrides=["model.members.caser.width=3"])
