"""Help is there at once and says what there is."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest

from growthlab.cli.main import COMMANDS

HEAVY = ("torch", "mlflow", "hydra", "pandas", "numpy", "omegaconf", "sklearn")


def console(*words: str) -> subprocess.CompletedProcess[str]:
    """The command as a user runs it, from the environment's own scripts."""
    program = f"{sys.prefix}/bin/growthlab"
    return subprocess.run([program, *words], capture_output=True, text=True, check=False)


def test_help_lists_the_commands_and_the_choices_of_each_group() -> None:
    done = console("--help")
    assert done.returncode == 0
    for word in (*COMMANDS, "simulated_shop", "recommend/gru4rec", "leave_last_out", "server"):
        assert word in done.stdout


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_a_command_shows_its_settings(command: str) -> None:
    done = console(command, "--help")
    assert done.returncode == 0
    assert done.stdout.startswith(f"growthlab {command}: {COMMANDS[command]}")


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


def test_help_answers_within_half_a_second() -> None:
    def seconds() -> float:
        started = time.perf_counter()
        console("train", "--help")
        return time.perf_counter() - started

    assert min(seconds() for _ in range(5)) < 0.5


def test_without_a_command_help_is_shown() -> None:
    assert console().stdout == console("--help").stdout


def test_version_is_a_number() -> None:
    assert console("--version").stdout.strip()[0].isdigit()


def test_the_groups_inside_a_model_are_listed_with_its_command() -> None:
    lines = console("train", "--help").stdout.splitlines()
    (losses,) = [line for line in lines if line.strip().startswith("loss ")]
    assert "cross_entropy" in losses
