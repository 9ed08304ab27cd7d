"""The plain install: what the wheel asks for and nothing else is small, and serves a bundle."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from importlib.metadata import Distribution, distribution
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from tests.patience import PATIENCE
from tests.ports import free_port

from growthlab.bundle.manifest import Provenance
from growthlab.core.histories import Catalogue, Histories
from growthlab.export.write_bundle import write_recommender
from growthlab.models.recommend.gru4rec import GRU4Rec
from growthlab.models.recommend.item_knn import ItemKNN
from growthlab.tasks.top_n import TopN
from growthlab.training.fit_options import FitOptions
from growthlab.training.loop import Trainer

MOST_MB = 400
HEAVY = ("torch", "mlflow", "hydra", "pandas", "pyarrow", "sklearn", "duckdb", "lightgbm")
PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input"]


@pytest.fixture(scope="module")
def small(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel and everything that it needs without extras, and no more.

    The packages are those of this environment, so that the test needs no network; which ones is
    what the wheel's own metadata and theirs say.
    """
    out, target = tmp_path_factory.mktemp("small-dist"), tmp_path_factory.mktemp("small")
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out), "."]
    subprocess.run(build, cwd=tree, check=True, capture_output=True)
    (wheel,) = out.glob("*.whl")
    install = [*PIP, "install", "--quiet", "--no-deps", "--target", str(target), str(wheel)]
    subprocess.run(install, check=True, capture_output=True)
    (own,) = target.glob("growthlab-*.dist-info")
    for package in needed_by(Distribution.at(own)).values():
        copy(package, target)
    return target


def needed_by(first: Distribution) -> dict[str, Distribution]:
    """Every distribution that this one needs without extras, by name."""
    found: dict[str, Distribution] = {}
    left = [(first, frozenset[str]())]
    while left:
        package, extras = left.pop()
        for text in package.requires or []:
            needed = Requirement(text)
            asked = [{"extra": extra} for extra in (extras or {""})]
            if needed.marker and not any(needed.marker.evaluate(one) for one in asked):
                continue
            name = canonicalize_name(needed.name)
            if name not in found or needed.extras:
                found[name] = distribution(name)
                left.append((found[name], frozenset(needed.extras)))
    return found


def copy(package: Distribution, target: Path) -> None:
    """The package's files, as pip would put them there."""
    for file in package.files or []:
        source = Path(str(package.locate_file(file)))
        if ".." not in file.parts and source.is_file() and "__pycache__" not in file.parts:
            place = target / file
            place.parent.mkdir(parents=True, exist_ok=True)
            try:
                os.link(source, place)
            except OSError:
                shutil.copy2(source, place)


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A bundle of plain arrays and one of a network."""
    root = tmp_path_factory.mktemp("small-bundles")
    items = np.array(["coffee", "cup", "lemon", "tea"])
    rows, bought = np.array([0, 0, 1, 1, 1, 2, 2]), np.array([3, 2, 3, 2, 1, 0, 1])
    users = np.array(["anna", "bert", "carl"])
    past = Histories.from_events(Catalogue(items), users, rows, bought, np.arange(7))
    network = GRU4Rec(width=4, state=4, trainer=Trainer(epochs=1))
    folders = {}
    for name, model in (("item_knn", ItemKNN()), ("gru4rec", network)):
        about = Provenance(
            task="top_n",
            answer=TopN.answer,
            model=name,
            data="shop",
            data_digest="0" * 64,
            split="global_time",
        )
        scorer = model.fit(past, FitOptions(seed=0, device="cpu")).scorer()
        popularity = np.ones(len(items))
        folders[name] = write_recommender(
            root / name, scorer, about, histories=past, fallback=popularity
        )
    return folders


def run(small: Path, code: str, *words: str) -> subprocess.CompletedProcess[str]:
    """Python that sees this folder and its own library alone: neither site-packages nor the tree."""
    return subprocess.run(python(small, code, *words), capture_output=True, text=True, env=env())


def python(small: Path, code: str, *words: str) -> list[str]:
    first = f"import sys; sys.path.append({str(small)!r})\n"
    return [sys.executable, "-I", "-S", "-c", first + code, *words]


def env() -> dict[str, str]:
    """The variables of this process as they are now, the tests' key of pseudonyms among them."""
    return {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}


def test_it_is_small_and_has_nothing_of_the_laboratory(small: Path) -> None:
    files = [p for p in small.rglob("*") if p.is_file()]
    size = sum(p.stat().st_size for p in files) / 2**20
    assert 50 < size < MOST_MB  # numpy, scipy and onnxruntime are there
    assert {p.name for p in small.iterdir()} & set(HEAVY) == set()
    tried = run(
        small,
        "import importlib.util as u; print([m for m in sys.argv[1:] if u.find_spec(m)])",
        *HEAVY,
    )
    assert (tried.stdout.strip(), tried.returncode) == ("[]", 0), tried.stderr


@pytest.mark.parametrize("name", ["item_knn", "gru4rec"])
def test_it_answers_from_a_bundle(small: Path, bundles: dict[str, Path], name: str) -> None:
    code = (
        "from growthlab.bundle.answers import RecommendRequest as R\n"
        "from growthlab.bundle.bundle import Bundle\n"
        "bundle = Bundle.load(sys.argv[1])\n"
        "asked = [R('anna'), R(history=['coffee']), R(item='tea'), R(basket=['tea']), R()]\n"
        "print([a.served for a in bundle.recommend(asked, 3)])"
    )
    done = run(small, code, str(bundles[name]))
    assert done.returncode == 0, done.stderr
    served = ["known", "folded_in", "similar_items", "basket", "popularity_fallback"]
    assert done.stdout.strip() == str(served)


@pytest.mark.parametrize("way", ["growthlab serve", "python -m growthlab.serving"])
def test_it_serves(small: Path, bundles: dict[str, Path], way: str) -> None:
    port = free_port()
    code = {
        "growthlab serve": "from growthlab.cli.main import main; sys.exit(main(['serve', *sys.argv[1:]]))",
        "python -m growthlab.serving": "import runpy; sys.argv[0] = 'serving';"
        "runpy.run_module('growthlab.serving', run_name='__main__')",
    }[way]
    words = python(small, code, f"bundle={bundles['gru4rec']}", f"port={port}")
    process = subprocess.Popen(words, env=env(), stderr=subprocess.PIPE, text=True)
    try:
        answer = posted(
            f"http://127.0.0.1:{port}/recommend", b'{"user_id": "anna", "k": 2}', process
        )
    finally:
        process.terminate()
        assert process.stderr is not None
        said = process.stderr.read()
        process.wait(PATIENCE)
        process.stderr.close()
    assert b'"served":"known"' in answer.replace(b" ", b""), said


def test_what_needs_the_laboratory_says_so_in_a_line(small: Path) -> None:
    code = "from growthlab.cli.main import main; sys.exit(main(sys.argv[1:]))"
    done = run(small, code, "recommend", "bundle=b", "input=i.csv", "output=o.csv")
    assert done.returncode == 2
    _, mistake = done.stderr.splitlines()  # after the line that says what was begun
    assert mistake.startswith("growthlab: recommend needs the laboratory (")
    assert mistake.endswith("pip install 'growthlab[lab]'")
    mistyped = run(small, code, "serve", "bundel=b")
    assert mistyped.returncode == 2
    _, mistake = mistyped.stderr.splitlines()
    assert mistake == "growthlab: unknown setting bundel: did you mean bundle?"


def posted(url: str, body: bytes, process: Any) -> bytes:
    """The answer to a request, as soon as there is a service."""
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end and process.poll() is None:
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
                return bytes(answer.read())
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.1)
    pytest.fail("the service did not come up")
