"""The documentation site: pages made from the code are complete, and links of all pages lead somewhere."""

from __future__ import annotations

import csv
import importlib
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from growthlab.cli.commands import commands
from growthlab.config.conf_tree import CONF

ROOT = Path(__file__).parents[2]
SITE = ROOT / "docs" / "site"
SOURCES = sorted((ROOT / "src" / "growthlab").rglob("*.py"))


@pytest.fixture(scope="module")
def generated() -> Iterator[ModuleType]:
    """The module that makes pages."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(SITE)
        yield importlib.import_module("generated_pages")


@pytest.fixture(scope="module")
def pages(generated: ModuleType) -> dict[str, str]:
    """The pages that are made, by their path."""
    return dict(generated.pages())


def test_the_list_of_models_says_when_to_use_them(pages: dict[str, str]) -> None:
    listed = pages["models/index.md"]
    assert "| [ease](recommend/ease.md) | some thousands of items" in listed


def test_every_model_has_a_page_with_its_settings_and_what_it_does(pages: dict[str, str]) -> None:
    for path in CONF.glob("model/*/*.yaml"):
        page = pages[f"models/{path.parent.name}/{path.stem}.md"]
        settings = re.findall(r"^(\w+):", path.read_text(), re.MULTILINE)
        for name in set(settings) - {"_target_", "_partial_", "defaults"}:
            assert f"| `model.{name}` |" in page, (path.stem, name)
        what = page.partition("## What it does")[2].partition("## Settings")[0]
        assert what.strip(), path.stem


def test_the_cost_of_a_model_is_that_of_the_demo(pages: dict[str, str]) -> None:
    readme = (ROOT / "README.md").read_text()
    row = next(line for line in readme.splitlines() if re.match(r"^\d+ +sasrec ", line))
    seconds = re.split(r"\s{2,}", row)[-4]
    assert f"{seconds} s to fit" in pages["models/recommend/sasrec.md"]


def test_the_figures_of_a_model_are_those_of_the_studies(pages: dict[str, str]) -> None:
    with (ROOT / "experiments" / "03-tuned-online-retail" / "results.csv").open() as file:
        values = [
            float(row["value"])
            for row in csv.DictReader(file)
            if (row["model"], row["metric"]) == ("gru4rec", "test/ndcg_at_10")
        ]
    page = pages["models/recommend/gru4rec.md"].partition("## In the studies")[2]
    row = next(line for line in page.splitlines() if "03-tuned-online-retail.md" in line)
    assert f"| {sum(values) / len(values):.4f} | two_stage, " in row
    # it was judged by another metric there
    assert "[07 Known effects](../../studies/" in pages["models/uplift/t_logistic.md"]


def test_the_references_have_every_command_and_every_metric(pages: dict[str, str]) -> None:
    for name in commands():
        assert f"\n## {name}\n" in pages["reference/commands.md"]
    parts = re.split(r"^### (\w+)$", pages["metrics.md"], flags=re.MULTILINE)
    shown = sorted(zip(parts[1::2], parts[2::2], strict=True))
    assert [name for name, _ in shown] == sorted(p.stem for p in CONF.glob("metrics/*/*.yaml"))
    assert all(re.search(r"^```pycon\n(>>>.*\n)+", part, re.MULTILINE) for _, part in shown)


def test_the_head_of_a_config_file_and_its_notes_are_read(
    generated: ModuleType, tmp_path: Path
) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(
        "# @package model\n# What it is.\ndefaults:\n  - /trainer@trainer: default\n"
        "_target_: growthlab.models.recommend.als.ALS\nwidth: 64   # factors\nplain: true\n"
    )
    config = generated.read_config(path)
    assert (config.head, config.target) == ("What it is.", "growthlab.models.recommend.als.ALS")
    assert config.rows == [("width", "64", "factors"), ("plain", "true", "")]


def test_links_to_pages_that_are_made_lead_to_them(pages: dict[str, str]) -> None:
    texts = [path.read_text() for path in (SITE / "pages").glob("*.md")]
    targets = [target for text in texts for target in re.findall(r"\[\[([^|]+)\|", text)]
    assert "models/index.md" in targets
    assert set(targets) <= set(pages)


def test_each_message_of_troubleshooting_is_one_of_ours() -> None:
    page = (SITE / "pages" / "troubleshooting.md").read_text()
    messages = re.findall(r"^\| `([^`]+)` \|", page, re.MULTILINE)
    assert len(messages) >= 15
    text = "\n".join(path.read_text() for path in SOURCES)
    for message in messages:
        words = [re.escape(word) for word in message.split()]
        # a message may go on in the next literal, or hold a value
        assert re.search(r"(\s|\"\s*f?\"|\{[^}]*\})+".join(words), text), message


def test_every_command_of_the_quick_starts_is_one() -> None:
    for name in ("quick_start.md", "quick_start_zh.md"):
        typed = re.findall(r"^growthlab (\w+)", (SITE / "pages" / name).read_text(), re.MULTILINE)
        assert set(typed) <= {command.split()[0] for command in commands()}
        assert "compare" in typed
