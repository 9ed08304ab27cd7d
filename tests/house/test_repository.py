"""What a reader may rely on: links lead somewhere, make targets exist, nothing is of one machine."""

from __future__ import annotations

import ast
import functools
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import grimp
import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src" / "growthlab"
LONGEST_FILE = 400  # lines
LONGEST_CHAIN = 15  # modules of which each imports the next
NAMED_AS_THEIR_CONFIG = ("cli", "insight/sections", "metrics/*", "models/*")  # folders of files
DOCUMENTS = [
    path
    for place in ("*.md", "docs/**/*.md", "experiments/**/*.md", ".github/**/*.md")
    for path in sorted(ROOT.glob(place))
]
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
# written in parts, so that this file does not hold what it looks for
OF_ONE_MACHINE = re.compile(r"/(?:work|root|home|Users)/\w|(?<![\w.$}])/t" + r"mp/\w")
REGISTRY = re.compile("pythonhoste" + r"d|pypi" + r"\.org|download\.pytor" + "ch|index-url +http")
SUFFIXES = (".py", ".yaml", ".yml", ".toml", ".txt", ".md", ".ipynb", ".csv", "")
COMES_WITH = {  # part of what the other gives
    "pydantic": "fastapi",
    "pydantic_core": "fastapi",
    "markupsafe": "jinja2",
    "py4j": "pyspark",
}
IMPORTED_AS = {
    "scikit-learn": "sklearn",
    "faiss-cpu": "faiss",
    "hydra-core": "hydra",
    "pillow": "PIL",
    "pyyaml": "yaml",
    "sentence-transformers": "sentence_transformers",
    "tea-tasting": "tea_tasting",
}


def files() -> Iterator[Path]:
    """Every text file that git tracks."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("not a git checkout")
    for name in listed.stdout.split("\0"):
        path = ROOT / name
        if name and path.is_file() and path.suffix in SUFFIXES:
            yield path


def modules() -> dict[Path, ast.Module]:
    """The parsed modules of the package."""
    return {path: ast.parse(path.read_text()) for path in sorted(PACKAGE.rglob("*.py"))}


def public(node: ast.Module | ast.ClassDef) -> Iterator[ast.AST]:
    """Public functions, classes and methods."""
    for child in node.body:
        if isinstance(child, (ast.FunctionDef, ast.ClassDef)) and not child.name.startswith("_"):
            yield child
            if isinstance(child, ast.ClassDef):
                yield from public(child)


@pytest.mark.parametrize("pattern", [OF_ONE_MACHINE, REGISTRY], ids=["paths", "registries"])
def test_no_file_is_tied_to_a_machine_or_a_registry(pattern: re.Pattern[str]) -> None:
    found = [
        f"{path.relative_to(ROOT)}:{n}: {line.strip()[:80]}"
        for path in files()
        for n, line in enumerate(path.read_text(errors="ignore").splitlines(), start=1)
        if pattern.search(line)
    ]
    assert not found, "\n".join(found)


def anchors(path: Path) -> set[str]:
    """The anchors of a Markdown file's headings."""
    headings = re.findall(r"^#+ +(.+)$", path.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", h.lower()).replace(" ", "-") for h in headings}


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda p: str(p.relative_to(ROOT)))
def test_links_lead_to_files_and_headings(path: Path) -> None:
    broken = []
    for target in LINK.findall(path.read_text()):
        if target.startswith(("http:", "https:", "mailto:")):
            continue
        name, _, anchor = target.partition("#")
        there = path.parent / name if name else path
        if not there.exists() or (anchor and anchor not in anchors(there)):
            broken.append(target)
    assert not broken


def make(*words: str) -> subprocess.CompletedProcess[str]:
    """A make command that does nothing but print."""
    return subprocess.run(["make", *words], cwd=ROOT, capture_output=True, text=True)


def test_make_help_lists_targets_that_exist_and_no_target_is_left_out() -> None:
    listed = set(re.findall(r"^ +make ([\w-]+)", make("help").stdout, re.MULTILINE))
    assert {"install", "demo", "test", "format", "help"} <= listed
    (phony,) = re.findall(r"^\.PHONY: (.+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert listed == set(phony.split())
    for target in listed:
        assert make("--dry-run", target).returncode == 0, target


def test_what_is_installed_is_compiled_where_python_may_not_keep_what_it_compiles() -> None:
    words = ("--dry-run", "install", "VENV=not-made")
    assert "compileall" in make(*words, "PYTHONDONTWRITEBYTECODE=1").stdout
    assert "compileall" not in make(*words, "PYTHONDONTWRITEBYTECODE=").stdout


def test_the_documents_name_make_targets_that_exist() -> None:
    known = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {
        target
        for path in DOCUMENTS
        for target in re.findall(r"^make ([\w-]+)|`make ([\w-]+)", path.read_text(), re.MULTILINE)
        for target in target
        if target
    }
    assert named <= known


def test_the_documents_name_test_files_that_exist() -> None:
    there = {path.name for path in (ROOT / "tests").rglob("test_*.py")}
    named = {
        name for path in DOCUMENTS for name in re.findall(r"`(test_\w+\.py)`", path.read_text())
    }
    assert "test_signing.py" in named  # SECURITY.md says which test holds each promise
    assert named <= there


def test_every_module_and_nine_of_ten_public_things_have_a_docstring() -> None:
    found = modules()
    assert all(ast.get_docstring(module) for module in found.values())
    things = [thing for module in found.values() for thing in public(module)]
    silent = [t.name for t in things if not ast.get_docstring(t)]  # type: ignore[attr-defined,arg-type]
    assert len(silent) < 0.1 * len(things), silent


def test_everything_that_is_imported_is_declared() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    declared = {
        re.match(r"[\w-]+", each)[0].lower()  # type: ignore[index]
        for each in sum(
            (
                extras[e]
                for e in (
                    *("lab", "ab", "uplift", "lightgbm", "text", "ann", "postgres", "spark"),
                    "ray",
                )
            ),
            project["dependencies"],
        )
    }
    imported = {
        name.partition(".")[0]
        for module in modules().values()
        for node in ast.walk(module)
        for name in imports_of(node)
    }
    third_party = imported - set(sys.stdlib_module_names) - {"growthlab", *COMES_WITH}
    known = {IMPORTED_AS.get(name, name) for name in declared}
    assert third_party <= known


def imports_of(node: ast.AST) -> list[str]:
    """The absolute modules that a statement imports."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom) and not node.level and node.module:
        return [node.module]
    return []


def test_no_module_imports_pickle() -> None:
    unsafe = {"pickle", "joblib", "dill", "cloudpickle", "shelve", "marshal"}
    found = {
        str(path.relative_to(ROOT))
        for path, module in modules().items()
        for node in ast.walk(module)
        for name in imports_of(node)
        if name.partition(".")[0] in unsafe
    }
    assert not found


def test_no_file_is_longer_than_400_lines() -> None:
    lengths = {path: path.read_text().count("\n") for path in modules()}
    assert [f"{p.name}: {n}" for p, n in lengths.items() if n > LONGEST_FILE] == []


def test_a_public_class_name_stands_for_one_thing() -> None:
    homes: dict[str, list[str]] = {}
    for path, module in modules().items():
        for thing in module.body:
            if isinstance(thing, ast.ClassDef) and not thing.name.startswith("_"):
                homes.setdefault(thing.name, []).append(str(path.relative_to(PACKAGE)))
    assert {name: paths for name, paths in homes.items() if len(paths) > 1} == {}


def test_a_file_name_stands_for_one_thing() -> None:
    """A file that must be named as its config file may share its name with another."""
    free = {path for place in NAMED_AS_THEIR_CONFIG for path in PACKAGE.glob(f"{place}/*.py")}
    homes: dict[str, list[str]] = {}
    for path in modules():
        if path not in free and path.name not in ("base.py", "__init__.py", "__main__.py"):
            homes.setdefault(path.name, []).append(str(path.relative_to(PACKAGE)))
    assert {name: paths for name, paths in homes.items() if len(paths) > 1} == {}


def test_no_chain_of_imports_is_long() -> None:
    graph = grimp.build_graph("growthlab", cache_dir=None)

    @functools.cache
    def longest_from(module: str) -> tuple[str, ...]:
        imported = sorted(graph.find_modules_directly_imported_by(module))
        return (module, *max(map(longest_from, imported), key=len, default=()))

    # without the package itself, which imports the API on first use
    chain = max(map(longest_from, sorted(graph.modules - {"growthlab"})), key=len)
    assert len(chain) <= LONGEST_CHAIN, " > ".join(chain)
