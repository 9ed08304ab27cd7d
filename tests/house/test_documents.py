"""The README is short and leads to every page, and each command that a document shows is a command."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from growthlab.cli.commands import commands as help_by_name
from growthlab.cli.commands import split_command
from growthlab.config.compose import compose, sweep
from growthlab.config.typed_words import all_gathered, gathered

ROOT = Path(__file__).parents[2]
DOCUMENTS = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"^```\w*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
MOST_WORDS = 1300
TASKS = ["top_n", "churn", "value"]


def commands() -> list[tuple[str, ...]]:
    """The words after ``growthlab`` of every command line in a block of a document, each once."""
    lines = [
        line.replace("$task", "top_n")
        for path in DOCUMENTS
        for block in BLOCK.findall(path.read_text())
        for line in re.findall(r"(?:^|do |&& )(growthlab [^;&\n]+)", block, re.MULTILINE)
    ]
    return list(dict.fromkeys(tuple(shlex.split(line, comments=True)[1:]) for line in lines))


def test_the_readme_stays_short() -> None:
    assert len((ROOT / "README.md").read_text().split()) <= MOST_WORDS


def test_a_contributor_finds_what_every_room_holds() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text()
    described = {
        room
        for row in re.findall(r"^\| (`.+?) \|", text, re.MULTILINE)
        for room in re.findall(r"`(\w+)`", row)
    }
    rooms = {path.parent.name for path in (ROOT / "src" / "growthlab").glob("*/__init__.py")}
    assert rooms <= described
    layers = re.search(r"^cli > .*?(?=^```)", text, re.MULTILINE | re.DOTALL)
    assert layers is not None
    listed = re.findall(
        r"^layers = \[(.*?)^\]", (ROOT / "pyproject.toml").read_text(), re.MULTILINE | re.DOTALL
    )[0]
    told = [set(re.findall(r"\w+", layer)) for layer in layers[0].split(">")]
    assert told == [
        set(re.findall(r"growthlab\.(\w+)", layer))
        for layer in listed.splitlines()
        if layer.strip()
    ]


def test_the_readme_leads_to_every_page_of_docs() -> None:
    linked = re.findall(r"\]\((docs/\w+\.md)", (ROOT / "README.md").read_text())
    assert set(linked) == {f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md")}


def test_the_leaderboards_of_the_readme_show_models_that_exist() -> None:
    readme = (ROOT / "README.md").read_text()
    (demo,) = re.findall(r"<!-- demo -->\n```\n(.*?)```\n<!-- /demo -->", readme, re.DOTALL)
    data = compose("compare", ["experiment=demo"]).chosen["data"]
    assert re.findall(rf"^{data}: (\w+)$", demo, re.MULTILINE)[:3] == TASKS
    assert f"reports/{data}/comparison-" in (ROOT / "Makefile").read_text()
    shown = set(re.findall(r"^\d+ +(\w+)", demo, re.MULTILINE))
    assert shown <= {path.stem for path in (ROOT / "conf" / "model").rglob("*.yaml")}


@pytest.mark.parametrize("words", commands(), ids=lambda words: " ".join(words)[:80])
def test_every_command_of_the_documents_has_keys_and_values_that_exist(
    words: tuple[str, ...],
) -> None:
    name, overrides = split_command(words)
    command = help_by_name()[name]
    typed = [word for word in overrides if word != "-m"]
    if command.all_words_are is not None:
        typed = all_gathered(typed, command.all_words_are)
    elif command.words_are is not None:
        typed = gathered(typed, command.words_are)
    for each in sweep(typed):
        compose(command.file, each)
