"""The first commands that somebody types: init, config, completion, and how much is said."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.cli.conftest import Workspace

from growthlab.cli.commands import commands, help_of
from growthlab.cli.completion import SCRIPTS, candidates
from growthlab.config.compose import compose


def test_init_writes_a_folder_in_which_a_command_runs(fresh: Workspace) -> None:
    done = fresh.growthlab("init", "shop")
    assert done.status == 0, done.err
    shop = Workspace(fresh.folder / "shop")
    assert "conf/local/" in (shop.folder / ".gitignore").read_text()
    said = shop.growthlab("config", "compare")
    assert "# conf/local/default.yaml" in next(
        line for line in said.out.splitlines() if line.startswith("seeds=")
    )


def test_the_commented_examples_of_the_settings_hold(
    fresh: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    fresh.growthlab("init")
    path = fresh.folder / "conf/local/default.yaml"
    text = path.read_text().replace("# task:", "task:").replace("# memory_gb:", "memory_gb:")
    path.write_text(text.replace("# tracking:\n#   uri:", "tracking:\n  uri:"))
    monkeypatch.chdir(fresh.folder)
    command = compose("compare", [])
    config = command.config
    assert (command.chosen["task"], config.memory_gb) == ("churn", 8)
    assert config.tracking.uri == "sqlite:////srv/team/mlflow.db"


def test_init_keeps_what_is_there_unless_told(fresh: Workspace) -> None:
    (fresh.folder / ".gitignore").write_text("mine\n")
    assert "kept    .gitignore" in fresh.growthlab("init").out
    assert (fresh.folder / ".gitignore").read_text() == "mine\n"
    fresh.growthlab("init", "overwrite=true")
    assert "mlflow.db*" in (fresh.folder / ".gitignore").read_text()
    assert fresh.growthlab("init", "a", "b").mistake.startswith("init makes one folder, got 2")


def test_the_notebook_of_a_new_folder_runs(
    fresh: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    fresh.growthlab("init")
    monkeypatch.chdir(fresh.folder)
    cells = json.loads((fresh.folder / "first_leaderboard.ipynb").read_text())["cells"]
    names: dict[str, object] = {}
    for cell in cells:
        if cell["cell_type"] == "code":
            exec(cell["source"], names)
    assert (fresh.folder / "bundles/first/manifest.json").exists()


def test_config_needs_a_command_that_exists(fresh: Workspace) -> None:
    assert fresh.growthlab("config").mistake.startswith("config needs a command")
    assert "did you mean compare" in fresh.growthlab("config", "compar").mistake


@pytest.mark.parametrize(
    ("typed", "found"),
    [
        (["comp"], ["compare", "completion"]),
        (["compare", "task=ch"], ["task=churn"]),
        (["compare", "data.us"], ["data.user_ids=", "data.users="]),
        (["compare", "seeds"], ["seeds="]),
        (["ab", "pl"], ["plan", "planned_customers=", "planned_effect="]),
        (["compare", "--q"], ["--quiet"]),
        (["nowhere", "x"], []),
    ],
)
def test_words_are_completed(typed: list[str], found: list[str]) -> None:
    assert candidates(typed) == found


def test_every_command_is_completed_by_its_settings() -> None:
    for name, command in commands().items():
        if "shell" not in command.file:
            assert candidates([*name.split(), ""]), name


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")
def test_bash_completes_a_choice(tmp_path: Path) -> None:
    script = (
        f'{SCRIPTS["bash"]}\ngrowthlab() {{ {sys.executable} -m growthlab "$@"; }}\n'
        'COMP_LINE="growthlab compare task=ch"; COMP_POINT=${#COMP_LINE}; _growthlab\n'
        'echo "${COMPREPLY[@]}"\n'
    )
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "churn"  # bash replaces what stands behind the =


def test_completion_of_another_shell_is_refused(fresh: Workspace) -> None:
    assert fresh.growthlab("completion", "fish").mistake.startswith("completion of fish: possible")


def test_a_command_says_at_once_that_it_runs_unless_it_is_quiet(fresh: Workspace) -> None:
    words = ["prepare", "data.users=20", "data.days=40"]
    loud = fresh.process(*words).communicate()[1]
    assert loud.splitlines()[0].endswith("growthlab prepare data.users=20 data.days=40")
    assert fresh.process(*words, "--quiet").communicate()[1] == ""
    assert fresh.growthlab(*words, "--quiet", "--verbose").mistake.startswith(
        "--quiet and --verbose"
    )


def test_help_of_compare_shows_every_setting_with_its_group() -> None:
    text = help_of("compare")
    for setting in (
        "seeds: 1",
        "device: auto",
        "data.days: 240",
        "split.gap_days: 0",
        "tracking.uri:",
    ):
        assert f"\n{setting}" in text, setting
    assert "\nmodel=recommend/item_knn:\n" in text
    assert "  objective: ndcg_at_10" in text
