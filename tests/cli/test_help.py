"""Help is there at once and says what there is."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir

from growthlab.cli.commands import MODULES, commands, split_command
from growthlab.config.conf_tree import CONF, groups
from growthlab.config.defaults_list import Default, composed_groups, defaults_of

HEAVY = ("torch", "mlflow", "hydra", "pandas", "numpy", "omegaconf", "sklearn")


def console(*words: str) -> subprocess.CompletedProcess[str]:
    """The command as a user runs it, from the environment's own scripts."""
    program = f"{sys.prefix}/bin/growthlab"
    return subprocess.run([program, *words], capture_output=True, text=True, check=False)


def test_help_lists_the_commands_and_the_choices_of_each_group() -> None:
    done = console("--help")
    assert done.returncode == 0
    for word in (*commands(), "simulated_shop", "recommend/gru4rec", "leave_last_out", "server"):
        assert word in done.stdout


@pytest.mark.parametrize("command", commands())
def test_help_of_a_command_shows_its_settings(command: str) -> None:
    done = console(*command.split(), "--help")
    assert done.returncode == 0
    assert done.stdout.startswith(f"growthlab {command}: {commands()[command].summary}")


def test_every_command_has_a_summary_a_section_and_an_example() -> None:
    for name, command in commands().items():
        assert command.summary[:1].isupper(), name
        assert command.section != "other", name
        assert command.notes.startswith(f"growthlab {name} "), name


def test_a_command_of_two_words_is_typed_in_two_words() -> None:
    assert split_command(["ab", "plan", "days=7"]) == ("ab plan", ["days=7"])
    assert split_command(["ab", "name=x"]) == ("ab", ["name=x"])
    assert split_command(["ab"]) == ("ab", [])
    done = console("ab_plan")
    assert done.returncode == 2
    assert done.stderr.startswith("growthlab: unknown command ab_plan: did you mean ab plan or ")


def test_every_config_file_of_a_command_has_its_module_and_every_module_of_a_command_its_file() -> (
    None
):
    files = {path.stem for path in CONF.glob("*.yaml")}
    modules = {
        path.stem
        for path in MODULES.glob("*.py")
        if any(
            isinstance(node, ast.FunctionDef) and node.name == "run"
            for node in ast.parse(path.read_text()).body
        )
    }
    assert {command.file for command in commands().values()} == files == modules


@pytest.mark.parametrize("command", commands())
def test_the_groups_in_the_help_are_those_that_hydra_composes(command: str) -> None:
    with initialize_config_dir(str(CONF.resolve()), version_base="1.3"):
        config = compose(commands()[command].file, return_hydra_config=True)
    composed = {group.partition("@")[0] for group in config.hydra.runtime.choices}
    composed = {group for group in composed if group in groups()}
    shown = set(composed_groups(commands()[command].file))
    inside_models = {"loss", "trainer", "content"} if "model" in shown else set()
    assert composed <= shown <= composed | inside_models | {"section", "metrics"}


def test_a_defaults_list_is_read_in_every_form_that_hydra_has(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_text(
        "# - model: als\n"
        "defaults:\n"
        "  - train            # another file\n"
        "  - data: null\n"
        "  # a remark\n"
        "  - override /task: churn\n"
        "  - /loss@model.loss: gbce\n"
        "  - optional local: default\n"
        "  - section: []\n"
        "  - _self_\n"
        "\n"
        "models:\n"
        "  - search: not a default\n"
    )
    assert list(defaults_of(path)) == [
        Default("train", is_group=False),
        Default("data", is_group=True, choice="null"),
        Default("task", is_group=True, choice="churn"),
        Default("loss", is_group=True, choice="gbce"),
        Default("local", is_group=True, choice="default"),
        Default("section", is_group=True),
    ]


def test_help_of_promote_says_what_a_refusal_ends_with() -> None:
    out = console("promote", "--help").stdout
    assert "Exit status: 0 promoted, 1 refused by the gate" in out


def test_help_of_compare_lists_the_groups_that_it_takes_over_from_train() -> None:
    out = console("compare", "--help").stdout
    assert "seeds: 1" in out
    assert "churn/recency_rule" in out


@pytest.mark.parametrize("words", [["--help"], ["compare", "--help"]])
def test_help_imports_nothing_heavy(words: list[str]) -> None:
    code = (
        "import sys; from growthlab.cli.main import main\n"
        f"status = main({words!r})\n"
        f"print(status, [m for m in {HEAVY!r} if m in sys.modules], file=sys.stderr)"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "0 []"


def test_help_imports_few_modules_so_that_it_is_there_at_once() -> None:
    code = (
        "import sys; before = set(sys.modules)\n"
        "from growthlab.cli.main import main; main(['train', '--help'])\n"
        "print(len(set(sys.modules) - before), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(done.stderr) < 120  # 61 with Python 3.11; torch alone brings more than 1,000


def test_without_a_command_help_is_shown() -> None:
    assert console().stdout == console("--help").stdout


def test_version_is_a_number() -> None:
    assert console("--version").stdout.strip()[0].isdigit()


def test_the_groups_inside_a_model_are_listed_with_its_command() -> None:
    lines = console("train", "--help").stdout.splitlines()
    (losses,) = [line for line in lines if line.strip().startswith("loss ")]
    assert "cross_entropy" in losses
