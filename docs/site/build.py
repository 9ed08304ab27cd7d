"""Build the documentation site: the documents of the repository, and pages made from the code.

Usage: python docs/site/build.py [FOLDER]; the site is then in FOLDER/html. Links are checked: one that
leads nowhere ends the build.
"""

from __future__ import annotations

import posixpath
import re
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

import yaml

sys.path.insert(0, str(Path(__file__).parent))
from generated_pages import pages
from study_figures import EXPERIMENTS, page_of, studies

ROOT = Path(__file__).parents[2]
OWN = Path(__file__).with_name("pages")
STYLE = Path(__file__).with_name("contrast.css")
LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^)\s]+)\)")
MADE_LINK = re.compile(
    r"\[\[([^|\]]+)\|([^\]]+)\]\]"
)  # to a page that is made: [[metrics.md|metrics]]
REPOSITORY_PAGES = {  # documents of the repository -> their page
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "experiments/README.md": "studies/index.md",
    "SECURITY.md": "security.md",
    "README.md": "about.md",
}
NAVIGATION = [
    {
        "Start": [
            "index.md",
            "quick_start.md",
            "quick_start_zh.md",
            "coming_from.md",
            "troubleshooting.md",
        ]
    },
    {
        "Use": [
            "own_data.md",
            "configuration.md",
            "python.md",
            "comparisons.md",
            "twenty_questions.md",
            "promotion.md",
        ]
    },
    {
        "Serve": [
            "serving.md",
            "operation.md",
            "more_than_one_machine.md",
            "privacy.md",
            "compatibility.md",
        ]
    },
    {"Customers": ["insight.md", "tags.md", "campaign.md", "did_it_work.md", "strategy_paper.md"]},
    {
        "Reference": [
            "reference/commands.md",
            "reference/config.md",
            "reference/python.md",
            "metrics.md",
        ]
    },
    {"Models": ["models/index.md"]},
    {"Studies": ["studies/index.md"]},
    {"Project": ["about.md", "contributing.md", "security.md", "changelog.md"]},
]
INDEX = """# growthlab

One customer timeline, three questions: what will they want, will they leave, what are they worth?

- [Quick start](quick_start.md), [快速入门](quick_start_zh.md)
- [Your own data](own_data.md) and [Python](python.md)
- [Every model](models/index.md), [every metric](metrics.md), [every command](reference/commands.md)
- [What studies found](studies/index.md)
- [What a message means](troubleshooting.md), [coming from another library](coming_from.md)
"""


def main(folder: Path) -> int:
    """Write the sources of the site to a folder, and build it there."""
    sources = folder / "sources"
    shutil.rmtree(folder, ignore_errors=True)
    sources.mkdir(parents=True)
    for path, page in written_pages().items():
        target = sources / page
        if path.suffix == ".md":
            text = MADE_LINK.sub(r"[\2](\1)", with_links(path, path.read_text(encoding="utf-8")))
            _write(target, text)
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, target)
    shutil.copy(STYLE, sources)
    _write(sources / "index.md", INDEX)
    for name, text in pages():
        _write(sources / name, text)
    (folder / "mkdocs.yml").write_text(yaml.safe_dump(_settings(sources), sort_keys=False))
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet"]
    command += ["--config-file", str(folder / "mkdocs.yml"), "--site-dir", str(folder / "html")]
    return subprocess.run(command, check=False).returncode


@cache
def written_pages() -> dict[Path, str]:
    """The page of each document and picture of the repository that the site has."""
    found = {ROOT / name: page for name, page in REPOSITORY_PAGES.items()}
    found |= {path: path.name for path in (ROOT / "docs").iterdir() if path.is_file()}
    found |= {path: path.name for path in OWN.glob("*.md")}
    for study in studies():
        found[EXPERIMENTS / study / "README.md"] = page_of(study)
        for path in (EXPERIMENTS / study / "figures").glob("*.png"):
            found[path] = f"studies/figures/{study}/{path.name}"
    for path in (EXPERIMENTS / "benchmarks").glob("*.md"):
        found[path] = f"studies/benchmarks/{path.name}"
    return found


def _settings(sources: Path) -> dict[str, object]:
    """The settings of mkdocs; every model and every study has its page in the navigation."""
    models = [
        {family.name: [str(p.relative_to(sources)) for p in sorted(family.glob("*.md"))]}
        for family in sorted((sources / "models").iterdir())
        if family.is_dir()
    ]
    benchmarks = sorted(
        f"studies/benchmarks/{p.name}" for p in (EXPERIMENTS / "benchmarks").glob("*.md")
    )
    more = {"Models": models, "Studies": [*map(page_of, studies()), {"benchmarks": benchmarks}]}
    navigation = [
        {title: [*entries, *more.get(title, [])]}
        for part in NAVIGATION
        for title, entries in part.items()
    ]
    return {
        "site_name": "growthlab",
        "docs_dir": str(sources),
        "nav": navigation,
        "theme": {
            "name": "material",
            "font": False,
            "features": ["navigation.tabs", "content.code.copy"],
        },
        "extra_css": [STYLE.name],
        "markdown_extensions": ["tables", "admonition", "pymdownx.superfences"],
        "plugins": [
            "search",
            {
                "mkdocstrings": {
                    "handlers": {
                        "python": {
                            "paths": [str(ROOT / "src")],
                            "options": {
                                "docstring_style": "numpy",
                                "show_source": False,
                                "show_root_heading": False,
                                "show_root_toc_entry": False,
                                "heading_level": 3,
                            },
                        }
                    }
                }
            },
        ],
        "validation": {
            "links": {"not_found": "warn", "anchors": "warn", "unrecognized_links": "warn"}
        },
    }


def with_links(path: Path, text: str) -> str:
    """The text with links to files that have a page; of others the words stay."""
    own = posixpath.dirname(written_pages()[path])

    def replaced(match: re.Match[str]) -> str:
        mark, words, target = match.groups()
        place, hash_sign, anchor = target.partition("#")
        if not place or "://" in place:
            return match[0]
        page = written_pages().get((path.parent / place).resolve())
        if page is None:
            return words
        return f"{mark}[{words}]({posixpath.relpath(page, own or '.')}{hash_sign}{anchor})"

    return LINK.sub(replaced, text)


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1] if len(sys.argv) > 1 else ROOT / "site").resolve()))
