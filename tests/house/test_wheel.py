"""The wheel: built from the tree, installed in an empty folder, and used from somewhere else."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input"]


def done(words: list[str], cwd: Path, **variables: str) -> str:
    """What a command prints; it must succeed."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("PIP_")}
    run = subprocess.run(words, cwd=cwd, env={**kept, **variables}, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr
    return run.stdout


@pytest.fixture(scope="module")
def wheel(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of a copy of the tree, by way of the source distribution as a release is made."""
    out = tmp_path_factory.mktemp("dist")
    local = tree / "conf" / "local"
    local.mkdir()
    (local / "default.yaml").write_text("device: cpu\n")  # somebody's own settings stay at home
    done([sys.executable, "-m", "build", "--no-isolation", "--outdir", str(out), "."], tree)
    (path,) = out.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty folder with nothing but the wheel installed in it."""
    target = tmp_path_factory.mktemp("installed")
    done([*PIP, "install", "--quiet", "--no-deps", "--target", str(target), str(wheel)], target)
    return target


def test_every_yaml_and_module_of_the_tree_travels(wheel: Path, tree: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        inside = set(archive.namelist())
    package = tree / "src" / "growthlab"
    modules = {f"growthlab/{p.relative_to(package)}" for p in package.rglob("*.py")}
    yamls = {
        f"growthlab/conf/{p.relative_to(tree / 'conf')}" for p in (tree / "conf").rglob("*.yaml")
    }
    assert "growthlab/export/pyfunc_model.py" in modules
    assert modules <= inside
    own = {name for name in yamls if "/local/" in name}
    assert yamls - own <= inside
    assert not own & inside


def test_the_plain_install_is_the_serving_set_and_extras_add_the_rest(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (n for n in archive.namelist() if n.endswith(".dist-info/METADATA"))
        metadata = Parser().parsestr(archive.read(name).decode())
    needed = [r for r in metadata.get_all("Requires-Dist", []) if "extra ==" not in r]
    names = {r.split(">")[0].split("[")[0] for r in needed}
    web = {"fastapi", "fastapi-offline", "uvicorn", "httptools", "uvloop"}
    assert names == {"numpy", "scipy", "onnxruntime", "filelock", *web}
    assert {"lab", "lightgbm", "postgres", "dev"} <= set(metadata.get_all("Provides-Extra", []))


def test_a_comparison_runs_from_the_installed_wheel(installed: Path, tmp_path: Path) -> None:
    variables = {"PYTHONPATH": str(installed)}
    where = "import growthlab; print(growthlab.__file__)"
    used = done([sys.executable, "-c", where], tmp_path, **variables)
    assert Path(used.strip()).is_relative_to(installed)
    words = "compare models=[popularity,item_knn] data.users=150 data.items=60 data.days=120"
    command = [sys.executable, "-m", "growthlab.cli.main", *words.split()]
    assert "item_knn" in done(command, tmp_path, **variables)
    assert (tmp_path / "mlflow.db").exists()
